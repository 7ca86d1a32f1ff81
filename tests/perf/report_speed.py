"""How long reports take, and how large they are: ``python -m tests.perf.report_speed [REPORTS]`` (40 by default).

One session report of 262 trades on its own, as a command; a matrix of such reports with one worker and with two, in turn; each report as
a command of its own, one after another (estimated from the first); and an index over 1,000 runs. A machine that does something
else at the same time makes all of it slower, and the second worker's gain smaller: the load is printed beside the figures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hedgekit.data import Market
from hedgekit.report import run_matrix, write_index
from hedgekit.report.matrix import Outcome
from tests.report import made

TARGETS = "under 10 s and 2.5 MB; at least 1.7 times; index under 10 s and 3 MB"


def main(reports: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        journal = made.write(out / "journal.db", Market(), made.PARAMS.model_copy(update={"fit_bars": 250}), "perf")
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; targets: {TARGETS}")
        command = [sys.executable, "-m", "hedgekit", "report", "run", "session", "-p", "journal", str(journal), "--out", folder]
        alone = timed(lambda: subprocess.run([*command, "--name", "one"], check=True, capture_output=True))
        size = (out / "one" / "report.html").stat().st_size
        print(f"one report, as a command: {alone:.1f} s, {size / 1e6:.2f} MB")
        sets = [{"journal": str(journal), "session": "perf"}] * reports
        took = {workers: matrix(sets, out / f"w{workers}", workers) for workers in (1, 2)}
        print(f"{reports} reports: {took[1]:.1f} s with one worker, {took[2]:.1f} s with two: {took[1] / took[2]:.2f} times as fast")
        gain = alone * reports / took[2]
        print(f"against as many commands, one after another (estimated): {gain:.2f} times; load {os.getloadavg()[0]:.1f}")
        print("index over 1,000 runs: {:.1f} s, {:.2f} MB".format(*index(out)))


def timed(job: object) -> float:
    """Return the seconds that a call takes."""
    assert callable(job)
    begun = time.perf_counter()
    job()
    return time.perf_counter() - begun


def matrix(sets: list[dict[str, str]], out: Path, workers: int) -> float:
    """Return how long a matrix takes with so many workers; all of it must succeed."""
    done: list[Outcome] = []
    took = timed(lambda: done.extend(run_matrix("session", sets, out, "m", workers=workers, progress=False)))
    failed = [outcome.error for outcome in done if outcome.folder is None]
    if failed:
        raise SystemExit(f"{len(failed)} of {len(done)} reports failed: {failed[0]}")
    return took


def index(out: Path) -> tuple[float, float]:
    """Return seconds and megabytes of an index over 1,000 copies of one run."""
    metrics, told = ((out / "one" / name).read_text() for name in ("metrics.json", "run.json"))
    shelf = out / "shelf"
    for n in range(1_000):
        folder = shelf / f"session-perf-{n:04d}-20261129T000000Z"
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text(metrics)
        (folder / "run.json").write_text(json.dumps(json.loads(told) | {"run": folder.name}))
        for name in ("report.html", "report.ipynb", "report.pdf"):
            (folder / name).touch()
    took = timed(lambda: write_index(shelf))
    return took, (shelf / "index.html").stat().st_size / 1e6


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
