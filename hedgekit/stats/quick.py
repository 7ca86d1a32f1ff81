"""The plan of one hedge in closed form: the figures of ``ols`` and ``engle_granger`` at a hundredth of their time.

A refit is the same few sums every time. Here they are written out: least squares of returns with the error of Newey & West
(1987), and the test of Engle & Granger (1987) with one lagged difference and MacKinnon's (2010) p-value. Tests hold every figure
against statsmodels. No library's linear algebra is called, so a session on another machine finds the same digits. Whatever needs a
word of warning (one leg nearly the other, prices of binary contracts, bad prices) is left to the long way.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hedgekit.compiled import making

if TYPE_CHECKING:
    from hedgekit.data import Array

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False
# ruff: noqa: ANN001, ANN202 - compiled functions: numba infers every type, and checks it

TAU_LOWEST, TAU_HIGHEST, TAU_STAR = -18.86, 0.92, -2.62
"""MacKinnon (2010), two series with a constant: below, p = 0; above, p = 1; and where its two polynomials meet."""
SMALL = (2.9200, 1.5012, 0.039796)
LARGE = (2.1945, 0.64695, -0.29198, -0.042377)
"""His polynomials, powers rising, of the normal quantile of p: left and right of ``TAU_STAR``."""
DETERMINED = 1.0 - 1e-5
"""A share of variance explained beyond which one leg nearly is the other: the long way has words for that."""
STILL = 1e-12
"""Moves that differ by less than this (log units) may be rounding."""
PRICE_MIN, PRICE_MAX = 1e-30, 1e30


class Figures(NamedTuple):
    """What a plan rests on: ratio and its HAC standard error (dollars per dollar), Engle-Granger statistic and p, half-life (bars)."""

    ratio: float
    stderr: float
    statistic: float
    p_value: float
    half_life: float | None


def quick(p: Array, h: Array) -> Figures | None:
    """Return the figures of a window, or None if it needs the long way.

    Parameters
    ----------
    p, h : float64 array, shape (n + 1,)
        Mids of primary and hedge, at least 30, oldest first.
    """
    ratio, stderr, statistic, p_value, half_life, plain = _figures(p, h)
    return Figures(ratio, stderr, statistic, p_value, half_life if half_life > 0.0 else None) if plain else None


@making
def _figures(p, h):
    nothing = math.nan, math.nan, math.nan, math.nan, 0.0, False
    n = len(p)
    if n < 30 or not (_priced(p) and _priced(h)):  # noqa: PLR2004 - as reversion.MIN_BARS, which a test holds
        return nothing
    y, x = _logs(p), _logs(h)
    dy, dx = y[1:] - y[:-1], x[1:] - x[:-1]
    ratio, explained = _line(dy, dx)
    level, tied = _line(y, x)
    moving = min(np.ptp(dy), np.ptp(dx)) > STILL
    if not (moving and explained < DETERMINED and tied < DETERMINED):  # also when either is NaN
        return nothing
    e = (y - y.mean()) - level * (x - x.mean())
    statistic = _dickey_fuller(e)
    stderr = _hac(dy, dx, ratio)
    half_life = _half_life(y - ratio * x)
    plain = math.isfinite(statistic) and math.isfinite(stderr) and stderr > 0.0
    return ratio, stderr, statistic, mackinnon(statistic), half_life, plain


@making
def _priced(prices):
    """Whether all are sound prices of something that moves and is not, all of them, a probability."""
    low, high = math.inf, -math.inf
    for price in prices:
        if not PRICE_MIN < price < PRICE_MAX:  # also when it is NaN
            return False
        low, high = min(low, price), max(high, price)
    return low < high and high > 1.0


@making
def _logs(prices):
    logs = prices.copy()
    for i in range(len(prices)):
        logs[i] = math.log(prices[i] / prices[0])
    return logs


@making
def _line(y, x):
    """Slope of y on x and a constant, and the share of variance that it explains."""
    my, mx, syy, sxx, sxy = y.mean(), x.mean(), 0.0, 0.0, 0.0
    for i in range(len(y)):
        u, v = y[i] - my, x[i] - mx
        syy, sxx, sxy = syy + u * u, sxx + v * v, sxy + u * v
    return sxy / sxx, sxy * sxy / (sxx * syy)


@making
def _hac(y, x, slope):
    """Newey & West's standard error of the slope: Bartlett kernel, floor(4 (n/100)^(2/9)) lags, times n / (n - 2)."""
    n = len(y)
    xc = x - x.mean()
    part = xc * ((y - y.mean()) - slope * xc)
    lags = int(4 * (n / 100) ** (2 / 9))
    total, sxx = 0.0, 0.0
    for i in range(n):
        total, sxx = total + part[i] * part[i], sxx + xc[i] * xc[i]
    for lag in range(1, lags + 1):
        along = 0.0
        for i in range(lag, n):
            along += part[i] * part[i - lag]
        total += 2.0 * (1.0 - lag / (lags + 1)) * along
    return math.sqrt(total * n / (n - 2)) / sxx


@making
def _dickey_fuller(e):
    """Return t of e[i-1] in the regression of e's difference on it and on the difference before, without a constant."""
    saa, sab, sbb, say, sby, syy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(2, len(e)):
        a, b, y = e[i - 1], e[i - 1] - e[i - 2], e[i] - e[i - 1]
        saa, sab, sbb = saa + a * a, sab + a * b, sbb + b * b
        say, sby, syy = say + a * y, sby + b * y, syy + y * y
    det = saa * sbb - sab * sab
    slope, other = (sbb * say - sab * sby) / det, (saa * sby - sab * say) / det
    rest = 0.0
    for i in range(2, len(e)):
        off = (e[i] - e[i - 1]) - slope * e[i - 1] - other * (e[i - 1] - e[i - 2])
        rest += off * off
    return slope / math.sqrt(rest / (len(e) - 4) * sbb / det)


@making
def mackinnon(tau: float) -> float:
    """Return the p-value of an Engle-Granger statistic of two series with a constant (MacKinnon 2010, asymptotic)."""
    if tau > TAU_HIGHEST:
        return 1.0
    if tau < TAU_LOWEST:
        return 0.0
    score = SMALL[0] + tau * (SMALL[1] + tau * SMALL[2])
    if tau > TAU_STAR:
        score = LARGE[0] + tau * (LARGE[1] + tau * (LARGE[2] + tau * LARGE[3]))
    return 0.5 * math.erfc(-score / math.sqrt(2.0))


@making
def _half_life(spread):
    """Half-life in bars by least squares with Marriott and Pope's correction; 0 if nothing reverts."""
    before, after = spread[:-1], spread[1:]
    mb, ma, sbb, sba = before.mean(), after.mean(), 0.0, 0.0
    for i in range(len(before)):
        sbb, sba = sbb + (before[i] - mb) ** 2, sba + (before[i] - mb) * (after[i] - ma)
    b = sba / sbb
    b += (1 + 3 * b) / len(before)
    return math.log(2) / -math.log(b) if 0 < b < 1 else 0.0
