"""What to send to Alpaca."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, urlencode

import msgspec

from hedgekit.types import Order, Priority, Request
from hedgekit.venues.alpaca.wire import symbol, text_time

_PAGE = 100


def headers(key: str, secret: str) -> dict[str, str]:
    """Return the headers that sign a request (Alpaca: the keys themselves)."""
    return {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret, "Content-Type": "application/json"}


def submit(order: Order) -> Request:
    """Encode an order entry."""
    body: dict[str, str] = {
        "symbol": symbol(order.instrument),
        "qty": format(abs(order.qty), "f"),
        "side": "buy" if order.qty > 0 else "sell",
        "type": order.kind,
        "time_in_force": order.tif,
        "client_order_id": order.order_id,
    }
    if order.limit is not None:
        body["limit_price"] = format(order.limit, "f")
    return Request("POST", "/v2/orders", "submit", order.priority, msgspec.json.encode(body), order.order_id)


def void(order: Order) -> Request:
    """Encode an order that takes the id of one whose outcome is unknown, and cannot fill.

    One share to buy at the lowest price, now or never. Accepted, it proves that the venue never had the first one, and makes it
    refuse that one should it still be under way; refused as a duplicate, the first one is there. A purchase whichever side the
    first one has: a short sale far above the market would need buying power for its limit price.
    """
    body = {
        "symbol": symbol(order.instrument),
        "qty": "1",
        "side": "buy",
        "type": "limit",
        "time_in_force": "ioc",
        "limit_price": "0.01",
        "client_order_id": order.order_id,
    }
    return Request("POST", "/v2/orders", "void", Priority.CLOSE, msgspec.json.encode(body), order.order_id)


def fills(since_ns: int, page: str) -> Request:
    """Encode the question for the account's executions from a time on, oldest first; ``page`` is the token of the last answer."""
    query = {"after": text_time(since_ns), "direction": "asc", "page_size": str(_PAGE)} | ({"page_token": page} if page else {})
    return Request("GET", f"/v2/account/activities/FILL?{urlencode(query)}", "fills", Priority.QUERY)


def latest(symbols: Iterable[str]) -> Request:
    """Encode the question for the latest quotes, of the data host."""
    query = urlencode({"symbols": ",".join(symbols)})
    return Request("GET", f"/v2/stocks/quotes/latest?{query}", "quotes", Priority.QUERY)


def lookup(order: Order) -> Request:
    """Encode the look-up of an order by our own id."""
    path = f"/v2/orders:by_client_order_id?client_order_id={quote(order.order_id, safe='')}"
    return Request("GET", path, "lookup", Priority.QUERY, None, order.order_id)


def cancel(order: Order, venue_order_id: str) -> Request:
    """Encode a cancel; that it happened is told by the trade-updates stream."""
    return Request("DELETE", f"/v2/orders/{quote(venue_order_id, safe='')}", "cancel", Priority.CLOSE, None, order.order_id)


def holdings() -> tuple[Request, ...]:
    """Encode the questions for all positions and for cash."""
    return Request("GET", "/v2/positions", "positions", Priority.QUERY), Request("GET", "/v2/account", "account", Priority.QUERY)
