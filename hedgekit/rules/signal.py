"""A1: the z-score of a signal over one window with one ratio.

    z   = (s_n - mean(s)) / sd(s)      (over the last ``lookback`` bars, the present one n included; sd with n - 1)

    log spread   s_i = ln P_i - h ln H_i                    (several hedges: the sum of each h ln H)
    spread       s_i = P_i / P_n - h H_i / H_n              (prices, with the ratio in units of the present bar)
    ratio        s_i = (P_i / H_i) / (P_n / H_n)            (of the first hedge; the plan's ratio plays no part)
    price        s_i = ln P_i
    logit        s_i = ln(p_i / (1 - p_i))                  (a contract that pays one unit of money)
    s-score      s of Avellaneda & Lee (2010): (x_n - m) / sigma_eq of an AR(1) fitted to the window's log spreads

Each is the same when a price is quoted in another unit. ``sd`` is a fraction of the primary's value, so that (|z| - target) x sd x
notional is the money that the way back to the target should earn (A20); a logit's sd is therefore times 1 - p.

The ratio h is the plan's present one for the whole window. Were each bar to keep
the ratio of its own day, most of the spread's variance would be revision noise.
Sums are recomputed for every bar: running sums drift (by one trade in 21,705 at
a million bars).
"""

from __future__ import annotations

import math

from hedgekit.compiled import compiled
from hedgekit.rules.state import LOGIT, PRICE, RATIO, S_SCORE, SPREAD

# numba infers every type, and checks it.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False

SD_MIN = 1e-12
"""A spread that moves less than this (log units) does not move: it is rounding noise of the logarithms."""

BLOCK = 128
"""Ends that are scored side by side."""


@compiled
def spread_at(window, column, ratio, n_legs):  # noqa: ANN001, ANN201 - compiled: numba infers the types
    """Spread of one stored bar: ln primary minus each hedge's ln price times its ratio."""
    spread = window[0, column]
    for leg in range(1, n_legs):
        spread -= ratio[leg] * window[leg, column]
    return spread


@compiled
def standing(values, end, lookback):  # noqa: ANN001, ANN201 - compiled
    """Z-score and sd of ``values[end - 1]`` among the ``lookback`` values that end with it; (nan, 0) when they do not move.

    Four sums side by side, in an order that is always the same: three times as fast as one, and the same bits everywhere.
    """
    start, fours = end - lookback, end - lookback % 4
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for i in range(start, fours, 4):
        a, b, c, d = a + values[i], b + values[i + 1], c + values[i + 2], d + values[i + 3]
    for i in range(fours, end):
        a += values[i]
    mean = ((a + b) + (c + d)) / lookback
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for i in range(start, fours, 4):
        u, v, w, x = values[i] - mean, values[i + 1] - mean, values[i + 2] - mean, values[i + 3] - mean
        a, b, c, d = a + u * u, b + v * v, c + w * w, d + x * x
    for i in range(fours, end):
        a += (values[i] - mean) ** 2
    sd = math.sqrt(((a + b) + (c + d)) / (lookback - 1))
    if not sd > SD_MIN:
        return math.nan, 0.0
    return (values[end - 1] - mean) / sd, sd


@compiled
def _add(sums, values):  # noqa: ANN001, ANN202 - compiled
    for j in range(len(sums)):
        sums[j] += values[j]


@compiled
def _add_squares(sums, values, mean):  # noqa: ANN001, ANN202 - compiled
    for j in range(len(sums)):
        off = values[j] - mean[j]
        sums[j] += off * off


@compiled
def standings(values, first, lookback, z, sd, room):  # noqa: ANN001, ANN201, PLR0913 - compiled: flat arguments
    """Write :func:`standing` of ``values[first]`` and all after it: for many ends at once, to the same bits.

    The sums are those of :func:`standing` in their order. ``z`` and ``sd`` have a place for each end; ``room`` has shape
    (5, BLOCK). Each line works on a block of ends, which the processor takes several at a time.
    """
    fours = lookback - lookback % 4
    for begin in range(0, len(z), BLOCK):
        n = min(BLOCK, len(z) - begin)
        start = first + begin + 1 - lookback
        mean, last = room[4, :n], values[start + lookback - 1 : start + lookback - 1 + n]
        room[:4] = 0.0
        for i in range(lookback):
            _add(room[i % 4 if i < fours else 0, :n], values[start + i : start + i + n])
        for j in range(n):
            mean[j] = ((room[0, j] + room[1, j]) + (room[2, j] + room[3, j])) / lookback
        room[:4] = 0.0
        for i in range(lookback):
            _add_squares(room[i % 4 if i < fours else 0, :n], values[start + i : start + i + n], mean)
        for j in range(n):
            wide = math.sqrt(((room[0, j] + room[1, j]) + (room[2, j] + room[3, j])) / (lookback - 1))
            moves = wide > SD_MIN
            z[begin + j] = (last[j] - mean[j]) / wide if moves else math.nan
            sd[begin + j] = wide if moves else 0.0


@compiled
def zscore(window, head, size, lookback, ratio, n_legs, scratch):  # noqa: ANN001, ANN201, PLR0913 - compiled: flat arguments
    """Z-score and sd of the newest bar's log spread; (nan, 0) when the spread does not move."""
    for k in range(lookback):
        scratch[k] = spread_at(window, (head - lookback + k) % size, ratio, n_legs)
    return standing(scratch, lookback, lookback)


@compiled
def value_at(kind, window, column, last, ratio, n_legs):  # noqa: ANN001, ANN201, PLR0913 - compiled
    """Signal of one stored bar; ``last`` is the present bar's column."""
    primary = window[0, column]
    if kind == SPREAD:
        value = math.exp(primary - window[0, last])
        for leg in range(1, n_legs):
            value -= ratio[leg] * math.exp(window[leg, column] - window[leg, last])
        return value
    if kind == RATIO:
        return math.exp(primary - window[1, column] - window[0, last] + window[1, last])
    if kind == PRICE:
        return primary
    if kind == LOGIT:
        price = math.exp(primary)
        return math.log(price / (1.0 - price)) if price < 1.0 else math.nan
    return spread_at(window, column, ratio, n_legs)


@compiled
def score_of(kind, window, head, size, lookback, ratio, n_legs, scratch):  # noqa: ANN001, ANN201, PLR0913 - compiled
    """Score and sd of the newest bar for any kind of signal; (nan, 0) when it does not move or has no meaning."""
    last = (head - 1) % size
    if kind == S_SCORE:
        return s_score(window, head, size, lookback, ratio, n_legs)
    for k in range(lookback):
        scratch[k] = value_at(kind, window, (head - lookback + k) % size, last, ratio, n_legs)
    z, sd = standing(scratch, lookback, lookback)
    return z, sd * (1.0 - math.exp(window[0, last])) if kind == LOGIT else sd


@compiled
def s_score(window, head, size, lookback, ratio, n_legs):  # noqa: ANN001, ANN201, PLR0913 - compiled
    """Distance from the level that an AR(1) of the window comes back to, in its stationary sd; (nan, 0) if it does not come back."""
    mx, my = 0.0, 0.0
    for k in range(1, lookback):
        mx += spread_at(window, (head - 1 - k) % size, ratio, n_legs)
        my += spread_at(window, (head - k) % size, ratio, n_legs)
    n = lookback - 1
    mx, my = mx / n, my / n
    sxx, sxy, syy = 0.0, 0.0, 0.0
    for k in range(1, lookback):
        x = spread_at(window, (head - 1 - k) % size, ratio, n_legs) - mx
        y = spread_at(window, (head - k) % size, ratio, n_legs) - my
        sxx, sxy, syy = sxx + x * x, sxy + x * y, syy + y * y
    b = sxy / sxx if sxx > 0.0 else 1.0
    if not 0.0 < b < 1.0:
        return math.nan, 0.0
    sd = math.sqrt(max(syy - b * sxy, 0.0) / (n - 2) / (1.0 - b * b))
    if not sd > SD_MIN:
        return math.nan, 0.0
    return (spread_at(window, (head - 1) % size, ratio, n_legs) - (my - b * mx) / (1.0 - b)) / sd, sd


@compiled
def entry_side(z, entry):  # noqa: ANN001, ANN201 - compiled
    """A1, A6: short the spread (-1) when z is high, long (+1) when low, else 0."""
    if z >= entry:
        return -1
    if z <= -entry:
        return 1
    return 0
