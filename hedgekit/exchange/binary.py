"""Contracts that pay one unit of money or nothing: which resolve together, what they can lose, how they settle.

A YES and a NO contract on one question are complements: what one pays, the other
pays the rest of 1, so one of each, a complete set, is worth one unit of money
whatever happens, may be made of it and turned back into it, and a sale of YES at p
risks what a purchase of NO at 1 - p risks. There is no credit: each contract is
held, or sold short, against cash for its worst outcome.

The official outcome is a number from 0 to 1: Polymarket's payouts can be split
(0.5 and 0.5), Kalshi's scalar markets pay a settlement value. Neither venue's
documents name a fee at settlement, nor a refund of what was paid; there is none.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from hedgekit.errors import ConfigError, DataError
from hedgekit.exchange.model import EXACT, Cancelled
from hedgekit.types import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hedgekit.exchange.book import Level
    from hedgekit.exchange.contract import Contract

ZERO, ONE = Decimal(0), Decimal(1)


class Pending(NamedTuple):
    """An order that may fill: instrument key, signed quantity, and the price at which it is valued."""

    key: str
    qty: Decimal
    price: Decimal


class BinaryMarket(msgspec.Struct, frozen=True):
    """One question. ``yes`` and ``no`` are instrument keys; ``no`` is None where only one contract is traded.

    What ``yes`` pays and what ``no`` pays add up to 1.
    """

    yes: str
    no: str | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """The contracts, yes first."""
        return (self.yes,) if self.no is None else (self.yes, self.no)

    def payouts(self, key: str, payout: Decimal) -> dict[str, Decimal]:
        """Return what each contract pays in money if ``key`` pays ``payout``."""
        return {name: payout if name == key else EXACT.subtract(ONE, payout) for name in self.keys}


class Settlement(msgspec.Struct, frozen=True):
    """A market has resolved. By instrument key: what a contract paid, the signed quantity held, and the money booked."""

    ts_ns: int
    payouts: dict[str, Decimal]
    positions: dict[str, Decimal]
    paid: dict[str, Decimal]
    cancelled: tuple[Cancelled, ...] = ()


class Markets:
    """The binary markets of an exchange.

    Parameters
    ----------
    contracts : mapping of str to Contract
        All contracts of the exchange by instrument key.
    markets : iterable of BinaryMarket
        Which of them resolve together.

    Raises
    ------
    ConfigError
        If a market names a contract that is not there, is not binary, is in another market or settles in another currency
        than its complement, or a binary contract is in no market.
    """

    def __init__(self, contracts: Mapping[str, Contract], markets: Iterable[BinaryMarket]) -> None:
        self.markets = tuple(markets)
        self._contracts = contracts
        self.of: dict[str, BinaryMarket] = {}
        self.settled: set[str] = set()
        for market in self.markets:
            for key in market.keys:
                self._check(key)
                self.of[key] = market
            if len({contracts[key].currency for key in market.keys}) > 1:
                msg = f"market of {market.yes} and {market.no}: they settle in different currencies; give both the same in terms"
                raise ConfigError(msg)
        for key, contract in contracts.items():
            if contract.kind is Kind.BINARY and key not in self.of:
                msg = f"{key} is binary: say which market it is in: markets=[BinaryMarket(yes, no)]"
                raise ConfigError(msg)

    def _check(self, key: str) -> None:
        if key not in self._contracts:
            msg = f"market of {key}: no such instrument; there are: {', '.join(self._contracts)}"
            raise ConfigError(msg)
        if self._contracts[key].kind is not Kind.BINARY:
            msg = f"market of {key}: it is {self._contracts[key].kind.value}, not binary; leave it out of markets"
            raise ConfigError(msg)
        if key in self.of:
            msg = f"{key} is in two markets; a contract resolves once: give it one"
            raise ConfigError(msg)

    def resolve(self, key: str, payout: Decimal) -> dict[str, Decimal]:
        """Mark the market of ``key`` as settled; return what each contract pays in money.

        Raises
        ------
        ConfigError
            If ``key`` is no binary contract or settled already, or ``payout`` is not from 0 to 1.
        """
        if key not in self.of or key in self.settled or not payout.is_finite() or not ZERO <= payout <= ONE:
            known = ", ".join(name for name in self.of if name not in self.settled) or "none"
            msg = f"settle({key!r}, {payout}): give an unsettled binary contract (there are: {known}) and what it pays, from 0 to 1"
            raise ConfigError(msg)
        payouts = self.of[key].payouts(key, payout)
        self.settled.update(payouts)
        return payouts

    def complete(self, key: str) -> tuple[str, str] | None:
        """Return both contracts of the complete set that ``key`` belongs to; None if there is none, or it is settled."""
        market = self.of.get(key)
        return None if market is None or market.no is None or key in self.settled else (market.yes, market.no)

    def nets(self, key: str) -> bool:
        """Whether YES and NO are one signed number: a contract without a complement (Kalshi)."""
        market = self.of.get(key)
        return market is not None and market.no is None

    def money(self, key: str, price: Decimal) -> Decimal:
        """Return the price of a contract in money, from 0 to 1."""
        return EXACT.multiply(price, self._contracts[key].multiplier)

    def par(self, key: str) -> Decimal:
        """Return the price at which a contract costs what it can pay at most."""
        return ONE / self._contracts[key].multiplier

    def possible(self, key: str, price: Decimal) -> bool:
        """Whether a price is above 0 and below the most that the contract can pay."""
        return ZERO < self.money(key, price) < ONE

    def check_levels(self, key: str, levels: Iterable[Level]) -> None:
        """Refuse a displayed price that no contract can have.

        Raises
        ------
        DataError
            If a price is not between 0 and what the contract can pay.
        """
        for level in levels:
            if not self.possible(key, level.price):
                msg = f"{key} is quoted at {level.price}: a binary contract's price lies between 0 and {self.par(key):f}; correct the tape"
                raise DataError(msg)

    def floor(self, position: Callable[[str], Decimal], currency: str) -> Decimal:
        """Return the least that all positions in a currency can pay: each market at its worse outcome, 0 or 1."""
        total = ZERO
        for market in self.markets:
            if market.yes not in self.settled and self._contracts[market.yes].currency == currency:
                total += min(sum((position(k) * pays for k, pays in market.payouts(market.yes, w).items()), ZERO) for w in (ZERO, ONE))
        return total

    def reserved(self, orders: Sequence[Pending], position: Callable[[str], Decimal]) -> Decimal:
        """Return the money that orders can lose beyond :meth:`floor`, whichever of them fill and however the markets resolve."""
        return sum((self._risk(order, [o for o in orders if o is not order], position) for order in orders), ZERO)

    def _risk(self, order: Pending, others: Sequence[Pending], position: Callable[[str], Decimal]) -> Decimal:
        """Most by which one order can lower cash + floor, on the fills of the others that are worst for it.

        With y of the contract and n of its complement a market pays min(y, n) at its worse outcome. That is concave: a sale
        lowers it most when y is low and n high, a purchase raises it least when y is high and n low.
        """
        buy = order.qty > 0
        complement = [key for key in self.of[order.key].keys if key != order.key]
        y = position(order.key) + sum((o.qty for o in others if o.key == order.key and (o.qty > 0) == buy), ZERO)
        n = sum((position(key) for key in complement), ZERO)
        n += sum((o.qty for o in others if o.key in complement and (o.qty > 0) != buy), ZERO)
        cost = order.qty * self.money(order.key, order.price)
        return max(ZERO, cost - (min(y + order.qty, n) - min(y, n)))
