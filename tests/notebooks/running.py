"""A notebook as its reader runs it: executed from top to bottom, and what it shows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import nbformat
import papermill
from bokeh.document import Document
from bokeh.plotting import figure
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from hedgekit.lab import source
from hedgekit.report.html import page
from hedgekit.report.kernel import ipc_kernel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser import OfflinePage

AXIS = r".+ \((\$|UTC|sd|bars|daily sd)\)"
"""An axis says what is on it, and in what unit."""


def committed(name: str) -> NotebookNode:
    """Return the notebook as it stands in the repository."""
    return nbformat.read(source() / name, as_version=4)


def executed(name: str, folder: Path, probe: str) -> NotebookNode:
    """Run a notebook with its own numbers, and a cell after its last that shows its variables."""
    node = committed(name)
    node.cells.append(new_code_cell(probe))
    nbformat.write(node, folder / "in.ipynb")
    with ipc_kernel() as manager:
        done = papermill.execute_notebook(
            str(folder / "in.ipynb"),
            str(folder / "out.ipynb"),
            kernel_manager_class=manager,
            progress_bar=False,
            cwd=folder,
            execution_timeout=280,
        )
    return NotebookNode(done)


def shown(cell: NotebookNode) -> dict[str, Any]:
    """Return the JSON that a cell displays."""
    (found,) = [output["data"]["application/json"] for output in cell.outputs if "application/json" in output.get("data", {})]
    return dict(found)


def plotted(node: NotebookNode) -> list[Any]:
    """Return every figure in the outputs, as bokeh reads it."""
    pages = [
        output["data"]["text/html"] for cell in node.cells for output in cell.get("outputs", []) if "text/html" in output.get("data", {})
    ]
    items = [re.search(r"embed_item\((\{.*\}),\"hk\w+\"\)</script>", page) for page in pages if 'class="hk-plot"' in page]
    roots = [root for item in items if item for root in Document.from_json(json.loads(item[1])["doc"]).roots]
    assert len(roots) == len(items)
    return [model for root in roots for model in root.references() if isinstance(model, figure)]


def check_figures(node: NotebookNode, count: int) -> None:
    """Assert that there are so many figures, each with a title, and axes with units."""
    plots = plotted(node)
    assert len(plots) == count
    for plot in plots:
        assert plot.title.text
        for axis in (plot.xaxis[0], plot.yaxis[0]):
            assert re.fullmatch(AXIS, axis.axis_label), (plot.title.text, axis.axis_label)


def check_said(node: NotebookNode) -> None:
    """Assert that no warning of a library stands in the outputs: what is written to stderr is a progress bar."""
    said = [output.text for cell in node.cells for output in cell.get("outputs", []) if output.get("name") == "stderr"]
    assert [text for text in said if text.strip() and not re.search(r"\d+/\d+ \[", text)] == []


def check_page(node: NotebookNode, opened: OfflinePage, file: Path, documents: int) -> None:
    """Assert that the notebook's page draws all of its plots and asks nothing of the network."""
    assert not re.findall(r"https?:[^\"]*", "".join(str(cell.get("outputs")) for cell in node.cells))
    file.write_text(page(node, title=file.stem), encoding="utf-8")
    view, requests, errors = opened
    view.goto(file.as_uri())
    view.wait_for_function(f"window.Bokeh && Bokeh.documents.length == {documents} && Bokeh.documents.every(d => d.is_idle)")
    assert (requests, errors) == ([], [])
