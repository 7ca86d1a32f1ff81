"""The article's own metrics: hedge-ratio accuracy, delta, cost drag, slippage, drawdown and Sharpe ratio (A23 to A28)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from hedgekit.metrics.frames import BPS, NAN, column
from hedgekit.metrics.risk import max_drawdown, sharpe, steps

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array


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
    p, held = column(equity, "mid_primary"), held_bars(equity)
    y, x = np.full(len(p), np.nan), np.full(len(p), np.nan)
    y[1:], x[1:] = np.diff(np.log(p)), 0.0
    for leg in _hedges(equity):  # of a basket: the sum over its hedges
        x[1:] += column(equity, f"ratio{leg}")[:-1] * np.diff(np.log(column(equity, f"mid_hedge{leg}")))
    known = np.isfinite(x) & np.isfinite(y)
    known[1:] &= held[:-1]
    y[~known], x[~known] = np.nan, np.nan
    return y, x


def beta_error(y: Array, x: Array) -> float:
    """Return the OLS slope of ``y`` on ``x`` (with intercept), less one; pairs with NaN are left out."""
    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() < 3:  # noqa: PLR2004 - two points fit any line
        return NAN
    dx, dy = x[known] - x[known].mean(), y[known] - y[known].mean()
    var = float(dx @ dx)
    return float(dx @ dy) / var - 1 if var > 0 else NAN


def held_bars(equity: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which bars end with a position in any leg."""
    held = column(equity, "pos_primary") != 0
    for leg in _hedges(equity):
        held = held | (column(equity, f"pos_hedge{leg}") != 0)
    return cast("np.ndarray[tuple[int], np.dtype[np.bool_]]", held)


def _hedges(equity: pd.DataFrame) -> list[str]:
    """Return how the columns of each hedge end: nothing for the first, "_2" for the second of a basket, and so on."""
    return ["", *(name.removeprefix("pos_hedge") for name in equity.columns if name.startswith("pos_hedge_"))]


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
    return float(known.mean()) if len(known) else NAN


def hedge_cost_drag(trades: pd.DataFrame) -> float:
    """A25: cost of the hedge leg (spread paid and fees) / gross P&L of both legs at mids. Target: under 0.15.

    NaN, undefined, if the gross P&L is zero or a loss: a cost is no share of a loss (see :func:`hedge_cost_bps`).

    Parameters
    ----------
    trades : DataFrame
        Columns ``cost_hedge, gross_hedged``, in money.
    """
    gross = float(column(trades, "gross_hedged").sum())
    return float(column(trades, "cost_hedge").sum()) / gross if gross > 0 else NAN


def hedge_cost_bps(trades: pd.DataFrame) -> float:
    """Cost of the hedge leg in basis points of the primary's notional at entry; defined whatever the P&L (A25).

    Parameters
    ----------
    trades : DataFrame
        Columns ``cost_hedge, notional``.
    """
    notional = float(column(trades, "notional").sum())
    return float(column(trades, "cost_hedge").sum()) / notional * BPS if notional > 0 else NAN


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
    return float(column(fills, "slippage").sum() / base) if base > 0 else NAN


def slippage_split(fills: pd.DataFrame) -> Slippage:
    """Split slippage into delay and spread, and give its mean size (A26). All NaN without fills.

    Parameters
    ----------
    fills : DataFrame
        Columns ``qty, expected, multiplier, slippage, spread_cost``.
    """
    base = float(expected_money(fills).sum())
    if not base > 0:
        return Slippage(*[NAN] * 4)
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
    return 1 - max_drawdown(hedged) / base if base > 0 else NAN


def sharpe_improvement(hedged: ArrayLike, unhedged: ArrayLike) -> float:
    """A28: hedged / unhedged Sharpe ratio of two cumulative P&L curves. Target: over 1.2.

    NaN, undefined, if the unhedged Sharpe ratio is not above zero (see :func:`sharpe_difference`).
    """
    base = sharpe(steps(unhedged))
    return sharpe(steps(hedged)) / base if base > 0 else NAN
