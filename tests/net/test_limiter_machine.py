"""The limiter under any sequence of calls, times and answers, against the auditor (A17, L5)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from hedgekit.net.budget import Budget
from hedgekit.net.limiter import Limiter
from hedgekit.types import NS, Priority
from tests.net.limits_made import (
    CLOSE,
    FAR,
    HEDGE,
    MS,
    PRIMARY,
    QUERY,
    RANK,
    Sent,
    audit,
    left,
    rng,
    tokens,
)

# ruff: noqa: D102 - the name of a rule or law says what it does


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
