"""Each rule of the step alone, at its edge, with numbers worked out by hand."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from hedgekit.hedger import routine
from hedgekit.journal import codec
from hedgekit.types import NS, Action, Cancelled, Command, Decision, Fees, Fill, Phase, Quote, Reason, Reject, Timer
from tests.core.core_made import Desk, legs, plan


def said(decision: Decision) -> tuple[Action, Reason]:
    return decision.action, decision.reason


def stretched(**changes: Any) -> tuple[Desk, Decision]:
    """Return a desk and its decision on a bar where z is 2.8: nine bars around 100, then 103."""
    desk = Desk(**{"lookback": 10} | changes)
    desk.warm(9)
    return desk, desk.bar(103.0)


def fill(desk: Desk, order: Any, qty: Decimal | None = None, number: str = "") -> Decision:
    """Fill an order (all of it by default) at its expected price."""
    quantity = order.qty if qty is None else qty
    return desk.hedger.on(
        Fill(
            ts_ns=desk.now_ns,
            order_id=order.order_id,
            fill_id=f"f-{order.order_id}-{number}",
            instrument=order.instrument,
            venue_ns=desk.now_ns,
            qty=quantity,
            price=order.expected,
            fee=Decimal(0),
        )
    )


def opened(**changes: Any) -> Desk:
    """Return a desk that is short 97 KO and long 100 PEP, whose price has moved by 1 % a bar."""
    desk = Desk(**{"lookback": 10, "ratio": 1.0} | changes)
    for i in range(9):
        hedge = 101.0 if i % 2 else 100.0
        desk.bar(hedge + (0.5 if i % 3 else -0.5), hedge)
    entry = desk.bar(103.0, 100.0)
    assert said(entry) == (Action.OPEN, Reason.ENTRY)
    assert [fill(desk, order).phase for order in entry.orders] == [Phase.OPENING, Phase.OPEN]
    return desk


# --------------------------------------------------------------------- entries


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


# ----------------------------------------------------------------------- exits


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


# ------------------------------------------------------------------- rebalance


def drifted(desk: Desk, primary: float = 113.3) -> Decision:
    """Quote the primary 10 % higher, 2.1 seconds later."""
    desk.now_ns += 2 * NS + NS // 10
    return desk.quote(0, primary)


def test_drift_beyond_the_tolerance_is_traded_when_it_is_worth_it() -> None:
    """Short 97 at 113.3 with 100 long at 100: delta is (-10,990.1 + 10,000) / 10,000 = -10 %; ten more are bought."""
    desk = opened(rebalance_to="target")
    decision = drifted(desk)
    assert said(decision) == (Action.REBALANCE, Reason.DRIFT)
    assert decision.delta == pytest.approx(-990.1 / 10_000)
    assert [(o.leg, o.qty) for o in decision.orders] == [(1, Decimal(10))]
    assert decision.cost == pytest.approx(10 * 100 * 0.005 / 100)
    assert decision.benefit > decision.cost


def test_by_default_it_goes_to_the_near_edge_of_the_cost_aware_band() -> None:
    """The band K / (k tau) in money: K = .005 / 100, k = 10 / 10,000 x var, tau = 10; 990.1 off, less the band, is 9.7: lots of 9."""
    desk = opened()
    hedges = [math.log(101 if i % 2 else 100) for i in range(9)] + [math.log(100)]
    returns = [b - a for a, b in pairwise(hedges)]
    variance = sum((r - sum(returns) / 9) ** 2 for r in returns) / 8
    band = 0.005 / 100 / (10 / 10_000 * variance * 10)
    decision = drifted(desk)
    assert said(decision) == (Action.REBALANCE, Reason.DRIFT)
    assert [(o.leg, o.qty) for o in decision.orders] == [(1, Decimal(round((990.1 - band) / 100)))]
    assert decision.benefit > decision.cost


def test_inside_the_band_nothing_is_traded_and_its_cost_and_worth_are_told() -> None:
    desk = opened(risk_aversion=0.4)
    decision = drifted(desk)
    assert said(decision) == (Action.SKIP, Reason.COST_EXCEEDS_BENEFIT)
    assert decision.cost == pytest.approx(10 * 100 * 0.005 / 100)
    assert 0 < decision.benefit < decision.cost
    assert decision.orders == ()


def test_a_ratio_that_turns_its_sign_goes_through_zero_in_two_orders() -> None:
    desk = opened(rebalance_to="target", risk_aversion=1e6)
    desk.plan(plan(-1.0))
    decision = drifted(desk, 103.0)
    assert [(o.leg, o.qty) for o in decision.orders] == [(1, Decimal(-100))]
    rest = fill(desk, decision.orders[0])
    assert said(rest) == (Action.REPAIR, Reason.LEG_SHORTFALL)
    assert [(o.leg, o.qty) for o in rest.orders] == [(1, Decimal(-100))]


def test_the_benefit_is_the_variance_removed() -> None:
    """By hand: k tau / 2N x var(dh) x (990.1^2 - 9.9^2), var over the nine returns of +-1 % in the window."""
    desk = opened(rebalance_to="target")
    hedges = [math.log(101 if i % 2 else 100) for i in range(9)] + [math.log(100)]
    returns = [b - a for a, b in pairwise(hedges)]
    mean = sum(returns) / 9
    variance = sum((r - mean) ** 2 for r in returns) / 8
    left = 10_000 + 10 * 100 - 97 * 113.3
    expected = 0.5 * 10 / 10_000 * variance * 10 * (990.1**2 - left**2)
    assert drifted(desk).benefit == pytest.approx(expected, rel=1e-6)


def test_an_adjustment_that_costs_more_than_it_helps_is_skipped_and_said() -> None:
    desk = opened(risk_aversion=0.0)
    skipped = drifted(desk)
    assert said(skipped) == (Action.SKIP, Reason.COST_EXCEEDS_BENEFIT)
    assert skipped.orders == ()
    assert skipped.cost > 0 == skipped.benefit


def test_inside_the_corridor_nothing_is_done() -> None:
    decision = drifted(opened(), 104.0)
    assert said(decision) == (Action.HOLD, Reason.IN_BAND)
    assert routine(decision)


def test_the_interval_between_two_looks_is_kept() -> None:
    desk = opened(risk_aversion=0.0, interval_s=0.25)
    assert drifted(desk).action is Action.SKIP
    looked_ns = desk.now_ns
    desk.now_ns += NS // 10
    assert said(desk.quote(0, 120.0)) == (Action.HOLD, Reason.NOTED)
    assert desk.hedger.wakeup_ns == looked_ns + NS // 4
    assert said(desk.hedger.on(Timer(ts_ns=looked_ns + NS // 4))) == (Action.SKIP, Reason.COST_EXCEEDS_BENEFIT)


def test_what_works_already_counts() -> None:
    """The article's loop sends again while an order is in flight; here it is netted."""
    desk = opened()
    first = drifted(desk)
    desk.now_ns += NS
    assert said(desk.quote(0, 113.3)) == (Action.HOLD, Reason.IN_BAND)
    fill(desk, first.orders[0])
    desk.now_ns += NS
    assert said(desk.quote(0, 113.3)) == (Action.HOLD, Reason.IN_BAND)


# ---------------------------------------------------------------- stale quotes


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_one_stale_leg_is_enough_to_decide_nothing(order: tuple[int, int]) -> None:
    desk = Desk(max_quote_age_s=0.3)
    desk.warm(5)
    desk.now_ns += NS // 2
    desk.quote(order[0], 100.0)
    desk.now_ns += NS * 3 // 10
    desk.quote(order[1], 100.0)
    desk.now_ns += NS // 5
    bars = desk.hedger.bars
    assert said(desk.hedger.on(Timer(ts_ns=desk.now_ns))) == (Action.HOLD, Reason.STALE_QUOTE)
    assert desk.hedger.bars == bars


def test_a_quote_is_good_for_exactly_its_age() -> None:
    for late_ns, reason in ((0, Reason.WARMING_UP), (1, Reason.STALE_QUOTE)):
        desk = Desk(max_quote_age_s=0.5)
        desk.now_ns += NS // 2
        desk.quote(0, 100.0)
        desk.quote(1, 100.0)
        assert desk.hedger.on(Timer(ts_ns=desk.now_ns + NS // 2 + late_ns)).reason is reason


def test_a_stale_hedge_stops_the_look_at_the_delta() -> None:
    desk = opened(max_quote_age_s=1.0)
    desk.now_ns += 2 * NS
    assert said(desk.quote(0, 113.3)) == (Action.HOLD, Reason.NOTED)
    assert desk.quote(1, 100.0).action is Action.REBALANCE


@pytest.mark.parametrize(("bid", "ask"), [(0.0, 100.0), (99.0, 0.0), (-1.0, 5.0), (101.0, 100.0), (math.nan, 100.0), (99.0, math.inf)])
def test_a_market_without_two_sides_is_no_price(bid: float, ask: float) -> None:
    desk = Desk(lookback=10)
    desk.warm(9)
    desk.now_ns += NS // 2
    desk.quote(0, 103.0)
    desk.quote(1, 100.0)
    bad = Quote(ts_ns=desk.now_ns, instrument="T:PEP", venue_ns=desk.now_ns, bid=bid, ask=ask, bid_size=1, ask_size=1)
    assert desk.hedger.on(bad).mids == (103.0, 100.0)
    desk.now_ns += NS // 2
    decision = desk.hedger.on(Timer(ts_ns=desk.now_ns))
    assert said(decision) == (Action.HOLD, Reason.STALE_QUOTE)
    codec.encode(decision)


def test_a_locked_market_is_a_price() -> None:
    desk = Desk()
    desk.quote(1, 100.0, half=0.0)
    assert desk.quote(0, 99.0, half=0.0).mids == (99.0, 100.0)


def test_what_is_decided_before_the_first_quotes_can_be_journalled() -> None:
    desk = Desk(ratio=None)
    for decision in (desk.hedger.on(Command(ts_ns=1, name="pause")), desk.plan(plan()), desk.quote(0, 100.0)):
        assert None in decision.mids
        codec.encode(decision)
    desk.now_ns += NS
    assert codec.encode(stale := desk.hedger.on(Timer(ts_ns=desk.now_ns)))
    assert stale.reason is Reason.STALE_QUOTE


# ------------------------------------------------------- rejects, ends, commands


def test_a_reject_while_opening_takes_both_legs_back() -> None:
    desk, entry = stretched()
    primary, hedge = entry.orders
    fill(desk, primary)
    refused = desk.hedger.on(Reject(ts_ns=desk.now_ns, order_id=hedge.order_id, code="403", message="no"))
    assert said(refused) == (Action.REPAIR, Reason.LEG_REJECTED)
    assert refused.phase is Phase.CLOSING
    assert [(o.leg, o.qty) for o in refused.orders] == [(0, -primary.qty)]
    assert fill(desk, refused.orders[0]).phase is Phase.FLAT


def test_a_reject_of_a_rebalance_leaves_the_pair_open() -> None:
    desk = opened()
    order = drifted(desk).orders[0]
    refused = desk.hedger.on(Reject(ts_ns=desk.now_ns, order_id=order.order_id, code="403", message="no"))
    assert said(refused) == (Action.HOLD, Reason.LEG_REJECTED)
    assert refused.phase is Phase.OPEN
    assert refused.targets == refused.positions


def test_a_reject_of_a_close_is_ordered_again_at_the_next_bar() -> None:
    desk = opened()
    close = desk.bar(100.0, 100.0)
    fill(desk, close.orders[0])
    refused = desk.hedger.on(Reject(ts_ns=desk.now_ns, order_id=close.orders[1].order_id, code="403", message="no"))
    assert refused.orders == ()
    again = desk.bar(100.0, 100.0)
    assert said(again) == (Action.REPAIR, Reason.LEG_SHORTFALL)
    assert [o.qty for o in again.orders] == [close.orders[1].qty]


def test_an_order_that_ends_unfilled_is_ordered_again() -> None:
    desk, entry = stretched()
    primary, hedge = entry.orders
    fill(desk, primary)
    fill(desk, hedge, Decimal(60))
    repair = desk.hedger.on(Cancelled(ts_ns=desk.now_ns, order_id=hedge.order_id))
    assert said(repair) == (Action.REPAIR, Reason.LEG_SHORTFALL)
    assert [(o.leg, o.qty) for o in repair.orders] == [(1, hedge.qty - 60)]
    assert fill(desk, repair.orders[0]).phase is Phase.OPEN


def test_an_exit_cancels_what_still_opens_and_closes_what_has_filled() -> None:
    desk, entry = stretched()
    primary, hedge = entry.orders
    fill(desk, primary)
    fill(desk, hedge, Decimal(60))
    close = desk.bar(100.0)
    assert said(close) == (Action.CLOSE, Reason.TARGET)
    assert [(o.leg, o.qty) for o in close.orders] == [(0, -primary.qty)]
    assert close.cancels == (hedge.order_id,)
    rest = desk.hedger.on(Cancelled(ts_ns=desk.now_ns, order_id=hedge.order_id))
    assert [(o.leg, o.qty) for o in rest.orders] == [(1, Decimal(-60))]


def test_a_fill_that_beats_the_cancel_is_closed_too() -> None:
    desk, entry = stretched()
    hedge = entry.orders[1]
    desk.bar(100.0)
    raced = fill(desk, hedge)
    assert said(raced) == (Action.REPAIR, Reason.LEG_SHORTFALL)
    assert [(o.leg, o.qty) for o in raced.orders] == [(1, -hedge.qty)]


def test_a_halt_cancels_and_holds_and_resume_closes_what_is_held() -> None:
    desk = opened()
    halted = desk.hedger.on(Command(ts_ns=desk.now_ns, name="halt"))
    assert said(halted) == (Action.HOLD, Reason.HALT)
    assert said(desk.bar(100.0, 100.0)) == (Action.HOLD, Reason.HALT)
    resumed = desk.hedger.on(Command(ts_ns=desk.now_ns, name="resume"))
    assert not routine(resumed)
    assert said(resumed) == (Action.CLOSE, Reason.FLATTEN)
    assert {o.leg: float(o.qty) for o in resumed.orders} == {0: 97.0, 1: -100.0}
    assert [fill(desk, o).phase for o in resumed.orders][-1] is Phase.FLAT


@pytest.mark.parametrize("way", ["resume", "flatten"])
def test_after_a_stop_a_person_can_still_get_flat(way: str) -> None:
    desk = opened()
    stopped = desk.hedger.on(Command(ts_ns=desk.now_ns, name="stop"))
    assert stopped.targets == stopped.positions
    closing = desk.hedger.on(Command(ts_ns=desk.now_ns, name=way))
    assert [fill(desk, o).phase for o in closing.orders][-1] is Phase.FLAT


def test_a_decision_with_orders_is_never_routine() -> None:
    _, entry = stretched()
    assert not routine(msgspec.structs.replace(entry, action=Action.HOLD, reason=Reason.NOTED))
