"""A pair over two venues (L6), and what only a venue can book: a settlement, an execution that it takes back, another tick."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from hedgekit.errors import ConfigError, VenueError
from hedgekit.hedger import Hedger
from hedgekit.types import (
    Action,
    Cancelled,
    Command,
    Decision,
    Fill,
    Instrument,
    Kind,
    Link,
    Order,
    Phase,
    Reason,
    Reconciled,
    Reject,
    TickChanged,
    Timer,
)
from tests.core.core_made import Desk, params

SPLIT = (Instrument("A", "KO"), Instrument("B", "PEP"))
EASY: dict[str, Any] = {"entry": 0.9, "target": 0.3, "stop": 1.9}
TWIN = Instrument("C", "KO2", tick=Decimal("0.001"), lot=Decimal("0.1"))
"""The primary once more, at a third venue."""


def opened(instruments: tuple[Instrument, ...] = SPLIT, *, filled: bool = True, **changes: Any) -> tuple[Desk, list[Order]]:
    """Return a desk that has sold the primary and bought the hedge."""
    desk = Desk(instruments=instruments, **EASY | changes)  # type: ignore[arg-type] # with one that stands in
    for i in range(9):
        bar(desk, 100.5 if i % 2 else 99.5)
    entry = bar(desk, 103.0)
    assert entry.action is Action.OPEN
    for order in entry.orders if filled else ():
        desk.fill(order)
    assert desk.hedger.phase is (Phase.OPEN if filled else Phase.OPENING)
    return desk, list(entry.orders)


def bar(desk: Desk, primary: float) -> Decision:
    """Close a bar; what stands in is quoted first, off the leg that it stands in for."""
    if len(desk.hedger.instruments) > desk.hedger.legs:
        desk.quote(2, primary / 2.0)
    decision: Decision = desk.bar(primary)
    return decision


def link(desk: Desk, venue: str, state: Any) -> Decision:
    return desk.hedger.on(Link(ts_ns=desk.now_ns, venue=venue, state=state, since_ns=0))


def agree(desk: Desk, venue: str) -> Decision:
    return desk.hedger.on(Reconciled(ts_ns=desk.now_ns, positions={}, cash=Decimal(0), agrees=True, venue=venue))


def booked(  # noqa: PLR0913 - the fields of a fill
    desk: Desk, order: Order | None, leg: int, qty: Decimal, price: str, cause: Any
) -> Decision:
    return desk.hedger.on(
        Fill(
            ts_ns=desk.now_ns,
            order_id="" if order is None else order.order_id,
            fill_id=f"{cause}-{leg}",
            instrument=desk.hedger.instruments[leg].key,
            venue_ns=desk.now_ns,
            qty=qty,
            price=Decimal(price),
            fee=Decimal(0),
            cause=cause,
        )
    )


# ------------------------------------------------------------------ silence


def test_while_one_venue_is_silent_what_works_at_the_other_is_cancelled() -> None:
    desk, orders = opened(filled=False)
    said = link(desk, "A", "down")
    assert (said.reason, said.cancels) == (Reason.VENUE_SILENT, (orders[1].order_id,)), "the hedge's; nobody hears the primary's cancel"
    back = link(desk, "A", "up")
    assert (back.reason, back.cancels) == (Reason.VENUE_BACK, (orders[0].order_id,)), "the hedge's was asked for before"


@pytest.mark.parametrize("order", ["AB", "BA"])
def test_both_legs_are_closed_once_both_venues_agree(order: str) -> None:
    desk, _ = opened()
    link(desk, "B", "down")
    link(desk, "B", "up")
    first, second = (agree(desk, venue) for venue in order)
    assert (first.reason, first.orders, first.phase) == (Reason.RECONCILING, (), Phase.RECOVERING)
    assert (second.reason, len(second.orders), second.phase) == (Reason.RECONCILED, 2, Phase.CLOSING)


def test_agreement_before_another_silence_does_not_count() -> None:
    desk, _ = opened()
    link(desk, "B", "down")
    link(desk, "B", "up")
    agree(desk, "A")
    link(desk, "A", "down")
    assert agree(desk, "B").reason is Reason.RECONCILING, "A is silent"
    link(desk, "A", "up")
    assert agree(desk, "B").reason is Reason.RECONCILING, "what A said was before its silence"
    assert agree(desk, "A").reason is Reason.RECONCILED


def test_nothing_is_closed_at_prices_that_stand_still() -> None:
    """The venue answers, but its feed is frozen: both legs wait for prices (A9)."""
    desk, _ = opened()
    link(desk, "B", "frozen")
    for venue in "AB":
        assert agree(desk, venue).reason is Reason.RECONCILING
    assert desk.hedger.phase is Phase.RECOVERING
    link(desk, "B", "up")
    agree(desk, "A")
    said = agree(desk, "B")
    assert (said.reason, len(said.orders), said.phase) == (Reason.RECONCILED, 2, Phase.CLOSING)


@pytest.mark.parametrize("later", ["", "A"])
def test_a_person_may_close_at_prices_that_stand_still(later: str) -> None:
    """Also if another venue's prices stop later."""
    desk, _ = opened()
    link(desk, "B", "frozen")
    desk.hedger.on(Command(ts_ns=desk.now_ns, name="flatten"))
    if later:
        link(desk, later, "frozen")
    agree(desk, "A")
    said = agree(desk, "B")
    assert (said.reason, len(said.orders), said.phase) == (Reason.RECONCILED, 2, Phase.CLOSING)


def test_nothing_is_closed_while_the_second_venue_is_silent_too() -> None:
    desk, _ = opened()
    for venue in "AB":
        link(desk, venue, "down")
    link(desk, "A", "up")
    assert not agree(desk, "A").orders
    assert not agree(desk, "B").orders, "an answer from before its silence, late"
    with pytest.raises(VenueError, match="a message of venue 'Z' reached a session that trades at A, B"):
        link(desk, "Z", "down")


# --------------------------------------------------- flatten through another venue


def standing(**changes: Any) -> tuple[Desk, list[Order]]:
    return opened((*SPLIT, TWIN), stand_in="primary", **changes)


def test_a_silent_leg_is_flattened_through_the_instrument_that_stands_in_and_the_other_closed() -> None:
    desk, entry = standing()
    assert (len(entry), desk.hedger.positions["C:KO2"]) == (2, 0.0), "it has no part in the entry"
    said = link(desk, "A", "down")
    assert (said.action, said.reason, said.phase) == (Action.CLOSE, Reason.STOOD_IN, Phase.RECOVERING)
    hedge, twin = said.orders
    assert (hedge.instrument, hedge.qty) == ("B:PEP", -entry[1].qty)
    worth = abs(entry[0].qty) * Decimal(103)
    assert twin.instrument == "C:KO2"
    assert abs(twin.qty * Decimal("51.5") - worth) <= Decimal("51.5") * TWIN.lot, "as much money as the leg that cannot be reached"
    for order in said.orders:
        desk.fill(order)
    link(desk, "A", "up")
    for venue in "ABC":
        last = agree(desk, venue)
    assert {(order.instrument, order.qty) for order in last.orders} == {("A:KO", -entry[0].qty), ("C:KO2", -twin.qty)}
    for order in last.orders:
        desk.fill(order)
    assert (desk.hedger.phase, set(desk.hedger.positions.values())) == (Phase.FLAT, {0.0})


def test_it_waits_for_prices_and_orders_again_what_was_not_filled() -> None:
    desk, _ = standing(max_quote_age_s=1.0)
    desk.now_ns += 5 * 10**9
    assert not link(desk, "A", "down").orders, "every quote is too old to act on"
    assert not desk.quote(1, 100.0).orders
    said = desk.quote(2, 51.5)
    assert (said.reason, [order.leg for order in said.orders]) == (Reason.STOOD_IN, [1, 2])
    hedge, twin = said.orders
    desk.fill(twin, twin.qty - Decimal("0.5"))
    again = desk.hedger.on(Cancelled(ts_ns=desk.now_ns, order_id=twin.order_id))
    assert (again.reason, [order.qty for order in again.orders]) == (Reason.STOOD_IN, [Decimal("0.5")])
    refused = desk.hedger.on(Reject(ts_ns=desk.now_ns, order_id=hedge.order_id, code="x", message=""))
    assert not refused.orders, "a refusal would be refused again"


@pytest.mark.parametrize("silent", ["B", "C"])
def test_only_the_leg_that_it_stands_in_for(silent: str) -> None:
    desk, _ = standing()
    assert not link(desk, silent, "down").orders
    link(desk, "A", "down")
    assert not desk.quote(1, 100.0).orders, "with two venues silent there is nothing to flatten with"


def test_what_stands_in_is_another_instrument_elsewhere() -> None:
    with pytest.raises(ConfigError, match="stand_in='primary' needs a further instrument"):
        Hedger("s", SPLIT, params(stand_in="primary"))
    with pytest.raises(ConfigError, match="B:OTHER is at the venue of B:PEP itself"):
        Hedger("s", (*SPLIT, Instrument("B", "OTHER")), params(stand_in="hedge"))


def test_a_quote_at_the_moment_a_bar_has_closed_is_of_the_next_bar() -> None:
    """A feed that was opened anew at that moment begins with one; the same bar must not close twice."""
    desk = Desk(instruments=SPLIT)
    for i in range(3):
        bar(desk, 100.0 + i)
        before = desk.hedger.bars
        desk.quote(0, 100.0)
        assert desk.hedger.wakeup_ns == desk.now_ns + 10**9
        desk.hedger.on(Timer(ts_ns=desk.now_ns))
        assert desk.hedger.bars == before


def test_what_works_at_the_silent_venue_is_left_alone() -> None:
    desk, entry = standing(filled=False)
    desk.fill(entry[1])
    said = link(desk, "A", "down")
    assert (said.reason, said.cancels) == (Reason.STOOD_IN, ()), "nobody there would hear the cancel"
    assert [order.instrument for order in said.orders] == ["B:PEP"], "nothing is held at the silent venue, as far as is known"


# ------------------------------------------------------------- what a venue books


def test_a_settlement_takes_the_leg_out_and_closes_the_other() -> None:
    desk, entry = opened()
    said = booked(desk, None, 0, -entry[0].qty, "1", "settlement")
    assert (said.action, said.reason) == (Action.CLOSE, Reason.SETTLED)
    assert [(order.instrument, order.qty) for order in said.orders] == [("B:PEP", -entry[1].qty)]
    desk.fill(said.orders[0])
    assert desk.hedger.phase is Phase.FLAT
    assert booked(desk, None, 0, -entry[0].qty, "1", "settlement").reason is Reason.NOTED, "told twice"
    for primary in (95.0, 110.0):
        assert bar(desk, primary).reason is Reason.STALE_QUOTE, "nothing is traded in a contract that is over"


def test_an_execution_that_is_taken_back_is_ordered_again() -> None:
    desk, entry = opened()
    said = booked(desk, entry[1], 1, -entry[1].qty, "100", "reversal")
    assert (said.action, said.reason, [order.qty for order in said.orders]) == (Action.REPAIR, Reason.REVERSED, [entry[1].qty])


def test_a_close_that_is_taken_back_is_closed_again() -> None:
    desk, entry = opened()
    close = bar(desk, 100.0)
    assert close.action is Action.CLOSE
    for order in close.orders:
        desk.fill(order)
    assert desk.hedger.phase is Phase.FLAT
    said = booked(desk, close.orders[0], 0, -close.orders[0].qty, "100", "reversal")
    assert (said.phase, [order.qty for order in said.orders]) == (Phase.CLOSING, [-entry[0].qty])
    desk.fill(said.orders[0])
    assert desk.hedger.phase is Phase.FLAT


def test_what_is_taken_back_while_prices_are_old_waits_for_one() -> None:
    desk, entry = opened()
    desk.now_ns += round(2 * desk.hedger.params.max_quote_age_s * 10**9)
    said = booked(desk, entry[1], 1, -entry[1].qty, "100", "reversal")
    assert (said.action, said.reason, said.orders) == (Action.HOLD, Reason.REVERSED, ())
    repair = desk.quote(1, 100.0)
    assert (repair.action, [(order.leg, order.qty) for order in repair.orders]) == (Action.REPAIR, [(1, entry[1].qty)])


def test_a_leg_that_is_taken_back_is_as_naked_as_any_and_begins_the_ladder_anew() -> None:
    """L4: what its primary is worth counts from the reversal on, and an order that is not filled is overdue."""
    desk, entry = opened(order_type="limit", patience_s=2.0, retries=1, naked_limit_s=1e6)
    before = bar(desk, 103.0).naked
    order = booked(desk, entry[1], 1, -entry[1].qty, "100", "reversal").orders[0]
    assert order.limit is not None
    began, said = desk.now_ns, []
    for _ in range(8):  # half seconds
        desk.now_ns += 5 * 10**8
        said += [desk.quote(0, 103.0), desk.quote(1, 100.0)]
        while (wakeup_ns := desk.hedger.wakeup_ns) is not None and wakeup_ns <= desk.now_ns:
            said.append(desk.hedger.on(Timer(ts_ns=desk.now_ns)))
    late = next(one for one in said if one.cancels)
    assert (late.reason, late.cancels, late.ts_ns - began) == (Reason.ORDER_OVERDUE, (order.order_id,), 2 * 10**9)
    assert late.naked - before == pytest.approx(2 * abs(float(entry[1].qty)) * 100.0, rel=1e-3)


@pytest.mark.parametrize(("state", "phase", "ordered"), [("restarted", Phase.CLOSING, 1), ("down", Phase.CLOSING, 1)])
def test_what_is_taken_back_of_a_closed_pair_during_a_silence_is_closed_after_it(state: str, phase: Phase, ordered: int) -> None:
    desk, entry = opened()
    for order in (close := bar(desk, 100.0)).orders:
        desk.fill(order)
    link(desk, "A", state)
    said = booked(desk, close.orders[0], 0, -close.orders[0].qty, "100", "reversal")
    assert (said.phase, said.reason, said.orders) == (Phase.RECOVERING, Reason.REVERSED, ())
    if state == "down":
        link(desk, "A", "up")
    agree(desk, "A")
    said = agree(desk, "B")
    assert (said.phase, len(said.orders)) == (phase, ordered)
    assert said.orders[0].qty == -entry[0].qty
    desk.fill(said.orders[0])
    assert desk.hedger.phase is Phase.FLAT


def test_a_reversal_that_makes_a_closing_pair_flat_ends_it() -> None:
    """A part of the entry comes to nothing after all, when all else is closed."""
    desk, entry = opened()
    close = bar(desk, 100.0)
    desk.fill(next(order for order in close.orders if order.leg == 1))
    left = next(order for order in close.orders if order.leg == 0)
    desk.hedger.on(Cancelled(ts_ns=desk.now_ns, order_id=left.order_id))
    again = next(iter(desk.hedger.working))
    said = booked(desk, entry[0], 0, -entry[0].qty, "100", "reversal")
    assert said.cancels == (again,), "the order that works would open what it was to close"
    assert desk.hedger.on(Cancelled(ts_ns=desk.now_ns, order_id=again)).phase is Phase.FLAT


@pytest.mark.parametrize(("tick", "limit"), [("0.01", "0.96"), ("0.001", "0.966")])
def test_limits_are_in_whole_ticks_of_the_tick_in_force(tick: str, limit: str) -> None:
    listed = Instrument("A", "YES", kind=Kind.BINARY), Instrument("A", "NO", kind=Kind.BINARY)
    desk = Desk(instruments=listed, order_type="limit", notional=100.0, **EASY)
    desk.hedger.on(TickChanged(ts_ns=desk.now_ns, instrument="A:YES", venue_ns=0, tick=Decimal(tick)))
    assert desk.hedger.instruments[0].tick == Decimal(tick)
    for mid in (0.50, 0.51, 0.50, 0.51, 0.50, 0.51, 0.9666):
        desk.now_ns += 5 * 10**8
        desk.quote(0, mid, 0.0002)
        desk.quote(1, 0.5, 0.0002)
        desk.now_ns += 5 * 10**8
        said = desk.hedger.on(Timer(ts_ns=desk.now_ns))
    primary = said.orders[0]
    assert (primary.qty < 0, primary.limit) == (True, Decimal(limit)), "sold at the bid of .9664, rounded down"


def test_executions_of_two_venues_may_have_one_id() -> None:
    desk, orders = opened(filled=False)
    for order in orders:
        desk.hedger.on(msgspec.structs.replace(_fill(desk, order), fill_id="1"))
    assert desk.hedger.phase is Phase.OPEN


def _fill(desk: Desk, order: Order) -> Fill:
    about = {"order_id": order.order_id, "fill_id": "", "instrument": order.instrument, "qty": order.qty, "price": order.expected}
    return Fill(ts_ns=desk.now_ns, venue_ns=desk.now_ns, fee=Decimal(0), **about)  # type: ignore[arg-type] # as above
