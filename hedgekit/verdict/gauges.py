"""One figure with its interval and its word, and the verdict made of several."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from hedgekit.stats.studentised import Interval


class Result(StrEnum):
    """A verdict's word. NOTE is for figures without a target."""

    PASS = "PASS"  # noqa: S105 - a word, not a password
    FAIL = "FAIL"
    CANNOT_TELL = "CANNOT TELL"
    NOTE = "NOTE"


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure with its interval.

    Attributes
    ----------
    rule, name : str
        Rule of the article (``L10`` for further figures), and what is measured.
    value : float or None
        None where it is undefined.
    lower, upper : float or None
        The interval: None without one, infinite where that end has no limit.
    unit : str
        "fraction", "x" or a word.
    target : str
        For people.
    n : int
        What was measured, counted: bars, trades or fills.
    result : Result
        The word.
    note : str
        What stands behind it.
    limit : float or None
        The target's number; None without a target, or where the figure shown is not the one that has it.
    needed : int or None
        About how many closed trades would tell, were the figure to stay as it is: the distance from the interval's end to the figure
        shrinks with the root of their number. None if that is told already, or cannot be said.
    """

    rule: str
    name: str
    value: float | None
    lower: float | None
    upper: float | None
    unit: str
    target: str
    n: int
    result: Result
    note: str = ""
    limit: float | None = None
    needed: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The six metrics A23 to A28, the overall result with its reasons, and further figures without a target."""

    gauges: tuple[Gauge, ...]
    result: Result
    reasons: tuple[str, ...]
    extras: tuple[Gauge, ...] = ()

    def frame(self) -> pd.DataFrame:
        """Return one row for each gauge, then the extras; columns are the fields of :class:`Gauge`."""
        return pd.DataFrame([asdict(gauge) for gauge in (*self.gauges, *self.extras)])

    def table(self) -> pd.DataFrame:
        """Return the six gauges by rule: ``metric, result, value, lower, upper, unit, target, n, needed``; NaN where there is none."""
        rows = self.frame().iloc[: len(self.gauges)].rename(columns={"name": "metric"}).set_index("rule")
        return rows[["metric", "result", "value", "lower", "upper", "unit", "target", "n", "needed"]]

    def summary(self) -> str:
        """Return the verdict as one paragraph: the word, then its reasons."""
        return f"Verdict: {self.result}. " + " ".join(f"{reason[:1].upper()}{reason[1:]}." for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure must be: under, over, or within a number either way."""

    kind: str
    limit: float
    unit: str = "fraction"

    def __str__(self) -> str:
        """For people: ``under 15%``, ``over 1.2 x``."""
        return f"{self.kind} {self.limit * 100:g}%" if self.unit == "fraction" else f"{self.kind} {self.limit:g} {self.unit}"

    def word(self, value: float, ends: Interval) -> Result:
        """PASS if the figure and its whole interval reach the target, FAIL if both miss it, else CANNOT TELL; so if either is NaN."""
        low = {"within": -self.limit, "under": -math.inf, "over": self.limit}[self.kind]
        high = math.inf if self.kind == "over" else self.limit
        if math.isnan(value) or math.isnan(ends.lower) or math.isnan(ends.upper):
            return Result.CANNOT_TELL
        clear_of_low = self.kind == "under" or low < min(ends.lower, value)  # an open end on the good side does not matter
        clear_of_high = self.kind == "over" or max(ends.upper, value) < high
        if clear_of_low and clear_of_high:
            return Result.PASS
        if (ends.upper <= low and value <= low) or (ends.lower >= high and value >= high):
            return Result.FAIL
        return Result.CANNOT_TELL

    def nearest(self, value: float) -> float:
        """Return the target's number on the figure's side of zero."""
        return float(np.copysign(self.limit, value)) if self.kind == "within" else self.limit

    def needed(self, value: float, ends: Interval, trades: int) -> int | None:
        """Return the trades at which the interval's end would come to the target, were the figure to stay as it is."""
        limit = self.nearest(value)
        reach = value - (ends.lower if value > limit else ends.upper)
        gap = value - limit
        if not (math.isfinite(reach) and gap) or self.word(value, ends) is not Result.CANNOT_TELL:
            return None
        return math.ceil(trades * (reach / gap) ** 2)


def number(value: float) -> float | None:
    """Return the value, or None for NaN."""
    return None if math.isnan(value) else float(value)
