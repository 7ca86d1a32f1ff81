"""Numbers as a trader writes them, and small HTML pieces; every text from a journal is escaped."""

from __future__ import annotations

import html
import math
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd
from pandas.api.typing import NaTType

if TYPE_CHECKING:
    from hedgekit.verdict import Gauge

NOTHING = "n/a"
COUNTED = ("bars", "trades", "trials", "fills")
"""Units of whole things."""


class Html(str):
    """Text that is HTML already; everything else is escaped by :func:`esc`."""

    __slots__ = ()


def esc(value: object) -> str:
    """Escape ``value`` unless it is :class:`Html`."""
    return value if isinstance(value, Html) else html.escape(str(value))


def money(value: float | None, *, cents: bool = False) -> str:
    """``-$1,234``, or with cents ``$0.35``."""
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{abs(value):,.2f}" if cents else f"{abs(value):,.0f}"
    return f"{'-' if value < 0 and text.strip('0.,') else ''}${text}"


def bp(fraction: float | None) -> str:
    """Write a fraction in basis points: ``0.7 bp``."""
    return NOTHING if fraction is None or not math.isfinite(fraction) else f"{fraction * 1e4:,.1f} bp"


def pct(fraction: float | None) -> str:
    """Write a fraction in per cent: ``12.3%``."""
    return NOTHING if fraction is None or not math.isfinite(fraction) else f"{fraction * 100:,.1f}%"


def num(value: float | None, digits: int = 2) -> str:
    """Write a plain number with ``digits`` decimals."""
    return NOTHING if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def prob(value: float | None) -> str:
    """Write a p-value: three decimals, never a bare zero."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"  # noqa: PLR2004 - the third decimal


def count(value: int, noun: str = "", plural: str = "") -> str:
    """``1,234`` or ``1 fill`` / ``2 fills``."""
    return f"{value:,} {noun if value == 1 else plural or noun + 's'}" if noun else f"{value:,}"


def when(ts: pd.Timestamp | NaTType, bar_s: float = 86_400.0) -> str:
    """Write a date, with the time of day where bars are shorter than a day."""
    return NOTHING if isinstance(ts, NaTType) else ts.strftime("%Y-%m-%d" if bar_s >= 86_400 else "%Y-%m-%d %H:%M:%S")  # noqa: PLR2004 - a day


def length(bar_s: float, bar_ticks: int) -> str:
    """Return how long a bar is: its time, or the quotes that it is made of."""
    return f"{bar_ticks} quotes" if bar_ticks > 1 else "one quote" if bar_ticks else span(bar_s)


def span(seconds: float) -> str:
    """Write a length of time in a unit that suits it: ``1 day``, ``23.9 h``, ``5 s``, ``30 ms``."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if seconds >= size:
            return "1 day" if seconds == 86_400 else f"{seconds / size:,.3g} {unit}"  # noqa: PLR2004 - a day
    return f"{seconds * 1e3:.3g} ms"


def label(code: str) -> str:
    """``edge_below_cost`` as words."""
    return str(code).replace("_", " ")


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], *, words: Collection[int] = (0,), caption: str = "", last: str = ""
) -> Html:
    """Make a table; columns in ``words`` are text, the others figures aligned right.

    Parameters
    ----------
    head : sequence of str
        Column names with units.
    rows : iterable of sequences
        One cell per column.
    words : collection of int
        Which columns hold words.
    caption : str
        A line above the table.
    last : str
        CSS class of the last row (``"total"``).
    """
    kind = ["" if i in words else ' class="num"' for i in range(len(head))]
    lines = ["".join(f"<td{k}>{esc(cell)}</td>" for k, cell in zip(kind, row, strict=True)) for row in rows]
    marks = [""] * (len(lines) - 1) + [f' class="{last}"' if last else ""]
    body = "".join(f"<tr{mark}>{line}</tr>" for mark, line in zip(marks, lines, strict=True)) if lines else ""
    top = "".join(f'<th scope="col"{k}>{esc(name)}</th>' for k, name in zip(kind, head, strict=True))
    title = f"<caption>{esc(caption)}</caption>" if caption else ""
    return Html(f'<div class="hk-scroll"><table class="hk">{title}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>')


def columns(*parts: Html) -> Html:
    """Put parts side by side where the page is wide enough."""
    return Html('<div class="hk-cols">' + "".join(f"<div>{part}</div>" for part in parts) + "</div>")


def bullets(items: Iterable[object]) -> Html:
    """Make a list."""
    return Html("<ul>" + "".join(f"<li>{esc(item)}</li>" for item in items) + "</ul>")


def note(text: object) -> Html:
    """Make a line that must not be overlooked."""
    return Html(f'<div class="hk-note"><p>{esc(text)}</p></div>')


def mark(word: str) -> str:
    """Return the CSS class of a verdict's or a revalidation's word, or of how a run ended."""
    good, bad = ("PASS", "KEEP"), ("FAIL", "RETIRE", "FAILED", "KILLED", "TIMED OUT")
    return "pass" if word in good else "fail" if word in bad else "tell"


def chip(word: str) -> Html:
    """Show a verdict's word as a coloured label; the word itself carries the meaning."""
    return Html(f'<span class="hk-chip {mark(word)}">{esc(word)}</span>')


def figure_of(value: float | None, unit: str) -> str:
    """Write a gauge's figure in its unit; an infinite one is an interval's open end."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "no limit"
    if unit == "fraction":
        return f"{value * 100:,.{_digits(value * 100)}f}%"
    return f"{value:,.0f}" if unit in COUNTED else f"{value:,.2f} {unit}".rstrip()


def _digits(value: float) -> int:
    """Decimals that leave about three figures of ``value``."""
    return 2 if abs(value) < 1 else 1 if abs(value) < 100 else 0  # noqa: PLR2004 - powers of ten


def interval_of(g: Gauge) -> str:
    """Write a gauge's interval, ``a to b``; ``none`` if neither end has a limit."""
    if g.lower is not None and g.upper is not None and math.isinf(g.lower) and math.isinf(g.upper):
        return "none"
    return NOTHING if g.lower is None or g.upper is None else f"{figure_of(g.lower, g.unit)} to {figure_of(g.upper, g.unit)}"
