"""Times and bars that all venues' histories share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pandas as pd

from hedgekit.errors import ConfigError

COLUMNS = ("open", "high", "low", "close", "volume")


class Span(NamedTuple):
    """From when to when (Unix seconds, the end not included), in bars of so many seconds."""

    start_s: int
    end_s: int
    bar_s: int

    def windows(self, most: int) -> Iterator[tuple[int, int]]:
        """Yield parts of at most so many bars, oldest first."""
        for first in range(self.start_s, self.end_s, most * self.bar_s):
            yield first, min(first + most * self.bar_s, self.end_s)


def span(start: str | pd.Timestamp, end: str | pd.Timestamp, bar: str, known: Iterable[str]) -> Span:
    """Read times (UTC where they say no zone) and a bar's length.

    Raises
    ------
    ConfigError
        If one is no time, the end is not after the start, or the venue has no such bar.
    """
    if bar not in known:
        msg = f"bar={bar!r}: the venue has {', '.join(known)}"
        raise ConfigError(msg)
    first, last = (_seconds(name, value) for name, value in (("start", start), ("end", end)))
    if first >= last:
        msg = f"start={start}, end={end}: nothing lies between them; give an end after the start"
        raise ConfigError(msg)
    return Span(first, last, int(pd.Timedelta(bar).total_seconds()))


def _seconds(name: str, value: str | pd.Timestamp) -> int:
    try:
        at = pd.Timestamp(value)
        return int((at.tz_localize("UTC") if at.tzinfo is None else at).timestamp())
    except (ValueError, TypeError):
        msg = f"{name}={value!r} is no time; write for example 2026-01-05 or 2026-01-05T14:30Z"
        raise ConfigError(msg) from None


def frame(rows: Iterable[tuple[float, ...]], asked: Span) -> pd.DataFrame:
    """Return bars by the time (UTC) at which each begins, oldest first, each once; what was not asked for is left out.

    A row is (Unix seconds, open, high, low, close, volume).

    Of two bars of one time, as pages that overlap have them, the later one said counts.
    """
    table = pd.DataFrame(rows, columns=["time", *COLUMNS]).astype(dict.fromkeys(COLUMNS, "float64"))
    table = table[(table["time"] >= asked.start_s) & (table["time"] < asked.end_s)].drop_duplicates("time", keep="last").sort_values("time")
    table["time"] = pd.to_datetime(table["time"].astype("int64"), unit="s", utc=True)
    return table.set_index("time")
