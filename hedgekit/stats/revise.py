"""When a hedge ratio is due, and on which bars it rests (A4, A5).

The same object serves the backtest and the paper session, so both estimate the
same ratio at the same bar from the same past bars, off the tick path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgekit.stats.plan import plan_due

if TYPE_CHECKING:
    import numpy as np

    from hedgekit.params import Params
    from hedgekit.types import HedgePlan


class Reviser:
    """Estimates a new ratio at bar ``fit_bars + 1`` and every ``refit_bars`` bars after it."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.next_fit = params.fit_bars + 1
        """Number of closed bars at which the next ratio is due."""

    def revise(self, mids: np.ndarray, ts_ns: int) -> HedgePlan:
        """Return the ratio due now.

        Parameters
        ----------
        mids : ndarray of float64, shape (bars, legs)
            Mid prices of the primary and its hedge or hedges at every bar close so far.
        ts_ns : int
            Close of the newest bar, nanoseconds UTC.
        """
        self.passed()
        return plan_due(mids, ts_ns, self.params)

    def passed(self) -> None:
        """Note that the ratio due now is known already (a restart reads it from the journal)."""
        self.next_fit += self.params.refit_bars
