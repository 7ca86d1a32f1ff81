"""What a method does on bars that its ratio has not seen.

Out of sample means: the ratio that hedges a bar was estimated on bars before it. A
ratio that stands still is fitted on everything before each of ``folds`` equal parts of the
second half; one that moves is followed bar by bar through the second half, its own
constants (q, GARCH parameters) having been estimated on the first.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from hedgekit.data import Array
from hedgekit.stats.bootstrap import block_length, interval, resample
from hedgekit.stats.fit import DOLLARS, UNIT, Effectiveness
from hedgekit.stats.ratio.legs import Estimate, Legs, Method
from hedgekit.stats.ratio.options import MIN_ROWS

REPS = 500


def hedged(moves: Array, ratios: Array) -> Array:
    """Return the move of the primary less the ratios times those of the hedges, row by row."""
    left: Array = moves[:, 0] - (moves[:, 1:] * ratios).sum(axis=1)
    return left


def naive_ratios(legs: Legs, row: int = -1) -> Array:
    """Return one dollar of hedge for each dollar of primary, in equal parts, in the unit of the fit at a price row."""
    k = legs.x.shape[1]
    if UNIT[legs.on] == DOLLARS:
        return np.full(k, 1 / k)
    prices = legs.panel.data[row]
    share: Array = prices[0] / prices[1:] / k
    return share


def judge(method: Method, legs: Legs, found: Estimate, folds: int, least: int) -> Effectiveness | None:
    """Return what the method does out of sample; None where the history is too short."""
    n = len(legs.moves)
    start = n // 2
    if start < least + 1 or n - start < MIN_ROWS:
        return None
    if found.path is None:
        ratios = _stepwise(method, legs, np.linspace(start, n, folds + 1).astype(int))
    else:
        known = start + 1 if legs.levels else start
        path = method(legs, known).path
        assert path is not None  # noqa: S101 - the same method gave one before
        ratios = path[(start if legs.levels else start - 1) : -1, :1]
    tested = legs.moves[start:]
    if np.isnan(ratios).any():
        return None
    rows = np.column_stack([tested[:, 0], hedged(tested, ratios), hedged(tested, naive_ratios(legs, start))])
    return _effectiveness(rows)


def _stepwise(method: Method, legs: Legs, edges: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Array:
    parts = []
    for a, b in pairwise(edges):
        past = legs.first(int(a) + 1)
        parts.append(np.broadcast_to(method(past, len(past.y)).ratios, (int(b - a), legs.x.shape[1])))
    return np.concatenate(parts)


def _effectiveness(rows: Array, level: float = 0.95) -> Effectiveness | None:
    def shares(sample: Array) -> Array:
        var = sample.var(axis=0)
        if not var[0] > 0:
            return np.full(3, np.nan)
        mine, naive = 1 - var[1] / var[0], 1 - var[2] / var[0]
        return np.array([mine, naive, mine - naive])

    mine, naive, _ = shares(rows)
    if np.isnan(mine):
        return None
    block = block_length(rows[:, 0] ** 2, rows[:, 1] ** 2)
    draws = resample(rows, shares, block=block, reps=REPS, seed=(0, len(rows)))
    (low, high), gain = interval(draws[:, 0], level), interval(draws[:, 2], level)
    return Effectiveness(float(mine), low, high, float(naive), *gain, len(rows), level)
