"""One account of a session: its client, its sockets and request budget, how its venue is heard, and a lock that ends with its process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import platformdirs

from hedgekit.errors import SessionError
from hedgekit.journal.lock import FileLock
from hedgekit.keys import secret
from hedgekit.net.bookings import Bookings
from hedgekit.net.life import refused
from hedgekit.net.outbox import Outbox
from hedgekit.net.sender import Sender
from hedgekit.net.transport import Count, Rest, require_paper
from hedgekit.paper.allowance import limiter_of
from hedgekit.paper.config import Access
from hedgekit.paper.feeds import Feeds
from hedgekit.paper.heart import Heart
from hedgekit.paper.hours import Tradable
from hedgekit.paper.pacer import Inbox
from hedgekit.paper.pulse import Pulse, Told
from hedgekit.types import NS, Kind, Switch, Word
from hedgekit.venues import client_of

if TYPE_CHECKING:
    from hedgekit.types import Instrument, Link, MarketStatus, Quote, Record, Reply, Request


_PAUSED_NS = 60 * NS
"""How often it is asked whether something that is paused can be traded again."""


class Account:
    """One account at one venue, as a session trades it.

    Parameters
    ----------
    venue : str
        Its name.
    access : Access
        Where it is.
    instruments : sequence of Instrument
        What the session trades there.
    breaker_s : float
        Seconds of silence that are too many (A19).
    live : bool
        Whether time is the machine's.

    Raises
    ------
    ConfigError
        If its keys are nowhere.
    LiveHostRefused
        If an address is neither loopback nor one of the venue's demo hosts.
    """

    def __init__(self, venue: str, access: Access, instruments: Sequence[Instrument], breaker_s: float, *, live: bool) -> None:
        kind = client_of(venue)
        orders, prices = kind.order_hosts, kind.data_hosts
        for url, allowed in ((access.rest, orders), (access.stream, orders), (access.data, prices), (access.quotes, prices)):
            if url:
                require_paper(url, allowed)  # each of them gets a secret
        self.keys = [secret(name) for name in kind.key_env]
        self.venue, self.client = venue, kind(self.keys, instruments, access.native)
        self.pulse = Pulse(venue, breaker_s, Tradable((instrument.key for instrument in instruments), access.calendar))
        self.heart = Heart(self.client, live=live)
        self.bookings = Bookings(self.client, traded=any(one.kind in (Kind.LINEAR_PERP, Kind.INVERSE_PERP) for one in instruments))
        self._access, self._breaker_s, self._live = access, breaker_s, live
        self._now_ns = 0
        self._status_ns: int | None = None
        self.feeds: Feeds

    @contextmanager
    def held(self, session: str) -> Iterator[None]:
        """Hold it on this machine, for this user: :func:`held`."""
        with held(self.venue, self._access.rest, self.client.account_id, session):
            yield

    async def begin(  # noqa: PLR0913 - the session's own
        self,
        session: str,
        records: Sequence[Record],
        now_ns: int,
        inbox: Inbox,
        label: Callable[[int], dict[str, str]],
        numbers: Count,
        open_: AsyncExitStack,
    ) -> None:
        """Make what it sends with; nothing is sent or opened yet."""
        self._now_ns, access = now_ns, self._access
        for record in records:
            self.bookings.restore(record)
        if self.client.statuses() is not None and (self._live or not records):  # a tape stood still while nobody was there
            self._status_ns = now_ns
        self._rest = Rest(access.rest, self._signed, inbox.on_reply, label, quotes_url=access.quotes, count=numbers)
        open_.push_async_callback(self._rest.close)
        self._limiter = limiter_of(self.client, session, access.requests_per_minute, records, now_ns, live=self._live)
        self._keys = count(1)
        self.feeds = Feeds(self.client, access, inbox.boxes[self.venue], live=self._live)
        open_.push_async_callback(self.feeds.close)

    def sender(self, outbox: Outbox, peers: list[Sender]) -> Sender:
        """Return the way of one pair's requests; ``peers`` are those of its other accounts."""
        return Sender(outbox, self._limiter, self._rest.send, self._rest.forget, self._keys, peers)

    def allowances(self) -> list[tuple[str, int, int, int]]:
        """Return each request budget: its name, what is left of it, of how much, and how many requests are in line."""
        return [(name, left, of, self._limiter.waiting) for name, (left, of) in self._limiter.left(self._now_ns).items()]

    def _signed(self, request: Request) -> Mapping[str, str]:
        return self.client.signed(request, self._now_ns)

    def restore(self, record: Link | MarketStatus | Quote | Switch) -> None:
        """Take up what a journal says of how the venue is heard, record by record."""
        self.heart.restore(record) if isinstance(record, Switch) else self.pulse.restore(record)

    # --------------------------------------------------------------- one instant

    def at(self, now_ns: int) -> None:
        """Begin an instant."""
        self._now_ns = now_ns

    def next_ns(self) -> int | None:
        """When a socket is to be opened again or something to be said on it, or to ask what was booked."""
        return min((at for at in (self.feeds.next_ns(), self.bookings.soon_ns()) if at is not None), default=None)

    def idle_ns(self, *, exposed: bool) -> int | None:
        """When to ask for no other reason than that time has passed: no reason for a tape to go on."""
        times = (self._asking_ns(exposed=exposed), self.bookings.period_ns(exposed=exposed), self._status_ns)
        return min((at for at in times if at is not None), default=None)

    def _asking_ns(self, *, exposed: bool) -> int | None:
        """When to ask whether a silent market is quiet, and, live, whether the venue is there."""
        live = self.feeds.ask_ns(self._breaker_s) if self._live else None
        return min((at for at in (self.pulse.ask_ns(exposed=exposed), live) if at is not None), default=None)

    def asked(self, *, exposed: bool) -> list[Request]:
        """Return the questions for which it is time."""
        booked = [*self.bookings.ask(self._now_ns, exposed=exposed), *self._standing()]
        due = self._asking_ns(exposed=exposed)
        if due is None or due > self._now_ns:
            return booked
        self.pulse.asked(self._now_ns)
        self.feeds.asked(self._now_ns)
        question = self.client.latest()
        return booked if question is None else [*booked, question]

    def reopened(self) -> Sequence[Told]:
        """Note that the market feed was opened again: what it said meanwhile was missed, and live is asked for."""
        if self._live and self.client.statuses() is not None:
            self._status_ns = self._now_ns
        return self.pulse.reopened(self._now_ns)

    def _standing(self) -> list[Request]:
        """Return the question whether what is traded can be traded, at the start, and again while something is paused."""
        if self._status_ns is None or self._status_ns > self._now_ns:
            return []
        self._status_ns, question = None, self.client.statuses()
        return [] if question is None else [question]

    def stated(self, asked: Request, reply: Reply) -> tuple[Sequence[Told], list[Request]]:
        """Take the answer; return what has changed by it, and the next question.

        Raises
        ------
        VenueError
            If the question is refused: nothing that we send should be.
        """
        word = self.client.word_of(asked, reply)
        if word in (Word.UNKNOWN, Word.BUSY):  # it is asked again
            return [], []
        if word is not Word.DONE:
            raise refused(self.client, "the question whether its markets are open", reply)
        found, more = self.client.statuses_of(asked, reply, self._now_ns)
        if any(status.status == "paused" for status in found):  # it is not told by every venue when that is over
            self._status_ns = self._now_ns + _PAUSED_NS
        return [told for status in found for told in self.pulse.heard(status)], [] if more is None else [more]

    def answered(self, asked: Request, reply: Reply) -> Sequence[Link | Switch]:
        """Take an answer for what it says of how the venue is heard, and hears us."""
        if reply.status:
            self.feeds.answered(self._now_ns)
        if asked.purpose == "beat":
            return self.heart.answered(asked, reply, self._now_ns)
        if asked.purpose != "quotes" or self.client.word_of(asked, reply) is not Word.DONE:
            return []
        return self.pulse.latest(self.client.latest_of(reply), self._now_ns)

    def signs(self) -> tuple[list[str], list[str]]:
        """Return what has become silent and what is heard again, at live speed."""
        return self.feeds.signs(self._now_ns, self._breaker_s)


@contextmanager
def held(venue: str, url: str, key: str, session: str) -> Iterator[None]:
    """Hold an account on this machine, for this user: its venue, the host of its orders and its key, of which a hash is kept.

    Raises
    ------
    SessionError
        If another process holds it, which is named, or the folder of locks cannot be made.
    JournalError
        If its lock cannot be made or written.
    """
    name = f"{venue}-{sha256(f'{urlsplit(url).netloc.lower()} {key}'.encode()).hexdigest()[:12]}"

    def refuse(_: str, holder: str) -> SessionError:
        return SessionError(
            f"{venue} account {name!r} is traded by {holder}: one session for an account, or each would take the other's orders for "
            "a stranger's; stop that one, or give several pairs to one session (`hedgekit paper run a.json b.json`)"
        )

    folder = platformdirs.user_state_path("hedgekit", appauthor=False)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        msg = f"{folder}: no lock of the {venue} account can be kept there ({error.strerror}); set XDG_STATE_HOME to a folder of yours"
        raise SessionError(msg) from None
    lock = FileLock(folder / f"{name}.lock", session, refuse)
    try:
        yield
    finally:
        lock.release()
