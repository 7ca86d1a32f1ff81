"""A session's journal in a folder of its own, for years: Parquet with checksums, read like any journal.

    events.parquet     every row of the session as it was stored: records, batches of market frames, instants, hash chain, wall clock
    manifest.json      what session, how many records, the chain's head, the last idle instant, and the SHA-256 of events.parquet

Nothing is re-encoded, so the archive replays bit for bit and its chain ends in the same head. :class:`~hedgekit.journal.Journal` opens
the folder for reading, by its path. It appears by one rename, written to disk and read back first; what a killed process leaves is a
folder with a dot before its name, which nobody reads and the next run removes. :func:`~hedgekit.journal.prune.prune` takes out of a
store only what an archive holds whole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Engine, StaticPool, create_engine, event, insert

from hedgekit.errors import JournalError
from hedgekit.journal import chain, schema
from hedgekit.journal.schema import EVENTS, IDLE

if TYPE_CHECKING:
    import sqlite3

    import pandas as pd

    from hedgekit.journal.store import Store

SCHEMA = 1
ROWS, MANIFEST = "events.parquet", "manifest.json"
COLUMNS = tuple(column.name for column in EVENTS.columns)
TABLES = ("orders", "fills", "decisions", "equity", "trades", "plans")
_GROUP = 5_000
"""Records that are held at once: a journal may be larger than the memory."""

_FIX = "restore it from a copy, or archive the session anew"

At = Callable[[str], None]
Row = dict[str, Any]


def nowhere(_: object) -> None:
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
        walk = _Walk(store.name, session)
        rows = store.rows(session, chain.BEGIN, [EVENTS.c[name] for name in names])
        _parquet(draft / ROWS, walk.through(dict(zip(names, row, strict=True)) for row in rows))
        at("after rows")
        told = Manifest(
            session=session,
            records=walk.last["id"],
            head=walk.last["hash"],
            idle=store.idle(session),
            ended=info.ended is not None,
            rows=walk.rows,
            sha256={ROWS: _sum(draft / ROWS)},
            version=version("hedgekit"),
        )
        _manifest(draft, told)
        if _read(draft)[1].digest.digest() != walk.digest.digest():
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


def _parquet(path: Path, rows: Iterable[Row]) -> None:
    import pyarrow as pa  # noqa: PLC0415 - 100 ms that only archives need
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    kinds = {"session": pa.string(), "type": pa.string(), "body": pa.string(), "hash": pa.string(), "packed": pa.binary()}
    fields = pa.schema([(name, kinds.get(name, pa.int64())) for name in COLUMNS])
    with pq.ParquetWriter(path, fields, compression="zstd") as writer:
        for group in _groups(rows):
            writer.write_table(pa.Table.from_pylist(group, schema=fields))


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield rows some at a time, so many that they hold :data:`_GROUP` records: a row may be a batch."""
    group, records = list[Row](), 0
    for row in rows:
        group.append(row)
        records += row["records"]
        if records >= _GROUP:
            yield group
            group, records = [], 0
    if group:
        yield group


class _Walk:
    """Rows of a session on their way, each checked to follow from the one before it.

    Attributes
    ----------
    rows : int
        How many have passed.
    last : dict
        The last one of them; its hash is the chain's head.
    digest : hash
        Of all their columns.
    """

    def __init__(self, name: str, session: str) -> None:
        self._name, self._session, self._chain = name, session, chain.Chain(name, session)
        self.rows, self.last, self.digest = 0, Row(), sha256()

    def through(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Hand rows on; JournalError at the first that is wrong, or if there is none."""
        for row in rows:
            if row["session"] != self._session:
                msg = f"{self._name}: record {row['id']} is of session {row['session']!r}, not {self._session!r}; {_FIX}"
                raise JournalError(msg)
            self._chain.links(chain.Row(*(row[field] for field in chain.Row._fields)))
            self.digest.update(msgspec.msgpack.encode([row[name] for name in COLUMNS]))
            self.rows, self.last = self.rows + 1, row
            yield row
        if not self.rows:
            msg = f"{self._name}: holds no record; {_FIX}"
            raise JournalError(msg)


# -------------------------------------------------------------------------- read


def read(folder: str | os.PathLike[str], take: Callable[[list[Row]], object] = nowhere) -> tuple[Manifest, Row]:
    """Return an archive's manifest and last row, after every check: checksum, chain, and that one is of the other.

    Parameters
    ----------
    folder : path
    take : callable
        Called with the rows on their way, some at a time; what is wrong with later ones it does not know yet.

    Raises
    ------
    JournalError
        Naming the file, or the first record, that is not as it was written.
    """
    told, walk = _read(folder, take)
    return told, walk.last


def _read(folder: str | os.PathLike[str], take: Callable[[list[Row]], object] = nowhere) -> tuple[Manifest, _Walk]:
    path = Path(folder)
    told = _told(path / MANIFEST)
    walk = _Walk(str(path), told.session)
    for group in _groups(walk.through(_rows(path / ROWS, told.sha256.get(ROWS, "")))):
        take(group)
    found = (walk.rows, walk.last["id"], walk.last["hash"])
    if found != (told.rows, told.records, told.head):
        msg = f"{path / MANIFEST}: says {told.records} records to head {told.head}; {ROWS} has {found[1]} to {found[2]}; {_FIX}"
        raise JournalError(msg)
    return told, walk


def _told(path: Path) -> Manifest:
    try:
        told = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}; {_FIX}"
        raise JournalError(msg) from None
    except msgspec.MsgspecError as error:
        msg = f"{path}: is damaged, or no archive's: {error}; {_FIX}"
        raise JournalError(msg) from None
    if (told.format, told.schema) != (Manifest.__struct_defaults__[0], SCHEMA):
        msg = f"{path}: {told.format} of schema {told.schema}, known here is {SCHEMA}; read it with the hedgekit that wrote it"
        raise JournalError(msg)
    return told


def _rows(path: Path, wanted: str) -> Iterator[Row]:
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    try:
        if _sum(path) != wanted:
            msg = f"{path}: is damaged: its SHA-256 is not that of the manifest; {_FIX}"
            raise JournalError(msg)
        with pq.ParquetFile(path) as file:
            if missing := [name for name in COLUMNS if name not in file.schema_arrow.names]:
                msg = f"{path}: has no column {missing[0]!r}; {_FIX}"
                raise JournalError(msg)
            for number in range(file.num_row_groups):
                for part in file.iter_batches(_GROUP, row_groups=[number], columns=list(COLUMNS)):
                    yield from part.to_pylist()
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}; {_FIX}"
        raise JournalError(msg) from None
    except (pa.ArrowException, UnicodeDecodeError, ValueError) as error:
        msg = f"{path}: cannot be read as Parquet: {str(error).splitlines()[0]}; {_FIX}"
        raise JournalError(msg) from None


def engine(folder: str | os.PathLike[str], tune: Callable[[sqlite3.Connection, object], None]) -> Engine:
    """Return a database in memory that holds an archive, whole and checked, for a store that reads."""
    made = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    event.listen(made, "connect", tune)
    try:
        with made.connect() as conn:
            schema.prepare(conn, os.fspath(folder))
            told, _ = read(folder, lambda rows: conn.execute(insert(EVENTS), rows))
            if told.idle:
                conn.execute(insert(IDLE).values(session=told.session, instant=told.idle))
            conn.commit()
            conn.exec_driver_sql("PRAGMA query_only=1")
    except BaseException:
        made.dispose()
        raise
    return made
