"""Two tests beside Engle-Granger: KPSS, whose null is that the series comes back, and the variance ratio, whose null is a random walk."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from arch.unitroot import VarianceRatio
from scipy.stats import norm
from statsmodels.tsa.stattools import kpss as _statsmodels_kpss

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.checks import series
from hedgekit.stats.reversion.findings import Finding, messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from hedgekit.data import Array

LEAST = 20
"""Fewest values of a series for these tests."""

SHORTEST = 2
"""Shortest horizon of a variance ratio: over one bar it is 1."""

KPSS_NULL = "the series comes back to a fixed level (it is stationary)"
RATIO_NULL = "the series is a random walk (its changes are uncorrelated, of any variance)"
IID_NULL = "the series is a random walk (its changes are uncorrelated, all of one variance)"


@dataclass(frozen=True, slots=True)
class KPSS:
    """Outcome of :func:`kpss`.

    Attributes
    ----------
    statistic, p_value : float
        ``p_value`` lies in [.01, .10]: the table has no more.
    p_bound : {"=", "<=", ">="}
        "<=" if p is at most .01, ">=" if it is at least .10.
    lags : int
        Lags of the long-run variance (Bartlett weights).
    n : int
        Observations.
    warnings : tuple of str
        What statsmodels said.
    """

    statistic: float
    p_value: float
    p_bound: Literal["=", "<=", ">="]
    lags: int
    n: int
    warnings: tuple[str, ...] = ()

    def finding(self, significance: float = 0.05) -> Finding:
        """Return the test as a row of a report."""
        rejected = self.p_value <= significance and self.p_bound != ">="
        says = "it does not come back to a fixed level" if rejected else "coming back to a fixed level is not ruled out"
        return Finding(f"KPSS, {self.lags} lags", KPSS_NULL, self.statistic, self.p_value, self.n, says, self.p_bound, self.warnings)


def kpss(x: ArrayLike | pd.Series, *, lags: int | None = None) -> KPSS:
    """Test whether a series is stationary around a level (Kwiatkowski, Phillips, Schmidt & Shin 1992).

    Null hypothesis: the series **is** stationary, so a small p speaks against reversion. It is the mirror
    image of Engle-Granger: where both nulls stand, the data cannot tell; where both fall, the series is neither.

    Parameters
    ----------
    x : array_like or Series, shape (n,)
        Levels, oldest first; at least 20.
    lags : int, optional
        Lags of the long-run variance. None chooses by Hobijn, Franses & Ooms (1998).

    Returns
    -------
    KPSS
        p outside the table is told as a bound, and statsmodels' InterpolationWarning is in ``warnings``.

    Raises
    ------
    DataError
        If a value is missing or not finite, the series never moves, or is shorter than 20.
    ConfigError
        If ``lags`` is below 0 or not below n.

    Notes
    -----
    Rejects too often for a series that comes back slowly (half-life beyond a tenth of the sample), and its
    values are for a series that was given: on the residual of a fitted ratio it rejects too rarely (Shin 1994).
    """
    values = moving(x)
    if lags is not None and not 0 <= lags < len(values):
        msg = f"lags={lags}: must be between 0 and {len(values) - 1} for {len(values)} values, or None to choose by the data"
        raise ConfigError(msg)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        statistic, p_value, used, _ = _statsmodels_kpss(values, regression="c", nlags="auto" if lags is None else lags, result_object=False)
    bound: Literal["=", "<=", ">="] = "="
    if any("p-values" in str(w.message) for w in caught):
        bound = "<=" if "smaller" in str(caught[-1].message) else ">="
    return KPSS(float(statistic), float(p_value), bound, int(used), len(values), messages(caught))


@dataclass(frozen=True, slots=True)
class VarianceRatios:
    """Outcome of :func:`variance_ratio`.

    Attributes
    ----------
    horizons : tuple of int
        Bars of the longer changes.
    ratios, statistics, p_values : tuple of float
        For each horizon: variance of its changes over (horizon x variance of one bar's), its z statistic and two-sided p.
    joint_statistic, joint_p_value : float
        Largest |z| and its p over all horizons together.
    robust : bool
        Whether z allows for changing variance (M2) or not (M1).
    n : int
        Levels.
    """

    horizons: tuple[int, ...]
    ratios: tuple[float, ...]
    statistics: tuple[float, ...]
    p_values: tuple[float, ...]
    joint_statistic: float
    joint_p_value: float
    robust: bool
    n: int

    def frame(self) -> pd.DataFrame:
        """Return one row for each horizon (index): columns ratio, statistic, p_value."""
        columns = {"ratio": self.ratios, "statistic": self.statistics, "p_value": self.p_values}
        return pd.DataFrame(columns, index=pd.Index(self.horizons, name="horizon"))

    def finding(self, significance: float = 0.05) -> Finding:
        """Return the joint test as a row of a report."""
        worst = int(np.argmax(np.abs(self.statistics)))
        says = "a random walk is not ruled out"
        if self.joint_p_value < significance:
            what = "changes undo each other (reversion or bounce)" if self.ratios[worst] < 1 else "changes continue each other (trend)"
            says = f"not a random walk: {what}, ratio {self.ratios[worst]:.2f} over {self.horizons[worst]} bars"
        name = f"variance ratio, {'M2' if self.robust else 'M1'}, horizons {', '.join(map(str, self.horizons))}"
        null = RATIO_NULL if self.robust else IID_NULL
        return Finding(name, null, self.joint_statistic, self.joint_p_value, self.n, says)


def variance_ratio(x: ArrayLike | pd.Series, *, horizons: Sequence[int] | int = (2, 4, 8, 16), robust: bool = True) -> VarianceRatios:
    r"""Test for a random walk by the variance of longer changes (Lo & MacKinlay 1988).

    .. math:: VR(q) = \frac{\mathrm{var}(x_t - x_{t-q})}{q\,\mathrm{var}(x_t - x_{t-1})}

    Null hypothesis: changes are uncorrelated, so VR(q) = 1 at every q. Below 1 changes undo each other (reversion, or
    bounce of the quotes: see :func:`hedgekit.stats.reversion.bounce`), above 1 they continue.

    Parameters
    ----------
    x : array_like or Series, shape (n,)
        Levels: log prices or a spread, oldest first; at least 20.
    horizons : int or sequence of int
        Bars q, each from 2 to n/2; overlapping changes, drift estimated, no small-sample factor.
    robust : bool
        True: M2, which allows the variance to change; False: M1, which does not.

    Returns
    -------
    VarianceRatios
        With several horizons one p for all: :math:`1 - (1 - p_{min})^k` (Chow & Denning 1993, infinite degrees of
        freedom), which holds whatever the correlation between horizons, a little conservative.

    Raises
    ------
    DataError
        If a value is missing or not finite, the series never moves or is too short.
    ConfigError
        If a horizon is out of range or there twice.

    Notes
    -----
    z is normal for horizons short against n; at q near n/2 it is skewed.
    """
    values = moving(x)
    chosen = tuple(np.atleast_1d(np.asarray(horizons)).tolist())
    good = all(isinstance(q, int) and SHORTEST <= q <= len(values) // 2 for q in chosen)
    if not good or not chosen or len(set(chosen)) != len(chosen):
        msg = f"horizons={chosen}: give different whole numbers from 2 to {len(values) // 2} (half of {len(values)} values)"
        raise ConfigError(msg)
    if (np.diff(values) == values[1] - values[0]).all():
        msg = "x moves by the same amount at every position: its changes have no variance; choose a window in which it trades"
        raise DataError(msg)
    tests = [VarianceRatio(values, lags=q, robust=robust, debiased=False) for q in chosen]
    statistics = tuple(float(test.stat) for test in tests)
    p_values = tuple(2 * float(norm.sf(abs(z))) for z in statistics)
    largest = max(abs(z) for z in statistics)
    joint = -math.expm1(len(chosen) * math.log1p(-min(p_values))) if min(p_values) < 1 else 1.0
    return VarianceRatios(chosen, tuple(float(test.vr) for test in tests), statistics, p_values, largest, joint, robust, len(values))


def moving(x: ArrayLike | pd.Series, least: int = LEAST) -> Array:
    """Return a checked series that moves, or refuse it (DataError)."""
    values = series(x, "x", least)
    if (values == values[0]).all():
        msg = f"x never moves ({values[0]:g} at all {len(values)} positions): choose a window in which it trades"
        raise DataError(msg)
    return values
