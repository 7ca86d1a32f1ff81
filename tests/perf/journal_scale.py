"""How long a long journal takes to become DataFrames, all of them, and how much memory; on SQLite and on PostgreSQL.

    python -m tests.perf.journal_scale [--events 1000000] [--postgres]

Two sessions: a feed, in which nine records of ten are quotes, gathered; and bars alone, two quotes, a timer and a decision each, where
every record but a few has a row of its own. In both a trade is opened and closed every 40 bars. Each is projected in a new process.
A measurement, not a test: pytest does not collect it.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from hedgekit.journal import Gather, Journal
from hedgekit.types import Ack, Decision, Priority
from tests.journal.made import ENTRY, NOTHING, SESSION, TARGET, WAIT, Group, Maker, ns
from tests.journal.server import Server, fresh

EVERY = 40
KINDS = {"feed": 18, "bars alone": 2}
"""Quotes in a bar."""

TABLES = ("orders", "fills", "decisions", "plans", "equity", "trades")


def session(events: int, quotes: int) -> Iterator[Group]:
    """Yield groups of records, one for each instant."""
    m, draw, ko, pep, trade, bar, made = Maker(), Random(7), 10_000, 5_000, 0, 0, 1  # noqa: S311 - made-up prices
    yield [m.start()]
    while made < events:
        at, phase = 60 * bar, bar % EVERY
        bar += 1
        for n in range(quotes // 2):
            ko, pep = ko + draw.choice((-1, 0, 1)), pep + draw.choice((-1, 0, 1))
            sides = [(f"{(mid - 1) / 100}", f"{(mid + 1) / 100}") for mid in (ko, pep)]
            yield m.quotes(at + n * 100 // quotes, sides[0], sides[1])
        trade += phase == 5
        closed = _bar(m, at + 1, trade, phase, (ko, pep))
        yield closed
        done = _done(m, at + 2, closed)
        if done:
            yield done
        made += quotes + len(closed) + len(done)


def _bar(m: Maker, at: int, trade: int, phase: int, mids: tuple[int, int]) -> Group:
    sides = {5: (10, -8, ENTRY, Priority.PRIMARY), 25: (-10, 8, TARGET, Priority.CLOSE)}
    if phase not in sides:
        return m.bar(at, WAIT if 5 < phase < 25 else NOTHING, trade, 0.01 * (phase - 20))
    primary, hedge, what, priority = sides[phase]
    names = (f"{2 * trade + (phase == 25)}-{leg}" for leg in (0, 1))
    qtys = zip(names, (primary, hedge), mids, strict=True)
    return m.bar(at, what, trade, 2.0, tuple(m.order(name, at, trade, str(qty), f"{mid / 100}", priority) for name, qty, mid in qtys))


def _done(m: Maker, at: int, closed: Group) -> Group:
    out: Group = []
    for order in closed[-1].orders if isinstance(closed[-1], Decision) else ():
        out.append(Ack(ts_ns=ns(at), order_id=order.order_id, venue_order_id=order.order_id))
        name = order.order_id.removeprefix(f"{SESSION}-")
        out += [m.fill(name, f"{name}-{n}", at, str(order.qty / 2), str(order.expected), "0.03") for n in (1, 2)]
    return out


def written(where: str | Path, events: int, quotes: int) -> None:
    """Journal a session as a live one would: what decides nothing gathered, what sends durable."""
    with Journal.open(where, SESSION, gather=Gather(records=1_000, span_ns=2**62)) as journal:
        for instant, group in enumerate(session(events, quotes), 1):
            for record in group:
                journal.append(record)
            intends = any(isinstance(record, Decision) and record.orders for record in group)
            journal.commit(instant, durable=intends or instant == 1, now_ns=instant)


def project(where: str) -> None:
    """Print the seconds for everything that a session's reader can want."""
    with Journal.open(where, SESSION, mode="read") as journal:
        began, cpu = time.perf_counter(), time.process_time()
        journal.ledger()
        read = time.perf_counter() - began
        rows = sum(len(getattr(journal, name)()) for name in TABLES)
        whole, cpu = time.perf_counter() - began, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)
        took = f"{whole:6.2f} s ({read:.2f} to read), processor {cpu:.2f} s, peak {peak:.0f} MB"
        print(f"{journal.count:>10,} records, {rows:>9,} rows of tables: {took}")


def measure(title: str, where: str, events: int, quotes: int) -> None:
    """Write a session, then project it twice in processes of their own."""
    began = time.perf_counter()
    written(where, events, quotes)
    print(f"{title}: written in {time.perf_counter() - began:.1f} s", flush=True)
    for _ in range(2):
        subprocess.run([sys.executable, "-m", "tests.perf.journal_scale", "--project", where], check=True)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--project", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.project:
        project(options.project)
        return
    with TemporaryDirectory() as folder:
        for n, (kind, quotes) in enumerate(KINDS.items()):
            file = Path(folder, f"{n}.db")
            measure(f"SQLite, {kind}", str(file), options.events, quotes)
            print(f"{file.stat().st_size / 1e6:>10,.0f} MB on disk")
    if options.postgres:
        server = Server()
        try:
            for n, (kind, quotes) in enumerate(KINDS.items()):
                measure(f"PostgreSQL, {kind}", fresh(server.url, f"scale{n}"), options.events, quotes)
        finally:
            server.remove()


if __name__ == "__main__":
    main()
