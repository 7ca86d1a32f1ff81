r"""When to buy a reverting spread and when to sell it if money costs interest: Leung & Li 2015.

Two optimal stopping problems. Sell: V(x) = sup E[exp(-r T)(x_T - c)]. Buy, knowing V:
J(x) = sup E[exp(-r' T)(V(x_T) - x_T - c')]. With a stop at L the sale is forced there, and buying near the stop
no longer pays, so the entry region is an interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from scipy import optimize

from hedgekit.stats.checks import above
from hedgekit.stats.ou import OU
from hedgekit.stats.thresholds.discount import Discount
from hedgekit.stats.thresholds.passage import passage_time
from hedgekit.stats.thresholds.rule import LONGEST_BARS, NO_REVERSION, Rule, cost_of, finite

if TYPE_CHECKING:
    from collections.abc import Callable

_EDGE = 1e-3
"""An exit nearer to the stop than this, in sd, is no exit: nothing could be earned between them."""
NO_ENTRY = "no level pays: the value of the position never exceeds its price and the costs of buying and selling it"
STOP_TOO_NEAR = "the stop lies where selling at once is already best (drift below interest): no position is worth opening"


@dataclass(frozen=True, slots=True)
class _Sale:
    """Value of a position that is sold at ``b`` or at the stop. Levels in sd, money in sd."""

    discount: Discount
    offset: float  # (mean - cost) / sd: what a sale at the mean brings
    b: float
    stop: float  # -inf without a stop

    def value(self, z: float) -> float:
        if z >= self.b or z <= self.stop:
            return z + self.offset
        rise = self.discount.rise(z, self.b)
        if self.stop == -math.inf:
            return (self.b + self.offset) * rise
        fall = self.discount.fall(z, self.stop)
        back, over = self.discount.rise(self.stop, self.b), self.discount.fall(self.b, self.stop)
        up, down = rise - back * fall, fall - over * rise
        return ((self.b + self.offset) * up + (self.stop + self.offset) * down) / (1 - back * over)

    def slope(self, z: float) -> float:
        """Return the derivative of the value inside (stop, b), from the left at b."""
        grow = self.discount.slope(z)
        if self.stop == -math.inf:
            return (self.b + self.offset) * self.discount.rise(z, self.b) * grow
        shrink, rise, fall = self.discount.down_slope(z), self.discount.rise(z, self.b), self.discount.fall(z, self.stop)
        back, over = self.discount.rise(self.stop, self.b), self.discount.fall(self.b, self.stop)
        up, down = grow * rise - back * shrink * fall, shrink * fall - over * grow * rise
        return ((self.b + self.offset) * up + (self.stop + self.offset) * down) / (1 - back * over)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeungLi(Rule):
    """Optimal entry and exit with discounting, for a long position. ``cost`` is that of the sale alone.

    Attributes
    ----------
    entry_cost, rate, entry_rate : float
        As given; spread units, per bar, per bar.
    z_entry_deepest : float
        Deepest level at which buying still pays, on the side entered (z_entry <= z <= z_entry_deepest). Infinite
        without a stop.
    z_stop : float
        As given; infinite without a stop.
    value_at_mean : float
        V(mean): what a position is worth when the spread is at its mean.
    entry_value_at_mean : float
        J(mean): what the right to wait for the entry is worth there.
    wait_bars, trade_bars : float
        Mean bars from the mean to the entry (0 if that is at or above the mean), and, without the stop, from there to the exit.
    """

    entry_cost: float
    rate: float
    entry_rate: float
    z_entry_deepest: float
    z_stop: float
    value_at_mean: float
    entry_value_at_mean: float
    wait_bars: float
    trade_bars: float

    def value(self, level: float) -> float:
        """Return V: what a held spread is worth at a level, in spread units. NaN if there is no answer."""
        if not math.isfinite(self.z_exit):
            return math.nan
        return self.ou.sd * self._sale().value(self.ou.z(level))

    def entry_value(self, level: float) -> float:
        """Return J: what the right to buy is worth at a level, in spread units. NaN if there is no answer."""
        if not math.isfinite(self.z_entry):
            return math.nan
        z, high, low = self.ou.z(level), -self.z_entry, -self.z_entry_deepest
        at, wait = min(max(z, low), high), Discount(self.entry_rate / self.ou.kappa)
        factor = wait.fall(z, at) if z > high else wait.rise(z, at) if z < low else 1.0
        here = self.ou.level(at)
        return factor * (self.value(here) - here - self.entry_cost)

    def _sale(self) -> _Sale:
        return _Sale(Discount(self.rate / self.ou.kappa), (self.ou.mean - self.cost) / self.ou.sd, -self.z_exit, -self.z_stop)


def leung_li(  # noqa: PLR0913 - two rates, two costs and a stop: the problem has so many numbers
    ou: OU,
    *,
    rate: float,
    cost: float,
    entry_rate: float | None = None,
    entry_cost: float | None = None,
    stop: float | None = None,
    longest_bars: float = LONGEST_BARS,
) -> LeungLi:
    r"""Return the optimal levels at which to buy and sell one unit of the spread, with discounting.

    With F and G the increasing and decreasing solutions of :mod:`hedgekit.stats.thresholds.discount`, the sale b and the
    entry d solve

    .. math:: F(b) = (b - c)F'(b), \qquad \hat G(d)\,(V'(d) - 1) = \hat G'(d)\,(V(d) - d - \hat c).

    With a stop at L, V = C F + D G on (L, b) meets x - c at both ends, smoothly at b, and the entry region is
    the interval [a, d], where a solves the second equation with F in place of G.

    Parameters
    ----------
    ou : OU
        The spread. Its **mean level matters**: a position costs its price, and interest on it.
    rate, entry_rate : float
        Discount rate per bar while held and while waiting, above 0. ``entry_rate`` is ``rate`` by default.
    cost, entry_cost : float
        Cost of the sale and of the purchase, in spread units, 0 or more, so a round trip costs both.
        ``entry_cost`` is ``cost`` by default.
    stop : float, optional
        In stationary sd below the mean, as ``Params.stop``. None: no stop.
    longest_bars : float
        A rule whose mean wait or trade is longer is returned, but not called tradable.

    Returns
    -------
    LeungLi
        NaN with a reason where there is no answer: kappa is 0, or no entry pays. The exit stands
        also where no entry pays.

    Raises
    ------
    ConfigError
        If a number is not finite, a rate is not above 0, or a cost is below 0.

    Notes
    -----
    Leung & Li 2015, IJTAF 18(3). The rule is for the long side; for the short side pass the negated spread,
    ``OU(kappa, -mean, sigma)``. A stop lowers both the exit and the value: see :func:`corridor` for what it is good for.
    """
    r, c = above("rate", rate, 0, "per bar"), cost_of("cost", cost)
    r_in = r if entry_rate is None else above("entry_rate", entry_rate, 0, "per bar")
    c_in = c if entry_cost is None else cost_of("entry_cost", entry_cost)
    low = -math.inf if stop is None else -finite("stop", stop)
    answer = _Answer(ou, (r, r_in), (c, c_in), low, above("longest_bars", longest_bars, 0, "bars"))
    if not ou.reverts:
        return answer.make(NO_REVERSION)
    sale = _best_sale(ou, Discount(r / ou.kappa), c, low)
    if sale is None:
        return answer.make(STOP_TOO_NEAR)
    found = _entry(sale, Discount(r_in / ou.kappa), (c + c_in) / ou.sd)
    return answer.make(NO_ENTRY, sale) if found is None else answer.make("", sale, *found)


def _best_sale(ou: OU, discount: Discount, cost: float, stop: float) -> _Sale | None:
    offset = (ou.mean - cost) / ou.sd
    b = _root(lambda z: (z + offset) * discount.slope(z) - 1, -offset, 1.0)
    if stop == -math.inf:
        return _Sale(discount, offset, b, stop)
    if (1 + discount.nu) * stop + discount.nu * offset >= 0:  # at the stop the drift no longer pays the interest
        return None

    def gap(z: float) -> float:
        return _Sale(discount, offset, z, stop).slope(z) - 1

    if gap(stop + _EDGE) >= 0:
        return None
    return _Sale(discount, offset, float(optimize.brentq(gap, stop + _EDGE, b + _EDGE, xtol=1e-14)), stop)


def _root(function: Callable[[float], float], low: float, step: float) -> float:
    """Return the root of a rising function above ``low``, which lies below it."""
    high = low + step
    while function(high) < 0:
        low, high, step = high, high + step, 2 * step
    return float(optimize.brentq(function, low, high, xtol=1e-14))


def _entry(sale: _Sale, wait: Discount, costs: float) -> tuple[float, float] | None:
    """Return the ends (a, d) of the entry interval in sd, or None if buying pays nowhere. ``costs`` of the round trip, in sd."""

    def gain(z: float) -> float:
        return sale.value(z) - z - sale.offset - costs

    def waiting_ends(z: float) -> float:  # below 0 where waiting for a lower price is better
        return sale.slope(z) - 1 - wait.down_slope(z) * gain(z)

    if sale.stop == -math.inf:
        low, step = sale.b - 1, 1.0
        while waiting_ends(low) < 0:
            low, step = low - step, 2 * step
        return -math.inf, float(optimize.brentq(waiting_ends, low, sale.b, xtol=1e-14))
    best = optimize.minimize_scalar(lambda z: -gain(z), bounds=(sale.stop, sale.b), method="bounded", options={"xatol": 1e-9})
    if best.fun >= 0:
        return None
    bottom = optimize.brentq(gain, sale.stop, best.x, xtol=1e-14)
    deepest = optimize.brentq(lambda z: sale.slope(z) - 1 - wait.slope(z) * gain(z), bottom, best.x, xtol=1e-14)
    return float(deepest), float(optimize.brentq(waiting_ends, best.x, sale.b, xtol=1e-14))


@dataclass(frozen=True, slots=True)
class _Answer:
    """The question, ready to be answered."""

    ou: OU
    rates: tuple[float, float]
    costs: tuple[float, float]
    stop: float
    longest: float

    def make(self, reason: str, sale: _Sale | None = None, deepest: float = math.nan, entry: float = math.nan) -> LeungLi:
        exit_ = math.nan if sale is None else sale.b
        found = math.isfinite(entry)
        wait = passage_time(self.ou, 0.0, entry).bars if found and entry < 0 else 0.0 if found else math.nan
        trade = passage_time(self.ou, entry, exit_).bars if found else math.nan
        rule = LeungLi(
            ou=self.ou, cost=self.costs[0], z_entry=-entry, z_exit=-exit_, tradable=False, reason=reason,
            entry_cost=self.costs[1], rate=self.rates[0], entry_rate=self.rates[1], z_entry_deepest=-deepest, z_stop=-self.stop,
            value_at_mean=math.nan, entry_value_at_mean=math.nan, wait_bars=wait, trade_bars=trade,
        )  # fmt: skip
        rule = replace(rule, value_at_mean=rule.value(self.ou.mean), entry_value_at_mean=rule.entry_value(self.ou.mean))
        return rule if reason else replace(rule, **self._verdict(rule))

    def _verdict(self, rule: LeungLi) -> dict[str, Any]:
        longest = max(rule.wait_bars, rule.trade_bars)
        if longest > self.longest:
            return {"reason": f"the wait or the trade takes {longest:.3g} bars on average, longer than longest_bars={self.longest:g}"}
        worth = f"the right to wait for the entry is worth {rule.entry_value_at_mean:.4g} spread units at the mean, net of all costs"
        return {"tradable": True, "reason": worth}
