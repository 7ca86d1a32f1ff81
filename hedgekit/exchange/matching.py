"""What becomes of a match: the order's new state, the ledger's booking, the report.

**Liquidation.** Once equity in a currency is below the maintenance margin of the
perpetuals in it, every order on them ends (why: ``liquidation``), and each position
is closed at the displayed book by an order of the exchange's own: immediate or
cancel, its client id ``liquidation-N``, its acceptance saying both numbers in
``note``. What the book does not give, or is not fit to give, is tried again at
the next quote, trade, fill or funding in that currency, if it is still needed; the
fee is the taker's. Deribit's documents name the event (``autoliquidation``) but
not the steps: here all is closed at once, and nobody covers a loss beyond the
cash, which then stays below 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgekit.exchange.book import Match, Working
from hedgekit.exchange.fees import Trade
from hedgekit.exchange.model import EXACT, LIQUIDATION, Accepted, Cancelled, Executed, NewOrder, OrderState, Report, Status
from hedgekit.exchange.orders import Orders, name
from hedgekit.types import NS, Fill

if TYPE_CHECKING:
    from decimal import Decimal

    from hedgekit.exchange.account import Account

DAY_NS = 86_400 * NS


class Matching:
    """Orders into books, matches out of them.

    Parameters
    ----------
    account : Account
        Books, ledger and margins.
    orders : Orders
        The register.

    Attributes
    ----------
    now_ns : int
        What time it is; whoever drives it says so.
    """

    def __init__(self, account: Account, orders: Orders) -> None:
        self.now_ns = 0
        self._account, self._ledger, self._books, self._orders = account, account.ledger, account.books, orders
        self._executions = 0

    def work(self, state: OrderState, day: int | None) -> None:
        """Put an order into its book; a post-only one rests there at once. ``day`` is the date that it may match on first, if known."""
        new, book = state.request, self._books[state.request.instrument]
        order = Working(state.order_id, new.qty > 0, abs(new.qty), new.limit, new.tif, len(self._orders), day)
        self._orders.working[state.order_id] = order
        book.add(order)
        if new.post_only:
            book.rest(order, fit=not book.unfit(self.now_ns))

    def withdraw(self, order: Working, why: str, status: Status = Status.CANCELLED) -> Cancelled:
        """Take a working order out of its book."""
        self._books[self._orders[order.order_id].request.instrument].remove(order)
        return self._orders.close(order.order_id, self.now_ns, why, status)

    def expire(self, key: str, *, quoted: bool) -> list[Report]:
        """End day orders of an earlier date; a quote makes today the date of those that had none."""
        today = self.now_ns // DAY_NS
        reports: list[Report] = []
        for order in self._books[key].orders():
            if order.tif != "day":
                continue
            if order.day is not None and order.day < today:
                reports.append(self.withdraw(order, "expired", Status.EXPIRED))
            elif order.day is None and quoted:
                order.day = today
        return reports

    def match(self, key: str) -> list[Report]:
        """Let the orders of a book take what is displayed, if it is fit to be taken."""
        book = self._books[key]
        outcome = book.match(fit=not book.unfit(self.now_ns))
        reports: list[Report] = [self._execute(key, match) for match in outcome.matches]
        return [*reports, *(self._orders.close(order.order_id, self.now_ns, order.tif) for order in outcome.ended)]

    def trade(self, key: str, price: Decimal, qty: Decimal) -> list[Executed]:
        """Let a recorded trade meet resting orders."""
        return [self._execute(key, match) for match in self._books[key].trade(price, abs(qty))]

    def liquidate(self, key: str) -> list[Report]:
        """Close the perpetuals of the currency of ``key`` if its equity is below their maintenance margin (the module says how)."""
        currency = self._ledger.contracts[key].currency
        need = self._account.maintenance(currency)
        if not need or (equity := self._account.equity(currency)) >= need:
            return []
        keys = self._account.perpetuals(currency)
        reports: list[Report] = [self.withdraw(order, "liquidation") for each in keys for order in self._books[each].orders()]
        why = f"liquidation: equity of {equity:f} {currency} is below the maintenance margin of {need:f}"
        for each in keys:
            held = self._ledger.position(each)
            if held and not self._books[each].blocked(self.now_ns, buy=held < 0):
                request = NewOrder(f"{LIQUIDATION}{len(self._orders) + 1}", each, held.copy_negate(), tif="ioc")
                state = self._orders.register(request, self.now_ns)
                self.work(state, self.now_ns // DAY_NS)
                reports += [Accepted(self.now_ns, state, why), *self.match(each)]
        return reports

    def _execute(self, key: str, match: Match) -> Executed:
        order, state, contract = match.order, self._orders[match.order.order_id], self._ledger.contracts[key]
        self._executions += 1
        execution_id, qty = name("execution", self._executions), match.qty if order.buy else match.qty.copy_negate()
        fee, order.carry = contract.fees.of(Trade(contract, qty, match.price, match.maker, order.carry))
        before = self._ledger.profit(key)
        fill = Fill(
            ts_ns=self.now_ns,
            order_id=state.request.client_id,
            fill_id=execution_id,
            instrument=key,
            venue_ns=self.now_ns,
            qty=qty,
            price=match.price,
            fee=fee,
        )
        position = self._ledger.post(fill)
        saved = self._orders.save(
            state,
            self.now_ns,
            filled=state.filled + match.qty,
            paid=EXACT.add(state.paid, EXACT.multiply(match.qty, match.price)),
            fee=EXACT.add(state.fee, fee),
            status=Status.PARTIALLY_FILLED if match.left else Status.FILLED,
        )
        if not match.left:
            del self._orders.working[saved.order_id]
        profit = EXACT.subtract(self._ledger.profit(key), before)
        return Executed(self.now_ns, saved, execution_id, qty, match.price, fee, position, match.maker, profit)
