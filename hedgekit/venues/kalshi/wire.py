"""What every part of the Kalshi client shares: names, hosts, units, rate limits, and reading without guessing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from hedgekit.errors import ConfigError, VenueError
from hedgekit.venues.reading import Reader

NAME = "KALSHI"
ROOT = "/trade-api/v2"
"""Every REST path begins with it; it is signed too."""

SOCKET = "/trade-api/ws/v2"
"""Path of the WebSocket, as its handshake is signed."""

REST = "https://external-api.demo.kalshi.co"
STREAM = DATA = f"wss://external-api-ws.demo.kalshi.co{SOCKET}"
ORDER_HOSTS = frozenset({"external-api.demo.kalshi.co", "external-api-ws.demo.kalshi.co", "demo-api.kalshi.co"})
"""Hosts that may get orders besides loopback (L8): the demo's; they are .co, and have keys of their own."""

DATA_HOSTS = ORDER_HOSTS
"""Hosts that may be asked for prices besides loopback. The live ones are not among them: they want a live key even for public prices."""

LIVE_REST = "https://external-api.kalshi.com"
LIVE_DATA_HOSTS = frozenset({"external-api.kalshi.com", "external-api-ws.kalshi.com", "api.elections.kalshi.com"})
"""Live hosts, for who has made sure by :func:`hedgekit.venues.kalshi.markets.may_trade` that the key cannot trade (L8)."""

KEY_ENV = ("KALSHI_KEY_ID", "KALSHI_PRIVATE_KEY")
"""Environment variables that hold the key's id and its private key (PEM: RSA or Ed25519)."""

DATA_KEY_ENV = ("KALSHI_DATA_KEY_ID", "KALSHI_DATA_PRIVATE_KEY")
"""The same of a key that has the scope ``read`` and no other, for live prices."""

ORDERS = 600
"""Orders a minute of the Basic tier: 100 tokens a second, 10 for an order."""

_ORDER, _CANCEL, _READ = 10, 2, 10
_BASIC_READS = 200


def budgets(per_minute: int = ORDERS) -> tuple[dict[str, Any], ...]:
    """Return what the venue counts (A17): tokens of orders, of questions, and questions for the balance.

    The venue's buckets hold one second's tokens (Basic; more above). Four fifths of that are used at once, so that requests which
    arrive closer together than they left are within it too. Up to the Basic tier's 200 tokens a second, questions have twice
    what orders have; above it, as much.

    Parameters
    ----------
    per_minute : int
        Orders a minute: 600 Basic, 1,800 Advanced, 3,600 Expert, 6,000 Premier.

    Raises
    ------
    ConfigError
        If so few orders leave no room for a close beside a hedge.
    """
    writes = per_minute * _ORDER // 60
    burst = writes * 4 // 5
    if burst < 3 * _ORDER:
        msg = f"{per_minute} orders a minute are too few to close a pair in time; {NAME} allows {ORDERS}, write at least 228"
        raise ConfigError(msg)
    reads = max(writes, min(2 * writes, _BASIC_READS))
    orders = {"submit": _ORDER, "void": _ORDER, "cancel": _CANCEL}
    questions = dict.fromkeys(("lookup", "fills", "positions", "booked", "quotes", "status"), _READ)
    kept = {"close": max(burst // 5, _ORDER), "hedge": max(burst // 6, _ORDER)}
    read_burst = reads * 4 // 5
    return (
        {"name": "orders", "capacity": burst, "refill_per_s": writes, "costs": orders, "reserve": kept},
        {"name": "questions", "capacity": read_burst, "refill_per_s": reads, "costs": questions, "reserve": {}},
        {"name": "balance", "capacity": 1, "refill_per_s": 1, "costs": {"account": 1}, "reserve": {}},
    )


# ------------------------------------------------------------------------ units

Dollars = Annotated[str, msgspec.Meta(pattern=r"\A-?[0-9]{1,12}(\.[0-9]{1,6})?\Z")]
"""Money or a price: a decimal in a string, of at most six places."""

Count = Annotated[str, msgspec.Meta(pattern=r"\A-?[0-9]{1,12}(\.[0-9]{1,2})?\Z")]
"""Contracts: a decimal in a string, of at most two places."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Direction = Literal["bid", "ask"]
Outcome = Literal["yes", "no"]

ONE = Decimal(1)
"""What a contract pays in dollars, at most."""

_OUTCOMES: dict[Direction, Outcome] = {"bid": "yes", "ask": "no"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS_NS = 1_000_000


def fixed(number: Decimal, places: int, least: int, what: str) -> str:
    """Return a number as a fixed-point string of ``least`` to ``places`` places; ConfigError if that is not the same number."""
    if number.is_finite():
        digits = max(least, min(places, -int(number.normalize().as_tuple().exponent)))
        text = f"{number:.{digits}f}"
        if Decimal(text) == number:
            return text
    msg = f"kalshi: {what} {number} has more than {places} decimals; set the instrument's lot and tick to the market's"
    raise ConfigError(msg)


def signed_count(count: str, side: Direction, outcome: Outcome, what: str) -> Decimal:
    """Return contracts of YES, negative for those that were sold; VenueError if there are none, or the venue's two words differ."""
    qty = Decimal(count)
    if qty <= 0 or _OUTCOMES[side] != outcome:
        msg = f"kalshi: {what} says {count} contracts, book side {side!r}, outcome {outcome!r}: no trade"
        raise VenueError(msg)
    return qty if side == "bid" else -qty


def counted(text: str, what: str) -> Decimal:
    """Return a number of contracts, which is not negative."""
    count = Decimal(text)
    if count < 0:
        msg = f"kalshi: {what} holds {text}, which is no number of contracts"
        raise VenueError(msg)
    return count


def yes_price(text: str, what: str) -> Decimal:
    """Return a price between 0 and what a contract pays."""
    price = Decimal(text)
    if not 0 <= price <= ONE:
        msg = f"kalshi: {what} has price {text}, which is not between 0 and 1"
        raise VenueError(msg)
    return price


def ns_of(moment: datetime) -> int:
    """Return nanoseconds UTC."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def ms_to_ns(ms: int, what: str) -> int:
    """Return nanoseconds of milliseconds; VenueError if they are no time."""
    if not 0 <= ms < 1 << 43:
        msg = f"kalshi: {what} has time {ms} ms, which is no time"
        raise VenueError(msg)
    return ms * _MS_NS


# ---------------------------------------------------------------------- reading

_reader = Reader("kalshi")
decode, unread = _reader.decode, _reader.unread


def key_of(ticker: str) -> str:
    """Return the instrument key of a ticker."""
    return f"{NAME}:{ticker}"


def ticker_of(key: str) -> str:
    """Return the venue's ticker of an instrument key."""
    return key.partition(":")[2]
