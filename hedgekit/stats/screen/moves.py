"""The other inner loops of a screen: Johansen's trace from moments, hedging out of sample, and the search for a break.

As in ``kernels.py``: one pair at a time, no memory allocated for a pair.
"""

from __future__ import annotations

import numpy as np

from hedgekit.compiled import kernel
from hedgekit.data import Array
from hedgekit.stats.screen.kernels import Indices

TRIM = 0.15
"""Share of the history at each end in which no break is looked for (Andrews 1993)."""

# ruff: noqa: PLR0913 - compiled functions take flat arguments


@kernel
def johansen_pairs(moments: Array, first: Indices, second: Indices, rows: float, constant: Array, out: Array) -> None:
    """Trace statistics of pairs, one lagged difference.

    ``moments`` has shape (6, symbols, symbols): sums over t of (lag, lag), (level, lag), (d, lag), (level, level),
    (d, level) and (d, d) of two symbols, level = x[t-1], lag = d[t-1]; ``constant`` has shape (3, symbols): the sums of
    lag, level and d of one symbol if the constant is restricted to the relation, or is empty if these are
    already taken about their means. Fills out[k] with trace for r = 0, trace for r <= 1.
    """
    restricted = constant.shape[0] > 0
    size = 7 if restricted else 6
    m = np.zeros((7, 7))  # lags, (one,) levels, differences
    pair = np.empty(2, np.int64)
    at = np.array([0, 3, 5]) if restricted else np.array([0, 2, 4])
    order = np.array([[0, -1, -1], [1, 3, -1], [2, 4, 5]])
    for k in range(len(first)):
        pair[0], pair[1] = first[k], second[k]
        for p in range(3):
            for q in range(p + 1):
                for a in range(2):
                    for b in range(2):
                        m[at[p] + a, at[q] + b] = moments[order[p, q], pair[a], pair[b]]
            if restricted:
                for a in range(2):
                    if p == 0:
                        m[2, a] = constant[0, pair[a]]
                    else:
                        m[at[p] + a, 2] = constant[p, pair[a]]
        if restricted:
            m[2, 2] = rows
        out[k, 0], out[k, 1] = _traces(m, size, rows)


@kernel
def _traces(m: Array, size: int, rows: float) -> tuple[float, float]:
    """Return both trace statistics from the moments of (lags, levels, differences), lower triangle; spoils it.

    After the lags are eliminated the lower right block is S00; after the levels too it is S00 - B. The
    eigenvalues of inv(S00) B are the squared canonical correlations.
    """
    levels, d = 2, size - 2
    for j in range(levels):
        _eliminate(m, j, size)
    s00, s01, s11 = m[d, d], m[d + 1, d], m[d + 1, d + 1]
    for j in range(levels, d):
        _eliminate(m, j, size)
    b00, b01, b11 = s00 - m[d, d], s01 - m[d + 1, d], s11 - m[d + 1, d + 1]
    det = s00 * s11 - s01 * s01
    half = 0.5 * (s11 * b00 - 2.0 * s01 * b01 + s00 * b11) / det
    product = (b00 * b11 - b01 * b01) / det
    larger = half + np.sqrt(max(half * half - product, 0.0))
    smaller = product / larger
    low = -rows * np.log1p(-smaller)
    return low - rows * np.log1p(-larger), low


@kernel
def _eliminate(m: Array, j: int, size: int) -> None:
    """Partial out column j from the lower right block, lower triangle."""
    for r in range(j + 1, size):
        f = m[r, j] / m[j, j]
        for c in range(j + 1, r + 1):
            m[r, c] -= f * m[c, j]


@kernel
def hedge_pairs(moves: Array, first: Indices, second: Indices, window: int, every: int, naive: Array, out: Array) -> None:
    """Hedge row first[k] of ``moves`` with row second[k], each ratio by OLS (with constant) on the ``window`` moves before it.

    A new ratio every ``every`` moves. ``naive[k]`` is the ratio of one to one. Fills out[k] with the variance of the
    unhedged, hedged and naively hedged moves out of sample, the last ratio, the mean size of a ratio, and the mean
    change of the ratio a move.
    """
    n = moves.shape[1]
    for k in range(len(first)):
        p, h = moves[first[k]], moves[second[k]]
        ratio, changed, held = 0.0, 0.0, 0.0
        sums, squares = np.zeros(3), np.zeros(3)
        for a in range(window, n, every):
            fresh = _slope(p[a - window : a], h[a - window : a])
            changed += abs(fresh - ratio) if a > window else 0.0
            ratio = fresh
            b = min(a + every, n)
            held += abs(ratio) * (b - a)
            _add(p[a:b], h[a:b], ratio, naive[k], sums, squares)
        count = n - window
        for i in range(3):
            out[k, i] = squares[i] / count - (sums[i] / count) ** 2
        out[k, 3] = _slope(p[n - window :], h[n - window :])
        out[k, 4], out[k, 5] = held / count, changed / count


@kernel
def _slope(y: Array, x: Array) -> float:
    sx, sy, sxx, sxy = 0.0, 0.0, 0.0, 0.0
    for t in range(len(y)):
        sx += x[t]
        sy += y[t]
        sxx += x[t] * x[t]
        sxy += x[t] * y[t]
    return (sxy - sx * sy / len(y)) / (sxx - sx * sx / len(y))


@kernel
def _add(p: Array, h: Array, ratio: float, naive: float, sums: Array, squares: Array) -> None:
    s0, s1, s2, q0, q1, q2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for t in range(len(p)):
        a, b = p[t] - ratio * h[t], p[t] - naive * h[t]
        s0 += p[t]
        s1 += a
        s2 += b
        q0 += p[t] * p[t]
        q1 += a * a
        q2 += b * b
    sums[0] += s0
    sums[1] += s1
    sums[2] += s2
    squares[0] += q0
    squares[1] += q1
    squares[2] += q2


@kernel
def break_pairs(moves: Array, first: Indices, second: Indices, trim: float, out: Array) -> None:
    """Search the moves of pairs for a change of the hedge ratio: Andrews' (1993) sup-LM, robust to heteroskedasticity.

    Rows of ``moves`` have mean zero. Fills out[k] with the statistic and the position after which the ratio changed.
    """
    n = moves.shape[1]
    low = int(np.ceil(trim * n))
    for k in range(len(first)):
        p, h = moves[first[k]], moves[second[k]]
        sxx, sxy = 0.0, 0.0
        for t in range(n):
            sxx += h[t] * h[t]
            sxy += h[t] * p[t]
        slope = sxy / sxx
        variance = 0.0
        for t in range(n):
            score = h[t] * (p[t] - slope * h[t])
            variance += score * score
        total, largest, where = 0.0, -1.0, 0
        for t in range(n - low):
            total += h[t] * (p[t] - slope * h[t])
            share = (t + 1) / n
            lm = total * total / (variance * share * (1.0 - share))
            if t + 1 >= low and lm > largest:
                largest, where = lm, t + 1
        out[k, 0], out[k, 1] = largest, where
