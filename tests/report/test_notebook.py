"""The template: what is committed, and where it is found."""

from __future__ import annotations

import ast

import nbformat
import pytest
from nbformat import NotebookNode

from hedgekit.report import notebook_of
from hedgekit.report.parameters import TEMPLATES
from tests.story import check_story


@pytest.fixture(scope="module", params=list(TEMPLATES))
def node(request: pytest.FixtureRequest) -> NotebookNode:
    return nbformat.read(notebook_of(request.param), as_version=4)


def test_it_is_committed_without_outputs(node: NotebookNode) -> None:
    code = [cell for cell in node.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert node.metadata.kernelspec.name == "python3"
    assert "papermill" not in node.metadata
    assert "widgets" not in node.metadata


def test_one_parameters_cell_with_journal_and_session_first(node: NotebookNode) -> None:
    tagged = [cell for cell in node.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    names = [statement.targets[0].id for statement in ast.parse(tagged[0].source).body]  # type: ignore[attr-defined]  # assignments
    assert names[:2] == ["journal", "session"]


def test_it_reads_as_one_story(node: NotebookNode) -> None:
    check_story(node)
