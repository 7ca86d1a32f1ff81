"""A6, the pairs structure: long the under-performer, short the out-performer.

The hedge is ``ratio`` dollars for each dollar of primary, on the other side, in
whole lots. Net delta is the hedge instrument's dollar exposure that is left,
ratio x V_primary + V_hedge, as a fraction of the trade's notional (the parameter, the
size that the primary is meant to have). What is held would be a poor base: the first
share of a primary beside a whole hedge would read as thousands of percent.
"""

from __future__ import annotations

import math

from hedgekit.compiled import compiled

# numba infers every type, and checks it.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False


@compiled
def lots(quantity, lot):  # noqa: ANN001, ANN201 - compiled
    """Quantity rounded to the nearest whole lot, ties away from zero."""
    return math.copysign(math.floor(abs(quantity) / lot + 0.5), quantity) * lot + 0.0  # never -0.0: its bits differ


@compiled
def hedge_quantity(primary, ratio, primary_price, hedge_price, lot):  # noqa: ANN001, ANN201 - compiled
    """Signed hedge quantity for ``primary`` units; prices in money per unit."""
    return lots(-ratio * primary * primary_price / hedge_price, lot)


@compiled
def net_delta(primary_value, hedge_value, ratio, notional):  # noqa: ANN001, ANN201 - compiled
    """Exposure left, as a fraction of the trade's notional; nan without a position."""
    if primary_value == 0.0 and hedge_value == 0.0:
        return math.nan
    return (ratio * primary_value + hedge_value) / notional
