"""How many quotes a second a session can take: with the core deciding on each, with and without a journal, and the journal alone.

    python -m tests.perf.journal_feed [--postgres]

"alone" commits each quote by itself, durable or weak; "gathered" keeps up to 1,000 back, each with a row of its own, or in batches
at several of zlib's levels. The ways are run in turn, several rounds, so that a slow moment slows all; bytes are those on disk.
A measurement, not a test: pytest does not collect it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory

from sqlalchemy import text

from hedgekit.hedger import Hedger
from hedgekit.journal import Gather, Journal, batch
from hedgekit.params import Params
from hedgekit.types import NS, Instrument, Quote
from tests.journal.made import KO, PEP, SESSION, START
from tests.journal.server import Server, fresh

ROUNDS = 5
ALONE, MANY = 1_000, 20_000
DAY_NS = 1_700_000_000 * NS


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
        return len(feed) / (time.perf_counter() - began)


def on_disk(file: Path) -> int:
    """Return the bytes of a closed journal, without the pages that it has free."""
    with Journal.open(file, SESSION, mode="read") as journal, journal._store.engine.connect() as conn:
        pages, free, size = (conn.execute(text(f"PRAGMA {name}")).scalar_one() for name in ("page_count", "freelist_count", "page_size"))
    return int((pages - free) * size)


@dataclass
class Way:
    """A way to journal a feed: how many quotes are tried, how they are committed, and zlib's level (None: a row each)."""

    name: str
    count: int
    durable: bool = False
    gather: Gather | None = None
    level: int | None = None
    alone: list[float] = field(default_factory=list)
    deciding: list[float] = field(default_factory=list)
    bytes: float = 0.0

    def run(self, where: str | Path, feed: list[Quote], decide: Callable[[Quote], object]) -> float:
        """Do it once in a new place; return quotes a second."""
        batch.FEWEST, batch.LEVEL = (10**9, 1) if self.level is None else (8, self.level)
        return journalled(where, feed[: self.count], decide, durable=self.durable, gather=self.gather)


KEEP = Gather(records=1_000, span_ns=NS * 3600)
WAYS = [Way("alone durable", ALONE, durable=True), Way("alone weak", ALONE), Way("gathered", MANY, gather=KEEP)]
WAYS += [Way(f"gathered, zlib {level}", MANY, gather=KEEP, level=level) for level in (1, 3, 6, 9)]


def sqlite(folder: Path) -> None:
    """Print the table for SQLite."""
    feed = quotes(MANY)
    bare: list[float] = []
    for n in range(ROUNDS):
        bare.append(without(feed, core()))
        for k, way in enumerate(WAYS):
            way.alone.append(way.run(folder / f"a{n}-{k}.db", feed, noted))
            way.deciding.append(way.run(folder / f"d{n}-{k}.db", feed, core()))
            way.bytes = on_disk(folder / f"a{n}-{k}.db") / way.count
    print(f"{'SQLite, median of rounds':<26} {'journal alone':>15} {'with the core':>15} {'of bare':>8} {'bytes':>8}")
    print(f"{'no journal':<26} {'':>15} {median(bare):>13,.0f}/s")
    for way in WAYS:
        share = median(mine / theirs for mine, theirs in zip(way.deciding, bare, strict=True))
        print(f"{way.name:<26} {median(way.alone):>13,.0f}/s {median(way.deciding):>13,.0f}/s {share:>8.0%} {way.bytes:>8.1f}")


def postgres() -> None:
    """Print the table for PostgreSQL."""
    feed, server = quotes(MANY), Server()
    try:
        for n in range(ROUNDS):
            for k, way in enumerate(WAYS[:4]):
                way.alone.append(way.run(fresh(server.url, f"p{n}-{k}"), feed, noted))
    finally:
        server.remove()
    print(f"{'PostgreSQL, median of rounds':<26}")
    for way in WAYS[:4]:
        print(f"{way.name:<26} {median(way.alone):>13,.0f}/s")


if __name__ == "__main__":
    with TemporaryDirectory() as place:
        sqlite(Path(place))
    for used in WAYS:
        used.alone.clear()
    if "--postgres" in sys.argv:
        postgres()
