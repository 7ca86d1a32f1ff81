"""Where the session's time comes from: the tape's barrier, or the machine's clock.

In step the sandbox's control port moves the tape on only when the session has said that
everything up to here is durable. One *instant* is a virtual time at which at
least one message reaches the session or its own timer is due. The pacer collects
exactly the messages that belong to the instant, from all sockets, and hands them
over in one canonical order: answers by request number, trade updates, quotes, in
the order in which each socket brought them.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hedgekit.errors import SessionError
from hedgekit.net.transport import Stream
from hedgekit.types import NS, Feed, MarketEvent, Reply, Update


@dataclass(slots=True)
class Instant:
    """Everything that reaches the session at one time; each frame with the feed that reads it.

    ``closed`` names the sockets that ended ("md", "trade"); ``silent`` what has been without a sign of life for as long as
    the session's limit ("rest" too), told once; ``back`` what lives again.
    """

    number: int
    now_ns: int
    replies: list[tuple[int, Reply]] = field(default_factory=list)
    trade: list[tuple[Feed[Update], bytes | str]] = field(default_factory=list)
    quotes: list[tuple[Feed[MarketEvent], bytes | str]] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    back: list[str] = field(default_factory=list)
    end: bool = False


class _Said(msgspec.Struct):
    """Any message of the control port."""

    op: str
    now: int = 0
    n: int = 0
    instant: int = 0
    md: int = 0
    trade: int = 0
    replies: list[int] = []
    closed: list[str] = []
    silent: list[str] = []
    back: list[str] = []
    message: str = ""


LOOK_S = 0.05
"""Real seconds after which a paced tape lets the session look for commands while nothing happens."""

_DECODE = msgspec.json.Decoder(_Said)
_COUNT = msgspec.json.Decoder(list[msgspec.Raw])


class Inbox:
    """What has arrived and has not been handed over yet."""

    def __init__(self) -> None:
        self.replies: dict[int, Reply] = {}
        self.trade: deque[tuple[Feed[Update], bytes | str]] = deque()
        self.quotes: deque[tuple[int, Feed[MarketEvent], bytes | str]] = deque()
        self.ended: set[str] = set()
        self._woken = False
        self._changed = asyncio.Event()

    def on_reply(self, number: int, reply: Reply) -> None:
        """Keep an answer."""
        self.replies[number] = reply
        self._changed.set()

    def on_trade(self, feed: Feed[Update], frame: bytes | str) -> None:
        """Keep a frame of the account's feed."""
        self.trade.append((feed, frame))
        self._changed.set()

    def on_quotes(self, feed: Feed[MarketEvent], frame: bytes | str) -> None:
        """Keep a market-data frame, with the number of messages in it."""
        several = frame[:1] in ("[", b"[")
        self.quotes.append((len(_COUNT.decode(frame)) if several else 1, feed, frame))
        self._changed.set()

    def on_end(self, name: str) -> None:
        """Remember that a socket is over."""
        self.ended.add(name)
        self._changed.set()

    def wake(self) -> None:
        """Make an instant of nothing."""
        self._woken = True
        self._changed.set()

    def clear(self) -> None:
        """Forget what was handed over."""
        self.replies.clear()
        self.trade.clear()
        self.quotes.clear()
        self.ended.clear()
        self._woken = False

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not (self.replies or self.trade or self.quotes or self.ended or self._woken)

    async def changed(self) -> None:
        """Wait for something new."""
        self._changed.clear()
        await self._changed.wait()


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
        self, *, requests: int, timer_ns: int | None, idle_ns: int | None = None, called: Callable[[], bool] = lambda: False
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
        called : callable
            Asked every :data:`LOOK_S` while a paced tape stands still; True makes an instant of the present time.
        """
        wish: dict[str, Any] = {"op": "advance", "done": self._done, "requests": requests, "timer": timer_ns, "wait": LOOK_S}
        wish |= {"silence": self._silence_s, "idle": idle_ns}
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
        self._done = said.n
        inbox = self._inbox
        while not _all_here(inbox, said):
            if inbox.ended.difference(said.closed):
                msg = "a stream was closed by the venue, and the tape's control port did not say so"
                raise SessionError(msg)
            await inbox.changed()
        inbox.ended.difference_update(said.closed)
        return Instant(
            said.n,
            said.now,
            [(number, inbox.replies.pop(number)) for number in said.replies],
            [inbox.trade.popleft() for _ in range(said.trade)],
            list(_take(inbox, said.md)),
            said.closed,
            said.silent,
            said.back,
        )


def _all_here(inbox: Inbox, said: _Said) -> bool:
    return (
        len(inbox.trade) >= said.trade
        and all(number in inbox.replies for number in said.replies)
        and sum(count for count, _, _ in inbox.quotes) >= said.md
        and inbox.ended.issuperset(said.closed)
    )


def _take(inbox: Inbox, messages: int) -> Iterator[tuple[Feed[MarketEvent], bytes | str]]:
    while messages > 0:
        count, feed, frame = inbox.quotes.popleft()
        messages -= count
        yield feed, frame
    if messages < 0:
        msg = "the sandbox sent quotes of two instants in one frame"
        raise SessionError(msg)


class LivePacer:
    """The machine's clock: whatever has arrived is an instant, and so is a timer that is due.

    Parameters
    ----------
    inbox : Inbox
        Where the venue's sockets put what they bring.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._number = 0
        self._now_ns = 0

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
        called: Callable[[], bool] = lambda: False,
    ) -> Instant:
        """Wait for a message, a timer or a command."""
        inbox, looked = self._inbox, time.monotonic()
        timer_ns = min((at for at in (timer_ns, idle_ns) if at is not None), default=None)
        while inbox.empty and not (timer_ns is not None and timer_ns <= time.time_ns()):
            if time.monotonic() - looked >= LOOK_S:
                looked = time.monotonic()
                if called():
                    break
            left = LOOK_S if timer_ns is None else min(LOOK_S, max(timer_ns - time.time_ns(), 0) / NS)
            with suppress(TimeoutError):
                await asyncio.wait_for(inbox.changed(), left)
        self._number += 1
        quotes = [(feed, frame) for _, feed, frame in inbox.quotes]
        instant = Instant(self._number, self._time(), sorted(inbox.replies.items()), list(inbox.trade), quotes)
        instant.closed = sorted(inbox.ended)
        inbox.clear()
        return instant

    def _time(self) -> int:
        """Return the machine's time; it never goes back."""
        self._now_ns = max(self._now_ns, time.time_ns())
        return self._now_ns


Pacer = TapePacer | LivePacer
