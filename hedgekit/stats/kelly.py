"""How much to bet on contracts that pay 1 or 0, net of fees: Kelly's fraction, and what venues charge.

The fee is part of the price: the bet pays 1 - c' for c' = price + fee. Kelly's fraction takes the probability as known;
an estimate of it does not earn the full fraction, and betting twice the right fraction earns nothing, so bet a fraction of it.
"""

from __future__ import annotations

import decimal
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import numpy as np

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.binary import probability as inside
from hedgekit.stats.checks import at_least

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

_TOTAL_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class KellyBet:
    """A bet on one contract.

    Attributes
    ----------
    stake : float
        Share of wealth to spend, fee included: ``fraction`` x ``full_stake``; 0 without an edge.
    full_stake : float
        Kelly's own: (p - c') / (1 - c').
    growth, full_growth : float
        Expected log growth of wealth for each bet, at either stake.
    cost_per_contract : float
        c': price and fee.
    edge : float
        p - c': expected P&L of a contract, net of the fee.
    reason : str
        Why (not) to bet.
    """

    stake: float
    full_stake: float
    growth: float
    full_growth: float
    cost_per_contract: float
    edge: float
    reason: str


def kelly(probability: float, price: float, *, fee: float = 0.0, fraction: float = 1.0) -> KellyBet:
    r"""Return the share of wealth to bet on a contract that pays 1 with the given probability.

    .. math:: f = \frac{p - c'}{1 - c'}, \qquad g(f) = p\ln\Big(1 + f\,\frac{1-c'}{c'}\Big) + (1-p)\ln(1-f)

    Parameters
    ----------
    probability : float
        Yours, above 0 and below 1. It is an estimate: a ``fraction`` of .25 to .5 is usual.
    price : float
        Asked for the contract, above 0 and below 1.
    fee : float
        For each contract, paid up front, 0 or more.
    fraction : float
        Of Kelly's stake to bet, from 0 to 1.

    Returns
    -------
    KellyBet
        A stake of 0 with the reason if there is no edge net of the fee.

    Raises
    ------
    ConfigError
        If a number is out of range.

    Notes
    -----
    Kelly 1956; Thorp 2006. To bet against, pass the NO contract with its own price.
    """
    p, cost = inside("probability", probability), inside("price", price) + at_least("fee", fee, 0, "per contract")
    share = _fraction(fraction)
    full = max(0.0, (p - cost) / (1 - cost)) if cost < 1 else 0.0
    stake = share * full
    reason = (
        f"edge of {p - cost:.4g} per contract net of the fee" if full else f"no edge: it costs {cost:.4g} with its fee and is worth {p:.4g}"
    )
    return KellyBet(stake, full, _growth(p, cost, stake), _growth(p, cost, full), cost, p - cost, reason)


def _growth(p: float, cost: float, stake: float) -> float:
    return p * math.log1p(stake * (1 - cost) / cost) + (1 - p) * math.log1p(-stake) if stake else 0.0


def _fraction(value: float) -> float:
    if not 0 <= value <= 1:
        msg = f"fraction={value:g}: must be from 0 to 1, the share of the full Kelly stake"
        raise ConfigError(msg)
    return float(value)


@dataclass(frozen=True, slots=True)
class KellyExclusive:
    """Bets on outcomes of which at most one wins.

    Attributes
    ----------
    stakes, full_stakes : float64 array, shape (k,)
        Shares of wealth to spend on each outcome, fees included; ``stakes`` = ``fraction`` x ``full_stakes``.
    reserve : float
        Reserve rate: the share of wealth that the full bet keeps. An outcome is worth a bet if p / c' exceeds it.
    growth, full_growth : float
        Expected log growth of wealth, at either stakes. Infinite or higher than any bet's own if the set is an arbitrage.
    reason : str
        What was found.
    """

    stakes: Array
    full_stakes: Array
    reserve: float
    growth: float
    full_growth: float
    reason: str


def kelly_exclusive(probabilities: ArrayLike, prices: ArrayLike, *, fee: ArrayLike = 0.0, fraction: float = 1.0) -> KellyExclusive:
    r"""Return the shares of wealth to bet on mutually exclusive outcomes, jointly.

    Outcomes in falling order of p / c' are taken as long as that exceeds the reserve rate R of those taken:

    .. math:: R = \frac{1 - \sum_S p_i}{1 - \sum_S c'_i}, \qquad f_i = p_i - R\,c'_i .

    Betting each outcome by its own Kelly fraction is wrong: a bet on one outcome insures the others, so an outcome
    without an edge of its own (p < c') can deserve a stake.

    Parameters
    ----------
    probabilities : array_like, shape (k,)
        Above 0, adding up to at most 1; what is missing is "none of these".
    prices : array_like, shape (k,)
        Asked for each YES, above 0 and below 1.
    fee : float or array_like, shape (k,)
        For each contract, 0 or more.
    fraction : float
        Of the full stakes to bet, from 0 to 1.

    Raises
    ------
    DataError
        If lengths differ or numbers are out of range; it names the outcome.
    ConfigError
        If ``fraction`` is out of range.

    Notes
    -----
    Smoczynski & Tomkins 2010, Mathematical Scientist 35:10. YES contracts only; a NO is a bet on all the others.
    """
    p, prices_ = _outcomes("probabilities", probabilities), _outcomes("prices", prices)
    if p.shape != prices_.shape:
        msg = f"{len(p)} probabilities, {len(prices_)} prices: give one of each for every outcome"
        raise DataError(msg)
    if p.sum() > 1 + _TOTAL_SLACK:
        msg = f"probabilities add up to {p.sum():g}: exclusive outcomes have at most 1"
        raise DataError(msg)
    cost = prices_ + _fees(fee, len(p))
    share = _fraction(fraction)
    reserve, full = _reserve(p, cost)
    stakes = share * full
    taken = np.count_nonzero(full)
    reason = (
        f"bets on {taken} of {len(p)} outcomes, keeps {reserve:.3g} of wealth"
        if taken
        else "no edge: no outcome is worth more than it costs with its fee"
    )
    return KellyExclusive(stakes, full, reserve, _joint_growth(p, cost, stakes), _joint_growth(p, cost, full), reason)


def _reserve(p: Array, cost: Array) -> tuple[float, Array]:
    """Return the reserve rate and the full stakes."""
    order = np.argsort(-p / cost, kind="stable")
    reserve, p_left, c_left = 1.0, 1.0, 1.0
    for i in order:
        if p[i] <= reserve * cost[i]:
            break
        p_left, c_left = p_left - p[i], c_left - cost[i]
        reserve = max(0.0, p_left) / c_left
    return float(reserve), np.maximum(p - reserve * cost, 0.0)


def _joint_growth(p: Array, cost: Array, stakes: Array) -> float:
    wealth = 1 - stakes.sum() + stakes / cost
    none = 1 - float(p.sum())
    rest = none * math.log1p(-float(stakes.sum())) if none > _TOTAL_SLACK else 0.0
    return float(p @ np.log(wealth)) + rest


def _outcomes(name: str, values: ArrayLike) -> Array:
    x = np.array(values, dtype=np.float64)
    if x.ndim != 1 or not len(x):
        msg = f"{name} has shape {x.shape}: give one number for each outcome"
        raise DataError(msg)
    bad = np.flatnonzero(~((x > 0) & (x < 1)))
    if bad.size:
        msg = f"{name} is {x[bad[0]]:g} at position {bad[0]}: must be above 0 and below 1"
        raise DataError(msg)
    return x


def _fees(fee: ArrayLike, n: int) -> Array:
    x = np.array(fee, dtype=np.float64)
    if x.shape not in ((), (n,)) or not (np.isfinite(x) & (x >= 0)).all():
        msg = f"fee={fee!r}: give one number of 0 or more, or one for each of the {n} outcomes"
        raise DataError(msg)
    return np.broadcast_to(x, (n,))


Rounding = Literal["up", "nearest", "down"]
_ROUNDING: dict[str, str] = {"up": decimal.ROUND_CEILING, "nearest": decimal.ROUND_HALF_UP, "down": decimal.ROUND_FLOOR}


def quadratic_fee(
    contracts: Decimal | float | str,
    price: Decimal | float | str,
    *,
    rate: Decimal | float | str,
    quantum: Decimal | float | str,
    rounding: Rounding = "up",
) -> Decimal:
    """Return the fee of an order: rate x contracts x price x (1 - price), rounded once, in exact decimals.

    Rate, quantum and rounding are data, because venues change them (a cent for a whole order, or a hundredth of a cent for each
    fill): look them up. In binary floats .07 x 100 x .1 x .9 is a little above .63 and would round up to .64.

    Parameters
    ----------
    contracts : int, str, Decimal or float
        Number of contracts, 0 or more.
    price : int, str, Decimal or float
        From 0 to 1.
    rate : int, str, Decimal or float
        Fee rate, 0 or more.
    quantum : int, str, Decimal or float
        Smallest amount charged, above 0.
    rounding : {"up", "nearest", "down"}
        To a multiple of ``quantum``; "nearest" rounds halves up.

    Returns
    -------
    Decimal
        In money. A float argument counts as the decimal number that it prints as.

    Raises
    ------
    ConfigError
        If a number is out of range or no number, or the rounding is unknown.
    """
    n, p, r, step = (_decimal(name, v) for name, v in (("contracts", contracts), ("price", price), ("rate", rate), ("quantum", quantum)))
    given = {"contracts": n, "price": p, "rate": r, "quantum": step}
    if rounding not in _ROUNDING:
        msg = f"rounding={rounding!r}: write one of {', '.join(_ROUNDING)}"
        raise ConfigError(msg)
    for name, wrong, fix in (
        ("contracts", n < 0, "0 or more"),
        ("price", not 0 <= p <= 1, "from 0 to 1"),
        ("rate", r < 0, "0 or more"),
        ("quantum", step <= 0, "above 0"),
    ):
        if wrong:
            msg = f"{name}={given[name]}: must be {fix}"
            raise ConfigError(msg)
    with decimal.localcontext(prec=60):
        return (r * n * p * (1 - p) / step).to_integral_value(_ROUNDING[rounding]) * step


def _decimal(name: str, value: Decimal | float | str) -> Decimal:
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except decimal.InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        msg = f"{name}={value!r}: must be a finite number, for example Decimal('0.07')"
        raise ConfigError(msg)
    return number
