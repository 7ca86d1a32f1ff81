"""The Hedger under any sequence of events, with a venue that does whatever it likes."""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hedgekit.errors import ConfigError, VenueError
from hedgekit.hedger import Hedger, routine, whole
from hedgekit.journal import codec
from hedgekit.types import (
    NS,
    Ack,
    Cancelled,
    Command,
    Decision,
    Fill,
    Gap,
    Input,
    Instrument,
    Order,
    Phase,
    PlanRevised,
    Quote,
    Reason,
    Reconciled,
    Reject,
    Timer,
)
from tests.core.core_made import T0, Desk, legs, params, plan

STRATEGY = params(entry=0.9, target=0.3, stop=1.75, tolerance=0.01, risk_aversion=1e6, notional=3_000.0, max_quote_age_s=60.0)
# ruff: noqa: D102 - the name of a rule or law says what it does

HUNDRED = st.integers(0, 99)


class Market(RuleBasedStateMachine):
    """A Hedger, a venue that acknowledges, fills, refuses and ends orders at will, and a person with commands."""

    @initialize(filled=st.booleans())
    def start(self, filled: bool) -> None:  # noqa: FBT001 - drawn
        self.hedger = Hedger("s", legs(), STRATEGY)
        self.now_ns = T0
        self.events: list[Input] = []
        self.said: list[bytes] = []
        self.names: set[str] = set()
        self.open: dict[str, tuple[Order, Decimal]] = {}
        self.ending: list[str] = []
        self.fills: list[Fill] = []
        self.mids = [100.0, 100.0]
        self.revise(1.0, trusted=True, lives_s=1000)
        self.stretch(up=True)
        if filled:
            self.fill_all()

    # ------------------------------------------------------------ what every event is put through

    def send(self, event: Input) -> Decision:
        decision = self.hedger.on(event)
        self.events.append(event)
        self.said.append(msgspec.json.encode(decision))
        if not routine(decision):
            codec.encode(decision)
        assert not set(decision.cancels) - set(self.open)
        self.ending += decision.cancels
        for order in decision.orders:
            self.take(order, decision)
        return decision

    def take(self, order: Order, decision: Decision) -> None:
        """Take an order: its id is new, and with all that works on its leg it stays within the leg's target."""
        assert order.order_id not in self.names
        self.names.add(order.order_id)
        self.open[order.order_id] = (order, order.qty)
        assert order.qty % self.hedger.instruments[order.leg].lot == 0
        assert order.expected > 0
        here = [left for other, left in self.open.values() if other.leg == order.leg]
        reach = self.held(order.leg) + sum(left for left in here if left * order.qty > 0)
        target = Decimal(repr(decision.targets[order.leg]))
        assert reach <= target if order.qty > 0 else reach >= target
        assert all(left * order.qty > 0 for left in here)

    def held(self, leg: int) -> Decimal:
        key = self.hedger.instruments[leg].key
        return sum((fill.qty for fill in self.fills if fill.instrument == key), Decimal(0))

    def tick(self, ns: int = NS // 20) -> None:
        self.now_ns += ns

    # ------------------------------------------------------------------------- rules

    @rule(leg=st.integers(0, 1), move=st.integers(-300, 300))
    def quote(self, leg: int, move: int) -> None:
        self.tick()
        self.mids[leg] = min(max(self.mids[leg] + move / 100, 80.0), 125.0)
        self.send_quote(leg)

    def send_quote(self, leg: int) -> None:
        mid, key = self.mids[leg], self.hedger.instruments[leg].key
        self.send(Quote(ts_ns=self.now_ns, instrument=key, venue_ns=self.now_ns, bid=mid - 0.01, ask=mid + 0.01, bid_size=1, ask_size=1))

    @rule(leg=st.integers(0, 1), bid=st.sampled_from([0.0, 90.0]), ask=st.sampled_from([0.0, 80.0]), chance=HUNDRED)
    def broken_quote(self, leg: int, bid: float, ask: float, chance: int) -> None:
        if chance > 25:
            return
        key = self.hedger.instruments[leg].key
        self.send(Quote(ts_ns=self.now_ns, instrument=key, venue_ns=self.now_ns, bid=bid, ask=ask, bid_size=0, ask_size=0))

    @rule(moves=st.lists(st.tuples(st.integers(-200, 200), st.integers(-50, 50)), min_size=1, max_size=8))
    def bars(self, moves: list[tuple[int, int]]) -> None:
        for move in moves:
            self.tick(NS // 2)
            for leg in (0, 1):
                self.mids[leg] = min(max(self.mids[leg] + move[leg] / 100, 80.0), 125.0)
                self.send_quote(leg)
            self.wake()

    @rule(up=st.booleans())
    def stretch(self, up: bool) -> None:  # noqa: FBT001 - drawn
        """Quiet bars, then one away from them: an entry, if the pair is flat and may trade."""
        self.bars([(5, 3), (-5, -3), (5, 3), (-5, -3), (60 if up else -60, 0)])

    @rule(leg=st.integers(0, 1), move=st.integers(200, 900), up=st.booleans())
    def drift(self, leg: int, move: int, up: bool) -> None:  # noqa: FBT001 - drawn
        """Let one leg run away, slowly enough for a look at the delta."""
        self.tick(NS // 4)
        self.send_quote(1 - leg)
        self.tick(NS // 4)
        self.quote(leg, move if up else -move)

    @rule()
    def fill_all(self) -> None:
        """Fill whatever works, as a deep market would."""
        for _ in range(3):
            for order, left in list(self.open.values()):
                self.fill_it(order, left)

    @rule()
    def wake(self) -> None:
        wakeup = self.hedger.wakeup_ns
        if wakeup is not None:
            self.now_ns = max(self.now_ns, wakeup)
            self.send(Timer(ts_ns=self.now_ns))

    @precondition(lambda self: self.open)
    @rule(pick=HUNDRED, percent=st.integers(1, 100))
    def fill(self, pick: int, percent: int) -> None:
        order, left = list(self.open.values())[pick % len(self.open)]
        qty = (abs(left) * percent / 100).to_integral_value().max(Decimal(1)).min(abs(left)).copy_sign(left)
        self.fill_it(order, qty)

    def fill_it(self, order: Order, qty: Decimal) -> None:
        left = self.open[order.order_id][1] - qty
        self.open[order.order_id] = (order, left)
        if not left:
            self.forget(order.order_id)
        fill = Fill(
            ts_ns=self.now_ns,
            order_id=order.order_id,
            fill_id=f"x{len(self.fills)}",
            instrument=order.instrument,
            venue_ns=self.now_ns,
            qty=qty,
            price=order.expected,
            fee=Decimal(0),
        )
        self.fills.append(fill)
        self.send(fill)

    def forget(self, order_id: str) -> None:
        del self.open[order_id]
        self.ending = [name for name in self.ending if name != order_id]

    @precondition(lambda self: self.fills)
    @rule(pick=HUNDRED)
    def fill_again(self, pick: int) -> None:
        before = self.hedger._s.tobytes(), dict(self.hedger._unpack.alive)
        decision = self.send(self.fills[pick % len(self.fills)])
        assert routine(decision)
        assert (self.hedger._s.tobytes(), self.hedger._unpack.alive) == before

    @precondition(lambda self: self.ending)
    @rule(pick=HUNDRED)
    def cancel_done(self, pick: int) -> None:
        self.end(self.ending[pick % len(self.ending)])

    @precondition(lambda self: self.open)
    @rule(pick=HUNDRED)
    def expire(self, pick: int) -> None:
        self.end(list(self.open)[pick % len(self.open)])

    def end(self, order_id: str) -> None:
        self.forget(order_id)
        self.send(Cancelled(ts_ns=self.now_ns, order_id=order_id))

    @precondition(lambda self: self.open)
    @rule(pick=HUNDRED)
    def reject(self, pick: int) -> None:
        order_id = list(self.open)[pick % len(self.open)]
        self.forget(order_id)
        self.send(Reject(ts_ns=self.now_ns, order_id=order_id, code="403", message="no"))

    @precondition(lambda self: self.open)
    @rule(pick=HUNDRED)
    def ack(self, pick: int) -> None:
        self.send(Ack(ts_ns=self.now_ns, order_id=list(self.open)[pick % len(self.open)], venue_order_id="v"))

    @rule(ratio=st.floats(0.3, 1.5), trusted=st.sampled_from([True, True, True, False]), lives_s=st.integers(1, 1000))
    def revise(self, ratio: float, trusted: bool, lives_s: int) -> None:  # noqa: FBT001 - drawn
        new = plan(ratio, until_ns=self.now_ns + lives_s * NS, override="for a test" if trusted else None)
        self.send(PlanRevised(ts_ns=self.now_ns, plan=new))

    @rule(name=st.sampled_from(["pause", "resume", "resume", "resume", "flatten", "halt", "stop", "gap"]), chance=HUNDRED)
    def command(self, name: str, chance: int) -> None:
        """Now and then a person's wish; one that ends the trade is rarer."""
        if chance < (60 if name == "resume" else 25):
            gap = name == "gap"
            self.send(Gap(ts_ns=self.now_ns, since_ns=self.now_ns - NS) if gap else Command(ts_ns=self.now_ns, name=name))

    @rule()
    def late_word(self) -> None:
        """Hear of an order long over once more: no news."""
        assert routine(self.send(Cancelled(ts_ns=self.now_ns, order_id="s-0-0")))
        assert routine(self.send(Reconciled(ts_ns=self.now_ns, positions={}, cash=Decimal(1), agrees=True)))

    # -------------------------------------------------------------------- invariants

    @invariant()
    def books_agree(self) -> None:
        state = self.hedger._s
        for leg in (0, 1):
            assert state["pos"][leg] == float(self.held(leg))
            assert state["working"][leg] == float(sum(left for order, left in self.open.values() if order.leg == leg))
        assert set(self.hedger.working) == set(self.open)
        assert {name: left for name, (_, left) in self.hedger._unpack.alive.items()} == {
            name: left for name, (_, left) in self.open.items()
        }

    @invariant()
    def flat_is_flat(self) -> None:
        if self.hedger.phase is Phase.FLAT:
            assert set(self.hedger.positions.values()) == {0.0}
            assert not self.open
            assert self.hedger._s["side"] == 0

    @invariant()
    def open_has_arrived_once(self) -> None:
        if self.hedger.phase in (Phase.OPENING, Phase.OPEN):
            assert self.hedger._s["side"] != 0
            assert self.hedger._s["target"][0] != 0 or not self.open

    @invariant()
    def what_is_cancelled_is_known(self) -> None:
        for leg in (0, 1):
            asked = {name for name in self.ending if self.open[name][0].leg == leg}
            assert bool(self.hedger._s["cancelling"][leg]) == bool(asked)

    # ------------------------------------------------------------------------ the end

    def teardown(self) -> None:
        if not hasattr(self, "hedger"):
            return
        self.send(Command(ts_ns=self.now_ns, name="flatten"))
        for _ in range(6):
            for order_id in list(self.ending):
                self.end(order_id)
            for order, left in list(self.open.values()):
                self.fill_it(order, left)
            self.bars([(0, 0)])
        assert self.hedger.phase is Phase.FLAT
        self.flat_is_flat()
        again = Hedger("s", legs(), STRATEGY)
        assert [msgspec.json.encode(again.on(event)) for event in self.events] == self.said


TestAnySequence = Market.TestCase
TestAnySequence.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)


# ------------------------------------------------------------------- single facts


def test_ids_are_a_pure_function_of_session_sequence_and_leg() -> None:
    desk = Desk(lookback=10)
    desk.warm(9)
    assert [order.order_id for order in desk.bar(103.0).orders] == ["s-1-0", "s-1-1"]


def test_a_fill_of_an_unknown_order_is_the_venues_fault() -> None:
    with pytest.raises(VenueError, match="'s-9-0', which this session does not have open"):
        Desk().hedger.on(made_fill("s-9-0", "1"))


def made_fill(order_id: str, qty: str) -> Fill:
    return Fill(ts_ns=1, order_id=order_id, fill_id="f", instrument="T:KO", venue_ns=1, qty=Decimal(qty), price=Decimal(1), fee=Decimal(0))


@pytest.mark.parametrize("qty", ["-98", "1", "-1000", "0"])
def test_a_fill_beyond_its_order_or_on_its_other_side_is_the_venues_fault(qty: str) -> None:
    desk = Desk(lookback=10)
    desk.warm(9)
    order = desk.bar(103.0).orders[0]
    assert order.qty == -97
    before = desk.hedger._s.tobytes()
    with pytest.raises(VenueError, match=f"a fill of {qty} on order 's-1-0', of which -97 is left"):
        desk.hedger.on(made_fill(order.order_id, qty))
    assert desk.hedger._s.tobytes() == before
    assert desk.hedger.on(made_fill(order.order_id, "-97")).positions[0] == -97


def test_a_quote_of_another_instrument_is_refused_by_name() -> None:
    with pytest.raises(VenueError, match="'T:GE'; this session trades T:KO, T:PEP"):
        Desk().hedger.on(Quote(ts_ns=1, instrument="T:GE", venue_ns=1, bid=1, ask=2, bid_size=1, ask_size=1))


def test_an_unknown_command_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown command 'sell'; known: pause, resume, flatten, halt"):
        Desk().hedger.on(Command(ts_ns=1, name="sell"))


def test_a_pair_needs_two_instruments() -> None:
    with pytest.raises(ConfigError, match="needs 2 to 4 instruments"):
        Hedger("s", [Instrument("T", "KO")], params())


@pytest.mark.parametrize(
    ("qty", "lot", "exact"), [(29.999999999999996, "0.01", "30.00"), (-0.30000000000000004, "0.1", "-0.3"), (7.0, "1", "7")]
)
def test_quantities_become_exact_lots(qty: float, lot: str, exact: str) -> None:
    assert str(whole(qty, Decimal(lot))) == exact


def test_a_wakeup_is_the_next_bar_and_bars_need_quotes() -> None:
    desk = Desk()
    assert desk.hedger.wakeup_ns is None
    desk.now_ns += 1
    desk.quote(0, 100.0)
    assert desk.hedger.wakeup_ns == T0 + NS
    desk.hedger.on(Timer(ts_ns=T0 + NS))
    assert desk.hedger.wakeup_ns is None


def test_a_decision_says_none_for_what_is_not_defined() -> None:
    decision = Desk(ratio=None).hedger.on(Timer(ts_ns=5))
    assert (decision.z, decision.ratio, decision.delta, decision.mids) == (None, None, None, (None, None))
    assert decision.reason is Reason.NOTED
    assert not math.isnan(decision.cost)
