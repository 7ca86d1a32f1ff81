"""The hedged result and its unhedged twin as rows that can be resampled together, and their figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit import metrics as m
from hedgekit.errors import DataError
from hedgekit.stats.bootstrap import block_length, resample

if TYPE_CHECKING:
    from hedgekit.data import Array


@dataclass(frozen=True, slots=True)
class Sample:
    """What a session's frames hold.

    Attributes
    ----------
    bars : float64 array, shape (n, 5)
        P&L of the bar hedged and unhedged; the primary's log return and ratio x the
        hedge's (NaN while nothing is held); |delta| at its close (NaN likewise).
    trades : float64 array, shape (closed trades, 4)
        Cost of the hedge, gross P&L, net P&L, notional.
    fills : float64 array, shape (trades with fills, 2)
        Slippage and expected money, summed by trade, because fills of one trade belong together.
    held, n_fills, comparable : int
        Bars that end with a position; fills; closed trades in which both legs traded.
    holding : float
        Mean bars of a closed trade.
    """

    bars: Array
    trades: Array
    fills: Array
    held: int
    n_fills: int
    comparable: int
    holding: float


@dataclass(frozen=True, slots=True)
class Draws:
    """Resampled figures, shape (reps, k) each; the mean block in bars; the effective number of bars."""

    bars: Array
    trades: Array
    fills: Array
    block: float
    effective: float


def sample_of(equity: pd.DataFrame, trades: pd.DataFrame, fills: pd.DataFrame) -> Sample:
    """Return the rows behind a verdict; of ``trades`` only closed ones.

    Raises
    ------
    DataError
        If there is no bar, a column is missing, or hedged or unhedged P&L is not finite on some bar.
    """
    if not len(equity):
        msg = "equity has no bars: there is nothing to judge; let the session reach its first bar close"
        raise DataError(msg)
    curves = [m.column(equity, name) for name in ("hedged", "unhedged")]
    for name, curve in zip(("hedged", "unhedged"), curves, strict=True):
        bad = np.flatnonzero(~np.isfinite(curve))
        if bad.size:
            msg = f"equity: {name} is {curve[bad[0]]} at row {bad[0]} ({equity.index[bad[0]]}); every bar needs its P&L"
            raise DataError(msg)
    if "closed" not in trades.columns:
        m.column(trades, "closed")  # says which column is missing
    closed = trades[trades["closed"].notna()]
    money = pd.DataFrame({"slip": m.column(fills, "slippage"), "base": m.expected_money(fills)})
    both = (m.column(closed, "cost_hedge") != 0) | (m.column(closed, "gross_hedged") != m.column(closed, "gross_unhedged"))
    bars = m.column(closed, "bars")
    return Sample(
        bars=np.column_stack([*map(m.steps, curves), *m.held_returns(equity), m.held_deltas(equity)]),
        trades=np.column_stack([m.column(closed, name) for name in ("cost_hedge", "gross_hedged", "hedged", "notional")]),
        fills=money.groupby(m.column(fills, "trade"), dropna=False).sum().to_numpy(dtype=np.float64),
        held=int(m.held_bars(equity).sum()),
        n_fills=len(fills),
        comparable=int(both.sum()),
        holding=float(bars.mean()) if len(bars) else 1.0,
    )


def of_bars(rows: Array) -> Array:
    """Return beta error, mean |delta|, drawdown reduction, Sharpe ratio's improvement, effectiveness, Sharpe difference, mean P&L."""
    hedged, unhedged, y, x, delta = rows.T
    known = delta[~np.isnan(delta)]
    curves = np.cumsum(hedged), np.cumsum(unhedged)
    mine, base = m.sharpe(hedged), m.sharpe(unhedged)
    var = float(np.var(unhedged))
    return np.array(
        [
            m.beta_error(y, x),
            known.mean() if len(known) else np.nan,
            m.drawdown_reduction(*curves),
            mine / base if base > 0 else np.nan,
            1 - float(np.var(hedged)) / var if var > 0 else np.nan,
            mine - base,
            hedged.mean(),
        ]
    )


def of_trades(rows: Array) -> Array:
    """Return cost drag, hedge cost in bp of notional, and net P&L in bp of notional."""
    cost, gross, net, notional = rows.sum(axis=0)
    per = m.BPS / notional if notional > 0 else np.nan
    return np.array([cost / gross if gross > 0 else np.nan, cost * per, net * per])


def of_fills(rows: Array) -> Array:
    """Return slippage as a fraction of the money expected to change hands."""
    slip, base = rows.sum(axis=0)
    return np.array([slip / base if base > 0 else np.nan])


def draw(s: Sample, reps: int, seed: int) -> Draws:
    """Resample bars, trades and fills, each ``reps`` times; same seed, same draws."""
    block = block_length(s.bars[:, 0], s.bars[:, 1], at_least=s.holding)
    bars = resample(s.bars, of_bars, block=block, reps=reps, seed=(seed, 0))
    spread = float(np.var(bars[:, -1]))
    return Draws(
        bars=bars,
        trades=resample(s.trades, of_trades, block=block_length(s.trades[:, 2], s.trades[:, 0]), reps=reps, seed=(seed, 1)),
        fills=resample(s.fills, of_fills, block=block_length(s.fills[:, 0]), reps=reps, seed=(seed, 2)),
        block=block,
        effective=float(np.var(s.bars[:, 0])) / spread if spread > 0 else float("nan"),
    )
