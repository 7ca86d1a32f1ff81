"""A16 and A20: what a trade costs, and what it is worth.

An adjustment of a hedge from exposure x to y (money) is worth making only if

    (k tau / 2) (x^2 - y^2)  >  K |x - y|

with k = risk aversion x variance of the hedge's return per bar, tau the horizon
in bars and K the cost of trading one unit of money: half the spread plus fees.
An entry is worth making only if the expected way back to the target pays for both
legs, there and back, and for the article's slippage buffer.
"""

from __future__ import annotations

from hedgekit.compiled import compiled

# numba infers every type, and checks it.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False


@compiled
def unit_cost(bid, ask, multiplier, fee_rate, fee_unit):  # noqa: ANN001, ANN201 - compiled
    """Cost of trading one unit of money in one leg: half-spread and fees, as a fraction."""
    mid = 0.5 * (bid + ask)
    return 0.5 * (ask - bid) / mid + fee_rate + fee_unit / (mid * multiplier)


@compiled
def risk_removed(before, after, risk_aversion, notional, variance, horizon):  # noqa: ANN001, ANN201, PLR0913 - compiled
    """Money value of the variance that a move from ``before`` to ``after`` removes."""
    return 0.5 * risk_aversion / notional * variance * horizon * (before * before - after * after)


@compiled
def entry_edge(z, sd, target, notional):  # noqa: ANN001, ANN201 - compiled
    """Money expected when z comes back to the target: (|z| - target) x sd x notional."""
    return (abs(z) - target) * sd * notional


@compiled
def trade_threshold(cost: float, penalty: float, horizon: float) -> float:
    """Deviation from the target at which an adjustment starts to pay: K / (k tau)."""
    return cost / (penalty * horizon)


@compiled
def worthwhile_position(position: float, target: float, threshold: float) -> float:
    """Best position for one period: stay within the threshold of the target, else move to its near edge (soft threshold)."""
    return min(max(position, target - threshold), target + threshold)


@compiled
def net_gain(before: float, after: float, cost: float, penalty: float, horizon: float) -> float:
    """Risk removed less cost of moving the deviation from ``before`` to ``after``: (k tau / 2)(x^2 - y^2) - K |x - y|."""
    return 0.5 * penalty * horizon * (before * before - after * after) - cost * abs(before - after)
