"""How long reports take, and how large they are.

    python -m tests.perf.report_speed [--size smoke | quick | full] [--json FILE]

One session report of 262 trades on its own, as a command, and where its time goes; a matrix of such reports with one worker and with
two, in turn; each report as a command of its own, one after another (estimated from the first); and an index over 1,000 runs, built and
opened. A machine that does something else at the same time makes all of it slower, and the second worker's gain smaller.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from hedgekit.data import Market
from hedgekit.report import html, run_matrix, write_index
from hedgekit.report.matrix import Outcome
from tests.browser import OfflineBrowser
from tests.perf.rows import Row, Size, refuse, run, seconds
from tests.report import made

TARGETS = "under 10 s and 2.5 MB; at least 1.7 times; index under 10 s and 3 MB, opened in 1 s"


def measure(size: Size) -> list[Row]:
    """Measure one report, a matrix of them, and an index."""
    reports, part, full = size.pick(2, 6, 40), "reports", size is Size.FULL
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        journal = made.write(out / "journal.db", Market(), made.PARAMS.model_copy(update={"fit_bars": 250}), "perf")
        command = [sys.executable, "-m", "hedgekit", "report", "run", "session", "-p", "journal", str(journal), "--out", folder]
        alone = seconds(lambda: subprocess.run([*command, "--name", "one"], check=True, capture_output=True))
        page = (out / "one" / "report.html").stat().st_size / 1e6
        rows = [
            Row(part, "one session report of 262 trades, as a command", "s", alone, target=10.0),
            Row(part, "its page", "MB", page, target=2.5),
            *(Row(part, name, "s", took, note=f"{took / alone:.0%} of it") for name, took in shares(out / "one")),
        ]
        if size is not Size.SMOKE:
            sets = [{"journal": str(journal), "session": "perf"}] * reports
            took = {workers: matrix(sets, out / f"w{workers}", workers) for workers in (1, 2)}
            gains = [took[1] / took[2], alone * reports / took[2]]
            goal, note = 1.7 if full else None, f"{took[2]:.1f} s with two workers; every report succeeded"
            one, each = "one worker, kernels kept", "each as a command of its own, from the first"
            name = f"{reports} reports in a matrix, two workers"
            rate = reports / took[2]
            rows.append(Row(part, name, "reports/s", rate, one, reports / took[1], more=True, target=goal, note=note))
            rows.append(Row(part, name, "reports/s", rate, each, 1 / alone, more=True, target=goal, note=f"gain {gains[1]:.2f}"))
        runs = size.pick(20, 1_000, 1_000)
        took_s, index_mb, opened_s = index(out, runs)
        goals = (None, None, None) if runs < 1_000 else (10.0, 3.0, 1.0)
    return [
        *rows,
        Row(part, f"index over {runs:,} runs", "s", took_s, target=goals[0]),
        Row(part, "its page ", "MB", index_mb, target=goals[1]),
        Row(part, "its page in Chromium, from disk to painted", "s", opened_s, target=goals[2]),
    ]


def shares(folder: Path) -> list[tuple[str, float]]:
    """Return what most of a report's time went to: what the kernel's process imports, its cells, the page."""
    kernel = "import importlib; from hedgekit.report.warm import ROOMS; [importlib.import_module(name) for name in ROOMS]"
    imports = seconds(lambda: subprocess.run([sys.executable, "-c", kernel], check=True))
    node = nbformat.read(folder / "report.ipynb", as_version=4)
    cells = [(cell.metadata.papermill.duration or 0.0, cell.source.splitlines()[-1]) for cell in node.cells if cell.cell_type == "code"]
    html.prepare()
    drawn = seconds(lambda: html.page(node, title="one"))
    work = sum(took for took, _ in cells)
    most = [(f"of its cells: {source[:60]}", took) for took, source in sorted(cells, reverse=True)[:3]]
    return [("its kernel's imports (others go on beside them)", imports), ("its cells", work), *most, ("drawing its page", drawn)]


def matrix(sets: list[dict[str, str]], out: Path, workers: int) -> float:
    """Return how long a matrix takes with so many workers; all of it must succeed."""
    done: list[Outcome] = []
    took = seconds(lambda: done.extend(run_matrix("session", sets, out, "m", workers=workers, progress=False)))
    failed = [outcome.error for outcome in done if outcome.folder is None]
    if failed:
        refuse(f"{len(failed)} of {len(done)} reports failed: {failed[0]}")
    return took


def index(out: Path, runs: int) -> tuple[float, float, float]:
    """Return how long an index over so many copies of one run takes, its megabytes, and how long until it is painted."""
    metrics, told = ((out / "one" / name).read_text() for name in ("metrics.json", "run.json"))
    shelf = out / "shelf"
    for n in range(runs):
        folder = shelf / f"session-perf-{n:04d}-20261129T000000Z"
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text(metrics)
        (folder / "run.json").write_text(json.dumps(json.loads(told) | {"run": folder.name}))
        for name in ("report.html", "report.ipynb", "report.pdf"):
            (folder / name).touch()
    took = seconds(lambda: write_index(shelf))
    return took, (shelf / "index.html").stat().st_size / 1e6, opened(shelf / "index.html")


def opened(page: Path, rounds: int = 5) -> float:
    """Return the median time from asking for a page to the second frame after its load, each time in a new context of one browser."""
    browser = OfflineBrowser()
    frames = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"

    def once() -> float:
        window = browser.open(width=1600).page

        def look() -> None:
            window.goto(page.as_uri())
            window.evaluate(frames)

        took = seconds(look)
        window.context.close()
        return took

    try:
        return statistics.median(once() for _ in range(rounds))
    finally:
        browser.close()


if __name__ == "__main__":
    run(measure, __doc__)
