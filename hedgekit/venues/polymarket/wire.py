"""What every part of the Polymarket client shares: names, hosts, limits, and reading without guessing."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from hedgekit.errors import ConfigError, VenueError
from hedgekit.types import Login
from hedgekit.venues.reading import Reader

NAME = "POLYMARKET"
REST = "https://clob.polymarket.com"
ORDER_HOSTS: frozenset[str] = frozenset()
"""Hosts that may get orders besides loopback (L8): none, for Polymarket has no paper environment."""

DATA_HOSTS = frozenset({"clob.polymarket.com", "ws-subscriptions-clob.polymarket.com"})
"""Hosts that may be asked for prices besides loopback; they are asked without keys (L9)."""

KEY_ENV = ("POLYMARKET_PRIVATE_KEY", "POLYMARKET_API_KEY", "POLYMARKET_API_SECRET", "POLYMARKET_API_PASSPHRASE")
"""Environment variables: the wallet's private key, which signs orders, and the API key that was made with it."""

PING, PONG = b"PING", ("PONG", b"PONG")
"""What keeps a socket open, said every 10 s, and its answer, which means nothing."""


def in_force(asked: bytes, early: list[bytes | str]) -> Login:
    """Ask for something that the venue does not acknowledge; go on when it has answered a beat that was said after it.

    It takes what a socket says in its turn, so what was asked is in force then. What comes ahead of the answer is kept in ``early``.
    """
    yield asked, False
    answer = yield PING, True
    while answer not in PONG:
        early.append(answer)
        answer = yield None, True


MS = 1_000_000
"""Nanoseconds in a millisecond."""

UNIT = Decimal("0.000001")
"""Amounts on the wire are whole numbers of this, of shares and of collateral alike."""

_KINDS = ("submit", "cancel", "lookup", "fills", "account", "positions", "booked", "quotes", "status", "beat")
_OVERALL_PER_S = 900  # each address; less than that is asked for by a session's own setting


def _bucket(name: str, capacity: int, refill: Decimal | int, *kinds: str) -> dict[str, Any]:
    reserve = {"close": capacity // 5, "hedge": capacity // 6}
    return {"name": name, "capacity": capacity, "refill_per_s": refill, "costs": dict.fromkeys(kinds, 1), "reserve": reserve}


def budgets(per_minute: int = 0) -> tuple[dict[str, Any], ...]:
    """Return what the venue counts (A17).

    Orders and cancels have a bucket for each signer (the Standard tier's: 40 orders/s with a burst of 60, 80 cancels/s with a burst
    of 120). The others are counted by address in windows of 10 s: half at once and half steadily is within any of them.

    Parameters
    ----------
    per_minute : int
        Requests of all kinds a minute; 0 for what the venue allows.

    Raises
    ------
    ConfigError
        If so few requests leave no room for a close beside a hedge.
    """
    burst = per_minute // 4 or (0 if per_minute else _OVERALL_PER_S * 5)
    if burst < 2:  # noqa: PLR2004 - one to close, one for all else
        msg = f"{per_minute} requests a minute are too few to close a pair in time; {NAME} allows {_OVERALL_PER_S * 60}"
        raise ConfigError(msg)
    refill = Decimal(per_minute - burst) / 60 if per_minute else Decimal(_OVERALL_PER_S // 2)
    return (
        _bucket("requests", burst, refill, *_KINDS),
        _bucket("orders", 60, 40, "submit"),
        _bucket("cancels", 120, 80, "cancel"),
        _bucket("look-ups", 250, 25, "lookup"),
        _bucket("trades", 250, 25, "fills", "booked"),
        _bucket("balances", 100, 10, "account", "positions"),
        _bucket("books", 250, 25, "quotes"),
    )


_reader = Reader("polymarket")
decode, unread = _reader.decode, _reader.unread

_AMOUNT = re.compile(r"\d{1,15}(\.\d{1,18})?", re.ASCII)


def amount(text: str, what: str) -> Decimal:
    """Return a plain number, not negative; VenueError for any other text, so that nothing is rounded on the way."""
    if _AMOUNT.fullmatch(text) is None:
        msg = f"polymarket: {what} is {text[:60]!r}, which is no amount"
        raise VenueError(msg)
    return Decimal(text)


def price(text: str, what: str) -> Decimal:
    """Return a price, 0 and 1 included: a fill of complete sets may be that good."""
    number = amount(text, what)
    if number > 1:
        msg = f"polymarket: {what} is {text[:60]!r}, and a price is at most 1"
        raise VenueError(msg)
    return number


_TIME = re.compile(r"\d{1,13}", re.ASCII)
_IN_MS = 100_000_000_000


def parse_time(text: str) -> int:
    """Return nanoseconds UTC of a Unix time in seconds or, if it would be after the year 5000 in them, milliseconds.

    The venue writes the same field either way: the stream in milliseconds, lists in seconds (polymarket-client 0.14.0 does as here).
    """
    if _TIME.fullmatch(text) is None:
        msg = f"polymarket: {text[:60]!r} is not a Unix time in seconds or milliseconds"
        raise VenueError(msg)
    number = int(text)
    return number * MS if number >= _IN_MS else number * 1000 * MS
