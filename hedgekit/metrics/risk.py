"""Metrics of a P&L curve, and of two: Sharpe, Sortino, Calmar, drawdown, effectiveness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.metrics.frames import NAN

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

BARS_PER_YEAR = 252.0
TINY = 1e-12
"""A variance below this share of the mean square is rounding, not variance."""


def steps(curve: ArrayLike) -> Array:
    """Return the P&L of each bar from a cumulative curve; the first bar counts from zero."""
    path = np.asarray(curve, dtype=np.float64)
    out = path.copy()
    out[1:] -= path[:-1]
    return out


def max_drawdown(curve: ArrayLike) -> float:
    """Return the deepest fall of a cumulative P&L curve below its highest point so far.

    Money, zero or positive; the start (zero) counts as a high. An empty curve gives 0.
    """
    path = np.concatenate(([0.0], np.asarray(curve, dtype=np.float64)))
    return float(np.max(np.maximum.accumulate(path) - path))


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall of a curve, and the longest time below a high.

    Attributes
    ----------
    depth : float
        Money, zero or positive; equals :func:`max_drawdown`.
    peak, trough : int or None
        Last bar at the high before it (-1: the start, at zero), and first bar at its lowest point. None without a fall.
    recovered : int or None
        First bar at or above that high again; None if there is none.
    length_bars : int
        From the peak to the recovery, or to the last bar if it is not recovered; 0 without a fall.
    under_water : bool
        Whether the *last* bar lies below the highest point so far.
    longest_bars : int
        Longest time from a high to its recovery or to the last bar: of any fall, not only the deepest.
    """

    depth: float
    peak: int | None
    trough: int | None
    recovered: int | None
    length_bars: int
    under_water: bool
    longest_bars: int


def drawdown(curve: ArrayLike) -> Drawdown:
    """Return depth and length of the deepest drawdown of a cumulative P&L curve, and whether it is under water still.

    The start (zero) counts as a high. Lengths are in bars, of the curve given: flat bars count. NaN in the curve makes the
    depth NaN, and leaves peak, trough and recovery None.

    Parameters
    ----------
    curve : array_like, shape (n,)
        Cumulative P&L, money.
    """
    path = np.concatenate(([0.0], np.asarray(curve, dtype=np.float64)))
    below = np.maximum.accumulate(path) - path
    depth = float(np.max(below))
    if not depth > 0:
        return Drawdown(depth, None, None, None, 0, under_water=False, longest_bars=0)
    trough = int(np.argmax(below))
    peak = trough - int(np.argmax(path[trough::-1]))
    back = np.flatnonzero(path[trough:] >= path[peak])
    end = trough + int(back[0]) if len(back) else None
    last = len(path) - 1
    return Drawdown(
        depth=depth,
        peak=peak - 1,
        trough=trough - 1,
        recovered=None if end is None else end - 1,
        length_bars=(last if end is None else end) - peak,
        under_water=bool(below[-1] > 0),
        longest_bars=_longest(below),
    )


def _longest(below: Array) -> int:
    """Return the most bars from one high (where ``below`` is zero) to the next, or to the end if that lies below."""
    highs = np.flatnonzero(below == 0)
    waits = np.diff(highs)
    open_end = len(below) - 1 - int(highs[-1])
    return max(int(waits[waits > 1].max(initial=0)), open_end)


def sharpe(pnl: ArrayLike, *, bars_per_year: float = BARS_PER_YEAR) -> float:
    """Return the annualised Sharpe ratio of bar P&L: mean / sd (ddof=1) x sqrt(bars a year).

    NaN for fewer than two bars or if nothing ever varies.
    """
    x = np.asarray(pnl, dtype=np.float64)
    if len(x) < 2:  # noqa: PLR2004 - a standard deviation needs two
        return NAN
    sd = float(x.std(ddof=1))
    if sd * sd <= TINY * float(np.mean(x * x)):
        return NAN
    return float(x.mean()) / sd * float(np.sqrt(bars_per_year))


def sortino(pnl: ArrayLike, *, target: float = 0.0, bars_per_year: float = BARS_PER_YEAR) -> float:
    r"""Return the annualised Sortino ratio of bar P&L: mean excess / downside deviation x sqrt(bars a year).

    .. math:: \frac{\bar x - \tau}{\sqrt{\frac1n \sum_i \min(x_i - \tau, 0)^2}} \sqrt{B}

    The downside deviation divides by *all* n bars (no ddof), not by the losing ones alone (Sortino & van der Meer 1991): libraries
    that divide by the losing bars give a lower ratio.

    Parameters
    ----------
    pnl : array_like, shape (n,)
        Money of each bar, flat ones too.
    target : float
        Money a bar that is wanted at least.
    bars_per_year : float
        For the annualisation.

    Returns
    -------
    float
        NaN for no bar, for NaN, or if no bar falls short of the target.
    """
    x = np.asarray(pnl, dtype=np.float64) - target
    down = float(np.sqrt(np.mean(np.minimum(x, 0.0) ** 2))) if len(x) else 0.0
    return float(x.mean()) / down * float(np.sqrt(bars_per_year)) if down > 0 else NAN


def calmar(curve: ArrayLike, *, bars_per_year: float = BARS_PER_YEAR) -> float:
    """Return mean P&L a year / maximum drawdown, both in money, of a cumulative curve; so capital and compounding have no say.

    Negative for a loss. NaN for an empty curve, for NaN, or if the curve never falls. A longer history has a deeper maximum drawdown:
    compare only histories of the same length.
    """
    x, depth = steps(curve), max_drawdown(curve)
    return float(x.mean()) * bars_per_year / depth if depth > 0 else NAN


def sharpe_difference(hedged: ArrayLike, unhedged: ArrayLike, *, bars_per_year: float = BARS_PER_YEAR) -> float:
    """Hedged - unhedged annualised Sharpe ratio of two cumulative P&L curves: defined whatever their signs."""
    return sharpe(steps(hedged), bars_per_year=bars_per_year) - sharpe(steps(unhedged), bars_per_year=bars_per_year)


def sharpe_difference_stderr(hedged: ArrayLike, unhedged: ArrayLike, *, bars_per_year: float = BARS_PER_YEAR) -> float:
    r"""Return the standard error of the Sharpe difference (Jobson & Korkie 1981, as corrected by Memmel 2003).

    .. math:: se^2 = \frac{1}{T}\left[2 - 2\rho + \tfrac12 (S_1^2 + S_2^2 - 2 S_1 S_2 \rho^2)\right]

    For independent Gaussian bars: a quick look beside the bootstrap.
    """
    x, y = steps(hedged), steps(unhedged)
    s1, s2 = sharpe(x, bars_per_year=1), sharpe(y, bars_per_year=1)
    if not np.isfinite(s1 * s2):
        return NAN
    rho = float(np.corrcoef(x, y)[0, 1])
    var = (2 - 2 * rho + 0.5 * (s1 * s1 + s2 * s2 - 2 * s1 * s2 * rho * rho)) / len(x)
    return float(np.sqrt(max(var, 0.0) * bars_per_year))


def variance_effectiveness(hedged: ArrayLike, unhedged: ArrayLike) -> float:
    """Hedge effectiveness: 1 - var(hedged) / var(unhedged) of bar P&L, from two cumulative curves (Ederington 1979).

    At most 1; negative if the hedge added variance; NaN if the unhedged P&L never varies.
    """
    base = float(np.var(steps(unhedged)))
    return 1 - float(np.var(steps(hedged))) / base if base > 0 else NAN
