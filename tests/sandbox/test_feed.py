"""A live public feed: its quotes are the exchange's market and the session's stream, as they come and no others."""

from __future__ import annotations

import json
import socket
import subprocess
import time

import pytest

from hedgekit.data import LiveFeed, SyntheticMarket
from hedgekit.errors import ConfigError, LiveHostRefused, SessionError, VenueError
from hedgekit.exchange.faults import Fault
from hedgekit.exchange.model import FillModel
from hedgekit.net.transport import require_paper
from hedgekit.sandbox.options import faults_at_random
from hedgekit.types import NS, MarketStatus
from hedgekit.venues.alpaca import Alpaca, streams
from tests.sandbox.desk import KEYS, Message, command, environment, inside_of, text
from tests.sandbox.feeds import PEACE, T, fed, public, quote

# ---------------------------------------------------------------- what is said


async def test_the_feed_gets_the_accounts_keys_and_is_asked_for_the_two_legs() -> None:
    async with public() as made, fed(made):
        pass
    auth, asked = made.logins
    assert auth == {"action": "auth", "key": KEYS["APCA_API_KEY_ID"], "secret": KEYS["APCA_API_SECRET_KEY"]}
    assert (asked["quotes"], asked["statuses"]) == (["KO", "PEP"], ["KO", "PEP"])


async def test_quotes_go_on_as_they_were_with_the_venues_own_time() -> None:
    async with public() as made, fed(made) as client:
        await made.say(quote("KO", 44.68, 44.7), quote("PEP", 0, 90.02))
        frame = await text(client.data)
        assert [(q["S"], q["bp"], q["bs"], q["ap"], q["as"], q["t"]) for q in frame] == [
            ("KO", 44.68, 100, 44.7, 100, T),
            ("PEP", 0, 0, 90.02, 100, T),
        ]
        _, latest = await client.call("GET", "/v2/stocks/quotes/latest?symbols=KO")
        assert latest["quotes"]["KO"]["t"] == T
        _, clock = await client.call("GET", "/v2/clock")
        assert clock["is_open"]


async def test_orders_fill_at_its_next_quote_by_the_machines_time() -> None:
    async with public() as made, fed(made) as client:
        await made.say(quote("KO", 44.68, 44.7))
        await text(client.data)
        before = time.time_ns()
        assert (await client.buy("a", 30))[0] == 200
        assert await client.event() == ("new", "a")
        await made.say(quote("KO", 44.7, 44.72, 20))
        assert await client.event() == ("partial_fill", "a"), "it holds 20"
        await made.say(quote("KO", 44.73, 44.72))
        await made.say(quote("KO", 44.7, 0))
        await made.say(quote("KO", 44.7, 44.75))
        assert await client.event() == ("fill", "a"), "not on a crossed quote, nor on one without an ask"
        ledger = await client.ask(op="ledger")
    assert [(fill["qty"], fill["price"]) for fill in ledger["fills"]] == [("20", "44.72"), ("10", "44.75")]
    assert all(before < fill["ts_ns"] < time.time_ns() for fill in ledger["fills"])


async def test_a_halt_is_told_and_nothing_fills_until_it_is_over() -> None:
    model = FillModel("touch", ws_ns=0, up_ns=0, down_ns=0, max_age_ns=60 * NS)
    halted = {"T": "s", "S": "KO", "sc": "H", "sm": "Trading Halt", "rc": "", "rm": "", "t": T, "z": "C"}
    async with public() as made, fed(made, model=model) as client:
        await made.say(quote("KO", 44.68, 44.7), halted)
        items: list[Message] = []
        while len(items) < 2:
            items += await text(client.data)
        first, then = items
        assert first["T"] == "q"
        (said,) = streams.market_of(json.dumps([then]), 7)
        assert said == MarketStatus(ts_ns=7, instrument="ALPACA:KO", status="halted")
        await client.buy("a")
        assert await client.event() == ("new", "a")
        await made.say(quote("KO", 44.68, 44.71))
        assert (await text(client.data))[0]["ap"] == 44.71, "an indication is told, and fills nothing"
        await made.say(halted | {"sc": "T"}, quote("KO", 44.68, 44.8))
        assert await client.event() == ("fill", "a")
        ledger = await client.ask(op="ledger")
    assert [fill["price"] for fill in ledger["fills"]] == ["44.8"]


async def test_a_silent_feed_says_nothing_and_its_book_grows_old() -> None:
    model = FillModel("touch", ws_ns=0, up_ns=0, down_ns=0, max_age_ns=1)
    async with public() as made, fed(made, model=model, log=None) as client:
        await made.say(quote("KO", 44.68, 44.7))
        await text(client.data)
        await client.buy("a")
        assert await client.event() == ("new", "a")
        assert (await client.ask(op="ledger"))["fills"] == [], "the standing book is older than a nanosecond"
        await made.say(quote("KO", 44.68, 44.7))
        assert await client.event() == ("fill", "a"), "a new one fills"


async def test_faults_of_the_sandbox_work_on_a_feed() -> None:
    async with public() as made, fed(made, faults=(Fault("lost", "md:1"), Fault("partial", "submit:1", fraction=0.5))) as client:
        await made.say(quote("KO", 1, 1.01))
        await made.say(quote("KO", 2, 2.01))
        assert (await text(client.data))[0]["bp"] == 2
        await client.buy("a", 10)
        await made.say(quote("KO", 2, 2.01))
        assert [await client.event() for _ in range(2)] == [("new", "a"), ("partial_fill", "a")]


# -------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "url", ["wss://example.com/v2/sip", "ws://stream.data.alpaca.markets/v2/iex", "wss://paper-api.alpaca.markets/stream"]
)
async def test_keys_go_to_data_hosts_and_this_machine_only(url: str) -> None:
    with pytest.raises(LiveHostRefused):
        async with inside_of(LiveFeed(url, "KO", "PEP"), **PEACE):
            pass
    assert require_paper("wss://stream.data.alpaca.markets/v2/iex", Alpaca.data_hosts)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"live": False}, "add --live"),
        ({"speed": 20.0}, "leave out --speed"),
        ({"times": 60.0}, "leave out --speed"),
        ({"model": FillModel("touch")}, "would fill for ever; give a limit"),
    ],
)
async def test_what_makes_no_sense_with_a_feed_is_refused(options: Message, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        async with inside_of(LiveFeed("ws://127.0.0.1:9/x", "KO", "PEP"), **PEACE | options):
            pass
    with pytest.raises(ConfigError, match="a feed has no end"):
        faults_at_random(1, None, LiveFeed("ws://127.0.0.1:9/x", "KO", "PEP"))


async def test_a_feed_that_is_not_there_at_the_start_is_an_error(unused: int) -> None:
    with pytest.raises(SessionError, match=r"cannot open the feed stream at 127\.0\.0\.1"):
        async with inside_of(LiveFeed(f"ws://127.0.0.1:{unused}/v2/sip", "KO", "PEP"), **PEACE):
            pass


@pytest.fixture
def unused() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


async def test_keys_that_the_feed_refuses_are_an_error() -> None:
    async with inside_of(SyntheticMarket(rows=1_000, primary="KO", hedge="PEP").tape(), **PEACE) as one:
        bad = LiveFeed(one.ready["data"], "KO", "WRONG")
        with pytest.raises(VenueError, match="no symbol WRONG"):
            async with inside_of(bad, **PEACE):
                pass


def test_without_live_it_is_one_clear_line() -> None:
    market = {"kind": "feed", "url": "ws://127.0.0.1:9/x", "primary": "KO", "hedge": "PEP"}
    done = subprocess.run(command(market=market), env=environment(), capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "hedgekit: the feed ws://127.0.0.1:9/x does not wait for a session: add --live\n"
