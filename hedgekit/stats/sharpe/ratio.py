"""One Sharpe ratio: its standard error, and what it becomes over a year when returns hang together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.checks import series
from hedgekit.stats.inputs import whole_number
from hedgekit.stats.sharpe.longrun import long_run

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

MIN_RETURNS = 10
"""Fewest returns from which a standard error is stated."""

TINY = 1e-12
"""A variance below this share of the mean square is rounding, not variance."""


@dataclass(frozen=True, slots=True)
class SharpeEstimate:
    """A Sharpe ratio per period and how sure it is.

    Attributes
    ----------
    sharpe : float
        Mean / standard deviation (ddof=1), per period.
    n : int
        Returns it rests on.
    skew, kurtosis : float
        Of the returns; kurtosis is 3 for a normal variable.
    stderr_normal : float
        sqrt((1 + S^2 / 2) / n): independent normal returns (Lo 2002).
    stderr_iid : float
        sqrt((1 - skew S + (kurtosis - 1) S^2 / 4) / n): independent returns of any law (Mertens 2002).
    stderr_hac : float
        As ``stderr_iid``, and neighbours may hang together (Lo 2002 by GMM; Parzen kernel).
    effective_n : float
        Independent returns that would give ``stderr_hac``; never more than n.
    low, high : float
        Two-sided normal interval at ``level`` from the larger of the last two standard errors.
    level : float
        Of the interval.
    """

    sharpe: float
    n: int
    skew: float
    kurtosis: float
    stderr_normal: float
    stderr_iid: float
    stderr_hac: float
    effective_n: float
    low: float
    high: float
    level: float


def estimate(returns: ArrayLike | pd.Series, *, level: float = 0.95) -> SharpeEstimate:
    r"""Return the Sharpe ratio per period with its standard errors.

    By the delta method on the first two moments: S = m / sqrt(g - m^2) with g = E[r^2], so
    var(S) = d' Psi d / n with d = (g / v^1.5, -m / (2 v^1.5)), v = g - m^2, and Psi the covariance
    (``stderr_iid``) or the long-run covariance (``stderr_hac``) of (r - m, r^2 - g).

    Parameters
    ----------
    returns : array_like or Series, shape (n,)
        Returns of each period, in any unit; n at least 10. Flat periods belong to them.
    level : float
        Of the interval, between 0 and 1.

    Returns
    -------
    SharpeEstimate

    Raises
    ------
    DataError
        If a return is missing, there are too few, or they never vary.
    ConfigError
        If ``level`` is not between 0 and 1.

    References
    ----------
    Lo 2002, "The statistics of Sharpe ratios", FAJ 58(4):36; Mertens 2002; Bailey & Lopez de Prado 2012.
    """
    open_unit("level", level, "for example .95")
    x = varying(series(returns, "returns", MIN_RETURNS), "returns")
    n, centred = len(x), x - x.mean()
    var = float(centred @ centred) / n
    sharpe = float(x.mean()) / float(x.std(ddof=1))
    skew, kurtosis = float(np.mean(centred**3)) / var**1.5, float(np.mean(centred**4)) / var**2
    iid = float(np.sqrt(sampling_variance(sharpe, skew, kurtosis) / n))
    hac = _hac(x / np.sqrt(var))  # so that the choice of a bandwidth does not depend on the unit
    wide = max(iid, hac)
    half = float(norm.ppf((1 + level) / 2)) * wide
    return SharpeEstimate(
        sharpe=sharpe,
        n=n,
        skew=skew,
        kurtosis=kurtosis,
        stderr_normal=float(np.sqrt((1 + sharpe**2 / 2) / n)),
        stderr_iid=iid,
        stderr_hac=hac,
        effective_n=n * (iid / wide) ** 2,
        low=sharpe - half,
        high=sharpe + half,
        level=level,
    )


def annual_factor(periods: int, autocorrelation: float | ArrayLike = 0.0) -> float:
    r"""Return the factor from a Sharpe ratio per period to one over ``periods`` of them.

    eta(q) = q / sqrt(q + 2 sum_{k=1}^{q-1} (q - k) rho_k), which is sqrt(q) for independent returns only.

    Parameters
    ----------
    periods : int
        q, for example 252 days.
    autocorrelation : float or array_like, shape (lags,)
        A number is an AR(1)'s: rho_k = rho^k, between -1 and 1. An array is rho_1, rho_2, ...; later ones count as zero.

    Raises
    ------
    ConfigError
        If ``periods`` is not a whole number above zero, a correlation is outside -1..1, or together they
        would make the variance of the sum zero or negative.

    References
    ----------
    Lo 2002, FAJ 58(4):36, equation 20.
    """
    whole_number("periods", periods, 1)
    lags = np.arange(1, periods)
    rho = np.atleast_1d(np.asarray(autocorrelation, dtype=np.float64))
    if rho.ndim != 1 or not (np.abs(rho) < 1).all():
        msg = f"autocorrelation={autocorrelation!r}: every one must lie between -1 and 1"
        raise ConfigError(msg)
    if np.ndim(autocorrelation) == 0:
        rho = rho[0] ** lags
    used = min(len(rho), periods - 1)
    variance = periods + 2 * float((periods - lags[:used]) @ rho[:used])
    if variance <= 0:
        msg = f"autocorrelation: these {used} make the variance of {periods} returns {variance:.3g}; give fewer lags, or an AR(1) number"
        raise ConfigError(msg)
    return periods / float(np.sqrt(variance))


def annualised(returns: ArrayLike | pd.Series, periods: int, *, lags: int = 1) -> float:
    """Return the Sharpe ratio over ``periods`` returns, allowing for the sample's own autocorrelation.

    Trap: times sqrt(252), a strategy whose P&L is marked at stale prices looks better than it is, since its returns follow on each other.

    Parameters
    ----------
    returns : array_like or Series, shape (n,)
        Returns of each period; n at least 10, and more than ``lags``.
    periods : int
        In a year, for example 252.
    lags : int
        1: an AR(1) with the first autocorrelation. 0: independent, so sqrt(periods). More: that many sample
        autocorrelations, each as noisy as 1 / sqrt(n).

    Raises
    ------
    DataError
        As :func:`estimate`.
    ConfigError
        As :func:`annual_factor`.
    """
    whole_number("lags", lags, 0)
    x = varying(series(returns, "returns", max(MIN_RETURNS, lags + 2)), "returns")
    sharpe, c = float(x.mean() / x.std(ddof=1)), x - x.mean()
    rho = np.array([c[k:] @ c[:-k] for k in range(1, lags + 1)]) / (c @ c)
    return sharpe * annual_factor(periods, float(rho[0]) if lags == 1 else rho)


def sampling_variance(sharpe: float, skew: float, kurtosis: float) -> float:
    """Return n x the variance of a Sharpe ratio of independent returns: 1 - skew S + (kurtosis - 1) S^2 / 4.

    Raises
    ------
    ConfigError
        If no law has such a skewness and kurtosis: kurtosis is at least 1 + skew^2.
    """
    if not (np.isfinite([sharpe, skew, kurtosis]).all() and kurtosis >= 1 + skew**2 - 1e-9):
        msg = (
            f"sharpe={sharpe:g}, skew={skew:g}, kurtosis={kurtosis:g}: must be finite, and kurtosis at least 1 + skew^2 "
            f"({1 + skew**2:.4g}); kurtosis is not excess: 3 for a normal variable"
        )
        raise ConfigError(msg)
    return 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2


def varying(x: Array, name: str) -> Array:
    """Return the series, or refuse (DataError) one that never varies: it has no Sharpe ratio."""
    if float(x.var()) <= TINY * float(np.mean(x * x)):
        msg = f"{name} never vary ({x[0]:g} at all {len(x)} positions), so they have no Sharpe ratio: give periods with trades"
        raise DataError(msg)
    return x


def open_unit(name: str, value: float, what: str) -> float:
    """Return a number strictly between 0 and 1, or refuse it (ConfigError)."""
    if not 0 < value < 1:
        msg = f"{name}={value:g}: must lie between 0 and 1 ({what})"
        raise ConfigError(msg)
    return float(value)


def _hac(x: Array) -> float:
    m, g = float(x.mean()), float(np.mean(x * x))
    v = g - m * m
    slope = np.array([g, -m / 2]) / v**1.5
    psi = long_run(np.column_stack((x - m, x * x - g)))
    return float(np.sqrt(max(slope @ psi @ slope, 0.0) / len(x)))
