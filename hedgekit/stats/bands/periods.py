"""Rules that decide period by period: trade only if risk removed exceeds cost (A16), or a fraction each time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hedgekit.errors import ConfigError, DataError
from hedgekit.rules import cost as rule
from hedgekit.stats.checks import above, at_least


@dataclass(frozen=True, slots=True)
class PeriodMove:
    """What one period's rule says.

    Attributes
    ----------
    position : float
        Where to be: the old position, or the near edge of target -+ ``threshold``.
    trade : float
        ``position`` less the old one; 0 if no trade pays.
    threshold : float
        K / (k tau). Infinite if the penalty is 0: nothing ever pays.
    risk_removed, cost : float
        Money: (k tau / 2)(x^2 - y^2) and K |x - y| for this trade.
    gain : float
        ``risk_removed`` - ``cost``, never below 0.
    gain_to_target : float
        The same for a trade all the way to the target; below ``gain``, and often below 0.
    """

    position: float
    trade: float
    threshold: float
    risk_removed: float
    cost: float
    gain: float
    gain_to_target: float


def one_period(position: float, target: float, *, cost: float, penalty: float, horizon: float) -> PeriodMove:
    r"""Return the best trade for one period: trade only if the risk removed exceeds the cost (A16).

    .. math:: \min_y \; \frac{k \tau}{2} (y - y^*)^2 + K |y - y_0|

    The answer is a soft threshold: stay within :math:`K / (k \tau)` of the target, else move to the near edge.
    The last step to the target never pays: its cost is K for each unit, and what it removes goes to 0.

    Parameters
    ----------
    position, target : float
        y0 and y*, in one unit.
    cost : float
        K, money for each unit traded.
    penalty : float
        k = risk aversion x variance of the hedge for each unit of time. At 0 there is no trade.
    horizon : float
        tau, how long the deviation would last; above 0. ``rules/cost.py`` weighs a rebalance with the same formula.

    Returns
    -------
    PeriodMove

    Raises
    ------
    ConfigError
        If a parameter is out of range.
    DataError
        If position or target is not finite.
    """
    for name, value in (("position", position), ("target", target)):
        if not math.isfinite(value):
            msg = f"{name} is {value}: give a finite number; without one there is nothing to decide"
            raise DataError(msg)
    at_least("cost", cost, 0, "money for each unit traded")
    at_least("penalty", penalty, 0, "risk aversion x variance of the hedge")
    above("horizon", horizon, 0, "how long the deviation would last")
    threshold = float(rule.trade_threshold(cost, penalty, horizon)) if penalty > 0 else math.inf
    new = float(rule.worthwhile_position(position, target, threshold))
    before, after = position - target, new - target
    paid = cost * abs(new - position)
    gain = float(rule.net_gain(before, after, cost, penalty, horizon))
    return PeriodMove(
        position=new,
        trade=new - position,
        threshold=threshold,
        risk_removed=gain + paid,
        cost=paid,
        gain=gain,
        gain_to_target=float(rule.net_gain(before, 0.0, cost, penalty, horizon)),
    )


def cost_aware_ratio(  # noqa: PLR0913 - two numbers, and the model by keyword
    previous: float,
    estimate: float,
    *,
    cost: float,
    hedge_variance: float,
    risk_aversion: float,
    horizon: float,
) -> PeriodMove:
    r"""Return the hedge ratio to hold, given the one held and a new estimate: :func:`one_period` for a ratio.

    .. math:: \min_h \; \frac{\gamma \sigma_h^2 \tau}{2} (h - \hat h)^2 + K |h - h_0|

    Parameters
    ----------
    previous, estimate : float
        The ratio held and the new estimate, dollars of hedge for each dollar of primary.
    cost : float
        K, cost of trading one dollar of hedge, as a fraction (2 bp is .0002).
    hedge_variance : float
        Variance of the hedge's return for each bar.
    risk_aversion : float
        For one dollar of primary, as ``Params.risk_aversion``.
    horizon : float
        Bars until the ratio is expected to be revised again.

    Returns
    -------
    PeriodMove
        ``position`` is the ratio to hold.

    Raises
    ------
    ConfigError
        If a parameter is out of range.
    DataError
        If a ratio is not finite.

    Notes
    -----
    The estimate's standard error does not enter: it adds the same expected loss wherever the ratio stands. It
    enters where it makes the estimates jump about; :func:`hedgekit.stats.bands.band_from_history` measures that.
    Applied bar by bar this is ``least_turnover(estimates, threshold)``.
    """
    at_least("hedge_variance", hedge_variance, 0, "variance of the hedge's return for each bar")
    at_least("risk_aversion", risk_aversion, 0, "for one dollar of primary")
    return one_period(previous, estimate, cost=cost, penalty=risk_aversion * hedge_variance, horizon=horizon)


@dataclass(frozen=True, slots=True)
class PartialAdjustment:
    """The rule of Garleanu & Pedersen: each period go a fraction of the way to the aim.

    Attributes
    ----------
    a : float
        The value function's coefficient; holding x away from the aim costs a Sigma x^2 / 2.
    trade_fraction : float
        a / lambda: share of the way to the aim that is traded each period.
    aim_fraction : float
        The aim as a share of the target: 1 / (1 + signal_decay a / gamma); 1 for a target that does not decay.
    half_life_periods : float
        Periods after which half of a deviation is traded away; 0 if all of it goes at once.
    """

    a: float
    trade_fraction: float
    aim_fraction: float
    half_life_periods: float

    def move(self, position: float, target: float) -> float:
        """Return the next position."""
        return position + self.trade_fraction * (self.aim_fraction * target - position)


def garleanu_pedersen(*, cost: float, risk_aversion: float, discount: float = 0.0, signal_decay: float = 0.0) -> PartialAdjustment:
    r"""Return how much of the way to trade each period if cost grows as the square of the trade (market impact).

    A trade of d units costs :math:`\lambda \Sigma d^2 / 2`, holding x away from the target costs
    :math:`\gamma \Sigma x^2 / 2` each period, later periods count :math:`(1-\rho)` of the one before. Then trade the fraction

    .. math:: \frac{a}{\lambda}, \qquad
        a = \frac{-(\gamma(1-\rho) + \lambda\rho) + \sqrt{(\gamma(1-\rho)+\lambda\rho)^2 + 4\gamma\lambda(1-\rho)^2}}{2(1-\rho)}

    towards the aim. There is no band: a quadratic cost makes small trades almost free. With a spread, use a band.

    Parameters
    ----------
    cost : float
        lambda, cost in units of the variance Sigma of a period; above 0.
    risk_aversion : float
        gamma, above 0.
    discount : float
        rho for each period, 0 or more and below 1.
    signal_decay : float
        phi: the target is expected to lose this share of itself each period. 0 is a target without drift
        (a hedge); above 0 the aim is below the target, as the trade would have to be undone.

    Returns
    -------
    PartialAdjustment

    Raises
    ------
    ConfigError
        If a parameter is out of range.

    Notes
    -----
    Source: Garleanu & Pedersen 2013, Journal of Finance 68:2309, the case Lambda = lambda Sigma.
    """
    above("cost", cost, 0, "quadratic cost in units of the variance; without cost go to the target at once")
    above("risk_aversion", risk_aversion, 0, "price of variance")
    for name, value in (("discount", discount), ("signal_decay", signal_decay)):
        if not 0 <= value < 1:
            msg = f"{name}={value:g}: must be 0 or more and below 1 (a share for each period)"
            raise ConfigError(msg)
    keep = 1 - discount
    p = risk_aversion * keep + cost * discount
    q = 4 * risk_aversion * cost * keep * keep
    a = q / (p + math.sqrt(p * p + q)) / (2 * keep)  # the root above, without cancellation
    fraction = a / cost
    left = 1 - fraction
    return PartialAdjustment(
        a=a,
        trade_fraction=fraction,
        aim_fraction=1 / (1 + signal_decay * a / risk_aversion),
        half_life_periods=math.log(0.5) / math.log(left) if left > 0 else 0.0,
    )
