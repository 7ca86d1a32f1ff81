"""Plots: nothing that matters is lost on the way to the page, and nobody needs to tell red from green."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.look import POINTS, STRETCHES, thin, thinned
from hedgekit.report import Session, plots


@settings(max_examples=50)
@given(rows=st.integers(1, 9_000), gaps=st.booleans(), seed=st.integers(0, 99))
def test_thinning_keeps_every_extreme_of_every_stretch(rows: int, gaps: bool, seed: int) -> None:  # noqa: FBT001 - drawn
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(rows, 2)).cumsum(axis=0), columns=["a", "b"])
    if gaps:
        frame.loc[rows // 3 : rows // 2, "a"] = np.nan
    kept = thin(frame)
    assert kept.index.is_monotonic_increasing
    assert kept.index[0] == 0
    assert kept.index[-1] == rows - 1
    assert len(kept) <= max(3_000, 2 * 2 * STRETCHES + 2)
    stretch = np.arange(rows) * STRETCHES // rows if rows > POINTS else np.arange(rows)
    for name in frame:
        for what in ("min", "max"):
            whole, left = (getattr(f[name].groupby(stretch[f.index.to_numpy()]), what)() for f in (frame, kept))
            pd.testing.assert_series_equal(whole.dropna(), left.dropna())


def test_a_thinned_plot_says_so() -> None:
    assert thinned(pd.DataFrame({"a": np.arange(3_000.0)})) == ""
    assert "of 9,000 points drawn, extremes kept" in thinned(pd.DataFrame({"a": np.arange(9_000.0)}))


def _seen(colour: str) -> np.ndarray:
    """Return a colour as a deuteranope sees it, linear RGB (Vienot, Brettel & Mollon 1999)."""
    srgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]) @ linear


def test_lines_of_one_plot_differ_for_a_deuteranope() -> None:
    for one, two in combinations([plots.BLUE, plots.ORANGE, plots.VERMILLION], 2):
        assert np.linalg.norm(_seen(one) - _seen(two)) > 0.15, (one, two)
    assert np.linalg.norm(_seen("#d62728") - _seen("#2ca02c")) < 0.15  # the usual red and green: this test can fail


def test_every_plot_has_a_title_and_named_axes(read: Session) -> None:
    pictures = [plots.profit(read), plots.signal(read), plots.ratio(read), plots.delta(read), plots.costs(read), plots.each_trade(read)]
    figures = [figure for picture in pictures for figure in ([picture] if hasattr(picture, "yaxis") else picture.children)]
    assert len(figures) == 8
    for figure in figures:
        strip = figure.height < 100
        assert figure.yaxis[0].axis_label
        assert strip or ("(UTC)" in figure.xaxis[0].axis_label and figure.title.text)


def test_profit_and_drawdown_share_their_dates(read: Session) -> None:
    top, low = plots.profit(read).children
    assert top.x_range is low.x_range
