"""The paper desk's plots: z with its bands and trades, net delta in its corridor, profit with drawdown, slippage.

Five figures over one time axis. Their sources are filled by the panel; here is
only how they look. The time axis is the market's own time (UTC).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, DataRange1d, FixedTicker, HoverTool, NumeralTickFormatter, Range1d
from bokeh.models.annotations import BoxAnnotation, Span, Title
from bokeh.plotting import figure

from hedgekit.look import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION

if TYPE_CHECKING:
    from bokeh.model import Model
    from bokeh.models.ranges import Range
    from bokeh.models.renderers import DataRenderer

    from hedgekit.journal.news import FillRow, Mark
    from hedgekit.params import Params

DELTA_TITLE = "Net delta, with the corridor that is allowed"

BARS = ("ts", "z", "delta", "hedged", "unhedged", "dd_hedged", "dd_unhedged")
"""Columns of the source ``bars``: milliseconds UTC, sd, fraction of notional, then money."""

MARKS = ("ts", "z", "what")
"""Columns of each source of marks."""

SLIPS = ("ts", "bps", "what")
"""Columns of each source of slippage: milliseconds UTC, basis points of the price (positive: paid), words."""

SLIP_SOURCES = {"primary": "slip_primary", "hedge": "slip_hedge"}
"""By the leg's role; every leg but the primary is a hedge."""

SLIPS_KEPT = 2_000
"""Newest fills of a leg in the plot."""

MARK_SOURCES = ("entry_long", "entry_short", "exit_target", "exit_stop", "exit_other")

_MARKERS = {
    "entry_long": ("triangle", "white", "entry, long spread"),
    "entry_short": ("inverted_triangle", "white", "entry, short spread"),
    "exit_target": ("circle", GREEN, "exit, target"),
    "exit_stop": ("x", VERMILLION, "exit, stop"),
    "exit_other": ("square", PURPLE, "exit, other"),
}


def mark_source(mark: Mark) -> str:
    """Return the source that a mark belongs to."""
    if mark.kind == "entry":
        return "entry_long" if mark.side > 0 else "entry_short"
    return f"exit_{mark.reason}" if mark.reason in ("target", "stop") else "exit_other"


_Z, _DELTA, _MONEY, _FALL, _SLIP = 255, 165, 160, 120, 140
"""Heights: two on the left, three on the right, as much together."""

FAR = 4.0
"""A net delta beyond so many tolerances (while one leg is filled, the other not yet) is outside the frame."""


@dataclass(frozen=True)
class PaperFigures:
    """The layout, and what of it depends on the session's numbers."""

    layout: Any
    sources: dict[str, Any]
    bands: dict[str, tuple[Span, ...]]
    corridor: BoxAnnotation
    z: Any
    delta: Any

    def fit(self, params: Params) -> dict[Model, dict[str, Any]]:
        """Return which attributes of which models show other numbers."""
        changes: dict[Model, dict[str, Any]] = {
            span: {"location": sign * getattr(params, name)}
            for name, pair in self.bands.items()
            for span, sign in zip(pair, (1, -1), strict=True)
        }
        changes[self.corridor] = {"bottom": -params.tolerance, "top": params.tolerance}
        changes[self.z.y_range] = dict(zip(("start", "end"), _z_edges(params), strict=True))
        changes[self.delta.y_range] = {"start": -FAR * params.tolerance, "end": FAR * params.tolerance}
        changes[self.delta.yaxis[0].ticker] = {"ticks": _delta_ticks(params)}
        return changes


def _z_edges(params: Params) -> tuple[float, float]:
    """Room for the bands, and for the legend above them."""
    return -params.stop - 1.5, params.stop + 2.2


def _delta_ticks(params: Params) -> list[float]:
    return [sign * size * params.tolerance for sign, size in ((-1, FAR), (-1, 1), (0, 0), (1, 1), (1, FAR))]


def mark_words(found: Mark) -> str:
    """Return what a mark in the plot of z stands for."""
    way = {1: "long spread", -1: "short spread"}.get(found.side, "")
    return f"trade {found.trade}: entry, {way}" if found.kind == "entry" else f"trade {found.trade}: exit, {found.reason.replace('_', ' ')}"


def slip_source(fill: FillRow) -> str:
    """Return the source that a fill's slippage belongs to."""
    return SLIP_SOURCES["primary" if fill.role == "primary" else "hedge"]


def slip_bps(fill: FillRow) -> float:
    """Return a fill's slippage in basis points of the price that it was decided on; positive when it was paid."""
    side = 1.0 if fill.qty > 0 else -1.0
    return side * (fill.price - fill.expected) / fill.expected * 1e4 if fill.expected else math.nan


def paper_figures(params: Params) -> PaperFigures:
    """Return empty figures with the bands of ``params``."""
    sources = {"bars": ColumnDataSource({name: [] for name in BARS}, name="bars")}
    sources |= {name: ColumnDataSource({column: [] for column in MARKS}, name=name) for name in MARK_SOURCES}
    sources |= {name: ColumnDataSource({column: [] for column in SLIPS}, name=name) for name in SLIP_SOURCES.values()}
    z, bands = _z(sources, params)
    delta, corridor = _delta(sources["bars"], params, z.x_range)
    left = column([z, delta], sizing_mode="stretch_width")
    right = column(
        [_money(sources["bars"], z.x_range), _fall(sources["bars"], z.x_range), _slip(sources, z.x_range)], sizing_mode="stretch_width"
    )
    layout = row([left, right], sizing_mode="stretch_width")
    return PaperFigures(layout, sources, bands, corridor, z, delta)


def _figure(title: str, y: str, height: int, x_range: Range, *, tools: bool = False) -> figure:
    plot = figure(
        title=Title(text=title, text_font_size="12px"),
        height=height,
        x_axis_type="datetime",
        x_range=x_range,
        tools="xpan,xwheel_zoom,box_zoom,reset,save" if tools else "",
        toolbar_location="right" if tools else None,
        sizing_mode="stretch_width",
    )
    plot.toolbar.logo = None
    plot.yaxis.axis_label = y
    plot.min_border_left = 78  # plots above each other begin at one place, whatever their numbers
    plot.min_border_right = 12
    return plot


def _z(sources: dict[str, ColumnDataSource], params: Params) -> tuple[figure, dict[str, tuple[Span, ...]]]:
    plot = _figure("z-score of the spread at bar closes", "z (sd)", _Z, DataRange1d(range_padding=0.02), tools=True)
    bands = {}
    for name, dash, color in (("entry", "dashed", GREY), ("stop", "solid", VERMILLION), ("target", "dotted", GREEN)):
        level = float(getattr(params, name))
        pair = tuple(Span(location=s * level, dimension="width", line_dash=dash, line_color=color, line_width=1.2) for s in (1, -1))
        bands[name] = pair
        for span in pair:
            plot.add_layout(span)
    plot.y_range = Range1d(start=_z_edges(params)[0], end=_z_edges(params)[1])
    line: dict[str, Any] = {"color": BLUE, "line_width": 1.3}
    shown = plot.line("ts", "z", source=sources["bars"], **line)
    plot.line("x", "y", **_no_points(), **line, legend_label="z")
    for name, (marker, fill, words) in _MARKERS.items():
        mark: dict[str, Any] = {"marker": marker, "size": 9, "fill_color": fill, "line_color": GREY, "line_width": 1}
        drawn = plot.scatter("ts", "z", source=sources[name], **mark)
        plot.scatter("x", "y", **_no_points(), **mark, legend_label=words)
        plot.add_tools(HoverTool(renderers=[drawn], tooltips=[("", "@what")], visible=False))
    _hover(plot, shown, [("z", "@z{0.00}")])
    _legend(plot, 3)
    return plot, bands


def _delta(bars: ColumnDataSource, params: Params, x_range: Range) -> tuple[figure, BoxAnnotation]:
    plot = _figure(DELTA_TITLE, "% of notional", _DELTA, x_range)
    corridor = BoxAnnotation(
        bottom=-params.tolerance, top=params.tolerance, fill_color=SKY, fill_alpha=0.25, line_color=BLUE, line_dash="dashed"
    )
    plot.add_layout(corridor)
    shown = plot.scatter("ts", "delta", source=bars, size=3, fill_color=BLUE, line_color=None)  # an outline doubles the time to draw it
    plot.yaxis.formatter = NumeralTickFormatter(format="0%")
    plot.xaxis.axis_label = "market time (UTC)"
    plot.yaxis.ticker = FixedTicker(ticks=_delta_ticks(params))
    plot.y_range = Range1d(start=-FAR * params.tolerance, end=FAR * params.tolerance)
    _hover(plot, shown, [("net delta", "@delta{0.0%}")])
    return plot, corridor


def _money(bars: ColumnDataSource, x_range: Range) -> figure:
    plot = _figure("Profit and loss since the start, costs included", "P&L ($)", _MONEY, x_range)
    both: dict[str, Any] = {"color": BLUE, "line_width": 2}
    alone = both | {"color": ORANGE, "line_dash": "dashed"}
    plot.line("ts", "unhedged", source=bars, **alone)
    shown = plot.line("ts", "hedged", source=bars, **both)
    plot.line("x", "y", **_no_points(), **alone, legend_label="unhedged (primary leg alone)")
    plot.line("x", "y", **_no_points(), **both, legend_label="hedged (both legs)")
    plot.yaxis.formatter = NumeralTickFormatter(format="$0,0")
    _hover(plot, shown, [("hedged", "@hedged{$0,0.00}"), ("unhedged", "@unhedged{$0,0.00}")])
    _legend(plot, 2)
    plot.add_layout(plot.legend[0], "above")
    plot.xaxis.visible = False  # the one below says it
    return plot


def _fall(bars: ColumnDataSource, x_range: Range) -> figure:
    plot = _figure("Drawdown: how far each lies below its highest", "$", _FALL, x_range)
    plot.line("ts", "dd_unhedged", source=bars, color=ORANGE, line_width=1.5, line_dash="dashed")
    shown = plot.line("ts", "dd_hedged", source=bars, color=BLUE, line_width=1.5)
    plot.yaxis.formatter = NumeralTickFormatter(format="$0,0")
    _hover(plot, shown, [("hedged", "@dd_hedged{$0,0.00}"), ("unhedged", "@dd_unhedged{$0,0.00}")])
    plot.xaxis.visible = False  # the one below says it
    return plot


def _slip(sources: dict[str, ColumnDataSource], x_range: Range) -> figure:
    plot = _figure("Slippage of each fill: above 0 is paid", "bps", _SLIP, x_range)
    plot.add_layout(Span(location=0.0, dimension="width", line_color=GREY, line_width=1))
    for role, marker, color in (("primary", "circle", BLUE), ("hedge", "square", ORANGE)):
        name = SLIP_SOURCES[role]
        mark: dict[str, Any] = {"marker": marker, "size": 6, "fill_color": color, "line_color": GREY}
        drawn = plot.scatter("ts", "bps", source=sources[name], **mark)
        plot.scatter("x", "y", **_no_points(), **mark, legend_label=role)
        plot.add_tools(HoverTool(renderers=[drawn], tooltips=[("", "@what")], visible=False))
    plot.xaxis.axis_label = "market time (UTC)"
    _legend(plot, 2)
    return plot


def _no_points() -> dict[str, Any]:
    """Return a source for what a legend names, where nothing ever changes.

    BokehJS builds a legend anew whenever the data of anything that it names changes, and the page's layout with it: where it named the
    live glyphs, at each batch, for a third of the page's time. One row, nowhere: of an empty source it draws no symbol.
    """
    return {"source": ColumnDataSource({"x": [math.nan], "y": [math.nan]})}


def _hover(plot: figure, renderer: DataRenderer, lines: list[tuple[str, str]]) -> None:
    tips = [("", "@ts{%F %T}"), *lines]
    plot.add_tools(HoverTool(renderers=[renderer], tooltips=tips, formatters={"@ts": "datetime"}, mode="vline", visible=False))


def _legend(plot: figure, columns: int) -> None:
    legend: Any = plot.legend[0]
    legend.location, legend.ncols, legend.label_text_font_size = "top_left", columns, "11px"
    legend.padding, legend.spacing, legend.margin, legend.background_fill_alpha = 3, 3, 4, 0.6
