"""How live the live plot is, in a real JupyterLab in headless Chromium, on this machine.

    python -m tests.perf.live_stream [--seconds 180]

A measurement, not a test. Two linked figures on one source. Each row carries the time at which the kernel appended it; a row is
on the screen when the second animation frame after its batch has begun, so the paint of the first one is over. The machine's load
counts in every figure: what matters is the distance to the targets and the growth from the first to the last minute.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from tests.browser import OfflineBrowser
from tests.lab import Lab, LabPage, write_notebook

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


def measure(page: LabPage, kernel: psutil.Process, rate: int, seconds: int) -> dict[str, Any]:
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


def main() -> None:
    """Print the figures at 20 and at 200 rows a second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=180)
    seconds = parser.parse_args().seconds
    browser = OfflineBrowser()
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
            for rate, span in ((20, seconds), (200, max(seconds // 3, 10))):
                found = measure(page, kernel, rate, span)
                print(f"{rate} rows/s for {span} s, load {os.getloadavg()[0]:.1f}: {found['rows']:,} rows on the screen")
                print(f"  row to screen   median {found['median']:.0f} ms, p95 {found['p95']:.0f} ms (target at 20/s: median under 150 ms)")
                print(f"  page            {found['fps']:.0f} frames/s, longest task {found['long']:.0f} ms")
                heap, rss = found["heap"], found["rss"]
                print(f"  memory          page {heap[0]:.0f} to {heap[1]:.0f} MB, kernel {rss[0]:.1f} to {rss[1]:.1f} MB")
                print(f"  kernel          answers in {found['trip']:.0f} ms")
            page.close()
    browser.close()


if __name__ == "__main__":
    main()
