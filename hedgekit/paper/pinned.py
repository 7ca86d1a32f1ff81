"""A session goes on with the module that it began with, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hedgekit.errors import SessionError
from hedgekit.plugins.module import Source
from hedgekit.types import SessionStarted

if TYPE_CHECKING:
    from hedgekit.types import Record


def check_pinned(module: Source | None, session: str, records: Sequence[Record]) -> None:
    """Refuse to go on with another module than the one that the session began with.

    Raises
    ------
    SessionError
        Naming both by their hashes.
    """
    began = records[0].market.get("plugin_sha256", "") if records and isinstance(records[0], SessionStarted) else None
    now = "" if module is None else module.sha256
    if began not in {None, now}:
        msg = (
            f"session {session!r} began with {f'the plugin of hash {began}' if began else 'no plugin'}, "
            f"now it is given {f'that of hash {now}' if now else 'none'}; put the first one back, or start a new session"
        )
        raise SessionError(msg)
