"""The plan that a session trades: made by one function, so that it is the same number everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from hedgekit.stats.inputs import legs
from hedgekit.stats.ratio.returns import ols
from hedgekit.stats.reversion import engle_granger, holds

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hedgekit.data import Array
    from hedgekit.params import Params
    from hedgekit.types import HedgePlan

REFIT_LAGS = 1
"""Lagged differences in the Engle-Granger test made at every refit (a fixed number: 157 tests in the demo)."""
MS_PER_DAY = 86_400_000
NS_PER_MS = 1_000_000


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
    legs(p, h).need(params.fit_bars + 1).positive()
    evidence = engle_granger(p, h, lags=REFIT_LAGS)
    override = None if holds(evidence, params.significance) else params.evidence_override
    until_ns = ts_ns + round(params.plan_valid_days * MS_PER_DAY) * NS_PER_MS
    fit = ols(p, h, window=params.fit_bars, folds=0, tested=False)
    plan = fit.to_plan(evidence=evidence, override=override, fitted_at_ns=ts_ns, valid_until_ns=until_ns)
    return msgspec.structs.replace(plan, half_life=_half_life(np.log(p) - fit.ratio * np.log(h)))


def _half_life(spread: Array) -> float | None:
    """Return the half-life of a spread in bars, by least squares with Marriott and Pope's correction; None if nothing reverts.

    A closed form: what a session decides on must be the same everywhere, so nothing is simulated here.
    """
    x, y = spread[:-1] - spread[:-1].mean(), spread[1:] - spread[1:].mean()
    b = float(x @ y / (x @ x))
    b += (1 + 3 * b) / len(x)
    return float(np.log(2) / -np.log(b)) if 0 < b < 1 else None
