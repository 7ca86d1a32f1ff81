"""The journal: append-only events of a session, in SQLite or any database by URL, and what can be read from them."""

from __future__ import annotations

from hedgekit.journal.codec import Entry
from hedgekit.journal.follow import Follower
from hedgekit.journal.log import Journal, migrate, sessions
from hedgekit.journal.news import News, Standing
from hedgekit.journal.series import Series
from hedgekit.journal.store import SessionInfo
from hedgekit.journal.story import Ledger
from hedgekit.journal.writer import Gather

__all__ = ["Entry", "Follower", "Gather", "Journal", "Ledger", "News", "Series", "SessionInfo", "Standing", "migrate", "sessions"]
