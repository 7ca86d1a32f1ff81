r"""Entry and exit that earn most for each unit of time: Bertram 2010, and Zeng & Lee 2014 for both sides.

All three rules solve one equation. In stationary sd, with D Dawson's function and c the cost,

    a - k c = sqrt(2) D(a / sqrt(2)),     k = 1/2 if the exit is at -a, k = 1 if it is at the mean,

so they are exact at any cost: the papers' series overflow, and ArbitrageLab's solver depends on a first guess.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize, special

from hedgekit.data import Array
from hedgekit.errors import ConfigError
from hedgekit.stats.checks import above, at_least
from hedgekit.stats.ou import OU
from hedgekit.stats.thresholds.passage import integral, panels, up_rate, up_variance_rate
from hedgekit.stats.thresholds.rule import LONGEST_BARS, NO_REVERSION, Rule, cost_of

_SMALL = 0.1
NO_COST = "the cost is 0, so the best rule trades without end on a width of 0: give the real cost of a round trip"
FLAT_SHARPE = (
    "with risk_free=0 the Sharpe ratio is sqrt(E[T]/Var[T]) whatever is earned, so it is best at a profit of 0: "
    "give risk_free, or maximise='return'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleRule(Rule):
    """A rule with its cycle: entry, exit, and the wait until the next entry. Cost is that of a round trip.

    Attributes
    ----------
    profit : float
        Of one trade, net of cost, in spread units.
    bars, bars_var : float
        Mean (bars) and variance (bars squared) of a whole cycle.
    trade_bars : float
        Mean bars in the trade; the rest is the wait.
    rate, rate_var : float
        Mean P&L per bar, and the variance of the P&L per bar in the long run
        (profit^2 Var[T] / E[T]^3, renewal theory).
    sharpe : float
        (rate - risk_free / bars) / sqrt(rate_var), per square root of a bar.
    """

    profit: float
    bars: float
    bars_var: float
    trade_bars: float
    rate: float
    rate_var: float
    sharpe: float


def _no_answer(ou: OU, cost: float, reason: str) -> CycleRule:
    nan = math.nan
    return CycleRule(
        ou=ou, cost=cost, z_entry=nan, z_exit=nan, tradable=False, reason=reason,
        profit=nan, bars=nan, bars_var=nan, trade_bars=nan, rate=nan, rate_var=nan, sharpe=nan,
    )  # fmt: skip


def best_entry(cost_sd: float) -> float:
    """Return the a above 0 that solves a - cost = sqrt(2) D(a / sqrt(2)); the difference rises in a, so there is one."""
    if cost_sd == 0:
        return 0.0
    return float(optimize.brentq(lambda a: _shortfall(a) - cost_sd, cost_sd, cost_sd + 1, xtol=1e-15, rtol=1e-14))


def _shortfall(a: float) -> float:
    """Return a - sqrt(2) D(a / sqrt(2)); its series where the two are nearly equal."""
    if a < _SMALL:
        return float(a**3 / 3 - a**5 / 15 + a**7 / 105 - a**9 / 945 + a**11 / 10_395)
    return float(a - math.sqrt(2) * special.dawsn(a / math.sqrt(2)))


def bertram(
    ou: OU,
    cost: float,
    *,
    maximise: Literal["return", "sharpe"] = "return",
    risk_free: float = 0.0,
    longest_bars: float = LONGEST_BARS,
) -> CycleRule:
    r"""Return the one-sided rule with the highest mean P&L per bar, or the highest Sharpe ratio.

    Buy at m - a, sell at m + a, wait for m - a again. With c the cost in stationary sd

    .. math:: \text{rate} = \frac{2a - c}{E[T]}, \qquad E[T] = \frac{2\pi}{\kappa}\,\mathrm{erfi}(a/\sqrt2).

    The best levels are symmetric about the mean. The mirror image (sell at m + a) has the same figures.

    Parameters
    ----------
    ou : OU
        The spread.
    cost : float
        Of a round trip, in spread units, 0 or more.
    maximise : {"return", "sharpe"}
        P&L per bar (equation 13 of the paper), or its Sharpe ratio (equation 15).
    risk_free : float
        What a trade must earn at least, in spread units **per trade**, as in equation 15.
        Used for the Sharpe ratio only.
    longest_bars : float
        A rule whose mean cycle is longer is returned, but not called tradable.

    Returns
    -------
    CycleRule
        ``z_exit = -z_entry``. NaN with a reason if kappa is 0; widths of 0 and a reason if the cost is 0
        ("return"). NaN and a reason for "sharpe" with ``risk_free=0``: its ratio does not depend on
        what is earned and is best where nothing is (a property of equation 15).

    Raises
    ------
    ConfigError
        If the option is unknown, or a number is not finite or below 0.

    Notes
    -----
    Bertram 2010, Physica A 389:2234. Its Psi is digamma(x) - digamma(1), not digamma (2.09e-4 for the
    variance of the paper's example instead of 1.544e-4). ArbitrageLab writes sqrt(2) as 1.414: its variances are
    0.024% low. Here variances come from the moment equation, without a series. Levels are watched continuously; a rule that
    looks once a bar enters and leaves a little later.
    """
    if maximise not in ("return", "sharpe"):
        msg = f"maximise={maximise!r}: write 'return' or 'sharpe'"
        raise ConfigError(msg)
    c, hurdle = cost_of("cost", cost), at_least("risk_free", risk_free, 0, "spread units per trade")
    above("longest_bars", longest_bars, 0, "bars")
    if not ou.reverts:
        return _no_answer(ou, c, NO_REVERSION)
    if maximise == "sharpe" and hurdle == 0:
        return _no_answer(ou, c, FLAT_SHARPE)
    a = best_entry(c / ou.sd / 2) if maximise == "return" else _sharpe_entry(c / ou.sd, hurdle / ou.sd)
    mean, variance = 4 * _half_cycle(a), 2 * integral(up_variance_rate, -a, a)
    held = integral(up_rate, -a, a)
    return _rule(ou, c, (a, -a), _Cycle(mean, variance, held, sides=1), hurdle, longest_bars)


def _half_cycle(a: float) -> float:
    """Mean time (1/kappa) from the mean to +-a and back, seen from both sides: (pi/2) erfi(a/sqrt 2)."""
    return float(math.pi / 2 * special.erfi(a / math.sqrt(2)))


def _sharpe_entry(cost: float, hurdle: float) -> float:
    def loss(a: float) -> float:
        mean, variance = 4 * _half_cycle(a), 2 * integral(up_variance_rate, -a, a)
        return -(1 - hurdle / (2 * a - cost)) * math.sqrt(mean / variance)

    low = (cost + hurdle) / 2
    return float(optimize.minimize_scalar(loss, bounds=(low, low + 3), method="bounded", options={"xatol": 1e-10}).x)


@dataclass(frozen=True, slots=True)
class _Cycle:
    """Moments of a cycle in units of 1/kappa: whole time, its variance, the time in the trade; and on how many sides it trades."""

    mean: float
    variance: float
    held: float
    sides: int


def _rule(  # noqa: PLR0913 - what was asked and what was found, told together
    ou: OU, cost: float, z: tuple[float, float], cycle: _Cycle, hurdle: float, longest: float
) -> CycleRule:
    profit = (z[0] - z[1]) * ou.sd - cost
    bars, bars_var = cycle.mean / ou.kappa, cycle.variance / ou.kappa**2
    free = z[0] == z[1]
    rate = cycle.sides * ou.kappa * ou.sd / math.sqrt(2 * math.pi) if free else profit / bars  # free: the limit of a width of 0
    rate_var = math.nan if free or not math.isfinite(bars_var) else profit**2 * bars_var / bars**3
    reason = _verdict(ou, cost, bars, longest)
    return CycleRule(
        ou=ou, cost=cost, z_entry=z[0], z_exit=z[1], tradable=not reason, reason=reason or _earns(rate, bars),
        profit=profit, bars=bars, bars_var=bars_var, trade_bars=cycle.held / ou.kappa, rate=rate, rate_var=rate_var,
        sharpe=(rate - hurdle / bars) / math.sqrt(rate_var) if rate_var > 0 else math.nan,
    )  # fmt: skip


def _earns(rate: float, bars: float) -> str:
    return f"earns {rate:.4g} spread units per bar net of cost, one trade in {bars:.4g} bars, as long as the model holds"


def _verdict(ou: OU, cost: float, bars: float, longest: float) -> str:
    """Say why not to trade, or nothing."""
    if cost == 0:
        return NO_COST
    if bars > longest:
        return f"the cost is {cost / ou.sd:.3g} stationary sd: one trade in {bars:.3g} bars, longer than longest_bars={longest:g}"
    return ""


def zeng_lee(ou: OU, cost: float, *, rule: Literal["always", "conventional"] = "always", longest_bars: float = LONGEST_BARS) -> CycleRule:
    r"""Return the best two-sided rule: always in the market, or out at the mean.

    * ``always``: short at m + a, reversed into long at m - a, and so on; exit and next entry are one.
      Rate (2a - c) / E[T], E[T] = (pi/kappa) erfi(a/sqrt 2): twice Bertram's at the same levels.
    * ``conventional``: enter at m + a or m - a, whichever comes first, leave at the mean.
      Rate (a - c) / E[T], E[T] = (pi/2 kappa) erfi(a/sqrt 2).

    Always in the market earns more as long as the model holds, and is hurt most when it breaks: it is
    never flat and has no stop.

    Parameters
    ----------
    ou : OU
        The spread.
    cost : float
        Of a round trip (one exit and one entry, so also of one reversal), in spread units, 0 or more.
    rule : {"always", "conventional"}
        Which of the paper's rules.
    longest_bars : float
        A rule whose mean cycle is longer is returned, but not called tradable.

    Returns
    -------
    CycleRule
        ``z_exit`` is ``-z_entry`` or 0; ``sharpe`` without a risk-free rate. NaN with a reason if kappa is 0.

    Raises
    ------
    ConfigError
        If the rule is unknown, or a number is not finite or below 0.

    Notes
    -----
    Zeng & Lee 2014, Quantitative Finance 14:1881 (equations 20 and 23). ArbitrageLab's variances
    are those of another cycle (for ``always`` twice too large, for ``conventional`` different on the
    two sides); these agree with simulation.
    """
    if rule not in ("always", "conventional"):
        msg = f"rule={rule!r}: write 'always' or 'conventional'"
        raise ConfigError(msg)
    c = cost_of("cost", cost)
    above("longest_bars", longest_bars, 0, "bars")
    if not ou.reverts:
        return _no_answer(ou, c, NO_REVERSION)
    if rule == "always":
        a = best_entry(c / ou.sd / 2)
        mean = 2 * _half_cycle(a)
        return _rule(ou, c, (a, -a), _Cycle(mean, integral(up_variance_rate, -a, a), mean, sides=2), 0.0, longest_bars)
    a = best_entry(c / ou.sd)
    held, variance = integral(up_rate, -a, 0), integral(up_variance_rate, -a, 0) + integral(_exit_variance_rate, 0, a)
    return _rule(ou, c, (a, 0.0), _Cycle(_half_cycle(a), variance, held, sides=2), 0.0, longest_bars)


def _exit_variance_rate(z: Array) -> Array:
    """Variance rate of the time at which |z| rises through a level: as upwards, with a mirror at 0."""
    unit, weights = panels(np.linspace(0.0, 1.0, 9))
    y = z[:, None]
    u = y * unit
    mean_rate: Array = math.sqrt(math.pi / 2) * np.exp(u * u / 2) * special.erf(u / math.sqrt(2))
    rate: Array = np.sum(2 * mean_rate**2 * np.exp((y * y - u * u) / 2) * y * weights, axis=1)
    return rate
