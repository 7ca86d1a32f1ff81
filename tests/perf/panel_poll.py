"""What a look at the journal costs a panel, by the journal's length: it must be flat.

    python -m tests.perf.panel_poll [--size smoke | quick | full] [--json FILE]

Nine rows of ten are quotes. Between two polls the session's writer
commits 20 events; the poll reads them, brings its figures up to date and hands out the news, as the paper desk does.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from hedgekit.journal import Follower, Journal
from hedgekit.types import NS, Action, Decision, Phase, Quote, Reason, Timer
from tests.journal.made import KO, PEP, SESSION, Maker
from tests.perf.rows import Found, Row, Size, fitted, refuse, run

NEW = 20


def records(n: int) -> list[Quote | Timer | Decision]:
    """Return the ten records of one bar: eight quotes, a timer and its decision."""
    at = (60 * n + 1) * NS  # a bar a minute, as the session's numbers say
    quotes = [
        Quote(ts_ns=at, instrument=(KO, PEP)[k % 2], venue_ns=at, bid=100.0 + k, ask=100.02 + k, bid_size=10.0, ask_size=20.0)
        for k in range(8)
    ]
    decision = Decision(
        ts_ns=at,
        action=Action.HOLD,
        reason=Reason.NO_SIGNAL,
        phase=Phase.FLAT,
        trade=0,
        z=float(n % 5),
        ratio=0.8,
        delta=None,
        cost=0.0,
        benefit=0.0,
        mids=(100.0, 101.0),
        positions=(0.0, 0.0),
        targets=(0.0, 0.0),
    )
    return [*quotes, Timer(ts_ns=at), decision]


def grow(journal: Journal, events: int) -> None:
    """Append about so many events."""
    begin = journal.count // 10 + 1
    for n in range(begin, begin + events // 10):
        for record in records(n):
            journal.append(record)
        if n % 500 == 0:
            journal.commit(n)
    journal.commit(begin + events // 10)


def caught_up(follower: Follower) -> tuple[float, float]:
    """Read everything; return the seconds of all polls and of the longest."""
    spent = []
    while not spent or follower.standing.behind:
        before = time.perf_counter()
        follower.poll()
        spent.append(time.perf_counter() - before)
    return sum(spent), max(spent)


def looks(journal: Journal, file: Path, polls: int) -> tuple[float, float, float, float]:
    """Return the median and 95th percentile of a poll (ms), and the whole and the longest part of a first attach (s, ms)."""
    follower = Follower(file, SESSION)
    whole, longest = caught_up(follower)
    spent = []
    for _ in range(polls):
        grow(journal, NEW)
        before = time.perf_counter()
        news = follower.poll()
        spent.append(1e3 * (time.perf_counter() - before))
        if news.records != NEW:
            refuse(f"a poll brought {news.records} records, {NEW} are new")
    follower.close()
    return median(spent), quantiles(spent, n=20)[-1], whole, 1e3 * longest


def measure(size: Size) -> Found:
    """Measure at sizes that grow tenfold."""
    sizes = size.pick([500], [1_000, 10_000, 100_000], [1_000, 10_000, 100_000, 1_000_000])
    rows, polls, attaches, part = [], list[float](), list[float](), "journal, reads"
    with TemporaryDirectory() as folder:
        file = Path(folder, "journal.db")
        with Journal.open(file, SESSION) as journal:
            journal.append(Maker().start())
            journal.commit(0)
            for events in sizes:
                grow(journal, events - journal.count)
                middle, high, whole, longest = looks(journal, file, size.pick(5, 100, 200))
                note = f"p95 {high:.2f} ms; first attach {whole:.2f} s, its longest part {longest:.0f} ms"
                rows.append(Row(part, f"a panel's look, {NEW} of {events:,} events new", "ms", middle, note=note))
                polls.append(middle)
                attaches.append(whole)
    if len(sizes) == 1:
        return Found(rows)
    name = f"a panel's look, {sizes[-1]:,} events beside {sizes[0]:,}"
    rows.append(Row(part, name, "ms", polls[-1], "at the smallest", polls[0], target=1.5))
    return Found(
        rows,
        [
            fitted("a panel's look", "events", "ms", sizes, polls, since=sizes[0], allowed=0.1),
            fitted("a panel's first attach", "events", "s", sizes, attaches, since=sizes[-3]),
        ],
    )


if __name__ == "__main__":
    run(measure, __doc__)
