"""The paper-trading notebook: as it is committed, and from top to bottom under papermill."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import nbformat
import papermill
import pytest
from nbformat import NotebookNode

from hedgekit import desk
from hedgekit.lab import STORY, source
from hedgekit.report.kernel import ipc_kernel
from tests.desk.made import ended
from tests.notebooks.running import check_said
from tests.story import check_story


@pytest.fixture(scope="module")
def node() -> NotebookNode:
    return nbformat.read(source() / STORY, as_version=4)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HEDGEKIT_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"
    ended(tmp_path / "home")


def test_it_reads_as_one_story(node: NotebookNode) -> None:
    check_story(node, programs=(ast.FunctionDef, ast.If))


def test_it_runs_under_papermill(home: Path, tmp_path: Path) -> None:
    """Two sessions start, trade, are killed, restarted, flattened and stopped; both journals replay; nothing is left."""
    parameters = {"speed": 150.0, "trades": 1, "real_speed": 300.0, "real_days": 320, "account": "t"}
    with ipc_kernel() as manager:
        papermill.execute_notebook(
            str(source() / STORY),
            str(tmp_path / "out.ipynb"),
            parameters,
            kernel_manager_class=manager,
            progress_bar=False,
            cwd=tmp_path,
            execution_timeout=120,
        )
    found = desk.sessions(folder=home)
    assert sorted(found["account"]) == ["t", "t-real"]
    assert set(found["state"]) == {"ended"}
    assert sorted(found["restarts"]) == [0, 1]
    done = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    check_said(done)
    text = "".join(str(output) for cell in done.cells for output in cell.get("outputs", []))
    assert "Replay(decisions=" in text
    assert "PaperDesk on account 't'" in text, "where widgets do not live, words stand"
