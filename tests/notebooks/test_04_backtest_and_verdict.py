"""The research notebook `04_backtest_and_verdict`: as committed, from top to bottom with its own numbers, and what its words claim."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from nbformat import NotebookNode

from hedgekit import Market, Params, SyntheticMarket, metrics, run_backtest
from hedgekit.trials import studies
from tests.browser import OfflinePage
from tests.notebooks.running import check_figures, check_page, check_said, committed, shown
from tests.story import check_story

pytestmark = pytest.mark.usefixtures("own_home")

NAME = "04_backtest_and_verdict.ipynb"
PAIRS = {"KO~PEP": ("KO", "PEP"), "XOM~CVX": ("XOM", "CVX")}

PROBE = """
import json

twins = ["hedged", "unhedged"]
frames = {
    "planted": known.tables.equity[twins].iloc[[-1]].assign(**known.tables.equity[twins].apply(metrics.max_drawdown).add_prefix("fall_")),
    "planted gauges": verdict.table(), "noise": made, "earned": earned.to_frame().T, "real": paid, "sides": sides, "gauges": gauges,
    "quotes": pd.DataFrame(ends).T, "volatile": worse, "folds": told.xs("mean", axis=1, level=1).T,
    "trades": trades, "polymarket": pd.concat(groups),
}
JSON({name: json.loads(frame.reset_index().to_json(orient="records", date_format="iso")) for name, frame in frames.items()})
"""
"""A cell after the last: what the notebook's variables hold."""


@pytest.fixture(scope="module")
def node() -> NotebookNode:
    return committed(NAME)


@pytest.fixture(scope="module")
def headline(ran: NotebookNode) -> dict[str, Any]:
    return shown(ran.cells[-2])


def test_it_reads_as_one_story(node: NotebookNode) -> None:
    check_story(node)
    assert node.metadata.kernelspec.name == "python3"


# ------------------------------------------------------------- figures and page


def test_every_figure_has_a_title_and_axes_with_units(ran: NotebookNode) -> None:
    check_figures(ran, 12)  # three times P&L and drawdown, two maps for each pair, the walk forward, the books


def test_its_page_asks_nothing_of_the_network_and_every_figure_is_drawn(
    ran: NotebookNode, offline_page: OfflinePage, tmp_path: Path
) -> None:
    check_page(ran, offline_page, tmp_path / "page.html", documents=7)


def test_nothing_goes_wrong_unsaid(ran: NotebookNode) -> None:
    check_said(ran)


# -------------------------------------------------------------- what it measured


@pytest.mark.parametrize("name", PAIRS)
def test_its_figures_are_those_of_the_api(headline: dict[str, Any], name: str) -> None:
    primary, hedge = PAIRS[name]
    params = Params.make(bar_s=86_400, bar_offset_s=75_601, evidence_override="the same as in the notebook")
    done = run_backtest(Market(primary=primary, hedge=hedge).tape(), params)
    equity, trades = done.tables.equity, done.tables.trades
    told = headline["money"][name]
    for twin, at_mids in (("hedged", equity["gross_primary"] + equity["gross_hedge"]), ("unhedged", equity["gross_primary"])):
        assert told[twin] == pytest.approx(equity[twin].iloc[-1], rel=1e-9)
        assert told[f"gross_{twin}"] == pytest.approx(at_mids.iloc[-1], rel=1e-9)
        assert told[f"drawdown_{twin}"] == pytest.approx(metrics.max_drawdown(equity[twin]), rel=1e-9)
        assert told[twin] < told[f"gross_{twin}"], "costs"
    assert told["trades"] == len(trades)
    decided = done.tables.fills["order_id"].map(done.tables.orders.set_index("order_id")["ts"])
    waited = done.tables.fills["venue_ts"] - decided
    assert waited.min() > pd.Timedelta(hours=23), "filled at the next day's close"


def test_every_combination_was_counted(ran: NotebookNode) -> None:
    """25 of a sweep; of a walk forward 25 more, in folds, and the walk itself. The numbers of part 2 are one of the 25."""
    del ran  # it has run
    assert studies()["trials"].to_dict() == {"KO~PEP": 51, "XOM~CVX": 51, "synthetic: noise": 25, "synthetic: planted": 25}


# --------------------------------------------------------- what its words claim


def test_where_the_truth_is_planted_the_hedge_helps(headline: dict[str, Any], held: dict[str, Any]) -> None:
    (end,) = held["planted"]
    assert end["hedged"] == pytest.approx(end["unhedged"], rel=0.1)
    assert end["fall_hedged"] < end["fall_unhedged"] / 2
    assert [gauge["result"] for gauge in held["planted gauges"]] == ["PASS"] * 6
    assert (headline["verdict"]["planted"], headline["guard"]["planted"]) == ("PASS", "SURVIVES")


def test_with_another_seed_it_is_close() -> None:
    days = {"rows": 6_805, "row_s": 86_400.0, "start": "1990-01-02T21:00:00Z", "size_notional": 500_000.0}
    tape = SyntheticMarket.textbook(half_life=6.0, seed=4, **days).tape()
    judged = run_backtest(tape, Params.make(bar_s=86_400, bar_offset_s=75_601)).verdict()
    assert [gauge.rule for gauge in judged.gauges if gauge.result == "CANNOT TELL"] == ["A28"]
    assert judged.result == "CANNOT TELL"


def test_on_noise_there_is_no_edge(headline: dict[str, Any], held: dict[str, Any]) -> None:
    required, overridden = held["noise"]
    assert required["trades"] < overridden["trades"] / 5
    assert overridden["hedged"] > 0, "made money, by luck"
    (earned,) = held["earned"]
    assert earned["lower"] < 0 < earned["upper"]
    assert (headline["verdict"]["noise"], headline["guard"]["noise"]) == ("FAIL", "NO EDGE")


@pytest.mark.parametrize("name", PAIRS)
def test_on_real_prices_the_words_are_so(headline: dict[str, Any], held: dict[str, Any], name: str) -> None:
    required, overridden = (row for row in held["real"] if row["level_0"] == name)
    assert max(required["hedged"], required["unhedged"]) < 0
    assert required["trades"] < overridden["trades"] / 5
    assert overridden["drawdown_hedged"] < overridden["drawdown_unhedged"]
    assert 0 < overridden["hedged"] < overridden["unhedged"]
    long, short = (row for row in held["sides"] if row["pair"] == name)
    assert (long["side"], short["side"]) == ("long primary", "short primary")
    assert long["hedge"] < 0 < short["hedge"]
    assert -(long["hedge"] + short["hedge"]) > 5 * (long["cost_hedge"] + short["cost_hedge"]), "not by its costs"
    assert headline["verdict"][name] == "FAIL"
    assert {row["rule"]: row["result"] for row in held["gauges"] if row["pair"] == name and row["rule"] in {"A27", "A28"}} == dict.fromkeys(
        ("A27", "A28"), "CANNOT TELL"
    )


def test_wider_quotes_take_the_profit(held: dict[str, Any]) -> None:
    for name in PAIRS:
        by_spread = [row["hedged"] for row in held["quotes"] if row["level_0"] == name]
        assert len(by_spread) == 4
        assert by_spread == sorted(by_spread, reverse=True)
    assert held["quotes"][-1]["level_0"] == "XOM~CVX"
    assert held["quotes"][-1]["hedged"] < 0


def test_the_claim_of_the_article_cannot_be_told(held: dict[str, Any]) -> None:
    rows = {(row["pair"], row["figure"]): row for row in held["volatile"]}
    assert {row["claim"] for (_, figure), row in rows.items() if figure.startswith("Sharpe")} == {"CANNOT TELL"}
    assert rows["XOM~CVX", "effectiveness"]["result"] == "IMPROVES"


@pytest.mark.parametrize("name", PAIRS)
def test_nothing_is_left_of_the_search(headline: dict[str, Any], held: dict[str, Any], name: str) -> None:
    assert headline["guard"][name] == "NO EDGE"
    (folds,) = (row for row in held["folds"] if row["index"] == name)
    assert folds["out_of_sample"] < 0.7 * folds["in_sample"]


@pytest.mark.parametrize("hears", ["mid", "book"])
def test_polymarket_earns_at_mid_and_loses_at_the_book(headline: dict[str, Any], held: dict[str, Any], hears: str) -> None:
    trades = [row for row in held["trades"] if row["hears"] == hears]
    assert len({row["market"] for row in trades}) == 12
    assert len(trades) > 100
    sums = headline["polymarket"][hears]
    assert sums["pnl_mid"] == pytest.approx(sum(row["pnl_mid"] for row in trades))
    assert sums["pnl_book"] == pytest.approx(sums["pnl_mid"] - sums["delay"] - sums["spread"] - sums["fee"])
    told = [row for row in held["polymarket"] if row["hears"] == hears]
    assert len(told) == 3, "in all, without the cheap contracts, and in cents a contract"
    for row in told:
        assert row["pnl_mid"] > 0 > row["pnl_book"]
    in_all, dear, _ = told
    assert dear["pnl_book"] > in_all["pnl_book"] / 2, "most of it was lost in cheap contracts"
    assert headline["polymarket"]["book"]["pnl_book"] > headline["polymarket"]["mid"]["pnl_book"], (
        "knowing the spread helps, and not enough"
    )
