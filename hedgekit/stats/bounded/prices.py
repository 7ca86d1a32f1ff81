"""Prices that are probabilities, checked in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hedgekit.errors import DataError
from hedgekit.stats.checks import series

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array


def probabilities(prices: ArrayLike | pd.Series, name: str = "prices", least: int = 1, *, inside: bool = False) -> Array:
    """Return prices checked to lie in [0, 1], or strictly between if ``inside``; DataError by name, position and fix."""
    p = series(prices, name, least)
    bad = np.flatnonzero((p < 0) | (p > 1))
    if bad.size:
        msg = f"{name} is {p[bad[0]]:g} at position {bad[0]}: probabilities lie in [0, 1]; divide cents by 100, or correct the price"
        raise DataError(msg)
    edge = np.flatnonzero((p == 0) | (p == 1))
    if inside and edge.size:
        msg = (
            f"{name} is {p[edge[0]]:g} at position {edge[0]}: the logit of 0 or 1 is infinite; end the history before the resolution, "
            "or use excess_movement, which takes 0 and 1"
        )
        raise DataError(msg)
    return p
