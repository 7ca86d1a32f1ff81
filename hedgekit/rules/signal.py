"""A1: the z-score of the spread over one window with one ratio.

    s_i = ln(P_i) - h ln(H_i)          (i over the last ``lookback`` bars, the present one included)
    z   = (s_n - mean(s)) / sd(s)      (sd with n - 1)

The ratio h is the plan's present one for the whole window. Were each bar to keep
the ratio of its own day, most of the spread's variance would be revision noise.
Sums are recomputed for every bar: running sums drift (by one trade in 21,705 at
a million bars).
"""

from __future__ import annotations

import math

from hedgekit.compiled import compiled

# numba infers every type, and checks it.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False

SD_MIN = 1e-12
"""A spread that moves less than this (log units) does not move: it is rounding noise of the logarithms."""


@compiled
def spread_at(window, column, ratio, n_legs):  # noqa: ANN001, ANN201 - compiled: numba infers the types
    """Spread of one stored bar: ln primary minus each hedge's ln price times its ratio."""
    spread = window[0, column]
    for leg in range(1, n_legs):
        spread -= ratio[leg] * window[leg, column]
    return spread


@compiled
def zscore(window, head, size, lookback, ratio, n_legs):  # noqa: ANN001, ANN201, PLR0913 - compiled: flat arguments
    """Z-score and sd of the newest bar; (nan, 0) when the spread does not move."""
    total = 0.0
    for k in range(lookback):
        total += spread_at(window, (head - 1 - k) % size, ratio, n_legs)
    mean = total / lookback
    squares = 0.0
    for k in range(lookback):
        squares += (spread_at(window, (head - 1 - k) % size, ratio, n_legs) - mean) ** 2
    sd = math.sqrt(squares / (lookback - 1))
    if not sd > SD_MIN:
        return math.nan, 0.0
    return (spread_at(window, (head - 1) % size, ratio, n_legs) - mean) / sd, sd


@compiled
def entry_side(z, entry):  # noqa: ANN001, ANN201 - compiled
    """A1, A6: short the spread (-1) when z is high, long (+1) when low, else 0."""
    if z >= entry:
        return -1
    if z <= -entry:
        return 1
    return 0
