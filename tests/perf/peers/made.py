"""Make a market with known truth: ``python -m tests.perf.peers.made FILE BARS [few]``; ``few`` gives a sweep of 100 combinations."""

from __future__ import annotations

import sys

import numpy as np
from scipy.signal import lfilter

import hedgekit as hk
from hedgekit.stats.ratio import plan_at
from tests.perf.peers import market as m
from tests.perf.peers.ours import PARAMS, T0

HALF_RETURN = 0.87
"""What is left of the spread after a bar: a half-life of five bars, well within the lookback."""


def made(bars: int, *, few: bool = False, seed: int = 1) -> m.Market:
    """Return a market of two legs whose spread comes back; its ratio is the one that hedgekit estimates from its first bars."""
    rng = np.random.Generator(np.random.PCG64(seed))
    hedge = lfilter([1.5e-3], [1.0, -(1 - 1e-5)], rng.standard_normal(bars))
    spread = lfilter([3e-3 * np.sqrt(1 - HALF_RETURN**2)], [1.0, -HALF_RETURN], rng.standard_normal(bars))
    mid = np.round(np.column_stack([50.0 * np.exp(0.8 * hedge + spread), 100.0 * np.exp(hedge)]), 2)
    fitted = mid[: m.FIT_BARS + 1]
    ratio = plan_at(fitted[:, 0], fitted[:, 1], T0, hk.Params.make(**PARAMS)).ratio
    grid = (m.LOOKBACKS[:2], m.ENTRIES, m.TARGETS[:5]) if few else (m.LOOKBACKS, m.ENTRIES, m.TARGETS)
    bare = m.Market(mid, np.empty(0), ratio, *grid)
    ends = (m.score(bare.spread[-2 * lookback :], lookback, 0)[-1] for lookback in {m.LOOKBACK, *grid[0]})
    if any(abs(last) >= min(grid[1]) for last in ends):
        return made(bars, few=few, seed=seed + 1)  # its last bar opens a trade that nobody can fill
    return m.Market(mid, m.score(bare.spread, m.LOOKBACK, bare.first), ratio, *grid)


if __name__ == "__main__":
    made(int(sys.argv[2]), few=len(sys.argv) > 3).save(sys.argv[1])
