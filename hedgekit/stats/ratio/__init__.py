"""How much hedge for a dollar of primary, how sure that is, and until when it holds (A4, A5).

All methods are called alike and return a :class:`~hedgekit.stats.fit.RatioFit`::

    fit = ratio.ols(prices["KO"], prices["PEP"], window=250)
    fit.ratio, fit.interval(), fit.unit, fit.out_of_sample, fit.warnings

========== =============================================================================
naive      one dollar for one dollar: what every other must beat
ols        the default: least squares on returns; several hedges; ``dimson`` for stale quotes
dols       a spread that must come back: dynamic least squares on log prices
johansen   the same by reduced rank, as a check
tls        both legs noisy, with the ratio of the error variances stated
rolling    least squares over a window, at every row
ewma       exponentially fading weights, at every row
kalman     a ratio that walks, its speed by maximum likelihood
dcc        GARCH variances and a dynamic correlation
========== =============================================================================

The default is :func:`ols` on *returns* (Ederington 1979), with the naive ratio of one
always shown beside it (Wang, Wu & Yang 2015: hard to beat consistently). A spread that
must come back is better served by :func:`dols` on log prices, with :func:`johansen`
as a check.
"""

from __future__ import annotations

from hedgekit.stats.fit import Effectiveness, RatioFit
from hedgekit.stats.plan import REFIT_LAGS, plan_at, plan_due
from hedgekit.stats.ratio.dcc import dcc
from hedgekit.stats.ratio.kalman import kalman
from hedgekit.stats.ratio.levels import dols, johansen
from hedgekit.stats.ratio.moving import ewma, rolling
from hedgekit.stats.ratio.noisy import tls
from hedgekit.stats.ratio.returns import naive, ols

__all__ = [
    "REFIT_LAGS",
    "Effectiveness",
    "RatioFit",
    "dcc",
    "dols",
    "ewma",
    "johansen",
    "kalman",
    "naive",
    "ols",
    "plan_at",
    "plan_due",
    "rolling",
    "tls",
]
