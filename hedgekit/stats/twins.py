"""The hedged result and its unhedged twin as rows that can be resampled together, and their figures with what scatters them.

Every figure of the verdict but one is made of means of columns (a ratio of sums, a slope, a Sharpe ratio), and gets a studentised
interval (:mod:`hedgekit.stats.studentised`). The maximum drawdown is not: it depends on the order of the bars, so whole
paths are resampled, hedged and unhedged together, and their percentiles shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit import metrics as m
from hedgekit.compiled import kernel
from hedgekit.errors import DataError
from hedgekit.stats.bootstrap import MIN_ROWS, block_length
from hedgekit.stats.studentised import MIN_BLOCKS, Estimate, estimate

if TYPE_CHECKING:
    from hedgekit.data import Array
    from hedgekit.stats.studentised import Figures, Rows


@dataclass(frozen=True, slots=True, eq=False)
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
        Bars that end with a position; fills with an expected price; closed trades in which both legs traded.
    holding : float
        Mean bars of a closed trade.
    unknown : int
        Fills without an expected price (of orders that this session never decided): left out of ``fills``.
    """

    bars: Array
    trades: Array
    fills: Array
    held: int
    n_fills: int
    comparable: int
    holding: float
    unknown: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Twins:
    """The figures of a sample as pairs (a, b), resampled; a / b unless said otherwise.

    Attributes
    ----------
    beta : Estimate
        Covariance of primary and ratio x hedge, variance of the latter; the slope is the ratio.
    delta : Estimate
        Sum of |delta|, held bars.
    drag, cost, net : Estimate
        Cost of the hedge over gross P&L, cost over notional, net P&L over notional.
    slip : Estimate
        Slippage, expected money.
    sharpe : Estimate
        Sharpe ratios a bar, hedged and unhedged.
    variance : Estimate
        Variances of bar P&L, hedged and unhedged.
    factor : Estimate
        Mean gain and mean loss of a trade; their ratio is the profit factor.
    drawdowns : float64 array, shape (reps, 2)
        Maximum drawdown hedged and unhedged of resampled paths; NaN below 10 bars.
    block : int
        Bars of a block of ``drawdowns``.
    effective : float
        Independent bars that would give the same standard error of mean hedged P&L; NaN if it never varies.
    """

    beta: Estimate
    delta: Estimate
    drag: Estimate
    cost: Estimate
    net: Estimate
    slip: Estimate
    sharpe: Estimate
    variance: Estimate
    factor: Estimate
    drawdowns: Array
    block: int
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
    expected = np.isfinite(m.column(fills, "slippage"))
    decided = fills[expected]
    money = pd.DataFrame({"slip": m.column(decided, "slippage"), "base": m.expected_money(decided)})
    both = (m.column(closed, "cost_hedge") != 0) | (m.column(closed, "gross_hedged") != m.column(closed, "gross_unhedged"))
    bars = m.column(closed, "bars")
    return Sample(
        bars=np.column_stack([*map(m.steps, curves), *m.held_returns(equity), m.held_deltas(equity)]),
        trades=np.column_stack([m.column(closed, name) for name in ("cost_hedge", "gross_hedged", "hedged", "notional")]),
        fills=money.groupby(m.column(decided, "trade"), dropna=False).sum().to_numpy(dtype=np.float64),
        held=int(m.held_bars(equity).sum()),
        n_fills=len(decided),
        comparable=int(both.sum()),
        holding=float(bars.mean()) if len(bars) else 1.0,
        unknown=len(fills) - len(decided),
    )


def twins_of(s: Sample, reps: int, seed: int) -> Twins:
    """Estimate and resample every figure; same seed, same result."""
    cost, gross, net, notional = s.trades.T
    won = np.maximum(net, 0.0)

    def bars(k: int, figures: Figures, *columns: Array) -> Estimate:
        return estimate(np.column_stack(columns), figures, at_least=s.holding, reps=reps, seed=(seed, 0, k))

    def trades(k: int, a: Array, b: Array) -> Estimate:
        return estimate(np.column_stack([a, b]), means, reps=reps, seed=(seed, 1, k))

    delta, both = s.bars[:, 4], _squared(s.bars[:, :2])
    known = ~np.isnan(delta)
    paths, block = _drawdowns(s, reps, seed)
    return Twins(
        beta=bars(0, slopes, *_moments(s.bars[:, 3], s.bars[:, 2])),
        delta=bars(1, means, np.where(known, delta, 0.0), known.astype(np.float64)),
        sharpe=bars(2, sharpes, *both),
        variance=bars(3, variances, *both),
        drag=trades(0, cost, gross),
        cost=trades(1, cost, notional),
        net=trades(2, net, notional),
        factor=trades(3, won, won - net),
        slip=estimate(s.fills, means, reps=reps, seed=(seed, 2, 0)),
        drawdowns=paths,
        block=block,
        effective=_effective(s),
    )


# ---------------------------------------------------------------------- figures


def means(mu: Array) -> tuple[Array, Array]:
    """Return the first two means themselves."""
    return mu[:, :2], np.broadcast_to(np.eye(2, mu.shape[1]), (len(mu), 2, mu.shape[1]))


def sharpes(mu: Array) -> tuple[Array, Array]:
    """Return mean / standard deviation of two columns, from the means of x, y, x squared and y squared; NaN without variance."""
    var = _variance(mu)
    sd = np.sqrt(np.where(var > m.TINY * mu[:, 2:], var, np.nan))
    steep = np.zeros((len(mu), 2, 4))
    for k in (0, 1):
        steep[:, k, k] = mu[:, 2 + k] / sd[:, k] ** 3
        steep[:, k, 2 + k] = -0.5 * mu[:, k] / sd[:, k] ** 3
    return mu[:, :2] / sd, steep


def variances(mu: Array) -> tuple[Array, Array]:
    """Return the variances of two columns, from the means of x, y, x squared and y squared."""
    steep = np.zeros((len(mu), 2, 4))
    for k in (0, 1):
        steep[:, k, k], steep[:, k, 2 + k] = -2 * mu[:, k], 1.0
    return _variance(mu), steep


def slopes(mu: Array) -> tuple[Array, Array]:
    """Return w^2 x the covariance of x and y and w^2 x the variance of x, from the means of w, wx, wy, wxx, wxy (w: 1 if known, else 0)."""
    w, x, y, xx, xy = mu.T
    steep = np.zeros((len(mu), 2, 5))
    steep[:, 0] = np.column_stack([xy, -y, -x, np.zeros_like(w), w])
    steep[:, 1] = np.column_stack([xx, -2 * x, np.zeros_like(w), w, np.zeros_like(w)])
    return np.column_stack([w * xy - x * y, w * xx - x * x]), steep


def _variance(mu: Array) -> Array:
    return np.asarray(mu[:, 2:] - mu[:, :2] ** 2)


def _moments(x: Array, y: Array) -> list[Array]:
    """Return w, wx, wy, wxx, wxy of each bar, x and y to the scale of x."""
    known = np.isfinite(x) & np.isfinite(y)
    scale = float(x[known].std()) if known.any() else 0.0
    x, y = (np.where(known, z, 0.0) / (scale if scale > 0 else 1.0) for z in (x, y))
    return [known.astype(np.float64), x, y, x * x, x * y]


def _squared(pnl: Array) -> list[Array]:
    """Return two columns and their squares, to the scale of the second (or of the first if the second is zero)."""
    scale = next((float(sd) for sd in pnl.std(axis=0)[::-1] if sd > 0), 1.0)
    x, y = (pnl / scale).T
    return [x, y, x * x, y * y]


def _effective(s: Sample) -> float:
    """Return the variance of bar P&L over that of its mean."""
    mean = estimate(s.bars[:, :2], means, at_least=s.holding, reps=1, seed=(0,))
    var = float(mean.cov[0, 0])
    return float(np.var(s.bars[:, 0])) / var if var > 0 else float("nan")


# --------------------------------------------------------------------- drawdown


def _drawdowns(s: Sample, reps: int, seed: int) -> tuple[Array, int]:
    """Return maximum drawdowns of resampled paths, shape (reps, 2), and the bars of a block."""
    n = len(s.bars)
    if n < MIN_ROWS:
        return np.full((reps, 2), np.nan), 1
    hedged, unhedged = (np.ascontiguousarray(s.bars[:, k]) for k in (0, 1))
    block = max(1, min(round(block_length(hedged, unhedged, at_least=s.holding)), n // MIN_BLOCKS))
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, 3))))
    return _paths(hedged, unhedged, generator.integers(0, n, (reps, -(-n // block))), block), block


@kernel
def _paths(hedged: Array, unhedged: Array, starts: Rows, block: int) -> Array:
    """Return both maximum drawdowns of each path of blocks."""
    n = len(hedged)
    out = np.zeros((len(starts), 2))
    for r in range(len(starts)):
        a, b, high_a, high_b = 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            row = starts[r, i // block] + i % block
            row = row - n if row >= n else row
            a += hedged[row]
            b += unhedged[row]
            high_a, high_b = max(high_a, a), max(high_b, b)
            out[r, 0], out[r, 1] = max(out[r, 0], high_a - a), max(out[r, 1], high_b - b)
    return out
