"""One scheduler for every timer, latency and back-off.

Nothing in hedgekit sleeps on its own: it asks the scheduler to be called at a
time. On a tape the scheduler's clock is virtual and :meth:`Scheduler.advance`
moves it, so that a rule in seconds means the same on daily bars and on ticks.
Callbacks of the same instant run in order of rank, then of asking.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush


@dataclass(order=True, slots=True)
class Handle:
    """A callback waiting for its time; ``cancel()`` makes it void."""

    at_ns: int
    rank: int
    seq: int
    callback: Callable[[], object] | None = field(compare=False)

    def cancel(self) -> None:
        """Never call it (safe to repeat, also after the call)."""
        self.callback = None


class Scheduler:
    """Callbacks in time order on a virtual clock.

    Parameters
    ----------
    now_ns : int
        Where the clock starts, in nanoseconds UTC.
    """

    def __init__(self, now_ns: int = 0) -> None:
        self.now_ns = now_ns
        self._heap: list[Handle] = []
        self._seq = 0

    def call_at(self, at_ns: int, callback: Callable[[], object], *, rank: int = 0) -> Handle:
        """Call at ``at_ns``, or at once in the next :meth:`advance` if that is past."""
        self._seq += 1
        handle = Handle(max(at_ns, self.now_ns), rank, self._seq, callback)
        heappush(self._heap, handle)
        return handle

    def next_ns(self) -> int | None:
        """When the next callback is due; None if nothing waits."""
        while self._heap and self._heap[0].callback is None:
            heappop(self._heap)
        return self._heap[0].at_ns if self._heap else None

    def next_below(self, rank: int) -> int | None:
        """When the next callback of a lower rank is due; None if none of those waits."""
        return min((handle.at_ns for handle in self._heap if handle.callback is not None and handle.rank < rank), default=None)

    def advance(self, to_ns: int) -> None:
        """Move the clock to ``to_ns`` and make every call due by then, each at its own time.

        A callback may ask for further calls; those due by ``to_ns`` are made too.
        """
        while (due := self.next_ns()) is not None and due <= to_ns:
            handle = heappop(self._heap)
            self.now_ns = max(self.now_ns, handle.at_ns)
            if handle.callback is not None:
                handle.callback()
        self.now_ns = max(self.now_ns, to_ns)
