"""What a venue's client is: one class for each venue, and all that outbox and session know of it.

A client encodes, signs and reads. It has no sockets and no clock, and holds its keys where no repr shows them; time is passed in.
Only a feed has state, and only as long as its socket lives.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from hedgekit.types.events import Ack, Cancelled, Fill, Funding, Gap, MarketStatus, Payment, Quote, Reject, TickChanged
from hedgekit.types.nouns import Instrument, Order, Reply, Request

T = TypeVar("T")


class Settled(NamedTuple):
    """How a contract ends, by the venue's word: what a unit of it pays, None if that was not said.

    ``final``: the money is booked and the position gone; before, it is only determined, and can still be disputed and amended.
    """

    ts_ns: int
    instrument: str
    venue_ns: int
    payout: Decimal | None
    final: bool


MarketEvent = Quote | MarketStatus | TickChanged | Funding | Settled | Gap
"""What a market feed tells. A Gap: its sequence is broken, so its books are not to be trusted until it was opened anew."""


class TakenBack(NamedTuple):
    """An execution that came to nothing after all, and the reversal that says so: both by order, for who has missed either."""

    executed: Fill
    undone: Fill

    @property
    def instrument(self) -> str:
        """What was traded."""
        return self.undone.instrument

    @property
    def venue_ns(self) -> int:
        """When it was executed."""
        return self.undone.venue_ns


Booked = Payment | Settled | TakenBack
"""What a venue books without an order of ours, or takes back of one."""

Login = Generator[tuple[bytes | None, bool], bytes | str, None]
"""Yields (message to send or None, whether to wait for a frame), is sent the frame, and ends when the feed flows.

It raises a VenueError if the venue refuses, and keeps what else it was sent for the first :meth:`Feed.take`.
"""


class Word(StrEnum):
    """What an answer says, by whatever status or code a venue says it."""

    DONE = "done"
    """An order was taken, a cancel was taken, a question is answered."""

    DUPLICATE = "duplicate"
    """An order was refused because the venue has, or had, one under its id."""

    ENDED = "ended"
    """A cancel came too late: the order is over, or the venue knows of none."""

    MISSING = "missing"
    """A look-up found nothing, which is no proof that there will be nothing (L2)."""

    REFUSED = "refused"
    BUSY = "busy"
    """Over the rate limit; nothing was done."""

    UNKNOWN = "unknown"
    """No answer, or one that does not tell whether anything was done."""


class State(NamedTuple):
    """An order by the venue's word: its id there, whether nothing more of it will execute, and what was executed, unsigned."""

    venue_id: str
    over: bool
    filled: Decimal


class Execution(NamedTuple):
    """One execution by the venue's word, with the venue's id of its order; quantity signed, fee in what the instrument settles in.

    ``fee_coin`` is as in :class:`Fill`.
    """

    venue_order_id: str
    fill_id: str
    instrument: str
    venue_ns: int
    qty: Decimal
    price: Decimal
    fee: Decimal
    fee_coin: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What names the execution: :attr:`Fill.key`."""
        return self.instrument, self.fill_id

    def fill(self, order_id: str, ts_ns: int) -> Fill:
        """Return it as an event of an order of ours."""
        return Fill(ts_ns=ts_ns, order_id=order_id, **{name: getattr(self, name) for name in self._fields[1:]})


class Update(NamedTuple):
    """What an account's feed tells of an order, and how much of that was executed by then in all; unsigned, None if it does not say.

    An execution that has failed after all is a Fill with the cause "reversal", an id of its own, and the opposite quantity and fee.
    """

    event: Ack | Fill | Cancelled | Reject
    filled: Decimal | None = None


class Feed(Protocol[T]):
    """One socket, from its opening to its end."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What the handshake is signed with."""

    def login(self) -> Login:
        """Log in and subscribe."""

    def take(self, frame: bytes | str, ts_ns: int) -> list[T]:
        """Return what a frame tells, in its order; VenueError if it cannot be read: nothing is dropped."""

    def to_say(self) -> list[bytes]:
        """Return, once, what must be said in answer to the frames taken so far."""

    @property
    def beat(self) -> bytes | None:
        """What must be said every few seconds so that the venue keeps the socket open; None where it asks by itself."""


class Venue(Protocol):
    """A client of one venue for one account.

    Attributes
    ----------
    name : str
        First part of its instruments' keys.
    key_env, data_key_env : tuple of str
        Environment variables that hold the account's keys, and those of a key that can only read, where live prices want one.
    order_hosts, data_hosts : frozenset of str
        Hosts that may get orders, and be asked for prices, besides loopback (L8).
    live_hosts : frozenset of str
        Hosts of live prices that want a key: they get one that was seen to be unable to trade (:meth:`scopes`, :meth:`read_only`).
    reposts : bool
        Whether an order of which nothing is known may be posted again, because the venue refuses the second one (L2).
    late_ns : int
        No request is acted on by the venue later than this after it has left (L2).
    beat_ns : int
        The dead man's switch: once a beat was posted, the venue cancels all orders when none comes for twice as long; 0 where
        there is none (L6).
    provisional_ns : int
        An execution may be taken back for so long after it was told; 0 where it is final.
    """

    name: ClassVar[str]
    key_env: ClassVar[tuple[str, ...]]
    data_key_env: ClassVar[tuple[str, ...]] = ()
    order_hosts: ClassVar[frozenset[str]]
    data_hosts: ClassVar[frozenset[str]]
    live_hosts: ClassVar[frozenset[str]] = frozenset()
    reposts: ClassVar[bool]
    late_ns: ClassVar[int]
    beat_ns: ClassVar[int] = 0
    provisional_ns: ClassVar[int] = 0

    def __init__(self, keys: Sequence[str], instruments: Sequence[Instrument], native: Mapping[str, str] = MappingProxyType({})) -> None:
        """Take the keys, in the order of ``key_env``, what is traded, and the venue's own ids by instrument key, where it has others."""

    @property
    def account_id(self) -> str:
        """What names the account, and is no secret that can sign."""

    def budgets(self, per_minute: int) -> tuple[dict[str, Any], ...]:
        """Return what the venue counts, as arguments of :class:`hedgekit.net.budget.Budget`; 0 a minute: what it allows usually (A17)."""

    def signed(self, request: Request, now_ns: int) -> Mapping[str, str]:
        """Return the headers of a request that leaves now."""

    # ------------------------------------------------------------------ to send

    def submit(self, order: Order) -> Request:
        """Encode an order; always the same bytes for the same order."""

    def void(self, order: Order) -> Request | None:
        """Encode an order that takes the id of one whose outcome is unknown, and cannot fill; None where there is no such thing."""

    def cancel(self, order: Order, venue_order_id: str) -> Request:
        """Encode a cancel; that it happened is told by the account's feed."""

    def lookup(self, order: Order) -> Request:
        """Encode the question what became of an order."""

    def gone(self, order: Order, *, known: bool) -> State | None:
        """Return what it means that a look-up does not find an order that was there (``known``), or may have been.

        Its end, ``filled`` being infinite where only the executions say how much; None: what answers look-ups has not heard of it yet.
        """

    def fills(self, since_ns: int, page: str) -> Request:
        """Encode the question for the account's executions from a time on; ``page`` is what the last answer gave for more."""

    def holdings(self) -> tuple[Request, ...]:
        """Encode the questions for what is held: positions and cash, of purpose "positions" or "account"."""

    def booked(self, since_ns: int, until_ns: int, page: str) -> Request | None:  # noqa: ARG002 - there is nothing, unless a venue says so
        """Encode the question, of purpose "booked", for what was booked without an order, or taken back, from one time to another.

        ``page`` is what the last answer gave for more; None where nothing is, or where it cannot be asked.
        """
        return None

    def statuses(self) -> Request | None:
        """Encode the question, of purpose "status", whether what is traded can be traded; None where the market feed begins with it."""
        return None

    def latest(self) -> Request | None:
        """Encode the question for the latest quotes, of purpose "quotes"; None where it cannot be asked."""

    def beat(self, last: str) -> Request | None:  # noqa: ARG002 - for those that have a switch
        """Encode a beat of the dead man's switch, of purpose "beat"; ``last`` is what :meth:`beat_of` gave, empty at first."""
        return None

    # -------------------------------------------------------------- what came back

    def word_of(self, request: Request, reply: Reply) -> Word:
        """Return what an answer says."""

    def error_of(self, reply: Reply) -> tuple[str, str]:
        """Return (code, message) of a refusal; a body that is not the venue's is quoted."""

    def limits_of(self, reply: Reply, now_ns: int) -> tuple[int | None, dict[str, int]]:
        """Return ns to wait, if the answer says so, and requests left, by name of budget."""

    def state_of(self, request: Request, reply: Reply) -> State:
        """Return the order from the answer to a submit, a void or a look-up."""

    def fills_of(self, reply: Reply) -> tuple[list[Execution], str]:
        """Return executions, and what asks for more; empty for the last page."""

    def held_of(self, replies: Sequence[Reply]) -> tuple[dict[str, Decimal], Decimal]:
        """Return signed quantity by instrument key, and cash, from the answers to :meth:`holdings`, in their order."""

    def booked_of(self, request: Request, reply: Reply, ts_ns: int) -> tuple[list[Booked], str]:  # noqa: ARG002 - as above
        """Return what was booked, and what asks for more; empty for the last page."""
        return [], ""

    def statuses_of(self, request: Request, reply: Reply, ts_ns: int) -> tuple[list[MarketStatus], Request | None]:  # noqa: ARG002 - as above
        """Return whether what was asked for can be traded, and the next question, if there are more."""
        return [], None

    def latest_of(self, reply: Reply) -> dict[str, int]:
        """Return the venue's time of the latest quote, ns UTC, by instrument key."""

    def beat_of(self, reply: Reply) -> str:  # noqa: ARG002 - for those that have a switch
        """Return what the next beat must carry, by the answer to one, refusals too; VenueError if it does not say."""
        return ""

    # ------------------------------------------------------------- a live feed's key

    def scopes(self, stream: str) -> tuple[str, Request] | None:  # noqa: ARG002 - for those whose keys have scopes
        """Return what to ask, and at which address, before a stream of live prices is opened with the key (L8); None for nothing."""
        return None

    def read_only(self, reply: Reply) -> None:
        """Take the answer: ConfigError if the key can do more than read, VenueError if it does not say what the key can do."""

    # ------------------------------------------------------------------- streams

    def market(self, now_ns: int) -> Feed[MarketEvent]:
        """Return a new market feed."""

    def account(self, now_ns: int) -> Feed[Update]:
        """Return a new feed of the account's orders."""
