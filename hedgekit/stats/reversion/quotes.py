r"""What only looks like reversion: prints that jump between bid and ask, and prices that stand still.

Bounce. A print at bid or ask is the mid plus or minus half a spread. Its changes undo each
other at once: their first autocovariance is :math:`-s^2/4` (Roll 1984), nothing later. To a unit-root
test, a half-life or a variance ratio that looks like fast reversion. It cannot be
traded, since it is the spread that one pays. What tells the two apart is time: a change
:math:`x_t - x_{t-1}` holds no noise of :math:`x_{t-2}`. So reversion beyond bounce is judged by the slope of
x on its last level with the level **one bar earlier** as instrument (Hall 1989), against simulated random walks with
just the bounce that these changes show. A reversal complete within one bar cannot be told from bounce by prices alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from hedgekit.compiled import kernel
from hedgekit.errors import ConfigError
from hedgekit.stats.checks import above
from hedgekit.stats.reversion.findings import Finding
from hedgekit.stats.reversion.halflife import half_life_of, orthonormal, project
from hedgekit.stats.reversion.stationarity import moving

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

LEAST = 30
"""Fewest levels."""

SURE = 1.645
"""Standard errors by which the walk's share of the variance is taken lower than estimated."""

MOST_NOISE = 30.0

NO_BOUNCE, BOUNCE, BEYOND = "no bounce shown", "bounce", "reversion beyond bounce"
NULL = "a random walk plus bounce of the quotes (independent noise of one bar)"


@dataclass(frozen=True, slots=True)
class Bounce:
    """Outcome of :func:`bounce`.

    Attributes
    ----------
    autocovariance, autocorrelation : float
        First-order, of the changes.
    z : float
        ``autocovariance`` over its standard error (robust to changing variance and to neighbours' overlap).
    implied_spread : float
        Bid-ask spread that gives this autocovariance: 2 sqrt(-autocovariance) (Roll 1984), in units of x. NaN if the
        autocovariance is above zero: no bounce has that.
    spread_low, spread_high : float
        Interval of ``implied_spread``; an end is 0 where the autocovariance is not shown to be negative.
    implied_ticks : float
        ``implied_spread`` in ticks; NaN without a tick.
    b, b_free : float
        AR(1) slope by least squares, and by x[t-2] as instrument, which bounce leaves unbiased (in large samples); 1 if
        x[t-2] does not even go with x[t-1], as in noise around a fixed level.
    half_life, half_life_free : float
        Of the two slopes, bars, uncorrected.
    explained : float
        Share of the apparent reversion per bar that goes away with the bounce: 1 - (1 - b_free)/(1 - b). Above 1 if the rest
        trends. NaN if b >= 1: there is no apparent reversion.
    statistic, p_value : float
        (n - 2)(b_free - 1), and the share of random walks with this bounce in which it is as low; simulated, at
        least 1/(reps + 1).
    verdict : str
        "no bounce shown", "bounce" or "reversion beyond bounce".
    significance : float
        Level used for both tests of the verdict.
    n : int
        Levels.
    """

    autocovariance: float
    autocorrelation: float
    z: float
    implied_spread: float
    spread_low: float
    spread_high: float
    implied_ticks: float
    b: float
    b_free: float
    half_life: float
    half_life_free: float
    explained: float
    statistic: float
    p_value: float
    verdict: str
    significance: float
    n: int

    @property
    def says(self) -> str:
        """What follows, in words."""
        beyond = "shown" if self.p_value < self.significance else "not shown"
        size = "no spread implied" if math.isnan(self.implied_spread) else f"implied spread {self.implied_spread:.3g}"
        return f"{self.verdict} ({size}); reversion that outlasts one bar is {beyond}"

    def finding(self) -> Finding:
        """Return the test of reversion beyond bounce as a row of a report."""
        return Finding("slope by the level one bar earlier (Hall)", NULL, self.statistic, self.p_value, self.n, self.says)


def bounce(  # noqa: PLR0913 - options of one test, each with its default
    x: ArrayLike | pd.Series,
    *,
    tick: float | None = None,
    fitted_ratio: int = False,
    significance: float = 0.05,
    seed: int = 1,
    reps: int = 999,
) -> Bounce:
    """Detect bid-ask bounce, and say whether anything reverts beyond it.

    Model: observed = random walk + independent noise. Null hypothesis: that is all there is. See the module's docstring.

    Parameters
    ----------
    x : array_like or Series, shape (n,)
        Prices, log prices or a spread, oldest first; at least 30.
    tick : float, optional
        Tick in units of x; ``implied_ticks`` is then the implied spread in ticks.
    fitted_ratio : bool or int
        True if x is the residual of a level regression on one hedge and a constant in this sample, a number for that many:
        the simulated walks are then regressed likewise.
    significance : float
        Level of both one-sided tests: of a negative autocovariance, and of reversion beyond bounce.
    seed, reps : int
        Of the simulated walks.

    Returns
    -------
    Bounce
        "bounce": the first autocovariance is negative, and nothing is shown beyond it: the apparent reversion must not
        be traded. "reversion beyond bounce": both. "no bounce shown": prints do not bounce
        measurably, and ``p_value`` still tells about reversion.

    Raises
    ------
    DataError
        If a value is missing or not finite, x never moves or has fewer than 30 values.
    ConfigError
        If ``tick`` is not above 0, or an option is out of range.
    """
    ticks = math.nan if tick is None else above("tick", tick, 0, "smallest price step, in units of x")
    hedges = _checked(significance, reps, fitted_ratio)
    values = moving(x, LEAST)
    changes = np.diff(values) - (values[-1] - values[0]) / (len(values) - 1)
    covariance, stderr = _autocovariance(changes)
    width = float(norm.ppf(1 - significance / 2)) * stderr
    variance = float(changes @ changes) / len(changes)
    z = covariance / stderr if stderr > 0 else 0.0
    b, b_free = _slopes(values)
    drawn = _null(len(values), hedges, _noise_share(changes, covariance), seed, reps)
    p_value = (1 + int(np.sum(drawn <= b_free))) / (reps + 1)
    bounces = z < norm.ppf(significance)
    return Bounce(
        autocovariance=covariance,
        autocorrelation=covariance / variance if variance > 0 else math.nan,
        z=z,
        implied_spread=2 * math.sqrt(-covariance) if covariance <= 0 else math.nan,
        spread_low=2 * math.sqrt(max(-covariance - width, 0.0)),
        spread_high=2 * math.sqrt(max(-covariance + width, 0.0)),
        implied_ticks=2 * math.sqrt(-covariance) / ticks if covariance <= 0 else math.nan,
        b=b,
        b_free=b_free,
        half_life=float(half_life_of(b)),
        half_life_free=float(half_life_of(b_free)),
        explained=1 - (1 - b_free) / (1 - b) if b < 1 else math.nan,
        statistic=(len(values) - 2) * (b_free - 1),
        p_value=p_value,
        verdict=NO_BOUNCE if not bounces else BEYOND if p_value < significance else BOUNCE,
        significance=significance,
        n=len(values),
    )


def _checked(significance: float, reps: int, fitted_ratio: int) -> int:
    if not (0 < significance < 0.5 and reps >= 99 and fitted_ratio >= 0):  # noqa: PLR2004 - fewer have no tails
        msg = (
            f"significance={significance:g}, reps={reps}, fitted_ratio={fitted_ratio}: significance must be between 0 and 0.5, "
            "reps at least 99, fitted_ratio 0 or more"
        )
        raise ConfigError(msg)
    return int(fitted_ratio)


def _autocovariance(changes: Array) -> tuple[float, float]:
    """Return the first autocovariance and its standard error (Newey-West over the products, which overlap)."""
    return _mean_and_error(changes[1:] * changes[:-1])


def _mean_and_error(x: Array) -> tuple[float, float]:
    n = len(x)
    u = x - x.mean()
    lags = int(4 * (n / 100) ** (2 / 9))
    total = float(u @ u) + 2 * sum((1 - k / (lags + 1)) * float(u[k:] @ u[:-k]) for k in range(1, lags + 1))
    return float(x.mean()), math.sqrt(max(total, 0.0)) / n


def _noise_share(changes: Array, covariance: float) -> float:
    """Return sd of the noise over sd of the walk's steps, an upper bound so that strong noise is not judged by the law of weaker.

    Variance of the changes = step^2 + 2 noise^2, first autocovariance = -noise^2. So step^2 is the mean of d[t]^2 + 2 d[t] d[t-1];
    its lower 95% bound is used. At most 30: beyond it the walk cannot be seen beneath the noise.
    """
    if covariance >= 0:
        return 0.0
    step, stderr = _mean_and_error(changes[1:] ** 2 + 2 * changes[1:] * changes[:-1])
    low = step - SURE * stderr
    return min(math.sqrt(-covariance / low), MOST_NOISE) if low > 0 else MOST_NOISE


def _slopes(x: Array) -> tuple[float, float]:
    """Return b by least squares and by instrument."""
    out = np.empty(2)
    slopes_with_and_without_noise(np.ascontiguousarray(x, dtype=np.float64), out)
    return float(out[0]), float(out[1])


def _null(n: int, hedges: int, share: float, seed: int, reps: int) -> Array:
    rng = np.random.Generator(np.random.PCG64(seed))
    out = np.empty(reps)
    rows = max(1, 2_000_000 // (n * (2 + hedges)))
    for first in range(0, reps, rows):
        part = out[first : first + rows]
        noisy_walks(rng.standard_normal((len(part), 2 + hedges, n)), share, np.empty(2), part)
    return out


# numba infers every type, and checks it.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False


@kernel
def slopes_with_and_without_noise(x, out):  # noqa: ANN001, ANN201 - compiled
    """Fill out with the slope of x[t] on x[t-1] by least squares, and by x[t-2] as instrument (1 if that does not go with x[t-1])."""
    m = len(x) - 2
    far, before, after = 0.0, 0.0, 0.0
    for t in range(m):
        far += x[t]
        before += x[t + 1]
        after += x[t + 2]
    far /= m
    before /= m
    after /= m
    fb, fa, bb, ba = 0.0, 0.0, 0.0, 0.0
    for t in range(m):
        f, b, a = x[t] - far, x[t + 1] - before, x[t + 2] - after
        fb += f * b
        fa += f * a
        bb += b * b
        ba += b * a
    out[0] = ba / bb
    out[1] = fa / fb if fb > 0 else 1.0


@kernel
def noisy_walks(draws, share, work, out):  # noqa: ANN001, ANN201 - compiled
    """Fill out[r] with the instrumented slope of a walk plus noise; draws are (steps, noise, hedges' steps)."""
    n = draws.shape[2]
    for r in range(len(out)):
        x, noise, walks = draws[r, 0], draws[r, 1], draws[r, 2:]
        level = 0.0
        for t in range(n):
            level += x[t]
            x[t] = level + share * noise[t]
        orthonormal(walks)
        mean = np.sum(x) / n
        for t in range(n):
            x[t] -= mean
        for j in range(len(walks)):
            project(x, walks[j])
        slopes_with_and_without_noise(x, work)
        out[r] = work[1]
