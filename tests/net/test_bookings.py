"""What a venue books without an order, asked for page by page: nothing twice, nothing left out, nothing half."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import VenueError
from hedgekit.net.bookings import PERIOD_NS, Bookings, shares
from hedgekit.types import NS, Fees, Fill, Instrument, Kind, Payment, Reply, Request
from hedgekit.venues.alpaca import Alpaca
from hedgekit.venues.deribit import Deribit

if TYPE_CHECKING:
    from collections.abc import Sequence

T0 = 1_764_000_000 * NS
PERPS = [
    Instrument("DERIBIT", f"{coin}-PERPETUAL", Kind.INVERSE_PERP, Decimal("0.5"), Decimal(1), Decimal(10), Fees())
    for coin in ("BTC", "ETH")
]


def params(request: Request) -> dict[str, object]:
    found: dict[str, object] = msgspec.json.decode(request.body or b"")["params"]
    return found


def log(request: Request, ids: Sequence[int], more: int | None = None) -> Reply:
    """Answer a question with funding of these ids."""
    asked = msgspec.json.decode(request.body or b"")
    coin = asked["params"]["currency"]
    about = {"type": "settlement", "currency": coin, "instrument_name": f"{coin}-PERPETUAL", "interest_pl": -0.00000051, "price": 99_000.25}
    logs = [about | {"id": number, "timestamp": T0 // 10**6 + number} for number in ids]
    return Reply(200, msgspec.json.encode({"jsonrpc": "2.0", "id": asked["id"], "result": {"logs": logs, "continuation": more}}))


def begun(known_ns: int | None = None) -> Bookings:
    bookings = Bookings(Deribit(["id", "secret"], PERPS))
    bookings.begin(T0, known_ns, T0 + 500 * NS)
    return bookings


def test_what_came_with_an_earlier_page_is_told_with_the_time_at_which_it_is_told() -> None:
    """A journal's times do not go back, and what is decided on it is decided now."""
    bookings, now = begun(), T0 + 500 * NS
    (first,) = bookings.ask(now, exposed=False)
    _, (second,) = bookings.reply(first, log(first, [9]), now)
    found, _ = bookings.reply(second, log(second, [8]), now + 7)
    assert [one.ts_ns for one in found if isinstance(one, Payment)] == [now + 7, now + 7]


def test_all_pages_of_all_currencies_are_handed_over_at_once_oldest_first() -> None:
    bookings, now = begun(), T0 + 500 * NS
    (first,) = bookings.ask(now, exposed=False)
    assert params(first) == {"currency": "BTC", "start_timestamp": T0 // 10**6, "end_timestamp": (now + 60 * NS) // 10**6, "count": 250}
    found, (second,) = bookings.reply(first, log(first, [9, 8], more=7), now)
    assert not found
    assert params(second) == params(first) | {"continuation": 7}
    found, (third,) = bookings.reply(second, log(second, [7]), now)
    assert not found
    assert params(third)["currency"] == "ETH"
    assert bookings.open
    found, more = bookings.reply(third, log(third, [10]), now)
    assert not more
    assert not bookings.open
    told = [(one.instrument, one.payment_id, one.amount, one.coin) for one in found if isinstance(one, Payment)]
    less = Decimal("-0.00000051")
    btc = [("DERIBIT:BTC-PERPETUAL", number, less, "BTC") for number in "789"]
    assert told == [*btc, ("DERIBIT:ETH-PERPETUAL", "10", less, "ETH")]
    assert {one.money for one in found if isinstance(one, Payment)} == {Decimal("-0.00000051") * Decimal("99000.25")}


@pytest.mark.parametrize(("known_s", "since_s"), [(None, 0), (400, 340), (30, 0)])
def test_a_span_begins_a_minute_before_what_is_known_but_not_before_the_session(known_s: int | None, since_s: int) -> None:
    bookings = begun(None if known_s is None else T0 + known_s * NS)
    (first,) = bookings.ask(T0 + 500 * NS, exposed=False)
    assert params(first)["start_timestamp"] == (T0 + since_s * NS) // 10**6


def test_of_several_pairs_the_one_that_knows_least_says_from_when() -> None:
    bookings = begun(T0 + 400 * NS)
    bookings.begin(T0 - 50 * NS, T0 + 300 * NS, T0 + 500 * NS)
    (first,) = bookings.ask(T0 + 500 * NS, exposed=False)
    assert params(first)["start_timestamp"] == (T0 + 240 * NS) // 10**6


def test_it_is_asked_again_after_an_execution_a_lost_socket_and_an_hour_with_something_held() -> None:
    bookings, now = begun(), T0 + 500 * NS
    asked = bookings.ask(now, exposed=False)
    while asked:  # a currency after the other
        _, asked = bookings.reply(asked[0], log(asked[0], []), now)
    assert (bookings.open, bookings.soon_ns(), bookings.period_ns(exposed=False)) == (False, None, None)
    assert bookings.period_ns(exposed=True) == now + PERIOD_NS
    assert bookings.ask(now + PERIOD_NS - 1, exposed=True) == []
    amounts = {"qty": Decimal(1), "price": Decimal(9), "fee": Decimal(0)}
    fill = Fill(ts_ns=now, order_id="a", fill_id="1", instrument=PERPS[0].key, venue_ns=now, **amounts)
    bookings.note(msgspec.structs.replace(fill, instrument="ALPACA:KO"))
    assert not bookings.open
    bookings.note(fill)
    assert bookings.soon_ns() == now + NS
    bookings.wanted(now + 5)
    assert bookings.soon_ns() == now + 5
    (question,) = bookings.ask(now + 5, exposed=False)
    assert params(question)["start_timestamp"] == (now - 60 * NS) // 10**6
    bookings.wanted(now + 6)  # while an answer is awaited
    assert bookings.soon_ns() is None
    assert bookings.ask(now + 7, exposed=True) == []
    assert bookings.reply(question, Reply(0), now + 8) == ([], [])  # asked again by who sends
    _, (question,) = bookings.reply(question, log(question, []), now + 9)
    bookings.reply(question, log(question, []), now + 9)
    assert bookings.soon_ns() == now + 6


def test_a_refusal_is_an_error_and_a_venue_that_books_nothing_is_not_asked() -> None:
    bookings = begun()
    (first,) = bookings.ask(T0 + 500 * NS, exposed=True)
    refused = {"jsonrpc": "2.0", "id": 0, "error": {"code": -32602, "message": "Invalid params"}}
    with pytest.raises(VenueError, match=r"-32602.*Invalid params"):
        bookings.reply(first, Reply(400, msgspec.json.encode(refused)), T0)
    silent = Bookings(Alpaca(["key", "secret"], [Instrument("ALPACA", "KO")]))
    silent.begin(T0, None, T0)
    assert (silent.open, silent.ask(T0, exposed=True), silent.period_ns(exposed=True)) == (False, [], None)


QTY = st.integers(-10_000, 10_000)
COINS = st.decimals("-10", "10", places=8)


@given(COINS, st.lists(QTY, min_size=1, max_size=5))
def test_shares_add_up_to_the_payment_and_follow_what_is_held(amount: Decimal, held: list[int]) -> None:
    parts = shares(amount, map(float, held))
    assert sum(parts) == amount
    whole = sum(held)
    for part, qty in zip(parts[:-1], held, strict=False):
        if whole:
            assert abs(part - amount * qty / whole) <= Decimal("0.000000005")
    if not whole:
        assert parts[0] == amount


def test_who_is_short_while_the_account_is_long_gets_what_the_others_pay() -> None:
    """By hand: +12 and -8 make 4; of 0.0004 that are paid on them the long one pays 0.0012 and the short one gets 0.0008."""
    assert shares(Decimal("-0.0004"), [12.0, -8.0]) == [Decimal("-0.0012"), Decimal("0.0008")]
