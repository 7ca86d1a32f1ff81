"""The simulated exchange: a book, a ledger and the engine that joins them.

Pure: no clock, no I/O, no randomness. Time arrives with quotes and requests,
everything that happened leaves as reports, and equal inputs give equal reports.
"""

from __future__ import annotations

from hedgekit.exchange.binary import BinaryMarket, Settlement
from hedgekit.exchange.book import Level
from hedgekit.exchange.engine import Exchange
from hedgekit.exchange.ledger import Ledger
from hedgekit.exchange.model import (
    Accepted,
    Cancelled,
    Executed,
    FillModel,
    NewOrder,
    OrderState,
    Refusal,
    Rejected,
    Report,
    Reports,
    Status,
)

__all__ = [
    "Accepted",
    "BinaryMarket",
    "Cancelled",
    "Exchange",
    "Executed",
    "FillModel",
    "Ledger",
    "Level",
    "NewOrder",
    "OrderState",
    "Refusal",
    "Rejected",
    "Report",
    "Reports",
    "Settlement",
    "Status",
]
