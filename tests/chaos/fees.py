"""What an execution may cost at each venue, by the venue's own formula: as the taker of a price, or as its maker.

==========  ===========================================================  =====
venue       taker                                                        maker
==========  ===========================================================  =====
ALPACA      the rate of the listing, half up to its quantum              same
DERIBIT     0.0005 of the money, in coin, half-even to 0.00000001        0
KALSHI      0.07 C p (1 - p), up to 0.0001                               0
POLYMARKET  the market's rate x shares x p (1 - p), half up to 0.00001   0
==========  ===========================================================  =====

Kalshi's second rounding, of the balance, does not occur: whole contracts at prices of three digits cost no finer sums.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

Line = dict[str, Any]


def possible(venue: str, instrument: Line, qty: Decimal, price: Decimal) -> set[Decimal]:
    """Return what a fill may cost."""
    qty, curve = abs(qty), price * (1 - price)
    if venue == "KALSHI":
        return {Decimal(0), (Decimal("0.07") * qty * curve).quantize(Decimal("0.0001"), ROUND_CEILING)}
    if venue == "POLYMARKET":
        return {Decimal(0), (Decimal(instrument["native"]["rate"]) * qty * curve).quantize(Decimal("0.00001"), ROUND_HALF_UP)}
    money = qty * Decimal(instrument["multiplier"])
    if venue == "DERIBIT":
        return {Decimal(0), (Decimal("0.0005") * money / price).quantize(Decimal("0.00000001"), ROUND_HALF_EVEN)}
    return {(Decimal(instrument["fees"]["rate"]) * money * price).quantize(Decimal(instrument["fees"]["quantum"]), ROUND_HALF_UP)}
