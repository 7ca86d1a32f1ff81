"""Who in this process has which file open: SQLite keeps one view of a file's shared memory for all of a process's connections.

The view is opened as the first connection asks for it. A follower asks for a
read-only one (``source``), and a session that opened the same file after it, in
the same notebook, could not write; a reader would find the file "read-only"
whenever it changes. So followers let go of a file when a session or reader of
this process opens it, and open it like those until the last of them is closed.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Protocol
from weakref import WeakSet

lock = threading.RLock()
"""Held while a follower reads (some 50 ms at most), and for the moment in which the others come and go."""


class Opener(Protocol):
    """What has a file open."""

    file: Path | None

    def let_go(self) -> None:
        """Close its connections; a later use makes new ones."""
        ...


_ordinary: WeakSet[Opener] = WeakSet()
_followers: WeakSet[Opener] = WeakSet()


def enter(opener: Opener, *, follower: bool) -> None:
    """Note who is about to open a file; followers of the file let go of it for an ordinary one."""
    with lock:
        (_followers if follower else _ordinary).add(opener)
        for other in () if follower else [each for each in _followers if each.file == opener.file]:
            other.let_go()


def leave(opener: Opener) -> None:
    """Note that it has closed the file."""
    with lock:
        _ordinary.discard(opener)
        _followers.discard(opener)


def shared(file: Path) -> bool:
    """Return whether a session or reader of this process has the file open."""
    with lock:
        return any(each.file == file for each in _ordinary)
