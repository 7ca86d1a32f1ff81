"""When a hedge ratio is due, and on which bars it rests (A4, A5).

The same object serves the backtest and the paper session, so both estimate the
same ratio at the same bar from the same past bars, off the tick path. It is also
where a user's own hedge takes the estimator's place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hedgekit.plugins.checks import PluginError, ratios_of, same, sealed
from hedgekit.stats.plan import MS_PER_DAY, NS_PER_MS, _half_life, plan_due
from hedgekit.types import Evidence, HedgePlan

if TYPE_CHECKING:
    from hedgekit.params import Params
    from hedgekit.plugins.checks import Array, Ratios

METHOD = "user"
"""What a plan's method and evidence say of a ratio that a user's own function gave."""

UNKNOWN = 1.0
"""Standard error of a ratio that was given without one: so wide that nothing can be read from its interval."""


class Reviser:
    """Estimates a new ratio at bar ``fit_bars + 1`` and every ``refit_bars`` bars after it.

    Parameters
    ----------
    params : Params
    ratios : callable, optional
        A user's own hedge, asked instead of the estimator: from mids so far, shape (bars, legs), to the ratio of each hedge or a dict
        (:func:`hedgekit.plugins.checks.ratios_of`). At each revision it is asked again what it said at the one before.
    """

    def __init__(self, params: Params, ratios: Ratios | None = None) -> None:
        self.params = params
        self.next_fit = params.fit_bars + 1
        """Number of closed bars at which the next ratio is due."""
        self._ratios = ratios
        self._last: tuple[int, tuple[float, ...]] | None = None

    def revise(self, mids: np.ndarray, ts_ns: int) -> HedgePlan:
        """Return the ratio due now.

        Parameters
        ----------
        mids : ndarray of float64, shape (bars, legs)
            Mid prices of the primary and its hedge or hedges at every bar close so far.
        ts_ns : int
            Close of the newest bar, nanoseconds UTC.

        Raises
        ------
        DataError
            If a user's ratios cannot be used, or those of an earlier bar have changed: then they rest on what came later.
        """
        self.passed()
        if self._ratios is None:
            return plan_due(mids, ts_ns, self.params)
        told = self._ask(mids)
        if self._last is not None:  # now that it has seen more
            self._steady(mids, *self._last)
        self._last = len(mids), told["ratios"]
        return plan_of(told, mids, ts_ns, self.params)

    def passed(self) -> None:
        """Note that the ratio due now is known already (a restart reads it from the journal)."""
        self.next_fit += self.params.refit_bars

    def known(self, bars: int, plan: HedgePlan) -> None:
        """Note a plan that stands in the journal, made when there were so many bars."""
        self._last = bars, plan.ratios

    def _ask(self, mids: Array) -> dict[str, Any]:
        assert self._ratios is not None  # noqa: S101 - asked of users alone
        return ratios_of(self._ratios(sealed(mids)), mids.shape[1] - 1)

    def _steady(self, mids: Array, bars: int, before: tuple[float, ...]) -> None:
        now = self._ask(mids[:bars])["ratios"]
        if not all(map(same, before, now)):
            said = " and ".join(", ".join(f"{ratio:g}" for ratio in one) for one in (before, now))
            msg = f"ratios: on the first {bars} bars it said {said}: it looks ahead, or remembers; a ratio may rest on the bars given alone"
            raise PluginError(msg, final=True)


def plan_of(told: dict[str, Any], mids: Array, ts_ns: int, params: Params) -> HedgePlan:
    """Return the plan that a user's own ratios make.

    Parameters
    ----------
    told : dict
        As :func:`hedgekit.plugins.checks.ratios_of` returns it. A half-life that it does not speak of is estimated on the last
        ``fit_bars`` bars, as for any plan; of evidence there is what the user gave, and the plan says so.
    mids, ts_ns, params
        As in :func:`hedgekit.stats.ratio.plan_at`.
    """
    first, *others = told["ratios"]
    window = np.log(mids[-(params.fit_bars + 1) :])
    spread = window[:, 0] - window[:, 1:] @ np.asarray(told["ratios"])
    half_life = told["half_life"] if "half_life" in told else _half_life(spread) if np.ptp(spread) > 0 else None
    p_value, stderr, n = told.get("p_value"), told.get("stderr"), told.get("n", len(mids))
    warnings = ["the ratio is a user's own: hedgekit has tested nothing" + ("" if p_value is None else "; the p-value is the user's too")]
    if stderr is None:
        warnings.append(f"no standard error was given; {UNKNOWN:g} stands in its place")
    test = f"{METHOD}: {told['test']}" if "test" in told else METHOD
    trusted = p_value is not None and p_value < params.significance
    return HedgePlan(
        ratio=first,
        stderr=UNKNOWN if stderr is None else stderr,
        n=n,
        method=METHOD,
        fitted_at_ns=ts_ns,
        valid_until_ns=ts_ns + round(params.plan_valid_days * MS_PER_DAY) * NS_PER_MS,
        evidence=Evidence(test, None, p_value, n, tuple(warnings)),
        override=None if trusted else params.evidence_override,
        half_life=half_life,
        others=tuple(others),
    )
