"""A price-time-priority book of one instrument.

The other side of every trade is the recorded top of book: displayed, finite,
replaced by each quote, and consumed by our own orders until the next one. Our
own orders wait in price-time priority: market orders first, then the better
limit, then the earlier arrival. A trade is done at the maker's price: the
quote's if our order comes to it, our limit if the quote comes to our resting
order. The recorded market never reacts to us, and a resting limit fills only
when the opposite quote reaches it (nobody knows the queue in front of it).
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from decimal import Decimal


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
    """What is displayed at a price; ``size`` shrinks as it is taken."""

    price: Decimal
    size: Decimal


@dataclass(frozen=True, slots=True)
class Match:
    """A trade of one working order."""

    order: Working
    qty: Decimal
    price: Decimal


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
        self.bid: Level | None = None
        self.ask: Level | None = None
        self._buys: list[Working] = []
        self._sells: list[Working] = []

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
        """Replace the displayed market. A crossed quote (bid above ask) displays nothing."""
        if bid is not None and ask is not None and bid.price > ask.price:
            bid = ask = None
        self.bid, self.ask = self._whole(bid), self._whole(ask)

    def _whole(self, level: Level | None) -> Level | None:
        return None if level is None else Level(level.price, level.size // self.lot * self.lot)

    def match(self) -> Outcome:
        """Let every working order take what it can; ioc and fok orders end here."""
        done = Outcome()
        for side, level in ((self._buys, self.ask), (self._sells, self.bid)):
            for order in side:
                if match := self._take(order, level):
                    done.matches.append(match)
                if order.leaves and order.tif in {"ioc", "fok"}:
                    done.ended.append(order)
                order.resting = True
            ended = set(map(id, done.ended))
            side[:] = [order for order in side if order.leaves and id(order) not in ended]
        return done

    @staticmethod
    def _take(order: Working, level: Level | None) -> Match | None:
        if level is None or not order.reaches(level.price):
            return None
        qty = min(order.leaves, level.size)
        if not qty or (order.tif == "fok" and qty < order.leaves):
            return None
        level.size -= qty
        order.leaves -= qty
        return Match(order, qty, order.limit if order.resting and order.limit is not None else level.price)
