r"""Reversion of prices that are probabilities: contracts that resolve to 0 or 1.

The price of an efficient binary contract is a martingale between bounds that ends at a bound. A past average is no level to
which it returns, and tests made for unbounded prices see reversion that is not there (Cavaliere & Xu 2014; 14 to 43% of reflected
walks with steps of 5 to 10% of the range, at a nominal 5%). What an efficient price must obey is (Augenblick & Rabin 2021)

.. math:: E \sum_t (p_t - p_{t-1})^2 = E\,[p_0 (1 - p_0) - p_T (1 - p_T)]

movement equals reduction of uncertainty. More movement is reversion; and it is also bounce of the quotes, which adds
:math:`2 n s^2`. Both sides differ by an identity,

.. math:: \sum_t (p_t - p_{t-1})^2 - [p_0 (1 - p_0) - p_T (1 - p_T)] = \sum_t (1 - 2 p_{t-1}) (p_t - p_{t-1})

the gain of holding 1 - 2p contracts, a bet on the return to one half. That gives the test its standard error, its
cost in fees, and its cure for bounce: hold what the price **one quote earlier** said, 1 - 2 p[t-2]. Noise of one quote
then no longer meets itself. Reversal within one quote is lost with it: prices alone cannot tell it from bounce.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.bounded.prices import probabilities
from hedgekit.stats.checks import at_least

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import ArrayLike

    from hedgekit.data import Array

FEW_CLUSTERS = 20
"""Fewer independent events than this: the pooled p is rough, and a warning says so."""

CONTRACT_COLUMNS = ("quotes", "movement", "reduction", "excess", "stderr", "z", "bounce", "cost", "net")


@dataclass(frozen=True, slots=True)
class ExcessMovement:
    """Outcome of :func:`excess_movement`. Means are per contract, in price units (1 pays for sure).

    Attributes
    ----------
    movement, reduction : float
        Mean sum of squared price changes, and mean reduction of p(1 - p).
    raw_excess : float
        ``movement - reduction``: reversion and bounce together.
    bounce : float
        ``raw_excess - excess``: what is gone when the signal is ``skip`` quotes old.
    bounce_size : float
        s, the sd of a quote's noise that adds so much movement: sqrt(bounce / (2 quotes)); NaN if ``bounce`` is below zero.
    excess, stderr : float
        Mean excess net of bounce, and its standard error over independent events (over quotes if there is just one).
    statistic, p_value : float
        excess / stderr, and two-sided p: Student t with events - 1 degrees of freedom; normal if there is just one event.
    cost, net : float
        What the bet behind ``excess`` pays for its trades, and excess - cost: what could have been earned.
    net_low, net_high : float
        Interval of ``net`` at ``level``.
    contracts, events : int
        Contracts, and independent events they belong to.
    level : float
        Confidence level.
    verdict : str
        In words.
    table : DataFrame
        One row for each contract: quotes (changes), movement, reduction, excess (net of bounce), stderr, z, bounce, cost, net.
    warnings : tuple of str
        What to know before believing it.
    """

    movement: float
    reduction: float
    raw_excess: float
    bounce: float
    bounce_size: float
    excess: float
    stderr: float
    statistic: float
    p_value: float
    cost: float
    net: float
    net_low: float
    net_high: float
    contracts: int
    events: int
    level: float
    verdict: str
    table: pd.DataFrame
    warnings: tuple[str, ...] = ()


def excess_movement(  # noqa: PLR0913 - options of one test, each with its default
    prices: ArrayLike | pd.Series | Sequence[ArrayLike | pd.Series],
    *,
    skip: int = 1,
    cost_per_contract: float = 0.0,
    fee_rate: float = 0.0,
    events: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> ExcessMovement:
    """Test binary contracts for more movement than their uncertainty allows (Augenblick & Rabin 2021), net of bounce and of cost.

    Null hypothesis: each price is a martingale (efficient), plus noise that lasts less than ``skip`` + 1 quotes. Then the
    mean excess is zero, whatever the path of information. Above zero prices revert, below zero they under-react.

    Parameters
    ----------
    prices : array_like, Series, or sequence of them
        Prices in [0, 1], oldest first: one contract, or one series for each (their lengths may differ); at least 4 quotes each.
        End with the payout (0 or 1) if it is known; a history that stops earlier is as good.
    skip : int
        Quotes between the price that the bet looks at and its trade. 1 removes the bounce of single quotes; 0 is the raw
        statistic, which bounce inflates; more removes noise that lasts longer.
    cost_per_contract : float
        Half-spread and fee for each contract traded, in price units.
    fee_rate : float
        Fee of ``fee_rate`` p (1 - p) for each contract traded, such as .07 at Kalshi.
    events : sequence, optional
        For each contract the event that it belongs to. Contracts of one event move together, so they count
        as one cluster. None: each contract is an event of its own.
    level : float
        Confidence level of the interval and of the verdict.

    Returns
    -------
    ExcessMovement

    Raises
    ------
    DataError
        If a price is missing, not finite or outside [0, 1], a contract never moves or has fewer than 4 + ``skip`` quotes.
    ConfigError
        If an option is out of range, or ``events`` has another length than the contracts.

    Notes
    -----
    A position is paid for when it is taken, changed, and closed; a contract that ends at 0 or 1 settles without a trade.
    """
    if skip < 0:
        msg = f"skip={skip}: must be a whole number of quotes, 0 or more"
        raise ConfigError(msg)
    if not 0 < level < 1:
        msg = f"level={level:g}: must be between 0 and 1, for example 0.95"
        raise ConfigError(msg)
    at_least("cost_per_contract", cost_per_contract, 0, "price units for each contract traded")
    at_least("fee_rate", fee_rate, 0, "times p (1 - p) for each contract traded")
    paths = [probabilities(path, f"contract {i}", 4 + skip) for i, path in enumerate(_contracts(prices))]
    groups = list(range(len(paths))) if events is None else list(events)
    if len(groups) != len(paths):
        msg = f"events has {len(groups)} entries for {len(paths)} contracts: give one for each"
        raise ConfigError(msg)
    table = pd.DataFrame([_one(p, skip, cost_per_contract, fee_rate) for p in paths], columns=list(CONTRACT_COLUMNS))
    return _pooled(table, pd.factorize(pd.Series(groups))[0], level, skip)


def expected_movement(p0: float, *, bounce: float = 0.0, quotes: int = 0) -> float:
    """Return the expected sum of squared changes of an efficient binary price to its resolution: p0 (1 - p0) + 2 quotes bounce^2.

    Parameters
    ----------
    p0 : float
        Price at the start, in [0, 1].
    bounce : float
        sd of the independent noise of each quote (half of the bid-ask spread, if prints alternate).
    quotes : int
        Interior quotes with noise; the first and the payout have none.

    Raises
    ------
    ConfigError
        If ``p0`` is outside [0, 1], or ``bounce`` or ``quotes`` below 0.
    """
    if not (0 <= p0 <= 1 and bounce >= 0 and quotes >= 0):
        msg = f"p0={p0:g}, bounce={bounce:g}, quotes={quotes}: p0 must be in [0, 1], the others 0 or more"
        raise ConfigError(msg)
    return p0 * (1 - p0) + 2 * quotes * bounce**2


def _contracts(prices: ArrayLike | pd.Series | Sequence[ArrayLike | pd.Series]) -> list[ArrayLike | pd.Series]:
    """Return one series for each contract: columns of a frame, items of a list of series, or the one series given."""
    if isinstance(prices, pd.DataFrame):
        return [prices.iloc[:, i] for i in range(prices.shape[1])]
    if isinstance(prices, list | tuple) and len(prices) and np.ndim(prices[0]) > 0:
        return list(prices)
    if isinstance(prices, np.ndarray) and prices.ndim == 2:  # noqa: PLR2004 - columns are contracts
        return list(prices.T)
    return [prices]  # type: ignore[list-item]  # a sequence of numbers is one contract


def _one(p: Array, skip: int, cost_per_contract: float, fee_rate: float) -> tuple[float, ...]:
    """Return one contract's row of the table."""
    if (p == p[0]).all():
        msg = f"a contract never moves ({p[0]:g} at all {len(p)} positions): leave it out, it says nothing"
        raise DataError(msg)
    change = np.diff(p)
    movement, reduction = float(change @ change), float(p[0] * (1 - p[0]) - p[-1] * (1 - p[-1]))
    held = 1 - 2 * p[: len(change) - skip]
    gains = held * change[skip:]
    excess, stderr = float(gains.sum()), math.sqrt(float(gains @ gains))
    settled = p[-1] in {0.0, 1.0}
    traded, at = np.abs(np.diff(held, prepend=0.0)), p[skip:-1]
    cost = float(traded @ (cost_per_contract + fee_rate * at * (1 - at)))
    if not settled:
        cost += abs(held[-1]) * (cost_per_contract + fee_rate * p[-1] * (1 - p[-1]))
    z = excess / stderr if stderr > 0 else math.nan
    return len(change), movement, reduction, excess, stderr, z, movement - reduction - excess, cost, excess - cost


def _pooled(table: pd.DataFrame, groups: np.ndarray[tuple[int], np.dtype[np.int64]], level: float, skip: int) -> ExcessMovement:
    mean = table.mean()
    events = int(groups.max()) + 1
    spread = _Spread(float(table["stderr"].iloc[0]), math.inf) if len(table) == 1 else _clustered(table["excess"], groups, events)
    net_spread = spread if len(table) == 1 else _clustered(table["net"], groups, events)
    statistic = float(mean["excess"]) / spread.stderr if spread.stderr > 0 else math.nan
    law = norm if math.isinf(spread.df) else t(spread.df)
    half = float(law.ppf((1 + level) / 2)) * net_spread.stderr
    p_value, net = 2 * float(law.sf(abs(statistic))), float(mean["net"])
    bounce = float(mean["bounce"])
    return ExcessMovement(
        movement=float(mean["movement"]),
        reduction=float(mean["reduction"]),
        raw_excess=float(mean["movement"] - mean["reduction"]),
        bounce=bounce,
        bounce_size=math.sqrt(bounce / (2 * float(mean["quotes"]))) if bounce >= 0 else math.nan,
        excess=float(mean["excess"]),
        stderr=spread.stderr,
        statistic=statistic,
        p_value=p_value,
        cost=float(mean["cost"]),
        net=net,
        net_low=net - half,
        net_high=net + half,
        contracts=len(table),
        events=events,
        level=level,
        verdict=_verdict(float(mean["excess"]), p_value, net - half, level, skip),
        table=table,
        warnings=_rough(len(table), events, skip),
    )


@dataclass(frozen=True, slots=True)
class _Spread:
    stderr: float
    df: float


def _clustered(x: pd.Series, groups: np.ndarray[tuple[int], np.dtype[np.int64]], events: int) -> _Spread:
    """Return the standard error of the mean of x, whose errors are related within a group; NaN for one group."""
    if events == 1:
        return _Spread(math.nan, 1.0)
    sums = np.bincount(groups, weights=(x - x.mean()).to_numpy())
    return _Spread(math.sqrt(events / (events - 1) * float(sums @ sums)) / len(x), events - 1.0)


def _verdict(excess: float, p_value: float, net_low: float, level: float, skip: int) -> str:
    beyond = f"noise of {skip} quote{'s' * (skip != 1)}" if skip else "nothing (bounce is included: skip=0)"
    if math.isnan(p_value):
        return "cannot tell: one event has no spread to judge it by"
    if not p_value < 1 - level:
        return f"no excess movement shown beyond {beyond}: an efficient price is not ruled out"
    if excess < 0:
        return "less movement than an efficient price has: under-reaction, the opposite of reversion"
    return f"excess movement beyond {beyond}: reversion, " + ("shown after costs" if net_low > 0 else "not shown to pay its costs")


def _rough(contracts: int, events: int, skip: int) -> tuple[str, ...]:
    said = []
    if contracts > 1 and events < FEW_CLUSTERS:
        said.append(f"{events} events are few: gains of binary contracts are skewed, and p is rough below {FEW_CLUSTERS}")
    if skip == 0:
        said.append("skip=0: bid-ask bounce s adds 2 n s^2 of movement, so an excess may be no reversion")
    return tuple(said)
