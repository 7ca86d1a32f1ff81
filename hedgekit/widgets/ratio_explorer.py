"""A hedge ratio by eye: every plan that would be traded with its interval, and one method's estimate on a stretch of history beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as w
import numpy as np
from bokeh.models.glyphs import VArea

from hedgekit.errors import HedgekitError
from hedgekit.look import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION
from hedgekit.plots import draw
from hedgekit.plots.bars import Z95
from hedgekit.stats import ratio
from hedgekit.widgets.controls import BOTH, LABEL
from hedgekit.widgets.engine import Engine, Run
from hedgekit.widgets.explorer import Explorer, checked
from hedgekit.widgets.panes import words
from hedgekit.widgets.signal_explorer import DAY_S, columns, figures, source, whole

if TYPE_CHECKING:
    from hedgekit.params import Params
    from hedgekit.stats.fit import RatioFit

METHODS: dict[str, Callable[..., RatioFit]] = {
    name: getattr(ratio, name) for name in ("naive", "ols", "dols", "johansen", "tls", "rolling", "ewma", "kalman", "dcc")
}


class RatioExplorer(Explorer):
    """Move the window, the revision and the evidence that is asked for; the plans that a session would trade follow.

    The upper plot is every plan of a backtest on the tape: ratio, its 95% interval, and whether its evidence holds. The lower is what each
    plan leaves: the primary's log return less the ratio's share of the hedge's, summed up, beside one dollar for one dollar. Once the
    controls rest, the chosen method is fitted on the last ``fit_bars`` bars and stands below with its interval and warnings.

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

    title = "Ratio explorer"

    def __init__(
        self,
        market: Any,  # noqa: ANN401 - refused in words
        params: Params | Mapping[str, Any] | None = None,
        *,
        names: Iterable[str] = ("fit_bars", "refit_bars", "significance", "plan_valid_days"),
    ) -> None:
        self._engine = Engine(market)
        chosen = checked(params)
        self._method = w.Dropdown(options=list(METHODS), value="ols", description="method", style={"description_width": LABEL})
        self._method.layout.width = BOTH
        self._method.observe(lambda _: self._ask(), "value")
        layout = self._figures(self._engine.run(chosen), "%F" if chosen.bar_s >= DAY_S else "%F %T")
        super().__init__(layout, chosen, names)

    def _extra(self) -> list[w.Widget]:
        return [self._method]

    @property
    def fit(self) -> RatioFit:
        """The chosen method, fitted on the last ``fit_bars`` bars before the end of the tape.

        Raises
        ------
        HedgekitError
            If the method cannot be fitted there, or the controls stand on numbers that are refused.
        """
        params = self.params
        mids = self._engine.run(params).work.mids
        return METHODS[self._method.value](mids[:, 0], mids[:, 1], window=min(params.fit_bars, len(mids) - 1))

    def _figures(self, run: Run, clock: str) -> Any:  # noqa: ANN401 - bokeh's grid
        primary, hedge = (instrument.symbol for instrument in self._engine.tape.instruments[:2])
        x_range = whole(run)
        plans = source("plans", "ts", "ratio", "low", "high")
        top = draw.frame_of(
            "Hedge ratio of each plan, from past bars only", f"$ of {hedge} per $ of {primary}", height=250, x_range=x_range
        )
        band = top.add_glyph(plans, VArea(x="ts", y1="low", y2="high", fill_color=SKY, fill_alpha=0.4))
        line = top.line("ts", "ratio", source=plans, color=BLUE, line_width=2)
        draw.level(top, 1.0, color=GREY, dash="dotted")
        shown: dict[str, list[Any]] = {"ratio": [line], "95% interval": [band]}
        for name, shape, color, said in (
            ("holds", "circle", BLUE, "evidence holds"),
            ("fails", "x", VERMILLION, "evidence fails or is missing"),
        ):
            shown[said] = [top.scatter("ts", "ratio", source=source(name, "ts", "ratio"), marker=shape, size=7, color=color, line_width=2)]
        draw.hover(top, [line], [("ratio", "@ratio{0.0000}"), ("95% interval", "@low{0.0000} to @high{0.0000}")], clock=clock)
        draw.head(top, ["dotted: one dollar for one dollar"], shown)
        left = source("left", "ts", "hedged", "naive", "unhedged")
        low = draw.frame_of("What is left of the primary's log return, summed up", "log return (%)", height=190, x_range=x_range)
        looks = {"hedged": (BLUE, "solid"), "naive": (GREEN, "dashed"), "unhedged": (ORANGE, "dotted")}
        names = {"hedged": "with the plans' ratio", "naive": "one to one", "unhedged": "primary alone"}
        lines = {names[name]: [low.line("ts", name, source=left, color=color, line_dash=dash)] for name, (color, dash) in looks.items()}
        draw.hover(low, lines["primary alone"], [(names[name], f"@{name}{{0.00}}%") for name in looks], clock=clock)
        draw.head(low, [], lines)
        return figures(top, low)

    def _draw(self, params: Params) -> str:
        run = self._engine.run(params)
        ratio_at = run.ratios[:, 1]
        self.plot.replace("plans", _steps(run))
        trusted = np.array(
            [plan.evidence.p_value is not None and plan.evidence.p_value < params.significance for plan in run.plans], dtype=bool
        )
        at, ratios = np.array([plan.fitted_at_ns / 1e6 for plan in run.plans]), np.array([plan.ratio for plan in run.plans])
        for name, which in (("holds", trusted), ("fails", ~trusted)):
            self.plot.replace(name, {"ts": np.append(np.nan, at[which]), "ratio": np.append(np.nan, ratios[which])})
        moves = 100.0 * np.diff(np.log(run.work.mids[:, :2]), axis=0, prepend=np.nan)
        held = np.append(np.nan, ratio_at[:-1])  # a bar's move is hedged with the ratio known before it
        self._remains = {
            name: np.where(np.isfinite(held), moves[:, 0] - h * moves[:, 1], 0.0)
            for name, h in (("hedged", held), ("naive", 1.0), ("unhedged", 0.0))
        }
        self.plot.replace("left", columns(run, **{name: np.cumsum(move) for name, move in self._remains.items()}))
        return self._words(run, trusted)

    def _words(self, run: Run, trusted: Any) -> str:  # noqa: ANN401 - a bool for each plan
        if not run.plans:
            return f"No plan in {len(run.ms):,} bars: fit_bars is too long for this tape."
        whole_risk = float(np.var(self._remains["unhedged"]))
        removed = {name: 1.0 - float(np.var(self._remains[name])) / whole_risk if whole_risk else np.nan for name in ("hedged", "naive")}
        return (
            f"{len(run.plans):,} plans, evidence holds for {int(trusted.sum()):,} · variance removed out of sample "
            f"{removed['hedged']:.1%}, one to one {removed['naive']:.1%}"
        )

    def _settle(self, params: Params) -> None:
        """Fit the chosen method; what it cannot do is said in the table's place."""
        name = self._method.value
        try:
            fit = self.fit
        except HedgekitError as error:
            self._table.value = words.page(f"<b>{name}</b> on the last {params.fit_bars:,} bars: {escape(str(error))}", "estimate")
            return
        self._table.value = estimate(name, fit)


def _steps(run: Run) -> dict[str, Any]:
    """Return each plan from the bar on which it was made to the next one's, as a step."""
    at = [plan.fitted_at_ns / 1e6 for plan in run.plans]
    until = [*at[1:], run.ms[-1]][: len(at)]
    ratios, errors = np.array([plan.ratio for plan in run.plans]), np.array([plan.stderr for plan in run.plans])
    bounds = {"ratio": ratios, "low": ratios - Z95 * errors, "high": ratios + Z95 * errors}
    return {"ts": np.array([at, until]).T.ravel()} | {name: np.repeat(values, 2) for name, values in bounds.items()}


def estimate(name: str, fit: RatioFit) -> str:
    """Return a fit as a table with units, and its warnings."""
    low, high = fit.interval()
    judged = fit.out_of_sample
    rows = [
        ("ratio", f"{fit.ratio:.4f}", fit.unit),
        ("95% interval", f"{low:.4f} to {high:.4f}" if np.isfinite(low) else words.NONE, fit.unit),
        ("variance removed, in sample", f"{fit.effectiveness:.1%}", f"one to one {fit.naive_effectiveness:.1%}"),
        (
            "variance removed, out of sample",
            words.NONE if judged is None else f"{judged.hedged:.1%}",
            "" if judged is None else f"one to one {judged.naive:.1%}; gain {judged.gain_low:+.1%} to {judged.gain_high:+.1%}",
        ),
        *((test.test, words.NONE if test.p_value is None else f"p = {test.p_value:.3f}", "") for test in fit.tests),
    ]
    told = words.table(
        f"{name}: {fit.method}, {fit.n:,} observations to the end of the tape",
        {"": "t", "estimate": "", "unit or yardstick": "t"},
        rows,
        "",
    )
    notes = "".join(f"<br>{escape(warning)}" for warning in fit.warnings)
    return told + (words.page(f"<small>{notes.removeprefix('<br>')}</small>", "warnings") if notes else "")
