"""The one writer of a session: buffers records, commits whole instants.

A commit is one transaction; a killed process leaves a prefix of whole commits.
After a failed commit nothing more is written: what the database holds is certain
again only when the session is opened anew.

A durable commit is flushed to disk before it returns: an intent's must be. A
weaker one (``durable=False``, for what is only market data) survives the death
of the process, not that of the machine: SQLite flushes nothing for it (WAL with
synchronous=NORMAL), PostgreSQL flushes soon after (synchronous_commit=off). Both
write their logs in order and flush them up to the present, so the next durable
commit makes durable all before it. A gathering writer keeps weaker commits back
and writes them together; what it keeps is not in the database, and ``instant``,
``count`` and ``tip`` do not count it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Dialect, bindparam, delete, insert

from hedgekit.errors import ConfigError, JournalError
from hedgekit.journal import batch
from hedgekit.journal.codec import encode, first_link, next_link, tag
from hedgekit.journal.lock import AdvisoryLock, FileLock
from hedgekit.journal.schema import EVENTS, IDLE
from hedgekit.journal.store import Store
from hedgekit.types import NS, Decision, Record, SessionEnded, SessionStarted

_SHORTEST_SECRET = 6


@dataclass(frozen=True, slots=True)
class Gather:
    """How much of a feed may be kept back to be written together.

    Parameters
    ----------
    records : int
        Most records that wait.
    span_ns : int
        How long the first of them may wait, by the times given to ``commit``.
    """

    records: int = 1_000
    span_ns: int = NS

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.records < 1 or self.span_ns < 0:
            msg = f"records={self.records}, span_ns={self.span_ns}: gather 1 record or more, for 0 ns or more"
            raise ConfigError(msg)


class _Statement:
    """A statement for the driver, written once: to do so costs more than a row."""

    def __init__(self, statement: Any, dialect: Dialect) -> None:  # noqa: ANN401 - an insert or delete
        compiled = statement.compile(dialect=dialect)
        self._text = str(compiled)
        self._names = None if compiled.positional else list(compiled.params)

    def run(self, cursor: Any, rows: Iterable[tuple[Any, ...]]) -> None:  # noqa: ANN401 - any driver's
        """Run it for each row of values."""
        names = self._names
        cursor.executemany(self._text, list(rows) if names is None else [dict(zip(names, row, strict=True)) for row in rows])


def nowhere(_: str) -> None:
    """Pass every point."""


class Writer:
    """Appends to one session; holds its lock until :meth:`close` or the end of the process."""

    def __init__(self, store: Store, session: str, gather: Gather | None = None, at: Callable[[str], None] = nowhere) -> None:
        self._store, self._session = store, session
        self._gather, self._at = gather, at
        self._secrets: tuple[bytes, ...] = ()
        self._pending: list[tuple[int, int, str, bytes, bytes]] = []
        self._kept: list[batch.Item] = []
        self._intent = False
        self._broken = ""
        self.due_ns: int | None = None
        statements = (insert(EVENTS), delete(IDLE).where(IDLE.c.session == bindparam("session")), insert(IDLE))
        self._insert, self._forget, self._note = (_Statement(statement, store.engine.dialect) for statement in statements)
        self._full = True  # as the store opens an SQLite file
        with store.told(), ExitStack() as undo:
            self._conn = store.engine.connect()
            undo.callback(self._conn.close)
            self._lock = self._take_lock()
            if self._lock is not None:
                undo.callback(self._lock.release)
            self._read_tail()
            undo.pop_all()

    def _take_lock(self) -> FileLock | AdvisoryLock | None:
        if self._store.file:
            return FileLock(Path(f"{self._store.file}.{self._session}.lock"), self._session)
        if self._conn.dialect.name == "postgresql":
            return AdvisoryLock(self._conn, self._session)
        return None  # elsewhere the primary key finds a second writer out at its first commit

    def _read_tail(self) -> None:
        row = self._store.tail(self._session, self._conn)
        try:
            self.count = self._last = row.id if row else 0
            self.tip = self._next_tip = bytes.fromhex(row.hash) if row else first_link(self._session)
            self.instant = self._reached = max(row.instant if row else 0, self._store.idle(self._session, self._conn))
        except (TypeError, ValueError):
            msg = f"{self._store.name}: the last record of session {self._session!r} was changed: its hash or instant is none; "
            msg += "restore the file from a copy"
            raise JournalError(msg) from None
        self._ended = row is not None and row.type == tag(SessionEnded)
        self._weak = row is not None  # of what another process wrote we know no better

    def guard(self, secrets: Iterable[str]) -> None:
        """Refuse from now on any record that contains one of ``secrets``, as it is or as JSON writes it."""
        found = {form for secret in secrets for form in (secret.strip().encode(), msgspec.json.encode(secret.strip())[1:-1])}
        if any(len(form) < _SHORTEST_SECRET for form in found):
            msg = f"a secret of fewer than {_SHORTEST_SECRET} characters cannot be told from ordinary text; use a longer one"
            raise JournalError(msg)
        self._secrets = tuple({*self._secrets, *found})

    def append(self, record: Record) -> int:
        """Buffer a record for the next commit; return its id."""
        if self._broken:
            raise JournalError(self._broken)
        id_ = self._last + 1
        self._check_place(record, id_)
        body = encode(record)
        if self._secrets and any(secret in body for secret in self._secrets):
            msg = f"{type(record).__name__}: contains a secret and was not journalled; keep keys and tokens out of events"
            raise JournalError(msg)
        self._last = id_
        self._next_tip = next_link(self._next_tip, self._session, id_, body)
        self._ended = isinstance(record, SessionEnded)
        self._intent = self._intent or (isinstance(record, Decision) and bool(record.orders or record.cancels))
        self._pending.append((id_, record.ts_ns, tag(type(record)), body, self._next_tip))
        return id_

    def _check_place(self, record: Record, id_: int) -> None:
        if self._ended:
            msg = f"session {self._session!r} has ended; start a new one under another name"
        elif (id_ == 1) is not isinstance(record, SessionStarted):
            msg = f"record {id_} is a {type(record).__name__}; the first record of a session, and no other, is its SessionStarted"
        elif isinstance(record, SessionStarted) and record.session != self._session:
            msg = f"SessionStarted names session {record.session!r}, but the journal was opened for {self._session!r}"
        else:
            return
        raise JournalError(msg)

    def commit(self, instant: int, *, durable: bool = True, now_ns: int | None = None) -> str:
        """Commit all buffered records as part of ``instant``; return the chain's head in the database."""
        self._check_commit(instant, durable, now_ns)
        if self._pending or instant > self._reached:
            self._kept += [batch.Item(instant, *item) for item in self._pending]
            self._pending.clear()
            self._intent, self._reached = False, instant
        elif not (durable and (self._weak or self.due_ns is not None)):
            return self.tip.hex()
        if durable or self._gather is None or now_ns is None:
            self._write(durable=durable)
            return self.tip.hex()
        if self.due_ns is None:
            self.due_ns = now_ns + self._gather.span_ns
        if len(self._kept) >= self._gather.records or now_ns >= self.due_ns:
            self._write(durable=False)
        return self.tip.hex()

    def _check_commit(self, instant: int, durable: bool, now_ns: int | None) -> None:  # noqa: FBT001 - as commit was given them
        if self._broken:
            raise JournalError(self._broken)
        if instant < self._reached:
            msg = f"commit(instant={instant}): instant {self._reached} is already committed; instants never go back"
        elif self._intent and not durable:
            msg = "commit(durable=False): a decision in it sends or cancels orders; an intent must be durable before it takes effect"
        elif self._gather is not None and not durable and now_ns is None:
            msg = "commit(durable=False): a journal that gathers must be told the time; give now_ns"
        else:
            return
        raise JournalError(msg)

    def flush(self) -> None:
        """Write what is kept back."""
        if self._broken:
            raise JournalError(self._broken)
        if self.due_ns is not None:
            self._write(durable=False)

    def _write(self, *, durable: bool) -> None:
        self._broken = f"{self._store.name}: an earlier commit failed; open the session again"
        with self._store.told():
            self._transact(durable)
        self._broken = ""
        if self._kept:
            self.count, self.tip = self._kept[-1].id, self._kept[-1].link
        self.instant, self.due_ns, self._weak = self._reached, None, not durable
        self._kept.clear()
        self._at("after commit")

    def _transact(self, durable: bool) -> None:  # noqa: FBT001 - as _write was given it
        driver = self._conn.connection  # its own transaction: SQLAlchemy's would cost more than the rows
        cursor = driver.cursor()
        try:
            self._choose(cursor, durable)
            self._at("before insert")
            if self._kept:
                self._insert.run(cursor, batch.rows(self._session, self._kept, time.time_ns()))
            self._at("after insert")
            if not self._kept or self._kept[-1].instant < self._reached:  # an instant without a record is to count after a restart
                self._forget.run(cursor, [(self._session,)])
                self._note.run(cursor, [(self._session, self._reached)])
            self._at("before commit")
            driver.commit()
        except BaseException:
            driver.rollback()
            raise
        finally:
            cursor.close()

    def _choose(self, cursor: Any, durable: bool) -> None:  # noqa: ANN401, FBT001 - any driver's; as _write was given it
        """Tell the database how durable this transaction must be; one that is neither of the two makes all of them so."""
        name = self._conn.dialect.name
        if name == "postgresql" and not durable:
            cursor.execute("SET LOCAL synchronous_commit = off")
        elif name == "sqlite" and durable is not self._full:  # it heeds this between transactions only: here none has begun yet
            cursor.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._full = durable

    def close(self) -> None:
        """Write what is kept back and give the session free; records appended since the last commit are dropped."""
        try:
            if not self._broken and self.due_ns is not None:
                self._write(durable=True)
        finally:
            failed, self._broken = bool(self._broken), f"{self._store.name}: this journal is closed; open it again to write"
            self._pending.clear()
            self._let_go(suppress(JournalError) if failed else nullcontext())

    def _let_go(self, of_errors: AbstractContextManager[None]) -> None:
        """Release the lock; after a failed commit it may have gone with the connection."""
        try:
            if isinstance(self._lock, AdvisoryLock) and not self._conn.invalidated:
                with of_errors, self._store.told():
                    self._lock.release()
        finally:
            self._conn.close()
            if isinstance(self._lock, FileLock):
                self._lock.release()
