"""How sure a figure is: resampling one history in blocks, so that what hangs together stays together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from arch.bootstrap import StationaryBootstrap, optimal_block_length

if TYPE_CHECKING:
    from collections.abc import Callable

    from hedgekit.data import Array

MIN_ROWS = 10
"""Fewer rows than this are not resampled: the interval is NaN."""


def block_length(*series: Array, at_least: float = 1.0) -> float:
    """Return the mean block length for a stationary bootstrap of these series together.

    The longest of their automatic lengths (Politis & White 2004, as corrected in 2009;
    ``arch``), of ``at_least``, and of 1; at most half of the rows. For a trading
    result ``at_least`` is the mean holding time: bars of one trade belong together.

    Parameters
    ----------
    *series : float64 arrays, shape (n,)
        Finite values. One that never varies has no say.
    at_least : float
        Shortest length that makes sense.
    """
    lengths = [1.0, at_least if np.isfinite(at_least) else 1.0]
    for x in series:
        if len(x) >= MIN_ROWS and np.ptp(x) > 0:
            with np.errstate(divide="ignore", invalid="ignore"):  # a series that moves at its very ends only: its correlation is no number
                length = float(optimal_block_length(x.reshape(-1))["stationary"].iloc[0])
            lengths.append(length if np.isfinite(length) else 1.0)
    return max(1.0, min(max(lengths), len(series[0]) / 2))


def resample(rows: Array, statistic: Callable[[Array], Array], *, block: float, reps: int, seed: tuple[int, ...]) -> Array:
    """Return the statistic of ``reps`` histories made of blocks of this one (Politis & Romano 1994).

    All columns of a row move together, so series that belong to the same bar stay paired.

    Parameters
    ----------
    rows : float64 array, shape (n, columns)
        One row for each bar or trade.
    statistic : callable
        From rows to float64, shape (k,). NaN where it has no meaning.
    block : float
        Mean block length in rows, rounded to a whole number.
    reps : int
        Number of histories.
    seed : tuple of int
        Same seed, same histories.

    Returns
    -------
    float64 array, shape (reps, k)
        All NaN if there are fewer than 10 rows.
    """
    if len(rows) < MIN_ROWS:
        return np.full((reps, len(statistic(rows))), np.nan)
    bootstrap = StationaryBootstrap(round(block), rows, seed=np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed))))
    return bootstrap.apply(statistic, reps)


def interval(values: Array, level: float) -> tuple[float, float]:
    """Return the percentile interval; a history without a meaning counts as the worst at both ends.

    Infinite if so many histories are undefined that an end falls among them; NaN if all are.
    """
    if np.isnan(values).all():
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = np.where(np.isnan(values), -np.inf, values), np.where(np.isnan(values), np.inf, values)
    return float(np.quantile(low, tail, method="lower")), float(np.quantile(high, 1 - tail, method="higher"))
