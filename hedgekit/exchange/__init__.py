"""The simulated exchange: a book, a ledger and the engine that joins them.

Pure: no clock, no I/O, no randomness. Time arrives with quotes, trades and requests,
everything that happened leaves as reports, and equal inputs give equal reports.
"""

from __future__ import annotations

from hedgekit.exchange.account import Summary
from hedgekit.exchange.binary import BinaryMarket, Settlement
from hedgekit.exchange.book import Level
from hedgekit.exchange.contract import Margin, Terms
from hedgekit.exchange.engine import Exchange
from hedgekit.exchange.fees import Flat, Formula, Kalshi, Polymarket
from hedgekit.exchange.ledger import Booking, Ledger
from hedgekit.exchange.model import (
    Accepted,
    Cancelled,
    Converted,
    Executed,
    FillModel,
    Funding,
    NewOrder,
    OrderState,
    Refusal,
    Rejected,
    Report,
    Reports,
    Reversed,
    Status,
)

__all__ = [
    "Accepted",
    "BinaryMarket",
    "Booking",
    "Cancelled",
    "Converted",
    "Exchange",
    "Executed",
    "FillModel",
    "Flat",
    "Formula",
    "Funding",
    "Kalshi",
    "Ledger",
    "Level",
    "Margin",
    "NewOrder",
    "OrderState",
    "Polymarket",
    "Refusal",
    "Rejected",
    "Report",
    "Reports",
    "Reversed",
    "Settlement",
    "Status",
    "Summary",
    "Terms",
]
