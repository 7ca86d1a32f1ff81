"""Did the hedge help? One plain function for each metric of the article (A23 to A28), and what they are made of.

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

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from hedgekit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

BARS_PER_YEAR = 252.0
BPS = 1e4
TINY = 1e-12
"""A variance below this share of the mean square is rounding, not variance."""


def steps(curve: ArrayLike) -> Array:
    """Return the P&L of each bar from a cumulative curve; the first bar counts from zero."""
    return np.diff(np.asarray(curve, dtype=np.float64), prepend=0.0)


def max_drawdown(curve: ArrayLike) -> float:
    """Return the deepest fall of a cumulative P&L curve below its highest point so far.

    Money, zero or positive; the start (zero) counts as a high. An empty curve gives 0.
    """
    path = np.concatenate(([0.0], np.asarray(curve, dtype=np.float64)))
    return float(np.max(np.maximum.accumulate(path) - path))


def sharpe(pnl: ArrayLike, *, bars_per_year: float = BARS_PER_YEAR) -> float:
    """Return the annualised Sharpe ratio of bar P&L: mean / sd (ddof=1) x sqrt(bars a year).

    NaN for fewer than two bars or if nothing ever varies.
    """
    x = np.asarray(pnl, dtype=np.float64)
    if len(x) < 2:  # noqa: PLR2004 - a standard deviation needs two
        return float("nan")
    sd = float(x.std(ddof=1))
    if sd * sd <= TINY * float(np.mean(x * x)):
        return float("nan")
    return float(x.mean()) / sd * float(np.sqrt(bars_per_year))


def hedge_ratio_accuracy(equity: pd.DataFrame) -> float:
    """A23: realised beta / target ratio - 1, over the bars on which a position was held.

    The realised beta is the OLS slope (with intercept) of the primary's log returns on
    the hedge's log returns, each multiplied by the ratio in force at the bar's start, so
    a changing target is compared bar by bar: slope 1 means the ratio was right. Target:
    within 0.1 either way. At a correlation of .8 that is noise below 219 bars, and an
    error of 0.1 costs 1% of the variance reduction (METHODS 4).

    Parameters
    ----------
    equity : DataFrame
        Columns ``mid_primary, mid_hedge, pos_primary, pos_hedge, ratio``.

    Returns
    -------
    float
        A fraction; NaN if there are fewer than three such bars or the hedge never moved on them.
    """
    y, x = held_returns(equity)
    return beta_error(y, x)


def held_returns(equity: pd.DataFrame) -> tuple[Array, Array]:
    """Return, for each bar, the primary's log return and ratio x the hedge's; NaN where no position was held."""
    p, h, ratio = (column(equity, name) for name in ("mid_primary", "mid_hedge", "ratio"))
    held = held_bars(equity)
    y, x = np.full(len(p), np.nan), np.full(len(p), np.nan)
    y[1:], x[1:] = np.diff(np.log(p)), ratio[:-1] * np.diff(np.log(h))
    known = np.isfinite(x) & np.isfinite(y)
    known[1:] &= held[:-1]
    y[~known], x[~known] = np.nan, np.nan
    return y, x


def beta_error(y: Array, x: Array) -> float:
    """Return the OLS slope of ``y`` on ``x`` (with intercept), less one; pairs with NaN are left out."""
    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() < 3:  # noqa: PLR2004 - two points fit any line
        return float("nan")
    dx, dy = x[known] - x[known].mean(), y[known] - y[known].mean()
    var = float(dx @ dx)
    return float(dx @ dy) / var - 1 if var > 0 else float("nan")


def held_bars(equity: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which bars end with a position in either leg."""
    return cast("np.ndarray[tuple[int], np.dtype[np.bool_]]", (column(equity, "pos_primary") != 0) | (column(equity, "pos_hedge") != 0))


def held_deltas(equity: pd.DataFrame) -> Array:
    """Return |delta| of each bar that ends with a position, else NaN."""
    return np.where(held_bars(equity), np.abs(column(equity, "delta")), np.nan)


def delta_neutrality(equity: pd.DataFrame) -> float:
    """A24: mean |net delta| as a fraction of the trade's notional, over bars that end with a position. Target: under 0.03.

    NaN if no bar ends with a position.

    Parameters
    ----------
    equity : DataFrame
        Columns ``pos_primary, pos_hedge, delta``.
    """
    values = held_deltas(equity)
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def hedge_cost_drag(trades: pd.DataFrame) -> float:
    """A25: cost of the hedge leg (spread paid and fees) / gross P&L of both legs at mids. Target: under 0.15.

    NaN, undefined, if the gross P&L is zero or a loss: a cost is no share of a loss (see :func:`hedge_cost_bps`).

    Parameters
    ----------
    trades : DataFrame
        Columns ``cost_hedge, gross_hedged``, in money.
    """
    gross = float(column(trades, "gross_hedged").sum())
    return float(column(trades, "cost_hedge").sum()) / gross if gross > 0 else float("nan")


def hedge_cost_bps(trades: pd.DataFrame) -> float:
    """Cost of the hedge leg in basis points of the primary's notional at entry; defined whatever the P&L (A25).

    Parameters
    ----------
    trades : DataFrame
        Columns ``cost_hedge, notional``.
    """
    notional = float(column(trades, "notional").sum())
    return float(column(trades, "cost_hedge").sum()) / notional * BPS if notional > 0 else float("nan")


@dataclass(frozen=True, slots=True)
class Slippage:
    """Fractions of the money expected to change hands; + is adverse.

    ``mean`` = ``delay`` + ``spread``. ``spread`` is the price against the mid of the quote
    that filled it; ``delay`` is that mid against the touch decided on, so it starts at minus
    the half-spread that was expected anyway. ``absolute`` is the mean without signs.
    """

    mean: float
    absolute: float
    delay: float
    spread: float


def slippage(fills: pd.DataFrame) -> float:
    """A26: implementation shortfall against the touch at the decision, as a fraction, + adverse. Target: under 0.005.

    Total slippage in money over total |quantity| x expected price x multiplier: a mean weighted by size. NaN without fills.

    Parameters
    ----------
    fills : DataFrame
        Columns ``qty, expected, multiplier, slippage``.
    """
    base = expected_money(fills).sum()
    return float(column(fills, "slippage").sum() / base) if base > 0 else float("nan")


def slippage_split(fills: pd.DataFrame) -> Slippage:
    """Split slippage into delay and spread, and give its mean size (A26). All NaN without fills.

    Parameters
    ----------
    fills : DataFrame
        Columns ``qty, expected, multiplier, slippage, spread_cost``.
    """
    base = float(expected_money(fills).sum())
    if not base > 0:
        return Slippage(*[float("nan")] * 4)
    money, spread = column(fills, "slippage"), float(column(fills, "spread_cost").sum())
    total = float(money.sum())
    return Slippage(mean=total / base, absolute=float(np.abs(money).sum()) / base, delay=(total - spread) / base, spread=spread / base)


def expected_money(fills: pd.DataFrame) -> Array:
    """Return |quantity| x expected price x multiplier of each fill."""
    return cast("Array", np.abs(column(fills, "qty")) * column(fills, "expected") * column(fills, "multiplier"))


def drawdown_reduction(hedged: ArrayLike, unhedged: ArrayLike) -> float:
    """A27: 1 - hedged / unhedged maximum drawdown of two cumulative P&L curves. Target: over 0.25.

    Negative if the hedge made it worse; NaN if the unhedged curve never falls. One path's
    maximum drawdown has a standard deviation of 41% of its mean (METHODS 4): read it with its interval.
    """
    base = max_drawdown(unhedged)
    return 1 - max_drawdown(hedged) / base if base > 0 else float("nan")


def sharpe_improvement(hedged: ArrayLike, unhedged: ArrayLike) -> float:
    """A28: hedged / unhedged Sharpe ratio of two cumulative P&L curves. Target: over 1.2.

    NaN, undefined, if the unhedged Sharpe ratio is not above zero (see :func:`sharpe_difference`).
    """
    base = sharpe(steps(unhedged))
    return sharpe(steps(hedged)) / base if base > 0 else float("nan")


def sharpe_difference(hedged: ArrayLike, unhedged: ArrayLike, *, bars_per_year: float = BARS_PER_YEAR) -> float:
    """Hedged - unhedged annualised Sharpe ratio of two cumulative P&L curves: defined whatever their signs."""
    return sharpe(steps(hedged), bars_per_year=bars_per_year) - sharpe(steps(unhedged), bars_per_year=bars_per_year)


def sharpe_difference_stderr(hedged: ArrayLike, unhedged: ArrayLike, *, bars_per_year: float = BARS_PER_YEAR) -> float:
    r"""Return the standard error of the Sharpe difference (Jobson & Korkie 1981, as corrected by Memmel 2003).

    .. math:: se^2 = \frac{1}{T}\left[2 - 2\rho + \tfrac12 (S_1^2 + S_2^2 - 2 S_1 S_2 \rho^2)\right]

    For independent Gaussian bars: a quick look beside the bootstrap.
    """
    x, y = steps(hedged), steps(unhedged)
    s1, s2 = sharpe(x, bars_per_year=1), sharpe(y, bars_per_year=1)
    if not np.isfinite(s1 * s2):
        return float("nan")
    rho = float(np.corrcoef(x, y)[0, 1])
    var = (2 - 2 * rho + 0.5 * (s1 * s1 + s2 * s2 - 2 * s1 * s2 * rho * rho)) / len(x)
    return float(np.sqrt(max(var, 0.0) * bars_per_year))


def variance_effectiveness(hedged: ArrayLike, unhedged: ArrayLike) -> float:
    """Hedge effectiveness: 1 - var(hedged) / var(unhedged) of bar P&L, from two cumulative curves (Ederington 1979).

    At most 1; negative if the hedge added variance; NaN if the unhedged P&L never varies.
    """
    base = float(np.var(steps(unhedged)))
    return 1 - float(np.var(steps(hedged))) / base if base > 0 else float("nan")


def best_trade_share(trades: pd.DataFrame) -> float:
    """Share of the net hedged P&L that came from the best trade; NaN if the total is not above zero.

    Parameters
    ----------
    trades : DataFrame
        Column ``hedged``.
    """
    net = column(trades, "hedged")
    total = float(net.sum())
    return float(net.max()) / total if total > 0 else float("nan")


def column(frame: pd.DataFrame, name: str) -> Array:
    """Return a column as float64.

    Raises
    ------
    DataError
        If the frame does not have it.
    """
    if name not in frame.columns:
        msg = f"no column {name!r} in a frame with {', '.join(map(str, frame.columns))}; give the journal's equity(), trades() or fills()"
        raise DataError(msg)
    return cast("Array", frame[name].to_numpy(dtype=np.float64, na_value=np.nan))
