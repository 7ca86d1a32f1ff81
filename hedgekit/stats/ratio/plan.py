"""How much hedge for a dollar of primary, how sure that is, and until when it holds.

The default is OLS on *returns* (Ederington 1979), with the naive ratio of one
always shown beside it (Wang, Wu & Yang 2015: hard to beat consistently). A ratio
on log returns is in dollars of hedge for each dollar of primary, whatever the prices' units.
"""

from __future__ import annotations

import warnings as library_warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.regression.linear_model import OLS

from hedgekit.errors import DataError
from hedgekit.stats.reversion import engle_granger, holds, log_prices, messages
from hedgekit.types import Evidence, HedgePlan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from hedgekit.data import Array
    from hedgekit.params import Params

__all__ = ["METHOD", "REFIT_LAGS", "RatioFit", "engle_granger", "ols_returns", "plan_at"]

METHOD = "OLS on log returns"
MIN_RETURNS = 10
REFIT_LAGS = 1
"""Lagged differences in the Engle-Granger test made at every refit (a fixed number: 157 tests in the demo)."""
MS_PER_DAY = 86_400_000
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class RatioFit:
    """An estimated hedge ratio.

    Attributes
    ----------
    ratio : float
        Dollars of hedge for each dollar of primary; the long side of the spread is (+1, -ratio).
    stderr : float
        HAC (Newey & West 1987, Bartlett) standard error, small-sample corrected, with ``lags`` lags.
    lags : int
        floor(4 (n/100)^(2/9)), the rule of thumb of Newey & West 1994.
    n : int
        Returns used.
    r2 : float
        Squared correlation of the returns, so also the in-sample effectiveness.
    effectiveness : float
        1 - var(residual) / var(primary), in sample.
    expected_effectiveness : float
        The same out of sample: 1 - (1 - r2)(1 + 1/(n - 3)), for Gaussian returns (METHODS 1).
    naive_effectiveness : float
        1 - var(dp - dh) / var(dp): what a ratio of one would have done in sample.
    unit, method : str
        How to read the ratio, and where it comes from.
    warnings : tuple of str
        Every warning of the libraries used.
    """

    ratio: float
    stderr: float
    lags: int
    n: int
    r2: float
    effectiveness: float
    expected_effectiveness: float
    naive_effectiveness: float
    unit: str = "dollar per dollar"
    method: str = METHOD
    warnings: tuple[str, ...] = ()

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the confidence interval of the ratio: Student's t with n - 2 degrees of freedom."""
        half = float(stats.t.ppf(0.5 + level / 2, self.n - 2)) * self.stderr
        return self.ratio - half, self.ratio + half

    def to_plan(self, fitted_at_ns: int, valid_until_ns: int, evidence: Evidence, override: str | None = None) -> HedgePlan:
        """Return the plan that carries this ratio; the fit's warnings go with the evidence."""
        told = Evidence(
            test=evidence.test,
            statistic=evidence.statistic,
            p_value=evidence.p_value,
            n=evidence.n,
            warnings=tuple(dict.fromkeys((*evidence.warnings, *self.warnings))),
        )
        return HedgePlan(
            ratio=self.ratio,
            stderr=self.stderr,
            n=self.n,
            method=self.method,
            fitted_at_ns=fitted_at_ns,
            valid_until_ns=valid_until_ns,
            evidence=told,
            unit=self.unit,
            override=override,
        )

    def frame(self) -> pd.Series:
        """Return the fields as a Series, for a notebook."""
        values: Mapping[str, object] = {name: getattr(self, name) for name in self.__slots__}
        return pd.Series(values, dtype=object, name="hedge ratio")


def ols_returns(primary: ArrayLike, hedge: ArrayLike, *, window: int | None = None) -> RatioFit:
    r"""Fit the hedge ratio by OLS of log returns (Ederington 1979).

    .. math:: \Delta\ln P_t = a + h\,\Delta\ln H_t + e_t

    Multiplying either price by a constant changes nothing but the last digits.

    Parameters
    ----------
    primary, hedge : array_like, shape (n + 1,)
        Prices above zero, oldest first, at the same times. Two Series must have the same index.
    window : int, optional
        Use only the last so many returns; all by default.

    Returns
    -------
    RatioFit

    Raises
    ------
    DataError
        If the prices do not match, are not finite and above zero, do not move, or are too few (10 returns at least).
    """
    if isinstance(primary, pd.Series) and isinstance(hedge, pd.Series) and not primary.index.equals(hedge.index):
        msg = "primary and hedge have different indexes: align them first, for example with DataFrame({...}).dropna()"
        raise DataError(msg)
    cut = 0 if window is None else -(window + 1)
    p, h = log_prices(np.asarray(primary)[cut:], np.asarray(hedge)[cut:], 1 + max(MIN_RETURNS, window or 0))
    return _fit(np.diff(p), np.diff(h))


def _fit(dp: Array, dh: Array) -> RatioFit:
    n = len(dp)
    lags = int(4 * (n / 100) ** (2 / 9))
    with library_warnings.catch_warnings(record=True) as caught:
        library_warnings.simplefilter("always")
        model = OLS(dp, np.column_stack([np.ones(n), dh])).fit(
            cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True}, use_t=True
        )
        ratio, stderr = float(model.params[1]), float(model.bse[1])
        var = float(np.var(dp))
        r2 = 1 - float(np.var(dp - ratio * dh)) / var
    return RatioFit(
        ratio=ratio,
        stderr=stderr,
        lags=lags,
        n=n,
        r2=r2,
        effectiveness=r2,
        expected_effectiveness=1 - (1 - r2) * (1 + 1 / (n - 3)),
        naive_effectiveness=1 - float(np.var(dp - dh)) / var,
        warnings=messages(caught),
    )


def plan_at(primary_mids: ArrayLike, hedge_mids: ArrayLike, ts_ns: int, params: Params) -> HedgePlan:
    """Return the hedge plan made at ``ts_ns`` from mids known by then.

    Session, replay and backtest all call this one function, so that a revision is
    the same number everywhere. It uses the last ``fit_bars`` returns, tests the same
    window for cointegration, and is valid for ``plan_valid_days``.

    Parameters
    ----------
    primary_mids, hedge_mids : array_like, shape (at least fit_bars + 1,)
        Mids at bar closes, oldest first, the newest being the bar at ``ts_ns``.
    ts_ns : int
        When the plan is made, nanoseconds UTC.
    params : Params
        ``fit_bars``, ``plan_valid_days``, ``significance``, ``evidence_override``.

    Returns
    -------
    HedgePlan
        ``override`` is ``params.evidence_override`` if the evidence fails, else None.

    Raises
    ------
    DataError
        If there are fewer than ``fit_bars`` + 1 mids, or they are not finite and above zero.
    """
    last = -(params.fit_bars + 1)
    p, h = (np.asarray(mids, dtype=np.float64)[last:] for mids in (primary_mids, hedge_mids))
    fit = ols_returns(p, h, window=params.fit_bars)
    evidence = engle_granger(p, h, lags=REFIT_LAGS)
    override = None if holds(evidence, params.significance) else params.evidence_override
    return fit.to_plan(ts_ns, ts_ns + round(params.plan_valid_days * MS_PER_DAY) * NS_PER_MS, evidence, override)
