"""Where jobs and their log are kept: one SQLite file, read as data.

APScheduler has a store of its own, which pickles jobs: who can write the file runs code wherever it is opened, so it is not used. Nor is
its scheduler: that notes a run as done when it starts it, so one that was killed is never missed, and two processes may not share a store.
Here a job is JSON, taken by one process in one transaction, and the log says what became of it. The file is its user's alone; its own
triggers refuse to change or delete a row of the log. A lock, which the run's process has too, keeps a job from running twice at once.

Who is to be told of a failure is written in the same transaction as the failure, and crossed out in that of the word that it was told. So a
scheduler that is killed in between owes it, and the next one tells: a failure is told at least once, and each time under the same id.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.home import home_of
from hedgekit.schedule.job import Job

FILE = "schedule.db"
WAIT_S = 30.0
"""How long a busy file is waited for; a write takes milliseconds."""

STARTED, COMPLETED, FAILED, LATE, KILLED, INTERRUPTED = "started", "completed", "failed", "timed out", "killed", "interrupted"
WAITS, REFUSED, GIVEN_UP, TOLD, NOT_TOLD = "waits", "refused", "given up", "told", "not told"
UNFINISHED = (STARTED, WAITS, KILLED, INTERRUPTED)
"""A run whose last word is one of these is not over."""
_ASIDE = (REFUSED, TOLD, NOT_TOLD)

_MARK = 0x686B7363
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS jobs (name TEXT PRIMARY KEY, body TEXT NOT NULL, added_ns INTEGER NOT NULL, next_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS log (
    number INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, job TEXT NOT NULL, run TEXT NOT NULL, attempt INTEGER NOT NULL, event TEXT NOT NULL,
    due_ns INTEGER NOT NULL, exit_code INTEGER, text TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS log_of_job ON log (job, number);
CREATE TABLE IF NOT EXISTS owed (number INTEGER NOT NULL REFERENCES log (number), sink TEXT NOT NULL, PRIMARY KEY (number, sink));
CREATE TRIGGER IF NOT EXISTS never_change BEFORE UPDATE ON log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER IF NOT EXISTS never_delete BEFORE DELETE ON log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
PRAGMA application_id = {_MARK};
"""


class Planned(NamedTuple):
    """A job as it stands in the store: since when, and when it is due next (UTC ns)."""

    job: Job
    added_ns: int
    next_ns: int


class Entry(NamedTuple):
    """One line of the log.

    Attributes
    ----------
    job, run : str
        The run is named after the job and its due time.
    attempt : int
        From 1 on; its folder is ``folder``.
    event : str
        started, completed, failed, timed out, killed, interrupted; waits (for a retry), given up; refused (one was still at work);
        told, not told (of a failure).
    due_ns : int
        When the run was due, UTC ns.
    exit_code : int or None
        Of the process that ended: 0 done, 1 failed, 2 wrong input, 124 out of time, negative: the signal.
    text : str
        The error, how late it was, and why.
    at_ns : int
        When it was written, UTC ns; set by the store.
    """

    job: str
    run: str
    attempt: int
    event: str
    due_ns: int
    exit_code: int | None = None
    text: str = ""
    at_ns: int = 0

    @property
    def folder(self) -> str:
        """Name of the attempt's folder."""
        return self.run if self.attempt == 1 else f"{self.run}-{self.attempt}"


_COLUMNS = ", ".join(Entry._fields)
_INSERT = f"INSERT INTO log ({_COLUMNS}) VALUES ({', '.join('?' * len(Entry._fields))})"  # noqa: S608 - names of our own


class Store:
    """The schedule's file.

    Parameters
    ----------
    path : path, optional
        ``$HEDGEKIT_HOME/schedule.db``, else the one in the user's data folder.

    Raises
    ------
    ConfigError
        If it is another program's, another user's or may be written by others, or cannot be made.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path).expanduser().resolve() if path is not None else home_of() / FILE
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            own = self.path.stat()
        except OSError as error:
            msg = f"the schedule {self.path} cannot be opened: {error.strerror}; choose another --store"
            raise ConfigError(msg) from None
        if own.st_uid != os.geteuid():
            msg = f"the schedule {self.path} is another user's, who could run anything as you; choose another --store"
            raise ConfigError(msg)
        if own.st_mode & 0o022:
            why = "may be written by others, who could run anything as you"
            msg = f"the schedule {self.path} {why}: chmod 600 {self.path}, or choose another --store"
            raise ConfigError(msg)
        with self._open() as conn:
            mark = int(conn.execute("PRAGMA application_id").fetchone()[0])
            tables = {row[0] for row in conn.execute("SELECT name FROM sqlite_master")}
            if mark != _MARK and tables:
                msg = f"{self.path} is a database, but not a schedule; choose another --store"
                raise ConfigError(msg)
            if "owed" not in tables:
                conn.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")

    # -------------------------------------------------------------------- jobs

    def add(self, job: Job, now_ns: int) -> Planned:
        """Keep a new job, due for the first time after now.

        Raises
        ------
        ConfigError
            If there is one of this name.
        """
        planned = Planned(job, now_ns, job.due_after(now_ns))
        row = (job.name, msgspec.json.encode(job).decode(), now_ns, planned.next_ns)
        with self._open() as conn:
            if not conn.execute("INSERT INTO jobs VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", row).rowcount:
                msg = f"there is a job {job.name} already; choose another name, or `hedgekit schedule remove {job.name}` first"
                raise ConfigError(msg)
        return planned

    def remove(self, name: str) -> None:
        """Forget a job, and whom its failures were still to be told; its log stays, and a run of it that is at work goes on.

        Raises
        ------
        ConfigError
            If there is none.
        """
        with self._all_or_nothing() as conn:
            gone = conn.execute("DELETE FROM jobs WHERE name = ?", (name,)).rowcount
            conn.execute("DELETE FROM owed WHERE number IN (SELECT number FROM log WHERE job = ?)", (name,))
        if not gone:
            raise self._none(name)

    def job(self, name: str) -> Planned:
        """Return one job.

        Raises
        ------
        ConfigError
            If there is none, or it cannot be read.
        """
        with self._open() as conn:
            row = conn.execute("SELECT body, added_ns, next_ns FROM jobs WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise self._none(name)
        return Planned(self._job(name, row[0]), *row[1:])

    def jobs(self, skip: Callable[[ConfigError], object] | None = None) -> list[Planned]:
        """Return all jobs by name.

        Parameters
        ----------
        skip : callable, optional
            Is told why a job cannot be read; the job is left out then.

        Raises
        ------
        ConfigError
            If one cannot be read, and there is no ``skip``.
        """
        with self._open() as conn:
            rows = conn.execute("SELECT name, body, added_ns, next_ns FROM jobs ORDER BY name").fetchall()
        found = []
        for name, body, added, due in rows:
            try:
                found.append(Planned(self._job(name, body), added, due))
            except ConfigError as error:
                if skip is None:
                    raise
                skip(error)
        return found

    def _job(self, name: str, body: str) -> Job:
        try:
            job = msgspec.json.decode(body, type=Job)
        except (msgspec.MsgspecError, ConfigError) as error:
            msg = f"job {name!r} in {self.path} cannot be read: {error}; remove it, and add it again"
            raise ConfigError(msg) from None
        return job

    def _none(self, name: str) -> ConfigError:
        with self._open() as conn:
            names = [row[0] for row in conn.execute("SELECT name FROM jobs ORDER BY name")]
        return ConfigError(f"there is no job {name!r} in {self.path}; there are {', '.join(names) or 'none'}")

    # --------------------------------------------------------------------- log

    def note(self, *entries: Entry, owed: Sequence[str] = ()) -> None:
        """Append lines to the log, all or none; the first is a failure that is still to be told by the sinks of these names."""
        with self._all_or_nothing() as conn:
            for number, entry in enumerate(entries):
                row = conn.execute(_INSERT, entry._replace(at_ns=time.time_ns())).lastrowid
                conn.executemany("INSERT INTO owed VALUES (?, ?)", [(row, sink) for sink in owed if not number])

    def owed(self, name: str) -> list[tuple[int, str, Entry]]:
        """Return a job's failures that are still to be told, the oldest first: number of the line, the sink's name, and the line."""
        query = f"SELECT owed.number, sink, {_COLUMNS} FROM owed JOIN log USING (number) WHERE job = ? ORDER BY owed.number, sink"  # noqa: S608 - names of our own
        with self._open() as conn:
            return [(row[0], row[1], Entry(*row[2:])) for row in conn.execute(query, (name,))]

    def settle(self, number: int, sink: str, entry: Entry) -> None:
        """Say in the log how telling went, and owe it no more."""
        with self._all_or_nothing() as conn:
            conn.execute("DELETE FROM owed WHERE number = ? AND sink = ?", (number, sink))
            conn.execute(_INSERT, entry._replace(at_ns=time.time_ns()))

    def claim(self, planned: Planned, next_ns: int, entry: Entry) -> bool:
        """Take a due time, and say in the log what became of it; False if another process has taken it."""
        with self._all_or_nothing() as conn:
            change = "UPDATE jobs SET next_ns = ? WHERE name = ? AND next_ns = ? AND added_ns = ?"
            taken = conn.execute(change, (next_ns, planned.job.name, planned.next_ns, planned.added_ns)).rowcount == 1
            if taken:
                conn.execute(_INSERT, entry._replace(at_ns=time.time_ns()))
        return taken

    def last(self, planned: Planned) -> Entry | None:
        """Return the newest word on a job's newest run."""
        query = f"SELECT {_COLUMNS} FROM log WHERE job = ? AND at_ns >= ? AND event NOT IN ({', '.join('?' * len(_ASIDE))}) ORDER BY number DESC LIMIT 1"  # noqa: E501, S608 - names of our own
        with self._open() as conn:
            row = conn.execute(query, (planned.job.name, planned.added_ns, *_ASIDE)).fetchone()
        return None if row is None else Entry(*row)

    def count(self, run: str, events: Sequence[str]) -> int:
        """Return how many lines there are of these events about a run."""
        query = f"SELECT COUNT(*) FROM log WHERE run = ? AND event IN ({', '.join('?' * len(events))})"  # noqa: S608 - as above
        with self._open() as conn:
            return int(conn.execute(query, (run, *events)).fetchone()[0])

    def log(self, name: str | None = None, most: int = -1) -> list[Entry]:
        """Return the newest lines of the log, of one job or of all, the oldest first."""
        query = f"SELECT {_COLUMNS} FROM log WHERE ? IS NULL OR job = ? ORDER BY number DESC LIMIT ?"  # noqa: S608 - as above
        with self._open() as conn:
            return [Entry(*row) for row in conn.execute(query, (name, name, most)).fetchall()][::-1]

    # ------------------------------------------------------------------- locks

    def lock(self, name: str, *, telling: bool = False) -> int | None:
        """Return an open file that locks a job, or the telling of its failures; None if it is locked.

        It is free when all who have it have closed it or are gone.
        """
        file = self.path.with_name(f"{self.path.name}.{name}.{'tell' if telling else 'lock'}")
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return fd

    @contextmanager
    def _all_or_nothing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection whose writes are one transaction; an error undoes it."""
        with self._open() as conn:
            conn.execute("BEGIN IMMEDIATE")
            yield conn
            conn.execute("COMMIT")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            conn = sqlite3.connect(self.path, timeout=WAIT_S, isolation_level=None)
            try:
                conn.execute("PRAGMA synchronous = FULL")
                yield conn
            finally:
                conn.close()
        except sqlite3.Error as error:
            msg = f"the schedule {self.path}: {error}; see that it is an SQLite file and that there is room on the disk"
            raise ConfigError(msg) from None
