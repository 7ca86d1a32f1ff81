r"""The best band if the target is looked at only once a bar.

Between two looks the target moves by a normal step of sd :math:`s = \sqrt{v \Delta}`, so the position overshoots
the edge, and the band of the continuous law is too wide: by 6% of cost if it is two steps wide, by 32% if it is
one. The deviation after each look is a clipped random walk, whose stationary law solves a
linear integral equation; it is solved by Gauss-Legendre quadrature with a point mass on each edge, so the
figures are exact to many digits, and the best width is found by minimising them. Wide bands need
only the correction of Broadie, Glasserman & Kou 1997, :math:`b - .5826\,s`, which agrees.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from hedgekit.stats.bands.widths import Band, proportional_band
from hedgekit.stats.checks import above

if TYPE_CHECKING:
    from hedgekit.data import Array

OVERSHOOT = 0.5825971579390107
"""-zeta(1/2) / sqrt(2 pi): mean overshoot of a normal walk beyond a far edge, in steps."""
WIDE = 6.0
"""Bands wider than so many steps get the correction instead of the search; it costs less than 1e-7 more."""
_NODES, _NODES_A_STEP, _WIDEST = 40, 10, 60.0


def discrete_band(cost: float, variance_rate: float, penalty: float, *, look_interval: float = 1.0) -> Band:
    r"""Return the best band for a proportional cost with one look each ``look_interval``; trade to the edge.

    .. math:: x' = \mathrm{clip}(x + s \epsilon, -b, b), \qquad s = \sqrt{v \Delta}, \qquad
        J = \frac{K}{\Delta} E|\text{trade}| + \frac{k}{2} E x'^2 + \frac{k v \Delta}{4}

    The last term is what the target moves between two looks; no band can save it, and it is part of ``risk_rate``.

    Parameters
    ----------
    cost, variance_rate, penalty : float
        K, v, k; units as in :mod:`hedgekit.stats.bands`.
    look_interval : float
        Delta, time between two looks, in the time unit of v and k (1: once a bar).

    Returns
    -------
    Band
        ``trades_rate`` is finite here: the share of looks that end in a trade, divided by the interval.

    Raises
    ------
    ConfigError
        If a parameter is out of range.

    Notes
    -----
    As the interval goes to 0 this is :func:`hedgekit.stats.bands.proportional_band`; if the target moves
    far between looks it goes to the one-period threshold K / (k Delta).
    """
    above("look_interval", look_interval, 0, "time between two looks")
    smooth = proportional_band(cost, variance_rate, penalty).edge
    step = math.sqrt(variance_rate * look_interval)
    if step == 0:
        return smooth
    steps = smooth.half_width / step
    half = _best_width(steps) if steps < WIDE else steps - OVERSHOOT
    turnover, square, share = _clipped_walk(half) if half < _WIDEST else _far(half)
    trading = cost * turnover * step / look_interval
    risk = penalty / 2 * step * step * (square + 0.5)
    return Band(
        half_width=half * step,
        return_to=half * step,
        cost_rate=risk + trading,
        risk_rate=risk,
        trading_rate=trading,
        turnover_rate=turnover * step / look_interval,
        trades_rate=share / look_interval,
        crossing_time=(half * step) ** 2 / variance_rate,
    )


def _best_width(steps: float) -> float:
    """Return the best half-width, in steps, where the continuous law says ``steps``."""
    if steps == 0:
        return 0.0
    most = min(steps, 2 / 3 * steps**3)  # the continuous law, and K / (k Delta) in steps
    found = minimize_scalar(partial(_cost, steps), bounds=(0.0, most), method="bounded", options={"xatol": 1e-5 * most})
    return float(found.x)


def _cost(steps: float, half: float) -> float:
    """Return the cost of a half-width in units of k s^2: K = (2/3) steps^3 k s."""
    turnover, square, _ = _clipped_walk(half)
    return 2 / 3 * steps**3 * turnover + square / 2


def _clipped_walk(half: float) -> tuple[float, float, float]:
    """Return mean |trade|, mean squared deviation and share of trades of a unit-step walk clipped at +-``half``."""
    n = _NODES + int(_NODES_A_STEP * half)
    nodes, weights = np.polynomial.legendre.leggauss(n)
    x, w = half * nodes, half * weights
    # By symmetry: density p on the nodes, mass m on both edges together. p(y) = int p phi(y - x) + m phi(y -+ half)
    edge = (norm.pdf(x - half) + norm.pdf(x + half)) / 2
    kernel = norm.pdf(x[:, None] - x[None, :]) * w
    per_mass = np.linalg.solve(np.eye(n) - kernel, edge)
    mass = 1 / (1 + float(w @ per_mass))
    p = mass * per_mass * w
    over = _beyond(half - x) + _beyond(half + x)
    trade = float(p @ over) + mass * float(_beyond(0.0) + _beyond(2 * half))
    share = float(p @ (norm.sf(half - x) + norm.sf(half + x))) + mass * float(0.5 + norm.sf(2 * half))
    return trade, float(p @ (x * x)) + mass * half * half, share


def _beyond(gap: Array | float) -> Array:
    """Return E(z - gap)+ for a standard normal z."""
    return np.asarray(norm.pdf(gap) - gap * norm.sf(gap))


def _far(half: float) -> tuple[float, float, float]:
    """Return the same for a very wide band: the continuous law with its edge moved out; a trade is 1 / sqrt(2) on average."""
    wide = half + OVERSHOOT
    turnover = 1 / (2 * wide)
    return turnover, wide * wide / 3 - 0.25, math.sqrt(2) * turnover
