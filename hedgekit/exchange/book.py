"""A price-time-priority book of one instrument.

The other side of every trade is the recorded book, of one level or of several:
displayed, finite, replaced by each quote, and consumed by our own orders until
the next one. Our own orders wait in price-time priority: market orders first,
then the better limit, then the earlier arrival; each walks the levels from the
best as far as its limit. A trade is done at the maker's price: the level's if
our order comes to it, our limit if the quote comes to our resting order. The
recorded market never reacts to us, and a resting limit fills only when the
opposite quote reaches it (nobody knows the queue in front of it).
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from hedgekit.exchange.model import exact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(slots=True)
class Working:
    """An order in the book: ``leaves`` is what is still to fill, unsigned."""

    order_id: str
    buy: bool
    leaves: Decimal
    limit: Decimal | None
    tif: str
    seq: int
    day: int | None = None
    resting: bool = False

    @property
    def rank(self) -> tuple[int, Decimal, int]:
        """Priority among the orders of one side, best first."""
        if self.limit is None:
            return (0, Decimal(0), self.seq)
        return (1, -self.limit if self.buy else self.limit, self.seq)

    def reaches(self, price: Decimal) -> bool:
        """Whether it would trade with an opposite order at ``price``."""
        return self.limit is None or (self.limit >= price if self.buy else self.limit <= price)


@dataclass(slots=True)
class Level:
    """What is displayed at a price; ``size`` shrinks as it is taken. ``shown`` is what was recorded, in whole lots."""

    price: Decimal
    size: Decimal
    shown: Decimal | None = None


def displayed(price: float, size: float) -> Level | None:
    """Return a recorded level; None for a missing side: a price that is NaN or not above 0, or a size of 0 or NaN."""
    level, shown = exact(price), exact(size)
    return Level(level, shown) if level is not None and shown and level > 0 else None


@dataclass(frozen=True, slots=True)
class Match:
    """A trade of one working order; ``left`` is what it still wanted after it."""

    order: Working
    qty: Decimal
    price: Decimal
    left: Decimal = field(default=Decimal(0), compare=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one matching pass did: trades in priority order, then orders that their time in force ended."""

    matches: list[Match] = field(default_factory=list)
    ended: list[Working] = field(default_factory=list)


class Book:
    """The book of one instrument.

    Parameters
    ----------
    lot : Decimal
        Displayed sizes count in whole lots; a part of a lot cannot be traded.
    """

    def __init__(self, lot: Decimal = Decimal(1)) -> None:
        self.lot = lot
        self.bids: list[Level] = []
        self.asks: list[Level] = []
        self._buys: list[Working] = []
        self._sells: list[Working] = []

    @property
    def bid(self) -> Level | None:
        """Best displayed bid, also when nothing is left of it."""
        return self.bids[0] if self.bids else None

    @property
    def ask(self) -> Level | None:
        """Best displayed ask, also when nothing is left of it."""
        return self.asks[0] if self.asks else None

    def orders(self) -> list[Working]:
        """Return the working orders, buys first, each side best first."""
        return [*self._buys, *self._sells]

    def add(self, order: Working) -> None:
        """Put an order in its place; it trades at the next :meth:`match`."""
        insort(self._buys if order.buy else self._sells, order, key=lambda o: o.rank)

    def remove(self, order: Working) -> None:
        """Take an order out."""
        (self._buys if order.buy else self._sells).remove(order)

    def quote(self, bid: Level | None, ask: Level | None) -> None:
        """Replace the displayed market by a book of one level."""
        self.show([] if bid is None else [bid], [] if ask is None else [ask])

    def show(self, bids: Sequence[Level], asks: Sequence[Level], *, keep_taken: bool = False) -> None:
        """Replace the displayed market, best level first. A crossed one (best bid above best ask) displays nothing.

        Parameters
        ----------
        bids, asks : sequence of Level
            Bids with falling, asks with rising prices.
        keep_taken : bool
            A level that is recorded again at the same price and size is taken to be the same orders: what was
            taken of it stays taken. By default each quote is a new market.
        """
        if bids and asks and bids[0].price > asks[0].price:
            bids = asks = ()
        self.bids = self._next(self.bids if keep_taken else [], bids)
        self.asks = self._next(self.asks if keep_taken else [], asks)

    def _next(self, old: Sequence[Level], new: Sequence[Level]) -> list[Level]:
        before = {level.price: level for level in old}
        levels = [Level(level.price, whole, whole) for level in new for whole in (level.size // self.lot * self.lot,)]
        for level in levels:
            same = before.get(level.price)
            if same is not None and same.shown == level.shown:
                level.size = same.size
        return levels

    def match(self) -> Outcome:
        """Let every working order take what it can; ioc and fok orders end here."""
        done = Outcome()
        for side, levels in ((self._buys, self.asks), (self._sells, self.bids)):
            for order in side:
                done.matches.extend(self._take(order, levels))
                if order.leaves and order.tif in {"ioc", "fok"}:
                    done.ended.append(order)
                order.resting = True
            ended = set(map(id, done.ended))
            side[:] = [order for order in side if order.leaves and id(order) not in ended]
        return done

    @staticmethod
    def _take(order: Working, levels: Sequence[Level]) -> Iterator[Match]:
        within = [level for level in levels if level.size and order.reaches(level.price)]
        if order.tif == "fok" and sum(level.size for level in within) < order.leaves:
            return
        for level in within:
            qty = min(order.leaves, level.size)
            level.size -= qty
            order.leaves -= qty
            yield Match(order, qty, order.limit if order.resting and order.limit is not None else level.price, order.leaves)
            if not order.leaves:
                return
