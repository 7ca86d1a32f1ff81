"""A18 and L4: what happens to a pair of which one leg fills and the other does not, with numbers worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hedgekit.rules import legs as ladder
from hedgekit.types import NS, Action, Cancelled, Decision, Link, MarketStatus, Phase, Reason, Reconciled, Reject, Timer
from tests.core.core_made import Desk, params
from tests.core.test_backtest import FAST, check_parity, fast_tape

SLOW: dict[str, Any] = {"lookback": 10, "max_quote_age_s": 3600.0, "bar_s": 3600.0, "patience_s": 2.0, "naked_limit_s": 0.0}
"""Bars of an hour, so that only the ladder's own timers come."""


def entered(**changes: Any) -> tuple[Desk, Decision]:
    """Return a desk that has just ordered to sell 97 KO and to buy 100 PEP."""
    desk = Desk(**SLOW | changes)
    for i in range(9):
        hour(desk, 100.5 if i % 2 else 99.5)
    entry = hour(desk, 103.0)
    assert entry.action is Action.OPEN
    return desk, entry


def hour(desk: Desk, primary: float) -> Decision:
    """Quote both legs half-way through an hour, close its bar."""
    desk.now_ns += 1800 * NS
    desk.quote(0, primary)
    desk.quote(1, 100.0)
    bars = desk.hedger.bars
    while desk.hedger.bars == bars:
        assert desk.hedger.wakeup_ns is not None
        desk.now_ns = desk.hedger.wakeup_ns
        said = timer(desk)
    return said


def timer(desk: Desk) -> Decision:
    decision: Decision = desk.hedger.on(Timer(ts_ns=desk.now_ns))
    return decision


def wait(desk: Desk, seconds: float, *, quote: int | None = None, mid: float = 100.0) -> Decision:
    """Let time pass; one leg's quote comes half-way."""
    desk.now_ns += round(seconds * NS / 2)
    if quote is not None:
        desk.quote(quote, mid)
    desk.now_ns += round(seconds * NS / 2)
    return timer(desk)


def over(desk: Desk, order_id: str) -> Decision:
    decision: Decision = desk.hedger.on(Cancelled(ts_ns=desk.now_ns, order_id=order_id))
    return decision


# ---------------------------------------------------------------- the four steps


def test_an_order_that_ends_when_its_quote_is_old_is_ordered_anew_with_the_next() -> None:
    """Kalshi's last for five minutes: no price is there to trade at (A9), and the pair must not stay as it is for that."""
    desk, entry = entered(patience_s=0.0)
    desk.fill(entry.orders[0])
    desk.now_ns += 3601 * NS
    ended = over(desk, entry.orders[1].order_id)
    assert (ended.orders, ended.phase) == ((), Phase.OPENING)
    assert not desk.quote(0, 103.0).orders, "another leg's price"
    again = desk.quote(1, 100.0)
    assert (again.action, again.reason) == (Action.REPAIR, Reason.LEG_SHORTFALL)
    assert [(o.leg, o.qty) for o in again.orders] == [(1, Decimal(100))]
    assert not desk.quote(1, 100.0).orders, "once"


def test_a_close_is_over_without_a_quote_when_nothing_was_held() -> None:
    """Both orders of an entry end after it was to be left; a pair that is flat does not wait in "closing" for a price."""
    desk, entry = entered(patience_s=0.0)
    left = hour(desk, 100.0)
    assert (left.phase, len(left.cancels)) == (Phase.CLOSING, 2)
    desk.now_ns += 3601 * NS
    over(desk, entry.orders[0].order_id)
    assert over(desk, entry.orders[1].order_id).phase is Phase.FLAT


def test_an_overdue_hedge_is_cancelled_and_what_is_missing_ordered_anew() -> None:
    desk, entry = entered()
    desk.fill(entry.orders[0])
    desk.fill(entry.orders[1], Decimal(60), number="a")
    assert desk.hedger.wakeup_ns == desk.now_ns + 2 * NS
    late = wait(desk, 2.0, quote=1)
    assert (late.action, late.reason, late.cancels) == (Action.REPAIR, Reason.ORDER_OVERDUE, (entry.orders[1].order_id,))
    assert not late.orders  # first the cancel is confirmed
    again = over(desk, entry.orders[1].order_id)
    assert (again.action, again.reason) == (Action.REPAIR, Reason.LEG_SHORTFALL)
    assert [(o.leg, o.qty) for o in again.orders] == [(1, Decimal(40))]
    done = desk.fill(again.orders[0])
    assert done.phase is Phase.OPEN


def test_an_order_is_not_overdue_before_a_newer_quote_has_left_it_unfilled() -> None:
    """On a market that has not moved or spoken since, cancelling and ordering the same again would change nothing."""
    desk, entry = entered()
    desk.fill(entry.orders[0])
    assert wait(desk, 2.0).reason is Reason.NOTED
    desk.now_ns += 5 * NS
    heard = desk.quote(1, 100.0)
    assert (heard.reason, heard.cancels) == (Reason.ORDER_OVERDUE, (entry.orders[1].order_id,))


def test_a_part_that_is_large_enough_is_accepted() -> None:
    desk, entry = entered(accept_filled=0.6)
    desk.fill(entry.orders[0])
    desk.fill(entry.orders[1], Decimal(60), number="a")
    wait(desk, 2.0, quote=1)
    accepted = over(desk, entry.orders[1].order_id)
    assert (accepted.action, accepted.reason, accepted.phase) == (Action.HOLD, Reason.SHORT_ACCEPTED, Phase.OPEN)
    assert accepted.targets == (-97.0, 60.0)
    desk, entry = entered(accept_filled=0.6)
    desk.fill(entry.orders[0])
    desk.fill(entry.orders[1], Decimal(59), number="a")
    wait(desk, 2.0, quote=1)
    assert over(desk, entry.orders[1].order_id).reason is Reason.LEG_SHORTFALL


def test_a_part_that_is_accepted_at_a_quote_counts_as_hedged_from_then_on() -> None:
    """The order ended at an old quote (Polymarket's, in a frozen feed); the next one takes the step, and the naked seconds stop there."""
    desk, entry = entered(accept_filled=0.6)
    desk.fill(entry.orders[0])
    desk.fill(entry.orders[1], Decimal(60), number="a")
    wait(desk, 2.0, quote=1)
    desk.now_ns += 3601 * NS
    assert over(desk, entry.orders[1].order_id).reason is Reason.NOTED
    desk.quote(0, 103.0)
    accepted = desk.quote(1, 100.0)
    assert (accepted.reason, accepted.targets) == (Reason.SHORT_ACCEPTED, (-97.0, 60.0))
    assert accepted.naked == pytest.approx(40 * 100.0 * 3603)
    desk.now_ns += 7 * NS
    assert desk.hedger.on(Link(ts_ns=desk.now_ns, venue="T", state="up", since_ns=desk.now_ns)).naked == accepted.naked


def test_two_legs_that_are_refused_at_the_close_are_ordered_again_at_the_next_bar_and_not_before() -> None:
    """Each refusal had the other leg ordered, which was refused: twenty orders a second, at a venue that has said why it takes none."""
    desk, entry = entered(patience_s=0.0)
    for order in entry.orders:
        desk.fill(order)
    close = hour(desk, 100.0)
    assert (close.action, len(close.orders)) == (Action.CLOSE, 2)
    for order in close.orders:
        said = desk.hedger.on(Reject(ts_ns=desk.now_ns, order_id=order.order_id, code="400", message="no match"))
        assert (said.reason, said.orders) == (Reason.LEG_REJECTED, ())
    again = hour(desk, 100.0)
    assert (again.reason, sorted(order.leg for order in again.orders)) == (Reason.LEG_SHORTFALL, [0, 1])
    first, other = again.orders
    assert not desk.hedger.on(Reject(ts_ns=desk.now_ns, order_id=first.order_id, code="400", message="no match")).orders
    assert desk.fill(other).phase is Phase.CLOSING
    assert [order.leg for order in hour(desk, 100.0).orders] == [first.leg]


def climb(desk: Desk, order_id: str, times: int) -> Decision:
    """Let a leg's order be overdue so many times; return the decision on the last one's end."""
    for _ in range(times):
        late = wait(desk, 2.0, quote=1)
        assert late.cancels == (order_id,)
        said = over(desk, order_id)
        order_id = said.orders[0].order_id if said.orders else ""
    return said


def test_after_its_retries_it_crosses_and_then_the_pair_is_cut_back_to_what_is_hedged() -> None:
    desk, entry = entered(retries=1, order_type="limit", slippage_cap=0.004)
    assert [(o.kind, o.limit) for o in entry.orders] == [("limit", Decimal("102.99")), ("limit", Decimal("100.01"))]
    desk.fill(entry.orders[0])
    desk.fill(entry.orders[1], Decimal(60), number="a")
    retried = climb(desk, entry.orders[1].order_id, 1)
    assert retried.orders[0].limit == Decimal("100.01")  # at the touch, 100.005, in whole ticks outwards
    crossed = climb(desk, retried.orders[0].order_id, 1)
    assert crossed.orders[0].limit == Decimal("100.40")  # 100.005 x 1.004 = 100.405, in whole ticks inwards
    cut = climb(desk, crossed.orders[0].order_id, 1)
    assert (cut.action, cut.reason) == (Action.REPAIR, Reason.CUT_BACK)
    assert cut.targets == (-58.0, 60.0)  # 60 % of 97 is 58.2
    assert [(o.leg, o.qty, o.limit) for o in cut.orders] == [(0, Decimal(39), Decimal("103.41"))]  # 103.005 x 1.004 = 103.417
    assert desk.fill(cut.orders[0]).phase is Phase.OPEN


def test_with_nothing_of_the_hedge_the_primary_is_closed() -> None:
    desk, entry = entered(retries=0)
    desk.fill(entry.orders[0])
    crossed = climb(desk, entry.orders[1].order_id, 1)
    closed = climb(desk, crossed.orders[0].order_id, 1)
    assert (closed.action, closed.reason, closed.phase) == (Action.CLOSE, Reason.CUT_BACK, Phase.CLOSING)
    assert [(o.leg, o.qty) for o in closed.orders] == [(0, Decimal(97))]
    assert desk.fill(closed.orders[0]).phase is Phase.FLAT


def test_a_primary_that_does_not_fill_cuts_its_hedge_back() -> None:
    desk, entry = entered(retries=0, patience_s=2.0)
    desk.fill(entry.orders[1])
    desk.fill(entry.orders[0], Decimal(-50), number="a")
    wait(desk, 2.0, quote=0, mid=103.0)
    crossed = over(desk, entry.orders[0].order_id)
    wait(desk, 2.0, quote=0, mid=103.0)
    cut = over(desk, crossed.orders[0].order_id)
    assert cut.targets == (-50.0, 52.0)  # 50 / 97 of 100 is 51.5
    assert [(o.leg, o.qty) for o in cut.orders] == [(1, Decimal(-48))]


def test_an_exit_does_not_give_up() -> None:
    desk, entry = entered(retries=0)
    for order in entry.orders:
        desk.fill(order)
    close = hour(desk, 100.0)
    assert close.phase is Phase.CLOSING
    desk.fill(next(o for o in close.orders if o.leg == 0))
    order_id = next(o for o in close.orders if o.leg == 1).order_id
    for _ in range(6):
        said = climb(desk, order_id, 1)
        assert (said.phase, said.orders[0].qty) == (Phase.CLOSING, Decimal(-100))
        order_id = said.orders[0].order_id


def test_without_patience_an_order_is_left_alone() -> None:
    desk, entry = entered(patience_s=0.0)
    desk.fill(entry.orders[0])
    assert desk.hedger.wakeup_ns is None or desk.hedger.wakeup_ns > desk.now_ns + 100 * NS


# ------------------------------------------------------------------ the naked leg


def test_what_is_unhedged_is_counted_in_money_times_seconds() -> None:
    """97 KO sold against none of 100 PEP at 100.00 for 3 s, then against 60 of them for 1 s."""
    desk, entry = entered(patience_s=0.0)
    desk.fill(entry.orders[0])
    wait(desk, 3.0, quote=1)
    assert desk.fill(entry.orders[1], Decimal(60), number="a").naked == pytest.approx(10_000 * 3)
    wait(desk, 1.0, quote=1)
    assert desk.fill(entry.orders[1], Decimal(40), number="b").naked == pytest.approx(30_000 + 4_000)
    wait(desk, 9.0, quote=1)
    assert wait(desk, 1.0).naked == pytest.approx(34_000)


def test_at_half_of_the_budget_the_primary_goes_back_at_once() -> None:
    """Notional 10,000 for at most 4 s: after 2 s with nothing hedged, whatever patience and retries say."""
    desk, entry = entered(naked_limit_s=4.0, patience_s=600.0, retries=50)
    desk.fill(entry.orders[0])
    assert desk.hedger.wakeup_ns == desk.now_ns + 2 * NS
    late = wait(desk, 2.0)
    assert (late.reason, late.cancels) == (Reason.NAKED_LIMIT, (entry.orders[1].order_id,))
    back = over(desk, entry.orders[1].order_id)
    assert (back.action, back.reason) == (Action.CLOSE, Reason.NAKED_LIMIT)
    assert [(o.leg, o.qty) for o in back.orders] == [(0, Decimal(97))]


def test_seconds_without_a_fresh_quote_are_counted_but_do_not_use_the_budget() -> None:
    """Nothing can be repaired on a market that is not there: L4's own exception, reported all the same."""
    desk, entry = entered(naked_limit_s=4.0, patience_s=0.0, max_quote_age_s=1801.0)  # the hedge was quoted 1800 s before the entry
    desk.fill(entry.orders[0])
    assert wait(desk, 2.0).reason is Reason.NOTED  # one second of the two had a fresh quote
    desk.now_ns += 5 * NS
    heard = desk.quote(1, 100.0)
    assert heard.naked == pytest.approx(10_000 * 7)
    desk.quote(0, 103.0)
    assert wait(desk, 0.5).reason is Reason.NOTED
    late = wait(desk, 0.6)
    assert late.reason is Reason.NAKED_LIMIT
    assert late.naked == pytest.approx(10_000 * 8.1, rel=1e-3)


def test_an_unhedged_strategy_is_never_naked() -> None:
    desk, entry = entered(structure="unhedged")
    desk.fill(entry.orders[0])
    assert wait(desk, 2.0, quote=0, mid=103.0).naked == 0.0


# --------------------------------------------------------------- the law of the walk


@pytest.mark.parametrize("order_type", ["market", "limit"])
def test_on_thin_tapes_every_step_of_the_ladder_is_taken_and_both_drivers_agree(order_type: str) -> None:
    seen: set[Reason] = set()
    for seed in range(4):
        numbers = {
            "patience_s": 0.05,
            "retries": 1,
            "accept_filled": 0.9,
            "naked_limit_s": 0.02,
            "order_type": order_type,
            "notional": 20_000.0,
        }
        records = check_parity(fast_tape(seed, 600, sizes=(0, 60)), params(**FAST | numbers))
        seen |= {record.reason for record in records if isinstance(record, Decision)}
    assert {Reason.ORDER_OVERDUE, Reason.LEG_SHORTFALL, Reason.SHORT_ACCEPTED, Reason.NAKED_LIMIT} <= seen


def test_limit_prices_are_whole_ticks_within_the_cap() -> None:
    for touch, buy, cap, tick, expected in (
        (100.005, True, 0.004, 0.01, 100.40),
        (100.005, False, 0.004, 0.01, 99.61),
        (0.43, True, 0.0, 0.01, 0.43),
        (0.43, False, 0.02, 0.001, 0.422),
    ):
        assert ladder.limit_price(touch, buy, ladder.ACROSS, cap, tick) == pytest.approx(expected)
    for buy, expected in ((True, 100.01), (False, 100.00)):
        assert ladder.limit_price(100.005, buy, ladder.AT_TOUCH, 0.004, 0.01) == pytest.approx(expected)


def test_after_a_silence_both_legs_are_closed_or_none_while_one_is_halted() -> None:
    """L6: the venue is back, but its hedge is halted: to close the primary alone would leave the hedge naked."""
    desk, entry = entered()
    for order in entry.orders:
        desk.fill(order)
    keys = [order.instrument for order in entry.orders]
    for state in ("down", "up"):
        desk.hedger.on(Link(ts_ns=desk.now_ns, venue="T", state=state, since_ns=0))
    outcomes = []
    for status in ("halted", "open"):
        desk.hedger.on(MarketStatus(ts_ns=desk.now_ns, instrument=keys[1], status=status))
        said = desk.hedger.on(Reconciled(ts_ns=desk.now_ns, positions={}, cash=Decimal(0), agrees=True))
        outcomes.append((said.reason, len(said.orders)))
    assert outcomes == [(Reason.RECONCILING, 0), (Reason.RECONCILED, 2)]
