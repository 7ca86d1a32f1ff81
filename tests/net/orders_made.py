"""Orders, what a venue answers, and what its stream tells, for tests without a network."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from hedgekit.types import Ack, Action, Decision, Fill, Instrument, Order, Phase, Priority, Reason, Reject, Reply, Request
from hedgekit.venues.alpaca import Alpaca

DUPLICATE = Reply(422, b'{"code":40010001,"message":"client_order_id must be unique"}')
MISSING = Reply(404, b'{"code":40410000,"message":"order not found"}')
REFUSED = Reply(403, b'{"code":40310000,"message":"insufficient buying power"}')

VENUE = Alpaca(("key", "secret"), (Instrument("ALPACA", "KO"),))


def order(number: int, qty: int = 10, priority: Priority = Priority.PRIMARY) -> Order:
    return Order(f"s-{number}-0", 1, 0, "ALPACA:KO", Decimal(qty), Decimal(50), priority, 1)


def decision(orders: tuple[Order, ...] = (), cancels: tuple[str, ...] = (), action: Action = Action.REPAIR) -> Decision:
    return Decision(
        ts_ns=1,
        action=action,
        reason=Reason.ENTRY,
        phase=Phase.OPENING,
        trade=1,
        z=None,
        ratio=None,
        delta=None,
        cost=0.0,
        benefit=0.0,
        mids=(1.0, 1.0),
        positions=(0.0, 0.0),
        targets=(0.0, 0.0),
        orders=orders,
        cancels=cancels,
    )


def accepted(order_id: str, status: str = "new") -> Reply:
    return Reply(200, msgspec.json.encode({"id": "v-" + order_id, "client_order_id": order_id, "status": status}))


def ack(order_id: str) -> Ack:
    return Ack(ts_ns=1, order_id=order_id, venue_order_id="v-" + order_id)


def fill(order_id: str, qty: int, number: int = 1) -> Fill:
    return Fill(
        ts_ns=1,
        order_id=order_id,
        fill_id=f"{order_id}-{number}",
        instrument="ALPACA:KO",
        venue_ns=1,
        qty=Decimal(qty),
        price=Decimal(50),
        fee=Decimal(0),
    )


def rejected(ts_ns: int) -> Reject:
    return Reject(ts_ns=ts_ns, order_id="s-1-0", code="40310000", message="insufficient buying power")


def what(requests: list[Request]) -> list[tuple[str, str | None]]:
    return [(request.purpose, request.order_id) for request in requests]


def state(order_id: str, status: str, filled: int) -> Reply:
    return Reply(
        200, msgspec.json.encode({"id": "v-" + order_id, "client_order_id": order_id, "status": status, "filled_qty": str(filled)})
    )
