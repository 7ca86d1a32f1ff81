"""What to send to Kalshi."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from urllib.parse import quote, urlencode

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.types import NS, Instrument, Order, Priority, Request
from hedgekit.venues.kalshi.wire import ONE, ROOT, fixed, ticker_of

_ORDERS = f"{ROOT}/portfolio/events/orders"
_PAGE = 1000
_SKEW_S = 60
RESTS_S = 300
"""Seconds for which an order may rest, counted from its decision: the dead man's switch."""

_TIFS = {"gtc": "good_till_canceled", "ioc": "immediate_or_cancel", "fok": "fill_or_kill"}
_HALF = Decimal("0.5")


def submit(order: Order, instrument: Instrument) -> Request:
    """Encode an order entry.

    There are no market orders: one that is not limited becomes an immediate-or-cancel order at the last price of the ladder.

    Raises
    ------
    ConfigError
        If quantity or limit cannot be said at Kalshi, or the time in force is unknown there.
    """
    price = _far_end(buys=order.qty > 0, tick=instrument.tick) if order.limit is None else order.limit
    tif = "ioc" if order.tif == "gtc" and (order.kind == "market" or order.limit is None) else order.tif
    if tif not in _TIFS:
        msg = f"order {order.order_id}: time in force {tif!r} is unknown at Kalshi; use one of {', '.join(_TIFS)}"
        raise ConfigError(msg)
    if not (price.is_finite() and 0 < price < ONE):
        msg = f"order {order.order_id}: price {price} of a contract that pays 1 must be between 0 and 1"
        raise ConfigError(msg)
    body = _entry(order, order.qty, price, tif)
    return Request("POST", _ORDERS, "submit", order.priority, body, order.order_id)


def void(order: Order, instrument: Instrument) -> Request:
    """Encode an order that takes the id of one whose outcome is unknown, and cannot fill.

    One lot, now or never, at the price that is farthest from where the market was at the decision: a purchase at the lowest or a sale
    at the highest. Accepted, it proves that the venue never had the first one, and makes it refuse that one should it still be
    under way; refused as a duplicate, the first one is there. It costs a tick's collateral.
    """
    buys = order.expected >= _HALF
    qty = instrument.lot if buys else -instrument.lot
    body = _entry(order, qty, _far_end(buys=not buys, tick=instrument.tick), "ioc")
    return Request("POST", _ORDERS, "void", Priority.CLOSE, body, order.order_id)


def _far_end(*, buys: bool, tick: Decimal) -> Decimal:
    """Return the last price of the ladder at which somebody may sell (or buy, if we sell)."""
    return ONE - tick if buys else tick


def _entry(order: Order, qty: Decimal, price: Decimal, tif: str) -> bytes:
    body: dict[str, str | int | bool] = {
        "ticker": ticker_of(order.instrument),
        "client_order_id": order.order_id,
        "side": "bid" if qty > 0 else "ask",
        "count": fixed(abs(qty), 2, 2, "quantity"),
        "price": fixed(price, 4, 4, "price"),
        "time_in_force": _TIFS[tif],
        "self_trade_prevention_type": "taker_at_cross",
    }
    if tif == "gtc":
        body |= {"expiration_time": order.ts_ns // NS + RESTS_S, "cancel_order_on_pause": True}
    return msgspec.json.encode(body)


def cancel(order: Order, venue_order_id: str) -> Request:
    """Encode a cancel; that it happened is told by the account's feed. The ticker finds the shard that has the order."""
    query = urlencode({"market_ticker": ticker_of(order.instrument)})
    path = f"{_ORDERS}/{quote(venue_order_id, safe='')}?{query}"
    return Request("DELETE", path, "cancel", Priority.CLOSE, None, order.order_id)


def lookup(order: Order) -> Request:
    """Encode the look-up of an order: the orders of its market since it was decided, less what clocks may differ by."""
    query = {"ticker": ticker_of(order.instrument), "min_ts": str(order.ts_ns // NS - _SKEW_S), "limit": str(_PAGE)}
    return _question(f"/portfolio/orders?{urlencode(query)}", "lookup", order.order_id)


def fills(since_ns: int, page: str) -> Request:
    """Encode the question for the account's executions from a time on; ``page`` is the cursor of the last answer."""
    query = {"min_ts": str(max(since_ns // NS - 1, 0)), "limit": str(_PAGE)} | ({"cursor": page} if page else {})
    return _question(f"/portfolio/fills?{urlencode(query)}", "fills")


def holdings() -> tuple[Request, ...]:
    """Encode the questions for all positions and for the balance."""
    positions = f"/portfolio/positions?{urlencode({'count_filter': 'position', 'limit': str(_PAGE)})}"
    return _question(positions, "positions"), _question("/portfolio/balance", "account")


def settlements(since_ns: int, page: str) -> Request:
    """Encode the question for the account's settlements from a time on, for who has not heard them told."""
    query = {"min_ts": str(max(since_ns // NS - 1, 0)), "limit": str(_PAGE)} | ({"cursor": page} if page else {})
    return _question(f"/portfolio/settlements?{urlencode(query)}", "booked")


def markets(tickers: Iterable[str], page: str = "") -> Request:
    """Encode the question for markets: status, ticks and how they settled."""
    query = {"tickers": ",".join(tickers), "limit": str(_PAGE)} | ({"cursor": page} if page else {})
    return _question(f"/markets?{urlencode(query)}", "markets")


def statuses(tickers: Iterable[str]) -> Request:
    """Encode the question whether markets can be traded: all of them on one page."""
    return _question(f"/markets?{urlencode({'tickers': ','.join(tickers), 'limit': str(_PAGE)})}", "status")


def keys() -> Request:
    """Encode the question what the account's keys may do."""
    return _question("/api_keys", "keys")


def latest() -> Request:
    """Encode the question whether the exchange trades: a sign of life, since Kalshi tells no time of its latest quotes."""
    return _question("/exchange/status", "quotes")


def _question(path: str, purpose: str, order_id: str | None = None) -> Request:
    return Request("GET", ROOT + path, purpose, Priority.QUERY, None, order_id)
