"""Following a journal: the same figures as the journal's own frames, whatever the pieces in which it is read."""

from __future__ import annotations

import math
import os
import random
import signal
import sqlite3
import time
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.errors import JournalError
from hedgekit.journal import Follower, Journal, News
from hedgekit.journal.follow import BODIES
from hedgekit.journal.running import DELAYS
from hedgekit.journal.story import NO_TRADE
from hedgekit.types import Command, Decision, Gap, Link, MarketStatus, Timer
from tests.journal.made import ENTRY, SESSION, START, WAIT, Maker, ns, session, write
from tests.journal.processes import child, finish, line_of
from tests.paper.rig import TINY, TINY_PARAMS, Rig, finished


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    return finished(tmp_path_factory.mktemp("followed"), TINY, params=TINY_PARAMS)


def followed(rig: Rig, limits: list[int]) -> list[News]:
    """Poll with each limit in turn, the last one until the end."""
    follower = Follower(rig.folder / "journal.db", rig.journal().session)
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
        assert [x for item in whole for x in getattr(item, name)] == [x for item in pieces for x in getattr(item, name)]
    assert whole[-1].standing == pieces[-1].standing


def test_a_journal_that_is_not_there_yet_is_no_error(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "later.db", "s")
    news = follower.poll()
    assert not news
    assert not news.standing.started
    assert news.bars["z"].shape == (0,)


def test_a_damaged_or_replaced_journal_is_an_error(rig: Rig, tmp_path: Path) -> None:
    bad = tmp_path / "bad.db"
    bad.write_bytes(b"no database at all" * 1000)
    with pytest.raises(JournalError, match="not an SQLite file"):
        Follower(bad, "s").poll()
    copy = tmp_path / "copy.db"
    copy.write_bytes((rig.folder / "journal.db").read_bytes())
    follower = Follower(copy, rig.journal().session)
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


# ------------------------------------------------------- the session by hand, commit by commit


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


# ------------------------------------------------------------------- files in every state


def test_a_session_that_is_not_in_the_file_yet_is_no_error(file: Path) -> None:
    with Follower(file, "another") as follower:
        for make in (lambda: None, file.touch, lambda: write(file, [[START]])):
            make()
            assert not follower.poll().standing.started
        write(file, [[msgspec.structs.replace(START, session="another")]], "another")
        assert follower.poll().standing.started


def test_it_goes_on_when_the_writer_comes_back(file: Path) -> None:
    """The log and the shared memory are there while a writer is, and gone after it if nobody else reads."""
    write(file, [[START]])
    with Follower(file, SESSION) as follower:
        assert follower.poll().records == 1
        for n in range(2, 6):
            with Journal.open(file, SESSION) as journal:
                for k in range(2):
                    journal.append(Timer(ts_ns=10 * n + k))
                    journal.commit(10 * n + k)
                    assert follower.poll().records == 1
            assert not follower.poll()


def test_a_follower_does_not_repair_what_a_killed_writer_left(file: Path) -> None:
    """It would do so under the writer's lock; stopped there, it would keep the restarted writer out."""
    writer = child(WRITER, file, "s", 60.0)
    assert line_of(writer) == "ready"
    with Follower(file, "s") as follower:
        while follower.poll().standing.records < 100:
            time.sleep(0.01)
    finish(writer)
    left = Path(f"{file}-shm").read_bytes()
    with Follower(file, "s") as follower:
        assert follower.poll().standing.records >= 100
    assert Path(f"{file}-shm").read_bytes() == left


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("DELETE FROM events WHERE id = 20", "of records 1 to .* only .* are there"),
        ("DELETE FROM events WHERE id = 1", "only .* are there"),
        ("UPDATE events SET body = 'x' WHERE id = 20", "a journal record cannot be read"),
        ('UPDATE events SET body = \'{"type":"timer","ts_ns":1}\', type = \'timer\' WHERE id = 1', "does not begin"),
        ("UPDATE events SET body = replace(body, 'ALPACA:KO', 'ALPACA:XOM') WHERE type = 'fill'", "names instrument 'ALPACA:XOM'"),
    ],
)
def test_damage_is_told_each_time(file: Path, damage: str, says: str) -> None:
    write(file, session())
    with sqlite3.connect(file) as conn:
        conn.execute(damage)
    conn.close()
    with Follower(file, SESSION) as follower:
        for _ in range(2):
            with pytest.raises(JournalError, match=says):
                follower.poll()


def test_a_journal_that_was_cut_off_is_an_error(file: Path) -> None:
    write(file, session())
    with Follower(file, SESSION) as follower:
        follower.poll()
        with sqlite3.connect(file) as conn:
            conn.execute("DELETE FROM events WHERE id > 5")
        conn.close()
        with pytest.raises(JournalError, match=r"has 5 records, but .* were read before"):
            follower.poll()


def test_a_limit_is_checked(file: Path) -> None:
    with pytest.raises(JournalError, match="limit=0: must be 1 or more"):
        Follower(file, SESSION).poll(0)


# ------------------------------------------------------------------ stopped readers

WRITER = """
import sys, time
from hedgekit.journal import Journal
from hedgekit.types import Quote, SessionStarted
path, session = sys.argv[1:3]
def quote(n): return Quote(ts_ns=n, instrument="A:X", venue_ns=n, bid=1.0, ask=2.0, bid_size=1.0, ask_size=1.0)
with Journal.open(path, session) as journal:
    n = journal.count
    if n == 0:
        journal.append(SessionStarted(ts_ns=0, session=session, instruments=(), params={}, market={}, version="x" * 1000))
    print("ready", flush=True)
    worst = 0.0
    end = time.monotonic() + float(sys.argv[3])
    while time.monotonic() < end:
        n += 1
        for _ in range(20):
            journal.append(quote(n))
        before = time.monotonic()
        journal.commit(journal.last_instant + 1)
        worst = max(worst, time.monotonic() - before)
        time.sleep(0.002)
    print(worst, journal.count, flush=True)
"""

READER = """
import sys
from hedgekit.journal import Follower
print("ready", flush=True)
while True:
    follower = Follower(sys.argv[1], sys.argv[2])
    for _ in range(3):
        follower.poll(500)
    follower.close()
"""


def test_a_reader_stopped_at_any_moment_delays_no_commit(tmp_path: Path) -> None:
    """SIGSTOP at 40 random moments of opening, reading and closing, the log growing past SQLite's checkpoint."""
    path = tmp_path / "journal.db"
    reader = child(READER, path, "s")
    assert line_of(reader) == "ready"
    writer = child(WRITER, path, "s", 9.0)
    assert line_of(writer) == "ready"
    moments = random.Random(3)  # noqa: S311 - moments, not secrets
    for _ in range(40):
        time.sleep(moments.uniform(0.0, 0.03))
        os.kill(reader.pid, signal.SIGSTOP)
        time.sleep(0.15)
        os.kill(reader.pid, signal.SIGCONT)
    assert reader.poll() is None, "the reader never failed"
    worst, count = line_of(writer).split()
    finish(reader)
    finish(writer)
    assert float(worst) < 3.0
    assert int(count) > 1_000


def test_a_stopped_reader_is_no_obstacle_to_a_restarted_writer(tmp_path: Path) -> None:
    """Kill the writer, stop the reader somewhere, start the writer again: it opens and commits."""
    path = tmp_path / "journal.db"
    reader = child(READER, path, "s")
    assert line_of(reader) == "ready"
    moments = random.Random(4)  # noqa: S311 - moments, not secrets
    for _ in range(6):
        writer = child(WRITER, path, "s", 60.0)
        assert line_of(writer) == "ready"
        time.sleep(0.3)
        os.kill(writer.pid, signal.SIGKILL)
        finish(writer)
        time.sleep(moments.uniform(0.0, 0.05))
        os.kill(reader.pid, signal.SIGSTOP)
        again = child(WRITER, path, "s", 0.2)
        assert line_of(again) == "ready"
        worst, _ = line_of(again).split()
        assert float(worst) < 3.0
        finish(again)
        os.kill(reader.pid, signal.SIGCONT)
    assert reader.poll() is None
    finish(reader)
