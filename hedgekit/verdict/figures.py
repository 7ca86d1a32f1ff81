"""The figures of a verdict: six with a target (A23 to A28), and those that must stand beside them (L10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from hedgekit import metrics as m
from hedgekit.stats.bootstrap import interval
from hedgekit.stats.studentised import NOTHING, Interval, contrast, ratio
from hedgekit.verdict.gauges import Gauge, Result, Target, number

if TYPE_CHECKING:
    from hedgekit.data import Array
    from hedgekit.stats.twins import Sample, Twins

TARGETS = {
    "A23": Target("within", 0.1),
    "A24": Target("under", 0.03),
    "A25": Target("under", 0.15),
    "A26": Target("under", 0.005),
    "A27": Target("over", 0.25),
    "A28": Target("over", 1.2, "x"),
}
BETA = "realised beta / target - 1 while held"
DELTA = "mean |net delta| at bar closes while held"
TOUCH = "against the touch decided on; paper fills"
PATH = (
    "the interval is of other histories of this length, wider than what is not known of this one, so it rarely tells; "
    "more trades do not narrow it much"
)
NO_GROSS = "undefined: gross P&L is not above zero"
NO_FALL = "undefined: the unhedged P&L never fell"
NO_SHARPE = "undefined as a ratio: the unhedged Sharpe ratio is not above zero; hedged - unhedged is shown, a year"
NOTHING_TO_MEASURE = "undefined: nothing to measure"


def gauges(s: Sample, t: Twins, level: float) -> list[Gauge]:
    """Return the six, judged by their intervals alone: no gate for the number of trades yet."""
    hedged, unhedged = s.bars[:, 0].cumsum(), s.bars[:, 1].cumsum()
    cost, gross, _, notional = s.trades.sum(axis=0)
    slip, base = s.fills.sum(axis=0)
    delta = s.bars[:, 4][~np.isnan(s.bars[:, 4])]
    slope = ratio(t.beta, level)
    spent = f"hedge cost {cost / notional * m.BPS:.2f} bp of notional" if notional > 0 else "no closed trade"
    left = f"; {s.unknown} fills of unknown orders left out" if s.unknown else ""
    fallen = f"resampled in blocks of {t.block:.0f} bars; {PATH}"

    def judged(rule: str, name: str, value: float, ends: Interval, n: int, note: str, undefined: str = NOTHING_TO_MEASURE) -> Gauge:  # noqa: PLR0913 - a row
        return judge(rule, name, value, ends, n=n, trades=len(s.trades), note=f"{undefined}; {note}" if np.isnan(value) else note)

    beta = m.beta_error(s.bars[:, 2], s.bars[:, 3])
    less = m.drawdown_reduction(hedged, unhedged)
    rows = [
        judged("A23", "hedge-ratio accuracy", beta, Interval(slope.lower - 1, slope.upper - 1), s.held, BETA),
        judged("A24", "delta neutrality", float(delta.mean()) if len(delta) else np.nan, ratio(t.delta, level), s.held, DELTA),
        judged("A25", "hedge cost drag", cost / gross if gross > 0 else np.nan, ratio(t.drag, level), len(s.trades), spent, NO_GROSS),
        judged("A26", "slippage", slip / base if base > 0 else np.nan, ratio(t.slip, level), s.n_fills, f"{TOUCH}{left}"),
        judged("A27", "drawdown reduction", less, _reduction(t, level), len(s.bars), fallen, NO_FALL),
    ]
    return [*rows, _sharpe(s, t, level, hedged, unhedged)]


def judge(rule: str, name: str, value: float, ends: Interval, *, n: int, trades: int, note: str) -> Gauge:  # noqa: PLR0913 - one row of a table
    """Compare a figure and its interval with the rule's target."""
    target = TARGETS[rule]
    if np.isnan(value):
        ends = NOTHING
    needed = None if rule == "A27" else target.needed(value, ends, trades)
    notes = (note, f"about {needed:,} trades would tell, were the figure to stay") if needed else (note,)
    return Gauge(
        rule,
        name,
        number(value),
        number(ends.lower),
        number(ends.upper),
        target.unit,
        str(target),
        n,
        target.word(value, ends),
        "; ".join(notes),
        target.nearest(value),
        needed,
    )


def _sharpe(s: Sample, t: Twins, level: float, hedged: Array, unhedged: Array) -> Gauge:
    """A28: the ratio with its interval; their difference where the unhedged Sharpe ratio leaves no ratio to show."""
    value, n = m.sharpe_improvement(hedged, unhedged), len(s.bars)
    note = f"studentised in blocks of {t.sharpe.block} bars"
    if not np.isnan(value):
        return judge("A28", "Sharpe improvement", value, ratio(t.sharpe, level), n=n, trades=len(s.trades), note=note)
    ends = difference(s, t, level)
    shown = (number(m.sharpe_difference(hedged, unhedged)), number(ends.lower), number(ends.upper))
    return Gauge("A28", "Sharpe improvement", *shown, "a year", str(TARGETS["A28"]), n, Result.CANNOT_TELL, f"{NO_SHARPE}; {note}")


def _reduction(t: Twins, level: float) -> Interval:
    hedged, unhedged = t.drawdowns.T
    fell = unhedged > 0
    return Interval(*interval(np.where(fell, 1 - hedged / np.where(fell, unhedged, 1.0), np.nan), level))


def difference(s: Sample, t: Twins, level: float) -> Interval:
    """Return the interval of the annualised Sharpe difference (Ledoit & Wolf 2008)."""
    n = len(s.bars)
    per, ends = float(np.sqrt(m.BARS_PER_YEAR * (n - 1) / n)), contrast(t.sharpe, (1, -1), level)
    return Interval(per * ends.lower, per * ends.upper)


def extras(s: Sample, t: Twins, level: float, trials: int) -> tuple[Gauge, ...]:
    """Return the figures without a target."""
    hedged, unhedged = s.bars[:, 0].cumsum(), s.bars[:, 1].cumsum()
    cost, _, net, notional = s.trades.sum(axis=0)
    per = m.BPS / notional if notional > 0 else np.nan
    frame = pd.DataFrame({"hedged": s.trades[:, 2]})
    best = m.best_trade_share(frame)
    nb, nt = len(s.bars), len(s.trades)
    variance = ratio(t.variance, level)
    gained = "" if np.isfinite(best) else "undefined: net P&L is not above zero"
    memmel = f"hedged - unhedged; quick standard error {m.sharpe_difference_stderr(hedged, unhedged):.2g} (Memmel 2003)"
    fell = m.drawdown(hedged)
    rows: list[tuple[str, float, Interval, str, int, str]] = [
        (
            "variance effectiveness",
            m.variance_effectiveness(hedged, unhedged),
            Interval(1 - variance.upper, 1 - variance.lower),
            "fraction",
            nb,
            "1 - var(hedged) / var(unhedged), net bar P&L",
        ),
        ("Sharpe difference", m.sharpe_difference(hedged, unhedged), difference(s, t, level), "a year", nb, memmel),
        ("net P&L a trade", net * per, _scaled(ratio(t.net, level)), "bp", nt, "at executable prices, of the primary's notional"),
        ("hedge cost", cost * per, _scaled(ratio(t.cost, level)), "bp", nt, "of the primary's notional at entry, whatever the P&L"),
        ("hit rate", m.hit_rate(frame), _wilson(s, level), "fraction", nt, "trades with a net profit; interval for independent trades"),
        ("profit factor", m.profit_factor(frame), ratio(t.factor, level), "x", nt, "net gains / net losses"),
        ("best trade's share of net P&L", best, NOTHING, "fraction", nt, gained),
        ("longest time under water", float(fell.longest_bars), NOTHING, "bars", nb, "below the highest hedged P&L so far"),
        ("effective sample", t.effective, NOTHING, "bars", nb, "independent bars that would give the same interval of mean P&L"),
        ("comparable trades", s.comparable, NOTHING, "trades", nt, "closed, with both legs traded"),
        ("variants tried", trials, NOTHING, "trials", trials, "the intervals do not allow for choosing the best of several"),
    ]
    return tuple(
        Gauge("L10", name, number(value), number(ends.lower), number(ends.upper), unit, "", n, Result.NOTE, note)
        for name, value, ends, unit, n, note in rows
    )


def _scaled(ends: Interval) -> Interval:
    return Interval(ends.lower * m.BPS, ends.upper * m.BPS)


def _wilson(s: Sample, level: float) -> Interval:
    """Return the interval of the share of winning trades (Wilson 1927)."""
    n = len(s.trades)
    if not n:
        return NOTHING
    ends = stats.binomtest(int((s.trades[:, 2] > 0).sum()), n).proportion_ci(level, method="wilson")
    return Interval(float(ends.low), float(ends.high))
