"""How a follower opens a journal so that it can stand in nobody's way; what it reads is in ``stretch``.

A notebook kernel may be stopped at any instruction, also inside SQLite, and
keeps the locks that it has then. So a follower only ever takes shared locks:

- A new file is left alone until its writer has made it a WAL database: before
  that, a reader's shared lock would keep the writer from doing so.
- The shared memory beside the file is opened read-only (``readonly_shm``). An
  ordinary reader that finds it stale, after ``kill -9`` of the writer, repairs
  it under the writer's own lock; this one reads the log into its own memory.
- While a session or reader of the same process has the file open, it is opened
  like those do (``sharing``): what stops the follower stops them too.
- Where no log lies beside the file nobody has it open: it is read without any
  lock, and what was read counts only if the file is still as it was before.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from hedgekit.errors import JournalError
from hedgekit.journal import sharing, stretch
from hedgekit.journal.store import Store, check_name, locate
from hedgekit.journal.stretch import Stretch

PATIENCE_S = 5.0
"""How long a file may be busy (its writer is starting, ending or repairing it) before that is an error."""

_PASSING = ("locked", "unable to open", "readonly database", "locking protocol")
"""SQLite's words for a file that its writer opens, closes or repairs at this moment."""


class _Look(NamedTuple):
    """A file as it stands: how it may be opened, and what must stay the same while it is open."""

    way: str
    file: int | None = None
    beside: tuple[int, ...] = ()

    @property
    def state(self) -> tuple[object, ...]:
        """What must stay the same while it is read; who else of this process has it open may change."""
        return self.way.replace("joined", "shared"), self.file, self.beside


_OPTIONS = {
    "shared": {"uri": "true", "mode": "ro", "readonly_shm": "1"},
    "joined": {"uri": "true", "mode": "ro"},
    "alone": {"uri": "true", "mode": "ro", "immutable": "1"},
    "copied": {"uri": "true", "mode": "ro"},
    "server": {},
}


def _look(file: Path) -> _Look:
    """Return how a file may be opened now; the way "" is: not yet."""
    try:
        here = file.stat()
    except FileNotFoundError:
        return _Look("")
    if not here.st_size or Path(f"{file}-journal").exists():
        return _Look("", here.st_ino)  # being made
    try:
        return _Look("joined" if sharing.shared(file) else "shared", here.st_ino, (Path(f"{file}-shm").stat().st_ino,))
    except FileNotFoundError:
        pass
    try:
        log = Path(f"{file}-wal").stat()
    except FileNotFoundError:
        return _Look("alone", here.st_ino, (here.st_size, here.st_mtime_ns))
    made_s = time.time() - log.st_ctime  # a writer makes the shared memory right after the log; else both are a copy
    return _Look("copied" if made_s > PATIENCE_S else "", here.st_ino)


class Source:
    """One session of a journal, read in short stretches.

    Parameters
    ----------
    where : str or path
        A file or database URL; the file need not be there yet.
    session : str
        The session's name.
    """

    def __init__(self, where: str | os.PathLike[str], session: str) -> None:
        self.session = check_name(session)
        self._where = where
        url = locate(where)
        self._file = Path(str(url.database)) if url.get_backend_name() == "sqlite" else None
        self.name = str(self._file) if self._file else url.render_as_string(hide_password=True)
        self._store: Store | None = None
        self._made = False
        self._opened = _Look("")
        self._inode: int | None = None
        self._busy_since: float | None = None

    def close(self) -> None:
        """Let go of the database."""
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def read(self, after: int, limit: int, bodies: int) -> Stretch:
        """Return at most ``limit`` records with ``id > after``, of which at most ``bodies`` are no quotes.

        Raises
        ------
        JournalError
            If the database cannot be read, its schema is of another version, records are missing, or the file is another than before.
        """
        with sharing.lock:
            return self._stretch(after, limit, bodies)

    def _stretch(self, after: int, limit: int, bodies: int) -> Stretch:
        look = self._now()
        if not look.way:
            return Stretch(after)
        if look != self._opened:
            self.close()
        try:
            found = self._read(look, after, limit, bodies)
        except JournalError as error:
            self.close()
            if self._now().state == look.state and not self._passes(error):
                raise
            return Stretch(after)
        self._busy_since = None
        if self._now().state != look.state:  # read while it changed
            self.close()
            return Stretch(after)
        self._inode = look.file
        return found

    def _now(self) -> _Look:
        look = _look(self._file) if self._file else _Look("server")
        if self._inode is not None and look.file != self._inode:
            msg = f"{self.name}: was removed or replaced while it was followed; follow the session anew"
            raise JournalError(msg)
        return look

    def _passes(self, error: JournalError) -> bool:
        """Whether an error is one of a moment, and has not lasted."""
        if not self._file or not any(sign in str(error) for sign in _PASSING):
            return False
        now = time.monotonic()
        self._busy_since = self._busy_since or now
        return now - self._busy_since < PATIENCE_S

    def _read(self, look: _Look, after: int, limit: int, bodies: int) -> Stretch:
        if self._store is None:
            self._store, self._opened = Store(self._where, write=False, follow=_OPTIONS[look.way]), look
            self._made = False
        store = self._store
        with store.told(), store.engine.connect() as conn:
            self._made = self._made or store.made(conn)
            return stretch.read(conn, self.name, self.session, after, limit, bodies) if self._made else Stretch(after)
