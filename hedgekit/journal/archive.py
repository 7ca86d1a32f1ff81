"""A session's journal in a folder of its own, for years: Parquet with checksums, read like any journal.

    events.parquet     every row of the session as it was stored: records, batches of market frames, instants, hash chain, wall clock
    manifest.json      what session, how many records, the chain's head, the last idle instant, and the SHA-256 of events.parquet

Nothing is re-encoded, so the archive replays bit for bit and its chain ends in the same head. :class:`~hedgekit.journal.Journal` opens
the folder for reading, by its path. It appears by one rename, written to disk and read back first; what a killed process leaves is a
folder with a dot before its name, which nobody reads and the next run removes. :func:`prune` takes out of a store only what an
archive holds whole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, Engine, StaticPool, create_engine, delete, event, insert
from sqlalchemy.exc import DBAPIError

from hedgekit.errors import JournalError
from hedgekit.journal import chain, schema
from hedgekit.journal.lock import AdvisoryLock, FileLock
from hedgekit.journal.schema import EVENTS, IDLE

if TYPE_CHECKING:
    import sqlite3

    import pandas as pd

    from hedgekit.journal.store import Store

SCHEMA = 1
ROWS, MANIFEST = "events.parquet", "manifest.json"
COLUMNS = tuple(column.name for column in EVENTS.columns)
TABLES = ("orders", "fills", "decisions", "equity", "trades", "plans")
_GROUP = 20_000
_FIX = "restore it from a copy, or archive the session anew"

At = Callable[[str], None]


def nowhere(_: str) -> None:
    """Pass every point."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an archive says of itself.

    Attributes
    ----------
    format, schema
        What the folder is.
    session : str
    records : int
        Records, each of a batch counted.
    head : str
        The chain's head.
    idle : int
        The last instant that left no record.
    ended : bool
        Whether the session had ended.
    rows : int
        Rows of events.parquet.
    sha256 : dict of str to str
        Checksum of each file beside the manifest, by its name.
    version : str
        The hedgekit that wrote it.
    """

    format: str = "hedgekit journal archive"
    schema: int = SCHEMA
    session: str
    records: int
    head: str
    idle: int
    ended: bool
    rows: int
    sha256: dict[str, str]
    version: str


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is an archive's folder."""
    text = os.fspath(path)
    return "://" not in text and (Path(text) / MANIFEST).is_file()


# ------------------------------------------------------------------------- write


def archive(store: Store, session: str, out: str | os.PathLike[str], *, at: At = nowhere) -> Path:
    """Write one session's journal into ``out/SESSION``; return that folder.

    Parameters
    ----------
    store : Store
        Open for reading.
    session : str
    out : path
        Folder of archives; made if missing.
    at : callable
        Called with "before rows", "after rows", "before rename" and "after rename"; tests kill the process there.

    Raises
    ------
    JournalError
        If the journal's chain is not whole, the archive is there already, cannot be written, or is not read back as it was.
    """
    info = store.info(session)
    to = Path(out) / session
    with _drafted(to) as draft:
        at("before rows")
        names = ("id", *(name for name in COLUMNS if name != "id"))  # as a store wants them
        whole = [dict(zip(names, row, strict=True)) for row in store.rows(session, chain.BEGIN, [EVENTS.c[name] for name in names])]
        head = _walked(store.name, session, whole)
        _parquet(draft / ROWS, whole)
        at("after rows")
        last = whole[-1]["id"]
        told = Manifest(
            session=session,
            records=last,
            head=head,
            idle=store.idle(session),
            ended=info.ended is not None,
            rows=len(whole),
            sha256={ROWS: _sum(draft / ROWS)},
            version=version("hedgekit"),
        )
        _manifest(draft, told)
        if read(draft)[1] != whole:
            msg = f"{to}: was not read back as it was written; see that the disk is whole"
            raise JournalError(msg)
        at("before rename")
    at("after rename")
    return to


def export(tables: dict[str, pd.DataFrame], out: str | os.PathLike[str]) -> Path:
    """Write a session's tables into a new folder: one Parquet file each, and ``manifest.json`` with their checksums.

    Raises
    ------
    JournalError
        If the folder is there already, or cannot be written.
    """
    to = Path(out)
    with _drafted(to) as draft:
        for name, frame in tables.items():
            frame.to_parquet(draft / f"{name}.parquet")
        sums = {f"{name}.parquet": _sum(draft / f"{name}.parquet") for name in tables}
        told = {"format": "hedgekit journal tables", "sha256": sums, "version": version("hedgekit")}
        (draft / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2))
    return to


@contextmanager
def _drafted(to: Path) -> Iterator[Path]:
    """Make a folder beside its place, and put it there by one rename when it is whole and on disk."""
    if to.exists():
        msg = f"{to}: is there already, and an archive is never written over; choose another folder, or remove it yourself"
        raise JournalError(msg)
    draft = to.with_name(f".{to.name}.draft")
    try:
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(parents=True)
        yield draft
        for path in [*draft.iterdir(), draft]:
            _flushed(path)
        draft.rename(to)
        _flushed(to.parent)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        msg = f"{to}: cannot be written: {error.strerror or error}; choose another folder"
        raise JournalError(msg) from None
    except JournalError:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _flushed(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _manifest(folder: Path, told: Manifest) -> None:
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2))


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        digest = sha256()
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def _parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa  # noqa: PLC0415 - 100 ms that only archives need
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    kinds = {"session": pa.string(), "type": pa.string(), "body": pa.string(), "hash": pa.string(), "packed": pa.binary()}
    fields = pa.schema([(name, kinds.get(name, pa.int64())) for name in COLUMNS])
    pq.write_table(pa.Table.from_pylist(rows, schema=fields), path, compression="zstd", row_group_size=_GROUP)


# -------------------------------------------------------------------------- read


def read(folder: str | os.PathLike[str]) -> tuple[Manifest, list[dict[str, Any]]]:
    """Return an archive's manifest and rows, after every check: checksum, chain, and that one is of the other.

    Raises
    ------
    JournalError
        Naming the file, or the first record, that is not as it was written.
    """
    path = Path(folder)
    try:
        told = msgspec.json.decode((path / MANIFEST).read_bytes(), type=Manifest)
    except OSError as error:
        msg = f"{path / MANIFEST}: cannot be read: {error.strerror}; {_FIX}"
        raise JournalError(msg) from None
    except msgspec.MsgspecError as error:
        msg = f"{path / MANIFEST}: is damaged, or no archive's: {error}; {_FIX}"
        raise JournalError(msg) from None
    if (told.format, told.schema) != (Manifest.__struct_defaults__[0], SCHEMA):
        msg = f"{path / MANIFEST}: {told.format} of schema {told.schema}, known here is {SCHEMA}; read it with the hedgekit that wrote it"
        raise JournalError(msg)
    rows = _rows(path / ROWS, told.sha256.get(ROWS, ""))
    head = _walked(str(path), told.session, rows)
    found = (len(rows), rows[-1]["id"] if rows else 0, head)
    if found != (told.rows, told.records, told.head):
        msg = f"{path / MANIFEST}: says {told.records} records to head {told.head}; {ROWS} has {found[1]} to {head}; {_FIX}"
        raise JournalError(msg)
    return told, rows


def _rows(path: Path, wanted: str) -> list[dict[str, Any]]:
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    try:
        if _sum(path) != wanted:
            msg = f"{path}: is damaged: its SHA-256 is not that of the manifest; {_FIX}"
            raise JournalError(msg)
        rows: list[dict[str, Any]] = pq.read_table(path, columns=list(COLUMNS)).to_pylist()
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}; {_FIX}"
        raise JournalError(msg) from None
    except (pa.ArrowException, UnicodeDecodeError, ValueError) as error:
        msg = f"{path}: cannot be read as Parquet: {str(error).splitlines()[0]}; {_FIX}"
        raise JournalError(msg) from None
    return rows


def _walked(name: str, session: str, rows: list[dict[str, Any]]) -> str:
    """Walk the chain over rows; return its head."""
    stranger = next((row for row in rows if row["session"] != session), None)
    if stranger is not None:
        msg = f"{name}: record {stranger['id']} is of session {stranger['session']!r}, not {session!r}; {_FIX}"
        raise JournalError(msg)
    head = ""
    for sealed in chain.walk(name, session, ([row[field] for field in chain.Row._fields] for row in rows)):
        head = sealed.head
    if not head:
        msg = f"{name}: holds no record; {_FIX}"
        raise JournalError(msg)
    return head


def engine(folder: str | os.PathLike[str], tune: Callable[[sqlite3.Connection, object], None]) -> Engine:
    """Return a database in memory that holds an archive, whole and checked, for a store that reads."""
    told, rows = read(folder)
    made = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    event.listen(made, "connect", tune)
    with made.connect() as conn:
        schema.prepare(conn, os.fspath(folder))
        conn.execute(insert(EVENTS), rows)
        if told.idle:
            conn.execute(insert(IDLE).values(session=told.session, instant=told.idle))
        conn.commit()
        conn.exec_driver_sql("PRAGMA query_only=1")
    return made


# ------------------------------------------------------------------------- prune


def prunable(store: Store, folder: str | os.PathLike[str]) -> Manifest:
    """Return an archive's manifest if the store's session may be removed: it has ended, and the archive holds all of it.

    Raises
    ------
    JournalError
        Saying why it may not.
    """
    told, rows = read(folder)
    here = store.tail(told.session)
    if here is None:
        raise store.unknown(told.session)
    if not told.ended or here.type != "session_ended":
        msg = f"session {told.session!r} of {store.name} has not ended; only what is over is removed"
        raise JournalError(msg)
    last = rows[-1]
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
