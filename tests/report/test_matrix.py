"""Many reports at once: on this machine's workers, and on a Dask cluster of a real scheduler and two worker processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

from hedgekit.errors import ConfigError
from hedgekit.report import run_matrix, runs
from hedgekit.report.matrix import combinations
from tests.report.test_run import notebook

CELLS = (
    "import os\nfrom hedgekit.report import record\nids = {'pid': os.getpid(), 'worker': os.getppid()}",
    "ratio = 1 / len(session)",
    "record(session=session, **ids)",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return notebook(tmp_path / "small.ipynb", *CELLS, parameters='session = "s"')


def test_a_matrix_is_all_combinations_or_a_list(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("entry: [2.0, 2.5]\nsession: [a, b]\nquick: true\n")
    made = combinations(file)
    assert [(each["entry"], each["session"]) for each in made] == [(2.0, "a"), (2.0, "b"), (2.5, "a"), (2.5, "b")]
    assert all(each["quick"] is True for each in made)
    file.write_text("- session: a\n- session: b\n  entry: 2\n")
    assert combinations(file) == [{"session": "a"}, {"session": "b", "entry": 2}]
    for wrong in ("just words", "[]", "{}", "- a\n- b", "a: [1", "entry: []"):
        file.write_text(wrong)
        with pytest.raises(ConfigError, match=r"m\.yaml"):
            combinations(file)


def test_a_failing_report_does_not_stop_the_others(path: Path, tmp_path: Path) -> None:
    sets = [{"session": "aa"}, {"session": ""}, {"session": "b"}]
    done = run_matrix(path, sets, tmp_path / "out", "m", workers=2, progress=False)
    assert [outcome.folder and outcome.folder.name for outcome in done] == ["m-0001", None, "m-0003"]
    assert "ZeroDivisionError" in done[1].error
    frame = runs(tmp_path / "out").set_index("run").sort_index()
    assert list(frame["status"]) == ["completed", "failed", "completed"]
    assert list(frame["session"].dropna()) == ["aa", "b"]
    assert frame["pid"].dropna().is_unique  # each in a kernel of its own


def test_a_folder_that_cannot_be_written_does_not_stop_the_others(path: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "m-0001" / "run.json").mkdir(parents=True)  # no file can take its place
    done = run_matrix(path, [{"session": "a"}, {"session": "b"}], tmp_path / "out", "m", workers=1, progress=False)
    assert [outcome.folder and outcome.folder.name for outcome in done] == [None, "m-0002"]
    assert "run.json" in done[0].error


def test_a_wrong_set_is_told_by_its_number_before_anything_runs(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"report 2 of the matrix: small.ipynb has no parameter 'sesion' \(did you mean 'session'\?\)"):
        run_matrix(path, [{"session": "a"}, {"sesion": "b"}], tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """Return the address of a scheduler that has two worker processes."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None, "local_directory": str(tmp_path)}
    with LocalCluster(**options) as started:
        yield started.scheduler_address


def test_a_dask_cluster_runs_it(path: Path, tmp_path: Path, cluster: str) -> None:
    command = [sys.executable, "-m", "hedgekit", "report", "run", str(path), "--dask", cluster, "--out", str(tmp_path / "out")]
    (tmp_path / "m.yaml").write_text("session: [a, b, c, d]")
    ran = subprocess.run([*command, "--matrix", str(tmp_path / "m.yaml")], capture_output=True, text=True, timeout=200, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "4 of 4 reports done" in ran.stdout
    frame = runs(tmp_path / "out")
    assert sorted(frame["session"]) == ["a", "b", "c", "d"]
    assert frame["worker"].nunique() == 2
