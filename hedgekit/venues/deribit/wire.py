"""What every part of the Deribit client shares: names, hosts, limits, and reading without guessing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.types import NS
from hedgekit.venues.reading import Reader

NAME = "DERIBIT"
REST = "https://test.deribit.com"
STREAM = "wss://test.deribit.com/ws/api/v2"
DATA, QUOTES = STREAM, REST
"""Where prices come from: where orders are executed. The live venue's are other prices."""

ROOT = "/api/v2/"
"""Path of every method over HTTP; part of what is signed."""

ORDER_HOSTS = frozenset({"test.deribit.com"})
"""Hosts that may get orders besides loopback (L8)."""

DATA_HOSTS = frozenset({"test.deribit.com", "www.deribit.com"})
"""Hosts that may be asked for prices besides loopback: they get no key (L9)."""

KEY_ENV = ("DERIBIT_CLIENT_ID", "DERIBIT_CLIENT_SECRET")
"""Environment variables that hold the API key's id and secret."""

MS = 1_000_000
"""Nanoseconds in a millisecond, in which Deribit counts time."""

LIFETIME_NS = 10 * NS
"""How long after its decision an order may reach the matching engine: as long as its answer is waited for."""

SKEW_NS = 5 * NS
"""What the two clocks may differ by, and what a look-up may lag behind the matching engine (assumed: Deribit does not say)."""

LABEL = 64
"""Characters of a label."""

ORDERS = 300
"""Requests a minute that the matching engine takes of an account of the lowest tier: 5 a second, 20 at once."""

_BURST_S = 4
_CREDITS, _REFILL, _CALL = 40_000, 9_000, 500
"""Of 50,000 credits and 10,000 a second: the rest is for what the sockets say (login, subscriptions, heartbeats)."""


def budgets(per_minute: int = ORDERS) -> tuple[dict[str, Any], ...]:
    """Return what the venue counts (A17): requests to the matching engine, credits for all others, and lists of instruments.

    Parameters
    ----------
    per_minute : int
        What the matching engine takes of this account in a minute; more with its volume of 7 days.

    Raises
    ------
    ConfigError
        If so few requests leave no room for a close beside a hedge.
    """
    burst = per_minute * _BURST_S // 60
    if burst < 5:  # noqa: PLR2004 - a fifth to close, a fifth to hedge, the rest for all else
        msg = f"{per_minute} requests a minute are too few to close a pair in time; {NAME} allows {ORDERS}, write at least 75"
        raise ConfigError(msg)
    asked = dict.fromkeys(("lookup", "fills", "positions", "account", "booked", "quotes", "instruments"), _CALL)
    refill = Decimal(per_minute) / 60
    return (
        {
            "name": "matching",
            "capacity": burst,
            "refill_per_s": refill,
            "costs": {"submit": 1, "cancel": 1},
            "reserve": {"close": burst // 5, "hedge": burst // 5},
        },
        {"name": "credits", "capacity": _CREDITS, "refill_per_s": _REFILL, "costs": asked, "reserve": {}},
        {"name": "instruments", "capacity": 50, "refill_per_s": 1, "costs": {"instruments": 1}, "reserve": {}},
    )


class Error(msgspec.Struct):
    """A refusal, as JSON-RPC has it; ``data`` usually says why, in the venue's own shape."""

    code: int
    message: str = ""
    data: Any = None

    @property
    def name(self) -> str:
        """The message's first word: Deribit names its errors so, and its two lists of codes differ."""
        return self.message.partition(" ")[0].lower()

    def text(self) -> str:
        """Return the message with what ``data`` says: why, and of which parameter; printable, whatever was sent."""
        why = {k: v for k, v in self.data.items() if k in ("reason", "param")} if isinstance(self.data, dict) else {}
        told = " ".join([self.message, *(f"{key}={value}" for key, value in why.items())])[:200]
        return told if told.isprintable() else ascii(told)


_reader = Reader("deribit")
decode, unread, finite = _reader.decode, _reader.unread, _reader.finite


def short(number: Decimal) -> str:
    """Return a number for an error's text."""
    return str(number)[:40]


def symbol(key: str) -> str:
    """Return the venue's symbol of an instrument key."""
    return key.partition(":")[2]
