"""L8: live prices that want a key get one that can only read, and that is asked before the first socket opens."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from hedgekit.data import LiveFeed
from hedgekit.errors import ConfigError, LiveHostRefused, VenueError
from hedgekit.sandbox.feed import Relay
from hedgekit.sandbox.server import TOKEN, Secrets
from hedgekit.types import Reply, Word
from hedgekit.venues.kalshi import Kalshi
from tests.venues.counter import Counter, counter
from tests.venues.test_contract import TestKalshi as Facts

LISTED = Facts.listed
TRADER, READER = Facts.keys, Facts.reader


@pytest.fixture
async def public() -> AsyncIterator[Counter]:
    """Serve the market of which the feeds are."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(counter(Facts()))


class Clock:
    """The machine's time."""

    @property
    def now_ns(self) -> int:
        """Now."""
        return time.time_ns()


def relay(url: str, keys: tuple[str, ...]) -> Relay:
    return Relay(LiveFeed(url, venue="KALSHI", listed=LISTED), keys, Clock(), lambda _: None, lambda _: None)  # type: ignore[arg-type] # a clock is enough


async def test_a_key_that_can_only_read_opens_the_feed(public: Counter) -> None:
    await public.market.close()  # the sandbox serves one
    feed = relay(public.account["data"], READER)
    await feed.open()
    await feed.close()


async def test_a_key_that_can_trade_is_refused_before_any_socket_opens(public: Counter) -> None:
    with pytest.raises(ConfigError, match=r"key 'a-key-id' may trade at Kalshi.*scope read and no other.*KALSHI_DATA_KEY_ID") as caught:
        await relay(public.account["data"], TRADER).open()
    assert TRADER[1].splitlines()[1] not in str(caught.value)


async def test_a_key_that_can_only_read_gets_no_order_in(public: Counter) -> None:
    reader = public.another(READER)
    rest = public.rest_of(reader)
    try:
        request = reader.submit(public.order("10", "0.530"))
        reply = await public.ask(request, rest)
        assert (reply.status, reader.word_of(request, reply)) == (403, Word.REFUSED)
        (question,) = reader.holdings()[:1]
        assert (await public.ask(question, rest)).status == 200
    finally:
        await rest.close()
    assert await public.booked() == []


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(403, b'{"code":"forbidden","message":"insufficient scope"}'), "does not say what key"),
        (Reply(0), "does not say what key"),
        (Reply(200, b'{"api_keys":[{"api_key_id":"another","scopes":["read"]}]}'), "its scopes are not known"),
        (Reply(200, b"<html>"), "keys"),
    ],
)
def test_what_is_not_known_is_no_leave(reply: Reply, said: str) -> None:
    with pytest.raises(VenueError, match=said):
        Kalshi(READER, LISTED).read_only(reply)


@pytest.mark.parametrize("scope", ["write", "write::trade", "read::trade", "admin"])
def test_any_scope_that_is_not_read_is_too_much(scope: str) -> None:
    body = f'{{"api_keys":[{{"api_key_id":"{READER[0]}","scopes":["read","{scope}"]}}]}}'
    with pytest.raises(ConfigError, match="may trade"):
        Kalshi(READER, LISTED).read_only(Reply(200, body.encode()))


@pytest.mark.parametrize(
    ("stream", "rest"),
    [
        ("wss://external-api-ws.kalshi.com/trade-api/ws/v2", "https://external-api.kalshi.com"),
        ("wss://api.elections.kalshi.com/trade-api/ws/v2", "https://external-api.kalshi.com"),
        ("wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2", "https://external-api.demo.kalshi.co"),
        ("wss://demo-api.kalshi.co/trade-api/ws/v2", "https://demo-api.kalshi.co"),
        ("ws://127.0.0.1:81/trade-api/ws/v2", "http://127.0.0.1:81"),
    ],
)
def test_it_is_asked_at_the_host_that_belongs_to_the_stream(stream: str, rest: str) -> None:
    base, request = Kalshi(READER, LISTED).scopes(stream)
    assert (base, request.method, request.path) == (rest, "GET", "/trade-api/v2/api_keys")


async def test_a_redirect_to_a_friendlier_answer_is_not_followed() -> None:
    asked: list[str] = []

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        if request.path == "/trade-api/v2/api_keys":
            return web.Response(status=302, headers={"Location": "/elsewhere"})
        return web.json_response({"api_keys": [{"api_key_id": READER[0], "scopes": ["read"]}]})

    runner = web.ServerRunner(web.Server(serve), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        with pytest.raises(VenueError, match="redirect"):
            await relay(f"ws://127.0.0.1:{runner.addresses[0][1]}/trade-api/ws/v2", READER).open()
    finally:
        await runner.cleanup()
    assert asked == ["/trade-api/v2/api_keys"], "and no socket was opened"


def test_the_feeds_key_is_the_reading_one_and_its_absence_is_said() -> None:
    names = dict(zip((*Kalshi.key_env, *Kalshi.data_key_env, TOKEN), (*TRADER, *READER, "token"), strict=True))
    both = Secrets.from_env(names, ["KALSHI"])
    assert both.of_feed("KALSHI") == READER
    assert READER[1].splitlines()[1] not in repr(both)
    without = Secrets.from_env({name: value for name, value in names.items() if name != "KALSHI_DATA_KEY_ID"}, ["KALSHI"])
    with pytest.raises(ConfigError, match="set KALSHI_DATA_KEY_ID and KALSHI_DATA_PRIVATE_KEY"):
        without.of_feed("KALSHI")
    assert Secrets({"ALPACA": ("id", "secret")}, "token").of_feed("ALPACA") == ("id", "secret")


@pytest.mark.parametrize("url", ["wss://external-api-ws.kalshi.com.example.com/trade-api/ws/v2", "ws://external-api-ws.kalshi.com/x"])
def test_a_key_goes_to_kalshis_own_hosts_and_encrypted(url: str) -> None:
    with pytest.raises(LiveHostRefused):
        relay(url, READER)


def test_the_live_host_is_one_of_them() -> None:
    assert relay("wss://external-api-ws.kalshi.com/trade-api/ws/v2", READER)


def feed(**fields: Any) -> LiveFeed:
    return LiveFeed("ws://127.0.0.1:9/x", **fields)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "needs the two legs: give listed, two instruments \\(or primary and hedge"),
        ({"venue": "DERIBIT", "primary": "A", "hedge": "B"}, "a feed of DERIBIT needs the two legs: give listed, two instruments$"),
        ({"venue": "DERIBIT", "listed": LISTED}, "listed has KALSHI:.*, and the stream speaks DERIBIT"),
    ],
)
def test_a_feed_without_its_legs_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        feed(**fields).instruments()
    assert feed(venue="KALSHI", listed=LISTED).describe()["listed"] == ", ".join(one.key for one in LISTED)
