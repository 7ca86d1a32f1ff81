"""Where a test of the journal puts its file, and a database server for those that want one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journal.server import Server


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Return the URL of a PostgreSQL server; each test writes sessions of its own names, or into a place of its own (``fresh``)."""
    made = Server()
    yield made.url
    made.remove()
