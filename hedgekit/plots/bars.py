"""What happened bar by bar: prices and positions, z with its trades, the hedge ratio, and the P&L. Each maker returns its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from bokeh.models import Range1d

from hedgekit.look import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION
from hedgekit.plots import draw

if TYPE_CHECKING:
    from bokeh.plotting import figure

    from hedgekit.plots.view import View

LEGS = ((BLUE, "solid"), (ORANGE, "dashed"), (PURPLE, "dotdash"), (GREEN, "dotted"))
"""Colour and dash of each leg: up to four."""

ENTRIES: dict[int, draw.Marker] = {
    1: ("triangle", "white", "entry, long spread"),
    -1: ("inverted_triangle", "white", "entry, short spread"),
}
EXITS: dict[str, draw.Marker] = {
    "target": ("circle", GREEN, "exit, target"),
    "stop": ("x", VERMILLION, "exit, stop"),
    "time_stop": ("diamond", ORANGE, "exit, time stop"),
    "other": ("square", PURPLE, "exit, other"),
}
Z95 = 1.959964
"""Normal quantile of a two-sided 95% interval."""


def prices(v: View, x_range: Range1d) -> list[figure]:
    """Draw all legs' mids, 100 at the first known one, and below the value of their positions."""
    if v.equity.empty:
        return [draw.words("Prices and positions", "No bar was closed: there is nothing to draw.", x_range=x_range)]
    columns: dict[str, Any] = {}
    for n, leg in enumerate(v.legs):
        columns |= {f"index_{n}": _indexed(leg.mid), f"value_{n}": leg.value, f"mid_{n}": leg.mid, f"qty_{n}": leg.qty}
    whole = pd.DataFrame(columns, index=v.equity.index)
    table, thinned = draw.fewer(whole, [name for name in columns if name.startswith(("index", "value"))])
    source = draw.source_of(table)
    top = draw.frame_of("Prices of all legs at mid, 100 at the first bar", "index (first mid = 100)", height=250, x_range=x_range)
    held = any(np.any(leg.qty != 0) for leg in v.legs)
    low = draw.frame_of("Value of the positions, signed", "position ($)", height=170, x_range=x_range)
    tops: dict[str, list[Any]] = {}
    lows: dict[str, list[Any]] = {}
    for n, (leg, (color, dash)) in enumerate(zip(v.legs, LEGS, strict=False)):
        tops[_name(n, leg.symbol)] = [top.line("ts", f"index_{n}", source=source, color=color, line_dash=dash, line_width=1.5)]
        fill = draw.area(low, table, 0.0, f"value_{n}", step=True, fill_color=color, fill_alpha=0.3)
        edge = low.step("ts", f"value_{n}", source=source, mode="after", color=color, line_dash=dash)
        lows[_name(n, leg.symbol)] = [fill, edge]
    form = draw.money_axis(low.yaxis, *(leg.value for leg in v.legs))
    legs = [(n, leg.symbol) for n, leg in enumerate(v.legs)]
    draw.hover(top, tops[_name(*legs[0])], [(name, f"@index_{n}{{0.00}} (mid @mid_{n}{{0,0.0000}})") for n, name in legs], clock=v.clock)
    felt = low.line("ts", "value_0", source=source, line_alpha=0.0)  # bokeh finds no step below the pointer
    tips = [(name, f"@value_{n}{{{form}}} (@qty_{n}{{0,0.[000000]}} units)") for n, name in legs]
    draw.hover(low, [felt], tips, clock=v.clock)
    draw.head(top, [thinned and f"here and below: {thinned}"], tops)
    draw.head(low, ["" if held else "no position was ever held"], lows)
    return [top, low]


def _name(leg: int, symbol: str) -> str:
    return f"{symbol} ({'primary' if leg == 0 else 'hedge'})"


def _indexed(mid: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    known = mid[np.isfinite(mid) & (mid != 0)]
    return mid / known[0] * 100 if known.size else np.full(len(mid), np.nan)


# ---------------------------------------------------------------------- signal


def signal(v: View, x_range: Range1d) -> list[figure]:
    """Draw z at bar closes with entry, target and stop levels, and every trade's entry and exit."""
    z, p = v.equity[["z"]], v.params
    title = "z-score of the spread, and its trades"
    if not np.isfinite(z["z"]).any():
        return [draw.words(title, "z was never defined: the history is too short for a plan and a full window.", x_range=x_range)]
    table, thinned = draw.fewer(z)
    plot = draw.frame_of(title, "z (sd)", height=300, x_range=x_range)
    for name, dash, color in (("entry", "dashed", GREY), ("stop", "solid", VERMILLION), ("target", "dotted", GREEN)):
        for sign in (1, -1):
            draw.level(plot, sign * getattr(p, name), color=color, dash=dash)
    line = plot.line("ts", "z", source=draw.source_of(table), color=BLUE, line_width=0.6 if thinned else 1.0)
    draw.hover(plot, [line], [("z", "@z{0.00} sd")], clock=v.clock)
    shown: dict[str, list[Any]] = {"z": [line]}
    said = _trade_marks(v, plot, shown)
    levels = f"entry ±{p.entry:g} dashed, target ±{p.target:g} dotted, stop ±{p.stop:g} solid"
    draw.head(plot, [draw.joined(levels, *said), f"z: {thinned}" if thinned else ""], shown)
    reach = max(float(np.nanmax(np.abs(z["z"]))), p.stop, *_reach(v.trades)) * 1.08
    plot.y_range = Range1d(start=-reach, end=reach)
    return [plot]


def _reach(trades: pd.DataFrame) -> list[float]:
    known = trades[["z_entry", "z_exit"]].to_numpy(dtype=np.float64)
    return [float(np.nanmax(np.abs(known)))] if np.isfinite(known).any() else []


def _trade_marks(v: View, plot: figure, shown: dict[str, list[Any]]) -> list[str]:
    """Draw entries and exits; return what the figure must say of them."""
    if v.trades.empty:
        return ["no trade was made"]
    trades = v.trades.assign(ended=ended(v.trades))
    closed = trades[trades["closed"].notna()]
    kinds = [(look, trades[trades["side"] == side], "opened", "z_entry") for side, look in ENTRIES.items()]
    names = closed["exit_reason"].astype(str).where(closed["exit_reason"].isin(list(EXITS)), "other")
    kinds += [(look, closed[names == name], "closed", "z_exit") for name, look in EXITS.items()]
    size = mark_size(len(trades))
    form = draw.money(trades["hedged"], trades["unhedged"])
    tips = [("trade", "@trade"), ("z", "@z{0.00} sd"), ("P&L hedged, net", f"@hedged{{{form}}}"), ("unhedged, net", f"@unhedged{{{form}}}")]
    drawn, nowhere, renderers = 0, 0, []
    for look, rows, at, height in kinds:
        table = rows[[at, height, "trade", "hedged", "unhedged", "ended"]].rename(columns={at: "ts", height: "z"})
        placed = table[table["ts"].notna() & table["z"].notna()]
        nowhere += len(table) - len(placed)
        if placed.empty:
            continue
        few, _ = draw.fewer(placed, ["z", "hedged"])
        drawn += len(few) - len(placed)
        shown[look[2]] = [draw.marks(plot, few, look, y="z", size=size)]
        renderers += shown[look[2]]
    draw.hover(plot, renderers, [*tips, ("ended by", "@ended")], clock=v.clock, line=False)
    total = sum(len(rows) for _, rows, _, _ in kinds)
    return [
        f"{len(trades):,} trade{'s' * (len(trades) != 1)}, {len(trades) - len(closed):,} open at the end",
        f"{total + drawn - nowhere:,} of {total:,} marks drawn, extremes kept" if drawn else "",
        f"{nowhere:,} entries or exits have no z and are not marked" if nowhere else "",
    ]


def ended(trades: pd.DataFrame) -> list[str]:
    """Return in words how each trade ended."""
    known = trades["exit_reason"].notna() & trades["closed"].notna()
    return [str(reason).replace("_", " ") if over else "open" for reason, over in zip(trades["exit_reason"], known, strict=True)]


def mark_size(count: int) -> float:
    """Return the size of marks in pixels: smaller where there are many."""
    return next((size for most, size in ((150, 9.0), (600, 7.0)) if count <= most), 5.0)


# ----------------------------------------------------------------------- ratio


def ratio(v: View, x_range: Range1d) -> list[figure]:
    """Draw each plan's hedge ratio with its 95% interval (ratio ± 1.96 standard errors); a mark at each revision."""
    title = f"Hedge ratio, {len(v.plans):,} plan{'s' * (len(v.plans) != 1)}, each from past bars only"
    if v.plans.empty:
        return [draw.words("Hedge ratio", "No plan was made: no hedge ratio was estimated.", x_range=x_range)]
    plans = v.plans.set_index(pd.DatetimeIndex(v.plans["ts"]))[["ratio", "stderr", "p_value", "n"]]
    plans = plans.assign(low=plans["ratio"] - Z95 * plans["stderr"], high=plans["ratio"] + Z95 * plans["stderr"])
    few, thinned = draw.fewer(plans, ["ratio", "low", "high"])
    held = _until_the_end(few[["ratio", "low", "high"]], v)
    units = f"$ of {v.legs[1].symbol} per $ of {v.legs[0].symbol}" if len(v.legs) > 1 else "$ of hedge per $ of primary"
    plot = draw.frame_of(title, units, height=230, x_range=x_range)
    band = draw.area(plot, held, "low", "high", step=True, fill_color=SKY, fill_alpha=0.4)
    line = plot.step("ts", "ratio", source=draw.source_of(held), mode="after", color=BLUE, line_width=2)
    shown: dict[str, list[Any]] = {"ratio": [line], "95% interval": [band]}
    holds = few["p_value"] < v.params.significance
    alpha = f"{v.params.significance:g}"
    for rows, look in (
        (few[holds], ("circle", BLUE, f"revision, evidence holds (p < {alpha})")),
        (few[~holds], ("x", VERMILLION, "revision, evidence fails or is missing")),
    ):
        if len(rows):
            shown[look[2]] = [draw.marks(plot, rows.assign(ts=rows.index), look, y="ratio", size=mark_size(2 * len(few)))]
    tips = [("ratio", "@ratio{0.0000}"), ("95% interval", "@low{0.0000} to @high{0.0000}"), ("p-value", "@p_value{0.0000}")]
    marked = [item for words, items in shown.items() if words.startswith("revision") for item in items]
    draw.hover(plot, marked, [*tips, ("bars used", "@n{0,0}")], clock=v.clock, line=False)
    draw.head(
        plot, [draw.joined("the interval is of the estimate's own error; it does not know that the true ratio may move", thinned)], shown
    )
    return [plot]


def _until_the_end(plans: pd.DataFrame, v: View) -> pd.DataFrame:
    """Let the last plan hold until the last bar."""
    if v.equity.empty or v.equity.index[-1] <= plans.index[-1]:
        return plans
    return pd.concat([plans, plans.iloc[[-1]].set_axis(v.equity.index[-1:])])


# ------------------------------------------------------------------------- P&L


def equity(v: View, x_range: Range1d) -> list[figure]:
    """Draw cumulative P&L hedged and unhedged, at executable prices and, dotted, at mids; below the drawdown at executable prices."""
    e = v.equity
    if e.empty:
        return [draw.words("Cumulative P&L", "No bar was closed: there is no P&L.", x_range=x_range)]
    mids = {"hedged_mid": e["gross_primary"] + e["gross_hedge"], "unhedged_mid": e["gross_primary"]}
    net = e[["hedged", "unhedged"]]
    falls = net - net.cummax().clip(lower=0.0)
    whole = net.assign(**mids, dd_hedged=falls["hedged"], dd_unhedged=falls["unhedged"])
    table, thinned = draw.fewer(whole)
    source = draw.source_of(table)
    top = draw.frame_of("Cumulative P&L, hedged and unhedged on the same trades", "P&L ($)", height=290, x_range=x_range)
    looks = {
        "unhedged_mid": (ORANGE, "dotdash", 1.0, "unhedged, at mids before costs"),
        "hedged_mid": (BLUE, "dotted", 1.0, "hedged, at mids before costs"),
        "unhedged": (ORANGE, "dashed", 2.0, "unhedged, executable prices"),
        "hedged": (BLUE, "solid", 2.0, "hedged, executable prices"),
    }
    shown = {look[3]: [_line(top, source, name, *look[:3])] for name, look in looks.items()}
    form = draw.money_axis(top.yaxis, whole)
    tips = [(look[3], f"@{name}{{{form}}}") for name, look in reversed(looks.items())]
    draw.hover(top, shown["hedged, executable prices"], tips, clock=v.clock)
    low = draw.frame_of("Drawdown from the highest P&L so far, executable prices", "drawdown ($)", height=180, x_range=x_range)
    draw.area(low, table, 0.0, "dd_unhedged", fill_color=ORANGE, fill_alpha=0.25)
    lines = {
        "unhedged": [_line(low, source, "dd_unhedged", ORANGE, "dashed", 1.0)],
        "hedged": [_line(low, source, "dd_hedged", BLUE, "solid", 1.5)],
    }
    draw.money_axis(low.yaxis, whole)
    draw.hover(low, lines["hedged"], [("hedged", f"@dd_hedged{{{form}}}"), ("unhedged", f"@dd_unhedged{{{form}}}")], clock=v.clock)
    none = "no trade was made: nothing was earned or lost" if v.trades.empty else ""
    draw.head(top, [draw.joined(none, thinned and f"here and below: {thinned}")], dict(reversed(shown.items())), columns=2)
    draw.head(low, [], dict(reversed(lines.items())))
    return [top, low]


def _line(plot: figure, source: Any, name: str, color: str, dash: str, width: float) -> Any:  # noqa: ANN401, PLR0913 - bokeh's; one line
    return plot.line("ts", name, source=source, color=color, line_dash=dash, line_width=width)
