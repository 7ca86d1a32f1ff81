r"""The two discounted solutions of an Ornstein-Uhlenbeck spread, in logarithms so that they never overflow.

In stationary sd, with nu = rate / kappa, the equation f'' - z f' = nu f has the increasing solution

    F(nu, z) = integral over u > 0 of u^(nu - 1) exp(z u - u^2/2)  =  Gamma(nu) exp(z^2/4) D_{-nu}(-z)

and the decreasing one F(nu, -z). Leung & Li write them with parabolic cylinder functions, which overflow and lose
digits; this integral has positive terms only, and F' = F(nu + 1, z).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hedgekit.stats.thresholds.passage import panels

_TERMS = 30
_STEP = 0.5


def log_solution(nu: float, z: float) -> float:
    """Return ln F(nu, z): a power series near 0, where u^(nu - 1) is singular, and Gauss-Legendre beyond."""
    start = _STEP / max(1.0, abs(z))
    peak = (z + math.sqrt(z * z + 4 * nu)) / 2
    end = max(peak, start) + _reach(nu, z)
    u, weights = panels(_edges(start, end))
    exponent = (nu - 1) * np.log(u) + z * u - u * u / 2
    top = float(exponent.max())
    rest = top + math.log(float(np.sum(weights * np.exp(exponent - top))))
    return float(np.logaddexp(_log_start(nu, z, start), rest))


def _reach(nu: float, z: float) -> float:
    """Length after the peak behind which nothing is left: Gaussian decay, or exponential with rate |z| where that is faster."""
    gaussian = 10.0 + 3 * math.sqrt(nu)
    return gaussian if z >= 0 else min(gaussian, (60 + 10 * math.sqrt(nu)) / -z)


def _edges(start: float, end: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Panels that double up to a length of a half, and stay there."""
    edges = [start]
    while edges[-1] < end:
        edges.append(min(edges[-1] + min(edges[-1], _STEP), end))
    return np.array(edges)


def _log_start(nu: float, z: float, end: float) -> float:
    """Logarithm of the integral from 0 to ``end``; the terms are Hermite polynomials and fall fast as |z| end <= 1/2."""
    before, term, total = 0.0, 1.0, 1 / nu
    for n in range(1, _TERMS):
        before, term = term, (z * end * term - end * end * before) / n
        total += term / (n + nu)
    return nu * math.log(end) + math.log(total)


@dataclass(frozen=True, slots=True)
class Discount:
    """Both solutions for one rate, as ratios and logarithmic slopes, per sd of level."""

    nu: float

    def rise(self, z: float, to: float) -> float:
        """Return the expected discount factor of the first time at ``to``, from ``z`` below it."""
        return math.exp(log_solution(self.nu, z) - log_solution(self.nu, to))

    def fall(self, z: float, to: float) -> float:
        """Return the expected discount factor of the first time at ``to``, from ``z`` above it."""
        return self.rise(-z, -to)

    def slope(self, z: float) -> float:
        """F' / F of the increasing solution."""
        return math.exp(log_solution(self.nu + 1, z) - log_solution(self.nu, z))

    def down_slope(self, z: float) -> float:
        """G' / G of the decreasing solution; below 0."""
        return -self.slope(-z)
