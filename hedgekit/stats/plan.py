"""The plan that a session trades: made by one function, so that it is the same number everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from hedgekit.stats.quick import quick
from hedgekit.types import Evidence, HedgePlan

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hedgekit.data import Array
    from hedgekit.params import Params

REFIT_LAGS = 1
"""Lagged differences in the Engle-Granger test made at every refit (a fixed number: 157 tests in the demo)."""
QUICK_METHOD, QUICK_TEST = "OLS on log returns", "Engle-Granger, log prices, constant, 1 lag"
MS_PER_DAY = 86_400_000
NS_PER_MS = 1_000_000


def plan_at(primary_mids: ArrayLike, hedge_mids: ArrayLike, ts_ns: int, params: Params) -> HedgePlan:
    """Return the hedge plan made at ``ts_ns`` from mids known by then.

    Session, replay and backtest all call this one function, so that a revision is
    the same number everywhere. It uses the last ``fit_bars`` returns, tests the same
    window for cointegration, and is valid for ``plan_valid_days``.

    Parameters
    ----------
    primary_mids : array_like, shape (at least fit_bars + 1,)
        Mids at bar closes, oldest first, the newest being the bar at ``ts_ns``.
    hedge_mids : array_like, shape (same,) or (same, hedges)
        Of the hedge, or of each hedge of a basket: then one ratio for each, from one regression.
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
    until_ns = ts_ns + round(params.plan_valid_days * MS_PER_DAY) * NS_PER_MS
    found = quick(p, h.reshape(-1)) if p.shape == (params.fit_bars + 1,) and h.size == len(p) else None
    if found is None:
        return _the_long_way(p, h, ts_ns, until_ns, params)
    evidence = Evidence(QUICK_TEST, found.statistic, found.p_value, len(p))
    override = None if found.p_value < params.significance else params.evidence_override
    numbers = (found.ratio, found.stderr, params.fit_bars, QUICK_METHOD, ts_ns, until_ns, evidence)
    return HedgePlan(*numbers, override=override, half_life=found.half_life)


def _the_long_way(p: Array, h: Array, ts_ns: int, until_ns: int, params: Params) -> HedgePlan:
    """Return the plan by the functions that a person calls, with all their checks and warnings; loaded only when it is needed."""
    from hedgekit.stats.inputs import legs  # noqa: PLC0415 - a second, and 100 MB, that most backtests need not spend
    from hedgekit.stats.ratio.returns import ols  # noqa: PLC0415 - as above
    from hedgekit.stats.reversion import engle_granger, holds  # noqa: PLC0415 - as above

    legs(p, h).need(params.fit_bars + 1).positive()
    evidence = engle_granger(p, h, lags=REFIT_LAGS)
    override = None if holds(evidence, params.significance) else params.evidence_override
    fit = ols(p, h, window=params.fit_bars, folds=0, tested=False)
    plan = fit.to_plan(evidence=evidence, override=override, fitted_at_ns=ts_ns, valid_until_ns=until_ns)
    return msgspec.structs.replace(plan, half_life=_half_life(np.log(p) - np.log(h).reshape(len(h), -1) @ np.asarray(plan.ratios)))


def plan_due(mids: Array, ts_ns: int, params: Params) -> HedgePlan:
    """Return the plan that is due at ``ts_ns``: :func:`plan_at`, or, if its window determines none, the last ratio without evidence.

    A leg that stands still, or hedges that move as one, tell nothing about a ratio: what is held keeps the ratio that it has (that
    of the last refit whose window told one), and nothing new may be opened on it, whatever ``evidence_override`` says of tests that
    fail. It is found from the bars alone, so that a session that was restarted makes the same plan.

    Parameters
    ----------
    mids : float64 array, shape (bars, legs)
        Mids at every bar close so far.
    ts_ns, params
        As in :func:`plan_at`.
    """
    end, rows = len(mids), params.fit_bars + 1
    if _tells(mids[end - rows : end]):
        return plan_at(mids[:, 0], mids[:, 1:], ts_ns, params)
    while end - params.refit_bars >= rows:
        end -= params.refit_bars
        if _tells(mids[end - rows : end]):
            last = plan_at(mids[:end, 0], mids[:end, 1:], ts_ns, params)
            return msgspec.structs.replace(last, evidence=_quiet(params), override=None, half_life=None)
    until_ns = ts_ns + round(params.plan_valid_days * MS_PER_DAY) * NS_PER_MS
    each, *others = [1.0 / (mids.shape[1] - 1)] * (mids.shape[1] - 1)
    name = "one to one, for want of an estimate"
    return HedgePlan(each, 1.0, params.fit_bars, name, ts_ns, until_ns, _quiet(params), others=tuple(others))


def _tells(window: Array) -> bool:
    """Whether every leg moved, and no hedge is a sum of the others."""
    if not (np.ptp(window, axis=0) > 0).all():
        return False
    if window.shape[1] == 2:  # noqa: PLR2004 - one hedge
        return True
    from hedgekit.stats.ratio.estimate import independent  # noqa: PLC0415 - as above

    return independent(np.diff(np.log(window[:, 1:]), axis=0))


def _quiet(params: Params) -> Evidence:
    said = f"a leg did not move, or hedges moved as one, over the last {params.fit_bars} bars: no ratio can be estimated and nothing tested"
    return Evidence("none", None, None, params.fit_bars, (said,))


def _half_life(spread: Array) -> float | None:
    """Return the half-life of a spread in bars, by least squares with Marriott and Pope's correction; None if nothing reverts.

    A closed form: what a session decides on must be the same everywhere, so nothing is simulated here.
    """
    x, y = spread[:-1] - spread[:-1].mean(), spread[1:] - spread[1:].mean()
    b = float(x @ y / (x @ x))
    b += (1 + 3 * b) / len(x)
    return float(np.log(2) / -np.log(b)) if 0 < b < 1 else None
