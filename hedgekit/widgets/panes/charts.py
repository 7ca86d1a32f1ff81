"""The live plots of the paper desk: what is new of a session goes into their sources, older points are thinned, extremes kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hedgekit.journal import Series
from hedgekit.params import Params
from hedgekit.widgets.live import LivePlot
from hedgekit.widgets.panes.figures import (
    BARS,
    DELTA_TITLE,
    FAR,
    MARK_SOURCES,
    SLIPS_KEPT,
    mark_source,
    mark_words,
    paper_figures,
    slip_bps,
    slip_source,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hedgekit.journal import News
    from hedgekit.journal.news import FillRow, Floats


QUIET = "A session trades on without the kernel; in a terminal, hedgekit paper list shows it and hedgekit paper kill ends it."
"""Added to what a page says of a kernel that does not answer."""

CURVE = 1_000
"""Most points of a curve: two for each pixel of its width; more would only take time to draw, dashed ones most of all."""


FPS, WINDOW = 16.0, 6
"""Batches a second at most; a bar of a market at twenty rows a second is then on its way at once. Acknowledged is every third."""

SHARE = 0.5
"""Of the page's time, what the plots may take."""


class Charts:
    """Five figures and what is in them.

    Parameters
    ----------
    params : Params
        The numbers whose bands are shown until a session says its own.
    """

    def __init__(self, params: Params) -> None:
        self._figures = paper_figures(params)
        self.plot = LivePlot(self._figures.layout, fps=FPS, window=WINDOW, share=SHARE)
        self.plot.quiet = QUIET
        self._reset()

    def _reset(self) -> None:
        self._series = Series(BARS, CURVE)
        self._fitted: Mapping[str, object] = {}
        self._edge, self._far, self._farthest = math.inf, 0, 0.0

    def clear(self) -> None:
        """Show nothing."""
        self._reset()
        self.plot.set(self._figures.delta.title, text=DELTA_TITLE)
        for name, source in self._figures.sources.items():
            self.plot.replace(name, {column: [] for column in source.data})

    def take(self, news: News) -> None:
        """Show what is new."""
        if news.standing.started and news.standing.params != self._fitted:
            self._fit(news.standing.params)
        self._draw({name: news.bars[name] for name in BARS})
        for name in MARK_SOURCES:
            marks = [mark for mark in news.marks if mark_source(mark) == name]
            if marks:
                self.plot.append(name, {"ts": [m.ts for m in marks], "z": [m.z for m in marks], "what": [mark_words(m) for m in marks]})
        for name in {slip_source(fill) for fill in news.fills}:
            fills = [fill for fill in news.fills if slip_source(fill) == name]
            rows: dict[str, list[Any]] = {"ts": [fill.ts for fill in fills], "bps": [slip_bps(fill) for fill in fills]}
            self.plot.append(name, rows | {"what": [_fill_words(fill) for fill in fills]}, rollover=SLIPS_KEPT)

    def _fit(self, numbers: Mapping[str, object]) -> None:
        """Show the bands of the session's own numbers, as they are now."""
        self._fitted = dict(numbers)
        params = Params.make(**numbers)
        for model, attributes in self._figures.fit(params).items():
            self.plot.set(model, **attributes)
        self._edge = FAR * params.tolerance

    def _tell_far(self, deltas: Floats) -> None:
        """Say in the title what lies outside the frame."""
        far = np.abs(deltas[np.abs(deltas) > self._edge])
        if len(far):
            self._far, self._farthest = self._far + len(far), max(self._farthest, float(far.max()))
            words = f" · {self._far:,} beyond {self._edge:.0%}, the farthest {self._farthest:.0%}"
            self.plot.set(self._figures.delta.title, text=DELTA_TITLE + words)

    def _draw(self, rows: Mapping[str, Floats]) -> None:
        """Add points to the curves."""
        if len(rows["ts"]):
            self._tell_far(rows["delta"])
            way = self._series.extend(rows)
            if way == "append":
                self.plot.append("bars", rows)
            else:
                self.plot.replace("bars", self._series.columns())


def _fill_words(fill: FillRow) -> str:
    return f"trade {fill.trade}: {fill.qty:+,.10g} {fill.instrument} at {fill.price:,.4g}, {slip_bps(fill):+.2f} bps"
