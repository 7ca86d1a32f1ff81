"""Measure the journal against bare sqlite3 in the same run, so that a slow disk slows both; what a commit of two intents costs.

    python -m tests.perf.journal_speed [--postgres]

A measurement, not a test: pytest does not collect it.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import msgspec

from hedgekit.journal import Journal
from hedgekit.types import Decision, Quote, Reject, Timer
from tests.journal.made import EVERY, KO, SESSION, START, Maker
from tests.journal.server import Server

ROUNDS = 5
COMMITS = 2_000


def quote(n: int) -> Quote:
    return Quote(ts_ns=n, instrument=KO, venue_ns=n, bid=100.01, ask=100.03, bid_size=100.0, ask_size=200.0)


class Bare:
    """sqlite3 with the same durability and columns, and nothing else."""

    def __init__(self, file: Path) -> None:
        self.conn = sqlite3.connect(file)
        self.conn.execute("PRAGMA journal_mode=WAL")
        self.conn.execute("PRAGMA synchronous=FULL")
        self.conn.execute(
            "CREATE TABLE e (s TEXT, id INT, i INT, ts INT, t TEXT, b TEXT, h TEXT, r INT, PRIMARY KEY (s, id)) WITHOUT ROWID"
        )
        self.n = 0

    def write(self, commits: int, records: int) -> None:
        """Write ``commits`` transactions of ``records`` rows."""
        for _ in range(commits):
            rows = [(SESSION, self.n + k, 1, 1, "quote", "x" * 120, "0" * 64, 1) for k in range(records)]
            self.conn.executemany("INSERT INTO e VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self.conn.commit()
            self.n += records


def ours(journal: Journal, commits: int, records: int) -> None:
    for _ in range(commits):
        for n in range(records):
            journal.append(quote(n))
        journal.commit(journal.last_instant + 1)


def seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def writes(folder: Path) -> None:
    """Print our time for durable commits as a multiple of bare sqlite3's, rounds interleaved."""
    bare = Bare(folder / "bare.db")
    with Journal.open(folder / "j.db", SESSION) as journal:
        journal.append(Maker().start())
        for commits, records in ((100, 1), (20, 200)):
            pairs = [
                (seconds(lambda c=commits, r=records: ours(journal, c, r)), seconds(lambda c=commits, r=records: bare.write(c, r)))
                for _ in range(ROUNDS)
            ]
            ratio, rate = median(a / b for a, b in pairs), commits * records / median(a for a, _ in pairs)
            print(f"{records:>4} records a commit: {ratio:.2f} x bare sqlite3 (median of {ROUNDS}), {rate:,.0f} records/s here and now")
    bare.conn.close()


def intents(where: str | Path, title: str) -> None:
    """Print what the commit of a bar's timer and its decision with two orders costs, durable, and of as many bytes, weak; turn by turn."""
    decided = next(r for r in EVERY if isinstance(r, Decision) and len(r.orders) == 2)
    timer = Timer(ts_ns=decided.ts_ns)
    note = Reject(ts_ns=decided.ts_ns, order_id="", code="", message="")
    same = msgspec.structs.replace(note, message="x" * (len(msgspec.json.encode(decided)) - len(msgspec.json.encode(note))))
    spent: dict[bool, list[float]] = {True: [], False: []}
    with Journal.open(where, SESSION) as journal:
        journal.append(START)
        for instant in range(2 * COMMITS):
            durable = not instant % 2
            journal.append(timer)
            journal.append(decided if durable else same)
            spent[durable].append(seconds(lambda i=instant, d=durable: journal.commit(i, durable=d)))
    for durable, times in spent.items():
        cut = [1e3 * time for time in quantiles(times, n=100)]
        said = "FULL" if durable else "NORMAL"
        print(
            f"{title}, commit of two intents, {said:<7} p50 {cut[49]:.3f} p95 {cut[94]:.3f} p99 {cut[98]:.3f} max {1e3 * max(times):.2f} ms"
        )


def polls(folder: Path) -> None:
    """Print what a poll for three new records costs in a long journal, as a multiple of a short one."""
    with Journal.open(folder / "p.db", SESSION) as journal:
        journal.append(Maker().start())
        ours(journal, 1, 100)
        with Journal.open(folder / "p.db", SESSION, mode="read") as reader:

            def poll() -> float:
                after = reader.count - 3
                return median(seconds(lambda: list(reader.records(after=after))) for _ in range(60))

            short = poll()
            ours(journal, 10_000, 5)
            print(f"poll after 50,000 more records: {poll() / short:.2f} x")


def postgres() -> None:
    """Print the cost of commits on a server of our own."""
    server = Server()
    try:
        intents(server.url, "PostgreSQL")
    finally:
        server.remove()


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        intents(Path(folder) / "i.db", "SQLite")
        writes(Path(folder))
        polls(Path(folder))
    if "--postgres" in sys.argv:
        postgres()
