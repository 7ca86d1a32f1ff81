"""A18 and L4: what to do about a leg that is not filled, and how much is unhedged meanwhile.

The ladder of an order that a newer quote has left unfilled for longer than the patience, each step by its parameter:

1. accept the leg as it is, if enough of it has filled (``accept_filled``);
2. cancel, and order what is missing anew at the touch (``retries`` times);
3. order it once more, across the spread and at most the slippage cap beyond the touch (``slippage_cap``);
4. cut the pair back to what both legs have, closing what hedges nothing: all of it, if one leg has nothing.

While a trade is closed the third step is repeated: an exit does not give up. When half of the naked-leg budget is used
up the fourth step comes at once, so that the other half is there for cutting back.
"""

from __future__ import annotations

import math

from hedgekit.compiled import compiled

# numba infers every type, and checks it.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False, warn-return-any=False

AT_TOUCH, ACROSS, BACK = range(3)
"""Where on the ladder an order is."""

_DUST = 1e-6
_YEARS_NS = 1e18


@compiled
def place_of(rung, retries):  # noqa: ANN001, ANN201 - compiled
    """Where on the ladder a leg is whose orders were overdue ``rung`` times."""
    if rung <= retries:
        return AT_TOUCH
    return ACROSS if rung == retries + 1 else BACK


@compiled
def overdue(now_ns, sent_ns, quote_ns, patience_ns):  # noqa: ANN001, ANN201 - compiled
    """Whether an order has had its time, and a market that it did not fill on."""
    return patience_ns > 0 and now_ns - sent_ns >= patience_ns and quote_ns > sent_ns


@compiled
def unhedged(held, shape, primary, primary_shape, price):  # noqa: ANN001, ANN201 - compiled
    """Money by which a hedge is not what belongs to the primary as held, by the ratio of their last targets."""
    belongs = shape * primary / primary_shape if primary_shape != 0.0 else 0.0
    return abs(held - belongs) * price


@compiled
def budget_left_ns(used, limit, naked):  # noqa: ANN001, ANN201 - compiled
    """How long ``naked`` money may go on until half of the budget (money x seconds) is used up; never negative."""
    return int(min(max(0.5 * limit - used, 0.0) / naked * 1e9, _YEARS_NS))


@compiled
def filled_share(held, shape):  # noqa: ANN001, ANN201 - compiled
    """Part of a leg that has filled, 0 to 1."""
    return min(max(held / shape, 0.0), 1.0)


@compiled
def limit_price(touch, buy, place, cap, tick):  # noqa: ANN001, ANN201 - compiled
    """Price of a limit order: the touch, or the cap beyond it, in whole ticks (the touch outwards, the cap inwards)."""
    beyond = 0.0 if place == AT_TOUCH else cap
    exact = touch * (1.0 + beyond if buy else 1.0 - beyond) / tick
    outwards = buy == (place == AT_TOUCH)
    ticks = math.ceil(exact - _DUST) if outwards else math.floor(exact + _DUST)
    per_unit = round(1.0 / tick)
    return (
        ticks / per_unit if abs(per_unit * tick - 1.0) < _DUST else ticks * tick
    )  # the division gives the float that prints as whole ticks
