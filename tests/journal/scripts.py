"""What a writer may be told to do, as data: for laws that hold for any sequence, and for child processes that are killed in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import msgspec
from hypothesis import strategies as st

from hedgekit.journal import Entry, Gather, Journal
from hedgekit.journal.batch import FEWEST, LARGEST
from hedgekit.types import Decision, Quote, Record, SessionEnded, SessionStarted, Timer
from tests.journal.made import KO, PEP, RECORDS, SESSION, START, session


class Commit(msgspec.Struct, frozen=True):
    """One commit: its records, how much later than the last it is, and how it is made."""

    records: tuple[Record, ...]
    later: int
    durable: bool
    now_ns: int


Script = list[Commit]


def quote(n: int) -> Quote:
    """Return the n-th quote of a feed."""
    mid = 100.0 + (n * 7919 % 101) / 100
    return Quote(ts_ns=10 * n + 5, instrument=(KO, PEP)[n % 2], venue_ns=10 * n, bid=mid, ask=mid + 0.01, bid_size=100.0, ask_size=7.0)


def feed(first: int, count: int) -> list[Record]:
    """Return quotes, one after the other."""
    return [quote(n) for n in range(first, first + count)]


def timers(first: int, count: int) -> list[Record]:
    """Return timers, one after the other."""
    return [Timer(ts_ns=10 * n) for n in range(first, first + count)]


def intends(record: Record) -> bool:
    """Whether a record sends something."""
    return isinstance(record, Decision) and bool(record.orders or record.cancels)


def thick(count: int) -> list[list[Record]]:
    """Return the session by hand with ``count`` records of a feed before each of its groups."""
    made = session()
    return [made[0], *([*feed(1000 * n, count), *group] for n, group in enumerate(made[1:]))]


@contextmanager
def by_hand(file: Path) -> Iterator[sqlite3.Connection]:
    conn = sqlite3.connect(file, isolation_level=None)
    yield conn
    conn.close()


def rows(file: Path) -> list[tuple[int, str, int]]:
    """Return (id, type, records) of each row."""
    with by_hand(file) as conn:
        return conn.execute("SELECT id, type, records FROM events ORDER BY id").fetchall()


def sealed(records: Iterable[Record]) -> list[tuple[bytes, str]]:
    """Return each record's canonical bytes and the chain's head after it, by the definition of the chain."""
    link, out = sha256(SESSION.encode()).digest(), []
    for n, record in enumerate(records, 1):
        body = msgspec.json.encode(record, order="deterministic")
        link = sha256(link + SESSION.encode() + b"\0" + str(n).encode() + b"\0" + body).digest()
        out.append((body, link.hex()))
    return out


_STARTS, _LENGTHS = st.integers(0, 500), st.sampled_from([1, 2, 6, 7, 8, 9, 15, 40])
_RUNS = st.one_of(st.builds(feed, _STARTS, _LENGTHS), st.builds(timers, _STARTS, _LENGTHS))
_LONG = st.builds(feed, st.integers(0, 500), st.sampled_from([LARGEST - 1, LARGEST, LARGEST + 1, LARGEST + FEWEST, 2 * LARGEST + 5]))
_OTHERS = st.lists(RECORDS.filter(lambda r: not isinstance(r, SessionStarted | SessionEnded)), max_size=2)


@st.composite
def scripts(draw: st.DrawFn, most: int = 8, *, long: bool = True) -> Script:
    """Return commits of a session that goes on; the first has its start. One in four has no record, one in three is durable."""
    now, out = 0, [Commit((START,), 1, durable=True, now_ns=0)]
    kinds = [
        st.just([]),
        _RUNS,
        st.one_of(_RUNS, _LONG) if long else _RUNS,
        st.tuples(_RUNS, _OTHERS, _RUNS).map(lambda runs: [*runs[0], *runs[1], *runs[2]]),
    ]
    for _ in range(draw(st.integers(0, most))):
        records = tuple(draw(draw(st.sampled_from(kinds))))
        now += draw(st.sampled_from([0, 1, 5, 100]))
        durable = any(map(intends, records)) or draw(st.sampled_from([True, False, False]))
        out.append(Commit(records, draw(st.integers(0 if records else 1, 2)), durable=durable, now_ns=now))
    return out


def entries_of(script: Script) -> list[Entry]:
    """Return what reading must give, by the script alone."""
    out: list[Entry] = []
    instant = 0
    for commit in script:
        instant += commit.later
        out += [Entry(len(out) + n, instant, record) for n, record in enumerate(commit.records, 1)]
    return out


def perform(  # noqa: PLR0913 - how it may be done
    script: Script,
    where: Path | str,
    name: str = SESSION,
    *,
    gather: Gather | None = None,
    at: Callable[[str], None] = lambda _: None,
    tell: Callable[[Journal], None] = lambda _: None,
) -> str:
    """Do what of it is not in the journal yet, calling ``tell`` after each commit; return the head."""
    with Journal.open(where, name, gather=gather, at=at) as journal:
        stand, count, instant = (journal.count, journal.last_instant), 0, 0
        for commit in script:
            count, instant = count + len(commit.records), instant + commit.later
            if (count, instant) <= stand:
                continue
            for record in commit.records:
                journal.append(record)
            journal.commit(instant, durable=commit.durable, now_ns=commit.now_ns)
            tell(journal)
        journal.flush()
        return journal.head


GATHERS = st.sampled_from([None, Gather(1), Gather(10, 3), Gather(100), Gather(3_000, 50), Gather(3_000)])
