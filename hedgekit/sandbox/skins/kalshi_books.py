"""The books that Kalshi's market stream tells, level by level: what is shown, what was told, and the changes between."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from hedgekit.sandbox.skins.kalshi_wire import ONE, ZERO, count, dollars, floor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hedgekit.exchange.book import Level

Sizes = dict[Decimal, Decimal]
"""Size by YES price."""


class Change(NamedTuple):
    """A level's size changes by so much; ``bid``: of those who buy YES, else of those who buy NO at 1 - price."""

    bid: bool
    price: Decimal
    by: Decimal
    clock: int
    ts_ns: int


class Book:
    """One market's book.

    ``shown`` is the market as it is, ``told`` as messages that have left have told it: a subscription's snapshot is that, and what
    is on its way then follows it.
    """

    def __init__(self) -> None:
        self.shown: tuple[Sizes, Sizes] = ({}, {})
        self.told: tuple[Sizes, Sizes] = ({}, {})
        self.clock = self.told_clock = 0

    def show(self, bids: Iterable[Level], asks: Iterable[Level], ts_ns: int) -> list[Change]:
        """Take a new book; return its changes in an order in which no book between crosses that the two do not.

        What comes is told before what goes, so that a side is never empty in between; and of two sides that move,
        first the one that moves away from the other.
        """
        old, new = self.shown, (_sizes(bids), _sizes(asks))
        if old == new:
            return []
        self.shown, self.clock = new, self.clock + 1
        up = bool(new[0] and old[1]) and max(new[0]) >= min(old[1])
        changes: list[Change] = []
        for side in (1, 0) if up else (0, 1):
            moves = [(price, new[side].get(price, ZERO) - old[side].get(price, ZERO)) for price in sorted({*old[side], *new[side]})]
            moves = [(price, by) for price, by in moves if by]
            ordered = [*(m for m in moves if m[1] > 0), *(m for m in moves if m[1] < 0)]
            changes += [Change(side == 0, price, by, self.clock, ts_ns) for price, by in ordered]
        return changes

    def tell(self, change: Change) -> None:
        """Note that a change leaves."""
        sizes = self.told[0 if change.bid else 1]
        sizes[change.price] = sizes.get(change.price, ZERO) + change.by
        if not sizes[change.price]:
            del sizes[change.price]
        self.told_clock = change.clock

    def best(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Return the best bid, its size, the best ask, its size, as shown; 0 and 0 for a side without orders."""
        bids, asks = self.shown
        bid, ask = max(bids, default=ZERO), min(asks, default=ZERO)
        return bid, bids.get(bid, ZERO), ask, asks.get(ask, ZERO)


def levels(sizes: Sizes, *, bid: bool, yes_price: bool) -> list[list[str]]:
    """Write a side as Kalshi's stream does, the best level last; a NO bid in its own price or the YES's."""
    ranked = sorted(sizes, reverse=not bid)
    return [[price_of(price, bid=bid, yes_price=yes_price), count(sizes[price])] for price in ranked]


def price_of(price: Decimal, *, bid: bool, yes_price: bool) -> str:
    """Write a level's price: a NO bid's is 1 - p unless it is to be the YES's."""
    return dollars(price if bid or yes_price else ONE - price)


def _sizes(side: Iterable[Level]) -> Sizes:
    sizes: Sizes = {}
    for level in side:
        sizes[level.price] = sizes.get(level.price, ZERO) + floor(level.size)
    return {price: size for price, size in sizes.items() if size}


def depth(sizes: Sizes, most: int, *, bid: bool) -> Sequence[list[str]]:
    """Write a side as Kalshi's REST does, the best level first, at most so many; 0 for all."""
    ranked = levels(sizes, bid=bid, yes_price=False)[::-1]
    return ranked[:most] if most else ranked
