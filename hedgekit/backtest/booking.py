"""How one fill is booked, in compiled code: cash, and price units held, of each leg."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hedgekit.types import Instrument

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False

LEG = np.dtype([(name, np.float64) for name in ("multiplier", "rate", "unit", "quantum", "inverse")])


def legs_of(instruments: Sequence[Instrument]) -> np.ndarray:
    """Return what booking a fill needs to know of each instrument: an array of LEG."""
    legs = np.zeros(len(instruments), LEG)
    for leg, instrument in enumerate(instruments):
        fees = instrument.fees
        legs[leg] = (float(instrument.multiplier), float(fees.rate), float(fees.per_unit), float(fees.quantum), instrument.inverse)
    return legs


@compiled
def after(before, qty):  # noqa: ANN001, ANN201 - compiled
    """Return what is held after a fill: nothing, if only the dust of binary sums is left."""
    left = before + qty
    return 0.0 if abs(left) < 1e-9 * max(abs(before), abs(qty)) else left


@compiled
def deal(it, cash, units, held, leg, qty, price, mid):  # noqa: ANN001, ANN201, PLR0913 - compiled
    """Book one fill, at its price with its fee and at the mid without; an inverse perpetual's coins become money when flat."""
    value = qty * it.multiplier
    paid = abs(value) if it.inverse else abs(value) * price
    fee = math.floor((it.rate * paid + it.unit * abs(qty)) / it.quantum + 0.5 + 1e-9) * it.quantum
    held[leg] = after(held[leg], qty)
    if it.inverse:
        cash[0, leg] -= value + fee + value * (1.0 - mid / price)
        cash[1, leg] -= value
        for which in range(2):
            units[which, leg] += value / mid
            if held[leg] == 0.0:
                cash[which, leg] += units[which, leg] * mid
    else:
        cash[0, leg] -= value * price + fee
        cash[1, leg] -= value * mid
        units[0, leg] = units[1, leg] = held[leg] * it.multiplier
    if held[leg] == 0.0:
        units[0, leg] = units[1, leg] = 0.0
