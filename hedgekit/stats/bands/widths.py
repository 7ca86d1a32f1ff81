r"""Bands for a target watched all the time: proportional cost, fixed cost, both.

All of them follow from one renewal argument. A deviation starts at :math:`c`, leaves
:math:`(-B, B)` after :math:`(B^2-c^2)/v` on average, and is brought back to :math:`\pm c`. So a band
with outer edge B and return point c costs, for each unit of time,

.. math:: J(B, c) = \frac{k}{12}(B^2 + c^2) + v\,\frac{F + K (B-c)}{B^2-c^2}.

:math:`c \to B` is "trade to the edge", :math:`c = 0` is "trade to the target". With s = B + c and
d = B - c both best values follow from one increasing equation (:func:`mixed_cost_band`).
That a policy of this shape is the best of all is known (Constantinides & Richard 1978; Davis, Panas &
Zariphopoulou 1993 for F = 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.optimize import brentq

from hedgekit.errors import ConfigError
from hedgekit.stats.checks import above, at_least

EXCESS_TO_TARGET = 2 ** (1 / 3) - 1
"""What trading to the target costs more than trading to the edge, each with its own best band: 26%."""


@dataclass(frozen=True, slots=True)
class Band:
    """A no-trade band and what it costs.

    Attributes
    ----------
    half_width : float
        Trade when the deviation from the target is larger than this (target unit).
    return_to : float
        Deviation left by a trade, on the same side: ``half_width`` is the edge, 0 the target.
    cost_rate : float
        Expected money for each unit of time: ``risk_rate`` + ``trading_rate``.
    risk_rate : float
        Price of the deviations that the band allows.
    trading_rate : float
        Money paid for trading.
    turnover_rate : float
        Target units traded for each unit of time.
    trades_rate : float
        Trades for each unit of time. Infinite at the edge if the target is watched all the time:
        very many very small trades. :func:`hedgekit.stats.bands.discrete_band` says how many at one look a bar.
    crossing_time : float
        half_width^2 / v: mean time from the target to the edge. Bands narrower than a few looks' movement
        need :func:`hedgekit.stats.bands.discrete_band`.
    """

    half_width: float
    return_to: float
    cost_rate: float
    risk_rate: float
    trading_rate: float
    turnover_rate: float
    trades_rate: float
    crossing_time: float


@dataclass(frozen=True, slots=True)
class ProportionalBand:
    """The best band for proportional cost, with the best one that trades to the target beside it.

    Attributes
    ----------
    edge : Band
        Trade back to the edge only: the best there is.
    target : Band
        The best band if each trade goes all the way to the target.
    excess_frac : float
        How much more ``target`` costs: 2^(1/3) - 1 = .26, whatever the inputs.
    """

    edge: Band
    target: Band
    excess_frac: float = EXCESS_TO_TARGET

    @property
    def half_width(self) -> float:
        """Half-width of the best band (to the edge)."""
        return self.edge.half_width

    @property
    def cost_rate(self) -> float:
        """Expected money for each unit of time with the best band."""
        return self.edge.cost_rate

    @property
    def turnover_rate(self) -> float:
        """Target units traded for each unit of time with the best band."""
        return self.edge.turnover_rate


def _checked(variance_rate: float, penalty: float, cost: float, fixed_cost: float) -> None:
    at_least("variance_rate", variance_rate, 0, "variance of the target's move for each unit of time")
    above("penalty", penalty, 0, "risk aversion x variance of the hedge; with no price on risk no trade ever pays")
    at_least("cost", cost, 0, "money for each unit traded: half-spread, fee, impact")
    at_least("fixed_cost", fixed_cost, 0, "money for each trade")


def cost_of_band(  # noqa: PLR0913 - the width, and the model by keyword
    half_width: float,
    *,
    variance_rate: float,
    penalty: float,
    cost: float = 0.0,
    fixed_cost: float = 0.0,
    return_to: float | None = None,
) -> Band:
    r"""Return what any band costs, for example the tolerance of 2% to 10% of A15.

    .. math:: J(B, c) = \frac{k}{12}(B^2 + c^2) + v\,\frac{F + K (B-c)}{B^2-c^2}

    Parameters
    ----------
    half_width : float
        B, target unit, 0 or more. At 0 with a cost and a moving target the cost is infinite.
    variance_rate, penalty, cost, fixed_cost : float
        v, k, K, F; units as in :mod:`hedgekit.stats.bands`.
    return_to : float, optional
        c, from 0 (the target) to ``half_width`` (the edge, the default). A fixed cost paid at
        the edge is infinite, as it is paid infinitely often.

    Returns
    -------
    Band

    Raises
    ------
    ConfigError
        If a parameter is not finite, negative, or the penalty is 0.

    Notes
    -----
    The target is watched all the time. Derivation: renewal argument, module docstring of ``bands/widths.py``.
    """
    _checked(variance_rate, penalty, cost, fixed_cost)
    outer = at_least("half_width", half_width, 0, "deviation at which a trade is made")
    inner = outer if return_to is None else at_least("return_to", return_to, 0, "deviation left by a trade")
    if inner > outer:
        msg = f"return_to={inner:g} is beyond half_width={outer:g}: a trade must bring the position nearer; give 0 to {outer:g}"
        raise ConfigError(msg)
    return _band(outer, inner, variance_rate, penalty, cost, fixed_cost)


def _band(outer: float, inner: float, v: float, k: float, cost: float, fixed: float) -> Band:  # noqa: PLR0913 - the model's letters
    risk = k / 12 * (outer * outer + inner * inner)
    trades = turnover = 0.0
    if v > 0:
        turnover = v / (outer + inner) if outer > 0 else math.inf
        trades = turnover / (outer - inner) if outer > inner else math.inf
    trading = (cost * turnover if cost else 0.0) + (fixed * trades if fixed else 0.0)
    return Band(
        half_width=outer,
        return_to=inner,
        cost_rate=risk + trading,
        risk_rate=risk,
        trading_rate=trading,
        turnover_rate=turnover,
        trades_rate=trades,
        crossing_time=outer * outer / v if v > 0 else math.inf,
    )


def proportional_band(cost: float, variance_rate: float, penalty: float) -> ProportionalBand:
    r"""Return the best band for a cost proportional to the trade: the cube-root law.

    .. math:: b = \left(\frac{3 K v}{2 k}\right)^{1/3}, \qquad J = \frac{3 K v}{4 b}, \qquad \text{turnover} = \frac{v}{2b}

    Trade only outside :math:`\pm b`, and only back to the *edge*. Trading back to the target has its own best
    band, :math:`(6Kv/k)^{1/3}`, and costs exactly :math:`2^{1/3} - 1` = 26% more. The loop of the
    article (A15) trades to the target.

    Parameters
    ----------
    cost : float
        K, money for each unit of hedge traded. At 0 the band is 0: follow the target.
    variance_rate : float
        v, variance of the target's move for each unit of time. At 0 the band is 0 and costs nothing.
    penalty : float
        k = risk aversion x variance of the hedge for each unit of time; above 0.

    Returns
    -------
    ProportionalBand

    Raises
    ------
    ConfigError
        If a parameter is not finite, negative, or the penalty is 0.

    Notes
    -----
    For a target watched all the time; with one look a bar use :func:`hedgekit.stats.bands.discrete_band`.
    The band depends on the cube root of its inputs: a variance rate wrong by 30% moves it by 9%.
    Sources: Rogers 2004, Martin 2014; Whalley & Wilmott 1997 is the same law.

    Examples
    --------
    A ratio in dollars per dollar that moves .01 a bar, a hedge with sd .012 a bar, cost 2 bp, risk
    aversion 10 for one dollar of primary:

    >>> band = proportional_band(cost=0.0002, variance_rate=0.01**2, penalty=10 * 0.012**2)
    >>> round(band.half_width, 4)  # let the ratio drift by .0275, then trade back to the edge
    0.0275
    >>> round(1e4 * band.cost_rate, 4)  # bp of the primary's value a bar
    0.0055
    """
    _checked(variance_rate, penalty, cost, 0.0)
    edge = (1.5 * cost * variance_rate / penalty) ** (1 / 3)
    target = (6 * cost * variance_rate / penalty) ** (1 / 3)
    return ProportionalBand(
        edge=_band(edge, edge, variance_rate, penalty, cost, 0.0),
        target=_band(target, 0.0, variance_rate, penalty, cost, 0.0),
    )


def fixed_cost_band(fixed_cost: float, variance_rate: float, penalty: float) -> Band:
    r"""Return the best band for a cost that does not depend on the size of the trade; trade to the target.

    .. math:: b = \left(\frac{12 F v}{k}\right)^{1/4}, \qquad J = \frac{F v}{b^2} + \frac{k b^2}{12} = \sqrt{F v k / 3}

    Parameters
    ----------
    fixed_cost : float
        F, money for each trade (a ticket fee).
    variance_rate, penalty : float
        v and k, units as in :mod:`hedgekit.stats.bands`.

    Returns
    -------
    Band
        ``return_to`` is 0.

    Raises
    ------
    ConfigError
        If a parameter is not finite, negative, or the penalty is 0.
    """
    _checked(variance_rate, penalty, 0.0, fixed_cost)
    return _band((12 * fixed_cost * variance_rate / penalty) ** 0.25, 0.0, variance_rate, penalty, 0.0, fixed_cost)


def mixed_cost_band(cost: float, fixed_cost: float, variance_rate: float, penalty: float) -> Band:
    r"""Return the best band if a trade costs F plus K for each unit: an outer band to trade at, an inner one to trade to.

    With s = B + c, d = B - c and a = 12 v / k, the first-order conditions of J(B, c) are

    .. math:: s^3 = a (K + F / d), \qquad d^3 = a F / s,

    so s is the only root of an increasing function. At F = 0 this is :func:`proportional_band` (c = B), at
    K = 0 :func:`fixed_cost_band` (c = 0).

    Parameters
    ----------
    cost, fixed_cost : float
        K, money for each unit traded; F, money for each trade.
    variance_rate, penalty : float
        v and k, units as in :mod:`hedgekit.stats.bands`.

    Returns
    -------
    Band
        ``half_width`` is B, ``return_to`` is c.

    Raises
    ------
    ConfigError
        If a parameter is not finite, negative, or the penalty is 0.

    Notes
    -----
    The shape of the policy: Constantinides & Richard 1978 (impulse control with fixed and proportional cost).
    """
    _checked(variance_rate, penalty, cost, fixed_cost)
    a = 12 * variance_rate / penalty
    only_fixed, only_prop = (a * fixed_cost) ** 0.25, (a * cost) ** (1 / 3)
    scale = only_fixed + only_prop  # the root is between half of this and this
    if scale == 0:
        return _band(0.0, 0.0, variance_rate, penalty, cost, fixed_cost)
    p, f = (only_prop / scale) ** 3, (only_fixed / scale) ** (8 / 3)
    s = scale * float(brentq(lambda u: u**3 - p - f * u ** (1 / 3), 0.5, 1.5, xtol=1e-15, rtol=1e-14))
    d = min((a * fixed_cost / s) ** (1 / 3), s)
    return _band((s + d) / 2, (s - d) / 2, variance_rate, penalty, cost, fixed_cost)
