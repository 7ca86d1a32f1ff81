"""The venues' protocols, one room each."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from hedgekit.errors import ConfigError

if TYPE_CHECKING:
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
