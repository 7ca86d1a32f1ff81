"""The market and the rule that every contestant gets: numpy only, so that each peer's interpreter can read it.

The rule. At each bar's close, from its z-score: flat, open at |z| >= ENTRY unless |z| >= STOP, with whole lots worth ``NOTIONAL`` of
primary and ``ratio`` times that of hedge; held, close both legs when z has come back to ``TARGET`` on the side entered or gone on
to ``STOP``. Orders fill at the next bar's price and cost ``FEE`` of their value. No trade before the ratio is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

LOOKBACK = 20
ENTRY, TARGET, STOP = 2.0, 0.5, 3.5
NOTIONAL = 100_000.0
FEE = 0.00005
"""Half-spread and commission together, a fraction of what is traded."""
FIT_BARS = 250
BARS_PER_YEAR = 252
LOOKBACKS = tuple(range(10, 60, 5))
ENTRIES = tuple(round(1.6 + 0.1 * k, 1) for k in range(10))
TARGETS = tuple(round(-0.4 + 0.1 * k, 1) for k in range(10))
"""The sweep's grid: 1,000 combinations."""


@dataclass(frozen=True, eq=False)
class Market:
    """One market, ready for use.

    Attributes
    ----------
    mid : float64 array, shape (bars, 2)
        Prices of primary and hedge, which are their bids and asks but for a float's last digit.
    z : float64 array, shape (bars,)
        The score on which a bar's decision rests; NaN before the ratio is known.
    ratio : float
        Dollars of hedge for a dollar of primary.
    lookbacks, entries, targets
        The sweep's grid, in this order.
    """

    mid: np.ndarray
    z: np.ndarray
    ratio: float
    lookbacks: tuple[int, ...]
    entries: tuple[float, ...]
    targets: tuple[float, ...]

    @property
    def spread(self) -> np.ndarray:
        """Log spread, shape (bars,)."""
        log = np.log(self.mid)
        spread: np.ndarray = log[:, 0] - self.ratio * log[:, 1]
        return spread

    @property
    def lots(self) -> np.ndarray:
        """Whole lots that an entry decided on each bar takes, unsigned, shape (bars, 2)."""
        primary = np.floor(NOTIONAL / self.mid[:, 0] + 0.5)
        hedge = np.floor(self.ratio * primary * self.mid[:, 0] / self.mid[:, 1] + 0.5)
        return np.column_stack([primary, hedge])

    @property
    def first(self) -> int:
        """Row of the first bar that may be decided on."""
        return FIT_BARS + 1

    def save(self, path: str) -> None:
        """Write it for another process."""
        grid = {"lookbacks": self.lookbacks, "entries": self.entries, "targets": self.targets}
        given: dict[str, Any] = {"mid": self.mid, "z": self.z, "ratio": self.ratio, **grid}
        np.savez(path, **given)


def load(path: str) -> Market:
    """Read what :meth:`Market.save` wrote."""
    with np.load(path) as found:
        lookbacks, entries, targets = (tuple(found[name].tolist()) for name in ("lookbacks", "entries", "targets"))
        return Market(found["mid"], found["z"], float(found["ratio"]), lookbacks, entries, targets)


def score(spread: np.ndarray, lookback: int, first: int) -> np.ndarray:
    """Return z over windows that include the present bar, each window summed anew, NaN before ``first``; shape (bars,)."""
    z = np.full(len(spread), np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(spread, lookback)
    for start in range(0, len(windows), 65_536):  # in parts: a window's deviations take lookback times the memory
        part = windows[start : start + 65_536]
        z[start + lookback - 1 : start + lookback - 1 + len(part)] = (part[:, -1] - part.mean(axis=1)) / part.std(axis=1, ddof=1)
    z[:first] = np.nan
    return z


def figures(curve: np.ndarray, trades: np.ndarray) -> np.ndarray:
    """Return a sweep's four metrics from cumulative P&L curves, shape (combinations, 4): P&L, Sharpe, drawdown, trades.

    ``curve`` has shape (bars, combinations). Sharpe and drawdown as :mod:`hedgekit.metrics` defines them.
    """
    pnl = np.diff(curve, axis=0, prepend=0.0)
    deepest = np.max(np.maximum.accumulate(np.maximum(curve, 0.0), axis=0) - curve, axis=0)
    sharpe = pnl.mean(axis=0) / pnl.std(axis=0, ddof=1) * np.sqrt(BARS_PER_YEAR)
    return np.column_stack([curve[-1], sharpe, np.maximum(deepest, 0.0), trades])
