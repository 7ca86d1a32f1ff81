"""A desk on a bar that enters, one that holds a pair, and their fills."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hedgekit.types import Action, Decision, Fill, Phase, Reason
from tests.core.core_made import Desk


def said(decision: Decision) -> tuple[Action, Reason]:
    return decision.action, decision.reason


def stretched(**changes: Any) -> tuple[Desk, Decision]:
    """Return a desk and its decision on a bar where z is 2.8: nine bars around 100, then 103."""
    desk = Desk(**{"lookback": 10} | changes)
    desk.warm(9)
    return desk, desk.bar(103.0)


def fill(desk: Desk, order: Any, qty: Decimal | None = None, number: str = "") -> Decision:
    """Fill an order (all of it by default) at its expected price."""
    quantity = order.qty if qty is None else qty
    return desk.hedger.on(
        Fill(
            ts_ns=desk.now_ns,
            order_id=order.order_id,
            fill_id=f"f-{order.order_id}-{number}",
            instrument=order.instrument,
            venue_ns=desk.now_ns,
            qty=quantity,
            price=order.expected,
            fee=Decimal(0),
        )
    )


def opened(**changes: Any) -> Desk:
    """Return a desk that is short 97 KO and long 100 PEP, whose price has moved by 1 % a bar."""
    desk = Desk(**{"lookback": 10, "ratio": 1.0} | changes)
    for i in range(9):
        hedge = 101.0 if i % 2 else 100.0
        desk.bar(hedge + (0.5 if i % 3 else -0.5), hedge)
    entry = desk.bar(103.0, 100.0)
    assert said(entry) == (Action.OPEN, Reason.ENTRY)
    assert [fill(desk, order).phase for order in entry.orders] == [Phase.OPENING, Phase.OPEN]
    return desk
