"""A screen by eye: every pair that was tried, sorted by any column, and the chosen pair's spread below."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets as w
import numpy as np
import pandas as pd
import traitlets
from bokeh.models import Range1d

from hedgekit.errors import DataError
from hedgekit.look import BLUE, ORANGE
from hedgekit.plots import draw
from hedgekit.widgets.controls import message
from hedgekit.widgets.live import LivePlot
from hedgekit.widgets.panes import words
from hedgekit.widgets.signal_explorer import figures, source

if TYPE_CHECKING:
    from hedgekit.stats.screen import Screen
    from hedgekit.types import HedgePlan

COLUMNS: dict[str, tuple[str, str]] = {
    "primary": ("primary", ""),
    "hedge": ("hedge", ""),
    "net_effectiveness": ("net of cost (%)", ".1%"),
    "effectiveness": ("removed (%)", ".1%"),
    "naive_effectiveness": ("one to one (%)", ".1%"),
    "ratio": ("ratio ($ per $)", ".3f"),
    "p_adjusted": ("p, all tried", ".3f"),
    "half_life": ("half-life (bars)", ",.0f"),
    "approved": ("approved", ""),
}
"""Columns of the screen's table that are shown: heading with unit, and format."""


class Table(anywidget.AnyWidget):
    """Rows that a person sorts and chooses from; ``chosen`` is the row's place in the kernel's order."""

    _esm = Path(__file__).with_name("table.js")
    head: Any = traitlets.List().tag(sync=True)
    rows: Any = traitlets.List().tag(sync=True)
    sorts: Any = traitlets.List().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    chosen = traitlets.Int(0).tag(sync=True)


class ScreenTable(w.VBox):  # type: ignore[misc] # ipywidgets has no types
    """Choose a pair of a screen with a click or the arrow keys; its spread follows.

    Parameters
    ----------
    screen : Screen
        What :func:`hedgekit.screen` returned.

    Raises
    ------
    DataError
        If the screen has no pair, or its prices are not known.
    """

    def __init__(self, screen: Screen) -> None:
        if screen.table.empty or screen.prices.empty:
            msg = "this screen has no pairs, or no prices to draw: give the Screen of hedgekit.screen(prices)"
            raise DataError(msg)
        self.screen = screen
        self._thread = threading.get_ident()
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None  # no notebook
        self.table = Table(**_cells(screen.table), label="pairs that were tried")
        self.plot = LivePlot(self._figures(), fps=60.0)
        self._said = w.HTML()
        tried = f"variance that the hedge removed out of sample · {screen.tried:,} pairs tried over {screen.n:,} prices"
        head = words.STYLE + words.page(
            f"<b>Screen</b> · {tried} · {len(screen.found):,} found, {len(screen.approved):,} approved", "title"
        )
        super().__init__([w.HTML(head), self.table, self._said, self.plot], layout=w.Layout(width="100%"))
        self.add_class("hk-explorer")
        self.table.observe(self._on_choice, "chosen")
        self._show()

    def __repr__(self) -> str:
        """Say which pair is chosen, for a page where widgets do not live."""
        return f"<ScreenTable: {' on '.join(self.pair)} of {self.screen.tried:,} pairs>"

    @property
    def row(self) -> pd.Series:
        """The chosen pair's row of the screen's table."""
        return self.screen.table.iloc[self.table.chosen]

    @property
    def pair(self) -> tuple[str, str]:
        """The chosen pair: primary and hedge."""
        return str(self.row["primary"]), str(self.row["hedge"])

    @property
    def papermill(self) -> dict[str, str]:
        """The same as papermill parameters."""
        return dict(zip(("primary", "hedge"), self.pair, strict=True))

    def plan(self, **options: Any) -> HedgePlan:  # noqa: ANN401 - those of Screen.plan
        """Return the plan that a session trades for the chosen pair: :meth:`hedgekit.stats.screen.Screen.plan`, with its errors."""
        return self.screen.plan(*self.pair, **options)

    def choose(self, primary: str, hedge: str) -> None:
        """Choose a pair from code; DataError if it was not tried in this order."""
        label = self.screen.row(primary, hedge).name
        self.table.chosen = int(np.flatnonzero(self.screen.table.index == label)[0])

    # ------------------------------------------------------------------ drawing

    def _figures(self) -> Any:  # noqa: ANN401 - bokeh's grid
        times = self._times()
        x_range = Range1d(start=times[0], end=times[-1])
        timed = isinstance(self.screen.prices.index, pd.DatetimeIndex)
        axis = {} if timed else {"x": "row (bars)"}
        lines = source("pair", "ts", "primary", "hedge", "spread")
        top = draw.frame_of("Prices of the pair, 100 at the first", "index (first = 100)", height=180, x_range=x_range, **axis)
        shown = {
            "primary": [top.line("ts", "primary", source=lines, color=BLUE)],
            "hedge": [top.line("ts", "hedge", source=lines, color=ORANGE, line_dash="dashed")],
        }
        draw.hover(top, shown["primary"], [("primary", "@primary{0.0}"), ("hedge", "@hedge{0.0}")], clock="%F" if timed else "")
        draw.head(top, [], shown)
        low = draw.frame_of(
            "What reverts, if anything does: the residual of the levels", "residual (sd)", height=180, x_range=x_range, **axis
        )
        line = low.line("ts", "spread", source=lines, color=BLUE)
        draw.level(low, 0.0)
        draw.hover(low, [line], [("residual", "@spread{0.00} sd")], clock="%F" if timed else "")
        return figures(top, low)

    def _times(self) -> Any:  # noqa: ANN401 - an array of numbers
        index = self.screen.prices.index
        if isinstance(index, pd.DatetimeIndex):
            return draw.stamps(index if index.tz is not None else index.tz_localize("UTC"))
        return np.arange(len(index), dtype=np.float64)

    def _on_choice(self, _: object) -> None:
        """Follow a choice, which may come on another thread."""
        if self._loop is None:
            self._show()
        else:
            self._loop.call_soon_threadsafe(self._show)

    def _show(self) -> None:
        primary, hedge = self.pair
        prices = self.screen.prices[[primary, hedge]].to_numpy(dtype=np.float64)
        levels = np.log(prices) if self.screen.settings["on"] == "log prices" else prices
        left = levels[:, 0] - float(self.row["level_ratio"]) * levels[:, 1]
        sd = float(left.std(ddof=1))
        index = 100.0 * prices / prices[0]
        spread = (left - left.mean()) / sd if sd > 0.0 else np.zeros(len(left))
        self.plot.replace("pair", {"ts": self._times(), "primary": index[:, 0], "hedge": index[:, 1], "spread": spread})
        self._said.value = message(f"{primary} on {hedge}: {self.row['says']}")


def _cells(table: pd.DataFrame) -> dict[str, Any]:
    """Return headings, cells as text, and what they are sorted by (None where nothing is known)."""
    head = [[words_, not form and name != "approved"] for name, (words_, form) in COLUMNS.items()]
    rows = [[_text(row[name], form) for name, (_, form) in COLUMNS.items()] for _, row in table.iterrows()]
    sorts = [[_key(row[name]) for name in COLUMNS] for _, row in table.iterrows()]
    return {"head": head, "rows": rows, "sorts": sorts}


def _text(value: Any, form: str) -> str:  # noqa: ANN401 - a cell
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if not form:
        return str(value)
    return words.NONE if np.isnan(value) else "none" if np.isinf(value) else format(value, form)


def _key(value: Any) -> float | str | None:  # noqa: ANN401 - a cell
    if isinstance(value, str):
        return value
    number = float(value)
    return None if np.isnan(number) else min(number, 1e300)
