"""What is refused before it becomes an order, so that it leaves no trace.

Beside plain nonsense: a client order id used before; an order that could take a
position through zero (long to short in one order: split it), counting working
orders, where it is not one signed number (``Terms.signed``); an order that could
trade with one's own; a fractional short of a share; a post-only order that would
take; and an order that the account cannot bear (``account.py``).
"""

from __future__ import annotations

from decimal import Decimal, Inexact
from typing import TYPE_CHECKING

from hedgekit.exchange.model import EXACT, LIQUIDATION, NewOrder, Refusal, Refused
from hedgekit.types import Kind

if TYPE_CHECKING:
    from hedgekit.exchange.account import Account
    from hedgekit.exchange.contract import Contract
    from hedgekit.exchange.orders import Orders


MOST = Decimal("1e18")
"""Largest price and quantity: beyond it a sum of money could not be exact."""


class Checks:
    """The exchange's questions to a request, in order: the first that it fails is the answer.

    Parameters
    ----------
    account : Account
        What is held, at work and allowed.
    orders : Orders
        Which client order ids are used.
    """

    def __init__(self, account: Account, orders: Orders) -> None:
        self._account, self._orders = account, orders
        self._contracts, self._markets = account.contracts, account.markets

    def refuse(self, new: NewOrder, now_ns: int) -> Refused | None:
        """Return why an order is refused, None if it is accepted."""
        if refused := self._name(new) or self._form(new) or self._limit(new):
            return refused
        return self._zero(new) or self._wash(new) or self._post(new, now_ns) or self._account.refuse(new)

    def refuse_sets(self, keys: tuple[str, str], qty: Decimal, *, merge: bool) -> Refused | None:
        """Return why ``qty`` complete sets of two contracts cannot be made of cash, or turned back into it."""
        if qty.is_finite() and qty > MOST:
            return Refusal.QUANTITY, f"quantity {qty}: must be at most {MOST}"
        if not qty.is_finite() or qty <= 0 or any(_between(qty, self._contracts[key].instrument.lot) for key in keys):
            return Refusal.QUANTITY, f"quantity {qty}: must be above 0 and a multiple of the lot of both contracts"
        cash = self._account.ledger.balances[self._contracts[keys[0]].currency]
        if not merge and qty > cash:
            return Refusal.BUYING_POWER, f"{qty} sets cost {qty}, the account has {cash} in cash"
        for key in keys:
            held = self._account.ledger.position(key)
            after = held - qty if merge else held + qty
            _, sells = self._account.sides(key)
            if min(held, after) < 0:
                return Refusal.QUANTITY, f"{qty} sets need {f'{qty} {key}' if merge else f'no {key} sold short'}; held are {held}"
            if sells > after:
                return Refusal.THROUGH_ZERO, f"{sells} {key} are in orders to sell, {after} would be held; cancel them first"
        return None

    def _name(self, new: NewOrder) -> Refused | None:
        if self._orders.by_client(new.client_id) is not None:
            return Refusal.DUPLICATE, f"client order id {new.client_id} was used before; every order needs its own"
        if new.client_id.startswith(LIQUIDATION):
            return Refusal.DUPLICATE, f"client order id {new.client_id}: names that begin with {LIQUIDATION} are the exchange's own"
        if new.instrument not in self._contracts:
            return Refusal.INSTRUMENT, f"no instrument {new.instrument}; there are: {', '.join(self._contracts)}"
        if new.instrument in self._markets.settled:
            return Refusal.INSTRUMENT, f"{new.instrument} is settled: nothing is left to trade"
        return None

    def _form(self, new: NewOrder) -> Refused | None:
        if not new.qty.is_finite() or not new.qty:
            return Refusal.QUANTITY, f"quantity {new.qty}: must be a number other than 0"
        if new.qty.copy_abs() > MOST:
            return Refusal.QUANTITY, f"quantity {new.qty.copy_abs()}: must be at most {MOST}"
        if _between(new.qty, (lot := self._contracts[new.instrument].instrument.lot)):
            return Refusal.LOT, f"quantity {abs(new.qty)}: must be a multiple of {lot}"
        if (new.limit is None) != (new.kind == "market"):
            return Refusal.PRICE, f"a {new.kind} order {'needs a' if new.limit is None else 'has no'} limit price"
        return None

    def _limit(self, new: NewOrder) -> Refused | None:
        if new.limit is None:
            return None
        if not new.limit.is_finite() or new.limit <= 0:
            return Refusal.PRICE, f"limit price {new.limit}: must be above 0"
        if new.limit > MOST:
            return Refusal.PRICE, f"limit price {new.limit}: must be at most {MOST}"
        if new.instrument in self._markets.of and not self._markets.possible(new.instrument, new.limit):
            most = self._markets.par(new.instrument)
            return Refusal.PRICE, f"limit price {new.limit}: must be below {most:f}, what the contract pays at most"
        if _between(new.limit, (tick := self._contracts[new.instrument].instrument.tick)):
            return Refusal.TICK, f"limit price {new.limit}: must be a multiple of {tick}"
        return None

    def _zero(self, new: NewOrder) -> Refused | None:
        contract = self._contracts[new.instrument]
        if contract.signed:
            return None
        buys, sells = self._account.sides(new.instrument)
        position = self._account.ledger.position(new.instrument)
        closing = position < 0 if new.qty > 0 else position > 0
        available = abs(position) - (buys if new.qty > 0 else sells)
        if closing and abs(new.qty) > available:
            return Refusal.THROUGH_ZERO, f"insufficient qty available for order (requested: {abs(new.qty)}, available: {available})"
        if not position and (sells if new.qty > 0 else buys):
            return Refusal.THROUGH_ZERO, "the position is flat and an order of the opposite side is working; cancel it first"
        return _fractional(new, contract) if not closing else None

    def _wash(self, new: NewOrder) -> Refused | None:
        for other in self._account.books[new.instrument].orders():
            if other.buy == (new.qty > 0):
                continue
            if other.limit is None or new.limit is None or other.reaches(new.limit):
                return Refusal.WASH, f"potential wash trade: order {other.order_id} of the opposite side is working"
        return None

    def _post(self, new: NewOrder, now_ns: int) -> Refused | None:
        if not new.post_only:
            return None
        if new.limit is None or new.tif in {"ioc", "fok"}:
            return Refusal.POST_ONLY, f"a {new.kind} {new.tif} order cannot rest, so it cannot be post-only; give a limit and gtc or day"
        level = self._account.books[new.instrument].would_take(now_ns, new.limit, buy=new.qty > 0)
        if level is None:
            return None
        side = "ask" if new.qty > 0 else "bid"
        return Refusal.POST_ONLY, f"post-only at {new.limit} would take: {level.size} are left of the {side} at {level.price}"


def _between(number: Decimal, step: Decimal) -> bool:
    """Return whether a number lies between two multiples of a step."""
    try:
        return bool(EXACT.remainder(number, step))
    except Inexact:  # it has more digits than a multiple can have
        return True


def _fractional(new: NewOrder, contract: Contract) -> Refused | None:
    if contract.kind is Kind.SPOT and new.qty < 0 and new.qty % 1:
        return Refusal.FRACTIONAL_SHORT, f"quantity {abs(new.qty)}: fractional shares cannot be sold short"
    return None
