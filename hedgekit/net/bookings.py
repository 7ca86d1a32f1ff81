"""What a venue books without an order of ours (funding, a settlement), learned by REST, each once (L3).

Sans-I/O. Venues tell it in a log or a list, not on the account's socket, or on a socket that may have been down. So the log is
asked for at the start, after a lost socket, a moment after each execution (Deribit books a perpetual's funding with the
trade that changes the position), once each execution is final (Polymarket may take one back) and every hour while anything is
held. Each time from where it was known whole to now, page by page; all
that it tells is handed over at once, so that a process that is killed between two pages has taken none of it and asks again.
What is there twice, because the spans overlap, is told twice: who books it knows by its id what is booked.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from hedgekit.net.life import refused
from hedgekit.types import NS, Booked, Fill, Reply, Request, Settled, TakenBack, Venue, Word

PERIOD_NS = 3600 * NS
"""How often it is asked while anything is held."""

_AFTER_NS, _SKEW_NS = NS, 60 * NS
_QUANTUM = Decimal("0.00000001")


class Bookings:
    """What was booked for one account.

    Parameters
    ----------
    venue : Venue
        Encodes the question and reads the answers.
    traded : bool
        Whether an execution may come with something that is booked: whether perpetuals are traded.
    """

    def __init__(self, venue: Venue, *, traded: bool = True) -> None:
        self._venue, self._traded = venue, traded
        self._begun_ns: int | None = None
        self._known_ns: int | None = None
        self._until_ns = 0
        self._waits: Request | None = None
        self._found: list[Booked] = []
        self._soon_ns: int | None = None
        self._asked_ns = 0
        self._asks = venue.booked(0, 0, "") is not None
        self._final_ns = 0

    @property
    def open(self) -> bool:
        """Whether something may be booked that is not told yet."""
        return self._waits is not None or self._soon_ns is not None

    def begin(self, begun_ns: int, known_ns: int | None, now_ns: int) -> None:
        """Ask at once, from where a pair's journal knows all: its last payment, else its start; of several pairs, the earliest of these."""
        self._begun_ns = begun_ns if self._begun_ns is None else min(self._begun_ns, begun_ns)
        at_ns = begun_ns if known_ns is None else known_ns
        self._known_ns = at_ns if self._known_ns is None else min(self._known_ns, at_ns)
        self.wanted(now_ns)

    def wanted(self, at_ns: int) -> None:
        """Ask at a time, or sooner if it was wanted sooner."""
        if self._asks:
            self._soon_ns = at_ns if self._soon_ns is None else min(self._soon_ns, at_ns)

    def note(self, event: object) -> None:
        """Follow an event: an execution may have come with funding, or be taken back."""
        if not isinstance(event, Fill) or event.cause != "trade" or not event.instrument.startswith(f"{self._venue.name}:"):
            return
        if self._traded:
            self.wanted(event.ts_ns + _AFTER_NS)
        if self._venue.provisional_ns:
            self._final_ns = event.ts_ns + self._venue.provisional_ns
            self.wanted(self._final_ns)

    def restore(self, event: object) -> None:
        """Follow an event of a journal; asked is at the start anyway."""
        self.note(event)
        self._soon_ns = None

    def due(self, now_ns: int) -> bool:
        """Whether it is asked now, or has not been answered."""
        return self._waits is not None or (self._soon_ns is not None and self._soon_ns <= now_ns)

    def soon_ns(self) -> int | None:
        """Return when to ask; None if there is no reason to, or while an answer is awaited."""
        return self._soon_ns if self._waits is None else None

    def period_ns(self, *, exposed: bool) -> int | None:
        """Return when to ask for no other reason than that something is held."""
        return self._asked_ns + PERIOD_NS if self._asks and exposed and not self.open else None

    def ask(self, now_ns: int, *, exposed: bool) -> list[Request]:
        """Return the question, if it is time."""
        due = [at for at in (self.soon_ns(), self.period_ns(exposed=exposed)) if at is not None and at <= now_ns]
        if not due:
            return []
        self._soon_ns, self._asked_ns, self._until_ns, self._found = None, now_ns, now_ns, []
        if self._final_ns > now_ns:
            self.wanted(self._final_ns)
        return self._page("")

    def _page(self, page: str) -> list[Request]:
        """Ask for a page of the span; it begins a minute before what is known, since clocks differ, but not before the session."""
        begun_ns, known_ns = (self._until_ns if at is None else at for at in (self._begun_ns, self._known_ns))
        self._waits = self._venue.booked(max(begun_ns, known_ns - _SKEW_NS), self._until_ns + _SKEW_NS, page)
        return [] if self._waits is None else [self._waits]

    def reply(self, request: Request, reply: Reply, now_ns: int) -> tuple[list[Booked], list[Request]]:
        """Take an answer; return what was booked, once the last page is there, and the question for the next page.

        Raises
        ------
        VenueError
            If the question is refused: nothing that we send should be.
        """
        word = self._venue.word_of(request, reply)
        if word in (Word.UNKNOWN, Word.BUSY):  # it is asked again
            return [], []
        if word is not Word.DONE:
            raise refused(self._venue, "the question for what it has booked", reply)
        booked, more = self._venue.booked_of(request, reply, now_ns)
        self._found += booked
        if more:
            return [], self._page(more)
        self._waits, self._known_ns = None, self._until_ns
        found, self._found = sorted(self._found, key=lambda one: (one.venue_ns, one.instrument)), []
        return [_told(one, now_ns) for one in found], []


def _told(one: Booked, now_ns: int) -> Booked:
    """Return what was booked as told now: its page may have come earlier, and a journal's time does not go back."""
    if isinstance(one, TakenBack):
        return TakenBack(*(msgspec.structs.replace(fill, ts_ns=now_ns) for fill in one))
    return one._replace(ts_ns=now_ns) if isinstance(one, Settled) else msgspec.structs.replace(one, ts_ns=now_ns)


def shares(amount: Decimal, held: Iterable[float]) -> list[Decimal]:
    """Share a payment among the pairs that hold the instrument, by what each holds; exactly: the last one gets what is left.

    Parameters
    ----------
    amount : Decimal
        What the account got.
    held : iterable of float
        What each pair holds, signed. Where it adds up to nothing, the first gets all.
    """
    each = [Decimal(repr(qty)) for qty in held]
    whole = sum(each, Decimal(0))
    if not whole:
        return [amount, *(Decimal(0) for _ in each[1:])]
    parts = [(amount * qty / whole).quantize(_QUANTUM, ROUND_HALF_EVEN) for qty in each[:-1]]
    return [*parts, amount - sum(parts, Decimal(0))]
