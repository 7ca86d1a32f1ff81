"""A desk that has entered, and its fills."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hedgekit.types import Decision, Fill, Instrument
from tests.core.core_made import Desk

LEGS = Instrument("ALPACA", "KO"), Instrument("ALPACA", "PEP")


def opened(**changes: Any) -> tuple[Desk, Decision]:
    """Return a desk that has entered, short KO and long PEP, and that decision."""
    desk = Desk(**{"lookback": 10, "instruments": LEGS} | changes)
    for i in range(9):
        hedge = 101.0 if i % 2 else 100.0
        desk.bar(hedge + (0.5 if i % 3 else -0.5), hedge)
    entry = desk.bar(103.0, 100.0)
    return desk, entry


def fill(desk: Desk, entry: Decision, share: Decimal = Decimal(1)) -> list[Fill]:
    """Fill a decision's orders at the price expected; return the fills."""
    fills = [
        Fill(
            ts_ns=desk.now_ns,
            order_id=order.order_id,
            fill_id=f"f-{order.order_id}",
            instrument=order.instrument,
            venue_ns=desk.now_ns,
            qty=order.qty * share,
            price=order.expected,
            fee=Decimal("0.01"),
        )
        for order in entry.orders
    ]
    for one in fills:
        desk.hedger.on(one)
    return fills
