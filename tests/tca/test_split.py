"""The parts of a difference: hand numbers for each, and the law that they are the whole."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.tca.split import PARTS, ZERO, Deal, Leg, exact, leg_of, reference, split

ONE = Fraction(1)


def deal(qty: str, price: str, *, fee: str = "0", mid: str | None = None, theirs: str | None = None) -> Deal:
    return Deal(exact(qty), exact(price), exact(fee), None if mid is None else exact(mid), None if theirs is None else exact(theirs))


def leg(*deals: Deal) -> Leg:
    return leg_of(deals, ONE)


BASE = leg(deal("10", "100.01", fee="0.5", mid="100"), deal("-10", "102.99", fee="0.5", mid="103"))
"""Bought 10 at 100.01, sold at 102.99, a fee of 1 in all: 28.8."""


def test_a_leg_by_hand() -> None:
    assert BASE.money == exact("28.8")
    assert leg_of([deal("-4", "10"), deal("3", "9"), deal("1", "9.5")], exact("0.5")).money == exact("1.75")


CASES = {
    "quantity": (leg(deal("15", "100.01", fee="0.5", mid="100"), deal("-15", "102.99", fee="0.5", mid="103")), "14.9"),  # 5 x 2.98
    "entry_price": (leg(deal("10", "100.05", fee="0.5", mid="100"), deal("-10", "102.99", fee="0.5", mid="103")), "-0.4"),
    "exit_price": (leg(deal("10", "100.01", fee="0.5", mid="100"), deal("-10", "102.96", fee="0.5", mid="103")), "-0.3"),
    "timing": (leg(deal("10", "100.31", fee="0.5", mid="100.3", theirs="100.3"), deal("-10", "102.99", fee="0.5", mid="103")), "-3"),
    "quotes": (leg(deal("10", "100.01", fee="0.5", mid="100"), deal("-10", "103.09", fee="0.5", mid="103.1", theirs="103")), "1"),
    "fee": (leg(deal("10", "100.01", fee="0.5", mid="100"), deal("-10", "102.99", fee="0.75", mid="103")), "-0.25"),
}
"""What differs from BASE in one thing only, and by how much money."""


@pytest.mark.parametrize("part", PARTS)
def test_each_part_by_hand(part: str) -> None:
    other, worth = CASES[part]
    assert split(BASE, other) == dict.fromkeys(PARTS, ZERO) | {part: exact(worth)}


def test_a_leg_that_only_one_traded_is_all_quantity_and_fee() -> None:
    nothing = leg_of([], ONE)
    assert split(nothing, BASE) == dict.fromkeys(PARTS, ZERO) | {"quantity": exact("29.8"), "fee": exact("-1")}
    assert split(BASE, nothing) == dict.fromkeys(PARTS, ZERO) | {"quantity": exact("-29.8"), "fee": exact("1")}


def test_without_mids_the_prices_hold_all() -> None:
    """Nothing tells a worse price from a later one then."""
    other = leg(deal("10", "100.31", fee="0.5"), deal("-10", "102.99", fee="0.5", mid="103"))
    assert split(BASE, other) == dict.fromkeys(PARTS, ZERO) | {"entry_price": exact("-3")}


def test_a_mid_is_what_quotes_say_and_not_what_floats_leave() -> None:
    assert 0.5 * (0.1 + 0.2) != 0.15
    assert reference(0.5 * (0.1 + 0.2)) == exact("0.15")


# ------------------------------------------------------------------------ laws

QTY = st.decimals("0.001", 10_000, places=3)
PRICE = st.decimals("0.01", 1_000, places=2)
MID = st.none() | PRICE
FEE = st.decimals("-1", 5, places=4)


@st.composite
def legs(draw: st.DrawFn, multiplier: Fraction) -> tuple[Leg, Fraction]:
    """Return a leg of any fills whose quantities cancel, and its P&L computed without averages."""
    made = draw(st.lists(st.tuples(QTY, st.sampled_from([-1, 1]), PRICE, FEE, MID, MID), max_size=6))
    deals = [
        Deal(sign * Fraction(qty), Fraction(price), Fraction(fee), *(None if m is None else Fraction(m) for m in mids))
        for qty, sign, price, fee, *mids in made
    ]
    left = sum((d.qty for d in deals), ZERO)
    if left:
        deals.append(Deal(-left, Fraction(draw(PRICE))))
    cash = sum((-d.qty * d.price * multiplier - d.fee for d in deals), ZERO)
    return leg_of(deals, multiplier), cash


@st.composite
def two_legs(draw: st.DrawFn) -> tuple[tuple[Leg, Fraction], tuple[Leg, Fraction]]:
    multiplier = exact(draw(st.sampled_from(["1", "0.01", "100"])))
    return draw(legs(multiplier)), draw(legs(multiplier))


@given(two_legs())
def test_parts_are_the_whole_exactly(pair: tuple[tuple[Leg, Fraction], tuple[Leg, Fraction]]) -> None:
    (first, cash), (second, other) = pair
    assert (first.money, second.money) == (cash, other)
    assert sum(split(first, second).values()) == other - cash


@given(legs(ONE))
def test_a_run_does_not_differ_from_itself(made: tuple[Leg, Fraction]) -> None:
    leg_ = made[0]
    entry, exit_ = (None if a is None else a._replace(theirs=a.mid) for a in (leg_.entry, leg_.exit))
    same = Leg(leg_.qty, entry, exit_, leg_.fee, leg_.multiplier)  # its own mids at its own times
    assert not any(split(leg_, same).values())


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**6), max_value=10**6))
def test_a_number_is_what_it_says(value: Decimal) -> None:
    assert exact(float(value)) == Fraction(value)
