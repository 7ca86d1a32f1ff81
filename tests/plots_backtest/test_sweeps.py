"""The map of a sweep: raw and deflated side by side, all trials counted, medians over what is left free."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bokeh.models import Rect

from hedgekit.backtest.sweep import Sweep
from hedgekit.errors import ConfigError
from hedgekit.plots import deflated, sweep_map
from hedgekit.report import show
from hedgekit.stats.overfit import Guard
from tests.browser import OfflinePage
from tests.plots_backtest.looks import figures, text, tips


@pytest.fixture(scope="module")
def judged(swept: Sweep) -> Guard:
    return swept.guard(reps=200)


def cells(plot: Any) -> pd.DataFrame:
    (tiles,) = [r for r in plot.renderers if isinstance(r.glyph, Rect) and "shade" in r.data_source.data]
    return pd.DataFrame({name: list(values) for name, values in tiles.data_source.data.items()}).set_index(["_x", "_y"])


def test_cells_are_the_table(swept: Sweep, judged: Guard) -> None:
    """With every other number fixed a cell is one combination."""
    left, right = figures(sweep_map(swept, "lookback", "entry", fixed={"target": 0.5}, guard=judged))
    chance = deflated(swept, judged)
    rows = swept.table[swept.table["target"] == 0.5]
    raw, sure = cells(left), cells(right)
    assert len(raw) == len(sure) == 6
    for n, row in rows.iterrows():
        at = (f"{row['lookback']:g}", f"{row['entry']:g}")
        assert raw.loc[at, "shade"] == pytest.approx(row["sharpe"], nan_ok=True)
        assert sure.loc[at, "shade"] == pytest.approx(chance[int(str(n))], nan_ok=True)
        assert (raw.loc[at, "text"] == "no trade") == (row["trades"] == 0)


def test_what_is_left_free_is_told_by_its_median_never_its_best(swept: Sweep, judged: Guard) -> None:
    shown = sweep_map(swept, "lookback", "entry", guard=judged)
    raw = cells(figures(shown)[0])
    both = swept.table[(swept.table["lookback"] == 20) & (swept.table["entry"] == 1.5)]["sharpe"]
    assert len(both) == 2
    assert both.max() > both.median()
    assert raw.loc[("20", "1.5"), "shade"] == pytest.approx(both.median())
    assert "Each cell is the median over target" in text(shown)


def test_all_trials_are_counted_in_the_titles(swept: Sweep, judged: Guard) -> None:
    assert swept.trials == 16 > len(swept.table)
    shown = sweep_map(swept, guard=judged)
    for plot in figures(shown):
        assert "16 trials" in plot.title.text
    assert judged.sentence.split(":")[0] in text(shown)
    best = swept.best()
    assert f"entry = {best['entry']:g}, lookback = {best['lookback']:g}, target = {best['target']:g}" in text(shown)


def test_the_best_cell_has_the_guards_deflated_sharpe_ratio(swept: Sweep, judged: Guard) -> None:
    best = (
        int(swept.table["sharpe"].to_numpy().argmax()) if swept.table["sharpe"].notna().all() else int(np.nanargmax(swept.table["sharpe"]))
    )
    chance = deflated(swept, judged)
    assert chance[best] == pytest.approx(judged.dsr, abs=1e-12)
    assert np.isnan(chance[swept.table["trades"] == 0]).all()
    known = chance[np.isfinite(chance)]
    assert ((known >= 0) & (known <= 1)).all()


def test_returns_that_hang_together_are_deflated_as_the_guard_does(swept: Sweep) -> None:
    """The mean of five bars' P&L at each bar: fewer independent bars than bars."""
    smooth = np.apply_along_axis(lambda one: np.convolve(one, np.full(5, 0.2), "same"), 0, swept.pnl)
    alike = replace(swept, pnl=smooth)
    judged = alike.guard(reps=200)
    assert judged.effective_n < 0.5 * judged.n
    best = int(np.nanargmax(alike.table["sharpe"].to_numpy()))
    assert deflated(alike, judged)[best] == pytest.approx(judged.dsr, abs=1e-12)


def test_more_trials_leave_less(swept: Sweep, judged: Guard) -> None:
    more = replace(swept, trials=10_000)
    few, many = deflated(swept, judged), deflated(more, more.guard(reps=200))
    known = np.isfinite(few)
    assert (many[known] < few[known]).all()


def test_axes_run_upwards_and_have_their_units(swept: Sweep, judged: Guard) -> None:
    left, _ = figures(sweep_map(swept, "entry", "lookback", guard=judged))
    assert list(left.x_range.factors) == ["1.5", "2", "9"]
    assert list(left.y_range.factors) == ["15", "20"]
    assert (left.xaxis[0].axis_label, left.yaxis[0].axis_label) == ("entry (sd)", "lookback (bars)")


def test_profit_at_mids_stands_only_beside_executable_profit(swept: Sweep, judged: Guard) -> None:
    with pytest.raises(ConfigError, match="by='pnl_at_mids': a map shows one of sharpe, sharpe_gain, pnl"):
        sweep_map(swept, by="pnl_at_mids")
    for plot in figures(sweep_map(swept, guard=judged)):
        assert "P&L hedged, at mids" in tips(plot)
        assert "P&L hedged, executable" in tips(plot)


def test_the_kits_own_show_draws_it(swept: Sweep, judged: Guard, offline_page: OfflinePage, tmp_path: Path) -> None:
    """It brings BokehJS's core along and no more, so a map may not be made of widgets."""
    file = tmp_path / "map.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><body>{show(sweep_map(swept, guard=judged)).data}</body>", encoding="utf-8")
    page, requests, errors = offline_page
    page.goto(file.as_uri())
    page.get_by_text("Over-fitting guard.").wait_for(timeout=120_000)
    assert (requests, errors) == ([], [])


def test_a_search_without_a_trade_or_too_short_says_so(swept: Sweep) -> None:
    idle = swept.table["trades"] == 0
    none = replace(swept, table=swept.table[idle].reset_index(drop=True), pnl=swept.pnl[:, idle.to_numpy()])
    assert "No combination made a trade" in text(sweep_map(none))
    short = replace(swept, pnl=swept.pnl[:9])
    assert "Not judged" in text(sweep_map(short))
    assert "9" in text(sweep_map(short))


def test_a_sweep_of_one_number_is_one_row(swept: Sweep) -> None:
    keep = (swept.table["lookback"] == 20) & (swept.table["target"] == 0.5)
    one = Sweep(swept.table[keep].drop(columns=["lookback", "target"]).reset_index(drop=True), swept.pnl[:, keep.to_numpy()], 3, "one")
    left, _ = figures(sweep_map(one, reps=200))
    assert len(cells(left)) == 3
    assert not left.yaxis[0].visible


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"x": "stop"}, "'stop' was not varied in this sweep; varied: entry, lookback, target"),
        ({"x": "entry", "y": "entry"}, "give two different numbers"),
        ({"fixed": {"target": 0.7}}, "no combination with target=0.7; tried: 0, 0.5"),
        ({"fixed": {"entry": 1.5}}, "'entry' is not another varied number"),
    ],
)
def test_a_wrong_name_says_the_fix(swept: Sweep, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        sweep_map(swept, **options)


def test_the_guard_of_another_search_is_refused(swept: Sweep, judged: Guard) -> None:
    with pytest.raises(ConfigError, match="is not of this sweep"):
        sweep_map(swept, guard=replace(judged, trials=12))
    with pytest.raises(ConfigError, match="is not of this sweep"):
        sweep_map(swept, benchmark=np.sin(np.arange(len(swept.pnl))), reps=200)
