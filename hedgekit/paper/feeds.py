"""The two sockets of an account: opened, noticed when they end, and opened again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from hedgekit.errors import SessionError, VenueError
from hedgekit.net.transport import Stream
from hedgekit.paper.config import Access
from hedgekit.paper.pacer import Box
from hedgekit.types import NS, Feed, Venue

_FIRST_NS, _MOST_NS = NS, 30 * NS
HEARTBEAT_S = 10.0
"""Real seconds between pings; a socket that does not answer half as long is over."""


@dataclass(slots=True)
class _Seat:
    """One socket: its address, where its frames go, and when to try again while there is none."""

    url: str
    title: str
    stream: Stream | None = None
    feed: Feed[Any] | None = None
    beat_ns: int = 0
    again_ns: int = 0
    wait_ns: int = _FIRST_NS
    lost_ns: int = 0
    attempt: asyncio.Task[None] | None = None


class Feeds:
    """Market data ("md") and trade updates ("trade") of one account.

    Parameters
    ----------
    venue : Venue
        The account's client.
    access : Access
        Addresses.
    box : Box
        Where frames and ends go.
    live : bool
        Whether time is the machine's.
    """

    def __init__(self, venue: Venue, access: Access, box: Box, *, live: bool) -> None:
        self._venue, self._box, self._live = venue, box, live
        self._now_ns = 0
        self._answered_ns = self._asked_ns = 0
        self._silent: set[str] = set()
        self._parting: set[asyncio.Task[None]] = set()
        self._seats = {"trade": _Seat(access.stream, "trade-updates"), "md": _Seat(access.data, "market-data")}

    async def open(self, now_ns: int, *, restarted: bool = False, down: bool = False) -> None:
        """Open both; one that goes on after a restart tries again later what it cannot open now.

        ``down``: the venue was not heard when the process before this one ended, and is not until it answers; what it has said
        since then was missed, so both count as lost.

        Raises
        ------
        SessionError
            If the venue cannot be reached.
        VenueError
            If it does not accept the login.
        """
        self._now_ns = now_ns
        self._answered_ns, self._silent = (1, {"rest"}) if down else (now_ns if restarted else 0, set())
        if down:
            await self.ended([*self._seats], now_ns)
            return
        for name in self._seats:
            try:
                await self._open(name)
            except SessionError:
                if not restarted:
                    raise
                await self.ended([name], now_ns)

    async def _open(self, name: str) -> None:
        seat = self._seats[name]
        feed: Feed[Any] = self._venue.account(self._now_ns) if name == "trade" else self._venue.market(self._now_ns)
        beat = HEARTBEAT_S if self._live else None
        stream = await Stream.open(seat.url, feed.login(), name=seat.title, headers=feed.headers, heartbeat_s=beat)
        seat.stream, seat.feed, seat.wait_ns, seat.beat_ns = stream, feed, _FIRST_NS, self._now_ns
        take = self._box.on_trade if name == "trade" else self._box.on_quotes
        stream.pump(lambda frame: take(feed, frame), lambda error: self._box.on_end(name, error))

    async def say(self, now_ns: int) -> None:
        """Say what the feeds must: answers to what they were asked and, live, their beats."""
        self._now_ns = now_ns
        for seat in self._seats.values():
            if seat.stream is None or seat.feed is None:
                continue
            messages, beat = seat.feed.to_say(), seat.feed.beat
            if self._live and beat is not None and seat.beat_ns + round(HEARTBEAT_S * NS) <= now_ns:
                messages, seat.beat_ns = [*messages, beat], now_ns
            for message in messages:
                await seat.stream.send(message.decode())

    async def ended(self, names: list[str], now_ns: int) -> None:
        """Note that sockets are over; the first try to open them again is at once."""
        for name in names:
            seat = self._seats[name]
            if seat.stream is not None:
                await self._part(seat.stream)
            seat.stream, seat.again_ns, seat.lost_ns = None, now_ns, now_ns

    async def mend(self, now_ns: int, *, hurry: bool = False) -> list[str]:
        """Try again what is due, in a ``hurry`` (the venue is heard again) whatever is lost; return what is open again."""
        self._now_ns = now_ns  # handshakes are signed with it
        opened = []
        for name, seat in self._seats.items():
            if seat.attempt is None and (seat.stream is not None or (seat.again_ns > now_ns and not hurry)):
                continue
            seat.attempt = seat.attempt or asyncio.create_task(self._try(name))
            if self._live and not seat.attempt.done():
                continue  # a handshake that hangs must not hold up an order
            try:
                await seat.attempt
                opened.append(name)
            except (SessionError, VenueError):
                seat.again_ns, seat.wait_ns = now_ns + seat.wait_ns, min(2 * seat.wait_ns, _MOST_NS)
            seat.attempt = None
        return opened

    async def _try(self, name: str) -> None:
        try:
            await self._open(name)
        finally:
            self._box.wake()

    @property
    def whole(self) -> bool:
        """Whether both are open."""
        return all(seat.stream is not None for seat in self._seats.values())

    @property
    def deaf(self) -> list[str]:
        """Which are not open."""
        return [name for name, seat in self._seats.items() if seat.stream is None]

    def next_ns(self) -> int | None:
        """When to try again, or to say something; None if there is nothing to do."""
        times = [seat.again_ns for seat in self._seats.values() if seat.stream is None and seat.attempt is None]
        if self._live:
            seats = [seat for seat in self._seats.values() if seat.stream is not None and seat.feed is not None and seat.feed.beat]
            times += [seat.beat_ns + round(HEARTBEAT_S * NS) for seat in seats]
        return min(times, default=None)

    # ---------------------------------------------------- signs of life, live

    def answered(self, now_ns: int) -> None:
        """Note an answer to a request."""
        self._answered_ns = now_ns

    def asked(self, now_ns: int) -> None:
        """Note a question."""
        self._asked_ns = now_ns

    def ask_ns(self, limit_s: float) -> int | None:
        """When to ask for a sign of life by REST: after a third of the limit without an answer, or as long after the last question."""
        return max(self._answered_ns, self._asked_ns) + round(limit_s * NS / 3) if limit_s and self._answered_ns else None

    def signs(self, now_ns: int, limit_s: float) -> tuple[list[str], list[str]]:
        """Return what has just become silent for longer than the limit, and what is heard again (live; a tape says it itself)."""
        limit_ns = round(limit_s * NS)
        late = {name for name, seat in self._seats.items() if seat.stream is None and now_ns - seat.lost_ns >= limit_ns}
        if self._answered_ns and now_ns - self._answered_ns >= limit_ns:
            late.add("rest")
        late = late if limit_ns else set()
        silent, back, self._silent = sorted(late - self._silent), sorted(self._silent - late), late
        for seat in self._seats.values() if "rest" in back else ():
            seat.again_ns = now_ns
        return silent, back

    async def _part(self, stream: Stream) -> None:
        """Close a socket; live nobody waits for the venue's part in it, which would hold up every order."""
        if not self._live:
            await stream.close()
            return
        stream.leave()
        task = asyncio.get_running_loop().create_task(stream.close())
        self._parting.add(task)
        task.add_done_callback(self._parting.discard)

    async def close(self) -> None:
        """Close both."""
        for task in [*self._parting]:
            task.cancel()
        await asyncio.gather(*self._parting, return_exceptions=True)
        for seat in self._seats.values():
            if seat.attempt is not None:
                seat.attempt.cancel()
                await asyncio.gather(seat.attempt, return_exceptions=True)
            if seat.stream is not None:
                await seat.stream.close()
