"""pyproject.toml, constraints.txt, environment.yml and the Makefile say the same thing, and say it clearly."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"arch-py": "arch"}
"""conda-forge's names where PyPI's are others."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = [Requirement(line) for lines in PROJECT["optional-dependencies"].values() for line in lines]

Bounds = dict[str, SpecifierSet]


def conda_bounds(text: str) -> Bounds:
    """Return what an environment file asks for, under PyPI's names; raise ValueError if its shape is wrong."""
    env = yaml.safe_load(text)
    if unknown := env.keys() - {"name", "channels", "dependencies"}:
        raise ValueError(f"unknown or machine-specific keys: {sorted(unknown)}")
    if env["channels"] != ["conda-forge"]:
        raise ValueError(f"channels: {env['channels']}")
    bounds: Bounds = {}
    for item in env["dependencies"]:
        lines = item["pip"] if isinstance(item, dict) else [item]
        bounds |= dict(_pip_line(line) if isinstance(item, dict) else _conda_line(line) for line in lines)
    if "pip" not in bounds:
        raise ValueError("a pip section needs pip among the dependencies")
    return bounds


def _conda_line(line: str) -> tuple[str, SpecifierSet]:
    match = re.fullmatch(r"([a-z][a-z0-9_.-]*)( (?:[<>=!]=?[0-9][0-9.]*,?)+)?", line)
    if match is None:
        raise ValueError(f"conda does not understand {line!r}; write: name >=1.2,<2")
    return canonicalize_name(CONDA_NAMES.get(match[1], match[1])), SpecifierSet((match[2] or "").strip())


def _pip_line(line: str) -> tuple[str, SpecifierSet]:
    requirement = Requirement(line)
    return canonicalize_name(requirement.name), requirement.specifier


def pins(text: str) -> dict[str, Version]:
    """Return name and version of each line of a constraints file; raise ValueError for any other line."""
    found: dict[str, Version] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = re.fullmatch(r"([a-z0-9]+(?:-[a-z0-9]+)*)==([0-9][0-9a-z.]*)", line)
        if match is None or match[1] in found:
            raise ValueError(f"not a single name==version: {line!r}")
        found[match[1]] = Version(match[2])
    return found


def _declared() -> Bounds:
    return {canonicalize_name(r.name): r.specifier for r in RUNTIME}


def test_conda_and_pip_ask_for_the_same() -> None:
    conda = conda_bounds((ROOT / "environment.yml").read_text())
    conda.pop("pip")
    assert conda.pop("python") == SpecifierSet(PROJECT["requires-python"])
    assert conda == _declared()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: hedgekit", "name: hedgekit\nprefix: /somewhere"),
        ("- conda-forge", "- defaults"),
        ("  - pip\n", ""),
        ("numpy >=2.3,<3", "numpy 2.3"),
        ("numpy >=2.3,<3", "numpy=2.3.*"),
    ],
)
def test_a_wrong_environment_file_is_found(old: str, new: str) -> None:
    text = (ROOT / "environment.yml").read_text()
    assert old in text
    with pytest.raises(ValueError, match=r"keys|channels|pip|understand"):
        conda_bounds(text.replace(old, new, 1))


@pytest.mark.parametrize(("old", "new"), [("numpy >=2.3,<3", "numpy >=2.2,<3"), ("  - arch-py >=8,<9\n", ""), ("- tqdm", "- tqdn")])
def test_a_difference_between_conda_and_pip_is_found(old: str, new: str) -> None:
    text = (ROOT / "environment.yml").read_text()
    assert old in text
    assert conda_bounds(text.replace(old, new, 1)).items() - {"python": "", "pip": ""}.items() != _declared().items()


@pytest.mark.parametrize("requirement", RUNTIME, ids=str)
def test_runtime_dependencies_are_bounded_both_ways(requirement: Requirement) -> None:
    operators = {spec.operator for spec in requirement.specifier}
    assert operators == {">=", "<"}


@pytest.mark.parametrize("requirement", [r for r in RUNTIME + EXTRAS if r.name != "hedgekit"], ids=str)
def test_every_pin_is_within_its_bounds(requirement: Requirement) -> None:
    pinned = pins((ROOT / "constraints.txt").read_text())
    assert pinned[canonicalize_name(requirement.name)] in requirement.specifier


def _closure(wanted: list[Requirement]) -> set[str]:
    """Return the names of all that is wanted, and of what that wants, as far as it is installed here."""
    environment = {key: str(value) for key, value in default_environment().items()}
    names: set[str] = set()
    todo = [(r, "") for r in wanted]
    seen: set[tuple[str, str]] = set()
    while todo:
        requirement, extra = todo.pop()
        if requirement.marker and not requirement.marker.evaluate(environment | {"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        names.add(name)
        for wanted_extra in {"", *requirement.extras} - {e for n, e in seen if n == name}:
            seen.add((name, wanted_extra))
            todo += [(Requirement(line), wanted_extra) for line in _requires(name)]
    return names


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # pre-commit is not in the test environment
        return []


def test_everything_that_gets_installed_is_pinned() -> None:
    closure = _closure(RUNTIME + EXTRAS) - {"hedgekit"}
    assert len(closure) > 100, "the walk did not see what is installed"
    assert closure - pins((ROOT / "constraints.txt").read_text()).keys() == set()


@pytest.mark.parametrize("line", ["numpy>=2", "numpy", "numpy @ file:///wheels/numpy.whl", "-e .", "Numpy==2", "numpy==2\nnumpy==3"])
def test_a_wrong_line_of_constraints_is_found(line: str) -> None:
    with pytest.raises(ValueError, match="not a single name==version"):
        pins(line)


def _imported(folder: Path) -> set[str]:
    trees = [ast.walk(ast.parse(file.read_text())) for file in folder.rglob("*.py")]
    nodes = [node for tree in trees for node in tree]
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.partition(".")[0] for name in plain | named} - set(sys.stdlib_module_names) - {"hedgekit"}


def test_what_hedgekit_imports_is_declared() -> None:
    homes = packages_distributions()
    undeclared = {name for name in _imported(ROOT / "hedgekit") if not _declared().keys() & {*map(canonicalize_name, homes.get(name, []))}}
    assert undeclared == set(), "add them to pyproject.toml, environment.yml and constraints.txt"


def _make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "Makefile", folder)
    return subprocess.run(["make", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_make_alone_tells_the_commands(tmp_path: Path) -> None:
    done = _make(tmp_path)
    assert done.returncode == 0
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["make", "demo"],
        ["make", "lab"],
        ["make", "test"],
        ["make", "docs"],
        ["make", "notebooks"],
        ["make", "shots"],
        ["make", "sdk-test"],
        ["make", "wheel-test"],
        ["make", "chaos"],
        ["make", "bench"],
        ["make", "clean"],
    ]
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize(
    ("python", "said"),
    [
        (None, "there is no ./python here; install Python 3.11 or newer"),
        ('[ "$1" = -V ] && echo Python 3.9.2; [ "$1" = -V ]', "./python is Python 3.9.2, hedgekit needs 3.11 or newer"),
        ('case "$2" in *venv*) exit 1;; *) exit 0;; esac', "./python has no venv module; install it"),
    ],
)
def test_make_says_in_one_line_what_python_it_needs(tmp_path: Path, python: str | None, said: str) -> None:
    if python is not None:
        (tmp_path / "python").write_text(f"#!/bin/sh\n{python}\n")
        (tmp_path / "python").chmod(0o755)
    done = _make(tmp_path, "demo", "PYTHON=./python")
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode != 0
    assert len(lines) == 1
    assert lines[0].startswith(f"hedgekit: {said}")


@pytest.mark.skipif(sys.platform != "linux", reason="the programs are Linux's own")
def test_programs_that_tests_need_and_that_cannot_be_installed_are_named(tmp_path: Path) -> None:
    """Tests do not begin without them: the tests that need them would fail one by one, or look as if they passed."""

    def told(path: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "tests.tools"]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stderr

    assert told(os.environ["PATH"]) == (0, "")
    code, said = told(str(tmp_path))
    assert code == 1
    assert "strace systemd" in said
