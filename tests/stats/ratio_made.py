"""Markets of which the ratio is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from hedgekit.stats import ratio

KAPPA = np.log(2) / 20  # half-life of 20 bars


def market(n: int, seed: int, beta: float = 0.85) -> tuple[np.ndarray, np.ndarray]:
    """Return prices of METHODS' default synthetic market: hedge sd .012 a bar, OU spread with sd .006 a bar (rho2 = .7462)."""
    rng = np.random.default_rng(seed)
    dh, noise = 0.012 * rng.standard_normal(n), rng.standard_normal(n)
    b, sd = np.exp(-KAPPA), 0.006 / np.sqrt(2 * KAPPA)
    x = np.empty(n + 1)
    x[0] = sd * rng.standard_normal()
    for t in range(n):
        x[t + 1] = b * x[t] + sd * np.sqrt(1 - b * b) * noise[t]
    h = np.r_[0.0, np.cumsum(dh)]
    return 100 * np.exp(beta * h + x - x[0]), 50 * np.exp(h)


def quick(p: np.ndarray, h: np.ndarray) -> ratio.RatioFit:
    return ratio.ols(p, h, folds=0, tested=False)


def pair_moves(name: str) -> tuple[np.ndarray, np.ndarray]:
    logs = pd.read_csv(Path(__file__).with_name(name))
    return np.diff(logs.p.to_numpy()), np.diff(logs.h.to_numpy())


def prices_of(*moves: np.ndarray) -> list[np.ndarray]:
    return [np.exp(np.r_[0.0, move.cumsum()]) for move in moves]
