"""The benchmarks that look at JupyterLab in Chromium still run: tiny sizes, no judgement of a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.perf.__main__ import BROWSER
from tests.perf.smoke import ran


@pytest.mark.parametrize("name", BROWSER)
def test_it_runs(name: str, tmp_path: Path) -> None:
    ran(name, tmp_path)
