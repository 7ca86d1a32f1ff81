"""A19 and L6: is the venue alive? A quiet market, a shut one, a feed that stands still and a dead API told apart.

Sans-I/O. A sign of life is a frame, a pong or an answer; who notices their absence is the transport (live) or the tape's barrier
(in step). Whether a silent feed is a quiet market is asked by REST: a quote there that is newer than the last one that was
streamed, twice in a row, says that the feed is frozen. While the answer is "quiet" it is asked less and less often, twice a
day in the end. While the market is shut only a dead API is an outage; what is still silent at the opening is told then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hedgekit.paper.hours import Tradable
from hedgekit.types import NS, Link, MarketStatus, Quote

_SLOWER = 16
_LONGEST_NS = 12 * 3_600 * NS
_IN_FLIGHT_NS = NS
"""A quote may be on its way for so long."""

Told = Link | MarketStatus


class Pulse:
    """Watches one venue.

    Parameters
    ----------
    venue : str
        Its name, for events.
    limit_s : float
        Seconds of silence that are too many (A19: 30 to 60); 0 to watch nothing.
    tradable : Tradable
        What can be traded when.
    """

    def __init__(self, venue: str, limit_s: float, tradable: Tradable) -> None:
        self._venue, self._limit_ns, self._tradable = venue, round(limit_s * NS), tradable
        self.state = "up"
        self._silent: set[str] = set()
        self._streamed: dict[str, int] = {}
        self.heard_ns = 0
        self._wait_ns = self._limit_ns * 2 // 3
        self._asked_ns = 0
        self._suspect = False
        self._still = False
        self._missed = False
        self._shut = False
        self._opened_ns = 0

    @property
    def answers(self) -> bool:
        """Whether the venue would take an order now: it is heard, and something can be traded."""
        return self.state != "down" and not self._shut

    def restore(self, record: Link | MarketStatus | Quote) -> None:
        """Take up what the journal says, record by record."""
        if isinstance(record, Quote):
            self._quote(record)
        elif isinstance(record, MarketStatus):
            self._tradable.restore(record)
            self._opening(record.ts_ns)
        else:
            self.state = record.state if record.state != "restarted" else self.state
            self._still = record.state == "frozen"
            self._silent = {"rest"} if self.state == "down" else set()

    def signs(self, silent: Iterable[str], back: Iterable[str], now_ns: int) -> list[Told]:
        """Take the calendar's word on the market, and the transport's on "md", "trade" and "rest"."""
        changed = self._tradable.look(now_ns)
        self._opening(now_ns)
        self._silent = (self._silent | set(silent)) - set(back)
        return [*changed, *self._say(now_ns)]

    def reopened(self, now_ns: int) -> list[MarketStatus]:
        """Note that the feed was opened again: what it said meanwhile was missed, and is no sign that it stands still."""
        self._missed = True
        changed = self._tradable.reopened(now_ns)
        self._opening(now_ns)
        return changed

    def heard(self, event: Quote | MarketStatus) -> list[Told]:
        """Note what the feed says: a quote, or whether an instrument can be traded."""
        if isinstance(event, MarketStatus):
            changed = self._tradable.told(event)
            self._opening(event.ts_ns)
            return [*changed]
        self._quote(event)
        return [*self._say(event.ts_ns)]

    def ask_ns(self, *, exposed: bool) -> int | None:
        """When to ask for the latest quotes; None if nothing depends on it."""
        if not (self._limit_ns and exposed and self.heard_ns and self.state == "up") or self._shut:
            return None
        return self._asked_ns + min(self._wait_ns, _LONGEST_NS)

    def asked(self, now_ns: int) -> None:
        """Note that the question is on its way."""
        self._asked_ns = now_ns

    def latest(self, times: Mapping[str, int], now_ns: int) -> list[Link]:
        """Take the answer: the venue's time of each instrument's latest quote."""
        if self._missed:
            self._streamed, self._missed = dict(times), False
        if self._shut:
            return []
        newer = any(at_ns > self._streamed.get(key, 0) + _IN_FLIGHT_NS for key, at_ns in times.items())
        if not newer:
            self._wait_ns, self._suspect = self._wait_ns * _SLOWER, False
            return []
        if not self._suspect and now_ns - max(self.heard_ns, self._opened_ns) < self._limit_ns:
            self._suspect, self._wait_ns = True, max(self._limit_ns // 3, 1)
            return []
        self._still = True
        return self._say(now_ns)

    def change_ns(self, now_ns: int) -> int | None:
        """When the market opens or closes next; None for not as far as is known."""
        return self._tradable.next_ns(now_ns)

    def _quote(self, quote: Quote) -> None:
        self._streamed[quote.instrument] = max(quote.venue_ns, self._streamed.get(quote.instrument, 0))
        self.heard_ns = self._asked_ns = quote.ts_ns
        self._wait_ns, self._suspect = self._limit_ns * 2 // 3, False
        self._still = self._missed = False

    def _opening(self, now_ns: int) -> None:
        """See whether the market has shut or opened: from its opening on silence counts anew."""
        was, self._shut = self._shut, self._tradable.shut
        if was and not self._shut:
            self._opened_ns = self._asked_ns = now_ns
            self._wait_ns, self._suspect = self._limit_ns * 2 // 3, False

    def _say(self, now_ns: int) -> list[Link]:
        still = bool(self._silent or self._still) and not (self._shut and self.state != "frozen")
        state = "down" if "rest" in self._silent else "frozen" if still else "up"
        if state == self.state:
            return []
        self.state = state
        return [Link(ts_ns=now_ns, venue=self._venue, state=state, since_ns=self.heard_ns)]  # type: ignore[arg-type] # one of the four
