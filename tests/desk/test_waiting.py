"""What waiting for a session says while its host writes what became of it."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from hedgekit.desk import State
from hedgekit.desk.session import PaperSession
from hedgekit.desk.state import Folder, Status
from hedgekit.errors import SessionError

KILLED = Status(session="s", account="a", market="m", speed=None, started_ns=0, state=State.KILLED, detail="by SIGKILL")


def test_a_state_that_was_read_before_its_order_was_done_is_read_again(tmp_path: Path) -> None:
    """The host writes that it is closed, then removes the order: who read the state before and looks for orders after sees neither."""
    folder = Folder(tmp_path)
    folder.write(msgspec.structs.replace(KILLED, state=State.CLOSED))
    PaperSession(folder)._check_waiting(KILLED, time.monotonic() + 60.0)


def test_a_session_that_is_over_is_not_waited_for(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write(msgspec.structs.replace(KILLED, state=State.CLOSED))
    session = PaperSession(folder)
    with pytest.raises(SessionError, match=r"is closed .* before what was waited for"):
        session._check_waiting(session.status(), time.monotonic() + 60.0)
