"""Outbox, sender and limiter together under any faults and kills, as a session uses them: L2, L3, L5 and A17 without a socket.

What a session does, and the laws, are in :mod:`tests.net.session_model`; here is what befalls it. When the faults have stopped
everything comes to rest within bounded time, and what was told is what the venue has done.
"""

from __future__ import annotations

from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from hedgekit.types import NS, Action, Priority
from tests.net.session_model import AUDIT, CLOSE, DOWN, HEDGE, MS, PRIMARY, UP, Fate, News, Session

# ruff: noqa: D102 - the name of a rule says what it does

_WAYS = [(5, 5)] * 6 + [(5, 900), (5, 11_000), (800, 5), (9_000, 5), (12_000, 5), (12_000, 11_000), (60_000, 5)]
_KINDS = ["ok"] * 4 + ["mute"] * 2 + ["refused"] * 2 + ["lost", "500", "504", "429", "429 after", "425"]
FATES = st.lists(st.sampled_from([Fate(*way, kind) for kind in _KINDS for way in _WAYS]), max_size=4)
NEWS = st.lists(st.sampled_from([News(after) for after in [(5,), (), (), (0,), (5, 40), (2_000,), (5, 15_000)]]), max_size=5)
_EACH = [(priority, qty) for priority in (CLOSE, HEDGE, PRIMARY) for qty in range(1, 10)]
ORDERS = st.lists(st.sampled_from(_EACH), min_size=1, max_size=5)
PICK = st.integers(0, 99)


class AnyFault(Session, RuleBasedStateMachine):
    """A session that trades by lot."""

    @initialize(lag=st.sampled_from([0, 0, 3]), skew=st.sampled_from([-30, 0, 30]))
    def start(self, lag: int, skew: int) -> None:
        self.begin(lag, skew)

    @precondition(lambda self: len(self.open) < 12)
    @rule(
        qty=st.integers(1, 9),
        hedges=st.integers(1, 2),
        fates=FATES,
        die=st.sampled_from(["", "", "", "", "decided", "committed", "sent"]),
    )
    def enters(self, qty: int, hedges: int, fates: list[Fate], die: str) -> None:
        self.fates = fates or self.fates
        orders = [self.order(PRIMARY, qty), *(self.order(HEDGE, -qty) for _ in range(hedges))]
        self.instant(self.decision(orders, (), Action.OPEN), die=die)
        self.revive(die, 0)

    @precondition(lambda self: len(self.open) < 12)
    @rule(
        what=ORDERS,
        pick=PICK,
        fates=FATES,
    )
    def orders_and_cancels(self, what: list[tuple[Priority, int]], pick: int, fates: list[Fate]) -> None:
        self.fates = fates or self.fates
        cancels = [name for n, name in enumerate(self.wanted) if (n + pick) % 5 == 0]
        self.instant(self.decision([self.order(*one) for one in what], cancels))

    @precondition(lambda self: self.open)
    @rule(picks=st.lists(PICK, min_size=1, max_size=4))
    def cancels(self, picks: list[int]) -> None:
        names = self.wanted
        self.instant(self.decision((), dict.fromkeys(names[n % len(names)] for n in picks if names)))

    @rule(ns=st.sampled_from([0, MS, 6 * MS, 11 * MS, 100 * MS, NS, 4 * NS, 11 * NS, 30 * NS]))
    def waits(self, ns: int) -> None:
        self.run(ns)

    @rule(fates=FATES, news=NEWS, mood=st.integers(0, 10))
    def has_bad_weather(self, fates: list[Fate], news: list[News], mood: int) -> None:
        self.fates, self.news, self.venue.mood = fates or self.fates, news or self.news, mood

    @precondition(lambda self: self.venue.alive)
    @rule(pick=PICK, tenths=st.integers(1, 10), news=NEWS)
    def venue_fills(self, pick: int, tenths: int, news: list[News]) -> None:
        self.news = news or self.news
        order = self.venue.alive[pick % len(self.venue.alive)]
        left = order.qty - order.filled
        self.venue.fill(order, max(abs(left) * tenths // 10, Decimal(1)).copy_sign(left), self.now)
        self.spread()

    @precondition(lambda self: self.venue.alive)
    @rule(pick=PICK, status=st.sampled_from(["canceled", "expired", "rejected"]), news=NEWS)
    def venue_ends(self, pick: int, status: str, news: list[News]) -> None:
        self.news = news or self.news
        order = self.venue.alive[pick % len(self.venue.alive)]
        self.venue.end(order, "canceled" if order.filled else status, self.now)
        self.spread()

    @precondition(lambda self: self.venue.alive)
    @rule(pick=PICK, ends=st.booleans())
    def misses_a_word_and_is_left_in_peace(self, pick: int, ends: bool) -> None:  # noqa: FBT001 - drawn
        """Nobody tells of an execution, or of the end after it: the silent order is asked after."""
        order = self.venue.alive[pick % len(self.venue.alive)]
        self.fates, self.news = [], [News(()), News(())]
        self.venue.fill(order, Decimal(1).copy_sign(order.qty), self.now)
        if ends and not order.over:
            self.venue.end(order, "canceled", self.now)
        self.spread()
        self.news = []
        self.come_to_rest(self.all_told)

    def all_told(self) -> bool:
        return all(name in self.venue.orders and self.same(name) for name in self.open)

    @rule(seconds=st.integers(0, 30))
    def loses_its_stream(self, seconds: int) -> None:
        self.deaf, self.socket = True, self.socket + 1
        self.run(seconds * NS)
        self.deaf = False
        self.instant(AUDIT)

    @rule(seconds=st.integers(0, 90))
    def loses_its_venue(self, seconds: int) -> None:
        """L6: nothing goes through, and when it was silent for too long nothing unsent or unknown is wanted any more."""
        self.cut = True
        self.run(seconds * NS // 2)
        self.instant(DOWN)
        self.run(seconds * NS // 2)
        self.cut = False
        self.instant(UP, AUDIT, self.decision((), self.wanted))

    @rule(die=st.sampled_from(["decided", "committed", "sent"]), after=st.sampled_from([0, 5, 11, 900]), down=st.integers(0, 20))
    def is_killed(self, die: str, after: int, down: int) -> None:
        self.run(after * MS)
        self.instant(die=die)
        self.revive(die, down * NS)

    # --------------------------------------------------------------------- the end

    def teardown(self) -> None:
        """Without further faults everything comes to rest by itself, and then to its end; told is what the venue has done."""
        if not hasattr(self, "sender"):
            return
        self.fates, self.news = [], []
        self.come_to_rest(self.all_told)
        self.instant(self.decision((), self.wanted))
        self.come_to_rest(lambda: not self.open)
        self.agreed = False
        self.instant(AUDIT)
        self.come_to_rest(lambda: self.agreed)
        assert {one.fill_id: one.qty for one in self.venue.executions} == {name: fill.qty for name, fill in self.told.items()}
        assert all(abs(order.filled) <= abs(order.qty) for order in self.venue.orders.values())
        assert not self.venue.alive
        assert not self.outbox.open


TestAnyFault = AnyFault.TestCase
TestAnyFault.settings = settings(max_examples=180, stateful_step_count=80, deadline=None)
