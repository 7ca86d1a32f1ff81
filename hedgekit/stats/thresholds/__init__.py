"""Where to enter and where to leave a reverting spread, net of cost.

========================  =====================================================================================
:func:`bertram`           most P&L per bar, or the best Sharpe ratio, on one side (Bertram 2010)
:func:`zeng_lee`          most P&L per bar on both sides: always in the market, or out at the mean (Zeng & Lee 2014)
:func:`leung_li`          optimal purchase and sale with interest, with or without a stop (Leung & Li 2015)
:func:`s_score`           fixed cut-offs on an AR(1) fit (Avellaneda & Lee 2010)
:func:`passage_time`      how long from one level to another; :func:`exit_time` out of an interval
:func:`stop_probability`  odds of the stop, and what it costs, while the model holds
:func:`corridor`          Monte Carlo of (entry, target, stop): model intact and model broken
========================  =====================================================================================

Conventions of all of them: an :class:`~hedgekit.stats.ou.OU` in bars and spread units; cost in spread units; ``z_entry`` and
``z_exit`` in stationary sd on the side entered, so that they serve as ``Params.entry`` and ``Params.target``. Note that the
strategy's z-score is taken over a moving window, whose mean and sd follow the spread: it is another number than the
stationary z unless the window spans many half-lives. "Not worth trading" is an answer (``tradable``,
``reason``), never an exception.
"""

from __future__ import annotations

from hedgekit.stats.ou import OU
from hedgekit.stats.thresholds.bertram import CycleRule, bertram, zeng_lee
from hedgekit.stats.thresholds.corridor import Choice, Corridor, corridor
from hedgekit.stats.thresholds.leung_li import LeungLi, leung_li
from hedgekit.stats.thresholds.passage import ExitTime, PassageTime, StopOdds, exit_time, passage_time, stop_probability
from hedgekit.stats.thresholds.rule import Rule
from hedgekit.stats.thresholds.sscore import SCutoffs, SScore, s_score

__all__ = [
    "OU",
    "Choice",
    "Corridor",
    "CycleRule",
    "ExitTime",
    "LeungLi",
    "PassageTime",
    "Rule",
    "SCutoffs",
    "SScore",
    "StopOdds",
    "bertram",
    "corridor",
    "exit_time",
    "leung_li",
    "passage_time",
    "s_score",
    "stop_probability",
    "zeng_lee",
]
