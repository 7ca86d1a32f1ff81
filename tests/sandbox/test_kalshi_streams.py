"""Kalshi's WebSocket as the sandbox speaks it: sequences, snapshots, what the account is told, and that it is in the documented form."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.data import SyntheticMarket
from hedgekit.exchange.book import Level
from hedgekit.sandbox.options import Options
from hedgekit.sandbox.server import Secrets, run
from hedgekit.sandbox.skins.kalshi_books import Book
from hedgekit.types import Fill, Gap, MarketStatus, Quote, Settled
from hedgekit.venues.kalshi.signing import Signer
from hedgekit.venues.kalshi.streams import AccountFeed, MarketFeed
from tests.sandbox.kalshi_made import ED25519, FED, KEY, LISTED, ORDERS, OTHER, ROOT, TOUCH, Shop, levels, order
from tests.venues.kalshi_made import payload, subscribed

D = Decimal
SOCKET = "/trade-api/ws/v2"

prices = st.integers(1, 999).map(lambda n: D(n) / 1000)
sizes = st.integers(1, 500).map(lambda n: D(n) / 100)


@st.composite
def books(draw: st.DrawFn) -> tuple[list[Level], list[Level]]:
    """Draw a book that is not crossed, of up to four levels a side."""
    ranked = sorted(draw(st.sets(prices, max_size=8)))
    cut = draw(st.integers(0, len(ranked)))
    bids, asks = ranked[:cut][::-1][:4], ranked[cut:][:4]
    return [Level(price, draw(sizes)) for price in bids], [Level(price, draw(sizes)) for price in asks]


def subscribed_feed(shop: Shop) -> MarketFeed:
    """Return the client's feed after its login at a shop."""
    shop.command("subscribe", channels=["market_lifecycle_v2"])
    shop.command("subscribe", channels=["orderbook_delta"], market_tickers=[FED, OTHER], use_yes_price=True)
    return logged_in()


def logged_in() -> MarketFeed:
    feed = MarketFeed({}, [FED, OTHER])
    login = feed.login()
    next(login)
    login.send(subscribed("market_lifecycle_v2", 1))
    with pytest.raises(StopIteration):
        login.send(subscribed("orderbook_delta", 2))
    return feed


def frames(shop: Shop) -> list[bytes]:
    taken = [frame for topic, frame in shop.md._pending if topic in shop.md.topics]
    shop.md._pending.clear()
    return taken


def as_units(side: dict[Decimal, Decimal]) -> dict[int, int]:
    return {int(price * 1_000_000): int(size * 100) for price, size in side.items()}


@given(rows=st.lists(st.tuples(st.sampled_from([FED, OTHER]), books()), min_size=1, max_size=8), data=st.data())
def test_a_clients_book_is_the_markets_and_a_lost_message_is_a_gap(rows: list[Any], data: st.DataObject) -> None:
    shop = Shop()
    start = data.draw(st.integers(0, len(rows)), "rows before the subscription")
    for ticker, (bids, asks) in rows[:start]:
        shop.show(bids, asks, ticker)
    feed = subscribed_feed(shop)
    for ticker, (bids, asks) in rows[start:]:
        shop.show(bids, asks, ticker)
    said = frames(shop)
    for frame in said:
        assert not any(isinstance(event, Gap) for event in feed.take(frame, 1))
    for ticker in (FED, OTHER):
        assert feed._books[ticker].levels == tuple(as_units(side) for side in shop.skin._books[f"KALSHI:{ticker}"].shown)
    numbers = [msgspec.json.decode(frame)["seq"] for frame in said]
    assert numbers == list(range(1, len(said) + 1))
    if len(said) > 1:
        lost = data.draw(st.integers(0, len(said) - 2), "lost message")
        other = logged_in()
        events = [event for frame in said[:lost] + said[lost + 1 :] for event in other.take(frame, 1)]
        assert isinstance(events[-1], Gap) or lost == 0, "the first may be lost only with what follows it"
        assert other.broken or lost == 0


@given(old=books(), new=books())
def test_no_change_crosses_a_book_or_empties_a_side_on_the_way(old: Any, new: Any) -> None:
    book = Book()
    for change in book.show(*old, 1):
        book.tell(change)
    for change in book.show(*new, 2):
        book.tell(change)
        bids, asks = book.told
        assert not bids or not asks or max(bids) < min(asks)
        assert bids or not (old[0] and new[0])
        assert asks or not (old[1] and new[1])
        assert all(size > 0 for side in book.told for size in side.values())
    assert book.told == book.shown


def test_no_prices_without_use_yes_price() -> None:
    shop = Shop()
    shop.show(levels(("0.500", "1")), levels(("0.520", "2"), ("0.530", "3")))
    shop.command("subscribe", channels=["orderbook_delta"], market_ticker=FED)
    (snapshot,) = shop.said()
    assert (snapshot["msg"]["yes_dollars_fp"], snapshot["msg"]["no_dollars_fp"]) == (
        [["0.5000", "1.00"]],
        [["0.4700", "3.00"], ["0.4800", "2.00"]],
    )
    shop.show(levels(("0.500", "1")), levels(("0.530", "3")))
    (delta,) = shop.said()
    assert (delta["msg"]["side"], delta["msg"]["price_dollars"], delta["msg"]["delta_fp"]) == ("no", "0.4800", "-2.00")
    assert delta["msg"]["clock"] == snapshot["msg"]["clock"] + 1
    shop.show([], [])
    assert {d["msg"]["side"] for d in shop.said()} == {"yes", "no"}
    shop.command("update_subscription", sid=1, action="get_snapshot", market_tickers=[FED])
    (empty,) = shop.said()
    assert set(empty["msg"]) == {"market_ticker", "market_id", "clock"}, "a side without orders is not there"
    assert (empty["id"], empty["seq"]) == (1, 5)


def test_only_what_is_listened_to_is_counted() -> None:
    shop = Shop()
    shop.command("subscribe", channels=["orderbook_delta"], market_tickers=[FED])
    for n in range(3):
        shop.show(levels(("0.500", str(n + 1))), [], OTHER)
        shop.show(levels(("0.500", str(n + 1))), [])
    assert [message["seq"] for message in shop.said()] == [1, 2, 3, 4]


def test_what_the_account_is_told_and_the_client_reads() -> None:
    shop = Shop()
    shop.show(levels(("0.500", "100")), levels(("0.520", "4")))
    shop.command("subscribe", channels=["user_orders"], market_tickers=[FED, OTHER])
    shop.command("subscribe", channels=["fill"])
    shop.command("subscribe", channels=["market_positions"])
    shop.place("bid", "10", "0.520", client_order_id="s1-1-0")
    shop.ask("DELETE", ORDERS)
    said = shop.said(shop.trade)
    kinds = ["user_order", "fill", "user_order", "market_position", "user_order"]
    assert [message["type"] for message in said] == kinds
    assert [message["sid"] for message in said] == [1, 2, 1, 3, 1]
    assert not any("seq" in message for message in said)
    assert [(m["msg"]["status"], m["msg"]["fill_count_fp"], m["msg"]["remaining_count_fp"]) for m in said if m["type"] == "user_order"] == [
        ("resting", "0.00", "10.00"),
        ("resting", "4.00", "6.00"),
        ("canceled", "4.00", "0.00"),
    ]
    feed = AccountFeed({}, [FED, OTHER])
    told = [update for m in said if m["type"] != "market_position" for update in feed.take(msgspec.json.encode(m), 7)]
    (fill,) = [update.event for update in told if isinstance(update.event, Fill)]
    assert (fill.qty, fill.price, fill.fee, fill.order_id) == (4, D("0.52"), D("0.0699"), "s1-1-0")
    assert shop.exchange.ledger.fills[0].fill_id == fill.fill_id


def test_reasons_of_ends() -> None:
    shop = Shop()
    shop.show(levels(("0.500", "100")), levels(("0.520", "4")))
    shop.command("subscribe", channels=["user_orders"])
    shop.place("bid", "1", "0.400", expiration_time=shop.now_ns // 10**9 + 2)
    shop.wait(3)
    shop.place("bid", "1", "0.400", cancel_order_on_pause=True)
    shop.skin.on_status(MarketStatus(ts_ns=shop.now_ns, instrument=KEY, status="halted"))
    shop.skin.on_status(MarketStatus(ts_ns=shop.now_ns, instrument=KEY, status="open"))
    shop.show(levels(("0.500", "100")), levels(("0.520", "4")))
    shop.place("ask", "1", "0.515")
    shop.place("bid", "5", "0.515", self_trade_prevention_type="maker")
    shop.skin.settle(KEY, D(0))
    shop.wait(0)
    reasons = [m["msg"].get("last_update_reason") for m in shop.said(shop.trade) if m["msg"]["status"] == "canceled"]
    assert reasons == ["ExpiryCancel", "HaltCancel", "SelfTradeCancel", "CloseCancel"]


def test_a_killed_order_is_not_told() -> None:
    shop = Shop()
    shop.show(levels(("0.500", "1")), levels(("0.520", "4")))
    shop.command("subscribe", channels=["user_orders", "fill"])
    assert shop.place("bid", "10", "0.520", "fill_or_kill").status == 409
    assert shop.said(shop.trade) == []


def test_pauses_and_settlements_are_told_and_the_client_reads_them() -> None:
    shop = Shop()
    feed = subscribed_feed(shop)
    shop.skin.on_status(MarketStatus(ts_ns=shop.now_ns, instrument=KEY, status="paused"))
    shop.skin.on_status(MarketStatus(ts_ns=shop.now_ns, instrument=KEY, status="open"))
    shop.skin.settle(KEY, D("0.35"))
    shop.wait(0)
    told = [event for frame in frames(shop) for event in feed.take(frame, 7) if not isinstance(event, Quote)]
    assert [event.status for event in told if isinstance(event, MarketStatus)] == ["paused", "open", "closed", "closed"]
    assert [(event.payout, event.final) for event in told if isinstance(event, Settled)] == [(D("0.35"), False), (D("0.35"), True)]


# -------------------------------------------------------------- documented form


def form(value: Any) -> Any:
    """Return what a JSON value is made of."""
    if isinstance(value, dict):
        return {name: form(item) for name, item in value.items()}
    return [form(item) for item in value[:1]] if isinstance(value, list) else type(value).__name__


def holds(wanted: Any, got: Any, path: str = "") -> None:
    """Check that all that is documented is there, and of that type; null may stand for what is not there."""
    if isinstance(wanted, dict):
        assert isinstance(got, dict), path
        for name, item in wanted.items():
            assert name in got or item == "NoneType", f"{path}/{name} is missing"
            holds(item, got.get(name), f"{path}/{name}")
    elif isinstance(wanted, list):
        assert isinstance(got, list), path
        for item in wanted if got else ():
            holds(item, got[0], f"{path}[]")
    else:
        assert got == wanted or "NoneType" in {got, wanted} or got is None, f"{path} is {got}, documented is {wanted}"


def traded() -> Shop:
    """Return a shop that has listened to everything and had everything happen to it."""
    shop = Shop()
    shop.show(levels(("0.500", "100")), levels(("0.520", "4")))
    shop.command("subscribe", channels=["market_lifecycle_v2"])
    shop.command("subscribe", channels=["orderbook_delta"], market_tickers=[FED])
    shop.command("subscribe", channels=["user_orders", "fill"])
    shop.show(levels(("0.500", "100")), levels(("0.520", "9")))
    shop.place("bid", "10", "0.520", expiration_time=shop.now_ns // 10**9 + 99)
    return shop


@pytest.mark.parametrize(
    "name", ["snapshot", "delta", "fill", "user_order", "lifecycle_paused", "lifecycle_determined", "lifecycle_settled"]
)
def test_messages_have_the_documented_form(name: str) -> None:
    shop = traded()
    shop.skin.on_status(MarketStatus(ts_ns=shop.now_ns, instrument=KEY, status="paused"))
    shop.skin.settle(KEY, D(1))
    shop.wait(0)
    wanted = msgspec.json.decode(payload(name))
    event = wanted["msg"].get("event_type")
    found = [m for m in (*shop.said(), *shop.said(shop.trade)) if m["type"] == wanted["type"] and m["msg"].get("event_type") == event]
    holds(form(wanted), form(found[0]), name)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("balance", "/portfolio/balance"),
        ("orders", "/portfolio/orders"),
        ("fills", "/portfolio/fills"),
        ("positions", "/portfolio/positions"),
        ("markets", "/markets"),
        ("series", "/series/FED"),
        ("limits", "/account/limits"),
        ("keys", "/api_keys"),
        ("status", "/exchange/status"),
        ("settlements", "/portfolio/settlements"),
    ],
)
def test_answers_have_the_documented_form(name: str, path: str) -> None:
    shop = traded()
    if name == "settlements":
        shop.skin.settle(KEY, D(1))
    holds(form(msgspec.json.decode(payload(name))), form(shop.get(path)), name)


def test_replies_and_errors_have_the_documented_form() -> None:
    shop = traded()
    holds(form(msgspec.json.decode(payload("created"))), form(shop.place("bid", "1", "0.300").body))
    filled: Any = shop.place("ask", "1", "0.300", self_trade_prevention_type="maker").body
    assert {"average_fill_price", "average_fee_paid"} <= set(filled)
    for name, fields in {"error_duplicate": {"client_order_id": "c1"}, "error_balance": {"count": "99999"}}.items():
        wanted, got = msgspec.json.decode(payload(name)), shop.place(**fields).body
        assert (form(got), got["code"]) == (form(wanted), wanted["code"])  # type: ignore[index]


# ----------------------------------------------------------------- real sockets


MARKET = SyntheticMarket(
    listed=LISTED, primary_price=0.45, hedge_price=0.4, hedge_vol=0.002, spread_sd=0.02, rows=50_000, min_half_spread=0.001
)


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[dict[str, Any]]:
    """Run the server on the test's event loop, live; yield the addresses."""
    ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    secrets = Secrets({"KALSHI": ("an-id", ED25519)}, "tok")
    task = asyncio.ensure_future(run(MARKET.tape(), secrets, Options(live=True, model=TOUCH, **options), ready.set_result))
    await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    try:
        yield (await ready)["accounts"]["KALSHI"]
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 10)


def signed(method: str = "GET", path: str = SOCKET) -> dict[str, str]:
    return Signer("an-id", ED25519).headers(method, path, time.time_ns())


async def told(socket: aiohttp.ClientWebSocketResponse, kind: str) -> Any:
    """Return the next message of a type."""
    while (message := await socket.receive_json(timeout=10))["type"] != kind:
        pass
    return message


async def test_a_handshake_is_verified_and_commands_are_answered() -> None:
    async with served(speed=50.0) as venue, aiohttp.ClientSession() as http:
        for headers in ({}, signed(path="/trade-api/v2"), signed("POST")):
            with pytest.raises(aiohttp.WSServerHandshakeError) as no:
                await http.ws_connect(venue["data"], headers=headers)
            assert no.value.status == 401
        async with http.ws_connect(venue["data"], headers=signed()) as socket:
            bad = {
                "not json": 1,
                "[]": 1,
                '{"id":1,"cmd":"fly"}': 5,
                '{"id":1,"cmd":"subscribe"}': 2,
                '{"id":1,"cmd":"subscribe","params":{}}': 3,
                '{"id":1,"cmd":"subscribe","params":{"channels":["orderbook_delta"]}}': 14,
                '{"id":1,"cmd":"subscribe","params":{"channels":["news"]}}': 8,
                '{"id":1,"cmd":"subscribe","params":{"channels":["ticker"],"market_ticker":"NONE"}}': 11,
                '{"id":1,"cmd":"subscribe","params":{"channels":["ticker"],"colour":1}}': 11,
                '{"id":1,"cmd":"unsubscribe","params":{}}': 4,
                '{"id":1,"cmd":"unsubscribe","params":{"sids":[9]}}': 7,
                '{"id":1,"cmd":"update_subscription","params":{"action":"add_markets"}}': 12,
            }
            for command, code in bad.items():
                await socket.send_str(command)
                answer = await socket.receive_json(timeout=10)
                assert (answer["type"], answer["msg"]["code"]) == ("error", code), command
            await socket.send_json({"id": 7, "cmd": "subscribe", "params": {"channels": ["ticker", "trade"], "market_ticker": FED}})
            one, two = await told(socket, "subscribed"), await told(socket, "subscribed")
            assert [(m["id"], m["msg"]) for m in (one, two)] == [(7, {"channel": "ticker", "sid": 1}), (7, {"channel": "trade", "sid": 2})]
            assert 0 < D((await told(socket, "ticker"))["msg"]["yes_bid_dollars"]) < 1
            await socket.send_json({"id": 8, "cmd": "list_subscriptions"})
            listed: Any = await told(socket, "ok")
            assert listed["msg"] == [{"channel": "ticker", "sid": 1}, {"channel": "trade", "sid": 2}]
            await socket.send_json(
                {"id": 9, "cmd": "update_subscription", "params": {"sid": 1, "action": "add_markets", "market_ticker": OTHER}}
            )
            assert (await told(socket, "ok"))["msg"]["market_tickers"] == [FED, OTHER]
            await socket.send_json({"id": 10, "cmd": "unsubscribe", "params": {"sids": [1, 2]}})
            assert [(await told(socket, "unsubscribed"))["sid"] for _ in range(2)] == [1, 2]
            await socket.ping()


async def test_one_socket_for_both_and_a_second_one_is_refused_a_seat() -> None:
    async with served(speed=50.0) as venue, aiohttp.ClientSession() as http, http.ws_connect(venue["data"], headers=signed()) as socket:
        await socket.send_json({"id": 1, "cmd": "subscribe", "params": {"channels": ["orderbook_delta", "fill"], "market_ticker": FED}})
        await told(socket, "orderbook_snapshot")
        body = msgspec.json.encode(order("bid", "1", "0.950", "immediate_or_cancel"))
        async with http.post(f"{venue['rest']}{ROOT}{ORDERS}", data=body, headers=signed("POST", ROOT + ORDERS)) as answer:
            made = await answer.json()
        assert (answer.status, made["fill_count"]) == (201, "1.00")
        assert (await told(socket, "fill"))["msg"]["order_id"] == made["order_id"]
        drain = asyncio.ensure_future(told(socket, "never"))  # it goes on reading, and so answers pings
        async with http.ws_connect(venue["data"], headers=signed()) as second:
            await second.send_json({"id": 1, "cmd": "subscribe", "params": {"channels": ["ticker"]}})
            assert (await told(second, "error"))["msg"]["code"] == 10
        drain.cancel()


async def test_the_clients_feed_follows_a_live_sandbox() -> None:
    async with served(speed=200.0) as venue, aiohttp.ClientSession() as http, http.ws_connect(venue["data"], headers=signed()) as socket:
        feed, quotes = MarketFeed({}, [FED, OTHER]), 0
        login = feed.login()
        said, waits = next(login)
        while True:
            if said is not None:
                await socket.send_str(said.decode())
            try:
                said, waits = login.send(await socket.receive_str(timeout=10) if waits else "")
            except StopIteration:
                break
        while quotes < 200:
            events = feed.take(await socket.receive_str(timeout=10), 1)
            assert not feed.broken
            quotes += sum(isinstance(event, Quote) for event in events)
