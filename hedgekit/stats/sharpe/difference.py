"""Did the hedge raise the Sharpe ratio? The difference of two, with its standard error, and the trades needed to see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.stats import norm

from hedgekit.errors import ConfigError
from hedgekit.stats.checks import above
from hedgekit.stats.inputs import legs, whole_number
from hedgekit.stats.sharpe.longrun import long_run
from hedgekit.stats.sharpe.ratio import MIN_RETURNS, open_unit, varying

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

MIN_POWER = 0.8
"""The usual wish: see a real difference in four samples of five."""


@dataclass(frozen=True, slots=True)
class SharpeDifference:
    """The difference ``first - second`` of two Sharpe ratios per period.

    Attributes
    ----------
    difference : float
        Standard deviations with ddof=1.
    stderr : float
        Of the difference.
    statistic : float
        difference / stderr.
    p_value : float
        Two-sided; H0: both true Sharpe ratios are equal.
    low, high : float
        Interval at ``level``.
    level : float
    n : int
        Periods.
    method : str
        How, in words.
    """

    difference: float
    stderr: float
    statistic: float
    p_value: float
    low: float
    high: float
    level: float
    n: int
    method: str


def memmel(sharpe_1: float, sharpe_2: float, correlation: float, n: int) -> float:
    """Return the standard error of the difference of two Sharpe ratios, the quick look (Jobson & Korkie 1981 as corrected by Memmel 2003).

    se^2 = [2 - 2 rho + (S1^2 + S2^2 - 2 S1 S2 rho^2) / 2] / n, for independent, jointly normal returns. With fat tails or
    autocorrelation use :func:`ledoit_wolf`: this one is then too small.

    Parameters
    ----------
    sharpe_1, sharpe_2 : float
        Per period.
    correlation : float
        Of the two series of returns, between -1 and 1.
    n : int
        Periods, at least 2.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """
    whole_number("n", n, 2)
    return float(np.sqrt(_memmel_variance(sharpe_1, sharpe_2, correlation) / n))


def power(sharpe_1: float, sharpe_2: float, correlation: float, n: int, *, significance: float = 0.05) -> float:
    """Return the chance that a two-sided test on ``n`` periods sees this difference (Memmel's standard error).

    Parameters
    ----------
    sharpe_1, sharpe_2, correlation, n
        As :func:`memmel`; the true ones.
    significance : float
        Chance of a false alarm, between 0 and 1.
    """
    open_unit("significance", significance, "the chance of a false alarm, for example .05")
    shift = abs(sharpe_2 - sharpe_1) / memmel(sharpe_1, sharpe_2, correlation, n)
    cut = norm.isf(significance / 2)
    return float(norm.cdf(shift - cut) + norm.cdf(-shift - cut))


def trades_needed(sharpe_1: float, sharpe_2: float, correlation: float, *, significance: float = 0.05, power: float = MIN_POWER) -> float:
    """Return the number of periods after which a two-sided test sees this difference with the chance ``power``.

    n = (z_{1 - significance / 2} + z_power)^2 n se^2 / (S1 - S2)^2, not rounded; infinite if there is no difference.
    The far tail of the test is left out, as usual.

    Parameters
    ----------
    sharpe_1, sharpe_2, correlation
        As :func:`memmel`; the true ones, per trade if trades are to be counted.
    significance, power : float
        Between 0 and 1.
    """
    open_unit("significance", significance, "the chance of a false alarm, for example .05")
    open_unit("power", power, "the chance of seeing a true difference, for example .8")
    variance = _memmel_variance(sharpe_1, sharpe_2, correlation)
    if sharpe_1 == sharpe_2:
        return float("inf")
    return float((norm.isf(significance / 2) + norm.ppf(power)) ** 2 * variance / (sharpe_1 - sharpe_2) ** 2)


def ledoit_wolf(
    first: ArrayLike | pd.Series,
    second: ArrayLike | pd.Series,
    *,
    errors: Literal["hac", "iid"] = "hac",
    prewhiten: bool = False,
    level: float = 0.95,
) -> SharpeDifference:
    """Test whether two Sharpe ratios differ, without assuming normal returns (Ledoit & Wolf 2008).

    H0: the true Sharpe ratios of both are equal. With moments (m1, m2, g1, g2), g = E[r^2], the difference
    D = m1 / sqrt(g1 - m1^2) - m2 / sqrt(g2 - m2^2) has var(D) = d' Psi d / n, d its gradient and Psi the (long-run) covariance
    of (r1 - m1, r2 - m2, r1^2 - g1, r2^2 - g2). The p-value is the normal law's. Below some hundred periods prefer
    :func:`ledoit_wolf_bootstrap`: this one rejects too often.

    Traps: the Sharpe ratios are per period, not annual (the difference may be annualised afterwards, times sqrt(periods)).
    50 or 200 trades see an improvement from .10 to .12 a trade in 6% or 7% of samples; 7,938 are needed (correlation .8).
    Andrews' bandwidth weighs the four moments by their variance, so the HAC standard error depends a little on the unit of
    the returns (a p-value of .209 becomes .211 when one of two series of 80 is doubled): give fractions, as the authors do.

    Parameters
    ----------
    first, second : array_like or Series, shape (n,)
        Returns of the same periods, for example hedged and unhedged; n at least 10. Two Series must have the same index.
    errors : {"hac", "iid"}
        "hac": neighbours may hang together (Parzen kernel, Andrews' bandwidth, factor n / (n - 4), as in the authors' program).
        "iid": they do not (factor n / (n - 1)).
    prewhiten : bool
        For "hac", filter by a VAR(1) first: better with strong autocorrelation.
    level : float
        Of the interval.

    Returns
    -------
    SharpeDifference
        NaN statistic and p-value 1 are not invented: if both series are the same the standard error is 0 and both are NaN.

    Raises
    ------
    DataError
        If returns are missing, too few or never vary, or the two do not belong to the same periods.
    ConfigError
        For an unknown option.

    References
    ----------
    Ledoit & Wolf 2008, "Robust performance hypothesis testing with the Sharpe ratio", J. Empirical Finance 15:850.
    """
    if errors not in {"hac", "iid"}:
        msg = f"errors={errors!r}: must be 'hac' or 'iid'"
        raise ConfigError(msg)
    open_unit("level", level, "for example .95")
    pair = both(first, second)
    stderr = studentiser(pair, errors=errors, prewhiten=prewhiten)
    gap = difference(pair)
    statistic = gap / stderr if stderr > 0 else float("nan")
    half = float(norm.ppf((1 + level) / 2)) * stderr
    words = "independent periods" if errors == "iid" else "HAC (Parzen kernel, Andrews bandwidth" + (", prewhitened)" if prewhiten else ")")
    return SharpeDifference(
        difference=gap,
        stderr=stderr,
        statistic=statistic,
        p_value=float(2 * norm.sf(abs(statistic))),
        low=gap - half,
        high=gap + half,
        level=level,
        n=len(pair),
        method=f"Ledoit & Wolf 2008, {words}",
    )


def both(first: ArrayLike | pd.Series, second: ArrayLike | pd.Series) -> Array:
    """Return the two series of returns as columns, shape (n, 2), checked."""
    pair: Array = legs(first, second).need(MIN_RETURNS, "returns").data
    varying(pair[:, 0], "the first returns")
    varying(pair[:, 1], "the second returns")
    return pair


def difference(pair: Array) -> float:
    """Return the first column's Sharpe ratio less the second's (ddof=1)."""
    one, two = pair.mean(axis=0) / pair.std(axis=0, ddof=1)
    return float(one - two)


def studentiser(pair: Array, *, errors: str, prewhiten: bool = False) -> float:
    """Return the standard error of the difference."""
    n, raw = len(pair), np.hstack((pair, pair**2))
    means = raw.mean(axis=0)
    psi = np.cov(raw.T) if errors == "iid" else long_run(raw - means, prewhiten=prewhiten)
    slope = gradient(means)
    square = float(slope @ psi @ slope)
    # Equal series leave rounding only: a standard error of 1e-9 would make a t-value of it.
    return float(np.sqrt(square / n)) if square > 1e-14 * float(np.sum(slope**2 * np.diag(psi))) else 0.0


def gradient(means: Array) -> Array:
    """Return the gradient of the difference at moments (m1, m2, g1, g2), along the last axis."""
    m, g = means[..., :2], means[..., 2:]
    scale = (g - m**2) ** -1.5 * np.array([1.0, -1.0])
    return np.concatenate((g * scale, -0.5 * m * scale), axis=-1)


def _memmel_variance(s1: float, s2: float, rho: float) -> float:
    for name, value in (("sharpe_1", s1), ("sharpe_2", s2)):
        above(name, value, float("-inf"), "a Sharpe ratio per period")
    if not -1 <= rho <= 1:
        msg = f"correlation={rho:g}: must lie between -1 and 1"
        raise ConfigError(msg)
    return 2 - 2 * rho + 0.5 * (s1**2 + s2**2 - 2 * s1 * s2 * rho**2)
