"""The report's pictures: bokeh figures from the journal's frames; colours and thinning are those of all pictures (``look``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, Range1d, RangeTool
from bokeh.models.annotations import BoxAnnotation, Span, Title
from bokeh.plotting import figure

from hedgekit.look import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION, thin, thinned

if TYPE_CHECKING:
    from bokeh.models import Column

    from hedgekit.report.session import Session

RECENT = 500
"""Bars in the first view of the z-score."""

_DATE = [("", "@ts{%F}")]


def profit(s: Session) -> Column:
    """Cumulative P&L and drawdown, hedged and unhedged on the same entries and exits."""
    frame = s.equity[["hedged", "unhedged"]].assign(
        hedged_mid=s.equity["gross_primary"] + s.equity["gross_hedge"], unhedged_mid=s.equity["gross_primary"]
    )
    falls = frame[["hedged", "unhedged"]].cummax().clip(lower=0.0)
    frame[["dd_hedged", "dd_unhedged"]] = (frame[["hedged", "unhedged"]] - falls).to_numpy()
    source = _source(thin(frame))
    top = _figure("Cumulative P&L" + thinned(frame), "P&L ($)", height=330, x_range=_whole(s))
    _line(top, source, "unhedged", ORANGE, "unhedged, executable prices", width=2)
    _line(top, source, "hedged", BLUE, "hedged, executable prices", width=2)
    _line(top, source, "unhedged_mid", ORANGE, "unhedged, at mids before costs", dash="dotted")
    shown = _line(top, source, "hedged_mid", BLUE, "hedged, at mids before costs", dash="dotted")
    tips = [("hedged", "@hedged{$0,0}"), ("unhedged", "@unhedged{$0,0}"), ("hedged at mids", "@hedged_mid{$0,0}")]
    _hover(top, shown, [*tips, ("unhedged at mids", "@unhedged_mid{$0,0}")])
    low = _figure("Drawdown from the highest P&L so far, executable prices", "drawdown ($)", height=210, x_range=top.x_range)
    low.varea("ts", 0, "dd_unhedged", source=source, color=ORANGE, alpha=0.25)
    _line(low, source, "dd_unhedged", ORANGE, "unhedged")
    shown = _line(low, source, "dd_hedged", BLUE, "hedged", width=1.5)
    _hover(low, shown, [("hedged", "@dd_hedged{$0,0}"), ("unhedged", "@dd_unhedged{$0,0}")])
    for plot in (top, low):
        plot.yaxis.formatter = NumeralTickFormatter(format="$0,0")
        _legend(plot, "top_left" if plot is top else "bottom_left")
    return _stack(top, low)


def signal(s: Session) -> Column:
    """Draw z with its bands, entries and exits; the strip below moves the window."""
    z, p = s.equity[["z"]], s.params
    first = z.index[max(0, len(z) - RECENT)]
    view = Range1d(start=_ms(first), end=_ms(z.index[-1]))
    top = _figure(f"z-score of the spread, last {min(RECENT, len(z)):,} bars (move the strip below)", "z (sd)", height=330, x_range=view)
    for level, dash, color in ((p.entry, "dashed", GREY), (p.stop, "solid", VERMILLION), (p.target, "dotted", GREEN)):
        for sign in (1, -1):
            top.add_layout(Span(location=sign * level, dimension="width", line_dash=dash, line_color=color, line_width=1.2))
    shown = _line(top, _source(z), "z", BLUE, "z")
    _hover(top, shown, [("z", "@z{0.00}")])
    trades = s.trades.assign(words=[reason.replace("_", " ") for reason in s.trades["exit_reason"].fillna("open").astype(str)])
    for side, shape, name in ((1, "triangle", "entry, long spread"), (-1, "inverted_triangle", "entry, short spread")):
        _marks(top, trades[trades["side"] == side], "opened", "z_entry", shape, "white", name)
    for reason, shape, color in (("target", "circle", GREEN), ("stop", "x", VERMILLION)):
        _marks(top, trades[trades["exit_reason"] == reason], "closed", "z_exit", shape, color, f"exit, {reason}")
    other = trades[~trades["exit_reason"].isin(["target", "stop"]) & trades["closed"].notna()]
    _marks(top, other, "closed", "z_exit", "square", PURPLE, "exit, other")
    _legend(top, "top_left", columns=6)
    top.y_range = Range1d(start=-p.stop - 1.5, end=p.stop + 2.2)
    strip = _figure("", "z", height=90, tools="", x_range=_whole(s))
    strip.line("ts", "z", source=_source(thin(z)), color=GREY, line_width=0.7)
    strip.add_tools(RangeTool(x_range=view, overlay=_window()))
    strip.toolbar_location, strip.yaxis.ticker, strip.xaxis.axis_label = None, [-3, 0, 3], None
    return _stack(top, strip)


def ratio(s: Session) -> figure:
    """Draw the hedge ratio of every plan with its 95% interval; 1 is the naive hedge."""
    plans = s.plans
    half = 1.96 * plans["stderr"]
    frame = pd.DataFrame({"ratio": plans["ratio"], "low": plans["ratio"] - half, "high": plans["ratio"] + half})
    frame.index = pd.DatetimeIndex(plans["ts"])
    frame.loc[s.equity.index[-1]] = frame.iloc[-1]
    source = _source(frame)
    own = len(plans) - len(s.given)
    title = f"Hedge ratio, {own:,} {'plan' if own == 1 else 'plans'} from past bars only"
    title += f", {len(s.given)} from a file (diamonds)" if s.given else ""
    plot = _figure(title, f"$ of {s.hedge} per $ of {s.primary}", height=260, x_range=_whole(s))
    plot.varea_step("ts", "low", "high", source=source, color=SKY, alpha=0.4, step_mode="after", legend_label="95% interval")
    shown = plot.step("ts", "ratio", source=source, color=BLUE, line_width=2, mode="after", legend_label="ratio")
    if s.given:
        at, ratios = [_ms(pd.Timestamp(plan.ts_ns, unit="ns", tz="UTC")) for plan in s.given], [plan.plan.ratio for plan in s.given]
        plot.scatter(at, ratios, marker="diamond", size=14, color=ORANGE, legend_label="from a file")
    plot.add_layout(Span(location=1.0, dimension="width", line_dash="dashed", line_color=GREY))
    plot.y_range = Range1d(start=min(0.0, float(frame["low"].min())), end=max(1.1, float(frame["high"].max()) * 1.1))
    _hover(plot, shown, [("ratio", "@ratio{0.000}"), ("interval", "@low{0.000} to @high{0.000}")])
    _legend(plot, "bottom_left", columns=2)
    return plot


def delta(s: Session) -> figure:
    """Net delta while a position is on, with the corridor; what is far outside is drawn at the frame's edge."""
    frame = s.equity[["delta"]][(s.equity["pos_primary"] != 0) | (s.equity["pos_hedge"] != 0)].dropna()
    tolerance = s.params.tolerance
    edge = 4 * tolerance
    far = frame[frame["delta"].abs() > edge]
    title = "Net delta at bar closes while a position is on" + thinned(frame)
    if len(far):
        title += f" · {len(far):,} beyond {edge:.0%} drawn as triangles, the farthest {far['delta'].abs().max():.0%}"
    plot = _figure(title, "net delta (% of notional)", height=260, x_range=_whole(s))
    plot.add_layout(BoxAnnotation(bottom=-tolerance, top=tolerance, fill_color=SKY, fill_alpha=0.25, line_color=BLUE, line_dash="dashed"))
    near = thin(frame.drop(far.index))
    shown: list[Any] = [plot.scatter("ts", "delta", source=_source(near), color=BLUE, size=3, alpha=0.7)]
    for sign, shape in ((1, "triangle"), (-1, "inverted_triangle")):
        rows = far[far["delta"] * sign > 0].assign(edge=0.97 * sign * edge)
        shown.append(plot.scatter("ts", "edge", source=_source(rows), marker=shape, color=VERMILLION, size=6))
    plot.y_range = Range1d(start=-edge, end=edge)
    plot.yaxis.formatter = NumeralTickFormatter(format="0%")
    plot.add_tools(HoverTool(renderers=shown, tooltips=[*_DATE, ("delta", "@delta{0.00%}")], formatters={"@ts": "datetime"}))
    return plot


def costs(s: Session) -> figure:
    """Cumulative spread paid and fees, for each leg, and funding where there was any."""
    e = s.equity
    rest = {f"{kind}_{leg}": e[f"{kind}_{leg}"] for kind in ("fee", "funding") for leg in ("primary", "hedge") if f"{kind}_{leg}" in e}
    spread = {
        f"spread_{leg}": e[f"cost_{leg}"] - sum(paid for name, paid in rest.items() if name.endswith(leg)) for leg in ("primary", "hedge")
    }
    frame = pd.DataFrame(spread | rest)
    source = _source(thin(frame))
    plot = _figure("Cumulative costs by kind and leg" + thinned(frame), "cost paid ($)", height=260, x_range=_whole(s))
    shown = None
    for name in frame.columns:
        kind, leg = name.split("_")
        word, dash = {"spread": ("spread", "solid"), "fee": ("fees", "dashed"), "funding": ("funding", "dotted")}[kind]
        shown = _line(plot, source, name, BLUE if leg == "primary" else ORANGE, f"{word}, {getattr(s, leg)}", width=2, dash=dash)
    _hover(plot, shown, [(name.replace("_", ", "), f"@{name}{{$0,0}}") for name in frame.columns])
    plot.yaxis.formatter = NumeralTickFormatter(format="$0,0")
    _legend(plot, "top_left")
    return plot


def each_trade(s: Session) -> figure:
    """Net P&L of every trade, hedged, by how it ended; the unhedged twin as a tick."""
    trades = s.trades.dropna(subset=["closed"]).copy()
    trades["ts"], trades["words"] = trades["closed"], trades["exit_reason"].astype(str)
    plot = _figure("Each closed trade, executable prices: bar hedged, tick unhedged", "P&L of the trade ($)", height=280, x_range=_whole(s))
    kinds = trades["words"].where(trades["words"].isin(["target", "stop"]), "other")
    for reason, color in (("target", BLUE), ("stop", VERMILLION), ("other", PURPLE)):
        rows = trades[kinds == reason]
        if rows.empty:
            continue
        source = _source(rows[["ts", "hedged", "unhedged", "words", "bars"]].set_index("ts"))
        bars = plot.segment("ts", 0, "ts", "hedged", source=source, color=color, line_width=2, legend_label=f"hedged, ended by {reason}")
        plot.scatter("ts", "unhedged", source=source, marker="dash", color="#111111", size=6, legend_label="unhedged")
        tips = [*_DATE, ("hedged", "@hedged{$0,0}"), ("unhedged", "@unhedged{$0,0}"), ("bars", "@bars"), ("ended by", "@words")]
        plot.add_tools(HoverTool(renderers=[bars], tooltips=tips, formatters={"@ts": "datetime"}))
    plot.yaxis.formatter = NumeralTickFormatter(format="$0,0")
    plot.add_layout(Span(location=0, dimension="width", line_color=GREY))
    if len(trades):
        both = trades[["hedged", "unhedged"]].to_numpy()
        low, high = float(both.min()), float(both.max())
        plot.y_range = Range1d(start=min(low, 0) - 0.05 * (high - low), end=max(high, 0) + 0.25 * (high - low))
        _legend(plot, "top_left", columns=4)
    return plot


def _figure(title: str, y: str, *, height: int, **options: Any) -> figure:  # noqa: ANN401 - bokeh's own options
    options = {"tools": "xpan,xwheel_zoom,box_zoom,reset,save", **options}
    head = Title(text=title, text_font_size="13px", visible=bool(title))
    plot = figure(title=head, height=height, sizing_mode="stretch_width", x_axis_type="datetime", min_border_left=92, **options)
    plot.xaxis.axis_label, plot.yaxis.axis_label = "date (UTC)", y
    plot.axis.axis_label_text_font_size, plot.axis.axis_label_text_font_style = "12px", "normal"
    plot.toolbar.logo, plot.toolbar.autohide, plot.yaxis.minor_tick_line_color = None, True, None
    plot.outline_line_color, plot.grid.grid_line_color = None, "#e5e8ec"
    return plot


def _line(  # noqa: PLR0913 - one line
    plot: figure, source: ColumnDataSource, name: str, color: str, words: str, *, width: float = 1.0, dash: str = "solid"
) -> Any:  # noqa: ANN401 - bokeh's renderer
    return plot.line("ts", name, source=source, color=color, line_width=width, line_dash=dash, legend_label=words)


def _marks(plot: figure, rows: pd.DataFrame, at: str, height: str, shape: str, fill: str, words: str) -> None:  # noqa: PLR0913 - one marker
    if rows.empty:
        return
    frame = pd.DataFrame({"y": rows[height].to_numpy(), "pnl": rows["hedged"].to_numpy(), "trade": rows["trade"].to_numpy()})
    frame["words"] = rows["words"].to_numpy()
    frame.index = pd.DatetimeIndex(rows[at])
    shown = plot.scatter("ts", "y", source=_source(frame), marker=shape, size=9, fill_color=fill, line_color="#111111", legend_label=words)
    if shape == "x":
        shown.glyph.line_color, shown.glyph.line_width = fill, 3
    tips = [*_DATE, ("trade", "@trade"), ("z", "@y{0.00}"), ("P&L hedged", "@pnl{$0,0}"), ("ended by", "@words")]
    plot.add_tools(HoverTool(renderers=[shown], tooltips=tips, formatters={"@ts": "datetime"}))


def _hover(plot: figure, renderer: Any, tips: list[tuple[str, str]]) -> None:  # noqa: ANN401 - bokeh's renderer
    plot.add_tools(HoverTool(renderers=[renderer], tooltips=[*_DATE, *tips], formatters={"@ts": "datetime"}, mode="vline"))


def _legend(plot: figure, place: Literal["top_left", "bottom_left"], columns: int = 2) -> None:
    legend: Any = plot.legend[0]  # bokeh's own types refuse a number for the margin
    legend.location, legend.ncols, legend.click_policy = place, columns, "hide"
    legend.label_text_font_size, legend.padding, legend.spacing, legend.margin = "11px", 4, 4, 6
    legend.background_fill_alpha, legend.border_line_color = 0.8, None


def _whole(s: Session) -> Range1d:
    """Return the whole session as x range: the same in every plot, so that dates stand below each other."""
    start, end = _ms(s.equity.index[0]), _ms(s.equity.index[-1])
    room = 0.01 * (end - start)
    return Range1d(start=start - room, end=end + room)


def _stack(*plots: figure) -> Column:
    return column(*plots, sizing_mode="stretch_width")


def _window() -> BoxAnnotation:
    return BoxAnnotation(fill_color=BLUE, fill_alpha=0.2, line_color=BLUE)


def _ms(ts: pd.Timestamp) -> float:
    return ts.timestamp() * 1e3


def _source(frame: pd.DataFrame) -> ColumnDataSource:
    """Put a frame with a UTC index into a source: ``ts`` in milliseconds, figures as float32 (7 digits are plenty to draw)."""
    index = pd.DatetimeIndex(frame.index).tz_convert("UTC").as_unit("ms").asi8.astype(float)
    data: dict[str, Any] = {"ts": index}
    for name in frame.columns:
        values = frame[name]
        data[str(name)] = values.astype("float32").to_numpy() if values.dtype.kind == "f" else values.to_list()
    return ColumnDataSource(data)
