"""Random plans of faults, from a seed alone."""

from __future__ import annotations

from hashlib import blake2b
from math import exp, isfinite, log
from typing import TYPE_CHECKING

from hedgekit.errors import ConfigError
from hedgekit.exchange.faults.fault import DRAWN, MESSAGES, ORDERS, STATES, Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class _Draws:
    """Random numbers by counting: the n-th is a hash of seed and n."""

    def __init__(self, seed: int) -> None:
        self._seed, self._number = seed, 0

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return a number from ``low`` up to ``high``."""
        self._number += 1
        digest = blake2b(f"{self._seed}:{self._number}".encode(), digest_size=8).digest()
        return low + (high - low) * (int.from_bytes(digest) >> 11) * 2.0**-53

    def whole(self, last: int) -> int:
        """Return one of 1 to ``last``."""
        return 1 + int(self.uniform() * max(last, 1))

    def one(self, items: Sequence[str]) -> str:
        """Return one of the items."""
        return items[int(self.uniform() * len(items))]

    def poisson(self, mean: float) -> int:
        """Return how many arrivals of rate ``mean`` there are in a unit of time."""
        number, time = 0, -log(1 - self.uniform())
        while time < mean:
            number, time = number + 1, time - log(1 - self.uniform())
        return number


_SECONDS = {
    FaultKind.TOO_MANY: (1.0, 30.0),
    FaultKind.LATE: (0.05, 60.0),
    FaultKind.DELAYED_ACK: (0.05, 60.0),
    FaultKind.REJECT_HEDGE: (0.01, 1.0),
    FaultKind.REVERSAL: (0.5, 30.0),
    FaultKind.FREEZE: (5.0, 600.0),
    FaultKind.SKEW: (0.5, 600.0),
    FaultKind.PAUSE: (1.0, 300.0),
    FaultKind.OUTAGE: (1.0, 300.0),
}
"""From where to where; each power of ten in it is as likely as another."""


def schedule(  # noqa: PLR0913 - all by name
    seed: int, *, requests: int, messages: int, rows: int, mean_faults: float, kinds: Iterable[FaultKind] = DRAWN
) -> tuple[Fault, ...]:
    """Draw a plan of faults; the same arguments give the same plan.

    Parameters
    ----------
    seed : int
        Which plan.
    requests, messages, rows : int
        How many requests, market-data messages and rows of the tape there will be, about: faults are due at random ones of them.
    mean_faults : float
        How many faults a plan has in the mean (Poisson).
    kinds : iterable of FaultKind
        What may happen, each kind as often as another; ``pause`` and what some venues alone do only if named.

    Returns
    -------
    tuple of Fault
        In the order in which they were drawn.

    Raises
    ------
    ConfigError
        If there are no kinds, or ``mean_faults`` is not a number from 0.
    """
    chosen = tuple(FaultKind(kind) for kind in kinds)
    if not chosen or not (isfinite(mean_faults) and mean_faults >= 0):
        msg = f"mean_faults={mean_faults} with {len(chosen)} kinds: give a number from 0, and at least one kind"
        raise ConfigError(msg)
    draws = _Draws(seed)
    sizes = {"submit": max(requests // 2, 1), "cancel": max(requests // 8, 1), "request": requests, "trade": requests} | {
        "md": messages,
        "row": rows,
    }
    return tuple(_drawn(FaultKind(draws.one(chosen)), draws, sizes) for _ in range(draws.poisson(mean_faults)))


def _drawn(kind: FaultKind, draws: _Draws, sizes: dict[str, int]) -> Fault:
    place = draws.one(_places(kind))
    at = f"{place}:{draws.whole(sizes[place])}"
    fraction = round(draws.uniform(0.05, 0.95), 2) if kind is FaultKind.PARTIAL else 0.0
    several = kind not in STATES and draws.uniform() < 0.3  # noqa: PLR2004 - seven of ten come alone
    count = draws.whole(20) if kind is FaultKind.SKEW else 1 + draws.whole(2) * several
    return Fault(kind, at, _drawn_seconds(kind, draws), fraction, count)


def _places(kind: FaultKind) -> tuple[str, ...]:
    if kind in ORDERS:
        return ("submit",)
    if kind in MESSAGES:
        return ("md", "trade")
    if kind is FaultKind.OUTAGE:
        return ("row", "request")
    return ("row", "md") if kind in STATES else ("submit", "cancel", "request")


def _drawn_seconds(kind: FaultKind, draws: _Draws) -> float:
    if kind not in _SECONDS:
        return 0.0
    low, high = _SECONDS[kind]
    seconds = exp(draws.uniform(log(low), log(high)))
    if kind is FaultKind.TOO_MANY:
        return float(round(seconds)) if draws.uniform() < 0.7 else 0.0  # noqa: PLR2004 - three of ten without Retry-After
    if kind is FaultKind.REJECT_HEDGE and draws.uniform() < 0.5:  # noqa: PLR2004 - half of them before acceptance
        return 0.0
    return round(-seconds if kind is FaultKind.SKEW and draws.uniform() < 0.5 else seconds, 3)  # noqa: PLR2004 - early as often as late
