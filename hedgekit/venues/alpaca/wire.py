"""What every part of the Alpaca client shares: names, hosts, times, and reading without guessing."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hedgekit.errors import ConfigError, VenueError
from hedgekit.venues.reading import Reader

NAME = "ALPACA"
REST = "https://paper-api.alpaca.markets"
STREAM = "wss://paper-api.alpaca.markets/stream"
DATA = "wss://stream.data.alpaca.markets/v2/iex"
QUOTES = "https://data.alpaca.markets"
ORDER_HOSTS = frozenset({"paper-api.alpaca.markets"})
"""Hosts that may get orders besides loopback (L8)."""

DATA_HOSTS = frozenset({"stream.data.alpaca.markets", "data.alpaca.markets"})
"""Hosts that may be asked for prices besides loopback: they get the keys too (L9)."""

KEY_ENV = ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY")
"""Environment variables that hold the account's key and secret."""

DUPLICATE = "client_order_id must be unique"

OVER = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})
"""Statuses of an order of which nothing more will execute; ``done_for_day`` goes on the next day."""

KINDS = ("submit", "void", "cancel", "lookup", "fills", "account", "positions", "quotes")
REQUESTS = 200
"""Requests a minute that an account may make, for trading and basic data together; Alpaca grants more on request."""


def budgets(per_minute: int = REQUESTS) -> tuple[dict[str, Any], ...]:
    """Return what the venue counts (A17): a quarter of a minute's requests at once and the rest steadily is within it in any minute.

    Raises
    ------
    ConfigError
        If so few requests leave no room for a close beside a hedge.
    """
    burst = per_minute // 4
    if burst < 2:  # noqa: PLR2004 - one to close, one for all else
        msg = f"{per_minute} requests a minute are too few to close a pair in time; {NAME} allows {REQUESTS}, write at least 8"
        raise ConfigError(msg)
    refill = Decimal(per_minute - burst) / 60
    reserve = {"close": burst // 5, "hedge": burst // 6}
    return ({"name": "requests", "capacity": burst, "refill_per_s": refill, "costs": dict.fromkeys(KINDS, 1), "reserve": reserve},)


_reader = Reader("alpaca")
decode, unread, finite = _reader.decode, _reader.unread, _reader.finite


def symbol(key: str) -> str:
    """Return the venue's symbol of an instrument key."""
    return key.partition(":")[2]


_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)


def parse_time(text: str) -> int:
    """Return nanoseconds UTC of an RFC 3339 time, all nine digits kept."""
    msg = f"alpaca: {text[:60]!r} is not an RFC 3339 time with at most nine digits of a second"
    found = _TIME.fullmatch(text)
    if found is None:
        raise VenueError(msg)
    head, fraction, zone = found.groups()
    try:
        seconds = int(datetime.fromisoformat(head + zone.replace("Z", "+00:00")).timestamp())
    except (ValueError, OverflowError):
        raise VenueError(msg) from None
    return seconds * 1_000_000_000 + int((fraction or "").ljust(9, "0"))


def text_time(ns: int) -> str:
    """Return nanoseconds UTC as an RFC 3339 time."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
