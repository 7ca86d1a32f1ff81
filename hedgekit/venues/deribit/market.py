"""Prices: books kept and checked, whether an instrument can be traded, and funding rates."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

import msgspec

from hedgekit.types import Funding, Gap, Login, MarketEvent, MarketStatus, Quote
from hedgekit.venues.deribit.book import Book, Change, Top
from hedgekit.venues.deribit.rpc import Frame, Socket, read
from hedgekit.venues.deribit.wire import MS, NAME, finite, unread

INTERVAL = "100ms"
"""Changes are told together so often; only the raw ones need a login."""

_AGAIN_MS = 1000
"""A quote that still holds is told again after so long."""

_STATUSES: dict[str, Literal["open", "closed", "halted", "paused"]] = {
    "open": "open",
    "settlement": "paused",  # some seconds a day
    "locked": "halted",  # an incident; cancels are taken
    "halted": "halted",  # maintenance; cancels are taken
    **dict.fromkeys(("closed", "inactive", "delivered", "archivized"), "closed"),
}


class _Data(msgspec.Struct, gc=False):
    timestamp: int
    instrument_name: str
    type: str = ""
    change_id: int | None = None
    prev_change_id: int | None = None
    bids: list[Change] = []
    asks: list[Change] = []
    state: str = ""
    current_funding: Decimal | None = None
    funding_8h: Decimal | None = None
    mark_price: Decimal | None = None


_FRAMES = msgspec.json.Decoder(Frame[_Data])


class _Seen:
    """What was told of one instrument."""

    __slots__ = ("book", "funding", "key", "multiplier", "quoted_ms", "status", "top")

    def __init__(self, name: str, multiplier: Decimal) -> None:
        self.key, self.multiplier, self.book = f"{NAME}:{name}", float(multiplier), Book()
        self.top: Top | None = None
        self.quoted_ms = 0
        self.status = ""
        self.funding: tuple[Decimal, Decimal] | None = None


class MarketFeed(Socket):
    """The books and tickers of what is traded, without a login.

    A change that does not follow the one before, one before any snapshot, and a book whose bid is not below its ask are a gap:
    it is told once, and then nothing more.

    Parameters
    ----------
    instruments : sequence of (str, Decimal)
        The venue's names, and the size of a contract.
    now_ns : int
        When it is opened.
    """

    def __init__(self, instruments: Sequence[tuple[str, Decimal]], now_ns: int) -> None:
        super().__init__(now_ns)
        seen = {name: _Seen(name, multiplier) for name, multiplier in instruments}
        self._books = {f"book.{name}.{INTERVAL}": one for name, one in seen.items()}
        self._tickers = {f"ticker.{name}.{INTERVAL}": one for name, one in seen.items()}
        self._heard_ns = now_ns
        self._broken = False

    def login(self) -> Login:
        """Ask for heartbeats, and subscribe."""
        yield from self._listen()
        yield from self._subscribe("public/subscribe", [*self._books, *self._tickers])

    def take(self, frame: bytes | str, ts_ns: int) -> list[MarketEvent]:
        """Return what a frame tells: quotes, statuses, funding, or one gap.

        A quote is told where the best price or its amount changed, and once a second while the book changes below it: else a
        book that moves there alone would look older than :meth:`Deribit.latest` says it is, and so frozen.
        """
        told: list[MarketEvent] = []
        for one in self._frames(frame) if self._kept else (frame,):
            if self._broken:
                break
            message = read(_FRAMES, one)
            params = message.params
            if message.method != "subscription" or params is None:
                self._beside(message, one, ts_ns)
            elif (data := params.data) is None:
                raise unread(one, "message", "no data")
            elif (seen := self._books.get(params.channel)) is not None:
                self._book(seen, data, one, ts_ns, told)
            elif (seen := self._tickers.get(params.channel)) is not None:
                self._ticker(seen, data, one, ts_ns, told)
            else:
                raise unread(one, "message", "its channel was not asked for")
        return told

    def _book(self, seen: _Seen, data: _Data, frame: bytes | str, ts_ns: int, told: list[MarketEvent]) -> None:
        book = seen.book
        if data.change_id is None or data.type not in ("snapshot", "change"):
            raise unread(frame, "book", "no change_id, or neither snapshot nor change")
        if data.type == "snapshot":
            book.clear()
        elif book.change_id is None or data.prev_change_id != book.change_id:
            self._break(ts_ns, told)
            return
        if not book.apply(data.change_id, data.bids, data.asks):
            raise unread(frame, "book", "a price or an amount is not above 0")
        top = book.top()
        if top != seen.top or data.timestamp - seen.quoted_ms >= _AGAIN_MS:
            seen.quoted_ms = data.timestamp
            bid, ask, bid_amount, ask_amount = seen.top = top
            if bid and ask and bid >= ask:
                self._break(ts_ns, told)
                return
            size = seen.multiplier
            told.append(
                Quote(
                    ts_ns=ts_ns,
                    instrument=seen.key,
                    venue_ns=data.timestamp * MS,
                    bid=bid,
                    ask=ask,
                    bid_size=bid_amount / size,
                    ask_size=ask_amount / size,
                )
            )
        self._heard_ns = ts_ns

    def _break(self, ts_ns: int, told: list[MarketEvent]) -> None:
        self._broken = True
        told.append(Gap(ts_ns=ts_ns, since_ns=self._heard_ns))

    def _ticker(self, seen: _Seen, data: _Data, frame: bytes | str, ts_ns: int, told: list[MarketEvent]) -> None:
        if data.state not in _STATUSES:
            raise unread(frame, "ticker", f"state {data.state[:60]!r} is not understood")
        if data.state != seen.status:
            seen.status = data.state
            told.append(MarketStatus(ts_ns=ts_ns, instrument=seen.key, status=_STATUSES[data.state]))
        if data.current_funding is None or data.funding_8h is None or data.mark_price is None:
            return  # as it may be while the book is not open
        rates = finite(data.current_funding, "ticker"), finite(data.funding_8h, "ticker")
        if rates != seen.funding:
            seen.funding = rates
            rate, rate_8h = rates
            mark = finite(data.mark_price, "ticker")
            told.append(Funding(ts_ns=ts_ns, instrument=seen.key, venue_ns=data.timestamp * MS, rate=rate, rate_8h=rate_8h, mark=mark))
