"""What executions make of an account, exactly and by hand: positions, and cash in each currency that something settles in.

A share or contract costs quantity x price x multiplier. An inverse perpetual (Deribit) costs nothing and books the profit of what
closes, in coin: a long of q contracts of m dollars, entered at E and left at X, makes q m (1 / E - 1 / X). Each such worth, and the
share of the entry's worth that a part closed takes with it, is rounded half-even to 0.00000001 coins; all else is sums.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

from tests.chaos.dialects import currency

Line = dict[str, Any]
COIN = Decimal("0.00000001")
EXACT = 100
"""Digits: more than any sum here has."""


class Account:
    """The account of one venue.

    Parameters
    ----------
    venue : str
        Its name.
    cash : str
        What it opens with, of each currency.
    listed : dict
        Instruments by symbol, as the journal's first record has them.
    """

    def __init__(self, venue: str, cash: str, listed: dict[str, Line]) -> None:
        self._venue, self._listed = venue, listed
        self.cash = {currency(venue, symbol): Decimal(cash) for symbol in listed}
        self.home = next(iter(self.cash))
        self.held: dict[str, Decimal] = defaultdict(Decimal)
        self._worth: dict[str, Decimal] = defaultdict(Decimal)

    def currency(self, symbol: str | None) -> str:
        """Return what a symbol settles in; the account's own currency for none."""
        return currency(self._venue, symbol) if symbol else self.home

    def book(self, symbol: str, qty: Decimal, price: Decimal, fee: Decimal) -> None:
        """Take an execution."""
        with localcontext(prec=EXACT):
            unit = qty * Decimal(self._listed[symbol]["multiplier"])
            paid = self._profit(symbol, qty, _coins(-unit, price)) if self._inverse(symbol) else -unit * price
            self.cash[self.currency(symbol)] += paid - fee
            self.held[symbol] += qty

    def pay(self, symbol: str, amount: Decimal) -> None:
        """Take what was booked without an execution, in what the symbol settles in: above zero if it was received."""
        with localcontext(prec=EXACT):
            self.cash[self.currency(symbol)] += amount

    def funding(self, symbol: str, rate: Decimal, mark: Decimal) -> Decimal:
        """Return what a position gets at a rate: - rate x its money, in coin at the mark for an inverse perpetual."""
        with localcontext(prec=EXACT):
            return _coins(-rate * self.held[symbol] * Decimal(self._listed[symbol]["multiplier"]), mark)

    def _inverse(self, symbol: str) -> bool:
        return bool(self._listed[symbol]["kind"] == "inverse_perp")

    def _profit(self, symbol: str, qty: Decimal, worth: Decimal) -> Decimal:
        """Return what closing makes, and keep what is entered."""
        held, entered = self.held[symbol], self._worth[symbol]
        if held * qty >= 0:
            after = entered + worth
        elif abs(qty) < abs(held):
            after = entered - _coins(entered * -qty, held)
        else:  # through zero, or to it
            after = _coins(worth * (held + qty), qty)
        self._worth[symbol] = after
        return after - entered - worth


def _coins(dividend: Decimal, divisor: Decimal) -> Decimal:
    return (dividend / divisor).quantize(COIN, ROUND_HALF_EVEN)
