"""How many of the trials really differ? Grid neighbours trade almost alike, and a thousand of them are not a thousand chances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from hedgekit.stats.overfit.returns import trial_returns
from hedgekit.stats.sharpe.ratio import open_unit

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

MAX_CLUSTERED = 2_000
"""More trials than this are counted by correlation only: the clusters' table would take hundreds of megabytes."""


@dataclass(frozen=True, eq=False, slots=True)
class Independent:
    """The number of trials, three ways.

    Attributes
    ----------
    counted : int
        Columns.
    average_correlation : float
        Mean correlation over all pairs of trials, 0 for one trial; one that never moved counts as unlike all others.
    by_correlation : float
        r + (1 - r) x counted, r the average correlation (0 if it is negative).
    clusters : int or None
        Groups of trials that trade alike; None above 2,000 trials.
    labels : int array, shape (counted,), or None
        The group of each trial, from 1.
    """

    counted: int
    average_correlation: float
    by_correlation: float
    clusters: int | None
    labels: np.ndarray | None

    def scaled(self, trials: int) -> float:
        """Return the effective number of ``trials`` of which these columns are a fair picture, by average correlation."""
        r = max(self.average_correlation, 0.0)
        return r + (1 - r) * trials


def independent_trials(returns: ArrayLike | pd.DataFrame, *, alike: float = 0.5) -> Independent:
    """Return how many independent trials these amount to.

    By average correlation (Bailey & Lopez de Prado 2014, appendix) and by clusters: average linkage on the distance sqrt((1 - r) / 2), cut
    where the correlation is ``alike``.

    Trap: do not put these numbers into :func:`hedgekit.stats.sharpe.dsr` together with the observed variance of the
    trials' Sharpe ratios: that variance is already smaller when trials are alike.

    Parameters
    ----------
    returns : DataFrame or array_like, shape (n, trials)
        Bar returns, n at least 10.
    alike : float
        Correlation from which two groups are one, between 0 and 1.

    Raises
    ------
    DataError
        If returns are missing or too few.
    ConfigError
        If ``alike`` is not between 0 and 1.
    """
    open_unit("alike", alike, "a correlation, for example .5")
    data = trial_returns(returns).data
    z = data - data.mean(axis=0)
    size = np.sqrt(np.sum(z * z, axis=0))
    z = z / np.where(size > 0, size, 1.0)
    k = z.shape[1]
    moving = int(np.count_nonzero(size))
    total = float(np.sum(z.sum(axis=1) ** 2)) - moving  # the sum of all correlations, without the table of them
    r = total / (k * (k - 1)) if k > 1 else 0.0
    labels = _clusters(z, alike) if k <= MAX_CLUSTERED else None
    positive = max(r, 0.0)
    return Independent(k, r, positive + (1 - positive) * k, None if labels is None else int(labels.max()), labels)


def _clusters(z: Array, alike: float) -> np.ndarray:
    if z.shape[1] == 1:
        return np.ones(1, dtype=np.intp)
    distance = np.sqrt(np.clip(1 - z.T @ z, 0, 2) / 2)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), method="average")
    return np.asarray(fcluster(tree, np.sqrt((1 - alike) / 2), criterion="distance"), dtype=np.intp)
