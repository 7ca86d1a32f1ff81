"""When a market can be traded: a closed or halted one is silent, and that is no outage (L6).

Sans-I/O: the time is passed in. An exchange's opening hours, with holidays, early closes and breaks, are those of
exchange_calendars, which is loaded only where a calendar is named; what a venue says itself of an instrument comes on its stream.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hedgekit.errors import ConfigError, meant
from hedgekit.types import NS, MarketStatus

if TYPE_CHECKING:
    import pandas as pd

_Status = Literal["open", "closed", "halted", "paused"]
_Edges = np.ndarray[tuple[int], np.dtype[np.int64]]


class Hours:
    """The opening hours of an exchange, half-open: open from the opening on, closed from the close on.

    Parameters
    ----------
    calendar : str
        A name that exchange_calendars knows: "XNYS" for the New York Stock Exchange.

    Raises
    ------
    ConfigError
        If there is no calendar of that name.
    """

    def __init__(self, calendar: str) -> None:
        self.calendar = calendar
        known = _library().get_calendar_names()
        if calendar not in known:
            asked = meant(calendar.upper(), known, "see its get_calendar_names();", most=3)
            msg = f"calendar={calendar!r}: exchange_calendars has none of that name; {asked} New York's is 'XNYS'"
            raise ConfigError(msg)

    def is_open(self, at_ns: int) -> bool:
        """Whether the exchange trades at a time.

        Raises
        ------
        ConfigError
            If the calendar does not reach that year.
        """
        return bool(np.searchsorted(self._edges(at_ns), at_ns, "right") % 2)

    def next_change_ns(self, at_ns: int) -> int | None:
        """Return when it opens or closes next, after ``at_ns``; None if it does not within the next year, as where it never closes.

        Raises
        ------
        ConfigError
            If the calendar does not reach that year.
        """
        edges = self._edges(at_ns)
        place = int(np.searchsorted(edges, at_ns, "right"))
        return int(edges[place]) if place < len(edges) else None

    def _edges(self, at_ns: int) -> _Edges:
        return _edges(self.calendar, datetime.fromtimestamp(at_ns // NS, UTC).year)


class Tradable:
    """Whether each instrument can be traded, by the exchange's hours and by its venue's own word; says what changes.

    Parameters
    ----------
    keys : iterable of str
        The instruments.
    calendar : str
        The exchange's, as in :class:`Hours`; empty where it never closes, or nobody told of a close.

    Raises
    ------
    ConfigError
        If there is no calendar of that name.
    """

    def __init__(self, keys: Iterable[str], calendar: str = "") -> None:
        self._hours = Hours(calendar) if calendar else None
        self._open = True
        self._venue: dict[str, _Status] = dict.fromkeys(keys, "open")
        self._said = dict(self._venue)

    @property
    def shut(self) -> bool:
        """Whether nothing can be traded now, so that silence means nothing."""
        return all(status != "open" for status in self._said.values())

    def restore(self, record: MarketStatus) -> None:
        """Take up where the journal ends."""
        self._said[record.instrument] = record.status
        if record.status != "closed":
            self._venue[record.instrument] = record.status

    def look(self, now_ns: int) -> list[MarketStatus]:
        """Look at the calendar; return what has changed since it was said last."""
        self._open = self._hours is None or self._hours.is_open(now_ns)
        return self._changes(now_ns)

    def told(self, word: MarketStatus) -> list[MarketStatus]:
        """Take the venue's word on an instrument; what it says of a closed exchange counts when that opens."""
        self._venue[word.instrument] = word.status
        return self._changes(word.ts_ns)

    def reopened(self, now_ns: int) -> list[MarketStatus]:
        """Forget the venue's word: its stream was interrupted, and it does not say again what it said meanwhile.

        An instrument that is still halted has no fresh quote, and so no decision.
        """
        self._venue = dict.fromkeys(self._venue, "open")
        return self._changes(now_ns)

    def next_ns(self, now_ns: int) -> int | None:
        """When to look at the calendar again; None for never."""
        return None if self._hours is None else self._hours.next_change_ns(now_ns)

    def _changes(self, now_ns: int) -> list[MarketStatus]:
        now: dict[str, _Status] = {key: status if self._open else "closed" for key, status in self._venue.items()}
        changed = [
            MarketStatus(ts_ns=now_ns, instrument=key, status=status)
            for key, status in now.items()
            if status != self._said.get(key, "open")
        ]
        self._said = now
        return changed


# ---------------------------------------------------------------------- inside


def _library() -> Any:  # noqa: ANN401 - a module
    """Load exchange_calendars: it costs most of a second, so only who names a calendar pays."""
    import exchange_calendars  # type: ignore[import-untyped]  # noqa: PLC0415 - loading it late is what this function is for

    return exchange_calendars


@lru_cache(maxsize=16)
def _edges(calendar: str, year: int) -> _Edges:
    """Return openings and closes in turn, of a year and, as far as the calendar knows them, the years beside it."""
    error: ValueError | None = None
    for first, last in ((year - 1, year + 1), (year - 1, year), (year, year + 1), (year, year)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # the library's own use of pandas
                frame = _library().get_calendar(calendar, start=f"{first}-01-01", end=f"{last}-12-31").schedule
        except ValueError as caught:
            error = caught
        else:
            return _in_turn(frame, int(datetime(last + 1, 1, 1, tzinfo=UTC).timestamp()) * NS)
    msg = f"calendar={calendar!r} does not reach {year}: {error}; leave the calendar out, or choose another"
    raise ConfigError(msg)


def _in_turn(frame: pd.DataFrame, end_ns: int) -> _Edges:
    """Turn a schedule (open, break_start, break_end, close; UTC) into the times at which the market opens and closes."""
    times = frame[["open", "break_start", "break_end", "close"]].stack().dropna().astype("datetime64[ns, UTC]")  # noqa: PD013 - all in turn
    edges = times.dt.tz_localize(None).to_numpy().astype(np.int64)
    same = np.flatnonzero(edges[1:-1:2] >= edges[2::2])  # a close that is the next opening is neither
    edges = np.delete(edges, np.concatenate([2 * same + 1, 2 * same + 2]))
    return edges[:-1] if edges[-1] >= end_ns else edges  # where the years asked for end, nothing closes
