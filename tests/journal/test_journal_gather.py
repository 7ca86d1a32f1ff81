"""A writer that keeps a feed back to write it together, and says honestly what is written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.errors import ConfigError, JournalError
from hedgekit.journal import Follower, Gather, Journal
from hedgekit.types import Timer
from tests.journal.made import SESSION, START, session
from tests.journal.processes import run
from tests.journal.scripts import Commit, Script, entries_of, feed, perform, quote, rows, scripts
from tests.journal.server import fresh


@pytest.fixture
def journal(file: Path) -> Iterator[Journal]:
    """Yield a journal that keeps 5 records for 100 ns, with its start written at instant 1."""
    with Journal.open(file, SESSION, gather=Gather(records=5, span_ns=100)) as opened:
        opened.append(START)
        opened.commit(1)
        yield opened


def tick(journal: Journal, instant: int, now_ns: int, count: int = 1) -> None:
    for n in range(count):
        journal.append(quote(100 * instant + n))
    journal.commit(instant, durable=False, now_ns=now_ns)


def test_what_is_kept_back_is_nowhere_yet(file: Path, journal: Journal) -> None:
    head = journal.head
    with Journal.open(file, SESSION, mode="read") as reader, Follower(file, SESSION) as follower:
        tick(journal, 2, 1_000)
        tick(journal, 3, 1_099)
        for one in (journal, reader):
            assert (one.count, one.head, one.last_instant) == (1, head, 1)
        assert follower.poll().standing.records == 1
        assert journal.append(quote(9)) == 4, "ids count what is kept"
        assert journal.due_ns == 1_100
        journal.flush()
        assert (reader.count, reader.last_instant, journal.due_ns) == (3, 3, None), "what is not committed is not written"
        journal.flush()
        assert journal.commit(4, durable=False, now_ns=5_000) == reader.head
        assert journal.due_ns == 5_100


def test_at_most_so_many_records_wait(file: Path, journal: Journal) -> None:
    tick(journal, 2, 0, count=4)
    assert journal.count == 1
    tick(journal, 3, 0)
    assert (journal.count, journal.last_instant, journal.due_ns) == (6, 3, None)
    tick(journal, 4, 0, count=12)
    assert journal.count == 18
    assert [records for _, _, records in rows(file)] == [1, 1, 1, 1, 1, 1, 12]


def test_none_waits_longer_than_it_may(journal: Journal) -> None:
    tick(journal, 2, 50)
    tick(journal, 3, 149)
    assert (journal.count, journal.due_ns) == (1, 150)
    tick(journal, 4, 150)
    assert (journal.count, journal.due_ns) == (4, None)


def test_an_intent_takes_along_what_was_kept_in_one_transaction(file: Path) -> None:
    said: list[tuple[str, int]] = []
    decision = session()[2]
    with Journal.open(file, SESSION, mode="write", gather=Gather(), at=lambda point: said.append((point, journal.count))) as journal:
        journal.append(START)
        journal.commit(1)
        tick(journal, 2, 0, count=3)
        for record in decision:
            journal.append(record)
        said.clear()
        journal.commit(3)
        assert said == [("before insert", 1), ("after insert", 1), ("before commit", 1), ("after commit", 7)]
        assert [(entry.id, entry.instant) for entry in journal.entries(after=1)] == [(2, 2), (3, 2), (4, 2), (5, 3), (6, 3), (7, 3)]
        assert list(journal.records(after=4)) == decision


def test_an_instant_without_a_record_is_kept_and_written_too(file: Path, journal: Journal) -> None:
    tick(journal, 2, 0)
    tick(journal, 7, 10, count=0)
    assert journal.last_instant == 1
    journal.flush()
    with Journal.open(file, SESSION, mode="read") as reader:
        assert (reader.last_instant, reader.count) == (7, 2)
    tick(journal, 9, 20, count=0)
    assert (journal.last_instant, journal.due_ns) == (7, 120)
    journal.close()
    with Journal.open(file, SESSION) as again:
        assert (again.last_instant, again.count) == (9, 2)


def test_a_durable_commit_of_nothing_writes_what_is_kept(journal: Journal) -> None:
    tick(journal, 2, 0)
    journal.commit(2)
    assert (journal.count, journal.last_instant, journal.due_ns) == (2, 2, None)


def test_closing_writes_what_is_kept_but_not_what_was_never_committed(file: Path, journal: Journal) -> None:
    tick(journal, 2, 0)
    journal.append(quote(77))
    journal.close()
    with Journal.open(file, SESSION) as again:
        assert list(again.records(after=1)) == [quote(200)]
        again.verify()


def test_a_failed_write_is_not_tried_again(file: Path, journal: Journal) -> None:
    tick(journal, 2, 0)
    with Journal.open(file, SESSION, mode="read") as reader:
        other = Journal.open(file, "other")
        other.close()
        hand = other._store
        with hand.engine.begin() as conn:
            conn.exec_driver_sql("INSERT INTO events SELECT session, 2, instant, ts_ns, type, body, hash, 0, 1, NULL FROM events")
        hand.engine.dispose()
        with pytest.raises(JournalError, match="another writer is at work"):
            journal.flush()
        for attempt in (journal.flush, lambda: journal.commit(9), lambda: tick(journal, 9, 0)):
            with pytest.raises(JournalError, match="an earlier commit failed"):
                attempt()
        journal.close()
        assert reader.count == 2


def test_instants_do_not_go_back_behind_what_is_kept(journal: Journal) -> None:
    tick(journal, 5, 0)
    with pytest.raises(JournalError, match=r"commit\(instant=4\): instant 5 is already committed"):
        journal.commit(4)


def test_the_time_must_be_told(journal: Journal) -> None:
    journal.append(quote(1))
    with pytest.raises(JournalError, match="must be told the time; give now_ns"):
        journal.commit(2, durable=False)
    journal.commit(2)


def test_numbers_are_checked() -> None:
    for wrong in ({"records": 0}, {"span_ns": -1}):
        with pytest.raises(ConfigError, match="gather 1 record or more, for 0 ns or more"):
            Gather(**wrong)


def test_a_reader_keeps_nothing(file: Path, journal: Journal) -> None:
    with Journal.open(file, SESSION, mode="read") as reader:
        for attempt in (reader.flush, lambda: reader.due_ns):
            with pytest.raises(JournalError, match="opened with mode='read'"):
                attempt()
    assert journal.due_ns is None


@settings(max_examples=40)
@given(scripts(long=False), st.integers(1, 60), st.integers(0, 30))
def test_law_what_is_written_is_a_prefix_of_commits_within_the_bounds(
    tmp_path_factory: pytest.TempPathFactory, script: Script, records: int, span_ns: int
) -> None:
    file = tmp_path_factory.mktemp("law") / "j.db"
    wanted, instant, done = entries_of(script), 0, 0
    ends: list[int] = [0]
    since: int | None = None
    with Journal.open(file, SESSION, gather=Gather(records, span_ns)) as journal:
        for commit in script:
            instant, done = instant + commit.later, done + len(commit.records)
            fresh = bool(commit.records) or commit.later > 0
            for record in commit.records:
                journal.append(record)
            journal.commit(instant, durable=commit.durable, now_ns=commit.now_ns)
            ends.append(done)
            if commit.durable:
                assert (journal.count, journal.last_instant) == (done, instant)
            since = None if journal.count == done and journal.last_instant == instant else since if since is not None else commit.now_ns
            assert journal.count in ends
            if fresh:
                assert done - journal.count < records
                assert since is None or commit.now_ns < since + span_ns
            assert journal.due_ns == (None if since is None else since + span_ns)
            assert [entry for entry in journal.entries() if entry.id > done - 5] == wanted[max(done - 5, 0) : journal.count]


def test_postgres_keeps_and_packs_alike(server: str, tmp_path: Path) -> None:
    script, server = _commits(600), fresh(server, "gather")
    heads = [perform(script, where, SESSION, gather=Gather(records=300)) for where in (server, tmp_path / "j.db")]
    assert heads[0] == heads[1]
    with Journal.open(server, SESSION, mode="read") as there, Journal.open(tmp_path / "j.db", SESSION, mode="read") as here:
        there.verify()
        assert list(there.entries()) == list(here.entries()) == entries_of(script)
        for after in (0, 1, 2, 100, 250, 251, 252, 599, 601):
            assert list(there.lines(after)) == list(here.lines(after))
        assert there.export(tmp_path / "there.jsonl") == here.export(tmp_path / "here.jsonl")
        assert (tmp_path / "there.jsonl").read_bytes() == (tmp_path / "here.jsonl").read_bytes()
        with there._store.engine.connect() as conn:
            assert conn.exec_driver_sql(f"SELECT count(*) FROM events WHERE session = '{SESSION}'").scalar() < 20  # noqa: S608 - our name
    for where in (server, tmp_path / "j.db"):
        with Follower(where, SESSION) as follower:
            pieces = [follower.poll(limit).records for limit in (1, 99, 251, 10_000)]
            assert pieces == [1, 99, 251, 250]
            assert follower.standing.counts == {"session_started": 1, "quote": 600}


def _commits(count: int) -> Script:
    ticks = [Commit((record,), 1, durable=False, now_ns=n) for n, record in enumerate(feed(0, count))]
    return [Commit((START,), 1, durable=True, now_ns=0), *ticks]


_KILLED = """
import os, signal, sys
from hedgekit.journal import Gather, Journal
from hedgekit.types import SessionStarted, Timer
with Journal.open(sys.argv[1], "made", gather=Gather(records=10)) as journal:
    journal.append(SessionStarted(ts_ns=0, session="made", instruments=(), params={}, market={}, version="0"))
    journal.commit(1)
    for instant in range(2, 20):
        journal.append(Timer(ts_ns=instant))
        journal.commit(instant, durable=False, now_ns=0)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_loses_what_was_kept_and_no_more(file: Path) -> None:
    assert run([sys.executable, "-c", _KILLED, str(file)]).returncode == -9
    with Journal.open(file, SESSION) as journal:
        journal.verify()
        assert (journal.count, journal.last_instant) == (11, 11)
        assert list(journal.records(after=1)) == [Timer(ts_ns=n) for n in range(2, 12)]
