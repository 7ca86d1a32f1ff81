"""What a Sharpe ratio of a sample says about the truth, and what the difference of two of them does.

Conventions, the same everywhere here:

- A Sharpe ratio is *per period* (per bar, or per trade): mean / standard deviation of the returns given,
  without a risk-free rate. Never put an annual ratio and a number of days into one formula.
- Kurtosis is *not* excess: 3 for a normal variable.
- Returns may be fractions, basis points or money: no figure here depends on the unit, but for the standard error of
  :func:`ledoit_wolf` with ``errors="hac"``, which follows the authors' program (see there).
- The ratio of two Sharpe ratios is not offered: it has no meaning when the lower one is zero or negative,
  which happens in 24% of samples of 50 trades with a true ratio of .1 a trade (METHODS 4). The difference always has one.

==================================== ====================================================================
question                             function
==================================== ====================================================================
how sure is one Sharpe ratio         :func:`estimate`
a year's ratio when returns hang     :func:`annual_factor`, :func:`annualised`
together
did the hedge raise it               :func:`memmel` (quick), :func:`ledoit_wolf` (iid or HAC),
                                     :func:`ledoit_wolf_bootstrap`
how many trades would be needed      :func:`trades_needed`, :func:`power`, :func:`min_track_record`
is it above a benchmark              :func:`psr`
is it above the luck of the search   :func:`dsr`, :func:`expected_max`, :func:`min_backtest_length`
is a drawdown, or a beta, just luck  :func:`driftless_drawdown`, :func:`beta_bars`
==================================== ====================================================================
"""

from __future__ import annotations

from hedgekit.stats.sharpe.deflated import Deflated, dsr, expected_max, min_backtest_length, min_track_record, psr
from hedgekit.stats.sharpe.difference import SharpeDifference, ledoit_wolf, memmel, power, trades_needed
from hedgekit.stats.sharpe.luck import DrawdownLaw, beta_bars, driftless_drawdown
from hedgekit.stats.sharpe.ratio import SharpeEstimate, annual_factor, annualised, estimate
from hedgekit.stats.sharpe.resampled import ledoit_wolf_bootstrap

__all__ = [
    "Deflated",
    "DrawdownLaw",
    "SharpeDifference",
    "SharpeEstimate",
    "annual_factor",
    "annualised",
    "beta_bars",
    "driftless_drawdown",
    "dsr",
    "estimate",
    "expected_max",
    "ledoit_wolf",
    "ledoit_wolf_bootstrap",
    "memmel",
    "min_backtest_length",
    "min_track_record",
    "power",
    "psr",
    "trades_needed",
]
