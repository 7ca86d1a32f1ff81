"""The exchange for one account: checks orders, drives the books, keeps the ledger.

What it refuses, beside plain nonsense: a client order id used before; an order
that could take a position through zero (long to short in one order: split it),
counting working orders; an order that could trade with one's own; a fractional
short; and an order beyond buying power. Binary contracts are bought and sold
short against cash for their worst outcome (``binary.py``), shares on credit.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from msgspec.structs import replace

from hedgekit.exchange.binary import BinaryMarket, Markets, Pending, Settlement
from hedgekit.exchange.book import Book, Level, Match, Working, displayed
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
)
from hedgekit.types import NS, Fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
        What is traded: ``spot``, and ``binary`` contracts that ``markets`` names.
    cash : Decimal
        Money the account starts with.
    model : FillModel
        How orders meet quotes.
    markets : iterable of BinaryMarket
        Which binary contracts resolve together; each contract in exactly one market.

    Raises
    ------
    ConfigError
        If an instrument is of a kind that is not simulated, or a binary contract is in no market.

    Notes
    -----
    Time must not go back: ``ValueError`` if it does. Order and execution ids are
    UUIDs (version 5) of a counter, so that equal runs have equal ids.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        cash: Decimal = Decimal(1_000_000),
        model: FillModel | None = None,
        *,
        markets: Iterable[BinaryMarket] = (),
    ) -> None:
        self.instruments = {i.key: i for i in instruments}
        self.markets = Markets(self.instruments, markets)
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
        """Gross exposure of what is traded on credit, at the last mids, the worst that working orders can make of it."""
        return self._exposure("", ZERO)

    @property
    def free_cash(self) -> Decimal:
        """Cash, plus what binary positions pay at their worst outcome, less what working binary orders can lose."""
        return self._covered - self.markets.reserved(self._pending(), self.ledger.position)

    @property
    def _covered(self) -> Decimal:
        return self.ledger.cash + self.markets.floor(self.ledger.position)

    def _pending(self) -> list[Pending]:
        return [
            Pending(key, o.leaves if o.buy else -o.leaves, self.marks[key] if o.limit is None else o.limit)
            for key in self.markets.of
            for o in self._books[key].orders()
        ]

    # --------------------------------------------------------------- actions

    def on_quote(self, quote: Quote) -> Reports:
        """Replace the displayed market of ``quote.instrument`` at ``quote.venue_ns`` and match.

        A NaN price or a size of zero is a missing side.
        """
        bid, ask = displayed(quote.bid, quote.bid_size), displayed(quote.ask, quote.ask_size)
        return self.on_depth(quote.instrument, [] if bid is None else [bid], [] if ask is None else [ask], quote.venue_ns)

    def on_depth(self, key: str, bids: Sequence[Level], asks: Sequence[Level], ts_ns: int, *, keep_taken: bool = False) -> Reports:
        """Replace the displayed book of ``key`` by several levels, best first, and match.

        Parameters
        ----------
        key : str
            Instrument.
        bids, asks : sequence of Level
            Prices falling from the best bid, rising from the best ask; empty for a missing side. A crossed
            book displays nothing.
        ts_ns : int
            When, at the exchange.
        keep_taken : bool
            Whether a level recorded again unchanged keeps what our orders took of it; see :meth:`Book.show`.

        Returns
        -------
        tuple of Executed and Cancelled
            One execution for each level that an order takes from.

        Raises
        ------
        DataError
            If a binary contract is quoted at or beyond what it can pay.
        """
        self._move(ts_ns)
        if key in self.markets.settled:
            return ()
        if key in self.markets.of:
            self.markets.check_levels(key, (*bids, *asks))
        book = self._books[key]
        book.show(bids, asks, keep_taken=keep_taken)
        self._mark(key, bids[0] if bids else None, asks[0] if asks else None)
        return (*self._expire(book), *self._match(key))

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

    def settle(self, key: str, payout: Decimal, ts_ns: int) -> Settlement:
        """Resolve the market of a binary contract: ``key`` pays ``payout`` a contract, its complement the rest of 1.

        Working orders of the market end (why: ``settled``), positions become cash, and later orders are refused.

        Raises
        ------
        ConfigError
            If ``key`` is no binary contract, ``payout`` is neither 0 nor 1, or the market is settled already.
        """
        payouts = self.markets.resolve(key, payout)
        self._move(ts_ns)
        positions = {name: self.ledger.position(name) for name in payouts}
        ended = [order for name in payouts for order in self._books[name].orders()]
        for order in ended:
            self._books[self._orders[order.order_id].request.instrument].remove(order)
        cancelled = tuple(self._close(order.order_id, "settled") for order in ended)
        for name, pays in payouts.items():
            self._books[name].show([], [])
            self.marks[name] = pays * self.markets.par(name)
        paid = {name: self.ledger.settle(name, pays) for name, pays in payouts.items()}
        return Settlement(ts_ns, payouts, positions, paid, cancelled)

    # ---------------------------------------------------------------- checks

    def _check_form(self, new: NewOrder) -> Refused | None:
        if new.client_id in self._by_client:
            return Refusal.DUPLICATE, f"client order id {new.client_id} was used before; every order needs its own"
        instrument = self.instruments.get(new.instrument)
        if instrument is None:
            return Refusal.INSTRUMENT, f"no instrument {new.instrument}; there are: {', '.join(self.instruments)}"
        if new.instrument in self.markets.settled:
            return Refusal.INSTRUMENT, f"{new.instrument} is settled: nothing is left to trade"
        if not new.qty.is_finite() or not new.qty:
            return Refusal.QUANTITY, f"quantity {new.qty}: must be a number other than 0"
        if EXACT.remainder(new.qty, instrument.lot):
            return Refusal.LOT, f"quantity {abs(new.qty)}: must be a multiple of {instrument.lot}"
        return self._check_limit(new, instrument)

    def _check_limit(self, new: NewOrder, instrument: Instrument) -> Refused | None:
        if (new.limit is None) != (new.kind == "market"):
            return Refusal.PRICE, f"a {new.kind} order {'needs a' if new.limit is None else 'has no'} limit price"
        if new.limit is None:
            return None
        if not new.limit.is_finite() or new.limit <= 0:
            return Refusal.PRICE, f"limit price {new.limit}: must be above 0"
        if new.instrument in self.markets.of and not self.markets.possible(new.instrument, new.limit):
            most = self.markets.par(new.instrument)
            return Refusal.PRICE, f"limit price {new.limit}: must be below {most:f}, what the contract pays at most"
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
        if not closing and new.qty < 0 and new.qty % 1 and new.instrument not in self.markets.of:
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
        if new.instrument in self.markets.of:
            return self._check_collateral(new)
        after = self._exposure(new.instrument, new.qty, new.limit)
        if affordable(self.exposure, after, self.equity):
            return None
        return Refusal.BUYING_POWER, f"insufficient buying power: exposure would be {after}, allowed are {LEVERAGE} x equity {self.equity}"

    def _check_collateral(self, new: NewOrder) -> Refused | None:
        pending, held = self._pending(), self.ledger.position
        before = self.markets.reserved(pending, held)
        pending.append(Pending(new.instrument, new.qty, self.marks[new.instrument] if new.limit is None else new.limit))
        after = self.markets.reserved(pending, held)
        if after <= max(before, self._covered):
            return None
        why = f"insufficient buying power: working orders could lose {after} with this one, of {self._covered} in cash and certain payouts"
        return Refusal.BUYING_POWER, why

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
            if name in self.markets.of:
                continue  # held against cash, not on credit
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
            status=Status.PARTIALLY_FILLED if match.left else Status.FILLED,
        )
        if not match.left:
            del self._working[saved.order_id]
        return Executed(self._now, saved, execution_id, qty, match.price, fee, position)

    def _close(self, order_id: str, why: str, status: Status = Status.CANCELLED) -> Cancelled:
        del self._working[order_id]
        return Cancelled(self._now, self._save(self._orders[order_id], status=status), why)
