"""The dead man's switch of an account, held by the session's clock: once its beats stop, the venue cancels every order of the account (L6).

It beats while an order of ours may rest there and, live, for as long as the session runs, so that it is held before the first
order leaves; on a tape each beat is an instant, and without an order there is nothing to guard. A beat goes through the account's
limiter, behind closes and hedges and before all questions (L5); while one waits there is no other, while an answer is awaited there is.

Sans-I/O. That no beat is taken any more is told once, as is that one is again: as :class:`~hedgekit.types.Switch`, into the journals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hedgekit.errors import VenueError
from hedgekit.types import Switch, Word

if TYPE_CHECKING:
    from hedgekit.net.sender import Sender
    from hedgekit.types import Reply, Request, Venue


class Heart:
    """Holds one account's switch; does nothing where the venue has none.

    Parameters
    ----------
    venue : Venue
        The account's client.
    live : bool
        Whether time is the machine's.
    """

    def __init__(self, venue: Venue, *, live: bool) -> None:
        self._venue, self._live = venue, live
        self._state, self._last = "", ""
        self._due_ns = 0
        self._since_ns: int | None = None
        self._corrected = False

    def restore(self, record: Switch) -> None:
        """Take up what the journal says."""
        self._state = record.state

    def look(self, senders: Sequence[Sender], now_ns: int) -> list[Switch]:
        """Ask for a beat if it is time; return that the switch is lost, if it is now.

        Parameters
        ----------
        senders : sequence of Sender
            All that send to the account, one for each pair; the first one beats.
        now_ns : int
            The time.
        """
        if not self._needed(senders):
            self._since_ns = None
            return []
        self._since_ns = now_ns if self._since_ns is None else self._since_ns
        if self._due_ns <= now_ns and not senders[0].waits("beat") and (beat := self._venue.beat(self._last)) is not None:
            self._due_ns = now_ns + self._venue.beat_ns
            senders[0].ask([beat])
        return self._say("lost", now_ns) if self._lost_ns(self._since_ns) <= now_ns else []

    def answered(self, asked: Request, reply: Reply, now_ns: int) -> list[Switch]:
        """Take an answer to a beat; one that carried a wrong id is repeated at once with the id that the venue expects, once."""
        word = self._venue.word_of(asked, reply)
        try:
            self._last = self._venue.beat_of(reply) if word in (Word.DONE, Word.REFUSED) else self._last
        except VenueError:
            self._last = ""  # the venue then says which it expects
            return []
        if word is Word.REFUSED and not self._corrected:
            self._due_ns, self._corrected = now_ns, True
        if word is not Word.DONE:
            return []
        told = self._say("held", now_ns)
        self._since_ns, self._corrected = now_ns, False
        return told

    def next_ns(self, senders: Sequence[Sender]) -> int | None:
        """When to look again; None if nothing depends on it."""
        if not self._needed(senders):
            return None
        lost = [] if self._state == "lost" or self._since_ns is None else [self._lost_ns(self._since_ns)]
        return min([*lost, *([] if senders[0].waits("beat") else [self._due_ns])], default=None)

    def _needed(self, senders: Sequence[Sender]) -> bool:
        return bool(self._venue.beat_ns and senders) and (self._live or any(sender.outbox.open for sender in senders))

    def _lost_ns(self, since_ns: int) -> int:
        return since_ns + 2 * self._venue.beat_ns

    def _say(self, state: str, now_ns: int) -> list[Switch]:
        if state == self._state:
            return []
        self._state, since_ns = state, now_ns if self._since_ns is None else self._since_ns
        return [Switch(ts_ns=now_ns, venue=self._venue.name, state=state, since_ns=since_ns)]  # type: ignore[arg-type] # one of the two
