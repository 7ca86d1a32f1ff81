"""Pictures of every notebook and widget, light and dark, in a real JupyterLab: ``make shots``, into ``reports/shots``.

    python -m tests.shots [--out reports/shots] [--only Signal]

Widgets are shown at 1280 x 800, as a person sees them first; a notebook is run from top to bottom and shown whole. Templates of reports are
left out: their pages are the reports. A picture that shows an error of a cell ends the run with 1.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from hedgekit.lab import source
from tests.browser import OfflineBrowser
from tests.lab import Lab, LabPage, write_notebook

TEMPLATES = ("07_session_report.ipynb", "08_revalidation_report.ipynb")

HEAD = """
from decimal import Decimal
from hedgekit import Instrument, Market, Params, SyntheticBinary, SyntheticMarket, load_sample, screen
from hedgekit.types import Kind
from hedgekit.widgets import *
days = dict(bar_s=86_400, bar_offset_s=75_601, evidence_override="To look at it.")
minutes = dict(bar_s=60, bar_offset_s=1, fit_bars=250, max_quote_age_s=60, evidence_override="To look at it.")
perpetual = Instrument("DERIBIT", "COIN-PERPETUAL", Kind.INVERSE_PERP, Decimal("0.5"), multiplier=Decimal(10))
coin = (Instrument("ALPACA", "COIN", lot=Decimal("0.001")), perpetual)
alike = dict(ratio=1.0, primary_price=5_000.0, hedge_price=5_000.0, funding_hedge=0.0001, funding_s=28_800.0)
delta = dict(structure="delta", delta_model="linear")
"""

WIDGETS = {
    "SignalExplorer": "SignalExplorer(Market(), days)",
    "RatioExplorer": "RatioExplorer(Market(), days)",
    "BacktestExplorer": "BacktestExplorer(SyntheticMarket(rows=5_000, row_s=60.0, seed=3), minutes, study='shots')",
    "StructureExplorer": "StructureExplorer(SyntheticBinary(rho=-1.0, rows=800, resolve_row=4_000, seed=3, size_notional=1e6),"
    " minutes | dict(structure='synthetic', loss_cap=200, notional=1_000))",
    "InversePerpetual": "StructureExplorer(SyntheticMarket(rows=1_500, row_s=60.0, seed=4, listed=coin, **alike), minutes | delta)",
    "ScreenTable": "ScreenTable(screen(load_sample('eq_daily'), progress=False))",
    "Refused": "panel = SignalExplorer(SyntheticMarket(rows=2_000, row_s=60.0), minutes)\npanel._on_move('entry', 20.0)\npanel",
}

HEIGHT = (
    "Math.ceil(120 + Math.max(...['.jp-Notebook', '.jp-Notebook .jp-WindowedPanel-outer']"
    ".map(name => document.querySelector(name)?.scrollHeight ?? 0)))"
)
"""Whichever of the two scrolls."""

TOP = "document.querySelectorAll('.jp-Notebook, .jp-Notebook .jp-WindowedPanel-outer').forEach(part => { part.scrollTop = 0 })"


def shot(page: LabPage, out: Path, name: str) -> None:
    """Take a picture in both themes."""
    for theme in ("Light", "Dark"):
        page.theme(theme)
        page.until("!window.Bokeh || Bokeh.documents.every(d => d.is_idle)", timeout_ms=30_000)
        page.page.wait_for_timeout(1_500)
        page.page.screenshot(path=str(out / f"{name}_{theme.lower()}.png"))


def widgets(lab: Lab, browser: OfflineBrowser, out: Path, only: str) -> list[str]:
    """Show each widget; return those that went wrong."""
    wrong = []
    for name, last in WIDGETS.items():
        if only not in name:
            continue
        write_notebook(lab.root / f"{name}.ipynb", [HEAD, last])
        page = LabPage(lab, browser, f"{name}.ipynb", width=1280, height=800)
        page.run_all(wait=False)
        page.until("window.hkRan === true && window.Bokeh?.documents?.length === 1", timeout_ms=280_000)  # the first may have to compile
        page.js("document.querySelectorAll('.jp-Cell')[1].scrollIntoView()")
        shot(page, out, name)
        wrong += [name] if page.errors() or "Traceback" in page.output(1) else []
        page.close()
    return wrong


def notebooks(lab: Lab, browser: OfflineBrowser, out: Path, only: str) -> list[str]:
    """Run each notebook and show it whole; return those with an error in a cell."""
    wrong = []
    for file in sorted(source().glob("*.ipynb")):
        if only not in file.name or file.name in TEMPLATES:
            continue
        shutil.copy(file, lab.root)
        page = LabPage(lab, browser, file.name, width=1280, height=900)
        page.js("window.jupyterapp.commands.execute('application:toggle-left-area').then(() => 0)")
        page.run_all(wait=False)
        page.until("window.hkRan === true", timeout_ms=280_000)
        for _ in range(2):  # cells have their height once they are on the screen
            page.page.set_viewport_size({"width": 1280, "height": min(int(page.js(HEIGHT)), 16_000)})
            page.js(TOP)
            page.page.wait_for_timeout(2_000)
        shot(page, out, file.stem)
        failed = page.js("document.querySelectorAll(\"[data-mime-type='application/vnd.jupyter.error']\").length")
        wrong += [file.name] if failed else []
        page.close()
    return wrong


def main() -> int:
    """Take all pictures; return 1 if one shows an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("reports/shots"))
    parser.add_argument("--only", default="", help="a part of the name")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    browser = OfflineBrowser()
    with TemporaryDirectory() as folder:
        root = Path(folder, "notebooks")
        root.mkdir()
        with Lab(root, Path(folder)) as lab:
            wrong = widgets(lab, browser, args.out, args.only) + notebooks(lab, browser, args.out, args.only)
    browser.close()
    print(f"{len(list(args.out.glob('*.png')))} pictures in {args.out}" + (f"; look at {', '.join(wrong)}" if wrong else ""))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
