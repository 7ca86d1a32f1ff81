"""Writers and readers that are processes: locked out, stopped and killed for real."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from hedgekit.errors import JournalError
from hedgekit.journal import Journal
from hedgekit.journal.store import WAL_LIMIT
from hedgekit.types import Ack, Reject, Timer
from tests.journal.made import SESSION, START, write
from tests.journal.processes import child, finish, line_of

# ------------------------------------------------------------------------ lock

_HOLD = """
import sys, time
from hedgekit.journal import Journal
journal = Journal.open(sys.argv[1], "made")
print("open", flush=True)
time.sleep(60)
"""


def test_a_second_writer_is_told_who_the_first_is(file: Path) -> None:
    process = child(_HOLD, file)
    try:
        assert line_of(process) == "open"
        with pytest.raises(
            JournalError, match=rf"session 'made' is being written by process {process.pid} on .* since .* UTC; .*mode='read'"
        ):
            Journal.open(file, SESSION)
        Journal.open(file, "another").close()  # the lock is one session's
        process.send_signal(signal.SIGKILL)
        process.wait()
        write(file, [[START]])  # and it died with its process
    finally:
        finish(process)


def test_a_second_writer_in_the_same_process_is_refused(file: Path) -> None:
    link = file.parent / "link.db"
    with Journal.open(file, SESSION):
        link.symlink_to(file)
        for place in (file, str(file), f"sqlite:///{file}", link):
            with pytest.raises(JournalError, match=rf"is being written by this process {os.getpid()}"):
                Journal.open(place, SESSION)
    Journal.open(file, SESSION).close()
    assert [path.name for path in file.parent.iterdir() if path.suffix == ".lock"] == []


# ---------------------------------------------------------- readers and the log

_STUCK = """
import sqlite3, sys, time
conn = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, isolation_level=None)
conn.execute("BEGIN")
conn.execute("SELECT count(*) FROM events").fetchall()
print("reading", flush=True)
time.sleep(60)
"""


def test_a_reader_stopped_in_a_read_delays_no_commit_and_the_log_shrinks_after_it(file: Path) -> None:
    wal = Path(f"{file}-wal")
    with Journal.open(file, SESSION) as journal:
        journal.append(START)
        journal.commit(1)
        process = child(_STUCK, file)
        try:
            assert line_of(process) == "reading"
            process.send_signal(signal.SIGSTOP)
            slowest = 0.0
            for instant in range(2, 402):
                began = time.perf_counter()
                journal.append(Reject(ts_ns=instant, order_id="o", code="0", message="x" * 60_000))
                journal.commit(instant)
                slowest = max(slowest, time.perf_counter() - began)
            assert slowest < 4.5, "a commit waited for the reader (the busy timeout is 5 s)"
            assert wal.stat().st_size > WAL_LIMIT, "the stopped reader keeps the log: else this test shows nothing"
        finally:
            finish(process)
        for instant in range(402, 402 + 20):
            journal.append(Timer(ts_ns=instant))
            journal.commit(instant)
        assert wal.stat().st_size <= WAL_LIMIT
        journal.verify()


def test_a_reader_between_two_records_holds_no_snapshot(file: Path) -> None:
    with Journal.open(file, SESSION) as journal:
        journal.append(START)
        journal.commit(1)
        with Journal.open(file, SESSION, mode="read") as reader:
            lazy = reader.records()
            assert next(lazy) == START
            for instant in range(2, 514):
                journal.append(Reject(ts_ns=instant, order_id="o", code="0", message="x" * 60_000))
                journal.commit(instant)
            assert Path(f"{file}-wal").stat().st_size <= WAL_LIMIT, "the log could be started anew"
            assert list(lazy) == []


# ------------------------------------------------------------------------ kill

_WRITE = """
import sys
from hedgekit.journal import Journal
from hedgekit.types import Ack, SessionStarted
with Journal.open(sys.argv[1], "made") as journal:
    if journal.count == 0:
        journal.append(SessionStarted(ts_ns=0, session="made", instruments=(), params={}, market={}, version="0"))
        journal.commit(1)
    instant = journal.last_instant
    print(instant, flush=True)
    while True:
        instant += 1
        for n in range(instant % 5):
            journal.append(Ack(ts_ns=instant, order_id=f"{instant}-{n}", venue_order_id="v" * 300))
        journal.commit(instant)
        print(instant, flush=True)
"""


@pytest.mark.timeout(90)
def test_a_killed_writer_leaves_whole_instants(file: Path) -> None:
    for after_s in (0.0, 0.07, 0.31, 0.5):
        process = child(_WRITE, file)
        try:
            told = [line_of(process)]
            assert told[0], "the writer started"
            time.sleep(after_s)
            process.send_signal(signal.SIGKILL)
            assert process.stdout is not None
            told += process.stdout.read().split("\n")[:-1]  # a last line without its end was not said
        finally:
            finish(process)
        with Journal.open(file, SESSION, mode="read") as journal:
            journal.verify()
            last = journal.last_instant
            assert last - int(told[-1] or told[0]) in {0, 1}, "all that was said to be durable is there, and at most one instant more"
            ids = [(entry.instant, entry.record.order_id) for entry in journal.entries(after=1) if isinstance(entry.record, Ack)]
        assert ids == [(instant, f"{instant}-{n}") for instant in range(2, last + 1) for n in range(instant % 5)]
    assert last > 20, "the writer got somewhere"
