"""What the auditor sees of contracts that are settled: an honest run in which a pair is held to the end, and copies tampered with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from hedgekit.data import SyntheticBinary
from tests.chaos.audit import audit
from tests.chaos.books import Line, read
from tests.chaos.forge import first, journal, lines, seen
from tests.chaos.made import made
from tests.chaos.play import play


@pytest.fixture(scope="module", params=["KALSHI", "POLYMARKET"])
def settled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Play a run whose contracts are settled while a pair is held."""
    folder = tmp_path_factory.mktemp("settled") / "run"
    recipe = made(desk=request.param, target=-9.0, stop=99.0, plan_valid_days=1.0)
    assert isinstance(recipe.market, SyntheticBinary)
    play(replace(recipe, market=replace(recipe.market, settles=True)), folder)
    verdict = audit(folder)
    assert (verdict["violations"], verdict["facts"]["ended"]) == ([], "flat")
    assert verdict["facts"]["counts"]["settled"] >= 1
    return folder


@pytest.fixture
def folder(settled: Path, tmp_path: Path) -> Path:
    """Return a copy to tamper with."""
    return Path(shutil.copytree(settled, tmp_path / "run"))


def held(found: list[Line]) -> Line:
    """Return the settlement of something that was held."""
    return next(line for line in found if line.get("event") == "settled" and line["qty"] != "0")


@pytest.mark.parametrize("change", [{"qty": "7"}, {"price": "0.5"}])
def test_a_settlement_of_something_else(folder: Path, change: Line) -> None:
    lines(folder, "ledger", lambda found: held(found).update(change))
    assert seen(folder, "L3", "was settled: ")


def test_a_settlement_at_another_price_in_the_journal(folder: Path) -> None:
    other = str(1 - int(held(read(folder).ledger)["price"]))
    journal(folder, lambda records: records[first(records, type="fill", cause="settlement")].update(price=other))
    assert seen(folder, "L3", f"settled at {other}, the ledger")


def test_a_settlement_that_was_not_booked(folder: Path) -> None:
    journal(folder, lambda records: records.pop(first(records, type="fill", cause="settlement")))
    assert seen(folder, "L3", "taken out by its settlement")
