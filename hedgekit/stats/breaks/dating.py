"""When did the mean, or the ratio, change? Dating of breaks in a finished sample (Bai & Perron 2003).

For post-mortems only. The least-squares dates come from a dynamic programme over all segments: each
start sends one least-squares fit forward, row by row, by Givens rotations (exact, no table of segments is
kept), so 5,000 bars take a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import gammainc, gammaln, kolmogorov

from hedgekit.compiled import kernel
from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.breaks.argmax import argmax_quantile
from hedgekit.stats.checks import labels, series
from hedgekit.stats.inputs import panel

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from hedgekit.data import Array

NOTE = (
    "for a finished sample, looked at once: dates are chosen with hindsight, and p-values do not hold if the test is rerun every bar; "
    "watch with cusum or likelihood_cusum instead"
)
_TRIM = 0.15
_EXACT = 1e-24  # residuals below 1e-12 of the series' own size are rounding
_Z = 2.6  # two-sided 1%


@dataclass(frozen=True, eq=False, slots=True)
class BreakDates:
    """Breaks of a finished sample.

    Attributes
    ----------
    n_breaks : int
        Number with the smallest BIC; 0 is "no break".
    breaks : DataFrame
        One row for each: ``position`` (first row of the new regime) and its ``label``; ``low`` and ``high``, the interval of the
        position (Bai 1997; error variance and regressors may differ between regimes), with ``low_label`` and ``high_label``.
    segments : DataFrame
        One row for each regime: ``start``, ``stop`` (rows start to stop - 1), ``n``, ``sd`` of its residuals, and each coefficient.
    criteria : DataFrame
        For 0, 1, ... breaks (the index): ``rss``, ``bic``, ``positions``.
    sup_f, sup_f_p_value : float
        Largest F (chi-squared form) for one break against none, and its p-value by the tail formula of Estrella (2003); from
        about .2 up only "not small". Null hypothesis: no break.
    sup_f_position : int
        First row of the new regime where F is largest.
    ols_cusum, ols_cusum_p_value : float
        Largest scaled sum of residuals (Ploberger & Kraemer 1992) and its p-value (5% at 1.358). Null hypothesis: no break.
        NaN without an intercept.
    autocorrelation : float
        Correlation of residuals with the one before, at the chosen breaks.
    level : float
        Confidence level of the intervals.
    note : str
        What these figures must not be used for.
    warnings : tuple of str
        What makes them doubtful.
    """

    n_breaks: int
    breaks: pd.DataFrame
    segments: pd.DataFrame
    criteria: pd.DataFrame
    sup_f: float
    sup_f_p_value: float
    sup_f_position: int
    ols_cusum: float
    ols_cusum_p_value: float
    autocorrelation: float
    level: float
    note: str
    warnings: tuple[str, ...]


def bai_perron(  # noqa: PLR0913 - the data, and options by keyword
    y: ArrayLike | pd.Series,
    x: ArrayLike | pd.Series | pd.DataFrame | None = None,
    *,
    max_breaks: int = 5,
    min_segment: int | None = None,
    intercept: bool = True,
    level: float = 0.95,
) -> BreakDates:
    r"""Date the breaks of a mean, or of a regression's coefficients, by least squares.

    .. math:: y_t = x_t' \beta_j + e_t, \qquad t = T_{j-1}, \ldots, T_j - 1, \qquad j = 1, \ldots, m + 1

    For each number m of breaks the dates make the sum of squares smallest (all of them are tried); BIC chooses m,

    .. math:: \mathrm{BIC} = n (\ln(\mathrm{RSS}/n) + 1 + \ln 2\pi) + \ln n \,(q + 1)(m + 1).

    Parameters
    ----------
    y : array_like or Series, shape (n,)
        Finite, oldest first: a spread's level, or the primary's returns.
    x : array_like, Series or DataFrame, shape (n,) or (n, columns), optional
        Regressors, for example the hedge's returns: then breaks of the ratio are dated. None: breaks of the mean.
    max_breaks : int
        Most breaks tried, 1 or more.
    min_segment : int, optional
        Fewest rows of a regime; more than the number of coefficients. 15% of the rows if None.
    intercept : bool
        Add a constant to ``x`` (it may break too).
    level : float
        Of the intervals of the dates, between 0 and 1.

    Returns
    -------
    BreakDates

    Raises
    ------
    DataError
        If numbers are not finite, lengths or indexes differ, y never moves, or x is collinear.
    ConfigError
        If an option is out of range, or so many breaks do not fit.

    Notes
    -----
    **For post-mortems only.** Critical values of a fixed sample (1.358 for the OLS-CUSUM at 5%) are invalid if the test is rerun
    every bar. Errors must be independent: with autocorrelated ones (a spread's level!) BIC and sup-F find breaks
    that are not there; ``warnings`` says so. Regressors must be stationary: use returns, not price levels.
    Intervals are for large samples: in a simulation (200 rows, shift of .5 to 1.4 sd) 95% intervals held the date 88% of the time.
    Sources: Bai & Perron 1998, 2003; Zeileis et al. 2003 (R strucchange, same BIC); Bai 1997 for the intervals.
    """
    target = series(y, "y")
    design, names = _design(y, x, len(target), intercept=intercept)
    n, q = design.shape
    shortest = int(_TRIM * n) if min_segment is None else min_segment
    _check(target, design, max_breaks, shortest, level)
    rss, starts = _segmented(target, design, max_breaks, shortest)
    tiny = _EXACT * float(target @ target)
    bic = [n * (math.log(max(r, tiny) / n) + 1 + math.log(2 * math.pi)) + math.log(n) * (q + 1) * (m + 1) for m, r in enumerate(rss)]
    best = int(np.argmin(bic))
    edges = [0, *starts[best], n]
    segments, residuals = _segments(target, design, names, edges)
    where, f = _sup_f(target, design, shortest)
    sums = _ols_cusum(target, design) if intercept or x is None else math.nan
    total = float(residuals @ residuals)
    echo = float(residuals[1:] @ residuals[:-1]) / total if total > tiny else math.nan
    return BreakDates(
        n_breaks=best,
        breaks=_breaks(design, segments, names, labels(y, n), level),
        segments=segments,
        criteria=pd.DataFrame({"rss": rss, "bic": bic, "positions": starts}, index=pd.RangeIndex(len(rss), name="n_breaks")),
        sup_f=f,
        sup_f_p_value=_sup_f_p_value(f, q, shortest / n),
        sup_f_position=where,
        ols_cusum=sums,
        ols_cusum_p_value=float(kolmogorov(sums)),
        autocorrelation=echo,
        level=level,
        note=NOTE,
        warnings=_doubts(echo, n),
    )


def _design(y: object, x: ArrayLike | pd.Series | pd.DataFrame | None, n: int, *, intercept: bool) -> tuple[Array, list[str]]:
    if x is None:
        return np.ones((n, 1)), ["mean"]
    given = panel(x.rename("x") if isinstance(x, pd.Series) and x.name is None else x)
    if len(given) != n:
        msg = f"y has {n} rows, x {len(given)}: give series of the same length, aligned by time"
        raise DataError(msg)
    if isinstance(y, pd.Series) and isinstance(x, pd.Series | pd.DataFrame) and not y.index.equals(x.index):
        msg = "y and x have different indexes: align them first, for example with DataFrame({...}).dropna()"
        raise DataError(msg)
    names = list(given.names) if isinstance(x, pd.Series | pd.DataFrame) else [f"x{i}" for i in range(len(given.names))]
    rows = given.data
    return (np.column_stack([np.ones(n), rows]), ["intercept", *names]) if intercept else (rows, names)


def _check(target: Array, design: Array, max_breaks: int, shortest: int, level: float) -> None:
    n, q = design.shape
    if not 0 < level < 1:
        msg = f"level={level:g}: must be between 0 and 1, for example .95"
        raise ConfigError(msg)
    if max_breaks < 1:
        msg = f"max_breaks={max_breaks}: must be 1 or more"
        raise ConfigError(msg)
    if shortest <= q:
        msg = f"min_segment={shortest}: must be more than the {q} coefficients of a regime; give more rows or a longer segment"
        raise ConfigError(msg)
    need = (max_breaks + 1) * shortest
    if need > n:
        msg = f"max_breaks={max_breaks} with min_segment={shortest} needs {need} rows, there are {n}: lower one of them"
        raise ConfigError(msg)
    if (target == target[0]).all():
        msg = f"y never moves ({target[0]:g} at all {n} positions): there is nothing to date"
        raise DataError(msg)
    if np.linalg.matrix_rank(design / np.maximum(np.abs(design).max(axis=0), np.finfo(np.float64).tiny)) < q:
        msg = "x is collinear (a column is constant, zero, or a sum of others): leave that column out"
        raise DataError(msg)


def _segmented(target: Array, design: Array, max_breaks: int, shortest: int) -> tuple[list[float], list[tuple[int, ...]]]:
    """Return the smallest sum of squares and the break positions for 0, 1, ..., ``max_breaks`` breaks."""
    n, q = design.shape
    cost = np.full((max_breaks + 2, n + 1), np.inf)
    cost[0, 0] = 0.0
    back = np.zeros((max_breaks + 2, n + 1), dtype=np.int64)
    _programme(target, np.ascontiguousarray(design), shortest, cost, back, np.empty((q, q + 1)), np.empty(q + 1), np.empty(n))
    starts = []
    for m in range(max_breaks + 1):
        at, found = n, []
        for part in range(m + 1, 1, -1):
            at = int(back[part, at])
            found.append(at)
        starts.append(tuple(reversed(found)))
    return [float(cost[m + 1, n]) for m in range(max_breaks + 1)], starts


def _segments(target: Array, design: Array, names: list[str], edges: list[int]) -> tuple[pd.DataFrame, Array]:
    rows, residuals = [], np.empty_like(target)
    for start, stop in pairwise(edges):
        beta = np.linalg.lstsq(design[start:stop], target[start:stop])[0]
        residuals[start:stop] = target[start:stop] - design[start:stop] @ beta
        sd = math.sqrt(float(np.mean(residuals[start:stop] ** 2)))
        rows.append({"start": start, "stop": stop, "n": stop - start, "sd": sd, **dict(zip(names, beta.tolist(), strict=True))})
    return pd.DataFrame(rows), residuals


def _breaks(design: Array, segments: pd.DataFrame, names: list[str], index: pd.Index, level: float) -> pd.DataFrame:
    betas, sds = segments[names].to_numpy(), segments["sd"].to_numpy()
    bounds = list(zip(segments["start"].tolist(), segments["stop"].tolist(), strict=True))
    rows = []
    for j in range(len(bounds) - 1):
        before, after = (design[slice(*b)] @ (betas[j + 1] - betas[j]) for b in bounds[j : j + 2])
        at = bounds[j][1]
        down, up = _reach(float(np.mean(before**2)), float(np.mean(after**2)), sds[j] ** 2, sds[j + 1] ** 2, level)
        low, high = max(at - down, 0), min(at + up, len(design) - 1)
        rows.append((at, index[at], low, high, index[low], index[high]))
    return pd.DataFrame(rows, columns=["position", "label", "low", "high", "low_label", "high_label"])


def _reach(before: float, after: float, var_before: float, var_after: float, level: float) -> tuple[int, int]:
    """Return how far before and after its estimate the date may lie: the estimate less the date has the law of ``argmax``."""
    if min(before, after, var_before, var_after) <= 0:
        return 0, 0  # an exact fit: the date is certain
    xi = after / before
    phi = xi * var_after / var_before
    scale = before / var_before
    late, early = (argmax_quantile(p, xi=xi, phi=phi) / scale for p in ((1 + level) / 2, (1 - level) / 2))
    return max(0, math.ceil(late)), max(0, math.ceil(-early))


def _sup_f(target: Array, design: Array, shortest: int) -> tuple[int, float]:
    n, q = design.shape
    before, after = np.empty(n), np.empty(n)
    work, row = np.empty((q, q + 1)), np.empty(q + 1)
    _sums(target, np.ascontiguousarray(design), work, row, before)
    _sums(np.ascontiguousarray(target[::-1]), np.ascontiguousarray(design[::-1]), work, row, after)
    at = np.arange(shortest, n - shortest + 1)
    split = before[at - 1] + after[::-1][at]
    best = int(np.argmin(split))
    return int(at[best]), (n - 2 * q) * (float(before[-1]) / max(float(split[best]), np.finfo(np.float64).tiny) - 1)


def _sup_f_p_value(f: float, q: int, trim: float) -> float:
    """Return P(sup > f) of the squared Bessel bridge process over [trim, 1 - trim] (Estrella 2003, tail formula), 1 at most."""
    if f <= q:
        return 1.0
    log_front = q / 2 * math.log(f / 2) - f / 2 - float(gammaln(q / 2))
    tail = math.exp(log_front) * ((1 - q / f) * 2 * math.log((1 - trim) / trim) + 2 / f)
    return min(1.0, max(tail, 1 - float(gammainc(q / 2, f / 2))))


def _ols_cusum(target: Array, design: Array) -> float:
    residuals = target - design @ np.linalg.lstsq(design, target)[0]
    n, q = design.shape
    return float(np.abs(np.cumsum(residuals)).max() / math.sqrt(float(residuals @ residuals) / (n - q) * n))


def _doubts(echo: float, n: int) -> tuple[str, ...]:
    if abs(echo) * math.sqrt(n) > _Z:
        said = "BIC and sup-F find breaks that are not there, and intervals are too short; use innovations"
        return (f"residuals are autocorrelated ({echo:.2f}): {said}",)
    return ()


@kernel
def _add_row(work: Array, row: Array, q: int) -> float:
    """Rotate one row [x, y] into the triangle ``work`` and return what it adds to the sum of squares (Givens)."""
    for i in range(q):
        if row[i] == 0.0:
            continue
        length = np.sqrt(work[i, i] * work[i, i] + row[i] * row[i])
        c, s = work[i, i] / length, row[i] / length
        for j in range(i, q + 1):
            above_it, new = work[i, j], row[j]
            work[i, j] = c * above_it + s * new
            row[j] = c * new - s * above_it
    added: float = row[q] * row[q]
    return added


@kernel
def _sums(target: Array, design: Array, work: Array, row: Array, out: Array) -> None:
    """Write the sum of squares of a fit to the first 1, 2, ... rows."""
    n, q = design.shape
    work[:] = 0.0
    total = 0.0
    for t in range(n):
        for i in range(q):
            row[i] = design[t, i]
        row[q] = target[t]
        total += _add_row(work, row, q)
        out[t] = total


@kernel
def _programme(  # noqa: PLR0913 - flat arguments
    target: Array, design: Array, shortest: int, cost: Array, back: NDArray[np.int64], work: Array, row: Array, out: Array
) -> None:
    """Write the least cost of covering the first j rows with m segments, and where the last of them starts."""
    n = len(target)
    for start in range(n - shortest + 1):
        reached = False
        for m in range(len(cost) - 1):
            reached = reached or cost[m, start] < np.inf
        if not reached:
            continue
        _sums(target[start:], design[start:], work, row, out)
        for m in range(len(cost) - 1):
            if cost[m, start] < np.inf:
                for stop in range(start + shortest, n + 1):
                    total = cost[m, start] + out[stop - start - 1]
                    if total < cost[m + 1, stop]:
                        cost[m + 1, stop], back[m + 1, stop] = total, start
