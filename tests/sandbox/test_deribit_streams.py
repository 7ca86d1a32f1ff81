"""The Deribit skin's channels: the client's feed keeps the exchange's book from them, and sees whatever is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.exchange.book import Level
from hedgekit.exchange.faults import Fault, FaultKind
from hedgekit.exchange.model import FillModel
from hedgekit.sandbox.recorded import Shown
from hedgekit.sandbox.skins.deribit_heart import Heart
from hedgekit.sandbox.skins.deribit_wire import RpcError
from hedgekit.types import NS, Gap, MarketStatus, Quote
from hedgekit.venues.deribit.market import MarketFeed
from tests.sandbox.deribit_house import BTC, ETH, T0, House, Side

CHANNELS = ("book.BTC-PERPETUAL.100ms", "ticker.BTC-PERPETUAL.100ms")
PRICES = [99_000.0 + 0.5 * n for n in range(12)]

books = st.tuples(
    st.dictionaries(st.sampled_from(PRICES[:6]), st.integers(1, 9), max_size=4),
    st.dictionaries(st.sampled_from(PRICES[6:]), st.integers(1, 9), max_size=4),
)


def sides(book: tuple[dict[float, int], dict[float, int]]) -> tuple[Side, Side]:
    bids, asks = book
    return [(p, float(bids[p])) for p in sorted(bids, reverse=True)], [(p, float(asks[p])) for p in sorted(asks)]


def feed() -> MarketFeed:
    return MarketFeed([("BTC-PERPETUAL", BTC.multiplier)], T0)


def kept(of: MarketFeed) -> tuple[dict[float, float], dict[float, float]]:
    book = of._books["book.BTC-PERPETUAL.100ms"].book
    return {price * 1.0: size for price, size in book.bids.amounts.items()}, {-price: size for price, size in book.asks.amounts.items()}


@given(st.lists(books, min_size=1, max_size=12))
def test_the_clients_book_is_the_exchanges(story: list[tuple[dict[float, int], dict[float, int]]]) -> None:
    house, client = House(), feed()
    house.listen(*CHANNELS)
    for number, book in enumerate(story):
        house.show(BTC, *sides(book), after_ns=number * NS)
        events = [event for frame in house.frames() for event in client.take(frame, house.time.now_ns)]
        assert not any(isinstance(event, Gap) for event in events)
        bids, asks = kept(client)
        assert bids == {price: size * 10.0 for price, size in book[0].items()}
        assert asks == {price: size * 10.0 for price, size in book[1].items()}


@given(st.lists(books, min_size=3, max_size=8), st.data())
def test_what_is_lost_twice_or_out_of_order_is_a_gap(story: list[Any], data: st.DataObject) -> None:
    house, client = House(), feed()
    house.listen(CHANNELS[0])
    frames: list[bytes] = []
    for book in story:
        house.show(BTC, *sides(book), after_ns=NS)
        frames += house.frames()
    at = data.draw(st.integers(1, len(frames) - 2))
    how = data.draw(st.sampled_from(["lost", "twice", "swapped"]))
    frames = {
        "lost": [*frames[:at], *frames[at + 1 :]],
        "twice": [*frames[: at + 1], *frames[at:]],
        "swapped": [*frames[:at], frames[at + 1], frames[at], *frames[at + 2 :]],
    }[how]
    gaps = [event for frame in frames for event in client.take(frame, T0) if isinstance(event, Gap)]
    assert len(gaps) == 1


@given(st.lists(books, min_size=1, max_size=5), st.lists(books, max_size=4))
def test_a_subscription_begins_with_all_that_was_told(before: list[Any], after: list[Any]) -> None:
    house, client = House(), feed()
    for book in before:
        house.show(BTC, *sides(book), after_ns=NS)
    frames = [json.dumps(message).encode() for message in house.listen(CHANNELS[0])]
    for book in after:
        house.show(BTC, *sides(book), after_ns=NS)
        frames += house.frames()
    for frame in frames:
        client.take(frame, T0)
    bids, asks = kept(client)
    last = [*before, *after][-1]
    assert (bids, asks) == tuple({price: size * 10.0 for price, size in side.items()} for side in last)


def test_a_snapshot_tells_no_more_than_has_reached_the_streams_and_what_is_under_way_follows() -> None:
    later, client = House(model=FillModel(name="touch", ws_ns=NS)), feed()
    later.show(BTC, [(99_000.0, 1.0)], [(99_001.0, 1.0)])
    at = later.time.now_ns
    quote = Quote(ts_ns=at, instrument=BTC.key, venue_ns=at, bid=99_000.5, ask=99_001.0, bid_size=2.0, ask_size=1.0)
    later.skin.on_row([Shown(quote, [Level(BTC.tick * 198_001, BTC.lot * 2)], [Level(BTC.tick * 198_002, BTC.lot)])])
    (snapshot,) = later.listen(CHANNELS[0])
    assert snapshot["params"]["data"]["bids"] == [["new", 99_000.0, 10.0]]
    later.time.to(at + NS)
    (change,) = later.heard()
    assert change["params"]["data"]["bids"] == [["new", 99_000.5, 20.0], ["delete", 99_000.0, 0.0]]
    assert change["params"]["data"]["prev_change_id"] == snapshot["params"]["data"]["change_id"]
    client.take(json.dumps(snapshot), at)
    (event,) = client.take(json.dumps(change), at)
    assert isinstance(event, Quote)
    assert event.bid == 99_000.5


def test_each_channel_has_a_chain_of_its_own() -> None:
    house = House()
    house.listen("book.BTC-PERPETUAL.100ms")
    house.show(BTC, [(99_000.0, 1.0)], [(99_001.0, 1.0)])
    house.heard()
    (second,) = house.listen("book.BTC-PERPETUAL.raw")
    assert second["params"]["data"]["type"] == "snapshot"
    house.show(BTC, [(99_000.0, 2.0)], [(99_001.0, 1.0)], NS)
    told = house.heard()
    assert [one["params"]["data"]["type"] for one in told] == ["change", "change"]
    assert len({one["params"]["data"]["prev_change_id"] for one in told}) == 1


def test_a_crossed_book_is_told_as_empty() -> None:
    house, client = House(), feed()
    house.listen(CHANNELS[0])
    house.show(BTC, [(99_000.0, 1.0)], [(99_001.0, 1.0)])
    house.show(BTC, [(99_002.0, 1.0)], [(99_001.0, 1.0)], NS)
    events = [event for frame in house.frames() for event in client.take(frame, T0)]
    assert isinstance(events[-1], Quote)
    assert (events[-1].bid, events[-1].ask) == (0.0, 0.0)


def test_images_are_grouped_and_cut() -> None:
    house = House()
    house.show(BTC, [(99_001.0, 1.0), (99_000.5, 2.0), (98_994.0, 4.0)], [(99_001.5, 1.0), (99_004.0, 2.0), (99_006.0, 4.0)])
    (plain,) = house.listen("book.BTC-PERPETUAL.none.1.100ms")
    assert (plain["params"]["data"]["bids"], plain["params"]["data"]["asks"]) == ([[99_001.0, 10.0]], [[99_001.5, 10.0]])
    (grouped,) = house.listen("book.BTC-PERPETUAL.5.10.100ms")
    assert grouped["params"]["data"]["bids"] == [[99_000.0, 30.0], [98_990.0, 40.0]]
    assert grouped["params"]["data"]["asks"] == [[99_005.0, 30.0], [99_010.0, 40.0]]


def test_a_status_is_told_by_the_ticker_and_empties_the_book() -> None:
    house, client = House(), feed()
    house.listen(*CHANNELS)
    house.show(BTC, [(99_000.0, 1.0)], [(99_001.0, 1.0)])
    for status in ("paused", "open", "closed", "halted"):
        house.skin.on_status(MarketStatus(ts_ns=house.time.now_ns, instrument=BTC.key, status=status))  # type: ignore[arg-type] # one of them
    events = [event for frame in house.frames() for event in client.take(frame, T0)]
    told = [event.status for event in events if isinstance(event, MarketStatus)]
    assert told == ["open", "paused", "open", "closed", "halted"]


@pytest.mark.parametrize(
    "channel",
    [
        "book.NOPE-PERPETUAL.100ms",
        "book.BTC-PERPETUAL.5ms",
        "book.BTC-PERPETUAL.3.10.100ms",
        "ticker",
        "trades.option.BTC.raw",
        "user.x",
        "",
    ],
)
def test_a_channel_that_is_not_known_is_left_out(channel: str) -> None:
    assert House().skin._begin(channel, logged_in=True) is None


def test_raw_market_data_and_the_accounts_channels_want_a_login() -> None:
    house = House()
    with pytest.raises(RpcError) as bad:
        house.skin._begin("book.BTC-PERPETUAL.raw", logged_in=False)
    assert bad.value.code == 13778
    assert house.skin._begin("user.orders.any.any.raw", logged_in=False) is None


def test_the_accounts_channels_choose_by_instrument_kind_and_currency() -> None:
    house = House()
    names = ["any.any", "future.BTC", "any.ETH", "BTC-PERPETUAL", "ETH-PERPETUAL"]
    house.listen(*(f"user.orders.{name}.raw" for name in names), "user.orders.any.any.100ms", "user.changes.future.any.raw")
    house.show(BTC, [(99_000.0, 1.0)], [(99_001.0, 1.0)])
    house.show(ETH, [(3_000.0, 1.0)], [(3_001.0, 1.0)])
    house.buy(10, price=98_000)
    told = {one["params"]["channel"]: one["params"]["data"] for one in house.heard("trade")}
    assert set(told) == {
        "user.orders.any.any.raw",
        "user.orders.future.BTC.raw",
        "user.orders.BTC-PERPETUAL.raw",
        "user.orders.any.any.100ms",
        "user.changes.future.any.raw",
    }
    assert told["user.orders.any.any.100ms"] == [told["user.orders.any.any.raw"]]
    assert told["user.changes.future.any.raw"]["orders"] == [told["user.orders.any.any.raw"]]


def test_everybody_is_told_of_executions() -> None:
    house = House()
    house.listen("trades.BTC-PERPETUAL.100ms", "trades.future.ETH.raw", "trades.any.any.100ms")
    house.show(BTC, [(99_000.0, 10.0)], [(99_001.0, 10.0)])
    house.sell(50, type="market")
    told = house.heard()
    assert [one["params"]["channel"] for one in told] == ["trades.BTC-PERPETUAL.100ms", "trades.any.any.100ms"]
    assert [(t["direction"], t["amount"], "fee" in t) for one in told for t in one["params"]["data"]] == [("sell", 50, False)] * 2


def test_a_skewed_clock_moves_time_stamps_and_no_deadline() -> None:
    house = House(faults=[Fault(FaultKind.SKEW, "row:1", seconds=3600.0)])
    house.listen(*CHANNELS)
    house.show(BTC, [(99_000.0, 1.0)], [(99_001.0, 1.0)])
    at = T0 // 10**6 + 3_600_000
    assert [one["params"]["data"]["timestamp"] for one in house.heard()] == [at, at]
    assert house.result("public/get_time") == at
    assert house.result("public/get_order_book", instrument_name="BTC-PERPETUAL")["timestamp"] == at
    house.buy(10, price=98_000, valid_until=T0 // 10**6 + 1)


def test_a_heart_asks_and_ends_what_does_not_answer() -> None:
    heart = Heart(10, T0)
    assert heart.beat(T0 + 10 * NS - 1) == []
    heart.heard(T0 + 5 * NS)
    assert heart.beat(T0 + 10 * NS) == ["heartbeat"]
    assert heart.beat(T0 + 20 * NS) == ["heartbeat", "test_request"]
    heart.heard(T0 + 21 * NS)
    assert heart.beat(T0 + 30 * NS) == ["heartbeat"]
    assert heart.beat(T0 + 40 * NS) == ["heartbeat", "test_request"]
    assert heart.beat(T0 + 50 * NS) is None


def test_a_channel_that_is_subscribed_to_again_begins_again() -> None:
    house = House()
    house.listen(CHANNELS[0])
    house.show(BTC, [(99_000.0, 1.0)], [(99_001.0, 1.0)])
    house.show(BTC, [(99_000.0, 2.0)], [(99_001.0, 1.0)], NS)
    (again,) = house.listen(CHANNELS[0])
    assert (again["params"]["data"]["type"], again["params"]["data"]["bids"]) == ("snapshot", [["new", 99_000.0, 20.0]])


def test_what_follows_a_snapshot_names_it_though_several_rows_were_under_way() -> None:
    house = House(model=FillModel(name="touch", ws_ns=10 * NS))
    house.show(BTC, [(99_000.0, 1.0)], [(99_001.0, 1.0)])
    at = house.time.now_ns
    for number in (1, 2):
        house.time.to(at + number * NS)
        quote = Quote(
            ts_ns=at + number * NS, instrument=BTC.key, venue_ns=at, bid=99_000.0, ask=99_001.0, bid_size=float(number), ask_size=1.0
        )
        shown = Shown(quote, [Level(BTC.tick * 198_000, BTC.lot * (number + 1))], [Level(BTC.tick * 198_002, BTC.lot)])
        house.skin.on_row([shown])
    (snapshot,) = house.listen(CHANNELS[0])
    house.time.to(at + 12 * NS)
    (change,) = house.heard()
    told = change["params"]["data"]
    assert (told["prev_change_id"], told["change_id"]) == (
        snapshot["params"]["data"]["change_id"],
        snapshot["params"]["data"]["change_id"] + 2,
    )
    assert told["bids"] == [["change", 99_000.0, 30.0]]
