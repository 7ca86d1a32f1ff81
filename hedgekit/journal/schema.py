"""The journal's tables, and how a store of an older version becomes a present one.

A store says its version in a table of its own, so the same code works in every
database; a store without that table is of version 1. An older one is brought up
to date when it is opened for writing, in one transaction: a process that dies in
it leaves what there was. Records, bodies and hashes are never rewritten, so the
chain's head stays.

Version 2 lets one row hold many records of a feed (``batch``). The row's id is
that of its last record: so ``id > last`` finds a row of which a part was read,
and the newest row still has the number of records and the chain's head.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, Integer, LargeBinary, MetaData, String, Table, Text, inspect, select, text

from hedgekit.errors import JournalError

VERSION = 2

_meta = MetaData()

EVENTS = Table(
    "events",
    _meta,
    Column("session", String(64), primary_key=True),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("instant", BigInteger, nullable=False),
    Column("ts_ns", BigInteger, nullable=False),
    Column("type", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("recorded_ns", BigInteger, nullable=False),
    Column("records", Integer, nullable=False, server_default=text("1")),
    Column("packed", LargeBinary),
    sqlite_with_rowid=False,
)
"""The append-only table. ``recorded_ns`` is the wall clock, an observation outside the chain; ``records`` is how many records the
row holds, up to ``id``; ``packed`` is None unless it is a batch."""

IDLE = Table(
    "idle_instants",
    _meta,
    Column("session", String(64), primary_key=True),
    Column("instant", BigInteger, nullable=False),
)
"""The last instant that was processed without leaving a record, one row a session."""

SCHEMA = Table("journal_schema", _meta, Column("version", Integer, nullable=False))
"""One row: the version of these tables."""

_STEPS = {
    1: (
        "ALTER TABLE events ADD COLUMN records INTEGER DEFAULT 1 NOT NULL",
        "ALTER TABLE events ADD COLUMN packed {bytes}",
        "CREATE TABLE journal_schema (version INTEGER NOT NULL)",
        "INSERT INTO journal_schema (version) VALUES (1)",
    ),
}
"""From each older version to the next. What is written here stays as it is, whatever becomes of the tables above."""

_MAKING = 7202215
"""PostgreSQL's advisory lock of whoever makes or migrates the tables ("if not exists" alone can still collide)."""


def version(conn: Connection) -> int:
    """Return the schema version of a database: 0 if it has no journal, -1 if what it says is no version."""
    found = inspect(conn)
    made = found.has_table(EVENTS.name)  # first: tables that are being made meanwhile are not taken for a version 1
    if found.has_table(SCHEMA.name):
        said = conn.execute(select(SCHEMA.c.version)).scalar()
        return said if isinstance(said, int) and said > 0 else -1
    return int(made)


def check(found: int, name: str) -> None:
    """Refuse a database whose journal is not of the present version.

    Raises
    ------
    JournalError
        Saying what to do.
    """
    if found == VERSION:
        return
    if found in _STEPS:
        msg = f"{name}: journal of schema version {found}, read here is {VERSION}; `hedgekit journal migrate` brings it up to date"
    else:
        said = found if found > 0 else "unknown"
        msg = f"{name}: journal of schema version {said}, known here are 1 to {VERSION}; read it with the hedgekit that wrote it"
    raise JournalError(msg)


def prepare(conn: Connection, name: str) -> None:
    """Make the tables, or bring older ones up to date, in one transaction.

    Raises
    ------
    JournalError
        If they are of a newer version.
    """
    if version(conn) != VERSION:
        conn.rollback()
        if conn.dialect.name == "sqlite":
            conn.exec_driver_sql("BEGIN IMMEDIATE")  # the driver by itself would commit each statement that makes a table
        elif conn.dialect.name == "postgresql":
            conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MAKING})
        _make(conn, version(conn), name)  # asked again: another process may have been first
    conn.commit()


def _make(conn: Connection, found: int, name: str) -> None:
    if not found:
        _meta.create_all(conn)
        conn.execute(SCHEMA.insert().values(version=VERSION))
        return
    if found not in _STEPS:
        check(found, name)
    kind = LargeBinary().compile(dialect=conn.dialect)
    for step in range(found, VERSION):
        for statement in _STEPS[step]:
            conn.exec_driver_sql(statement.format(bytes=kind))
    conn.execute(SCHEMA.update().values(version=VERSION))
