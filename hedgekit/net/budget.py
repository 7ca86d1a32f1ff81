"""What a venue allows, as data (A10, A17)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import NoReturn

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.types import Priority

RANK = {priority: rank for rank, priority in enumerate(Priority)}
"""Who goes first: 0 is the most urgent."""


class Budget(msgspec.Struct, frozen=True):
    """One thing that a venue counts (A10, A17).

    Parameters
    ----------
    name : str
        For messages and for the venue's own counts.
    capacity : int
        Tokens when nothing was spent: the burst, or what a window holds.
    costs : dict
        Tokens of a request by its kind (``Request.purpose``); a kind that is not listed spends nothing here.
    each : dict
        Further tokens for every order in a request, by kind (batches, cancel-all).
    refill_per_s : int, float or Decimal, optional
        Tokens that flow back in a second, continuously. A float is read as the decimal that it is written as.
    window_s : int, float or Decimal, optional
        Or: ``capacity`` tokens in any half-open window of so many seconds (so also in windows that the venue starts when it likes).
    reserve : dict
        Tokens that only this priority and those above it may spend; reserves of several priorities add up.

    Raises
    ------
    ConfigError
        If the numbers make no budget, or some request could never leave.

    Notes
    -----
    A bucket keeps within ``n`` tokens in a window of ``w`` seconds if ``capacity + refill_per_s * w <= n``. It is steadier than
    the window, and after a restart it waits for one request's tokens instead of for the whole window.
    """

    name: str
    capacity: int
    costs: dict[str, int]
    each: dict[str, int] = {}
    refill_per_s: float | Decimal | None = None
    window_s: float | Decimal | None = None
    reserve: dict[Priority, int] = {}

    def __post_init__(self) -> None:
        """Check the numbers."""
        if (self.refill_per_s is None) == (self.window_s is None):
            self._fail("must have refill_per_s or window_s, and not both")
        if self.pace <= 0 or self.capacity < 1:
            self._fail(f"has capacity {self.capacity} and refill_per_s or window_s {self.pace}: write positive numbers")
        if min([*self.costs.values(), *self.each.values()], default=0) < 1:
            self._fail("must say what requests cost, by kind, at least 1 token; leave out the kinds that cost nothing")
        if Priority.QUERY in self.reserve or min(self.reserve.values(), default=0) < 0:
            self._fail(f"has reserve {self.reserve}: write 0 or more for close, hedge or primary; below query there is nobody")
        for kind in self.costs | self.each:
            self.cost(kind)

    @property
    def pace(self) -> Fraction:
        """``refill_per_s`` or ``window_s``, exactly."""
        number = self.window_s if self.refill_per_s is None else self.refill_per_s
        try:
            return Fraction(str(number))
        except ValueError:
            self._fail(f"has refill_per_s or window_s {number}: write a finite number")

    def cost(self, kind: str, orders: int = 1, priority: Priority = Priority.QUERY) -> int:
        """Return a request's tokens, 0 if its kind is not listed; ConfigError if it is more than that priority can ever have."""
        cost = self.costs.get(kind, 0) + self.each.get(kind, 0) * orders
        most = self.capacity - sum(kept for other, kept in self.reserve.items() if RANK[other] < RANK[priority])
        if cost > most:
            self._fail(
                f"never lets a {priority} request {kind!r} of {orders} order(s) leave: it costs {cost}, {most} of {self.capacity} "
                "tokens are not reserved for others; send fewer orders in it or lower the reserve"
            )
        return cost

    def _fail(self, what: str) -> NoReturn:
        msg = f"budget {self.name!r} {what}"
        raise ConfigError(msg)
