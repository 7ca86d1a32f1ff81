"""What the outbox knows of an order that is not over and of failed tries, and what an answer means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from hedgekit.errors import VenueError
from hedgekit.types import NS, Fill, Input, Order, Reject, Reply, Request, Venue

_LONGEST_NS = 300 * NS
_BACKOFF_NS, _BACKOFF_MAX_NS = NS // 2, 30 * NS
SILENCE_NS = 10 * NS
"""An order of which nothing was heard for so long, in a market that moves, is asked after."""


@dataclass(slots=True)
class Outcome:
    """What an answer means: events, requests to send, and the same request again after so many ns."""

    events: list[Input] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    again_ns: int | None = None


@dataclass(slots=True)
class Life:
    """An order that is not over.

    ``leader`` is the primary whose entry this one hedges. ``doubts`` counts its posts of which the venue has not said that it did not
    take them; ``taken`` says that the venue has refused its id as used, ``barred`` that it has refused the order that was to take
    it; ``denied`` counts the look-ups that did not find what is there. ``refusal`` answered one post while another was in doubt.
    """

    order: Order
    left: Decimal
    leader: str = ""
    venue_id: str = ""
    unwanted: bool = False
    doubts: int = 0
    posted_ns: int = 0
    taken: bool = False
    barred: bool = False
    denied: int = 0
    refusal: Reject | None = None
    heard_ns: int = 0
    patience_ns: int = SILENCE_NS

    @property
    def posted(self) -> bool:
        """Whether the venue may have it."""
        return bool(self.doubts or self.venue_id)

    def told(self, events: Iterable[Input] = ()) -> Decimal:
        """Return how much of it was executed as far as we know, events that are about to be told included; unsigned."""
        mine = (event for event in events if isinstance(event, Fill) and event.order_id == self.order.order_id)
        new = (abs(event.qty) for event in mine if event.cause == "trade")
        return abs(self.order.qty) - abs(self.left) + sum(new, Decimal(0))

    def look_ns(self, quoted_ns: int) -> int | None:
        """Return when to ask after it; None while its silence means nothing: it is not known there, or its market is silent too."""
        silent = self.venue_id and (self.unwanted or quoted_ns > self.heard_ns)
        return self.heard_ns + self.patience_ns if silent else None

    def looked(self, now_ns: int) -> None:
        """Note that it is asked after now, if it was due; next time after twice as long."""
        if self.heard_ns + self.patience_ns <= now_ns:
            self.heard_ns, self.patience_ns = now_ns, min(2 * self.patience_ns, _LONGEST_NS)

    @property
    def known(self) -> bool:
        """Whether the venue has said that it has it."""
        return bool(self.taken or self.venue_id)


class Backoff:
    """When to ask again what was not answered: after 0.5 s, 1 s, 2 s ... at most 30 s (A17)."""

    def __init__(self) -> None:
        self._tries: dict[tuple[str, str | None], int] = {}

    def next_ns(self, request: Request) -> int:
        """Return for how long a request waits that failed once more."""
        key = (request.purpose, request.order_id)
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        return min(_BACKOFF_NS << min(tries - 1, 16), _BACKOFF_MAX_NS)

    def over(self) -> None:
        """Begin anew after an answer: the venue is there."""
        self._tries.clear()


def refused(venue: Venue, what: str, reply: Reply) -> VenueError:
    """Return the error of a venue that has refused what no venue should: a question, or a cancel of a living order."""
    code, message = venue.error_of(reply)
    return VenueError(f"the venue refused {what} ({code}): {message}", status=reply.status, code=code)
