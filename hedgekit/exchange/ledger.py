"""Exact cash and positions.

Every number is a ``Decimal`` in a context that refuses to round, so the ledger
either balances to the last digit or raises; where a sum must be rounded before
it is booked, ``contract.py`` does it and says so. An execution is booked once,
and every change of a balance is one line of ``bookings``.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import msgspec

from hedgekit.exchange.contract import HOME, contracts_of
from hedgekit.exchange.model import EXACT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hedgekit.exchange.contract import Terms
    from hedgekit.types import Fill, Instrument

LEVERAGE = Decimal(4)
"""Buying power, simplified from the Reg-T intraday rule: gross exposure may be 4 x equity. Overnight
2 x, maintenance calls and interest are not simulated."""

ZERO = Decimal(0)


class Booking(msgspec.Struct, frozen=True):
    """One change of a balance. ``ref`` is the execution's id, else the instrument's key."""

    ts_ns: int
    currency: str
    amount: Decimal
    what: Literal["trade", "fee", "funding", "settlement", "split", "merge"]
    ref: str


class Ledger:
    """Cash, positions and the fills that made them.

    Parameters
    ----------
    instruments : iterable of Instrument
        What can be held.
    cash : Decimal or mapping of str to Decimal
        Money to start with, in dollars or by currency, the account's own currency first; may become negative
        (borrowed), as on a margin account.
    terms : mapping of str to Terms, optional
        By instrument key, where an instrument's are not the default ones.

    Attributes
    ----------
    balances, opening : dict of str to Decimal
        Cash by currency, now and at the start. ``cash`` and ``initial`` are those of the account's own currency.
    bookings : list of Booking
        Every change of a balance, in order: ``opening`` plus their sum is ``balances``, exactly.

    Raises
    ------
    ConfigError
        If terms and instruments do not fit: see :func:`hedgekit.exchange.contract.contracts_of`.
    """

    def __init__(
        self, instruments: Iterable[Instrument], cash: Decimal | Mapping[str, Decimal], terms: Mapping[str, Terms] | None = None
    ) -> None:
        self.opening = dict(cash) if isinstance(cash, Mapping) else {HOME: cash}
        self.balances = dict(self.opening)
        self.home = next(iter(self.opening))
        self.contracts = contracts_of(instruments, terms or {}, self.opening)
        self.fills: list[Fill] = []
        self.bookings: list[Booking] = []
        self._position = dict.fromkeys(self.contracts, ZERO)
        self._cost = dict.fromkeys(self.contracts, ZERO)
        self._profit = dict.fromkeys(self.contracts, ZERO)
        self._seen: set[str] = set()

    # ------------------------------------------------------------- questions

    @property
    def cash(self) -> Decimal:
        """Cash in the account's own currency."""
        return self.balances[self.home]

    @property
    def initial(self) -> Decimal:
        """What ``cash`` was at the start."""
        return self.opening[self.home]

    def position(self, key: str) -> Decimal:
        """Return the signed quantity held."""
        return self._position[key]

    def positions(self) -> dict[str, Decimal]:
        """Return the signed quantities that are not zero."""
        return {key: qty for key, qty in self._position.items() if qty}

    def cost(self, key: str) -> Decimal:
        """Return what the position was worth when it was entered, signed: for a share, average entry price x quantity x multiplier."""
        return self._cost[key]

    def entry(self, key: str) -> Decimal | None:
        """Return the average entry price (28 digits; for display): harmonic for an inverse perpetual; None if nothing is held."""
        held = self._position[key]
        return self.contracts[key].entry(held, self._cost[key]) if held else None

    def profit(self, key: str) -> Decimal:
        """Return what closed parts have made against their average entry price, without fees and funding."""
        return self._profit[key]

    def value(self, key: str, qty: Decimal, price: Decimal) -> Decimal:
        """Return what a quantity is worth at a price; signed like ``qty``, but for an inverse perpetual."""
        return self.contracts[key].value(qty, price)

    def unrealised(self, key: str, price: Decimal) -> Decimal:
        """Return what closing the position at a price would make."""
        return EXACT.subtract(self.value(key, self._position[key], price), self._cost[key])

    def equity(self, marks: Mapping[str, Decimal], currency: str | None = None) -> Decimal:
        """Return cash plus what is held at ``marks`` (a price for each instrument held): perpetuals by profit, the rest by value."""
        currency = currency or self.home
        total = self.balances[currency]
        for key, qty in self.positions().items():
            contract = self.contracts[key]
            if contract.currency == currency:
                worth = self.unrealised(key, marks[key]) if contract.perpetual else contract.value(qty, marks[key])
                total = EXACT.add(total, worth)
        return total

    # -------------------------------------------------------------- bookings

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
        contract, worth = self.contracts[fill.instrument], self.value(fill.instrument, fill.qty, fill.price)
        profit = self._move(fill.instrument, fill.qty, worth)
        self._book(fill.venue_ns, fill.instrument, profit if contract.perpetual else worth.copy_negate(), "trade", fill.fill_id)
        self._book(fill.venue_ns, fill.instrument, fill.fee.copy_negate(), "fee", fill.fill_id)
        self._seen.add(fill.fill_id)
        self.fills.append(fill)
        return self._position[fill.instrument]

    def fund(self, key: str, rate: Decimal, mark: Decimal, ts_ns: int) -> Decimal:
        """Exchange funding on a position and return what was booked: below 0 if the account paid."""
        paid = self.contracts[key].funding(self._position[key], rate, mark)
        self._book(ts_ns, key, paid, "funding", key)
        return paid

    def settle(self, key: str, each: Decimal, ts_ns: int) -> Decimal:
        """Turn a position into cash at ``each`` (money, not price) for a unit of quantity, without a fee; return the money booked."""
        money = EXACT.multiply(self._position[key], each)
        self._move(key, self._position[key].copy_negate(), money.copy_negate())
        self._book(ts_ns, key, money, "settlement", key)
        return money

    def convert(self, keys: tuple[str, str], qty: Decimal, ts_ns: int) -> Decimal:
        """Turn ``qty`` of cash into that many of both contracts of a set, or the reverse if below 0; return the money booked.

        A set is worth 1 whatever happens, so one of its halves is entered, or left, at half.
        """
        for key in keys:
            self._move(key, qty, EXACT.multiply(qty, Decimal("0.5")))
        paid = qty.copy_negate()
        self._book(ts_ns, keys[0], paid, "split" if qty > 0 else "merge", keys[0])
        return paid

    def _move(self, key: str, qty: Decimal, worth: Decimal) -> Decimal:
        """Change a position by ``qty``, entered or left at ``worth``; return the profit of what closes."""
        held, cost, contract = self._position[key], self._cost[key], self.contracts[key]
        if held * qty >= 0:
            after = EXACT.add(cost, worth)
        elif abs(qty) <= abs(held):
            after = EXACT.subtract(cost, contract.share(cost, qty.copy_negate(), held))
        else:  # through zero: what is beyond is entered
            after = contract.share(worth, EXACT.add(held, qty), qty)
        profit = EXACT.subtract(after, EXACT.add(cost, worth))
        self._position[key], self._cost[key] = EXACT.add(held, qty), after
        self._profit[key] = EXACT.add(self._profit[key], profit)
        return profit

    def _book(
        self, ts_ns: int, key: str, amount: Decimal, what: Literal["trade", "fee", "funding", "settlement", "split", "merge"], ref: str
    ) -> None:
        if not amount:
            return
        currency = self.contracts[key].currency
        self.balances[currency] = EXACT.add(self.balances[currency], amount)
        self.bookings.append(Booking(ts_ns, currency, amount, what, ref))


def worst(position: Decimal, buys: Decimal, sells: Decimal) -> Decimal:
    """Return the largest |position| that working ``buys`` and ``sells`` (unsigned) can lead to."""
    return max(abs(position + buys), abs(position - sells))


def affordable(gross_before: Decimal, gross_after: Decimal, equity: Decimal) -> bool:
    """Whether an order passes the buying-power rule: it adds no exposure, or the sum stays within 4 x equity."""
    return gross_after <= gross_before or gross_after <= LEVERAGE * equity
