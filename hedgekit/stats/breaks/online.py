"""The two-sided tabular CUSUM (Page 1954), one number at a time or a whole series at once.

The state is a value, not an object that changes, so a paper session, a replay and a
notebook can hold it, store it and go on from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit.compiled import kernel
from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.breaks.runlength import average_run_length, threshold_for
from hedgekit.stats.checks import above, labels, series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from hedgekit.data import Array

_Z = 3.3  # two-sided 0.1%: one warning in a thousand clean series


@dataclass(frozen=True, slots=True)
class CusumState:
    """Where a CUSUM stands after a number.

    Attributes
    ----------
    upper, lower : float
        Evidence for a higher and a lower mean, in standard deviations, 0 or more.
    upper_run, lower_run : int
        Numbers since each was last 0: at an alarm, how long ago the change seems to have begun.
    alarm : int
        1 if the mean seems higher, -1 if lower, 0 if there is no alarm. The next update starts afresh.
    """

    upper: float = 0.0
    lower: float = 0.0
    upper_run: int = 0
    lower_run: int = 0
    alarm: int = 0


@dataclass(frozen=True, slots=True)
class Cusum:
    r"""A two-sided tabular CUSUM with a stated false-alarm rate.

    .. math:: S^+_t = \max(0, S^+_{t-1} + z_t - k), \qquad S^-_t = \max(0, S^-_{t-1} - z_t - k), \qquad
        \text{alarm if } S^\pm_t > h

    Null hypothesis: the z are independent, normal, with mean 0 and sd 1. After an alarm it starts again from 0.

    Parameters
    ----------
    k : float
        Allowance in standard deviations; above 0. Half of the shift that is to be found soonest.
    h : float
        Threshold in standard deviations; ``Cusum.of(arl=...)`` finds it from the run length.

    Examples
    --------
    >>> watch = Cusum.of(arl=500)
    >>> state = CusumState()
    >>> for z in (0.3, 2.1, 1.9, 2.4, 1.2):
    ...     state = watch.update(state, z)
    >>> state.alarm, state.upper_run, round(watch.arl0)
    (1, 4, 500)
    """

    k: float = 0.5
    h: float = 4.0

    def __post_init__(self) -> None:
        """Refuse an allowance or threshold that is not above 0 (ConfigError)."""
        above("k", self.k, 0, "allowance, in standard deviations")
        above("h", self.h, 0, "threshold, in standard deviations")

    @classmethod
    def of(cls, *, arl: float, k: float = 0.5) -> Cusum:
        """Return the CUSUM with a false alarm every ``arl`` numbers on average."""
        return cls(k=k, h=threshold_for(arl, k=k))

    @property
    def arl0(self) -> float:
        """Numbers from one false alarm to the next, on average."""
        return average_run_length(k=self.k, h=self.h)

    def update(self, state: CusumState, z: float) -> CusumState:
        """Return the state after the standardised number ``z``; DataError if it is not finite."""
        if not math.isfinite(z):
            msg = f"z is {z}: give a finite number, or skip the bar and say so; a missing value is no evidence"
            raise DataError(msg)
        old = CusumState() if state.alarm else state
        upper, lower = max(0.0, old.upper + z - self.k), max(0.0, old.lower - z - self.k)
        return CusumState(
            upper=upper,
            lower=lower,
            upper_run=old.upper_run + 1 if upper > 0 else 0,
            lower_run=old.lower_run + 1 if lower > 0 else 0,
            alarm=1 if upper > self.h else -1 if lower > self.h else 0,
        )


@dataclass(frozen=True, eq=False, slots=True)
class CusumRun:
    """A CUSUM over a series, with what its alarms are worth.

    Attributes
    ----------
    alarms : DataFrame
        One row for each alarm: ``position`` and ``label`` (where it was given), ``direction`` (1 higher, -1 lower),
        ``since`` and ``since_label`` (first number after the statistic was last 0: where the change seems to begin),
        ``statistic`` (its value, in standard deviations).
    path : DataFrame, shape (n, 2)
        ``upper`` and ``lower`` after each number.
    rule : Cusum
        k and h.
    arl0 : float
        Numbers from one false alarm to the next, on average, if nothing changes.
    expected_false_alarms : float
        n / arl0: so many alarms this series would give if nothing had changed.
    n : int
        Numbers watched.
    autocorrelation : float
        Correlation of each number with the one before; NaN if they do not vary. ``arl0`` holds at 0.
    warnings : tuple of str
        What makes ``arl0`` doubtful.
    """

    alarms: pd.DataFrame
    path: pd.DataFrame
    rule: Cusum
    arl0: float
    expected_false_alarms: float
    n: int
    autocorrelation: float
    warnings: tuple[str, ...]


def cusum(  # noqa: PLR0913 - the series, and its model by keyword
    data: ArrayLike | pd.Series,
    *,
    mean: float,
    sd: float,
    k: float = 0.5,
    h: float | None = None,
    arl: float | None = None,
) -> CusumRun:
    """Watch a series for a change of its mean, as if bar by bar, and say how many alarms chance alone would give.

    Null hypothesis: the numbers are independent and normal with the given mean and sd throughout.

    Parameters
    ----------
    data : array_like or Series, shape (n,)
        Finite numbers, oldest first: forecast errors, innovations of a spread, or hedged returns.
    mean, sd : float
        Of the numbers while nothing has changed, known *before* the series starts: from an earlier window or a model. Taken
        from the series itself they would look ahead, and hide the change.
    k : float
        Allowance in sd; half of the shift that is to be found soonest.
    h, arl : float, optional
        Threshold in sd, or the run length from which to find it. Give one; h = 4 if neither is given.

    Returns
    -------
    CusumRun

    Raises
    ------
    DataError
        If a number is not finite.
    ConfigError
        If a parameter is out of range, or both h and arl are given.

    Notes
    -----
    Not for a spread itself: its bars hang together, and false alarms come far more often than once in ``arl0`` (at a correlation of
    .5 five times as often). ``warnings`` says so when it sees it. A change also makes numbers hang together, so the warning may
    be the change's own doing. With mean and sd estimated from 100 bars the
    false alarms come .5 to 2.7 times as often as stated (90% of cases, simulated), from 500 bars .7 to 1.6 times.

    Sources: Page 1954; Montgomery, Statistical Quality Control.
    """
    x = series(data, "data")
    above("sd", sd, 0, "standard deviation while nothing has changed")
    if not math.isfinite(mean):
        msg = f"mean={mean}: must be a finite number (mean while nothing has changed)"
        raise ConfigError(msg)
    rule = _rule(k, h, arl)
    z = (x - mean) / sd
    path, alarm, run = np.empty((len(z), 2)), np.empty(len(z), dtype=np.int64), np.empty(len(z), dtype=np.int64)
    _run(z, rule.k, rule.h, path, alarm, run)
    index = labels(data, len(z))
    arl0, echo = rule.arl0, _autocorrelation(z)
    return CusumRun(
        alarms=_alarms(path, alarm, run, index),
        path=pd.DataFrame(path, index=index, columns=["upper", "lower"]),
        rule=rule,
        arl0=arl0,
        expected_false_alarms=len(z) / arl0,
        n=len(z),
        autocorrelation=echo,
        warnings=_doubts(echo, len(z)),
    )


def _rule(k: float, h: float | None, arl: float | None) -> Cusum:
    if h is not None and arl is not None:
        msg = f"h={h:g} and arl={arl:g}: give one of them; each determines the other"
        raise ConfigError(msg)
    if arl is not None:
        return Cusum.of(arl=arl, k=k)
    return Cusum(k=k) if h is None else Cusum(k=k, h=h)


def _alarms(path: Array, alarm: NDArray[np.int64], run: NDArray[np.int64], index: pd.Index) -> pd.DataFrame:
    at = np.flatnonzero(alarm)
    since = at - run[at] + 1
    return pd.DataFrame(
        {
            "position": at,
            "label": index[at],
            "direction": alarm[at],
            "since": since,
            "since_label": index[since],
            "statistic": path[at].max(axis=1) if len(at) else np.empty(0),
        }
    )


def _autocorrelation(z: Array) -> float:
    centred = z - z.mean()
    total = float(centred @ centred)
    return float(centred[1:] @ centred[:-1]) / total if total > 0 else math.nan


def _doubts(echo: float, n: int) -> tuple[str, ...]:
    if abs(echo) * math.sqrt(n) > _Z:
        said = "arl0 does not hold; watch innovations, unless the change itself made it"
        return (f"numbers hang together (correlation {echo:.2f} with the one before): {said}",)
    return ()


@kernel
def _run(z: Array, k: float, h: float, path: Array, alarm: NDArray[np.int64], run: NDArray[np.int64]) -> None:  # noqa: PLR0913 - flat arguments
    """Write both sides, the alarms, and at an alarm the numbers since its side was last 0."""
    upper = lower = 0.0
    up = down = 0
    for t in range(len(z)):
        upper, lower = max(0.0, upper + z[t] - k), max(0.0, lower - z[t] - k)
        up = up + 1 if upper > 0 else 0
        down = down + 1 if lower > 0 else 0
        path[t, 0], path[t, 1] = upper, lower
        alarm[t], run[t] = 0, 0
        if upper > h:
            alarm[t], run[t] = 1, up
        elif lower > h:
            alarm[t], run[t] = -1, down
        if alarm[t] != 0:
            upper = lower = 0.0
            up = down = 0
