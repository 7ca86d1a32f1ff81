"""Step mode: virtual time, and the barrier that moves it.

The tape stands still until the session says that everything up to here is
durable. Then the next *instant* is released: the next virtual time at which a
message reaches the session, a connection of it is closed, its own timer is due,
or there is something to tell about silence. Requests wait, on the machine's
clock, until virtual time has carried them to the exchange and their replies back.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from hedgekit.clock import Scheduler
from hedgekit.errors import SessionError
from hedgekit.sandbox.messages import Advance, Attach, Attached, End, Instant, News, Redeliver, Step, Still
from hedgekit.sandbox.timeline import LAPSE, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiohttp import web

    from hedgekit.sandbox.channel import Channel
    from hedgekit.sandbox.pace import Pace
    from hedgekit.sandbox.silence import Silence

WAIT_S = 30.0
"""Real seconds that an ``advance`` waits for requests which the session says it has sent."""

SETTLE_TURNS = 20
"""Turns of the event loop at an attach: enough to read what a dead session left in the kernel's buffers."""


class Party(NamedTuple):
    """A venue on the timeline: its name, the two sockets whose messages make an instant, and what there is to tell of its silence."""

    venue: str
    md: Channel
    trade: Channel
    silence: Silence


class Barrier:
    """The timeline of step mode, one for all venues, and its part of the control port's protocol.

    Every REST request carries ``X-Hedgekit-Request: <epoch>-<i>``, i = 1, 2, ...
    Those sent by the time of an ``advance`` leave together at its virtual now,
    in order of epoch, then i. A request that was read reaches the exchange even
    if its connection or its session is dead by then; its reply is lost.

    Handshakes of the venue's sockets take no virtual time and are not counted.

    ``still`` releases nothing and moves nothing: the session may look for a person's
    commands and advance again, with ``"timer": t`` for an instant at the present time.

    Parameters
    ----------
    start_ns, first_ns : int
        Where virtual time starts, and the first time of the tape.
    parties : iterable of Party
        The venues, in the order in which their messages leave.
    pace : Pace, optional
        How fast the tape plays; as fast as the session can by default.
    """

    def __init__(self, *, start_ns: int, first_ns: int, parties: Iterable[Party] = (), pace: Pace | None = None) -> None:
        self.epoch = self.instant = 0
        self._pace = pace
        self._first, self.parties = first_ns, [*parties]
        self._scheduler = Scheduler(start_ns)
        self._link: web.WebSocketResponse | None = None
        self._done = 0
        self._sessions: dict[int, int] = {}
        self._unsent: dict[Ticket, Callable[[], None]] = {}
        self._seen: set[int] = set()
        self._read = 0
        self._replies: list[int] = []
        self._told: dict[str, tuple[list[str], list[str]]] = {}
        self._changed = asyncio.Event()

    # ---------------------------------------------------------------- timeline

    @property
    def now_ns(self) -> int:
        """Virtual now, nanoseconds UTC."""
        return self._scheduler.now_ns

    def call_at(self, at_ns: int, callback: Callable[[], object], *, rank: int = 0) -> None:
        """Call at a virtual time."""
        self._scheduler.call_at(at_ns, callback, rank=rank)

    def ticket(self, label: str | None) -> Ticket:
        """Read a request's label.

        Raises
        ------
        SessionError
            If the label is missing, malformed, used before, or of an epoch that never attached.
        """
        epoch, dash, number = (label or "").partition("-")
        if not (dash and epoch.isdecimal() and number.isdecimal()):
            msg = f"step mode: header X-Hedgekit-Request is {label!r}, must be <epoch>-<number>"
            raise SessionError(msg)
        session = self._sessions.get(int(epoch))
        if session is None:
            msg = f"step mode: epoch {int(epoch)} is not attached; the last one was {self.epoch}"
            raise SessionError(msg)
        ticket = Ticket(int(epoch), int(number), session)
        if ticket in self._unsent or (ticket.epoch == self.epoch and ticket.number in self._seen):
            msg = f"step mode: request {label} was sent before; every request has its own number"
            raise SessionError(msg)
        return ticket

    def send(self, ticket: Ticket | None, leave: Callable[[], None]) -> None:
        """Let a request leave with the next ``advance`` that counts it."""
        assert ticket is not None  # noqa: S101 - of this class's own making
        if ticket.epoch == self.epoch:
            self._seen.add(ticket.number)
            while self._read + 1 in self._seen:
                self._read += 1
        self._unsent[ticket] = leave
        self._changed.set()

    def answered(self, ticket: Ticket | None) -> None:
        """Let the reply be one of the coming instant, if it is for the session that is attached."""
        if ticket is not None and ticket.epoch == self.epoch:
            self._replies.append(ticket.number)

    # ----------------------------------------------------------------- control

    async def answer(self, socket: web.WebSocketResponse, op: Step) -> Attached | Instant | Still | End:
        """Answer a message of the control port.

        Raises
        ------
        SessionError
            If it does not fit to where the tape is.
        """
        if isinstance(op, Attach):
            return await self._attach(socket, op)
        self.check(socket)
        return await (self._redeliver() if isinstance(op, Redeliver) else self._advance(socket, op))

    def check(self, socket: web.WebSocketResponse) -> None:
        """Refuse a control connection that has not attached, or no longer is.

        Raises
        ------
        SessionError
            Then.
        """
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
        self._sessions[op.epoch] = len(self._sessions) + 1
        self._seen, self._read, self._replies = set(), 0, []
        for party in self.parties:
            party.md.forget()
            party.trade.forget()
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
        news = {one.venue: News(await one.md.resend(), await one.trade.resend(), [], *self._told[one.venue]) for one in self.parties}
        return Instant(self.instant, self.now_ns, [], news)

    async def _advance(self, socket: web.WebSocketResponse, op: Advance) -> Instant | Still | End:
        if op.done != self.instant:
            msg = f"done={op.done}: the last instant released is {self.instant}; process it before you advance"
            raise SessionError(msg)
        await self._all_read(socket, op.requests)
        self._done = op.done
        for one in self.parties:
            for channel in one.md, one.trade:
                if channel.name in op.deaf.get(one.venue, ()):
                    channel.end()
        self._send(op.requests)
        if isinstance(stopped := await self._run(socket, op), Still | End):
            return stopped
        self.instant += 1
        replies, self._replies = sorted(self._replies), []
        self._told = {one.venue: one.silence.tell(op.silence, self.now_ns) for one in self.parties}
        return Instant(self.instant, self.now_ns, replies, {one.venue: await self._say(one) for one in self.parties})

    async def _say(self, party: Party) -> News:
        (md, md_closed), (trade, trade_closed) = await party.md.flush(), await party.trade.flush()
        closed: list[str] = [channel.name for channel, over in ((party.md, md_closed), (party.trade, trade_closed)) if over]
        return News(md, trade, closed, *self._told[party.venue])

    async def _all_read(self, socket: web.WebSocketResponse, count: int) -> None:
        if self._read >= count:
            return
        try:
            async with asyncio.timeout(WAIT_S):
                while self._read < count:
                    self._changed.clear()
                    await self._changed.wait()
                    self.check(socket)
        except TimeoutError:
            msg = f"requests={count}: request {self._read + 1} of epoch {self.epoch} did not come within {WAIT_S:g} s"
            raise SessionError(msg) from None

    def _send(self, count: int) -> None:
        for ticket in sorted(self._unsent):
            if ticket.epoch < self.epoch or ticket.number <= count:
                self._unsent.pop(ticket)()

    async def _run(self, socket: web.WebSocketResponse, op: Advance) -> Still | End | None:
        """Move virtual time to the next instant; say so if there is none, or none within the wait."""
        until = None if op.wait is None else asyncio.get_running_loop().time() + op.wait
        self._scheduler.advance(self.now_ns)
        while not self._ripe(op):
            dues = self._scheduler.next_below(LAPSE), op.timer, *self._silences(op)
            due = min((at for at in dues if at is not None), default=None)
            if due is None:
                return End(self.now_ns)
            soonest = (at for at in (due, self._scheduler.next_ns(), op.idle) if at is not None)
            due = max(min(soonest), self.now_ns)
            if self._pace is not None and not await self._come(socket, self._pace, due, until):
                return Still(max(self.now_ns, min(self._pace.reached(), due - 1)))
            self._scheduler.advance(due)
        return None

    def _ripe(self, op: Advance) -> bool:
        """Whether the session is to hear of the present moment."""
        due = any(at is not None and at <= self.now_ns for at in (op.timer, op.idle, *self._silences(op)))
        return due or bool(self._replies) or any(one.md.waiting or one.trade.waiting for one in self.parties)

    def _silences(self, op: Advance) -> list[int | None]:
        return [one.silence.due_ns(op.silence, self.now_ns) for one in self.parties]

    async def _come(self, socket: web.WebSocketResponse, pace: Pace, due: int, until: float | None) -> bool:
        """Wait until the pace reaches ``due``; False if ``until`` comes first."""
        now = asyncio.get_running_loop().time
        while (left := pace.wait_s(due)) > 0:
            patience = left if until is None else min(left, until - now())
            if patience <= 0:
                return False
            await asyncio.sleep(patience)
            self.check(socket)
        pace.came(due)
        return True
