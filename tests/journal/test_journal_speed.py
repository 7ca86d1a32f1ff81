"""The journal's speed, as ratios to bare sqlite3 in the same run: a slow disk slows both."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from hedgekit.journal import Journal
from hedgekit.types import Quote
from tests.journal.made import KO, SESSION, Maker

ROUNDS = 5


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


def test_durable_commits_cost_little_more_than_bare_sqlite(tmp_path: Path) -> None:
    bare = Bare(tmp_path / "bare.db")
    with Journal.open(tmp_path / "j.db", SESSION) as journal:
        journal.append(Maker().start())
        for commits, records, most in ((100, 1, 2.5), (20, 200, 5.0)):
            ratios = [
                seconds(lambda c=commits, r=records: ours(journal, c, r)) / seconds(lambda c=commits, r=records: bare.write(c, r))
                for _ in range(ROUNDS)
            ]
            assert median(ratios) < most, f"{records} records a commit: {ratios}"
    bare.conn.close()


def test_polling_costs_the_same_in_a_long_journal(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "j.db", SESSION) as journal:
        journal.append(Maker().start())
        ours(journal, 1, 100)
        with Journal.open(tmp_path / "j.db", SESSION, mode="read") as reader:

            def poll() -> float:
                after = reader.count - 3
                return median(seconds(lambda: list(reader.records(after=after))) for _ in range(60))

            short = poll()
            ours(journal, 1, 50_000)
            assert poll() < 4 * short
