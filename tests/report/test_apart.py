"""What a report's kernel has not: the modules that lie about in the working folder in place of its own, and the keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hedgekit import keys
from hedgekit.report import run_notebook
from hedgekit.report.warm import Warm
from hedgekit.schedule.job import hedgekit
from tests.report.test_run import notebook

RUN = """
import sys
from hedgekit.report import run_notebook
from hedgekit.report.warm import Warm
with Warm() as warm:
    print(run_notebook("n.ipynb", {}, "out", "done", progress=False, warm=warm if sys.argv[1] == "fork" else None).folder)
"""
ENVIRON = "from hedgekit.report import record\nrecord(environ=open('/proc/self/environ').read(), has='HEDGEKIT_REPORT')"


@pytest.fixture
def littered(tmp_path: Path) -> Path:
    """Return a working folder with files that bear the names of modules, and one that is a notebook's own."""
    for name in ("json.py", "random.py", "hedgekit.py", "ipykernel_launcher.py"):
        (tmp_path / name).write_text(f"import os\nos.write(2, b'imported {name}')\nos._exit(9)\n")
    (tmp_path / "mine.py").write_text("WORD = 'of the folder'\n")
    return tmp_path


@pytest.mark.parametrize("how", ["fork", "process"])
def test_files_in_the_working_folder_are_not_imported_as_modules(littered: Path, how: str) -> None:
    notebook(littered / "n.ipynb", "import mine, json, hedgekit.report\nhedgekit.report.record(word=mine.WORD)", parameters="x = 1")
    done = subprocess.run([sys.executable, "-P", "-c", RUN, how], cwd=littered, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "of the folder" in (littered / "out" / "done" / "metrics.json").read_text()


def test_nor_by_the_command_of_a_job(littered: Path) -> None:
    done = subprocess.run(hedgekit("--help"), cwd=littered, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("forked", [True, False])
def test_no_key_is_in_the_environment_that_a_kernel_began_with(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    forked: bool,  # noqa: FBT001 - drawn
) -> None:
    for name in keys.every():
        monkeypatch.setenv(name, f"planted-{name}-{os.urandom(4).hex()}")
    path = notebook(tmp_path / "n.ipynb", ENVIRON, parameters="x = 1")
    with Warm() as warm:
        done = run_notebook(path, {}, tmp_path, "done", progress=False, warm=warm if forked else None)
    told = json.dumps(json.loads((done.folder / "metrics.json").read_text()))
    assert "PATH=" in told  # it did show what it began with
    assert "planted-" not in told
