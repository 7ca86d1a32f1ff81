"""Kalshi: markets of the public list, and candlesticks. No key is asked for or sent.

Markets are read as the Trade API v2's documents have them, and were tried on the sandbox. Candlesticks
(``/series/{series}/markets/{ticker}/candlesticks``) are not in the facts that hedgekit was written from: path and fields are as
commonly described, and **not verified**. What is not so gives an error that quotes it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from urllib.parse import quote

import msgspec
import pandas as pd

from hedgekit.discovery.asking import Ask, Walk
from hedgekit.discovery.bars import Span, frame
from hedgekit.types import Fees, Reply
from hedgekit.venues.kalshi.markets import markets_of
from hedgekit.venues.kalshi.wire import DATA_HOSTS, LIVE_DATA_HOSTS, LIVE_REST, ROOT, Count, Dollars, decode
from hedgekit.venues.reading import Name

BASES = {"rest": LIVE_REST}
HOSTS = DATA_HOSTS | LIVE_DATA_HOSTS
KEY_ENV: tuple[str, ...] = ()
BARS = ("1min", "1h", "1D")
_PAGE, _MOST = 1000, 4000


class _Market(msgspec.Struct):
    ticker: Name
    event_ticker: Name
    title: str = ""
    close_time: str = ""
    yes_bid_dollars: Dollars | None = None
    yes_ask_dollars: Dollars | None = None
    volume_fp: Count | None = None


class _Page(msgspec.Struct):
    markets: list[_Market]
    cursor: str


def markets(bases: Mapping[str, str], query: Mapping[str, str]) -> Walk[pd.DataFrame]:
    """Ask for markets; a query is of the venue's own words (``series_ticker``, ``event_ticker``, ``status``)."""
    rows, cursor = [], ""
    while True:
        asked = {"limit": str(_PAGE), **query} | ({"cursor": cursor} if cursor else {})
        body = yield Ask(bases["rest"], f"{ROOT}/markets", asked)
        page: _Page = decode(body, _Page, "markets")
        listed, cursor = markets_of(Reply(200, body), Fees())
        for said, one in zip(page.markets, listed, strict=True):
            rows.append(
                {
                    "symbol": said.ticker,
                    "name": said.title,
                    "event": said.event_ticker,
                    "status": one.status,
                    "closes": pd.to_datetime(said.close_time, utc=True) if said.close_time else pd.NaT,
                    "bid": _number(said.yes_bid_dollars),
                    "ask": _number(said.yes_ask_dollars),
                    "volume": _number(said.volume_fp),
                    "instrument": one.instrument,
                }
            )
        if not cursor:
            return pd.DataFrame(rows)


class _Prices(msgspec.Struct):
    open_dollars: Dollars | None = None
    high_dollars: Dollars | None = None
    low_dollars: Dollars | None = None
    close_dollars: Dollars | None = None


class _Candle(msgspec.Struct):
    end_period_ts: int
    price: _Prices
    volume_fp: Count | None = None


class _Candles(msgspec.Struct):
    candlesticks: list[_Candle]


class _Event(msgspec.Struct):
    series_ticker: Name


class _OneEvent(msgspec.Struct):
    event: _Event


class _OneMarket(msgspec.Struct):
    market: _Market


def history(bases: Mapping[str, str], symbol: str, asked: Span) -> Walk[pd.DataFrame]:
    """Ask for a market's candlesticks of trades; a bar without one has no prices."""
    rest, name = bases["rest"], quote(symbol, safe="")
    market: _OneMarket = decode((yield Ask(rest, f"{ROOT}/markets/{name}", {})), _OneMarket, "market")
    event: _OneEvent = decode((yield Ask(rest, f"{ROOT}/events/{quote(market.market.event_ticker, safe='')}", {})), _OneEvent, "event")
    rows = []
    for first, last in asked.windows(_MOST):
        query = {"start_ts": str(first), "end_ts": str(last), "period_interval": str(asked.bar_s // 60)}
        path = f"{ROOT}/series/{quote(event.event.series_ticker, safe='')}/markets/{name}/candlesticks"
        found: _Candles = decode((yield Ask(rest, path, query)), _Candles, "candlesticks")
        for one in found.candlesticks:
            prices = one.price.open_dollars, one.price.high_dollars, one.price.low_dollars, one.price.close_dollars
            rows.append((one.end_period_ts - asked.bar_s, *map(_number, prices), _number(one.volume_fp)))
    return frame(rows, asked)


def _number(text: str | None) -> float:
    return math.nan if text is None else float(text)
