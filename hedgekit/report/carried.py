"""What a notebook's run leaves for programs: figures and small curves, carried by its outputs into ``metrics.json``."""

from __future__ import annotations

import html
import json
import math
from typing import TYPE_CHECKING, Any

from hedgekit.errors import ConfigError
from hedgekit.report.mime import METRICS_MIME, PLAN_MIME, SUMMARY_MIME

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from hedgekit.report.session import Session

POINTS = 40
"""Points of a curve: enough for a picture the size of a thumb."""


class Recorded:
    """Figures and curves that the run's ``metrics.json`` shall have; shown as a line in the page.

    Attributes
    ----------
    figures : dict of str to number, text or None
    curves : dict of str to list of float
    """

    def __init__(self, figures: dict[str, Any], curves: dict[str, list[float]] | None = None) -> None:
        self.figures = {name: _scalar(name, value) for name, value in figures.items()}
        self.curves = {name: [float(x) for x in values] for name, values in (curves or {}).items()}

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        words = f"{len(self.figures)} figures for programs are in metrics.json"
        body = {"figures": self.figures, "curves": self.curves}
        return {"text/plain": words, "text/html": f'<p class="hk-sub">{html.escape(words)}</p>', METRICS_MIME: body}


def record(**figures: object) -> Recorded:
    """Return figures as a cell's output, which go into the run's ``metrics.json``, the index and :func:`~hedgekit.report.runs`.

    Parameters
    ----------
    **figures : number, text, bool or None
        By name; NaN and infinity become None.

    Raises
    ------
    ConfigError
        If a value is something else.
    """
    return Recorded(figures)


def _scalar(name: str, value: object) -> float | int | str | bool | None:
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value if not isinstance(value, str) else str(value)
    msg = f"record: {name} is a {type(value).__name__}; give a number, a text, True, False or None"
    raise ConfigError(msg)


def recorded(node: NotebookNode) -> dict[str, Any]:
    """Return what an executed notebook's outputs carry: figures and curves; a session's summary (also as text) and a plan file if shown."""
    figures: dict[str, Any] = {}
    curves: dict[str, Any] = {}
    found: dict[str, Any] = {"figures": figures, "curves": curves}
    for cell in node.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if METRICS_MIME in data:
                figures |= data[METRICS_MIME]["figures"]
                curves |= data[METRICS_MIME]["curves"]
            if SUMMARY_MIME in data:
                found["summary"] = json.loads(data[SUMMARY_MIME])
                found["text"] = data["text/plain"]
            if PLAN_MIME in data:
                found["plan"] = data[PLAN_MIME]
    return found


def of_session(s: Session) -> Recorded:
    """Return a session's figures for ``metrics.json``: what it was, its verdict, six metrics with intervals, money, ratio, parity."""
    m, plan = s.summary, s.plans.iloc[-1]
    half = 1.96 * float(plan["stderr"])
    figures: dict[str, Any] = {
        "session": s.name,
        "strategy": s.params.structure,
        "signal": s.params.signal,
        "primary": m.primary.symbol,
        "hedge": m.hedge.symbol,
        "venue": "+".join(dict.fromkeys(i.venue for i in s.instruments)),
        "first": m.first.isoformat(),
        "last": m.last.isoformat(),
        "bars": m.bars,
        "session_ended": m.ended,
        "verdict": m.result,
        "trades": m.trades,
        "won": m.won,
        "pnl_hedged": m.hedged.pnl,
        "pnl_unhedged": m.unhedged.pnl,
        "drawdown_hedged": m.hedged.drawdown,
        "drawdown_unhedged": m.unhedged.drawdown,
        "costs": m.costs,
        "slippage": m.primary.slippage + m.hedge.slippage,
        "orders": m.orders,
        "rejected": m.rejected,
        "naked_money_s": m.naked.money_s,
        "naked_worst_s": m.naked.worst_s,
        "p_value": m.evidence.p_value,
        "ratio": float(plan["ratio"]),
        "ratio_lower": float(plan["ratio"]) - half,
        "ratio_upper": float(plan["ratio"]) + half,
        "trials_before": s.trials,
        "incidents": len(s.incidents),
        "replay_identical": not s.parity.differs,
        "digest": m.digest,
        "economic_digest": m.economic_digest,
    }
    for g in m.gauges:
        figures |= {g.rule: g.value, f"{g.rule}_lower": g.lower, f"{g.rule}_upper": g.upper, f"{g.rule}_result": str(g.result)}
    pnl = s.equity["hedged"].to_numpy()
    rows = [round(i * (len(pnl) - 1) / (POINTS - 1)) for i in range(POINTS)] if len(pnl) > POINTS else range(len(pnl))
    peak = s.equity["hedged"].cummax().clip(lower=0.0).to_numpy()
    curves = {
        "hedged": [round(float(pnl[i]), 2) for i in rows],
        "unhedged": [round(float(s.equity["unhedged"].iloc[i]), 2) for i in rows],
        "drawdown": [round(float(pnl[i] - peak[i]), 2) for i in rows],
    }
    return Recorded(figures, curves)
