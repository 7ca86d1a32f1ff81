"""One session and one report run for all tests of the report: both are made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from hedgekit.report import ReportRun, Session, load, run_report
from tests.report import made


@pytest.fixture(scope="session")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a journal with a finished session named ``made``: 632 bars, 29 closed trades, one refused order."""
    return made.write(tmp_path_factory.mktemp("journal") / "journal.db")


@pytest.fixture(scope="session")
def read(journal: Path) -> Session:
    """Return the session, read and assessed."""
    return load(journal, "made")


@pytest.fixture(scope="session")
def report(journal: Path, tmp_path_factory: pytest.TempPathFactory) -> ReportRun:
    """Return the report of the session, run through papermill."""
    return run_report(journal, "made", tmp_path_factory.mktemp("reports"), progress=False)
