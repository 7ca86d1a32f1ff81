"""What Kalshi tells that no event of hedgekit says yet."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from hedgekit.types import MarketEvent


class Band(NamedTuple):
    """Prices from ``start`` to ``end`` are multiples of ``step`` above ``start``."""

    start: Decimal
    end: Decimal
    step: Decimal


class Settled(NamedTuple):
    """How a market ends: what a YES contract pays, None if it was not said.

    ``paid``: the money is booked and the position gone; before, it can still be disputed and amended.
    """

    ts_ns: int
    instrument: str
    venue_ns: int
    value: Decimal | None
    paid: bool


class TickChanged(NamedTuple):
    """An instrument's ladder of prices is another one from now on."""

    ts_ns: int
    instrument: str
    bands: tuple[Band, ...]


class FeesChanged(NamedTuple):
    """An instrument's event has fees of its own from now on; None: those of its series again."""

    ts_ns: int
    instrument: str
    fee_type: str | None
    multiplier: Decimal | None


Told = MarketEvent | Settled | TickChanged | FeesChanged
"""What the market feed tells."""
