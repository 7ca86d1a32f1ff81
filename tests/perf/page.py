"""The page of the figures, one file that opens from disk: targets first, then each part beside its peers, then how costs grow."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from bokeh.layouts import gridplot
from bokeh.models import ColumnDataSource, FactorRange, HoverTool, Span
from bokeh.plotting import figure

from hedgekit.look import BLUE, GREEN, GREY, ORANGE, VERMILLION
from hedgekit.report.embed import behaviour, bokehjs, css, drawn
from hedgekit.report.html import _PAGE, _POLICY
from tests.perf.rows import Curve, Found, Row, asked, number, verdict


class Bench(msgspec.Struct):
    """What ``reports/bench.json`` holds.

    Attributes
    ----------
    environment : dict of str to str
        Processor, cores, versions.
    found : dict of str to Found
        By benchmark.
    failed : dict of str to str
        Last words of those that did not end well.
    """

    environment: dict[str, str]
    found: dict[str, Found] = {}
    failed: dict[str, str] = {}

    @property
    def rows(self) -> list[Row]:
        """All rows, those of one part together."""
        every = [row for one in self.found.values() for row in one.rows]
        parts = list(dict.fromkeys(row.part for row in every))
        return sorted(every, key=lambda row: parts.index(row.part))

    @property
    def curves(self) -> list[Curve]:
        """All curves."""
        return [curve for one in self.found.values() for curve in one.curves]

    def summary(self) -> str:
        """Return how many targets are met."""
        met = [row.met for row in self.rows if row.met is not None]
        curves = [curve.met for curve in self.curves]
        loads = [load for one in self.found.values() for load in one.load]
        said = f"{sum(met)} of {len(met)} targets met; {sum(curves)} of {len(curves)} curves no worse than asked for"
        return f"{said}; load {min(loads):.1f} to {max(loads):.1f}" if loads else said


def page(bench: Bench) -> str:
    """Return the page."""
    plots = [targets(bench.rows), *(part(rows) for rows in grouped(bench.rows)), *([growth(bench.curves)] if bench.curves else [])]
    where = ", ".join(f"{name} {version}" for name, version in bench.environment.items())
    failed = "".join(f"<p><b>{html.escape(name)} failed</b>: {html.escape(said)}</p>" for name, said in bench.failed.items())
    body = f"<h1>Figures</h1><p class='hk-sub'>{html.escape(where)}</p><p><b>{html.escape(bench.summary())}</b></p>{failed}"
    body += "".join(drawn(plot, label=plot.title.text if hasattr(plot, "title") else "growth") for plot in plots)
    body += listed(bench.rows) + loads(bench)
    return _PAGE.format(policy=_POLICY, title="Figures", css=css(), bokehjs=bokehjs(), body=body, behaviour=behaviour())


def grouped(rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows that have a peer, by part and unit."""
    keys = dict.fromkeys((row.part, row.unit) for row in rows if row.peer)
    return [[row for row in rows if row.peer and (row.part, row.unit) == key] for key in keys]


def labels(rows: Sequence[Row]) -> list[str]:
    """Return a name for each row, none twice."""
    names = [f"{row.name} | {row.peer}" if row.peer else row.name for row in rows]
    return [name + " " * names[:n].count(name) for n, name in enumerate(names)]


def frame(title: str, x: str, names: list[str], **options: Any) -> figure:
    """Return an empty figure with a line for each name, from the top down."""
    plot = figure(
        title=title,
        y_range=FactorRange(factors=names[::-1]),
        x_axis_type="log",
        height=90 + 22 * len(names),
        sizing_mode="stretch_width",
        tools="xpan,xwheel_zoom,reset,save",
        **options,
    )
    plot.xaxis.axis_label, plot.toolbar.logo, plot.toolbar.autohide, plot.ygrid.grid_line_color = x, None, True, None
    plot.yaxis.major_label_text_font_size = "11px"
    return plot


def targets(rows: Sequence[Row]) -> figure:
    """Return how far each figure is from its target, right of the line being better."""
    some = [row for row in rows if row.met is not None]
    names = labels([msgspec.structs.replace(row, name=f"{row.part}: {row.name}") for row in some])
    plot = frame("Distance to the targets", "times as good as the target (log scale)", names)
    for met, colour, marker, word in ((True, BLUE, "circle", "met"), (False, VERMILLION, "x", "not met")):
        at = [n for n, row in enumerate(some) if row.met is met]
        data = {
            "name": [names[n] for n in at],
            "times": [better(some[n]) for n in at],
            "said": [number(some[n].judged) for n in at],
            "target": [asked(some[n]) for n in at],
        }
        plot.scatter("times", "name", source=ColumnDataSource(data), color=colour, marker=marker, size=9, line_width=2, legend_label=word)
    plot.add_layout(Span(location=1, dimension="height", line_dash="dashed", line_color=GREY))
    plot.add_tools(HoverTool(tooltips=[("figure", "@said"), ("target", "@target"), ("times", "@times{0.00}")]))
    plot.legend.location, plot.legend.orientation = "top_right", "horizontal"
    return plot


def better(row: Row) -> float:
    """Return how many times as good as its target a figure is, kept to what a plot can show."""
    assert row.judged is not None
    assert row.target is not None
    judged, target = max(row.judged, 1e-9), max(row.target, 1e-9)
    return float(np.clip(judged / target if row.more else target / judged, 1e-3, 1e3))


def part(rows: Sequence[Row]) -> figure:
    """Return ours beside theirs in their own unit, targets as dashes."""
    names, one = labels(rows), rows[0]
    plot = frame(f"{one.part}: {'more' if one.more else 'less'} is better", f"{one.unit} (log scale)", names)
    floor = 1e-3 * max(row.ours for row in rows) or 1e-9
    data = {
        "name": names,
        "ours": [max(row.ours, floor) for row in rows],
        "theirs": [max(row.theirs or 0.0, floor) for row in rows],
        "ratio": [f"{number(row.ratio)} x" for row in rows],
        "note": [row.note for row in rows],
    }
    source = ColumnDataSource(data)
    plot.segment("ours", "name", "theirs", "name", source=source, color=GREY)
    plot.scatter("theirs", "name", source=source, color=ORANGE, marker="diamond", size=11, legend_label="the other")
    plot.scatter("ours", "name", source=source, color=BLUE, marker="circle", size=9, legend_label="hedgekit")
    goals = [
        (name, row.target * (row.theirs or 1.0) if row.of_ratio else row.target)
        for name, row in zip(names, rows, strict=True)
        if row.target
    ]
    if goals:
        drawn = ColumnDataSource({"name": [name for name, _ in goals], "at": [at for _, at in goals]})
        plot.scatter("at", "name", source=drawn, marker="dash", angle=np.pi / 2, size=18, line_width=3, color=GREEN, legend_label="target")
    plot.add_tools(
        HoverTool(tooltips=[("hedgekit", "@ours{0.000a}"), ("the other", "@theirs{0.000a}"), ("ratio", "@ratio"), ("", "@note")])
    )
    plot.legend.location, plot.legend.orientation, plot.legend.click_policy = "top_right", "horizontal", "hide"
    plot.height += 24
    plot.add_layout(plot.legend[0], "above")
    return plot


def growth(curves: Sequence[Curve]) -> Any:
    """Return cost against size, the fitted slope, and the steepest that is allowed."""
    return gridplot([curved(curve) for curve in curves], ncols=2, sizing_mode="stretch_width", toolbar_location=None)


def curved(curve: Curve) -> figure:
    """Return one curve."""
    said = f"{curve.name}: exponent {curve.slope:.2f} ({curve.low:.2f} to {curve.high:.2f}), allowed {curve.allowed:.2f}"
    plot = figure(title=said, x_axis_type="log", y_axis_type="log", height=300, tools="")
    plot.xaxis.axis_label, plot.yaxis.axis_label, plot.title.text_font_size = curve.x, curve.unit, "12px"
    x, y = np.array(curve.sizes), np.array(curve.costs)
    fitted = x[x >= curve.since]
    middle = np.exp(np.log(fitted).mean()), np.exp(np.log(y[x >= curve.since]).mean())
    plot.scatter(x, y, size=9, color=BLUE, legend_label="measured")
    plot.line(fitted, middle[1] * (fitted / middle[0]) ** curve.slope, color=BLUE, legend_label="fitted")
    plot.line(fitted, middle[1] * (fitted / middle[0]) ** curve.allowed, color=VERMILLION, line_dash="dashed", legend_label="allowed")
    plot.legend.location = "top_left"
    return plot


def listed(rows: Sequence[Row]) -> str:
    """Return the whole table."""
    head = "".join(f"<th>{name}</th>" for name in ("", "unit", "hedgekit", "beside", "", "ratio", "target", "", "found equal", "note"))
    lines, before = "", ""
    for row in rows:
        if row.part != before:
            before = row.part
            lines += f"<tr><th colspan='10'>{html.escape(row.part)}</th></tr>"
        ratio = number(row.ratio)
        cells = (row.name, row.unit, number(row.ours), number(row.theirs), row.peer, ratio, asked(row), verdict(row), row.same, row.note)
        lines += "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
    return (
        f"<h2>All figures</h2><div class='hk-scroll'><table class='hk'><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def loads(bench: Bench) -> str:
    """Return how busy the machine was during each benchmark."""
    lines = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{one.took_s:.0f}</td><td>{one.load[0]:.1f} to {one.load[-1]:.1f}</td></tr>"
        for name, one in bench.found.items()
        if one.load
    )
    head = "<tr><th>benchmark</th><th>seconds</th><th>load of the machine</th></tr>"
    return f"<h2>When it was measured</h2><table class='hk'><thead>{head}</thead><tbody>{lines}</tbody></table>"


def markdown(bench: Bench) -> str:
    """Return the table of the documentation."""
    lines = ["| | hedgekit | beside | ratio | target | |", "|---|---|---|---|---|---|"]
    before = ""
    for row in bench.rows:
        if row.part != before:
            before = row.part
            lines.append(f"| **{row.part}** | | | | | |")
        beside = f"{number(row.theirs)} {row.peer}" if row.peer else ""
        ratio = f"{number(row.ratio)}" if row.ratio is not None else ""
        word = {"": "", "met": "met", "NOT MET": "**not met**"}[verdict(row)]
        lines.append(f"| {row.name}, {row.unit} | {number(row.ours)} | {beside} | {ratio} | {asked(row)} | {word} |")
    lines += ["", "| cost of | grows with | exponent | interval | allowed |", "|---|---|---|---|---|"]
    for curve in bench.curves:
        lines.append(f"| {curve.name} | {curve.x} | {curve.slope:.2f} | {curve.low:.2f} to {curve.high:.2f} | {curve.allowed:.2f} |")
    return "\n".join(lines)
