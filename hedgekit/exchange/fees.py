"""What a venue charges for a fill, as data: one exact formula for each instrument.

A formula is told whether our order was the maker (the market came to it) or the
taker, and what rounding the order's earlier fills have overpaid.

Sources: the venues' own pages, "Fee Rounding" of docs.kalshi.com and "Fees" of
docs.polymarket.com. Rates and rounding change there by market and by month, so
every number is an argument and none is taken from the instrument's name.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from hedgekit.exchange.model import EXACT, WIDE, rounded
from hedgekit.types import Fees

if TYPE_CHECKING:
    from hedgekit.exchange.contract import Contract

ZERO, ONE = Decimal(0), Decimal(1)


class Trade(NamedTuple):
    """What a fee depends on. ``qty`` is signed; ``carry`` is what rounding the order's earlier fills have overpaid."""

    contract: Contract
    qty: Decimal
    price: Decimal
    maker: bool = False
    carry: Decimal = ZERO


class Charge(NamedTuple):
    """The fee of one fill and the overpaid rounding that the order's next fill inherits."""

    fee: Decimal
    carry: Decimal = ZERO


class Flat(msgspec.Struct, frozen=True, tag="flat"):
    """A rate on notional and an amount for each unit: :class:`hedgekit.types.Fees`, the instrument's own by default.

    ``maker`` is for makers only; None: as ``taker``. On an inverse perpetual the notional is in coin, and so is the fee
    (0.0005 of 1,000 dollars at 50,000 is 0.00001 BTC), rounded half-even to the contract's quantum.
    """

    taker: Fees | None = None
    maker: Fees | None = None

    def of(self, trade: Trade) -> Charge:
        """Return the fee of one fill, in the currency it settles in."""
        contract, qty, price = trade.contract, trade.qty.copy_abs(), trade.price
        fees = (trade.maker and self.maker) or self.taker or contract.instrument.fees
        if not contract.inverse:
            return Charge(fees.of(qty, price, contract.multiplier))
        money = EXACT.multiply(EXACT.multiply(fees.rate, qty), contract.multiplier)
        units = EXACT.multiply(EXACT.multiply(fees.per_unit, qty), price)
        return Charge(rounded(EXACT.add(money, units), price, contract.quantum))


class Kalshi(msgspec.Struct, frozen=True, tag="kalshi"):
    """Rate x contracts x p (1 - p), rounded up, and a rounding of the balance that a later fill of the order may give back.

    1. The trade fee is rounded up to ``quantum``.
    2. What the fill changes the balance by is rounded down to ``precision``; the difference is a rounding fee.
    3. Rounding fees of an order add up; once their sum exceeds ``rebate``, it is given back in whole multiples of it, never
       more than the fill's own fee.

    The defaults are a taker on a ``quadratic`` series and a direct member. ``maker=Decimal("0.0175")`` is for
    ``quadratic_with_maker_fees``; ``precision=Decimal("0.01")`` for a member through a broker. A series' ``fee_multiplier``
    multiplies both rates. With ``quantum`` and ``precision`` of a cent the first fill of an order pays the older rule, the cent
    above 0.07 x C x P x (1 - P).
    """

    taker: Decimal = Decimal("0.07")
    maker: Decimal = ZERO
    quantum: Decimal = Decimal("0.0001")
    precision: Decimal = Decimal("0.0001")
    rebate: Decimal = Decimal("0.01")

    def of(self, trade: Trade) -> Charge:
        """Return the net fee of one fill: trade fee + rounding fee - rebate."""
        rate = self.maker if trade.maker else self.taker
        fee = _curve(rate, trade).quantize(self.quantum, ROUND_CEILING, WIDE)
        change = EXACT.subtract(trade.contract.value(trade.qty.copy_negate(), trade.price), fee)
        rounding = EXACT.subtract(change, change.quantize(self.precision, ROUND_FLOOR, WIDE))
        overpaid, whole = EXACT.add(trade.carry, rounding), EXACT.add(fee, rounding)
        back = EXACT.multiply(min(overpaid, whole) // self.rebate, self.rebate) if overpaid > self.rebate else ZERO
        return Charge(EXACT.subtract(whole, back), EXACT.subtract(overpaid, back))


class Polymarket(msgspec.Struct, frozen=True, tag="polymarket"):
    """Rate x shares x (p (1 - p)) ^ exponent for takers, nothing for makers; both numbers are the market's ``fd``.

    Rounded to 5 decimals; less than the smallest fee is no fee. The venue does not say which way a half is rounded: up, here.
    The maker rebates, paid by the day from a pool, are not simulated.
    """

    taker: Decimal
    exponent: int = 1
    quantum: Decimal = Decimal("0.00001")

    def of(self, trade: Trade) -> Charge:
        """Return the fee of one fill."""
        raw = ZERO if trade.maker else _curve(self.taker, trade, self.exponent)
        return Charge(raw.quantize(self.quantum, ROUND_HALF_UP, WIDE) if raw >= self.quantum else ZERO)


Formula = Flat | Kalshi | Polymarket
"""One of these is chosen for each instrument, in its :class:`~hedgekit.exchange.contract.Terms`."""


def _curve(rate: Decimal, trade: Trade, exponent: int = 1) -> Decimal:
    """Rate x |quantity| x (p (1 - p)) ^ exponent, exact, with p in money."""
    p = EXACT.multiply(trade.price, trade.contract.multiplier)
    curve = EXACT.power(EXACT.multiply(p, EXACT.subtract(ONE, p)), exponent)
    return EXACT.multiply(EXACT.multiply(rate, trade.qty.copy_abs()), curve)
