r"""How long an Ornstein-Uhlenbeck spread takes from one level to another, and which level it meets first.

In stationary sd and in units of 1/kappa the spread is dz = -z du + sqrt(2) dW, with scale
density exp(z^2/2) and speed density exp(-z^2/2). Everything here is an integral of positive terms
in scaled functions (erfcx, Dawson), so nothing cancels and nothing overflows before the answer
itself does: the erfi series of the papers do both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from hedgekit.errors import ConfigError
from hedgekit.stats.ou import OU
from hedgekit.stats.thresholds.rule import NO_REVERSION, cost_of, finite

if TYPE_CHECKING:
    from collections.abc import Callable

    from hedgekit.data import Array

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
_PANEL = 0.5
_MOST_PANELS = 4_000
_TAIL = 9.0
"""Standard deviations after which a Gaussian tail is below the last digit."""


def panels(edges: Array) -> tuple[Array, Array]:
    """Return nodes and weights of a 32-point Gauss-Legendre rule on each of the intervals between the edges."""
    half = np.diff(edges) / 2
    nodes = (edges[:-1] + half)[:, None] + half[:, None] * _NODES
    return nodes.ravel(), (half[:, None] * _WEIGHTS).ravel()


def integral(function: Callable[[Array], Array], low: float, high: float) -> float:
    """Return the integral of a smooth function of levels in sd; infinite if it overflows."""
    count = min(max(1, math.ceil((high - low) / _PANEL)), _MOST_PANELS)
    nodes, weights = panels(np.linspace(low, high, count + 1))
    with np.errstate(over="ignore"):  # beyond some 38 sd the answer is infinite, and the docstrings say so
        return float(np.sum(function(nodes) * weights))


def up_rate(z: Array) -> Array:
    """Mean time (1/kappa) that a rise through each sd of level takes: sqrt(2 pi) exp(z^2/2) Phi(z)."""
    rate: Array = math.sqrt(math.pi / 2) * special.erfcx(-z / math.sqrt(2))
    return rate


def up_variance_rate(z: Array) -> Array:
    """Variance (1/kappa^2) of the time that a rise takes, for each sd of level.

    Passages of neighbouring levels are independent, so variances add. The variance solves
    f'' - z f' = -2 g^2 with g the mean rate; here exp(z^2/2) times the integral of 2 g^2 exp(-u^2/2) below z.
    """
    unit, weights = panels(np.linspace(0.0, 1.0, 25))
    y = z[:, None]
    reach = np.where(y > 0, y + _TAIL, np.minimum(_TAIL, 40 / np.maximum(-y, 1e-9)))
    t = reach * unit
    rate: Array = np.sum(2 * up_rate(y - t) ** 2 * np.exp(y * t - t * t / 2) * reach * weights, axis=1)
    return rate


@dataclass(frozen=True, slots=True)
class PassageTime:
    """Time of a first passage.

    Attributes
    ----------
    bars : float
        Mean, in bars. Infinite if the spread does not revert, or beyond what a float can hold.
    bars_sd : float
        Standard deviation, in bars.
    """

    bars: float
    bars_sd: float


def passage_time(ou: OU, z_start: float, z_to: float) -> PassageTime:
    r"""Return the time at which the spread first reaches a level.

    .. math:: E[T_{a \to b}] = \frac{\sqrt{2\pi}}{\kappa}\int_a^b e^{y^2/2}\,\Phi(y)\,dy \qquad (a < b)

    and the mirror image downwards. Watched continuously: a spread that is looked at once a bar is
    seen later, and beyond the level.

    Parameters
    ----------
    ou : OU
        The spread.
    z_start, z_to : float
        Levels in stationary sd from the mean, signed (``ou.z(level)`` gives them).

    Returns
    -------
    PassageTime
        Zero if the two are equal; infinite if kappa is 0.

    Raises
    ------
    ConfigError
        If a level is not finite.

    Notes
    -----
    Borodin & Salminen 2002; the variance by the moment equation of the same diffusion. Distribution skewed: the
    sd is about the mean for a wait outwards.
    """
    start, to = finite("z_start", z_start), finite("z_to", z_to)
    if start == to:
        return PassageTime(0.0, 0.0)
    if not ou.reverts:
        return PassageTime(math.inf, math.inf)
    low, high = (start, to) if start < to else (-start, -to)
    mean, variance = integral(up_rate, low, high), integral(up_variance_rate, low, high)
    return PassageTime(mean / ou.kappa, math.sqrt(variance) / ou.kappa)


@dataclass(frozen=True, slots=True)
class ExitTime:
    """Time at which a spread leaves an interval.

    Attributes
    ----------
    bars : float
        Mean, in bars. NaN if the spread does not revert (levels in sd then mean nothing).
    p_high : float
        Probability that it leaves through the upper end.
    """

    bars: float
    p_high: float


def exit_time(ou: OU, z_start: float, z_low: float, z_high: float) -> ExitTime:
    r"""Return when, and on which side, the spread leaves an interval.

    With S the scale function (the integral of exp(z^2/2)) and a start x between l and u

    .. math::
        E[T] = \frac1\kappa\Big[P_u\!\int_x^u\!(S_u - S_y)\,e^{-y^2/2}dy + P_l\!\int_l^x\!(S_y - S_l)\,e^{-y^2/2}dy\Big],
        \qquad P_u = \frac{S_x - S_l}{S_u - S_l}.

    ``exit_time(ou, 0.5, -2, 2)`` is the wait for the next entry of a two-sided rule with entry 2
    after a trade was closed at 0.5.

    Parameters
    ----------
    ou : OU
        The spread.
    z_start, z_low, z_high : float
        Levels in stationary sd from the mean, signed; ``z_low <= z_start <= z_high``.

    Raises
    ------
    ConfigError
        If a level is not finite, or the levels are out of order.

    Notes
    -----
    Karlin & Taylor 1981, chapter 15 (Green function of a diffusion).
    """
    x, low, high = finite("z_start", z_start), finite("z_low", z_low), finite("z_high", z_high)
    if not (low <= x <= high and low < high):
        msg = f"z_low={low:g}, z_start={x:g}, z_high={high:g}: must be in ascending order, with z_low below z_high"
        raise ConfigError(msg)
    if not ou.reverts:
        return ExitTime(math.nan, math.nan)
    p_high = float(hit_probability(np.array(x), low, high))
    units = _exit_mean(x, low, high) if abs(high) <= abs(low) else _exit_mean(-x, -high, -low)
    return ExitTime(units / ou.kappa, p_high)


def _exit_mean(x: float, low: float, high: float) -> float:
    """Mean exit time (1/kappa) where the lower end is the farther one: only the scale of the nearer levels enters."""

    def below(y: Array) -> Array:
        largest = max(x * x, high * high)
        return _scaled(high, largest, x) * np.exp((largest - y * y) / 2) * hit_probability(y, low, high)

    p_high = float(hit_probability(np.array(x), low, high))
    above_x = p_high * integral(lambda y: _scale_gap(y, high), x, high) if p_high else 0.0
    return above_x + integral(below, low, x)


def _scaled(high: float, largest: float, low: float) -> float:
    """(S(high) - S(low)) exp(-largest / 2)."""
    ends = np.array([high, low])
    parts = math.sqrt(2) * special.dawsn(ends / math.sqrt(2)) * np.exp((ends * ends - largest) / 2)
    return float(parts[0] - parts[1])


def _scale_gap(y: Array, high: float) -> Array:
    """(S(high) - S(y)) exp(-y^2/2): Dawson's function keeps it in range as long as it is."""
    top = math.sqrt(2) * special.dawsn(high / math.sqrt(2)) * np.exp((high * high - y * y) / 2)
    gap: Array = top - math.sqrt(2) * special.dawsn(y / math.sqrt(2))
    return gap


def hit_probability(z_start: Array, z_low: float, z_high: float) -> Array:
    """Return the probability that a reverting spread meets the upper level before the lower one, for each start between them.

    Scale functions are divided by the largest exponential, so any finite levels will do.
    """
    largest = max(z_low * z_low, z_high * z_high)
    scaled = math.sqrt(2) * special.dawsn(z_start / math.sqrt(2)) * np.exp((z_start * z_start - largest) / 2)
    gap: Array = (scaled + _scaled(0.0, largest, z_low)) / _scaled(z_high, largest, z_low)
    return np.clip(gap, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class StopOdds:
    """What a stop does to one trade while the model holds. Money in spread units, time in bars.

    Attributes
    ----------
    p_stop : float
        Probability that the stop is met before the target.
    pnl_with_stop, pnl_no_stop : float
        Expected P&L of a trade, net of the round trip's cost.
    premium : float
        ``pnl_no_stop - pnl_with_stop``: what the stop costs. Never below 0.
    bars_with_stop, bars_no_stop : float
        Expected time in the trade.
    sd : float
        Stationary sd, to turn money into sd.
    reason : str
        Empty, or why there is no answer.
    """

    p_stop: float
    pnl_with_stop: float
    pnl_no_stop: float
    premium: float
    bars_with_stop: float
    bars_no_stop: float
    sd: float
    reason: str = ""

    @property
    def pnl_with_stop_sd(self) -> float:
        """Expected P&L with the stop, in stationary sd."""
        return self.pnl_with_stop / self.sd

    @property
    def pnl_no_stop_sd(self) -> float:
        """Expected P&L without the stop, in stationary sd."""
        return self.pnl_no_stop / self.sd


def stop_probability(ou: OU, entry: float, target: float, stop: float, *, cost: float = 0.0) -> StopOdds:
    r"""Return the odds that a trade meets its stop before its target, and what the stop costs.

    .. math:: P(\text{stop}) = \int_{target}^{entry} e^{y^2/2}dy \Big/ \int_{target}^{stop} e^{y^2/2}dy

    While the model holds a stop only costs: it closes trades that would have come back. It is an
    insurance against a model that breaks (:func:`corridor` shows both), and it cannot cap a gap:
    here the spread is watched continuously and is closed exactly at the stop.

    Parameters
    ----------
    ou : OU
        The spread.
    entry, target, stop : float
        In stationary sd on the side entered, as in ``Params``; target < entry < stop.
    cost : float
        Of a round trip, in spread units, 0 or more.

    Returns
    -------
    StopOdds
        NaN with a reason if the spread does not revert.

    Raises
    ------
    ConfigError
        If the levels are out of order, or a number is not finite or a cost is below 0.
    """
    e, t, s = finite("entry", entry), finite("target", target), finite("stop", stop)
    c = cost_of("cost", cost)
    if not t < e < s:
        msg = f"target={t:g}, entry={e:g}, stop={s:g}: they must satisfy target < entry < stop"
        raise ConfigError(msg)
    if not ou.reverts:
        nan = math.nan
        return StopOdds(nan, nan, nan, nan, nan, nan, nan, NO_REVERSION)
    p = float(hit_probability(np.array(e), t, s))
    no_stop, with_stop = (e - t) * ou.sd - c, (e - t - p * (s - t)) * ou.sd - c
    inside, free = exit_time(ou, e, t, s).bars, integral(up_rate, -e, -t) / ou.kappa
    return StopOdds(p, with_stop, no_stop, p * (s - t) * ou.sd, inside, free, ou.sd)
