"""What single decisions and trades were worth: adjustments of the hedge, and how far trades went against their holder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.models import ColumnDataSource

from hedgekit.look import BLUE, GREY, ORANGE, VERMILLION
from hedgekit.metrics import trade_excursions
from hedgekit.plots import draw
from hedgekit.plots.bars import ended, mark_size

if TYPE_CHECKING:
    import pandas as pd
    from bokeh.plotting import figure

    from hedgekit.data import Array
    from hedgekit.plots.view import View

TAKEN: draw.Marker = ("circle", BLUE, "taken")
SKIPPED: draw.Marker = ("x", ORANGE, "skipped")
WON: draw.Marker = ("triangle", BLUE, "profit")
LOST: draw.Marker = ("x", VERMILLION, "loss, or none")


def adjustments(v: View) -> figure:
    """Draw the cost of each adjustment of the hedge against the risk it removes, with the line on which both are equal."""
    d = v.decisions
    rows = d[d["reason"].isin(["drift", "cost_exceeds_benefit"])]
    title = "Cost of adjusting the hedge against the risk it removes"
    if rows.empty:
        return draw.words(title, "No adjustment came up: the net delta never left its corridor while the pair was held.")
    taken = (rows["reason"] == "drift").to_numpy()
    cost, benefit = rows["cost"].to_numpy(), rows["benefit"].to_numpy()
    scale = "log" if min(cost.min(), benefit.min()) > 0 else "linear"
    name = f"{title}: {taken.sum():,} taken, {(~taken).sum():,} skipped"
    axes = f"worth of the risk removed ($, {scale} scale)", f"cost ($, {scale} scale)"
    plot = draw.frame_of(name, axes[0], height=380, x=axes[1], x_axis_type=scale, y_axis_type=scale)
    low, high = min(cost.min(), benefit.min()), max(cost.max(), benefit.max())
    even = plot.line("x", "y", source=ColumnDataSource({"x": [low, high], "y": [low, high]}), color=GREY, line_dash="dashed")
    shown: dict[str, list[Any]] = {}
    notes = [_sums("taken", cost[taken], benefit[taken]), _sums("skipped", cost[~taken], benefit[~taken])]
    p = v.params
    model = f"worth by the model: risk aversion {p.risk_aversion:g}, {p.horizon_bars:g} bars ahead; not money earned. A mark for each look"
    left_out = []
    for look, chosen in ((SKIPPED, ~taken), (TAKEN, taken)):
        few, thinned = draw.fewer(rows.loc[chosen, ["ts", "trade", "cost", "benefit", "delta"]], ["cost", "benefit"])
        left_out.append(f"{look[2]}: {thinned}" if thinned else "")
        if len(few):
            shown[look[2]] = [draw.marks(plot, few, look, x="cost", y="benefit", size=mark_size(len(few)))]
    for axis, values in ((plot.xaxis, cost), (plot.yaxis, benefit)):
        draw.money_axis(axis, values)
    tips = [("trade", "@trade"), ("cost", "@cost{$0,0.0000}"), ("worth", "@benefit{$0,0.0000}"), ("net delta", "@delta{0.0%} of notional")]
    draw.hover(plot, [item for items in shown.values() for item in items], tips, clock=v.clock, line=False)
    draw.head(
        plot,
        [draw.joined(*notes), model, draw.joined(*left_out)],
        {**dict(reversed(shown.items())), "cost = worth: below the line it does not pay": [even]},
    )
    return plot


def _sums(name: str, cost: Array, benefit: Array) -> str:
    return f"{name}: cost ${cost.sum():,.2f}, worth ${benefit.sum():,.2f} in all" if len(cost) else ""


def excursions(v: View) -> figure:
    """Draw each closed trade's net P&L against its maximum adverse excursion (MAE): the deepest it stood at a bar close."""
    title = "Maximum adverse excursion of each closed trade, hedged"
    path = trade_excursions(v.equity, v.trades)
    if path.empty:
        open_ones = f" ({len(v.trades):,} still open at the end)" if len(v.trades) else ""
        return draw.words(title, f"No trade was closed{open_ones}: there is nothing to compare.")
    kept = v.trades.assign(ended=ended(v.trades))[["trade", "hedged", "unhedged", "gross_hedged", "ended"]]
    table = path[["trade", "bars", "mae", "mfe"]].merge(kept, on="trade", how="left", validate="one_to_one")
    won = (table["hedged"] > 0).to_numpy()
    plot = draw.frame_of(
        f"{title}: {won.sum():,} with a profit, {(~won).sum():,} without",
        "net P&L of the trade ($)",
        height=380,
        x="deepest loss while held, MAE ($)",
    )
    shown: dict[str, list[Any]] = {}
    said = []
    for look, chosen in ((LOST, ~won), (WON, won)):
        few, thinned = draw.fewer(table[chosen], ["mae", "hedged"])
        said.append(f"{look[2]}: {thinned}" if thinned else "")
        if len(few):
            shown[look[2]] = [draw.marks(plot, few, look, x="mae", y="hedged", size=mark_size(len(few)))]
    draw.level(plot, 0.0)
    deepest = float(table["mae"].max()) or 1.0
    worst = plot.line("x", "y", source=ColumnDataSource({"x": [0.0, deepest], "y": [0.0, -deepest]}), color=GREY, line_dash="dashed")
    form = draw.money_axis(plot.yaxis, table["hedged"])
    draw.money_axis(plot.xaxis, table["mae"])
    tips = [
        ("trade", "@trade"),
        ("MAE", f"@mae{{{form}}}"),
        ("MFE (best while held)", f"@mfe{{{form}}}"),
        ("P&L hedged, net", f"@hedged{{{form}}}"),
        ("unhedged, net", f"@unhedged{{{form}}}"),
        ("hedged at mids before costs", f"@gross_hedged{{{form}}}"),
        ("held", "@bars{0,0} bars"),
        ("ended by", "@ended"),
    ]
    draw.hover(plot, [item for items in shown.values() for item in items], tips, line=False)
    seen = "P&L at executable prices. Only bar closes are seen: inside a bar it went deeper"
    items = {**dict(reversed(shown.items())), "closed at its deepest": [worst]}
    draw.head(plot, [draw.joined(seen, _median(table, won)), draw.joined(*said)], items)
    return plot


def _median(table: pd.DataFrame, won: np.ndarray[Any, np.dtype[np.bool_]]) -> str:
    parts = [f"{name} ${table.loc[k, 'mae'].median():,.2f}" for name, k in (("winners", won), ("losers", ~won)) if k.any()]
    return f"median MAE: {', '.join(parts)}"
