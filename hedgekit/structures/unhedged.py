"""No hedge at all: the primary alone, the yardstick of every other structure."""

from __future__ import annotations

from hedgekit.compiled import compiled

# numba infers every type, and checks it.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False


@compiled
def hedge_quantity(primary, ratio, primary_price, hedge_price, lot):  # noqa: ANN001, ANN201, ARG001 - same shape as in every structure
    """Return the hedge of an unhedged position: nothing."""
    return 0.0
