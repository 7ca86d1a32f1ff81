"""The research notebook `03_hedge_structures`: run with its own numbers, and what its words claim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.notebooks.running import check_said, committed, shown
from tests.story import check_story

if TYPE_CHECKING:
    from nbformat import NotebookNode

pytestmark = pytest.mark.usefixtures("own_home")

NAME = "03_hedge_structures.ipynb"

PROBE = 'JSON({"told": told.note, "repr": repr(shares)})'


@pytest.fixture(scope="module")
def figures(ran: NotebookNode) -> dict[str, Any]:
    return shown(ran.cells[-2])


def test_it_reads_as_one_story(ran: NotebookNode) -> None:
    check_story(committed(NAME))
    check_said(ran)


def test_each_structure_opposes_what_it_says(figures: dict[str, Any]) -> None:
    held = figures["held"]
    assert held["unhedged"]["PEP"] == 0
    assert -held["synthetic"]["PEP"] / held["synthetic"]["KO"] == pytest.approx(0.15, abs=0.01)
    assert -held["pairs"]["PEP"] / held["pairs"]["KO"] > 0.5
    assert len({position["KO"] for position in held.values()}) == 1


def test_buying_no_is_selling_yes(figures: dict[str, Any], held: dict[str, Any]) -> None:
    resolved = figures["resolved"]
    assert resolved["bought NO"] == pytest.approx(resolved["sold YES"], abs=0.005)
    assert resolved["bought NO"]["0"] > resolved["held on"]["0"]
    assert resolved["bought NO"]["1"] < resolved["held on"]["1"] / 5, "the gain went with the loss"
    assert -resolved["bought NO"]["0"] > figures["cap"], "the spreads come on top"
    assert "no insurance but a sale" in held["told"]


def test_the_perpetual_is_a_dollar_for_a_dollar(figures: dict[str, Any]) -> None:
    spot, perpetual = figures["linear"]
    assert -perpetual / spot == pytest.approx(1.0, abs=0.005)
    assert abs(-figures["beta"][1] / spot - 1.0) < 0.2
    assert figures["beta"][1] != perpetual


def test_the_hedge_is_worth_its_drawdown(figures: dict[str, Any]) -> None:
    fell = figures["fell"]
    assert len({row["trades"] for row in fell.values()}) == 1
    falls = {name: row["deepest fall ($)"] for name, row in fell.items()}
    assert falls["pairs"] < falls["unhedged"] / 3
    assert 0.7 < falls["synthetic"] / falls["unhedged"] < 0.95
    assert fell["pairs"]["P&L ($)"] < fell["unhedged"]["P&L ($)"]


def test_where_widgets_do_not_live_words_stand(held: dict[str, Any]) -> None:
    assert held["repr"].startswith("<StructureExplorer: structure='pairs', notional=100000.0")
