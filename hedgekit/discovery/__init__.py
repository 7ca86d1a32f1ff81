"""What there is to trade, and what it cost before, as a venue's public API tells it: to DataFrames, page by page.

    from hedgekit.discovery import discover

    kalshi = discover("KALSHI")
    kalshi.markets("fed", status="open")
    kalshi.history("KXFED-27MAR-T4.00", "2026-01-01", "2026-02-01", bar="1h")

Only the venues' own data hosts and this machine are asked, no redirect or proxy is followed (L8), and only Alpaca, which wants them, gets
keys, those of the paper account. Which answers are documented and which could not be verified is said in each venue's module.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType

import pandas as pd

from hedgekit.discovery.asking import walked
from hedgekit.discovery.bars import span
from hedgekit.errors import ConfigError
from hedgekit.keys import secret

VENUES = ("ALPACA", "DERIBIT", "KALSHI", "POLYMARKET")

__all__ = ["VENUES", "Discovery", "discover"]


class Discovery:
    """One venue's public API; made by :func:`discover`."""

    def __init__(self, venue: str, module: ModuleType, bases: Mapping[str, str], *, progress: bool) -> None:
        self.venue = venue
        self._module, self._bases, self._progress = module, dict(bases), progress

    def __repr__(self) -> str:
        """Name venue and addresses."""
        return f"discover({self.venue!r}) at {', '.join(self._bases.values())}"

    def markets(self, query: str = "", **asked: str) -> pd.DataFrame:
        """Return what is listed.

        Parameters
        ----------
        query : str
            Words that must all be in a symbol or name, in any case; empty for everything.
        **asked : str
            Further words of the venue's own API, passed as they are: ``series_ticker`` (Kalshi), ``currency`` (Deribit), ``tag_id``
            (Polymarket), ``exchange`` (Alpaca).

        Returns
        -------
        pandas.DataFrame
            One row each: ``symbol``, ``name``, ``status`` ("open" or not), then what the venue says beside: for example ``closes`` (UTC),
            ``bid`` and ``ask`` (dollars), ``instrument`` (as a session takes it), ``native`` (Polymarket's ids).

        Raises
        ------
        SessionError, VenueError
            If the venue cannot be reached, refuses, or says what is not understood.
        """
        found = self._ask(self._module.markets(self._bases, asked), "markets")
        if found.empty:
            return found
        text = found["symbol"].str.cat(found["name"], sep=" ").str.casefold()
        keep = pd.Series(data=True, index=found.index)
        for word in query.casefold().split():
            keep &= text.str.contains(word, regex=False)
        return found[keep].reset_index(drop=True)

    def history(self, symbol: str, start: str | pd.Timestamp, end: str | pd.Timestamp, *, bar: str = "1h") -> pd.DataFrame:
        """Return past prices.

        Parameters
        ----------
        symbol : str
            As :meth:`markets` has it.
        start, end : str or pandas.Timestamp
            From when to when, the end not included; UTC where they say no zone.
        bar : str
            Length of a bar: "1min", "1h" or "1D" everywhere, at some venues others.

        Returns
        -------
        pandas.DataFrame
            By the time (UTC) at which a bar begins, oldest first: ``open``, ``high``, ``low``, ``close``, ``volume``, in the venue's units.
            NaN where the venue says none; a bar that it leaves out is left out, and none is filled in.

        Raises
        ------
        ConfigError
            If a time or the bar is wrong.
        SessionError, VenueError
            As :meth:`markets`.
        """
        asked = span(start, end, bar, self._module.BARS)
        found: pd.DataFrame = self._ask(self._module.history(self._bases, symbol, asked), f"history of {symbol}")
        return found

    def _ask(self, walk: object, what: str) -> pd.DataFrame:
        names = ("APCA-API-KEY-ID", "APCA-API-SECRET-KEY") if self._module.KEY_ENV else ()
        headers = {name: secret(variable) for name, variable in zip(names, self._module.KEY_ENV, strict=True)}
        frame: pd.DataFrame = walked(walk, self._module.HOSTS, headers, what=f"{self.venue} {what}", progress=self._progress)  # type: ignore[arg-type] # a module's own
        return frame


def discover(venue: str, *, url: str = "", progress: bool = True) -> Discovery:
    """Return a venue's public API.

    Parameters
    ----------
    venue : str
        "ALPACA", "DERIBIT", "KALSHI" or "POLYMARKET".
    url : str
        Another address than the venue's live data, for all questions: a demo's, or a sandbox on this machine.
    progress : bool
        Whether to show pages as they come, if that takes longer than a second.

    Raises
    ------
    ConfigError
        If there is no such venue.
    """
    if venue not in VENUES:
        msg = f"no venue {venue!r}; there are {', '.join(VENUES)}"
        raise ConfigError(msg)
    module = import_module(f"hedgekit.discovery.{venue.lower()}")
    bases: dict[str, str] = module.BASES
    return Discovery(venue, module, dict.fromkeys(bases, url) if url else bases, progress=progress)
