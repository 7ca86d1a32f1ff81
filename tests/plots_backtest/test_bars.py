"""Figures over time: their numbers are those of the frames, shape and dash tell what colour tells, and dates are shared."""

from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bokeh.models import CrosshairTool
from bokeh.models.annotations import Span

from hedgekit import metrics, plots
from hedgekit.backtest import Backtest, run
from hedgekit.errors import ConfigError, DataError
from hedgekit.exchange.model import FillModel
from hedgekit.plots.view import Frames, view
from hedgekit.report import Session
from tests.core.core_made import DAILY, INVERSE, basket_tape, inverse_tape, params
from tests.plots_backtest.looks import data, figures, ms, named, notes, text, tips, titled


def takes_a_report_session(read: Session) -> Frames:
    """Hold the report's session against the protocol: a matter for the type checker."""
    return read


# ------------------------------------------------------------ prices, positions


def test_prices_start_at_100_and_positions_are_the_exposure(done: Backtest) -> None:
    top, low = figures(plots.prices(done))
    equity, exposure = done.tables.equity, done.tables.exposure
    for n, (words, leg) in enumerate((("KO (primary)", "primary"), ("PEP (hedge)", "hedge"))):
        drawn = data(named(top)[words][0])
        assert drawn["ts"] == pytest.approx(ms(equity.index))
        assert drawn[f"index_{n}"] == pytest.approx((equity[f"mid_{leg}"] / equity[f"mid_{leg}"].iloc[0] * 100).to_numpy())
        drawn = data(named(low)[words][1])
        assert drawn[f"value_{n}"] == pytest.approx(exposure[leg].to_numpy())
        assert drawn[f"qty_{n}"] == pytest.approx(equity[f"pos_{leg}"].to_numpy())
    assert np.abs(exposure["hedge"]).max() > 1_000


def test_the_shade_of_a_position_holds_until_the_next_bar(done: Backtest) -> None:
    _, low = figures(plots.prices(done))
    shade = data(named(low)["KO (primary)"][0])
    value = done.tables.exposure["primary"].to_numpy()
    x, y = np.array(shade["xs"][0]), np.array(shade["ys"][0])
    area = 0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)  # the shoelace formula
    steps = np.diff(ms(done.tables.equity.index))
    assert abs(area) == pytest.approx(abs(np.sum(value[:-1] * steps)), rel=1e-6)


def test_a_basket_shows_all_its_legs() -> None:
    done = run(basket_tape(4, 600), params(**DAILY | {"notional": 100_000.0}), FillModel())
    equity, leg = done.tables.equity, view(done).legs[2]
    assert (leg.qty == equity["pos_hedge_2"]).all()
    held = np.flatnonzero(leg.qty)
    assert len(held) > 20
    assert leg.value[held[0]] == pytest.approx(leg.qty[held[0]] * equity["mid_hedge_2"].iloc[held[0]])
    assert "MNST (hedge)" in named(figures(plots.prices(done))[0])


def test_an_inverse_contract_counts_at_its_fixed_sum() -> None:
    done = run(inverse_tape(1, 400), params(**INVERSE), FillModel())
    leg = view(done).legs[1]
    assert np.any(leg.qty)
    assert leg.value == pytest.approx(leg.qty * 10.0)


# ---------------------------------------------------------------------- signal


def test_z_and_its_levels(done: Backtest) -> None:
    (plot,) = figures(plots.signal(done))
    z = done.tables.equity["z"].to_numpy()
    assert data(named(plot)["z"][0])["z"] == pytest.approx(z, nan_ok=True)
    assert np.isnan(z).any(), "a window that is not full has no z, and the line begins after it"
    p = done.params
    assert p is not None
    spans: list[Any] = [model for model in plot.center if isinstance(model, Span)]
    levels = {level: {str(span.line_dash) for span in spans if abs(span.location) == level} for level in (p.entry, p.stop, p.target)}
    assert sorted(span.location for span in spans) == sorted(sign * level for level in levels for sign in (1, -1))
    assert len(set().union(*levels.values())) == 3, "entry, stop and target differ by their dashes"
    assert plot.y_range.end > np.nanmax(np.abs(z))


def test_every_trade_is_marked_where_it_was_decided(done: Backtest) -> None:
    trades = done.tables.trades
    shown = named(figures(plots.signal(done))[0])
    for side, words in ((1, "entry, long spread"), (-1, "entry, short spread")):
        rows = trades[trades["side"] == side]
        drawn = data(shown[words][0])
        assert drawn["ts"] == pytest.approx(ms(rows["opened"]))
        assert drawn["z"] == pytest.approx(rows["z_entry"].to_numpy())
    for reason in ("target", "stop", "time_stop"):
        rows = trades[(trades["exit_reason"] == reason) & trades["closed"].notna()]
        drawn = data(shown[f"exit, {reason.replace('_', ' ')}"][0])
        assert len(rows) > 0
        assert drawn["ts"] == pytest.approx(ms(rows["closed"]))
        assert drawn["z"] == pytest.approx(rows["z_exit"].to_numpy())
        assert drawn["hedged"] == pytest.approx(rows["hedged"].to_numpy())
        assert set(drawn["ended"]) == {reason.replace("_", " ")}


def test_marks_differ_by_shape(done: Backtest) -> None:
    shown = named(figures(plots.signal(done))[0])
    shapes = [renderers[0].glyph.marker for words, renderers in shown.items() if words != "z"]
    assert len(shapes) >= 5
    assert len(set(shapes)) == len(shapes)


def test_a_mark_without_a_z_is_counted_in_words(done: Backtest) -> None:
    t = done.tables
    trades = t.trades.copy()
    trades.loc[[0, 3], "z_exit"] = np.nan
    result = _like(done, trades=trades)
    (plot,) = figures(plots.signal(result))
    assert "2 entries or exits have no z and are not marked" in text(plot)
    drawn = sum(len(data(r[0])["z"]) for words, r in named(plot).items() if words.startswith("exit"))
    assert drawn == int(trades["closed"].notna().sum()) - 2


# ----------------------------------------------------------------------- ratio


def test_the_ratio_holds_until_the_next_plan_and_the_last_bar(done: Backtest) -> None:
    plans, bars = done.tables.plans, done.tables.equity.index
    (plot,) = figures(plots.ratio(done))
    drawn = data(named(plot)["ratio"][0])
    assert drawn["ts"] == pytest.approx(ms([*plans["ts"], bars[-1]]))
    assert drawn["ratio"] == pytest.approx([*plans["ratio"], plans["ratio"].iloc[-1]])
    assert drawn["high"][:-1] - drawn["low"][:-1] == pytest.approx(2 * 1.959964 * plans["stderr"].to_numpy())
    assert plot.yaxis[0].axis_label == "$ of PEP per $ of KO"


def test_revisions_are_marked_by_whether_their_evidence_holds(done: Backtest) -> None:
    plans = done.tables.plans
    shown = named(figures(plots.ratio(done))[0])
    good, bad = shown["revision, evidence holds (p < 0.05)"][0], shown["revision, evidence fails or is missing"][0]
    assert data(good)["ratio"] == pytest.approx(plans.loc[plans["p_value"] < 0.05, "ratio"].to_numpy())
    assert len(data(good)["ts"]) + len(data(bad)["ts"]) == len(plans)
    assert min(len(data(good)["ts"]), len(data(bad)["ts"])) > 0
    assert good.glyph.marker != bad.glyph.marker


# ------------------------------------------------------------------------- P&L


def test_equity_and_drawdown_are_the_frames_and_the_metrics(done: Backtest) -> None:
    top, low = figures(plots.equity(done))
    equity = done.tables.equity
    for name in ("hedged", "unhedged"):
        assert data(named(top)[f"{name}, executable prices"][0])[name] == pytest.approx(equity[name].to_numpy())
        fall = data(named(low)[name][0])[f"dd_{name}"]
        assert fall.max() <= 0
        assert -fall.min() == pytest.approx(metrics.max_drawdown(equity[name]))
    mids = (equity["gross_primary"] + equity["gross_hedge"]).to_numpy()
    assert data(named(top)["hedged, at mids before costs"][0])["hedged_mid"] == pytest.approx(mids)
    assert mids[-1] > equity["hedged"].iloc[-1] + 1


def test_a_loss_from_the_first_bar_on_is_a_drawdown(done: Backtest) -> None:
    """By hand: the start, at zero, counts as a high."""
    equity = done.tables.equity.iloc[:3].assign(hedged=[-5.0, 3.0, -2.0], unhedged=[1.0, 4.0, 4.0])
    _, low = figures(plots.equity(_like(done, equity=equity)))
    assert data(named(low)["hedged"][0])["dd_hedged"].tolist() == [-5.0, 0.0, -5.0]
    assert data(named(low)["unhedged"][0])["dd_unhedged"].tolist() == [0.0, 0.0, 0.0]


def test_profit_at_mids_never_stands_alone(done: Backtest) -> None:
    """L10: whatever tells profit at mids tells it at executable prices too, in lines and in hover."""
    for plot in [*figures(plots.overview(done)), plots.excursions(done)]:
        said = tips(plot)
        assert ("at mids" in said) <= ("executable" in said or "net" in said), plot.title.text
        lines = [words for words in named(plot) if "at mids" in words]
        assert {words.replace("at mids before costs", "executable prices") for words in lines} <= set(named(plot))
    assert any("at mids" in tips(plot) for plot in figures(plots.overview(done)))


def test_lines_of_a_figure_differ_by_dash(done: Backtest) -> None:
    for plot in figures(plots.overview(done)):
        glyphs = [r.glyph for renderers in named(plot).values() for r in renderers if type(r.glyph).__name__ in {"Line", "Step"}]
        assert len({str(glyph.line_dash) for glyph in glyphs}) == len(glyphs) > 0, plot.title.text


# -------------------------------------------------------------------- overview


def test_all_figures_share_one_range_and_one_crosshair(done: Backtest) -> None:
    shown = figures(plots.overview(done))
    assert len(shown) == 6
    assert len({id(plot.x_range) for plot in shown}) == 1
    crosshairs = [plot.select_one(CrosshairTool) for plot in shown]
    assert len({id(tool.overlay) for tool in crosshairs}) == 1
    assert crosshairs[0].overlay.dimension == "height"
    bars = ms(done.tables.equity.index)
    assert shown[0].x_range.start <= bars[0]
    assert shown[0].x_range.end >= bars[-1]


def test_every_figure_has_a_title_units_and_hover(done: Backtest) -> None:
    for plot in figures(plots.overview(done)):
        assert plot.title.text
        assert plot.xaxis[0].axis_label == "time (UTC)"
        assert "$" in plot.yaxis[0].axis_label or "sd" in plot.yaxis[0].axis_label or "index" in plot.yaxis[0].axis_label
        assert "@ts{%F}" in tips(plot), "daily bars show a date"
        assert plot.sizing_mode == "stretch_width"
        assert plot.height >= 170


def test_one_figure_alone_is_that_of_the_overview(done: Backtest) -> None:
    whole = plots.overview(done)
    for make in (plots.prices, plots.signal, plots.ratio, plots.equity):
        for plot in figures(make(done)):
            twin = titled(whole, plot.title.text)
            assert notes(plot) == notes(twin)
            assert list(named(plot)) == list(named(twin))


def test_frames_do_as_well_as_a_backtest(done: Backtest) -> None:
    assert text(plots.overview(_like(done))) == text(plots.overview(done))


def test_what_has_no_frames_is_refused(done: Backtest) -> None:
    with pytest.raises(DataError, match="a dict has no frames to draw; give the Backtest"):
        plots.overview({})  # type: ignore[arg-type]  # the mistake itself
    with pytest.raises(ConfigError, match="does not know its tape"):
        plots.overview(Backtest([], done.bar_ns, done.bar_mids))


def _like(done: Backtest, **changes: Any) -> Any:
    """Return a backtest's frames as another object has them."""
    assert done.tape is not None
    tables = {f.name: getattr(done.tables, f.name) for f in fields(done.tables)}
    return SimpleNamespace(**tables | {"params": done.params, "instruments": done.tape.instruments} | changes)
