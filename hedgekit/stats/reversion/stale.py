r"""Prices that stand still: how often, how long, and what that does to a hedge ratio.

If a price fails to refresh with probability pi in each bar, independently, then (Lo & MacKinlay 1990)

.. math:: \mathrm{cov}(dp_t, dh_{t-k}) = \pi_p^k\, \beta\, \mathrm{var}(dh)\, \frac{(1-\pi_p)(1-\pi_h)}{1-\pi_p\pi_h}, \quad k \ge 0

so a plain regression of same-bar returns reads too low a ratio, and the rest shows as correlation with the other leg's
earlier returns. The sum of the coefficients on earlier, same and later returns restores it (Dimson 1979).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import norm

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.checks import above
from hedgekit.stats.inputs import legs
from hedgekit.stats.reversion.findings import Finding
from hedgekit.stats.reversion.stationarity import LEAST, moving

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

LIMIT = 0.1
"""Non-trading probability above which a warning is due: plain ratios are then a tenth too low."""


@dataclass(frozen=True, slots=True)
class Staleness:
    """Outcome of :func:`staleness`.

    Attributes
    ----------
    unchanged : float
        Share of bars whose price is the one before.
    longest : int
        Bars of the longest run without a change.
    longest_at : int
        Position of the price that stayed.
    by_tick : float
        Share that a fresh price of this variance would show unchanged, for the tick alone; 0 without a tick.
    pi : float
        Implied probability that a price is not refreshed: (unchanged - by_tick)/(1 - by_tick), an upper bound without a
        tick. Below 0 if there are fewer unchanged prices than the tick explains.
    beta_factor : float
        1 - pi: what a plain regression of this leg's returns finds of the true ratio, the other leg being fresh.
    n : int
        Prices.
    warnings : tuple of str
        Says so if ``pi`` is above the limit.
    """

    unchanged: float
    longest: int
    longest_at: int
    by_tick: float
    pi: float
    beta_factor: float
    n: int
    warnings: tuple[str, ...] = ()

    def finding(self, name: str) -> Finding:
        """Return the figures as a row of a report; there is no test, so no p."""
        says = f"{self.unchanged:.1%} of bars unchanged, longest run {self.longest}; plain ratio at {self.beta_factor:.0%} of the true one"
        return Finding(f"staleness of {name}", "every price is fresh", self.unchanged, None, self.n, says, warnings=self.warnings)


def staleness(x: ArrayLike | pd.Series, *, tick: float | None = None, limit: float = LIMIT) -> Staleness:
    """Measure how often a price stands still, and what that does to a hedge ratio.

    Parameters
    ----------
    x : array_like or Series, shape (n,)
        Prices (not logs, if a tick is given), oldest first; at least 20.
    tick : float, optional
        Smallest price step: moves below it also look unchanged, and are then allowed for (Gaussian moves).
    limit : float
        ``pi`` above which a warning is due.

    Returns
    -------
    Staleness

    Raises
    ------
    DataError
        If a value is missing or not finite, the price never moves, or there are fewer than 20.
    ConfigError
        If ``tick`` is not above 0 or ``limit`` not between 0 and 1.
    """
    if not 0 <= limit <= 1:
        msg = f"limit={limit:g}: must be between 0 and 1"
        raise ConfigError(msg)
    values = moving(x)
    changes = np.diff(values)
    unchanged = float(np.mean(changes == 0))
    by_tick = 0.0 if tick is None else _unchanged_by_tick(float(np.mean(changes**2)), above("tick", tick, 0, "smallest price step"))
    pi = (unchanged - by_tick) / (1 - by_tick)
    longest, at = _longest_run(changes == 0)
    said = (
        f"{unchanged:.1%} of prices are unchanged (longest run {longest} bars, from position {at}): a plain hedge ratio is about "
        f"{1 - pi:.0%} of the true one; use longer bars, or the sum of lagged coefficients (lead_lag)"
    )
    return Staleness(unchanged, longest, at, by_tick, pi, 1 - pi, len(values), (said,) if pi > limit else ())


def _unchanged_by_tick(square: float, tick: float) -> float:
    """Return how often a Gaussian move of this mean square stays within one tick's rounding: E max(0, 1 - |move| / tick)."""
    sd = math.sqrt(max(square - tick * tick / 6, 0.0))  # the rounding of both ends adds tick^2 / 6
    if sd == 0:
        return 0.0  # moves are all rounding: nothing is left to tell a stale price by
    a = tick / sd
    return float(2 * norm.cdf(a) - 1 - 2 * (norm.pdf(0) - norm.pdf(a)) / a)


def _longest_run(still: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[int, int]:
    """Return length and first position of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.r_[False, still, False].astype(np.int8)))
    if not len(edges):
        return 0, 0
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    best = int(np.argmax(lengths))
    return int(lengths[best]), int(starts[best])


@dataclass(frozen=True, slots=True)
class LeadLag:
    """Outcome of :func:`lead_lag`.

    Attributes
    ----------
    lags : tuple of int
        k, from -L to L: the primary's return beside the hedge's k bars **earlier**.
    correlations : tuple of float
        Of the two returns at each k. Positive k: the primary follows (its price is stale).
    stderr : float
        Of a correlation that is zero: 1/sqrt(n).
    plain, total : float
        Ratio from same-bar returns, and the sum of the coefficients on all k (Dimson 1979).
    plain_stderr, total_stderr : float
        Robust to changing variance.
    n : int
        Returns used.
    warnings : tuple of str
        Says so if an off-bar correlation is beyond chance (all 2 L of them together, 1%).
    """

    lags: tuple[int, ...]
    correlations: tuple[float, ...]
    stderr: float
    plain: float
    plain_stderr: float
    total: float
    total_stderr: float
    n: int
    warnings: tuple[str, ...] = ()

    def frame(self) -> pd.DataFrame:
        """Return one row for each k (index ``lag``), column ``correlation``."""
        return pd.DataFrame({"correlation": self.correlations}, index=pd.Index(self.lags, name="lag"))

    def finding(self) -> Finding:
        """Return the figures as a row of a report."""
        off = [(abs(c), k) for k, c in zip(self.lags, self.correlations, strict=True) if k]
        size, k = max(off)
        p_value = min(1.0, len(off) * 2 * float(norm.sf(size / self.stderr)))
        says = f"plain ratio {self.plain:.3f}, sum over lags {self.total:.3f}; largest off-bar correlation {size:.2f} at lag {k}"
        null = "the legs' returns are related within the same bar only"
        return Finding("lead and lag", null, size / self.stderr, p_value, self.n, says, warnings=self.warnings)


def lead_lag(primary: ArrayLike | pd.Series, hedge: ArrayLike | pd.Series, *, lags: int = 3) -> LeadLag:
    """Compare the primary's log returns with earlier, same and later ones of the hedge.

    Null hypothesis: only same-bar returns are related. Stale prices of one leg break it (module's docstring).

    Parameters
    ----------
    primary, hedge : array_like or Series, shape (n,)
        Prices above zero at the same times.
    lags : int
        L: bars looked at to both sides.

    Returns
    -------
    LeadLag

    Raises
    ------
    DataError
        If prices do not fit together, are not finite or not above zero, a leg never moves, or there are fewer than 20 + 4 L.
    ConfigError
        If ``lags`` is below 1.
    """
    if lags < 1:
        msg = f"lags={lags}: must be at least 1"
        raise ConfigError(msg)
    checked = legs(primary, hedge).need(LEAST + 4 * lags).positive().moving()
    if checked.data.shape[1] != 2:  # noqa: PLR2004 - a pair
        msg = f"hedge has {checked.data.shape[1] - 1} columns: give one, and call once for each hedge"
        raise DataError(msg)
    dp, dh = np.diff(np.log(checked.data), axis=0).T
    ks = tuple(range(-lags, lags + 1))
    y = dp[lags : len(dp) - lags]
    x = np.column_stack([dh[lags - k : len(dh) - lags - k] for k in ks])
    correlations = tuple(float(c) for c in np.corrcoef(np.column_stack([y, x]), rowvar=False)[0, 1:])
    stderr = 1 / math.sqrt(len(y))
    plain, total = _sum_of_slopes(y, x[:, lags : lags + 1]), _sum_of_slopes(y, x)
    edge = float(norm.isf(0.005 / (2 * lags))) * stderr
    far = [k for k, c in zip(ks, correlations, strict=True) if k and abs(c) > edge]
    said = (
        f"returns are related across bars (lags {', '.join(map(str, far))}; above 0 the primary follows): stale prices or one leg leads; "
        f"the plain ratio is {plain.value:.3f}, the sum over lags {total.value:.3f}"
    )
    return LeadLag(ks, correlations, stderr, plain.value, plain.stderr, total.value, total.stderr, len(y), (said,) if far else ())


@dataclass(frozen=True, slots=True)
class _Slope:
    value: float
    stderr: float


def _sum_of_slopes(y: Array, x: Array) -> _Slope:
    """Return the sum of least-squares slopes and its standard error (White)."""
    u, v = x - x.mean(axis=0), y - y.mean()
    gram = u.T @ u
    weights = u @ np.linalg.solve(gram, np.ones(len(gram)))  # returns of different bars are far from collinear
    e = v - u @ np.linalg.solve(gram, u.T @ v)
    return _Slope(float(weights @ v), float(np.sqrt(np.sum((weights * e) ** 2))))
