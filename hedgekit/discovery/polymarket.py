"""Polymarket: markets by Gamma, prices by the CLOB's prices-history. No key is asked for or sent.

Neither answer is in the facts that hedgekit was written from: paths and fields (lists that are JSON in a text among them) are as commonly
described, and **not verified**. What is not so gives an error that quotes it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pandas as pd

from hedgekit.discovery.asking import Ask, Walk
from hedgekit.discovery.bars import Span, frame
from hedgekit.errors import VenueError
from hedgekit.venues.polymarket.tokens import Native
from hedgekit.venues.polymarket.wire import DATA_HOSTS, REST, decode
from hedgekit.venues.reading import Name

BASES = {"gamma": "https://gamma-api.polymarket.com", "clob": REST}
HOSTS = DATA_HOSTS | {"gamma-api.polymarket.com"}
KEY_ENV: tuple[str, ...] = ()
BARS = ("1min", "5min", "1h", "1D")
_PAGE, _MOST = 500, 4000


class _Market(msgspec.Struct, rename="camel"):
    condition_id: Name
    question: str
    slug: str = ""
    outcomes: str = "[]"
    clob_token_ids: str = "[]"  # noqa: S105 - ids of tokens that are traded
    end_date: str | None = None
    closed: bool = False
    accepting_orders: bool | None = None
    neg_risk: bool = False
    order_price_min_tick_size: float = math.nan
    order_min_size: float = math.nan
    volume_num: float = math.nan


def markets(bases: Mapping[str, str], query: Mapping[str, str]) -> Walk[pd.DataFrame]:
    """Ask for markets, by default those that are not closed; two rows each, one for each outcome.

    ``native`` is an outcome's native id as a session takes it, but for the fee's rate, which Gamma does not say.
    """
    rows: list[dict[str, Any]] = []
    offset = 0
    while True:
        asked = {"closed": "false", "limit": str(_PAGE), **query, "offset": str(offset)}
        found: list[_Market] = decode((yield Ask(bases["gamma"], "/markets", asked)), list[_Market], "markets")
        rows += [row for one in found for row in _outcomes(one)]
        offset += len(found)
        if len(found) < int(asked["limit"]):
            return pd.DataFrame(rows)


def _outcomes(one: _Market) -> list[dict[str, Any]]:
    names, tokens = (decode(text, list[str], "market's lists") for text in (one.outcomes, one.clob_token_ids))
    if not tokens:  # of a market that has no order book
        return []
    if len(names) != len(tokens) or len(tokens) != 2:  # noqa: PLR2004 - Yes and No, by whatever name
        msg = f"polymarket: market {one.condition_id[:80]!r} has outcomes {names} and {len(tokens)} tokens: not two of each"
        raise VenueError(msg)
    about = {
        "event": one.condition_id,
        "status": "closed" if one.closed or one.accepting_orders is False else "open",
        "closes": pd.NaT if one.end_date is None else pd.to_datetime(one.end_date, utc=True),
        "tick": one.order_price_min_tick_size,
        "least": one.order_min_size,
        "volume": one.volume_num,
    }
    natives = (Native(tokens[place], tokens[1 - place], one.condition_id, one.neg_risk, Decimal(0)) for place in (0, 1))
    return [
        {"symbol": native.token, "name": f"{one.question} ({outcome})", **about, "outcome": outcome, "native": native.text()}
        for outcome, native in zip(names, natives, strict=True)
    ]


class _Point(msgspec.Struct):
    t: int
    p: float


class _History(msgspec.Struct):
    history: list[_Point]


def history(bases: Mapping[str, str], symbol: str, asked: Span) -> Walk[pd.DataFrame]:
    """Ask for a token's prices, ``symbol`` being its id: the last one of each bar; there is no more than a close."""
    rows = []
    for first, last in asked.windows(_MOST):
        query = {"market": symbol, "startTs": str(first), "endTs": str(last), "fidelity": str(asked.bar_s // 60)}
        found: _History = decode((yield Ask(bases["clob"], "/prices-history", query)), _History, "prices")
        rows += [(one.t - one.t % asked.bar_s, *[math.nan] * 3, one.p, math.nan) for one in found.history]
    return frame(rows, asked)
