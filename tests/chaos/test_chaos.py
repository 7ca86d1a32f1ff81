"""Twenty runs of the campaign: every fault, SIGKILL at every named point, and no law broken; the same seed is the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hedgekit.exchange.faults import FaultKind
from hedgekit.paper import session
from tests.chaos.__main__ import campaign, main
from tests.chaos.books import read
from tests.chaos.play import play
from tests.chaos.recipe import KILL_POINTS, draw

SEED, RUNS = 1, 20
EACH_FAULT, EACH_POINT = 5, 2
"""How often at least each kind of fault comes to pass, and each point is the end of a process, in the runs with this seed."""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the campaign."""
    return tmp_path_factory.mktemp("chaos")


@pytest.fixture(scope="module")
def done(out: Path) -> dict[str, Any]:
    """Return the summary of one campaign."""
    return campaign(SEED, range(RUNS), out, jobs=2)


@pytest.mark.timeout(1_200)
def test_no_law_is_broken(done: dict[str, Any], out: Path) -> None:
    complaints = {run: (out / f"{SEED}-{run:04d}" / "audit.json").read_text() for run in done["failing"]}
    assert not complaints
    assert done["runs"] == RUNS
    assert not any(done["violations"].values())


def test_every_fault_comes_to_pass(done: dict[str, Any]) -> None:
    assert set(done["faults"]) == set(FaultKind)
    assert {kind: hits for kind, hits in done["faults"].items() if hits < EACH_FAULT} == {}


def test_every_point_is_the_end_of_a_process(done: dict[str, Any]) -> None:
    assert set(KILL_POINTS) == set(session.POINTS), "a point that no campaign kills at"
    assert {point: hits for point, hits in done["crash_points"].items() if hits < EACH_POINT} == {}


def test_the_runs_are_not_empty_ones(done: dict[str, Any]) -> None:
    assert done["restarts"] >= 20
    assert done["orders"] >= 500
    assert done["fills"] >= 500
    assert done["silences"] >= 5
    assert done["naked_breaches_reported"] >= 5


def of(folder: Path) -> tuple[Any, ...]:
    """Return all of a run but what is real time, and its addresses."""
    books = read(folder)
    written = tuple((folder / f"{name}.jsonl").read_bytes() for name in ("ledger", "requests", "faults"))
    return books.heads[len(books.rows)], books.run, *written


@pytest.mark.parametrize("run", [3, 4, 5, 6, 7, 14])  # one of each desk
def test_the_same_seed_is_the_same_run(done: dict[str, Any], out: Path, tmp_path: Path, run: int) -> None:
    """Byte for byte: event hash, ledger, requests, faults; and the campaign's order of runs does not matter."""
    assert done["runs"] == RUNS
    recipe = draw(SEED, run)
    assert recipe.kills
    play(recipe, tmp_path / "again")
    assert of(tmp_path / "again") == of(out / f"{SEED}-{run:04d}")


def test_a_recipe_is_a_function_of_seed_and_number() -> None:
    assert draw(5, 17) == draw(5, 17)
    assert draw(5, 17) != draw(5, 18)
    assert draw(5, 17) != draw(6, 17)


def test_the_command_prints_one_line_and_fails_with_a_violation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose seed breaks a law is named, with the command that repeats it; the exit code is 1."""
    monkeypatch.setattr("tests.chaos.audit.LAWS", (("L2", lambda _: iter(["made to fail"])),))
    assert main(["--seed", "1", "--only", "2", "--out", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert told.out.count("\n") == 1
    assert '"failing": [2]' in told.out
    assert "run 2: L2: made to fail" in told.err
    assert f"again: python -m tests.chaos --seed 1 --only 2 --out {tmp_path}" in told.err
