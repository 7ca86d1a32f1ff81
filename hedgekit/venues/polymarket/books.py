"""The market socket: books, their tops, and what happens to a market.

There are no sequence numbers. Every change carries the best prices that the venue sees after it, and the book kept here must come to
the same; times must not go back. Otherwise something was missed, and the feed tells one Gap and nothing more.
"""

from __future__ import annotations

from decimal import Decimal
from math import inf
from typing import Annotated, Literal

import msgspec

from hedgekit.errors import VenueError
from hedgekit.types import Gap, Login, MarketEvent, MarketStatus, Quote, Settled, TickChanged
from hedgekit.venues.polymarket.tokens import Listed, Listing
from hedgekit.venues.polymarket.wire import MS, PING, PONG, in_force, unread
from hedgekit.venues.reading import UNREADABLE

_EMPTY = (0.0, 1.0)
_AGAIN = 1_000
"""So many milliseconds after a top was told it is told again, if the venue has spoken of the book since: it is as fresh as that."""

_NOT_TOLD = (None, "")


_Millis = Annotated[int, msgspec.Meta(ge=0, lt=10**13)]
_Told = list[MarketEvent]


class _Level(msgspec.Struct, gc=False):
    price: float
    size: float


class _Book(msgspec.Struct, tag_field="event_type", tag="book"):
    asset_id: str
    timestamp: _Millis
    bids: list[_Level]
    asks: list[_Level]


class _Change(msgspec.Struct, gc=False):
    asset_id: str
    price: float
    size: float
    side: Literal["BUY", "SELL"]
    best_bid: str | None = None
    best_ask: str | None = None


class _Changes(msgspec.Struct, tag_field="event_type", tag="price_change"):
    timestamp: _Millis
    price_changes: list[_Change]


class _Tick(msgspec.Struct, tag_field="event_type", tag="tick_size_change"):
    asset_id: str
    timestamp: _Millis
    new_tick_size: Decimal


class _Resolved(msgspec.Struct, tag_field="event_type", tag="market_resolved"):
    market: str
    timestamp: _Millis = 0
    winning_asset_id: str | None = None


class _Trade(msgspec.Struct, tag_field="event_type", tag="last_trade_price"):
    """Said of every trade; the books say what it did to them."""


class _Best(msgspec.Struct, tag_field="event_type", tag="best_bid_ask"):
    """Said beside each change that moves the top."""


class _New(msgspec.Struct, tag_field="event_type", tag="new_market"):
    """Said of markets that nobody here trades yet."""


_Message = _Book | _Changes | _Tick | _Resolved | _Trade | _Best | _New
_DECODER = msgspec.json.Decoder(_Message | list[_Message], strict=False)  # numbers come as text


class Book:
    """One token's bids and asks: price to size, and the best of each; ``inf`` for no ask, 0 for no bid.

    ``moved`` says that the top was touched since it was last looked at, ``said`` which best prices were found to agree with it,
    ``told`` what was told last, and ``fresh`` as of when.
    """

    __slots__ = ("ask", "asks", "at", "bid", "bids", "fresh", "listed", "live", "moved", "said", "told")

    def __init__(self, listed: Listed) -> None:
        self.listed = listed
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self.bid, self.ask, self.at, self.live = 0.0, inf, 0, False
        self.moved, self.fresh = True, 0
        self.said: tuple[str | None, str | None] = ("", "")
        self.told: tuple[float, float, float, float] | None = None

    def replace(self, bids: list[_Level], asks: list[_Level]) -> None:
        """Take a whole book."""
        self.bids, self.asks = ({one.price: _size(one.price, one.size) for one in side if one.size} for side in (bids, asks))
        self.bid, self.ask, self.live = max(self.bids, default=0.0), min(self.asks, default=inf), True
        self.moved = True

    def change(self, side: str, price: float, size: float) -> None:
        """Set the size of one level; 0 takes it away."""
        if not (0.0 < price < 1.0 and 0.0 <= size < inf):
            _size(price, size)
        if side == "BUY":
            if size:
                self.bids[price] = size
            else:
                self.bids.pop(price, None)
            if price >= self.bid:
                self.bid, self.moved = price if size else max(self.bids, default=0.0), True
        else:
            if size:
                self.asks[price] = size
            else:
                self.asks.pop(price, None)
            if price <= self.ask:
                self.ask, self.moved = price if size else min(self.asks, default=inf), True

    def agrees(self, bid: str | None, ask: str | None) -> bool:
        """Whether its best prices are those that the venue tells, and do not cross; an empty side is told as 0 or 1, or not at all."""
        if not self.moved and (bid, ask) == self.said:
            return True
        if self.bid >= self.ask:
            return False
        try:
            bid_told = self.bid if bid in _NOT_TOLD else float(bid or 0)
            ask_told = self.ask if ask in _NOT_TOLD else float(ask or 0)
        except ValueError as error:
            said = f"{bid} {ask}"
            raise unread(said, "best price", error) from None
        self.said = bid, ask
        return bid_told == self.bid and (ask_told == self.ask or (self.ask == inf and ask_told in _EMPTY))

    def top(self) -> tuple[float, float, float, float]:
        """Return bid, ask and their sizes; 0.0 twice for an empty side."""
        bid, ask = self.bid, self.ask
        bid_size = self.bids[bid] if bid else 0.0
        return (bid, ask, bid_size, self.asks[ask]) if ask != inf else (bid, 0.0, bid_size, 0.0)


def _size(price: float, size: float) -> float:
    """Return a level's size; VenueError if it is no level."""
    if not (0.0 < price < 1.0 and 0.0 <= size < inf):
        msg = f"polymarket: a level of size {size} at {price} is not between 0 and 1, or has no size"
        raise VenueError(msg)
    return size


class MarketFeed:
    """One socket of books.

    Parameters
    ----------
    listing : Listing
        What is asked for: each instrument's own token. Changes of the opposite ones come too, and say the same once more.
    now_ns : int
        The time, from which on nothing was heard yet.
    """

    beat: bytes | None = PING

    def __init__(self, listing: Listing, now_ns: int) -> None:
        self._books = {one.native.token: Book(one) for one in listing.quoted}
        self._opposites = frozenset(one.native.opposite for one in listing.quoted)
        self._conditions: dict[str, list[Listed]] = {}
        for one in listing.quoted:
            self._conditions.setdefault(one.native.condition, []).append(one)
        self._heard_ns, self._broken, self._spoilt = now_ns, False, False
        self._early: list[bytes | str] = []
        self.headers: dict[str, str] = {}

    def login(self) -> Login:
        """Subscribe; a book of each token is the first answer, which may come ahead of that to a beat."""
        asked = msgspec.json.encode({"type": "market", "assets_ids": [*self._books], "custom_feature_enabled": True})
        yield from in_force(asked, self._early)

    def to_say(self) -> list[bytes]:
        """Return nothing: Polymarket asks nothing."""
        return []

    def take(self, frame: bytes | str, ts_ns: int) -> _Told:
        """Return what a frame tells; after one that could not be read, a Gap: what it said of the books is missing.

        Raises
        ------
        VenueError
            If it cannot be read, or speaks of a token that was not asked for.
        """
        if self._early:
            frames, self._early = [*self._early, frame], []
            return [event for one in frames for event in self.take(one, ts_ns)]
        if self._broken or frame in PONG:
            return []
        if self._spoilt:
            return self._gap(ts_ns)
        self._spoilt = True  # until the frame is taken whole
        try:
            found = _DECODER.decode(frame)
        except UNREADABLE as error:
            what = "market data"
            raise unread(frame, what, error) from error
        told: _Told = []
        for message in found if type(found) is list else (found,):
            kind = type(message)
            if kind is _Changes:
                whole = self._changed(message, ts_ns, told)
            elif kind is _Book:
                whole = self._replaced(message, ts_ns, told)
            else:
                whole = self._happened(message, ts_ns, told)
            if not whole:
                return told + self._gap(ts_ns)
        self._heard_ns, self._spoilt = ts_ns, False
        return told

    def _gap(self, ts_ns: int) -> _Told:
        self._broken = True
        return [Gap(ts_ns=ts_ns, since_ns=self._heard_ns)]

    def _changed(self, message: _Changes, ts_ns: int, told: _Told) -> bool:
        books, at, last = self._books, message.timestamp, {}
        for change in message.price_changes:
            book = books.get(change.asset_id)
            if book is None:
                if change.asset_id not in self._opposites:
                    raise _stranger(change.asset_id)
                continue
            if at < book.at:
                return False
            last[change.asset_id] = change
            if book.live:
                book.change(change.side, change.price, change.size)
        for token, change in last.items():
            book = books[token]
            book.at = at
            if book.live and not book.agrees(change.best_bid, change.best_ask):
                return False
            self._tell(book, ts_ns, told)
        return True

    def _replaced(self, message: _Book, ts_ns: int, told: _Told) -> bool:
        book = self._book(message.asset_id)
        if book is None:
            return True
        if message.timestamp < book.at:
            return False
        book.replace(message.bids, message.asks)
        book.at = message.timestamp
        if not book.agrees(None, None):
            return False
        self._tell(book, ts_ns, told)
        return True

    def _tell(self, book: Book, ts_ns: int, told: _Told) -> None:
        """Tell the top if it is another one, or was not told for a while; nothing while a new book is awaited."""
        again = book.at - book.fresh >= _AGAIN
        if not (book.live and (book.moved or again)):
            return
        book.moved, top = False, book.top()
        if top == book.told and not again:
            return
        book.told, book.fresh = top, book.at
        bid, ask, bid_size, ask_size = top
        key = book.listed.key
        told.append(
            Quote(ts_ns=ts_ns, instrument=key, venue_ns=book.at * MS, bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size),
        )

    def _happened(self, message: _Tick | _Resolved | _Trade | _Best | _New, ts_ns: int, told: _Told) -> bool:
        """Take what is no book; what concerns no token of ours means nothing here, nor do trades, tops and new markets."""
        if isinstance(message, _Tick) and (book := self._book(message.asset_id)) is not None:
            if message.timestamp < book.at:
                return False
            if not (message.new_tick_size.is_finite() and 0 < message.new_tick_size < 1):
                msg = f"polymarket: {book.listed.key} has tick {message.new_tick_size} from now on, which is none"
                raise VenueError(msg)
            book.live, book.at = False, message.timestamp
            venue_ns, tick = message.timestamp * MS, message.new_tick_size
            told.append(TickChanged(ts_ns=ts_ns, instrument=book.listed.key, venue_ns=venue_ns, tick=tick))
        elif isinstance(message, _Resolved):
            for listed in self._conditions.get(message.market, ()):
                payouts = {listed.native.token: Decimal(1), listed.native.opposite: Decimal(0)}
                told.append(MarketStatus(ts_ns=ts_ns, instrument=listed.key, status="closed"))
                told.append(Settled(ts_ns, listed.key, message.timestamp * MS, payouts.get(message.winning_asset_id or ""), final=True))
        return True

    def _book(self, token: str) -> Book | None:
        """Return a token's book; None for an opposite one."""
        if token not in self._books and token not in self._opposites:
            raise _stranger(token)
        return self._books.get(token)


def _stranger(token: str) -> VenueError:
    return VenueError(f"polymarket: market data of token {token[:90]!r}, which was not asked for")
