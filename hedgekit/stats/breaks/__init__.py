"""When a relation has changed: alarms bar by bar with a stated false-alarm rate, and dating of breaks afterwards (A5).

Online, bar by bar
    :func:`cusum` and :class:`Cusum` watch the mean of independent numbers (standardised forecast errors), :func:`likelihood_cusum`
    and :class:`LikelihoodCusum` watch whether a spread still reverts. Every alarm carries its average run length: how many bars
    pass, on average, before an alarm if nothing has changed.
Every 30 to 60 days
    :func:`revalidate` says of a plan: keep, refit or retire. (A ratio that moves, with its interval, is
    :func:`hedgekit.stats.ratio.rolling`.)
Afterwards, for post-mortems only
    :func:`bai_perron` dates the breaks of a mean or of a regression in a fixed sample. Rerun every bar it finds breaks that
    are not there: its critical values are for one look.
"""

from __future__ import annotations

from hedgekit.stats.breaks.dating import BreakDates, bai_perron
from hedgekit.stats.breaks.online import Cusum, CusumRun, CusumState, cusum
from hedgekit.stats.breaks.revalidation import Revalidation, revalidate
from hedgekit.stats.breaks.reverting import (
    LikelihoodCusum,
    LikelihoodState,
    ReversionCalibration,
    ReversionRun,
    calibrate_reversion,
    likelihood_cusum,
)
from hedgekit.stats.breaks.runlength import average_run_length, threshold_for

__all__ = [
    "BreakDates",
    "Cusum",
    "CusumRun",
    "CusumState",
    "LikelihoodCusum",
    "LikelihoodState",
    "Revalidation",
    "ReversionCalibration",
    "ReversionRun",
    "average_run_length",
    "bai_perron",
    "calibrate_reversion",
    "cusum",
    "likelihood_cusum",
    "revalidate",
    "threshold_for",
]
