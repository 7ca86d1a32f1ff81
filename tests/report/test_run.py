"""Running the notebook: what is left on disk when it works, and when it does not."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest

from hedgekit.errors import ConfigError, JournalError, ReportError, ReportTimeout
from hedgekit.report import ReportRun, run_notebook, run_report
from hedgekit.report.kernel import ipc_kernel
from hedgekit.report.warm import Warm

PARAMETERS = 'journal = "j"\nsession = "s"'


def notebook(path: Path, *cells: str, parameters: str = PARAMETERS) -> Path:
    """Write a notebook with a parameters cell and these code cells."""
    node = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    node.cells = [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}), *map(nbformat.v4.new_code_cell, cells)]
    nbformat.write(node, path)
    return path


def run(path: Path, journal: Path, out: Path, **options: Any) -> ReportRun:
    return run_notebook(path, {"journal": str(journal), "session": "made"}, out, "made", progress=False, **options)


def told_of(folder: Path) -> dict[str, Any]:
    """Return what a run says of itself."""
    return dict(json.loads((folder / "run.json").read_text()))


@pytest.fixture(autouse=True, scope="module")
def own_tmp() -> Iterator[None]:
    """Give these tests a folder for temporary files of their own: others run reports at the same time."""
    with tempfile.TemporaryDirectory(prefix="r") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


def kernels() -> set[str]:
    """Return the processes that are or start kernels of these tests, by their command lines."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line, environment = (file.read_bytes() for file in (entry, entry.with_name("environ")))
        except OSError:
            continue
        if re.search(rb"ipykernel_launcher|hedgekit\.report\.warm", line) and f"TMPDIR={tempfile.gettempdir()}\0".encode() in environment:
            found.add(f"{entry.parent.name} {line.decode()}")
    return found


def folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("hk-*"))


def test_a_run_leaves_the_page_and_the_executed_notebook(report: ReportRun) -> None:
    assert sorted(path.name for path in report.path_html.parent.iterdir()) == ["metrics.json", "report.html", "report.ipynb", "run.json"]
    node = nbformat.read(report.path_ipynb, as_version=4)
    assert node.metadata.papermill.exception is None
    assert all(cell.execution_count for cell in node.cells if cell.cell_type == "code")


def test_a_failing_cell_is_named_and_the_old_report_stays(journal: Path, tmp_path: Path) -> None:
    old = tmp_path / "made" / "report.html"
    old.parent.mkdir()
    old.write_text("old")
    broken = notebook(tmp_path / "broken.ipynb", "print('before')", "ratio = 1 / 0", "print('after')")
    with pytest.raises(ReportError, match=r"cell 6 \(ratio = 1 / 0\): ZeroDivisionError: division by zero") as told:
        run(broken, journal, tmp_path)
    partial = tmp_path / "made" / "report.failed.ipynb"
    assert str(partial) in str(told.value)
    node = nbformat.read(partial, as_version=4)
    assert node.metadata.papermill.exception is True
    assert [c.metadata.papermill.status for c in node.cells if "papermill" in c.metadata and c.cell_type == "code"][-3:] == [
        "completed",
        "failed",
        "pending",
    ]
    assert node.cells[5].outputs[0].ename == "ZeroDivisionError"  # the sixth, as the message says
    assert old.read_text() == "old"
    assert not (tmp_path / "made" / "report.ipynb").exists()
    told_now = told_of(old.parent)
    assert (told_now["status"], told_now["ended"] is not None) == ("failed", True)
    assert "ZeroDivisionError: division by zero" in told_now["error"]


def test_running_out_of_time_is_told_as_such(journal: Path, tmp_path: Path) -> None:
    before = folders()
    slow = notebook(tmp_path / "slow.ipynb", "import time", "time.sleep(60)", "print('after')")
    with pytest.raises(ReportTimeout, match=r"\(time.sleep\(60\)\): ran out of time after 4 s"):
        run(slow, journal, tmp_path, timeout_s=4)
    node = nbformat.read(tmp_path / "made" / "report.failed.ipynb", as_version=4)
    assert node.metadata.papermill.exception is True
    status = {cell.source: cell.metadata.papermill.status for cell in node.cells if cell.cell_type == "code"}
    assert status["time.sleep(60)"] == "failed"
    assert status["print('after')"] == "pending"
    assert "ran out of time" in node.cells[0].source
    assert told_of(tmp_path / "made")["status"] == "timed out"
    assert folders() == before
    assert not kernels()


def test_a_dying_kernel_is_told(journal: Path, tmp_path: Path) -> None:
    dead = notebook(tmp_path / "dead.ipynb", "import os", "os._exit(1)")
    with pytest.raises(ReportError, match=r"\(os._exit\(1\)\): the kernel died"):
        run(dead, journal, tmp_path)


@pytest.mark.parametrize("forked", [True, False])
def test_the_kernel_speaks_over_unix_sockets_and_leaves_nothing(tmp_path: Path, forked: bool) -> None:  # noqa: FBT001 - drawn
    before = folders()
    told = "import json, os; print(json.load(open(os.environ['IPYTHONDIR'] + '/kernel.json')))"
    sockets = "print(sorted(name for name in os.listdir(os.environ['IPYTHONDIR']) if name.startswith('k-')))"
    with ExitStack() as stack:
        manager = stack.enter_context(ipc_kernel(stack.enter_context(Warm()) if forked else None))
        node = papermill.execute_notebook(
            str(notebook(tmp_path / "n.ipynb", told, sockets)),
            str(tmp_path / "out.ipynb"),
            {"session": "x"},
            progress_bar=False,
            kernel_manager_class=manager,
        )
    outputs = [output for cell in node.cells for output in cell.get("outputs", [])]
    said = "".join(output.text for output in outputs)
    assert "'transport': 'ipc'" in said
    assert "['k-1', 'k-2', 'k-3', 'k-4', 'k-5']" in said
    assert {output.name for output in outputs} == {"stdout"}
    assert folders() == before
    assert not kernels()


def test_two_runs_beside_each_other_do_not_meet() -> None:
    with ipc_kernel() as one, ipc_kernel() as two:
        assert one(kernel_name="python3").ip != two(kernel_name="python3").ip


def test_a_missing_journal_or_session_is_told_before_anything_runs(journal: Path, tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no such journal"):
        run_report(tmp_path / "none.db", "made", tmp_path, progress=False)
    with pytest.raises(JournalError, match=r"no session 'other'.*made"):
        run_report(journal, "other", tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(journal: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot make the report folder"):
        run_report(journal, "made", tmp_path / "file" / "reports", progress=False)


def test_a_folder_that_cannot_be_written_is_told(journal: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot (write to|make) the report folder /proc"):  # not even root may
        run_report(journal, "made", "/proc", progress=False)


def test_ctrl_c_leaves_no_kernel_and_no_socket(journal: Path, tmp_path: Path) -> None:
    before, begun = folders(), tmp_path / "begun"
    slow = notebook(tmp_path / "slow.ipynb", f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(60)")
    values = {"journal": str(journal), "session": "made"}
    code = f"from hedgekit.report import run_notebook; run_notebook({str(slow)!r}, {values!r}, {str(tmp_path)!r}, 'made', progress=False)"
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
        text=True,
    )
    end = time.monotonic() + 60
    while not begun.exists():
        assert child.poll() is None, child.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in child.communicate(timeout=30)[1]
    assert not kernels()
    assert folders() == before
    node = nbformat.read(tmp_path / "made" / "report.failed.ipynb", as_version=4)
    assert "interrupted" in node.cells[0].source
    assert told_of(tmp_path / "made")["status"] == "interrupted"


@pytest.mark.parametrize("where", ["me:hunter2@127.0.0.1/x", "127.0.0.1/x?user=me&password=hunter2", "127.0.0.1/x?pass%77ord=hunter2"])
def test_a_password_never_reaches_a_notebook(tmp_path: Path, where: str) -> None:
    with pytest.raises(ConfigError, match="PGPASSWORD") as told:
        run_report(f"postgresql+psycopg://{where}", "made", tmp_path, progress=False)
    assert "hunter2" not in str(told.value)


def test_an_address_that_is_none_is_said_without_its_password(tmp_path: Path) -> None:
    """What stands after an @ in a password is read as host and port."""
    with pytest.raises(JournalError, match="the journal's address is not a database URL") as told:
        run_report("postgresql+psycopg://me:x@y:hunter2@127.0.0.1/x", "made", tmp_path, progress=False)
    assert "hunter2" not in str(told.value)
