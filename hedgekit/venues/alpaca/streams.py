"""Alpaca's two sockets: market data and trade updates."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from hedgekit.errors import VenueError
from hedgekit.types import Ack, Cancelled, Fill, Login, MarketEvent, MarketStatus, Quote, Reject, Update
from hedgekit.venues.alpaca.wire import NAME, parse_time, unread
from hedgekit.venues.reading import UNREADABLE, Name


class _Feed:
    """A socket of Alpaca's: keys in messages, nothing in the handshake, pings by the protocol's own frames."""

    beat = None

    def __init__(self, keys: tuple[str, str], symbols: list[str]) -> None:
        self._keys, self._symbols = keys, symbols
        self.headers: dict[str, str] = {}
        self._early: list[bytes | str] = []

    def _frames(self, frame: bytes | str) -> list[bytes | str]:
        """Return what came before the login was over, once, and a frame."""
        frames, self._early = [*self._early, frame], []
        return frames

    def to_say(self) -> list[bytes]:
        """Return nothing: Alpaca asks nothing."""
        return []


class MarketFeed(_Feed):
    """Quotes and trading statuses."""

    def login(self) -> Login:
        """Log in and subscribe."""
        key, secret = self._keys
        kept = ('"T":"q"', '"T":"s"'), self._early
        yield from _said(None, '"connected"', *kept)
        yield from _said({"action": "auth", "key": key, "secret": secret}, '"authenticated"', *kept)
        yield from _said({"action": "subscribe", "quotes": self._symbols, "statuses": self._symbols}, '"subscription"', *kept)

    def take(self, frame: bytes | str, ts_ns: int) -> list[MarketEvent]:
        """Return what a frame tells: :func:`market_of`."""
        return [event for one in self._frames(frame) for event in market_of(one, ts_ns)]


class AccountFeed(_Feed):
    """Trade updates."""

    def login(self) -> Login:
        """Log in and listen."""
        key, secret = self._keys
        kept = ('"execution_id"', '"event"'), self._early
        yield from _said({"action": "authenticate", "data": {"key_id": key, "secret_key": secret}}, '"authorized"', *kept)
        yield from _said({"action": "listen", "data": {"streams": ["trade_updates"]}}, '"listening"', *kept)

    def take(self, frame: bytes | str, ts_ns: int) -> list[Update]:
        """Return what a frame tells: :func:`update_of`."""
        updates = [update_of(one, ts_ns) for one in self._frames(frame)]
        return [update for update in updates if update is not None]


def _said(message: object, expected: str, data: tuple[str, ...], early: list[bytes | str]) -> Login:
    """Say something and wait for the answer; keep what the feed says meanwhile (it is still subscribed); VenueError for a refusal."""
    answer = yield None if message is None else msgspec.json.encode(message), True
    while expected not in (text := answer if isinstance(answer, str) else answer.decode()):
        if not any(sign in text for sign in data):
            msg = f"alpaca refused the login: {text[:200]}"
            raise VenueError(msg)
        early.append(answer)
        answer = yield None, True


class _Message(msgspec.Struct):
    T: str
    S: str = ""
    bp: float | None = None
    bs: float | None = None
    ap: float | None = None
    as_: float | None = msgspec.field(default=None, name="as")
    t: str = ""
    sc: str = ""
    sm: str = ""
    code: int = 0
    msg: str = ""


_MESSAGES = msgspec.json.Decoder(list[_Message])


_STATUSES: dict[str, Literal["open", "halted", "paused"]] = {
    **dict.fromkeys(("3", "T"), "open"),  # resume (CTA); trading resumption (UTP)
    **dict.fromkeys(("2", "H"), "halted"),  # trading halt
    **dict.fromkeys(("P", "Q"), "paused"),  # volatility trading pause; quotes again, and no trades yet (UTP)
}
_INDICATIONS = frozenset("56789ACDEF")
"""Tape A and B: price and range indications, imbalances, short-sale restriction, price bands; none stops or resumes trading."""


def market_of(frame: bytes | str, ts_ns: int) -> list[MarketEvent]:
    """Parse a market-data frame: quotes, and whether an instrument can be traded.

    Raises
    ------
    VenueError
        If the frame is an error of the venue's, or not understood: nothing is dropped but what tells of no halt and no resumption.
    """
    try:
        messages = _MESSAGES.decode(frame)
    except UNREADABLE as error:
        raise unread(frame, "market data", error) from error
    events = (_status(message, ts_ns) if message.T == "s" else _quote(message, ts_ns) for message in messages)
    return [event for event in events if event is not None]


def _status(message: _Message, ts_ns: int) -> MarketStatus | None:
    if message.sc in _INDICATIONS:
        return None
    if message.sc not in _STATUSES or not message.S:
        msg = f"alpaca: trading status {message.sc!r} ({message.sm[:60]}) of {message.S or 'nothing'!r} is not understood"
        raise VenueError(msg)
    return MarketStatus(ts_ns=ts_ns, instrument=f"{NAME}:{message.S}", status=_STATUSES[message.sc])


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


class _StreamOrder(msgspec.Struct):
    id: Name
    client_order_id: str
    symbol: str
    side: Literal["buy", "sell"]
    filled_qty: Decimal | None = None


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


def update_of(frame: bytes | str, ts_ns: int) -> Update | None:
    """Parse a trade update; None for those that change nothing yet (pending states).

    Raises
    ------
    VenueError
        If the frame is not understood: nothing is dropped.
    """
    try:
        update = _FRAMES.decode(frame).data
    except UNREADABLE as error:
        raise unread(frame, "trade update", error) from error
    event = _event(update, ts_ns)
    return None if event is None else Update(event, update.order.filled_qty)


def _event(update: _Update, ts_ns: int) -> Ack | Fill | Cancelled | Reject | None:
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
