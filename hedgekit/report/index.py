"""``index.html``: one static page over all runs, which opens from disk and can be published as a folder.

Everything is in the page: rows, small pictures as SVG, and a few lines of script for the filters; without script all rows show.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hedgekit.errors import ConfigError
from hedgekit.report.embed import css
from hedgekit.report.run import write
from hedgekit.report.shelf import Shelved, shelved
from hedgekit.report.words import NOTHING, Html, chip, esc, money, num

INDEX = "index.html"
TOGETHER = 40
"""Rows in a table: the browser lays out those tables only that are in view, and no row of one big table without all others."""
TREND = 200
"""Newest completed runs in the trends."""
HIGH = 60
"""Steps from top to bottom of a small picture: whole ones, so that a thousand runs fit."""
RULES = {
    "A23": ("hedge-ratio accuracy", 100.0, "%"),
    "A24": ("delta neutrality", 100.0, "%"),
    "A25": ("hedge cost drag", 100.0, "%"),
    "A26": ("slippage", 100.0, "%"),
    "A27": ("drawdown reduction", 100.0, "%"),
    "A28": ("Sharpe improvement", 1.0, "x"),
}
"""The six metrics: name, and how a figure is shown."""

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Reports</title>
<style>{css}</style>
</head>
<body>
<main class="wide">
<h1>Reports</h1>
<p class="hk-sub">{head}</p>
{filters}
<section id="trends"><h2>Trends</h2><p class="hk-sub">{trend}</p><div class="hk-trends">{trends}</div></section>
<h2>Runs</h2>
<p class="hk-sub">Curves: hedged <span class="key h"></span>, unhedged <span class="key u"></span>.</p>
<div class="hk-scroll">{tables}</div>
</main>
<script>{script}</script>
</body>
</html>
"""
_SCRIPT = """
const rows = [...document.querySelectorAll("table.runs tbody tr")];
const tables = document.querySelectorAll("section.runs");
const picks = [...document.querySelectorAll("select[data-f]")];
const shown = document.getElementById("shown");
function filter() {
  let n = 0;
  for (const row of rows) {
    const keep = picks.every(pick => !pick.value || row.dataset[pick.dataset.f] === pick.value);
    row.hidden = !keep; n += keep;
  }
  for (const table of tables) table.hidden = !table.querySelector("tbody tr:not([hidden])");
  for (const mark of document.querySelectorAll("[data-run]")) mark.style.display = rows[mark.dataset.run]?.hidden ? "none" : "";
  shown.textContent = n;
}
for (const pick of picks) pick.addEventListener("change", filter);
"""
_HEAD = ("started (UTC)", "report", "pair", "verdict", "P&L hedged", "unhedged", "P&L", "drawdown", *RULES, "hedge ratio", "files")
_WORDS = {0, 1, 2, 3, 6, 7, 15}


def write_index(out_dir: str | os.PathLike[str] = "reports") -> Path:
    """Write ``index.html`` over all runs in a folder, newest first, failed ones too.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ConfigError
        If there is no such folder, or it cannot be written.
    """
    out = Path(out_dir)
    if not out.is_dir():
        msg = f"there is no folder {out}; run a report first, or name the folder that holds the runs"
        raise ConfigError(msg)
    try:
        write(out / INDEX, _page(shelved(out), out))
    except OSError as error:
        msg = f"cannot write {out / INDEX}: {error.strerror}"
        raise ConfigError(msg) from None
    return out / INDEX


def _page(found: Sequence[Shelved], out: Path) -> str:
    failed = sum(run.told.get("status") not in {"completed", "running"} for run in found)
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    head = f'<b id="shown">{len(found)}</b> of {len(found)} runs, {failed} of them without a result; made {made}.'
    good = [(n, run) for n, run in enumerate(found) if run.figures.get("verdict")][:TREND]
    bars = "A bar is the 95% interval, cut where it goes far beyond all figures. Filters hold here too."
    trend = f"The newest {len(good)} sessions reported, oldest on the left. {bars}"
    kinds = ["" if i in _WORDS else ' class="num"' for i in range(len(_HEAD))]
    top = "".join(f'<th scope="col"{kind}>{esc(name)}</th>' for kind, name in zip(kinds, _HEAD, strict=True))
    return _PAGE.format(
        policy=_POLICY,
        css=css(),
        head=head,
        filters=_filters(found),
        trend=trend,
        trends=_trends(good) if good else "<p>No completed session report yet.</p>",
        tables="".join(_table(top, found[n : n + TOGETHER], out) for n in range(0, len(found), TOGETHER)),
        script=_SCRIPT,
    )


def _word(run: Shelved) -> str:
    """Return a session's verdict, a revalidation's decision; else how the run ended."""
    said = str(run.figures.get("verdict") or run.figures.get("decision") or run.told.get("status", ""))
    return "DONE" if said == "completed" else said.upper()


def _facets(run: Shelved) -> dict[str, str]:
    f = run.figures
    return {
        "kind": str(run.told.get("kind", "")),
        "strategy": str(f.get("strategy", "")),
        "venue": str(f.get("venue", "")),
        "verdict": _word(run),
    }


def _filters(found: Sequence[Shelved]) -> str:
    parts = []
    for name in ("kind", "strategy", "venue", "verdict"):
        values = sorted({_facets(run)[name] for run in found} - {""})
        options = "".join(f'<option value="{esc(value)}">{esc(value)}</option>' for value in values)
        parts.append(f'<label>{name} <select data-f="{name}"><option value="">all</option>{options}</select></label>')
    return f'<p class="hk-filters">{" ".join(parts)}</p>'


def _row(run: Shelved, out: Path) -> str:
    f, told = run.figures, run.told
    data = " ".join(f'data-{name}="{esc(value)}"' for name, value in _facets(run).items())
    status = str(told.get("status", ""))
    error = str(told.get("error", "")).partition("; what ran is in ")[0]  # its file is linked
    pair = f"{esc(f['primary'])} / {esc(f['hedge'])}" if f.get("primary") else ""
    where = f'<div class="soft">{esc(f.get("strategy", ""))} at {esc(f.get("venue", ""))}</div>' if f.get("venue") else ""
    at = quote(run.folder.relative_to(out).as_posix())
    links = " ".join(f'<a href="{at}/{quote(name)}">{kind}</a>' for kind, name in run.files.items())
    title = esc(told.get("run", run.folder.name))
    name = f'<a href="{at}/{quote(run.files["page"])}">{title}</a>' if "page" in run.files else title
    figures = [
        *(_td(esc(money(f.get(name))) if f.get("verdict") else "", "num") for name in ("pnl_hedged", "pnl_unhedged")),
        _td(_spark([run.curves.get("unhedged", []), run.curves.get("hedged", [])], ("u", "h"))),
        _td(_spark([run.curves.get("drawdown", [])], ("d",))),
        *(_td(_figure(f, rule), "num") for rule in RULES),
        _td(_ratio(f), "num"),
    ]
    if status != "completed":  # no figures: room for the reason
        figures = [f'<td class="soft" colspan="{len(figures)}">{esc(error[:300])}</td>']
    cells = [
        _td(esc(str(told.get("started", ""))[:16].replace("T", " ")), "nowrap"),
        _td(f'{name}<div class="soft">{esc(told.get("kind", ""))}</div>'),
        _td(pair + where),
        _td(chip(_word(run))),
        *figures,
        _td(links, "nowrap"),
    ]
    return f"<tr {data}>{''.join(cells)}</tr>"


def _table(top: str, found: Sequence[Shelved], out: Path) -> str:
    """Return a table of its own; the first's head is seen, the others' are for paper and for who hears the page."""
    rows = "".join(_row(run, out) for run in found)
    head = f"{'<col>' * len(_HEAD)}<thead><tr>{top}</tr></thead>"
    return f'<section class="runs"><table class="hk runs">{head}<tbody>{rows}</tbody></table></section>'


def _td(text: str, kind: str = "") -> str:
    return f'<td class="{kind}">{text}</td>' if kind else f"<td>{text}</td>"


def _figure(f: dict[str, Any], rule: str) -> str:
    if f.get(rule) is None:
        return NOTHING if f.get("verdict") else ""
    _, scale, unit = RULES[rule]
    word = {"PASS": "pass", "FAIL": "fail"}.get(str(f.get(f"{rule}_result")), "tell")
    return f'<span class="{word}" title="{esc(f.get(f"{rule}_result"))}">{num(f[rule] * scale)}{unit}</span>'


def _ratio(f: dict[str, Any]) -> str:
    if f.get("ratio") is None:
        return ""
    ends = (num(f.get("ratio_lower")), num(f.get("ratio_upper")))
    return f'{num(f["ratio"])}<div class="soft">{ends[0]} to {ends[1]}</div>'


def _spark(curves: Sequence[Sequence[float]], kinds: Sequence[str]) -> str:
    """Draw curves on one scale, with a line at zero."""
    every = [x for curve in curves for x in curve] + [0.0]
    if len(every) < 2:  # noqa: PLR2004 - nothing but the zero
        return ""
    low, high = min(every), max(every)
    room = (high - low) or 1.0

    def y(value: float) -> int:
        return round(HIGH - 2 - (HIGH - 4) * (value - low) / room)

    long = max(len(curve) for curve in curves) - 1
    paths = [f'<path class="z" d="M0 {y(0.0)}h{long}"/>']
    for curve, kind in zip(curves, kinds, strict=True):
        if len(curve) > 1:
            steps = " ".join(f"1{y(b) - y(a):+d}" for a, b in itertools.pairwise(curve))
            paths.append(f'<path class="{kind}" d="M0 {y(curve[0])}l{steps}"/>')
    return f'<svg class="hk-spark" viewBox="0 0 {long} {HIGH}" preserveAspectRatio="none">{"".join(paths)}</svg>'


def _trends(good: Sequence[tuple[int, Shelved]]) -> str:
    """Draw each metric, and the hedge ratio, over the runs."""
    oldest_first = list(reversed(good))
    panels = [(f"{rule} {name} ({unit})", rule, scale) for rule, (name, scale, unit) in RULES.items()]
    return "".join(_panel(title, key, scale, oldest_first) for title, key, scale in [*panels, ("hedge ratio ($ per $)", "ratio", 1.0)])


def _panel(title: str, key: str, scale: float, found: Sequence[tuple[int, Shelved]]) -> Html:
    wide, high, left = 338, 120, 54
    values = [tuple(_finite(run.figures.get(f"{key}{end}"), scale) for end in ("", "_lower", "_upper")) for _, run in found]
    points = sorted(value for value, *_ in values if value is not None)
    if not points:
        return Html(f'<figure><figcaption>{esc(title)}</figcaption><p class="soft">no figure yet</p></figure>')
    middle = [v for each in values for v in each if v is not None]
    low, high_value = _robust(sorted(middle), points)
    y = _scale(low, high_value, high)
    step = (wide - left - 8) / max(len(found) - 1, 1)
    marks = []
    for i, ((n, run), (value, lower, upper)) in enumerate(zip(found, values, strict=True)):
        if value is None:
            continue
        x = left + i * step
        bar = f'<path d="M{x:.0f} {y(lower):.0f}V{y(upper):.0f}"/>' if lower is not None and upper is not None else ""
        word = {"PASS": "pass", "FAIL": "fail"}.get(str(run.figures.get(f"{key}_result")), "tell")
        marks.append(f'<g data-run="{n}" class="{word}">{bar}<circle cx="{x:.0f}" cy="{y(value):.1f}" r="2.5"/></g>')
    line = '<text x="{x}" y="{below:.0f}">{v:,.3g}</text><path class="z" d="M{left} {y:.0f}H{wide}"/>'
    axis = "".join(line.format(x=left - 6, below=y(v) + 4, v=v, left=left, y=y(v), wide=wide) for v in (low, high_value))
    picture = f'<svg class="hk-trend" width="{wide}" height="{high}" role="img" aria-label="{esc(title)}">{axis}{"".join(marks)}</svg>'
    return Html(f"<figure><figcaption>{esc(title)}</figcaption>{picture}</figure>")


def _finite(value: object, scale: float) -> float | None:
    return value * scale if isinstance(value, int | float) and math.isfinite(value) else None


def _robust(every: Sequence[float], points: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis: all points, and of the intervals what is not far beyond them."""
    low, high = points[0], points[-1]
    room = max(high - low, abs(high), abs(low), 1e-9)
    return max(every[0], low - room), min(every[-1], high + room)


def _scale(low: float, high: float, size: int) -> Callable[[float], float]:
    room = (high - low) or 1.0
    return lambda v: size - 8 - (size - 16) * (min(max(v, low), high) - low) / room
