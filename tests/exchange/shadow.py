"""A second set of books for the exchange's laws: kept from the reports alone, in fractions, and in another way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from hedgekit.exchange import Accepted, Cancelled, Exchange, Executed, Level, NewOrder, Rejected, Report, Reports, Status
from hedgekit.types import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hedgekit.types import Instrument

D = Decimal
ZERO = D(0)
QUANTUM = D("0.00000001")
PERPETUAL = (Kind.LINEAR_PERP, Kind.INVERSE_PERP)

How = Literal["quote", "trade", "submit", "fund"]


@dataclass
class Own:
    """An order of ours as its reports tell it. ``makes``: it stands in the book, so that trades may meet it."""

    request: NewOrder
    number: int
    filled: Decimal = ZERO
    open: bool = True
    makes: bool = False

    @property
    def leaves(self) -> Decimal:
        """What it may still fill."""
        return abs(self.request.qty) - self.filled if self.open else D(0)

    @property
    def rank(self) -> tuple[bool, Decimal, int]:
        """Price, then time; market orders before all."""
        limit = self.request.limit
        return (limit is not None, D(0) if limit is None else (-limit if self.request.qty > 0 else limit), self.number)

    def reaches(self, price: Decimal) -> bool:
        """Whether it would trade at a price."""
        return self.request.limit is None or (self.request.limit - price) * self.request.qty >= 0


@dataclass
class Display:
    """One side of a recorded book: price, recorded size, what is left."""

    rows: list[tuple[Decimal, Decimal, Decimal]] = field(default_factory=list)

    def take(self, own: Own, qty: Decimal, lot: Decimal) -> Decimal:
        """Take from the best level that has something left; return its price."""
        n = next(n for n, row in enumerate(self.rows) if row[2])
        price, shown, left = self.rows[n]
        assert own.reaches(price), "an order fills within its limit"
        assert qty <= left, "no more than is displayed"
        assert qty % lot == 0
        self.rows[n] = (price, shown, left - qty)
        return price


class Shadow:
    """What must be true of an exchange, given what it was told and what it said."""

    def __init__(self, exchange: Exchange, tally: Counter[str]) -> None:
        self.exchange, self.tally = exchange, tally
        self.of: dict[str, Instrument] = exchange.instruments
        self.currency = {key: exchange.ledger.contracts[key].currency for key in self.of}
        self.cash = dict(exchange.ledger.balances)
        self.held = dict.fromkeys(self.of, D(0))
        self.worth = dict.fromkeys(self.of, Fraction(0))
        self.entered = dict.fromkeys(self.of, Fraction(0))
        self.orders: dict[str, Own] = {}
        self.seen: set[str] = set()
        self.shown = {key: (Display(), Display()) for key in self.of}
        self.kept = {key: (Display(), Display()) for key in self.of}
        self.fit_since: dict[str, int | None] = dict.fromkeys(self.of)

    # ---------------------------------------------------------------- the market

    def record(self, key: str, bids: Sequence[Level], asks: Sequence[Level], now: int, *, keep: bool) -> None:
        """Note a recorded book: what is displayed, and whether it may fill at all."""
        if (bids and asks and bids[0].price > asks[0].price) or not (bids or asks):
            self.shown[key], self.fit_since[key] = (Display(), Display()), None
            return
        lot, sides = self.of[key].lot, []
        for old, new in zip(self.kept[key], (bids, asks), strict=True):
            before = {(price, shown): left for price, shown, left in old.rows} if keep else {}
            sides.append(Display([(x.price, x.size, before.get((x.price, x.size), x.size // lot * lot)) for x in new]))
        self.shown[key] = self.kept[key] = (sides[0], sides[1])
        self.fit_since[key] = now

    def takes(self, request: NewOrder, now: int) -> bool:
        """Whether an order that arrives now would take something."""
        rows = self.shown[request.instrument][1 if request.qty > 0 else 0].rows
        return self.fit(request.instrument, now) and any(left and Own(request, 0).reaches(price) for price, _, left in rows)

    def fit(self, key: str, now: int) -> bool:
        """Whether the book of an instrument may fill."""
        since, limit = self.fit_since[key], self.exchange.model.max_age_ns
        return since is not None and (not limit or now - since <= limit)

    # --------------------------------------------------------------- the reports

    def hear(self, reports: Reports, how: How, now: int, volume: Decimal = ZERO) -> None:
        """Check and book what the exchange said, one report after the other."""
        said = {r.order.order_id for r in reports if isinstance(r, Accepted) and r.note and not r.note.startswith("liquidation")}
        for report in reports:
            assert report.ts_ns == now
            self.tally[_name(report)] += 1
            if isinstance(report, Accepted):
                self.orders[report.order.order_id] = Own(report.order.request, len(self.orders))
            elif isinstance(report, Executed):
                assert report.order.order_id not in said, "who is told that nothing can be had gets nothing"
                by_trade = how == "trade" and not report.order.request.client_id.startswith("liquidation")
                volume -= self._fill(report, now, by_trade=by_trade)
                assert not by_trade or volume >= 0, "trades fill no more than their volume"
            elif isinstance(report, Cancelled) or report.order is not None:
                self._end(report)

    def _fill(self, fill: Executed, now: int, *, by_trade: bool) -> Decimal:
        own, request = self.orders[fill.order.order_id], fill.order.request
        key, size = request.instrument, abs(fill.qty)
        assert fill.execution_id not in self.seen, "an execution is told once"
        self.seen.add(fill.execution_id)
        assert own.open
        assert fill.qty * request.qty > 0
        assert fill.maker or not request.post_only, "post-only never takes"
        if by_trade:
            assert own.makes
            assert fill.maker
            assert fill.price == request.limit
            level = fill.price
        else:
            assert self.fit(key, now), "a stale, crossed or empty book fills nothing"
            level = self.shown[key][0 if fill.qty < 0 else 1].take(own, size, self.of[key].lot)
            assert fill.price == (request.limit if fill.maker else level)
            assert size == abs(request.qty) or request.tif != "fok" or own.filled + own.leaves == abs(request.qty)
        for other in self.orders.values():
            rival = other.open and other.request.instrument == key and other.request.qty * fill.qty > 0 and other.rank < own.rank
            if rival and (other.makes or not by_trade) and other.request.tif != "fok" and other.leaves:
                assert not other.reaches(level) or (by_trade and other.request.limit != fill.price), "price-time priority"
        self.tally[f"{self.of[key].kind} {'met by a trade' if by_trade else 'made' if fill.maker else 'taken'}"] += 1
        own.filled += size
        assert own.filled == fill.order.filled <= abs(request.qty), "no more than its quantity"
        own.open = own.leaves > 0
        assert fill.order.status is (Status.PARTIALLY_FILLED if own.open else Status.FILLED)
        self._book(key, fill)
        return size

    def _book(self, key: str, fill: Executed) -> None:
        self.held[key] += fill.qty
        assert fill.position == self.held[key]
        alone = any(market.yes == key and market.no is None for market in self.exchange.markets.markets)
        if self.of[key].kind not in PERPETUAL and not alone:
            assert self.held[key] * (self.held[key] - fill.qty) >= 0, "through zero only by two orders"
        worth = self.value(key, fill.qty, fill.price)
        self.enter(key, fill.qty, worth)
        self.cash[self.currency[key]] += (fill.profit if self.of[key].kind in PERPETUAL else -_decimal(worth)) - fill.fee

    def enter(self, key: str, qty: Decimal, worth: Fraction) -> None:
        """Keep the average entry: what is added comes at its worth, what is closed goes at the average, beyond zero all is new."""
        after, before = Fraction(self.held[key]), Fraction(self.held[key] - qty)
        self.worth[key] += worth
        if before * Fraction(qty) >= 0:
            self.entered[key] += worth
        elif before * after >= 0:
            self.entered[key] *= after / before
        else:
            self.entered[key] = worth * after / Fraction(qty)

    def _end(self, report: Cancelled | Rejected) -> None:
        assert report.order is not None
        own = self.orders[report.order.order_id]
        assert own.open
        assert own.request.tif != "fok" or not own.filled, "fill or kill"
        own.open = False

    # ------------------------------------------------------------------ the laws

    def value(self, key: str, qty: Decimal, price: Decimal) -> Fraction:
        """Return what a quantity is worth: in coin rounded half-even, by Python's own rounding of fractions."""
        one = self.of[key]
        if one.kind is Kind.INVERSE_PERP:
            return Fraction(-round(Fraction(qty) * Fraction(one.multiplier) / Fraction(price) * 10**8), 10**8)
        return Fraction(qty) * Fraction(price) * Fraction(one.multiplier)

    def settle_orders(self, key: str) -> None:
        """Let what has been through a matching pass stand in the book."""
        for own in self.orders.values():
            if own.open and own.request.instrument == key and own.request.limit is not None:
                own.makes = True

    def agree(self) -> None:
        """Compare with the ledger: cash, positions, number of fills, and profit against entry worth."""
        ledger = self.exchange.ledger
        assert ledger.balances == self.cash
        assert ledger.positions() == {key: qty for key, qty in self.held.items() if qty}
        assert len(ledger.fills) == len(self.seen)
        for key, (bids, asks) in self.shown.items():
            book = self.exchange._books[key]
            assert [(x.price, x.size) for x in book.bids] == [(price, left) for price, _, left in bids.rows]
            assert [(x.price, x.size) for x in book.asks] == [(price, left) for price, _, left in asks.rows]

    def audit(self) -> None:
        """Compare the rest, once at the end: every booking, every order, profits, equity."""
        ledger = self.exchange.ledger
        for currency, start in ledger.opening.items():
            assert ledger.balances[currency] == sum((b.amount for b in ledger.bookings if b.currency == currency), start)
            worth = Fraction(self.cash[currency])
            for key, qty in ledger.positions().items():
                if self.currency[key] == currency:
                    entered = Fraction(ledger.cost(key)) if self.of[key].kind in PERPETUAL else 0
                    worth += self.value(key, qty, self.exchange.marks[key]) - entered
            assert Fraction(self.exchange.summary(currency).equity) == worth
        for key in self.of:
            assert Fraction(ledger.profit(key)) == Fraction(ledger.cost(key)) - self.worth[key]
            closings = sum(b.what != "fee" for b in ledger.bookings)
            assert abs(Fraction(ledger.cost(key)) - self.entered[key]) <= Fraction(QUANTUM) / 2 * closings
        assert [o.order_id for o in self.exchange.orders()] == list(self.orders)
        for state in self.exchange.orders():
            assert (state.filled, state.leaves) == (self.orders[state.order_id].filled, self.orders[state.order_id].leaves)

    def snapshot(self) -> object:
        """Return all that a refused request must leave as it was."""
        made, ledger = self.exchange, self.exchange.ledger
        books = [[(o.order_id, o.leaves, o.ahead) for o in book.orders()] for book in made._books.values()]
        return dict(ledger.balances), ledger.positions(), len(ledger.bookings), made.orders(), dict(made.marks), books


def _name(report: Report) -> str:
    match report:
        case Accepted():
            return "liquidation" if report.note.startswith("liquidation") else f"accepted, {report.note[:17]}"
        case Executed():
            return "executed"
        case Cancelled() | Rejected():
            return f"over, {report.why}"


def _decimal(value: Fraction) -> Decimal:
    return D(value.numerator) / D(value.denominator)
