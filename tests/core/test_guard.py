"""Pre-trade limits: what is refused and why, and laws over any sequence of orders, fills and prices."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.errors import ConfigError
from hedgekit.rules.guard import CODE, Guard, Limits
from hedgekit.types import (
    NS,
    Action,
    Cancelled,
    Command,
    Decision,
    Fees,
    Fill,
    Instrument,
    Kind,
    Order,
    Payment,
    Phase,
    Priority,
    Quote,
    Reason,
)

A, B = Instrument("V", "A"), Instrument("V", "B", multiplier=Decimal(10))


def quote(instrument: Instrument, bid: float, ask: float, at: int = 0) -> Quote:
    return Quote(ts_ns=at, instrument=instrument.key, venue_ns=at, bid=bid, ask=ask, bid_size=1.0, ask_size=1.0)


def order(name: str, instrument: Instrument, qty: float, limit: str | None = None) -> Order:
    leg = 0 if instrument == A else 1
    kind: Any = "market" if limit is None else "limit"
    price = None if limit is None else Decimal(limit)
    return Order(name, 0, leg, instrument.key, Decimal(str(qty)), Decimal(100), Priority.HEDGE, 1, kind, price)


def decision(*orders: Order, at: int = 0, action: Action = Action.OPEN) -> Decision:
    return Decision(
        ts_ns=at, action=action, reason=Reason.ENTRY, phase=Phase.OPENING, trade=1, z=2.0, ratio=1.0, delta=0.0, cost=0.0, benefit=0.0,
        mids=(100.0, 10.0), positions=(0.0, 0.0), targets=(0.0, 0.0), orders=orders,
    )  # fmt: skip


def fill(  # noqa: PLR0913 - one row
    name: str, instrument: Instrument, qty: float, price: str, *, fee: str = "0", at: int = 0
) -> Fill:
    return Fill(
        ts_ns=at, order_id=name, fill_id=f"{name}-{at}-{qty}", instrument=instrument.key, venue_ns=at,
        qty=Decimal(str(qty)), price=Decimal(price), fee=Decimal(fee),
    )  # fmt: skip


def guard(**limits: Any) -> Guard:
    made = Guard(Limits(**limits), (A, B))
    made.note(quote(A, 99.99, 100.01), "one")
    made.note(quote(B, 9.99, 10.01), "one")
    return made


@pytest.mark.parametrize(
    ("limits", "orders", "words"),
    [
        ({"order_notional": 1_000.0}, [order("a", A, 11)], "worth 1,100.00, more than order_notional=1000"),
        ({"order_notional": 1_000.0}, [order("b", B, -11)], "worth 1,100.00"),
        ({"gross_notional": 1_500.0}, [order("a", A, 8), order("b", B, -8)], "worth 1,600.00, beyond gross_notional=1500"),
        ({"position": {"V:A": 5.0}}, [order("a", A, -6)], "V:A could become 6, beyond position=5"),
        ({"orders_per_minute": 1}, [order("a", A, 1), order("b", B, -1)], "1 orders in a minute"),
        ({"collar": 0.01}, [order("a", A, 1, "101.02")], "beyond the touch 100.01"),
        ({"collar": 0.01}, [order("a", A, -1, "98.98")], "beyond the touch 99.99"),
    ],
)
def test_each_limit_refuses_with_its_figures(limits: dict[str, Any], orders: list[Order], words: str) -> None:
    refused = guard(**limits).refused(decision(*orders))
    assert {one.order_id for one in refused} == {one.order_id for one in orders}, "a pair is opened whole or not at all"
    assert all(one.code == CODE for one in refused)
    assert words in refused[-1].message


def test_at_the_limit_nothing_is_refused() -> None:
    exact = guard(order_notional=1_000.0, gross_notional=2_000.0, position={"V:A": 10.0}, orders_per_minute=2, collar=0.01)
    assert exact.refused(decision(order("a", A, 10, "101.01"), order("b", B, -10))) == []
    assert exact.refused(decision(order("c", A, 0.1))) != []


def test_an_instrument_without_a_quote_is_refused() -> None:
    (one,) = Guard(Limits(), (A, B)).refused(decision(order("a", A, 1)))
    assert one.message == "V:A was never quoted"


def test_an_instrument_that_was_never_quoted_does_not_switch_the_gross_limit_off() -> None:
    made = Guard(Limits(gross_notional=1_000.0), (A, B))  # B, of another pair, has no quote yet
    made.note(quote(A, 99.99, 100.01), "one")
    (one,) = made.refused(decision(order("a", A, 11)))
    assert "beyond gross_notional=1000" in one.message


@pytest.mark.parametrize(("bid", "ask"), [(0.0, 100.01), (99.99, 0.0), (0.0, 0.0), (120.0, 90.0)])
def test_a_book_without_a_side_or_crossed_is_no_loss_and_no_touch(bid: float, ask: float) -> None:
    """As the step has it: the last mid goes on marking."""
    made = guard(session_loss=100.0)
    made.note(fill("a", A, 10, "100"), "one")
    assert made.note(quote(A, bid, ask, at=1), "one") is None
    assert made.gain == pytest.approx(0.0)
    assert made.refused(decision(order("out", A, -10, "99.5"), action=Action.CLOSE)) == []


def test_a_loss_that_the_journal_does_not_answer_is_answered_after_the_restart() -> None:
    """Killed between what was lost and the command: the first word on a price or a fill closes."""
    again = Guard(Limits(session_loss=100.0), (A, B))
    for record in (quote(A, 99.99, 100.01), quote(B, 9.99, 10.01), fill("a", A, 10, "100"), quote(A, 80.0, 80.02, at=1)):
        again.restore(record, "one")
    assert again.note(quote(A, 80.0, 80.02, at=2), "one") is not None


def test_what_makes_a_position_smaller_is_refused_for_its_price_alone() -> None:
    made = guard(order_notional=1.0, gross_notional=1.0, position={"V:A": 0.5}, orders_per_minute=0, collar=0.01)
    made.note(fill("old", A, 10, "100"), "one")
    assert made.refused(decision(order("out", A, -10), action=Action.CLOSE)) == []
    assert len(made.refused(decision(order("more", A, -1), action=Action.CLOSE))) == 1, "beside the ten that work, it would go short"
    made.note(Cancelled(ts_ns=0, order_id="out"), "one")
    assert made.refused(decision(order("again", A, -10, "99.5"), action=Action.CLOSE)) == []
    assert "collar" in made.refused(decision(order("far", A, -10, "90"), action=Action.CLOSE))[0].message


def test_a_minute_is_any_sixty_seconds() -> None:
    made = guard(orders_per_minute=1)
    outcomes = [bool(made.refused(decision(order(str(at), A, 1), at=at))) for at in (0, 60 * NS - 1, 60 * NS, 120 * NS - 1, 120 * NS)]
    assert outcomes == [False, True, False, True, False]


def test_too_great_a_loss_closes_once_and_counts_anew_when_a_person_resumes() -> None:
    made = guard(session_loss=100.0)
    assert made.note(fill("a", A, 10, "100", fee="20"), "one") is None
    assert made.note(quote(A, 91.99, 92.01, at=1), "one") is None, "80 and the fee: at the limit, not beyond"
    stop = made.note(quote(A, 91.98, 92.0, at=2), "one")
    assert stop == Command(ts_ns=2, name="flatten", ref="guard: loss of 100.10 is beyond session_loss=100")
    assert made.note(quote(A, 50.0, 50.02, at=3), "one") is None, "said once"
    made.note(Command(ts_ns=4, name="resume", ref="person"), "one")
    assert made.note(quote(A, 41.0, 41.02, at=5), "one") is None
    assert made.note(quote(A, 39.0, 39.02, at=6), "one") is not None


def test_a_restarted_guard_does_not_close_again() -> None:
    made = guard(session_loss=100.0)
    made.note(fill("a", A, 10, "100"), "one")
    stop = made.note(quote(A, 80.0, 80.02, at=1), "one")
    assert stop is not None
    again = guard(session_loss=100.0)
    again.note(stop, "one")
    again.note(fill("a", A, 10, "100"), "one")
    assert again.note(quote(A, 70.0, 70.02, at=2), "one") is None


def test_an_inverse_perpetual_gains_in_coins() -> None:
    perp = Instrument("V", "P", kind=Kind.INVERSE_PERP, multiplier=Decimal(10), fees=Fees())
    made = Guard(Limits(), (perp,))
    made.note(quote(perp, 50_000.0, 50_000.0), "one")
    made.note(fill("a", perp, 100, "40000"), "one")  # 1,000 dollars bought at 40,000: a fortieth of a coin
    assert made.gain == pytest.approx(1_000 / 40_000 * 50_000 - 1_000)


def test_a_fee_in_coin_and_funding_count_at_their_prices() -> None:
    """By hand: half a thousandth of a coin at 40,000 is 20 dollars; 0.001 coins of funding at 50,000 are 50, told twice or not."""
    perp = Instrument("V", "P", kind=Kind.INVERSE_PERP, multiplier=Decimal(10), fees=Fees())
    made = Guard(Limits(session_loss=60.0), (perp,))
    made.note(quote(perp, 40_000.0, 40_000.0), "one")
    made.note(msgspec.structs.replace(fill("a", perp, 100, "40000"), fee=Decimal("0.0005"), fee_coin="BTC"), "one")
    assert made.gain == pytest.approx(-20.0)
    at = {"instrument": perp.key, "venue_ns": 5, "mark": Decimal(50_000), "coin": "BTC"}
    paid = Payment(ts_ns=5, payment_id="1", amount=Decimal("-0.001"), **at)
    stop = made.note(paid, "one")
    assert made.gain == pytest.approx(-70.0)
    assert stop is not None
    assert stop.name == "flatten"
    made.note(paid, "one")
    assert made.gain == pytest.approx(-70.0)


@pytest.mark.parametrize(
    "wrong", [{"order_notional": -1.0}, {"session_loss": float("nan")}, {"position": {"V:A": -5.0}}, {"collar": float("inf")}]
)
def test_wrong_limits_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="write a number from 0"):
        Limits(**wrong)


steps = st.one_of(
    st.tuples(st.just("order"), st.sampled_from([A, B]), st.integers(-8, 8).filter(bool), st.integers(0, 40)),
    st.tuples(st.just("fill"), st.integers(0, 20), st.integers(1, 8), st.just(0)),
    st.tuples(st.just("over"), st.integers(0, 20), st.just(0), st.just(0)),
)


@settings(max_examples=300)
@given(st.lists(steps, max_size=40))
def test_law_no_sequence_of_fills_of_accepted_orders_breaks_a_limit(moves: list[tuple[Any, ...]]) -> None:
    """Positions, gross value and rate stay within the limits at any time, whatever is filled, and closing is always possible."""
    limits = {"position": {"V:A": 12.0, "V:B": 10.0}, "gross_notional": 1_800.0, "orders_per_minute": 9}
    made, held, alive, times, now = guard(**limits), {"V:A": 0, "V:B": 0}, {}, [], 0
    for number, (what, one, qty, wait) in enumerate(moves):
        if what == "order":
            now += wait * NS
            smaller = held[one.key] * qty < 0 and abs(qty) + sum(
                abs(left) for key, left in alive.values() if key == one.key and left * qty > 0
            ) <= abs(held[one.key])
            refused = made.refused(decision(order(str(number), one, qty), at=now, action=Action.REBALANCE))
            assert not (smaller and refused)
            if not refused:
                alive[str(number)] = (one.key, qty)
                times += [] if smaller else [now]
        elif alive:
            name = sorted(alive)[one % len(alive)]
            key, left = alive.pop(name)
            if what == "fill":
                part = min(qty, abs(left)) * (1 if left > 0 else -1)
                made.note(fill(name, A if key == "V:A" else B, part, "100", at=number), "one")
                held[key] += part
                if left != part:
                    alive[name] = (key, left - part)
            else:
                made.note(Cancelled(ts_ns=now, order_id=name), "one")
        for key, most in limits["position"].items():  # type: ignore[attr-defined] # a dict
            assert abs(held[key]) <= most
        assert sum(100.0 * abs(qty) for qty in held.values()) <= 1_800.0
        for at in times:
            assert sum(at <= other < at + 60 * NS for other in times) <= 9


@pytest.mark.parametrize(("bid", "ask"), [(0.0, 100.01), (99.99, 0.0), (0.0, 0.0), (math.nan, 100.01), (100.02, 100.01)])
def test_half_a_market_is_no_loss(bid: float, ask: float) -> None:
    """A missing side, 0 on Alpaca's wire, halves no price: the last mid goes on counting."""
    made = guard(session_loss=10.0)
    made.note(fill("a", A, 10, "100"), "one")
    gain = made.gain
    assert made.note(quote(A, bid, ask, 1), "one") is None
    assert made.gain == gain == 0.0
    assert made.note(quote(A, 98.0, 98.02, 2), "one") is not None


def test_each_pair_is_told_its_own_part_of_what_the_venue_books_once() -> None:
    """One settlement and one payment of an account, under one id each, for two pairs in one contract: both parts count, once each."""
    made = Guard(Limits(session_loss=100.0, gross_notional=1_000.0), (A, B))
    made.note(quote(A, 49.99, 50.01), "one")
    parts = {"one": 10, "two": 6}
    for owner, qty in parts.items():
        made.note(fill(owner, A, qty, "50"), owner)
    assert made.gain == pytest.approx(0.0)
    for owner, qty in parts.items():
        paid = Payment(ts_ns=5, payment_id="1", instrument=A.key, venue_ns=5, amount=Decimal(-qty) / 10, mark=Decimal(50))
        for _ in range(2):  # the second time it is the same
            made.note(paid, owner)
    assert made.gain == pytest.approx(-1.6)
    for owner, qty in parts.items():
        out = Fill(
            ts_ns=9,
            order_id="",
            fill_id="settlement-9",
            instrument=A.key,
            venue_ns=9,
            qty=Decimal(-qty),
            price=Decimal(45),
            fee=Decimal(0),
            cause="settlement",
        )
        for _ in range(2):
            stop = made.note(out, owner)
    assert made.gain == pytest.approx(-1.6 - 16 * 5.0), "nothing is held any more: the mid of 50 marks nothing"
    assert stop is None, "81.6 is no loss beyond 100"
    assert not made.refused(decision(order("new", A, 19))), "950 of 1,000: nothing is held beside it"
