"""Where the session's time comes from: the tape's barrier.

The sandbox's control port moves the tape on only when the session has said that
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
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hedgekit.errors import SessionError
from hedgekit.net.transport import Stream
from hedgekit.types import Reply


@dataclass(slots=True)
class Instant:
    """Everything that reaches the session at one virtual time."""

    number: int
    now_ns: int
    replies: list[tuple[int, Reply]] = field(default_factory=list)
    trade: list[bytes | str] = field(default_factory=list)
    quotes: list[bytes | str] = field(default_factory=list)
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
    message: str = ""


LOOK_S = 0.05
"""Real seconds after which a paced tape lets the session look for commands while nothing happens."""

_DECODE = msgspec.json.Decoder(_Said)
_COUNT = msgspec.json.Decoder(list[msgspec.Raw])


class Inbox:
    """What has arrived and has not been handed over yet."""

    def __init__(self) -> None:
        self.replies: dict[int, Reply] = {}
        self.trade: deque[bytes | str] = deque()
        self.quotes: deque[tuple[int, bytes | str]] = deque()
        self._failure: SessionError | None = None
        self._changed = asyncio.Event()

    def on_reply(self, number: int, reply: Reply) -> None:
        """Keep an answer."""
        self.replies[number] = reply
        self._changed.set()

    def on_trade(self, frame: bytes | str) -> None:
        """Keep a trade update (one a frame)."""
        self.trade.append(frame)
        self._changed.set()

    def on_quotes(self, frame: bytes | str) -> None:
        """Keep a market-data frame, with the number of messages in it."""
        self.quotes.append((len(_COUNT.decode(frame)), frame))
        self._changed.set()

    def on_end(self, error: SessionError) -> None:
        """Remember that a socket is over: nobody must wait for it."""
        self._failure = error
        self._changed.set()

    async def changed(self) -> None:
        """Wait for something new."""
        if self._failure is not None:
            raise self._failure
        self._changed.clear()
        await self._changed.wait()
        if self._failure is not None:
            raise self._failure


class TapePacer:
    """The session's end of the barrier (step mode).

    Parameters
    ----------
    control : Stream
        The control port.
    inbox : Inbox
        Where the venue's sockets put what they bring.
    """

    def __init__(self, control: Stream, inbox: Inbox) -> None:
        self._control, self._inbox = control, inbox
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

    async def next(self, *, requests: int, timer_ns: int | None, called: Callable[[], bool] = lambda: False) -> Instant:
        """Say that all is durable, let the tape move on, return the next instant.

        Parameters
        ----------
        requests : int
            How many requests this process has sent in all.
        timer_ns : int or None
            When the session wants to be woken next.
        called : callable
            Asked every :data:`LOOK_S` while a paced tape stands still; True makes an instant of the present time.
        """
        wish: dict[str, Any] = {"op": "advance", "done": self._done, "requests": requests, "timer": timer_ns, "wait": LOOK_S}
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
        while len(inbox.trade) < said.trade or any(number not in inbox.replies for number in said.replies) or not _holds(inbox, said.md):
            await inbox.changed()
        return Instant(
            said.n,
            said.now,
            [(number, inbox.replies.pop(number)) for number in said.replies],
            [inbox.trade.popleft() for _ in range(said.trade)],
            list(_take(inbox, said.md)),
        )


def _holds(inbox: Inbox, messages: int) -> bool:
    return sum(count for count, _ in inbox.quotes) >= messages


def _take(inbox: Inbox, messages: int) -> Iterator[bytes | str]:
    while messages > 0:
        count, frame = inbox.quotes.popleft()
        messages -= count
        yield frame
    if messages < 0:
        msg = "the sandbox sent quotes of two instants in one frame"
        raise SessionError(msg)
