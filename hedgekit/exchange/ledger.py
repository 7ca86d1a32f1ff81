"""Exact cash and positions.

Every number is a ``Decimal`` in a context that refuses to round, so the ledger
either balances to the last digit or raises. An execution is booked once.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from hedgekit.exchange.model import EXACT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hedgekit.types import Fill, Instrument

LEVERAGE = Decimal(4)
"""Buying power, simplified from the Reg-T intraday rule: gross exposure may be 4 x equity. Overnight
2 x, maintenance calls and interest are not simulated."""


class Ledger:
    """Cash, positions and the fills that made them.

    Parameters
    ----------
    instruments : iterable of Instrument
        What can be held; each one's multiplier turns price x quantity into money.
    cash : Decimal
        Money to start with; may become negative (borrowed), as on a margin account.
    """

    def __init__(self, instruments: Iterable[Instrument], cash: Decimal) -> None:
        self.initial = self.cash = cash
        self.fills: list[Fill] = []
        self._multiplier = {i.key: i.multiplier for i in instruments}
        self._position = dict.fromkeys(self._multiplier, Decimal(0))
        self._cost = dict.fromkeys(self._multiplier, Decimal(0))
        self._seen: set[str] = set()

    def position(self, key: str) -> Decimal:
        """Return the signed quantity held."""
        return self._position[key]

    def positions(self) -> dict[str, Decimal]:
        """Return the signed quantities that are not zero."""
        return {key: qty for key, qty in self._position.items() if qty}

    def cost(self, key: str) -> Decimal:
        """Return the signed cost basis: average entry price x quantity x multiplier (28 digits; for display)."""
        return self._cost[key]

    def post(self, fill: Fill) -> Decimal:
        """Book a fill and return the position after it.

        Raises
        ------
        ValueError
            If an execution with this ``fill_id`` is booked already.
        """
        if fill.fill_id in self._seen:
            msg = f"execution {fill.fill_id} is booked already; an execution is booked once"
            raise ValueError(msg)
        money = self.value(fill.instrument, fill.qty, fill.price)
        self.cash = EXACT.subtract(EXACT.subtract(self.cash, money), fill.fee)
        self._cost[fill.instrument] = self._cost_after(fill, money)
        self._position[fill.instrument] = EXACT.add(self._position[fill.instrument], fill.qty)
        self._seen.add(fill.fill_id)
        self.fills.append(fill)
        return self._position[fill.instrument]

    def settle(self, key: str, each: Decimal) -> Decimal:
        """Turn a position into cash at ``each`` (money, not price) for a unit of quantity, without a fee; return the money booked."""
        money = EXACT.multiply(self._position[key], each)
        self.cash = EXACT.add(self.cash, money)
        self._position[key] = self._cost[key] = Decimal(0)
        return money

    def _cost_after(self, fill: Fill, money: Decimal) -> Decimal:
        held, cost = self._position[fill.instrument], self._cost[fill.instrument]
        if held * fill.qty >= 0:
            return cost + money
        left = held + fill.qty
        if left * held >= 0:
            return cost * left / held
        return self.value(fill.instrument, left, fill.price)

    def value(self, key: str, qty: Decimal, price: Decimal) -> Decimal:
        """Return quantity x price x multiplier, exact and signed like ``qty``."""
        return EXACT.multiply(EXACT.multiply(qty, price), self._multiplier[key])

    def equity(self, marks: Mapping[str, Decimal]) -> Decimal:
        """Return cash plus positions at ``marks`` (a price for each instrument held)."""
        total = self.cash
        for key, qty in self.positions().items():
            total = EXACT.add(total, self.value(key, qty, marks[key]))
        return total


def worst(position: Decimal, buys: Decimal, sells: Decimal) -> Decimal:
    """Return the largest |position| that working ``buys`` and ``sells`` (unsigned) can lead to."""
    return max(abs(position + buys), abs(position - sells))


def affordable(gross_before: Decimal, gross_after: Decimal, equity: Decimal) -> bool:
    """Whether an order passes the buying-power rule: it adds no exposure, or the sum stays within 4 x equity."""
    return gross_after <= gross_before or gross_after <= LEVERAGE * equity
