"""Samples of trades whose true figures are planted: at the targets of the verdict, or clearly better.

Bars: a trade holds four bars and one is flat. P&L is Student t with 5 degrees of freedom (fat tails), autocorrelated with .15;
|delta| is lognormal and autocorrelated with .5. By trade: gross P&L is Student t (5), autocorrelated with .1; the hedge's cost and the
slippage are lognormal (skewed to the right). Per-trade Sharpe ratio: .1 on the bars; .3 for the cost drag, whose denominator
is the gross P&L. The hedged P&L has a correlation of .8 with the unhedged where Sharpe ratios are compared, and
of .5 where drawdowns are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import lfilter

from hedgekit.stats.twins import Sample

if TYPE_CHECKING:
    from hedgekit.data import Array

HOLD, CYCLE = 4, 5
DF, AR, TRADE_SHARPE, DRAG_SHARPE = 5.0, 0.15, 0.1, 0.3


@dataclass(frozen=True)
class Planted:
    """The true figures: of A23 the slope less one, the others as the gauges have them."""

    beta: float
    delta: float
    drag: float
    slip: float
    reduction: float
    ratio: float


AT_TARGET = Planted(beta=0.1, delta=0.03, drag=0.15, slip=0.005, reduction=0.25, ratio=1.2)
BETTER = Planted(beta=0.0, delta=0.02, drag=0.05, slip=0.003, reduction=0.6, ratio=2.5)


def autocorrelated(innovations: Array, rho: float) -> Array:
    """Return AR(1) series of unit variance from innovations of unit variance, shape (n + 50, k) to (n, k)."""
    return np.asarray(lfilter([np.sqrt(1 - rho * rho)], [1, -rho], innovations, axis=0))[50:]


def fat(rng: np.random.Generator, n: int, k: int, rho: float) -> Array:
    """Return ``k`` independent series of Student t (5), scaled to unit variance, AR(1)."""
    return autocorrelated(rng.standard_t(DF, (n + 50, k)) / np.sqrt(DF / (DF - 2)), rho)


def skewed(rng: np.random.Generator, n: int, sigma: float, rho: float) -> Array:
    """Return lognormal values with mean 1."""
    return np.exp(sigma * autocorrelated(rng.standard_normal((n + 50, 1)), rho)[:, 0] - sigma * sigma / 2)


def of_all_bars(mean: float) -> float:
    """Return the Sharpe ratio of all bars from mean / sd of the held ones."""
    held = HOLD / CYCLE
    return float(np.sqrt(held * mean**2 / (1 + (1 - held) * mean**2)))


def of_held_bars(sharpe: float) -> float:
    """Return mean / sd of the held bars from the Sharpe ratio of all bars."""
    held = HOLD / CYCLE
    return float(np.sqrt(sharpe**2 / (held - (1 - held) * sharpe**2)))


def planted(n_trades: int, truth: Planted, seed: int, *, drawdown: bool = False, clustered: bool = False) -> Sample:
    """Return one sample; with ``drawdown`` its P&L plants A27 instead of A28; ``clustered`` has bars in calm and wild times.

    Clusters: all P&L and returns of a bar are scaled by one lognormal volatility, sd .4 of its logarithm, AR(1) .98.
    """
    rng = np.random.default_rng([seed, n_trades, int(drawdown)])
    n = n_trades * CYCLE
    held = np.arange(n) % CYCLE < HOLD
    z = fat(rng, n, 5, AR)
    if clustered:
        slow = autocorrelated(np.random.default_rng([seed, n_trades]).standard_normal((n + 50, 1)), 0.98)
        z = z * np.exp(0.4 * slow - 0.4**2)  # mean square 1
    mean = TRADE_SHARPE / np.sqrt(HOLD)
    if drawdown:  # one law for both, the hedged on a smaller scale: its drawdowns are smaller by just that scale
        unhedged, hedged = (np.sqrt(0.5) * (z[:, 0] + z[:, k]) + mean for k in (1, 2))
        hedged = (1 - truth.reduction) * hedged
    else:
        unhedged = z[:, 0] + mean
        hedged = 0.8 * z[:, 0] + 0.6 * z[:, 1] + of_held_bars(truth.ratio * of_all_bars(mean))
    x = 0.012 * z[:, 3]
    y = (1 + truth.beta) * (x + 0.012 * 0.75 * z[:, 4])  # correlation .8
    delta = truth.delta * skewed(rng, n, 0.6, 0.5)
    bars = np.column_stack([np.where(held, hedged, 0.0), np.where(held, unhedged, 0.0), y, x, delta])
    bars[~held, 2:] = np.nan
    gross = 1 + fat(rng, n_trades, 1, 0.1)[:, 0] / DRAG_SHARPE
    cost = truth.drag * skewed(rng, n_trades, 0.5, 0.0)
    base = skewed(rng, n_trades, 0.3, 0.0)
    slip = base * (truth.slip * skewed(rng, n_trades, 1.0, 0.1) + 0.003 * fat(rng, n_trades, 1, 0.0)[:, 0])
    return Sample(
        bars=bars,
        trades=np.column_stack([cost, gross, gross - cost, np.full(n_trades, 100.0)]),
        fills=np.column_stack([slip, base]),
        held=int(held.sum()),
        n_fills=4 * n_trades,
        comparable=n_trades,
        holding=float(HOLD),
    )
