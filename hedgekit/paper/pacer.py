"""Where the session's time comes from: the tape's barrier, or the machine's clock.

In step the sandbox's control port moves the tape on only when the session has said that
everything up to here is durable. One *instant* is a virtual time at which at
least one message reaches the session or its own timer is due. The pacer collects
exactly the messages that belong to the instant, from all sockets, and hands them
over in one canonical order: answers by request number, then of each venue trade
updates and quotes, in the order in which each socket brought them.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hedgekit.errors import SessionError
from hedgekit.net.transport import Stream
from hedgekit.types import NS, Feed, MarketEvent, Reply, Update


@dataclass(slots=True)
class News:
    """What reaches the session from one venue at one time, beside answers; each frame with the feed that reads it.

    ``closed`` names the sockets that ended ("md", "trade"); ``silent`` what has been without a sign of life for as long as
    the session's limit ("rest" too), told once; ``back`` what lives again.
    """

    trade: list[tuple[Feed[Update], bytes | str]] = field(default_factory=list)
    quotes: list[tuple[Feed[MarketEvent], bytes | str]] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    back: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Instant:
    """Everything that reaches the session at one time: answers, and each venue's news, by its name."""

    number: int
    now_ns: int
    replies: list[tuple[int, Reply]] = field(default_factory=list)
    news: dict[str, News] = field(default_factory=dict)
    end: bool = False


class _Told(msgspec.Struct):
    """A venue's part of an instant: :class:`News`, counted."""

    md: int = 0
    trade: int = 0
    closed: list[str] = []
    silent: list[str] = []
    back: list[str] = []


class _Said(msgspec.Struct):
    """Any message of the control port."""

    op: str
    now: int = 0
    n: int = 0
    instant: int = 0
    replies: list[int] = []
    venues: dict[str, _Told] = {}
    message: str = ""


LOOK_S = 0.05
"""Real seconds after which a paced tape lets the session look for commands while nothing happens."""

_DECODE = msgspec.json.Decoder(_Said)
_COUNT = msgspec.json.Decoder(list[msgspec.Raw])


class Box:
    """What has arrived from one venue and has not been handed over yet.

    Parameters
    ----------
    changed : callable
        Called when something new is there.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.trade: deque[tuple[Feed[Update], bytes | str]] = deque()
        self.quotes: deque[tuple[int, Feed[MarketEvent], bytes | str]] = deque()
        self.ended: set[str] = set()
        self.woken = False
        self._failed: tuple[str, Exception] | None = None
        self._changed = changed

    def on_trade(self, feed: Feed[Update], frame: bytes | str) -> None:
        """Keep a frame of the account's feed."""
        self.trade.append((feed, frame))
        self._changed()

    def on_quotes(self, feed: Feed[MarketEvent], frame: bytes | str) -> None:
        """Keep a market-data frame, with the number of messages in it."""
        try:
            messages = len(_COUNT.decode(frame)) if frame[:1] in ("[", b"[") else 1
        except msgspec.MsgspecError:  # what is wrong with it says who reads it; here it would end the reader without a word
            messages = 1
        self.quotes.append((messages, feed, frame))
        self._changed()

    def on_end(self, name: str, error: Exception) -> None:
        """Remember that a socket is over, or that its reader has failed: that ends the session, which would hear nothing more."""
        self.ended.add(name)
        self._failed = self._failed or (None if isinstance(error, SessionError) else (name, error))
        self._changed()

    def wake(self) -> None:
        """Make an instant of nothing."""
        self.woken = True
        self._changed()

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not (self.trade or self.quotes or self.ended or self.woken)

    def check(self) -> None:
        """Raise SessionError if a reader has failed."""
        if self._failed is not None:
            name, error = self._failed
            msg = f"a frame of the {name!r} socket could not be read: {type(error).__name__}: {error}"
            raise SessionError(msg) from error

    def holds(self, told: _Told) -> bool:
        """Whether every message that was told of is here; SessionError if a reader has failed."""
        self.check()
        messages = sum(count for count, _, _ in self.quotes)
        return len(self.trade) >= told.trade and messages >= told.md and self.ended.issuperset(told.closed)

    def take(self, told: _Told) -> News:
        """Hand over what was told of."""
        self.ended.difference_update(told.closed)
        trade = [self.trade.popleft() for _ in range(told.trade)]
        return News(trade, list(self._quotes(told.md)), told.closed, told.silent, told.back)

    def _quotes(self, messages: int) -> Iterator[tuple[Feed[MarketEvent], bytes | str]]:
        while messages > 0:
            count, feed, frame = self.quotes.popleft()
            messages -= count
            yield feed, frame
        if messages < 0:
            msg = "the sandbox sent quotes of two instants in one frame"
            raise SessionError(msg)

    def take_all(self) -> News:
        """Hand over everything; SessionError if a reader has failed."""
        self.check()
        news = News(list(self.trade), [(feed, frame) for _, feed, frame in self.quotes], sorted(self.ended))
        self.trade.clear()
        self.quotes.clear()
        self.ended.clear()
        self.woken = False
        return news


class Inbox:
    """What has arrived and has not been handed over yet.

    Parameters
    ----------
    venues : iterable of str
        Whose accounts the session trades, in the order in which their news is handed over.
    """

    def __init__(self, venues: Iterable[str]) -> None:
        self.replies: dict[int, Reply] = {}
        self._waiter: asyncio.Future[None] | None = None
        self.boxes = {venue: Box(self._changed) for venue in venues}

    def on_reply(self, number: int, reply: Reply) -> None:
        """Keep an answer."""
        self.replies[number] = reply
        self._changed()

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self.replies and all(box.empty for box in self.boxes.values())

    async def changed(self, within_s: float | None = None) -> None:
        """Wait for something new, or for so long. A bare future: a task and a time-out around it would delay each hedge (A11)."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        alarm = None if within_s is None else loop.call_later(within_s, self._changed)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if alarm is not None:
                alarm.cancel()

    def _changed(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class TapePacer:
    """The session's end of the barrier (step mode).

    Parameters
    ----------
    control : Stream
        The control port.
    inbox : Inbox
        Where the venue's sockets put what they bring.
    silence_s : float
        Seconds without a sign of life after which the sandbox says so; 0 for never.
    """

    def __init__(self, control: Stream, inbox: Inbox, silence_s: float = 0.0) -> None:
        self._control, self._inbox, self._silence_s = control, inbox, silence_s or None
        self.epoch = time.time_ns()
        self.first_ns = 0
        self._redeliver = False
        self._done = 0

    def label(self, number: int) -> dict[str, str]:
        """Return the header by which the sandbox counts this process's requests."""
        return {"X-Hedgekit-Request": f"{self.epoch}-{number}"}

    async def attach(self, done: int) -> int:
        """Join the tape after the last durable instant; return the virtual time."""
        said = await self._ask({"op": "attach", "epoch": self.epoch, "done": done})
        self._redeliver = done < said.instant
        self._done = said.instant
        return said.now

    async def missed(self) -> Instant | None:
        """Return the instant that a killed process had received and not made durable, if any."""
        if not self._redeliver:
            return None
        return await self._collect(await self._ask({"op": "redeliver"}))

    async def next(
        self,
        *,
        requests: int,
        timer_ns: int | None,
        idle_ns: int | None = None,
        deaf: Mapping[str, list[str]],
        called: Callable[[], bool] = lambda: False,
    ) -> Instant:
        """Say that all is durable, let the tape move on, return the next instant.

        Parameters
        ----------
        requests : int
            How many requests this process has sent in all.
        timer_ns : int or None
            When the session wants to be woken next.
        idle_ns : int or None
            The same, but not if nothing else is to come: then the tape is over.
        deaf : mapping of str to list of str
            By venue, which sockets are not open: nothing can come on them.
        called : callable
            Asked every :data:`LOOK_S` while a paced tape stands still; True makes an instant of the present time.
        """
        wish: dict[str, Any] = {"op": "advance", "done": self._done, "requests": requests, "timer": timer_ns, "wait": LOOK_S}
        wish |= {"silence": self._silence_s, "idle": idle_ns, "deaf": dict(deaf)}
        while (said := await self._ask(wish)).op == "still":
            if called():
                wish["timer"] = said.now
        return await self._collect(said)

    async def _ask(self, message: dict[str, Any]) -> _Said:
        await self._control.send(msgspec.json.encode(message).decode())
        said = _DECODE.decode(await self._control.receive())
        if said.op == "error":
            msg = f"the tape's control port refused {message['op']!r}: {said.message}"
            raise SessionError(msg)
        return said

    async def _collect(self, said: _Said) -> Instant:
        """Wait until every message that the tape has sent in this instant is here."""
        if said.op == "end":
            return Instant(self._done, said.now, end=True)
        self._done, inbox = said.n, self._inbox
        told = {venue: said.venues.get(venue, _Told()) for venue in inbox.boxes}  # other venues' are not this session's
        while not all(box.holds(told[venue]) for venue, box in inbox.boxes.items()) or not inbox.replies.keys() >= {*said.replies}:
            if any(inbox.boxes[venue].ended.difference(told[venue].closed) for venue in told):
                msg = "a stream was closed by the venue, and the tape's control port did not say so"
                raise SessionError(msg)
            await inbox.changed()
        news = {venue: box.take(told[venue]) for venue, box in inbox.boxes.items()}
        return Instant(said.n, said.now, [(number, inbox.replies.pop(number)) for number in said.replies], news)


class LivePacer:
    """The machine's clock: whatever has arrived is an instant, and so is a timer that is due.

    A clock that is set back stops nothing: time goes on from where it was. One that is set forward is followed, as after a sleep of the
    machine.

    Parameters
    ----------
    inbox : Inbox
        Where the venue's sockets put what they bring.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._number = 0
        self._zero = time.time_ns() - time.monotonic_ns()

    @staticmethod
    def label(_: int) -> dict[str, str]:
        """Return no header: a venue counts our requests itself."""
        return {}

    async def attach(self, done: int) -> int:
        """Go on after the last durable instant; return the time."""
        self._number = done
        return self._time()

    async def missed(self) -> None:
        """Return nothing: what a venue has said to a dead process is not said again."""

    async def next(
        self,
        *,
        requests: int,  # noqa: ARG002 - the barrier's
        timer_ns: int | None,
        idle_ns: int | None = None,
        deaf: Mapping[str, list[str]],  # noqa: ARG002 - the barrier's
        called: Callable[[], bool] = lambda: False,
    ) -> Instant:
        """Wait for a message, a timer or a command."""
        inbox, looked = self._inbox, time.monotonic()
        timer_ns = min((at for at in (timer_ns, idle_ns) if at is not None), default=None)
        while inbox.empty and not (timer_ns is not None and timer_ns <= self._time()):
            if time.monotonic() - looked >= LOOK_S:
                looked = time.monotonic()
                if called():
                    break
            left = LOOK_S if timer_ns is None else min(LOOK_S, max(timer_ns - self._time(), 0) / NS)
            await inbox.changed(left)
        self._number += 1
        news = {venue: box.take_all() for venue, box in inbox.boxes.items()}
        instant = Instant(self._number, self._time(), sorted(inbox.replies.items()), news)
        inbox.replies.clear()
        return instant

    def _time(self) -> int:
        """Return the machine's time; it never goes back, and never stands still."""
        steady = time.monotonic_ns()
        self._zero = max(self._zero, time.time_ns() - steady)
        return self._zero + steady


Pacer = TapePacer | LivePacer
