"""Books as the Polymarket skin tells them: the client's feed comes to the exchange's books, or says that it missed something."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.exchange.faults import Fault, FaultKind
from hedgekit.types import NS, Gap, MarketStatus, Quote, TickChanged
from hedgekit.venues.polymarket.books import MarketFeed
from tests.sandbox.polymarket_desk import DOWN, UP, YES, Message, Sides, Venue

BIDS = st.dictionaries(st.integers(30, 60), st.integers(1, 4), max_size=4)
ASKS = st.dictionaries(st.integers(40, 70), st.integers(1, 4), max_size=4)
ROWS = st.lists(st.tuples(BIDS, ASKS), min_size=1, max_size=12)


def side(levels: dict[int, int]) -> Sides:
    """Return cents to a side in the venue's words."""
    return {f"0.{price:02d}": str(size) for price, size in levels.items()}


def take(feed: MarketFeed, message: Message) -> list[Any]:
    """Let a feed take one message."""
    return list(feed.take(msgspec.json.encode(message), 9))


def kept(venue: Venue, feed: MarketFeed) -> tuple[dict[float, float], dict[float, float]]:
    """Return the book that a feed keeps of the first token."""
    book = feed._books[venue.yes]
    return book.bids, book.asks


@given(rows=ROWS, late=st.integers(0, 11))
def test_the_clients_book_is_the_exchanges_whenever_it_subscribes(rows: list[tuple[dict[int, int], dict[int, int]]], late: int) -> None:
    venue = Venue()
    feed = venue.client.market(0)
    for number, (bids, asks) in enumerate(rows):
        if number == min(late, len(rows) - 1):
            venue.listen()
        said = venue.row(side(bids), side(asks), after_s=1)
        assert not any(isinstance(event, Gap) for message in said for event in take(feed, message))
        if venue.yes not in venue.md.topics:
            continue
        crossed = bool(bids and asks and max(bids) >= min(asks))
        wanted = ({}, {}) if crossed else (bids, asks)
        assert kept(venue, feed) == tuple({price / 100: float(size) for price, size in one.items()} for one in wanted)
        shown, told = venue.skin.books.shown, venue.skin.books.told
        assert told == shown, "what was told is what a subscription begins with"
        opposite = shown[venue.no]
        assert {1 - price: size for price, size in opposite.asks.items()} == shown[venue.yes].bids


@given(rows=ROWS, lost=st.integers(1, 11))
def test_a_change_that_was_lost_is_a_gap_or_left_no_trace(rows: list[tuple[dict[int, int], dict[int, int]]], lost: int) -> None:
    """Who hears the same best prices as the venue cannot know that a worse level is missing: no client of the venue can."""
    venue = Venue()
    venue.listen()
    feed, gap = venue.client.market(0), False
    for number, (bids, asks) in enumerate(rows):
        said = venue.row(side(bids), side(asks), after_s=1)
        if number != lost:
            gap = gap or any(isinstance(event, Gap) for message in said for event in take(feed, message))
    if not gap and len(rows) > lost + 1:
        depth = venue.skin.books.shown[venue.yes]
        book = feed._books[venue.yes]
        assert (book.bid, book.ask if book.asks else 1.0) == tuple(map(float, depth.best))


def test_the_words_of_a_change() -> None:
    venue = Venue()
    venue.listen()
    venue.row({"0.48": "30", "0.47": "5"}, {"0.52": "25"})
    said = venue.row({"0.47": "7"}, {"0.52": "25"}, after_s=1)
    at = str(venue.time.now_ns // 10**6)
    change = said[0]
    assert {name: change[name] for name in ("event_type", "market", "timestamp")} == {
        "event_type": "price_change",
        "market": venue.market.condition,
        "timestamp": at,
    }
    hashes = {token: venue.get("/book", token_id=token)["hash"] for token in (venue.yes, venue.no)}
    own = {"asset_id": venue.yes, "hash": hashes[venue.yes], "best_bid": "0.47", "best_ask": "0.52"}
    other = {"asset_id": venue.no, "hash": hashes[venue.no], "best_bid": "0.48", "best_ask": "0.53"}
    assert change["price_changes"] == [
        {**own, "price": "0.47", "size": "7", "side": "BUY"},
        {**own, "price": "0.48", "size": "0", "side": "BUY"},
        {**other, "price": "0.52", "size": "0", "side": "SELL"},
        {**other, "price": "0.53", "size": "7", "side": "SELL"},
    ]
    best = {"event_type": "best_bid_ask", "market": venue.market.condition, "asset_id": venue.yes, "best_bid": "0.47", "best_ask": "0.52"}
    assert said[1] == {**best, "spread": "0.05", "timestamp": at}
    assert [one["asset_id"] for one in said[1:]] == [venue.yes, venue.no]


def test_a_book_has_the_venues_hash() -> None:
    """SHA-1 over the compact JSON of all else, the hash being empty, as py-clob-client-v2 1.2.1 computes it (utilities.py)."""
    venue = Venue().open({"0.4": "1", "0.48": "2"}, {"0.52": "3", "0.6": "4"})
    book = venue.get("/book", token_id=venue.yes)
    names = ("market", "asset_id", "timestamp", "hash", "bids", "asks", "min_order_size", "tick_size", "neg_risk", "last_trade_price")
    assert tuple(book) == names
    assert [one["price"] for one in book["bids"]] == ["0.4", "0.48"], "the best is last"
    assert [one["price"] for one in book["asks"]] == ["0.6", "0.52"]
    payload = json.dumps({**book, "hash": ""}, separators=(",", ":"), ensure_ascii=False)
    assert book["hash"] == hashlib.sha1(payload.encode(), usedforsecurity=False).hexdigest()


def test_a_row_that_changes_nothing_says_that_the_book_stands() -> None:
    venue = Venue()
    venue.listen()
    feed = venue.client.market(0)
    for message in venue.row({"0.48": "30"}, {"0.52": "25"}):
        take(feed, message)
    said = venue.row({"0.48": "30"}, {"0.52": "25"}, after_s=1)
    assert [(one["event_type"], one["asset_id"]) for one in said] == [("book", venue.yes), ("book", venue.no)]
    events = [event for message in said for event in take(feed, message)]
    assert [event.venue_ns for event in events if isinstance(event, Quote)] == [venue.time.now_ns], "it is as fresh as that"


@pytest.mark.parametrize(("bid", "ask"), [("0.95", "0.97"), ("0.03", "0.05"), ("0.97", "0.98")])
def test_ticks_become_finer_near_the_ends(bid: str, ask: str) -> None:
    venue = Venue(YES)
    venue.listen()
    feed = venue.client.market(0)
    for message in venue.row({"0.9": "30"}, {"0.95": "25"}):
        take(feed, message)
    said = venue.row({bid: "30"}, {ask: "25"}, after_s=1)
    assert [one["event_type"] for one in said] == ["tick_size_change"] * 2 + ["book"] * 2
    assert (said[0]["old_tick_size"], said[0]["new_tick_size"]) == ("0.01", "0.001")
    events = [event for message in said for event in take(feed, message)]
    assert [event.tick for event in events if isinstance(event, TickChanged)] == [Decimal("0.001")]
    assert [event.bid for event in events if isinstance(event, Quote)] == [float(bid)]
    assert venue.get("/tick-size", token_id=venue.yes) == {"minimum_tick_size": 0.001}
    assert venue.taken("BUY", "10", "0.021")["status"] == "live", "and orders at the new tick are taken"
    assert venue.row({"0.5": "1"}, {"0.6": "1"}, after_s=1)[0]["event_type"] == "price_change", "it stays so"


def test_a_tick_stands_away_from_the_ends() -> None:
    venue = Venue().open({"0.04": "1"}, {"0.96": "1"})
    assert venue.get("/tick-size", token_id=venue.yes) == {"minimum_tick_size": 0.01}


def test_what_cannot_be_traded_has_no_book() -> None:
    venue = Venue().open()
    venue.listen()
    venue.heard(venue.md)
    venue.skin.on_status(MarketStatus(ts_ns=venue.time.now_ns, instrument=YES.key, status="halted"))
    change = venue.heard(venue.md)[0]
    assert {(one["size"], one["best_bid"], one["best_ask"]) for one in change["price_changes"]} == {("0", "0", "1")}
    venue.skin.on_status(MarketStatus(ts_ns=venue.time.now_ns, instrument=YES.key, status="open"))
    assert venue.heard(venue.md) == []
    assert venue.row({"0.4": "1"}, {"0.5": "1"}, after_s=1)[0]["event_type"] == "price_change"


def test_both_outcomes_listed_are_quoted_as_recorded_and_traded_in_one_book() -> None:
    venue = Venue(UP, DOWN)
    venue.listen()
    assert venue.market.names == ("Up", "Down")
    first = venue.row({"0.48": "10"}, {"0.52": "10"})
    assert {one["asset_id"] for one in first} == {venue.yes}, "nothing was recorded of the other one"
    second = venue.row({"0.475": "9"}, {"0.525": "9"}, key=DOWN.key)
    assert {one["asset_id"] for one in second} == {venue.no}
    assert venue.taken("BUY", "5", "0.52", venue.no, "FAK")["makingAmount"] == "2.6", "in the first one's book"
    assert venue.held()[:2] == ("0", "5")
    assert venue.exchange.ledger.positions() == {UP.key: Decimal(-5)}
    venue.skin.settle(DOWN.key, Decimal(1))
    assert venue.exchange.ledger.cash == Decimal(1000) - Decimal("2.6") + 5


def test_subscriptions_bring_snapshots_and_end() -> None:
    venue = Venue().open()
    market = venue.skin.sockets["/ws/market"]

    def asks(**words: Any) -> bool:
        return market._on(msgspec.json.encode(words))

    assert asks(type="market", assets_ids=[venue.yes])
    assert [(one["event_type"], one["asset_id"]) for one in venue.heard(venue.md)] == [("book", venue.yes)]
    assert asks(operation="subscribe", assets_ids=[venue.no, venue.yes], custom_feature_enabled=True)
    assert [one["asset_id"] for one in venue.heard(venue.md)] == [venue.no], "what is heard already is not sent again"
    assert {one["event_type"] for one in venue.row({"0.4": "1"}, {"0.5": "1"})} == {"price_change", "best_bid_ask"}
    assert asks(operation="unsubscribe", assets_ids=[venue.no])
    assert {one.get("asset_id", venue.yes) for one in venue.row({"0.41": "1"}, {"0.5": "1"})} == {venue.yes}
    assert asks(operation="unsubscribe", assets_ids=[venue.yes])
    assert venue.row({"0.42": "1"}, {"0.5": "1"}) == []
    assert not asks(type="market", assets_ids=["7"])
    assert not asks(type="market", assets_ids=[venue.yes], level=2)
    assert not asks(operation="more", assets_ids=[venue.yes])


def test_trades_are_printed_and_the_book_said_again() -> None:
    venue = Venue().open()
    venue.listen()
    venue.heard(venue.md)
    venue.taken("BUY", "10", "0.52", kind="FAK")
    printed, book = venue.heard(venue.md)
    assert {name: printed[name] for name in ("event_type", "asset_id", "price", "size", "side", "fee_rate_bps")} == {
        "event_type": "last_trade_price",
        "asset_id": venue.yes,
        "price": "0.52",
        "size": "10",
        "side": "BUY",
        "fee_rate_bps": "400",
    }
    assert (book["event_type"], book["last_trade_price"]) == ("book", "0.52")
    assert venue.get("/last-trade-price", token_id=venue.no) == {"price": "0.48", "side": "SELL"}


@pytest.mark.parametrize(("seconds", "gap"), [(30.0, False), (-30.0, True)])
def test_a_clock_that_is_off_is_said_and_heard(seconds: float, gap: bool) -> None:  # noqa: FBT001 - a case
    venue = Venue()
    venue.listen()
    feed = venue.client.market(0)
    events = [event for message in venue.row({"0.48": "30"}, {"0.52": "25"}) for event in take(feed, message)]
    venue.trouble.add(Fault(FaultKind.SKEW, seconds=seconds, count=9))
    for message in venue.row({"0.47": "30"}, {"0.52": "25"}, after_s=1):
        assert message["timestamp"] == str((venue.time.now_ns + round(seconds * NS)) // 10**6)
        events += take(feed, message)
    assert any(isinstance(event, Gap) for event in events) == gap, "time does not go back"
    assert venue.get("/time") == venue.time.now_ns // NS + round(seconds)
