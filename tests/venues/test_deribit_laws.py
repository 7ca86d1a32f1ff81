"""What must hold for any sequence of Deribit's messages: books are the model's or a gap is told; nothing raises but VenueError."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.net.outbox import Outbox
from hedgekit.types import NS, Ack, Cancelled, Gap, Quote, Reply
from hedgekit.venues.deribit import Deribit, rules
from hedgekit.venues.deribit.rpc import HEARTBEAT
from tests.net.orders_made import decision
from tests.venues.deribit_made import BTC, ETH, NAMES, ORDER, book, client, failure, payload, result
from tests.venues.fuzz import refuses_or_reads, spoilt

# ----------------------------------------------------------------------- books

LEVELS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 5)), max_size=4)
"""Ticks from the middle, and the amount there; 0 takes the level out."""

KINDS = st.sampled_from(["change"] * 8 + ["snapshot", "dropped", "told twice", "told late"])
STEPS = st.lists(st.tuples(KINDS, LEVELS, LEVELS, st.integers(-2, 2)), max_size=25)
Top = tuple[float, float, float, float]


class Model:
    """The venue: a book as two dicts, what it says of it, and its top after each message."""

    def __init__(self) -> None:
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self.number = 0

    def top(self) -> Top:
        """Return the best prices and the contracts there."""
        bid, ask = max(self.bids, default=0.0), min(self.asks, default=0.0)
        return bid, ask, self.bids.get(bid, 0.0) / 10, self.asks.get(ask, 0.0) / 10

    def says(self, kind: str, bids: list[tuple[int, int]], asks: list[tuple[int, int]], middle: float) -> tuple[bytes, Top]:
        """Set levels; return the message, and the top after it."""
        if kind == "snapshot":
            self.bids, self.asks = {}, {}
            bids, asks = [one for one in bids if one[1]], [one for one in asks if one[1]]
        said = _set(self.bids, bids, middle, -1), _set(self.asks, asks, middle, 1)
        self.number += 1
        return book(self.number, *said, prev=None if kind == "snapshot" else self.number - 1), self.top()


def _set(side: dict[float, float], levels: list[tuple[int, int]], middle: float, sign: int) -> list[list[Any]]:
    said: list[list[Any]] = []
    for ticks, amount in levels:
        price = middle + sign * ticks * 0.5
        said.append([("change" if price in side else "new") if amount else "delete", price, amount * 10.0])
        side.pop(price, None)
        if amount:
            side[price] = amount * 10.0
    return said


@given(steps=STEPS, start=LEVELS, moves=st.booleans())
@settings(max_examples=400)
def test_a_book_is_the_models_or_a_gap_was_told(steps: list[Any], start: list[tuple[int, int]], moves: bool) -> None:  # noqa: FBT001 - drawn
    """Any snapshots and changes, some dropped, told twice or told at the end; the middle of the book stands still or ``moves``."""
    model = Model()
    frames, late = [model.says("snapshot", start, start, 100.0)], []
    for kind, bids, asks, shift in steps:
        said = model.says(kind, bids, asks, 100.0 + shift * 0.5 * moves)
        frames += {"dropped": [], "told late": [], "told twice": [said, said]}.get(kind, [said])
        late += [said] if kind == "told late" else []
    feed, at, last, broken = client().market(0), None, None, False
    for ts_ns, (frame, top) in enumerate([*frames, *late]):
        told = feed.take(frame, ts_ns)
        data = msgspec.json.decode(frame)["params"]["data"]
        if broken:
            assert told == []
        elif data.get("prev_change_id", at) != at or (0.0 < top[1] <= top[0] and top != last):
            assert told == [Gap(ts_ns=ts_ns, since_ns=max(ts_ns - 1, 0))]
            broken = True
        else:
            quotes = [(one.bid, one.ask, one.bid_size, one.ask_size) for one in told if isinstance(one, Quote)]
            assert len(quotes) == len(told)
            assert quotes == ([top] if top != last else [])
            at, last = data["change_id"], top


# ----------------------------------------------------------------- idempotency


def test_an_order_of_unknown_outcome_is_never_posted_again() -> None:
    """L2 by bounded validity: looked up until no request of it can be under way any more; only then it never was."""
    outbox = Outbox(client())
    (post,) = outbox.requests_of(decision((ORDER,)))
    left_ns = ORDER.ts_ns + 3 * NS
    outbox.posted(post, left_ns)
    lost = outbox.on_reply(post, Reply(0), left_ns + 10 * NS)
    assert lost.again_ns is not None
    look = outbox.current(post)
    assert look is not None
    assert look.purpose == "lookup"
    waits = outbox.on_reply(look, Reply(200, result([])), left_ns + 11 * NS)
    assert (waits.events, waits.requests) == ([], [])
    assert waits.again_ns == Deribit.late_ns - 11 * NS
    outbox.on_reply(look, Reply(400, failure("temporarily_unavailable", 13_028)), left_ns + 12 * NS)
    over = outbox.on_reply(look, Reply(200, result([])), left_ns + Deribit.late_ns)
    assert over.events == [Cancelled(ts_ns=left_ns + Deribit.late_ns, order_id=ORDER.order_id)]


def test_an_order_that_arrived_after_all_is_found_by_its_label() -> None:
    outbox = Outbox(client())
    (post,) = outbox.requests_of(decision((ORDER,)))
    outbox.posted(post, ORDER.ts_ns)
    outbox.on_reply(post, Reply(504), ORDER.ts_ns + NS)
    look = outbox.current(post)
    assert look is not None
    found = outbox.on_reply(look, Reply(200, payload("by_label")), ORDER.ts_ns + 2 * NS)
    assert [event.venue_order_id for event in found.events] == ["BTC-584864807"]  # type: ignore[union-attr] # an Ack
    assert [request.purpose for request in found.requests] == ["lookup"]  # an audit: it is over, and 4 contracts are not told yet


def test_an_order_that_deribit_has_forgotten_has_ended_and_its_trades_tell_how() -> None:
    """Half an hour after its end a label is not found any more; an order that was never acknowledged never was."""
    outbox = Outbox(client())
    (post,) = outbox.requests_of(decision((ORDER,)))
    outbox.posted(post, ORDER.ts_ns)
    outbox.note(Ack(ts_ns=ORDER.ts_ns, order_id=ORDER.order_id, venue_order_id="BTC-584864807"))
    (look,) = outbox.audit()
    at_ns = ORDER.ts_ns + 3_600 * NS
    for _ in range(4):
        assert outbox.on_reply(look, Reply(200, result([])), at_ns).again_ns
    asked = outbox.on_reply(look, Reply(200, result([])), at_ns).requests
    assert [request.purpose for request in asked] == ["fills"]
    told = outbox.on_reply(asked[0], Reply(200, result({"trades": [], "has_more": False}, 0)), at_ns)
    assert told.events == [Cancelled(ts_ns=at_ns, order_id=ORDER.order_id)]


# ------------------------------------------------------------------------ fuzz


def kept(frame: bytes) -> None:
    """Give a frame to a login, and then to the feed that kept it."""
    feed = client(BTC, ETH).market(0)
    login = feed.login()
    next(login)
    with suppress(StopIteration):
        login.send(frame)
        login.send(result("ok", HEARTBEAT))
        feed.take(frame, 1)


def answered(frame: bytes) -> None:
    """Give a frame to a login as the answer to its first call."""
    login = client().account(0).login()
    next(login)
    with suppress(StopIteration):
        login.send(frame)


PARSERS: list[Any] = [
    lambda data: client(BTC, ETH).market(0).take(data, 1),
    lambda data: client(BTC, ETH).account(0).take(data, 1),
    kept,
    answered,
    lambda data: client().state_of(client().submit(ORDER), Reply(200, data)),
    lambda data: client().state_of(client().lookup(ORDER), Reply(200, data)),
    lambda data: client().fills_of(Reply(200, data)),
    lambda data: client().booked_of(client().booked(0, 1, ""), Reply(200, data), 1),
    lambda data: client().held_of([Reply(200, data), Reply(200, payload("account"))]),
    lambda data: client().held_of([Reply(200, data)]),
    lambda data: client().latest_of(Reply(200, data)),
    lambda data: rules.instruments_of(Reply(200, data)),
    lambda data: Deribit.error_of(Reply(400, data)),
    lambda data: Deribit.limits_of(Reply(400, data), 1),
    lambda data: [Deribit.word_of(request, Reply(200, data)) for request in (client().submit(ORDER), client().lookup(ORDER))],
]


@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(data: bytes) -> None:
    refuses_or_reads(PARSERS, data)


@settings(max_examples=300)
@given(spoilt(payload, NAMES))
def test_spoilt_payloads_never_raise_anything_else(data: bytes) -> None:
    refuses_or_reads(PARSERS, data)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values in a message."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, inner in items for place in places(inner, (*path, key))]


MESSAGES = {name: msgspec.json.decode(payload(name)) for name in NAMES}
ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)
) | st.sampled_from(["NaN", "-Infinity", "1e999999", "1e-999999", "\n", "x" * 3000, "9" * 3000, [], {}, [[]], [{}], {"wait": 5}])


@given(name=st.sampled_from(NAMES), pick=st.integers(0, 10**6), value=ODD)
@settings(max_examples=600)
def test_any_value_in_any_place_never_raises_anything_else(name: str, pick: int, value: Any) -> None:
    message = msgspec.json.decode(msgspec.json.encode(MESSAGES[name]))
    paths = places(message)
    *way, last = paths[pick % len(paths)]
    place = message
    for key in way:
        place = place[key]
    place[last] = value
    refuses_or_reads(PARSERS, msgspec.json.encode(message))


def test_money_is_read_digit_by_digit() -> None:
    data = payload("executions").replace(b"-0.00000021", b"-0.000000000000000000000000000000000021")
    assert client().fills_of(Reply(200, data))[0][0].fee == Decimal("-2.1e-35")
