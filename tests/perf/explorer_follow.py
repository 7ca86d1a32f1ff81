"""How fast an explorer's plots follow a key on a slider, in a real JupyterLab in headless Chromium, on this machine.

    python -m tests.perf.explorer_follow [--size smoke | quick | full] [--json FILE]

Each move is one real press of an arrow key on a focused slider; 5,000 bars. A move has arrived when
BokehJS holds the new data, and is on the screen when the second animation frame after that has begun. The machine's load counts in every
figure and is printed beside it. The target is a median under 150 ms.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from tests.browser import OfflineBrowser
from tests.lab import Lab, LabPage, write_notebook
from tests.perf.rows import Row, Size, run

SETUP = """
from hedgekit import Params, SyntheticMarket, load_sample
from hedgekit import widgets
market = SyntheticMarket(rows=5_000, seed=3, row_s=60.0)
params = Params.make(bar_s=60, bar_offset_s=1, fit_bars=250, evidence_override="A measurement on a planted market.")
panel = widgets.{name}(market, params)
panel
"""

SLIDERS = {"SignalExplorer": ("lookback", "entry"), "BacktestExplorer": ("lookback", "entry"), "RatioExplorer": ("refit_bars", "fit_bars")}

WATCH = """
window.hk = { pressed: 0, arrived: [], shown: [] };
addEventListener('keydown', () => { hk.pressed = performance.now() }, true);
window.hedgekitSeen = () => {
  const pressed = hk.pressed;
  if (!pressed) return;
  hk.pressed = 0;
  hk.arrived.push(performance.now() - pressed);
  requestAnimationFrame(() => requestAnimationFrame(() => hk.shown.push(performance.now() - pressed)));
};
0
"""


def moved(page: LabPage, slider: str, moves: int) -> tuple[list[float], list[float]]:
    """Press an arrow key so often, each after the last one is on the screen; return milliseconds to the page and to the screen."""
    page.js(WATCH)
    handle = page.page.locator(f".widget-slider:has(label:text-is('{slider}')) .noUi-handle").first
    handle.focus()
    low, now, high = (float(str(handle.get_attribute(f"aria-value{name}"))) for name in ("min", "now", "max"))
    keys = ("ArrowRight", "ArrowLeft")[:: 1 if high - now > now - low else -1]  # first to where there is more room
    for n in range(moves):
        page.page.keyboard.press(keys[0] if n < moves // 2 else keys[1])
        page.until(f"hk.shown.length > {n}", timeout_ms=60_000)
        page.page.wait_for_timeout(50)
    return page.js("hk.arrived"), page.js("hk.shown")


def measure(size: Size) -> list[Row]:
    """Measure each explorer's sliders."""
    browser, rows, moves = OfflineBrowser(), [], size.pick(4, 10, 40)
    with TemporaryDirectory() as folder:
        root = Path(folder, "notebooks")
        root.mkdir()
        with Lab(root, Path(folder)) as lab:
            for name, sliders in list(SLIDERS.items())[: size.pick(1, 3, 3)]:
                write_notebook(root / f"{name}.ipynb", [SETUP.format(name=name)])
                page = LabPage(lab, browser, f"{name}.ipynb")
                page.run_all()
                page.until("window.Bokeh?.documents?.length === 1 && Bokeh.documents[0].is_idle")
                page.page.wait_for_timeout(5_000)  # a key before the sliders listen is lost
                for slider in sliders:
                    arrived, shown = moved(page, slider, moves)
                    note = f"p95 {quantiles(shown, n=20)[-1]:.0f} ms; in the page after {median(arrived):.0f} ms"
                    what = f"{name}, {slider}, 5,000 bars: key to screen, median"
                    rows.append(Row("explorers", what, "ms", median(shown), target=150.0, note=note))
                page.close()
    browser.close()
    return rows


if __name__ == "__main__":
    run(measure, __doc__)
