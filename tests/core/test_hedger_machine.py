"""The Hedger under any sequence of valid events (A13, A18, A19, L1, L4, L6).

Silent venues, shut markets, gaps, restarts and a person's commands are among them; every law is counted by the test's own books.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hedgekit.hedger import Hedger
from hedgekit.journal import codec
from hedgekit.types import (
    NS,
    Ack,
    Action,
    Cancelled,
    Command,
    Decision,
    Fill,
    Gap,
    Input,
    Link,
    MarketStatus,
    Order,
    Phase,
    PlanRevised,
    Quote,
    Reconciled,
    Reject,
    Timer,
)
from tests.core.core_made import T0, legs, params, plan

# ruff: noqa: D102 - the name of a rule or law says what it does

_PLAIN: dict[str, Any] = {"entry": 0.9, "target": 0.3, "stop": 1.75, "tolerance": 0.01, "risk_aversion": 1e6, "notional": 3_000.0}
_LADDER: dict[str, Any] = _PLAIN | {"order_type": "limit", "patience_s": 0.4, "retries": 1, "accept_filled": 0.8, "slippage_cap": 0.01}
STRATEGIES = {
    "plain": params(**_PLAIN, max_quote_age_s=60.0),
    "ladder": params(**_LADDER, naked_limit_s=3.0),
    "retries": params(**_PLAIN, patience_s=0.3, retries=2, naked_limit_s=0.0, cooldown_bars=2),
    "steps": params(**_PLAIN, scale_steps=3, scale_gap=0.2, naked_limit_s=1.0),
    "synthetic": params(**_PLAIN, structure="synthetic", hedge_frac=0.4),
}
PICK = st.integers(0, 99)
LIVE = (Phase.OPENING, Phase.OPEN)


class AnyEvents(RuleBasedStateMachine):
    """A Hedger, a venue that answers when and how it likes, a market that comes and goes, and a person with commands."""

    @initialize(name=st.sampled_from(sorted(STRATEGIES)), filled=st.booleans())
    def start(self, name: str, filled: bool) -> None:  # noqa: FBT001 - drawn
        self.strategy = STRATEGIES[name]
        self.hedger = Hedger("s", legs(), self.strategy)
        self.now_ns = T0
        self.events: list[Input] = []
        self.said: list[bytes] = []
        self.open: dict[str, tuple[Order, Decimal]] = {}
        self.ending: list[str] = []
        self.fills: list[Fill] = []
        self.mids, self.shut = [100.0, 100.0], [False, False]
        self.orders_made = 0
        self.paused = self.halted = self.cut = self.broken = False
        self.old_news, self.link = False, "up"
        self.rate = self.naked = self.shown = 0.0
        self.rate_ns, self.trade, self.shape = T0, 0, (0.0, 0.0)
        self.send(PlanRevised(ts_ns=self.now_ns, plan=plan(1.0)))
        self.stretch(up=True)
        if filled:
            self.venue_fills_all()

    # ----------------------------------------------------- what every event is put through

    def send(self, event: Input) -> Decision:
        decision = self.hedger.on(event)
        self.events.append(event)
        self.said.append(msgspec.json.encode(decision))
        assert set(decision.cancels) <= set(self.open) - set(self.ending), "a cancel of what is over, or a second one"
        self.ending += decision.cancels
        if decision.orders:
            self.orders_made += 1
        for order in decision.orders:
            self.take(order, decision)
        self.may_open(event, decision)
        self.measure(event, decision)
        return decision

    def take(self, order: Order, decision: Decision) -> None:
        """Hold an order to its id (L2), its lot, and its leg's target: with all that works and is held it goes no further."""
        assert order.order_id == f"s-{self.orders_made}-{order.leg}"
        assert order.qty % self.hedger.instruments[order.leg].lot == 0
        assert order.qty
        here = [left for other, left in self.open.values() if other.leg == order.leg]
        assert all(left * order.qty > 0 for left in here), "two orders against each other"
        assert not any(self.open[name][0].leg == order.leg for name in self.ending), "ordered while a cancel is pending"
        self.open[order.order_id] = (order, order.qty)
        reach, target = self.held(order.leg) + order.qty + sum(here), Decimal(repr(decision.targets[order.leg]))
        assert reach <= max(target, Decimal(0)) if order.qty > 0 else reach >= min(target, Decimal(0)), "beyond the target"

    def may_open(self, event: Input, decision: Decision) -> None:
        """A19, L6: nothing is opened while a person, a silent venue or a shut market forbids it."""
        if decision.action is Action.OPEN:
            assert isinstance(event, Timer)
            assert [self.paused, self.halted, self.cut, *self.shut, self.link] == [False] * 5 + ["up"], "an entry that is forbidden"
        if self.halted or (self.cut and not isinstance(event, Reconciled)):
            assert not decision.orders, "an order while nothing is decided"
        assert decision.phase is not Phase.RECOVERING or self.cut
        assert (decision.phase is Phase.HALTED) == self.halted

    def measure(self, event: Input, decision: Decision) -> None:
        """L4: what is unhedged, by the ratio of the last targets, at the price when it was last measured, x seconds."""
        if decision.trade != self.trade:
            assert not self.rate
            self.trade, self.naked = decision.trade, 0.0
        self.naked += self.rate * (self.now_ns - self.rate_ns) / NS
        self.rate_ns = self.now_ns
        passing = isinstance(event, Quote | Ack | Reconciled) or self.old_news
        measured = not passing or decision.action not in (Action.HOLD, Action.SKIP)
        if decision.phase in LIVE and decision.targets[0]:
            self.shape = decision.targets
        if measured:
            belongs = self.shape[1] * float(self.held(0)) / self.shape[0] if self.shape[0] else 0.0
            self.rate = abs(float(self.held(1)) - belongs) * self.mids[1]
        if measured or isinstance(event, Quote):
            self.shown = self.naked
        assert decision.naked == pytest.approx(self.shown, rel=1e-9, abs=1e-6)

    def held(self, leg: int) -> Decimal:
        key = self.hedger.instruments[leg].key
        return sum((fill.qty for fill in self.fills if fill.instrument == key), Decimal(0))

    # ------------------------------------------------------------------ the market

    @rule(ns=st.sampled_from([0, 1, NS // 20, NS // 3, NS, 5 * NS]))
    def time_passes(self, ns: int) -> None:
        """Timers come when they are due, as from a driver."""
        until = self.now_ns + ns
        while (wakeup := self.hedger.wakeup_ns) is not None and wakeup <= until:
            self.now_ns = max(self.now_ns, wakeup)
            self.send(Timer(ts_ns=self.now_ns))
        self.now_ns = until

    @rule(leg=st.integers(0, 1), move=st.integers(-300, 300))
    def quote(self, leg: int, move: int) -> None:
        self.time_passes(NS // 20)
        if self.link == "frozen":
            self.hear("up")
        self.mids[leg] = min(max(self.mids[leg] + move / 100, 80.0), 125.0)
        self.send_quote(leg, self.mids[leg] - 0.01, self.mids[leg] + 0.01)

    def send_quote(self, leg: int, bid: float, ask: float) -> None:
        key = self.hedger.instruments[leg].key
        if 0 < bid <= ask:
            self.mids[leg] = 0.5 * (bid + ask)
        self.send(Quote(ts_ns=self.now_ns, instrument=key, venue_ns=self.now_ns, bid=bid, ask=ask, bid_size=1, ask_size=1))

    @rule(leg=st.integers(0, 1), bid=st.sampled_from([0.0, 90.0]), ask=st.sampled_from([0.0, 80.0]))
    def broken_quote(self, leg: int, bid: float, ask: float) -> None:
        if self.link != "frozen":
            self.send_quote(leg, bid, ask)

    @rule(moves=st.lists(st.tuples(st.integers(-200, 200), st.integers(-50, 50)), min_size=1, max_size=5))
    def bars(self, moves: list[tuple[int, int]]) -> None:
        for move in moves:
            for leg in (0, 1):
                self.quote(leg, move[leg])
            self.time_passes(NS - self.now_ns % NS)

    @rule(up=st.booleans())
    def stretch(self, up: bool) -> None:  # noqa: FBT001 - drawn
        """Quiet bars, then one away from them: an entry, if the pair is flat and may trade."""
        self.bars([(5, 3), (-5, -3), (5, 3), (-5, -3), (60 if up else -60, 0)])

    @rule(up=st.booleans(), filled=st.booleans())
    def all_is_well_again(self, up: bool, filled: bool) -> None:  # noqa: FBT001 - drawn
        """Let every obstacle be gone, what is left be closed, and a new trade begin."""
        self.clear_away()
        self.bars([(0, 0)])
        self.tell("resume")
        self.stretch(up)
        if filled:
            self.venue_fills_all()

    def clear_away(self) -> None:
        """Markets open, the venue is heard, does what it is asked, and agrees."""
        for leg in (0, 1):
            if self.shut[leg]:
                self.market_status(leg, "open")
        self.hear("up")
        for order_id in list(self.ending):
            self.end(order_id)
        if self.cut:
            self.is_reconciled(agrees=False)
        if self.cut and not self.open:
            self.is_reconciled(agrees=True)
        self.venue_fills_all()

    @rule(leg=st.integers(0, 1), move=st.integers(200, 900), up=st.booleans())
    def drifts(self, leg: int, move: int, up: bool) -> None:  # noqa: FBT001 - drawn
        """Let one leg run away, slowly enough for a look at the delta."""
        self.time_passes(NS // 4)
        self.quote(1 - leg, 0)
        self.quote(leg, move if up else -move)

    @rule(leg=st.integers(0, 1), status=st.sampled_from(["closed", "halted", "paused", "open", "open", "open"]))
    def market_status(self, leg: int, status: Any) -> None:
        self.send(MarketStatus(ts_ns=self.now_ns, instrument=self.hedger.instruments[leg].key, status=status))
        self.shut[leg] = status != "open"

    @rule(since_s=st.integers(0, 3))
    def gap(self, since_s: int) -> None:
        self.send(Gap(ts_ns=self.now_ns, since_ns=self.now_ns - since_s * NS))

    @rule(ratio=st.floats(0.3, 1.5), trusted=st.sampled_from([True, True, False]), lives_s=st.integers(5, 1000))
    def plan_revised(self, ratio: float, trusted: bool, lives_s: int) -> None:  # noqa: FBT001 - drawn
        new = plan(ratio, until_ns=self.now_ns + lives_s * NS, override="for a test" if trusted else None)
        self.send(PlanRevised(ts_ns=self.now_ns, plan=new))

    # ------------------------------------------------------------------- the venue

    def some(self, pick: int) -> str:
        return list(self.open)[pick % len(self.open)]

    @precondition(lambda self: self.open)
    @rule(pick=PICK)
    def venue_acknowledges(self, pick: int) -> None:
        self.send(Ack(ts_ns=self.now_ns, order_id=self.some(pick), venue_order_id="v"))

    @precondition(lambda self: self.open)
    @rule(pick=PICK, percent=st.integers(1, 100))
    def venue_fills(self, pick: int, percent: int) -> None:
        """Fill a part, also of what is being cancelled."""
        order, left = self.open[self.some(pick)]
        self.fill(order, (abs(left) * percent / 100).to_integral_value().max(Decimal(1)).min(abs(left)).copy_sign(left))

    @rule()
    def venue_fills_all(self) -> None:
        for _ in range(3):
            for order, left in list(self.open.values()):
                self.fill(order, left)

    def fill(self, order: Order, qty: Decimal) -> None:
        left = self.open[order.order_id][1] - qty
        self.open[order.order_id] = (order, left)
        if not left:
            self.forget(order.order_id)
        names: dict[str, Any] = {"order_id": order.order_id, "fill_id": f"x{len(self.fills)}", "instrument": order.instrument}
        fill = Fill(ts_ns=self.now_ns, venue_ns=self.now_ns, qty=qty, price=order.expected, fee=Decimal(0), **names)
        self.fills.append(fill)
        self.send(fill)

    def forget(self, order_id: str) -> None:
        del self.open[order_id]
        self.ending = [name for name in self.ending if name != order_id]

    @precondition(lambda self: self.fills)
    @rule(pick=PICK)
    def venue_repeats_itself(self, pick: int) -> None:
        """Hear of a fill, or of an end, once more: no news."""
        before = self.hedger._s.tobytes()
        self.old_news = True
        fill = self.fills[pick % len(self.fills)]
        decision = self.send(fill)
        assert not decision.orders
        assert not decision.cancels
        if fill.order_id not in self.open:
            self.send(Cancelled(ts_ns=self.now_ns, order_id=fill.order_id))
        self.old_news = False
        assert self.hedger._s.tobytes() == before

    @precondition(lambda self: self.ending)
    @rule(pick=PICK)
    def venue_cancels(self, pick: int) -> None:
        self.end(self.ending[pick % len(self.ending)])

    @precondition(lambda self: self.open)
    @rule(pick=PICK)
    def order_expires(self, pick: int) -> None:
        self.end(self.some(pick))

    def end(self, order_id: str) -> None:
        self.forget(order_id)
        self.send(Cancelled(ts_ns=self.now_ns, order_id=order_id))

    @precondition(lambda self: self.open)
    @rule(pick=PICK)
    def venue_rejects(self, pick: int) -> None:
        order_id = self.some(pick)
        self.forget(order_id)
        self.send(Reject(ts_ns=self.now_ns, order_id=order_id, code="403", message="no"))

    # ----------------------------------------------------------- silence and recovery

    @rule(state=st.sampled_from(["down", "frozen", "restarted"]), rare=st.integers(0, 3))
    def is_cut_off(self, state: str, rare: int) -> None:
        if not rare:
            self.hear(state)

    @precondition(lambda self: self.link != "up")
    @rule()
    def is_heard_again(self) -> None:
        self.hear("up")

    def hear(self, state: Any) -> None:
        if state == self.link:
            return
        self.cut = (self.cut or state != "up") and not self.halted
        self.broken = self.cut and (self.broken or state in ("down", "frozen"))
        self.link = self.link if state == "restarted" else state
        self.send(Link(ts_ns=self.now_ns, venue="T", state=state, since_ns=self.now_ns))

    @precondition(lambda self: self.link != "down")
    @rule(agrees=st.sampled_from([True, True, True, False]))
    def is_reconciled(self, agrees: bool) -> None:  # noqa: FBT001 - drawn
        """Hear what is held: a session asks when nothing works any more, or the process is new."""
        held = {instrument.key: self.held(leg) for leg, instrument in enumerate(self.hedger.instruments)}
        before, broken = self.cut, self.broken
        decision = self.send(Reconciled(ts_ns=self.now_ns, positions=held, cash=Decimal(1), agrees=agrees))
        self.cut = decision.phase is Phase.RECOVERING
        if not agrees:
            assert self.cut == before, "went on though the venue holds something else"
        elif before and (broken or not self.open):
            assert not self.cut or self.open or any(self.shut), "in agreement, nothing at work, all markets open, and still it waits"
            assert self.cut or not broken or decision.phase in (Phase.CLOSING, Phase.FLAT), "a silence ends with both legs closed (L6)"
        self.broken = self.broken and self.cut

    # ------------------------------------------------------------------- the person

    @rule(name=st.sampled_from(["pause", "resume", "resume", "flatten", "halt", "stop"]), rare=st.integers(0, 5))
    def command(self, name: str, rare: int) -> None:
        if name == "resume" or not rare:
            self.tell(name)

    def tell(self, name: str) -> None:
        self.paused = name in ("pause", "flatten") or (self.paused and name != "resume")
        self.halted = name in ("halt", "stop") or (self.halted and name not in ("resume", "flatten"))
        self.cut = self.cut and not self.halted
        self.broken = self.cut and (self.broken or name == "flatten")
        self.send(Command(ts_ns=self.now_ns, name=name))

    # --------------------------------------------------------------------- the laws

    @invariant()
    def books_agree(self) -> None:
        for leg, instrument in enumerate(self.hedger.instruments):
            assert self.hedger.positions[instrument.key] == float(self.held(leg))
            assert self.hedger._s["working"][leg] == float(sum(left for order, left in self.open.values() if order.leg == leg))
        assert set(self.hedger.working) == set(self.open)

    @invariant()
    def nothing_works_beyond_its_target(self) -> None:
        """Unless its end is asked for, or the venue could not hear that."""
        for leg in (0, 1):
            here = [(name, left) for name, (order, left) in self.open.items() if order.leg == leg]
            if here and not self.cut and not any(name in self.ending for name, _ in here):
                target, reach = float(self.hedger._s["target"][leg]), float(self.held(leg) + sum(left for _, left in here))
                assert reach <= max(target, 0.0) if here[0][1] > 0 else reach >= min(target, 0.0)

    @invariant()
    def flat_is_flat(self) -> None:
        if self.hedger.phase is Phase.FLAT:
            assert not self.open
            assert not any(self.hedger.positions.values())

    # ---------------------------------------------------------------------- the end

    def teardown(self) -> None:
        """With a venue that does what it is asked everything is closed; and the journal says it all again, to the byte."""
        if not hasattr(self, "hedger"):
            return
        self.clear_away()
        for name in ("stop", "flatten") if len(self.events) % 2 else ("flatten",):
            self.tell(name)
            for _ in range(6):
                self.clear_away()
                self.bars([(0, 0)])
            assert not self.open
        assert self.hedger.phase is Phase.FLAT
        self.flat_is_flat()
        again = Hedger("s", legs(), self.strategy)
        journal = [codec.decode(codec.encode(event)) for event in self.events]
        assert [msgspec.json.encode(again.on(event)) for event in journal] == self.said
        assert again._s.tobytes() == self.hedger._s.tobytes()


TestAnyEvents = AnyEvents.TestCase
TestAnyEvents.settings = settings(max_examples=160, stateful_step_count=70, deadline=None)
