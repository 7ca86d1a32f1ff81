"""Who may import whom: the contracts hold, and each of them can be broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONTRACTS = [c["name"] for c in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]]

PLANTED = {
    "Who may import whom": ("rules/planted.py", "import hedgekit.paper"),
    "The core is pure": ("structures/planted.py", "import time"),
    "The pandas side is beside the core": ("stats/planted.py", "import hedgekit.hedger"),
    "A venue knows types and errors only": ("venues/planted.py", "import hedgekit.params"),
    "Venues do not know each other": ("venues/planted_too.py", "import hedgekit.venues.alpaca"),
    "The exchange serves sandbox, backtest and replay only": ("paper/planted.py", "import hedgekit.exchange"),
}


def _lint(folder: Path) -> tuple[int, str]:
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"
    command = [sys.executable, "-c", program]
    environment = os.environ | {"COLUMNS": "200", "PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


def _copy(folder: Path) -> Path:
    shutil.copytree(ROOT / "hedgekit", folder / "hedgekit", ignore=shutil.ignore_patterns("__pycache__", "samples"))
    (folder / "hedgekit" / "samples.py").touch()
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_contracts_hold() -> None:
    code, said = _lint(ROOT)
    assert code == 0, said
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in said


def test_every_contract_can_be_broken(tmp_path: Path) -> None:
    copy = _copy(tmp_path)
    assert PLANTED.keys() == set(CONTRACTS), "plant a violation of every contract"
    for file, line in PLANTED.values():
        (copy / "hedgekit" / file).write_text(f"{line}\n")
    code, said = _lint(copy)
    assert code == 1, said
    assert [name for name in CONTRACTS if f"{name} BROKEN" not in said] == []


def test_a_room_without_a_place_is_found(tmp_path: Path) -> None:
    copy = _copy(tmp_path)
    (copy / "hedgekit" / "planted.py").touch()
    code, said = _lint(copy)
    assert code == 1, said
    assert "hedgekit.planted" in said


def test_what_the_core_may_not_have_is_found(tmp_path: Path) -> None:
    packages = ["pandas", "datetime", "asyncio", "logging", "os", "socket", "aiohttp", "requests", "random"]
    copy = _copy(tmp_path)
    (copy / "hedgekit" / "exchange" / "planted.py").write_text("".join(f"import {package}\n" for package in packages))
    code, said = _lint(copy)
    assert code == 1, said
    assert [package for package in packages if f"hedgekit.exchange.planted -> {package} " not in said] == []
