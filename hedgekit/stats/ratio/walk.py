"""Likelihood of a ratio that walks: how much it moves, how sure that is, and whether it is shown to move at all.

The likelihood is a function of g = q / r in units in which both legs have mean square 1; r follows in closed form
when the start is diffuse. It is searched on a grid first, because it often has a second, lower top, and refined by
scipy within the grid's neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import brentq, minimize_scalar

from hedgekit.data import Array
from hedgekit.stats.ratio.kernels import kalman_loglik

GRID = np.linspace(-9.0, 4.0, 53)
"""log10 of q / r, per mean square of the hedge's move."""
R_BOUNDS = (-24.0, 6.0)
"""log10 of r over the primary's mean square."""
DROP = 0.5 * float(stats.chi2.ppf(0.95, 1))


@dataclass(frozen=True, slots=True)
class WalkFit:
    """Variances of a ratio that walks, and their likelihood.

    Attributes
    ----------
    q, r : float
        Variance a row of the ratio's steps, and of the error.
    loglik : float
        With the diffuse row counted as -ln(x^2)/2, if the start is diffuse.
    q_low, q_high : float
        95% interval by profile likelihood of q / r, times the r that belongs to either end; NaN where q was given. Infinite
        if the likelihood never falls far enough.
    p_value : float
        Of the null hypothesis q = 0, the ratio stands still: half of a chi-square's tail, because q cannot be negative
        (Self & Liang 1987). For a walk the mass at zero is more than a half, so true rejection is rarer than stated. NaN
        where q was given.
    at_bound : bool
        Whether the likelihood still rises where the search ended.
    """

    q: float
    r: float
    loglik: float
    q_low: float = float("nan")
    q_high: float = float("nan")
    p_value: float = float("nan")
    at_bound: bool = False


def fit_walk(  # noqa: PLR0913 - data, and four constants
    y: Array, x: Array, *, q: float | None = None, r: float | None = None, b0: float = 0.0, p0: float = float("inf")
) -> WalkFit:
    """Return q and r of y = beta x + e by maximum likelihood, each unless it is given.

    Parameters
    ----------
    y, x : float64 arrays, shape (n,)
        Finite; x not zero everywhere.
    q, r : float, optional
        Known variances.
    b0, p0 : float
        The ratio before the first row and its variance; infinite is the exact diffuse start.

    Returns
    -------
    WalkFit
    """
    y, x = np.ascontiguousarray(y), np.ascontiguousarray(x)
    sy, sx = (float(np.sqrt(np.mean(side**2))) or 1.0 for side in (y, x))
    unit = (sy / sx) ** 2
    scaled = _Scaled(y / sy, x / sx, b0 * sx / sy, p0 / unit)
    known_r = None if r is None else r / sy**2
    if q is not None:
        step = q / unit
        best_r = known_r if known_r is not None else scaled.best_r(lambda _: step)
        r = best_r * sy**2
        return WalkFit(q, r, _loglik(y, x, q, r, b0, p0))
    found = _searched(lambda g: scaled.profile(g, known_r))
    r_of = {g: scaled.r_at(g, known_r) for g in (found.best, found.low, found.high) if np.isfinite(g)}
    q_of = {g: g * value * unit for g, value in r_of.items()}
    q, r = q_of[found.best], r_of[found.best] * sy**2
    lift = 2 * (found.top - found.still)
    return WalkFit(
        q=q,
        r=r,
        loglik=_loglik(y, x, q, r, b0, p0),
        q_low=q_of[found.low],
        q_high=q_of.get(found.high, float("inf")),
        p_value=1.0 if lift <= 0 else 0.5 * float(stats.chi2.sf(lift, 1)),
        at_bound=found.best >= 10 ** GRID[-2],
    )


@dataclass(frozen=True, slots=True)
class _Search:
    best: float
    low: float
    high: float
    top: float
    still: float


def _searched(profile: Callable[[float], float]) -> _Search:
    """Return where the profile is highest, and where it falls by 1.92 on either side."""
    values = np.array([profile(10**u) for u in GRID])
    still = profile(0.0)
    i = int(np.argmax(values))
    around = (GRID[max(i - 1, 0)], GRID[min(i + 1, len(GRID) - 1)])
    finer = minimize_scalar(lambda u: -profile(10**u), bounds=around, method="bounded", options={"xatol": 1e-6})
    u, top = (float(finer.x), -float(finer.fun)) if -finer.fun > values[i] else (float(GRID[i]), float(values[i]))
    if still >= top:
        u, top, best = float(GRID[0]), still, 0.0
    else:
        best = 10**u

    def above(v: float) -> float:
        return profile(10**v) - top + DROP

    outside_high = [v for v, value in zip(GRID, values, strict=True) if v > u and value < top - DROP]
    outside_low = [v for v, value in zip(GRID, values, strict=True) if v < u and value < top - DROP]
    high = 10 ** brentq(above, u, outside_high[0]) if outside_high else float("inf")
    low = 0.0 if best == 0 or still > top - DROP or not outside_low else 10 ** brentq(above, outside_low[-1], u)
    return _Search(best, low, high, top, still)


@dataclass(frozen=True, eq=False, slots=True)
class _Scaled:
    """The model in units in which both legs have mean square 1."""

    y: Array
    x: Array
    b0: float
    p0: float

    def profile(self, g: float, r: float | None) -> float:
        if r is None and self.p0 == np.inf:
            loglik, squares = kalman_loglik(self.y, self.x, g, 1.0, self.b0, self.p0)
            best = self._closed(squares)
            return float(loglik + 0.5 * squares - 0.5 * ((len(self.y) - 1) * np.log(best) + squares / best))
        return _loglik(self.y, self.x, g * self.r_at(g, r), self.r_at(g, r), self.b0, self.p0)

    def r_at(self, g: float, r: float | None) -> float:
        if r is not None:
            return r
        if self.p0 < np.inf:
            return self.best_r(lambda value: g * value)
        return self._closed(kalman_loglik(self.y, self.x, g, 1.0, self.b0, self.p0)[1])

    def best_r(self, q_of: Callable[[float], float]) -> float:
        """Return the r of highest likelihood when q is a function of r."""

        def loss(u: float) -> float:
            return -_loglik(self.y, self.x, q_of(10**u), 10**u, self.b0, self.p0)

        grid = np.linspace(*R_BOUNDS, 61)
        i = int(np.argmin([loss(u) for u in grid]))
        around = (grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)])
        return float(10 ** minimize_scalar(loss, bounds=around, method="bounded", options={"xatol": 1e-7}).x)

    def _closed(self, squares: float) -> float:
        """Return the r of highest likelihood from a diffuse start, which uses up one row."""
        return float(max(squares / (len(self.y) - 1), 10 ** R_BOUNDS[0]))


def _loglik(y: Array, x: Array, q: float, r: float, b0: float, p0: float) -> float:  # noqa: PLR0913 - flat, as the kernel's
    return float(kalman_loglik(y, x, q, r, b0, p0)[0])
