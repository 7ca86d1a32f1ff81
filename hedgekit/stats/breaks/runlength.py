r"""How long a two-sided CUSUM runs before it gives an alarm, and the threshold for a stated run length.

Brook & Evans (1972) put the statistic on a grid and solve a Markov chain. The same integral
equation is solved here by Gauss-Legendre quadrature with a point mass at zero (Goel & Wu 1971):
the steps are normal, hence smooth, so some 80 nodes give ten digits where 400 states give three or four. The
tests hold it against the Markov chain.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from hedgekit.errors import ConfigError
from hedgekit.stats.checks import above, at_least

LONGEST = 1e12
"""Run lengths beyond this are given as infinite: double precision cannot tell them apart."""
MAX_ARL = 1e9
_NODES, _NODES_A_SD, _MAX_H = 48, 6, 60.0


def average_run_length(shift: float = 0.0, *, k: float = 0.5, h: float = 4.0) -> float:
    r"""Return the average run length (ARL) of a two-sided tabular CUSUM from a zero start.

    The numbers watched are independent and normal with sd 1, and their mean has moved by ``shift`` from the
    first one on. One side solves

    .. math:: L(s) = 1 + L(0)\,\Phi(k - \delta - s) + \int_0^h L(y)\,\varphi(y + k - \delta - s)\,dy

    and both together :math:`1/L = 1/L^+ + 1/L^-` (Kemp 1961; exact, as one side is at 0 whenever the other gives an alarm).

    Parameters
    ----------
    shift : float
        delta, in standard deviations. 0 gives ARL0: observations from one false alarm to the next.
    k : float
        Allowance, in standard deviations; above 0. Half of the shift that is to be found soonest.
    h : float
        Threshold, in standard deviations, from 0 to 60.

    Returns
    -------
    float
        Observations; infinite beyond 1e12.

    Raises
    ------
    ConfigError
        If a parameter is out of range.

    Notes
    -----
    Numbers that hang together (a spread itself, instead of its innovations) give false alarms far more often. So does a mean
    or sd estimated from few bars.

    Examples
    --------
    >>> round(average_run_length(k=0.5, h=4)), round(average_run_length(1.0, k=0.5, h=4), 2)
    (168, 8.38)
    """
    above("k", k, 0, "allowance, in standard deviations")
    if at_least("h", h, 0, "threshold, in standard deviations") > _MAX_H:
        msg = f"h={h:g}: must be at most {_MAX_H:g} standard deviations; state a run length instead, with threshold_for(arl)"
        raise ConfigError(msg)
    if not math.isfinite(shift):
        msg = f"shift={shift}: must be a finite number of standard deviations"
        raise ConfigError(msg)
    rate = 1 / _one_sided(shift, k, h) + 1 / _one_sided(-shift, k, h)
    return 1 / rate if rate > 0 else math.inf


def threshold_for(arl: float, *, k: float = 0.5) -> float:
    """Return the threshold h whose in-control average run length is ``arl``: the inverse of :func:`average_run_length`.

    Parameters
    ----------
    arl : float
        Observations between false alarms, on average. 252 daily bars is once a year. At most 1e9.
    k : float
        Allowance, in standard deviations; above 0.

    Returns
    -------
    float
        h, in standard deviations.

    Raises
    ------
    ConfigError
        If no threshold gives that run length.
    """
    above("k", k, 0, "allowance, in standard deviations")
    shortest = average_run_length(k=k, h=0.0)
    if not shortest <= arl <= MAX_ARL:
        msg = f"arl={arl:g}: must be from {shortest:.2f} (h = 0 at k={k:g}) to {MAX_ARL:g} observations"
        raise ConfigError(msg)
    high = 1.0
    while average_run_length(k=k, h=high) < arl:
        if high == _MAX_H:
            msg = f"arl={arl:g} needs a threshold beyond {_MAX_H:g} at k={k:g}: give a larger allowance or a shorter run length"
            raise ConfigError(msg)
        high = min(2 * high, _MAX_H)
    return float(brentq(lambda h: math.log(average_run_length(k=k, h=h) / arl), 0.0, high, xtol=1e-10))


def _one_sided(shift: float, k: float, h: float) -> float:
    """Return the run length of the upper side from a zero start; infinite where rounding has eaten it."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES + int(_NODES_A_SD * h))
    s, w = np.r_[0.0, (nodes + 1) * h / 2], weights * h / 2
    moves = np.empty((len(s), len(s)))
    moves[:, 0] = norm.cdf(k - shift - s)
    moves[:, 1:] = norm.pdf(s[1:] + k - shift - s[:, None]) * w
    length = float(np.linalg.solve(np.eye(len(s)) - moves, np.ones(len(s)))[0]) if moves[0, 0] < 1 else math.inf
    return length if 0 < length < LONGEST else math.inf
