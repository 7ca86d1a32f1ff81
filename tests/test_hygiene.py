"""What no file of this repository may have; each check is also shown what it must find."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST = 400
LONGEST_BENCHMARK = 450
"""Lines of a file in tests/perf: a benchmark has its peers' code beside ours."""
LARGEST = 1_000_000

MACHINE_PATH = re.compile(r"(?<![\w.~}>)*])/(?:work|root|home|Users|farm|opt|tmp)/[\w.]")
REGISTRY = re.compile(
    r"\b(?:pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|unpkg\.com|jsdelivr\.net|conda\.anaconda\.org|(?:deb|security)\.debian\.org)\b"
)
NOQA = re.compile(r"#\s*(?:ruff:\s*)?noqa\b(?!: [A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)* - \w)")
TYPE_IGNORE = re.compile(r"#\s*type:\s*ignore(?!\[[a-z-]+(?:, ?[a-z-]+)*\]\s+(?:#|-) \w)")


def _files() -> list[Path]:
    """Return every file that is in git or could be added to it."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


FILES = _files()
PYTHON = [file for file in FILES if file.suffix == ".py"]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def _found(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    """Return ``file:line: text`` of each match, this file's own examples aside."""
    return [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for file in files
        if file != Path(__file__)
        for number, line in enumerate(_text(file).splitlines(), 1)
        if pattern.search(line)
    ]


def _dirty(notebook: dict[str, object]) -> bool:
    cells = notebook["cells"]
    assert isinstance(cells, list)
    return any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


def test_git_lists_the_repository() -> None:
    assert {"pyproject.toml", "hedgekit/types/nouns.py", "tests/test_hygiene.py"} <= {str(file.relative_to(ROOT)) for file in FILES}


def test_no_path_of_one_machine() -> None:
    assert _found(MACHINE_PATH, FILES) == []


@pytest.mark.parametrize("text", ['open("/home/ann/x")', "see /root/notes", "PYTHON=/opt/py/bin", "file:///tmp/x", "/Users/ann/x"])
def test_paths_of_one_machine_are_found(text: str) -> None:
    assert MACHINE_PATH.search(text)


@pytest.mark.parametrize("text", ["tmp_path / 'x'", "hedgekit/work/x", "~/tmp/x", 'GET "/v2/orders"', "$(PWD)/tmp/x", "../home/x"])
def test_other_paths_are_allowed(text: str) -> None:
    assert not MACHINE_PATH.search(text)


def test_no_address_of_a_registry() -> None:
    assert _found(REGISTRY, FILES) == []


@pytest.mark.parametrize("text", ["https://pypi.org/simple", "cdn.jsdelivr.net/npm/x", "--index-url files.pythonhosted.org"])
def test_addresses_of_registries_are_found(text: str) -> None:
    assert REGISTRY.search(text)


def test_notebooks_are_committed_without_outputs() -> None:
    notebooks = [file for file in FILES if file.suffix == ".ipynb" and file.is_relative_to(ROOT / "notebooks")]
    assert notebooks
    assert [file.name for file in notebooks if _dirty(json.loads(file.read_text(encoding="utf-8")))] == []


def test_a_notebook_with_outputs_is_found() -> None:
    assert _dirty({"cells": [{"cell_type": "code", "execution_count": None, "outputs": [{"output_type": "stream"}]}]})
    assert _dirty({"cells": [{"cell_type": "code", "execution_count": 3, "outputs": []}]})
    assert not _dirty({"cells": [{"cell_type": "markdown"}, {"cell_type": "code", "execution_count": None, "outputs": []}]})


def test_no_large_file_but_samples() -> None:
    small = [file for file in FILES if not file.is_relative_to(ROOT / "hedgekit" / "samples")]
    assert [file.name for file in small if file.stat().st_size > LARGEST] == []


def test_a_source_file_reads_in_one_sitting() -> None:
    lengths = {str(file.relative_to(ROOT)): len(_text(file).splitlines()) for file in PYTHON}
    limits = {name: LONGEST_BENCHMARK if name.startswith("tests/perf/") else LONGEST for name in lengths}
    assert {name: length for name, length in lengths.items() if length > limits[name]} == {}


def test_every_exception_to_a_rule_has_its_reason() -> None:
    assert _found(NOQA, PYTHON) == []
    assert _found(TYPE_IGNORE, [file for file in PYTHON if file.is_relative_to(ROOT / "hedgekit")]) == []
    assert _unexplained((ROOT / "pyproject.toml").read_text()) == []


def _unexplained(pyproject: str) -> list[str]:
    """Return the lines of ignore lists, per-file ignores and warning filters that lack a comment."""
    lists = re.findall(r'^(?:ignore|filterwarnings|"[^"\n]*\*[^"\n]*") = \[\n(.*?)^\]', pyproject, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in lists for line in block.splitlines()]
    return [line for line in lines if line.startswith('"') and not re.search(r"# \w", line)]


@pytest.mark.parametrize("text", ["x  # noqa", "x  # noqa: S101", "x  # noqa: S101, S102", "# ruff: noqa: ANN001", "x  # noqa:S101 - y"])
def test_a_noqa_without_a_reason_is_found(text: str) -> None:
    assert NOQA.search(text)


def test_a_noqa_with_a_reason_is_allowed() -> None:
    assert not NOQA.search("x  # noqa: S101, PLR2004 - a pair")
    assert not NOQA.search("# ruff: noqa: ANN001 - compiled")


@pytest.mark.parametrize("text", ["x  # type: ignore", "x  # type: ignore[misc]"])
def test_a_type_ignore_without_a_reason_is_found(text: str) -> None:
    assert TYPE_IGNORE.search(text)
    assert not TYPE_IGNORE.search("x  # type: ignore[misc]  # untyped base class")


def test_an_ignored_rule_without_a_reason_is_found() -> None:
    assert _unexplained('ignore = [\n    "D203", # why\n    "S101",\n]\n') == ['"S101",']
    assert _unexplained('"tests/**" = [\n    "D203",\n]\n') == ['"D203",']
