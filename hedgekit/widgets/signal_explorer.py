"""A signal by eye: z with its levels and the trades that they make, and below what an entry would earn against what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from bokeh.models import ColumnDataSource, Range1d

from hedgekit.look import BLUE, GREEN, GREY, VERMILLION, thin
from hedgekit.plots import draw
from hedgekit.plots.bars import ENTRIES, EXITS
from hedgekit.widgets.engine import Engine, Run
from hedgekit.widgets.explorer import Explorer, checked

if TYPE_CHECKING:
    from hedgekit.params import Params

POINTS = 6_000
"""More bars than these are thinned, extremes kept."""

MARKS = {f"mark{n}": look for n, look in enumerate([*ENTRIES.values(), *EXITS.values()])}
BPS = 1e4
DAY_S = 86_400


def figures(*plots: Any) -> Any:  # noqa: ANN401 - bokeh's figures, and their grid
    """Return figures below each other, narrow at the left; only the last names the time axis."""
    for plot in plots:
        plot.min_border_left = 64
    for plot in plots[:-1]:
        plot.xaxis.axis_label = None
    return draw.stack(plots)


def source(name: str, *names: str) -> ColumnDataSource:
    """Return an empty stream of a live plot."""
    return ColumnDataSource({column: [] for column in names}, name=name)


def columns(run: Run, **values: Any) -> dict[str, Any]:  # noqa: ANN401 - arrays of a number for each bar
    """Return a source's columns over the bars' times, thinned if there are too many for a plot."""
    table = pd.DataFrame({"ts": run.ms, **values})
    if len(table) > POINTS:
        table = table.loc[thin(table.drop(columns="ts"), POINTS).index]
    return {str(name): table[name].to_numpy() for name in table}


def whole(run: Run) -> Range1d:
    """Return all bars as x range, with a little room."""
    room = 0.01 * (run.ms[-1] - run.ms[0]) or 1.0
    return Range1d(start=run.ms[0] - room, end=run.ms[-1] + room)


class SignalExplorer(Explorer):
    """Move the signal's parameters; z, levels and trades follow.

    z is that of a backtest and of a paper session on the same tape, bit for bit; so are the trades. The lower plot is the rule that
    lets a trade be made at all (A20): the way from the entry level back to the target, against both legs' costs there and back. Nothing
    here says what was earned, so nothing is counted as a trial.

    Parameters
    ----------
    market : Tape, or a recipe that has one
        Quotes of both legs.
    params : Params or mapping, optional
        Where the controls begin.
    names : iterable of str
        Parameters that have a control.

    Raises
    ------
    ConfigError, DataError
        If a parameter is wrong, or does not fit the tape.
    """

    title = "Signal explorer"

    def __init__(
        self,
        market: Any,  # noqa: ANN401 - refused in words
        params: Params | Mapping[str, Any] | None = None,
        *,
        names: Iterable[str] = ("signal", "lookback", "entry", "target", "stop", "time_stop", "slippage_buffer"),
    ) -> None:
        self._engine = Engine(market)
        chosen = checked(params)
        self._figures(self._engine.run(chosen), "%F" if chosen.bar_s >= DAY_S else "%F %T")
        super().__init__(figures(self._z, self._edge), chosen, names)

    def _figures(self, run: Run, clock: str) -> None:
        x_range = whole(run)
        bars = source("z", "ts", "z")
        self._z = draw.frame_of(
            "z at bar closes, its levels and trades", "z (sd)", height=290, x_range=x_range, y_range=Range1d(start=-4, end=4)
        )
        line = self._z.line("ts", "z", source=bars, color=BLUE, line_width=1.0)
        shown: dict[str, list[Any]] = {"z": [line]}
        for name, (shape, fill, said) in MARKS.items():
            crossed = shape in {"x", "cross"}
            shown[said] = [
                self._z.scatter(
                    "ts", "z", source=source(name, "ts", "z"), marker=shape, size=8, fill_color=fill, line_color=fill if crossed else GREY,
                    line_width=2 if crossed else 1, fill_alpha=0.85,
                )
            ]  # fmt: skip
        self._levels = {
            name: [draw.level(self._z, 0.0, color=color, dash=dash) for _ in (1, -1)]
            for name, dash, color in (("entry", "dashed", GREY), ("target", "dotted", GREEN), ("stop", "solid", VERMILLION))
        }
        draw.hover(self._z, [line], [("z", "@z{0.00} sd")], clock=clock)
        draw.head(self._z, ["levels: entry dashed, target dotted, stop solid"], shown, columns=4)
        edge = source("edge", "ts", "earns", "costs")
        self._edge = draw.frame_of("From entry to target, against the cost of both legs", "basis points (bps)", height=170, x_range=x_range)
        looks = {"earns": (BLUE, "solid", "entry to target"), "costs": (VERMILLION, "dashed", "cost there and back, buffer included")}
        lines = {
            said: [self._edge.line("ts", name, source=edge, color=color, line_dash=dash)] for name, (color, dash, said) in looks.items()
        }
        tips = [(said, f"@{name}{{0.0}} bps") for name, (_, _, said) in looks.items()]
        draw.hover(self._edge, lines["entry to target"], tips, clock=clock)
        draw.head(self._edge, [], lines)

    def _draw(self, params: Params) -> str:
        run = self._engine.run(params)
        self.plot.replace("z", columns(run, z=run.z))
        self.plot.replace("edge", columns(run, earns=BPS * (params.entry - params.target) * run.sd, costs=BPS * run.cost))
        for name, spans in self._levels.items():
            for span, sign in zip(spans, (1, -1), strict=True):
                self.plot.set(span, location=sign * float(getattr(params, name)))
        trades = run.trades
        self._mark(trades)
        known = np.abs(run.z[np.isfinite(run.z)])
        reach = 1.08 * max(float(known.max()) if known.size else 0.0, params.stop)
        self.plot.set(self._z.y_range, start=-reach, end=reach)
        return said(run, trades, params)

    def _mark(self, trades: pd.DataFrame) -> None:
        """Show each kind of mark; the first point is nowhere, so that the legend has a mark to show where there is no other."""
        closed = trades[trades["closed"].notna()]
        kinds = [(trades[trades["side"] == side], "opened", "z_entry") for side in ENTRIES]
        names = closed["exit_reason"].astype(str).where(closed["exit_reason"].isin(list(EXITS)), "other")
        kinds += [(closed[names == name], "closed", "z_exit") for name in EXITS]
        for name, (rows, at, height) in zip(MARKS, kinds, strict=True):
            self.plot.replace(name, {"ts": np.append(np.nan, draw.stamps(rows[at])), "z": np.append(np.nan, rows[height])})


def said(run: Run, trades: pd.DataFrame, params: Params) -> str:
    """Return in one line what the signal did."""
    scored = int(np.isfinite(run.z).sum())
    if not scored:
        return f"z was never defined in {len(run.z):,} bars: fit_bars={params.fit_bars} and lookback={params.lookback} leave none."
    beyond = float(np.mean(np.abs(run.z[np.isfinite(run.z)]) >= params.entry))
    reasons = trades["exit_reason"].dropna().value_counts()
    ends = ", ".join(f"{count:,} {str(name).replace('_', ' ')}" for name, count in reasons.items())
    earns = np.nanmedian(BPS * (params.entry - params.target) * run.sd)
    costs = float(np.nanmedian(BPS * run.cost)) if np.isfinite(run.cost).any() else float("nan")
    held = f", median {trades['bars'].median():.0f} bars" if len(trades) else ""
    return (
        f"{len(trades):,} trades{f' ({ends})' if ends else ''}{held} · beyond entry in {beyond:.1%} of {scored:,} bars · "
        f"entry to target {earns:.1f} bps, cost {costs:.1f} bps"
    )
