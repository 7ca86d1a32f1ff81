"""How every figure looks: axes with units, lines that break where a figure is unknown, legends beside the data, hover with units.

Colours and thinning are those of the report (:mod:`hedgekit.look`). Nothing that a theme sets (paper, ink, grid) is set
here, so the figures suit JupyterLab's light and dark pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from bokeh.layouts import gridplot
from bokeh.models import BasicTicker, ColumnDataSource, HoverTool, NumeralTickFormatter, Range1d
from bokeh.models.annotations import Legend, LegendItem, Span, Title
from bokeh.models.tools import CrosshairTool
from bokeh.plotting import figure

from hedgekit.look import GREY, thin, thinned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bokeh.models import GridPlot

    from hedgekit.data import Array
    from hedgekit.plots.view import View

TIME = "time (UTC)"
TOOLS = "xpan,xwheel_zoom,box_zoom,reset,save"
LEFT = 92
"""Pixels left of the axis in every figure, so that dates stand below each other."""
LOW = 180
"""A figure up to so many pixels high has few ticks."""
_LINE = 22
"""Pixels of a line above the data."""

Marker = tuple[str, str, str]
"""Shape, fill colour and words of a kind of mark."""


def frame_of(title: str, y: str, *, height: int, x: str = TIME, **options: Any) -> figure:  # noqa: ANN401 - bokeh's own options
    """Return an empty figure as wide as its page; x is time unless another label is given."""
    options = {
        "tools": TOOLS if x == TIME else "pan,wheel_zoom,box_zoom,reset,save",
        "x_axis_type": "datetime" if x == TIME else "auto",
    } | options
    plot = figure(
        title=Title(text=title, text_font_size="13px"), height=height, sizing_mode="stretch_width", min_border_left=LEFT, **options
    )
    plot.xaxis.axis_label, plot.yaxis.axis_label = x, y
    plot.axis.axis_label_text_font_size, plot.axis.axis_label_text_font_style = "12px", "normal"
    plot.toolbar.logo, plot.toolbar.autohide, plot.yaxis.minor_tick_line_color = None, True, None
    if height <= LOW:
        plot.yaxis.ticker = BasicTicker(desired_num_ticks=4)
    return plot


def head(plot: figure, notes: Sequence[str] = (), items: Mapping[str, Sequence[Any]] | None = None, columns: int = 4) -> None:
    """Put quiet lines and the legend between the title and the data, where they cover nothing.

    Parameters
    ----------
    plot : figure
        Finished.
    notes : sequence of str
        A line for each that is not empty, from the top down.
    items : mapping of str to sequence of renderers, optional
        Words and what they name; a click on the words hides it.
    columns : int
        Words in a row of the legend.
    """
    entries = [LegendItem(label=said, renderers=list(shown)) for said, shown in (items or {}).items() if shown]
    if entries:  # bokeh stacks from the data upwards
        box: Any = Legend(
            items=entries, orientation="horizontal", ncols=min(columns, len(entries)), click_policy="hide", location="top_left"
        )
        box.label_text_font_size, box.padding, box.spacing, box.margin, box.border_line_color = "11px", 0, 6, 2, None
        box.glyph_height, box.label_height, box.background_fill_alpha = 18, 14, 0.0
        plot.add_layout(box, "above")
    lines = [said for said in notes if said]
    plot.height = (plot.height or 0) + _LINE * (len(lines) - (-len(entries) // columns))  # the data keep their room
    for said in reversed(lines):
        plot.add_layout(Title(text=said, text_font_size="11px", text_font_style="normal", text_color=GREY), "above")


def joined(*parts: str) -> str:
    """Return the parts that are not empty as one line."""
    return " · ".join(part for part in parts if part)


def whole(v: View) -> Range1d:
    """Return all bars as x range, with a little room, so that the first and last marks are whole."""
    if v.equity.empty:
        return Range1d(start=0, end=1)
    index = stamps(v.equity.index)
    room = 0.01 * (index[-1] - index[0]) or 1.0
    return Range1d(start=index[0] - room, end=index[-1] + room)


def stamps(times: Any) -> Array:  # noqa: ANN401 - an index or a column of timestamps
    """Return UTC times as bokeh's milliseconds; NaT is NaN."""
    index = pd.DatetimeIndex(times).tz_convert("UTC")
    return np.where(index.isna(), np.nan, index.as_unit("ns").asi8 / 1e6)


def fewer(table: pd.DataFrame, by: Sequence[str] | None = None) -> tuple[pd.DataFrame, str]:
    """Thin a table by :func:`hedgekit.look.thin`, and say so.

    Parameters
    ----------
    table : DataFrame
        One row for each point.
    by : sequence of str, optional
        Numeric columns whose extremes stay; all by default.

    Returns
    -------
    tuple of DataFrame and str
        The rows that show, and the words for the figure: empty if nothing was left out.
    """
    drawn = table[list(by or table.columns)].reset_index(drop=True)
    return table.iloc[thin(drawn).index], thinned(drawn).removeprefix(" · ")


def source_of(table: pd.DataFrame, index: str | None = "ts") -> ColumnDataSource:
    """Return a source of a table's columns; a time index goes to ``ts``, columns of times become milliseconds.

    Figures keep their double precision: what hover shows is what the frame holds.
    """
    data: dict[str, Any] = {index: stamps(table.index)} if index else {}
    for name in table.columns:
        values = table[name]
        kind = values.dtype.kind
        data[str(name)] = stamps(values) if kind == "M" else values.to_numpy() if kind in "fi" else values.astype(str).to_list()
    return ColumnDataSource(data)


def area(plot: figure, table: pd.DataFrame, low: str | float, high: str, *, step: bool = False, **look: Any) -> Any:  # noqa: ANN401 - bokeh's
    """Fill between two columns, apart where one is NaN; bokeh's own areas are drawn across a hole.

    Parameters
    ----------
    plot : figure
        Where.
    table : DataFrame
        Indexed by time.
    low, high : str
        Columns; ``low`` may be a number.
    step : bool
        Each row holds until the next row.
    **look
        Of the patches.
    """
    ts = stamps(table.index)
    upper = table[high].to_numpy(dtype=np.float64)
    lower = table[low].to_numpy(dtype=np.float64) if isinstance(low, str) else np.full(len(table), low)
    known = np.isfinite(upper) & np.isfinite(lower)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(np.int8), [0]])))
    xs, ys = [], []
    for first, stop in edges.reshape(-1, 2).tolist():
        x, parts = ts[first:stop], [upper[first:stop], lower[first:stop]]
        if step:  # the last row of a run holds until the row that is unknown
            x = np.repeat(np.append(x, ts[min(stop, len(ts) - 1)]), 2)[1:-1]
            parts = [np.repeat(part, 2) for part in parts]
        xs.append(np.concatenate([x, x[::-1]]))
        ys.append(np.concatenate([parts[0], parts[1][::-1]]))
    return plot.patches("xs", "ys", source=ColumnDataSource({"xs": xs, "ys": ys}), line_color=None, **look)


def marks(  # noqa: PLR0913 - one kind of mark
    plot: figure, table: pd.DataFrame, look: Marker, *, x: str = "ts", y: str, size: float
) -> Any:  # noqa: ANN401 - bokeh's renderer
    """Draw rows as one kind of mark; a cross has no inside, so its lines take the colour."""
    shape, fill, _ = look
    line = fill if shape in {"x", "cross"} else GREY
    wide = size / 4 if shape in {"x", "cross"} else 1.0
    return plot.scatter(
        x,
        y,
        source=source_of(table, None),
        marker=shape,
        size=size * (1.5 if shape == "diamond" else 1.0),
        fill_color=fill,
        line_color=line,
        line_width=wide,
        fill_alpha=0.85,
    )


def hover(plot: figure, shown: Iterable[Any], tips: Sequence[tuple[str, str]], *, clock: str = "", line: bool = True) -> None:
    """Tell the figures below the pointer: of lines wherever it stands, of marks when it is on one."""
    head = [("", f"@ts{{{clock}}}")] if clock else []
    tool = HoverTool(
        renderers=list(shown), tooltips=[*head, *tips], mode="vline" if line else "mouse", visible=False, formatters={"@ts": "datetime"}
    )
    plot.add_tools(tool)


def level(plot: figure, y: float, *, color: str = GREY, dash: str = "solid") -> Span:
    """Draw a level across the figure, and return it."""
    span = Span(location=y, dimension="width", line_color=color, line_dash=dash, line_width=1.2)
    plot.add_layout(span)
    return span


def money(*columns: Any, sign: str = "$") -> str:  # noqa: ANN401 - arrays and columns of numbers
    """Return the format of money: cents where all of it is small."""
    known = np.concatenate([np.asarray(column, dtype=np.float64).ravel() for column in columns])
    known = np.abs(known[np.isfinite(known)])
    return f"{sign}0,0" if known.size and known.max() >= 1_000 else f"{sign}0,0.00"  # noqa: PLR2004 - four digits before the point are enough


def money_axis(axis: Any, *columns: Any) -> str:  # noqa: ANN401 - bokeh's axes, and numbers
    """Show money on an axis; return the format, for hover."""
    form = money(*columns)
    axis.formatter = NumeralTickFormatter(format=form)
    return form


def words(title: str, said: str, *, height: int = 160, x_range: Any = None) -> figure:  # noqa: ANN401 - a bokeh range
    """Return a figure that says in words why there is nothing to draw."""
    own = x_range or Range1d(start=0, end=1)
    plot = frame_of(title, "", height=height, x="", x_range=own, y_range=Range1d(start=-1, end=1), tools="")
    middle = float(np.mean([own.start, own.end]))
    plot.text(
        "x", "y", "said", source=ColumnDataSource({"x": [middle], "y": [0], "said": [said]}), text_align="center", text_baseline="middle",
        text_color=GREY, text_font_size="14px",
    )  # fmt: skip
    plot.axis.visible, plot.grid.visible = False, False
    return plot


def stack(plots: Sequence[figure]) -> GridPlot:
    """Put figures of one time axis below each other: one toolbar, and one crosshair that goes through all."""
    pointer = Span(dimension="height", line_color=GREY, line_dash="dotted", line_width=1)
    for plot in plots:
        plot.add_tools(CrosshairTool(overlay=pointer, visible=False))
    rows: list[list[Any]] = [[plot] for plot in plots]
    return gridplot(rows, sizing_mode="stretch_width", toolbar_location="right", toolbar_options={"logo": None}, ncols=None)
