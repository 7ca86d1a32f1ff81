"""A long session in step: memory over time, journal against the exchange's books at the end, and quotes a second.

    python -m tests.perf.soak [--quotes 500000]

Sandbox and session are processes of their own; their memory is read every few seconds.
A measurement, not a test: pytest does not collect it.
"""

from __future__ import annotations

import argparse
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

PARAMS = demo.PARAMS | {"bar_s": 60.0, "bar_offset_s": 0.5, "fit_bars": 250, "max_quote_age_s": 30.0}
EVERY_S = 5.0


def memory(process: int) -> float:
    """Return what a process holds in memory, in MiB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def sandbox_process() -> int:
    """Return the process of the exchange: the only one that we have started so far."""
    me = os.getpid()
    (child,) = Path(f"/proc/{me}/task/{me}/children").read_text().split()
    return int(child)


def told(name: str, seen: list[float]) -> str:
    """Return what a process held in memory over time."""
    quarter, half, end = seen[len(seen) // 4], seen[len(seen) // 2], seen[-1]
    return f"{name}: {quarter:.0f} MiB after a quarter, {half:.0f} after half, {end:.0f} at the end, {max(seen):.0f} at most"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quotes", type=int, default=500_000)
    quotes = parser.parse_args().quotes
    market = SyntheticMarket(rows=quotes // 2, half_life=600.0, spread_sd=0.01, hedge_vol=0.0002)
    with TemporaryDirectory() as scratch, sandbox(Path(scratch), market) as rig:
        command = [sys.executable, str(RUNNER), str(rig.config(params=PARAMS)), "", "1"]
        begin, exchange = time.monotonic(), sandbox_process()
        with subprocess.Popen(command, env={**os.environ, **rig.keys}, stdout=subprocess.DEVNULL) as session:
            seen: list[tuple[float, float]] = []
            while session.poll() is None:
                time.sleep(EVERY_S)
                if session.poll() is None:
                    seen.append((memory(session.pid), memory(exchange)))
        took, ledger = time.monotonic() - begin, rig.ledger()
        with rig.journal() as journal:
            ours, records = journal.ledger(), journal.count
            journal.verify()
    print(f"{quotes:,} quotes, {records:,} records in {took:,.0f} s: {quotes / took:,.0f} quotes a second; exit code {session.returncode}")
    print(told("session", [mine for mine, _ in seen]))
    print(told("sandbox", [its for _, its in seen]))
    same = ours.fills == len(ledger["fills"]) and Decimal(ledger["cash"]) == ours.cash + 1_000_000
    print(f"{ours.fills:,} fills; journal and exchange agree to the last digit: {same}")


if __name__ == "__main__":
    main()
