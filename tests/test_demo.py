"""The demo looks at its session's journal from the first moment on, also while that is being made."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hedgekit import demo


def test_a_journal_that_is_being_made_is_no_error(tmp_path: Path) -> None:
    """No file, an empty file, a database without a table: nothing is reached yet."""
    path = tmp_path / "journal.db"
    assert demo._reached(path) is None
    path.touch()
    assert demo._reached(path) is None
    with sqlite3.connect(path) as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE other (x)")
    made.close()
    assert demo._reached(path) is None
