"""How fast a journal is written: beside bare sqlite3, of what a commit with two intents costs, and of a feed, with the core and without.

    python -m tests.perf.journal_writes [--size smoke | quick | full] [--json FILE]

Ways to keep a feed: each quote committed by itself, durable or weak; or kept back, up to 1,000, then written with a row each, or raw in
compressed batches, at several of zlib's levels. The ways take turns, several rounds, so that a slow moment slows all; bytes are on disk.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import msgspec
from sqlalchemy import text

from hedgekit.hedger import Hedger
from hedgekit.journal import Gather, Journal, batch
from hedgekit.params import Params
from hedgekit.types import NS, Decision, Instrument, Quote, Reject, Timer
from tests.journal.made import EVERY, KO, PEP, SESSION, START, Maker
from tests.journal.server import Server, fresh
from tests.perf.rows import Row, Size, by_turns, refuse, run, seconds

DAY_NS = 1_700_000_000 * NS
PART = "journal, writes"


# ------------------------------------------------------------------- bare sqlite3


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


def write(journal: Journal, commits: int, records: int) -> None:
    """Do the same through the journal."""
    for _ in range(commits):
        for n in range(records):
            journal.append(Quote(ts_ns=n, instrument=KO, venue_ns=n, bid=100.01, ask=100.03, bid_size=100.0, ask_size=200.0))
        journal.commit(journal.last_instant + 1)


def beside_bare(folder: Path, size: Size) -> list[Row]:
    """Return durable writes beside bare sqlite3's."""
    rows, bare = [], Bare(folder / "bare.db")
    with Journal.open(folder / "j.db", SESSION) as journal:
        journal.append(Maker().start())
        for commits, records in ((size.pick(5, 100, 200), 1), (size.pick(1, 20, 40), 200)):
            before = journal.count, bare.n
            took = by_turns(
                size.pick(1, 5, 9),
                lambda c=commits, r=records: write(journal, c, r),  # type: ignore[misc]
                lambda c=commits, r=records: bare.write(c, r),  # type: ignore[misc]
            )
            if journal.count - before[0] - (not rows) != bare.n - before[1]:
                refuse(f"{journal.count - before[0]} records of ours, {bare.n - before[1]} rows of sqlite3")
            rates = [commits * records / one for one in took]
            rows.append(
                Row(
                    PART,
                    f"durable, {records} a commit",
                    "records/s",
                    rates[0],
                    "bare sqlite3, no hash",
                    rates[1],
                    more=True,
                    same="rows written",
                )
            )
    bare.conn.close()
    return rows


def intents(where: str | Path, title: str, commits: int) -> list[Row]:
    """Return what the commit of a bar's timer and its decision with two orders costs, durable, and of as many bytes, weak; in turns."""
    decided = next(r for r in EVERY if isinstance(r, Decision) and len(r.orders) == 2)
    timer = Timer(ts_ns=decided.ts_ns)
    note = Reject(ts_ns=decided.ts_ns, order_id="", code="", message="")
    same = msgspec.structs.replace(note, message="x" * (len(msgspec.json.encode(decided)) - len(msgspec.json.encode(note))))
    spent: dict[bool, list[float]] = {True: [], False: []}
    with Journal.open(where, SESSION) as journal:
        journal.append(START)
        for instant in range(2 * commits):
            durable = not instant % 2
            journal.append(timer)
            journal.append(decided if durable else same)
            spent[durable].append(seconds(lambda i=instant, d=durable: journal.commit(i, durable=d)))  # type: ignore[misc]
    rows = []
    for durable, times in spent.items():
        cut = quantiles(times, n=100)
        name = f"{title}, commit of two intents, {'durable' if durable else 'weak'}"
        rows.append(Row(PART, name, "ms", 1e3 * cut[49], note=f"p95 {1e3 * cut[94]:.3f}, p99 {1e3 * cut[98]:.3f} ms"))
    return rows


# --------------------------------------------------------------------------- feed


def quotes(count: int) -> list[Quote]:
    """Return a feed of two instruments whose prices walk by ticks and whose sizes are round lots, some 100 quotes a second."""
    draw, now, mids, out = Random(1), DAY_NS, {KO: 6_000, PEP: 17_000}, []  # noqa: S311 - a made-up feed
    for _ in range(count):
        key = draw.choice((KO, PEP))
        mids[key] += draw.choice((-1, 0, 0, 1))
        now += draw.randrange(20_000_000)
        sizes = [100.0 * draw.randrange(1, 50) for _ in range(2)]
        bid, ask = mids[key] / 100, (mids[key] + draw.choice((1, 1, 2))) / 100
        at = now // 1_000 * 1_000
        out.append(
            Quote(
                ts_ns=now + draw.randrange(5_000_000), instrument=key, venue_ns=at, bid=bid, ask=ask, bid_size=sizes[0], ask_size=sizes[1]
            )
        )
    return out


def core() -> Callable[[Quote], object]:
    """Return what decides on a message."""
    instruments = tuple(Instrument(*key.split(":")) for key in (KO, PEP))
    return Hedger(SESSION, instruments, Params.make(bar_s=60)).on


def noted(_: Quote) -> None:
    """Decide nothing."""


def without(feed: list[Quote], decide: Callable[[Quote], object]) -> float:
    """Return messages a second without a journal."""
    began = time.perf_counter()
    for quote in feed:
        decide(quote)
    return len(feed) / (time.perf_counter() - began)


def journalled(where: str | Path, feed: list[Quote], decide: Callable[[Quote], object], *, durable: bool, gather: Gather | None) -> float:
    """Return messages a second with a journal, from the first to the moment when the last is written."""
    with Journal.open(where, SESSION, gather=gather) as journal:
        journal.append(START)
        journal.commit(0)
        began = time.perf_counter()
        for instant, quote in enumerate(feed, 1):
            journal.append(quote)
            decide(quote)
            journal.commit(instant, durable=durable, now_ns=quote.ts_ns)
        journal.flush()
        took = time.perf_counter() - began
    with Journal.open(where, SESSION, mode="read") as journal:
        if [one for one in journal.records() if isinstance(one, Quote)] != feed:
            refuse("the journal does not give back the feed that it was given")
    return len(feed) / took


def on_disk(file: Path) -> int:
    """Return the bytes of a closed journal, without the pages that it has free."""
    with Journal.open(file, SESSION, mode="read") as journal, journal._store.engine.connect() as conn:
        pages, free, size = (conn.execute(text(f"PRAGMA {name}")).scalar_one() for name in ("page_count", "freelist_count", "page_size"))
    return int((pages - free) * size)


@dataclass
class Way:
    """A way to journal a feed: which share of it is tried, how it is committed, and zlib's level (None: a row each)."""

    name: str
    share: int = 1
    durable: bool = False
    gather: Gather | None = None
    level: int | None = None
    alone: list[float] = field(default_factory=list)
    deciding: list[float] = field(default_factory=list)
    bytes: float = 0.0

    def run(self, where: str | Path, feed: list[Quote], decide: Callable[[Quote], object]) -> float:
        """Do it once in a new place; return quotes a second."""
        kept = batch.FEWEST, batch.LEVEL
        batch.FEWEST, batch.LEVEL = (10**9, 1) if self.level is None else (8, self.level)
        try:
            return journalled(where, feed[:: self.share], decide, durable=self.durable, gather=self.gather)
        finally:
            batch.FEWEST, batch.LEVEL = kept


def ways(size: Size) -> list[Way]:
    """Return the ways; the slow ones on a twentieth of the feed."""
    keep = Gather(records=1_000, span_ns=NS * 3600)
    zlib = size.pick((1,), (batch.LEVEL,), (1, 3, 6, 9))
    return [
        Way("each quote durable", 20, durable=True),
        Way("each quote weak", 20),
        Way("kept back, a row each", gather=keep),
        *(Way(f"raw, in batches, zlib {level}", gather=keep, level=level) for level in zlib),
    ]


def feeds(folder: Path, size: Size) -> list[Row]:
    """Return the rates of each way on SQLite, beside the core without a journal."""
    feed, bare, tried = quotes(size.pick(400, 20_000, 20_000)), list[float](), ways(size)
    without(feed[:50], core())  # compiled code is loaded
    for n in range(size.pick(1, 3, 5)):
        bare.append(without(feed, core()))
        for k, way in enumerate(tried):
            way.alone.append(way.run(folder / f"a{n}-{k}.db", feed, noted))
            way.deciding.append(way.run(folder / f"d{n}-{k}.db", feed, core()))
            way.bytes = on_disk(folder / f"a{n}-{k}.db") / len(feed[:: way.share])
    rows, same = [], "records read back"
    for way in tried:
        note = f"the journal alone {median(way.alone):,.0f}/s, {way.bytes:.0f} bytes a quote"
        name = f"SQLite, feed and core, {way.name}"
        rows.append(Row(PART, name, "quotes/s", median(way.deciding), "no journal", median(bare), more=True, same=same, note=note))
    return rows


def postgres(size: Size) -> list[Row]:
    """Return the rates of each way, and the cost of commits, on a server of our own."""
    feed, server, tried = quotes(size.pick(400, 20_000, 20_000)), Server(), ways(size)
    try:
        for n in range(size.pick(1, 3, 5)):
            for k, way in enumerate(tried):
                way.alone.append(way.run(fresh(server.url, f"p{n}-{k}"), feed, noted))
        committed = intents(fresh(server.url, "intents"), "PostgreSQL", size.pick(5, 500, 2_000))
    finally:
        server.remove()
    return [*committed, *(Row(PART, f"PostgreSQL, feed, {way.name}", "quotes/s", median(way.alone), more=True) for way in tried)]


def measure(size: Size) -> list[Row]:
    """Measure."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        written = beside_bare(folder, size) + intents(folder / "i.db", "SQLite", size.pick(5, 500, 2_000)) + feeds(folder, size)
    return written + postgres(size)


if __name__ == "__main__":
    run(measure, __doc__)
