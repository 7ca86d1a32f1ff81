"""Several sessions written at once into one database, readers at it, and one that stands still: real processes, both databases."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen

import pytest
from sqlalchemy import text

from hedgekit.errors import JournalError
from hedgekit.journal import Follower, Journal, sessions
from hedgekit.journal.store import WRITER_WAIT_S
from hedgekit.types import Ack, Quote, SessionEnded
from tests.journal.made import SESSION, START, write
from tests.journal.processes import child, finish, line_of
from tests.journal.scripts import by_hand, feed

COMMITS, WRITERS = 150, 4

_WRITE = """
import sys
from hedgekit.journal import Gather, Journal
from hedgekit.types import Ack, Quote, SessionEnded, SessionStarted
where, name, commits = sys.argv[1], sys.argv[2], int(sys.argv[3])
gather = Gather(records=30) if name.endswith("g") else None
with Journal.open(where, name, gather=gather) as journal:
    journal.append(SessionStarted(ts_ns=0, session=name, instruments=(), params={}, market={}, version="0"))
    journal.commit(1)
    for instant in range(2, commits + 2):
        for n in range(instant % 12):
            journal.append(Quote(ts_ns=instant, instrument=name, venue_ns=n, bid=1.0, ask=2.0, bid_size=1.0, ask_size=1.0))
        journal.commit(instant, durable=False, now_ns=instant)
        if instant % 7 == 0:
            journal.append(Ack(ts_ns=instant, order_id=f"{name}-{instant}", venue_order_id="v"))
            journal.commit(instant)
    journal.append(SessionEnded(ts_ns=instant, reason="done"))
    journal.commit(instant)
"""

_READ = """
import sys, time
from hedgekit.errors import JournalError
from hedgekit.journal import Follower, Journal
where, name, once = sys.argv[1:4]
with Follower(where, name) as follower:
    while follower.standing.ended is None:
        if not follower.poll(97):
            time.sleep(0.005)
        if once == "read" and follower.standing.started:
            with Journal.open(where, name, mode="read") as journal:
                journal.verify()
    print(sum(follower.standing.counts.values()), flush=True)
"""

_STAND = """
import sys, time
from hedgekit.journal.store import Store
store = Store(sys.argv[1], write=False)
with store.engine.connect() as conn:
    conn.exec_driver_sql("BEGIN") if conn.dialect.name == "sqlite" else None
    conn.exec_driver_sql("SELECT count(*) FROM events").all()
    print("reading", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("place", ["file", "server"])
@pytest.mark.timeout(120)
def test_sessions_and_readers_at_once(place: str, request: pytest.FixtureRequest) -> None:
    where = request.getfixturevalue(place)
    names = [f"many-{n}{'g' if n % 2 else ''}" for n in range(WRITERS)]
    with ExitStack() as ends:

        def start(code: str, *args: object) -> Popen[str]:
            process = child(code, where, *args)
            ends.callback(finish, process)
            return process

        writers = [start(_WRITE, name, COMMITS) for name in names]  # nothing is there yet: they make the tables at the same time
        readers = [start(_READ, name, kind) for name, kind in zip(names, ["follow", "read"] * 2, strict=True)]
        write(where, [[START]], "many")
        standing = start(_STAND)
        assert line_of(standing) == "reading"
        os.kill(standing.pid, signal.SIGSTOP)
        assert [process.wait(100) for process in writers] == [0] * WRITERS
        told = [line_of(process) for process in readers]
        assert [process.wait(100) for process in readers] == [0] * WRITERS
    wanted = [Quote for instant in range(2, COMMITS + 2) for _ in range(instant % 12)]
    for name, count in zip(names, told, strict=True):
        with Journal.open(where, name, mode="read") as journal:
            journal.verify()
            kinds = [type(record) for record in journal.records(after=1)]
            assert kinds.count(Quote) == len(wanted)
            assert (kinds.count(Ack), kinds[-1], str(journal.count)) == (COMMITS // 7, SessionEnded, count)
            assert journal.last_instant == COMMITS + 1
            assert all(record.instrument == name for record in journal.records(types=[Quote]) if isinstance(record, Quote))
    assert {info.session for info in sessions(where)} >= {"many", *names}


def test_a_writer_waits_for_others_for_a_minute(file: Path) -> None:
    with Journal.open(file, SESSION) as journal, journal._store.engine.connect() as conn:
        assert conn.execute(text("PRAGMA busy_timeout")).scalar() == 1_000 * WRITER_WAIT_S >= 60_000


def test_damage_in_the_middle_of_the_file_is_one_line(file: Path) -> None:
    """The database itself finds it, while rows are fetched."""
    write(file, [[START], *([record] for record in feed(0, 6_000))])
    with by_hand(file) as conn:
        assert conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    content = bytearray(file.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 20 * 4096] = b"\xff" * (20 * 4096)
    file.write_bytes(content)
    with (
        Journal.open(file, SESSION, mode="read") as journal,
        pytest.raises(JournalError, match="the file is damaged; restore it") as caught,
    ):
        list(journal.records())
    assert "\n" not in str(caught.value)
    with Follower(file, SESSION) as follower, pytest.raises(JournalError, match="damaged"):
        [follower.poll() for _ in range(3)]
