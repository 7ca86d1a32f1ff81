"""The revalidation report's pictures: how the ratio moved, what became of the spread, and the watch over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from bokeh.models.annotations import Span
from bokeh.plotting import figure

from hedgekit.look import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION, thin, thinned
from hedgekit.report.plots import _figure, _hover, _legend, _line, _ms, _source
from hedgekit.report.revalidation import paths, spread
from hedgekit.report.words import count

if TYPE_CHECKING:
    from hedgekit.report.revalidation import Case

_SIDES = 1.959964


def ratio(c: Case) -> figure:
    """Draw the ratio over time with its interval, the plan in force, and the new one where it is another."""
    frame = paths(c)
    source = _source(thin(frame))
    title = f"Hedge ratio over time, {count(min(c.plan.n, len(frame)))} bars rolling and all bars so far{thinned(frame)}"
    plot = _figure(title, f"$ of {c.hedge} per $ of {c.primary}", height=300)
    plot.varea("ts", "low", "high", source=source, color=SKY, alpha=0.4, legend_label="95% interval")
    shown = _line(plot, source, "rolling", BLUE, "rolling", width=2)
    _line(plot, source, "expanding", ORANGE, "all so far", width=2, dash="dashed")
    since = frame.index[frame.index >= c.made]
    ends = [_ms(c.made), _ms(since[-1] if len(since) else frame.index[-1])]
    half = _SIDES * c.plan.stderr
    for level, dash, words in (
        (0.0, "solid", "plan in force"),
        (half, "dotted", "its 95% interval"),
        (-half, "dotted", "its 95% interval"),
    ):
        plot.line(ends, [c.plan.ratio + level] * 2, color="#111111", line_width=2, line_dash=dash, legend_label=words)
    if c.found.decision == "refit":
        fit = c.found.fit.in_dollars()
        plot.scatter([ends[1]], [fit.ratio], marker="diamond", size=14, color=GREEN, legend_label="new plan")
    _made(plot, c)
    _hover(plot, shown, [("rolling", "@rolling{0.000}"), ("interval", "@low{0.000} to @high{0.000}"), ("all so far", "@expanding{0.000}")])
    _legend(plot, "top_left", columns=6)
    return plot


def spread_of(c: Case) -> figure:
    """Draw the spread with the plan's ratio, less its mean in the plan's window; with the new ratio too where it is another."""
    start = c.before.index[0]
    frame = c.prices[start:]
    ratios = {"plan": c.plan.ratio} | ({"fresh": c.found.fit.in_dollars().ratio} if c.found.decision == "refit" else {})
    drawn = pd.DataFrame({name: spread(frame, h) - spread(c.before, h).mean() for name, h in ratios.items()}, index=frame.index)
    source = _source(thin(drawn))
    plot = _figure("Spread, less its mean in the plan's window" + thinned(drawn), "log spread", height=260)
    if "fresh" in drawn:
        _line(plot, source, "fresh", GREEN, "with the new ratio", width=1.5)
    shown = _line(plot, source, "plan", BLUE, "with the plan's ratio", width=1.5)
    plot.add_layout(Span(location=0.0, dimension="width", line_color=GREY))
    _made(plot, c)
    _hover(plot, shown, [(name, f"@{name}{{0.0000}}") for name in drawn.columns])
    _legend(plot, "top_left", columns=2)
    return plot


def watch(c: Case) -> figure:
    """Draw the likelihood CUSUM over the bars since the plan, and the level at which it gives an alarm."""
    run = c.found.watch
    values = np.zeros(len(c.since)) if run is None else run.statistic.to_numpy()
    index = c.since.index[-len(values) :]
    frame = pd.DataFrame({"statistic": values}, index=index)
    what = "nothing could be watched" if run is None else f"{count(len(run.alarms), 'alarm')}"
    plot = _figure(f"Watch over the reversion since the plan: {what}", "log likelihood ratio", height=240)
    shown = _line(plot, _source(thin(frame)), "statistic", BLUE, "evidence against reversion", width=2)
    if run is not None:
        level = run.rule.threshold
        plot.line([_ms(index[0]), _ms(index[-1])], [level] * 2, color=VERMILLION, line_dash="dashed", line_width=2, legend_label="alarm")
        at = [int(position) for position in run.alarms["position"]]
        plot.scatter([_ms(index[n]) for n in at], [values[n] for n in at], marker="x", size=11, color=VERMILLION, line_width=3)
    _hover(plot, shown, [("statistic", "@statistic{0.00}")])
    _legend(plot, "top_left", columns=2)
    return plot


def _made(plot: figure, c: Case) -> None:
    """Mark when the plan was fitted."""
    plot.add_layout(Span(location=_ms(c.made), dimension="height", line_color=GREY, line_dash="dashed"))
