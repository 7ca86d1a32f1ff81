"""Did the hedge help, and what did it cost? One plain function for each metric of the article (A23 to A28) and of a trader.

Conventions, the same everywhere here:

- Money is in the quote currency. A P&L *curve* is cumulative from zero: its first item is
  the first bar's profit. Hedged and unhedged are the same trades, split by leg, never a second run.
- A Sharpe ratio is mean / standard deviation (ddof=1) of the P&L of *all* bars, flat ones too,
  times the square root of bars a year (252), with no risk-free rate: the strategy's capital is a choice,
  and the ratio does not depend on it.
- A drawdown is positive, in money, from the highest point so far, zero at the start included.
- A fraction is a fraction (0.03, not 3); a cost is positive when it is paid.
- A metric that has no meaning for its input is NaN, never a number that looks like one.

Frames are the journal's: ``equity()``, ``trades()`` and ``fills()``, whether of a paper session or of a backtest.
"""

from __future__ import annotations

from hedgekit.metrics.article import (
    Slippage,
    beta_error,
    delta_neutrality,
    drawdown_reduction,
    expected_money,
    hedge_cost_bps,
    hedge_cost_drag,
    hedge_ratio_accuracy,
    held_bars,
    held_deltas,
    held_returns,
    sharpe_improvement,
    slippage,
    slippage_split,
)
from hedgekit.metrics.costs import COST_PARTS, GrossNet, cost_split, fill_costs, gross_and_net
from hedgekit.metrics.frames import BPS, column
from hedgekit.metrics.risk import (
    BARS_PER_YEAR,
    TINY,
    Drawdown,
    calmar,
    drawdown,
    max_drawdown,
    sharpe,
    sharpe_difference,
    sharpe_difference_stderr,
    sortino,
    steps,
    variance_effectiveness,
)
from hedgekit.metrics.trading import (
    Holding,
    best_trade_share,
    hit_rate,
    holding_time,
    naked_exposure,
    profit_factor,
    trade_excursions,
    turnover,
)

__all__ = [
    "BARS_PER_YEAR",
    "BPS",
    "COST_PARTS",
    "TINY",
    "Drawdown",
    "GrossNet",
    "Holding",
    "Slippage",
    "best_trade_share",
    "beta_error",
    "calmar",
    "column",
    "cost_split",
    "delta_neutrality",
    "drawdown",
    "drawdown_reduction",
    "expected_money",
    "fill_costs",
    "gross_and_net",
    "hedge_cost_bps",
    "hedge_cost_drag",
    "hedge_ratio_accuracy",
    "held_bars",
    "held_deltas",
    "held_returns",
    "hit_rate",
    "holding_time",
    "max_drawdown",
    "naked_exposure",
    "profit_factor",
    "sharpe",
    "sharpe_difference",
    "sharpe_difference_stderr",
    "sharpe_improvement",
    "slippage",
    "slippage_split",
    "sortino",
    "steps",
    "trade_excursions",
    "turnover",
    "variance_effectiveness",
]
