"""What a feed must say is said on its socket, and one that has lost its sequence is opened anew: real sockets, a real sandbox."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from hedgekit.errors import SessionError, VenueError
from hedgekit.net.transport import Stream
from hedgekit.paper import Session, SessionConfig, account
from hedgekit.paper.config import Access
from hedgekit.paper.feeds import HEARTBEAT_S, Feeds
from hedgekit.paper.pacer import Inbox, LivePacer, TapePacer
from hedgekit.replay import replay
from hedgekit.types import NS, Gap, Instrument, MarketEvent, Quote, SessionEnded
from hedgekit.venues.alpaca import Alpaca
from hedgekit.venues.alpaca.streams import MarketFeed
from tests.paper.rig import TINY, TINY_PARAMS, sandbox

# ruff: noqa: D102 - the name says it

BEAT_NS = round(HEARTBEAT_S * NS)


class Talking(MarketFeed):
    """A feed whose venue wants a beat, and an answer to whatever it says."""

    beat = b"beat"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.owed: list[bytes] = []

    def login(self) -> Any:
        """Log in by one word that nobody answers."""
        yield b"hello", False

    def take(self, frame: bytes | str, ts_ns: int) -> list[MarketEvent]:  # noqa: ARG002 - as every feed
        self.owed.append(b"heard " + (frame if isinstance(frame, bytes) else frame.encode()))
        return []

    def to_say(self) -> list[bytes]:
        said, self.owed = self.owed, []
        return said


class Wordy(Alpaca):
    """Alpaca, whose sockets talk."""

    def market(self, now_ns: int) -> Talking:  # noqa: ARG002 - as every client
        return Talking(self._keys, self._symbols)

    def account(self, now_ns: int) -> Any:
        return self.market(now_ns)


Talk = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def serving(talk: Talk) -> AsyncIterator[str]:
    """Serve a socket."""

    async def serve(request: web.BaseRequest) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await talk(socket)
        return socket

    runner = web.ServerRunner(web.Server(serve), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def streaming(socket: web.WebSocketResponse) -> None:
    """Send for ever, and never answer that the socket is to be closed."""
    with suppress(ConnectionError):
        while True:
            await socket.send_str("[]")
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("control", ["", "ws://127.0.0.1:1"])
async def test_beats_and_answers_are_said_and_on_a_tape_answers_alone(control: str) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def keep(socket: web.WebSocketResponse) -> None:
        async for message in socket:
            heard.put_nowait(message.data)

    async with serving(keep) as url:
        feeds = Feeds(Wordy(("key", "secret"), ()), Access("", url, url), Inbox(["ALPACA"]).boxes["ALPACA"], live=not control)
        try:
            await feeds.open(NS)
            assert [await heard.get() for _ in range(2)] == ["hello", "hello"]
            feed = feeds._seats["md"].feed
            assert feed is not None
            feed.take("one", NS)
            await feeds.say(NS + BEAT_NS - 1)
            assert await heard.get() == "heard one"
            assert feeds.next_ns() == (None if control else NS + BEAT_NS)
            await feeds.say(NS + BEAT_NS)
            feed.take("two", NS)
            await feeds.say(NS + BEAT_NS)
            expected = ["heard two"] if control else ["beat", "beat", "heard two"]
            assert [await heard.get() for _ in expected] == expected
            assert feeds.next_ns() == (None if control else NS + 2 * BEAT_NS)
            assert heard.empty()
        finally:
            await feeds.close()


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(30.0):
        while not true():  # noqa: ASYNC110 - a plain deque says nothing when it grows
            await asyncio.sleep(0.01)


NESTED = "[" * 100_000
"""A frame that cannot be counted: its reader fails."""


@pytest.mark.parametrize("stepped", [False, True])
async def test_a_frame_that_ends_its_reader_ends_the_session(*, stepped: bool) -> None:
    """A session would go on deaf otherwise. On a tape it waits for the frame that it was told of."""

    async def nest(socket: web.WebSocketResponse) -> None:
        await socket.send_str(NESTED)
        await hush(socket)

    async def hush(socket: web.WebSocketResponse) -> None:
        async for _ in socket:
            pass

    async def control(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        await socket.send_str('{"op":"instant","n":1,"now":1,"venues":{"ALPACA":{"md":1}}}')
        await socket.receive()

    inbox = Inbox(["ALPACA"])
    async with serving(hush) as stream, serving(nest) as data, serving(control) as port:
        line = await Stream.open(port, name="control")
        pacer = TapePacer(line, inbox) if stepped else LivePacer(inbox)
        feeds = Feeds(Wordy(("key", "secret"), ()), Access("", stream, data), inbox.boxes["ALPACA"], live=not stepped)
        try:
            await feeds.open(NS)
            with pytest.raises(SessionError, match="a frame of the 'md' socket could not be read: RecursionError: maximum"):
                await asyncio.wait_for(pacer.next(requests=0, timer_ns=None, deaf={}), 10.0)
        finally:
            await feeds.close()
            await line.close()


async def test_a_venue_that_does_not_let_go_of_a_socket_holds_nobody_up() -> None:
    """A feed that has lost its sequence is left while it streams: no order may wait for the venue's goodbye (L4, L5)."""
    box = Inbox(["ALPACA"]).boxes["ALPACA"]
    async with serving(streaming) as url:
        feeds = Feeds(Wordy(("key", "secret"), ()), Access("", url, url), box, live=True)
        try:
            await feeds.open(NS)
            await until(lambda: box.quotes)
            await asyncio.wait_for(feeds.ended(["md"], 2 * NS), 1.0)
            left = len(box.quotes)
            await asyncio.sleep(0.2)
            assert len(box.quotes) == left, "the old socket is not read any more"
            while feeds._seats["md"].stream is None:
                await feeds.mend(4 * NS)
                await asyncio.sleep(0.01)
            await until(lambda: len(box.quotes) > left)
        finally:
            await asyncio.wait_for(feeds.close(), 30.0)


@pytest.mark.parametrize("frame", ["[1, 2", "[", b"[\xff]"])
def test_a_broken_frame_is_handed_to_who_can_say_so(frame: str | bytes) -> None:
    """What the inbox cannot count, the feed refuses in words; the reader goes on."""
    box = Inbox(["ALPACA"]).boxes["ALPACA"]
    feed = Alpaca(("key", "secret"), ()).market(0)
    box.on_quotes(feed, frame)
    ((kept, given),) = box.take_all().quotes
    with pytest.raises(VenueError):
        kept.take(given, 0)


class Losing(MarketFeed):
    """A feed that loses its sequence once it has told so many quotes, and then tells nothing more."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.told = 0

    def take(self, frame: bytes | str, ts_ns: int) -> list[MarketEvent]:
        if self.told > 100:
            return []
        events = super().take(frame, ts_ns)
        self.told += len(events)
        return events if self.told <= 100 else [Gap(ts_ns=ts_ns, since_ns=0)]


class Lossy(Alpaca):
    """Alpaca, whose market feed loses its sequence again and again."""

    opened = 0

    def __init__(self, keys: Sequence[str], instruments: Sequence[Instrument], native: Mapping[str, str]) -> None:
        super().__init__(keys, instruments, native)
        type(self).opened = 0

    def market(self, now_ns: int) -> Losing:  # noqa: ARG002 - as every client
        type(self).opened += 1
        return Losing(self._keys, self._symbols)


def test_a_feed_that_has_lost_its_sequence_is_opened_anew_and_the_session_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "client_of", lambda _: Lossy)
    with sandbox(tmp_path, TINY) as rig:
        for name, value in rig.keys.items():
            monkeypatch.setitem(os.environ, name, value)
        asyncio.run(Session(SessionConfig.load(rig.config(params=TINY_PARAMS))).run())
        ledger = rig.ledger()
        with rig.journal() as journal:
            records, ours = list(journal.records()), journal.ledger()
    gaps = [record for record in records if isinstance(record, Gap)]
    assert isinstance(records[-1], SessionEnded)
    assert len(gaps) >= 5
    assert Lossy.opened == len(gaps) + 1
    last = max(n for n, record in enumerate(records) if isinstance(record, Gap))
    assert any(isinstance(record, Quote) for record in records[last:])
    assert replay(records).decisions > 100
    assert ours.fills == len(ledger["fills"]) > 0
    assert msgspec.json.decode(msgspec.json.encode(ledger["positions"])) == {}
