"""What the paper desk says in words: the status strip, the fills, the feed of decisions. HTML, escaped, theme-neutral.

Colours come from JupyterLab's own variables, so that text is readable on its
light and dark themes; what a colour says is said by a word as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from hedgekit.alerts import Alert
    from hedgekit.desk import Status
    from hedgekit.journal import Standing
    from hedgekit.journal.news import DecisionRow, FillRow, Mark

STYLE = """<style>
.hk{font:13px/1.45 var(--jp-ui-font-family,sans-serif);color:var(--jp-ui-font-color1,#222)}
.hk .strip{display:grid;grid-template-columns:repeat(auto-fill,minmax(92px,1fr));gap:2px 10px;min-height:42px}
.hk .cell{display:flex;flex-direction:column}
.hk .wide{grid-column:span 2}
.hk .cell b{font-weight:600;font-variant-numeric:tabular-nums;white-space:nowrap}
.hk .cell span{font-size:11px;color:var(--jp-ui-font-color2,#555)}
.hk .warn b{color:var(--jp-error-color1,#c00);text-decoration:underline}
.hk table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:12px}
.hk td,.hk th{padding:1px 9px 1px 0;text-align:right;white-space:nowrap}
.hk th{font-weight:600;color:var(--jp-ui-font-color2,#555);border-bottom:1px solid var(--jp-border-color1,#bbb)}
.hk td.t,.hk th.t{text-align:left}
.hk .said{min-height:20px}
</style>"""

NONE = "n/a"

FEED_S = 5.0
"""A feed older than this is marked."""

_WIDE = ("phase", "market time, UTC")
"""These take two places of the strip, so that nothing moves while they change."""

Cell = tuple[str, str, bool]
"""What it is, the figure, whether to warn."""


def page(body: str, label: str) -> str:
    """Return a fragment in the desk's style; ``label`` is for screen readers."""
    return f'{STYLE}<div class="hk" role="group" aria-label="{escape(label)}">{body}</div>'


def strip(cells: Iterable[Cell]) -> str:
    """Return the status strip."""
    return page(f'<div class="strip">{"".join(_cell(*cell) for cell in cells)}</div>', "status of the session")


def _cell(name: str, value: str, warn: bool) -> str:  # noqa: FBT001 - a cell as it comes
    kind = " ".join(["cell", *(["warn"] if warn else []), *(["wide"] if name in _WIDE else [])])
    return f'<div class="{kind}"><span>{escape(name)}</span><b>{escape(value)}</b></div>'


def table(title: str, columns: Mapping[str, bool], rows: Sequence[Sequence[str]], none: str) -> str:
    """Return a table; ``columns`` maps each heading to whether it holds text (left) or a number (right)."""
    if not rows:
        return page(f"<b>{escape(title)}</b><br>{escape(none)}", title)
    kinds = [' class="t"' if text else "" for text in columns.values()]
    head = "".join(f"<th{kind}>{escape(name)}</th>" for name, kind in zip(columns, kinds, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(value)}</td>" for value, kind in zip(row, kinds, strict=True)) + "</tr>" for row in rows
    )
    return page(f"<b>{escape(title)}</b><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>", title)


def when(ts_ms: float | None) -> str:
    """Return a market time, to the second."""
    return NONE if ts_ms is None else f"{pd.Timestamp(int(ts_ms), unit='ms', tz='UTC'):%Y-%m-%d %H:%M:%S}"


def money(value: float | None, digits: int = 0) -> str:
    """Return dollars with sign."""
    if value is None or math.isnan(value):
        return NONE
    text = f"{abs(value):,.{digits}f}"
    return f"{'-' if value < 0 and float(text.replace(',', '')) else ''}${text}"


def quantity(value: Decimal | float) -> str:
    """Return a signed quantity."""
    return f"{float(value):+,.10g}" if value else "0"


def share(value: float | None) -> str:
    """Return a fraction as a percentage."""
    return NONE if value is None or math.isnan(value) else f"{value:+.1%}"


def number(value: float | None, digits: int = 2) -> str:
    """Return a plain figure."""
    return NONE if value is None or math.isnan(value) else f"{value:.{digits}f}"


def age(seconds: float | None) -> str:
    """Return how long ago something was."""
    if seconds is None:
        return NONE
    if seconds < 10:  # noqa: PLR2004 - a digit more where it matters
        return f"{max(seconds, 0.0):.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"  # noqa: PLR2004 - two minutes


# ------------------------------------------------------------ the desk's parts


def title(account: str, status: Status | None) -> str:
    """Return the panel's first line: account, session, market, how it is."""
    if status is None:
        said = "no session yet: Start makes one"
    else:
        speed = "as fast as it can" if status.speed is None else f"{status.speed:g} rows a second"
        said = f"{status.session} · {status.market} · {speed} · {_state(status)}"
    return page(f"<b>Paper desk</b> · account {escape(account)} · {escape(said)}", "paper desk")


def _state(status: Status) -> str:
    again = f", restarted {status.restarts} x" if status.restarts else ""
    return f"{status.state.value.upper()}{again}{': ' + status.detail if status.detail else ''}"


def cells(status: Status | None, now: Standing | None, wall_ns: int, alerts: Sequence[Alert] = ()) -> list[Cell]:
    """Return the status strip's figures and the alerts that hold; every one of them comes from the journal."""
    state = "none" if status is None else status.state.value
    alive = state in ("starting", "running")
    shown: list[Cell] = [("session", state, state in ("killed", "failed", "lost", "refused"))]
    if now is None or not now.started:
        return shown
    feed = None if now.last_quote_recorded_ns is None else (wall_ns - now.last_quote_recorded_ns) / 1e9
    shown += [
        ("phase", f"{now.phase}{', paused' if now.paused else ''}", False),
        ("trade", str(now.trade), False),
        ("market time, UTC", when(None if now.last_ns is None else now.last_ns / 1e6), False),
        ("feed age", age(feed if alive else None), alive and feed is not None and feed > FEED_S),
        ("z", number(now.z), False),
        ("net delta", share(now.delta), abs(now.delta) > float(now.params.get("tolerance") or 0)),
        ("P&L hedged", money(now.hedged), False),
        ("P&L unhedged", money(now.unhedged), False),
    ]
    shown += [(instrument.symbol, quantity(now.positions[instrument.key]), False) for instrument in now.instruments]
    shown.append(("orders working", str(len(now.working)), False))
    shown.append(("alerts", ", ".join(alert.rule for alert in alerts) or "none", bool(alerts)))
    shown.append(("hedge ratio", number(now.ratio, 3), False))
    return [*shown, ("still to read", f"{now.behind:,} events", False)] if now.behind else shown


def mark(found: Mark) -> str:
    """Return what a mark in the plot of z stands for."""
    way = {1: "long spread", -1: "short spread"}.get(found.side, "")
    return f"trade {found.trade}: entry, {way}" if found.kind == "entry" else f"trade {found.trade}: exit, {found.reason.replace('_', ' ')}"


def fills_table(fills: Sequence[FillRow]) -> str:
    """Return the newest fills, the latest first; slippage is positive when it was paid."""
    columns = {"time (UTC)": True, "trade": False, "leg": True, "instrument": True, "quantity": False, "price": False}
    columns |= {"slippage ($)": False, "fee ($)": False}
    rows = [
        [when(f.ts), str(f.trade), f.role, f.instrument, quantity(f.qty), f"{f.price:,.2f}", number(f.slippage), number(f.fee)]
        for f in reversed(fills)
    ]
    return table("Fills", columns, rows, "no fill yet")


def feed_table(decisions: Sequence[DecisionRow]) -> str:
    """Return the newest decisions that did or refused something, the latest first."""
    columns = {"time (UTC)": True, "decision": True, "because": True, "z": False, "cost ($)": False, "benefit ($)": False}
    rows = [[when(d.ts), d.action, d.reason.replace("_", " "), number(d.z), number(d.cost), number(d.benefit)] for d in reversed(decisions)]
    return table("Decisions", columns, rows, "no decision yet")
