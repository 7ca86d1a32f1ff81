"""The control port: moves the tape in step, lets faults happen, shows the ledger. It is no part of a venue's protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import WSMsgType, web

from hedgekit.errors import ConfigError, SessionError
from hedgekit.exchange.faults import Fault
from hedgekit.sandbox.messages import AddFault, AskFaults, AskLedger, Error, Faulted, Hits, Op, decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from hedgekit.sandbox.barrier import Barrier
    from hedgekit.sandbox.trouble import Trouble


class Control:
    """Serves the control port.

    One WebSocket, JSON text, one answer for each message:

    ===================================================================== ==========================================================
    ``{"op":"attach","epoch":k,"done":m}``                                ``{"op":"attached","instant":n,"now":t,"first":t0}``
    ``{"op":"redeliver"}`` (only if m is n - 1)                           ``{"op":"instant",...,"replies":[],"closed":[],...}``
    ``{"op":"advance","done":n,"requests":N,"timer":T|null}``             ``{"op":"instant","n","now","md","trade","replies","closed",``
                                                                          ``"silent","back"}`` or ``{"op":"end","now":t}``
    the same with ``"wait":S`` (real seconds, paced tape)                 the same, or ``{"op":"still","now":t}``
    the same with ``"silence":S`` (seconds)                               the same; ``silent`` and ``back`` are told
    the same with ``"idle":T`` (a timer that keeps nothing going)         the same
    ``{"op":"ledger"}``                                                   ``{"op":"ledger","cash","positions","fills"}``
    ``{"op":"fault","kind","at","seconds","fraction","count"}``           ``{"op":"faulted"}``
    ``{"op":"faults"}``                                                   ``{"op":"faults","hits":{kind: number}}``
    anything wrong                                                        ``{"op":"error","message"}``
    ===================================================================== ==========================================================

    The first five are for step mode. Faults may come on any connection, attached or not; so may ``ledger`` live.

    Parameters
    ----------
    barrier : Barrier or None
        What moves the tape; None live, where time moves by itself.
    trouble : Trouble
        What faults are given to.
    ledger : callable
        Returns the answer to ``ledger`` as JSON.
    """

    def __init__(self, barrier: Barrier | None, trouble: Trouble, ledger: Callable[[], bytes]) -> None:
        self._barrier, self._trouble, self._ledger = barrier, trouble, ledger

    async def serve(self, socket: web.WebSocketResponse) -> None:
        """Serve one connection until it closes."""
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            try:
                answer = await self._answer(socket, decode(message.data))
            except (msgspec.DecodeError, ConfigError, SessionError) as error:
                answer = msgspec.json.encode(Error(str(error)))
            try:
                await socket.send_str(answer.decode())
            except ConnectionError:
                return

    async def _answer(self, socket: web.WebSocketResponse, op: Op) -> bytes:
        if isinstance(op, AddFault):
            self._trouble.add(Fault(op.kind, op.at, op.seconds, op.fraction, op.count))
            return msgspec.json.encode(Faulted())
        if isinstance(op, AskFaults):
            return msgspec.json.encode(Hits(self._trouble.hits))
        if isinstance(op, AskLedger):
            if self._barrier is not None:
                self._barrier.check(socket)
            return self._ledger()
        if self._barrier is None:
            msg = "the sandbox runs live: time moves by itself, there is nothing to attach to; ask for ledger, fault or faults"
            raise SessionError(msg)
        return msgspec.json.encode(await self._barrier.answer(socket, op))
