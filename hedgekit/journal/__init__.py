"""The journal: append-only events of a session, in SQLite or any database by URL, and what can be read from them."""

from __future__ import annotations

from hedgekit.journal.codec import Entry
from hedgekit.journal.log import Journal, sessions
from hedgekit.journal.store import SessionInfo
from hedgekit.journal.story import Ledger

__all__ = ["Entry", "Journal", "Ledger", "SessionInfo", "sessions"]
