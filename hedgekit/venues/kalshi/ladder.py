"""The prices that an order may have: bands of them, each with its own step."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from hedgekit.errors import VenueError


class Band(NamedTuple):
    """Prices from ``start`` to ``end`` are multiples of ``step`` above ``start``."""

    start: Decimal
    end: Decimal
    step: Decimal


def coarsest(ladder: Sequence[Band]) -> Decimal:
    """Return the largest step of a ladder; VenueError if its multiples are not valid in every band."""
    step = max(band.step for band in ladder)
    if any(step % band.step or band.start % band.step for band in ladder):
        msg = f"kalshi: steps {', '.join(str(band.step) for band in ladder)} have no common multiple among them"
        raise VenueError(msg)
    return step
