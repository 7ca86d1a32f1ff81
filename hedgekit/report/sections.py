"""What the report says before its plots: verdict, evidence, definition, notes. Each function returns a cell's output."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import pandas as pd
from IPython.display import HTML

from hedgekit.metrics.regimes import by_regime
from hedgekit.params import Params
from hedgekit.report.words import (
    NOTHING,
    Html,
    bullets,
    chip,
    columns,
    count,
    esc,
    figure_of,
    interval_of,
    label,
    length,
    mark,
    money,
    note,
    pct,
    prob,
    table,
    when,
)

if TYPE_CHECKING:
    from hedgekit.report.session import Session
    from hedgekit.types import Command, PlanRevised
    from hedgekit.verdict import Gauge

CONVENTIONS = (
    "Spread: ln(primary) - h x ln(hedge) at mid prices; z uses one ratio, the plan's present one, for the whole window.",
    "Hedge ratio h: dollars of hedge for each dollar of primary, estimated from past bars only and journalled when revised.",
    "Orders are decided at a bar's close and filled from the next quote on: buys at the ask, sells at the bid, at most the displayed size.",
    "Profit counts fills at their prices, fees included, and open positions at mids.",
    "Unhedged means the primary leg of the same trades, with its own costs; nothing is run again.",
)

SCALED = "Prices are multiplied by {}, so that a one-cent tick does not distort early years; returns stay as they are."

WORDS = {
    "sample": "data sample",
    "scale": "prices multiplied by",
    "half_spread_bps": "half-spread (bp)",
    "min_half_spread": "half-spread, at least ($)",
    "size_notional": "median displayed size ($)",
    "size_sigma": "log-sd of displayed sizes",
    "size_seed": "seed of displayed sizes",
    "fee_rate": "fee (fraction of notional)",
    "first": "first day asked for",
    "last": "last day asked for",
}


SILENT = ("description", "digest", "rows", "primary", "hedge", "venue", "price_factor")
"""Of the market: said elsewhere on the page."""


def head(s: Session) -> HTML:
    """Title and one line that says what was run."""
    m, hedges = s.summary, " and ".join(s.hedges)
    what = "" if s.params.structure == "pairs" else f" ({s.params.structure})"
    line = (
        f"Paper session <b>{esc(s.name)}</b>{what}, {when(m.first, s.bar_s)} to {when(m.last, s.bar_s)} UTC, "
        f"{count(m.bars)} bars of {length(m.bar_s, m.bar_ticks)}, {count(m.trades, 'closed trade')}, "
        f"{money(s.params.notional)} of {esc(s.primary)} each; {esc(m.ended or 'not ended: an unfinished session')}."
    )
    return HTML(f'<h1>{esc(s.primary)} hedged with {esc(hedges)}</h1><p class="hk-sub">{line}</p>')


def banner(s: Session) -> HTML:
    """Overall verdict, the money in six tiles, and the six metrics."""
    m, v = s.summary, s.verdict
    words = [f"{sum(g.result == w for g in v.gauges)} {w}" for w in ("PASS", "FAIL", "CANNOT TELL")]
    told = [reason for reason in v.reasons if not reason.startswith(("PASS", "CANNOT TELL"))]  # these stand in the table below
    why = bullets(reason[:1].upper() + reason[1:] for reason in told)
    top = (
        f'<div class="hk-banner {mark(v.result)}"><span class="word">{esc(v.result)}</span>'
        f"<div><p><b>Six metrics: {', '.join(words)}.</b></p>{why}</div></div>"
    )
    tiles = (
        ("P&L hedged", money(m.hedged.pnl), f"{money(m.hedged.gross)} at mids"),
        ("P&L unhedged", money(m.unhedged.pnl), f"{money(m.unhedged.gross)} at mids"),
        ("Max drawdown", money(m.hedged.drawdown), f"unhedged {money(m.unhedged.drawdown)}"),
        ("Costs", money(m.costs), f"hedge leg {money(m.hedge.costs)}"),
        ("Closed trades", count(m.trades), f"{pct(m.won)} won"),
        ("Best 5 trades", pct(m.best5), "of all profit"),
    )
    box = '<div class="hk-tile"><div class="k">{}</div><div class="v">{}</div><div class="d">{}</div></div>'
    boxes = "".join(box.format(*map(esc, tile)) for tile in tiles)
    return HTML(f'{top}<div class="hk-tiles">{boxes}</div>')


def gauges(s: Session) -> HTML:
    """Tell the six metrics A23 to A28: figure, interval, target, sample, verdict, reason."""
    rows = [
        (
            Html(f"<b>{esc(g.rule)}</b> {esc(g.name)}"),
            chip(g.result),
            figure_of(g.value, g.unit),
            Html(_strip(g)),
            interval_of(g),
            g.target,
            count(g.n),
            g.note,
        )
        for g in s.verdict.gauges
    ]
    return HTML(table(("metric", "verdict", "figure", "", "95% interval", "target", "n", "reason"), rows, words={0, 1, 3, 7}))


def extras(s: Session) -> HTML:
    """Figures without a target."""
    rows = [(g.name, figure_of(g.value, g.unit), interval_of(g), count(g.n), g.note) for g in s.verdict.extras]
    return HTML(table(("figure", "value", "95% interval", "n", "meaning"), rows, words={0, 4}))


def regimes(s: Session) -> HTML:
    """Split the figures by the volatility that was known when each bar began."""
    found = by_regime(s.equity, s.trades, s.fills)
    figures = ("effectiveness", "sharpe_gain", "pnl_hedged", "pnl_unhedged", "drawdown_hedged", "drawdown_unhedged")
    rows = []
    for name, row in found.iterrows():
        shown = [
            *(_with_interval(row, figure) for figure in figures[:2]),
            *(money(float(row[figure])) for figure in figures[2:]),
        ]
        rows.append((name, count(int(row["held"])), count(int(row["trades"])), *shown))
    heading = (
        "regime",
        "bars held",
        "trades",
        "variance taken off",
        "Sharpe gain",
        "P&L hedged",
        "unhedged",
        "drawdown hedged",
        "unhedged",
    )
    return HTML(table(heading, rows, words={0}))


def _with_interval(row: pd.Series[float], figure: str) -> str:
    value, low, high = (float(row[name]) for name in (figure, f"{figure}_lower", f"{figure}_upper"))
    return NOTHING if math.isnan(value) else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def evidence(s: Session) -> HTML:
    """Tell what the tests say of the pair, and under which override it was traded."""
    e, m = s.evidence, s.summary
    alpha = s.params.significance
    one = "The first hedge alone: one" if len(s.hedges) > 1 else "One"
    holds = e.p_value is not None and e.p_value < alpha
    says = "rejected: the pair looks cointegrated" if holds else "not rejected: no evidence that the pair is cointegrated"
    rows = [
        ("Engle-Granger over the whole session", prob(e.p_value), f"< {alpha:g}", f"No cointegration is {says} ({count(e.n)} bars)"),
        (
            "plans that passed their own test",
            f"{count(m.plans_passed)} of {count(m.plans)}",
            "all",
            f"Chance alone would pass about {alpha:.0%} of independent tests of unrelated prices",
        ),
        (
            "variance that the hedge removes",
            pct(s.fit.effectiveness),
            "",
            f"{one} ratio of {s.fit.ratio:.2f} over all bars (it knows the future); dollar for dollar: {pct(s.fit.naive_effectiveness)}",
        ),
    ]
    told = [note(warning) for warning in e.warnings]
    told.append(_override(s))
    return HTML(table(("test", "p-value or share", "needed", "in words"), rows, words={0, 3}) + "".join(told))


def _override(s: Session) -> Html:
    reasons = [str(text) for text in s.plans["override"].dropna().unique()]
    if not reasons:
        return Html("<p>No evidence override was in force.</p>")
    many = f"{count(int(s.plans['override'].notna().sum()))} of {count(len(s.plans), 'plan')}"
    said = "; ".join(map(repr, reasons))
    return note(f"Evidence override in force on {many}: {said}. Without it, no trade would have been opened on failing plans.")


def definition(s: Session) -> HTML:
    """Market, conventions and parameters with the rule that each serves."""
    description = f"<p>{esc(s.market['description'])}.</p>" if s.market.get("description") else ""
    shown = [(WORDS.get(k, label(k)), _plain(v)) for k, v in s.market.items() if k not in SILENT and v not in {"None", ""}]
    legs = table(
        ("leg", "instrument", "tick", "lot", "fee rate"),
        [(role, i.key, i.tick, i.lot, i.fees.rate) for role, i in zip(("primary", "hedge"), s.instruments, strict=False)],
        words={0, 1},
    )
    rows = []
    for name, field in Params.model_fields.items():
        *_, unit, rule = Params.range_of(name)
        if name != "evidence_override":
            rows.append((rule, name, _plain(getattr(s.params, name)), unit, field.description or ""))
    params = table(("rule", "parameter", "value", "unit", "meaning"), rows, words={0, 1, 3, 4})
    scale = _plain(s.market.get("scale", "1"))
    scaled = [] if scale == "1" else [SCALED.format(scale)]
    conventions = Html(f"{legs}<h3>Conventions</h3>{bullets([*scaled, *CONVENTIONS])}")
    return HTML(f"{description}{columns(table(('market', 'value'), shown), conventions)}{params}")


def _plain(value: object) -> str:
    """Write a number with thousands separated and no idle zeros; other words as they are."""
    try:
        return f"{Decimal(str(value)).normalize():,f}"
    except InvalidOperation:
        return str(value)


def notes(s: Session) -> HTML:
    """Tell what a reader must know before trusting a figure above."""
    m = s.summary
    items = [
        "Paper fills are optimistic: no queue, no market impact, no refused short sale, no borrowing cost, no halted market.",
        f"Profit at mid prices ({money(m.hedged.gross)} hedged) cannot be had; at executable prices it was {money(m.hedged.pnl)}.",
        "Intervals come from resampling this one history in blocks; another history can differ by more.",
        _tried(s),
        "A stop cannot cap a gap: what a trade lost beyond it stands in the trades table.",
        "The journal cannot know prices between the quotes it holds, nor what a real venue would have done.",
    ]
    if m.best5 is not None and m.best5 > 0.5:  # noqa: PLR2004 - half
        items.insert(2, f"Five trades make {pct(m.best5)} of the hedged profit.")
    if m.open_trades:
        many = count(m.open_trades, "trade is", "trades are")
        items.insert(2, f"{many} still open: marked at mids in the P&L, not among the closed trades.")
    items = [*map(_given, s.given), *items]
    items = [
        f"{_change(command)}; the parameters, bands and corridor on this page are those of the start." for command in s.changed
    ] + items
    return HTML(bullets(items))


def _tried(s: Session) -> str:
    if s.study:
        return f"{count(s.trials, 'variant')} of study {s.study!r} were tried before; what was tried outside it, this page does not know."
    return "This page knows of one trial. If other parameters or pairs were tried before, the best of them looks better than it is."


def _given(revised: PlanRevised) -> str:
    """Say that a ratio came from a file, which, and when."""
    at, plan = pd.Timestamp(revised.ts_ns, unit="ns", tz="UTC"), revised.plan
    until = pd.Timestamp(plan.valid_until_ns, unit="ns", tz="UTC")
    what = f"From {at:%Y-%m-%d %H:%M:%S} UTC a plan file gave the hedge ratio: {plan.ratio:.4g}, valid until {until:%Y-%m-%d}"
    return f"{what}, SHA-256 {revised.source}. What data it was fitted on, this journal does not hold."


def _change(command: Command) -> str:
    """Say which numbers a person changed, and when."""
    at = pd.Timestamp(command.ts_ns, unit="ns", tz="UTC")
    return f"Changed at {at:%Y-%m-%d %H:%M:%S} UTC: {', '.join(f'{name}={value:g}' for name, value in command.changes.items())}"


def provenance(s: Session) -> HTML:
    """List the hashes by which this page can be checked against its journal."""
    m = s.summary
    rows = [
        ("event log", _code(m.digest), "every record in order; equal on every run of the demo"),
        ("economic content", _code(m.economic_digest), "orders, fills, ratios, positions and cash; equal also after a crash and restart"),
        ("prices", _code(s.market.get("digest", "not stated")), f"the tape, {s.market.get('rows', '?')} rows"),
        ("records", count(m.records), f"session {s.name}, hedgekit {s.version}"),
    ]
    return HTML(table(("of", "SHA-256", "meaning"), rows, words=range(3)))


def _code(text: str) -> Html:
    return Html(f"<code>{esc(text)}</code>")


def _strip(g: Gauge) -> str:
    """Draw a small picture: interval, figure and target on one line."""
    ends = [g.lower, g.upper] if g.lower is not None and g.upper is not None else [g.value, g.value]
    marks = [x for x in (*ends, g.value, g.limit) if x is not None and math.isfinite(x)]
    if g.value is None or g.limit is None or not marks:
        return ""
    low, high = min(marks), max(marks)
    room = (high - low or abs(high) or 1.0) * 0.12
    low, high = low - room, high + room
    points = [x for x in (*ends, g.value, g.limit) if x is not None]  # none is None any more
    a, b, dot, target = (4 + 112 * (min(max(x, low), high) - low) / (high - low) for x in points)
    return (
        '<svg class="hk-gauge" width="120" height="20" role="img" aria-label="interval, figure and target on a line">'
        f'<line x1="{a:.1f}" x2="{b:.1f}" y1="10" y2="10" stroke="var(--blue)" stroke-width="4" stroke-opacity=".45"/>'
        f'<circle cx="{dot:.1f}" cy="10" r="4" fill="var(--blue)"/>'
        f'<line x1="{target:.1f}" x2="{target:.1f}" y1="1" y2="19" stroke="var(--ink)" stroke-width="2"/></svg>'
    )
