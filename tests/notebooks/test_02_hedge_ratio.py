"""The research notebook `02_hedge_ratio`: run with its own numbers, and what its words claim."""

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

NAME = "02_hedge_ratio.ipynb"

PROBE = """
import json

p = [fit.tests[0].p_value for fit in real.values()]
frames = {"told": told, "promise": promise, "by_time": by_time, "kept": kept.assign(p=p)}
named = {name: frame.reset_index(names="name") for name, frame in frames.items()}
tables = {name: json.loads(frame.to_json(orient="records", double_precision=15)) for name, frame in named.items()}
reasons = {"step": [a.reasons for a in answers_to.values()], "break": [a.reasons for a in breaks.values()]}
JSON(tables | reasons | {"units": [fit.ratio, units.ratio, *fit.prices], "explorer": repr(explorer)})
"""


def by_name(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in rows}


def test_it_reads_as_one_story() -> None:
    check_story(committed(NAME))


def test_its_figure_and_its_page(ran: NotebookNode, offline_page: OfflinePage, tmp_path: Path) -> None:
    check_figures(ran, 1)
    check_said(ran)
    check_page(ran, offline_page, tmp_path / "page.html", documents=1)


def test_all_methods_find_the_planted_ratio_and_johansen_harms(held: dict[str, Any]) -> None:
    told = by_name(held["told"])
    for name in ("ols", "dols", "johansen", "tls", "rolling", "ewma", "kalman"):
        assert told[name]["low"] <= 0.85 <= told[name]["high"]
    assert {row["unit"] for row in told.values()} == {"dollar per dollar"}
    assert told["naive"]["low"] is None
    assert told["dcc"]["low"] is None
    assert told["johansen"]["out of sample"] < 0
    assert min(told[name]["out of sample"] for name in ("ols", "dols", "tls", "kalman")) > told["naive"]["one to one"]


def test_who_keeps_the_promise(held: dict[str, Any]) -> None:
    promise = by_name(held["promise"])
    for name in ("ols", "dols", "kalman"):
        assert promise[name]["held the truth"] > 0.9
    assert 3 < promise["dols"]["width"] / promise["ols"]["width"] < 5
    assert promise["johansen"]["held the truth"] < 0.7
    assert promise["johansen"]["sd of the estimate"] > 1


def test_dollars_are_units_times_the_prices(held: dict[str, Any]) -> None:
    dollars, units, primary, hedge = held["units"]
    assert dollars == pytest.approx(units * hedge / primary)
    assert dollars != pytest.approx(units, rel=0.05)


def test_no_path_is_best_throughout(held: dict[str, Any]) -> None:
    found = {name: {row["name"]: row[name] for row in held["by_time"]} for name in ("rolling", "ewma", "kalman")}
    best = {time: min(found, key=lambda name: found[name][time]) for time in ("before", "120 days after", "later")}
    assert best["before"] == "rolling"
    assert best["120 days after"] == "ewma"
    assert len(set(best.values())) > 1


def test_what_revalidation_says(ran: NotebookNode, held: dict[str, Any]) -> None:
    decisions = shown(ran.cells[-2])["decisions"]
    assert decisions["step"] == ["keep", "refit"]
    assert all("shows none, so there is nothing to watch" in reasons[1] for reasons in held["step"])
    assert decisions["break"][0] == "keep"
    assert decisions["break"][-1] == "retire"
    ratio, _, risk = held["break"][-1]
    assert "keeping it costs 0." in ratio
    assert "the plan's ratio removed" in risk


def test_on_real_pairs_the_words_are_so(held: dict[str, Any]) -> None:
    kept = by_name(held["kept"])
    assert [name for name, row in kept.items() if row["low"] > 0] == ["KO~PEP", "XOM~CVX", "JNJ~PG"]
    assert kept["BAC~JPM"]["low"] < 0 < kept["BAC~JPM"]["high"]
    smallest = min(row["p"] for row in kept.values())
    assert 0.0125 < smallest < 0.05, "one of four, and not after four tries"
    assert sum(row["p"] < 0.05 for row in kept.values()) == 1


def test_where_widgets_do_not_live_words_stand(held: dict[str, Any]) -> None:
    assert held["explorer"] == "<RatioExplorer: fit_bars=250, refit_bars=42, significance=0.05, plan_valid_days=90.0>"
