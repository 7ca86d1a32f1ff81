"""Start, watch and stop paper sessions from a notebook or a shell.

A session is a process of its own and outlives the notebook: a kernel that is
restarted, a second browser tab, or a cell run twice changes nothing. Its
journal is read, never written; commands are files in its folder (see
:mod:`hedgekit.paper.commands`), and a kill is a signal.

Names are loaded when first used: the host process needs none of them, and stays small.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hedgekit.desk.entries import attach, current, sessions, start, statuses
    from hedgekit.desk.session import PaperSession
    from hedgekit.desk.state import State, Status

_HOME = {
    "PaperSession": "session",
    "State": "state",
    "Status": "state",
    "attach": "entries",
    "current": "entries",
    "sessions": "entries",
    "start": "entries",
    "statuses": "entries",
}

__all__ = ["PaperSession", "State", "Status", "attach", "current", "sessions", "start", "statuses"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    """Load a name when it is first used."""
    if name not in _HOME:
        msg = f"module 'hedgekit.desk' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"hedgekit.desk.{_HOME[name]}"), name)
