"""Fees, ticks and sizes as Deribit lists them (``public/get_instruments``)."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from hedgekit.errors import VenueError
from hedgekit.types import Fees, Instrument, Kind, Reply
from hedgekit.venues.deribit.replies import result_of
from hedgekit.venues.deribit.units import contracts
from hedgekit.venues.deribit.wire import NAME, finite, short
from hedgekit.venues.reading import Name

QUANTUM = Decimal("0.00000001")
"""To which a fee in coin is rounded."""

_KINDS = {"reversed": Kind.INVERSE_PERP, "linear": Kind.LINEAR_PERP}


class Rules(NamedTuple):
    """A perpetual as it is listed.

    ``maker`` and ``taker`` are fractions of the notional (a fee in coin is amount / price x rate where it is inverse);
    ``steps`` are (price, tick above it), ascending.
    """

    instrument: Instrument
    currency: str
    maker: Decimal
    taker: Decimal
    steps: tuple[tuple[Decimal, Decimal], ...]
    leverage: Decimal
    active: bool

    def tick(self, price: Decimal) -> Decimal:
        """Return the tick at a price."""
        return next((tick for above, tick in reversed(self.steps) if price > above), self.instrument.tick)


class _Step(msgspec.Struct):
    above_price: Decimal
    tick_size: Decimal


class _Listed(msgspec.Struct):
    instrument_name: Name
    instrument_type: Literal["reversed", "linear"]
    settlement_currency: Name
    contract_size: Decimal
    min_trade_amount: Decimal
    tick_size: Decimal
    maker_commission: Decimal
    taker_commission: Decimal
    max_leverage: Decimal = Decimal(0)
    is_active: bool = True
    settlement_period: str = ""
    tick_size_steps: list[_Step] = []


def instruments_of(reply: Reply) -> list[Rules]:
    """Return the perpetuals in a list of instruments; what expires is left out, since hedgekit has no kind for it.

    Raises
    ------
    VenueError
        If the list cannot be read, or a size is not above 0.
    """
    listed: list[_Listed] = result_of(reply, list[_Listed], "instruments")[1]
    return [_rules(one) for one in listed if one.settlement_period == "perpetual"]


def _rules(one: _Listed) -> Rules:
    rest = (one.maker_commission, one.taker_commission, one.max_leverage, *(step.above_price for step in one.tick_size_steps))
    sizes = (one.contract_size, one.min_trade_amount, one.tick_size, *(step.tick_size for step in one.tick_size_steps))
    for number in (*rest, *sizes):
        finite(number, f"instrument {one.instrument_name[:60]!a}")
    if min(sizes) <= 0:
        msg = f"deribit: instrument {one.instrument_name[:60]!a} has sizes {', '.join(map(short, sizes))}: not above 0"
        raise VenueError(msg)
    instrument = Instrument(
        NAME,
        one.instrument_name,
        _KINDS[one.instrument_type],
        tick=one.tick_size,
        lot=contracts(one.instrument_name, one.min_trade_amount, one.contract_size),
        multiplier=one.contract_size,
        fees=Fees(rate=one.taker_commission, quantum=QUANTUM),
    )
    steps = tuple(sorted((step.above_price, step.tick_size) for step in one.tick_size_steps))
    return Rules(instrument, one.settlement_currency, one.maker_commission, one.taker_commission, steps, one.max_leverage, one.is_active)
