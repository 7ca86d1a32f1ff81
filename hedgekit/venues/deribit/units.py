"""Deribit's amounts and our quantities; its currencies; its instruments by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Context, Decimal, DecimalException, DivisionByZero, Inexact, InvalidOperation, Overflow

from hedgekit.errors import ConfigError, VenueError
from hedgekit.types import Instrument, Kind
from hedgekit.venues.deribit.wire import NAME, finite, short, symbol

_EXACT = Context(prec=60, traps=[DivisionByZero, Inexact, InvalidOperation, Overflow])
_PERPETUAL = re.compile(r"([A-Z0-9]+)(?:_([A-Z0-9]+))?-PERPETUAL", re.ASCII)


def currency(name: str) -> str:
    """Return the currency that an instrument settles in: BTC of BTC-PERPETUAL, USDC of BTC_USDC-PERPETUAL.

    Raises
    ------
    ConfigError
        If it is no perpetual.
    """
    found = _PERPETUAL.fullmatch(name)
    if found is None:
        msg = f"{NAME}:{name} is no perpetual by its name (BTC-PERPETUAL, BTC_USDC-PERPETUAL): hedgekit trades no other kind at {NAME}"
        raise ConfigError(msg)
    return found[2] or found[1]


def coin(name: str) -> str:
    """Return the coin that an inverse perpetual's money is in; empty for what settles in what its price counts in, or is none."""
    found = _PERPETUAL.fullmatch(name)
    return "" if found is None or found[2] else found[1]


class Units:
    """What is traded, and how Deribit counts it: amount = |quantity| x multiplier.

    Parameters
    ----------
    instruments : sequence of Instrument
        Perpetuals, each of the kind that its name says.

    Attributes
    ----------
    symbols, currencies : tuple of str
        In the order of the instruments, each once; without instruments the currency is BTC.

    Raises
    ------
    ConfigError
        If an instrument is no perpetual, or its kind or multiplier is wrong.
    """

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._multipliers = {one.symbol: one.multiplier for one in instruments}
        self.symbols = tuple(self._multipliers)
        self.currencies = tuple(dict.fromkeys(currency(name) for name in self.symbols)) or ("BTC",)
        for one in instruments:
            kind = Kind.LINEAR_PERP if "_" in one.symbol else Kind.INVERSE_PERP
            if one.kind is not kind:
                msg = f"{one.key} is {one.kind.value}: by its name it is kind=Kind.{kind.name}, with the contract's size as multiplier"
                raise ConfigError(msg)
            if not (one.multiplier.is_finite() and one.multiplier > 0):
                msg = f"{one.key} has multiplier {one.multiplier}: give the contract's size (10 for BTC-PERPETUAL)"
                raise ConfigError(msg)

    def multiplier(self, name: str) -> Decimal:
        """Return the size of a contract; 1 for what is not traded here, which so counts in the venue's amount."""
        return self._multipliers.get(name, Decimal(1))

    def amount(self, key: str, qty: Decimal) -> Decimal:
        """Return the amount of a quantity, unsigned and without an exponent."""
        return Decimal(format(_EXACT.multiply(abs(qty), self.multiplier(symbol(key))), "f"))

    def qty(self, name: str, amount: Decimal, side: str = "buy") -> Decimal:
        """Return the quantity of an amount, signed by the side, or unsigned.

        Raises
        ------
        VenueError
            If it is no number, negative, or no exact number of contracts.
        """
        if finite(amount, f"an amount of {name[:60]!a}") < 0:
            msg = f"deribit: an amount of {name[:60]!a} is {short(amount)}; the side says the sign"
            raise VenueError(msg)
        qty = contracts(name, amount, self.multiplier(name))
        return qty if side == "buy" else qty.copy_negate()


def contracts(name: str, amount: Decimal, size: Decimal) -> Decimal:
    """Return an amount in contracts of a size; VenueError if that is no exact number."""
    try:
        return _EXACT.divide(amount, size)
    except DecimalException:
        msg = f"deribit: amount {short(amount)} of {name[:60]!a} is no exact number of contracts of {short(size)}"
        raise VenueError(msg) from None
