"""What a walk forward or a cross-validation found: its folds, its out-of-sample P&L, and how its paths are spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit import metrics as m
from hedgekit.backtest.walk_folds import figures

if TYPE_CHECKING:
    from hedgekit.data import Array
    from hedgekit.data.tape import Stamps


@dataclass(frozen=True, eq=False, slots=True)
class WalkForward:
    """Out-of-sample results of a choice that was made again in each fold.

    Attributes
    ----------
    folds : DataFrame
        One row for each fold: ``train_from``, ``train_to``, ``test_from``, ``test_to`` (closes of first and last bar, UTC), ``train_bars``,
        ``test_bars``, ``purged`` (bars in neither), in cross-validation ``groups``; the chosen values (missing if nothing could
        be chosen) and the ``ratio`` in force when the test began (of several hedges a tuple); ``trades``, ``pnl``,
        ``pnl_unhedged`` of the test; the chosen figure ``in_sample`` and ``out_of_sample`` and ``degradation``, the first less
        the second; ``says``: why nothing was chosen. In cross-validation training lies on both sides of the tests, with holes.
    ts_ns : int64 array, shape (bars,)
        Close of each tested bar, UTC, oldest first.
    pnl, pnl_unhedged : float64 arrays, shape (bars,)
        P&L of each tested bar, net of spread and fees at executable prices: all legs, and the primary alone. In
        cross-validation the mean over the paths, which is smoother than any path: judge by the paths.
    paths, paths_unhedged : float64 arrays, shape (paths, bars)
        The same for each path; one path in a walk forward.
    by : str
        The figure that chose.
    combinations : int
        Combinations that were tried in each fold.
    trials : int
        Different trials that the ledger has for this study: each combination, this procedure as a whole, and all before.
    study : str
        Under what name they are counted.
    """

    folds: pd.DataFrame
    ts_ns: Stamps
    pnl: Array
    pnl_unhedged: Array
    paths: Array
    paths_unhedged: Array
    by: str
    combinations: int
    trials: int
    study: str

    @property
    def index(self) -> pd.DatetimeIndex:
        """The tested bars' closes, tz-aware UTC."""
        return pd.DatetimeIndex(self.ts_ns, tz="UTC", name="ts")

    def table(self) -> pd.DataFrame:
        """Return one row for each path.

        Returns
        -------
        DataFrame
            Index ``path``; ``pnl`` and ``pnl_unhedged`` (net, at executable prices), ``sharpe``, ``sharpe_unhedged``, ``sharpe_gain``
            (difference; as in :func:`hedgekit.metrics.sharpe`, NaN where nothing was traded), ``drawdown`` and
            ``drawdown_unhedged`` (money).
        """
        rows = [_path_figures(mine, base) for mine, base in zip(self.paths, self.paths_unhedged, strict=True)]
        return pd.DataFrame(rows, index=pd.RangeIndex(len(rows), name="path"))

    def summary(self) -> pd.DataFrame:
        """Return how the figures of the paths are spread, and what choosing in sample promised.

        The paths of a cross-validation trade the same bars, so they are far from independent: their spread says how much hangs on the
        part that was trained on. It is no confidence interval, and more paths make it no surer.

        Returns
        -------
        DataFrame
            A row for each column of :meth:`table`, then ``in_sample``, ``out_of_sample`` and ``degradation`` over the folds; columns
            ``count`` (that have the figure), ``mean``, ``sd``, ``low`` (5%), ``median``, ``high`` (95%), ``below_zero`` (part of them).
        """
        inside = self.folds[["in_sample", "out_of_sample", "degradation"]]
        return pd.DataFrame([_spread(column) for frame in (self.table(), inside) for _, column in frame.items()])


def _path_figures(hedged: Array, unhedged: Array) -> dict[str, float]:
    told = figures(hedged, unhedged, 0)
    del told["trades"]  # a path's trades are not told apart
    return told | {"drawdown": m.max_drawdown(np.cumsum(hedged)), "drawdown_unhedged": m.max_drawdown(np.cumsum(unhedged))}


def _spread(column: pd.Series) -> pd.Series:
    known = column.dropna()
    low, median, high = known.quantile([0.05, 0.5, 0.95])
    told = {"count": len(known), "mean": known.mean(), "sd": known.std(), "low": low, "median": median, "high": high}
    return pd.Series(told | {"below_zero": (known < 0).mean()}, name=column.name)
