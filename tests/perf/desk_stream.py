"""How live the whole paper desk is, on a real session, in a real JupyterLab in headless Chromium, on this machine.

    python -m tests.perf.desk_stream [--size smoke | quick | full] [--json FILE]

A session plays a synthetic market with a bar a second at 20, then another at 200 rows a second; the panel
shows all of it. A bar is written to the journal at a known real time (``recorded_ns``); it is on the screen when the second animation
frame after its batch has begun, so the paint of the first one is over. Each batch is timed by its newest bar. The machine's load counts
in every figure: what matters is the distance to the targets and the growth from the first to the last minute.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from hedgekit.desk import PaperSession
from tests.browser import OfflineBrowser
from tests.desk.made import ended
from tests.lab import Lab, LabPage, write_notebook
from tests.perf.live_stream import RESET, ROUND_TRIP, SLOW, told
from tests.perf.rows import Row, Size, run
from tests.widgets.desk_pages import BARS, CELL, started

TARGET_MS = 150

WATCH = f"""
window.hk = {{ seen: [], frames: 0, long: 0, since: performance.now(), last: 0 }};
new PerformanceObserver(list => {{ for (const e of list.getEntries()) hk.long = Math.max(hk.long, e.duration) }})
  .observe({{ entryTypes: ['longtask'] }});
(function frame() {{ hk.frames++; requestAnimationFrame(frame) }})();
window.hedgekitSeen = () => {{
  const ts = {BARS}.data.ts, newest = ts[ts.length - 1];
  if (!(newest > hk.last)) return;
  hk.last = newest;
  requestAnimationFrame(() => requestAnimationFrame(() => hk.seen.push([newest, Date.now()])));
}};
0
"""

READ = (
    "({ seen: hk.seen, long: hk.long, heap: performance.memory.usedJSHeapSize / 1e6,"
    " fps: 1000 * hk.frames / (performance.now() - hk.since) })"
)


def collect(page: LabPage) -> None:
    """Have the page's garbage collected, so that what is measured is what is kept."""
    for _ in range(3):
        page.page.context.new_cdp_session(page.page).send("HeapProfiler.collectGarbage")
        page.page.wait_for_timeout(500)


def recorded(of: PaperSession) -> dict[int, float]:
    """Return when each bar's decision was written, real time in ms, by the session's time in ms."""
    with closing(sqlite3.connect(f"file:{of.folder.journal}?mode=ro", uri=True)) as db, db:
        rows = db.execute("select ts_ns, min(recorded_ns) from events where type = 'decision' group by ts_ns")
        return {ts_ns // 10**6: recorded_ns / 1e6 for ts_ns, recorded_ns in rows}


def watch(page: LabPage, kernel: psutil.Process, of: PaperSession, seconds: int, settle_s: int) -> dict[str, Any]:
    """Watch for so long; return the figures."""
    page.js(WATCH)
    page.page.wait_for_timeout(1_000 * settle_s)  # until nothing is new any more: plots, tables, caches
    collect(page)
    first, memory = page.js(READ), kernel.memory_info().rss / 1e6
    page.js(RESET.replace("lags", "seen"))
    page.page.wait_for_timeout(1_000 * seconds)
    found, trip = page.js(READ), page.js(ROUND_TRIP)
    page.js(RESET.replace("lags", "seen"))
    collect(page)
    written = recorded(of)
    lags = [at - written[round(ts)] for ts, at in found["seen"] if round(ts) in written]
    return {
        "batches": len(lags),
        "median": median(lags),
        "p95": quantiles(lags, n=20)[-1],
        "fps": found["fps"],
        "long": found["long"],
        "heap": (first["heap"], page.js(READ)["heap"]),
        "rss": (memory, kernel.memory_info().rss / 1e6),
        "trip": trip,
    }


def measure(size: Size) -> list[Row]:
    """Measure at 20 and at 200 rows a second."""
    browser, rows = OfflineBrowser(), []
    with TemporaryDirectory() as folder:
        root = Path(folder, "notebooks")
        root.mkdir()
        with Lab(root, Path(folder)) as lab:
            for speed, seconds in ((SLOW, size.pick(4, 20, 600)), (200, size.pick(4, 15, 60)))[size.pick(1, 0, 0) :]:
                text = CELL.format(account=f"perf{speed}", speed=speed).replace("rows=6_000", "rows=60_000")
                write_notebook(root / f"desk{speed}.ipynb", [text])
                page = LabPage(lab, browser, f"desk{speed}.ipynb")
                of = started(page, lab, f"perf{speed}")
                found = watch(page, lab.kernels()[-1], of, seconds, size.pick(2, 8, 30))
                of.stop()
                page.close()
                rows += told("paper desk", "bar to screen", speed, found, TARGET_MS)
            ended(lab.home)
    browser.close()
    return rows


if __name__ == "__main__":
    run(measure, __doc__)
