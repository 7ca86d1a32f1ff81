"""Intervals of two figures estimated together: their ratio, and their difference, from a studentised block bootstrap.

A percentile interval puts a skewed figure's error on the wrong side: at 50 trades a mean of right-skewed slippage that truly
*is* the target was said to be under it 8% of the time (docs/verdict.md). Here every resampled history is measured in its own
standard errors (Ledoit & Wolf 2008, for the Sharpe difference; Götze & Künsch 1996 for why), which corrects for skew.

A ratio a / b is not resampled as a ratio, which has no moments where b may be near zero. Its interval holds each r for which
a - r b = 0 is not rejected (Fieller 1954), so a denominator that may as well be zero gives an open end, not a large number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.compiled import kernel
from hedgekit.stats.bootstrap import MIN_ROWS, block_length

if TYPE_CHECKING:
    from collections.abc import Callable

    from hedgekit.data import Array

    Figures = Callable[[Array], tuple[Array, Array]]
    """Two smooth functions of the means of some columns: values, shape (m, 2), and gradients, (m, 2, k), at means of shape (m, k)."""
    Rows = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

MIN_BLOCKS = 8
"""A history is cut into at least this many blocks, however long memory lasts: fewer give no standard error to divide by."""
SHORTEST = 1.5
"""A block is at least this x the cube root of the rows: the automatic rule finds 1 wherever it does not see a weak memory."""
ANGLES, HALVINGS = 24, 36
"""Steps in which the end of a ratio's interval is looked for, coarse then fine."""
STEEP = 0.03
"""Figures are measured in standard errors, but in no less than this share of themselves: else their angle has no digits."""
TINY = 1e-20
"""A variance below this share of the figures' own square is rounding: nothing varied."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Two figures, a and b, and how they scatter.

    Attributes
    ----------
    values : float64 array, shape (2,)
        a and b.
    cov : float64 array, shape (2, 2)
        Their covariance, from overlapping blocks.
    draws : float64 array, shape (reps, 2)
        a and b of resampled histories; empty if there are too few rows.
    covs : float64 array, shape (reps, 2, 2)
        The covariance that each resampled history itself suggests.
    block : int
        Rows of a block.
    """

    values: Array
    cov: Array
    draws: Array
    covs: Array
    block: int


@dataclass(frozen=True, slots=True)
class Interval:
    """Ends; infinite where there is no limit, NaN where nothing can be said."""

    lower: float
    upper: float


NOTHING = Interval(float("nan"), float("nan"))


def estimate(rows: Array, figures: Figures, *, at_least: float = 1.0, reps: int, seed: tuple[int, ...]) -> Estimate:
    r"""Estimate two figures and resample them in circular blocks.

    With :math:`f` the figures, :math:`m` the means of the columns and :math:`B_i` the means of the n blocks of b rows that start
    at each row (the history closed to a circle), the covariance is
    :math:`\nabla f \left[\frac{b}{n} \frac{1}{n} \sum_i (B_i - m)(B_i - m)'\right] \nabla f'`. A resampled history is n / b blocks
    drawn with replacement; its own covariance is the same formula over the blocks drawn. The block is chosen by the rule of
    Politis & White on the figures' own influence values, so what hangs together in *this* figure has the say.

    Parameters
    ----------
    rows : float64 array, shape (n, k)
        Columns whose means the figures are made of; finite.
    figures : Figures
        a and b.
    at_least : float
        Shortest block, in rows: bars of one trade belong together. No less than 1.5 x the cube root of n.
    reps : int
        Resampled histories.
    seed : tuple of int
        Same seed, same histories.

    Returns
    -------
    Estimate
        Without draws below 10 rows; then every interval is NaN.
    """
    n = len(rows)
    means = rows.mean(axis=0) if n else np.full(rows.shape[1], np.nan)
    values, slopes = figures(means[None, :])
    if n < MIN_ROWS or not np.isfinite(slopes).all():
        return Estimate(values[0], np.full((2, 2), np.nan), np.empty((0, 2)), np.empty((0, 2, 2)), 1)
    block = _block(rows - means, values[0], slopes[0], at_least)
    blocks = _circular(rows, block)
    count = n // block
    spread = (blocks - means).T @ (blocks - means) / n / count
    starts = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed))).integers(0, n, (reps, count))
    drawn, products = _redraw(blocks, starts)
    redone, steep = figures(drawn)
    return Estimate(values[0], slopes[0] @ spread @ slopes[0].T, redone, steep @ products @ np.swapaxes(steep, 1, 2), block)


def _block(centred: Array, values: Array, slopes: Array, at_least: float) -> int:
    """Return the block length that a / b wants; that a wants, if b is zero."""
    share = float(values[0] / values[1]) if values[1] != 0 else 0.0
    own = centred @ (slopes[0] - share * slopes[1])
    scale = float(np.abs(own).max())
    least = max(at_least, SHORTEST * len(own) ** (1 / 3))
    return max(1, min(round(block_length(own / scale if scale > 0 else own, at_least=least)), len(own) // MIN_BLOCKS))


def _circular(rows: Array, block: int) -> Array:
    """Return the mean of the ``block`` rows from each row on, the end followed by the beginning."""
    total = np.cumsum(np.concatenate([np.zeros((1, rows.shape[1])), rows, rows[: block - 1]]), axis=0)
    return np.asarray((total[block:] - total[:-block]) / block)


@kernel
def _redraw(blocks: Array, starts: Rows) -> tuple[Array, Array]:
    """Return each history's means, shape (reps, k), and their covariance, shape (reps, k, k)."""
    reps, count = starts.shape
    k = blocks.shape[1]
    means, products = np.zeros((reps, k)), np.zeros((reps, k, k))
    for r in range(reps):
        for j in range(count):
            row = starts[r, j]
            for a in range(k):
                x = blocks[row, a]
                means[r, a] += x
                for b in range(a + 1):
                    products[r, a, b] += x * blocks[row, b]
        for a in range(k):
            means[r, a] /= count
        for a in range(k):
            for b in range(a + 1):
                products[r, a, b] = (products[r, a, b] / count - means[r, a] * means[r, b]) / count
                products[r, b, a] = products[r, a, b]
    return means, products


def contrast(e: Estimate, weights: tuple[float, float], level: float) -> Interval:
    """Return the interval of ``weights[0] a + weights[1] b``: with (1, -1) the difference, with (1, 0) a itself.

    Parameters
    ----------
    e : Estimate
        The two figures.
    weights : tuple of two floats
        Of a and b.
    level : float
        Of the two-sided interval; each end is wrong in half of the rest.

    Returns
    -------
    Interval
        NaN without draws; of no width if nothing ever varied.
    """
    w = np.array(weights)
    value, var = float(w @ e.values), float(w @ e.cov @ w)
    if not len(e.draws):
        return NOTHING
    if var <= TINY * float(np.sum((w * e.values) ** 2)):
        return Interval(value, value)
    errors, se = _in_errors(e, w), float(np.sqrt(var))
    return Interval(value - se * _critical(errors, level, 1), value - se * _critical(errors, level, -1))


def ratio(e: Estimate, level: float) -> Interval:
    """Return the interval of a / b for b above zero; an end is infinite where no ratio that far is rejected.

    Parameters
    ----------
    e : Estimate
        The two figures.
    level : float
        Of the two-sided interval.

    Returns
    -------
    Interval
        NaN without draws or if b is not above zero; of no width if nothing ever varied.
    """
    a, b = (float(x) for x in e.values)
    if not (len(e.draws) and np.isfinite(a) and b > 0):
        return NOTHING
    at = np.array([1.0, -a / b])
    if float(at @ e.cov @ at) <= TINY * 2 * a * a:
        return Interval(a / b, a / b)
    units = np.maximum(np.sqrt(np.diag(e.cov)), np.maximum(STEEP * np.abs(e.values), np.finfo(float).tiny))
    middle = float(np.arctan2(a / units[0], b / units[1]))
    scale = float(units[0] / units[1])
    ends = [_end(e, units, middle, way, level) for way in (-1, 1)]
    return Interval(*(scale * float(np.tan(x)) if np.isfinite(x) else float(x) for x in ends))


def _end(e: Estimate, units: Array, middle: float, way: int, level: float) -> float:
    """Return the angle of the first ratio rejected on one side of the estimate, or an infinity."""
    last = middle
    for share in np.arange(1, ANGLES + 1) / ANGLES:
        angle = middle + share * (way * np.pi / 2 - middle)
        if _rejected(e, units, angle, way, level):
            inside, outside = last, float(angle)
            break
        last = float(angle)
    else:
        return way * np.inf
    for _ in range(HALVINGS):
        half = (inside + outside) / 2
        inside, outside = (inside, half) if _rejected(e, units, half, way, level) else (half, outside)
    return inside


def _rejected(e: Estimate, units: Array, angle: float, way: int, level: float) -> bool:
    """Whether the ratio at ``angle`` lies outside the interval, on the side ``way``."""
    w = np.array([np.cos(angle), -np.sin(angle)]) / units
    value, var = float(w @ e.values), float(w @ e.cov @ w)
    return -way * value > -way * _critical(_in_errors(e, w), level, -way) * float(np.sqrt(var))


def _critical(errors: Array, level: float, way: int) -> float:
    """Return the quantile of the upper (``way`` 1) or lower (-1) tail, rounded outwards; an undefined history is the worst of all."""
    x = np.where(np.isnan(errors), np.inf, way * errors)
    place = int(np.ceil((1 + level) / 2 * (len(x) - 1) - 1e-9))
    return way * float(np.partition(x, place)[place])


def _in_errors(e: Estimate, w: Array) -> Array:
    """Return how far each history's combination lies from the estimate's, in its own standard errors."""
    away = (e.draws - e.values) @ w
    var = (e.covs[:, 0, 0] * w[0] + 2 * e.covs[:, 0, 1] * w[1]) * w[0] + e.covs[:, 1, 1] * w[1] ** 2
    known = var > TINY * float(np.sum((w * e.values) ** 2))
    return np.where(known, away / np.sqrt(np.where(known, var, 1.0)), np.nan)
