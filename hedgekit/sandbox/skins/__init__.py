"""The venues' protocols, one room each."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from hedgekit.errors import ConfigError
from hedgekit.exchange.faults.fault import PROVISIONAL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hedgekit.exchange.faults import Fault
    from hedgekit.sandbox.skin import Skin

SKINS = {"ALPACA": "AlpacaSkin", "DERIBIT": "DeribitSkin", "KALSHI": "KalshiSkin", "POLYMARKET": "PolymarketSkin"}
"""Venue, as instruments name it, to the name of its skin, which is in the module of that name in lower case."""


def skin_of(venue: str) -> type[Skin]:
    """Return a venue's skin; what it verifies with is imported only now.

    Raises
    ------
    ConfigError
        If the sandbox does not speak that venue's protocol.
    """
    if venue not in SKINS:
        msg = f"the sandbox does not speak the protocol of {venue!r}; it has {', '.join(SKINS)}"
        raise ConfigError(msg)
    skin: type[Skin] = getattr(import_module(f"hedgekit.sandbox.skins.{venue.lower()}"), SKINS[venue])
    return skin


def befallen(fault: Fault, venues: Iterable[str]) -> list[str]:
    """Return which of the venues a fault befalls.

    Raises
    ------
    ConfigError
        If it can happen at none of them, or names another.
    """
    venues = [*venues]
    if fault.venue and fault.venue not in venues:
        msg = f"fault {fault.kind.value}: no venue {fault.venue!r} here; there are {', '.join(venues)}"
        raise ConfigError(msg)
    there = [venue for venue in venues if fault.venue in {"", venue}]
    able = [venue for venue in there if fault.kind not in PROVISIONAL or skin_of(venue).provisional]
    if not able:
        known = ", ".join(venue for venue in SKINS if skin_of(venue).provisional)
        msg = f"fault {fault.kind.value}: executions at {' and '.join(there)} are final when they are told; it can happen at {known} only"
        raise ConfigError(msg)
    return able
