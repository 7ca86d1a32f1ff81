"""Each rule by hand, and what holds of all of them: edges alternate, and a limit of 0 is silence."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.alerts import Alert, Limits, Watch
from hedgekit.errors import ConfigError
from hedgekit.types import NS, Ack, Cancelled, Fill, Payment, Phase, Reason, Record, Reject, SessionEnded, Switch
from tests.alerts import made

STORY = made.watched(made.story())


def raised(rule: str, records: list[Record], limits: Limits = made.LIMITS) -> list[Alert]:
    return [alert for alert in made.watched([made.start(), *records], limits) if alert.rule == rule]


def test_a_session_in_which_everything_goes_wrong() -> None:
    assert made.edges(STORY) == made.EDGES
    assert [alert.ts_ns for alert in STORY][:3] == [12 * NS, 15 * NS, 51 * NS]
    assert {alert.rule: alert.severity for alert in STORY} == {
        "rejects": "warning", "delta": "warning", "naked leg": "warning", "naked budget": "critical", "drawdown": "critical",
        "breaker": "critical", "plan expired": "warning",
    }  # fmt: skip
    assert len({alert.id for alert in STORY}) == len(STORY)


def test_each_says_what_in_one_sentence_with_figures_and_units() -> None:
    said = {(alert.rule, alert.edge): alert.text for alert in reversed(STORY)}
    assert said["rejects", "raised"] == "the venue refused -20 ALPACA:PEP: 403 not shortable"
    assert said["delta", "raised"] == "net delta 7.0% of the notional, outside 5.0% for 31 s"
    assert said["delta", "cleared"] == "net delta -2.0%, inside 5.0% again"
    assert said["naked leg", "raised"].startswith("trade 1 was unhedged for $3,100,000 x s of a budget of $6,000,000 x s; half of it")
    assert said["naked budget", "raised"] == "trade 1 was unhedged for $6,100,000 x s of a budget of $6,000,000 x s: the budget is exceeded"
    assert said["drawdown", "raised"] == "P&L -$600 is $600 below its highest so far, $0: more than $500"
    assert said["drawdown", "cleared"] == "P&L -$390 is $390 below its highest so far, $0"
    assert said["breaker", "raised"].startswith("ALPACA is down, the last word came 45 s ago; no entries")
    assert said["breaker", "cleared"] == "ALPACA is heard again after 100 s"
    assert said["plan expired", "raised"] == "the hedge ratio 0.800 was good until 1970-01-01 00:16 UTC: no entries"
    assert said["plan expired", "cleared"] == "a new hedge ratio, 0.750, is good until 1970-01-01 00:33 UTC"


def test_a_switch_that_is_lost_is_told_until_it_is_held_again() -> None:
    first, lost, held = (
        Switch(ts_ns=at * NS, venue="POLYMARKET", state=state, since_ns=since * NS)  # type: ignore[arg-type] # one of the two
        for at, state, since in ((1, "held", 0), (40, "lost", 28), (70, "held", 28))
    )
    alerts = raised("switch", [first, lost, held])
    assert made.edges(alerts) == [(3, "switch", "POLYMARKET", "raised"), (4, "switch", "POLYMARKET", "cleared")]
    assert alerts[0].severity == "critical"
    assert alerts[0].text == "POLYMARKET has taken no beat of its dead man's switch for 12 s: it may have cancelled all orders"


# ----------------------------------------------------------------------- delta


def test_delta_must_be_out_for_longer_than_the_time_and_without_a_break() -> None:
    out = [made.decision(at, delta=0.06) for at in (0, 30)]
    assert raised("delta", out) == []
    assert made.edges(raised("delta", [*out, made.timer(30.001)])) == [(4, "delta", "", "raised")]  # time goes on without a decision
    back = [made.decision(0, delta=0.06), made.decision(29, delta=0.05), made.decision(31, delta=-0.06), made.timer(61)]
    assert raised("delta", back) == []
    assert len(raised("delta", [*back, made.timer(61.001)])) == 1


def test_delta_of_nothing_held_is_inside() -> None:
    records = [made.decision(0, delta=0.06), made.timer(31), made.decision(32, delta=None)]
    assert [alert.text for alert in raised("delta", records)][1] == "nothing is held"


def test_a_delta_that_is_not_known_is_neither_out_nor_back() -> None:
    held = msgspec.structs.replace(made.decision(32, delta=None), positions=(10.0, 0.0))
    records = [made.decision(0, delta=0.06), made.timer(31), held, made.decision(33, delta=0.06)]
    assert made.edges(raised("delta", records)) == [(3, "delta", "", "raised")]


def test_the_users_corridor_goes_before_the_sessions() -> None:
    records: list[Record] = [made.decision(0, delta=0.06), made.timer(100)]
    assert raised("delta", records, Limits(delta=0.07)) == []
    assert len(raised("delta", records, Limits(delta=0.03))) == 1
    assert raised("delta", records, Limits(delta=0.0)) == []


# -------------------------------------------------------------------- drawdown


def test_drawdown_is_from_the_highest_and_cleared_with_room_to_spare() -> None:
    """10 bought at 100; money is 10 x (mid - 100)."""
    mids = [100.0, 200.0, 150.1, 149.9, 150.5, 159.9, 160.1, 149.9]
    records: list[Record] = [made.fill(0, "o", "10", "100"), *(made.decision(n, mids=(mid, 50.0)) for n, mid in enumerate(mids))]
    assert made.edges(raised("drawdown", records)) == [
        (6, "drawdown", "", "raised"), (9, "drawdown", "", "cleared"), (10, "drawdown", "", "raised")]  # fmt: skip


def test_drawdown_as_a_share_of_the_notional_and_none_without_a_mid() -> None:
    records: list[Record] = [made.fill(0, "o", "100", "100"), made.decision(1, mids=(None, 50.0)), made.decision(2, mids=(49.0, None))]
    assert made.edges(raised("drawdown", records, Limits())) == [(4, "drawdown", "", "raised")]  # $5,100 of $100,000
    assert raised("drawdown", records, Limits(drawdown_share=0.06)) == []
    assert raised("drawdown", records, Limits(drawdown=0.0)) == []
    assert raised("drawdown", [*records[:2], records[1]], Limits()) == []


def test_funding_counts_in_the_drawdown() -> None:
    """A perpetual that stands still and pays $300 twice: $600 below; a payment that is told twice is one."""
    held = [made.fill(0, "o", "10", "100"), made.decision(1, mids=(100.0, 50.0))]
    paid = [
        Payment(ts_ns=at * NS, instrument=held[0].instrument, payment_id=name, venue_ns=at * NS, amount=Decimal(-300), mark=Decimal(100))
        for at, name in ((2, "a"), (2, "a"), (3, "b"))
    ]
    then = made.decision(4, mids=(100.0, 50.0))
    assert raised("drawdown", [*held, *paid[:2], then]) == []
    (told,) = raised("drawdown", [*held, *paid, then])
    assert told.text == "P&L -$600 is $600 below its highest so far, $0: more than $500"


def test_a_fill_told_twice_counts_once() -> None:
    once = made.fill(0, "o", "100", "100")
    assert raised("drawdown", [once, once, made.decision(1, mids=(51.0, 50.0))], Limits()) == []  # $4,900


# ------------------------------------------------------------------ naked legs


def test_naked_legs_are_those_of_one_trade() -> None:
    records: list[Record] = [
        made.decision(1, reason=Reason.NAKED_LIMIT, naked=3e6),
        made.decision(2, naked=3e6),
        made.decision(3, trade=2, reason=Reason.NAKED_LIMIT, naked=3e6),
    ]
    assert made.edges(raised("naked leg", records)) == [
        (2, "naked leg", "", "raised"), (4, "naked leg", "", "cleared"), (4, "naked leg", "", "raised")]  # fmt: skip


def test_a_budget_exceeded_by_a_trades_last_fill_is_told_all_the_same() -> None:
    records: list[Record] = [made.decision(1, naked=1e6), *(made.decision(n, naked=7e6, phase=Phase.FLAT) for n in (2, 3, 4))]
    assert made.edges(raised("naked budget", records)) == [(3, "naked budget", "", "raised"), (4, "naked budget", "", "cleared")]


def test_a_budget_of_none_is_never_exceeded() -> None:
    records = [made.start(naked_limit_s=0.0), made.decision(1, naked=1e12)]
    assert made.watched(records) == []


# ----------------------------------------------------------------- the breaker


def test_a_restarted_session_is_not_a_venue_that_is_heard() -> None:
    records: list[Record] = [made.link(1, "up", 0), made.link(60, "down", 15), made.link(70, "restarted", 60), made.link(80, "frozen", 15)]
    assert made.edges(raised("breaker", records)) == [(3, "breaker", "ALPACA", "raised")]


# --------------------------------------------------------------------- rejects


def test_rejects_are_by_instrument_and_end_when_an_order_is_taken() -> None:
    orders = (made.order("a"), made.order("b", 1), made.order("c"), made.order("d", 1))
    no = {name: Reject(ts_ns=2 * NS, order_id=name, code="403", message="") for name in "abcd"}
    records: list[Record] = [
        made.decision(1, orders=orders), no["b"], no["d"], Ack(ts_ns=3 * NS, order_id="a", venue_order_id="v"), no["a"],
        Cancelled(ts_ns=4 * NS, order_id="c"), Reject(ts_ns=5 * NS, order_id="nobody's", code="1", message=""),
    ]  # fmt: skip
    assert made.edges(raised("rejects", records)) == [(3, "rejects", made.PEP, "raised"), (6, "rejects", made.KO, "raised")]


def test_who_refused_is_told_and_a_fill_is_an_order_that_was_taken() -> None:
    """A refusal by the account's own limits is not the venue's; and the news of a fill may come before that of the order."""
    no = Reject(ts_ns=2 * NS, order_id="a", code="guard", message="worth 1,100.00, more than order_notional=1000")
    records: list[Record] = [made.decision(1, orders=(made.order("a"), made.order("b"))), no, made.fill(3, "b", "10", "100")]
    first, second = raised("rejects", records)
    assert first.text == "the account's limits refused +10 ALPACA:KO: worth 1,100.00, more than order_notional=1000"
    assert (second.record, second.edge) == (4, "cleared")


# --------------------------------------------------------------------- silence


def silent(watch: Watch, *, quiet_s: float = 0.0, alive: bool | None = True) -> list[tuple[int, str, str, str]]:
    return made.edges(watch.look(round(quiet_s * NS), 0, alive=alive))


def test_silence_of_an_open_market_and_of_a_dead_process() -> None:
    watch = Watch("s")
    assert silent(watch, quiet_s=1e6) == []  # has not begun
    watch.take(1, made.start())
    assert silent(watch, quiet_s=300.0) == []
    assert silent(watch, quiet_s=300.1) == [(1, "silent", "", "raised")]
    assert silent(watch, quiet_s=400.0, alive=False) == []  # once
    assert made.edges(watch.take(2, made.timer(1))) == [(2, "silent", "", "cleared")]
    assert silent(watch, alive=None) == []
    assert silent(watch, alive=False) == [(2, "silent", "", "raised")]
    assert made.edges(watch.take(3, SessionEnded(ts_ns=NS, reason="stopped"))) == [(3, "silent", "", "cleared")]
    assert silent(watch, quiet_s=1e6, alive=False) == []


def test_quotes_end_a_silence_and_the_next_one_has_an_id_of_its_own() -> None:
    watch = Watch("s")
    watch.take(1, made.start())
    told = watch.look(0, 0, alive=False) + watch.upto(5, 3 * NS) + watch.upto(5, 3 * NS) + watch.look(0, 0, alive=False)
    assert made.edges(told) == [(1, "silent", "", "raised"), (5, "silent", "", "cleared"), (5, "silent", "", "raised")]
    assert [alert.ts_ns for alert in told] == [0, 3 * NS, 3 * NS]
    assert len({alert.id for alert in told}) == 3


def test_a_shut_market_is_quiet_but_a_dead_process_is_dead() -> None:
    watch = Watch("s")
    for n, record in enumerate([made.start(), made.status(1, made.KO, "closed"), made.status(1, made.PEP, "halted")], 1):
        watch.take(n, record)
    assert silent(watch, quiet_s=1e6) == []
    assert silent(watch, alive=False) == [(3, "silent", "", "raised")]
    watch.take(4, made.status(2, made.KO, "open"))
    assert silent(watch, quiet_s=1e6) == [(4, "silent", "", "raised")]


# ------------------------------------------------------------------------ laws

_AT = st.integers(0, 400)
_ANY: st.SearchStrategy[Record] = st.one_of(
    st.builds(
        lambda at, delta, naked, trade, mid, reason, phase: made.decision(
            at, delta=delta, naked=naked, trade=trade, mids=(mid, 50.0), reason=reason, phase=phase, orders=(made.order(f"o-{at % 5}"),)
        ),
        _AT,
        st.sampled_from([None, 0.0, 0.04, 0.06, -0.09]),
        st.sampled_from([0.0, 5e6, 7e6]),
        st.integers(1, 3),
        st.sampled_from([None, 30.0, 60.0, 90.0, 120.0]),
        st.sampled_from([Reason.WAIT_TARGET, Reason.NAKED_LIMIT]),
        st.sampled_from([Phase.OPEN, Phase.FLAT]),
    ),
    st.builds(made.link, _AT, st.sampled_from(["up", "down", "frozen", "restarted"]), st.just(0)),
    st.builds(made.plan, _AT, st.integers(0, 400)),
    st.builds(made.timer, _AT),
    st.builds(lambda at, n: Ack(ts_ns=at * NS, order_id=f"o-{n}", venue_order_id="v"), _AT, st.integers(0, 4)),
    st.builds(lambda at, n: Reject(ts_ns=at * NS, order_id=f"o-{n}", code="4", message=""), _AT, st.integers(0, 4)),
    st.builds(lambda at, n, qty: made.fill(at, f"o-{n}", str(qty), "100"), _AT, st.integers(0, 4), st.integers(-9, 9).filter(bool)),
)
RECORDS = st.lists(_ANY, max_size=40).map(lambda found: [made.start(), *sorted(found, key=lambda record: record.ts_ns)])


@given(RECORDS)
def test_edges_of_each_key_alternate_from_raised_on_and_ids_name_them(records: list[Record]) -> None:
    found = made.watched(records)
    by_key: dict[Any, list[str]] = {}
    for alert in found:
        by_key.setdefault(alert.key, []).append(alert.edge)
        assert alert.ts_ns == records[alert.record - 1].ts_ns
    for edges in by_key.values():
        assert edges[0] == "raised"
        assert all(one != other for one, other in pairwise(edges))
    assert len({alert.id for alert in found}) == len(found)


@given(RECORDS)
def test_what_the_rules_say_of_money_is_the_journals_exact_money(records: list[Record]) -> None:
    """A drawdown alert holds if and only if the fall computed from all fills anew is beyond its limit, up to where it ends."""
    watch, fills, peak, seen = Watch("s", made.LIMITS), [], 0.0, set()
    for n, record in enumerate(records, 1):
        watch.take(n, record)
        if isinstance(record, Fill) and record.fill_id not in seen:
            seen.add(record.fill_id)
            fills.append(record)
        mids = getattr(record, "mids", None)
        held = float(sum((fill.qty for fill in fills), start=0))
        if mids and (mids[0] is not None or not held):
            worth = float(sum((-fill.qty * fill.price for fill in fills), start=0)) + held * (mids[0] or 0.0)
            peak = max(peak, worth)
            holds = ("drawdown", "") in watch.active
            assert holds or peak - worth <= 500.0
            assert not holds or peak - worth > 400.0


@pytest.mark.parametrize(("name", "value"), [("delta", -0.1), ("silent_s", math.inf), ("drawdown", math.nan)])
def test_a_limit_that_is_none_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name}=.*: must be a number from 0 on; 0 switches the rule off"):
        Limits(**{name: value})
