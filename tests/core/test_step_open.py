"""The step while a pair is open: rebalancing, stale quotes, rejects, ends and commands, with numbers worked out by hand."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest

from hedgekit.hedger import routine
from hedgekit.journal import codec
from hedgekit.types import NS, Action, Cancelled, Command, Decision, Phase, Quote, Reason, Reject, Timer
from tests.core.core_made import Desk, plan
from tests.core.step_made import fill, opened, said, stretched

# -------------------------------------------------------------------- rebalance


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


# ----------------------------------------------------------------- stale quotes


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


# ------------------------------------------------------ rejects, ends, commands


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
