"""The inner loops of a screen: one pair at a time, a few microseconds each, no memory allocated.

They compute what ``statsmodels.tsa.stattools.coint`` and ``coint_johansen`` compute, to 1e-8
(a test compares), in another order. The residual of the level regression is formed
once for each pair, so that nothing cancels when two prices are almost the same; every
sum that a Dickey-Fuller regression needs then follows from one pass for each lag:

    sum d[t-i-1] d[t-j-1] = sum d[t-i] d[t-j] + (first terms) - (last terms)

and a Cholesky factor gives the residual sums of squares of all lags at once.
"""

from __future__ import annotations

import numpy as np

from hedgekit.compiled import kernel
from hedgekit.data import Array

Indices = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

# ruff: noqa: PLR0913 - compiled functions take flat arguments

COLLINEAR = 1 - 100 * float(np.sqrt(np.finfo(np.float64).eps))
"""An R squared above this is (almost) perfect collinearity: statsmodels' own limit."""


@kernel
def _dot(x: Array, y: Array) -> float:
    """Sum of products of two slices of equal length."""
    total = 0.0
    for t in range(len(x)):
        total += x[t] * y[t]
    return total


@kernel
def residual(y: Array, x: Array, dy: Array, dx: Array, slope: float, e: Array, d: Array) -> float:
    """Fill e with y - slope x and d with its differences (d[0] = 0); return the sum of squares of d."""
    squares = 0.0
    for t in range(len(y)):
        e[t] = y[t] - slope * x[t]
        d[t] = dy[t] - slope * dx[t]
        squares += d[t] * d[t]
    return squares


@kernel
def _moments(e: Array, d: Array, lags: int, start: int, total: float, g: Array) -> int:
    """Fill g with the moments of (lag 1 .. lag ``lags`` of d, level, d) over t > ``start``; return their number.

    ``total`` is the sum of squares of all d.
    """
    n = len(e)
    level, y = lags, lags + 1
    for t in range(1, start + 1):
        total -= d[t] * d[t]
    g[y, y] = total
    for k in range(1, lags + 1):
        g[y, k - 1] = _dot(d[start + 1 :], d[start + 1 - k : n - k])
    g[level, level] = _dot(e[start : n - 1], e[start : n - 1])
    product = 0.5 * (e[n - 1] * e[n - 1] - e[start] * e[start] - total)  # sum of e[t - 1] d[t]
    g[y, level] = product
    for k in range(1, lags + 1):
        for j in range(1, k + 1):  # d[t - k] d[t - j]
            before = g[y, y] if k == 1 else (g[y, k - 2] if j == 1 else g[k - 2, j - 2])
            g[k - 1, j - 1] = before + d[start - k + 1] * d[start - j + 1] - d[n - k] * d[n - j]
        product += e[start - 1] * d[start - k + 1] - e[n - 2] * d[n - k] + g[k - 1, 0]
        g[level, k - 1] = product
    return n - 1 - start


@kernel
def _cholesky(g: Array, size: int) -> None:
    """Factor the lower triangle of g in place."""
    for i in range(size):
        for j in range(i + 1):
            total = g[i, j]
            for k in range(j):
                total -= g[i, k] * g[j, k]
            g[i, j] = np.sqrt(total) if i == j else total / g[j, j]


@kernel
def dickey_fuller(e: Array, d: Array, lags: int, total: float, g: Array) -> float:
    """Return the t statistic of the level in a Dickey-Fuller regression without constant, with ``lags`` lagged differences."""
    rows = _moments(e, d, lags, lags, total, g)
    y = lags + 1
    rss = g[y, y]
    _cholesky(g, lags + 2)
    for k in range(lags + 1):
        rss -= g[y, k] * g[y, k]
    return float(g[y, lags] / np.sqrt(rss / (rows - lags - 1)))


@kernel
def best_lags(e: Array, d: Array, most: int, total: float, g: Array, h: Array) -> int:
    """Return the number of lags with the smallest AIC, all on the sample of the largest, as statsmodels chooses it."""
    rows = _moments(e, d, most, most, total, g)
    y = most + 1
    h[0, 0] = g[most, most]  # the level first, so that the models are nested
    for k in range(1, most + 1):
        h[k, 0] = g[most, k - 1]
        for j in range(1, k + 1):
            h[k, j] = g[k - 1, j - 1]
        h[y, k] = g[y, k - 1]
    h[y, 0], h[y, y] = g[y, most], g[y, y]
    rss = h[y, y]
    _cholesky(h, most + 2)
    best, lowest = 0, np.inf
    for k in range(most + 1):
        rss -= h[y, k] * h[y, k]
        aic = rows * np.log(rss) + 2.0 * (k + 1)
        if aic < lowest:
            best, lowest = k, aic
    return best


@kernel
def engle_granger_pairs(z: Array, dz: Array, first: Indices, second: Indices, lags: int, out: Array) -> None:
    """Test pairs of rows for cointegration.

    ``z`` has shape (symbols, n), each row with mean zero and mean square one; ``dz`` its differences, the first
    column zero. Pair k regresses row first[k] on row second[k]. ``lags`` >= 0 is fixed; -m - 1 lets AIC choose
    among 0 .. m. Fills out[k] with the statistic (-inf if collinear), the lags used, the slope, R squared, and
    the AR(1) coefficient of the residual (least squares with a constant).
    """
    n = z.shape[1]
    most = lags if lags >= 0 else -lags - 1
    e, d = np.empty(n), np.empty(n)
    g, h = np.zeros((most + 2, most + 2)), np.zeros((most + 2, most + 2))
    for k in range(len(first)):
        y, x = z[first[k]], z[second[k]]
        slope = _dot(y, x) / n
        out[k, 2], out[k, 3] = slope, slope * slope
        if not slope * slope < COLLINEAR:
            out[k, 0], out[k, 1], out[k, 4] = -np.inf, np.nan, np.nan
            continue
        total = residual(y, x, dz[first[k]], dz[second[k]], slope, e, d)
        chosen = lags if lags >= 0 else best_lags(e, d, most, total, g, h)
        out[k, 0] = dickey_fuller(e, d, chosen, total, g)
        out[k, 1] = chosen
        out[k, 4] = _first_order(e[0], e[n - 1], n, n * (1.0 - slope * slope), total)


@kernel
def _first_order(begin: float, end: float, n: int, squares: float, total: float) -> float:
    """Return the AR(1) coefficient of a series with mean zero from its ends, its sum of squares and that of its differences."""
    mean = -end / (n - 1)  # of all but the last
    cross = 0.5 * (end * end - begin * begin - total) - mean * (end - begin)
    return 1.0 + cross / (squares - end * end - (n - 1) * mean * mean)
