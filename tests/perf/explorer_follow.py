"""How fast an explorer's plots follow a key on a slider, in a real JupyterLab in headless Chromium, on this machine.

    python -m tests.perf.explorer_follow [--moves 40]

A measurement, not a test. Each move is one real press of an arrow key on a focused slider; 5,000 bars. A move has arrived when
BokehJS holds the new data, and is on the screen when the second animation frame after that has begun. The machine's load counts in every
figure and is printed beside it. The target is a median under 150 ms.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from tests.browser import OfflineBrowser
from tests.lab import Lab, LabPage, write_notebook

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


def measure(page: LabPage, slider: str, moves: int) -> tuple[list[float], list[float]]:
    """Press an arrow key so often, each after the last one is on the screen; return milliseconds to the page and to the screen."""
    page.js(WATCH)
    handle = page.page.locator(f".widget-slider:has(label:text-is('{slider}')) .noUi-handle").first
    handle.focus()
    for n in range(moves):
        page.page.keyboard.press("ArrowRight" if n < moves // 2 else "ArrowLeft")
        page.until(f"hk.shown.length > {n}", timeout_ms=10_000)
        page.page.wait_for_timeout(50)
    return page.js("hk.arrived"), page.js("hk.shown")


def main() -> None:
    """Print the figures of each explorer's sliders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=40)
    moves = parser.parse_args().moves
    browser = OfflineBrowser()
    with TemporaryDirectory() as folder:
        root = Path(folder, "notebooks")
        root.mkdir()
        with Lab(root, Path(folder)) as lab:
            for name, sliders in SLIDERS.items():
                write_notebook(root / f"{name}.ipynb", [SETUP.format(name=name)])
                page = LabPage(lab, browser, f"{name}.ipynb")
                page.run_all()
                page.until("window.Bokeh?.documents?.length === 1")
                page.page.wait_for_timeout(1_500)
                for slider in sliders:
                    arrived, shown = measure(page, slider, moves)
                    print(f"{name}, {slider}: {len(shown)} moves, load {os.getloadavg()[0]:.1f} (target: median under 150 ms)")
                    for what, times in (("page", arrived), ("screen", shown)):
                        print(f"  key to {what:<7} median {median(times):.0f} ms, p95 {quantiles(times, n=20)[-1]:.0f} ms")
                page.close()
    browser.close()


if __name__ == "__main__":
    main()
