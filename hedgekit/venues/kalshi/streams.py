"""Kalshi's two sockets: books and lifecycles of the markets, orders and fills of the account.

The handshake is signed; pings are the protocol's own frames, which the transport answers.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from hedgekit.errors import VenueError
from hedgekit.types import Ack, Cancelled, Fill, Gap, Login, MarketEvent, MarketStatus, Quote, Settled, TickChanged, Update
from hedgekit.venues.kalshi import messages
from hedgekit.venues.kalshi.book import PRICE_UNITS, SIZE_UNITS, Book, Top
from hedgekit.venues.kalshi.ladder import coarsest
from hedgekit.venues.kalshi.messages import (
    Delta,
    EventCreated,
    FeeUpdate,
    Filled,
    Lifecycle,
    OrderUpdate,
    Problem,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from hedgekit.venues.kalshi.wire import counted, key_of, ms_to_ns, signed_count, yes_price

TERMINAL = frozenset({10, 25})
"""Errors after which a subscription tells nothing any more: channel error, buffer overflow."""


class _Feed:
    """A socket of Kalshi's: one subscription for each channel."""

    beat = None

    def __init__(self, headers: Mapping[str, str], tickers: Sequence[str]) -> None:
        self.headers, self._tickers = dict(headers), tuple(tickers)
        self._kept: list[bytes | str] = []
        self._sids: dict[str, int] = {}

    def to_say(self) -> list[bytes]:
        """Return nothing: pings are answered by the transport."""
        return []

    def _subscribe(self, channel: str, **params: object) -> Generator[tuple[bytes | None, bool], bytes | str, None]:
        """Subscribe and wait until the venue has done so; keep what else it says meanwhile."""
        command = {"id": len(self._sids) + 1, "cmd": "subscribe", "params": {"channels": [channel], **params}}
        frame = yield msgspec.json.encode(command), True
        while not isinstance(message := messages.read(frame), Subscribed) or message.msg.channel != channel:
            if isinstance(message, Problem):
                msg = f"kalshi refused the subscription to {channel} ({message.msg.code}): {message.msg.msg[:200]!r}"
                raise VenueError(msg, code=message.msg.code)
            self._kept.append(frame)
            frame = yield None, True
        self._sids[channel] = message.msg.sid

    def _unkept(self, frame: bytes | str) -> list[bytes | str]:
        kept, self._kept = self._kept, []
        return [*kept, frame]


class MarketFeed(_Feed):
    """The books of some markets, and whether they can be traded."""

    def __init__(self, headers: Mapping[str, str], tickers: Sequence[str]) -> None:
        super().__init__(headers, tickers)
        self._books: dict[str, Book] = {}
        self._last: dict[int | None, tuple[int, bytes | str]] = {}
        self._keys = {ticker: key_of(ticker) for ticker in tickers}
        self._payouts: dict[str, Decimal | None] = {}
        self._heard_ns = 0
        self._book_sid = 0
        self.broken = False

    def login(self) -> Login:
        """Subscribe: to lifecycles first, so that no snapshot comes while the login waits."""
        yield from self._subscribe("market_lifecycle_v2")
        yield from self._subscribe("orderbook_delta", market_tickers=list(self._tickers), use_yes_price=True)
        self._book_sid = self._sids["orderbook_delta"]

    def take(self, frame: bytes | str, ts_ns: int) -> list[MarketEvent]:
        """Return what a frame tells; once the sequence is broken a Gap, and nothing ever after.

        Raises
        ------
        VenueError
            If it cannot be read, is of a subscription or market that was not asked for, or is an error of the venue's.
        """
        if self._kept:
            return [event for one in self._unkept(frame) for event in self.take(one, ts_ns)]
        if self.broken:
            return []
        message = messages.read(frame)
        sid, seq = message.sid, message.seq
        last = self._last.get(sid)
        if last is not None and seq is not None and seq != last[0] + 1:
            return [] if last == (seq, frame) else self._gap(ts_ns)
        events = self._moved(message, ts_ns) if type(message) is Delta else self._noted(message, ts_ns)
        if sid is not None and seq is not None:  # only now: what could not be read is missing, and the next number says so
            self._last[sid] = seq, frame
        self._heard_ns = ts_ns
        return events

    def _gap(self, ts_ns: int) -> list[MarketEvent]:
        self.broken = True
        return [Gap(ts_ns=ts_ns, since_ns=self._heard_ns or ts_ns)]

    # -------------------------------------------------------------------- books

    def _moved(self, message: Delta, ts_ns: int) -> list[MarketEvent]:
        delta = message.msg
        ticker = delta.market_ticker
        book = self._books.get(ticker)
        if book is None or message.sid != self._book_sid:
            self._asked(ticker, message.sid)
            return self._gap(ts_ns)
        old = book.top
        try:
            whole = book.change(delta.side == "yes", delta.price_dollars, delta.delta_fp)
        except ValueError as error:
            raise _unread(ticker, error) from None
        if not whole:
            return self._gap(ts_ns)
        return [] if book.top == old else [self._quote(ticker, book.top, delta.ts_ms or message.sending_ts_ms, ts_ns)]

    def _begun(self, message: Snapshot, ts_ns: int) -> list[MarketEvent]:
        ticker = message.msg.market_ticker
        self._asked(ticker, message.sid)
        old = self._books.get(ticker)
        try:
            book = self._books[ticker] = Book(message.msg.yes_dollars_fp, message.msg.no_dollars_fp)
        except ValueError as error:
            raise _unread(ticker, error) from None
        return [] if old is not None and old.top == book.top else [self._quote(ticker, book.top, message.sending_ts_ms, ts_ns)]

    def _asked(self, ticker: str, sid: int) -> None:
        """Raise a VenueError for a book that was not asked for."""
        if sid != self._book_sid or ticker not in self._keys:
            msg = f"kalshi: a book of {ticker[:60]!r} in subscription {sid}, which was not asked for"
            raise VenueError(msg)

    def _quote(self, ticker: str, top: Top, ms: int, ts_ns: int) -> Quote:
        return Quote(
            ts_ns=ts_ns,
            instrument=self._keys[ticker],
            venue_ns=ms_to_ns(ms, "a book") if ms else ts_ns,
            bid=top[0] / PRICE_UNITS,
            ask=top[2] / PRICE_UNITS,
            bid_size=top[1] / SIZE_UNITS,
            ask_size=top[3] / SIZE_UNITS,
        )

    # --------------------------------------------------------------- lifecycles

    def _noted(self, message: messages.Message, ts_ns: int) -> list[MarketEvent]:
        if isinstance(message, Snapshot):
            return self._begun(message, ts_ns)
        if isinstance(message, Lifecycle):
            return self._lived(message, ts_ns) if message.msg.market_ticker in self._keys else []
        if isinstance(message, Unsubscribed) or (isinstance(message, Problem) and message.msg.code in TERMINAL):
            return self._gap(ts_ns)
        return _quiet(message)

    def _lived(self, message: Lifecycle, ts_ns: int) -> list[MarketEvent]:
        news = message.msg
        key = self._keys[news.market_ticker]
        if news.event_type in messages.STATUSES:
            return [MarketStatus(ts_ns=ts_ns, instrument=key, status=messages.STATUSES[news.event_type])]
        if news.event_type in ("determined", "settled"):
            seconds = news.settled_ts if news.event_type == "settled" else news.determination_ts
            at_ns = ms_to_ns(seconds * 1000, "a settlement") if seconds else ts_ns
            closed = MarketStatus(ts_ns=ts_ns, instrument=key, status="closed")
            payout = self._payouts[key] = self._payouts.get(key) if (said := messages.pays(news)) is None else said
            return [closed, Settled(ts_ns, key, at_ns, payout, news.event_type == "settled")]
        if news.event_type == "price_level_structure_updated":
            tick = coarsest(messages.bands(news.price_ranges))
            return [TickChanged(ts_ns=ts_ns, instrument=key, venue_ns=message.sending_ts_ms * 1_000_000 or ts_ns, tick=tick)]
        if news.event_type in messages.NO_NEWS:
            return []
        msg = f"kalshi: lifecycle event {news.event_type[:60]!r} of {news.market_ticker} is not understood"
        raise VenueError(msg)


def _unread(ticker: str, error: ValueError) -> VenueError:
    return VenueError(f"kalshi: a book of {ticker} cannot be read: {error}")


def _quiet(message: messages.Message) -> list[Any]:
    """Return nothing for what tells nothing; VenueError for the rest."""
    if isinstance(message, EventCreated | FeeUpdate | Subscribed | messages.Done):
        return []
    if isinstance(message, Problem):
        msg = f"kalshi: error {message.msg.code} of the stream: {message.msg.msg[:200]!r}"
        raise VenueError(msg, code=message.msg.code)
    msg = f"kalshi: a message of type {type(message).__struct_config__.tag!r} was not asked for"
    raise VenueError(msg)


class AccountFeed(_Feed):
    """Orders and fills. They have no sequence numbers: what was missed is asked for by REST."""

    def __init__(self, headers: Mapping[str, str], tickers: Sequence[str]) -> None:
        super().__init__(headers, tickers)
        self._names: dict[str, str] = {}

    def login(self) -> Login:
        """Subscribe to what becomes of our orders in our markets."""
        filters: dict[str, object] = {"market_tickers": list(self._tickers)} if self._tickers else {}
        yield from self._subscribe("user_orders", **filters)
        yield from self._subscribe("fill", **filters)

    def take(self, frame: bytes | str, ts_ns: int) -> list[Update]:
        """Return what a frame tells.

        Raises
        ------
        VenueError
            If it cannot be read, has no name of an order, or the venue has ended a subscription.
        """
        return [update for one in self._unkept(frame) for update in self._told(messages.read(one), one, ts_ns)]

    def _told(self, message: messages.Message, frame: bytes | str, ts_ns: int) -> list[Update]:
        if isinstance(message, OrderUpdate):
            return self._order(message, ts_ns)
        if isinstance(message, Filled):
            return [Update(self._fill(message, frame, ts_ns))]
        return _quiet(message)

    def _order(self, message: OrderUpdate, ts_ns: int) -> list[Update]:
        """Tell of an order: resting or executed, it is there; cancelled (whyever), it is over, and keeps its fills; unknown, nothing."""
        order = message.msg
        name, filled = order.client_order_id, counted(order.fill_count_fp, "an order update")
        self._names[order.order_id] = name
        if order.status == "canceled":
            return [Update(Cancelled(ts_ns=ts_ns, order_id=name), filled)]
        known = order.status != "unknown"
        return [Update(Ack(ts_ns=ts_ns, order_id=name, venue_order_id=order.order_id), filled)] if known else []

    def _fill(self, message: Filled, frame: bytes | str, ts_ns: int) -> Fill:
        fill = message.msg
        name = fill.client_order_id or self._names.get(fill.order_id, "")
        if not name:
            msg = f"kalshi: a fill of an order without client_order_id, so of none of ours: {frame[:200]!a}"
            raise VenueError(msg)
        what = f"fill {fill.trade_id[:40]!r}"
        return Fill(
            ts_ns=ts_ns,
            order_id=name,
            fill_id=fill.trade_id,
            instrument=key_of(fill.market_ticker),
            venue_ns=ms_to_ns(fill.ts_ms, what),
            qty=signed_count(fill.count_fp, fill.book_side, fill.outcome_side, what),
            price=yes_price(fill.yes_price_dollars, what),
            fee=Decimal(fill.fee_cost),
        )
