"""The inner loops of ratios that move: compiled, one pass over the bars, no memory allocated in the loop.

Rolling sums are made of two parts, one that runs up to the end of the window and one that was
summed backwards from a fixed row inside it. So nothing is ever subtracted from a sum: an error,
or an outlier that has left the window, leaves no trace, however long the series. All values are taken
relative to a middle value of the rows around, so that a high level costs no digits.
"""

from __future__ import annotations

import numpy as np

from hedgekit.compiled import kernel
from hedgekit.data import Array

LOG_2PI = float(np.log(2 * np.pi))


@kernel
def _put(  # noqa: PLR0913 - flat arguments
    out: Array, t: int, n: float, sx: float, sy: float, sxx: float, sxy: float, syy: float
) -> None:
    """Write slope and standard error of a window from its sums."""
    mean = sx / n
    xx = sxx - sx * mean
    if xx <= 0.0:
        return
    one = 1.0 / xx
    slope = (sxy - sy * mean) * one
    rest = max(syy - sy * sy / n - slope * slope * xx, 0.0)
    out[t, 0] = slope
    out[t, 1] = np.sqrt(rest * one / (n - 2))


@kernel
def _middle(x: Array) -> float:
    """Return the mean, or, if a value lies more than 6 standard deviations off it, the median of the first, middle and last."""
    total, squares, far = 0.0, 0.0, 0.0
    for i in range(len(x)):
        total += x[i]
    mean = total / len(x)
    for i in range(len(x)):
        off = (x[i] - mean) * (x[i] - mean)
        squares += off
        far = max(far, off)
    if far * len(x) <= 36.0 * squares:
        return mean
    a, b, c = x[0], x[len(x) // 2], x[len(x) - 1]
    return float(max(min(a, b), min(max(a, b), c)))


@kernel
def rolling_ols(y: Array, x: Array, span: int) -> Array:
    """Return slope and standard error of y on x and a constant over the last ``span`` rows, shape (n, 2).

    The standard error is that of independent, homoskedastic errors. NaN for the first ``span - 1`` rows, and where x does
    not move. ``span`` is 3 or more.
    """
    n = len(y)
    out = np.full((n, 2), np.nan)
    back = np.zeros((span, 5))
    rows = float(span)
    for start in range(0, n - span + 1, span):
        cx, cy = _middle(x[start : start + span]), _middle(y[start : start + span])
        sx, sy, sxx, sxy, syy = 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(span - 1, -1, -1):
            dx, dy = x[start + i] - cx, y[start + i] - cy
            sx += dx
            sy += dy
            sxx += dx * dx
            sxy += dx * dy
            syy += dy * dy
            back[i, 0], back[i, 1], back[i, 2], back[i, 3], back[i, 4] = sx, sy, sxx, sxy, syy
        _put(out, start + span - 1, rows, sx, sy, sxx, sxy, syy)
        sx, sy, sxx, sxy, syy = 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(min(span - 1, n - start - span)):
            t = start + span + j
            dx, dy = x[t] - cx, y[t] - cy
            sx += dx
            sy += dy
            sxx += dx * dx
            sxy += dx * dy
            syy += dy * dy
            b = back[j + 1]
            _put(out, t, rows, sx + b[0], sy + b[1], sxx + b[2], sxy + b[3], syy + b[4])
    return out


@kernel
def ewma_moments(y: Array, x: Array, decay: float, start: int) -> Array:
    """Return exponentially weighted ratio and standard error, shape (n, 2); zero mean, NaN for the first ``start - 1`` rows.

    The covariances start as the mean of the first ``start`` products. ``w2`` is the sum of squared weights.
    """
    n = len(y)
    out = np.full((n, 2), np.nan)
    xx, xy, yy = 0.0, 0.0, 0.0
    for t in range(start):
        xx += x[t] * x[t] / start
        xy += x[t] * y[t] / start
        yy += y[t] * y[t] / start
    w2, new = 1.0 / start, 1.0 - decay
    for t in range(start - 1, n):
        if t >= start:
            xx = decay * xx + new * x[t] * x[t]
            xy = decay * xy + new * x[t] * y[t]
            yy = decay * yy + new * y[t] * y[t]
            w2 = decay * decay * w2 + new * new
        if xx > 0.0:
            ratio = xy / xx
            out[t, 0] = ratio
            out[t, 1] = np.sqrt(w2 * max(yy / xx - ratio * ratio, 0.0))
    return out


@kernel
def kalman_filter(y: Array, x: Array, q: float, r: float, b0: float, p0: float) -> Array:  # noqa: PLR0913 - flat arguments
    """Return filtered beta and its variance of y = beta x + e, beta a random walk; shape (n, 2).

    P- = P + q, F = x^2 P- + r, K = P- x / F; P = P- r / F, in which nothing is subtracted. ``p0`` infinite
    is the exact diffuse start: the first row with x other than 0 gives beta = y / x, P = r / x^2; NaN before it.
    """
    n = len(y)
    out = np.full((n, 2), np.nan)
    first = 0
    b, p = b0, p0
    if p0 == np.inf:
        while first < n and x[first] == 0.0:
            first += 1
        if first < n:
            b, p = y[first] / x[first], r / (x[first] * x[first])
            out[first, 0], out[first, 1] = b, p
            first += 1
    for t in range(first, n):
        before = p + q
        f = x[t] * x[t] * before + r
        gain = before / f
        b += gain * x[t] * (y[t] - b * x[t])
        p = gain * r
        out[t, 0], out[t, 1] = b, p
    return out


@kernel
def kalman_loglik(y: Array, x: Array, q: float, r: float, b0: float, p0: float) -> tuple[float, float]:  # noqa: PLR0913 - flat arguments
    """Return log-likelihood and sum of v^2 / F of the same model.

    The diffuse row gives -ln(x^2) / 2 (Durbin & Koopman 2012), and no error.
    """
    n = len(y)
    total, squares = 0.0, 0.0
    first = 0
    b, p = b0, p0
    if p0 == np.inf:
        while first < n and x[first] == 0.0:
            total -= 0.5 * (LOG_2PI + np.log(r))
            squares += y[first] * y[first] / r
            first += 1
        if first < n:
            b, p = y[first] / x[first], r / (x[first] * x[first])
            total -= 0.5 * np.log(x[first] * x[first])
            first += 1
    for t in range(first, n):
        before = p + q
        f = x[t] * x[t] * before + r
        v = y[t] - b * x[t]
        gain = before / f
        b += gain * x[t] * v
        p = gain * r
        total -= 0.5 * (LOG_2PI + np.log(f))
        squares += v * v / f
    return total - 0.5 * squares, squares


@kernel
def kalman_smooth(filtered: Array, q: float) -> Array:
    """Return beta and variance given all rows, shape (n, 2), from filtered ones (Rauch, Tung & Striebel); looks ahead."""
    out = filtered.copy()
    for t in range(len(filtered) - 2, -1, -1):
        b, p = filtered[t, 0], filtered[t, 1]
        if np.isnan(b):
            out[t, 0], out[t, 1] = out[t + 1, 0], out[t + 1, 1] + q
            continue
        ahead = p + q
        back = p / ahead if ahead > 0.0 else 1.0
        out[t, 0] = b + back * (out[t + 1, 0] - b)
        out[t, 1] = p + back * back * (out[t + 1, 1] - ahead)
    return out


@kernel
def garch_variance(e: Array, omega: float, alpha: float, beta: float, first: float) -> Array:
    """Return the variance of each row given the rows before it, and of the row after the last, shape (n + 1,)."""
    n = len(e)
    out = np.empty(n + 1)
    out[0] = omega + (alpha + beta) * first
    for t in range(n):
        out[t + 1] = omega + alpha * e[t] * e[t] + beta * out[t]
    return out


@kernel
def dcc_correlation(z: Array, a: float, b: float, target: Array) -> Array:
    """Return Engle's (2002) correlation of each row given the rows before it, and of the row after the last, shape (n + 1,).

    Q_{t+1} = (1 - a - b) S + a z_t z_t' + b Q_t, Q_1 = S = ``target`` (xx, xy, yy); rho = Q12 / (Q11 Q22)^1/2.
    """
    n = len(z)
    out = np.empty(n + 1)
    s11, s12, s22 = target[0], target[1], target[2]
    q11, q12, q22 = s11, s12, s22
    keep = 1.0 - a - b
    for t in range(n + 1):
        out[t] = q12 / np.sqrt(q11 * q22)
        if t < n:
            q11 = keep * s11 + a * z[t, 0] * z[t, 0] + b * q11
            q12 = keep * s12 + a * z[t, 0] * z[t, 1] + b * q12
            q22 = keep * s22 + a * z[t, 1] * z[t, 1] + b * q22
    return out


@kernel
def dcc_loglik(z: Array, a: float, b: float, target: Array) -> float:
    """Return the correlation part of the quasi-log-likelihood: -1/2 sum ln(1 - rho^2) + (z'R^-1 z - z'z)."""
    s11, s12, s22 = target[0], target[1], target[2]
    q11, q12, q22 = s11, s12, s22
    keep, total = 1.0 - a - b, 0.0
    for t in range(len(z)):
        u, v = z[t, 0], z[t, 1]
        rho = q12 / np.sqrt(q11 * q22)
        rest = 1.0 - rho * rho
        if rest <= 0.0:
            return -np.inf
        total -= 0.5 * (np.log(rest) + (u * u + v * v - 2.0 * rho * u * v) / rest - u * u - v * v)
        q11 = keep * s11 + a * u * u + b * q11
        q12 = keep * s12 + a * u * v + b * q12
        q22 = keep * s22 + a * v * v + b * q22
    return total
