"""One JupyterLab for all tests of this folder, and the end of every session that they start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.browser import OfflineBrowser
from tests.desk.made import ended
from tests.lab import Lab, LabPage, write_notebook


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return a running JupyterLab on an empty folder."""
    base = tmp_path_factory.mktemp("lab")
    root = base / "notebooks"
    root.mkdir()
    with Lab(root, base) as running:
        yield running
    ended(running.home)


@pytest.fixture
def notebook(lab: Lab, browser: OfflineBrowser, request: pytest.FixtureRequest) -> Iterator[Callable[..., LabPage]]:
    """Return a function that writes a notebook of these cells and opens it; with no cells it opens the same one again."""
    name = f"{request.node.name.removeprefix('test_')[:60]}.ipynb"
    opened: list[LabPage] = []

    def open_page(cells: Sequence[str] = (), *, width: int = 1280, height: int = 1000) -> LabPage:
        if cells:
            write_notebook(Path(lab.root, name), cells)
        opened.append(LabPage(lab, browser, name, width=width, height=height))
        return opened[-1]

    yield open_page
    for page in opened:
        page.close()
    lab.shut(name)
    for page in opened:
        assert page.errors() == []
        assert page.strangers() == []
