"""What a session in step is told of a venue that gives no sign of life.

A venue that is frozen still answers pings, and a quiet market is not a dead one:
only an outage is silence. Everything that was connected when it began is silent
together, so it is told together: once when the session's limit is crossed, and
once when the venue is back. A socket that was closed earlier, and that the client
has not opened again, is not the venue's silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgekit.types import NS

if TYPE_CHECKING:
    from collections.abc import Callable

    from hedgekit.exchange.faults import Outage


class Silence:
    """Turns outages into what is told.

    Parameters
    ----------
    outage : callable
        Returns the last outage, also when it is over; None if there was none.
    connected : callable
        Returns the names of what was connected when it began.
    """

    def __init__(self, outage: Callable[[], Outage | None], connected: Callable[[], list[str]]) -> None:
        self._outage, self._connected = outage, connected
        self._told: list[str] = []

    def due_ns(self, limit_s: float | None, now_ns: int) -> int | None:
        """Return when there is something to tell; None for never, as far as is known."""
        outage = self._outage()
        if outage is None:
            return None
        if self._told:
            return outage.until_ns
        if limit_s is None or now_ns >= outage.until_ns:
            return None
        crossed = outage.since_ns + round(limit_s * NS)
        return crossed if crossed < outage.until_ns else None

    def tell(self, limit_s: float | None, now_ns: int) -> tuple[list[str], list[str]]:
        """Return (what is silent, what is back), each told once."""
        due = self.due_ns(limit_s, now_ns)
        if due is None or due > now_ns:
            return [], []
        before, self._told = self._told, [] if self._told else self._connected()
        return self._told, before
