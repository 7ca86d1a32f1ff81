"""The one writer of a session: buffers records, commits whole instants.

A commit is one transaction and one flush to disk; a killed process leaves a
prefix of whole commits. After a failed commit nothing more is written: what the
database holds is certain again only when the session is opened anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import insert, update

from hedgekit.errors import JournalError
from hedgekit.journal.codec import encode, first_link, next_link
from hedgekit.journal.lock import AdvisoryLock, FileLock
from hedgekit.journal.store import EVENTS, IDLE, Store
from hedgekit.types import Record, SessionEnded, SessionStarted

_SHORTEST_SECRET = 6


class Writer:
    """Appends to one session; holds its lock until :meth:`close` or the end of the process."""

    def __init__(self, store: Store, session: str) -> None:
        self._store, self._session = store, session
        self._secrets: tuple[bytes, ...] = ()
        self._pending: list[tuple[int, int, str, str, str]] = []
        self._broken = ""
        compiled = insert(EVENTS).compile(dialect=store.engine.dialect)  # once: compiling costs more than a row
        self._insert, self._positional = compiled.string, compiled.positional
        with store.told():
            self._conn = store.engine.connect()
            try:
                self._lock = self._take_lock()
                self._read_tail()
            except BaseException:
                self._conn.close()
                raise

    def _take_lock(self) -> FileLock | AdvisoryLock | None:
        if self._store.file:
            return FileLock(Path(f"{self._store.file}.{self._session}.lock"), self._session)
        if self._conn.dialect.name == "postgresql":
            return AdvisoryLock(self._conn, self._session)
        return None  # elsewhere the primary key finds a second writer out at its first commit

    def _read_tail(self) -> None:
        row = self._store.tail(self._session, self._conn)
        self.count = row.id if row else 0
        self.tip = bytes.fromhex(row.hash) if row else first_link(self._session)
        self.instant = max(row.instant if row else 0, self._store.idle(self._session, self._conn))
        self._ended = row is not None and row.type == "session_ended"
        self._next_tip = self.tip

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
        id_ = self.count + len(self._pending) + 1
        self._check_place(record, id_)
        body = encode(record)
        if self._secrets and any(secret in body for secret in self._secrets):
            msg = f"{type(record).__name__}: contains a secret and was not journalled; keep keys and tokens out of events"
            raise JournalError(msg)
        self._next_tip = next_link(self._next_tip, self._session, id_, body)
        self._ended = isinstance(record, SessionEnded)
        tag = str(type(record).__struct_config__.tag)
        self._pending.append((id_, record.ts_ns, tag, body.decode(), self._next_tip.hex()))
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

    def commit(self, instant: int) -> str:
        """Make all buffered records durable as part of ``instant``; return the chain's head."""
        if self._broken:
            raise JournalError(self._broken)
        if instant < self.instant:
            msg = f"commit(instant={instant}): instant {self.instant} is already committed; instants never go back"
            raise JournalError(msg)
        if not self._pending and instant == self.instant:
            return self.tip.hex()
        self._broken = f"{self._store.name}: an earlier commit failed; open the session again"
        with self._store.told():
            self._write(instant)
        self._broken = ""
        self.count += len(self._pending)
        self.tip, self.instant = self._next_tip, instant
        self._pending.clear()
        return self.tip.hex()

    def _write(self, instant: int) -> None:
        with self._conn.begin():
            if self._pending:
                self._conn.exec_driver_sql(self._insert, self._rows(instant))
            elif not self._conn.execute(update(IDLE).where(IDLE.c.session == self._session).values(instant=instant)).rowcount:
                self._conn.execute(insert(IDLE).values(session=self._session, instant=instant))

    def _rows(self, instant: int) -> Any:  # noqa: ANN401 - tuples or dicts, as the driver wants them
        now, session = time.time_ns(), self._session
        rows = [(session, id_, instant, ts_ns, type_, body, hash_, now) for id_, ts_ns, type_, body, hash_ in self._pending]
        return rows if self._positional else [dict(zip(EVENTS.c.keys(), row, strict=True)) for row in rows]

    def close(self) -> None:
        """Give the session free; records appended since the last commit are dropped."""
        self._broken = f"{self._store.name}: this journal is closed; open it again to write"
        self._pending.clear()
        try:
            if isinstance(self._lock, AdvisoryLock) and not self._conn.invalidated:
                with self._store.told():
                    self._lock.release()
        finally:
            self._conn.close()
            if isinstance(self._lock, FileLock):
                self._lock.release()
