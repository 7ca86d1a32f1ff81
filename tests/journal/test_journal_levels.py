"""Two levels of a commit: durable, and not yet; asked of the database itself, of the system's calls, and of a server that crashes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from hedgekit.errors import JournalError
from hedgekit.journal import Journal
from hedgekit.types import Decision, Timer
from tests.journal.made import EVERY, SESSION, START, session
from tests.journal.processes import run
from tests.journal.server import Server

PATTERN = [False, False, True, True, False, True, False]


def level_of(journal: Journal) -> str:
    """Return the level of the writer's present transaction, in the database's word."""
    assert journal._writer is not None
    conn = journal._writer._conn
    return str(conn.execute(text("PRAGMA synchronous" if conn.dialect.name == "sqlite" else "SHOW synchronous_commit")).scalar())


def levels(where: str | Path, name: str, pattern: list[bool]) -> list[str]:
    """Return the level at the end of each commit's transaction."""
    said: list[str] = []
    journal = Journal.open(where, name, at=lambda point: said.append(level_of(journal)) if point == "before commit" else None)
    with journal:
        journal.append(msgspec.structs.replace(START, session=name))
        for instant, durable in enumerate(pattern, 1):
            journal.append(Timer(ts_ns=instant)) if instant % 3 else None
            journal.commit(instant, durable=durable)
        journal.verify()
    return said


def test_sqlite_is_asked_for_the_level_of_each_commit(file: Path) -> None:
    assert levels(file, SESSION, PATTERN) == ["2" if durable else "1" for durable in PATTERN], "FULL is 2, NORMAL is 1"


def test_postgres_is_asked_for_the_level_of_each_commit(server: str) -> None:
    assert levels(server, "levels", PATTERN) == ["on" if durable else "off" for durable in PATTERN]


_COMMITS = """
import os, sys
from hedgekit.journal import Journal
from hedgekit.types import SessionStarted, Timer
with Journal.open(sys.argv[1], "made") as journal:
    journal.append(SessionStarted(ts_ns=0, session="made", instruments=(), params={}, market={}, version="0"))
    journal.commit(1)
    for instant, letter in enumerate(sys.argv[2], 2):
        journal.append(Timer(ts_ns=instant))
        journal.commit(instant, durable=letter == "D")
        os.write(2, b"committed " + letter.encode())
    os._exit(0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the system's calls are seen through strace, which only Linux has")
def test_sqlite_flushes_its_log_in_a_durable_commit_and_nothing_in_a_weaker_one(file: Path, tmp_path: Path) -> None:
    """A durable commit returns after the log's flush, and that is after everything that was written to the log, by weaker ones too."""
    calls = tmp_path / "calls"
    trace = ["strace", "-f", "-y", "-e", "trace=pwrite64,write,fdatasync,fsync", "-o", str(calls)]
    done = run([*trace, sys.executable, "-c", _COMMITS, str(file), "WWDDWWWD"])
    if "ptrace" in done.stderr:
        pytest.skip(f"strace may not look at a process here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    seen = calls.read_text().splitlines()
    log, commits = "", []
    for line in seen:
        if "committed" in line:
            commits.append((line.split("committed ")[1][0], log))
            log = ""
        elif f"{file}-wal" in line:
            log += "s" if "sync(" in line else "w"
    assert [letter for letter, _ in commits] == list("WWDDWWWD")
    for letter, calls_made in commits[1:]:
        assert calls_made.rstrip("s").strip("w") == "", "one flush at most, and it is the last call"
        assert calls_made.endswith("s") is (letter == "D"), (letter, calls_made)
        assert calls_made.startswith("w")


def test_what_was_weak_is_durable_with_the_next_durable_commit() -> None:
    """A crash of the server loses weaker commits, but never one before a durable one."""
    made = Server("wal_writer_delay=10s")
    try:
        for n, durable in enumerate((False, True, True)):
            name = f"s{n}"
            journal = Journal.open(made.url, name)
            journal.append(msgspec.structs.replace(START, session=name))
            journal.commit(1)
            for instant in range(2, 12):
                journal.append(Timer(ts_ns=instant))
                journal.commit(instant, durable=False)
            if durable:
                journal.append(Timer(ts_ns=12)) if n == 1 else None
                journal.commit(12 if n == 1 else 11)
            made.crash()
            with pytest.raises(JournalError, match="see that the server is up"):
                journal.commit(99)
            journal.close()  # has been told already
            made.start()
            with Journal.open(made.url, name, mode="read") as after:
                after.verify()
                if durable:
                    assert after.last_instant == (12 if n == 1 else 11)
                    assert after.count == after.last_instant
                else:
                    assert after.count == after.last_instant <= 11
    finally:
        made.remove()


# ----------------------------------------------------------------- what is asked


def points(file: Path, act: Callable[[Journal], None]) -> list[str]:
    """Return the points that ``act`` passes on a journal with one weak commit."""
    said: list[str] = []
    with Journal.open(file, SESSION, at=said.append) as journal:
        journal.append(START)
        journal.commit(1, durable=False)
        said.clear()
        act(journal)
    return said


WHOLE = ["before insert", "after insert", "before commit", "after commit"]


def test_a_durable_commit_of_nothing_still_makes_durable_what_is_before_it(file: Path) -> None:
    def twice(journal: Journal) -> None:
        journal.commit(1)
        journal.commit(1)
        journal.commit(1, durable=False)

    assert points(file, twice) == WHOLE, "once, and then there is nothing to do"


def test_it_does_so_after_a_restart_too(file: Path) -> None:
    points(file, lambda _: None)
    said: list[str] = []
    with Journal.open(file, SESSION, at=said.append) as journal:
        journal.commit(1)
    assert said == WHOLE


INTENTS = [next(r for r in EVERY if isinstance(r, Decision) and getattr(r, name)) for name in ("orders", "cancels")]


@pytest.mark.parametrize("decision", INTENTS)
def test_an_intent_is_never_weak(file: Path, decision: Decision) -> None:
    with Journal.open(file, SESSION) as journal:
        for record in (START, decision, Timer(ts_ns=1)):
            journal.append(record)
        with pytest.raises(JournalError, match=r"durable=False.*a decision in it sends or cancels orders"):
            journal.commit(1, durable=False)
        assert journal.count == 0
        journal.commit(1)
        journal.append(Timer(ts_ns=2))
        journal.commit(2, durable=False)
        assert list(journal.records()) == [START, decision, Timer(ts_ns=1), Timer(ts_ns=2)]


def test_a_decision_that_sends_nothing_may_be_weak(file: Path) -> None:
    decisions = [r for group in session() for r in group if isinstance(r, Decision) and not (r.orders or r.cancels)]
    with Journal.open(file, SESSION) as journal:
        for instant, record in enumerate([START, *decisions], 1):
            journal.append(record)
            journal.commit(instant, durable=False)
        assert journal.count == len(decisions) + 1


def test_a_killed_process_keeps_its_weak_commits(file: Path) -> None:
    run([sys.executable, "-c", _COMMITS, str(file), "WWWWW"])
    with Journal.open(file, SESSION, mode="read") as journal:
        journal.verify()
        assert (journal.count, journal.last_instant) == (6, 6)
