"""A19 and L6: is the venue alive? A quiet market, a feed that stands still and a dead API told apart.

Sans-I/O. A sign of life is a frame, a pong or an answer; who notices their absence is the transport (live) or the tape's barrier
(in step). Whether a silent feed is a quiet market is asked by REST: a quote there that is newer than the last one that was
streamed, twice in a row, says that the feed is frozen. While the answer is "quiet" it is asked less and less often, twice a
day in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hedgekit.types import NS, Link, Quote

_SLOWER = 16
_LONGEST_NS = 12 * 3_600 * NS
_IN_FLIGHT_NS = NS
"""A quote may be on its way for so long."""


class Pulse:
    """Watches one venue.

    Parameters
    ----------
    venue : str
        Its name, for events.
    limit_s : float
        Seconds of silence that are too many (A19: 30 to 60); 0 to watch nothing.
    """

    def __init__(self, venue: str, limit_s: float) -> None:
        self._venue, self._limit_ns = venue, round(limit_s * NS)
        self.state = "up"
        self._silent: set[str] = set()
        self._streamed: dict[str, int] = {}
        self.heard_ns = 0
        self._wait_ns = self._limit_ns * 2 // 3
        self._asked_ns = 0
        self._suspect = False
        self._still = False
        self._missed = False

    def restore(self, link: Link) -> None:
        """Take up the state that the journal ends with."""
        self.state = link.state if link.state != "restarted" else self.state
        self._still = link.state == "frozen"

    def signs(self, silent: Iterable[str], back: Iterable[str], now_ns: int) -> list[Link]:
        """Take the transport's word on "md", "trade" and "rest"."""
        self._silent = (self._silent | set(silent)) - set(back)
        return self._say(now_ns)

    def reopened(self) -> None:
        """Note that the feed was opened again: what it said meanwhile was missed, and is no sign that it stands still."""
        self._missed = True

    def quote(self, quote: Quote) -> list[Link]:
        """Note a quote from the feed."""
        self._streamed[quote.instrument] = max(quote.venue_ns, self._streamed.get(quote.instrument, 0))
        self.heard_ns = self._asked_ns = quote.ts_ns
        self._wait_ns, self._suspect = self._limit_ns * 2 // 3, False
        self._still = self._missed = False
        return self._say(quote.ts_ns)

    def ask_ns(self, *, exposed: bool) -> int | None:
        """When to ask for the latest quotes; None if nothing depends on it."""
        if not (self._limit_ns and exposed and self.heard_ns and self.state == "up"):
            return None
        return self._asked_ns + min(self._wait_ns, _LONGEST_NS)

    def asked(self, now_ns: int) -> None:
        """Note that the question is on its way."""
        self._asked_ns = now_ns

    def latest(self, times: Mapping[str, int], now_ns: int) -> list[Link]:
        """Take the answer: the venue's time of each instrument's latest quote."""
        if self._missed:
            self._streamed, self._missed = dict(times), False
        newer = any(at_ns > self._streamed.get(key, 0) + _IN_FLIGHT_NS for key, at_ns in times.items())
        if not newer:
            self._wait_ns, self._suspect = self._wait_ns * _SLOWER, False
            return []
        if not self._suspect and now_ns - self.heard_ns < self._limit_ns:
            self._suspect, self._wait_ns = True, max(self._limit_ns // 3, 1)
            return []
        self._still = True
        return self._say(now_ns)

    def _say(self, now_ns: int) -> list[Link]:
        state = "down" if "rest" in self._silent else "frozen" if self._silent or self._still else "up"
        if state == self.state:
            return []
        self.state = state
        return [Link(ts_ns=now_ns, venue=self._venue, state=state, since_ns=self.heard_ns)]  # type: ignore[arg-type] # one of the four
