"""The exchange for one account: checks orders, drives the books, keeps the ledger.

What it refuses, beside plain nonsense: a client order id used before; an order
that could take a position through zero (long to short in one order: split it),
counting working orders; an order that could trade with one's own; a fractional
short; and an order beyond buying power.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from msgspec.structs import replace

from hedgekit.errors import ConfigError
from hedgekit.exchange.book import Book, Level, Match, Working
from hedgekit.exchange.ledger import LEVERAGE, Ledger, affordable, worst
from hedgekit.exchange.model import (
    EXACT,
    OPEN,
    Accepted,
    Cancelled,
    Executed,
    FillModel,
    NewOrder,
    OrderState,
    Refusal,
    Rejected,
    Report,
    Reports,
    Status,
    exact,
)
from hedgekit.types import NS, Fill, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hedgekit.types import Instrument, Quote

IDS = uuid5(NAMESPACE_URL, "hedgekit.exchange")
DAY_NS = 86_400 * NS
ZERO = Decimal(0)
HALF = Decimal("0.5")

Refused = tuple[Refusal, str]


class Exchange:
    """A simulated exchange for one account.

    Parameters
    ----------
    instruments : iterable of Instrument
        What is traded; only ``spot`` instruments are simulated so far.
    cash : Decimal
        Money the account starts with.
    model : FillModel
        How orders meet quotes.

    Raises
    ------
    ConfigError
        If an instrument is of a kind that is not simulated.

    Notes
    -----
    Time must not go back: ``ValueError`` if it does. Order and execution ids are
    UUIDs (version 5) of a counter, so that equal runs have equal ids.
    """

    def __init__(self, instruments: Iterable[Instrument], cash: Decimal = Decimal(1_000_000), model: FillModel | None = None) -> None:
        self.instruments = {i.key: i for i in instruments}
        for instrument in self.instruments.values():
            if instrument.kind is not Kind.SPOT:
                msg = f"{instrument.key} is {instrument.kind.value}: the exchange simulates spot instruments only so far"
                raise ConfigError(msg)
        self.model = model or FillModel()
        self.ledger = Ledger(self.instruments.values(), cash)
        self.marks: dict[str, Decimal] = {}
        self._books = {key: Book(i.lot) for key, i in self.instruments.items()}
        self._orders: dict[str, OrderState] = {}
        self._working: dict[str, Working] = {}
        self._by_client: dict[str, str] = {}
        self._executions = 0
        self._now = 0

    # ------------------------------------------------------------- questions

    def order(self, order_id: str) -> OrderState | None:
        """Return an order by the exchange's id."""
        return self._orders.get(order_id)

    def by_client(self, client_id: str) -> OrderState | None:
        """Return an order by the client's id."""
        return self._orders.get(self._by_client.get(client_id, ""))

    def orders(self) -> list[OrderState]:
        """Return every order ever accepted, oldest first."""
        return list(self._orders.values())

    @property
    def equity(self) -> Decimal:
        """Cash plus positions at the last mids."""
        return self.ledger.equity(self.marks)

    @property
    def exposure(self) -> Decimal:
        """Gross exposure at the last mids, the worst that working orders can make of it."""
        return self._exposure("", ZERO)

    # --------------------------------------------------------------- actions

    def on_quote(self, quote: Quote) -> Reports:
        """Replace the displayed market of ``quote.instrument`` at ``quote.venue_ns`` and match.

        A NaN price or a size of zero is a missing side.
        """
        self._move(quote.venue_ns)
        bid, ask = _level(quote.bid, quote.bid_size), _level(quote.ask, quote.ask_size)
        book = self._books[quote.instrument]
        book.quote(bid, ask)
        self._mark(quote.instrument, bid, ask)
        return (*self._expire(book), *self._match(quote.instrument))

    def submit(self, request: NewOrder, ts_ns: int) -> Reports:
        """Take an order that reaches the exchange at ``ts_ns``; a refused one leaves no trace."""
        self._move(ts_ns)
        for check in (self._check_form, self._check_crossing, self._check_money):
            if refused := check(request):
                return (Rejected(ts_ns, request.client_id, *refused),)
        state = self._register(request)
        accepted = Accepted(ts_ns, state)
        if request.kind == "market" and request.instrument not in self.marks:
            over = self._save(state, status=Status.REJECTED)
            why = f"{request.instrument} has had no quote yet; send a market order after the first"
            return (accepted, Rejected(ts_ns, request.client_id, Refusal.NO_QUOTE, why, over))
        self._work(state)
        return (accepted, *self._match(request.instrument)) if self.model.name == "touch" else (accepted,)

    def cancel(self, order_id: str, ts_ns: int) -> Reports:
        """Cancel what is left of an order."""
        self._move(ts_ns)
        state = self._orders.get(order_id)
        if state is None:
            return (Rejected(ts_ns, "", Refusal.UNKNOWN_ORDER, f"no order {order_id}"),)
        if state.status not in OPEN:
            why = f"order {order_id} is {state.status.value}: nothing is left to cancel"
            return (Rejected(ts_ns, state.request.client_id, Refusal.NOT_OPEN, why, state),)
        self._books[state.request.instrument].remove(self._working[order_id])
        return (self._close(order_id, "requested"),)

    # ---------------------------------------------------------------- checks

    def _check_form(self, new: NewOrder) -> Refused | None:
        if new.client_id in self._by_client:
            return Refusal.DUPLICATE, f"client order id {new.client_id} was used before; every order needs its own"
        instrument = self.instruments.get(new.instrument)
        if instrument is None:
            return Refusal.INSTRUMENT, f"no instrument {new.instrument}; there are: {', '.join(self.instruments)}"
        if not new.qty.is_finite() or not new.qty:
            return Refusal.QUANTITY, f"quantity {new.qty}: must be a number other than 0"
        if EXACT.remainder(new.qty, instrument.lot):
            return Refusal.LOT, f"quantity {abs(new.qty)}: must be a multiple of {instrument.lot}"
        return self._check_limit(new, instrument)

    @staticmethod
    def _check_limit(new: NewOrder, instrument: Instrument) -> Refused | None:
        if (new.limit is None) != (new.kind == "market"):
            return Refusal.PRICE, f"a {new.kind} order {'needs a' if new.limit is None else 'has no'} limit price"
        if new.limit is None:
            return None
        if not new.limit.is_finite() or new.limit <= 0:
            return Refusal.PRICE, f"limit price {new.limit}: must be above 0"
        if EXACT.remainder(new.limit, instrument.tick):
            return Refusal.TICK, f"limit price {new.limit}: must be a multiple of {instrument.tick}"
        return None

    def _check_crossing(self, new: NewOrder) -> Refused | None:
        buys, sells = self._sides(new.instrument)
        position = self.ledger.position(new.instrument)
        closing = position < 0 if new.qty > 0 else position > 0
        available = abs(position) - (buys if new.qty > 0 else sells)
        if closing and abs(new.qty) > available:
            return Refusal.THROUGH_ZERO, f"insufficient qty available for order (requested: {abs(new.qty)}, available: {available})"
        if not position and (sells if new.qty > 0 else buys):
            return Refusal.THROUGH_ZERO, "the position is flat and an order of the opposite side is working; cancel it first"
        if not closing and new.qty < 0 and new.qty % 1:
            return Refusal.FRACTIONAL_SHORT, f"quantity {abs(new.qty)}: fractional shares cannot be sold short"
        return self._check_wash(new)

    def _check_wash(self, new: NewOrder) -> Refused | None:
        for other in self._books[new.instrument].orders():
            if other.buy == (new.qty > 0):
                continue
            if other.limit is None or new.limit is None or other.reaches(new.limit):
                return Refusal.WASH, f"potential wash trade: order {other.order_id} of the opposite side is working"
        return None

    def _check_money(self, new: NewOrder) -> Refused | None:
        if new.instrument not in self.marks and new.limit is None:
            return None  # it cannot be valued; submit() refuses it after acceptance
        after = self._exposure(new.instrument, new.qty, new.limit)
        if affordable(self.exposure, after, self.equity):
            return None
        return Refusal.BUYING_POWER, f"insufficient buying power: exposure would be {after}, allowed are {LEVERAGE} x equity {self.equity}"

    # ------------------------------------------------------------- internals

    def _move(self, ts_ns: int) -> None:
        if ts_ns < self._now:
            msg = f"time went back from {self._now} to {ts_ns}"
            raise ValueError(msg)
        self._now = ts_ns

    def _sides(self, key: str) -> tuple[Decimal, Decimal]:
        orders = self._books[key].orders()
        return sum((o.leaves for o in orders if o.buy), ZERO), sum((o.leaves for o in orders if not o.buy), ZERO)

    def _exposure(self, key: str, qty: Decimal, limit: Decimal | None = None) -> Decimal:
        total = ZERO
        for name in self.instruments:
            buys, sells = self._sides(name)
            if name == key:
                buys, sells = (buys + qty, sells) if qty > 0 else (buys, sells - qty)
            price = self.marks.get(name) or (limit if name == key else None) or ZERO
            total += self.ledger.value(name, worst(self.ledger.position(name), buys, sells), price)
        return total

    def _mark(self, key: str, bid: Level | None, ask: Level | None) -> None:
        if bid and ask and bid.price <= ask.price:
            self.marks[key] = EXACT.multiply(EXACT.add(bid.price, ask.price), HALF)
        elif (side := bid or ask) and key not in self.marks:
            self.marks[key] = side.price

    def _register(self, request: NewOrder) -> OrderState:
        order_id = str(uuid5(IDS, f"order {len(self._orders) + 1}"))
        self._by_client[request.client_id] = order_id
        state = self._orders[order_id] = OrderState(order_id, request, Status.NEW, self._now, self._now)
        return state

    def _work(self, state: OrderState) -> None:
        new, seq = state.request, len(self._orders)
        day = self._now // DAY_NS if self.model.name == "touch" else None
        order = Working(state.order_id, new.qty > 0, abs(new.qty), new.limit, new.tif, seq, day)
        self._working[state.order_id] = order
        self._books[new.instrument].add(order)

    def _save(self, state: OrderState, **changes: object) -> OrderState:
        self._orders[state.order_id] = saved = replace(state, updated_ns=self._now, **changes)
        return saved

    def _expire(self, book: Book) -> list[Report]:
        today = self._now // DAY_NS
        reports: list[Report] = []
        for order in book.orders():
            if order.tif != "day":
                continue
            if order.day is not None and order.day < today:
                book.remove(order)
                reports.append(self._close(order.order_id, "expired", Status.EXPIRED))
            elif order.day is None:
                order.day = today
        return reports

    def _match(self, key: str) -> list[Report]:
        outcome = self._books[key].match()
        reports: list[Report] = [self._execute(key, match) for match in outcome.matches]
        return [*reports, *(self._close(order.order_id, order.tif) for order in outcome.ended)]

    def _execute(self, key: str, match: Match) -> Executed:
        state, instrument = self._orders[match.order.order_id], self.instruments[key]
        self._executions += 1
        execution_id = str(uuid5(IDS, f"execution {self._executions}"))
        qty = match.qty if match.order.buy else -match.qty
        fee = instrument.fees.of(qty, match.price, instrument.multiplier)
        fill = Fill(
            ts_ns=self._now,
            order_id=state.request.client_id,
            fill_id=execution_id,
            instrument=key,
            venue_ns=self._now,
            qty=qty,
            price=match.price,
            fee=fee,
        )
        position = self.ledger.post(fill)
        saved = self._save(
            state,
            filled=state.filled + match.qty,
            paid=EXACT.add(state.paid, EXACT.multiply(match.qty, match.price)),
            fee=state.fee + fee,
            status=Status.PARTIALLY_FILLED if match.order.leaves else Status.FILLED,
        )
        if not match.order.leaves:
            del self._working[saved.order_id]
        return Executed(self._now, saved, execution_id, qty, match.price, fee, position)

    def _close(self, order_id: str, why: str, status: Status = Status.CANCELLED) -> Cancelled:
        del self._working[order_id]
        return Cancelled(self._now, self._save(self._orders[order_id], status=status), why)


def _level(price: float, size: float) -> Level | None:
    level, shown = exact(price), exact(size)
    return Level(level, shown) if level is not None and shown and level > 0 else None
