"""Naked legs in the report: by hand, against the engine's own measure, and on a real session in which orders go wrong."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bs4 import BeautifulSoup

from hedgekit import demo
from hedgekit.data import SyntheticMarket
from hedgekit.journal import Journal
from hedgekit.params import Params
from hedgekit.report import Session, activity, load
from hedgekit.report.naked import LADDER, Uneven, ladder, uneven
from hedgekit.types import NS, Decision, Reason, Record, Reject
from tests.alerts import made
from tests.paper.rig import sandbox

PARAMS = Params.make(notional=1_000.0, naked_limit_s=10.0, max_quote_age_s=5.0)
INSTRUMENTS = made.start().instruments


def quote(at: float, leg: int, mid: float) -> Record:
    key = (made.KO, made.PEP)[leg]
    return msgspec.structs.replace(made.quote(at), instrument=key, bid=mid - 1, ask=mid + 1)


def decided(at: float, naked: float, reason: Reason = Reason.FILLED, **more: Any) -> Decision:
    orders = (made.order(f"o-{at}"), made.order(f"p-{at}", 1, "-20")) if reason is Reason.ENTRY else ()
    return msgspec.structs.replace(made.decision(at, reason=reason, naked=naked, orders=orders), targets=(10.0, -20.0), **more)


def by_hand() -> list[Record]:
    """10 of the primary at 100 from second 1 on; its hedge, 20 at 50, is filled in halves at seconds 4 and 9; quotes of second 1."""
    halves = [made.fill(at, "p-1", "-10", "50", 1) for at in (4, 9)]
    return [
        quote(1, 0, 100.0),
        quote(1, 1, 50.0),
        decided(1, 0.0, Reason.ENTRY),
        made.fill(1, "o-1", "10", "100"),
        Reject(ts_ns=2 * NS, order_id="p-1", code="403", message="no"),
        decided(3, 2_000.0, Reason.ORDER_OVERDUE, cancels=("p-1",)),
        halves[0],
        halves[1],
        halves[1],
        decided(9, 5_500.0),
        made.timer(100),
    ]


def test_by_hand() -> None:
    """$1,000 x 3 s + $500 x 5 s = $5,500 x s; the quotes were fresh until second 6: $4,000 x s of it."""
    (found,) = uneven(by_hand(), INSTRUMENTS, PARAMS)
    assert (found.trade, found.money_s, found.seconds, found.quiet_s, found.overdue) == (1, 5_500.0, 8.0, 3.0, 1)
    assert found.used_s == pytest.approx(4_000.0)
    assert found.cause == "1 order refused (403); 1 order overdue; no fresh quote for 3 s"


def test_a_silent_venue_is_named_before_its_quotes_that_do_not_come() -> None:
    records = [*by_hand()[:4], made.link(2, "down", 0), made.link(8, "up", 0), *by_hand()[6:]]
    (found,) = uneven(records, INSTRUMENTS, PARAMS)
    assert found.unheard_s == 6.0
    assert found.cause == "venue not heard for 6 s"


def test_a_restart_of_the_session_is_no_word_of_the_venue() -> None:
    records = [*by_hand()[:4], made.link(2, "down", 0), made.link(3, "restarted", 2), made.link(8, "up", 0), *by_hand()[6:]]
    assert uneven(records, INSTRUMENTS, PARAMS)[0].unheard_s == 6.0


def test_a_venue_is_not_heard_until_it_speaks_itself() -> None:
    """The other venue, heard at second 3, is no word of the one that is silent until second 8."""
    other = msgspec.structs.replace(made.link(3, "up", 2), venue="KALSHI")
    records = [*by_hand()[:4], made.link(2, "down", 0), other, made.link(8, "up", 0), *by_hand()[6:]]
    assert uneven(records, INSTRUMENTS, PARAMS)[0].unheard_s == 6.0


def test_time_in_which_both_venues_are_silent_counts_once() -> None:
    other = [msgspec.structs.replace(made.link(at, state, 2), venue="KALSHI") for at, state in ((3, "down"), (6, "up"))]
    records = [*by_hand()[:4], made.link(2, "down", 0), other[0], made.link(5, "up", 0), other[1], *by_hand()[6:]]
    assert uneven(records, INSTRUMENTS, PARAMS)[0].unheard_s == 4.0


def test_legs_that_fill_together_are_not_uneven_and_one_after_the_other_is_a_cause() -> None:
    first, second = made.fill(1, "o-1", "10", "100"), made.fill(1, "p-1", "-20", "50", 1)
    even = [*by_hand()[:3], first, second, decided(2, 0.0)]
    assert uneven(even, INSTRUMENTS, PARAMS) == []
    apart = [*by_hand()[:3], first, msgspec.structs.replace(second, ts_ns=2 * NS), decided(2, 1_000.0)]
    (found,) = uneven(apart, INSTRUMENTS, PARAMS)
    assert (found.seconds, found.cause) == (1.0, "one leg filled after the other")
    assert found.used_s == pytest.approx(found.money_s)


def test_a_market_that_is_shut_is_no_time_of_the_budget() -> None:
    records = [*by_hand()[:4], made.status(2, made.PEP, "halted"), *by_hand()[6:8], decided(9, 5_500.0)]
    (found,) = uneven(records, INSTRUMENTS, PARAMS)
    assert (found.used_s, found.quiet_s) == (pytest.approx(1_000.0), 7.0)


# ------------------------------------------------------------- a real session

MARKET = SyntheticMarket(rows=600, half_life=20.0, spread_sd=0.006, hedge_vol=0.0005, size_notional=30_000.0, seed=5)
FAULTS = [
    {"kind": "reject_hedge", "at": "submit:2"},
    {"kind": "partial", "at": "submit:9", "fraction": 0.3, "count": 4},
    {"kind": "outage", "at": "row:300", "seconds": 60.0},
]
"""Displayed sizes of a third of a leg, so that legs fill in parts; a hedge refused, orders that fill slowly, a minute without the venue."""


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, list[Record], Path]:
    folder = tmp_path_factory.mktemp("wrong")
    params = {
        **demo.PARAMS,
        "bar_s": 1.0,
        "bar_offset_s": 0.5,
        "fit_bars": 60,
        "naked_limit_s": 4.0,
        "order_type": "limit",
        "patience_s": 2.0,
    }
    with sandbox(folder, MARKET, options=["--faults", json.dumps(FAULTS)]) as rig:
        done = rig.run(rig.config(params=params))
        assert done.returncode == 0, done.stderr
    with Journal.open(folder / "journal.db", demo.SESSION, mode="read") as journal:
        records = list(journal.records())
    return load(folder / "journal.db", demo.SESSION), records, folder


def test_its_time_and_money_are_the_engines(wrong: tuple[Session, list[Record], Path]) -> None:
    """The engine charges the same money over the same time."""
    session, records, _ = wrong
    engine: dict[int, float] = {}
    for record in records:
        if isinstance(record, Decision):
            engine[record.trade] = max(engine.get(record.trade, 0.0), record.naked)
    assert {trade.trade: trade.money_s for trade in session.uneven} == {trade: money for trade, money in engine.items() if money}
    assert len(session.uneven) >= 3
    fresh = [trade for trade in session.uneven if not trade.quiet_s]
    assert fresh
    for trade in session.uneven:
        assert trade.seconds > 0.0
        assert trade.used_s <= trade.money_s * (1 + 1e-6)
    for trade in fresh:
        assert trade.used_s == pytest.approx(trade.money_s, rel=1e-6)


def test_every_step_of_the_ladder_is_counted(wrong: tuple[Session, list[Record], Path]) -> None:
    session, records, _ = wrong
    decided_ = [record for record in records if isinstance(record, Decision)]
    assert session.ladder == ladder(records) == {step: sum(d.reason is step for d in decided_) for step in LADDER}
    for step in (Reason.ORDER_OVERDUE, Reason.NAKED_LIMIT, Reason.LEG_REJECTED, Reason.VENUE_SILENT, Reason.VENUE_BACK):
        assert session.ladder[step], step


def test_the_page_tells_what_a_trader_acts_on(wrong: tuple[Session, list[Record], Path]) -> None:
    session, _, _ = wrong
    page = BeautifulSoup(activity.naked(session).data, "html.parser")
    found = session.summary.naked
    assert f"In {found.trades} of {len(session.trades)} trades" in page.get_text()
    trades, steps = page.find_all("table")
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in trades.find_all("tr")[1:]]
    hurried = {str(trade.trade) for trade in session.uneven if trade.hurried}
    assert hurried
    assert {row[0] for row in rows if row[6] == "yes"} == hurried
    causes = {str(trade.trade): trade.cause for trade in session.uneven}
    assert {row[0]: row[7] for row in rows}.items() <= causes.items()
    assert any("overdue" in row[7] for row in rows)
    worst = max(session.uneven, key=lambda trade: trade.money_s)
    assert rows[0][0] == str(worst.trade)
    assert len(steps.find_all("tr")) == 1 + len(LADDER)
    lines = session.summary.text().splitlines()
    (told,) = [n for n, line in enumerate(lines) if f"legs uneven in {found.trades} trades, the worst for " in line]
    assert all(len(line) <= 100 for line in lines[told : told + 2])


def test_beyond_the_budget_for_want_of_quotes_is_told_apart() -> None:
    from hedgekit.report.summary import _naked  # noqa: PLC0415 - the one place that adds them up

    apart = [Uneven(1, 0, 9_000.0, 9_000.0), Uneven(2, 0, 11_000.0, 9_000.0), Uneven(3, 0, 12_000.0, 11_000.0)]
    found = _naked(apart, PARAMS)
    assert (found.trades, found.beyond, found.helpless, found.money_s, found.worst_s) == (3, 2, 1, 32_000.0, 12_000.0)
    assert found.text == (
        "legs uneven in 3 trades, the worst for 12 s of its whole notional (budget 10 s); 2 beyond it, 1 of them for want of quotes"
    )
    assert _naked([], PARAMS).text == "legs never uneven"
    assert Decimal(found.budget_s) == 10_000
