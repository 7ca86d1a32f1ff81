"""A strategy by eye: P&L hedged and unhedged, at the book and at mids, and how many variants have been looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hedgekit.backtest.sweep import outcome_of
from hedgekit.look import BLUE, ORANGE
from hedgekit.plots import draw
from hedgekit.trials import Trial, count, record
from hedgekit.widgets.engine import Engine, Run
from hedgekit.widgets.explorer import Explorer, checked
from hedgekit.widgets.panes import words
from hedgekit.widgets.signal_explorer import DAY_S, columns, figures, source, whole

if TYPE_CHECKING:
    import os

    from hedgekit.data import Array
    from hedgekit.params import Params

LINES = {
    "hedged": (BLUE, "solid", 2.0, "hedged, executable prices"),
    "unhedged": (ORANGE, "dashed", 2.0, "unhedged, executable prices"),
    "hedged_mid": (BLUE, "dotted", 1.2, "hedged, at mids before costs"),
}


class BacktestExplorer(Explorer):
    """Move the strategy's parameters; P&L, drawdown and figures follow.

    The money is that of :func:`hedgekit.run_backtest` on the same tape. Every choice whose P&L was drawn is a trial (A21): it is written
    to the ledger under the study's name once the controls rest, and the panel says how many there are, because the best of many is lucky.

    Parameters
    ----------
    market : Tape, or a recipe that has one
        Quotes of both legs.
    params : Params or mapping, optional
        Where the controls begin.
    names : iterable of str
        Parameters that have a control.
    study : str, optional
        What is searched for; the names of the legs by default, as in :func:`hedgekit.sweep`.
    ledger : path, optional
        File of the trial ledger; the user's own by default.

    Raises
    ------
    ConfigError, DataError
        If a parameter is wrong, or does not fit the tape.
    """

    title = "Backtest explorer"

    def __init__(
        self,
        market: Any,  # noqa: ANN401 - refused in words
        params: Params | Mapping[str, Any] | None = None,
        *,
        names: Iterable[str] = ("structure", "lookback", "entry", "target", "stop", "time_stop", "tolerance"),
        study: str | None = None,
        ledger: str | os.PathLike[str] | None = None,
    ) -> None:
        self._engine = Engine(market)
        self._study = study or "~".join(instrument.symbol for instrument in self._engine.tape.instruments)
        self._ledger, self._seen = ledger, list[Trial]()
        chosen = checked(params)
        layout = self._figures(self._engine.run(chosen), "%F" if chosen.bar_s >= DAY_S else "%F %T")
        super().__init__(layout, chosen, names)

    def _figures(self, run: Run, clock: str) -> Any:  # noqa: ANN401 - bokeh's grid
        x_range, bars = whole(run), source("money", "ts", *LINES, "fall_hedged", "fall_unhedged")
        top = draw.frame_of("Cumulative P&L, hedged and unhedged on the same trades", "P&L ($)", height=250, x_range=x_range)
        shown = {
            said: [top.line("ts", name, source=bars, color=color, line_dash=dash, line_width=width)]
            for name, (color, dash, width, said) in LINES.items()
        }
        tips = [(said, f"@{name}{{$0,0.00}}") for name, (*_, said) in LINES.items()]
        draw.hover(top, shown["hedged, executable prices"], tips, clock=clock)
        draw.head(top, [], shown, columns=2)
        low = draw.frame_of("Drawdown from the highest P&L so far, executable prices", "drawdown ($)", height=160, x_range=x_range)
        falls = {
            name: [low.line("ts", f"fall_{name}", source=bars, color=color, line_dash=dash, line_width=width)]
            for name, (color, dash, width, _) in list(LINES.items())[:2]
        }
        draw.hover(low, falls["hedged"], [(name, f"@fall_{name}{{$0,0.00}}") for name in falls], clock=clock)
        draw.head(low, [], falls)
        for plot in (top, low):
            draw.money_axis(plot.yaxis, np.array([1_000.0]))
        return figures(top, low)

    def _draw(self, params: Params) -> str:
        run = self._engine.run(params)
        c, trades = run.curves, run.trades
        money = {"hedged": c.hedged, "unhedged": c.unhedged, "hedged_mid": c.hedged_at_mids}
        self.plot.replace("money", columns(run, **money, fall_hedged=_falls(c.hedged), fall_unhedged=_falls(c.unhedged)))
        told = outcome_of(c).figures
        self._seen.append(Trial(params.structure, self._engine.tape.digest, params.model_dump() | {"model": str(self._engine.model)}, told))
        self._table.value = table(told)
        closed = int(trades["closed"].notna().sum())
        self._last = (
            f"{len(trades):,} trades, {closed:,} closed, P&L hedged {told['pnl']:,.0f} $, unhedged {told['pnl_unhedged']:,.0f} $, net"
        )
        return self._last

    def _settle(self, params: Params) -> None:
        """Count what was looked at."""
        del params  # all that was drawn since the last rest counts, not where it ended alone
        record(self._study, self._seen, where=self._ledger)
        self._seen = []
        made = count(self._study, where=self._ledger)
        self._say(f"{self._last} · {made:,} variant{'s' * (made != 1)} of {self._study} tried so far")


def _falls(curve: Array) -> Array:
    return curve - np.maximum.accumulate(np.maximum(curve, 0.0))


def table(told: Mapping[str, float]) -> str:
    """Return hedged beside unhedged, in words and figures with units."""
    rows = [
        ("P&L, executable prices ($)", *(f"{told[name]:,.0f}" for name in ("pnl", "pnl_unhedged"))),
        ("P&L at mids, before costs ($)", f"{told['pnl_at_mids']:,.0f}", ""),
        ("deepest drawdown ($)", *(f"{told[name]:,.0f}" for name in ("drawdown", "drawdown_unhedged"))),
        (
            "Sharpe ratio (252 bars)",
            *(words.NONE if np.isnan(told[name]) else f"{told[name]:.2f}" for name in ("sharpe", "sharpe_unhedged")),
        ),
    ]
    return words.table("Hedged beside unhedged, the same trades", {"": "t", "hedged": "", "unhedged": ""}, rows, "")
