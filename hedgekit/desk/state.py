"""What is known of a session from outside: its folder, and the state that its host writes.

The host writes ``state.json`` by rename, whole or not at all. Readers believe
it only as far as the locks agree: a host that is gone cannot say so itself.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

import msgspec

from hedgekit.errors import JournalError, SessionError
from hedgekit.journal import Journal
from hedgekit.journal.lock import holder


class State(StrEnum):
    """How a session is.

    ``killed`` and ``failed`` sessions wait for a restart with their exchange standing still;
    ``closed`` and ``lost`` ones cannot go on: their sandbox is gone.
    """

    STARTING = "starting"
    RUNNING = "running"
    ENDED = "ended"
    KILLED = "killed"
    FAILED = "failed"
    CLOSED = "closed"
    LOST = "lost"
    REFUSED = "refused"


ALIVE = frozenset({State.STARTING, State.RUNNING})
RESTARTABLE = frozenset({State.KILLED, State.FAILED})


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A session as its host last described it.

    ``speed`` is rows of the tape a second, None for as fast as the session can; ``started_ns`` is the wall clock's.
    """

    session: str
    account: str
    market: str
    speed: float | None
    started_ns: int
    state: State = State.STARTING
    detail: str = ""
    restarts: int = 0


class Folder:
    """Names and files of one session's folder."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.session = self.path.name
        self.journal = self.path / "journal.db"
        self.config = self.path / "session.json"
        self.market = self.path / "market.json"
        self.commands = self.path / "commands"
        self.orders = self.path / "host"
        self.gauges = self.path / "gauges.json"
        self.faults = self.path / "faults"
        self.faulted = self.path / "faults.json"
        self.host_lock = self.path / "host.lock"
        self._state = self.path / "state.json"

    @property
    def session_pid(self) -> int | None:
        """The process that trades: the one that holds the journal's lock; None if there is none."""
        return holder(self.path / f"journal.db.{self.session}.lock")

    def begun(self) -> bool:
        """Whether the session's process is there, and its journal has begun."""
        if self.session_pid is None:
            return False
        try:
            with Journal.open(self.journal, self.session, mode="read"):
                return True
        except JournalError:  # not made yet, or empty
            return False

    @property
    def host_pid(self) -> int | None:
        """The process that looks after sandbox and session; None if it is gone."""
        return holder(self.host_lock)

    def write(self, status: Status) -> Status:
        """Replace the state."""
        draft = self.path / f".state.{os.getpid()}"
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(status), indent=2))
        draft.replace(self._state)
        return status

    def written(self) -> Status:
        """Return the state as it was last written.

        Raises
        ------
        SessionError
            If there is no such session.
        """
        try:
            return msgspec.json.decode(self._state.read_bytes(), type=Status)
        except FileNotFoundError:
            msg = f"there is no session {self.session!r} in {self.path.parent}; desk.sessions() lists them"
            raise SessionError(msg) from None
        except msgspec.MsgspecError as error:
            msg = f"{self._state} is not a session's state: {error}; it was written by another version, or by hand"
            raise SessionError(msg) from None

    def log(self, name: str) -> str:
        """Return the last line of a log, or that it is empty."""
        try:
            lines = (self.path / f"{name}.log").read_text(errors="replace").strip().splitlines()
        except FileNotFoundError:
            lines = []
        return lines[-1] if lines else "no message"
