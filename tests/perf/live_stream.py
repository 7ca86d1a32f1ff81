"""How live the live plot is, in a real JupyterLab in headless Chromium, on this machine.

    python -m tests.perf.live_stream [--size smoke | quick | full] [--json FILE]

Two linked figures on one source. Each row carries the time at which the kernel appended it; a row is
on the screen when the second animation frame after its batch has begun, so the paint of the first one is over. The machine's load
counts in every figure: what matters is the distance to the targets and the growth from the first to the last minute.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from tests.browser import OfflineBrowser
from tests.lab import Lab, LabPage, write_notebook
from tests.perf.rows import Row, Size, run

SLOW = 20

SETUP = """
import asyncio, math, time
from bokeh.layouts import column
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure
from hedgekit.widgets import LivePlot
source = ColumnDataSource({"t": [], "a": [], "b": []}, name="ticks")
p = figure(title="a", height=250, x_axis_type="datetime"); p.line("t", "a", source=source)
q = figure(title="b", height=250, x_axis_type="datetime", x_range=p.x_range); q.line("t", "b", source=source)
plot = LivePlot(column(p, q))
async def feed(rate):
    begin, n = time.monotonic(), 0
    while True:
        n += 1
        plot.append("ticks", {"t": [time.time() * 1e3], "a": [math.sin(n / 20)], "b": [math.cos(n / 20)]}, rollover=2_000)
        await asyncio.sleep(max(begin + n / rate - time.monotonic(), 0))
plot
"""

WATCH = """
window.hk = { lags: [], frames: 0, long: 0, since: performance.now(), last: 0 };
new PerformanceObserver(list => { for (const e of list.getEntries()) hk.long = Math.max(hk.long, e.duration) })
  .observe({ entryTypes: ['longtask'] });
(function frame() { hk.frames++; requestAnimationFrame(frame) })();
window.hedgekitSeen = (message, doc) => {
  const source = [...doc._all_models.values()].find(m => m.name === 'ticks');
  const fresh = [...source.data.t].filter(t => t > hk.last);
  if (!fresh.length) return;
  hk.last = fresh.at(-1);
  requestAnimationFrame(() => requestAnimationFrame(() => { const now = Date.now(); for (const t of fresh) hk.lags.push(now - t) }));
};
0
"""

RESET = "Object.assign(hk, { lags: [], frames: 0, long: 0, since: performance.now() }); 0"
READ = (
    "({ lags: hk.lags, fps: 1000 * hk.frames / (performance.now() - hk.since), long: hk.long,"
    " heap: performance.memory.usedJSHeapSize / 1e6 })"
)
ROUND_TRIP = """
(async () => { const k = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel; const out = [];
for (let n = 0; n < 10; n++) {
  const t = performance.now(); await k.requestExecute({ code: 'pass', silent: true }).done; out.push(performance.now() - t)
}
return out.sort((a, b) => a - b)[5] })()
"""


def watch(page: LabPage, kernel: psutil.Process, rate: int, seconds: int) -> dict[str, Any]:
    """Stream at a rate for so long; return the figures."""
    page.execute(f"task = asyncio.get_running_loop().create_task(feed({rate}))")
    page.page.wait_for_timeout(5_000)
    first = page.js(READ)
    memory = kernel.memory_info().rss / 1e6
    page.js(RESET)
    page.page.wait_for_timeout(1_000 * seconds)
    found = page.js(READ)
    trip = page.js(ROUND_TRIP)
    page.execute("task.cancel()")
    return {
        "rows": len(found["lags"]),
        "median": median(found["lags"]),
        "p95": quantiles(found["lags"], n=20)[-1],
        "fps": found["fps"],
        "long": found["long"],
        "heap": (first["heap"], found["heap"]),
        "rss": (memory, kernel.memory_info().rss / 1e6),
        "trip": trip,
    }


def told(part: str, name: str, rate: int, found: dict[str, Any], goal_ms: float) -> list[Row]:
    """Return the rows of a stream: lag, growth, and whether the page answers."""
    heap, rss, at_20 = found["heap"], found["rss"], rate == SLOW
    note = f"p95 {found['p95']:.0f} ms, {found['fps']:.0f} frames/s, kernel answers in {found['trip']:.0f} ms"
    return [
        Row(part, f"{name} at {rate}/s, median", "ms", found["median"], target=goal_ms if at_20 else None, note=note),
        Row(part, f"{name} at {rate}/s, longest task of the page", "ms", found["long"], target=None if at_20 else 500.0),
        Row(part, f"{name} at {rate}/s, page heap at the end", "MB", heap[1], "at the beginning", heap[0]),
        Row(part, f"{name} at {rate}/s, kernel memory at the end", "MB", rss[1], "at the beginning", rss[0]),
    ]


def measure(size: Size) -> list[Row]:
    """Measure at 20 and at 200 rows a second."""
    browser, rows = OfflineBrowser(), []
    with TemporaryDirectory() as folder:
        root = Path(folder, "notebooks")
        root.mkdir()
        write_notebook(root / "stream.ipynb", [SETUP])
        with Lab(root, Path(folder)) as lab:
            page = LabPage(lab, browser, "stream.ipynb")
            page.run_all()
            page.until("window.Bokeh?.documents?.length === 1")
            page.js(WATCH)
            (kernel,) = lab.kernels()
            for rate, span in ((SLOW, size.pick(2, 15, 180)), (200, size.pick(2, 10, 60))):
                found = watch(page, kernel, rate, span)
                rows += told("live plot", "row to screen", rate, found, 150.0)
            page.close()
    browser.close()
    return rows


if __name__ == "__main__":
    run(measure, __doc__)
