"""Columns of the journal's frames as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from hedgekit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from hedgekit.data import Array

BPS = 1e4
NAN = float("nan")


def column(frame: pd.DataFrame, name: str) -> Array:
    """Return a column as float64.

    Raises
    ------
    DataError
        If the frame does not have it.
    """
    if name not in frame.columns:
        msg = f"no column {name!r} in a frame with {', '.join(map(str, frame.columns))}; give the journal's equity(), trades() or fills()"
        raise DataError(msg)
    return cast("Array", frame[name].to_numpy(dtype=np.float64, na_value=np.nan))
