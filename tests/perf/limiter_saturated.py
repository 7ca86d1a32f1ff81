"""What the limiter costs, and how long a hedge waits behind a full line.

    python -m tests.perf.limiter_saturated [--size smoke | quick | full] [--json FILE]

The wait is in the venue's time, beside a plain first-in-first-out
throttle of the same rate; a peer's took 3.2 s (hummingbot's, 10 requests a second, 30 quotes in line).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from hedgekit.net.budget import Budget
from hedgekit.net.limiter import Limiter
from hedgekit.types import NS, Priority
from tests.perf.rows import Row, Size, run

KINDS = ("submit", "cancel", "account")
ONE = dict.fromkeys(KINDS, 1)
RESERVE = {Priority.HEDGE: 2}
BUDGETS = {
    "a bucket, 10/s": [Budget("all", 10, ONE, refill_per_s=10, reserve=RESERVE)],
    "a window, 200/min": [Budget("all", 200, ONE, window_s=60, reserve=RESERVE)],
    "six budgets": [Budget(f"window {n}", 50 * n, ONE, window_s=n) for n in (1, 10, 600)]
    + [Budget(f"bucket {n}", 50, {kind: 1}, refill_per_s=40, reserve=RESERVE) for n, kind in enumerate(KINDS)],
}
RTT_NS = NS // 20
ROUNDS = 2_000


def limiter(budgets: list[Budget], line: int) -> Limiter:
    """Return a limiter with nothing left and so many in line."""
    made = Limiter(budgets, np.random.Generator(np.random.PCG64(1)))
    for key in range(1_000):
        made.ask(key, KINDS[key % 3], Priority.QUERY)
    gone = made.release(0)
    for key in gone:
        made.answered(key, 0, 200)
    for key in set(range(1_000)) - set(gone):
        made.drop(key)
    for key in range(line):
        made.ask(1_000 + key, KINDS[key % 3], Priority.PRIMARY if key % 2 else Priority.QUERY)
    return made


def cost_us(call: Callable[[], object]) -> float:
    """Return the median time of a call in microseconds."""
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - begin)
    return median(times) / 1_000


def cycle(made: Limiter) -> None:
    """Ask, find that it must wait, give up: what every request in a full line costs."""
    made.ask(-1, "submit", Priority.PRIMARY)
    made.release(0)
    made.next_ns(0)
    made.drop(-1)


def hedge_waits(reserve: dict[Priority, int]) -> float:
    """Return the seconds that a hedge waits behind thirty quotes at 10 requests a second."""
    made = limiter([Budget("all", 10, ONE, refill_per_s=10, reserve=reserve)], 30)
    made.ask(-1, "submit", Priority.HEDGE)
    now: int | None = 0
    flying: list[tuple[int, int]] = []
    while now is not None:
        gone = made.release(now)
        if -1 in gone:
            return now / NS
        flying += [(now + RTT_NS, key) for key in gone]
        for at, key in [one for one in flying if one[0] <= now]:
            made.answered(key, now, 200)
            flying.remove((at, key))
        now = min((at for at in (made.next_ns(now), *(at for at, _ in flying)) if at is not None), default=None)
    return float("nan")


def first_in_first_out(line: int = 30, rate: int = 10) -> float:
    """Return the seconds that a request waits at the end of a line that leaves in order, one every ``1 / rate``, none saved up."""
    return (line + 1) / rate


def measure(_: Size) -> list[Row]:
    """Measure the wait and the cost of a call."""
    part, fifo = "limiter, saturated", "first in, first out"
    waits = [(hedge_waits(RESERVE), "with a reserve"), (hedge_waits({}), "without")]
    rows = [
        Row(part, f"a hedge behind 30 requests at 10/s, {said}", "s", wait, fifo, first_in_first_out(), target=0.1, of_ratio=False)
        for wait, said in waits
    ]
    for name, budgets in BUDGETS.items():
        made = limiter(budgets, 300)
        rows.append(Row(part, f"ask, release, next, drop; 300 in line; {name}", "us", cost_us(lambda m=made: cycle(m))))  # type: ignore[misc]
    return rows


if __name__ == "__main__":
    run(measure, __doc__)
