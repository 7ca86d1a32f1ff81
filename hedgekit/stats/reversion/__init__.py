"""Evidence that a spread comes back, and how soon: tests, half-life, and what only looks like it.

:func:`evidence` runs everything on a pair and gives a verdict in words. Each test is also a function
of its own, and each has its null hypothesis in its docstring.
"""

from __future__ import annotations

from hedgekit.stats.reversion.cointegration import MIN_BARS, engle_granger, holds
from hedgekit.stats.reversion.findings import Finding, messages
from hedgekit.stats.reversion.halflife import HalfLifeTable, HalfLives, half_life_of, half_life_table
from hedgekit.stats.reversion.memory import Hurst, anis_lloyd, hurst
from hedgekit.stats.reversion.ou import OUFit, ou
from hedgekit.stats.reversion.quotes import Bounce, bounce
from hedgekit.stats.reversion.report import ReversionReport, SpreadTests, evidence
from hedgekit.stats.reversion.stale import LeadLag, Staleness, lead_lag, staleness
from hedgekit.stats.reversion.stationarity import KPSS, VarianceRatios, kpss, variance_ratio

__all__ = [
    "KPSS",
    "MIN_BARS",
    "Bounce",
    "Finding",
    "HalfLifeTable",
    "HalfLives",
    "Hurst",
    "LeadLag",
    "OUFit",
    "ReversionReport",
    "SpreadTests",
    "Staleness",
    "VarianceRatios",
    "anis_lloyd",
    "bounce",
    "engle_granger",
    "evidence",
    "half_life_of",
    "half_life_table",
    "holds",
    "hurst",
    "kpss",
    "lead_lag",
    "messages",
    "ou",
    "staleness",
    "variance_ratio",
]
