"""The difference in money between two runs of one leg of a trade, in parts whose sum is the difference, exactly.

A leg earns ``P = m Q (x - e) - fee``: m the multiplier, Q what was entered (signed), e and x the average prices of entry and exit. What
is still held counts as an exit at its last mid. With the averages of the mids in force at the same fills, E and X, and the first run's
own mids at the times of the second run's fills, E* and X*, the second run (primed) less the first is

    quantity     m (Q' - Q)(x - e)                    more or less was traded, at the first run's prices
    entry price  -m Q' ((e' - E') - (e - E))          dealt further from the mid at entry
    exit price    m Q' ((x' - X') - (x - X))          the same at exit
    timing        m Q' ((X* - X) - (E* - E))          filled at other times, so the market was elsewhere
    quotes        m Q' ((X' - X*) - (E' - E*))        the two saw other prices at the same time
    fee          -(fee' - fee)

All in fractions, so nothing is rounded. A run that did not trade the leg (Q = 0) is given the other's prices: all is quantity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

PARTS = ("quantity", "entry_price", "exit_price", "timing", "quotes", "fee")
ZERO = Fraction(0)


class Deal(NamedTuple):
    """A fill, or what is held at the end valued at its mid.

    ``qty`` is signed. ``mid`` is None if no quote was in force, ``theirs`` if the other run had none at that time.
    """

    qty: Fraction
    price: Fraction
    fee: Fraction = ZERO
    mid: Fraction | None = None
    theirs: Fraction | None = None


class Average(NamedTuple):
    """Of a leg's entries or exits, weighted by quantity; ``mid`` and ``theirs`` (the other run's mid at these times) None if unknown."""

    price: Fraction
    mid: Fraction | None
    theirs: Fraction | None


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of a trade in one run: quantity entered (signed), averages of entry and exit, fees, multiplier."""

    qty: Fraction
    entry: Average | None
    exit: Average | None
    fee: Fraction
    multiplier: Fraction

    @property
    def money(self) -> Fraction:
        """P&L, net, in the quote currency."""
        if self.entry is None or self.exit is None:
            return -self.fee
        return self.multiplier * self.qty * (self.exit.price - self.entry.price) - self.fee


def exact(value: float | str | Decimal) -> Fraction:
    """Return the fraction that a number's shortest decimal spelling says: 0.1 is one tenth."""
    return Fraction(value if isinstance(value, Decimal | str) else Decimal(repr(float(value))))


def reference(mid: float) -> Fraction:
    """Return a mid to 12 significant digits: half of a sum of floats ends in digits that no quote had. It only tells parts apart."""
    return Fraction(format(float(mid), ".12g"))


def leg_of(deals: Sequence[Deal], multiplier: Fraction) -> Leg:
    """Return a leg from its fills, the value of what is held included as a last deal: quantities add up to zero.

    The side of the first deal is the entry.
    """
    buys = [deal for deal in deals if deal.qty > 0]
    sells = [deal for deal in deals if deal.qty < 0]
    entries, exits = (buys, sells) if not deals or deals[0].qty > 0 else (sells, buys)
    qty, fee = sum((deal.qty for deal in entries), ZERO), sum((deal.fee for deal in deals), ZERO)
    return Leg(qty, _average(entries), _average(exits), fee, multiplier)


def _average(deals: Sequence[Deal]) -> Average | None:
    total = sum((deal.qty for deal in deals), ZERO)
    if not total:
        return None

    def mean(values: Sequence[Fraction | None]) -> Fraction | None:
        known = [deal.qty * value for deal, value in zip(deals, values, strict=True) if value is not None]
        return sum(known, ZERO) / total if len(known) == len(deals) else None

    price = sum((deal.qty * deal.price for deal in deals), ZERO) / total
    return Average(price, mean([deal.mid for deal in deals]), mean([deal.theirs for deal in deals]))


def split(first: Leg, second: Leg) -> dict[str, Fraction]:
    """Return the parts of ``second.money - first.money``, by the names in :data:`PARTS`.

    Where a mid is unknown, timing and quotes are 0 and the prices hold all.
    """
    size, fee = second.multiplier * second.qty, first.fee - second.fee
    entry = _moved(first.entry or second.entry, second.entry or first.entry)
    exit_ = _moved(first.exit or second.exit, second.exit or first.exit)
    before, after = first.entry or second.entry, first.exit or second.exit
    edge = after.price - before.price if before and after else ZERO
    return {
        "quantity": (second.qty - first.qty) * second.multiplier * edge,
        "entry_price": -size * entry.spread,
        "exit_price": size * exit_.spread,
        "timing": size * (exit_.timing - entry.timing),
        "quotes": size * (exit_.quotes - entry.quotes),
        "fee": fee,
    }


class _Move(NamedTuple):
    spread: Fraction = ZERO
    timing: Fraction = ZERO
    quotes: Fraction = ZERO


def _moved(first: Average | None, second: Average | None) -> _Move:
    if first is None or second is None:
        return _Move()
    if first.mid is None or second.mid is None:
        return _Move(spread=second.price - first.price)
    theirs = second.mid if second.theirs is None else second.theirs
    spread = (second.price - second.mid) - (first.price - first.mid)
    return _Move(spread, theirs - first.mid, second.mid - theirs)
