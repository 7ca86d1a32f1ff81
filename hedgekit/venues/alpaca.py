"""Alpaca (paper): what to send and what the answers mean.

Checked against the sandbox's strict server and the field lists of Alpaca's own
OpenAPI files; never yet run against Alpaca's servers.

**Idempotency (L2).** ``client_order_id`` is unique for an account: posting an
order again with the id of an earlier one is refused with 422, whatever became of
the first. So an order whose outcome is unknown is posted again with the same id,
and the refusal is answered by a look-up. "Not found" alone would prove nothing.

**No sequence numbers** on either socket: a gap cannot be seen, only a new
connection. The sandbox adds one field to fills, ``fee``; Alpaca's paper accounts
charge none, and a missing ``fee`` is read as zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import quote

import msgspec

from hedgekit.errors import VenueError
from hedgekit.types import Ack, Cancelled, Fill, Order, Priority, Quote, Reject, Reply, Request

NAME = "ALPACA"
REST = "https://paper-api.alpaca.markets"
STREAM = "wss://paper-api.alpaca.markets/stream"
DATA = "wss://stream.data.alpaca.markets/v2/iex"
ORDER_HOSTS = frozenset({"paper-api.alpaca.markets"})
"""Hosts that may get orders besides loopback (L8)."""

DATA_HOSTS = frozenset({"stream.data.alpaca.markets"})
"""Hosts that may be asked for prices besides loopback: they get the keys too (L9)."""

KEY_ENV = ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY")
"""Environment variables that hold the account's key and secret."""

DUPLICATE = "client_order_id must be unique"


# ------------------------------------------------------------------- requests


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


def lookup(order_id: str) -> Request:
    """Encode the look-up of an order by our own id."""
    return Request(
        "GET", f"/v2/orders:by_client_order_id?client_order_id={quote(order_id, safe='')}", "lookup", Priority.QUERY, None, order_id
    )


def cancel(order_id: str, venue_order_id: str) -> Request:
    """Encode a cancel; that it happened is told by the trade-updates stream."""
    return Request("DELETE", f"/v2/orders/{quote(venue_order_id, safe='')}", "cancel", Priority.CLOSE, None, order_id)


def account() -> Request:
    """Encode the question for cash."""
    return Request("GET", "/v2/account", "account", Priority.QUERY)


def positions() -> Request:
    """Encode the question for all positions."""
    return Request("GET", "/v2/positions", "positions", Priority.QUERY)


def symbol(key: str) -> str:
    """Return the venue's symbol of an instrument key."""
    return key.partition(":")[2]


# -------------------------------------------------------------------- replies


_Name = Annotated[str, msgspec.Meta(min_length=1)]  # an empty id in a path would address all orders
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


class _Order(msgspec.Struct):
    id: _Name
    client_order_id: str
    status: str


class _Error(msgspec.Struct):
    message: str
    code: int = 0


class _Position(msgspec.Struct):
    symbol: str
    qty: Decimal
    side: Literal["long", "short"]


class _Account(msgspec.Struct):
    cash: Decimal


def _decode(body: bytes, kind: Any, what: str) -> Any:  # noqa: ANN401 - the type is the argument
    try:
        return msgspec.json.decode(body, type=kind)
    except _UNREADABLE as error:
        msg = f"alpaca: {what} cannot be read ({error}): {body[:200]!r}"
        raise VenueError(msg) from error


def order_id_of(reply: Reply) -> str:
    """Return the venue's id from the answer to a submit or a look-up."""
    found: _Order = _decode(reply.body, _Order, "order")
    return found.id


def error_of(reply: Reply) -> tuple[str, str]:
    """Return (code, message) of a refusal; a body that is not Alpaca's is quoted."""
    try:
        error: _Error = _decode(reply.body, _Error, "error")
    except VenueError:
        return str(reply.status), f"HTTP {reply.status}: {reply.body[:200]!r}"
    return str(error.code), error.message


def over_already(reply: Reply) -> bool:
    """Whether a cancel came too late: the order is filled, cancelled or expired, and the stream says which."""
    return reply.status == 422  # noqa: PLR2004 - the venue's own status


def duplicate(reply: Reply) -> bool:
    """Whether a submit was refused because the venue already has that id."""
    return reply.status == 422 and DUPLICATE in error_of(reply)[1]  # noqa: PLR2004 - the venue's own status


def positions_of(reply: Reply) -> dict[str, Decimal]:
    """Return signed quantity by instrument key; the side decides the sign, whether or not ``qty`` has one."""
    found: list[_Position] = _decode(reply.body, list[_Position], "positions")
    return {
        f"{NAME}:{position.symbol}": _finite(position.qty, "positions").copy_sign(1 if position.side == "long" else -1)
        for position in found
    }


def cash_of(reply: Reply) -> Decimal:
    """Return the account's cash."""
    found: _Account = _decode(reply.body, _Account, "account")
    return _finite(found.cash, "account")


def _finite(number: Decimal, what: str) -> Decimal:
    if not number.is_finite():
        msg = f"alpaca: {what} holds {number}, which is no amount"
        raise VenueError(msg)
    return number


# ------------------------------------------------------------ market-data socket


def data_login(key: str, secret: str, keys: list[str]) -> Iterator[tuple[bytes | None, str]]:
    """Yield (message to send or None, text that the answer must hold), in turn."""
    yield None, '"connected"'
    yield msgspec.json.encode({"action": "auth", "key": key, "secret": secret}), '"authenticated"'
    yield msgspec.json.encode({"action": "subscribe", "quotes": [symbol(k) for k in keys]}), '"subscription"'


class _Message(msgspec.Struct):
    T: str
    S: str = ""
    bp: float | None = None
    bs: float | None = None
    ap: float | None = None
    as_: float | None = msgspec.field(default=None, name="as")
    t: str = ""
    code: int = 0
    msg: str = ""


_MESSAGES = msgspec.json.Decoder(list[_Message])


def quotes_of(frame: bytes | str, ts_ns: int) -> list[Quote]:
    """Parse a market-data frame; every message in it must be a quote.

    Raises
    ------
    VenueError
        If the frame is an error of the venue's, or not understood: nothing is dropped.
    """
    try:
        messages = _MESSAGES.decode(frame)
    except _UNREADABLE as error:
        msg = f"alpaca: market data cannot be read ({error}): {frame[:200]!r}"
        raise VenueError(msg) from error
    return [_quote(message, ts_ns) for message in messages]


def _quote(message: _Message, ts_ns: int) -> Quote:
    if message.T == "error":
        msg = f"alpaca: market data error {message.code}: {message.msg}"
        raise VenueError(msg, code=message.code)
    if message.T != "q":
        msg = f"alpaca: market data message of type {message.T!r} is not understood"
        raise VenueError(msg)
    bid, ask, bid_size, ask_size = message.bp, message.ap, message.bs, message.as_
    if not message.S or bid is None or ask is None or bid_size is None or ask_size is None:
        msg = f"alpaca: a quote of {message.S or 'nothing'!r} came without S, bp, bs, ap or as"
        raise VenueError(msg)
    return Quote(
        ts_ns=ts_ns,
        instrument=f"{NAME}:{message.S}",
        venue_ns=parse_time(message.t),
        bid=bid,
        ask=ask,
        bid_size=bid_size,
        ask_size=ask_size,
    )


_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)


def parse_time(text: str) -> int:
    """Return nanoseconds UTC of an RFC 3339 time, all nine digits kept."""
    msg = f"alpaca: {text[:60]!r} is not an RFC 3339 time with at most nine digits of a second"
    found = _TIME.fullmatch(text)
    if found is None:
        raise VenueError(msg)
    head, fraction, zone = found.groups()
    try:
        seconds = int(datetime.fromisoformat(head + zone.replace("Z", "+00:00")).timestamp())
    except (ValueError, OverflowError):
        raise VenueError(msg) from None
    return seconds * 1_000_000_000 + int((fraction or "").ljust(9, "0"))


# ----------------------------------------------------------- trade-updates socket


def stream_login(key: str, secret: str) -> Iterator[tuple[bytes | None, str]]:
    """Yield (message to send or None, text that the answer must hold), in turn."""
    yield msgspec.json.encode({"action": "authenticate", "data": {"key_id": key, "secret_key": secret}}), '"authorized"'
    yield msgspec.json.encode({"action": "listen", "data": {"streams": ["trade_updates"]}}), '"trade_updates"'


class _StreamOrder(msgspec.Struct):
    id: _Name
    client_order_id: str
    symbol: str
    side: Literal["buy", "sell"]


class _Update(msgspec.Struct):
    event: str
    order: _StreamOrder
    timestamp: str = ""
    execution_id: str = ""
    price: Decimal | None = None
    qty: Decimal | None = None
    fee: Decimal = Decimal(0)


class _Frame(msgspec.Struct):
    stream: Literal["trade_updates"]
    data: _Update


_FRAMES = msgspec.json.Decoder(_Frame)
_OVER = frozenset({"canceled", "expired", "replaced"})
_NO_NEWS = frozenset(
    {
        "pending_new",
        "pending_cancel",
        "pending_replace",
        "stopped",
        "calculated",
        "suspended",
        "done_for_day",  # a gtc order goes on the next day
        "order_cancel_rejected",
        "order_replace_rejected",
    }
)


def update_of(frame: bytes | str, ts_ns: int) -> Ack | Fill | Cancelled | Reject | None:
    """Parse a trade update; None for those that change nothing yet (pending states).

    Raises
    ------
    VenueError
        If the frame is not understood: nothing is dropped.
    """
    try:
        update = _FRAMES.decode(frame).data
    except _UNREADABLE as error:
        msg = f"alpaca: trade update cannot be read ({error}): {frame[:200]!r}"
        raise VenueError(msg) from error
    name = update.order.client_order_id
    if update.event in ("new", "accepted"):
        return Ack(ts_ns=ts_ns, order_id=name, venue_order_id=update.order.id)
    if update.event in ("fill", "partial_fill"):
        return _fill(update, ts_ns)
    if update.event in _OVER:
        return Cancelled(ts_ns=ts_ns, order_id=name)
    if update.event == "rejected":
        return Reject(ts_ns=ts_ns, order_id=name, code="rejected", message="rejected after acceptance")
    if update.event in _NO_NEWS:
        return None
    msg = f"alpaca: trade update {update.event!r} is not understood"
    raise VenueError(msg)


def _fill(update: _Update, ts_ns: int) -> Fill:
    if update.price is None or update.qty is None or not update.execution_id:
        msg = f"alpaca: a fill of {update.order.client_order_id!r} came without price, qty or execution_id"
        raise VenueError(msg)
    price, qty, fee = update.price, update.qty, update.fee
    if not (price.is_finite() and price > 0 and qty.is_finite() and qty > 0 and fee.is_finite()):
        msg = f"alpaca: a fill of {update.order.client_order_id!r} says price {price}, qty {qty}, fee {fee}: not amounts"
        raise VenueError(msg)
    return Fill(
        ts_ns=ts_ns,
        order_id=update.order.client_order_id,
        fill_id=update.execution_id,
        instrument=f"{NAME}:{update.order.symbol}",
        venue_ns=parse_time(update.timestamp),
        qty=qty if update.order.side == "buy" else -qty,
        price=price,
        fee=fee,
    )
