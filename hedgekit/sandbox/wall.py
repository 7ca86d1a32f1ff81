"""Live mode: time is the machine's, and waits for nobody.

It is read from the clock that never goes back, set once to the time of day.
What is due is done at once, in the call that asks for it, so that nothing lies
between a row and its frame, or between a request and its answer, but the
latencies that were asked for.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from hedgekit.clock import Scheduler
from hedgekit.types import NS

if TYPE_CHECKING:
    from collections.abc import Callable

    from hedgekit.sandbox.timeline import Ticket

TICK_S = 0.001
"""Timers are asked for in whole milliseconds, as uvloop has them: never early, at most so much late."""


class WallTimeline:
    """The timeline of live mode; made on a running event loop."""

    def __init__(self) -> None:
        self._zero = time.time_ns() - time.monotonic_ns()
        self._loop = asyncio.get_running_loop()
        self._scheduler = Scheduler(self.now_ns)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns: int | None = None
        self._busy = False

    @property
    def now_ns(self) -> int:
        """The machine's time, nanoseconds UTC."""
        return self._zero + time.monotonic_ns()

    def call_at(self, at_ns: int, callback: Callable[[], object], *, rank: int = 0) -> None:
        """Call at a time; before this returns, if it is past and nothing else is being called."""
        self._scheduler.call_at(at_ns, callback, rank=rank)
        if not self._busy:
            self._work()

    def ticket(self, _: str | None) -> Ticket | None:
        """Ask for no label: a request leaves when it comes."""

    def send(self, _: Ticket | None, leave: Callable[[], None]) -> None:
        """Let a request leave at once."""
        leave()

    def answered(self, _: Ticket | None) -> None:
        """Do nothing: nobody counts."""

    def _work(self) -> None:
        """Do what is due, and come back for what is not."""
        self._busy = True
        try:
            while (due := self._scheduler.next_ns()) is not None and due <= self.now_ns:
                self._scheduler.advance(due)
        finally:
            self._busy = False
            self._sleep()

    def _sleep(self) -> None:
        due = self._scheduler.next_ns()
        if due == self._timer_ns:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ns = due
        self._timer = None if due is None else self._loop.call_later(self._left_s(due), self._wake)

    def _left_s(self, due_ns: int) -> float:
        return math.ceil(max((due_ns - self.now_ns) / NS, 0.0) / TICK_S) * TICK_S

    def _wake(self) -> None:
        self._timer = self._timer_ns = None
        self._work()
