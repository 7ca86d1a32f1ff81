"""What an order's two amounts mean: size and price in shares and collateral, and which of them the venue refuses.

A purchase that executes at once spends whole cents on shares of several decimals, so its price is a tick's only when the shares are
rounded back; every other order has sizes of two decimals and a price that is exactly a tick's. The sandbox's exchange trades the
instrument's lots: of a purchase at once what is less than a lot is left out, any other order must be of whole lots.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING, NamedTuple

from hedgekit.sandbox.skins.polymarket_wire import AT_ONCE, PLACES, UNIT, OrderFields, text

if TYPE_CHECKING:
    from hedgekit.sandbox.skins.polymarket_markets import Side

CENT = Decimal("0.01")
_WIDE = Context(prec=60)


class Amounts(NamedTuple):
    """Shares, the worst price, and the collateral at it, of a token."""

    side: Side
    size: Decimal
    price: Decimal
    money: Decimal


def amounts_of(order: OrderFields, kind: str, tick: Decimal, lot: Decimal) -> Amounts:
    """Read an order's amounts.

    Raises
    ------
    ValueError
        With the venue's words, if they are finer than it takes, or imply a price that is none of the market's.
    """
    maker, taker = (Decimal(text(int(amount) * UNIT)) for amount in (order.maker_amount, order.taker_amount))
    money, shares = (maker, taker) if order.side == "BUY" else (taker, maker)
    if not money or not shares:
        msg = "invalid amounts, makerAmount and takerAmount must be above 0"
        raise ValueError(msg)
    places, spends = PLACES[text(tick)], kind in AT_ONCE and order.side == "BUY"
    of_money, of_shares = (CENT, Decimal(10) ** -places) if spends else (Decimal(10) ** -places, CENT)
    if money % of_money or shares % of_shares:
        orders = "market buy" if spends else f"{'buy' if order.side == 'BUY' else 'sell'}"
        msg = (
            f"invalid amounts, the {orders} orders support a max accuracy of {text(of_money)} in collateral and {text(of_shares)} in shares"
        )
        raise ValueError(msg)
    price = _WIDE.divide(_WIDE.divide(money, shares), tick).quantize(Decimal(1), ROUND_HALF_EVEN, _WIDE) * tick
    exact = abs(_WIDE.multiply(price, shares) - money) < price * of_shares if spends else price * shares == money
    if not tick <= price <= 1 - tick:
        msg = f"invalid price ({text(price)}), min: {text(tick)} - max: {text(1 - tick)}"
        raise ValueError(msg)
    if not exact:
        said = text((money / shares).quantize(UNIT))
        msg = f"Price ({said}) breaks minimum tick size rules: {text(tick)}"
        raise ValueError(msg)
    if spends:
        shares = (shares / lot).to_integral_value(ROUND_FLOOR) * lot
    return Amounts(order.side, shares, price, price * shares)
