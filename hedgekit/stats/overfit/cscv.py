"""The probability of backtest overfitting by combinatorially symmetric cross-validation (CSCV)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, islice
from math import comb
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.inputs import whole_number
from hedgekit.stats.overfit.returns import sharpes, trial_returns

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

CHUNK = 2**21
"""Numbers held at once."""

_ROUNDING = 1e-12
"""A rank of exactly one half may come out a rounding error above it."""

MAX_SPLITS = 20
"""Above, more than 184,756 halvings: hours, and nothing learnt."""


@dataclass(frozen=True, eq=False, slots=True)
class Pbo:
    """What becomes out of sample of the trial that was best in sample.

    Attributes
    ----------
    pbo : float
        Share of halvings in which it ends in the lower half out of sample (logit 0 or less). .5 is what noise gives on average
        ((N + 1) / 2N for an odd number N of trials), and also what equally good trials give: it speaks of the *choice*, not of
        whether there is an edge.
    logits : float64 array, shape (n_comb,)
        ln(w / (1 - w)), w its rank out of sample / (trials + 1), in the order of itertools.combinations.
    median_logit : float
    slope, intercept : float
        OLS of its Sharpe ratio out of sample on the one in sample, over the halvings. A steep negative slope is no proof of over-fitting by
        itself: the halves share one total. NaN if the ratio in sample is the same in all.
    prob_loss : float
        Share of halvings in which it loses out of sample (Sharpe ratio below 0).
    n_comb : int
        Halvings: C(blocks, blocks / 2).
    blocks : int
    """

    pbo: float
    logits: Array
    median_logit: float
    slope: float
    intercept: float
    prob_loss: float
    n_comb: int
    blocks: int


def pbo(returns: ArrayLike | pd.DataFrame, *, blocks: int = 8) -> Pbo:
    """Return the probability of backtest overfitting.

    The bars are cut into ``blocks`` runs of (nearly) equal length. For each choice of half of them the trial with the
    highest Sharpe ratio on that half is ranked among all on the other half; rank / (trials + 1), equal ones share the mean of their ranks.
    In sample the first of equal ones is taken.

    Traps: never recentre the trials before (it forces PBO to 1, since what was best in one half must then be worst in the other; R's
    ``pbo`` vignette does it). R's ``pbo`` ranks by N, not N + 1, and prints an intercept as "slope".

    Parameters
    ----------
    returns : DataFrame or array_like, shape (n, trials)
        Bar returns of at least 2 trials; 2 bars for each block at least. A trial without movement in a half has Sharpe ratio 0 there.
    blocks : int
        S, even, 2 to 20. 16 gives 12,870 halvings.

    Returns
    -------
    Pbo

    Raises
    ------
    DataError
        If returns are missing, or there are too few bars or trials.
    ConfigError
        If ``blocks`` is not an even number of 2 to 20.

    References
    ----------
    Bailey, Borwein, Lopez de Prado & Zhu 2017, "The probability of backtest overfitting", J. Computational Finance 20(4).
    """
    whole_number("blocks", blocks, 2)
    if blocks % 2 or blocks > MAX_SPLITS:
        msg = f"blocks={blocks}: must be an even number from 2 to {MAX_SPLITS}"
        raise ConfigError(msg)
    table = trial_returns(returns, least=2 * blocks)
    if len(table.names) < 2:  # noqa: PLR2004 - a choice
        msg = "one trial: nothing was chosen, so nothing can be over-fitted by choosing; give the returns of every trial"
        raise DataError(msg)
    found = np.concatenate([_halvings(table.data, blocks, picks) for picks in _picks(blocks, table.data.shape[1])])
    rank, inside, outside = found.T
    share = rank / (table.data.shape[1] + 1)
    logits = np.log(share / (1 - share))
    slope = _slope(inside, outside)
    return Pbo(
        pbo=float(np.mean(logits <= _ROUNDING)),
        logits=logits,
        median_logit=float(np.median(logits)),
        slope=slope,
        intercept=float(outside.mean() - slope * inside.mean()),
        prob_loss=float(np.mean(outside < 0)),
        n_comb=len(found),
        blocks=blocks,
    )


def _picks(blocks: int, trials: int) -> Iterator[Array]:
    """Yield the halvings as rows of ones (in sample) and zeros, some at a time."""
    every, size = combinations(range(blocks), blocks // 2), max(1, CHUNK // trials)
    for _ in range(0, comb(blocks, blocks // 2), size):
        some = np.array(list(islice(every, size)))
        chosen = np.zeros((len(some), blocks))
        np.put_along_axis(chosen, some, 1.0, axis=1)
        yield chosen


def _halvings(data: Array, blocks: int, chosen: Array) -> Array:
    """Return rank out of sample, Sharpe ratio in sample and out of sample of the best in sample, one row for each halving."""
    starts = np.array([part[0] for part in np.array_split(np.arange(len(data)), blocks)])
    bars = np.diff(np.append(starts, len(data))).astype(np.float64)
    sums, squares = np.add.reduceat(data, starts), np.add.reduceat(data**2, starts)
    sides = []
    for half in (chosen, 1 - chosen):
        n = (half @ bars)[:, None]
        sides.append(sharpes(half @ sums / n, half @ squares / n))
    rows, best = np.arange(len(chosen)), sides[0].argmax(axis=1)
    ranks = rankdata(sides[1], axis=1)[rows, best]
    return np.column_stack((ranks, sides[0][rows, best], sides[1][rows, best]))


def _slope(x: Array, y: Array) -> float:
    c = x - x.mean()
    spread = float(c @ c)
    return float(c @ y) / spread if spread > 0 else float("nan")
