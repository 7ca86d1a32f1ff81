"""How long a long journal takes to become DataFrames, all of them, and how much memory; on SQLite and on PostgreSQL.

    python -m tests.perf.journal_scale [--size smoke | quick | full] [--json FILE]

Two sessions: a feed, in which nine records of ten are quotes, gathered; and bars alone, two quotes, a timer and a decision each, where
every record but a few has a row of its own. In both a trade is opened and closed every 40 bars. Each is projected in a new process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory

from hedgekit.journal import Gather, Journal
from hedgekit.types import Ack, Decision, Priority
from tests.journal.made import ENTRY, NOTHING, SESSION, TARGET, WAIT, Group, Maker, ns
from tests.journal.server import Server, fresh
from tests.perf.peers.contest import ROOT
from tests.perf.rows import Found, Row, Size, fitted, refuse, run

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
    """Print what everything takes that a session's reader can want: seconds, records, rows of tables, and the peak of memory."""
    with Journal.open(where, SESSION, mode="read") as journal:
        began = time.perf_counter()
        journal.ledger()
        rows = sum(len(getattr(journal, name)()) for name in TABLES)
        took = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)
        print(json.dumps([took, journal.count, rows, peak]))


def projected(where: str, events: int, quotes: int, rounds: int) -> tuple[float, float, int, float]:
    """Write a session, then project it in processes of their own; return seconds to write and to project, rows, and MiB."""
    began = time.perf_counter()
    written(where, events, quotes)
    wrote, found = time.perf_counter() - began, []
    for _ in range(rounds):
        command = [sys.executable, "-m", "tests.perf.journal_scale", "--project", where]
        found.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout))
    took, count, rows, peak = (median(one) for one in zip(*found, strict=True))
    if not events <= count < events + 2 * EVERY:
        refuse(f"{count:,} records in the journal, about {events:,} were written")
    return wrote, took, rows, peak


def measure(size: Size) -> Found:
    """Measure on SQLite at several sizes, and at the largest on PostgreSQL; tables must have the same rows."""
    sizes, rounds = size.pick([600], [10_000, 30_000, 100_000], [10_000, 30_000, 100_000, 300_000, 1_000_000]), size.pick(1, 2, 3)
    rows, curves, largest = [], [], {}
    with TemporaryDirectory() as folder:
        for kind, quotes in KINDS.items():
            took = [projected(str(Path(folder, f"{quotes}-{events}.db")), events, quotes, rounds) for events in sizes]
            largest[kind] = took[-1][2]
            rows += told("SQLite", kind, sizes[-1], took[-1])
            for what, at in (("written", 0), ("projected", 1)) if len(sizes) > 1 else ():
                name = f"journal {what}, {kind}, SQLite"
                curves.append(fitted(name, "events", "s", sizes, [one[at] for one in took], since=sizes[-3]))
    server = Server()
    try:
        for n, (kind, quotes) in enumerate(KINDS.items()):
            found = projected(fresh(server.url, f"scale{n}"), sizes[-1], quotes, rounds)
            if found[2] != largest[kind]:
                refuse(f"{found[2]} rows of tables on PostgreSQL, {largest[kind]} on SQLite")
            rows += told("PostgreSQL", kind, sizes[-1], found)
    finally:
        server.remove()
    return Found(rows, curves)


def told(store: str, kind: str, events: int, found: tuple[float, float, int, float]) -> list[Row]:
    """Return the rows of one store and kind."""
    wrote, took, rows, peak = found
    goal = 10.0 if events >= 1_000_000 else None
    name, note = (
        f"{store}, {kind}, {events:,} events to tables",
        f"{rows:,.0f} rows of tables, peak {peak:,.0f} MiB, written in {wrote:.0f} s",
    )
    return [Row("journal, reads", name, "s", took, target=goal, same="rows of the tables on both stores", note=note)]


def main() -> None:
    """Measure, or be the process that projects."""
    if sys.argv[1:2] == ["--project"]:
        project(sys.argv[2])
        return
    run(measure, __doc__)


if __name__ == "__main__":
    main()
