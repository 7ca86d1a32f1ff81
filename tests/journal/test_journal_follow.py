"""Following a journal: the same figures as the journal's own frames, whatever the pieces in which it is read."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit import demo
from hedgekit.errors import JournalError
from hedgekit.journal import Follower, Journal, News
from hedgekit.journal.follow import BODIES
from hedgekit.journal.running import DELAYS
from hedgekit.journal.story import NO_TRADE
from hedgekit.types import Command, Decision, Gap, Link, MarketStatus, Timer
from tests.journal.made import ENTRY, SESSION, START, WAIT, Maker, differing, ns, session, write
from tests.paper.rig import TINY, TINY_PARAMS, Rig, finished


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    return finished(tmp_path_factory.mktemp("followed"), TINY, params=TINY_PARAMS)


def followed(rig: Rig, limits: list[int]) -> list[News]:
    """Poll with each limit in turn, the last one until the end."""
    follower = Follower(rig.folder / "journal.db", demo.SESSION)
    news = [follower.poll(limit) for limit in limits]
    while news[-1].standing.behind:
        news.append(follower.poll(limits[-1]))
    follower.close()
    return news


def bars(news: list[News]) -> pd.DataFrame:
    return pd.DataFrame({name: np.concatenate([item.bars[name] for item in news]) for name in news[0].bars})


def test_bars_are_the_journals_equity(rig: Rig) -> None:
    with rig.journal() as journal:
        equity = journal.equity()
    found = bars(followed(rig, [20_000]))
    assert len(found) == len(equity) > 300
    assert (found["ts"].to_numpy() == equity.index.as_unit("ns").asi8 / 1e6).all()
    for name in ("z", "ratio", "delta", "mid_primary", "mid_hedge", "pos_primary", "pos_hedge"):
        np.testing.assert_array_equal(found[name], equity[name], err_msg=name)
    for name in ("hedged", "unhedged"):
        np.testing.assert_allclose(found[name], equity[name], rtol=0, atol=1e-6, err_msg=name)
        fall = equity[name] - equity[name].cummax().clip(lower=0.0)
        np.testing.assert_allclose(found[f"dd_{name}"], fall, rtol=0, atol=1e-6)


def test_marks_fills_and_standing_are_the_journals(rig: Rig) -> None:
    news = followed(rig, [20_000])
    now = news[-1].standing
    with rig.journal() as journal:
        trades, fills, ledger, decisions, plans = journal.trades(), journal.fills(), journal.ledger(), journal.decisions(), journal.plans()
        count = journal.count
    marks = [mark for item in news for mark in item.marks]
    entries = [mark for mark in marks if mark.kind == "entry"]
    exits = [mark for mark in marks if mark.kind == "exit"]
    assert [(m.trade, m.side, m.z) for m in entries] == list(trades[["trade", "side", "z_entry"]].itertuples(index=False, name=None))
    closed = trades[trades["exit_reason"].notna()]
    assert [(m.trade, m.reason, m.z) for m in exits] == list(closed[["trade", "exit_reason", "z_exit"]].itertuples(index=False, name=None))
    rows = pd.DataFrame([vars_of(fill) for item in news for fill in item.fills])
    assert list(rows["order_id"]) == list(fills["order_id"])
    np.testing.assert_allclose(rows["slippage"], fills["slippage"], atol=1e-9)
    assert (now.cash, now.fees, now.fills, dict(now.positions)) == (ledger.cash, ledger.fees, ledger.fills, ledger.positions)
    assert sum(len(item.decisions) for item in news) == (decisions["action"] != "hold").sum()
    assert [plan.ratio for item in news for plan in item.plans] == list(plans["ratio"])
    assert now.records == sum(now.counts.values()) == count
    assert now.ended == "tape ended"
    assert now.bars == len(bars(news))
    assert now.working == ()


def vars_of(item: object) -> dict[str, object]:
    return {name: getattr(item, name) for name in item.__slots__}  # type: ignore[attr-defined]


@settings(max_examples=15)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=6))
def test_any_pieces_give_the_same(rig: Rig, limits: list[int]) -> None:
    whole, pieces = followed(rig, [20_000]), followed(rig, limits)
    pd.testing.assert_frame_equal(bars(whole), bars(pieces))
    for name in ("marks", "fills", "decisions", "holds", "commands", "plans"):
        one, other = ([repr(x) for item in news for x in getattr(item, name)] for news in (whole, pieces))
        assert one == other  # as text: a NaN is not equal to itself
    assert differing(whole[-1].standing, pieces[-1].standing) == []


def test_a_damaged_or_replaced_journal_is_an_error(rig: Rig, tmp_path: Path) -> None:
    bad = tmp_path / "bad.db"
    bad.write_bytes(b"no database at all" * 1000)
    with pytest.raises(JournalError, match="not an SQLite file"):
        Follower(bad, "s").poll()
    copy = tmp_path / "copy.db"
    copy.write_bytes((rig.folder / "journal.db").read_bytes())
    with Follower(copy, demo.SESSION) as follower:
        assert follower.poll().records
        copy.unlink()
        with pytest.raises(JournalError, match="removed or replaced"):
            follower.poll()


def test_paused_gaps_and_commands(tmp_path: Path, rig: Rig) -> None:
    """By the records alone: what pauses, what resumes, and what was said when."""
    with rig.journal() as journal:
        started = journal.started
    with Journal.open(tmp_path / "j.db", started.session) as journal:
        follower = Follower(tmp_path / "j.db", started.session)
        journal.append(started)
        for n, name in enumerate(("pause", "resume", "flatten"), 1):
            journal.append(Command(ts_ns=started.ts_ns + n, name=name, ref=f"r{n}"))
            journal.commit(n)
            news = follower.poll()
            assert news.standing.paused is (name != "resume")
            assert [(c.name, c.ref) for c in news.commands] == [(name, f"r{n}")]
        journal.append(Gap(ts_ns=started.ts_ns + 9, since_ns=started.ts_ns - 4_000_000))
        journal.commit(9)
        assert [gap.ts - gap.since for gap in follower.poll().gaps] == pytest.approx([4.0])
        assert not follower.poll()
        follower.close()


def test_health_is_the_journals(rig: Rig) -> None:
    """The latency of the last orders, the naked leg, the holds: as the journal's frames have them."""
    news = followed(rig, [20_000])
    now = news[-1].standing
    with rig.journal() as journal:
        orders, decisions = journal.orders(), journal.decisions()
        naked = [record.naked for record in journal.records() if isinstance(record, Decision)][-1]
    acked = orders[orders["acked"].notna()].sort_values("acked", kind="stable").tail(DELAYS)
    assert len(acked) > 20
    assert now.latency_p95_ms == pytest.approx(((acked["acked"] - acked["ts"]).dt.total_seconds() * 1e3).quantile(0.95))
    assert now.naked == naked
    assert now.links == {"ALPACA": "up"}
    said = decisions["action"] + " " + decisions["reason"]
    firsts = decisions[(decisions["action"] == "hold") & (said != said.shift())]
    assert [hold.reason for item in news for hold in item.holds] == list(firsts["reason"])


def test_links_status_and_numbers_follow_the_records(tmp_path: Path, rig: Rig) -> None:
    with rig.journal() as journal:
        started = journal.started
    key, at = started.instruments[0].key, started.ts_ns
    told = [
        Link(ts_ns=at + 1, venue="ALPACA", state="frozen", since_ns=at),
        MarketStatus(ts_ns=at + 2, instrument=key, status="halted"),
        Command(ts_ns=at + 3, name="set", ref="r", changes={"entry": 2.5}),
        Command(ts_ns=at + 4, name="set", ref="s", refusal="entry=99: too much"),
        MarketStatus(ts_ns=at + 5, instrument=key, status="open"),
    ]
    with Journal.open(tmp_path / "j.db", started.session) as journal:
        for record in (started, *told[:4]):
            journal.append(record)
        journal.commit(1)
        with Follower(tmp_path / "j.db", started.session) as follower:
            news = follower.poll()
            assert news.standing.links == {"ALPACA": "frozen"}
            assert news.standing.shut == {key: "halted"}
            assert news.standing.params == started.params | {"entry": 2.5}
            assert [(c.changes, c.refusal) for c in news.commands] == [({"entry": 2.5}, ""), ({}, "entry=99: too much")]
            journal.append(told[4])
            journal.commit(2)
            assert follower.poll().standing.shut == {}


# ---------------------------------------- the session by hand, commit by commit


def test_after_each_commit_it_is_the_journals_ledger_and_orders(file: Path) -> None:
    """Partial fills, a refused leg, a fill told twice, a look at the delta: read as they come, two records at a time."""
    follower, points = Follower(file, SESSION), 0
    assert not follower.poll().standing.started
    for instant, group in enumerate(session(), 1):
        write(file, [group], first_instant=instant)  # a writer that comes and goes: the file is opened anew each time
        while follower.poll(2):
            pass
        now = follower.standing
        with Journal.open(file, SESSION, mode="read") as journal:
            books, orders, points = journal.ledger(), journal.orders(), len(journal.equity())
        assert (now.cash, now.fees, now.fills, dict(now.positions)) == (books.cash, books.fees, books.fills, books.positions)
        living = orders[orders["status"].isin(["working", "unknown", "partially_filled"])]
        assert [(o.order_id, o.status) for o in now.working] == list(living[["order_id", "status"]].itertuples(index=False, name=None))
        assert [o.left for o in now.working] == list(living["qty"] - living["filled_qty"])
        assert now.bars == points
    follower.close()
    assert points == 10


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_any_pieces_of_the_made_session(made: Path, limits: list[int]) -> None:
    with Journal.open(made, SESSION, mode="read") as journal, Follower(made, SESSION) as follower:
        news = [follower.poll(limit) for limit in limits]
        while news[-1].standing.behind:
            news.append(follower.poll(7))
        found, equity, fills = bars(news), journal.equity(), journal.fills()
    assert all(item.records <= limit for item, limit in zip(news, limits, strict=False))
    for name in ("z", "ratio", "delta", "mid_primary", "mid_hedge", "pos_primary", "pos_hedge", "hedged", "unhedged"):
        np.testing.assert_allclose(found[name], equity[name], rtol=0, atol=1e-9, err_msg=name)
    rows = [fill for item in news for fill in item.fills]
    assert [(f.trade, f.role, f.qty, f.price) for f in rows] == list(fills[["trade", "role", "qty", "price"]].itertuples(index=False))
    marks = [(m.kind, m.trade, m.side, m.reason) for item in news for m in item.marks]
    assert marks == [
        ("entry", 1, 1, "entry"),
        ("exit", 1, 1, "target"),
        ("entry", 2, -1, "entry"),
        ("exit", 2, -1, "leg_rejected"),
        ("entry", 3, -1, "entry"),
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("made") / "journal.db"
    write(file, session())
    return file


def test_fills_that_come_late_or_are_nobodys(file: Path) -> None:
    m = Maker()
    late = m.fill("3-0", "late", 700, "-1", "103", "0")
    nobodys = msgspec.structs.replace(m.fill("9-0", "x", 701, "1", "7", "0"), order_id="other")
    write(file, [*session(), [late, nobodys]])
    with Follower(file, SESSION) as follower:
        first, second = follower.poll().fills[-2:]
    assert (first.trade, first.expected, round(first.slippage, 9)) == (2, 102.99, -0.01)
    assert (second.trade, second.qty) == (NO_TRADE, 1.0)
    assert math.isnan(second.expected)
    assert math.isnan(second.slippage)


def test_a_decision_at_a_bars_time_that_no_timer_made_is_no_bar(file: Path) -> None:
    m = Maker()
    quotes, early = m.quotes(60, ("4", "4"), ("4", "4")), m.decide(61, ENTRY, 1, None)
    first, second = m.bar(61, WAIT, 1, 0.1), m.bar(121, WAIT, 1, 0.2)
    write(file, [[m.start()], quotes, [Timer(ts_ns=ns(60)), early, *first], [*second[:1], *quotes, second[1]]])
    for limit in (1, 2, 20):
        with Follower(file, SESSION) as follower, Journal.open(file, SESSION, mode="read") as journal:
            news = [follower.poll(limit) for _ in range(12)]
            assert list(bars(news)["z"]) == list(journal.equity()["z"]) == [0.1]


def test_a_poll_decodes_only_so_many_records(file: Path) -> None:
    write(file, [[START, *(Timer(ts_ns=n) for n in range(BODIES + 10))]])
    with Follower(file, SESSION) as follower:
        news = [follower.poll(), follower.poll()]
    assert [(item.records, item.standing.behind) for item in news] == [(BODIES, 11), (11, 0)]
    assert news[-1].standing.counts == {"session_started": 1, "timer": BODIES + 10}
