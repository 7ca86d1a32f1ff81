"""Long series, holes and empty results: extremes stay, holes stay holes, and nothing to draw is said in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bokeh.core.validation import check_integrity
from bokeh.document import Document
from bokeh.embed import file_html
from bokeh.layouts import column
from bokeh.resources import INLINE
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit import Params, SyntheticMarket, plots, run_backtest
from hedgekit.backtest import Backtest, run
from hedgekit.backtest.sweep import Sweep
from hedgekit.plots import bars, draw
from hedgekit.plots.view import view
from tests.browser import OfflinePage
from tests.core.core_made import DAILY, daily_tape, params
from tests.plots_backtest.looks import data, figures, named, text

BARS = 100_000


@pytest.fixture(scope="module")
def long() -> Backtest:
    """Return 100,000 bars of a minute with about 2,000 trades."""
    numbers = Params.make(
        bar_s=60.0, lookback=60, fit_bars=2_000, refit_bars=5_000, slippage_buffer=0.0, max_quote_age_s=120.0,
        evidence_override="made market, its truth is known",
    )  # fmt: skip
    done = run_backtest(SyntheticMarket.textbook(rows=BARS, row_s=60.0).tape(), numbers)
    assert len(done.tables.equity) == BARS
    return done


def test_the_page_of_a_hundred_thousand_bars_stays_small(long: Backtest) -> None:
    """Measured: 2.2 MB, of which bokeh's own script is 1.4."""
    assert len(file_html(plots.overview(long), INLINE, "long")) < 5_000_000


def test_thinning_keeps_extremes_and_is_told(long: Backtest) -> None:
    shown = plots.overview(long)
    said = text(shown)
    equity = long.tables.equity
    drawn = {name: r for plot in figures(shown) for name, renderers in named(plot).items() for r in renderers}
    for words, name in (("z", "z"), ("hedged, executable prices", "hedged"), ("unhedged, executable prices", "unhedged")):
        values = data(drawn[words])[name]
        assert len(values) < 10_000
        assert f"{len(values):,} of {BARS:,} points drawn, extremes kept" in said
        assert (np.nanmin(values), np.nanmax(values)) == (equity[name].min(), equity[name].max())
    falls = data(drawn["hedged"])["dd_hedged"]
    assert falls.min() == pytest.approx((equity["hedged"] - equity["hedged"].cummax().clip(lower=0)).min())
    assert np.nanmax(data(drawn["SYNA (primary)"])["value_0"]) == long.tables.exposure["primary"].max()


def test_a_short_series_is_not_thinned(done: Backtest) -> None:
    assert "drawn" not in text(plots.overview(done))


# ----------------------------------------------------------------------- holes


@settings(max_examples=40)
@given(known=st.lists(st.booleans(), min_size=1, max_size=30), step=st.booleans())
def test_an_area_covers_what_is_known_and_nothing_else(known: list[bool], step: bool) -> None:  # noqa: FBT001 - drawn
    """A polygon for each run; its surface is the sum over the run's intervals, a step's last row held until the first unknown one."""
    n = len(known)
    high = np.where(known, 1.0 + np.arange(n), np.nan)
    table = pd.DataFrame({"high": high}, index=pd.date_range("2026-01-01", periods=n, freq="s", tz="UTC"))
    drawn = data(draw.area(draw.frame_of("t", "y", height=200), table, 0.0, "high", step=step))
    runs = sum(now and not before for before, now in zip([False, *known[:-1]], known, strict=True))
    assert len(drawn["xs"]) == runs
    surface = 0.0
    for xs, ys in zip(drawn["xs"], drawn["ys"], strict=True):
        assert np.isfinite(ys).all()
        x = (np.array(xs) - 1_767_225_600_000) / 1_000
        surface += abs(0.5 * float(np.sum(x * np.roll(ys, -1) - np.roll(x, -1) * ys)))
    want = np.nansum(high[:-1]) if step else sum((high[i] + high[i + 1]) / 2 for i in range(n - 1) if known[i] and known[i + 1])
    assert surface == pytest.approx(float(want), abs=1e-6)


def test_a_hole_in_the_pnl_is_a_hole_in_the_figure(done: Backtest) -> None:
    v = view(done)
    equity = v.equity.copy()
    equity.loc[equity.index[300:320], ["hedged", "unhedged"]] = np.nan
    holed = type(v)(equity, v.trades, v.decisions, v.plans, v.params, v.legs)
    made: list[Any] = list(bars.equity(holed, draw.whole(holed)))
    top, low = made
    line = data(named(top)["hedged, executable prices"][0])["hedged"]
    assert np.isnan(line[300:320]).all()
    assert np.isfinite(line[[299, 320]]).all()
    (shade,) = [r for r in low.renderers if type(r.glyph).__name__ == "Patches"]
    assert len(data(shade)["xs"]) == 2


# --------------------------------------------------------------- nothing there

SINGLE: list[Callable[[Any], Any]] = [plots.prices, plots.signal, plots.ratio, plots.equity, plots.adjustments, plots.excursions]


def test_no_trade_is_said_in_words(idle: Backtest) -> None:
    assert idle.tables.trades.empty
    said = {make.__name__: text(make(idle)) for make in SINGLE}
    assert "no position was ever held" in said["prices"]
    assert "no trade was made" in said["signal"]
    assert "no trade was made: nothing was earned or lost" in said["equity"]
    assert "No adjustment came up" in said["adjustments"]
    assert "No trade was closed" in said["excursions"]


@pytest.mark.parametrize(("rows", "words"), [(0, "No bar was closed"), (1, "z was never defined"), (40, "No plan was made")])
def test_no_history_is_said_in_words(rows: int, words: str) -> None:
    empty = run(daily_tape(2, rows), params(**DAILY))
    shown = plots.overview(empty)
    assert words in text(shown)
    assert len({id(plot.x_range) for plot in figures(shown)}) == 1


def warned(layout: Any) -> list[str]:
    """Return what bokeh finds wrong with a layout; asked for directly, for what its logger says depends on who set it up before."""
    document = Document()
    document.add_root(layout)
    issues = check_integrity(document.models)
    return [issue.name for issue in (*issues.error, *issues.warning)]


def test_bokeh_has_no_warning(done: Backtest, idle: Backtest) -> None:
    for result in (done, idle, run(daily_tape(2, 0), params(**DAILY))):
        for make in [*SINGLE, plots.overview]:
            assert warned(make(result)) == [], make.__name__
    assert warned(draw.frame_of("empty", "y", height=200)), "an empty figure is warned of: this test can fail"


# --------------------------------------------------------------------- browser


def test_the_overview_is_drawn_in_a_browser(done: Backtest, new_page: Callable[..., OfflinePage], tmp_path: Path) -> None:
    """One self-contained page: no request, no error, all six figures, and hover tells both profits below the pointer."""
    file = tmp_path / "overview.html"
    file.write_text(file_html(plots.overview(done), INLINE, "overview"), encoding="utf-8")
    page, requests, errors = new_page(width=1100, height=1700)
    page.goto(file.as_uri())
    page.wait_for_function("window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle")
    where = page.evaluate(_FRAMES)
    assert len(where) == 6
    assert {(box["x"], box["width"]) for box in where} == {(where[0]["x"], where[0]["width"])}, "dates stand below each other"
    assert min(box["height"] for box in where) > 70, "legend and notes leave the data their room"
    for place, words in ((0, ["mid "]), (1, ["units"]), (4, ["hedged, executable prices", "hedged, at mids before costs"])):
        box = where[place]
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_function(_TOLD, arg=words)  # as soon as hover says it; a slow machine is not a wrong page
    assert (requests, errors) == ([], [])


def test_the_other_figures_are_drawn_too(done: Backtest, swept: Sweep, new_page: Callable[..., OfflinePage], tmp_path: Path) -> None:
    shown = column(plots.adjustments(done), plots.excursions(done), plots.sweep_map(swept, reps=200), sizing_mode="stretch_width")
    file = tmp_path / "others.html"
    file.write_text(file_html(shown, INLINE, "others"), encoding="utf-8")
    page, requests, errors = new_page(width=1100, height=1500)
    page.goto(file.as_uri())
    page.wait_for_function("window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle")
    where = page.evaluate(_FRAMES)
    assert len(where) == 4
    assert min(box["height"] for box in where) > 200
    assert (requests, errors) == ([], [])


_FRAMES = """() => {
  const found = [];
  const walk = view => {
    if (view.frame) {
      const box = view.frame.bbox, at = view.el.getBoundingClientRect();
      found.push({x: at.x + box.x, y: at.y + window.scrollY + box.y, width: box.width, height: box.height});
    }
    for (const child of view.child_views ?? []) walk(child);
  };
  for (const view of Object.values(Bokeh.index)) walk(view);
  return found.sort((one, two) => one.y - two.y);
}"""
_TOLD = """words => {
  const text = e => e.shadowRoot ? [...e.shadowRoot.querySelectorAll('*')].map(text).join(' ') : e.textContent;
  const said = [...document.querySelectorAll('*')].map(text).join(' ');
  return words.every(word => said.includes(word));
}"""
