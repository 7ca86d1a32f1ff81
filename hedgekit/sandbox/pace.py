"""How fast a tape plays: rows of it in a real second.

In step the barrier still decides what comes next and at which virtual time; the
pace only says how long to wait for it. Live it plays the tape. Between two rows wall time runs in proportion
to virtual time, so a weekend is as long as a night, and whatever is due right
after a row is due at once. While nobody is attached the market stands, and
after a delay it goes on from where it is: no burst.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from typing import TYPE_CHECKING

from hedgekit.errors import ConfigError
from hedgekit.types import NS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SLOWEST, FASTEST = 0.01, 1000.0
"""Rows a second."""

LAG_S = 1.0
"""A delay up to this is caught up, so that the average holds; after a longer one the pace starts anew."""


class Pace:
    """When a virtual time may come.

    Parameters
    ----------
    times : sequence of int
        The tape's rows, virtual nanoseconds, increasing.
    speed : float
        Rows in a real second.
    clock : callable
        Real seconds, never going back.

    Raises
    ------
    ConfigError
        If the speed is out of range.
    """

    _range = SLOWEST, FASTEST, "rows a second"

    def __init__(self, times: Sequence[int], speed: float, clock: Callable[[], float] = time.monotonic) -> None:
        low, high, unit = self._range
        if not low <= speed <= high:
            msg = f"speed={speed:g}: must be {low:g} to {high:g} {unit}"
            raise ConfigError(msg)
        self._times, self._speed, self._clock = times, speed, clock
        self._from = 0.0, clock()

    def start(self, now_ns: int) -> None:
        """Let the present real time be this virtual time."""
        self._from = self._row(now_ns), self._clock()

    def wait_s(self, at_ns: int) -> float:
        """Return how many real seconds are left until a virtual time may come; never negative."""
        return max(self._late(at_ns), 0.0)

    def came(self, at_ns: int) -> None:
        """Note that a virtual time has come; if it came late, go on from here."""
        if self._late(at_ns) < -LAG_S:
            self.start(at_ns)

    def reached(self) -> int:
        """Return the virtual time that belongs to the present real time, within the tape."""
        row, since = self._from
        row += (self._clock() - since) * self._speed
        before = int(row)
        if before >= len(self._times) - 1:
            return self._times[-1]
        return self._times[before] + int((row - before) * (self._times[before + 1] - self._times[before]))

    def _late(self, at_ns: int) -> float:
        row, since = self._from
        return since + (self._row(at_ns) - row) / self._speed - self._clock()

    def _row(self, at_ns: int) -> float:
        """Return where in the tape a virtual time is, in rows; what is before or after the tape is at its edge."""
        after = bisect_right(self._times, at_ns)
        if after == 0:
            return 0.0
        if after == len(self._times):
            return after - 1.0
        early, late = self._times[after - 1], self._times[after]
        return after - 1.0 + (at_ns - early) / (late - early)


class OwnPace(Pace):
    """A pace in the tape's own time: ``speed`` seconds of it in a real second."""

    _range = 0.01, 1e6, "times the tape's own time"

    def _row(self, at_ns: int) -> float:
        """Return where in the tape a virtual time is, in seconds since its beginning."""
        return (min(max(at_ns, self._times[0]), self._times[-1]) - self._times[0]) / NS

    def reached(self) -> int:
        """Return the virtual time that belongs to the present real time, within the tape."""
        second, since = self._from
        second += (self._clock() - since) * self._speed
        return min(self._times[0] + int(second * NS), self._times[-1])
