"""One writer for each session: a lock that dies with its process.

Beside an SQLite file it is a POSIX record lock on ``<file>.<session>.lock``;
it is not inherited by a forked child, so a stray worker cannot keep a session
locked. It belongs to the process, so a second writer inside this process is
refused by a list kept here. In PostgreSQL it is an advisory lock of the
writer's own connection. Who holds a record lock is asked of the kernel, which takes none for it.

A process loses its record lock when it closes the file, by whichever descriptor. So of one's own locks nobody is asked, and
their files are not opened: what they hold and who has them is in the list.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import sys
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from hedgekit.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection

_FLOCK = "qqihh" if sys.platform == "darwin" else "hhqqi"
"""Layout of struct flock: type, whence, start, length, process; macOS has them in another order."""

_held: dict[str, tuple[int, str]] = {}  # lock file, without links -> process that took it (not a child that was forked from it), its words

_ADVISE = "if it hangs, stop that process; to look at the session, open it with mode='read'"


def this_process() -> str:
    """Return who we are, for the error that a second writer gets."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def _refuse(session: str, holder: str) -> JournalError:
    return JournalError(f"session {session!r} is being written by {holder}; {_ADVISE}")


def holder(lock: Path) -> int | None:
    """Return the process that holds a record lock on a file, None if nobody does.

    Raises
    ------
    JournalError
        If the file cannot be opened.
    """
    if (own := _own(lock)) is not None:
        return own[0]
    try:
        fd = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failed(lock, error) from None
    try:
        asked = {"type": fcntl.F_WRLCK, "whence": os.SEEK_SET, "start": 0, "length": 0, "process": 0}
        answer = dict(zip(_order(), struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, _pack(asked))), strict=True))
    finally:
        os.close(fd)
    return None if answer["type"] == fcntl.F_UNLCK else int(answer["process"])


def words(lock: Path) -> str:
    """Return what a lock's file says of its holder, as its holder wrote it."""
    own = _own(lock)
    return lock.read_text(encoding="utf-8", errors="replace") if own is None else own[1]


def _own(lock: Path) -> tuple[int, str] | None:
    """Return this process and its words, if it holds the lock."""
    found = _held.get(os.path.realpath(lock))
    return found if found is not None and found[0] == os.getpid() else None


def _failed(lock: Path, error: OSError) -> JournalError:
    return JournalError(f"{lock}: cannot be locked ({error.strerror}); it must be in a folder that you may write, on a disk with room")


def take(lock: Path, said: str, mode: int = 0o644) -> int | None:
    """Lock a file, made if missing, and write into it what its holder says; return its descriptor, None if it is held.

    Raises
    ------
    JournalError
        If it cannot be made, locked or written.
    """
    if _own(lock) is not None:
        return None
    fd = None
    try:
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(fd, 0)
        os.pwrite(fd, said.encode(), 0)
    except OSError as error:
        if fd is not None:
            os.close(fd)
        if error.errno in (errno.EACCES, errno.EAGAIN) and fd is not None:
            return None
        raise _failed(lock, error) from None
    _held[os.path.realpath(lock)] = (os.getpid(), said)
    return fd


def _order() -> tuple[str, ...]:
    linux = ("type", "whence", "start", "length", "process")
    return ("start", "length", "process", "type", "whence") if sys.platform == "darwin" else linux


def _pack(values: dict[str, int]) -> bytes:
    return struct.pack(_FLOCK, *(values[name] for name in _order()))


class FileLock:
    """An exclusive lock on a file beside the journal.

    Parameters
    ----------
    path : path
        The file.
    session : str
        Who wants it.
    refuse : callable
        Makes the error of (session, holder).

    Raises
    ------
    JournalError
        Or what ``refuse`` makes, if another holds it (the message names it) or the file cannot be made.
    """

    def __init__(self, path: Path, session: str, refuse: Callable[[str, str], Exception] = _refuse) -> None:
        self.path, self._name = path, os.path.realpath(path)
        said = f"{this_process()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        while (fd := take(path, said)) is not None and not self._is_current(fd):
            _let_go(self._name, fd)  # the holder removed this file between our open and our lock
        if fd is None:
            raise refuse(session, f"this {this_process()}" if _own(path) else _told(path))
        self._fd = fd

    def _is_current(self, fd: int) -> bool:
        try:
            return self.path.stat().st_ino == os.fstat(fd).st_ino
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Give the lock back and remove its file, which may stay where that cannot be: it is locked no more."""
        if _held.get(self._name, (0, ""))[0] == os.getpid():
            with suppress(OSError):
                self.path.unlink()
            _let_go(self._name, self._fd)


def _let_go(name: str, fd: int) -> None:
    del _held[name]
    os.close(fd)


def _told(lock: Path) -> str:
    try:
        return words(lock) or "another process"
    except OSError:  # it has just ended
        return "another process"


class AdvisoryLock:
    """A PostgreSQL advisory lock; it ends with the connection ``conn``.

    A killed writer's lock lives until the server sees its socket closed, so a new writer waits up to a second.
    """

    def __init__(self, conn: Connection, session: str) -> None:
        self._conn = conn
        self.key = int.from_bytes(sha256(b"hedgekit.journal:" + session.encode()).digest()[:8], "big", signed=True)
        try:
            conn.execute(text("SET lock_timeout = '1s'"))
            conn.execute(text("SELECT pg_advisory_lock(:key)"), {"key": self.key})
            conn.execute(text("SET lock_timeout = DEFAULT"))
            conn.commit()
        except DBAPIError as error:
            conn.rollback()
            if getattr(error.orig, "sqlstate", None) != "55P03":  # lock_not_available
                raise
            raise _refuse(session, self._holder()) from None

    def _holder(self) -> str:
        found = self._conn.execute(
            text(
                "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
                " WHERE l.locktype = 'advisory' AND l.granted AND (l.classid::bigint << 32) | l.objid::bigint = :key"
            ),
            {"key": self.key},
        ).scalar()
        self._conn.rollback()
        return str(found or "another process").removeprefix("hedgekit ")

    def release(self) -> None:
        """Give the lock back."""
        self._conn.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": self.key})
        self._conn.commit()
