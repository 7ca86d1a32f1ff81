"""Market data as Deribit tells it: books by changes that name the one before, tickers, quotes, executions.

What an instrument's market is at a time is a *sheet*. A row of the market makes a new one, which the channels tell
when it has reached the client. Each channel remembers the sheet that it told last: its next message is what changed
since then, so if a message is lost, ``prev_change_id`` shows it. A subscription begins with what was told last, as a
snapshot. Every row is a change, also one in which no level differs; Deribit's 100 ms are not waited for.

A crossed book is told as empty: no venue leaves one, and nothing trades on it here.
"""

from __future__ import annotations

import re
from decimal import Decimal
from math import ceil, floor
from typing import TYPE_CHECKING, Any, NamedTuple

from hedgekit.sandbox.skins.deribit_fills import Stats
from hedgekit.sandbox.skins.deribit_wire import MS, listed, notification, num, symbol_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hedgekit.exchange.book import Level
    from hedgekit.exchange.engine import Exchange
    from hedgekit.sandbox.recorded import Shown
    from hedgekit.sandbox.skins.deribit_fills import Executions

INTERVAL = r"(raw|100ms|agg2)"
STATES = {"open": "open", "paused": "settlement", "halted": "halted", "closed": "closed"}
"""Deribit's words for whether an instrument can be traded."""

_TOPICS = {
    "book": re.compile(rf"book\.([A-Z0-9_-]+)\.{INTERVAL}"),
    "image": re.compile(rf"book\.([A-Z0-9_-]+)\.(none|1|2|5|10|25|100|250)\.(1|10|20)\.{INTERVAL}"),
    "ticker": re.compile(rf"ticker\.([A-Z0-9_-]+)\.{INTERVAL}"),
    "perpetual": re.compile(rf"perpetual\.([A-Z0-9_-]+)\.{INTERVAL}"),
    "quote": re.compile(r"quote\.([A-Z0-9_-]+)"),
    "index": re.compile(r"deribit_price_index\.([a-z0-9_]+)"),
}
_TRADES = re.compile(rf"trades\.(?:([A-Z0-9_-]+)|(future|any)\.([A-Z0-9]+|any))\.{INTERVAL}")
FIRST_CHANGE = 1000
"""Change ids count from here; a client may not take them for indices."""


class Topic(NamedTuple):
    """A channel of market data: what it tells, of which instruments, and how a book is grouped and cut."""

    what: str
    keys: tuple[str, ...]
    raw: bool = False
    group: str = "none"
    depth: int = 0


class Sheet(NamedTuple):
    """An instrument's market at a time: amounts by price, best first, and its ticker."""

    change_id: int
    ts_ms: int
    bids: dict[float, float]
    asks: dict[float, float]
    ticker: dict[str, Any]


class Board:
    """The sheets of all instruments, and what each channel has told.

    Parameters
    ----------
    exchange : Exchange
        What is listed, and its marks.
    executions : Executions
        What was traded.
    """

    def __init__(self, exchange: Exchange, executions: Executions) -> None:
        self._exchange, self._executions = exchange, executions
        self._keys = {one.symbol: key for key, one in exchange.instruments.items()}
        self.state: dict[str, str] = dict.fromkeys(exchange.instruments, "open")
        self.funding: dict[str, tuple[Decimal, Decimal]] = dict.fromkeys(exchange.instruments, (Decimal(0), Decimal(0)))
        """By instrument key: the present funding rate, and that of the last eight hours."""
        self.now: dict[str, Sheet] = {}
        """The market as it is at the exchange, which is what REST tells."""
        self.told: dict[str, Sheet] = {}
        """The market as it has reached the streams."""
        self._last: dict[str, Sheet] = {}

    def sheet(self, key: str, ts_ns: int = 0) -> Sheet:
        """Return an instrument's present market, with all that was traded; before its first row one without a book."""
        sheet = self.now.setdefault(key, Sheet(FIRST_CHANGE, ts_ns // MS, {}, {}, {}))
        return sheet._replace(ticker=self._ticker(key, sheet.ts_ms, sheet.bids, sheet.asks))

    # ------------------------------------------------------------------- change

    def show(self, shown: Shown, shift_ns: int) -> Sheet:
        """Take a book."""
        quote, bids, asks = shown
        crossed = bool(bids and asks and bids[0].price > asks[0].price)
        size = self._exchange.instruments[quote.instrument].multiplier
        sides = ({}, {}) if crossed else (_side(bids, size), _side(asks, size))
        return self._turn(quote.instrument, (quote.venue_ns + shift_ns) // MS, *sides)

    def renew(self, key: str, ts_ns: int) -> Sheet:
        """Take news of an instrument that are no book: its state, its funding."""
        before = self.sheet(key, ts_ns)
        return self._turn(key, ts_ns // MS, before.bids, before.asks)

    def _turn(self, key: str, ts_ms: int, bids: dict[float, float], asks: dict[float, float]) -> Sheet:
        number = self.now[key].change_id + 1 if key in self.now else FIRST_CHANGE
        sheet = self.now[key] = Sheet(number, ts_ms, bids, asks, self._ticker(key, ts_ms, bids, asks))
        return sheet

    def _ticker(self, key: str, ts_ms: int, bids: dict[float, float], asks: dict[float, float]) -> dict[str, Any]:
        instrument, mark, last = self._exchange.instruments[key], self._exchange.marks.get(key), self._executions.last.get(key)
        mark = None if mark is None else num(mark)
        stats = self._executions.stats.get(key, Stats())
        present, eight = self.funding[key]
        bid, ask = next(iter(bids), None), next(iter(asks), None)
        return {
            "timestamp": ts_ms,
            "stats": {
                "volume_usd": num(round(stats.dollars, 8)),
                "volume_notional": num(round(stats.dollars, 8)),
                "volume": num(round(stats.coins, 8)),
                "price_change": None,
                "low": stats.low,
                "high": stats.high,
            },
            "state": STATES[self.state[key]],
            "settlement_price": mark,
            "open_interest": abs(float(self._exchange.ledger.position(key) * instrument.multiplier)),
            "min_price": num(instrument.tick),
            "max_price": 1e9,
            "mark_price": mark,
            "last_price": None if last is None else last.public["price"],
            "interest_value": 0.0,
            "instrument_name": instrument.symbol,
            "index_price": mark,
            "funding_8h": num(eight),
            "estimated_delivery_price": mark,
            "current_funding": num(present),
            "best_bid_price": bid,
            "best_bid_amount": 0.0 if bid is None else bids[bid],
            "best_ask_price": ask,
            "best_ask_amount": 0.0 if ask is None else asks[ask],
        }

    # ------------------------------------------------------------------- topics

    def topic(self, channel: str) -> Topic | None:
        """Read a channel's name; None if it names nothing here."""
        if (found := _TRADES.fullmatch(channel)) is not None:
            name, _, currency, interval = found.groups()
            keys = [key for symbol, key in self._keys.items() if name == symbol or currency in {"any", listed(symbol).settle}]
            return Topic("trades", tuple(keys), interval == "raw") if keys else None
        for what, pattern in _TOPICS.items():
            if (found := pattern.fullmatch(channel)) is None:
                continue
            wanted = found[1]
            keys = [key for symbol, key in self._keys.items() if wanted == (listed(symbol).price_index if what == "index" else symbol)]
            group, depth = (found[2], int(found[3])) if what == "image" else ("none", 0)
            return Topic(what, tuple(keys[:1]), channel.endswith(".raw"), group, depth) if keys else None
        return None

    def begin(self, channel: str) -> bytes | None:
        """Return what a subscription begins with: what was told last, whole; None if nothing was."""
        self._last.pop(channel, None)
        topic = self.topic(channel)
        if topic is None or topic.what == "trades" or topic.keys[0] not in self.told:
            return None
        return self.tell(channel)

    def tell(self, channel: str) -> bytes:
        """Return what a channel tells of the market as it has reached the streams."""
        topic = self.topic(channel)
        assert topic is not None  # noqa: S101 - it was subscribed to
        key = topic.keys[0]
        sheet, name, before = self.told[key], symbol_of(key), self._last.get(channel)
        self._last[channel] = sheet
        if topic.what == "ticker":
            return notification(channel, sheet.ticker)
        if topic.what == "quote":
            best = {side: sheet.ticker[side] for side in ("best_bid_price", "best_bid_amount", "best_ask_price", "best_ask_amount")}
            return notification(channel, {"timestamp": sheet.ts_ms, "instrument_name": name, **best})
        if topic.what == "perpetual":
            rates = {"interest": sheet.ticker["funding_8h"], "index_price": sheet.ticker["index_price"]}
            return notification(channel, {"timestamp": sheet.ts_ms, **rates})
        if topic.what == "index":
            about = {"index_name": listed(name).price_index, "price": sheet.ticker["index_price"]}
            return notification(channel, {"timestamp": sheet.ts_ms, **about})
        if topic.what == "image":
            sides = _image(sheet.bids, topic, up=False), _image(sheet.asks, topic, up=True)
            about = {"timestamp": sheet.ts_ms, "instrument_name": name, "change_id": sheet.change_id}
            return notification(channel, {**about, "bids": sides[0], "asks": sides[1]})
        return notification(channel, _change(name, before, sheet))

    def behind(self, channel: str) -> bool:
        """Whether a channel has not told what has reached the streams."""
        topic = self.topic(channel)
        return topic is not None and self._last.get(channel) is not self.told.get(topic.keys[0])


def _change(name: str, before: Sheet | None, sheet: Sheet) -> dict[str, object]:
    """Return what a book's channel tells after it told ``before``."""
    told: dict[str, object] = {"type": "snapshot" if before is None else "change", "timestamp": sheet.ts_ms}
    if before is not None:
        told["prev_change_id"] = before.change_id
    old = before or Sheet(0, 0, {}, {}, {})
    about = {"instrument_name": name, "change_id": sheet.change_id}
    return told | about | {"bids": _difference(old.bids, sheet.bids), "asks": _difference(old.asks, sheet.asks)}


def levels(side: dict[float, float], depth: int) -> list[list[float]]:
    """Return the best levels of a side: price and amount."""
    return [[price, size] for price, size in side.items()][:depth]


def _side(levels_: Sequence[Level], multiplier: Decimal) -> dict[float, float]:
    return {float(level.price): float(level.size * multiplier) for level in levels_ if level.size}


def _difference(old: dict[float, float], new: dict[float, float]) -> list[list[object]]:
    changed: list[list[object]] = [
        ["change" if price in old else "new", price, size] for price, size in new.items() if old.get(price) != size
    ]
    return [*changed, *(["delete", price, 0.0] for price in old if price not in new)]


def _image(side: dict[float, float], topic: Topic, *, up: bool) -> list[list[float]]:
    """Return the best levels of a side, grouped by rounding away from the middle."""
    if topic.group == "none":
        return levels(side, topic.depth)
    step, grouped = float(topic.group), dict[float, float]()
    for price, size in side.items():
        at = (ceil(price / step) if up else floor(price / step)) * step
        grouped[at] = grouped.get(at, 0.0) + size
    return levels(grouped, topic.depth)
