"""A price-time-priority book of one instrument.

The other side of every trade is the recorded market: a book of one level or of
several, displayed, finite, replaced by each record and consumed by our own
orders until the next one, and the recorded trades. Our own orders wait in
price-time priority: market orders first, then the better limit, then the earlier
arrival; each walks the levels from the best as far as its limit. A trade is done
at the maker's price: the level's if our order comes to it, our limit if the
market comes to our resting order. The recorded market never reacts to us.

**The queue.** A limit order that comes to rest at a displayed price stands behind
what is left of the size displayed there, and behind our own earlier orders. It
is met, at its limit, by

- recorded trades at its price, which take what stands in front of it first;
- recorded trades beyond its price, which would have met it before: by their
  volume, whatever stood in front. A print larger than our order fills it whole, a
  smaller one does not: nobody is known to have wanted more;
- the opposite side, displayed at its price or beyond: by the displayed size.

A smaller recorded size moves it forward only when it is smaller than what stands
in front. This is the conservative assumption: whoever cancels or is traded with
unseen stood behind us. Size that appears later stands behind us. A price better
than all displayed ones, or between two, has nobody in front. A price beyond the
last displayed level, or any price while the book is crossed, stale or empty, is
not known: then nothing at that price fills us until it is displayed, and all
that is displayed there first stands in front.

A recorded trade has happened, so it meets us also while the book is crossed or
stale. It leaves the displayed sizes as they are: the next record tells.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from hedgekit.exchange.model import exact
from hedgekit.types import NS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ZERO = Decimal(0)


@dataclass(slots=True)
class Working:
    """An order in the book: ``leaves`` is what is still to fill, unsigned.

    ``ahead`` is the recorded size in front of it once it rests, None if not known. ``carry`` is rounding overpaid in its fees.
    """

    order_id: str
    buy: bool
    leaves: Decimal
    limit: Decimal | None
    tif: str
    seq: int
    day: int | None = None
    resting: bool = False
    ahead: Decimal | None = None
    carry: Decimal = ZERO

    @property
    def rank(self) -> tuple[int, Decimal, int]:
        """Priority among the orders of one side, best first."""
        if self.limit is None:
            return (0, ZERO, self.seq)
        return (1, -self.limit if self.buy else self.limit, self.seq)

    def reaches(self, price: Decimal) -> bool:
        """Whether it would trade with an opposite order at ``price``."""
        return self.limit is None or (self.limit >= price if self.buy else self.limit <= price)

    @property
    def making(self) -> bool:
        """Whether it stands in the book with a price, so that others come to it."""
        return self.resting and self.limit is not None


@dataclass(slots=True)
class Level:
    """What is displayed at a price; ``size`` shrinks as it is taken. ``shown`` is what was recorded, in whole and part lots."""

    price: Decimal
    size: Decimal
    shown: Decimal | None = None


def displayed(price: float, size: float) -> Level | None:
    """Return a recorded level; None for a missing side: a price that is NaN or not above 0, or a size of 0 or NaN."""
    level, shown = exact(price), exact(size)
    return Level(level, shown) if level is not None and shown and level > 0 else None


@dataclass(frozen=True, slots=True)
class Match:
    """A trade of one working order; ``left`` is what it still wanted after it, ``maker`` whether the market came to it."""

    order: Working
    qty: Decimal
    price: Decimal
    left: Decimal = field(default=ZERO, compare=False)
    maker: bool = field(default=False, compare=False)


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
        Displayed sizes count in whole lots; a part of a lot cannot be traded, but stands in a queue.
    max_age_ns : int
        A book recorded longer ago than this is stale; 0 for no limit.
    """

    def __init__(self, lot: Decimal = Decimal(1), max_age_ns: int = 0) -> None:
        self.lot, self.max_age_ns = lot, max_age_ns
        self.bids: list[Level] = []
        self.asks: list[Level] = []
        self.shown_ns: int | None = None
        self.crossed: tuple[Decimal, Decimal] | None = None
        self._kept: tuple[list[Level], list[Level]] = ([], [])
        self._buys: list[Working] = []
        self._sells: list[Working] = []

    # ------------------------------------------------------------- questions

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

    def unfit(self, now_ns: int) -> str:
        """Return why nothing of the book may fill at ``now_ns``: not there yet, crossed or stale; empty if it may."""
        if self.shown_ns is None:
            return "no book has been recorded yet"
        if self.crossed:
            return f"the book is crossed: bid {self.crossed[0]:f} above ask {self.crossed[1]:f}"
        age = now_ns - self.shown_ns
        if self.max_age_ns and age > self.max_age_ns:
            return f"the book is stale: recorded {age / NS:g} s ago, allowed are {self.max_age_ns / NS:g} s"
        return ""

    def blocked(self, now_ns: int, *, buy: bool) -> str:
        """Return why an order of this side can take nothing at ``now_ns``, at any price; empty if it can."""
        if unfit := self.unfit(now_ns):
            return unfit
        levels, name = (self.asks, "ask") if buy else (self.bids, "bid")
        if not levels:
            return f"the book has no {name}"
        return "" if any(level.size for level in levels) else f"nothing is left of the displayed {name}s"

    def would_take(self, now_ns: int, limit: Decimal, *, buy: bool) -> Level | None:
        """Return the best level of which an order that arrives now would take something, None if it would rest."""
        order = Working("", buy, ZERO, limit, "gtc", 0)
        levels = () if self.unfit(now_ns) else self.asks if buy else self.bids
        return next((level for level in levels if level.size and order.reaches(level.price)), None)

    def queue(self, order: Working) -> Decimal | None:
        """Return what stands in front of a resting order: recorded size and our own earlier orders; None if not known."""
        if not order.making or order.ahead is None:
            return None
        side = self._buys if order.buy else self._sells
        return order.ahead + sum((o.leaves for o in side if o.making and o.limit == order.limit and o.seq < order.seq), ZERO)

    # ---------------------------------------------------------------- orders

    def add(self, order: Working) -> None:
        """Put an order in its place; it trades at the next :meth:`match`."""
        insort(self._buys if order.buy else self._sells, order, key=lambda o: o.rank)

    def remove(self, order: Working) -> None:
        """Take an order out."""
        (self._buys if order.buy else self._sells).remove(order)

    def rest(self, order: Working, *, fit: bool = True) -> None:
        """Let an order stand in the queue of its price; ``fit`` says whether the displayed sizes can be believed."""
        order.resting = True
        if fit and order.limit is not None:
            levels = self.bids if order.buy else self.asks
            found = next((level for level in levels if level.price == order.limit), None)
            order.ahead = self._standing(found) if found else _gap(order, levels)

    def _standing(self, level: Level) -> Decimal:
        """Return the size that stands at a level: what was recorded, part lots too, less what our own orders took of it."""
        shown = level.size if level.shown is None else level.shown
        return shown % self.lot + level.size

    # ---------------------------------------------------------------- market

    def quote(self, bid: Level | None, ask: Level | None) -> None:
        """Replace the displayed market by a book of one level."""
        self.show([] if bid is None else [bid], [] if ask is None else [ask])

    def show(self, bids: Sequence[Level], asks: Sequence[Level], ts_ns: int = 0, *, keep_taken: bool = False) -> None:
        """Replace the displayed market, best level first. A crossed one (best bid above best ask) displays nothing.

        Parameters
        ----------
        bids, asks : sequence of Level
            Bids with falling, asks with rising prices.
        ts_ns : int
            When it was recorded; its age counts from there.
        keep_taken : bool
            A level that is recorded again at the same price and size is taken to be the same orders: what was
            taken of it stays taken, also over a record that was crossed or empty. By default each quote is a new market.
        """
        self.shown_ns = ts_ns
        self.crossed = (bids[0].price, asks[0].price) if bids and asks and bids[0].price > asks[0].price else None
        if self.crossed or not (bids or asks):
            self.bids, self.asks = [], []
            return
        old_bids, old_asks = self._kept if keep_taken else ([], [])
        self.bids, self.asks = self._kept = (self._next(old_bids, bids), self._next(old_asks, asks))
        for side, levels in ((self._buys, self.bids), (self._sells, self.asks)):
            _advance([order for order in side if order.making], levels)

    def _next(self, old: Sequence[Level], new: Sequence[Level]) -> list[Level]:
        before = {level.price: level for level in old}
        levels = [Level(level.price, level.size // self.lot * self.lot, level.size) for level in new]
        for level in levels:
            same = before.get(level.price)
            if same is not None and same.shown == level.shown:
                level.size = same.size
        return levels

    def thin(self, most: Decimal, limit: Decimal | None = None, *, buy: bool) -> Decimal:
        """Withdraw what is displayed to one side's orders beyond ``most``, worst first; return how much of it ``limit`` reached."""
        order, gone = Working("", buy, ZERO, limit, "gtc", 0), ZERO
        for level in self.asks if buy else self.bids:
            left = min(level.size, most)
            gone += level.size - left if order.reaches(level.price) else ZERO
            most -= left
            level.size = left
        return gone

    def match(self, *, fit: bool = True) -> Outcome:
        """Let every working order take what it can; ioc and fok orders end here. Nothing is taken of a book that is not ``fit``."""
        done = Outcome()
        for side, levels in ((self._buys, self.asks), (self._sells, self.bids)):
            for order in side:
                done.matches.extend(self._take(order, levels if fit else ()))
                if order.leaves and order.tif in {"ioc", "fok"}:
                    done.ended.append(order)
                elif order.leaves and not order.resting:
                    self.rest(order, fit=fit)
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
            price = order.limit if order.resting and order.limit is not None else level.price
            yield Match(order, qty, price, order.leaves, order.making)
            if not order.leaves:
                return

    def trade(self, price: Decimal, qty: Decimal) -> list[Match]:
        """Let ``qty`` that others traded at ``price`` meet our resting orders, best price first, then as they queue."""
        done: list[Match] = []
        for side in (self._buys, self._sells):
            met = [order for order in side if order.making and order.reaches(price)]
            left, gone = qty, ZERO
            for order in met:
                if order.limit != price:
                    order.ahead = ZERO
                elif order.ahead is None:
                    break
                else:
                    front = min(left, max(order.ahead - gone, ZERO))
                    left, gone = left - front, gone + front
                take = min(left // self.lot * self.lot, order.leaves)
                if take:
                    order.leaves -= take
                    done.append(Match(order, take, price if order.limit is None else order.limit, order.leaves, maker=True))
                left = ZERO if order.leaves else left - take
            for order in met:
                if order.ahead is not None:
                    order.ahead = max(order.ahead - gone, ZERO)
            side[:] = [order for order in side if order.leaves]
        return done


def _gap(order: Working, levels: Sequence[Level]) -> Decimal | None:
    """Return what stands at a price that is not displayed: nothing if a worse one is, else nobody knows."""
    return ZERO if levels and order.reaches(levels[-1].price) and order.limit != levels[-1].price else None


def _advance(orders: Sequence[Working], levels: Sequence[Level]) -> None:
    """Move resting orders forward by what the new record shows."""
    shown: dict[Decimal | None, Decimal | None] = {level.price: level.shown for level in levels} if orders else {}
    for order in orders:
        size = shown.get(order.limit, _gap(order, levels))
        if size is not None:
            order.ahead = size if order.ahead is None else min(order.ahead, size)
