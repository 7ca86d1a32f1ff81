"""Adjustments and excursions: every one is drawn, on the side of the line that it belongs to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hedgekit import metrics, plots
from hedgekit.backtest import Backtest
from tests.plots_backtest.looks import data, named, notes, tips


def test_every_adjustment_is_drawn_taken_or_skipped(done: Backtest) -> None:
    plot: Any = plots.adjustments(done)
    decisions = done.tables.decisions
    assert "drift" in set(decisions["reason"]) or "cost_exceeds_benefit" in set(decisions["reason"])
    counts = {}
    for words, reason in (("taken", "drift"), ("skipped", "cost_exceeds_benefit")):
        rows = decisions[decisions["reason"] == reason]
        counts[words] = len(rows)
        if len(rows):
            drawn = data(named(plot)[words][0])
            assert drawn["cost"] == pytest.approx(rows["cost"].to_numpy())
            assert drawn["benefit"] == pytest.approx(rows["benefit"].to_numpy())
            assert f"{words}: cost ${rows['cost'].sum():,.2f}, worth ${rows['benefit'].sum():,.2f}" in " ".join(notes(plot))
    assert f"{counts['taken']:,} taken, {counts['skipped']:,} skipped" in plot.title.text
    assert min(counts.values()) > 0


def test_the_line_parts_taken_from_skipped(done: Backtest) -> None:
    plot = plots.adjustments(done)
    (words,) = [words for words in named(plot) if words.startswith("cost = worth")]
    line = data(named(plot)[words][0])
    assert line["x"] == line["y"]
    taken, skipped = data(named(plot)["taken"][0]), data(named(plot)["skipped"][0])
    assert (taken["benefit"] > taken["cost"]).all()
    assert (skipped["benefit"] <= skipped["cost"]).all()
    assert line["x"][0] <= min(taken["cost"].min(), skipped["benefit"].min())
    assert line["x"][1] >= max(taken["benefit"].max(), skipped["cost"].max())
    assert named(plot)["taken"][0].glyph.marker != named(plot)["skipped"][0].glyph.marker


def test_what_the_worth_rests_on_is_said(done: Backtest) -> None:
    assert "not money earned" in " ".join(notes(plots.adjustments(done)))
    assert "of notional" in tips(plots.adjustments(done))


def test_excursions_are_the_metric_and_the_trades(done: Backtest) -> None:
    plot, trades = plots.excursions(done), done.tables.trades
    path = metrics.trade_excursions(done.tables.equity, trades).merge(trades[["trade", "hedged", "unhedged"]], on="trade")
    shown = named(plot)
    for words, rows in (("profit", path[path["hedged"] > 0]), ("loss, or none", path[path["hedged"] <= 0])):
        drawn = data(shown[words][0])
        assert len(rows) > 0
        assert drawn["mae"] == pytest.approx(rows["mae"].to_numpy())
        assert drawn["hedged"] == pytest.approx(rows["hedged"].to_numpy())
        assert drawn["unhedged"] == pytest.approx(rows["unhedged"].to_numpy())
    assert shown["profit"][0].glyph.marker != shown["loss, or none"][0].glyph.marker
    line = data(shown["closed at its deepest"][0])
    assert line["y"] == [-x for x in line["x"]]


def test_a_trade_never_ends_below_its_deepest_but_for_the_cost_of_leaving(done: Backtest) -> None:
    drawn = [data(r[0]) for words, r in named(plots.excursions(done)).items() if words != "closed at its deepest"]
    mae, net = (np.concatenate([one[name] for one in drawn]) for name in ("mae", "hedged"))
    costs = done.tables.trades[["cost_primary", "cost_hedge"]].to_numpy().sum(axis=1).max()
    assert (net >= -mae - 3 * costs).all()
