"""What Deribit counts (docs.deribit.com, "Rate limits"): requests to the matching engine, credits for all others.

A bucket has a capacity and refills continuously; all is whole numbers of billionths, so that equal runs count alike.
"""

from __future__ import annotations

from hedgekit.sandbox.skins.deribit_wire import RpcError
from hedgekit.types import NS

USUAL = 300
"""Requests a minute to the matching engine of an account of the lowest tier: 5 a second, 20 at once."""

BURST_S = 4
CALL = 500
MATCHING = frozenset(
    f"private/{name}"
    for name in (
        "buy",
        "sell",
        "close_position",
        "cancel",
        "cancel_all",
        "cancel_all_by_currency",
        "cancel_all_by_instrument",
        "cancel_by_label",
    )
)
"""Methods that the matching engine answers."""


class Bucket:
    """Credits that refill.

    Parameters
    ----------
    capacity : int
        Most that it holds, and what it holds at first.
    refill_per_minute : int
        What comes back in a minute.
    """

    def __init__(self, capacity: int, refill_per_minute: int) -> None:
        self._full, self._refill = capacity * 60 * NS, refill_per_minute
        self._left, self._at_ns = self._full, 0

    def take(self, cost: int, now_ns: int) -> int:
        """Take credits; return 0, or, if there are too few and none is taken, the nanoseconds until there are enough."""
        self._left = min(self._full, self._left + max(now_ns - self._at_ns, 0) * self._refill)
        self._at_ns = max(now_ns, self._at_ns)
        short = cost * 60 * NS - self._left
        if short > 0:
            return -(-short // self._refill)
        self._left -= cost * 60 * NS
        return 0


class Limits:
    """All buckets of an account.

    Parameters
    ----------
    per_minute : int
        Requests a minute to the matching engine; 0 for :data:`USUAL`.
    """

    def __init__(self, per_minute: int = 0) -> None:
        self.per_minute = per_minute or USUAL
        self.burst = max(self.per_minute * BURST_S // 60, 1)
        self._matching = Bucket(self.burst, self.per_minute)
        self._credits = Bucket(50_000, 600_000)
        self._apart = {
            "public/get_instruments": Bucket(50, 60),
            "public/subscribe": Bucket(10, 200),
            "private/subscribe": Bucket(10, 200),
        }

    def take(self, method: str, now_ns: int) -> None:
        """Count a call; RpcError 10028 if it is one too many."""
        if method in MATCHING:
            wait_ns = self._matching.take(1, now_ns)
        else:
            apart = self._apart.get(method)
            wait_ns = (apart.take(1, now_ns) if apart else 0) or self._credits.take(CALL, now_ns)
        if wait_ns:
            raise RpcError(10028, "rate limit exceeded", wait=-(-wait_ns // NS))
