"""The messages of Kalshi's sockets, by their ``type``, and the one decoder that reads them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from typing import Literal

import msgspec

from hedgekit.errors import VenueError
from hedgekit.venues.kalshi.ladder import Band
from hedgekit.venues.kalshi.wire import ONE, Count, Direction, Dollars, Outcome, unread
from hedgekit.venues.reading import UNREADABLE, Name


class _Message(msgspec.Struct, tag_field="type", kw_only=True):
    """What every message may have: its subscription, its number there (where they are numbered), when it was sent (ms)."""

    sid: int | None = None
    seq: int | None = None
    sending_ts_ms: int = 0


class _DeltaMsg(msgspec.Struct, gc=False):
    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: Outcome
    ts_ms: int = 0


class Delta(msgspec.Struct, tag_field="type", tag="orderbook_delta", gc=False):
    """A level's size has changed by so much."""

    sid: int
    seq: int
    msg: _DeltaMsg
    sending_ts_ms: int = 0


class _SnapshotMsg(msgspec.Struct):
    market_ticker: str
    yes_dollars_fp: list[tuple[str, str]] = []
    no_dollars_fp: list[tuple[str, str]] = []


class Snapshot(msgspec.Struct, tag_field="type", tag="orderbook_snapshot"):
    """All levels of a market. A side that is not there has none."""

    sid: int
    seq: int
    msg: _SnapshotMsg
    sending_ts_ms: int = 0


class Range(msgspec.Struct):
    """Prices from ``start`` to ``end`` in steps, as the venue writes them."""

    start: Dollars
    end: Dollars
    step: Dollars


class _LifecycleMsg(msgspec.Struct):
    event_type: str
    market_ticker: Name
    result: str = ""
    settlement_value: Dollars | None = None
    determination_ts: int = 0
    settled_ts: int = 0
    price_ranges: list[Range] = []


class Lifecycle(_Message, tag="market_lifecycle_v2", kw_only=True):
    """Something has happened to a market, of all the exchange's."""

    msg: _LifecycleMsg


class EventCreated(_Message, tag="event_lifecycle", kw_only=True):
    """There is a new event: nothing for us."""


class FeeUpdate(_Message, tag="event_fee_update", kw_only=True):
    """An event has fees of its own, or has them no more: what was charged is told with each fill."""


class _OrderMsg(msgspec.Struct):
    order_id: Name
    client_order_id: str
    ticker: Name
    status: Literal["resting", "canceled", "executed", "unknown"]
    fill_count_fp: Count


class OrderUpdate(_Message, tag="user_order", kw_only=True):
    """What has become of an order of the account's."""

    msg: _OrderMsg


class _FillMsg(msgspec.Struct):
    trade_id: Name
    order_id: Name
    market_ticker: Name
    yes_price_dollars: Dollars
    count_fp: Count
    fee_cost: Dollars
    outcome_side: Outcome
    book_side: Direction
    ts_ms: int
    client_order_id: str = ""


class Filled(_Message, tag="fill", kw_only=True):
    """An execution of the account's."""

    msg: _FillMsg


class _SubscribedMsg(msgspec.Struct):
    channel: str
    sid: int


class Subscribed(_Message, tag="subscribed", kw_only=True):
    """A subscription has begun."""

    msg: _SubscribedMsg


class Unsubscribed(_Message, tag="unsubscribed", kw_only=True):
    """A subscription has ended."""


class Done(_Message, tag="ok", kw_only=True):
    """A command was carried out."""


class _ProblemMsg(msgspec.Struct):
    code: int
    msg: str


class Problem(_Message, tag="error", kw_only=True):
    """A command failed, or a subscription did."""

    msg: _ProblemMsg


Message = Delta | Snapshot | Lifecycle | EventCreated | FeeUpdate | OrderUpdate | Filled | Subscribed | Unsubscribed | Done | Problem

_DECODER = msgspec.json.Decoder(Message)

STATUSES: dict[str, Literal["open", "paused"]] = {"activated": "open", "deactivated": "paused"}
"""Lifecycle events that say whether a market can be traded; "deactivated" is the pause of an open market."""

NO_NEWS = frozenset({"created", "close_date_updated", "metadata_updated"})
"""Lifecycle events after which a market trades as before."""

_PAYOUTS = {"yes": ONE, "no": Decimal(0)}


def read(frame: bytes | str) -> Message:
    """Read a frame; VenueError with the words that cannot be read, or whose type nobody knows."""
    try:
        message: Message = _DECODER.decode(frame)
    except UNREADABLE as error:
        raise unread(frame, "a message", error) from error
    return message


def pays(news: _LifecycleMsg) -> Decimal | None:
    """Return what a YES contract pays by a market's end; None if it was not said (it is said at the determination)."""
    value = _PAYOUTS.get(news.result) if news.settlement_value is None else Decimal(news.settlement_value)
    if value is not None and not 0 <= value <= ONE:
        msg = f"kalshi: {news.market_ticker[:60]!r} settles at {value}, which is not between 0 and 1"
        raise VenueError(msg)
    return value


def bands(ranges: Iterable[Range]) -> tuple[Band, ...]:
    """Return a ladder of prices; VenueError if it is none."""
    found = tuple(Band(Decimal(one.start), Decimal(one.end), Decimal(one.step)) for one in ranges)
    follows = all(one.end == following.start for one, following in pairwise(found))
    if not found or not follows or any(one.step <= 0 or one.end <= one.start for one in found):
        msg = f"kalshi: price ranges {[tuple(map(str, band)) for band in found[:4]]} are no ladder"
        raise VenueError(msg)
    return found
