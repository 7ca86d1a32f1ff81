"""A report's parameters: what is wrong with them is told before anything runs, with what was probably meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from hedgekit.errors import ConfigError, JournalError
from hedgekit.report import notebook_of, run_notebook
from hedgekit.report.parameters import checked, defaults_of
from tests.report.test_run import told_of

CELL = 'name = "x"\nlevel: float = 2.0  # sd\nrows = 5\nquick = False\npairs = ["KO"]\nfree = None'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    node = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    show = "from hedgekit.report import record\nrecord(level=level, rows=rows, quick=quick, first=pairs[0], worst=float('nan'))"
    node.cells = [nbformat.v4.new_code_cell(CELL, metadata={"tags": ["parameters"]}), nbformat.v4.new_code_cell(show)]
    nbformat.write(node, tmp_path / "mine.ipynb")
    return tmp_path / "mine.ipynb"


def test_what_a_notebook_takes_is_what_its_cell_assigns(path: Path) -> None:
    assert defaults_of(path) == {"name": "x", "level": 2.0, "rows": 5, "quick": False, "pairs": ["KO"], "free": None}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"level": "2.5"}, {"level": 2.5}),
        ({"level": 3}, {"level": 3.0}),
        ({"rows": "7"}, {"rows": 7}),
        ({"quick": "yes"}, {"quick": True}),
        ({"quick": "off"}, {"quick": False}),
        ({"pairs": '["PEP", "KO"]'}, {"pairs": ["PEP", "KO"]}),
        ({"name": "2.5"}, {"name": "2.5"}),
        ({"free": "as it is"}, {"free": "as it is"}),
    ],
)
def test_a_value_is_read_as_what_the_default_is(path: Path, given: dict[str, Any], read: dict[str, Any]) -> None:
    assert checked(path, given) == read
    assert [type(value) for value in checked(path, given).values()] == [type(value) for value in read.values()]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"levle": "2"}, r"mine.ipynb has no parameter 'levle' \(did you mean 'level'\?\); it takes name, level, rows, quick, pairs, free"),
        ({"zzz": "2"}, r"has no parameter 'zzz'; it takes"),
        ({"level": "high"}, r"parameter level='high' must be a number, as its default 2.0 is"),
        ({"rows": "2.5"}, r"parameter rows='2.5' must be a whole number"),
        ({"rows": True}, r"parameter rows=True must be a whole number"),
        ({"quick": "maybe"}, r"parameter quick='maybe' must be true or false"),
        ({"pairs": "KO"}, r"parameter pairs='KO' must be a JSON list"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(path: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        run_notebook(path, given, path.parent / "out", progress=False)
    assert not (path.parent / "out").exists()


def test_a_report_by_name_by_file_or_by_path(path: Path) -> None:
    assert notebook_of("session") == notebook_of("07_session_report") == notebook_of("07_session_report.ipynb")
    assert notebook_of(path) == path
    with pytest.raises(ConfigError, match=r"no report is called 'sesion' \(did you mean 'session'\?\)"):
        notebook_of("sesion")
    with pytest.raises(ConfigError, match=r"there is no notebook none\.ipynb"):
        notebook_of("none.ipynb")
    path.write_text("no notebook")
    with pytest.raises(ConfigError, match="cannot be read as a notebook"):
        defaults_of(path)


def test_the_only_session_needs_no_name_and_another_is_not_there(journal: Path) -> None:
    assert checked(notebook_of("session"), {"journal": str(journal)}) == {"journal": str(journal), "session": "made"}
    with pytest.raises(JournalError, match="no session 'other'"):
        checked(notebook_of("session"), {"journal": str(journal), "session": "other"})


def test_any_notebook_can_leave_figures_and_its_folder_is_new_each_time(path: Path) -> None:
    runs = [run_notebook(path, {"level": "3", "pairs": '["KO<b>"]'}, path.parent / "out", progress=False) for _ in range(2)]
    figures = {"level": 3.0, "rows": 5, "quick": False, "first": "KO<b>", "worst": None}
    assert [run.metrics for run in runs] == [{"schema": 1, "kind": "mine", "figures": figures, "curves": {}}] * 2
    assert runs[0].folder != runs[1].folder
    assert told_of(runs[0].folder)["parameters"] == {"level": 3.0, "pairs": ["KO<b>"]}
