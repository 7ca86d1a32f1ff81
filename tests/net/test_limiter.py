"""The limiter against an auditor who counts every request at the worst moment at which it can have reached the venue (A17, L5).

The auditor knows departures and answers only, and looks at every window by itself; it shares no formula with the limiter.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from heapq import heappop, heappush
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from hedgekit.errors import ConfigError
from hedgekit.net.budget import Budget
from hedgekit.net.limiter import Limiter
from hedgekit.sandbox.skins.alpaca_rest import Budget as SandboxMinute
from hedgekit.types import NS, Priority

# ruff: noqa: D102 - the name of a rule or law says what it does

CLOSE, HEDGE, PRIMARY, QUERY = Priority
RANK = {CLOSE: 0, HEDGE: 1, PRIMARY: 2, QUERY: 3}
MS = NS // 1000
FAR = 1 << 70


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


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


def test_the_auditor_finds_one_request_too_many() -> None:
    bucket, window = Budget("b", 2, {"q": 1}, refill_per_s=1), Budget("w", 2, {"q": 1}, window_s=1)
    early, late, last = (Sent(n, "q", 1, QUERY, n, sent, done) for n, sent, done in [(1, 0, 0), (2, 0, NS), (3, NS, FAR)])
    audit((bucket, window), [early, late, last])
    for third in (NS // 2, NS - 1):
        for budget in (bucket, window):
            last.sent = third
            with pytest.raises(AssertionError):
                audit((budget,), [early, late, last])
    early.done = NS + 1  # it may have come with the two others, as late as that
    last.sent = NS
    for budget in (bucket, window):
        with pytest.raises(AssertionError):
            audit((budget,), [early, late, last])


# ---------------------------------------------------- any sequence of calls, times and answers

KINDS = ("submit", "cancel", "batch", "account")
EVERY = dict.fromkeys(("submit", "cancel", "account"), 1)
VENUES: dict[str, tuple[Budget, ...]] = {
    "a bucket": (Budget("all", 10, EVERY, {"batch": 1}, refill_per_s=10, reserve={HEDGE: 3}),),
    "a window": (Budget("all", 9, EVERY, {"batch": 2}, window_s=Decimal("1.5"), reserve={HEDGE: 3}),),
    "reads and writes": (
        Budget("write", 100, {"submit": 10, "cancel": 2}, {"batch": 10}, refill_per_s=100, reserve={CLOSE: 20, HEDGE: 20}),
        Budget("read", 60, {"account": 10}, refill_per_s=70),
        Budget("account", 1, {"account": 1}, refill_per_s=Decimal("0.7")),
    ),
    "two layers": (
        Budget("ip", 14, {**EVERY, "batch": 1}, window_s=2, reserve={HEDGE: 4}),
        Budget("orders", 7, {"submit": 1}, {"batch": 1}, refill_per_s=3.3, reserve={CLOSE: 1, HEDGE: 2, PRIMARY: 1}),
        Budget("cancels", 5, {"cancel": 1}, window_s=3, reserve={CLOSE: 1}),
    ),
}
STEPS = st.one_of(st.integers(0, 3), st.integers(0, 400 * MS), st.integers(0, 5 * NS))


class Calm(RuleBasedStateMachine):
    """A venue that answers whenever it likes and refuses nobody: all laws hold, and exactly."""

    exact = True

    @initialize(venue=st.sampled_from(sorted(VENUES)))
    def start(self, venue: str) -> None:
        self.budgets = VENUES[venue]
        self.limiter = Limiter(self.budgets, rng())
        self.now = self.clock = NS
        self.requests: list[Sent] = []
        self.line: list[Sent] = []
        self.eaten = dict.fromkeys((budget.name for budget in self.budgets), 0)
        self.asked = 0
        self.soonest: int | None = None
        self.until = dict.fromkeys(self.eaten, 0)

    # ------------------------------------------------------------------ what the laws need

    @property
    def under_way(self) -> list[Sent]:
        return [r for r in self.requests if r.done == FAR]

    def names(self, request: Sent) -> set[str]:
        return {budget.name for budget in self.budgets if tokens(budget, request)}

    def floor(self, budget: Budget, priority: Priority) -> int:
        return sum(kept for other, kept in budget.reserve.items() if RANK[other] < RANK[priority])

    def lacking(self, request: Sent, ahead: list[Sent]) -> set[str]:
        """Return the budgets in which the request must wait, given that those ahead get theirs."""
        return {
            budget.name
            for budget in self.budgets
            if (cost := tokens(budget, request))
            and cost + self.floor(budget, request.priority) + sum(tokens(budget, r) for r in ahead) > self.left[budget.name]
        }

    def ask(self, kind: str, priority: Priority, orders: int = 1) -> Sent:
        self.asked += 1
        request = Sent(self.asked, kind, orders, priority, self.asked)
        self.limiter.ask(request.key, kind, priority, orders=orders)
        self.stand(request)
        return request

    def stand(self, request: Sent) -> None:
        self.line.append(request)
        self.line.sort(key=lambda r: (RANK[r.priority], r.place))

    def release(self) -> list[Sent]:
        """Let go what may go, and hold every law against it."""
        keys = self.limiter.release(self.clock)
        assert bool(keys) == (self.soonest is not None and self.clock >= self.soonest)  # next_ns was exact
        assert [r.key for r in self.line if r.key in keys] == keys  # in order, and only who was in line
        gone = [r for r in self.line if r.key in keys]
        self.left = {budget.name: left(budget, self.requests, self.now) for budget in self.budgets}
        for request in gone:
            self.leave(request)
        for n, request in enumerate(self.line):
            assert not self.exact or self.lacking(request, self.line[:n])  # nobody waits without need
        assert self.limiter.waiting == len(self.line)
        self.plan()
        assert self.soonest is None or self.soonest > self.clock
        return gone

    def leave(self, request: Sent) -> None:
        ahead = self.line[: self.line.index(request)]
        for other in ahead:  # they stay
            assert not self.names(other) <= self.names(request)
            assert not self.exact or self.lacking(other, self.line[: self.line.index(other)]) - self.names(request)
        assert not self.lacking(request, ahead)
        assert all(self.now >= self.until[name] for name in self.names(request))
        self.line.remove(request)
        request.sent = self.now
        self.requests.append(request)
        for budget in self.budgets:
            cost, low = tokens(budget, request), RANK[request.priority] > RANK[HEDGE]
            self.left[budget.name] -= cost
            self.eaten[budget.name] = 0 if low and cost else self.eaten[budget.name] + cost

    def plan(self) -> None:
        self.soonest = self.limiter.next_ns(self.clock)
        assert self.soonest is not None or not self.line or self.under_way

    def answer(self, request: Sent, status: int, **told: Any) -> None:
        request.done = self.now
        self.limiter.answered(request.key, self.clock, status, **told)

    def wait(self, ns: int) -> None:
        self.now += ns
        self.clock += ns

    # ------------------------------------------------------------------------------- rules

    @precondition(lambda self: len(self.line) < 20)
    @rule(kind=st.sampled_from(KINDS), priority=st.sampled_from(Priority), orders=st.integers(1, 3), many=st.integers(1, 12))
    def asks(self, kind: str, priority: Priority, orders: int, many: int) -> None:
        for _ in range(many):
            self.ask(kind, priority, orders)
        self.plan()

    @rule()
    def lets_go(self) -> None:
        self.release()

    @rule(ns=STEPS)
    def waits(self, ns: int) -> None:
        self.wait(ns)
        self.release()

    @precondition(lambda self: self.soonest is not None)
    @rule()
    def waits_till_the_named_time(self) -> None:
        assert self.soonest is not None
        if (ns := self.soonest - self.clock) > 0:
            self.wait(ns - 1)
            assert self.release() == []
            self.wait(1)
        assert self.release()

    @rule(turns=st.integers(1, 6), ns=STEPS, every=st.integers(1, 4), kind=st.sampled_from(KINDS))
    def goes_on(self, turns: int, ns: int, every: int, kind: str) -> None:
        """Turn by turn: two more ask, what may leave leaves at its time, a part of what is under way is answered a while later."""
        for turn in range(turns):
            if len(self.line) < 20:
                self.ask(kind, [*Priority][turn * every % 4])
                self.ask("submit", [*Priority][turn % 4])
                self.plan()
            self.wait(max((self.soonest or 0) - self.clock, 0))
            self.release()
            self.wait(ns // (turn + 1))
            for request in self.under_way[::every]:
                self.answer(request, 200)
            self.plan()

    @precondition(lambda self: self.under_way)
    @rule(picks=st.lists(st.integers(0, 30), max_size=5), status=st.sampled_from([0, 200, 201, 404, 422, 500, 503]))
    def is_answered(self, picks: list[int], status: int) -> None:
        for n in picks:
            if waiting := self.under_way:
                self.answer(waiting[n % len(waiting)], status)
        self.plan()

    @precondition(lambda self: self.line)
    @rule(n=st.integers(0, 30))
    def is_dropped(self, n: int) -> None:
        request = self.line.pop(n % len(self.line))
        assert self.limiter.drop(request.key)
        assert not self.limiter.drop(request.key)
        self.plan()

    @precondition(lambda self: self.exact and not any(RANK[r.priority] <= RANK[HEDGE] for r in self.line))
    @rule(kind=st.sampled_from(["submit", "cancel"]), hedge=st.booleans())
    def needs_the_reserve(self, kind: str, hedge: bool) -> None:  # noqa: FBT001 - drawn
        """Whatever PRIMARY and QUERY did: closes and hedges within what is left of the reserve leave at once."""
        priority = HEDGE if hedge else CLOSE
        probe = Sent(0, kind, 1, priority, 0)
        room = [
            (sum(budget.reserve.get(p, 0) for p in (CLOSE, HEDGE)) - self.eaten[budget.name] - self.floor(budget, priority), cost)
            for budget in self.budgets
            if (cost := tokens(budget, probe))
        ]
        urgent = [self.ask(kind, priority) for _ in range(max(min(tokens_ // cost for tokens_, cost in room), 0))]
        self.plan()
        assert self.release()[: len(urgent)] == urgent

    def teardown(self) -> None:
        """Everything leaves in the end, and no window ever held too much."""
        if not hasattr(self, "limiter"):
            return
        self.plan()
        for _ in range(3 * len(self.line)):
            for request in self.under_way:
                self.answer(request, 200)
            self.plan()
            if self.soonest is None:
                break
            self.wait(max(self.soonest - self.clock, 0))
            assert self.release()
        assert not self.line
        audit(self.budgets, self.requests)


class Storm(Calm):
    """The same with refusals, the venue's own counts, a clock that is set back, and restarts."""

    exact = False

    @precondition(lambda self: self.under_way)
    @rule(n=st.integers(0, 30), pause=st.sampled_from([None, 0, 1, NS, 7 * NS]), status=st.sampled_from([429, 429, 503]))
    def is_refused(self, n: int, pause: int | None, status: int) -> None:
        request = self.under_way[n % len(self.under_way)]
        self.answer(request, status, retry_after_ns=pause)
        for name in self.names(request):
            self.until[name] = max(self.until[name], self.now + (pause or 0))
        if status == 429:
            again = Sent(self.asked + 1, request.kind, request.orders, request.priority, request.place)
            self.asked += 1
            self.rename(request, again)
            self.stand(again)
        self.plan()

    def rename(self, request: Sent, again: Sent) -> None:
        """Make two of a request that leaves twice: the auditor counts both."""
        again.key, request.key = request.key, again.key

    @precondition(lambda self: self.under_way)
    @rule(n=st.integers(0, 30), counts=st.lists(st.integers(-1, 20), min_size=3, max_size=3), status=st.sampled_from([200, 404]))
    def is_told_the_venues_count(self, n: int, counts: list[int], status: int) -> None:
        request = self.under_way[n % len(self.under_way)]
        told = {budget.name: count for budget, count in zip(self.budgets, counts, strict=False)}
        self.answer(request, status, remaining=told)
        self.plan()

    @rule(ns=st.integers(0, 2 * NS))
    def has_its_clock_set_back(self, ns: int) -> None:
        self.release()
        self.clock -= ns
        assert self.release() == []

    @rule()
    def restarts(self) -> None:
        for request in self.under_way:
            request.done = self.now
        self.until = dict.fromkeys(self.until, 0)
        self.limiter = Limiter(self.budgets, rng(self.asked + 1), spent_ns=self.clock)
        line, self.line = self.line, []
        for request in line:
            self.ask(request.kind, request.priority, request.orders)
        self.plan()


TestCalm = Calm.TestCase
TestCalm.settings = settings(max_examples=80, stateful_step_count=100)
TestStorm = Storm.TestCase
TestStorm.settings = settings(max_examples=80, stateful_step_count=100)


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


WAYS = st.lists(st.tuples(st.integers(0, 900 * MS), st.integers(0, 900 * MS)), min_size=1, max_size=40)
ALONE: list[tuple[Budget, Any]] = [
    (Budget("all", 6, {"submit": 1}, window_s=2), lambda: Sliding(6, 2 * NS)),
    (Budget("all", 9, {"submit": 1}, window_s=60), lambda: Minutes(9)),
    (Budget("all", 5, {"submit": 1}, refill_per_s=Decimal("3.3")), lambda: Leaking(5, Fraction(33, 10))),
]


@pytest.mark.parametrize("n", range(len(ALONE)))
@given(ways=WAYS)
@settings(max_examples=40)
def test_alone_on_the_account_no_request_is_refused_and_honest_headers_change_nothing(n: int, ways: list[tuple[int, int]]) -> None:
    budget, venue = ALONE[n]
    quiet = drive(Limiter([budget], rng()), venue(), ways, tell=False)
    assert quiet[1] == 0
    assert drive(Limiter([budget], rng()), venue(), ways, tell=True) == quiet


def test_departures_counted_alone_would_be_refused() -> None:
    """Why tokens flow back from the answer on: a slow request and a quick one arrive together."""
    ways = [(900 * MS, 0)] * 6 + [(0, 0)] * 6
    departures, refused = drive(Limiter([ALONE[2][0]], rng()), Leaking(5, Fraction(33, 10)), ways, tell=False)
    assert refused == 0
    venue = Leaking(5, Fraction(33, 10))
    naive = [0] * 5 + [ceil(k * 10 * NS / 33) for k in range(1, 8)]
    arrivals = sorted(at + way for at, (way, _) in zip(naive, ways, strict=True))
    assert not all(venue.take(at)[0] for at in arrivals)
    assert departures[5] == 900 * MS + ceil(10 * NS / 33)


# ------------------------------------------------------------------------ hand numbers

TEN = {"submit": 1, "cancel": 1, "account": 1}


def saturated(budget: Budget) -> Limiter:
    """Ten requests are under way, thirty more in line."""
    limiter = Limiter([budget], rng())
    for key in range(40):
        limiter.ask(key, "submit" if key % 2 else "account", PRIMARY if key % 2 else QUERY)
    for key in limiter.release(0):
        limiter.answered(key, 0, 200)
    return limiter


@pytest.mark.parametrize("pace", [{"refill_per_s": 10}, {"window_s": 1}])
def test_a_hedge_leaves_as_the_next_request_though_thirty_are_in_line(pace: dict[str, int]) -> None:
    """L5; a peer's throttle, 10/s with 30 quotes in line, let the hedge go as the 31st, after 3.2 s (PEERS: hummingbot)."""
    limiter = saturated(Budget("all", 10, TEN, **pace))  # type: ignore[arg-type]  # - one pace or the other
    assert limiter.waiting == 30
    limiter.ask(99, "submit", HEDGE)
    at = limiter.next_ns(0)
    assert at == (NS // 10 if "refill_per_s" in pace else NS)
    assert at is not None
    assert limiter.release(at)[0] == 99


def test_with_a_reserve_hedges_and_closes_leave_at_once() -> None:
    limiter = saturated(Budget("all", 10, TEN, refill_per_s=10, reserve={CLOSE: 1, HEDGE: 1}))
    assert limiter.waiting == 32
    for key, priority in ((101, HEDGE), (102, HEDGE), (201, CLOSE), (202, CLOSE)):
        limiter.ask(key, "submit", priority)
    assert limiter.release(0) == [201, 202]  # two tokens were kept, both for closes if closes are there
    limiter.answered(201, 0, 200)
    limiter.answered(202, 0, 200)
    assert [limiter.release(ms * MS) for ms in (100, 200, 300)] == [[], [101], [102]]  # the first that flows back is kept for closes


def test_closes_of_one_leg_leave_in_the_order_of_asking_and_a_refused_one_keeps_its_place() -> None:
    limiter = Limiter([Budget("all", 2, TEN, refill_per_s=2)], rng(), backoff_ns=1)
    for key in range(5):
        limiter.ask(key, "submit", CLOSE if key else QUERY)
    assert limiter.release(0) == [1, 2]
    limiter.answered(2, 0, 200)
    limiter.answered(1, 0, 429)
    assert limiter.release(NS // 2) == [1]
    limiter.answered(1, NS // 2, 0)  # lost: the session asks again, and that is a new request
    limiter.ask(1, "submit", CLOSE)
    assert [limiter.release(half * NS // 2) for half in range(2, 5)] == [[3], [4], []]  # under way, two are all that the bucket holds
    assert limiter.next_ns(9 * NS) is None
    limiter.answered(3, 9 * NS, 200)
    assert limiter.release(10 * NS) == [1]


def test_a_request_passes_another_only_on_tokens_that_the_other_does_not_need() -> None:
    both = Budget("both", 3, {"submit": 2, "account": 1}, refill_per_s=1)
    orders = Budget("orders", 2, {"submit": 2}, refill_per_s=Decimal("0.5"))
    limiter = Limiter([both, orders], rng())
    for key, kind, priority in ((1, "submit", CLOSE), (2, "submit", CLOSE), (3, "account", QUERY)):
        limiter.ask(key, kind, priority)
    assert limiter.release(0) == [1]  # one token of "both" is left, and the second close needs it
    limiter.answered(1, 0, 200)
    assert limiter.release(2 * NS) == [3]  # now three are there, two of them for the close, which waits for "orders"
    assert limiter.release(4 * NS) == [2]
    assert limiter.next_ns(4 * NS) is None


def test_a_refusal_holds_all_that_the_request_spent_from_and_nothing_else() -> None:
    pools = [Budget("first", 9, {"account": 1, "submit": 1}, window_s=1), Budget("second", 9, {"account": 1, "cancel": 1}, window_s=1)]
    limiter = Limiter([*pools, Budget("third", 9, {"batch": 1}, window_s=1)], rng())
    limiter.ask(1, "account", CLOSE)
    assert limiter.release(0) == [1]
    limiter.answered(1, 0, 429, retry_after_ns=9 * NS)
    for key, kind in ((2, "submit"), (3, "cancel"), (4, "batch")):
        limiter.ask(key, kind, QUERY)
    assert limiter.release(0) == [4]
    assert limiter.next_ns(0) == 9 * NS
    assert limiter.release(9 * NS) == [1, 2, 3]


def test_no_drift_in_ten_thousand_departures() -> None:
    limiter = Limiter([Budget("all", 1, TEN, refill_per_s=3.3)], rng())
    now = 0
    for k in range(10_000):
        limiter.ask(k, "submit", HEDGE)
        at = limiter.next_ns(now)
        assert at is not None
        assert limiter.release(at) == [k]
        limiter.answered(k, at, 200)
        now = at
    # each departure is rounded up to its own ns and the next is counted from there: within 1 ns each, never early
    assert 0 <= now - Fraction(9_999 * 10 * NS, 33) < 10_000


# --------------------------------------------------------------- refusals, headers, restarts


def refused(limiter: Limiter, at: int, **told: Any) -> int:
    """Send one request at ``at``, let it be refused at once; return for how long all is held."""
    key = limiter.release(at)
    assert len(key) == 1
    limiter.answered(key[0], at, 429, **told)
    soonest = limiter.next_ns(at)
    assert soonest is not None
    return soonest - at


def one_by_one(seed: int = 1) -> Limiter:
    """Return a limiter before a window so wide that only holds make it wait."""
    limiter = Limiter([Budget("all", 1000, TEN, window_s=1)], rng(seed))
    limiter.ask(1, "submit", CLOSE)
    return limiter


def test_retry_after_holds_everything_of_the_budget_until_then() -> None:
    limiter = one_by_one()
    assert refused(limiter, 0, retry_after_ns=7 * NS) == 7 * NS
    limiter.ask(2, "cancel", CLOSE)
    assert limiter.release(7 * NS - 1) == []
    assert limiter.release(7 * NS) == [1, 2]
    limiter.answered(1, 7 * NS, 503, retry_after_ns=NS)  # a pause is a pause, whatever the status
    limiter.ask(3, "submit", CLOSE)
    assert limiter.next_ns(7 * NS) == 8 * NS
    limiter.answered(2, 7 * NS, 429, retry_after_ns=NS // 2)  # a shorter one shortens nothing
    assert limiter.next_ns(7 * NS) == 8 * NS


def test_backoff_doubles_up_to_its_bound_with_full_jitter_and_a_success_ends_it() -> None:
    waits = np.array([[refused(limiter, n * 100 * NS) for n in range(10)] for limiter in map(one_by_one, range(400))]) / NS
    bounds = np.array([0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30])
    assert (waits > 0).all()
    assert (waits <= bounds).all()
    assert np.allclose(waits.mean(0) / bounds, 0.5, atol=0.06)  # 4 standard errors of a uniform's mean
    assert np.allclose(waits.std(0) / bounds, np.sqrt(1 / 12), atol=0.04)
    limiter = one_by_one()
    for n in range(8):
        refused(limiter, n * 100 * NS)
    assert limiter.release(900 * NS) == [1]
    limiter.answered(1, 900 * NS, 422)  # refused for another reason: it passed the limit
    limiter.ask(1, "submit", CLOSE)
    assert refused(limiter, 1000 * NS) <= NS // 2


def test_a_burst_that_is_refused_counts_once_and_an_old_success_ends_nothing() -> None:
    limiter = Limiter([Budget("all", 1000, TEN, window_s=1)], rng(), backoff_ns=NS, backoff_max_ns=1 << 62)
    for key in range(41):
        limiter.ask(key, "submit", HEDGE)
    limiter.release(0)
    for key in range(40):
        limiter.answered(key, NS, 429)
    assert limiter.next_ns(NS) is not None
    assert limiter.next_ns(NS) <= 2 * NS  # type: ignore[operator]  # - forty in a row would be held for centuries
    limiter.release(3 * NS)
    limiter.answered(0, 3 * NS, 429)
    for key, status, count in ((40, 200, 2), (1, 0, 2), (2, 503, 2), (3, 200, 2)):  # 40 left before the first refusal, 3 before the second
        limiter.answered(key, 3 * NS, status)
        assert limiter._meters[0].refusals == count
    limiter.ask(99, "submit", CLOSE)
    for status, count in ((0, 2), (502, 2), (403, 0)):
        assert limiter.release(9 * NS)[0] == 99
        limiter.answered(99, 9 * NS, status)
        assert limiter._meters[0].refusals == count
        limiter.ask(99, "submit", CLOSE)


def test_after_a_429_a_bucket_is_empty_and_fills_at_its_rate() -> None:
    limiter = Limiter([Budget("all", 10, {"submit": 1, "batch": 5}, refill_per_s=1)], rng(), backoff_ns=1)
    limiter.ask(1, "submit", CLOSE)
    assert refused(limiter, 0) == NS
    assert limiter.release(NS) == [1]
    limiter.ask(2, "batch", CLOSE)
    limiter.answered(1, NS, 200)
    assert limiter.next_ns(NS) == 6 * NS


def test_the_venues_count_only_tightens() -> None:
    def after(budget: Budget, remaining: dict[str, int]) -> int | None:
        limiter = Limiter([budget], rng())
        for key in range(5):
            limiter.ask(key, "submit", HEDGE)
        limiter.release(0)
        for key in range(5):
            limiter.answered(key, 0, 200, remaining=remaining if key == 4 else None)
        limiter.ask(9, "submit", HEDGE)
        return limiter.next_ns(0)

    for budget, empty in ((Budget("all", 8, TEN, refill_per_s=2), 1), (Budget("all", 8, TEN, window_s=3), 3 * NS)):
        assert [after(budget, told) for told in ({}, {"all": 3}, {"all": 1}, {"all": 900})] == [0, 0, 0, 0]
        assert after(budget, {"all": 0}) == after(budget, {"all": -7}) == empty  # of a bucket, nearly a token may be there besides 0
    full = Budget("all", 5, TEN, window_s=3)
    assert after(full, {"all": 900}) == 3 * NS
    with pytest.raises(KeyError, match="orders"):
        after(full, {"orders": 3})


def test_time_that_stands_still_or_steps_back_gives_nothing() -> None:
    limiter = saturated(Budget("all", 10, TEN, refill_per_s=10))
    limiter.release(NS)
    for at in (NS, NS // 2, 0, NS, NS - 1, NS) * 20:
        assert limiter.release(at) == []
    assert limiter.next_ns(0) is None


def test_after_the_clock_is_set_back_what_is_there_leaves_and_time_counts_where_it_had_been() -> None:
    limiter = Limiter([Budget("all", 2, TEN, window_s=1), Budget("too", 2, TEN, refill_per_s=1)], rng())
    for key, at in ((1, 10 * NS), (2, 3 * NS)):
        limiter.ask(key, "submit", CLOSE)
        assert limiter.next_ns(at) == at
        assert limiter.release(at) == [key]
        limiter.answered(key, at, 200)
    limiter.ask(3, "submit", CLOSE)
    assert limiter.next_ns(3 * NS) == 11 * NS
    for pace in ({"refill_per_s": 1}, {"window_s": 1}):
        limiter = Limiter([Budget("all", 1, TEN, **pace)], rng())  # type: ignore[arg-type]  # - one pace or the other
        limiter.ask(1, "submit", CLOSE)
        limiter.release(10 * NS)
        limiter.answered(1, 3 * NS, 200)
        limiter.ask(2, "submit", CLOSE)
        assert limiter.next_ns(3 * NS) == 11 * NS


def test_after_a_restart_everything_counts_as_spent() -> None:
    bucket, window = Budget("b", 100, {"submit": 10}, refill_per_s=100), Budget("w", 200, {"submit": 1}, window_s=60)
    for budget, wait in ((bucket, NS // 10), (window, 60 * NS)):
        for spent_ns, at in ((50 * NS, 50 * NS + wait), (None, 100 * NS)):
            limiter = Limiter([budget], rng(), spent_ns=spent_ns)
            limiter.ask(1, "submit", CLOSE)
            assert limiter.next_ns(100 * NS) == max(at, 100 * NS)


def test_a_bucket_can_keep_within_a_window_and_restarts_sooner() -> None:
    """50 + 2.5 x 60 = 200: a minute's worth, whenever the minute begins, and 0.4 s after a restart."""
    bucket = Budget("all", 50, TEN, refill_per_s=2.5)
    limiter = Limiter([bucket], rng(), spent_ns=0)
    limiter.ask(1, "submit", CLOSE)
    assert limiter.next_ns(0) == 4 * NS // 10
    ways = [(n * 37 % 300 * MS, n * 91 % 400 * MS) for n in range(700)]
    for venue in (Sliding(200, 60 * NS), Minutes(200)):
        departures, refusals = drive(Limiter([bucket], rng()), venue, ways, tell=False)
        assert refusals == 0
        assert (len(departures) - 50) / (departures[-1] / NS) == pytest.approx(2.5, rel=0.01)


# ----------------------------------------------------------- what the four venues publish

KALSHI_BASIC = (  # docs.kalshi.com, rate limits: tokens in a second, reads and writes apart; the balance has a limit of its own
    Budget("write", 100, {"submit": 10, "cancel": 2}, {"batch": 10}, refill_per_s=100, reserve={CLOSE: 20, HEDGE: 20}),
    Budget("read", 200, {"lookup": 10, "order": 2, "positions": 10, "account": 10}, refill_per_s=200),
    Budget("balance", 1, {"account": 1}, refill_per_s=1),
)
DERIBIT_DEFAULT = (  # docs.deribit.com, rate limits: credits; 3,000 of 30,000 for a subscription are its "3.3/s, burst 10"
    Budget("matching", 20, {"submit": 1, "cancel": 1}, refill_per_s=5, reserve={CLOSE: 4, HEDGE: 4}),
    Budget("other", 50_000, {"lookup": 500, "positions": 500, "account": 500}, refill_per_s=10_000),
    Budget("subscribe", 30_000, {"subscribe": 3_000}, refill_per_s=10_000),
)
POLYMARKET_STANDARD = (  # docs.polymarket.com: windows for each address of a client, buckets for each signer
    Budget("address", 9_000, dict.fromkeys(("submit", "batch", "cancel", "cancel all", "lookup"), 1), window_s=10),
    Budget("address: orders", 5_000, {"submit": 1}, window_s=10),
    Budget("address: orders, long", 120_000, {"submit": 1}, window_s=600),
    Budget("address: batches", 2_000, {"batch": 1}, window_s=10),
    Budget("address: lookups", 500, {"lookup": 1}, window_s=10),
    Budget("signer: orders", 60, {"submit": 1}, {"batch": 1}, refill_per_s=40, reserve={CLOSE: 6, HEDGE: 6}),
    Budget("signer: cancels", 120, {"cancel": 1, "cancel all": 1}, {"cancel all": 1}, refill_per_s=80),
)
ALPACA = (
    Budget("account", 200, dict.fromkeys(("submit", "cancel", "lookup", "account", "positions"), 1), window_s=60, reserve={HEDGE: 8}),
)


@pytest.mark.parametrize(
    ("budgets", "kind", "orders", "per_s"),
    [
        (KALSHI_BASIC, "submit", 1, 10),
        (KALSHI_BASIC, "cancel", 1, 50),
        (KALSHI_BASIC, "batch", 5, 2),
        (KALSHI_BASIC, "lookup", 1, 20),
        (KALSHI_BASIC, "account", 1, 1 / 1.08),  # one at a time: a round trip for each
        (DERIBIT_DEFAULT, "submit", 1, 5),
        (DERIBIT_DEFAULT, "lookup", 1, 20),
        (DERIBIT_DEFAULT, "subscribe", 1, 10 / 3),
        (POLYMARKET_STANDARD, "submit", 1, 40),
        (POLYMARKET_STANDARD, "batch", 8, 5),
        (POLYMARKET_STANDARD, "cancel all", 39, 2),
        (ALPACA, "submit", 1, 192 / 60.08),  # less the reserve, and the round trip
    ],
)
def test_four_venues_budgets_are_data_and_are_used_to_the_full(budgets: tuple[Budget, ...], kind: str, orders: int, per_s: float) -> None:
    limiter, requests, now, end = Limiter(budgets, rng()), dict[int, Sent](), 0, 240 * NS if budgets is ALPACA else 30 * NS
    key, under_way = 0, deque[Sent]()
    while now < end:
        while limiter.waiting < 5:
            key += 1
            requests[key] = Sent(key, kind, orders, QUERY, key)
            limiter.ask(key, kind, QUERY, orders=orders)
        for gone in limiter.release(now):
            requests[gone].sent = now
            under_way.append(requests[gone])
        if limiter.waiting < 5:
            continue
        moments = [at for at in (limiter.next_ns(now), under_way[0].sent + 80 * MS if under_way else None) if at is not None]
        now = min(moments)
        while under_way and under_way[0].sent + 80 * MS <= now:
            under_way[0].done = now
            limiter.answered(under_way.popleft().key, now, 200)
    sent = [request for request in requests.values() if request.sent < end]
    audit(budgets, sent[:300])
    early = sum(request.sent < end // 2 for request in sent)
    assert (len(sent) - early) / (end / 2 / NS) == pytest.approx(per_s, rel=0.05)


# ---------------------------------------------------------------------------- misuse


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({}, "refill_per_s or window_s, and not both"),
        ({"refill_per_s": 1, "window_s": 1}, "refill_per_s or window_s, and not both"),
        ({"refill_per_s": 0}, "write positive numbers"),
        ({"window_s": -1}, "write positive numbers"),
        ({"window_s": float("nan")}, "write a finite number"),
        ({"window_s": float("inf")}, "write a finite number"),
        ({"window_s": 1, "capacity": 0}, "capacity 0"),
        ({"window_s": 1, "costs": {}}, "by kind, at least 1 token"),
        ({"window_s": 1, "costs": {"submit": 0}}, "by kind, at least 1 token"),
        ({"window_s": 1, "each": {"submit": -1}}, "by kind, at least 1 token"),
        ({"window_s": 1, "reserve": {QUERY: 1}}, "below query there is nobody"),
        ({"window_s": 1, "reserve": {CLOSE: -1}}, "0 or more"),
        ({"window_s": 1, "costs": {"submit": 11}}, "'submit' of 1 order.s. leave: it costs 11, 10 of 10 tokens"),
        ({"window_s": 1, "reserve": {CLOSE: 5, HEDGE: 5}}, "costs 1, 0 of 10 tokens are not reserved"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(wrong: dict[str, Any], says: str) -> None:
    right: dict[str, Any] = {"name": "all", "capacity": 10, "costs": {"submit": 1}}
    with pytest.raises(ConfigError, match=says):
        Budget(**(right | wrong))


def test_wrong_calls_are_refused() -> None:
    budget = Budget("all", 10, {"submit": 1}, {"batch": 1}, window_s=1, reserve={HEDGE: 3})
    for budgets in ([], [budget, budget]):
        with pytest.raises(ConfigError, match="each with a name of its own"):
            Limiter(budgets, rng())
    limiter = Limiter([budget], rng())
    with pytest.raises(ConfigError, match="'sumbit'; they list batch, submit"):
        limiter.ask(1, "sumbit", CLOSE)
    with pytest.raises(ConfigError, match=r"a query request 'batch' of 8 order\(s\) leave: it costs 8, 7 of 10"):
        limiter.ask(1, "batch", QUERY, orders=8)
    limiter.ask(1, "batch", CLOSE, orders=10)
    for key, orders in ((1, 1), (2, 0)):
        with pytest.raises(ValueError, match="a key is in use until its answer"):
            limiter.ask(key, "batch", CLOSE, orders=orders)
    for release in (False, True):
        with pytest.raises(ValueError, match="request 1 is not under way"):
            limiter.answered(1, 0, 200)
        if not release:
            assert limiter.release(0) == [1]
            with pytest.raises(ValueError, match="in use"):
                limiter.ask(1, "submit", CLOSE)
            assert not limiter.drop(1)
            limiter.answered(1, 0, 200)
    assert not limiter.drop(7)
