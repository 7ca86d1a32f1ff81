"""Each test file of a notebook says which (``NAME``), and what of its variables is shown after its last cell (``PROBE``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.notebooks.running import executed, shown

if TYPE_CHECKING:
    from nbformat import NotebookNode


@pytest.fixture(scope="module")
def ran(request: pytest.FixtureRequest, own_home: None, tmp_path_factory: pytest.TempPathFactory) -> NotebookNode:
    """Return the notebook as it ran, with its own numbers, in a home and a ledger of its own."""
    del own_home  # it is in force
    return executed(request.module.NAME, tmp_path_factory.mktemp("notebook"), request.module.PROBE)


@pytest.fixture(scope="module")
def held(ran: NotebookNode) -> dict[str, Any]:
    """Return what the cell after the last shows."""
    return shown(ran.cells[-1])
