r"""Hurst's exponent, never without what a series of this length without memory shows.

The rescaled range of independent changes grows faster than the square root of the window in short
windows, so its raw slope is above 1/2 for a series without any memory: a "trend" that is not there.
Here every window's range is compared with its exact expectation (Anis & Lloyd 1976), and the slope with simulated slopes of
independent changes of the same number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.compiled import kernel
from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.reversion.findings import Finding
from hedgekit.stats.reversion.stationarity import moving

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

LEAST_WINDOW = 8
LEAST = 64
"""Fewest levels: less has no window that is both long and repeated."""

NULL = "changes are independent (the levels are a random walk)"


@dataclass(frozen=True, slots=True)
class Hurst:
    """Outcome of :func:`hurst`.

    Attributes
    ----------
    h : float
        1/2 + slope of log(R/S) - log(its expectation) on log(window): 1/2 on average without memory.
    raw : float
        Slope of log(R/S) alone, as it is usually quoted; compare it with ``raw_null`` only.
    raw_null : float
        What ``raw`` is on average without memory, for these windows.
    low, high : float
        Where ``h`` lies without memory, at ``level``; simulated.
    p_value : float
        Two-sided, simulated: at least 1/(reps + 1).
    windows : tuple of int
        Lengths of the windows, in changes.
    level : float
        Level of ``low`` and ``high``.
    n : int
        Levels.
    warnings : tuple of str
        Windows that were left out because nothing moved in them (stale prices).
    """

    h: float
    raw: float
    raw_null: float
    low: float
    high: float
    p_value: float
    windows: tuple[int, ...]
    level: float
    n: int
    warnings: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        """What follows, in words."""
        span = f"{self.h:.2f}, {self.level:.0%} of walks {self.low:.2f} to {self.high:.2f}"
        if self.low <= self.h <= self.high:
            return f"not distinguishable from a random walk's increments ({span})"
        return f"{'long moves are damped: reversion or bounce' if self.h < self.low else 'moves persist: trend'} ({span})"

    def finding(self) -> Finding:
        """Return the test as a row of a report."""
        return Finding("Hurst exponent, rescaled range", NULL, self.h, self.p_value, self.n, self.says, warnings=self.warnings)


def anis_lloyd(n: int) -> float:
    r"""Return the expected rescaled range of n independent Gaussian changes (Anis & Lloyd 1976).

    .. math:: E(R/S)_n = \frac{\Gamma((n-1)/2)}{\sqrt{\pi}\,\Gamma(n/2)} \sum_{r=1}^{n-1} \sqrt{(n-r)/r}

    S divides by n (not n - 1).

    Raises
    ------
    ConfigError
        If n is below 2.
    """
    if n < 2:  # noqa: PLR2004 - one change has no range
        msg = f"n={n}: must be at least 2 changes"
        raise ConfigError(msg)
    r = np.arange(1, n)
    return math.exp(math.lgamma((n - 1) / 2) - math.lgamma(n / 2)) / math.sqrt(math.pi) * float(np.sqrt((n - r) / r).sum())


def hurst(x: ArrayLike | pd.Series, *, level: float = 0.95, seed: int = 1, reps: int = 999) -> Hurst:
    """Estimate Hurst's exponent by the rescaled range, beside what independent changes of this number show.

    Null hypothesis: the changes of x are independent (Gaussian in the simulation; the rescaled range hardly depends on it).
    R/S is averaged over windows side by side of 8, 16, 32 ... changes, up to half of them.

    Parameters
    ----------
    x : array_like or Series, shape (n,)
        Levels: log prices or a spread, oldest first; at least 64.
    level : float
        Level of the interval of the null.
    seed, reps : int
        Of the simulated null.

    Returns
    -------
    Hurst
        ``says``: mostly "not distinguishable from a random walk's increments": at 250 levels the null reaches from .36 to .63.

    Raises
    ------
    DataError
        If a value is missing or not finite, the series never moves or is shorter than 64, or stands still in all windows of one length.
    ConfigError
        If ``level`` or ``reps`` is out of range.

    Notes
    -----
    Short memory (bounce, an MA term) moves h too; the rescaled range cannot tell it from long memory (Lo 1991).
    """
    if not (0 < level < 1 and reps >= 99):  # noqa: PLR2004 - fewer have no tails
        msg = f"level={level:g}, reps={reps}: level must be between 0 and 1, reps at least 99"
        raise ConfigError(msg)
    values = moving(x, LEAST)
    windows = _windows(len(values) - 1)
    logs, changes = np.empty((1, len(windows))), np.diff(values)
    said = _still(changes, windows)
    mean_log_ranges(changes[None], np.array(windows), logs)
    expected = np.log([anis_lloyd(w) for w in windows])
    null = np.sort(0.5 + _slope(_null(len(values) - 1, seed, reps) - expected, windows))
    h = float(0.5 + _slope(logs - expected, windows)[0])
    tail = (1 - level) / 2
    rank = int(min(np.sum(null <= h), np.sum(null >= h)))
    return Hurst(
        h=h,
        raw=float(_slope(logs, windows)[0]),
        raw_null=float(_slope(expected[None], windows)[0]),
        low=float(np.quantile(null, tail)),
        high=float(np.quantile(null, 1 - tail)),
        p_value=min(1.0, 2 * (1 + rank) / (reps + 1)),
        windows=windows,
        level=level,
        n=len(values),
        warnings=said,
    )


def _still(changes: Array, windows: tuple[int, ...]) -> tuple[str, ...]:
    """Return how many windows have no spread of changes, and so no range; DataError if that is all windows of a length."""
    said = []
    for w in windows:
        still = int((np.ptp(changes[: len(changes) // w * w].reshape(-1, w), axis=1) == 0).sum())
        if still == len(changes) // w:
            msg = f"x stands still in all {still} windows of {w} changes: choose a window in which it trades"
            raise DataError(msg)
        if still:
            said.append(f"{still} of {len(changes) // w} windows of {w} changes are left out: nothing moves in them")
    return tuple(said)


def _windows(changes: int) -> tuple[int, ...]:
    return tuple(LEAST_WINDOW * 2**i for i in range(64) if LEAST_WINDOW * 2 ** (i + 1) <= changes)


def _slope(y: Array, windows: tuple[int, ...]) -> Array:
    """Return the least-squares slope of each row on the logarithm of the window."""
    u = np.log(windows)
    u -= u.mean()
    return np.asarray(y @ u / (u @ u))


@lru_cache(maxsize=16)
def _null(changes: int, seed: int, reps: int) -> Array:
    windows = np.array(_windows(changes))
    rng = np.random.Generator(np.random.PCG64(seed))
    out = np.empty((reps, len(windows)))
    rows = max(1, 2_000_000 // changes)
    for first in range(0, reps, rows):
        part = out[first : first + rows]
        mean_log_ranges(rng.standard_normal((len(part), changes)), windows, part)
    out.setflags(write=False)
    return out


# numba infers every type, and checks it.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False


@kernel
def mean_log_ranges(changes, windows, out):  # noqa: ANN001, ANN201 - compiled
    """Fill out[r, i] with the log of the mean rescaled range of row r over windows of length windows[i]; a still one has none."""
    reps, n = changes.shape
    for r in range(reps):
        row = changes[r]
        for i in range(len(windows)):
            w = windows[i]
            total, count = 0.0, 0
            for first in range(0, n - w + 1, w):
                mean = 0.0
                for t in range(first, first + w):
                    mean += row[t]
                mean /= w
                level, top, bottom, square = 0.0, 0.0, 0.0, 0.0
                for t in range(first, first + w):
                    u = row[t] - mean
                    level += u
                    square += u * u
                    top = max(top, level)
                    bottom = min(bottom, level)
                if square > 0:
                    total += (top - bottom) / np.sqrt(square / w)
                    count += 1
            out[r, i] = np.log(total / count)
