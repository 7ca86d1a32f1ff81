"""Entries and exits of the step, each rule alone, at its edge, with numbers worked out by hand."""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec
import pytest

from hedgekit.types import NS, Action, Command, Decision, Fees, Phase, Reason
from tests.core.core_made import Desk, legs, plan
from tests.core.step_made import fill, opened, said, stretched

# ---------------------------------------------------------------------- entries


def test_an_entry_orders_both_legs_in_one_decision() -> None:
    desk, entry = stretched(ratio=0.5)
    assert said(entry) == (Action.OPEN, Reason.ENTRY)
    assert [(o.leg, o.qty, o.expected) for o in entry.orders] == [
        (0, Decimal(-97), Decimal("102.995")),
        (1, Decimal(50), Decimal("100.005")),
    ]
    assert entry.phase is desk.hedger.phase is Phase.OPENING
    assert entry.trade == 1


def test_the_threshold_itself_enters_and_the_next_float_does_not() -> None:
    z = stretched()[1].z
    assert z is not None
    assert said(stretched(entry=z)[1]) == (Action.OPEN, Reason.ENTRY)
    assert said(stretched(entry=math.nextafter(z, 9))[1]) == (Action.HOLD, Reason.NO_SIGNAL)


def test_at_the_stop_an_entry_is_refused() -> None:
    z = stretched()[1].z
    assert z is not None
    assert said(stretched(stop=z)[1]) == (Action.VETO, Reason.BEYOND_STOP)
    assert said(stretched(stop=math.nextafter(z, 9))[1]) == (Action.OPEN, Reason.ENTRY)


@pytest.mark.parametrize(("late_ns", "outcome"), [(0, (Action.OPEN, Reason.ENTRY)), (1, (Action.VETO, Reason.PLAN_EXPIRED))])
def test_a_plan_opens_until_its_last_nanosecond(late_ns: int, outcome: tuple[Action, Reason]) -> None:
    desk = Desk(lookback=10)
    desk.warm(9)
    desk.plan(plan(until_ns=desk.now_ns + NS - late_ns))
    assert said(desk.bar(103.0)) == outcome


def test_without_evidence_or_override_nothing_opens() -> None:
    for p_value, override, outcome in ((0.2, None, Reason.NO_EVIDENCE), (0.01, None, Reason.ENTRY), (0.2, "I know better", Reason.ENTRY)):
        desk = Desk(lookback=10)
        desk.plan(plan(p_value=p_value, override=override))
        desk.warm(9)
        assert desk.bar(103.0).reason is outcome


def test_paused_opens_nothing_but_still_closes() -> None:
    desk = Desk(lookback=10)
    desk.warm(9)
    desk.hedger.on(Command(ts_ns=desk.now_ns, name="pause"))
    assert said(desk.bar(103.0)) == (Action.VETO, Reason.PAUSED)
    desk = opened()
    desk.hedger.on(Command(ts_ns=desk.now_ns, name="pause"))
    assert said(desk.bar(100.0, 100.0)) == (Action.CLOSE, Reason.TARGET)


def test_resume_lets_trades_in_again() -> None:
    desk = Desk(lookback=10)
    desk.hedger.on(Command(ts_ns=desk.now_ns, name="pause"))
    desk.warm(9)
    desk.hedger.on(Command(ts_ns=desk.now_ns, name="resume"))
    assert said(desk.bar(103.0)) == (Action.OPEN, Reason.ENTRY)


def test_below_one_lot_of_either_leg_nothing_opens() -> None:
    assert said(stretched(notional=51.0)[1]) == (Action.VETO, Reason.BELOW_ONE_LOT)
    assert said(stretched(notional=52.0)[1]) == (Action.OPEN, Reason.ENTRY)
    refused = stretched(notional=100.0, ratio=0.4)[1]
    assert said(refused) == (Action.VETO, Reason.BELOW_ONE_LOT)
    assert refused.targets == (0.0, 0.0)


def test_an_entry_must_pay_for_both_legs_and_the_buffer() -> None:
    """A20: cost = sum over legs of size x (2 x (half-spread + fees) + buffer)."""
    fees = Fees(rate=Decimal("0.0005"))
    decision = stretched(ratio=0.5, slippage_buffer=0.003, instruments=legs(fees=fees))[1]
    primary, hedge = (2 * (0.005 / mid + 0.0005) + 0.003 for mid in (103.0, 100.0))
    assert decision.cost == pytest.approx(10_000 * primary + 5_000 * hedge, rel=1e-9)
    spreads = [math.log(m) for m in (*(100.5 if i % 2 else 99.5 for i in range(9)), 103.0)]
    sd = math.sqrt(sum((s - sum(spreads) / 10) ** 2 for s in spreads) / 9)
    assert decision.z == pytest.approx((spreads[-1] - sum(spreads) / 10) / sd, rel=1e-9)
    assert decision.benefit == pytest.approx((decision.z - 0.5) * sd * 10_000, rel=1e-9)


def test_an_edge_below_the_buffer_is_refused() -> None:
    plain = stretched()[1]
    per_leg = (plain.benefit - plain.cost) / 20_000
    assert said(stretched(slippage_buffer=per_leg * 0.999)[1]) == (Action.OPEN, Reason.ENTRY)
    refused = stretched(slippage_buffer=per_leg * 1.001)[1]
    assert said(refused) == (Action.VETO, Reason.EDGE_BELOW_COST)
    assert refused.benefit == plain.benefit
    assert refused.cost > refused.benefit


# ------------------------------------------------------------------------ exits


def test_target_and_stop_close_both_legs_at_once() -> None:
    for last, reason in ((100.0, Reason.TARGET), (180.0, Reason.STOP)):
        desk = opened(stop=2.7, entry=1.5, tolerance=1.0) if reason is Reason.STOP else opened()
        close = desk.bar(last, 100.0) if reason is Reason.TARGET else rising(desk)
        assert said(close) == (Action.CLOSE, reason)
        assert close.phase is Phase.CLOSING
        assert {o.leg: float(o.qty) for o in close.orders} == {0: -close.positions[0], 1: -close.positions[1]}
        assert close.targets == (0.0, 0.0)
        after = [fill(desk, order) for order in close.orders][-1]
        assert (after.phase, after.reason) == (Phase.FLAT, Reason.FILLED)


def rising(desk: Desk) -> Decision:
    """Quiet bars at the new level, then one far above: z beyond the stop."""
    for _ in range(2):
        desk.bar(103.4, 100.0)
    return desk.bar(125.0, 100.0)


def test_a_stop_is_no_reason_to_stay_out_if_so_wished() -> None:
    """No re-arming: after a stop the next z between entry and stop opens again."""
    desk = opened(stop=2.7, entry=1.5, tolerance=1.0, reentry="at once")
    for order in rising(desk).orders:
        fill(desk, order)
    again = desk.bar(125.0, 100.0)
    assert again.z is not None
    assert 1.5 <= again.z < 2.7
    assert (again.action, again.trade) == (Action.OPEN, 2)


def test_after_a_stop_z_must_come_back_inside_the_entry_level_first() -> None:
    desk = opened(stop=2.7, entry=1.5, tolerance=1.0)
    for order in rising(desk).orders:
        fill(desk, order)
    again = desk.bar(125.0, 100.0)
    assert again.z is not None
    assert 1.5 <= again.z < 2.7
    assert said(again) == (Action.VETO, Reason.REARMING)
    for price in (112.0, 112.5, 112.0, 112.5):
        calm = desk.bar(price, 100.0)
    assert calm.z is not None
    assert abs(calm.z) < 1.5
    later = [desk.bar(price, 100.0) for price in (112.0, 112.5, 112.0, 112.5, 112.0, 112.5, 114.0)][-1]
    assert (later.action, later.trade) == (Action.OPEN, 2)


def test_a_target_needs_no_rearming() -> None:
    desk = opened(tolerance=1.0, entry=1.5)
    for order in desk.bar(100.0, 100.0).orders:
        fill(desk, order)
    assert desk.hedger.phase is Phase.FLAT
    assert desk.bar(106.0, 100.0).action is Action.OPEN


def test_the_cooldown_counts_bars_after_a_stop() -> None:
    desk = opened(stop=2.7, entry=1.5, tolerance=1.0, reentry="at once", cooldown_bars=2)
    for order in rising(desk).orders:
        fill(desk, order)
    assert said(desk.bar(125.0, 100.0)) == (Action.VETO, Reason.COOLDOWN)
    assert desk.bar(127.5, 100.0).action is Action.OPEN


def test_the_time_stop_counts_half_lives_of_the_plan() -> None:
    """Two half-lives of 1.5 bars are three bars after the entry."""
    for half_life, reasons in ((1.5, [Reason.WAIT_TARGET, Reason.WAIT_TARGET, Reason.TIME_STOP]), (None, [Reason.WAIT_TARGET] * 3)):
        desk = opened(tolerance=1.0, entry=1.5, time_stop=2.0)
        desk.plan(msgspec.structs.replace(plan(1.0), half_life=half_life))
        held = [desk.bar(103.0, 100.0) for _ in range(3)]
        assert [decision.reason for decision in held] == reasons
    last = held[-1]
    assert last.action is Action.HOLD


def test_a_time_stop_closes_both_legs() -> None:
    desk = opened(tolerance=1.0, entry=1.5, time_stop=1.0)
    desk.plan(msgspec.structs.replace(plan(1.0), half_life=1.0))
    decision = desk.bar(103.0, 100.0)
    assert said(decision) == (Action.CLOSE, Reason.TIME_STOP)
    assert [(o.leg, o.qty) for o in decision.orders] == [(0, Decimal(97)), (1, Decimal(-100))]


def test_a_position_is_entered_in_parts() -> None:
    """Two parts: half at the entry, the rest when z has gone one gap further, each with its hedge; the trade is one."""
    desk = Desk(lookback=10, ratio=1.0, scale_steps=2, scale_gap=0.2, entry=1.5, stop=50.0, tolerance=1.0)
    for i in range(9):
        hedge = 101.0 if i % 2 else 100.0
        desk.bar(hedge + (0.5 if i % 3 else -0.5), hedge)
    first = desk.bar(102.0, 100.0)
    assert [o.qty for o in first.orders] == [Decimal(-49), Decimal(50)]
    for order in first.orders:
        fill(desk, order)
    second = desk.bar(106.0, 100.0)
    assert (said(second), second.trade) == ((Action.OPEN, Reason.SCALE_IN), 1)
    assert second.targets == (-94.0, 100.0)
    assert [o.qty for o in second.orders] == [Decimal(-45), Decimal(50)]
    for order in second.orders:
        fill(desk, order)
    assert desk.bar(112.0, 100.0).reason is Reason.WAIT_TARGET
