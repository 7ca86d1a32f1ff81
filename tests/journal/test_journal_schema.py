"""Stores of an older schema version: refused with the way out, brought up to date in one piece, and the same session afterwards.

``schema1.sqlite`` was written by hedgekit before there was a version 2: a session of KO and PEP against the sandbox on 90 days of
1990, which has ended, and the session of ``made.py``, which has not, with an instant 29 that left no record.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import create_engine, event, text

from hedgekit.errors import JournalError
from hedgekit.journal import Follower, Journal, SessionInfo, migrate, sessions
from hedgekit.journal.codec import decode
from hedgekit.journal.schema import VERSION, version
from hedgekit.replay import Replay, replay
from hedgekit.types import Decision, Phase
from tests.journal.made import EVERY, SESSION, START
from tests.journal.processes import child, finish, run
from tests.journal.scripts import by_hand, feed

OLD = Path(__file__).with_name("schema1.sqlite")
DEMO = "demo-ko-pep"
HEADS = {
    DEMO: "153f7af9d9ae0cf616be6ef14fed138d464c135c130fbdff3d188129a7ff6c11",
    SESSION: "434406f6c564f7b48f61e5b81cb1a531088d95382e026b30cd4dbfbb72d9c9e8",
}
"""What the hedgekit that wrote the file said."""

INFOS = [SessionInfo(DEMO, 631313940000000000, 642286801000000000, 387, "tape ended"), SessionInfo(SESSION, 0, 603000000000, 65, None)]

SAYS = r"journal of schema version 1, read here is 2; `hedgekit journal migrate` brings it up to date"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copy(OLD, tmp_path / "old.db"))


@pytest.fixture
def old_server(server: str) -> Iterator[str]:
    """Yield a PostgreSQL database with what is in the old file, in tables as version 1 made them."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.execute(text("CREATE DATABASE old"))
    url = server.rpartition("/")[0] + "/old"
    inner = create_engine(url)
    with by_hand(OLD) as file, inner.begin() as conn:
        for name in ("events", "idle_instants"):
            made = file.execute("SELECT sql FROM sqlite_master WHERE name = ?", [name]).fetchone()[0]
            conn.execute(text(made.replace("WITHOUT ROWID", "")))
            rows = file.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608 - one of two
            marks = ", ".join("%s" for _ in rows[0])
            for row in rows:
                conn.exec_driver_sql(f"INSERT INTO {name} VALUES ({marks})", row)  # noqa: S608 - as above
    inner.dispose()
    yield url
    with engine.connect() as conn:
        conn.execute(text("DROP DATABASE old"))
    engine.dispose()


def bodies(file: Path, name: str) -> list[str]:
    with by_hand(file) as conn:
        return [row[0] for row in conn.execute("SELECT body FROM events WHERE session = ? ORDER BY id", [name])]


def whole(where: Any) -> None:
    """Assert that both sessions of the old file are there as they were."""
    assert sessions(where) == INFOS
    for name, head in HEADS.items():
        with Journal.open(where, name, mode="read") as journal:
            journal.verify(head)
            assert journal.head == head
            assert list(journal.records()) == [decode(body) for body in bodies(OLD, name)]
    with Journal.open(where, DEMO, mode="read") as journal:
        assert replay(journal.records()) == Replay(decisions=96, events=289)
        assert (len(journal.fills()), list(journal.trades()["side"]), journal.last_instant) == (8, [-1, 1], 189)
    with Journal.open(where, SESSION, mode="read") as journal:
        assert list(journal.records()) == EVERY
        assert journal.last_instant == 29, "the instant that left no record"


@pytest.mark.parametrize("where", ["old", "old_server"])
def test_a_reader_says_what_to_do_and_changes_nothing(where: str, request: pytest.FixtureRequest) -> None:
    place = request.getfixturevalue(where)
    before = place.read_bytes() if isinstance(place, Path) else None
    for attempt in (lambda: Journal.open(place, DEMO, mode="read"), lambda: sessions(place), Follower(place, DEMO).poll):
        with pytest.raises(JournalError, match=SAYS):
            attempt()
    assert before is None or place.read_bytes() == before


@pytest.mark.parametrize("where", ["old", "old_server"])
def test_after_migration_it_is_the_same_session(where: str, request: pytest.FixtureRequest) -> None:
    place = request.getfixturevalue(where)
    migrate(place)
    whole(place)
    migrate(place)
    whole(place)


@pytest.mark.parametrize("where", ["old", "old_server"])
def test_a_writer_migrates_and_goes_on(where: str, request: pytest.FixtureRequest) -> None:
    place = request.getfixturevalue(where)
    with Journal.open(place, SESSION) as journal:
        assert (journal.head, journal.count, journal.last_instant) == (HEADS[SESSION], 65, 29)
        for record in feed(0, 20):
            journal.append(record)
        journal.commit(30)
        journal.verify(HEADS[SESSION])
        assert list(journal.records(after=60)) == [*EVERY[60:], *feed(0, 20)]
    with Follower(place, SESSION) as follower:
        assert follower.poll().standing.records == 85


def columns(file: Path) -> list[tuple[Any, ...]]:
    with by_hand(file) as conn:
        tables = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return [(name, *row) for name in tables for row in conn.execute(f"PRAGMA table_info({name})")]


def test_a_migrated_store_has_the_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    migrate(old)
    Journal.open(tmp_path / "new.db", SESSION).close()
    assert columns(old) == columns(tmp_path / "new.db")
    with by_hand(old) as conn:
        assert conn.execute("SELECT version FROM journal_schema").fetchall() == [(VERSION,)]


def test_of_a_migrated_server_too(old_server: str, server: str) -> None:
    migrate(old_server)
    Journal.open(server, "any").close()
    query = "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
    found = []
    for url in (old_server, server):
        engine = create_engine(url)
        with engine.connect() as conn:
            found.append(conn.execute(text(f"{query} WHERE table_schema = 'public' ORDER BY table_name, ordinal_position")).all())
        engine.dispose()
    assert found[0] == found[1]


# The migrating process ends in the middle of its transaction, as a kill would end it.
_DIES = """
import os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from hedgekit.journal import migrate
seen = []
@event.listens_for(Engine, "before_cursor_execute")
def count(conn, cursor, statement, parameters, context, many):
    seen.append(statement)
    if statement.startswith(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
migrate(sys.argv[1])
"""


@pytest.mark.parametrize("statement", ["ALTER TABLE events ADD COLUMN packed", "CREATE TABLE journal_schema", "UPDATE journal_schema"])
def test_a_migration_that_is_killed_leaves_the_old_store(old: Path, statement: str) -> None:
    before = columns(old)
    assert run([sys.executable, "-c", _DIES, str(old), statement]).returncode == -9
    assert columns(old) == before
    migrate(old)
    whole(old)


def test_several_that_migrate_at_once_do_it_once(old: Path) -> None:
    processes = [child("import sys; from hedgekit.journal import migrate; migrate(sys.argv[1])", old) for _ in range(4)]
    try:
        assert [process.wait(30) for process in processes] == [0] * 4
    finally:
        for process in processes:
            finish(process)
    whole(old)


@pytest.mark.parametrize("said", [3, 99, 0, "'x'", "NULL"])
def test_another_version_is_refused(file: Path, said: object) -> None:
    with Journal.open(file, SESSION) as journal:
        journal.append(START)
        journal.commit(1)
    with by_hand(file) as conn:
        conn.execute("DROP TABLE journal_schema")
        conn.execute("CREATE TABLE journal_schema (version)")
        conn.execute(f"INSERT INTO journal_schema VALUES ({said})")  # noqa: S608 - one of the above
    before = file.read_bytes()
    for attempt in (
        lambda: Journal.open(file, SESSION, mode="read"),
        lambda: Journal.open(file, SESSION),
        lambda: migrate(file),
        Follower(file, SESSION).poll,
    ):
        with pytest.raises(JournalError, match=r"known here are 1 to 2; read it with the hedgekit that wrote it"):
            attempt()
    assert file.read_bytes() == before


def test_there_must_be_something_to_migrate(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"none\.db: no such journal"):
        migrate(tmp_path / "none.db")
    assert not list(tmp_path.iterdir())
    with closing(sqlite3.connect(tmp_path / "other.db")) as conn, conn:
        conn.execute("CREATE TABLE prices (x)")
    conn.close()
    with pytest.raises(JournalError, match="a database without a journal; check the path"):
        migrate(tmp_path / "other.db")


def test_tables_made_while_a_reader_looks_are_no_older_version(tmp_path: Path) -> None:
    """Whichever look comes before and whichever after the tables were made: there is no journal yet, or a present one."""
    for moment in (1, 2, 3):
        file = tmp_path / f"{moment}.db"
        sqlite3.connect(file).close()
        engine = create_engine(f"sqlite:///{file}")
        looks = 0

        def make(*_: object, file: Path = file, moment: int = moment) -> None:
            nonlocal looks
            looks += 1
            if looks == moment:
                Journal.open(file, SESSION, mode="write").close()

        event.listen(engine, "after_cursor_execute", make)
        with engine.connect() as conn:
            assert version(conn) in {0, VERSION}
        engine.dispose()


def test_what_an_old_journal_does_not_say_of_an_order_is_no_difference_and_what_one_says_wrongly_is(old: Path) -> None:
    migrate(old)
    with Journal.open(old, DEMO, mode="read") as journal:
        records = list(journal.records())
    place, close = next(
        (n, one) for n, one in enumerate(records) if isinstance(one, Decision) and one.phase is Phase.CLOSING and one.orders
    )
    assert [order.reduces for order in close.orders] == [None] * len(close.orders)
    for said, right in ((True, True), (False, False)):
        orders = tuple(msgspec.structs.replace(order, reduces=said) for order in close.orders)
        records[place] = msgspec.structs.replace(close, orders=orders)
        if right:
            assert replay(records).decisions == 96
        else:
            with pytest.raises(JournalError, match="replay differs"):
                replay(records)
