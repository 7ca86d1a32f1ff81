r"""How far a half-life can be known: the exact small-sample law of the estimated AR(1) coefficient, inverted.

The least-squares slope of :math:`x_t` on :math:`x_{t-1}` is biased towards reversion, and skewed, most so near a random walk:
its textbook standard error says nothing there. But for a Gaussian AR(1) with a constant its law
depends on the true slope b and n alone. So it is simulated on a grid of b, spaced
as :math:`c = n(1 - b)` because that is how it scales near one, with the same shocks at every b, and the
quantiles are inverted (Andrews 1993: a median-unbiased estimate, and an interval that keeps its level).

If the spread is itself the residual of a regression of primary on hedge, the regression has already
chosen the most stationary-looking combination. That is simulated too: an AR(1) is regressed on independent
random walks and a constant, and the slope is taken from the residual. Its law is free of all other
parameters as long as the hedge is a random walk whose moves are independent of the spread's shocks
(exogenous); where they are not, the interval is approximate.

No distribution is stored: 2,000 histories of 252 bars on 60 slopes take about 0.1 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.compiled import kernel
from hedgekit.errors import ConfigError

if TYPE_CHECKING:
    from hedgekit.data import Array

LEAST = 10
"""Fewest observations of a spread for which a law of the slope is simulated."""

LONGEST = 2_500
"""Longest history simulated; a longer one uses its scaling limit in c = n (1 - b)."""

LIMIT_C = 100.0
"""Above this c a history longer than :data:`LONGEST` has a Gaussian law with the simulated offset."""

LOWEST = -0.9
"""Lowest slope of the grid."""

CHUNK = 2_000_000
"""Numbers drawn at once."""


@dataclass(frozen=True, eq=False, slots=True)
class HalfLives:
    """Half-lives, in bars, for each slope asked about: interval ends and the median-unbiased estimate.

    Infinite where no reversion cannot be excluded; 0 where the slope is not above zero (the deviation is
    gone within a bar).

    Attributes
    ----------
    low, median, high : float64 arrays, shape of the slopes
    """

    low: Array
    median: Array
    high: Array


@dataclass(frozen=True, eq=False, slots=True)
class HalfLifeTable:
    """Quantiles of the estimated slope for each true slope, for one n; made by :func:`half_life_table`.

    Attributes
    ----------
    n : int
        Observations of the spread.
    fitted_ratio : int
        Hedges that were fitted to make the spread; 0 if it was given.
    level : float
        Confidence level of the interval.
    slopes : float64 array, shape (k,)
        True slopes, rising, the last being 1 (a random walk).
    lower, middle, upper : float64 arrays, shape (k,)
        Quantiles (1 - level)/2, 1/2 and (1 + level)/2 of the estimated slope.
    found : float64 array, shape (k,)
        Share of histories in which the interval excludes a random walk: the power; at slope 1 it is (1 - level)/2.
    """

    n: int
    fitted_ratio: int
    level: float
    slopes: Array
    lower: Array
    middle: Array
    upper: Array
    found: Array

    def interval(self, b_hat: Array | float) -> HalfLives:
        """Return half-lives for estimated slopes, any number at once (one interpolation each)."""
        low, median, high = (half_life_of(self.slope(b_hat, q)) for q in (self.upper, self.middle, self.lower))
        return HalfLives(low, median, high)

    def slope(self, b_hat: Array | float, quantiles: Array) -> Array:
        """Return the true slopes of which ``b_hat`` is that quantile, at most 1 and at least the grid's lowest."""
        return np.asarray(np.interp(np.asarray(b_hat, dtype=np.float64), quantiles, self.slopes))

    def excludes_walk(self, b_hat: Array | float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Say for each slope whether the interval excludes a random walk; NaN never does."""
        return np.asarray(np.asarray(b_hat) < self.lower[-1])

    def power(self, half_life: float) -> float:
        """Return how often a spread with this half-life (bars) would be shown to revert with this n."""
        if not half_life > 0:
            msg = f"half_life={half_life:g}: must be above 0 (bars)"
            raise ConfigError(msg)
        return float(np.interp(2 ** (-1 / half_life), self.slopes, self.found))


def half_life_of(b: Array | float) -> Array:
    """Return the exact half-life in bars of AR(1) slopes: ln 2 / -ln b; infinite from 1 on, 0 from zero down, NaN for NaN.

    Never ln 2 / (1 - b), the Euler step's: at b = .457 it says 1.28 bars instead of .89.
    """
    slope = np.asarray(b, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 and 1 and beyond have their answers below
        exact = np.log(2) / -np.log(slope)
    return np.asarray(np.where(slope >= 1, np.inf, np.where(slope <= 0, 0.0, exact)))


def half_life_table(
    n: int,
    *,
    fitted_ratio: int = False,
    seed: int = 1,
    reps: int = 2_000,
    level: float = 0.95,
) -> HalfLifeTable:
    """Return the law of the estimated AR(1) slope for n observations, ready to be inverted.

    Model: :math:`x_t = a + b x_{t-1} + e_t`, Gaussian shocks, stationary start (any start at b = 1); b estimated by
    least squares with a constant. See the module's docstring for a spread that was fitted.

    Parameters
    ----------
    n : int
        Observations of the spread, at least 10. Above 2,500 the scaling limit near one is used (its quantiles
        of n (b_hat - b) depend on n (1 - b) alone), and a Gaussian law far from one.
    fitted_ratio : bool or int
        False if the spread was given; True if it is the residual of a level regression on one hedge and a
        constant in the same sample; a number for that many hedges.
    seed, reps : int
        Seed and number of simulated histories. Same arguments, same table (kept for the next call).
    level : float
        Confidence level.

    Returns
    -------
    HalfLifeTable

    Raises
    ------
    ConfigError
        If an argument is out of range.
    """
    for name, value, least in (("n", n, LEAST), ("reps", reps, 200), ("fitted_ratio", int(fitted_ratio), 0)):
        if value < least:
            msg = f"{name}={value}: must be at least {least}"
            raise ConfigError(msg)
    if not 0.5 <= level < 1:  # noqa: PLR2004 - below it the interval is narrower than a coin's
        msg = f"level={level:g}: must be at least 0.5 and below 1, for example 0.95"
        raise ConfigError(msg)
    if n - 2 <= int(fitted_ratio) + 2:
        msg = f"n={n} is too few for {int(fitted_ratio)} fitted hedges: give at least {int(fitted_ratio) + 5}"
        raise ConfigError(msg)
    return _table(int(n), int(fitted_ratio), int(seed), int(reps), float(level))


@lru_cache(maxsize=64)
def _table(n: int, fitted: int, seed: int, reps: int, level: float) -> HalfLifeTable:
    size = min(n, LONGEST)
    slopes = _grid(size)
    drawn = _simulated(size, fitted, seed, reps, slopes)
    tail = (1 - level) / 2
    quantiles = np.quantile(drawn, [tail, 0.5, 1 - tail], axis=0)
    found = (drawn < quantiles[0, -1]).mean(axis=0)
    if n > size:
        slopes, quantiles, found = _stretched(n, size, slopes, quantiles, found)
    lower = np.minimum.accumulate(quantiles[0, ::-1])[::-1].copy()  # the hull of every slope that is not rejected
    middle, upper = np.maximum.accumulate(quantiles[1:], axis=1)
    for x in (slopes, lower, middle, upper, found):
        x.setflags(write=False)
    return HalfLifeTable(n, fitted, level, slopes, lower, middle, upper, found)


def _grid(n: int) -> Array:
    """Return slopes from the lowest to 1, evenly spaced in the logarithm of c = n (1 - b), and 1 itself."""
    widest = n * (1 - LOWEST)
    c = np.geomspace(0.25, widest, 1 + int(np.ceil(np.log(widest / 0.25) / np.log(1.17))))
    return np.append(1 - c[::-1] / n, 1.0)


def _stretched(n: int, size: int, slopes: Array, quantiles: Array, found: Array) -> tuple[Array, Array, Array]:
    """Return the table of a longer history from the one of ``size``, at equal c = n (1 - b)."""
    c = size * (1 - slopes)
    near = c <= LIMIT_C
    wide = np.sqrt((2 * c - c * c / n) / np.where(c > 0, 2 * c - c * c / size, 1), where=c > 0, out=np.ones_like(c))
    near_quantiles = (1 - c / n + (quantiles - slopes) * size / n * wide)[:, near]
    far = _grid(n)
    far = far[n * (1 - far) > LIMIT_C]
    edge = np.flatnonzero(near)[0]
    middle = (quantiles[1, edge] - slopes[edge]) * size
    unit = ((quantiles[:, edge] - slopes[edge]) * size - middle) / np.sqrt(2 * c[edge] - c[edge] ** 2 / size)
    far_c = n * (1 - far)
    far_quantiles = far + (middle + unit[:, None] * np.sqrt(2 * far_c - far_c**2 / n)) / n
    return np.r_[far, 1 - c[near] / n], np.hstack([far_quantiles, near_quantiles]), np.r_[np.ones(len(far)), found[near]]


def _simulated(n: int, fitted: int, seed: int, reps: int, slopes: Array) -> Array:
    """Return estimated slopes, shape (reps, slopes), from the same shocks at every true slope."""
    shocks, walks = (np.random.Generator(np.random.PCG64(s)) for s in np.random.SeedSequence(seed).spawn(2))
    out = np.empty((reps, len(slopes)))
    rows = max(1, CHUNK // (n * (1 + fitted)))
    for first in range(0, reps, rows):
        part = out[first : first + rows]
        basis = walks.standard_normal((len(part), fitted, n))
        estimated_slopes(shocks.standard_normal((len(part), n)), basis, slopes, np.empty(n), part)
    return out


# numba infers every type, and checks it.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False


@kernel
def orthonormal(walks):  # noqa: ANN001, ANN201 - compiled
    """Turn rows of independent moves into random walks without mean, each of length 1 and at right angles to those before."""
    hedges, n = walks.shape
    for j in range(hedges):
        row = walks[j]
        total, mean = 0.0, 0.0
        for t in range(n):
            total += row[t]
            row[t] = total
            mean += total
        mean /= n
        for t in range(n):
            row[t] -= mean
        for i in range(j):
            project(row, walks[i])
        length = np.sqrt(np.sum(row * row))
        for t in range(n):
            row[t] /= length


@kernel
def project(x, unit):  # noqa: ANN001, ANN201 - compiled
    """Take the part along ``unit`` (of length 1) out of x."""
    along = 0.0
    for t in range(len(x)):
        along += x[t] * unit[t]
    for t in range(len(x)):
        x[t] -= along * unit[t]


@kernel
def ar_slope(x):  # noqa: ANN001, ANN201 - compiled
    """Return the least-squares slope of x[t] on a constant and x[t-1]."""
    m = len(x) - 1
    before, after = 0.0, 0.0
    for t in range(m):
        before += x[t]
        after += x[t + 1]
    before /= m
    after /= m
    cross, square = 0.0, 0.0
    for t in range(m):
        u = x[t] - before
        cross += u * (x[t + 1] - after)
        square += u * u
    return cross / square


@kernel
def estimated_slopes(shocks, walks, slopes, x, out):  # noqa: ANN001, ANN201 - compiled
    """Fill out[r, k] with the slope estimated on history r of true slope k; shocks[r, 0] draws its start.

    The history is counted from its start, which the constant makes harmless: x[0] = 0 and a drift
    -(1 - b) x0. So nothing cancels near b = 1, where a stationary start is far away.
    """
    reps, n = shocks.shape
    for r in range(reps):
        orthonormal(walks[r])
        for k in range(len(slopes)):
            b = slopes[k]
            drift = -shocks[r, 0] * np.sqrt((1 - b) / (1 + b))
            level = 0.0
            x[0] = 0.0
            for t in range(1, n):
                level = b * level + (shocks[r, t] + drift)
                x[t] = level
            for j in range(walks.shape[1]):
                project(x, walks[r, j])
            out[r, k] = ar_slope(x)
