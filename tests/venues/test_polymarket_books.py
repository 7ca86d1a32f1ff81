"""Polymarket's market socket: the book kept here is the venue's, or it is said that it is not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import VenueError
from hedgekit.types import Gap, Instrument, MarketStatus, Quote, Settled, TickChanged
from hedgekit.venues.polymarket import Native, Polymarket
from hedgekit.venues.polymarket.books import MarketFeed
from hedgekit.venues.polymarket.tokens import Listing
from tests.venues.polymarket_made import CONDITION, KEY, KEYS, NATIVE, OPPOSITE, TOKEN, YES, changed, client, payload

LISTING = Listing((YES,), {KEY: NATIVE.text()})
AT = 1_764_000_000_123


def feed() -> MarketFeed:
    """Return a feed that has heard nothing."""
    return MarketFeed(LISTING, 5)


def book(bids: dict[str, str], asks: dict[str, str], at: int = AT, asset: str = TOKEN) -> dict[str, Any]:
    """Return a whole book."""
    sides = {name: [{"price": price, "size": size} for price, size in side.items()] for name, side in (("bids", bids), ("asks", asks))}
    return {"event_type": "book", "market": CONDITION, "asset_id": asset, "timestamp": str(at), "hash": "0x0", **sides}


def change(side: str, price: str, size: str, bid: str | None, ask: str | None, at: int = AT, asset: str = TOKEN) -> dict[str, Any]:  # noqa: PLR0913 - a message's words
    """Return one change."""
    one = {"asset_id": asset, "price": price, "size": size, "side": side, "hash": "0x0", "best_bid": bid, "best_ask": ask}
    return {"event_type": "price_change", "market": CONDITION, "timestamp": str(at), "price_changes": [one]}


def said(*messages: Any) -> bytes:
    """Return a frame."""
    return msgspec.json.encode(messages[0] if len(messages) == 1 else list(messages))


def quote(bid: float, ask: float, bid_size: float, ask_size: float, at: int = AT, ts_ns: int = 9) -> Quote:  # noqa: PLR0913 - as above
    """Return a quote."""
    return Quote(ts_ns=ts_ns, instrument=KEY, venue_ns=at * 10**6, bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size)


def test_it_subscribes_to_its_own_tokens() -> None:
    made = client().market(0)
    login = made.login()
    message, waits = next(login)
    assert not waits
    assert msgspec.json.decode(message or b"") == {"type": "market", "assets_ids": [TOKEN], "custom_feature_enabled": True}
    assert login.send(b"") == (b"PING", True)
    assert login.send(payload("ws_book")) == (None, True), "the book may come ahead of the beat's answer"
    with pytest.raises(StopIteration):
        login.send("PONG")
    assert made.take(payload("ws_price_change"), 9) == [quote(0.48, 0.52, 30, 25), quote(0.47, 0.52, 50, 25, 1_764_000_000_200)]
    assert made.take("PONG", 9) == [], "what was kept is told once"
    assert client().market(0).beat == b"PING"
    assert client().market(0).headers == {}
    assert client().market(0).to_say() == []


def test_a_book_and_a_change_are_two_quotes() -> None:
    made = feed()
    assert made.take(payload("ws_book"), 9) == [quote(0.48, 0.52, 30, 25)]
    assert made.take(payload("ws_price_change"), 10) == [quote(0.47, 0.52, 50, 25, 1_764_000_000_200, 10)]
    assert made.take(payload("ws_quiet"), 11) == []
    assert made.take("PONG", 12) == made.take(b"PONG", 12) == []


def test_only_another_top_is_told() -> None:
    made = feed()
    made.take(payload("ws_book"), 9)
    assert made.take(said(change("BUY", "0.46", "5", "0.48", "0.52")), 9) == []
    assert made.take(said(change("BUY", "0.48", "30", "0.48", "0.52")), 9) == []
    assert made.take(said(change("BUY", "0.48", "31", "0.48", "0.52")), 9) == [quote(0.48, 0.52, 31, 25)]
    assert made.take(payload("ws_book"), 9) == [quote(0.48, 0.52, 30, 25)]
    assert made.take(payload("ws_book"), 9) == []


@pytest.mark.parametrize(("later", "told"), [(999, False), (1_000, True), (5_000, True)])
def test_a_top_that_still_stands_is_told_again_after_a_second(later: int, told: bool) -> None:  # noqa: FBT001 - a case
    made = feed()
    made.take(payload("ws_book"), 9)
    wanted = [quote(0.48, 0.52, 30, 25, AT + later, 10)] if told else []
    assert made.take(said(change("BUY", "0.3", "1", "0.48", "0.52", AT + later)), 10) == wanted
    assert made.take(said(change("BUY", "0.3", "2", "0.48", "0.52", AT + later)), 10) == []


def test_both_tokens_of_a_condition_are_quoted() -> None:
    no, key = Native(OPPOSITE, TOKEN, CONDITION, neg_risk=False).text(), "POLYMARKET:NO"
    made = Polymarket(KEYS, (YES, Instrument("POLYMARKET", "NO")), {KEY: NATIVE.text(), key: no}).market(0)
    both = made.take(said(book({"0.4": "1"}, {"0.6": "2"}), book({"0.4": "2"}, {"0.6": "1"}, asset=OPPOSITE)), 9)
    assert [(event.instrument, event.bid_size) for event in both if isinstance(event, Quote)] == [(KEY, 1.0), (key, 2.0)]
    ended = made.take(changed("ws_resolved"), 9)
    assert [(event.instrument, event.payout) for event in ended if isinstance(event, Settled)] == [(KEY, 0), (key, 1)]


@pytest.mark.parametrize(
    ("messages", "top"),
    [
        ([book({}, {})], (0.0, 0.0, 0.0, 0.0)),
        ([book({"0.4": "1"}, {})], (0.4, 0.0, 1.0, 0.0)),
        ([book({}, {"0.6": "2"})], (0.0, 0.6, 0.0, 2.0)),
        *(
            ([book({"0.4": "1"}, {"0.6": "2"}), change("SELL", "0.6", "0", "0.4", ask)], (0.4, 0.0, 1.0, 0.0))
            for ask in ("0", "1", "0.00", "1.00", "", None)
        ),
        *(([book({"0.4": "1"}, {"0.6": "2"}), change("BUY", "0.4", "0", bid, "0.6")], (0.0, 0.6, 0.0, 2.0)) for bid in ("0", "", None)),
    ],
)
def test_an_empty_side_is_zero(messages: list[Any], top: tuple[float, ...]) -> None:
    last = feed().take(said(*messages), 9)[-1]
    assert isinstance(last, Quote)
    assert (last.bid, last.ask, last.bid_size, last.ask_size) == top


@pytest.mark.parametrize(
    "message",
    [
        change("BUY", "0.49", "1", "0.50", "0.52"),  # a bid of 0.50 was missed
        change("BUY", "0.49", "1", "0.48", "0.52"),  # what took 0.49 away was missed
        change("BUY", "0.46", "1", "0.48", "0.51"),
        change("BUY", "0.46", "1", "0.48", "1"),
        change("BUY", "0.46", "1", "0", "0.52"),
        change("BUY", "0.46", "1", "1", "0.52"),
        change("SELL", "0.48", "1", "0.48", "0.48"),  # crossed
        change("BUY", "0.46", "1", "0.48", "0.52", AT - 1),  # time goes back
        book({"0.48": "1"}, {"0.52": "1"}, AT - 1),
        book({"0.48": "1"}, {"0.48": "1"}),
    ],
)
def test_a_broken_book_is_a_gap_and_then_silence(message: dict[str, Any]) -> None:
    made = feed()
    made.take(payload("ws_book"), 8)
    assert made.take(said(message), 9) == [Gap(ts_ns=9, since_ns=8)]
    assert made.take(payload("ws_book"), 10) == []
    assert made.take(b"nonsense", 10) == []


def test_before_anything_was_heard_a_gap_is_since_the_opening() -> None:
    assert feed().take(said(book({"0.5": "1"}, {"0.4": "1"})), 9) == [Gap(ts_ns=9, since_ns=5)]


def test_what_came_whole_before_a_gap_is_told() -> None:
    frame = said(book({"0.4": "1"}, {"0.6": "2"}), change("BUY", "0.3", "1", "0.5", "0.6"), book({"0.4": "1"}, {"0.6": "9"}))
    assert feed().take(frame, 9) == [quote(0.4, 0.6, 1, 2), Gap(ts_ns=9, since_ns=5)]


def test_after_a_frame_that_cannot_be_read_no_book_is_trusted() -> None:
    made = feed()
    made.take(payload("ws_book"), 8)
    with pytest.raises(VenueError, match="market data cannot be read"):
        made.take(b'{"event_type":"price_chang', 9)
    assert made.take(payload("ws_price_change"), 10) == [Gap(ts_ns=10, since_ns=8)]
    assert made.take(payload("ws_book"), 11) == []


def test_changes_of_several_levels_are_compared_once_all_are_applied() -> None:
    made = feed()
    made.take(payload("ws_book"), 8)
    both = change("BUY", "0.48", "0", "0.49", "0.52")
    both["price_changes"] += change("BUY", "0.49", "7", "0.49", "0.52")["price_changes"]
    assert made.take(said(both), 9) == [quote(0.49, 0.52, 7, 25)]


def test_changes_before_the_first_book_are_in_it() -> None:
    made = feed()
    assert made.take(said(change("BUY", "0.3", "1", "0.3", "0.6")), 8) == []
    assert made.take(payload("ws_book"), 9) == [quote(0.48, 0.52, 30, 25)]


def test_another_tick_drops_the_book_until_the_next_one() -> None:
    made = feed()
    made.take(payload("ws_book"), 8)
    assert made.take(payload("ws_tick"), 9) == [
        TickChanged(ts_ns=9, instrument=KEY, venue_ns=1_764_000_000_400 * 10**6, tick=Decimal("0.001"))
    ]
    assert made.take(said(change("BUY", "0.481", "1", "0.481", "0.52", AT + 400)), 9) == []
    assert made.take(said(book({"0.481": "1"}, {"0.52": "25"}, AT + 401)), 9) == [quote(0.481, 0.52, 1, 25, AT + 401)]


@pytest.mark.parametrize(("winner", "payout"), [(TOKEN, Decimal(1)), (OPPOSITE, Decimal(0)), ("1", None), (None, None)])
def test_a_resolution_closes_the_market_and_says_what_it_pays(winner: str | None, payout: Decimal | None) -> None:
    told = feed().take(changed("ws_resolved", winning_asset_id=winner), 9)
    closed = MarketStatus(ts_ns=9, instrument=KEY, status="closed")
    assert told == [closed, Settled(9, KEY, 1_764_000_000_500 * 10**6, payout, final=True)]


def test_what_happens_to_others_means_nothing() -> None:
    assert feed().take(changed("ws_resolved", market="0x01"), 9) == []
    assert feed().take(changed("ws_tick", asset_id=OPPOSITE), 9) == []
    assert feed().take(said(book({"0.5": "1"}, {"0.4": "1"}, asset=OPPOSITE)), 9) == []


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        (said(change("BUY", "0.5", "1", "0.5", "0.6", asset="77")), "token '77', which was not asked for"),
        (said(book({}, {}, asset="77")), "token '77', which was not asked for"),
        (said(book({"0.5": "-1"}, {})), "a level of size -1.0 at 0.5"),
        (said(book({"nan": "1"}, {})), r"cannot be read|a level of size 1\.0 at nan"),
        (said(book({"0": "1"}, {})), "a level of size 1.0 at 0.0"),
        (said(book({"1": "1"}, {})), "a level of size 1.0 at 1.0"),
        (said(book({"x": "1"}, {})), "cannot be read"),
        (said({"event_type": "teleported"}), "teleported"),
        (changed("ws_tick", new_tick_size="0"), "has tick 0 from now on"),
        (changed("ws_book", timestamp="99999999999999"), "cannot be read"),
        (changed("ws_book", timestamp="-1"), "cannot be read"),
        (changed("ws_book", asset_id=None), "cannot be read"),
        (b"", "cannot be read"),
        (b"\xff", "cannot be read"),
        ("PING", "cannot be read"),
    ],
)
def test_market_data_without_meaning_is_refused(frame: bytes | str, word: str) -> None:
    with pytest.raises(VenueError, match=word) as caught:
        feed().take(frame, 9)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    ("price", "size", "bid"), [("1.5", "1", "0.48"), ("0.5", "-1", "0.48"), ("0.5", "inf", "0.48"), ("0.47", "50", "abc")]
)
def test_changes_without_meaning_are_refused(price: str, size: str, bid: str) -> None:
    made = feed()
    made.take(payload("ws_book"), 8)
    with pytest.raises(VenueError, match=r"polymarket: (a level of size|best price|market data)"):
        made.take(said(change("BUY", price, size, bid, "0.52")), 9)


# ------------------------------------------------------------------- the model

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["BUY", "SELL", "book"]),
        st.integers(1, 9),
        st.integers(0, 3),
        st.sampled_from(["told", "told", "told", "told", "dropped", "twice", "late"]),
    ),
    max_size=40,
)


class Venue:
    """The venue's own book: plain, and always right."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[int, int]] = {"BUY": {}, "SELL": {}}
        self.at = AT

    @property
    def tops(self) -> tuple[int, int]:
        """Best bid and ask in tenths; 0 and 10 for none."""
        return max(self.sides["BUY"], default=0), min(self.sides["SELL"], default=10)

    def step(self, side: str, tenth: int, size: int) -> dict[str, Any] | None:
        """Change a level, and return what is said of it; None where the engine would have matched instead."""
        self.at += 1
        if side == "book":
            return self.whole()
        bid, ask = self.tops
        if size and ((side == "BUY" and tenth >= ask) or (side == "SELL" and tenth <= bid)):
            return None
        if size:
            self.sides[side][tenth] = size
        else:
            self.sides[side].pop(tenth, None)
        bid, ask = self.tops
        return change(side, f"0.{tenth}", str(size), f"{bid / 10}", "1" if ask == 10 else f"{ask / 10}", self.at)

    def whole(self) -> dict[str, Any]:
        """Return the whole book."""
        bids, asks = ({f"0.{tenth}": str(size) for tenth, size in self.sides[side].items()} for side in ("BUY", "SELL"))
        return book(bids, asks, self.at)

    def quote(self) -> tuple[float, float, float, float]:
        """Return the top as a quote says it."""
        bid, ask = self.tops
        return bid / 10, ask / 10 % 1, float(self.sides["BUY"].get(bid, 0)), float(self.sides["SELL"].get(ask, 0))


@given(STEPS)
def test_the_book_is_the_venues_under_any_sequence(steps: list[tuple[str, int, int, str]]) -> None:
    """Whole sequences give the venue's top at every step; dropped, doubled and late messages give it, or a Gap, and never another top.

    A drop below the top cannot be seen by its nature, and may show as another size once that level is the top: prices never lie.
    """
    venue, made, broken, whole, last = Venue(), feed(), False, True, None
    frames: list[tuple[bytes, str]] = [(said(venue.whole()), "told")]
    expected = [venue.quote()]
    for side, tenth, size, fate in steps:
        message = venue.step(side, tenth, size)
        if message is not None:
            frames.append((said(message), fate))
            expected.append(venue.quote())
    before = b""
    for (frame, fate), top in zip(frames, expected, strict=True):
        sent = {"told": [frame], "dropped": [], "twice": [frame, frame], "late": [frame, before] if before else [frame]}[fate]
        whole &= fate != "dropped" and (fate != "late" or not before)
        before = frame
        for one in sent:
            told = made.take(one, 9)
            assert not (broken and told), "nothing more after a gap"
            if told and isinstance(told[-1], Gap):
                broken = True
            elif told and isinstance(told[-1], Quote):
                last = (told[-1].bid, told[-1].ask, told[-1].bid_size, told[-1].ask_size)
            if not broken and one is frame and b"price_change" in frame:
                assert last is not None
                assert last[:2] == top[:2]
        if whole:
            assert not broken
            assert last == top
