"""What a revalidation decided, in words and tables: its reasons and thresholds, what the old plan said, the new plan file.

Each function returns a cell's output.
"""

from __future__ import annotations

import html
import os
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from IPython.display import HTML
from scipy import stats

from hedgekit.errors import HedgekitError
from hedgekit.report.carried import Recorded
from hedgekit.report.mime import PLAN_MIME
from hedgekit.report.revalidation import LEAST, log_moves, spread
from hedgekit.report.words import NOTHING, Html, bullets, chip, count, esc, num, pct, prob, table, when
from hedgekit.stats.breaks import bai_perron
from hedgekit.stats.reversion import engle_granger, ou

if TYPE_CHECKING:
    from hedgekit.report.revalidation import Case
    from hedgekit.stats.breaks import BreakDates
    from hedgekit.types import HedgePlan

_MARKS = {"keep": "pass", "refit": "tell", "retire": "fail"}


def head(c: Case) -> HTML:
    """Title, one line that says what was looked at, and the decision with its reasons."""
    last = c.prices.index[-1]
    line = (
        f"{esc(c.name)}: plan of {when(c.made, c.bar_s)}, looked at on {when(last, c.bar_s)} UTC, {count(len(c.since) - 1, 'bar')} later. "
        f"Ratio in $ of {esc(c.hedge)} for each $ of {esc(c.primary)}."
    )
    word = c.found.decision.upper()
    banner = (
        f'<div class="hk-banner {_MARKS[c.found.decision]}"><span class="word">{word}</span>'
        f"<div><p><b>{esc(_decided(c))}</b></p>{bullets(map(_sentence, c.found.reasons))}</div></div>"
    )
    title = f"{esc(c.primary)} hedged with {esc(c.hedge)}: is the hedge ratio still good?"
    return HTML(f'<h1>{title}</h1><p class="hk-sub">{line}</p>{banner}')


def _decided(c: Case) -> str:
    new = c.found.plan
    if new is None:
        return "Trade this pair no more: close what is open. There is no plan to go on with."
    until = when(pd.Timestamp(new.valid_until_ns, unit="ns", tz="UTC"), c.bar_s)
    if c.found.decision == "keep":
        return f"Keep {num(c.plan.ratio, 3)}, until {until}."
    return f"Replace {num(c.plan.ratio, 3)} by {num(new.ratio, 3)}, until {until}."


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].replace(" 00:00:00+00:00", "").replace("+00:00", " UTC") + "."


def in_force(c: Case) -> HTML:
    """Tell what the plan in force said when it was made, beside what the same window says now."""
    new = c.found.fit.in_dollars()
    old = c.plan
    low, high = _normal(old.ratio, old.stderr)
    now = new.interval()
    ends = pd.Timestamp(old.valid_until_ns, unit="ns", tz="UTC")
    late = " (expired)" if ends < c.prices.index[-1] else ""
    proof = c.found.evidence.iloc[-1]
    rows = [
        ("hedge ratio", num(old.ratio, 4), num(new.ratio, 4)),
        ("95% interval", f"{num(low, 3)} to {num(high, 3)}", f"{num(now[0], 3)} to {num(now[1], 3)}"),
        ("method", old.method, new.method),
        ("observations", count(old.n), count(new.n)),
        ("cointegration test, p", prob(old.evidence.p_value), prob(float(proof["p"]))),
        ("half-life of the spread (bars)", num(old.half_life, 1), num(_life(c.prices.tail(old.n + 1), new.ratio), 1)),
        ("override of failing evidence", old.override or "none", old.override or "none"),
        ("valid until", when(ends, c.bar_s) + late, NOTHING),
    ]
    return HTML(f"<p>{esc(c.origin[:1].upper() + c.origin[1:])}.</p>" + table(("", "plan in force", "the same now"), rows, words=range(3)))


def _normal(value: float, stderr: float) -> tuple[float, float]:
    half = float(stats.norm.ppf(0.975)) * stderr
    return value - half, value + half


def thresholds(c: Case) -> HTML:
    """Show each question with its figure, the threshold in words, and what it asks for."""
    o = c.options
    alike = "the old and the new ratio differ by chance with a probability of less than"
    words = (
        f"refit if {alike} {o['level']:g}, and keeping the old one costs more than {pct(o['matters'])} of the primary's variance",
        f"retire on an alarm of the watch, set to {o['level']:g} false alarms over these bars; refit if there is none with the new ratio",
        f"retire if the whole interval is below {pct(o['least_effectiveness'])}, and the new ratio does no better",
    )
    rows = []
    for (_, row), need in zip(c.found.evidence.iloc[:3].iterrows(), words, strict=True):
        figure = NOTHING if np.isnan(row["figure"]) else f"{row['figure']:.3g} [{row['low']:.3g}, {row['high']:.3g}]"
        rows.append((str(row["question"]), chip_of(str(row["asks"])), figure, prob(row["p"]), need))
    says = "Retire if one question asks for it, else refit if one does, else keep. What cannot be told asks for nothing."
    heading = ("question", "asks", "figure [interval]", "p", "threshold")
    return HTML(table(heading, rows, words={0, 1, 4}) + f"<p>{says}</p>")


def chip_of(decision: str) -> Html:
    """Show a decision as a coloured label; the word itself carries the meaning."""
    return Html(str(chip(decision.upper())).replace("tell", _MARKS[decision]))


def cointegration(c: Case) -> HTML:
    """Test three windows for cointegration and reversion: the plan's own, the bars since, the window that ends now."""
    windows = {"plan's own": c.before, "bars since": c.since, "ends now": c.prices.tail(c.plan.n + 1)}
    rows = [(name, *_tested(frame, c.plan.ratio)) for name, frame in windows.items()]
    heading = ("window", "prices", "Engle-Granger, p", "half-life (bars)", "95% interval", "in words")
    note = (
        "The half-life is that of the spread with the plan's ratio. These tests are for the record: a year of daily bars finds a reverting "
        "pair about one time in four, so a test that fails to find is no evidence of an end."
    )
    return HTML(table(heading, rows, words={0, 4, 5}) + f"<p>{note}</p>")


def _tested(frame: pd.DataFrame, h: float) -> tuple[object, ...]:
    if len(frame) < LEAST:
        return count(len(frame)), NOTHING, NOTHING, NOTHING, "too few to tell"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            p = engle_granger(frame.iloc[:, 0], frame.iloc[:, 1]).p_value
            fit = ou(spread(frame, h), fitted_ratio=1)
        except HedgekitError as error:
            return count(len(frame)), NOTHING, NOTHING, NOTHING, str(error)
    span = f"{num(fit.half_life_low, 1)} to {num(fit.half_life_high, 1) if np.isfinite(fit.half_life_high) else 'no limit'}"
    return count(len(frame)), prob(p), num(fit.half_life, 1), span, fit.reason


def _life(frame: pd.DataFrame, h: float) -> float | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ou(spread(frame, h), fitted_ratio=1).half_life
        except HedgekitError:
            return None


def dated(c: Case) -> HTML:
    """Date breaks of the ratio, with hindsight, over the plan's window and the bars since."""
    frame = pd.concat([c.before, c.since[1:]])
    moves = log_moves(frame)
    if len(moves) < 2 * LEAST:
        return HTML(f"<p>{count(len(moves), 'move')}: too few to date a break.</p>")
    found: BreakDates = bai_perron(moves.iloc[:, 0], moves.iloc[:, 1], max_breaks=3)
    name = str(moves.columns[1])
    rows = [
        (f"{when(start, c.bar_s)} to {when(end, c.bar_s)}", count(int(part["n"])), num(float(part[name]), 3))
        for part in found.segments.to_dict("records")
        for start, end in [(moves.index[int(part["start"])], moves.index[int(part["stop"]) - 1])]
    ]
    many = count(found.n_breaks, "break") if found.n_breaks else "No break"
    says = f"{many} of the ratio by BIC; the largest F for one break has p {_p(found.sup_f_p_value)}. Note: {found.note}."
    return HTML(f"<p>{esc(says)}</p>" + table(("regime", "bars", "ratio in it"), rows))


def _p(value: float) -> str:
    text = prob(value)
    return text if text.startswith("<") else f"= {text}"


class NewPlan:
    """The new plan file as a cell's output: a table to read, and the file itself for the run's folder."""

    def __init__(self, c: Case, save: str | os.PathLike[str] = "") -> None:
        self.file = c.file
        self._saved = str(c.file.save(save)) if os.fspath(save) else ""
        self._alpha = c.significance

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": self.file.text(), "text/html": self._html(), PLAN_MIME: self.file.encode().decode()}

    def _html(self) -> str:
        plan = self.file.plan
        if plan is None:
            return (
                "<p>The file says that the pair is retired; no session takes it. To one that runs: <code>hedgekit paper flatten</code>.</p>"
            )
        ends = when(pd.Timestamp(plan.valid_until_ns, unit="ns", tz="UTC"), 1.0)
        rows = [
            ("legs", " and ".join(self.file.instruments)),
            ("ratio, exact", repr(plan.ratio)),
            ("valid until (UTC)", ends),
            ("prices, SHA-256", self.file.data),
            ("plan file, SHA-256", self.file.checksum),
            *([("also at", self._saved)] if self._saved else []),
        ]
        how = (
            "<p>In the run's folder: <code>plan.json</code>. A session takes it by <code>hedgekit paper start --plan plan.json</code> or, "
        )
        how += "while it runs, <code>hedgekit paper plan NAME plan.json</code>.</p>"
        return str(table(("", "new plan"), rows, words=range(2))) + how + self._doubt(plan)

    def _doubt(self, plan: HedgePlan) -> str:
        if plan.trusted(self._alpha):
            return ""
        p = prob(plan.evidence.p_value)
        said = (
            f"The plan's own test does not reach {self._alpha:g} (p = {p}), and no override is written down: a session hedges by "
            "this ratio what it holds, and opens no trade on it."
        )
        return f'<div class="hk-note"><p>{html.escape(said)}</p></div>'


def new_plan(c: Case, save: str | os.PathLike[str] = "") -> NewPlan:
    """Return the new plan file as an output; ``save`` is a path where it is written too."""
    return NewPlan(c, save)


def notes(c: Case) -> HTML:
    """Tell what this page cannot know."""
    slow = c.found.watch.calibration.median_delay_bars if c.found.watch is not None else float("nan")
    wait = f"The end of this spread would take {num(slow, 0)} bars to see in the median; " if np.isfinite(slow) else ""
    items = [
        f"{wait}no watch with as few false alarms is much faster: KEEP means that nothing was found yet.",
        *RATES,
        "The ratio's interval holds for a ratio that stood still over its window; one that moves is less sure than it says.",
        "Breaks are dated with hindsight, and windows shown here overlap: do not count their tests as independent.",
    ]
    return HTML(bullets(items))


RATES = (
    "Of 100 synthetic markets without a change (half-life 8 bars, a plan on 250 bars, 300 bars since) 94 were kept, 2 refitted, 4 retired.",
    "Of 100 whose ratio went from 0.8 to 1.25 at once, 99 were refitted, and 92 of those intervals held the truth.",
    "Of 100 in which it went there by way of 1.0, 76 were refitted and 24 retired: a ratio that goes on moving looks like an end.",
    "Of 100 whose spread became a random walk, 80 were retired, and 93 of 100 where the half-life had been 5 bars.",
)
"""Measured with the seeds 1000 to 1099 of tests/stats/test_revalidation.py's markets, which repeats a part of it."""


def provenance(c: Case) -> HTML:
    """List the hashes, and the options."""
    rows = [
        ("prices", Html(f"<code>{esc(c.file.data)}</code>"), f"{count(len(c.prices), 'row')} of {c.primary} and {c.hedge}"),
        ("plan file", Html(f"<code>{esc(c.file.checksum)}</code>"), "what a session journals as the plan's source"),
        ("options", ", ".join(f"{name}={value:g}" for name, value in c.options.items()), "the notebook's parameters"),
    ]
    return HTML(table(("of", "SHA-256 or value", "meaning"), rows, words=range(3)))


def figures_of(c: Case) -> Recorded:
    """Return figures for ``metrics.json``: the decision, both ratios with intervals, the three questions."""
    new = c.found.fit.in_dollars()
    low, high = new.interval()
    first, second, third = (c.found.evidence.iloc[i] for i in range(3))
    figures: dict[str, Any] = {
        "session": c.name,
        "primary": c.primary,
        "hedge": c.hedge,
        "venue": "+".join(dict.fromkeys(key.partition(":")[0] for key in c.keys)),
        "decision": c.found.decision,
        "bars": len(c.prices),
        "bars_since": len(c.since) - 1,
        "ratio": new.ratio,
        "ratio_lower": low,
        "ratio_upper": high,
        "ratio_in_force": c.plan.ratio,
        "ratio_change_p": float(first["p"]),
        "half_life_then": float(second["figure"]),
        "alarms": None if c.found.watch is None else len(c.found.watch.alarms),
        "variance_removed": float(third["figure"]),
        "p_value": float(c.found.evidence.iloc[-1]["p"]),
        "plan": c.file.checksum,
        "digest": c.file.data,
    }
    return Recorded(figures)
