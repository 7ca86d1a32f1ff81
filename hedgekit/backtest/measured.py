"""A curve's Sharpe ratio and drawdown in compiled code: a sweep's threads would wait for each other in numpy.

The definitions are those of :func:`hedgekit.metrics.sharpe` and :func:`hedgekit.metrics.max_drawdown`; tests hold the figures to them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hedgekit.compiled import compiled

if TYPE_CHECKING:
    from hedgekit.data import Array

# mypy: disallow-untyped-calls=False


@compiled
def measured(curve: Array, pnl: Array, bars_per_year: float, tiny: float) -> tuple[float, float]:
    """Write the P&L of each bar of a cumulative curve into ``pnl``; return its Sharpe ratio a year (NaN: none) and its deepest fall."""
    n, before, high, depth, total = len(curve), 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        pnl[i] = curve[i] - before
        before = curve[i]
        high = max(high, before)
        depth = max(depth, high - before)
        total += pnl[i]
    if n < 2:  # noqa: PLR2004 - a standard deviation needs two
        return math.nan, depth
    mean, squares, raw = total / n, 0.0, 0.0
    for i in range(n):
        off = pnl[i] - mean
        squares, raw = squares + off * off, raw + pnl[i] * pnl[i]
    variance = squares / (n - 1)
    if variance <= tiny * raw / n:
        return math.nan, depth
    return mean / math.sqrt(variance) * math.sqrt(bars_per_year), depth
