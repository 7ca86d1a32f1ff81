"""What all pictures share: colours, and fewer points that show the same.

Colours are Okabe and Ito's, which people with any kind of colour blindness can
tell apart; what matters is told by dashes, markers or words as well. A line of
more than ``POINTS`` points is thinned by keeping the lowest and the highest
point of every line in each of ``STRETCHES`` stretches, about one for a pixel of
the page, so no extreme is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hedgekit.journal.series import extremes

if TYPE_CHECKING:
    import pandas as pd

BLUE, ORANGE, VERMILLION, GREEN, PURPLE, SKY, GREY = "#0072B2", "#E69F00", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#6b7280"
POINTS, STRETCHES = 3_000, 800


def thin(frame: pd.DataFrame, limit: int = POINTS, stretches: int = STRETCHES) -> pd.DataFrame:
    """Keep the rows that show in a plot: every column's minimum and maximum in every stretch.

    Parameters
    ----------
    frame : DataFrame
        Numeric columns, any index; of NaN one is kept in a stretch, so that a hole is still one.
    limit : int
        Up to so many rows nothing is dropped.
    stretches : int
        Parts of equal length into which the rows are cut.

    Returns
    -------
    DataFrame
        Rows of ``frame``, in order, the first and the last included.
    """
    rows = len(frame)
    if rows <= limit:
        return frame
    kept = extremes([frame[name].to_numpy(dtype=float) for name in frame.columns], np.arange(rows) * stretches // rows)
    return frame.iloc[np.unique([0, *kept, rows - 1])]


def thinned(frame: pd.DataFrame) -> str:
    """Say what :func:`thin` did, for the figure's title; empty if nothing."""
    return f" · {len(thin(frame)):,} of {len(frame):,} points drawn, extremes kept" if len(frame) > POINTS else ""
