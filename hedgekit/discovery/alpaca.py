"""Alpaca: assets of the paper account's host, and bars of the data host; both want the account's keys.

Fields are those of Alpaca's OpenAPI files; never yet run against Alpaca's servers.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pandas as pd

from hedgekit.discovery.asking import Ask, Walk
from hedgekit.discovery.bars import Span, frame
from hedgekit.venues.alpaca.wire import DATA_HOSTS, KEY_ENV, ORDER_HOSTS, decode
from hedgekit.venues.reading import Name

BASES = {"rest": "https://paper-api.alpaca.markets", "data": "https://data.alpaca.markets"}
HOSTS = ORDER_HOSTS | DATA_HOSTS
BARS = ("1min", "5min", "15min", "1h", "1D")
_FRAMES = {60: "1Min", 300: "5Min", 900: "15Min", 3600: "1Hour", 86_400: "1Day"}
_MOST = 10_000

__all__ = ["BARS", "BASES", "HOSTS", "KEY_ENV", "history", "markets"]


class _Asset(msgspec.Struct):
    symbol: Name
    name: str
    exchange: str
    status: str
    tradable: bool
    shortable: bool
    easy_to_borrow: bool
    fractionable: bool


def markets(bases: Mapping[str, str], query: Mapping[str, str]) -> Walk[pd.DataFrame]:
    """Ask for shares, by default the active ones; one page has them all."""
    asked = {"status": "active", "asset_class": "us_equity", **query}
    found: list[_Asset] = decode((yield Ask(bases["rest"], "/v2/assets", asked)), list[_Asset], "assets")
    flags = ("exchange", "tradable", "shortable", "easy_to_borrow", "fractionable")
    return pd.DataFrame(
        {"symbol": one.symbol, "name": one.name, "status": "open" if one.status == "active" else "closed"}
        | {name: getattr(one, name) for name in flags}
        for one in found
    )


class _Bar(msgspec.Struct):
    t: str
    o: float
    h: float
    l: float  # noqa: E741 - Alpaca's word
    c: float
    v: float


class _Bars(msgspec.Struct):
    bars: dict[str, list[_Bar]] | None
    next_page_token: str | None = None


def history(bases: Mapping[str, str], symbol: str, asked: Span) -> Walk[pd.DataFrame]:
    """Ask for a share's bars, adjusted for splits and dividends, of the feed that is free (IEX)."""
    start, end = (pd.Timestamp(at, unit="s", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ") for at in (asked.start_s, asked.end_s))
    query = {"symbols": symbol, "timeframe": _FRAMES[asked.bar_s], "start": start, "end": end, "limit": str(_MOST)}
    query |= {"adjustment": "all", "feed": "iex"}
    rows, token = list[tuple[float, ...]](), ""
    while True:
        body = yield Ask(bases["data"], "/v2/stocks/bars", query | ({"page_token": token} if token else {}))
        found: _Bars = decode(body, _Bars, "bars")
        bars = (found.bars or {}).get(symbol, [])
        rows += [(int(pd.Timestamp(one.t).timestamp()), one.o, one.h, one.l, one.c, one.v) for one in bars]
        token = found.next_page_token or ""
        if not token:
            return frame(rows, asked)
