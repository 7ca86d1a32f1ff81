"""A sweep as two heat maps: what each combination showed, and what is left of it when all trials are counted (A21)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from bokeh.layouts import column, gridplot
from bokeh.models import ColumnDataSource, LinearColorMapper, NumeralTickFormatter
from bokeh.models.annotations import ColorBar
from bokeh.models.dom import HTML
from bokeh.models.ui.panes import Pane
from bokeh.palettes import Cividis256

from hedgekit.errors import ConfigError, DataError
from hedgekit.look import VERMILLION
from hedgekit.params import Params
from hedgekit.plots import draw
from hedgekit.stats.sharpe import estimate, psr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bokeh.models import Column
    from bokeh.plotting import figure

    from hedgekit.backtest.sweep import Sweep
    from hedgekit.data import Array
    from hedgekit.stats.overfit import Guard

FIGURES = {"sharpe": "Sharpe ratio", "sharpe_gain": "Sharpe ratio gained by the hedge", "pnl": "P&L ($)"}
"""Figures that a map can show: hedged, net, at executable prices; Sharpe ratios of 252 bars."""

_FIRST_FIGURE = "trades"
_TOLD = 200
"""Up to so many cells have their figure written into them."""
_FIT = 12
"""Labels that fit below a map without turning them."""
_NONE = "#d0d0d0"
"""Of a cell in which nothing was traded."""
HEIGHT = 340
_SURE = 0.005


def deflated(sweep: Sweep, judged: Guard) -> Array:
    """Return each combination's deflated Sharpe ratio: chance that its true one is above what the best of all trials shows by luck.

    Parameters
    ----------
    sweep : Sweep
        Its bars' P&L.
    judged : Guard
        Of the same sweep: ``luck`` is the Sharpe ratio per bar that the best of all worthless trials would show.

    Returns
    -------
    float64 array, shape (combinations,)
        0 to 1; that of the chosen one is ``judged.dsr``. NaN where nothing was traded.

    Raises
    ------
    ConfigError
        If the guard is of another sweep, counts other trials, or holds the search against a benchmark.

    References
    ----------
    Bailey & Lopez de Prado 2014, "The deflated Sharpe ratio", JPM 40(5):94.
    """
    out = np.full(sweep.pnl.shape[1], np.nan)
    found = []
    for n in np.flatnonzero(np.ptp(sweep.pnl, axis=0) > 0):
        own = estimate(sweep.pnl[:, n])
        found.append(own.sharpe)
        out[n] = psr(own.sharpe, own.effective_n, benchmark=judged.luck, skew=own.skew, kurtosis=own.kurtosis)
    if (judged.trials, judged.n) != (_trials(sweep), len(sweep.pnl)) or not np.isclose(found, judged.sharpe, rtol=1e-9, atol=0).any():
        msg = f"the guard of {judged.chosen} among {judged.trials:,} trials is not of this sweep, or has a benchmark; give sweep.guard()"
        raise ConfigError(msg)
    return out


def sweep_map(  # noqa: PLR0913 - which cut of the search
    sweep: Sweep,
    x: str | None = None,
    y: str | None = None,
    *,
    by: str = "sharpe",
    fixed: Mapping[str, Any] | None = None,
    guard: Guard | None = None,
    **options: Any,  # noqa: ANN401 - the guard's own
) -> Column:
    """Draw two numbers of a sweep as a heat map, and beside it the same cells deflated for the number of trials.

    Read the right map first: the best of many worthless combinations looks good on the left, always.

    Parameters
    ----------
    sweep : Sweep
        Of :func:`hedgekit.sweep`.
    x, y : str, optional
        Varied numbers; the first two by default (one row of cells if only one was varied).
    by : {"sharpe", "sharpe_gain", "pnl"}
        What the left map shows.
    fixed : mapping, optional
        Values of other varied numbers. Those left free are told by the median over them, never by the best.
    guard : Guard, optional
        If it has been computed: ``sweep.guard(by)``.
    **options
        Of the guard, for example ``reps``.

    Returns
    -------
    Column
        The guard's sentence and both maps.

    Raises
    ------
    ConfigError
        If a name or a value is not in the sweep, or ``by`` is none of the three.
    """
    if by not in FIGURES:
        msg = f"by={by!r}: a map shows one of {', '.join(FIGURES)}, net at executable prices; hover tells the P&L at mids beside it"
        raise ConfigError(msg)
    varied = list(sweep.table.columns[: list(sweep.table.columns).index(_FIRST_FIGURE)])
    x, y = _axes(varied, x, y)
    rows = sweep.table[_chosen(sweep.table, varied, dict(fixed or {}), (x, y))]
    count = f"{_trials(sweep):,} trial{'s' * (_trials(sweep) != 1)}"
    if not (sweep.table["trades"] > 0).any() or not sweep.table[by].notna().any():
        said = "No combination made a trade: there is nothing to compare."
        return column(draw.words(f"{FIGURES[by]}, {count}", said), sizing_mode="stretch_width")
    judged, sentence = _judge(sweep, by, guard, options)
    sure = np.full(len(sweep.table), np.nan) if judged is None else deflated(sweep, judged)
    cells = _cells(rows.assign(deflated=sure[rows.index]), x, y)
    best = sweep.best(by)
    cell = _cell_of(best, x, y)
    left = _map(cells, (x, y), by, f"{FIGURES[by]}, net: best of {count}", cell)
    draw.head(left, ["hedged, executable prices" + ("" if by == "pnl" else "; 252 bars a year")])
    title = f"Chance of more than luck, given {count}"
    right = draw.words(title, "not judged: see above", height=HEIGHT) if judged is None else _map(cells, (x, y), "deflated", title, cell)
    if judged is not None:
        draw.head(right, ["deflated Sharpe ratio: 1 minus its p-value, from this one history"])
    named = ", ".join(f"{name} = {_text(best[name])}" for name in varied)
    lines = [
        f"<b>Over-fitting guard.</b> {_escaped(sentence)}",
        _escaped(f"Best combination: {named} (column {best.name}, its cell framed)."),
    ]
    said = "<br>".join([*lines, *_how(varied, x, y, fixed)])
    top = Pane(elements=[HTML(html=[said])], styles={"font-size": "13px"})  # a Div would need BokehJS's widgets, beyond its core
    pair: list[list[Any]] = [[left, right]]
    return column(top, gridplot(pair, sizing_mode="stretch_width", toolbar_location=None, ncols=None), sizing_mode="stretch_width")


def _trials(sweep: Sweep) -> int:
    """Return every trial made: the ledger's, at least the combinations at hand."""
    return max(sweep.trials, len(sweep.table))


def _judge(sweep: Sweep, by: str, guard: Guard | None, options: dict[str, Any]) -> tuple[Guard | None, str]:
    """Return the guard and its sentence; None, and why, if the history is too short for it."""
    try:
        judged = guard or sweep.guard(by, **options)
    except DataError as error:
        return None, f"Not judged: {error}."
    return judged, judged.sentence


def _axes(varied: list[str], x: str | None, y: str | None) -> tuple[str, str | None]:
    for name in (x, y):
        if name is not None and name not in varied:
            msg = f"{name!r} was not varied in this sweep; varied: {', '.join(varied)}"
            raise ConfigError(msg)
    first = x or next(name for name in varied if name != y)
    second = y or next((name for name in varied if name != first), None)
    if first == second:
        msg = f"x={first!r} and y={second!r}: give two different numbers; varied: {', '.join(varied)}"
        raise ConfigError(msg)
    return first, second


def _chosen(table: pd.DataFrame, varied: list[str], fixed: dict[str, Any], axes: tuple[str, str | None]) -> pd.Series[bool]:
    keep = pd.Series(data=True, index=table.index)
    for name, value in fixed.items():
        if name not in varied or name in axes:
            others = ", ".join(other for other in varied if other not in axes) or "there is none"
            msg = f"fixed: {name!r} is not another varied number ({others})"
            raise ConfigError(msg)
        keep &= table[name] == value
        if not keep.any():
            msg = f"fixed: no combination with {name}={value!r}; tried: {', '.join(map(_text, table[name].unique()))}"
            raise ConfigError(msg)
    return keep


def _cells(rows: pd.DataFrame, x: str, y: str | None) -> pd.DataFrame:
    """Return one row for each cell: labels, medians and how many combinations are in it."""
    keyed = rows.assign(_x=[_text(value) for value in rows[x]], _y=[_text(value) for value in rows[y]] if y else "all")
    figures = ["trades", "pnl", "pnl_unhedged", "pnl_at_mids", "sharpe", "sharpe_unhedged", "sharpe_gain", "deflated"]
    cells = keyed.groupby(["_x", "_y"], sort=False)[figures].median().reset_index()
    sizes = keyed.groupby(["_x", "_y"], sort=False).size().reset_index(name="tried")
    cells = cells.merge(sizes, on=["_x", "_y"], validate="one_to_one")
    cells.attrs = {"x": _ordered(rows[x]), "y": _ordered(rows[y]) if y else ["all"]}
    return cells


def _ordered(values: pd.Series[Any]) -> list[str]:
    """Return labels from low to high; words in the order tried."""
    found = values.drop_duplicates()
    return [_text(value) for value in (found.sort_values() if found.dtype.kind in "fiu" else found)]


def _cell_of(row: pd.Series[Any], x: str, y: str | None) -> tuple[str, str]:
    return _text(row[x]), _text(row[y]) if y else "all"


def _map(cells: pd.DataFrame, axes: tuple[str, str | None], name: str, title: str, best: tuple[str, str]) -> figure:
    x, y = axes
    across, up = cells.attrs["x"], cells.attrs["y"]
    plot = draw.frame_of(title, _label(y) if y else "", height=HEIGHT, x=_label(x), x_range=across, y_range=up, tools="save")
    values = np.where(cells["trades"] > 0, cells[name].to_numpy(dtype=np.float64), np.nan)
    low, high = _scale(values, name)
    colors = LinearColorMapper(palette=Cividis256, low=low, high=high, nan_color=_NONE)
    data: dict[str, Any] = {str(c): cells[c].to_numpy() if cells[c].dtype.kind in "fi" else cells[c].to_list() for c in cells.columns}
    data["shade"] = values
    data["text"] = [_figure(value, name) for value in values]
    data["ink"] = np.where(values < (low + high) / 2, "#ffffff", "#111111").tolist()  # dark on light, also where there is none
    source = ColumnDataSource(data)
    tiles = plot.rect("_x", "_y", 1, 1, source=source, fill_color={"field": "shade", "transform": colors}, line_color="white", line_width=1)
    if len(cells) <= _TOLD:
        plot.text("_x", "_y", "text", source=source, text_align="center", text_baseline="middle", text_font_size="11px", text_color="ink")
    if best in set(zip(cells["_x"], cells["_y"], strict=True)):
        frame = ColumnDataSource({"_x": [best[0]], "_y": [best[1]]})
        plot.rect("_x", "_y", 0.96, 0.96, source=frame, fill_color=None, line_color=VERMILLION, line_width=3)
    plot.add_layout(
        ColorBar(color_mapper=colors, width=10, padding=4, formatter=NumeralTickFormatter(format="$0,0" if name == "pnl" else "0.00")),
        "right",
    )
    plot.grid.visible, plot.yaxis.visible = False, y is not None
    plot.xaxis.major_label_orientation = 0 if len(across) <= _FIT else 0.9
    tips = [(x, "@_x"), *([(y, "@_y")] if y else []), ("combinations", "@tried"), *_TIPS]
    draw.hover(plot, [tiles], tips, line=False)
    return plot


def _figure(value: float, name: str) -> str:
    """Return a cell's figure in words; a probability is never said to be 0 or 1."""
    if np.isnan(value):
        return "no trade"
    if name == "deflated" and not _SURE <= value <= 1 - _SURE:
        return "< 0.01" if value < _SURE else "> 0.99"
    return f"{value:,.0f}" if name == "pnl" else f"{value:.2f}"


def _scale(values: Array, name: str) -> tuple[float, float]:
    """Return the ends of the colours: the whole range of a probability, of anything else that of its values."""
    known = values[np.isfinite(values)]
    if name == "deflated" or not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    return low, high if high > low else low + 1.0


_TIPS = [
    ("Sharpe ratio hedged, net", "@sharpe{0.00}"),
    ("Sharpe ratio unhedged, net", "@sharpe_unhedged{0.00}"),
    ("chance of more than luck", "@deflated{0.00}"),
    ("P&L hedged, executable", "@pnl{$0,0}"),
    ("P&L unhedged, executable", "@pnl_unhedged{$0,0}"),
    ("P&L hedged, at mids", "@pnl_at_mids{$0,0}"),
    ("trades", "@trades{0,0.[0]}"),
]


def _label(name: str) -> str:
    unit = Params.range_of(name)[2] if name in Params.model_fields else ""
    return f"{name} ({unit})" if unit else name


def _how(varied: list[str], x: str, y: str | None, fixed: Mapping[str, Any] | None) -> list[str]:
    """Return in words which cut of the search is shown; empty for all of it."""
    held = ", ".join(f"{name} = {_text(value)}" for name, value in (fixed or {}).items())
    free = ", ".join(name for name in varied if name not in {x, y, *(fixed or {})})
    said = " ".join([f"Shown: {held}."] * bool(held) + [f"Each cell is the median over {free}."] * bool(free))
    return [_escaped(said)] if said else []


def _text(value: Any) -> str:  # noqa: ANN401 - a parameter of any kind
    return f"{value:g}" if isinstance(value, int | float | np.number) and not isinstance(value, bool) else str(value)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
