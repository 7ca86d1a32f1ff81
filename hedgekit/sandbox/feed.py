"""A live market: what a public stream says, shown to the exchange and said again, as it comes.

Nothing is made up. Quotes keep the venue's own time stamps; at the exchange they count from when they came, because an
order meets them by this machine's clock and the two may differ. While the stream is silent or gone nothing is said, and the
standing book grows old: ``FillModel.max_age_ns`` refuses fills on it. What the stream said while it was gone is missed, as
it would be by a session of its own.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from hedgekit.errors import SessionError, VenueError
from hedgekit.exchange.book import displayed
from hedgekit.net.transport import Rest, Stream, require_paper
from hedgekit.sandbox.recorded import Shown
from hedgekit.types import Funding, Gap, MarketStatus, Quote, Settled, TickChanged
from hedgekit.venues import client_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hedgekit.data import LiveFeed
    from hedgekit.sandbox.timeline import Timeline
    from hedgekit.types import Reply

FIRST_S, MOST_S = 1.0, 30.0
"""Real seconds between two attempts to connect: the first, and at most."""

HEARTBEAT_S = 10.0
"""Real seconds between pings; a stream that does not answer half as long is over."""


def _print(line: str) -> None:
    print(f"hedgekit sandbox: {line}", file=sys.stderr, flush=True)  # noqa: T201 - whoever runs it live is to see it


class Relay:
    """Connects to a feed, and hands on what it says.

    Parameters
    ----------
    feed : LiveFeed
        Where, and what.
    keys : sequence of str
        Who asks for it, in the order of the client's ``key_env``; where live prices want a key (``data_key_env``), one that can only read.
    timeline : Timeline
        When a quote reaches the exchange.
    on_row : callable
        Gets the quotes of a frame.
    on_status : callable
        Gets whether an instrument can be traded, when the feed says so; nothing of a halted one is shown to the exchange.
    say : callable
        Gets a line when the feed is lost and when it is back; by default it is written to standard error.

    Raises
    ------
    LiveHostRefused
        If the address is neither loopback nor one of the venue's data hosts.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        feed: LiveFeed,
        keys: Sequence[str],
        timeline: Timeline,
        on_row: Callable[[list[Shown]], None],
        on_status: Callable[[MarketStatus], None],
        say: Callable[[str], None] = _print,
    ) -> None:
        kind = client_of(feed.venue)
        self._url, self._timeline = require_paper(feed.url, kind.data_hosts | kind.live_hosts), timeline
        self._instruments = [instrument.key for instrument in feed.instruments()]
        self._client = kind(keys, feed.instruments(), feed.native)
        self._feed = self._client.market(timeline.now_ns)
        self._on_row, self._on_status, self._say = on_row, on_status, say
        self._halted: set[str] = set()
        self._stream: Stream | None = None
        self._beating: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect; before that, where a venue's keys have scopes, make sure that this one can only read (L8).

        Raises
        ------
        ConfigError
            If the key can do more.
        SessionError
            If nobody answers there.
        VenueError
            If the feed does not accept the keys or the symbols, or does not say what the key can do.
        """
        await self._vouch()
        self._feed = self._client.market(self._timeline.now_ns)
        headers = self._feed.headers
        self._stream = await Stream.open(self._url, self._feed.login(), name="feed", headers=headers, heartbeat_s=HEARTBEAT_S)
        if self._feed.beat is not None:
            self._beating = asyncio.create_task(self._beat(self._stream, self._feed.beat.decode()))

    async def _vouch(self) -> None:
        if (asked := self._client.scopes(self._url)) is None:
            return
        base, question = asked
        require_paper(base, self._client.data_hosts | self._client.live_hosts)
        answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        rest = Rest(base, lambda one: self._client.signed(one, self._timeline.now_ns), lambda _, reply: answered.set_result(reply))
        try:
            rest.send(question)
            self._client.read_only(await asyncio.wait_for(answered, HEARTBEAT_S))
        except TimeoutError:
            msg = f"the feed's venue has not said within {HEARTBEAT_S:g} s what the key may do; look at the network and the key"
            raise SessionError(msg) from None
        finally:
            await rest.close()

    @staticmethod
    async def _beat(stream: Stream, words: str) -> None:
        """Say what keeps the socket open, where the venue wants it said."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            await stream.send(words)

    async def run(self) -> None:
        """Hand on what comes until cancelled; connect again whenever the stream is over, less and less often while it is in vain."""
        wait_s, lost = FIRST_S, False
        try:
            while True:
                try:
                    if self._stream is None:
                        await self.open()
                    if lost:
                        self._say("the feed is back")
                        lost = False
                    while self._stream is not None:
                        self._take(await self._stream.receive())
                        for message in self._feed.to_say():
                            await self._stream.send(message.decode())
                        wait_s = FIRST_S
                except (SessionError, VenueError) as error:
                    if not lost:
                        self._say(f"{error}; trying again until it is back")
                    lost = True
                await self.close()
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, MOST_S)
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connection; whether something is halted has to be said anew on the next one."""
        self._halted.clear()
        if self._beating is not None:
            self._beating.cancel()
            self._beating = None
        if self._stream is not None:
            await self._stream.close()  # if this is cancelled, the next one finishes it
            self._stream = None

    def hours(self) -> tuple[bool, int, int]:
        """Return whether the market is open, when it opens and closes next: always open, the sandbox knows no hours."""
        now_ns = self._timeline.now_ns
        return True, now_ns, now_ns

    def _take(self, frame: str | bytes) -> None:
        now_ns = self._timeline.now_ns
        events: list[Quote | MarketStatus] = []
        for event in self._feed.take(frame, now_ns):
            if isinstance(event, Gap):
                msg = "the feed has lost its sequence"
                raise SessionError(msg)
            if isinstance(event, TickChanged | Funding):
                self._say(f"the feed says {event}, which the sandbox does not follow")
                continue
            shut = MarketStatus(ts_ns=now_ns, instrument=event.instrument, status="closed")
            events.append(shut if isinstance(event, Settled) else event)
            if event.instrument not in self._instruments:
                msg = f"the feed says something of {event.instrument!r}, which was not asked for"
                raise VenueError(msg)
        quotes: list[Shown] = []
        for event in events:
            if isinstance(event, Quote):
                quotes.append(self._shown(event))
            else:
                (self._halted.discard if event.status == "open" else self._halted.add)(event.instrument)
                if quotes:
                    self._on_row(quotes)
                quotes = []
                self._on_status(event)
        if quotes:
            self._on_row(quotes)

    def _shown(self, quote: Quote) -> Shown:
        halted = quote.instrument in self._halted
        bid, ask = (None, None) if halted else (displayed(quote.bid, quote.bid_size), displayed(quote.ask, quote.ask_size))
        return Shown(quote, [] if bid is None else [bid], [] if ask is None else [ask])
