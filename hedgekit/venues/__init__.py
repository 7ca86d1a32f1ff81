"""Venues, one room each: addresses, encoding, signing, reading. No sockets, no clocks; :class:`hedgekit.types.Venue` says what each has."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from hedgekit.errors import ConfigError

if TYPE_CHECKING:
    from hedgekit.types import Venue

CLIENTS = {"ALPACA": "Alpaca", "DERIBIT": "Deribit", "KALSHI": "Kalshi", "POLYMARKET": "Polymarket"}
"""Venue, as instruments name it, to the name of its client, which is in the module of that name in lower case."""

TRADED = ("ALPACA", "DERIBIT", "KALSHI", "POLYMARKET")
"""Venues whose protocol the sandbox speaks, so that whole sessions were tried on it; a session refuses the others."""


def client_of(name: str) -> type[Venue]:
    """Return a venue's client; what it signs with is imported only now.

    Raises
    ------
    ConfigError
        If there is no such venue.
    """
    if name not in CLIENTS:
        msg = f"no venue {name!r}; there are {', '.join(CLIENTS)}"
        raise ConfigError(msg)
    client: type[Venue] = getattr(import_module(f"hedgekit.venues.{name.lower()}"), CLIENTS[name])
    return client
