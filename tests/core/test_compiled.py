"""Machine code is never older than its source, and a machine without a cache still works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hedgekit
from hedgekit.compiled import _CORE, _STATISTICS, _source_digest

PACKAGE = Path(hedgekit.__file__).parent


def python(code: str, tree: Path, **env: str) -> str:
    """Run a line of Python on a tree of sources; return what it printed."""
    names = ("PATH", "HOME", "LANG", "NUMBA_DISABLE_JIT")
    clean = {name: os.environ[name] for name in names if name in os.environ} | {"PYTHONPATH": str(tree)} | env
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], env=clean, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a copy of what is compiled."""
    for room in {*_CORE, *_STATISTICS, "errors.py"}:
        for file in PACKAGE.glob(room):
            copy = tmp_path / "hedgekit" / file.relative_to(PACKAGE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    (tmp_path / "hedgekit" / "__init__.py").write_text("")
    return tmp_path


FOLDER = "from hedgekit import compiled; print(compiled._cache_dir(compiled._CORE))"


def test_a_change_in_any_compiled_file_changes_the_folder(tree: Path) -> None:
    cache = tree / "cache"
    folders = [python(FOLDER, tree, XDG_CACHE_HOME=str(cache))]
    assert folders[0] == str(cache / "hedgekit" / _source_digest(_CORE))
    for name in ("rules/signal.py", "structures/pairs.py", "step/legs.py", "backtest/loop.py"):
        with (tree / "hedgekit" / name).open("a") as file:
            file.write("# one more line\n")
        folders.append(python(FOLDER, tree, XDG_CACHE_HOME=str(cache)))
    assert len(set(folders)) == len(folders)


def test_every_file_with_a_compiled_function_is_in_the_digest() -> None:
    for decorator, rooms in (("@compiled", _CORE), ("@kernel", _STATISTICS)):
        seen = {file for room in rooms for file in PACKAGE.glob(room)}
        decorated = {file for file in PACKAGE.rglob("*.py") if f"\n{decorator}\n" in file.read_text()}
        assert decorated
        assert decorated <= seen


@pytest.mark.parametrize("place", ["/dev/null/no", "/proc/no"])
def test_where_no_cache_can_be_written_it_compiles_without(tree: Path, place: str) -> None:
    code = f"{FOLDER}; from hedgekit.rules.exits import exit_reason; print(exit_reason(-2.0, 1, 0.5, 3.5))"
    assert python(code, tree, XDG_CACHE_HOME=place).split() == ["None", "11"]


def test_a_user_without_a_home_is_no_error(tree: Path) -> None:
    code = f"import pathlib; pathlib.Path.home = classmethod(lambda c: (_ for _ in ()).throw(RuntimeError('no home'))); {FOLDER}"
    assert python(code, tree, XDG_CACHE_HOME="") == "None"


def test_the_cache_is_used(tree: Path) -> None:
    code = "from hedgekit.rules.exits import exit_reason as f; f(-2.0, 1, 0.5, 3.5); print(sum(f.stats.cache_hits.values()))"
    assert [python(code, tree, XDG_CACHE_HOME=str(tree / "cache")) for _ in range(2)] == ["0", "1"]


def test_the_cache_is_this_users_alone(tree: Path) -> None:
    """What lies in it is run, so others may not write there; a folder of theirs is not used."""
    cache = tree / "cache"
    (cache / "hedgekit").mkdir(parents=True, mode=0o777)
    folder = Path(python(FOLDER, tree, XDG_CACHE_HOME=str(cache)))
    assert [place.stat().st_mode & 0o777 for place in (folder, folder.parent)] == [0o700, 0o700]
    strangers = f"import os; os.geteuid = lambda: {os.geteuid() + 1}; {FOLDER}"
    assert python(strangers, tree, XDG_CACHE_HOME=str(cache)) == "None"
