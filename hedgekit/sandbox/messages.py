"""The words of the control port; :class:`hedgekit.sandbox.control.Control` has the protocol."""

from __future__ import annotations

import msgspec

from hedgekit.exchange.faults import Fault


class Attach(msgspec.Struct, frozen=True, tag_field="op", tag="attach"):
    """A session takes hold: its epoch, and the last instant that it has durably processed."""

    epoch: int
    done: int


class Redeliver(msgspec.Struct, frozen=True, tag_field="op", tag="redeliver"):
    """Send the last instant's messages again."""


class Advance(msgspec.Struct, frozen=True, tag_field="op", tag="advance"):
    """Instant ``done`` is durable, ``requests`` were sent in this epoch, wake me at ``timer``.

    ``idle`` is a timer that does not keep the tape going: if nothing else is to come, the tape is over.
    ``wait`` (real seconds) asks for an answer within them on a paced tape; ``silence`` (seconds of the tape's
    time) asks to be told when the venue has given no sign of life for so long. ``deaf`` names, by venue, the sockets that the
    session has closed and could not open again: what it had subscribed to on them is over.
    """

    done: int
    requests: int
    timer: int | None = None
    wait: float | None = None
    silence: float | None = None
    idle: int | None = None
    deaf: dict[str, list[str]] = {}


class AskLedger(msgspec.Struct, frozen=True, tag_field="op", tag="ledger"):
    """Ask for the exact ledger of every venue."""


class AddFault(Fault, frozen=True, tag_field="op", tag="fault"):
    """Let a fault happen, with the fields of :class:`~hedgekit.exchange.faults.Fault`."""


class AskFaults(msgspec.Struct, frozen=True, tag_field="op", tag="faults"):
    """Ask which faults have come to pass."""


class Account(msgspec.Struct, frozen=True):
    """What the account at a venue holds: amounts as text with every digit, each execution with the client's order id, signed.

    ``cash`` is in the account's own currency, ``balances`` has all of them.
    """

    cash: str
    balances: dict[str, str]
    positions: dict[str, str]
    fills: list[dict[str, str | int]]


class Ledger(msgspec.Struct, frozen=True, tag_field="op", tag="ledger"):
    """The exact ledgers, by venue."""

    accounts: dict[str, Account]


class Attached(msgspec.Struct, frozen=True, tag_field="op", tag="attached"):
    """Answer to :class:`Attach`: last instant released, virtual now, first time of the tape."""

    instant: int
    now: int
    first: int


class News(msgspec.Struct, frozen=True):
    """A venue's part of an instant: how many messages went out on each of its sockets, and what happened to the connections.

    ``closed`` names the sockets ("md", "trade") that were closed after these messages. ``silent`` names what has been without
    a sign of life for too long ("md", "trade", "rest"), ``back`` what is alive again.
    """

    md: int
    trade: int
    closed: list[str]
    silent: list[str]
    back: list[str]


class Instant(msgspec.Struct, frozen=True, tag_field="op", tag="instant"):
    """An instant: what each venue says, and which requests are answered, one whose connection was closed instead of it, too."""

    n: int
    now: int
    replies: list[int]
    venues: dict[str, News]


class Still(msgspec.Struct, frozen=True, tag_field="op", tag="still"):
    """Nothing is due yet on a paced tape; ``now`` is the virtual time that the pace has reached."""

    now: int


class End(msgspec.Struct, frozen=True, tag_field="op", tag="end"):
    """Nothing is pending on either side."""

    now: int


class Faulted(msgspec.Struct, frozen=True, tag_field="op", tag="faulted"):
    """The fault is planned; what is due now has begun."""


class Hits(msgspec.Struct, frozen=True, tag_field="op", tag="faults"):
    """How often each kind of fault has come to pass since the exchanges began, at all venues; every kind is named."""

    hits: dict[str, int]


class Error(msgspec.Struct, frozen=True, tag_field="op", tag="error"):
    """What was wrong with the last message."""

    message: str


Step = Attach | Redeliver | Advance
"""What only a sandbox in step understands."""

Op = Step | AskLedger | AddFault | AskFaults

decode = msgspec.json.Decoder(Op).decode
