"""What is released works alone: everything that hedgekit reads is in the wheel, and nothing else is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hedgekit.sandbox.server import TOKEN
from hedgekit.venues.alpaca import Alpaca
from tests.package.building import ROOT, build, names_in, unpacked

LARGEST = 3_000_000
"""Bytes of a wheel; most of it are the samples."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def tracked(*folders: str) -> set[str]:
    """Return what git has, or could have, below these folders."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *folders]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return {name for name in names if name and (ROOT / name).is_file()}


def test_the_wheel_has_every_file_of_the_package_and_all_notebooks_and_nothing_else(wheel: Path) -> None:
    found = {name for name in names_in(wheel) if ".dist-info/" not in name}
    wanted = tracked("hedgekit") | {f"hedgekit/{name}" for name in tracked("notebooks")}
    assert found == wanted
    assert {name.rpartition(".")[2] for name in wanted} >= {"py", "typed", "gz", "csv", "ipynb", "js", "css", "json", "md"}
    assert wheel.stat().st_size < LARGEST
    assert wheel.name.endswith("-py3-none-any.whl")


def test_the_source_archive_makes_the_same_wheel_and_has_the_tests(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    names = names_in(sdist)
    assert {
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "Makefile",
        "constraints.txt",
        "docs/index.md",
        "tests/package/test_package.py",
    } <= names
    assert not [
        name for name in names if "__pycache__" in name or name.endswith((".pyc", ".db")) or name.startswith(("reports/demo", ".git/"))
    ]
    again = build("wheel", unpacked(sdist, tmp_path / "source"), tmp_path / "wheel")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert {i.filename: i.CRC for i in one.infolist()} == {i.filename: i.CRC for i in other.infolist()}


def test_what_the_metadata_says(metadata: Message) -> None:
    assert (metadata["Name"], metadata["Requires-Python"], metadata["License-Expression"]) == ("hedgekit", ">=3.11", "Apache-2.0")
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata["Summary"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert {"Typing :: Typed", "Programming Language :: Python :: 3.11", "Programming Language :: Python :: 3.13"} <= {
        *metadata.get_all("Classifier", [])
    }
    assert {"keyring", "polymarket"} <= {*metadata.get_all("Provides-Extra", [])}


def test_every_dependency_has_its_reason_in_the_documentation(metadata: Message) -> None:
    page = (ROOT / "docs" / "package.md").read_text().partition("## What each")[2]
    told = [canonicalize_name(name) for name in re.findall(r"^\| ([a-z0-9_-]+) \| \S", page, re.MULTILINE) if name != "package"]
    wanted = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    assert told == sorted(canonicalize_name(one.name) for one in wanted if "extra" not in str(one.marker))
    extras = {*metadata.get_all("Provides-Extra", [])}
    assert extras == {*re.findall(r"`(?:hedgekit)?\[([a-z]+)\]`", page)}


LOOK = """
import json
from hedgekit import Market, cli, lab, load_books
from hedgekit.report.parameters import notebook_of
print(json.dumps({
    "home": cli.__file__,
    "notebooks": str(lab.source()),
    "template": str(notebook_of("session")),
    "rows": len(Market().tape().ts_ns),
    "books": len(load_books()),
}))
"""


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder into which the wheel was installed, and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--target",
        str(folder),
        str(wheel),
    ]
    subprocess.run(pip, check=True, capture_output=True, timeout=120)
    return folder


def env_of(installed: Path, cwd: Path) -> dict[str, str]:
    """Return an environment with the installed package and this interpreter's libraries."""
    return {**os.environ, "PYTHONPATH": str(installed), "HEDGEKIT_HOME": str(cwd / "home")}


def run(installed: Path, cwd: Path, *words: str) -> str:
    """Run this interpreter in an empty folder; return what it prints."""
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=cwd, env=env_of(installed, cwd), capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_data_notebooks_and_templates_are_found_where_it_was_installed(installed: Path, tmp_path: Path) -> None:
    said = json.loads(run(installed, tmp_path, "-c", LOOK))
    assert [name for name in ("home", "notebooks", "template") if not said[name].startswith(str(installed))] == []
    assert said["rows"] > 6_000
    assert said["books"] > 0
    assert "no paper session yet" in run(installed, tmp_path, "-m", "hedgekit", "paper", "list")


def test_the_exchange_runs_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    """The main job itself wants minutes of compiling where it was never run: ``make wheel-test`` does it, on each Python."""
    env = env_of(installed, tmp_path) | dict.fromkeys((*Alpaca.key_env, TOKEN), "x")
    command = [sys.executable, "-m", "hedgekit", "sandbox"]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        process.terminate()
        assert line, process.stderr.read()
    assert json.loads(line)["accounts"]["ALPACA"]["rest"].startswith("http://127.0.0.1:")
