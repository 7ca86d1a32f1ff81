"""Whether a Sharpe ratio is above a benchmark, and above what the best of many worthless trials would show anyway."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.integrate import quad
from scipy.stats import norm

from hedgekit.stats.checks import above, at_least
from hedgekit.stats.inputs import whole_number
from hedgekit.stats.sharpe.ratio import open_unit, sampling_variance

_FAR = 12.0
"""No normal variable is met beyond so many standard deviations."""


@dataclass(frozen=True, slots=True)
class Deflated:
    """A deflated Sharpe ratio.

    Attributes
    ----------
    dsr : float
        Chance that the true Sharpe ratio is above ``benchmark``.
    benchmark : float
        SR0, the best Sharpe ratio per period that luck alone would show.
    trials : float
        N that it allows for.
    """

    dsr: float
    benchmark: float
    trials: float


def psr(sharpe: float, n: float, *, benchmark: float = 0.0, skew: float = 0.0, kurtosis: float = 3.0) -> float:
    """Return the probabilistic Sharpe ratio: how sure it is that the true one is above ``benchmark``.

    PSR = Phi[(S - S*) sqrt(n - 1) / sqrt(1 - skew S + (kurtosis - 1) S^2 / 4)]; 1 - PSR is the p-value of H0: the
    true Sharpe ratio is S* or less. Independent returns; where they hang together give the effective number
    (``estimate(returns).effective_n``).

    Traps: kurtosis is not excess (3 for a normal variable); all Sharpe ratios are per period, never annual.
    It knows nothing of other trials: see :func:`dsr`.

    Parameters
    ----------
    sharpe : float
        Per period.
    n : float
        Periods, above 1.
    benchmark : float
        S*, per period.
    skew, kurtosis : float
        Of the returns.

    Raises
    ------
    ConfigError
        If a number is out of range, or no law has this skewness and kurtosis.

    References
    ----------
    Bailey & Lopez de Prado 2012, "The Sharpe ratio efficient frontier", J. Risk 15(2).
    """
    above("n", n, 1, "periods")
    above("benchmark", benchmark, float("-inf"), "a Sharpe ratio per period")
    return float(norm.cdf((sharpe - benchmark) * np.sqrt((n - 1) / sampling_variance(sharpe, skew, kurtosis))))


def min_track_record(sharpe: float, *, benchmark: float = 0.0, skew: float = 0.0, kurtosis: float = 3.0, confidence: float = 0.95) -> float:
    """Return how many periods it takes until the PSR reaches ``confidence``, not rounded; divide by the periods in a year for years.

    n = 1 + [1 - skew S + (kurtosis - 1) S^2 / 4] (z_confidence / (S - S*))^2. Infinite if the Sharpe ratio is not above the benchmark:
    no length then suffices.

    Traps: as :func:`psr`.

    Parameters
    ----------
    sharpe, benchmark, skew, kurtosis : float
        As :func:`psr`.
    confidence : float
        Above one half and below 1.

    Raises
    ------
    ConfigError
        If a number is out of range.

    References
    ----------
    Bailey & Lopez de Prado 2012, J. Risk 15(2).
    """
    above("confidence", confidence, 0.5, "for example .95")
    open_unit("confidence", confidence, "for example .95")
    above("benchmark", benchmark, float("-inf"), "a Sharpe ratio per period")
    variance = sampling_variance(sharpe, skew, kurtosis)
    if sharpe <= benchmark:
        return float("inf")
    return 1 + variance * float(norm.ppf(confidence) / (sharpe - benchmark)) ** 2


def expected_max(trials: float, *, exact: bool = False) -> float:
    """Return the expected largest of N independent standard normal variables: what the best of N worthless trials shows.

    The approximation (1 - g) z(1 - 1/N) + g z(1 - 1/(N e)), g Euler's constant, is the "False Strategy" theorem's; it is
    2.3% high at N=10 and has no meaning at N=1, where 0 is returned, and from N=1 to 2 the exact value is used, so that it is never
    negative. The exact one is the integral of x d Phi(x)^N.

    Parameters
    ----------
    trials : float
        N, 1 or more. An effective number need not be whole.
    exact : bool
        Integrate instead.

    Raises
    ------
    ConfigError
        If there is less than one trial.

    References
    ----------
    Bailey, Borwein, Lopez de Prado & Zhu 2014, "Pseudo-mathematics and financial charlatanism", Notices AMS 61:458.
    """
    at_least("trials", trials, 1, "trials")
    if trials == 1:
        return 0.0
    if exact or trials < 2:  # noqa: PLR2004 - the approximation starts at two
        return _exact_max(trials)
    return float((1 - np.euler_gamma) * norm.isf(1 / trials) + np.euler_gamma * norm.isf(1 / (trials * math.e)))


def dsr(  # noqa: PLR0913 - the formula's own arguments
    sharpe: float, n: float, *, trials: float, trial_variance: float, skew: float = 0.0, kurtosis: float = 3.0
) -> Deflated:
    """Return the deflated Sharpe ratio: the PSR against the best that ``trials`` worthless trials would show.

    SR0 = sqrt(V) x :func:`expected_max` (N), V the variance across trials of their Sharpe ratios.

    Traps: V is of Sharpe ratios *per period* (an annual variance divided by the periods in a year); kurtosis is not excess.
    V already knows that trials are alike: for N trials with equal correlation r it is (1 - r) / n, and the
    full count N belongs with it. An effective count *and* the observed V would allow for likeness twice.
    Trials that truly differ in skill, in sign above all, make V larger than luck does, and the DSR too strict.

    Parameters
    ----------
    sharpe : float
        Of the chosen trial, per period.
    n : float
        Periods.
    trials : float
        N: every trial made, also those that were thrown away.
    trial_variance : float
        V, 0 or more.
    skew, kurtosis : float
        Of the chosen trial's returns.

    Raises
    ------
    ConfigError
        If a number is out of range.

    References
    ----------
    Bailey & Lopez de Prado 2014, "The deflated Sharpe ratio", JPM 40(5):94.
    """
    at_least("trial_variance", trial_variance, 0, "the variance of the trials' Sharpe ratios per period")
    luck = float(np.sqrt(trial_variance)) * expected_max(trials)
    return Deflated(psr(sharpe, n, benchmark=luck, skew=skew, kurtosis=kurtosis), luck, float(trials))


def min_backtest_length(trials: int, *, sharpe: float = 1.0) -> float:
    """Return the years of backtest below which the best of N worthless trials is expected to show this annual Sharpe ratio.

    (expected_max(N) / sharpe)^2: 5 years allow 45 trials at an annual Sharpe ratio of 1.

    Parameters
    ----------
    trials : int
        N, 1 or more.
    sharpe : float
        Annual, above 0: the result that you would believe.

    Raises
    ------
    ConfigError
        If a number is out of range.

    References
    ----------
    Bailey et al. 2014, Notices AMS 61:458.
    """
    whole_number("trials", trials, 1)
    above("sharpe", sharpe, 0, "the annual Sharpe ratio that you would believe")
    return (expected_max(trials) / sharpe) ** 2


def _exact_max(trials: float) -> float:
    """E max = integral over x > 0 of 1 - F^N(x) - F^N(-x)."""

    def tail(x: float) -> float:
        return float(-np.expm1(trials * norm.logcdf(x)) - np.exp(trials * norm.logcdf(-x)))

    return float(quad(tail, 0, _FAR, epsabs=1e-12, limit=200)[0])
