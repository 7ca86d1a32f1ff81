"""Step mode: virtual time, and the barrier that moves it.

The tape stands still until the session says that everything up to here is
durable. Then the next *instant* is released: the next virtual time at which a
message reaches the session or its own timer is due. Requests wait, on the
machine's clock, until virtual time has carried them to the exchange and their
replies back. The protocol on the control port is in the class docstring.

The rest of the sandbox sees only :class:`Timeline`, so that a wall clock can
take the barrier's place.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec
from aiohttp import WSMsgType, web

from hedgekit.clock import Handle, Scheduler
from hedgekit.errors import SessionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hedgekit.exchange.model import FillModel
    from hedgekit.sandbox.channel import Channel
    from hedgekit.sandbox.pace import Pace

T = TypeVar("T")
Label = tuple[int, int]

ARRIVAL, TAPE, DELIVERY = 0, 1, 2
"""Ranks: at one time, requests arrive before the quote (which they may then meet), and messages leave last."""

WAIT_S = 30.0
"""Real seconds that an ``advance`` waits for requests which the session says it has sent."""

SETTLE_TURNS = 20
"""Turns of the event loop at an attach: enough to read what a dead session left in the kernel's buffers."""


class Timeline(Protocol):
    """All that the sandbox knows about time."""

    @property
    def now_ns(self) -> int:
        """The time, nanoseconds UTC."""

    def call_at(self, at_ns: int, callback: Callable[[], object], *, rank: int = 0) -> Handle:
        """Call at a time."""

    async def carry(self, label: str | None, work: Callable[[], T]) -> T:
        """Carry a request to the exchange, do its work there, and carry the result back."""


class Attach(msgspec.Struct, frozen=True, tag_field="op", tag="attach"):
    """A session takes hold: its epoch, and the last instant that it has durably processed."""

    epoch: int
    done: int


class Redeliver(msgspec.Struct, frozen=True, tag_field="op", tag="redeliver"):
    """Send the last instant's messages again."""


class Advance(msgspec.Struct, frozen=True, tag_field="op", tag="advance"):
    """Instant ``done`` is durable, ``requests`` were sent in this epoch, wake me at ``timer``; answer within ``wait`` real seconds."""

    done: int
    requests: int
    timer: int | None = None
    wait: float | None = None


class AskLedger(msgspec.Struct, frozen=True, tag_field="op", tag="ledger"):
    """Ask for the exchange's exact ledger."""


class Attached(msgspec.Struct, frozen=True, tag_field="op", tag="attached"):
    """Answer to :class:`Attach`: last instant released, virtual now, first time of the tape."""

    instant: int
    now: int
    first: int


class Instant(msgspec.Struct, frozen=True, tag_field="op", tag="instant"):
    """An instant: how many messages went out on each socket, and which requests are answered."""

    n: int
    now: int
    md: int
    trade: int
    replies: list[int]


class Still(msgspec.Struct, frozen=True, tag_field="op", tag="still"):
    """Nothing is due yet on a paced tape; ``now`` is the virtual time that the pace has reached."""

    now: int


class End(msgspec.Struct, frozen=True, tag_field="op", tag="end"):
    """Nothing is pending on either side."""

    now: int


class Error(msgspec.Struct, frozen=True, tag_field="op", tag="error"):
    """What was wrong with the last message."""

    message: str


Op = Attach | Redeliver | Advance | AskLedger
_decode = msgspec.json.Decoder(Op).decode


class Barrier:
    """The timeline of step mode, and the control port's protocol.

    One WebSocket, JSON text, one answer for each message:

    ========================================================== ==============================================
    ``{"op":"attach","epoch":k,"done":m}``                     ``{"op":"attached","instant":n,"now":t,"first":t0}``
    ``{"op":"redeliver"}`` (only if m is n - 1)                ``{"op":"instant",...,"replies":[]}``
    ``{"op":"advance","done":n,"requests":N,"timer":T|null}``  ``{"op":"instant","n","now","md","trade","replies"}``
                                                               or ``{"op":"end","now":t}``
    the same with ``"wait":S`` (real seconds, paced tape)      the same, or ``{"op":"still","now":t}``
    ``{"op":"ledger"}``                                        ``{"op":"ledger","cash","positions","fills"}``
    anything wrong                                             ``{"op":"error","message"}``
    ========================================================== ==============================================

    Every REST request carries ``X-Hedgekit-Request: <epoch>-<i>``, i = 1, 2, ...
    Those sent by the time of an ``advance`` leave together at its virtual now,
    in order of epoch, then i. A request that was read reaches the exchange even
    if its connection or its session is dead by then; its reply is lost.

    Handshakes of the venue's sockets take no virtual time and are not counted.

    ``still`` releases nothing and moves nothing: the session may look for a person's
    commands and advance again, with ``"timer": t`` for an instant at the present time.

    Parameters
    ----------
    model : FillModel
        Has the latencies.
    start_ns, first_ns : int
        Where virtual time starts, and the first time of the tape.
    md, trade : Channel
        The sockets whose messages make an instant.
    ledger : callable
        Returns the answer to ``ledger`` as JSON.
    pace : Pace, optional
        How fast the tape plays; as fast as the session can by default.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        model: FillModel,
        *,
        start_ns: int,
        first_ns: int,
        md: Channel,
        trade: Channel,
        ledger: Callable[[], bytes],
        pace: Pace | None = None,
    ) -> None:
        self.epoch = self.instant = 0
        self._pace = pace
        self._model, self._first, self._md, self._trade, self._ledger = model, first_ns, md, trade, ledger
        self._scheduler = Scheduler(start_ns)
        self._link: web.WebSocketResponse | None = None
        self._done = 0
        self._unsent: dict[Label, Callable[[], None]] = {}
        self._seen: set[int] = set()
        self._read = 0
        self._replies: list[int] = []
        self._changed = asyncio.Event()

    # ---------------------------------------------------------------- timeline

    @property
    def now_ns(self) -> int:
        """Virtual now, nanoseconds UTC."""
        return self._scheduler.now_ns

    def call_at(self, at_ns: int, callback: Callable[[], object], *, rank: int = 0) -> Handle:
        """Call at a virtual time."""
        return self._scheduler.call_at(at_ns, callback, rank=rank)

    async def carry(self, label: str | None, work: Callable[[], T]) -> T:
        """Wait for virtual time to bring a request to the exchange and its reply back.

        Raises
        ------
        SessionError
            If the label is missing, malformed, used before, or of an epoch that never attached.
        """
        key = self._take(label)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def arrive() -> None:
            result = work()
            self.call_at(self.now_ns + self._model.down_ns, partial(self._reply, key, future, result), rank=DELIVERY)

        self._unsent[key] = arrive
        self._changed.set()
        return await future

    def _take(self, label: str | None) -> Label:
        epoch, dash, number = (label or "").partition("-")
        if not (dash and epoch.isdecimal() and number.isdecimal()):
            msg = f"step mode: header X-Hedgekit-Request is {label!r}, must be <epoch>-<number>"
            raise SessionError(msg)
        key = int(epoch), int(number)
        if not 0 < key[0] <= self.epoch:
            msg = f"step mode: epoch {key[0]} is not attached; the last one was {self.epoch}"
            raise SessionError(msg)
        if key in self._unsent or (key[0] == self.epoch and key[1] in self._seen):
            msg = f"step mode: request {label} was sent before; every request has its own number"
            raise SessionError(msg)
        if key[0] == self.epoch:
            self._note(key[1])
        return key

    def _note(self, number: int) -> None:
        self._seen.add(number)
        while self._read + 1 in self._seen:
            self._read += 1

    def _reply(self, key: Label, future: asyncio.Future[T], result: T) -> None:
        if key[0] == self.epoch:
            self._replies.append(key[1])
        if not future.done():
            future.set_result(result)

    # ----------------------------------------------------------------- control

    async def control(self, socket: web.WebSocketResponse) -> None:
        """Serve one connection of the control port until it closes."""
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            try:
                answer = await self._answer(socket, _decode(message.data))
            except (msgspec.DecodeError, SessionError) as error:
                answer = msgspec.json.encode(Error(str(error)))
            try:
                await socket.send_str(answer.decode())
            except ConnectionError:
                return

    async def _answer(self, socket: web.WebSocketResponse, op: Op) -> bytes:
        if isinstance(op, Attach):
            return msgspec.json.encode(await self._attach(socket, op))
        self._check_link(socket)
        if isinstance(op, AskLedger):
            return self._ledger()
        answer = await (self._redeliver() if isinstance(op, Redeliver) else self._advance(socket, op))
        return msgspec.json.encode(answer)

    def _check_link(self, socket: web.WebSocketResponse) -> None:
        if self._link is not socket:
            msg = "not attached" if not self.epoch else f"not attached; epoch {self.epoch} is"
            raise SessionError(msg)

    async def _attach(self, socket: web.WebSocketResponse, op: Attach) -> Attached:
        if op.epoch <= self.epoch:
            msg = f"epoch {op.epoch} must be above {self.epoch}, the last one attached"
            raise SessionError(msg)
        if op.done not in {self.instant, self.instant - 1} or op.done < 0:
            msg = f"done={op.done}: the last instant released is {self.instant}; a session can only be there or one behind"
            raise SessionError(msg)
        self.epoch, self._link, self._done = op.epoch, socket, op.done
        self._seen, self._read, self._replies = set(), 0, []
        self._changed.set()
        for _ in range(SETTLE_TURNS):
            await asyncio.sleep(0)
        if self._pace is not None:
            self._pace.start(self.now_ns)
        return Attached(self.instant, self.now_ns, self._first)

    async def _redeliver(self) -> Instant:
        if self._done != self.instant - 1:
            msg = f"instant {self.instant} is processed already: nothing to redeliver"
            raise SessionError(msg)
        return Instant(self.instant, self.now_ns, await self._md.resend(), await self._trade.resend(), [])

    async def _advance(self, socket: web.WebSocketResponse, op: Advance) -> Instant | Still | End:
        if op.done != self.instant:
            msg = f"done={op.done}: the last instant released is {self.instant}; process it before you advance"
            raise SessionError(msg)
        await self._all_read(socket, op.requests)
        self._done = op.done
        self._send(op.requests)
        if isinstance(stopped := await self._run(socket, op), Still | End):
            return stopped
        self.instant += 1
        replies, self._replies = sorted(self._replies), []
        return Instant(self.instant, self.now_ns, await self._md.flush(), await self._trade.flush(), replies)

    async def _all_read(self, socket: web.WebSocketResponse, count: int) -> None:
        if self._read >= count:
            return
        try:
            async with asyncio.timeout(WAIT_S):
                while self._read < count:
                    self._changed.clear()
                    await self._changed.wait()
                    self._check_link(socket)
        except TimeoutError:
            msg = f"requests={count}: request {self._read + 1} of epoch {self.epoch} did not come within {WAIT_S:g} s"
            raise SessionError(msg) from None

    def _send(self, count: int) -> None:
        for key in sorted(self._unsent):
            if key[0] < self.epoch or key[1] <= count:
                self.call_at(self.now_ns + self._model.up_ns, self._unsent.pop(key), rank=ARRIVAL)

    async def _run(self, socket: web.WebSocketResponse, op: Advance) -> Still | End | None:
        """Move virtual time to the next instant; say so if there is none, or none within the wait."""
        timer, until = op.timer, None if op.wait is None else asyncio.get_running_loop().time() + op.wait
        while True:
            due = self._scheduler.next_ns()
            if timer is not None and (due is None or timer <= due):
                due = max(timer, self.now_ns)
            if due is None:
                return End(self.now_ns)
            if self._pace is not None and not await self._come(socket, self._pace, due, until):
                return Still(max(self.now_ns, min(self._pace.reached(), due - 1)))
            self._scheduler.advance(due)
            if (timer is not None and timer <= due) or self._replies or self._md.pending or self._trade.pending:
                return None

    async def _come(self, socket: web.WebSocketResponse, pace: Pace, due: int, until: float | None) -> bool:
        """Wait until the pace reaches ``due``; False if ``until`` comes first."""
        now = asyncio.get_running_loop().time
        while (left := pace.wait_s(due)) > 0:
            patience = left if until is None else min(left, until - now())
            if patience <= 0:
                return False
            await asyncio.sleep(patience)
            self._check_link(socket)
        pace.came(due)
        return True
