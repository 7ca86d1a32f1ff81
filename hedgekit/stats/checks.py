"""Single numbers and single series that a user hands to the statistics: checked, with one wording for each mistake."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.inputs import panel

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hedgekit.data import Array


def above(name: str, value: float, floor: float, what: str) -> float:
    """Return the number, or refuse (ConfigError) one that is not finite and above ``floor``; ``what`` says what it is."""
    if not (math.isfinite(value) and value > floor):
        msg = f"{name}={value:g}: must be a finite number above {floor:g} ({what})"
        raise ConfigError(msg)
    return float(value)


def at_least(name: str, value: float, floor: float, what: str) -> float:
    """Return the number, or refuse (ConfigError) one that is not finite and at least ``floor``; ``what`` says what it is."""
    if not (math.isfinite(value) and value >= floor):
        msg = f"{name}={value:g}: must be a finite number, {floor:g} or more ({what})"
        raise ConfigError(msg)
    return float(value)


def series(data: ArrayLike | pd.Series, name: str, least: int = 1) -> Array:
    """Return one series as floats, shape (n,), of at least ``least`` finite values, or refuse it (DataError) by name, position and fix.

    A time index must be sorted and without duplicates, as in :func:`hedgekit.stats.inputs.panel`.
    """
    given = data.rename(name) if isinstance(data, pd.Series) else np.asarray(data)
    if given.ndim != 1:
        msg = f"{name} has shape {given.shape}: give one series, shape (n,)"
        raise DataError(msg)
    column: Array = panel(given, names=[name]).need(least, f"values of {name}").data[:, 0]
    return column


def labels(data: object, n: int) -> pd.Index:
    """Return the index of a Series or DataFrame, or positions for an array."""
    return data.index if isinstance(data, pd.Series | pd.DataFrame) else pd.RangeIndex(n)
