"""A venue as ``venues/alpaca`` describes it, in memory: it knows nothing of outbox, sender or limiter.

An id is taken once, whatever becomes of the order. It says on its stream what it does, and counts every request that it hears.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from hedgekit.types import NS, Reply, Request
from hedgekit.venues.alpaca.wire import parse_time, text_time

# ruff: noqa: D102 - the name says it

SYMBOL = "KO"
DUPLICATE = Reply(422, b'{"code":40010001,"message":"client_order_id must be unique"}')
REFUSED = Reply(403, b'{"code":40310000,"message":"insufficient buying power"}')
NOT_FOUND = Reply(404, b'{"code":40410000,"message":"order not found"}')
OVER = Reply(422, b'{"code":42210000,"message":"order is already in \\"filled\\" state"}')


@dataclass
class Held:
    """An order at the venue; quantities signed."""

    client_id: str
    venue_id: str
    qty: Decimal
    at_ns: int
    real: bool
    filled: Decimal = Decimal(0)
    status: str = "new"

    @property
    def over(self) -> bool:
        return self.status in ("filled", "canceled", "expired", "rejected")

    def json(self) -> dict[str, str]:
        """Return it as a look-up tells it."""
        return {"id": self.venue_id, "client_order_id": self.client_id, "status": self.status, "filled_qty": str(abs(self.filled))}


@dataclass
class Execution:
    """One execution by the venue's ledger."""

    number: int
    order: Held
    qty: Decimal
    at_ns: int

    @property
    def fill_id(self) -> str:
        return f"x{self.number}"


@dataclass
class Venue:
    """The venue: ``mood`` is the share of the next order that fills at once, in tenths; each execution earns $1: cash is a moment."""

    mood: int = 0
    lag_ns: int = 0
    skew_ns: int = 0
    orders: dict[str, Held] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    said: list[bytes] = field(default_factory=list)

    # ------------------------------------------------------------------ requests

    def answer(self, request: Request, now_ns: int, *, refuse: bool) -> Reply:
        """Do what a request that has arrived asks for."""
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match request.method, parts.path:
            case "POST", "/v2/orders":
                return REFUSED if refuse else self._submit(request.body or b"", now_ns)
            case "DELETE", path:
                return self._cancel(unquote(path.rpartition("/")[2]), now_ns)
            case "GET", "/v2/orders:by_client_order_id":
                order = self.orders.get(query["client_order_id"])
                hidden = order is None or now_ns < order.at_ns + self.lag_ns
                return NOT_FOUND if order is None or hidden else Reply(200, msgspec.json.encode(order.json()))
            case "GET", "/v2/account/activities/FILL":
                return Reply(200, msgspec.json.encode(self._activities(query, now_ns)))
            case "GET", "/v2/positions":
                held = self.position
                side = "long" if held > 0 else "short"
                return Reply(200, msgspec.json.encode([{"symbol": SYMBOL, "qty": str(held), "side": side}] if held else []))
            case "GET", "/v2/account":
                return Reply(200, msgspec.json.encode({"cash": str(len(self.executions))}))
        raise AssertionError(request)

    def _submit(self, body: bytes, now_ns: int) -> Reply:
        asked = msgspec.json.decode(body)
        name = asked["client_order_id"]
        if name in self.orders:
            return DUPLICATE
        qty = Decimal(asked["qty"]) * (1 if asked["side"] == "buy" else -1)
        order = self.orders[name] = Held(name, f"v{len(self.orders)}", qty, now_ns, real=asked["type"] == "market")
        self._say("new", order, now_ns)
        early = order.json()
        if not order.real:  # at 0.01, good for now or never
            self.end(order, "canceled", now_ns)
        elif part := (abs(qty) * self.mood // 10).copy_sign(qty):
            self.fill(order, part, now_ns)
        return Reply(200, msgspec.json.encode(early if self.lag_ns else order.json()))

    def _cancel(self, venue_id: str, now_ns: int) -> Reply:
        order = next(order for order in self.orders.values() if order.venue_id == venue_id)
        if order.over:
            return OVER
        self.end(order, "canceled", now_ns)
        return Reply(204)

    def _activities(self, query: dict[str, str], now_ns: int) -> list[dict[str, str]]:
        after, token = parse_time(query["after"]), query.get("page_token", "")
        listed = [one for one in self.executions if one.at_ns + self.lag_ns <= now_ns and one.at_ns + self.skew_ns > after]
        rows = [
            {
                "id": f"{one.number:09}::{one.fill_id}",
                "order_id": one.order.venue_id,
                "symbol": SYMBOL,
                "side": "buy" if one.qty > 0 else "sell",
                "price": "50",
                "qty": str(abs(one.qty)),
                "transaction_time": text_time(one.at_ns + self.skew_ns),
            }
            for one in listed
        ]
        return [row for row in rows if row["id"] > token][: int(query["page_size"])]

    # --------------------------------------------------------------- what happens there

    @property
    def position(self) -> Decimal:
        return sum((one.qty for one in self.executions), Decimal(0))

    @property
    def alive(self) -> list[Held]:
        return [order for order in self.orders.values() if not order.over]

    def fill(self, order: Held, qty: Decimal, now_ns: int) -> None:
        """Execute a part of an order."""
        one = Execution(len(self.executions), order, qty, now_ns)
        self.executions.append(one)
        order.filled += qty
        order.status = "filled" if order.filled == order.qty else "partially_filled"
        self._say("fill" if order.over else "partial_fill", order, now_ns, one)

    def end(self, order: Held, status: str, now_ns: int) -> None:
        """Let no more of an order execute."""
        order.status = status
        self._say(status, order, now_ns)

    def _say(self, event: str, order: Held, now_ns: int, one: Execution | None = None) -> None:
        told: dict[str, object] = {"event": event, "timestamp": text_time(now_ns + self.skew_ns)}
        told["order"] = {
            "id": order.venue_id,
            "client_order_id": order.client_id,
            "symbol": SYMBOL,
            "side": "buy" if order.qty > 0 else "sell",
            "filled_qty": str(abs(order.filled)),
        }
        if one is not None:
            told |= {"execution_id": one.fill_id, "price": "50", "qty": str(abs(one.qty))}
        self.said.append(msgspec.json.encode({"stream": "trade_updates", "data": told}))


class Meter:
    """The venue's own count: so many tokens, and so many more in a second."""

    def __init__(self, capacity: int, per_s: Fraction) -> None:
        self._most, self._per_s = Fraction(capacity), per_s
        self._left, self._at_ns = self._most, 0

    def take(self, now_ns: int) -> bool:
        """Count a request; False if it was one too many."""
        self._left = min(self._most, self._left + self._per_s * (now_ns - self._at_ns) / NS) - 1
        self._at_ns = now_ns
        return self._left >= 0
