"""A long session in step: memory over time, journal against the exchange's books at the end, and quotes a second.

    python -m tests.perf.soak [--size smoke | quick | full] [--json FILE]

Sandbox and session are processes of their own; their memory is read every few seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from hedgekit import demo
from hedgekit.data import SyntheticMarket
from tests.paper.rig import RUNNER, sandbox
from tests.perf.rows import Row, Size, refuse, run

PARAMS = demo.PARAMS | {"bar_s": 60.0, "bar_offset_s": 0.5, "fit_bars": 250, "max_quote_age_s": 30.0}
EVERY_S = 5.0
PART = "soak"


def memory(process: int) -> float:
    """Return what a process holds in memory, in MiB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def sandbox_process() -> int:
    """Return the process of the exchange: the only one that we have started so far."""
    me = os.getpid()
    (child,) = Path(f"/proc/{me}/task/{me}/children").read_text().split()
    return int(child)


def growth(seen: list[float]) -> tuple[float, float]:
    """Return what a process held after half of the time, and at the end."""
    return seen[len(seen) // 2], seen[-1]


def measure(size: Size) -> list[Row]:
    """Measure one session, and hold its journal against the exchange's own books."""
    quotes = size.pick(1_000, 30_000, 500_000)
    market = SyntheticMarket(rows=quotes // 2, half_life=600.0, spread_sd=0.01, hedge_vol=0.0002)
    with TemporaryDirectory() as scratch, sandbox(Path(scratch), market) as rig:
        command = [sys.executable, str(RUNNER), str(rig.config(params=PARAMS)), "", "1"]
        begin, exchange, seen = time.monotonic(), sandbox_process(), list[tuple[float, float]]()
        with subprocess.Popen(command, env={**os.environ, **rig.keys}, stdout=subprocess.DEVNULL) as session:
            while session.poll() is None:
                time.sleep(size.pick(0.2, 0.5, EVERY_S))
                if session.poll() is None:
                    seen.append((memory(session.pid), memory(exchange)))
        took, ledger = time.monotonic() - begin, rig.ledger()
        with rig.journal() as journal:
            ours, records = journal.ledger(), journal.count
            journal.verify()
    books = ours.fills == len(ledger["fills"]) and Decimal(ledger["cash"]) == ours.cash + 1_000_000
    if session.returncode or not books:
        refuse(
            f"exit code {session.returncode}; journal {ours.fills} fills and {ours.cash}, exchange {len(ledger['fills'])}, {ledger['cash']}"
        )
    same, goal = (
        f"{ours.fills} fills and the cash of journal and exchange, to the last digit; hash chain",
        1.1 if size is Size.FULL else None,
    )
    rows = [Row(PART, f"{quotes:,} quotes in step", "quotes/s", quotes / took, more=True, same=same, note=f"{records:,} records")]
    for name, column in zip(("session", "sandbox"), zip(*seen, strict=True), strict=True):
        half, end = growth([*column])
        rows.append(Row(PART, f"memory of the {name} at the end", "MiB", end, "after half", half, target=goal))
    return rows


if __name__ == "__main__":
    run(measure, __doc__)
