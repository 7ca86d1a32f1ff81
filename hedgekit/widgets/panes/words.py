"""How the paper desk writes: fragments of HTML, escaped and theme-neutral, and figures with their units.

Colours come from JupyterLab's own variables, so that text is readable on its
light and dark themes; what a colour says is said by a word as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape

import pandas as pd

STYLE = """<style>
.hk{font:13px/1.45 var(--jp-ui-font-family,sans-serif);color:var(--jp-ui-font-color1,#222)}
.hk .strip{display:grid;grid-template-columns:repeat(9,minmax(0,1fr));gap:2px 8px}
.hk .cell{display:flex;flex-direction:column;min-width:0}
.hk .wide{grid-column:span 2}
.hk .cell b{font-weight:600;font-variant-numeric:tabular-nums;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.hk .cell span{font-size:11px;color:var(--jp-ui-font-color2,#555);white-space:nowrap}
.hk .warn b,.hk b.warn{color:var(--jp-error-color1,#c00);text-decoration:underline}
.hk table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:12px}
.hk td,.hk th{padding:1px 8px 1px 0;text-align:right;white-space:nowrap;vertical-align:top}
.hk th{font-weight:600;color:var(--jp-ui-font-color2,#555);border-bottom:1px solid var(--jp-border-color1,#bbb)}
.hk td.t,.hk th.t{text-align:left}
.hk table.all{width:100%}
.hk td.long{white-space:normal;width:99%}
.hk-explorer .noUi-handle{border:1px solid var(--jp-ui-font-color2,#555)}
.hk .line{white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
</style>"""
"""Written once on a panel; the panes have class names only."""

NONE = "n/a"

WIDE = ("phase", "market time, UTC", "breaker", "request budget")
"""These take two places of the strip, so that nothing moves while they change."""

Cell = tuple[str, str, bool]
"""What it is, the figure, whether to warn."""


def page(body: str, label: str) -> str:
    """Return a fragment in the desk's style; ``label`` is for screen readers."""
    return f'<div class="hk" role="group" aria-label="{escape(label)}">{body}</div>'


def line(text: str, label: str, *, role: str = "status", warn: bool = False) -> str:
    """Return one line, cut off where the panel ends; a hover shows all of it."""
    shown = f'<b class="warn">{escape(text)}</b>' if warn else escape(text)
    return page(f'<div class="line" role="{role}" title="{escape(text)}">{shown}</div>', label)


def strip(cells: Iterable[Cell], label: str) -> str:
    """Return a strip of figures."""
    return page(f'<div class="strip">{"".join(_cell(*cell) for cell in cells)}</div>', label)


def _cell(name: str, value: str, warn: bool) -> str:  # noqa: FBT001 - a cell as it comes
    kind = " ".join(["cell", *(["warn"] if warn else []), *(["wide"] if name in WIDE else [])])
    return f'<div class="{kind}"><span>{escape(name)}</span><b>{escape(value)}</b></div>'


def table(title: str, columns: Mapping[str, str], rows: Sequence[Sequence[str]], none: str) -> str:
    """Return a table; ``columns`` maps each heading to its class: "t" for text (left), "t long" for sentences, "" for a number (right)."""
    if not rows:
        return page(f"<b>{escape(title)}</b><br>{escape(none)}", title)
    kinds = [f' class="{kind}"' if kind else "" for kind in columns.values()]
    head = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for name, kind in zip(columns, kinds, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(value)}</td>" for value, kind in zip(row, kinds, strict=True)) + "</tr>" for row in rows
    )
    wide = ' class="all"' if any("long" in kind for kind in kinds) else ""
    return page(f"<b>{escape(title)}</b><table{wide}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>", title)


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


def number(value: float | None, digits: int = 2, unit: str = "") -> str:
    """Return a plain figure."""
    return NONE if value is None or math.isnan(value) else f"{value:.{digits}f}{unit}"


def age(seconds: float | None) -> str:
    """Return how long ago something was."""
    if seconds is None:
        return NONE
    if seconds < 10:  # noqa: PLR2004 - a digit more where it matters
        return f"{max(seconds, 0.0):.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"  # noqa: PLR2004 - two minutes


def latency(ms: float | None) -> str:
    """Return how long the venue took: ``12.3 ms``, ``38.0 s``."""
    return number(ms, 1, " ms") if ms is None or ms < 1_000 else number(ms / 1_000, 1, " s")  # noqa: PLR2004 - a second


def small(value: float) -> str:
    """Return an amount that may be less than a dollar: ``3.1 c``, ``$1.20``, ``$12,345``."""
    if math.isnan(value):
        return NONE
    if abs(value) < 1:
        return f"{value * 100:.1f} c"
    return money(value, 2 if abs(value) < 1_000 else 0)  # noqa: PLR2004 - cents matter below that


def clock(ts_ms: float) -> str:
    """Return a market time of day; with its date where it is midnight, as on daily bars."""
    at = pd.Timestamp(int(ts_ms), unit="ms", tz="UTC")
    return f"{at:%m-%d %H:%M:%S}"
