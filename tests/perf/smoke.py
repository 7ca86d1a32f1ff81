"""A benchmark at its tiny size, as the tests run it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np

from tests.perf.page import Bench, page
from tests.perf.peers.contest import ROOT
from tests.perf.rows import Found


def ran(name: str, folder: Path) -> None:
    """Run it; what it finds must be finite, have its unit and fit the page. Results that differ make it fail by themselves."""
    file = folder / "found.json"
    command = [sys.executable, "-m", f"tests.perf.{name}", "--size", "smoke", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, f"{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
    found = msgspec.json.decode(file.read_bytes(), type=Found)
    assert found.rows or found.curves
    assert all(np.isfinite(row.ours) and row.ours >= 0 and row.unit for row in found.rows)
    assert all(row.theirs is not None and np.isfinite(row.theirs) for row in found.rows if row.peer)
    assert page(Bench({"a processor": "(2 cores)"}, {name: found})).count('class="hk-plot"') >= 1
