"""Takes out of a store what an archive holds whole, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete
from sqlalchemy.exc import DBAPIError

from hedgekit.errors import JournalError
from hedgekit.journal.archive import At, Manifest, nowhere, read
from hedgekit.journal.lock import AdvisoryLock, FileLock
from hedgekit.journal.schema import EVENTS, IDLE

if TYPE_CHECKING:
    from hedgekit.journal.store import Store


def prunable(store: Store, folder: str | os.PathLike[str]) -> Manifest:
    """Return an archive's manifest if the store's session may be removed: it has ended, and the archive holds all of it.

    Raises
    ------
    JournalError
        Saying why it may not.
    """
    told, last = read(folder)
    here = store.tail(told.session)
    if here is None:
        raise store.unknown(told.session)
    if not told.ended or here.type != "session_ended":
        msg = f"session {told.session!r} of {store.name} has not ended; only what is over is removed"
        raise JournalError(msg)
    if (here.id, here.hash, here.body) != (told.records, told.head, last["body"]) or store.idle(told.session) != told.idle:
        msg = f"{os.fspath(folder)} does not hold all of session {told.session!r} of {store.name}: it ends with record {told.records}, "
        msg += f"head {told.head}, the journal with {here.id}, head {here.hash}; archive it anew"
        raise JournalError(msg)
    return told


def prune(store: Store, folder: str | os.PathLike[str], *, at: At = nowhere) -> Manifest:
    """Remove one archived session from a store, in one transaction; return what was removed.

    Parameters
    ----------
    store : Store
        Open for writing.
    folder : path
        The session's archive; read and checked again.
    at : callable
        Called with "before delete", "after delete", "before commit" and "after commit"; tests kill the process there.

    Raises
    ------
    JournalError
        If it may not be removed (:func:`prunable`), or a process writes it; nothing was removed then.
    """
    told = prunable(store, folder)
    with store.told(), store.engine.connect() as conn, _alone(store, conn, told.session):
        told = prunable(store, folder)  # again, now that nobody writes it
        at("before delete")
        for table in (EVENTS, IDLE):
            conn.execute(delete(table).where(table.c.session == told.session))
        at("after delete")
        at("before commit")
        conn.commit()
        at("after commit")
    return told


@contextmanager
def _alone(store: Store, conn: Connection, session: str) -> Iterator[None]:
    """Hold the lock of the session's writer: JournalError if there is one."""
    if store.file is None and conn.dialect.name != "postgresql":
        yield
        return
    lock = FileLock(Path(f"{store.file}.{session}.lock"), session) if store.file else AdvisoryLock(conn, session)
    try:
        yield
    finally:
        conn.rollback()  # of what was not committed
        lock.release()


def shrink(store: Store) -> bool:
    """Give the disk back what was removed from an SQLite file; False if somebody reads or writes it just now (the room is reused)."""
    if store.file is None:
        return False
    try:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.exec_driver_sql("VACUUM")
    except DBAPIError:
        return False
    return True
