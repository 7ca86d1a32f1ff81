"""What Kalshi lists: markets, ladders, settlements, limits, scopes of keys; and no bytes that raise anything but VenueError."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import VenueError
from hedgekit.types import NS, Fees, Instrument, Kind, Order, Priority, Reply, Settled
from hedgekit.venues.kalshi import markets, replies, requests, streams
from hedgekit.venues.kalshi.ladder import Band, coarsest
from hedgekit.venues.kalshi.wire import fixed
from tests.venues.fuzz import refuses_or_reads, spoilt
from tests.venues.kalshi_made import PAYLOADS, payload

FED = "FED-23DEC-T3.00"
ORDER = Order("s1-1-0", 5 * NS, 0, f"KALSHI:{FED}", Decimal(10), Decimal("0.56"), Priority.HEDGE, 1)
SUBMIT = requests.submit(ORDER, Instrument("KALSHI", FED))
AT_NS = 1_715_793_600 * NS


FEES = Fees(per_unit=Decimal("0.0175"), quantum=Decimal("0.0001"))


def valid(price: Decimal, ladder: Sequence[Band]) -> bool:
    """Return whether an order may have that price; a price between two bands may be in either."""
    return 0 < price < 1 and any(band.start <= price <= band.end and not (price - band.start) % band.step for band in ladder)


def listed(reply: Reply) -> tuple[list[markets.Listing], str]:
    """Return markets of a series that charges takers."""
    return markets.markets_of(reply, FEES)


def test_questions_of_discovery() -> None:
    asked = [requests.markets([FED, "A&B"], "c"), requests.settlements(AT_NS, "")]
    assert [request.path.removeprefix("/trade-api/v2") for request in [*asked, requests.keys(), requests.latest()]] == [
        "/markets?tickers=FED-23DEC-T3.00%2CA%26B&limit=1000&cursor=c",
        "/portfolio/settlements?min_ts=1715793599&limit=1000",
        "/api_keys",
        "/exchange/status",
    ]


def test_listings() -> None:
    (fed, scalar), more = listed(Reply(200, payload("markets")))
    assert fed.instrument == Instrument("KALSHI", FED, Kind.BINARY, tick=Decimal("0.01"), lot=Decimal(1), fees=FEES)
    assert (fed.event, fed.scalar, fed.status, fed.payout, len(fed.bands)) == ("FED-23DEC", False, "open", None, 3)
    assert (scalar.scalar, scalar.status, scalar.payout) == (True, "closed", Decimal("0.35"))
    assert more == "next"


@pytest.mark.parametrize(
    ("price", "fits"),
    [("0.001", True), ("0.0995", False), ("0.099", True), ("0.1", True), ("0.101", False), ("0.11", True), ("0.9", True), ("0.901", True)],
)
def test_a_price_is_valid_in_its_band(price: str, fits: bool) -> None:  # noqa: FBT001 - the expected value
    ladder = listed(Reply(200, payload("markets")))[0][0].bands
    assert valid(Decimal(price), ladder) is fits
    assert not valid(Decimal(0), ladder)
    assert not valid(Decimal(1), ladder)


STRUCTURES = [
    ((0, 1, "0.01"),),
    ((0, 1, "0.001"),),
    ((0, "0.1", "0.001"), ("0.1", "0.9", "0.01"), ("0.9", 1, "0.001")),
    ((0, "0.1", "0.005"), ("0.1", "0.9", "0.01"), ("0.9", 1, "0.005")),
    ((0, "0.1", "0.002"), ("0.1", "0.9", "0.01"), ("0.9", 1, "0.002")),
    ((0, "0.1", "0.001"), ("0.1", "0.9", "0.002"), ("0.9", 1, "0.001")),
]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_multiple_of_the_coarsest_step_is_valid(structure: Any) -> None:
    ladder = tuple(Band(*map(Decimal, band)) for band in structure)
    tick = coarsest(ladder)
    assert all(valid(tick * n, ladder) for n in range(1, int(1 / tick)))


def test_a_ladder_without_a_common_step_is_refused() -> None:
    bands = (Band(Decimal(0), Decimal("0.5"), Decimal("0.002")), Band(Decimal("0.5"), Decimal(1), Decimal("0.005")))
    with pytest.raises(VenueError, match=r"steps 0\.002, 0\.005 have no common multiple"):
        coarsest(bands)


def test_settlements() -> None:
    no, scalar = markets.settlements_of(Reply(200, payload("settlements")), 9)[0]
    assert no == Settled(9, f"KALSHI:{FED}", AT_NS, Decimal(0), final=True)
    assert scalar.payout == Decimal("0.35")


def test_scopes() -> None:
    keys = Reply(200, payload("keys"))
    assert [markets.may_trade(keys, name) for name in ("reader", "writer", "trader", "blocks", "balance")] == [
        False,
        True,
        True,
        True,
        False,
    ]
    with pytest.raises(VenueError, match="0 keys are listed"):
        markets.may_trade(keys, "stranger")


@pytest.mark.parametrize(
    ("call", "said", "word"),
    [
        (listed, payload("markets").replace(b"finalized", b"mystified"), "status 'mystified'"),
        (listed, payload("markets").replace(b'"notional_value_dollars": "1.0000"', b'"notional_value_dollars": "2"'), "pays 2"),
        (listed, payload("markets").replace(b'"0.3500"', b'"35"'), "price 35"),
        (lambda r: markets.settlements_of(r, 1), payload("settlements").replace(b'"value": 35', b'"value": 101'), "settled at 101 cents"),
    ],
)
def test_answers_without_meaning_are_refused(call: Any, said: bytes, word: str) -> None:
    with pytest.raises(VenueError, match=word):
        call(Reply(200, said))


@given(units=st.integers(1, 10**9), places=st.integers(0, 4))
def test_fixed_point_says_the_same_number(units: int, places: int) -> None:
    number = Decimal(units).scaleb(-places)
    text = fixed(number, 4, 2, "price")
    assert Decimal(text) == number
    assert 2 <= len(text.partition(".")[2]) <= 4


# ------------------------------------------------------------------------- fuzz


def market(data: bytes) -> object:
    """Take a frame as market data, after a login."""
    feed = streams.MarketFeed({}, [FED])
    feed._book_sid = 2
    feed.take(payload("snapshot"), 1)
    return feed.take(data, 2)


def subscribe(data: bytes) -> None:
    """Answer a login with it."""
    login = streams.MarketFeed({}, [FED]).login()
    next(login)
    try:
        login.send(data)
    except StopIteration:
        return


LOOKUP = requests.lookup(ORDER)
PARSERS: list[Any] = [
    market,
    subscribe,
    lambda data: streams.AccountFeed({}, []).take(data, 1),
    lambda data: replies.state_of(SUBMIT, Reply(201, data)),
    lambda data: replies.state_of(LOOKUP, Reply(200, data)),
    lambda data: replies.word_of(LOOKUP, Reply(200, data)),
    lambda data: replies.word_of(SUBMIT, Reply(409, data)),
    lambda data: replies.error_of(Reply(400, data)),
    lambda data: replies.fills_of(Reply(200, data)),
    lambda data: replies.held_of([Reply(200, data), Reply(200, payload("balance"))]),
    lambda data: replies.held_of([Reply(200, payload("positions")), Reply(200, data)]),
    lambda data: listed(Reply(200, data)),
    lambda data: markets.settlements_of(Reply(200, data), 1),
    lambda data: markets.may_trade(Reply(200, data), "reader"),
]
NAMES = sorted(path.stem.removeprefix("kalshi_") for path in PAYLOADS.glob("kalshi_*.json"))


@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(data: bytes) -> None:
    refuses_or_reads(PARSERS, data)


@given(spoilt(payload, NAMES))
def test_spoilt_payloads_never_raise_anything_else(data: bytes) -> None:
    refuses_or_reads(PARSERS, data)


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["0.5", "-3.00"])
)


@given(name=st.sampled_from(NAMES), place=st.integers(0, 40), value=VALUES)
def test_other_values_in_a_payload_never_raise_anything_else(name: str, place: int, value: Any) -> None:
    tree = msgspec.json.decode(payload(name))
    leaves: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key, child in list(node.items() if isinstance(node, dict) else enumerate(node)):
            walk(child) if isinstance(child, dict | list) else leaves.append((node, key))

    walk(tree)
    node, key = leaves[place % len(leaves)]
    node[key] = value
    refuses_or_reads(PARSERS, msgspec.json.encode(tree))
