"""The exchange for one account: the recorded market and the client's requests go in, reports come out.

What it refuses is in ``checks.py``, how a book fills in ``book.py``, what becomes of
a fill in ``matching.py``, what each kind of instrument books in ``contract.py``,
and what the account may do in ``account.py``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from hedgekit.errors import ConfigError, DataError
from hedgekit.exchange.account import Account, Summary
from hedgekit.exchange.binary import BinaryMarket, Markets, Settlement
from hedgekit.exchange.book import Book, Level, displayed
from hedgekit.exchange.checks import Checks
from hedgekit.exchange.ledger import Ledger
from hedgekit.exchange.matching import DAY_NS, Matching
from hedgekit.exchange.model import (
    EXACT,
    OPEN,
    Accepted,
    Converted,
    FillModel,
    Funding,
    NewOrder,
    OrderState,
    Refusal,
    Rejected,
    Reports,
    Reversed,
    Status,
)
from hedgekit.exchange.orders import Orders

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hedgekit.exchange.contract import Terms
    from hedgekit.types import Instrument, Quote


class Exchange:
    """A simulated exchange for one account.

    Parameters
    ----------
    instruments : iterable of Instrument
        What is traded. Binary contracts need their ``markets``, perpetuals their ``terms``.
    cash : Decimal or mapping of str to Decimal
        Money the account starts with: dollars, or a sum for each currency, the account's own currency first.
    model : FillModel
        How orders meet quotes.
    markets : iterable of BinaryMarket
        Which binary contracts resolve together; each contract in exactly one market.
    terms : mapping of str to Terms
        By instrument key: currency, fee formula, margin, where they are not the default ones.

    Attributes
    ----------
    ledger : Ledger
        Cash, positions, fills and every booking.
    marks : dict of str to Decimal
        Last mid of each instrument.

    Raises
    ------
    ConfigError
        If markets, terms and instruments do not fit each other.

    Notes
    -----
    Time must not go back: ``ValueError`` if it does. Order and execution ids are
    UUIDs (version 5) of a counter, so that equal runs have equal ids.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        cash: Decimal | Mapping[str, Decimal] = Decimal(1_000_000),
        model: FillModel | None = None,
        *,
        markets: Iterable[BinaryMarket] = (),
        terms: Mapping[str, Terms] | None = None,
    ) -> None:
        self.instruments = {i.key: i for i in instruments}
        self.model = model or FillModel()
        self.ledger = Ledger(self.instruments.values(), cash, terms)
        self.markets = Markets(self.ledger.contracts, markets)
        self._books = {key: Book(i.lot, self.model.max_age_ns) for key, i in self.instruments.items()}
        self._account = Account(self.ledger, self.markets, self._books)
        self.marks = self._account.marks
        self._orders = Orders()
        self._checks = Checks(self._account, self._orders)
        self._matching = Matching(self._account, self._orders)

    # ------------------------------------------------------------- questions

    def order(self, order_id: str) -> OrderState | None:
        """Return an order by the exchange's id."""
        return self._orders.get(order_id)

    def by_client(self, client_id: str) -> OrderState | None:
        """Return an order by the client's id."""
        return self._orders.by_client(client_id)

    def orders(self) -> list[OrderState]:
        """Return every order ever accepted, oldest first."""
        return self._orders.all()

    def queue(self, order_id: str) -> Decimal | None:
        """Return the quantity in front of an order that rests; None if it does not, or if nobody can know (``book.py``)."""
        order = self._orders.working.get(order_id)
        return None if order is None else self._books[self._orders[order_id].request.instrument].queue(order)

    def blocked(self, key: str, ts_ns: int, *, buy: bool) -> str:
        """Return why nothing of the displayed book can be bought (or sold to) at ``ts_ns``, at any price; empty if something can."""
        return self._books[key].blocked(ts_ns, buy=buy)

    def summary(self, currency: str | None = None) -> Summary:
        """Return cash, equity and margins in a currency, the account's own by default."""
        return self._account.summary(currency or self.ledger.home)

    @property
    def equity(self) -> Decimal:
        """Cash plus positions at the last mids, of what settles in the account's own currency."""
        return self._account.equity(self.ledger.home)

    @property
    def exposure(self) -> Decimal:
        """Gross exposure of what is traded on credit, at the last mids, the worst that working orders can make of it."""
        return self._account.exposure(self.ledger.home)

    @property
    def free_cash(self) -> Decimal:
        """Cash, plus what binary positions pay at their worst outcome, less what working binary orders can lose."""
        return self._account.covered(self.ledger.home) - self._account.reserved(self.ledger.home)

    # ------------------------------------------------------------ the market

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
        tuple of Report
            Orders that expired, one execution for each level that an order takes from, orders that ended; then, if the
            new mid left too little margin, what liquidation did.

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
        book.show(bids, asks, ts_ns, keep_taken=keep_taken)
        self._account.mark(key, bids[0] if bids else None, asks[0] if asks else None)
        expired = self._matching.expire(key, quoted=True)
        return (*expired, *self._matching.match(key), *self._matching.liquidate(key))

    def thin(self, key: str, most: Decimal, limit: Decimal | None = None, *, buy: bool) -> Decimal:
        """Withdraw displayed depth: leave no more than ``most`` to all orders of a side until the next record, best levels first.

        Parameters
        ----------
        key : str
            Instrument.
        most : Decimal
            In whole lots.
        limit : Decimal, optional
            Of an order that asks.
        buy : bool
            Whether asks, which buyers meet, are withdrawn, or bids.

        Returns
        -------
        Decimal
            How much was withdrawn of what an order with this ``limit`` could have met.
        """
        return self._books[key].thin(most, limit, buy=buy)

    def on_trade(self, key: str, price: Decimal, qty: Decimal, ts_ns: int) -> Reports:
        """Let a recorded trade of others meet our resting orders.

        Parameters
        ----------
        key : str
            Instrument.
        price, qty : Decimal
            What was traded; the sign of ``qty`` does not matter. Who was the taker need not be known: our buys stand below our
            sells, so a price can meet one of them only.
        ts_ns : int
            When, at the exchange.

        Returns
        -------
        tuple of Report
            Executions at our limits, for not more than ``qty`` in all: at ``price`` after what stands in front (``book.py``
            says how the queue is counted), beyond it at once.

        Raises
        ------
        DataError
            If price or quantity is not a number above 0, or no binary contract can have the price.
        """
        self._move(ts_ns)
        if key in self.markets.settled:
            return ()
        if not price.is_finite() or price <= 0 or not qty.is_finite() or not qty:
            msg = f"{key} traded {qty} at {price}: give a price above 0 and a quantity other than 0; correct the tape"
            raise DataError(msg)
        if key in self.markets.of:
            self.markets.check_levels(key, [Level(price, qty)])
        self.marks.setdefault(key, price)
        expired = self._matching.expire(key, quoted=False)
        return (*expired, *self._matching.trade(key, price, qty), *self._matching.liquidate(key))

    def fund(self, key: str, rate: Decimal, mark: Decimal, ts_ns: int) -> Funding:
        """Exchange funding on the position in a perpetual: longs pay ``rate`` x notional at ``mark``, shorts get it.

        Parameters
        ----------
        key : str
            A perpetual.
        rate : Decimal
            For the interval that ends now, a fraction; below 0 shorts pay.
        mark : Decimal
            The venue's mark price.
        ts_ns : int
            When, at the exchange.

        Raises
        ------
        ConfigError
            If ``key`` is no perpetual, or rate or mark is no number, or the mark not above 0.
        """
        if key not in self.ledger.contracts or not self.ledger.contracts[key].perpetual:
            known = ", ".join(each for each, contract in self.ledger.contracts.items() if contract.perpetual) or "none"
            msg = f"fund({key!r}): give a perpetual (there are: {known})"
            raise ConfigError(msg)
        if not rate.is_finite() or not mark.is_finite() or mark <= 0:
            msg = f"fund({key!r}, {rate}, {mark}): give a rate as a fraction and a mark price above 0"
            raise ConfigError(msg)
        self._move(ts_ns)
        held = self.ledger.position(key)
        paid = self.ledger.fund(key, rate, mark, ts_ns)
        return Funding(ts_ns, key, rate, mark, held, paid, tuple(self._matching.liquidate(key)))

    # ------------------------------------------------------------ the client

    def submit(self, request: NewOrder, ts_ns: int) -> Reports:
        """Take an order that reaches the exchange at ``ts_ns``; a refused one leaves no trace."""
        self._move(ts_ns)
        if refused := self._checks.refuse(request, ts_ns):
            return (Rejected(ts_ns, request.client_id, *refused),)
        state = self._orders.register(request, ts_ns)
        if request.kind == "market" and request.instrument not in self.marks:
            over = self._orders.save(state, ts_ns, status=Status.REJECTED)
            why = f"{request.instrument} has had no quote yet; send a market order after the first"
            return (Accepted(ts_ns, state), Rejected(ts_ns, request.client_id, Refusal.NO_QUOTE, why, over))
        key, at_once = request.instrument, self.model.name == "touch"
        self._matching.work(state, day=ts_ns // DAY_NS if at_once else None)
        if not at_once:
            return (Accepted(ts_ns, state),)
        accepted = Accepted(ts_ns, state, "" if request.post_only else self.blocked(key, ts_ns, buy=request.qty > 0))
        return (accepted, *self._matching.match(key), *self._matching.liquidate(key))

    def cancel(self, order_id: str, ts_ns: int) -> Reports:
        """Cancel what is left of an order."""
        self._move(ts_ns)
        state = self._orders.get(order_id)
        if state is None:
            return (Rejected(ts_ns, "", Refusal.UNKNOWN_ORDER, f"no order {order_id}"),)
        if state.status not in OPEN:
            why = f"order {order_id} is {state.status.value}: nothing is left to cancel"
            return (Rejected(ts_ns, state.request.client_id, Refusal.NOT_OPEN, why, state),)
        return (self._matching.withdraw(self._orders.working[order_id], "requested"),)

    def split(self, key: str, qty: Decimal, ts_ns: int) -> Converted | Rejected:
        """Mint: turn ``qty`` of cash into that many complete sets of the market of ``key``, one YES and one NO each."""
        return self._convert(key, qty, ts_ns, merge=False)

    def merge(self, key: str, qty: Decimal, ts_ns: int) -> Converted | Rejected:
        """Turn ``qty`` complete sets, held and not in orders to sell, back into that much cash."""
        return self._convert(key, qty, ts_ns, merge=True)

    def settle(self, key: str, payout: Decimal, ts_ns: int) -> Settlement:
        """Resolve the market of a binary contract: ``key`` pays ``payout`` a contract, its complement the rest of 1.

        Working orders of the market end (why: ``settled``), positions become cash, and later orders are refused. A payout
        between 0 and 1 is a split or scalar outcome.

        Raises
        ------
        ConfigError
            If ``key`` is no binary contract, ``payout`` is not from 0 to 1, or the market is settled already.
        """
        self._move(ts_ns)
        payouts = self.markets.resolve(key, payout)
        positions = {each: self.ledger.position(each) for each in payouts}
        cancelled = tuple(self._matching.withdraw(order, "settled") for each in payouts for order in self._books[each].orders())
        for each, pays in payouts.items():
            self._books[each].show([], [], ts_ns)
            self.marks[each] = pays * self.markets.par(each)
        paid = {each: self.ledger.settle(each, pays, ts_ns) for each, pays in payouts.items()}
        return Settlement(ts_ns, payouts, positions, paid, cancelled)

    def retick(self, key: str, tick: Decimal) -> None:
        """Let limits of an instrument be multiples of another tick from now on; what works stays as it is."""
        contract = self.ledger.contracts[key]
        contract.instrument = self.instruments[key] = replace(contract.instrument, tick=tick)

    def reverse(self, execution_id: str, ts_ns: int) -> Reversed:
        """Book a fill back that came to nothing after all: the same, with quantity and fee negated, and an id of its own.

        The order keeps what it had filled: a venue that loses a trade does not bring its order back.

        Raises
        ------
        ConfigError
            If there was no such execution, or it was booked back before.
        """
        fill = next((one for one in self.ledger.fills if one.fill_id == execution_id), None)
        undo = f"{execution_id}-reversed"
        if fill is None or execution_id.endswith("-reversed") or any(one.fill_id == undo for one in self.ledger.fills):
            msg = f"reverse({execution_id!r}): give an execution that was booked and not reversed yet"
            raise ConfigError(msg)
        self._move(ts_ns)
        qty, fee = EXACT.minus(fill.qty), EXACT.minus(fill.fee)  # of no fee 0, not -0
        before = self.ledger.profit(fill.instrument)
        position = self.ledger.post(replace(fill, ts_ns=ts_ns, venue_ns=ts_ns, fill_id=undo, qty=qty, fee=fee))
        profit = EXACT.subtract(self.ledger.profit(fill.instrument), before)
        state = self._orders.by_client(fill.order_id)
        if state is None:
            raise AssertionError(fill.order_id)  # a fill has an order
        return Reversed(ts_ns, state, undo, qty, fill.price, fee, position, profit=profit)

    # ------------------------------------------------------------- internals

    def _move(self, ts_ns: int) -> None:
        if ts_ns < self._matching.now_ns:
            msg = f"time went back from {self._matching.now_ns} to {ts_ns}"
            raise ValueError(msg)
        self._matching.now_ns = ts_ns

    def _convert(self, key: str, qty: Decimal, ts_ns: int, *, merge: bool) -> Converted | Rejected:
        self._move(ts_ns)
        keys = self.markets.complete(key)
        if keys is None:
            why = f"{key} is in no open market of two contracts, so there are no complete sets of it"
            return Rejected(ts_ns, "", Refusal.INSTRUMENT, why)
        if refused := self._checks.refuse_sets(keys, qty, merge=merge):
            return Rejected(ts_ns, "", *refused)
        self._account.mark_set(keys)
        signed = qty.copy_negate() if merge else qty
        paid = self.ledger.convert(keys, signed, ts_ns)
        return Converted(ts_ns, signed, {key: self.ledger.position(key) for key in keys}, paid)
