"""The spread of stationary deviation one, and exit times of it by the differential equation."""

from __future__ import annotations

import math

import numpy as np
from scipy import linalg

from hedgekit.stats.thresholds import OU

UNIT = OU(1.0, 0.0, math.sqrt(2))
"""Stationary sd of 1, time in units of 1/kappa."""


def exit_by_collocation(x: float, low: float, high: float, power: int = 1) -> float:
    """E[T] (power 1) or E[T^2] (power 2): solve f'' - z f' = -power E[T^(power - 1)] on Chebyshev points."""
    n = 60
    grid = np.cos(np.pi * np.arange(n + 1) / n)
    weight = np.r_[2, np.ones(n - 1), 2] * (-1.0) ** np.arange(n + 1)
    gap = grid[:, None] - grid[None, :] + np.eye(n + 1)
    first = np.outer(weight, 1 / weight) / gap
    first -= np.diag(first.sum(axis=1))
    first *= 2 / (high - low)
    z = low + (grid + 1) * (high - low) / 2
    operator = (first @ first - z[:, None] * first)[1:-1, 1:-1]
    moment = np.ones(n - 1)
    for k in range(1, power + 1):
        moment = linalg.solve(operator, -k * moment)
    return float(np.polynomial.chebyshev.chebval((2 * x - low - high) / (high - low), _coefficients(grid, np.r_[0, moment, 0])))


def _coefficients(grid: np.ndarray, values: np.ndarray) -> np.ndarray:
    return linalg.solve(np.polynomial.chebyshev.chebvander(grid, len(grid) - 1), values)
