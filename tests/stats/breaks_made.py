"""Series that tests of breaks look into."""

from __future__ import annotations

import math

import numpy as np


def noise(n: int, seed: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(n)


def reverting(n: int, b: float, seed: int) -> np.ndarray:
    e, x = noise(n, seed), np.zeros(n)
    x[0] = e[0] / math.sqrt(1 - b * b)
    for t in range(1, n):
        x[t] = b * x[t - 1] + e[t]
    return x
