"""The research notebook `01_signal_design`: run with its own numbers, and what its words claim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.notebooks.running import check_figures, check_page, check_said, committed, shown
from tests.story import check_story

if TYPE_CHECKING:
    from pathlib import Path

    from nbformat import NotebookNode

    from tests.browser import OfflinePage

pytestmark = pytest.mark.usefixtures("own_home")

NAME = "01_signal_design.ipynb"

PROBE = """
import json

frames = {
    "windows": windows, "traps": traps, "lives": lives.astype(float), "best": best, "made": made.stack().rename("rate").to_frame(),
    "stops": 1e4 * stops[told], "found": found, "careful": pd.DataFrame({"share": [earned / searched["pnl"].max()]}),
}
tables = {name: json.loads(frame.reset_index().to_json(orient="records", double_precision=15)) for name, frame in frames.items()}
JSON(tables | {"power": {name: report.power for name, report in reports.items()}})
"""


def test_it_reads_as_one_story() -> None:
    check_story(committed(NAME))


def test_its_figures_and_its_page(ran: NotebookNode, offline_page: OfflinePage, tmp_path: Path) -> None:
    check_figures(ran, 2)
    check_said(ran)
    check_page(ran, offline_page, tmp_path / "page.html", documents=2)


def test_the_moving_z_is_another_number_than_the_true_one(held: dict[str, Any]) -> None:
    short, *longer = held["windows"]
    assert short["lookback (bars)"] == 20
    assert short["true distance"] < 1.0, "a distance of one deviation is called two"
    distances = [row["true distance"] for row in held["windows"]]
    assert distances == sorted(distances)
    assert longer[-1]["correlation with the true z"] > 0.8
    assert short["correlation with the true z"] < 0.5


def test_the_honest_trader_earns_nothing_and_the_others_earn_on_noise(held: dict[str, Any]) -> None:
    traps = {row["index"]: row for row in held["traps"]}
    honest = traps.pop("honest")
    assert abs(honest["mean"]) < 2 * honest["standard error"]
    assert traps.pop("centred window")["mean"] > 5
    assert len(traps) == 3
    for trap in traps.values():
        assert 0.5 < trap["mean"] < 1.5
        assert trap["mean"] > 15 * trap["standard error"]


def test_half_lives_are_found_with_enough_bars_only(held: dict[str, Any]) -> None:
    planted = {row["bars"]: row for row in held["lives"] if row["spread"] == "planted"}
    walk = [row for row in held["lives"] if row["spread"] == "walk"]
    assert [planted[bars]["reverts"] for bars in (126, 252, 1000, 6805)] == [0, 1, 1, 1]
    assert (5 < planted[252]["2.5%"] < 8, 120 < planted[252]["97.5%"] < 150) == (True, True), "from a week to half a year"
    for bars in (1000, 6805):
        assert planted[bars]["2.5%"] < 20 < planted[bars]["97.5%"]
    assert all(row["plain"] < row["corrected"] for row in planted.values())
    assert [row["reverts"] for row in walk] == [0, 0, 0, 0]


def test_thresholds_rise_with_cost(held: dict[str, Any]) -> None:
    entries = [row["entry (sd)"] for row in held["best"]]
    assert entries == sorted(entries)
    assert entries[0] < 0.5
    assert entries[-2] < 2.0 < entries[-1], "two deviations are right for a few per cent"


def test_a_stop_is_an_insurance_that_does_not_pay_in_the_mean(held: dict[str, Any]) -> None:
    for stop in held["stops"]:
        assert stop["premium"] > 2 * stop["premium_se"]
        assert stop["saved_pnl"] < 2 * stop["saved_pnl_se"]
        assert stop["saved_drawdown"] > 10 * stop["saved_drawdown_se"]
    for entry in (1.0, 2.0):
        saved = [stop["saved_drawdown"] for stop in held["stops"] if stop["entry"] == entry]
        assert saved == sorted(saved, reverse=True)


def test_low_entries_and_long_windows_earn_the_most(held: dict[str, Any]) -> None:
    made = {(row["lookback (bars)"], row["entry (sd)"]): row["rate"] for row in held["made"]}
    theory = held["best"][0]["rate (bp a bar)"]
    assert max(made, key=made.__getitem__) == (250, 0.5)
    assert max(made.values()) < theory
    assert made[20, 2.0] < theory / 2
    assert 0.2 < held["careful"][0]["share"] < 0.4


def test_neither_real_pair_is_shown_to_come_back(ran: NotebookNode, held: dict[str, Any]) -> None:
    assert set(shown(ran.cells[-2])["verdict"].values()) == {"no reversion shown"}
    assert min(held["power"].values()) > 0.99
    for row in held["found"]:
        assert 1 < row["p below 0.05"] < row["windows"] / 3, "a few windows"
