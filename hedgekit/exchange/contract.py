"""What a position is worth and what a trade books, for each kind of instrument.

=============  ==========================  =================================  =================
kind           a quantity q counts         worth of q at price p, unit m      booked by a trade
=============  ==========================  =================================  =================
spot, binary   shares, contracts           q p m                              its price
linear_perp    contracts                   q p m                              profit of what closes
inverse_perp   contracts of m money        - q m / p, in coin                 profit of what closes
=============  ==========================  =================================  =================

The profit of a position is what it is worth less what it was worth when it was
entered. For an inverse long of q contracts, entered at E and left at X, that is
q m (1 / E - 1 / X) coins.

Decimals do not divide exactly, so two things are rounded, each once, half-even,
to ``Terms.quantum`` (0.00000001 by default, as coin balances are kept): a worth
in coin, and the share of the entry worth that a part closed takes with it. What
is left keeps the rest of the entry worth, so a position that was opened and
closed in any number of fills has made exactly the sum of its rounded worths.
All else is sums: a balance equals its bookings to the last digit.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.exchange.fees import Flat, Formula
from hedgekit.exchange.model import EXACT, rounded
from hedgekit.types import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from hedgekit.types import Instrument

HOME = "USD"
"""Currency of an account that is given one sum of money."""

PERPETUAL = frozenset({Kind.LINEAR_PERP, Kind.INVERSE_PERP})


class Margin(msgspec.Struct, frozen=True):
    """What must stand behind a perpetual, as fractions of its notional at the mark.

    ``initial`` to open (1/50 for the 50 x of BTC-PERPETUAL), ``maintenance`` to keep. Venues raise both with size in
    steps of their own; these do not.
    """

    initial: Decimal
    maintenance: Decimal


class Terms(msgspec.Struct, frozen=True):
    """What an instrument settles in, costs and needs.

    ``currency`` is that of the account in which it is booked (empty: the account's first), ``fees`` the formula of its fees,
    ``margin`` is for perpetuals, which need one, and ``quantum`` is the smallest sum that a division books. ``signed``: what is
    held is one signed number, as it is of a perpetual: an order may take it through zero, and orders to buy and to sell may work
    side by side while it is flat.
    """

    currency: str = ""
    fees: Formula = Flat()
    margin: Margin | None = None
    quantum: Decimal = Decimal("0.00000001")
    signed: bool = False


class Contract:
    """An instrument with its terms."""

    __slots__ = ("currency", "fees", "instrument", "inverse", "key", "kind", "margin", "multiplier", "perpetual", "quantum", "signed")

    def __init__(self, instrument: Instrument, terms: Terms, home: str) -> None:
        self.instrument, self.key, self.kind, self.multiplier = instrument, instrument.key, instrument.kind, instrument.multiplier
        self.inverse, self.perpetual = instrument.inverse, instrument.kind in PERPETUAL
        self.currency, self.fees, self.margin, self.quantum = terms.currency or home, terms.fees, terms.margin, terms.quantum
        self.signed = self.perpetual or terms.signed

    def notional(self, qty: Decimal, price: Decimal) -> Decimal:
        """Return the size of a quantity in the currency, signed like ``qty``: in coin, and so rounded, if it is inverse."""
        if self.inverse:
            return rounded(EXACT.multiply(qty, self.multiplier), price, self.quantum)
        return EXACT.multiply(EXACT.multiply(qty, price), self.multiplier)

    def value(self, qty: Decimal, price: Decimal) -> Decimal:
        """Return what a quantity is worth at a price; its change is the profit. An inverse long is worth less than nothing."""
        return self.notional(qty.copy_negate() if self.inverse else qty, price)

    def funding(self, qty: Decimal, rate: Decimal, mark: Decimal) -> Decimal:
        """Return what a position gets at a funding rate: - rate x notional, so longs pay if the rate is above 0."""
        if self.inverse:
            return rounded(EXACT.multiply(EXACT.multiply(rate.copy_negate(), qty), self.multiplier), mark, self.quantum)
        return EXACT.multiply(rate.copy_negate(), self.notional(qty, mark))

    def share(self, worth: Decimal, part: Decimal, whole: Decimal) -> Decimal:
        """Return ``part`` / ``whole`` of an entry worth; all of it for all of it."""
        return worth if part == whole else rounded(EXACT.multiply(worth, part), whole, self.quantum)

    def entry(self, qty: Decimal, worth: Decimal) -> Decimal:
        """Return the average price at which ``qty`` was entered for ``worth`` (28 digits; for display)."""
        unit = qty * self.multiplier
        return -unit / worth if self.inverse else worth / unit


def contracts_of(instruments: Iterable[Instrument], terms: Mapping[str, Terms], currencies: Collection[str]) -> dict[str, Contract]:
    """Return the contracts by instrument key.

    Raises
    ------
    ConfigError
        If terms are for no instrument, a currency has no cash, a margin is missing, superfluous or not between 0 and 1,
        or a quantum is not above 0.
    """
    home = next(iter(currencies))
    made = {i.key: Contract(i, terms.get(i.key, Terms()), home) for i in instruments}
    for key in terms:
        if key not in made:
            msg = f"terms of {key}: no such instrument; there are: {', '.join(made)}"
            raise ConfigError(msg)
    for contract in made.values():
        if (wrong := _wrong(contract, currencies)) is not None:
            msg = f"{contract.key} {wrong}"
            raise ConfigError(msg)
    return made


def _wrong(contract: Contract, currencies: Collection[str]) -> str | None:
    margin = contract.margin
    if contract.perpetual and margin is None:
        return (
            f"is {contract.kind.value}: say what it needs: terms={{{contract.key!r}: Terms(currency, margin=Margin(initial, maintenance))}}"
        )
    if not contract.perpetual and margin is not None:
        return f"is {contract.kind.value}: a margin is for perpetuals; leave it out of its terms"
    if margin is not None and not 0 < margin.maintenance <= margin.initial <= 1:
        return f"has margin {margin.initial} and {margin.maintenance}: give 0 < maintenance <= initial <= 1, as fractions of notional"
    if contract.currency not in currencies:
        return f"settles in {contract.currency}: give the account cash in it, 0 if none; it has {', '.join(currencies)}"
    if contract.quantum <= 0:
        return f"has quantum {contract.quantum}: give the smallest sum that is booked, above 0"
    return None
