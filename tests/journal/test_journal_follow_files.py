"""Following a file in every state: not there yet, damaged, cut off, its writer killed, its reader stopped."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hedgekit.errors import JournalError
from hedgekit.journal import Follower, Journal, stretch
from hedgekit.journal.stretch import Stretch
from hedgekit.types import Timer
from tests.journal.made import SESSION, START, session, write
from tests.journal.processes import child, finish, line_of
from tests.lab import wait_for


def test_a_journal_that_is_not_there_yet_is_no_error(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "later.db", "s")
    news = follower.poll()
    assert not news
    assert not news.standing.started
    assert news.bars["z"].shape == (0,)


# --------------------------------------------------------- files in every state


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


def killed(file: Path, had: int = 0) -> bytes:
    """Let a writer of session "s" write and kill it; return the shared memory that it leaves."""
    writer = child(WRITER, file, "s", 60.0)
    assert line_of(writer) == "ready"
    with Follower(file, "s") as follower:
        wait_for(lambda: follower.poll(100_000).standing.records >= had + 100)
    finish(writer)
    return Path(f"{file}-shm").read_bytes()


def test_a_follower_does_not_repair_what_a_killed_writer_left(file: Path) -> None:
    """It would do so under the writer's lock; stopped there, it would keep the restarted writer out."""
    left = killed(file)
    with Follower(file, "s") as follower:
        assert follower.poll().standing.records >= 100
    assert Path(f"{file}-shm").read_bytes() == left


def test_a_session_writes_into_a_file_that_the_same_process_follows(file: Path) -> None:
    """SQLite opens a file's shared memory once for a process; a follower's read-only view of it was in the session's way."""
    writer = child(WRITER, file, "s", 60.0)
    assert line_of(writer) == "ready"
    with Follower(file, "s") as follower, Follower(file, "mine") as mine:
        wait_for(lambda: follower.poll().standing.records > 0)
        assert not mine.poll().records
        for more in range(2):  # the second time the followers had it open together with the first
            with Journal.open(file, "mine") as journal:
                journal.append(msgspec.structs.replace(START, session="mine") if not more else Timer(ts_ns=100))
                journal.commit(100 * (1 + more))
                assert mine.poll().standing.records == 1 + more
                assert follower.poll().standing.started
            assert not mine.poll().records
    finish(writer)


def test_a_reader_mends_what_a_killed_writer_left_beside_a_follower(file: Path) -> None:
    left = killed(file)
    with Follower(file, "s") as follower:
        assert follower.poll().standing.records >= 100
        assert Path(f"{file}-shm").read_bytes() == left
        with Journal.open(file, "s", mode="read") as journal:
            journal.verify()
            assert follower.poll().standing.records >= 100
        assert Path(f"{file}-shm").read_bytes() != left
        left = killed(file, follower.poll(100_000).standing.records)
        assert follower.poll().records  # and the follower by itself mends nothing, as before
        assert Path(f"{file}-shm").read_bytes() == left


def test_a_reader_of_the_same_process_that_goes_meanwhile_takes_nothing_away(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dropped journal is collected at any moment, also while a follower reads."""
    write(file, [[START]])
    with ExitStack() as reading, Follower(file, SESSION) as follower:
        reading.enter_context(Journal.open(file, SESSION, mode="read"))
        read = stretch.read

        def goes(*args: Any) -> Stretch:
            reading.close()
            return read(*args)

        monkeypatch.setattr(stretch, "read", goes)
        assert follower.poll().records == 1


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
    with closing(sqlite3.connect(file)) as conn, conn:
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
        with closing(sqlite3.connect(file)) as conn, conn:
            conn.execute("DELETE FROM events WHERE id > 5")
        conn.close()
        with pytest.raises(JournalError, match=r"has 5 records, but .* were read before"):
            follower.poll()


def test_a_limit_is_checked(file: Path) -> None:
    with pytest.raises(JournalError, match="limit=0: must be 1 or more"):
        Follower(file, SESSION).poll(0)


# -------------------------------------------------------------- stopped readers


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
