"""The returns of all trials as one checked table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hedgekit.errors import DataError
from hedgekit.stats.inputs import Panel, panel

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

MIN_ROWS = 10
"""Fewest bars from which anything is said."""

TINY = 1e-12
"""A variance below this share of the mean square is rounding, not variance."""


def trial_returns(returns: ArrayLike | pd.DataFrame, *, least: int = MIN_ROWS) -> Panel:
    """Return the table, or refuse (DataError) missing values, too few rows, and a trial that earns the same at every bar but not 0.

    A trial that never traded is all zeros, and is welcome: it was tried.
    """
    table = panel(returns)
    if not table.names:
        msg = "returns have no column: give one for each trial"
        raise DataError(msg)
    table.need(least, "bars of returns")
    for name, x in zip(table.names, table.data.T, strict=True):
        if x.any() and float(x.var()) <= TINY * float(np.mean(x * x)):
            msg = f"{name} earns {x[0]:g} at every bar: no return of a trade does; give bar returns, 0 where nothing was held"
            raise DataError(msg)
    return table


def sharpes(means: Array, squares: Array) -> Array:
    """Return mean / sd (ddof=0) from means and mean squares; nothing earned and nothing risked is 0, neither good nor bad."""
    variance = squares - means**2
    flat = variance <= TINY * squares
    return np.where(flat, 0.0, means / np.sqrt(np.where(flat, 1.0, variance)))
