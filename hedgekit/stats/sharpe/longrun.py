"""The covariance of a mean when neighbours hang together (HAC), as Ledoit & Wolf's own program computes it.

Parzen kernel, the bandwidth of Andrews (1991) from an AR(1) for each column, and their small-sample factor
n / (n - columns). Prewhitening by a VAR(1) (Andrews & Monahan 1992) on request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hedgekit.data import Array

LARGEST_ROOT = 0.97
"""Singular values of the prewhitening VAR are cut to this, so that recolouring cannot explode (Andrews & Monahan 1992)."""


def long_run(moments: Array, *, prewhiten: bool = False) -> Array:
    """Return the long-run covariance of mean-zero columns, shape (k, k), for moments of shape (n, k), n above k + 1."""
    if not prewhiten:
        return _parzen(moments)
    before, after = moments[:-1], moments[1:]
    slopes = np.linalg.lstsq(before, after, rcond=None)[0].T
    left, values, right = np.linalg.svd(slopes)
    slopes = left @ np.diag(np.minimum(values, LARGEST_ROOT)) @ right
    recolour = np.linalg.inv(np.eye(slopes.shape[0]) - slopes)
    return np.asarray(recolour @ _parzen(after - before @ slopes.T) @ recolour.T, dtype=np.float64)


def _parzen(u: Array) -> Array:
    n, k = u.shape
    bandwidth = 2.6614 * (_alpha(u) * n) ** 0.2
    total = u.T @ u / n
    for lag in range(1, min(n, int(np.ceil(bandwidth)))):
        gamma = u[lag:].T @ u[:-lag] / n
        total += _weight(lag / bandwidth) * (gamma + gamma.T)
    return np.asarray(total * n / (n - k), dtype=np.float64)


def _weight(x: float) -> float:
    return 1 - 6 * x**2 + 6 * x**3 if x <= 0.5 else 2 * (1 - x) ** 3  # noqa: PLR2004 - Parzen's kernel changes there


def _alpha(u: Array) -> float:
    """Return Andrews' alpha(2) of AR(1) columns, each with a constant; one that never moves has no say."""
    top = bottom = 0.0
    for column in u.T:
        x, y = column[:-1] - column[:-1].mean(), column[1:] - column[1:].mean()
        spread = float(x @ x)
        if spread == 0:
            continue
        rho = min(float(x @ y) / spread, LARGEST_ROOT)
        power = float(np.mean((y - rho * x) ** 2)) ** 2
        top += 4 * rho**2 * power / (1 - rho) ** 8
        bottom += power / (1 - rho) ** 4
    return top / bottom if bottom > 0 else 0.0
