"""Deribit: perpetuals (hedgekit has no kind for what expires), and chart data. No key is asked for or sent.

``public/get_instruments`` is read as API v2.1.1 documents it, and was tried on the sandbox. ``public/get_tradingview_chart_data`` is not in
the facts that hedgekit was written from: its name and fields are as commonly described, and **not verified**.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import pandas as pd

from hedgekit.discovery.asking import Ask, Walk
from hedgekit.discovery.bars import Span, frame
from hedgekit.errors import VenueError
from hedgekit.types import Reply
from hedgekit.venues.deribit.replies import result_of
from hedgekit.venues.deribit.rules import Rules, instruments_of
from hedgekit.venues.deribit.wire import DATA_HOSTS, ROOT

BASES = {"rest": "https://www.deribit.com"}
HOSTS = DATA_HOSTS
KEY_ENV: tuple[str, ...] = ()
BARS = ("1min", "5min", "15min", "1h", "1D")
_CURRENCIES = ("BTC", "ETH", "USDC")
_MOST = 4000


def markets(bases: Mapping[str, str], query: Mapping[str, str]) -> Walk[pd.DataFrame]:
    """Ask for the perpetuals of one currency (``currency``), or of BTC, ETH and USDC."""
    rows = []
    for currency in [query["currency"]] if "currency" in query else _CURRENCIES:
        asked = {"kind": "future", "expired": "false", **query, "currency": currency}
        body = yield Ask(bases["rest"], f"{ROOT}public/get_instruments", asked)
        rows += [_row(one) for one in instruments_of(Reply(200, body))]
    return pd.DataFrame(rows)


def _row(one: Rules) -> dict[str, Any]:
    return {
        "symbol": one.instrument.symbol,
        "name": f"{one.instrument.symbol}, settled in {one.currency}",
        "status": "open" if one.active else "closed",
        "currency": one.currency,
        "taker": float(one.taker),
        "maker": float(one.maker),
        "instrument": one.instrument,
    }


class _Chart(msgspec.Struct):
    status: Literal["ok", "no_data"]
    ticks: list[int] = []
    open: list[float] = []
    high: list[float] = []
    low: list[float] = []
    close: list[float] = []
    volume: list[float] = []


def history(bases: Mapping[str, str], symbol: str, asked: Span) -> Walk[pd.DataFrame]:
    """Ask for an instrument's bars; volume in coin."""
    rows: list[tuple[float, ...]] = []
    resolution = "1D" if asked.bar_s == 86_400 else str(asked.bar_s // 60)  # noqa: PLR2004 - a day
    for first, last in asked.windows(_MOST):
        times = {"start_timestamp": str(first * 1000), "end_timestamp": str(last * 1000 - 1)}
        query = {"instrument_name": symbol, "resolution": resolution, **times}
        body = yield Ask(bases["rest"], f"{ROOT}public/get_tradingview_chart_data", query)
        chart: _Chart = result_of(Reply(200, body), _Chart, "chart data")[1]
        columns = (chart.ticks, chart.open, chart.high, chart.low, chart.close, chart.volume)
        if len({len(column) for column in columns}) != 1:
            msg = f"deribit: chart data of {symbol} has columns of lengths {', '.join(str(len(column)) for column in columns)}"
            raise VenueError(msg)
        rows += [(at_ms // 1000, *bar) for at_ms, *bar in zip(*columns, strict=True)]
    return frame(rows, asked)
