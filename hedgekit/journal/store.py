"""Where records live: one table (``schema``), in SQLite by default, in any database by URL.

Reads are short: one page, fetched whole, so no read transaction stays open
while its rows are used and a slow reader never holds the writer back. SQLite
readers are opened read-only by the file system, not by good manners.
"""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from sqlalchemy import URL, Column, Connection, Engine, Select, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from hedgekit import keys
from hedgekit.errors import JournalError
from hedgekit.journal import archive, batch, schema, sharing
from hedgekit.journal.codec import decode
from hedgekit.journal.lock import this_process
from hedgekit.journal.schema import EVENTS, IDLE
from hedgekit.types import SessionEnded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PAGE, LEAST = 2_000, 50
"""Most records in one read, and fewest rows; a page is the longest that a reader keeps a snapshot."""

WAL_LIMIT = 16 * 2**20
"""Bytes to which SQLite cuts its write-ahead log back when it starts it anew: at the first commit that meets no reader."""

WRITER_WAIT_S = 60
"""How long a commit to SQLite waits for other sessions' commits to the same file; the kernel does not queue them, so one may be late."""

READER_WAIT_S = 5
"""How long an ordinary reader waits for a file that is being opened, closed or repaired."""

FOLLOWER_WAIT_S = 0.1
"""How long a follower waits for a busy file: it lives on the loop of a notebook, and comes back soon."""

_FIXES = {
    "not a database": "it is not an SQLite file; choose another path",
    "locked": "another program keeps the file locked; close it, then try again",
    "full": "make room on the disk, then start again; what was committed is safe",
    "readonly": "the journal is open for reading only, or its file may not be written",
    "malformed": "the file is damaged; restore it from a copy",
    "connect": "see that the server is up and the address right",
    "UNIQUE": "another writer is at work on this session; stop one of them",
    "duplicate key": "another writer is at work on this session; stop one of them",
}

_BY_KEY = "-c enable_sort=off -c enable_bitmapscan=off -c enable_seqscan=off"
"""All reads go by the primary key. PostgreSQL, before it has statistics of a table that grows, would rather sort the rest of it."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class End(NamedTuple):
    """A session's first or last row."""

    id: int
    instant: int
    ts_ns: int
    type: str
    body: str
    hash: str


def end_query(session: str, *, first: bool = False) -> Select[Any]:
    """Return the query for a session's last (or first) row."""
    columns = [EVENTS.c[name] for name in End._fields]
    return select(*columns).where(EVENTS.c.session == session).order_by(EVENTS.c.id if first else EVENTS.c.id.desc()).limit(1)


def _exact_text(raw: bytes) -> str:
    """Keep every byte, also of a text that somebody broke: the chain must see it."""
    return raw.decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One session of a store; ``ended`` is the reason it gave, None if it has not ended."""

    session: str
    first_ns: int
    last_ns: int
    records: int
    ended: str | None


def check_name(session: str) -> str:
    """Return ``session`` if it may name a session, else raise :class:`JournalError`."""
    if not _NAME.fullmatch(session):
        msg = f"session name {session!r}: use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"
        raise JournalError(msg)
    return session


def locate(where: str | os.PathLike[str]) -> URL:
    """Return the database URL of a path or URL.

    Raises
    ------
    JournalError
        If it is neither a path nor the URL of a database that SQLAlchemy knows here.
    """
    raw = os.fspath(where)
    if "://" not in raw:
        return URL.create("sqlite", database=str(Path(raw).expanduser().resolve()))
    if keys.in_query(raw):
        msg = "the journal's address has a password after the '?', where errors would show it: put it in ~/.pgpass or PGPASSWORD"
        raise JournalError(msg)
    try:
        url = make_url(raw)
        url.get_dialect().import_dbapi()
    except (NoSuchModuleError, ImportError) as error:
        msg = f"{url.drivername}: no driver for this database ({error}); for PostgreSQL write postgresql+psycopg://... and install psycopg"
        raise JournalError(msg) from None
    except (ArgumentError, ValueError):  # which may quote a password
        msg = "the journal's address is not a database URL; write a file path or for example postgresql+psycopg://user@host/database, "
        msg += "the port a number"
        raise JournalError(msg) from None
    if url.get_backend_name() != "sqlite":
        return url
    if url.database in {None, "", ":memory:"}:
        msg = f"{raw}: a journal must survive its process; name a file, for example sqlite:///journal.db"
        raise JournalError(msg)
    return URL.create("sqlite", database=str(Path(str(url.database)).expanduser().resolve()))


class Store:
    """A database with journals in it.

    Parameters
    ----------
    where : str or path
        A file path (SQLite), any SQLAlchemy URL, or an archive's folder (to read).
    write : bool
        Open for writing, bringing an older journal up to date.
    make : bool
        When writing, make file and tables if they are not there; else that is an error.
    follow : dict of str, optional
        Open to follow a session, with these options of an SQLite URL; then there need be no journal in the database yet.
    """

    def __init__(self, where: str | os.PathLike[str], *, write: bool, make: bool = True, follow: dict[str, str] | None = None) -> None:
        self.url = locate(where)
        self._archive = Path(str(self.url.database)) if archive.is_archive(where) else None
        self.file = Path(str(self.url.database)) if self.url.get_backend_name() == "sqlite" else None
        self.name = str(self.file) if self.file else self.url.render_as_string(hide_password=True)
        self.write, self._make = write, write and make
        self._follow = follow
        if self.file and (self._archive is None or write):
            self._check_file(self.file)
        if self.file and self._archive is None:
            sharing.enter(self, follower=follow is not None)
        self.engine = self._engine()
        self._driver_error: type[Exception] = self.engine.dialect.loaded_dbapi.Error
        try:
            with self.told():
                self._prepare()
        except BaseException:
            self.close()
            raise

    def let_go(self) -> None:
        """Close the connections that nobody uses at this moment; a later use opens new ones."""
        self.engine.dispose()

    def close(self) -> None:
        """Let go of the database for good."""
        self.let_go()
        sharing.leave(self)

    def _check_file(self, file: Path) -> None:
        try:
            if self._make:
                file.parent.mkdir(parents=True, exist_ok=True)
            elif not file.exists():
                msg = f"{file}: no such journal; check the path (a session makes its journal when it starts)"
                raise JournalError(msg)
            if file.is_dir():
                usual = f"a directory; name a file in it, for example {file / 'journal.db'}"
                msg = f"{file}: is {'an archive, which is for reading only' if self._archive else usual}"
                raise JournalError(msg)
        except OSError as error:
            msg = f"{file}: cannot be reached: {error.strerror}; name a file in a directory that you may use"
            raise JournalError(msg) from None
        target = file if file.exists() else file.parent
        if self.write and not (os.access(target, os.W_OK) and os.access(file.parent, os.W_OK)):
            why = "read-only file" if target is file else "no write permission in its directory"
            msg = f"{file}: cannot be written: {why}; choose another place"
            raise JournalError(msg)

    def _engine(self) -> Engine:
        if self._archive is not None:
            return archive.engine(self._archive, self._tune)
        if self.file is None:
            options = {"connect_args": self._postgres()} if self.url.get_backend_name() == "postgresql" else {}
            return create_engine(self.url, hide_parameters=True, **options)
        query = self._read_only(self.file) if self._follow is None else self._follow
        url = self.url if self.write else URL.create("sqlite", database=f"file:{quote(str(self.file))}", query=query)
        wait_s = WRITER_WAIT_S if self.write else READER_WAIT_S if self._follow is None else FOLLOWER_WAIT_S
        engine = create_engine(url, hide_parameters=True, connect_args={"check_same_thread": False, "timeout": wait_s})
        event.listen(engine, "connect", self._tune)
        return engine

    def _postgres(self) -> dict[str, str]:
        mine = "-c synchronous_commit=on" if self.write else "-c default_transaction_read_only=on"
        options = f"{self.url.query.get('options', '')} {_BY_KEY} {mine}".strip()  # what the address asks for too is kept
        return {"application_name": f"hedgekit {this_process()}"[:63], "client_encoding": "utf8", "options": options}

    @staticmethod
    def _read_only(file: Path) -> dict[str, str]:
        """Return how to open a file to read it; on read-only ground there is no writer, and no room for the files that WAL shares."""
        alone = not os.access(file.parent, os.W_OK) and not Path(f"{file}-wal").exists()
        return {"uri": "true", "mode": "ro"} | ({"immutable": "1"} if alone else {})

    def _tune(self, connection: sqlite3.Connection, _: object) -> None:
        connection.text_factory = _exact_text
        if self.write:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")  # the writer asks for less where less will do
            connection.execute("PRAGMA fullfsync=1")  # macOS only: a real flush
            connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT}")

    def _prepare(self) -> None:
        with self.engine.connect() as conn:
            there = self.made(conn) if self._follow is None and not self._make else True
            if not there:
                msg = f"{self.name}: a database without a journal; check the path"
                raise JournalError(msg)
            if self.write:
                schema.prepare(conn, self.name)

    def made(self, conn: Connection) -> bool:
        """Return whether there is a journal in the database; when reading, refuse one of another schema version."""
        found = schema.version(conn)
        if found and not self.write:
            schema.check(found, self.name)
        return bool(found)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn a database's error into one :class:`JournalError` line, without SQL, values or password."""
        try:
            yield
        except (DBAPIError, self._driver_error) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            said = (str(cause).strip() or type(cause).__name__).splitlines()[0]
            fix = next((fix for sign, fix in _FIXES.items() if sign in said), "see that the database is there and whole")
            msg = f"{self.name}: {said}; {fix}"
            raise JournalError(msg) from None

    # ------------------------------------------------------------------ reads

    def rows(
        self, session: str, after: int, columns: Sequence[Column[Any]], types: Sequence[str] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Yield rows that hold a record with ``id > after``, in order, page by page; the first column must be ``id``."""
        query = select(*columns).where(EVENTS.c.session == session).order_by(EVENTS.c.id)
        if types is not None:
            query = query.where(EVENTS.c.type.in_(types))
        batches = types is None or not batch.MARKET.isdisjoint(types)
        size = LEAST if batches else PAGE
        while True:
            with self.told(), self.engine.connect() as conn:
                page = conn.execute(query.where(EVENTS.c.id > after).limit(size)).cursor.fetchall()
            yield from page  # the driver's own tuples: SQLAlchemy's rows would be a fifth of the time of a long read
            if len(page) < size:
                return
            if batches:  # as many rows as held about a page of records last time
                size = min(PAGE, max(LEAST, PAGE * size // max(1, page[-1][0] - after)))
            after = page[-1][0]

    def tail(self, session: str, conn: Connection | None = None) -> End | None:
        """Return the last row of a session, None if it has none."""
        found = self._one(end_query(session), conn)
        return End(*found) if found else None

    def idle(self, session: str, conn: Connection | None = None) -> int:
        """Return the last instant that left no record, 0 if none."""
        found = self._one(select(IDLE.c.instant).where(IDLE.c.session == session), conn)
        return int(found[0]) if found else 0

    def _one(self, query: Any, conn: Connection | None) -> tuple[Any, ...] | None:  # noqa: ANN401 - any Select
        with self.told(), nullcontext(conn) if conn is not None else self.engine.connect() as used:
            found = used.execute(query).first()
            used.rollback()
            return None if found is None else tuple(found)

    def names(self) -> list[str]:
        """Return the sessions' names, sorted; costs one index step each, not a scan."""
        found: list[str] = []
        with self.told(), self.engine.connect() as conn:
            while name := conn.execute(select(func.min(EVENTS.c.session)).where(EVENTS.c.session > (found[-1] if found else ""))).scalar():
                found.append(name)
        return found

    def info(self, session: str) -> SessionInfo:
        """Return what a session's first and last rows say."""
        first, last = self._one(end_query(session, first=True), None), self.tail(session)
        if first is None or last is None:
            raise self.unknown(session)
        end = decode(last.body) if last.type == "session_ended" else None
        return SessionInfo(session, End(*first).ts_ns, last.ts_ns, last.id, end.reason if isinstance(end, SessionEnded) else None)

    def unknown(self, session: str) -> JournalError:
        """Return the error for a session that is not here, listing those that are."""
        names = self.names()
        return JournalError(f"{self.name}: no session {session!r}; " + (f"there are: {', '.join(names)}" if names else "there is none yet"))
