"""Rate limits: a bucket of orders and one of cancels for each signer, and the requests of a minute where the sandbox is told so.

What Polymarket counts by address it holds back rather than refusing (Cloudflare), so that is not simulated.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from hedgekit.types import NS

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE_NS = 60 * NS
TIER = "STANDARD"


class Bucket:
    """Tokens that come back steadily."""

    def __init__(self, burst: int, per_s: int) -> None:
        self.burst, self._every_ns = burst, NS // per_s
        self._full_ns = 0
        """When it would be full again."""

    def left(self, now_ns: int) -> int:
        """Return the whole tokens in it."""
        return self.burst - ceil(max(self._full_ns - now_ns, 0) / self._every_ns)

    def take(self, cost: int, now_ns: int) -> int:
        """Take tokens; return 0, or if there are not so many, in how many ns there will be."""
        full_ns = max(self._full_ns, now_ns) + cost * self._every_ns
        if (over := full_ns - now_ns - self.burst * self._every_ns) > 0:
            return over
        self._full_ns = full_ns
        return 0


class Limits:
    """What an account may send.

    Parameters
    ----------
    per_minute : int
        Requests of all kinds in a minute of the timeline; 0 for no such limit.
    now : callable
        The timeline's time, ns.
    """

    def __init__(self, per_minute: int, now: Callable[[], int]) -> None:
        self._per_minute, self._now = per_minute, now
        self._minute, self._used = -1, 0
        self._buckets = {"order": Bucket(60, 40), "cancel": Bucket(120, 80)}

    def request(self) -> dict[str, str] | None:
        """Count a request; None if it may pass, else the headers of its refusal."""
        minute, self._used = self._now() // MINUTE_NS, self._used + 1
        if minute != self._minute:
            self._minute, self._used = minute, 1
        if not self._per_minute or self._used <= self._per_minute:
            return None
        return {"Retry-After": str(ceil(((minute + 1) * MINUTE_NS - self._now()) / NS))}

    def take(self, kind: str, cost: int) -> tuple[bool, dict[str, str]]:
        """Take tokens of "order" or "cancel"; return whether there were enough, and the headers that say so."""
        now_ns, bucket = self._now(), self._buckets[kind]
        wait_ns = bucket.take(cost, now_ns)
        said = {"Poly-RateLimit-Remaining": str(bucket.left(now_ns)), "Poly-RateLimit-Tier": TIER}
        if not wait_ns:
            return True, said
        return False, {**said, "Poly-RateLimit-Reset": str(ceil((now_ns + wait_ns) / NS)), "Retry-After": str(ceil(wait_ns / NS))}
