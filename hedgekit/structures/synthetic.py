"""A7, the options-style synthetic hedge: a small opposing position, bought with the primary and left alone.

Sized in one of two ways. By the adverse excursion: ``hedge_frac`` dollars for each dollar of primary, on the
side that the sign of the ratio says (for example $150 against $1,000; :func:`hedgekit.stats.sizing.mae_quantile`
finds the excursion). Or, where the hedge is the opposite contract of a binary primary (YES and NO), by a cap L on
what the resolution may cost: N contracts bought at p lose N p, M of the other bought at q win M (1 - q), so

    M = (N p - L) / (1 - q)         (long);          M = (N (1 - p) - L) / q         (short, by selling the other)

A contract and its opposite are worth one together, so such a hedge is a sale of part of the position with a second spread
and fee: it takes as much from the gain as from the loss, and is no insurance (:func:`hedgekit.stats.sizing.binary_cap` says so).

Net delta is what the two are exposed to together, as a fraction of the trade's notional, measured as for pairs. It is not
near zero by design, so it is watched and never rebalanced.
"""

from __future__ import annotations

from hedgekit.compiled import compiled
from hedgekit.structures.pairs import lots

# numba infers every type, and checks it.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False


@compiled
def hedge_quantity(primary, ratio, primary_price, hedge_price, lot, hedge_frac):  # noqa: ANN001, ANN201, PLR0913 - compiled
    """Signed quantity of protection by ``hedge_frac``; prices in money per unit."""
    side = -1.0 if ratio >= 0.0 else 1.0
    return lots(side * hedge_frac * primary * primary_price / hedge_price, lot)


@compiled
def capped_quantity(primary, price, opposite, lot, cap):  # noqa: ANN001, ANN201 - compiled
    """Signed quantity of the opposite contract that caps the loss at resolution at ``cap`` money.

    A contract pays one unit of money, so ``price`` and ``opposite`` lie between 0 and 1. Zero if the cap is not
    reached without protection.
    """
    contracts = abs(primary)
    if primary >= 0.0:
        needed = (contracts * price - cap) / (1.0 - opposite)
        return lots(max(needed, 0.0), lot)
    needed = (contracts * (1.0 - price) - cap) / opposite
    return lots(-max(needed, 0.0), lot)
