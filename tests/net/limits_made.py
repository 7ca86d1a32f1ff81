"""What judges the limiter: an auditor, and venues that count at arrival.

The auditor counts every request at the worst moment at which it can have reached the venue. It knows departures and answers only,
and looks at every window by itself; it shares no formula with the limiter.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from heapq import heappop, heappush
from typing import Any

import numpy as np

from hedgekit.net.budget import Budget
from hedgekit.net.limiter import Limiter
from hedgekit.sandbox.skins.alpaca_rest import Budget as SandboxMinute
from hedgekit.types import NS, Priority

# ruff: noqa: D102 - the name says it

CLOSE, HEDGE, PRIMARY, QUERY = Priority
RANK = {CLOSE: 0, HEDGE: 1, PRIMARY: 2, QUERY: 3}
MS = NS // 1000
FAR = 1 << 70


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


TEN = {"submit": 1, "cancel": 1, "account": 1}


# ----------------------------------------------------------------- the auditor


@dataclass(eq=False)
class Sent:
    """A request on its way: at the venue some time from ``sent`` to ``done``."""

    key: int
    kind: str
    orders: int
    priority: Priority
    place: int
    sent: int = FAR
    done: int = FAR


def tokens(budget: Budget, request: Sent) -> int:
    return budget.costs.get(request.kind, 0) + budget.each.get(request.kind, 0) * request.orders


@cache
def ratio(number: Any) -> tuple[int, int]:
    return Fraction(str(number)).as_integer_ratio()


def allowed_in(budget: Budget, ns: int) -> int:
    """Return the whole tokens that the venue allows between two requests that are ``ns`` apart, both counted."""
    if budget.window_s is not None:
        top, bottom = ratio(budget.window_s)
        return budget.capacity if ns * bottom < top * NS else FAR
    top, bottom = ratio(budget.refill_per_s)
    return budget.capacity + top * ns // (bottom * NS)


def left(budget: Budget, requests: list[Sent], now: int) -> int:
    """Return the most that may leave now: the least that any interval which ends now leaves over."""
    total, least = 0, budget.capacity
    for request in sorted(requests, key=lambda r: -r.done):
        total += tokens(budget, request)
        least = min(least, allowed_in(budget, now - min(request.done, now)) - total)
    return least


def audit(budgets: tuple[Budget, ...], requests: list[Sent]) -> None:
    """Count, for every interval between two moments of arrival, all that can have arrived in it."""
    for budget in budgets:
        paying = sorted((r for r in requests if tokens(budget, r)), key=lambda r: r.sent)
        for x in {r.sent for r in paying} | {r.done for r in paying if r.done < FAR}:
            total = 0
            for r in paying:
                if r.done >= x:
                    total += tokens(budget, r)
                    within = total <= budget.capacity or total <= allowed_in(budget, max(r.sent - x, 0))
                    assert within, f"{budget.name}: {total} tokens from {x} to {r.sent}"


# --------------------------------------------------- a simulated venue that counts at arrival


class Sliding:
    """A venue that keeps a log of the last window."""

    def __init__(self, capacity: int, window_ns: int) -> None:
        self.capacity, self.window_ns, self.log = capacity, window_ns, list[int]()

    def take(self, now: int) -> tuple[bool, int]:
        self.log = [*(at for at in self.log if at > now - self.window_ns), now]
        return len(self.log) <= self.capacity, max(self.capacity - len(self.log), 0)


class Minutes(SandboxMinute):
    """The sandbox's own count: windows that begin with each minute."""

    def take(self, now: int) -> tuple[bool, int]:  # type: ignore[override]  # - the answer and its header at once
        return super().take(now), int(self.headers()["X-RateLimit-Remaining"])


class Leaking:
    """A venue with a token bucket; it tells whole tokens."""

    def __init__(self, capacity: int, per_s: Fraction) -> None:
        self.capacity, self.per_s, self.level, self.at = capacity, per_s, Fraction(capacity), 0

    def take(self, now: int) -> tuple[bool, int]:
        self.level = min(Fraction(self.capacity), self.level + self.per_s * (now - self.at) / NS) - 1
        self.at = now
        return self.level >= 0, int(self.level)


def drive(limiter: Limiter, venue: Any, ways: list[tuple[int, int]], *, tell: bool) -> tuple[list[int], int]:
    """Send one request for each (way there, way back), all asked at once; return when they left, and how many were refused."""
    for key in range(len(ways)):
        limiter.ask(key, "submit", PRIMARY)
    events: list[tuple[int, int, str, int, int]] = []
    now, departures, refused = 0, [], 0
    while limiter.waiting or events:
        for key in limiter.release(now):
            departures.append(now)
            heappush(events, (now + ways[key][0], key, "arrives", 0, 0))
        moments = [events[0][0]] if events else []
        if (soonest := limiter.next_ns(now)) is not None:
            moments.append(soonest)
        if not moments:
            break
        now = min(moments)
        while events and events[0][0] <= now:
            _, key, what, status, remaining = heappop(events)
            if what == "arrives":
                within, remaining = venue.take(now)
                refused += not within
                heappush(events, (now + ways[key][1], key, "answered", 200 if within else 500, remaining))
            else:
                limiter.answered(key, now, status, remaining={"all": remaining} if tell else None)
    return departures, refused
