"""The trial ledger: every variant that was ever tried, counted once, across notebook re-runs, kernels and processes.

The best of many trials looks good by luck, so the guard (:func:`hedgekit.stats.overfit.guard`) must know how many there were; people
forget, and a notebook's variables die with its kernel. A trial is what was run: the digest of its data, its strategy, its parameters
and the version of the code. Run again it is the same trial, and not counted again.

One append-only SQLite file: where ``$HEDGEKIT_TRIALS`` says, else ``trials.db`` in ``$HEDGEKIT_HOME``, else in the user's data folder,
else where you say. By a URL (``postgresql+psycopg://user@host/database``) it is in PostgreSQL, shared by workers anywhere. Each call is one
transaction: a trial is written and flushed, or there is an error. The file's own triggers refuse to change or delete a row. It uses
SQLite's rollback journal, not WAL: writes are few and short, and the file then also works in a folder that several machines share.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hedgekit.errors import ConfigError, DataError, JournalError
from hedgekit.home import HOME_ENV, home_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hedgekit.trials.server import Server

TRIALS_ENV = "HEDGEKIT_TRIALS"
FILE = "trials.db"
WAIT_S = 30.0
"""How long a busy file is waited for; a write takes milliseconds."""

_MARK = 0x686B7472
"""SQLite's application id of a ledger: another program's database is not taken for one."""

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS trials (
    number INTEGER PRIMARY KEY, study TEXT NOT NULL, trial TEXT NOT NULL, strategy TEXT NOT NULL, data TEXT NOT NULL,
    code TEXT NOT NULL, parameters TEXT NOT NULL, figures TEXT NOT NULL, at_ns INTEGER NOT NULL, UNIQUE (study, trial));
CREATE TRIGGER IF NOT EXISTS never_change BEFORE UPDATE ON trials BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS never_delete BEFORE DELETE ON trials BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
PRAGMA application_id = {_MARK};
"""

_PLAIN = frozenset({int, bool, str, type(None)})  # what JSON knows as it is: looked up first, for each number of each trial

_FIXES = {
    "not a database": "it is not an SQLite file; choose another path",
    "malformed": "the file is damaged; restore it from a copy",
    "locked": "another program keeps it locked; close that, then run again",
    "readonly": "it may not be written; choose another place",
    "full": "make room on the disk, then run again",
    "unable to open": f"see that the folder is there and yours, or set {HOME_ENV}",
}


@cache
def _code() -> str:
    """Return the version of hedgekit that runs (reading it anew for each of a thousand trials costs more than the trials)."""
    return version("hedgekit")


@dataclass(frozen=True, slots=True)
class Trial:
    """One variant that was run.

    Attributes
    ----------
    strategy : str
        Name of the strategy or structure.
    data : str
        Digest of the data it ran on (:func:`data_digest`).
    parameters : mapping of str
        All of them, costs too: numbers, texts, booleans, None, and lists or mappings of these. 2 and 2.0 are the same.
    figures : mapping of str to float
        Its headline figures, for example ``{"sharpe": .08}`` per bar; NaN where one has no meaning. Not part of its identity.
    code : str
        Version of the code; this hedgekit's by default. Add the hash of a signal of your own.
    """

    strategy: str
    data: str
    parameters: Mapping[str, Any]
    figures: Mapping[str, float] = field(default_factory=dict)
    code: str = field(default_factory=_code)

    @property
    def hash(self) -> str:
        """Return what makes it this trial: SHA-256 of strategy, data, parameters and code.

        Raises
        ------
        ConfigError
            If a parameter cannot be written down, or a name is empty.
        """
        return self.named()[0]

    def named(self) -> tuple[str, str]:
        """Return the hash, and the parameters as JSON."""
        for name in ("strategy", "data", "code"):
            _text(name, getattr(self, name))
        parameters = json.dumps(_plain(self.parameters, "parameters"), sort_keys=True)
        body = json.dumps([self.strategy, self.data, self.code])[:-1]
        return hashlib.sha256(f"{body}, {parameters}]".encode()).hexdigest(), parameters


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of the trials that were handed in.

    Attributes
    ----------
    new : int
        Trials counted now.
    known : int
        Trials that had been counted before, or twice in this call.
    differing : tuple of str
        Hashes of known trials whose figures differ from those recorded (by more than a part in a billion): then something that makes a
        difference is neither in the parameters nor in the data nor in the code version, and trials may be under-counted.
    """

    new: int
    known: int
    differing: tuple[str, ...]


def data_digest(data: ArrayLike | pd.DataFrame | pd.Series) -> str:
    """Return the SHA-256 of a frame, series or array: its values, and for pandas its index and column names.

    Raises
    ------
    DataError
        If the data have no numbers or texts that can be hashed.
    """
    digest = hashlib.sha256()
    if isinstance(data, pd.Series | pd.DataFrame):
        frame = data.to_frame() if isinstance(data, pd.Series) else data
        digest.update(json.dumps([str(name) for name in frame.columns]).encode())
        try:
            digest.update(pd.util.hash_pandas_object(frame, index=True).to_numpy().tobytes())
        except TypeError as error:
            msg = f"the data cannot be hashed ({error}); give columns of numbers, times or texts"
            raise DataError(msg) from None
        return digest.hexdigest()
    values = np.ascontiguousarray(data)
    if values.dtype == object:
        msg = "the data are Python objects; give an array of numbers or a DataFrame"
        raise DataError(msg)
    digest.update(f"{values.dtype.str}{values.shape}".encode())
    digest.update(values.tobytes())
    return digest.hexdigest()


def record(
    study: str, trials: Trial | Sequence[Trial], *, at_ns: int | None = None, where: str | os.PathLike[str] | None = None
) -> Recorded:
    """Write trials down, all or none, and return how many were new.

    Safe from several threads and processes at once. For a sweep hand in many at a time: each call flushes the disk once.

    Parameters
    ----------
    study : str
        What is being searched for, for example "KO~PEP z-score". Choose one name for all notebooks that look for the same thing.
    trials : Trial or sequence of Trial
    at_ns : int, optional
        When, in ns since 1970 UTC; now by default.
    where : path or URL, optional
        The ledger's file, an existing folder to hold it, or a PostgreSQL database.

    Returns
    -------
    Recorded

    Raises
    ------
    ConfigError
        If a name, parameter or figure cannot be written down; then nothing is written.
    JournalError
        If the file cannot be opened or written, is locked for more than 30 s, damaged, or another program's; nothing was written then.
    """
    _text("study", study)
    given = [trials] if isinstance(trials, Trial) else list(trials)
    now = time.time_ns() if at_ns is None else at_ns
    rows = [_row(study, trial, now) for trial in given]
    lost = f"; {len(rows)} trial{'s were' if len(rows) != 1 else ' was'} not counted"
    server = _server(where)
    if server is not None:
        return _recorded(rows, *server.record(rows, lost))
    path = ledger(where)
    with _told(path, lost), closing(_opened(path)) as conn, conn:
        conn.execute("BEGIN IMMEDIATE")
        return _insert(conn, rows)


def count(study: str, *, where: str | os.PathLike[str] | None = None) -> int:
    """Return how many trials of a study were made; 0 if it is not known.

    Raises
    ------
    JournalError
        If the ledger cannot be read.
    """
    _text("study", study)
    found = _read("SELECT COUNT(*) FROM trials WHERE study = ?", (study,), where)
    return int(found[0][0]) if found else 0


def studies(*, where: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Return the studies of the ledger: index ``study``, columns ``trials`` and ``first``, ``last`` (UTC)."""
    found = _read("SELECT study, COUNT(*), MIN(at_ns), MAX(at_ns) FROM trials GROUP BY study ORDER BY study", (), where)
    frame = pd.DataFrame(found, columns=["study", "trials", "first", "last"]).set_index("study")
    return frame.assign(**{name: _utc(frame[name]) for name in ("first", "last")})


def trials(study: str, *, where: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Return the trials of a study, in the order in which they were first made.

    Returns
    -------
    DataFrame
        Index ``trial`` (its hash); columns ``strategy``, ``data``, ``code``, ``at`` (UTC), and each parameter and figure under
        ``parameter.<name>`` and ``figure.<name>`` (missing where a trial has none). Empty if the study is not known.

    Raises
    ------
    JournalError
        If the ledger cannot be read.
    """
    _text("study", study)
    query = "SELECT trial, strategy, data, code, at_ns, parameters, figures FROM trials WHERE study = ? ORDER BY number"
    found = _read(query, (study,), where)
    frame = pd.DataFrame([row[:5] for row in found], columns=["trial", "strategy", "data", "code", "at"]).set_index("trial")
    frame["at"] = _utc(frame["at"])
    extra = [
        {f"parameter.{k}": v for k, v in json.loads(row[5]).items()} | {f"figure.{k}": v for k, v in json.loads(row[6]).items()}
        for row in found
    ]
    return frame.join(pd.DataFrame(extra, index=frame.index)) if extra else frame


def ledger(where: str | os.PathLike[str] | None = None) -> Path:
    """Return the ledger's file: ``where`` or $HEDGEKIT_TRIALS (a file, or a folder), else in $HEDGEKIT_HOME or the user's data folder."""
    where = where or os.environ.get(TRIALS_ENV) or None
    if where is None:
        return home_of() / FILE
    path = Path(where).expanduser().resolve()
    return path / FILE if path.is_dir() else path


def _server(where: str | os.PathLike[str] | None) -> Server | None:
    """Return the ledger on a server, None if it is a file."""
    text = os.fspath(where or os.environ.get(TRIALS_ENV) or "")
    if "://" not in text:
        return None
    from hedgekit.trials.server import Server  # noqa: PLC0415 - SQLAlchemy, which the file does without

    return Server(text)


def _recorded(rows: list[tuple[Any, ...]], fresh: set[str], stored: Mapping[str, str]) -> Recorded:
    """Say what became of rows: those that are new once, all others against what stands in the ledger."""
    differing, left = [], set(fresh)
    for row in rows:
        if row[1] in left:
            left.remove(row[1])
        elif not _same(json.loads(stored[row[1]]), json.loads(row[6])):
            differing.append(row[1])
    return Recorded(len(fresh), len(rows) - len(fresh), tuple(differing))


def _opened(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        msg = f"unable to open database file ({error.strerror})"
        raise sqlite3.OperationalError(msg) from None
    conn = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)
    try:
        _check(conn, path)
        conn.execute("PRAGMA synchronous = FULL")
        if not _is_ledger(conn):
            conn.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
    except BaseException:
        conn.close()
        raise
    return conn


def _read(query: str, values: tuple[str, ...], where: str | os.PathLike[str] | None) -> list[tuple[Any, ...]]:
    server = _server(where)
    if server is not None:
        return server.read(query, values)
    path = ledger(where)
    with _told(path):
        if not path.exists():
            return []
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=WAIT_S)) as conn:
            _check(conn, path)
            return conn.execute(query, values).fetchall() if _is_ledger(conn) else []


def _is_ledger(conn: sqlite3.Connection) -> bool:
    return int(conn.execute("PRAGMA application_id").fetchone()[0]) == _MARK


def _check(conn: sqlite3.Connection, path: Path) -> None:
    """Refuse another program's database."""
    tables = conn.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    if tables and not _is_ledger(conn):  # in this order: another process may be making the ledger, mark and table at once
        msg = f"{path}: a database, but not a trial ledger; choose another path"
        raise JournalError(msg)


def _insert(conn: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> Recorded:
    new, differing = 0, []
    for row in rows:
        done = conn.execute(
            "INSERT INTO trials (study, trial, strategy, data, code, parameters, figures, at_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (study, trial) DO NOTHING",
            row,
        )
        new += done.rowcount
        if not done.rowcount:
            before = conn.execute("SELECT figures FROM trials WHERE study = ? AND trial = ?", row[:2]).fetchone()[0]
            if not _same(json.loads(before), json.loads(row[6])):
                differing.append(row[1])
    return Recorded(new, len(rows) - new, tuple(differing))


def _same(one: dict[str, float], two: dict[str, float]) -> bool:
    def equal(a: float, b: float) -> bool:
        return math.isclose(a, b, rel_tol=1e-9) or (math.isnan(a) and math.isnan(b))

    return one.keys() == two.keys() and all(equal(one[name], two[name]) for name in one)


def _row(study: str, trial: Trial, now: int) -> tuple[Any, ...]:
    key, parameters = trial.named()
    figures = {}
    for name, value in trial.figures.items():
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            msg = f"figure {name!r} is {value!r}: must be a number, NaN if it has no meaning"
            raise ConfigError(msg)
        figures[str(name)] = float(value)
    return (study, key, trial.strategy, trial.data, trial.code, parameters, json.dumps(figures, sort_keys=True), now)


def _plain(value: Any, name: str) -> Any:  # noqa: ANN401 - whatever a parameter may be, one return for each kind
    """Return a parameter as JSON knows it, so that the same value always gives the same text; refuse what has no such form."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, np.generic):
        return _plain(value.item(), name)
    if isinstance(value, int | str):
        return int(value) if isinstance(value, int) else str(value)
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: item if type(item) in _PLAIN else _plain(item, f"{name}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{name}[{i}]") for i, item in enumerate(value)]
    msg = f"{name} is {value!r} ({type(value).__name__}): write it as a finite number, text, boolean, None, list or mapping of these"
    raise ConfigError(msg)


def _text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        msg = f"{name}={value!r}: must be a text that is not empty"
        raise ConfigError(msg)


def _utc(ns: pd.Series) -> pd.Series:
    return pd.to_datetime(ns.astype("int64"), unit="ns", utc=True)


@contextmanager
def _told(path: Path, lost: str = "") -> Iterator[None]:
    """Turn SQLite's error into one line with the fix."""
    try:
        yield
    except sqlite3.Error as error:
        said = str(error)
        fix = next((fix for sign, fix in _FIXES.items() if sign in said), "see that the file is there and whole")
        msg = f"{path}: {said}; {fix}{lost}"
        raise JournalError(msg) from None
