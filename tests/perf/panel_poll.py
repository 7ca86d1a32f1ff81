"""What a look at the journal costs a panel, by the journal's length: it must be flat.

    python -m tests.perf.panel_poll [--largest 1000000]

A measurement, not a test: pytest does not collect it. Nine rows of ten are quotes. Between two polls the session's writer
commits 20 events; the poll reads them, brings its figures up to date and hands out the news, as the paper desk does.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from hedgekit.journal import Follower, Journal
from hedgekit.types import NS, Action, Decision, Phase, Quote, Reason, Timer
from tests.journal.made import KO, PEP, SESSION, Maker

SIZES = (1_000, 10_000, 100_000, 1_000_000)
NEW = 20
POLLS = 200


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


def measure(journal: Journal, file: Path) -> tuple[float, float, float, float]:
    """Return the median and 95th percentile of a poll (ms), and the whole and the longest part of a first attach (s, ms)."""
    follower = Follower(file, SESSION)
    whole, longest = caught_up(follower)
    spent = []
    for _ in range(POLLS):
        grow(journal, NEW)
        before = time.perf_counter()
        news = follower.poll()
        spent.append(1e3 * (time.perf_counter() - before))
        assert news.records == NEW, news.records
    follower.close()
    return median(spent), quantiles(spent, n=20)[-1], whole, 1e3 * longest


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    largest = parser.parse_args().largest
    print(f"{'events':>10} {'poll, median':>13} {'p95':>9} {'to smallest':>12} {'attach':>9} {'longest part':>13} {'peak memory':>12}")
    with TemporaryDirectory() as folder:
        file = Path(folder, "journal.db")
        first = 0.0
        with Journal.open(file, SESSION) as journal:
            journal.append(Maker().start())
            journal.commit(0)
            for size in (size for size in SIZES if size <= largest):
                grow(journal, size - journal.count)
                middle, high, whole, longest = measure(journal, file)
                first = first or middle
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)
                print(
                    f"{size:>10,} {middle:>10.2f} ms {high:>6.2f} ms {middle / first:>11.2f}x {whole:>7.2f} s"
                    f" {longest:>10.0f} ms {peak:>9.0f} MB"
                )


if __name__ == "__main__":
    main()
