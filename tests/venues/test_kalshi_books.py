"""Kalshi's market feed: a book is the venue's book or is not told at all."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import VenueError
from hedgekit.types import Gap, MarketStatus, Quote
from hedgekit.venues.kalshi.book import Book, price_units, size_units
from hedgekit.venues.kalshi.streams import MarketFeed
from tests.venues.kalshi_made import FED, KEY, OTHER, changed, opened, payload, subscribed, told

SENT_NS = 1_669_149_841_234_000_000


def delta(seq: int, price: str, by: str, side: str, ticker: str = FED) -> bytes:
    """Return a change of a level."""
    return changed("delta", number=seq, price_dollars=price, delta_fp=by, side=side, market_ticker=ticker)


# ------------------------------------------------------------------------ login


def test_the_login_asks_for_lifecycles_and_for_books_in_yes_prices() -> None:
    login = MarketFeed({}, [FED]).login()
    asked, waits = next(login)
    assert waits
    assert msgspec.json.decode(asked or b"") == {"id": 1, "cmd": "subscribe", "params": {"channels": ["market_lifecycle_v2"]}}
    asked, waits = login.send(subscribed("market_lifecycle_v2", 1))
    assert waits
    assert msgspec.json.decode(asked or b"") == {
        "id": 2,
        "cmd": "subscribe",
        "params": {"channels": ["orderbook_delta"], "market_tickers": [FED], "use_yes_price": True},
    }


def test_what_comes_during_the_login_is_told_first() -> None:
    events = opened(payload("lifecycle_paused"), payload("snapshot")).take(payload("delta"), 9)
    assert [type(event) for event in events] == [MarketStatus, Quote, Quote]


def test_a_login_that_is_refused_says_why() -> None:
    login = MarketFeed({}, [FED]).login()
    next(login)
    with pytest.raises(VenueError, match=r"refused the subscription to market_lifecycle_v2 \(9\): 'Authentication required'") as caught:
        login.send(payload("stream_error"))
    assert caught.value.code == 9


# ------------------------------------------------------------------------ books


def test_a_snapshot_and_a_delta() -> None:
    """NO at 0.54 and 0.56 (the documents' example) is YES offered at 0.46 and 0.44; a delta is a change, not a total."""
    snapshot = Quote(ts_ns=1, instrument=KEY, venue_ns=SENT_NS, bid=0.22, ask=0.44, bid_size=333.0, ask_size=146.0)
    changed_ = Quote(ts_ns=2, instrument=KEY, venue_ns=1_669_149_841_000_000_000, bid=0.22, ask=0.44, bid_size=279.0, ask_size=146.0)
    assert told(payload("snapshot"), payload("delta")) == [snapshot, changed_]


@pytest.mark.parametrize("order", [1, -1])
def test_levels_come_in_any_order(order: int) -> None:
    bids, asks = [["0.1", "1.00"], ["0.3", "3.00"], ["0.2", "2.00"]], [["0.9", "1.00"], ["0.7", "3.00"], ["0.8", "2.00"]]
    (quote,) = told(changed("snapshot", yes_dollars_fp=bids[::order], no_dollars_fp=asks[::order]))
    assert (quote.bid, quote.ask, quote.bid_size, quote.ask_size) == (0.3, 0.7, 3, 3)


def test_only_a_change_of_the_top_is_told() -> None:
    frames = [payload("snapshot"), delta(3, "0.0800", "5.00", "yes"), delta(4, "0.4600", "-20.00", "no"), changed("ok", number=5)]
    assert len(told(*frames)) == 1
    assert told(*frames, delta(6, "0.4400", "0.01", "no"))[1:] == [
        Quote(ts_ns=5, instrument=KEY, venue_ns=1_669_149_841_000_000_000, bid=0.22, ask=0.44, bid_size=333.0, ask_size=146.01)
    ]


def test_a_side_without_orders_is_no_price() -> None:
    empty = changed("snapshot", no_dollars_fp=None, yes_dollars_fp=None)
    one = told(empty, delta(3, "0.5", "1.00", "yes"), delta(4, "0.50", "-1.00", "yes"))
    assert [(quote.bid, quote.bid_size, quote.ask, quote.ask_size) for quote in one] == [(0, 0, 0, 0), (0.5, 1, 0, 0), (0, 0, 0, 0)]


def test_a_level_that_was_emptied_can_be_filled_again() -> None:
    """And again the best one: what is left of a level is nothing, not a level of nothing."""
    frames = [
        payload("snapshot"),
        delta(3, "0.2200", "-333.00", "yes"),
        delta(4, "0.2200", "2.00", "yes"),
        delta(5, "0.4400", "-146.00", "no"),
    ]
    feed = opened()
    quotes: list[Any] = [quote for ts_ns, frame in enumerate(frames, 1) for quote in feed.take(frame, ts_ns)]
    assert [(quote.bid, quote.bid_size, quote.ask) for quote in quotes] == [
        (0.22, 333, 0.44),
        (0.08, 300, 0.44),
        (0.22, 2, 0.44),
        (0.22, 2, 0.46),
    ]
    assert feed._books[FED].levels == ({80_000: 30_000, 220_000: 200}, {460_000: 2_000})


def test_a_second_snapshot_takes_the_firsts_place() -> None:
    again = changed("snapshot", number=3, yes_dollars_fp=[["0.3000", "1.00"]])
    quotes = told(payload("snapshot"), again, changed("snapshot", number=4, yes_dollars_fp=[["0.3000", "1.00"]]))
    assert [quote.bid for quote in quotes] == [0.22, 0.3]


def test_times_fall_back_to_what_is_there() -> None:
    bare = msgspec.json.decode(payload("snapshot"))
    del bare["sending_ts_ms"]
    (quote,) = told(msgspec.json.encode(bare))
    assert quote.venue_ns == 1


@given(price=st.integers(1, 9_999), size=st.integers(1, 10**9), places=st.integers(4, 6))
def test_prices_and_sizes_come_through_exactly(price: int, size: int, places: int) -> None:
    text, count = f"{Decimal(price) / 10_000:.{places}f}", f"{Decimal(size) / 100:.2f}"
    assert (price_units(text), size_units(count), size_units(f"-{count}")) == (price * 100, size, -size)
    assert (size_units("1.5"), size_units("-3"), size_units("0.01"), size_units("12345")) == (150, -300, 1, 1_234_500)
    book = Book([(text, count)], [(text, count)])
    assert book.top[0] / 1_000_000 == book.top[2] / 1_000_000 == float(text)
    assert book.top[1] / 100 == float(count)


@pytest.mark.parametrize(
    "text", ["", "0", "1", "0.0000", "1.0000", "1.5", "-0.5", ".5", "0.5 ", "0.5\n", "5e-1", "0.1234567", "0_0.5", "\u0660.5", "0.\u0665"]
)
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(VenueError, match=r"a book of FED-23DEC-T3\.00 cannot be read: .* is no price"):
        told(payload("snapshot"), delta(3, text, "1.00", "yes"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".50",
        "-.50",
        "1.",
        "1.005",
        "1x50",
        "1e3",
        "\u0663.00",
        "1.\u0663\u0663",
        "--1.00",
        "+1.00",
        " 1.00",
        "1_0.00",
        "9" * 13 + ".00",
        "NaN",
    ],
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(VenueError, match="is no number of contracts"):
        told(payload("snapshot"), delta(3, "0.5", text, "yes"))


# ------------------------------------------------------------------------- gaps

BROKEN = {
    "a jump": [payload("snapshot"), changed("delta", number=4)],
    "a change of a market that was not asked for": [
        payload("snapshot"),
        delta(3, "0.5", "1.00", "yes", "NOT-OURS"),
        changed("delta", number=4),
    ],
    "an older number": [payload("snapshot"), payload("delta"), changed("delta", number=2)],
    "another message under the same number": [payload("snapshot"), payload("delta"), changed("delta", delta_fp="-1.00")],
    "a delta before its snapshot": [payload("snapshot"), delta(3, "0.5", "1.00", "yes", OTHER)],
    "less than nothing": [payload("snapshot"), changed("delta", delta_fp="-333.01")],
    "less than nothing of a level that is not there": [payload("snapshot"), changed("delta", price_dollars="0.2100")],
    "a missing answer to a command": [payload("snapshot"), changed("ok", number=4)],
    "a missing lifecycle": [payload("snapshot"), payload("lifecycle_created"), payload("lifecycle_determined")],
    "the subscription's end": [payload("snapshot"), payload("delta"), payload("unsubscribed")],
    "an overflow": [payload("snapshot"), payload("delta"), payload("stream_overflow")],
}


@pytest.mark.parametrize("frames", BROKEN.values(), ids=BROKEN)
def test_a_broken_sequence_is_one_gap_and_then_nothing(frames: list[bytes]) -> None:
    feed, events, good_ns = opened(), [], 0
    for ts_ns, frame in enumerate(frames, 1):
        try:
            events += feed.take(frame, ts_ns)
            good_ns = good_ns if feed.broken else ts_ns
        except VenueError:
            continue
    assert [event for event in events if isinstance(event, Gap)] == [Gap(ts_ns=len(frames), since_ns=good_ns)]
    assert isinstance(events[-1], Gap)
    assert feed.take(payload("snapshot"), 9) == feed.take(payload("lifecycle_paused"), 9) == feed.take(b"\xff", 9) == []


def test_the_same_frame_twice_in_a_row_is_one() -> None:
    assert len(told(payload("snapshot"), payload("snapshot"), payload("delta"), payload("delta"), delta(4, "0.1", "1.00", "yes"))) == 2


def test_what_could_not_be_read_is_missing() -> None:
    """A frame that raised was not applied; the next number says so, and no quote comes of a book without it."""
    feed = opened()
    feed.take(payload("snapshot"), 1)
    with pytest.raises(VenueError, match="is no number of contracts"):
        feed.take(changed("delta", delta_fp="many"), 2)
    assert feed.take(delta(4, "0.3", "1.00", "yes"), 3) == [Gap(ts_ns=3, since_ns=1)]


def test_a_first_frame_that_breaks_is_a_gap_since_then() -> None:
    assert told(payload("delta")) == [Gap(ts_ns=1, since_ns=1)]


CHANGES = st.lists(
    st.tuples(
        st.sampled_from([FED, FED, OTHER]),
        st.sampled_from(["yes", "no"]),
        st.integers(1, 3),
        st.sampled_from([-1_000, -1, 1, 100, 250]),
        st.integers(0, 9),
    ),
    min_size=8,
    max_size=60,
)


class Exchange:
    """The model: levels by market, side and price in hundredths, and the frames that tell of them."""

    def __init__(self) -> None:
        self.levels: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
        self.frames: list[bytes] = []
        self.tops: list[dict[str, tuple[int, int, int, int]]] = []
        for ticker in (FED, OTHER):
            self.snapshot(ticker)

    def snapshot(self, ticker: str) -> None:
        """Tell of a whole book."""
        sides = {side: [[f"0.{p:02}", f"{q / 100:.2f}"] for p, q in self.levels[ticker, side].items()] or None for side in ("yes", "no")}
        fields = {"yes_dollars_fp": sides["yes"], "no_dollars_fp": sides["no"], "market_ticker": ticker}
        self._say(changed("snapshot", number=len(self.frames) + 1, **fields))

    def change(self, ticker: str, side: str, price: int, by: int) -> None:
        """Change a level, never below nothing, and tell."""
        level = self.levels[ticker, side]
        by = max(by, -level.get(price, 0))
        level[price] = level.get(price, 0) + by
        if not level[price]:
            del level[price]
        self._say(delta(len(self.frames) + 1, f"0.{price:02}00", f"{by / 100:.2f}", side, ticker))

    def _say(self, frame: bytes) -> None:
        self.frames.append(frame)
        self.tops.append({ticker: self._top(ticker) for ticker in (FED, OTHER)})

    def _top(self, ticker: str) -> tuple[int, int, int, int]:
        bids, asks = self.levels[ticker, "yes"], self.levels[ticker, "no"]
        bid, ask = max(bids, default=0), min(asks, default=0)
        return bid, bids.get(bid, 0), ask, asks.get(ask, 0)


def delivered(count: int, faults: list[tuple[int, str]]) -> list[int]:
    """Return the numbers of the frames that arrive, the two first snapshots whole: some lost, repeated, swapped or late."""
    line = list(range(2, count))
    for at, fault in faults if line else ():
        place = at % len(line)
        if fault == "drop":
            del line[place]
        elif fault == "swap":
            line[place : place + 2] = line[place : place + 2][::-1]
        else:
            line.insert(place if fault == "twice" else len(line), line[place])
        if not line:
            break
    return [0, 1, *line]


FAULTS = st.lists(st.tuples(st.integers(0, 45), st.sampled_from(["drop", "twice", "swap", "again"])), max_size=2)


@given(changes=CHANGES, faults=FAULTS)
def test_a_book_is_the_venues_book_or_is_not_told(changes: list[Any], faults: list[tuple[int, str]]) -> None:
    exchange = Exchange()
    for ticker, side, price, by, whole in changes:
        exchange.change(ticker, side, price, by) if whole else exchange.snapshot(ticker)
    feed, reached, said = opened(), -1, dict[str, Any]()
    for place, index in enumerate(order := delivered(len(exchange.frames), faults)):
        events = feed.take(exchange.frames[index], 9)
        if index == reached:
            assert events == []
            continue
        if index != reached + 1:
            assert events == [Gap(ts_ns=9, since_ns=9)]
            assert not [event for later in order[place:] for event in feed.take(exchange.frames[later], 9)]
            return
        reached = index
        for quote in events:
            assert isinstance(quote, Quote)
            said[quote.instrument] = [quote.bid * 100, quote.bid_size * 100, quote.ask * 100, quote.ask_size * 100]
        changed_tops = exchange.tops[index] != exchange.tops[index - 1] if index > 1 else True
        assert len(events) == changed_tops, "a quote if and only if the top has changed"
        tops = {f"KALSHI:{ticker}": pytest.approx(top) for ticker, top in exchange.tops[index].items()}
        assert said == {key: tops[key] for key in said}
    if reached == len(exchange.frames) - 1:
        for ticker in (FED, OTHER):
            held = [{price // 10_000: size for price, size in side.items()} for side in feed._books[ticker].levels]
            assert held == [exchange.levels[ticker, "yes"], exchange.levels[ticker, "no"]]
