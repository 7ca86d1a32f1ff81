"""The control port: moves the tape in step, lets faults happen, shows the ledger. It is no part of a venue's protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import WSMsgType, web

from hedgekit.errors import ConfigError, SessionError
from hedgekit.exchange.faults import Fault
from hedgekit.sandbox.calls import UNREADABLE
from hedgekit.sandbox.messages import AddFault, AskFaults, AskLedger, Error, Faulted, Hits, Ledger, Op, decode
from hedgekit.sandbox.skins import befallen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hedgekit.sandbox.barrier import Barrier
    from hedgekit.sandbox.trouble import Trouble


class Control:
    """Serves the control port.

    One WebSocket, JSON text, one answer for each message:

    ===================================================================== ==========================================================
    ``{"op":"attach","epoch":k,"done":m}``                                ``{"op":"attached","instant":n,"now":t,"first":t0}``
    ``{"op":"redeliver"}`` (only if m is n - 1)                           ``{"op":"instant",...,"replies":[],...}``
    ``{"op":"advance","done":n,"requests":N,"timer":T|null}``             ``{"op":"instant","n","now","replies","venues":{venue: {"md",``
                                                                          ``"trade","closed","silent","back"}}}`` or
                                                                          ``{"op":"end","now":t}``
    the same with ``"wait":S`` (real seconds, paced tape)                 the same, or ``{"op":"still","now":t}``
    the same with ``"silence":S`` (seconds)                               the same; ``silent`` and ``back`` are told
    the same with ``"idle":T`` (a timer that keeps nothing going)         the same
    ``{"op":"ledger"}``                                                   ``{"op":"ledger","accounts":{venue: {"cash","positions",``
                                                                          ``"fills"}}}``
    ``{"op":"fault","kind","at","seconds","fraction","count","venue"}``   ``{"op":"faulted"}``
    ``{"op":"faults"}``                                                   ``{"op":"faults","hits":{kind: number}}``
    anything wrong                                                        ``{"op":"error","message"}``
    ===================================================================== ==========================================================

    The first five are for step mode. Faults may come on any connection, attached or not; so may ``ledger`` live.

    Parameters
    ----------
    barrier : Barrier or None
        What moves the tape; None live, where time moves by itself.
    troubles : mapping of str to Trouble
        What faults are given to, by venue.
    ledger : callable
        Returns the answer to ``ledger``.
    """

    def __init__(self, barrier: Barrier | None, troubles: Mapping[str, Trouble], ledger: Callable[[], Ledger]) -> None:
        self._barrier, self._troubles, self._ledger = barrier, troubles, ledger

    async def serve(self, socket: web.WebSocketResponse) -> None:
        """Serve one connection until it closes."""
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            try:
                answer = await self._answer(socket, decode(message.data))
            except (*UNREADABLE, ConfigError, SessionError) as error:
                answer = msgspec.json.encode(Error(str(error)))
            try:
                await socket.send_str(answer.decode())
            except ConnectionError:
                return

    async def _answer(self, socket: web.WebSocketResponse, op: Op) -> bytes:
        if isinstance(op, AddFault):
            return self._add(op)
        if isinstance(op, AskFaults):
            hits = [trouble.hits for trouble in self._troubles.values()]
            return msgspec.json.encode(Hits({kind: sum(one[kind] for one in hits) for kind in hits[0]}))
        if isinstance(op, AskLedger):
            if self._barrier is not None:
                self._barrier.check(socket)
            return msgspec.json.encode(self._ledger())
        if self._barrier is None:
            msg = "the sandbox runs live: time moves by itself, there is nothing to attach to; ask for ledger, fault or faults"
            raise SessionError(msg)
        return msgspec.json.encode(await self._barrier.answer(socket, op))

    def _add(self, op: AddFault) -> bytes:
        fault = Fault(op.kind, op.at, op.seconds, op.fraction, op.count, op.venue)
        for venue in befallen(fault, self._troubles):
            self._troubles[venue].add(fault)
        return msgspec.json.encode(Faulted())
