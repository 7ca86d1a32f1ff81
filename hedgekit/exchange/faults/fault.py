"""One fault: what happens, from when on, and whether the parts fit together."""

from __future__ import annotations

from enum import StrEnum
from math import isfinite

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.types import NS


class FaultKind(StrEnum):
    """What happens.

    To a request:

    =====================  ======================================================================================
    too_many               answered 429 and not done; Retry-After if ``seconds`` > 0
    too_early              answered 425 and not done
    error_500              answered 500 and not done
    unavailable_503        answered 503 and not done
    gateway_504_after      done, then answered 504
    hang_after             done, never answered
    drop_reply             done, then the connection is closed without an answer
    late                   reaches the exchange ``seconds`` later than it should
    delayed_ack            done at once, answered ``seconds`` later
    partial                (an order) at each matching at most ``fraction`` of its quantity fills, in whole lots, at least one
    reject_hedge           (an order) refused before it is accepted, or, if ``seconds`` > 0, so long after, while nothing of it filled
    reversal               (an order) its first fill fails ``seconds`` after it was told, and is booked back, unless what it brought
                           was traded away meanwhile; only where fills are provisional (:data:`PROVISIONAL`)
    =====================  ======================================================================================

    To a message of a channel:

    =====================  ======================================================================================
    duplicate              sent twice
    reorder                sent after the next one of its channel (never, if there is no next one)
    lost                   never sent
    disconnect             the channel's socket is closed instead; without "md:" or "trade:" in ``at``, both are
    =====================  ======================================================================================

    To the venue, from then on:

    =====================  ======================================================================================
    freeze                 market data is silent for ``seconds``; the exchange goes on, and pings are answered
    skew                   the time stamps of messages and of the venue's clock are ``seconds`` off (- is early),
                           for ``count`` rows of the tape
    pause                  for ``seconds`` no instrument can be traded: the venue says so in its own words, shows no book, fills
                           nothing, and refuses orders if it is one that does; requests are answered
    outage                 for ``seconds`` nothing is done, answered or sent, and every connection is closed
    =====================  ======================================================================================
    """

    TOO_MANY = "too_many"
    TOO_EARLY = "too_early"
    ERROR_500 = "error_500"
    UNAVAILABLE_503 = "unavailable_503"
    GATEWAY_504_AFTER = "gateway_504_after"
    HANG_AFTER = "hang_after"
    DROP_REPLY = "drop_reply"
    LATE = "late"
    DELAYED_ACK = "delayed_ack"
    PARTIAL = "partial"
    REJECT_HEDGE = "reject_hedge"
    REVERSAL = "reversal"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    LOST = "lost"
    DISCONNECT = "disconnect"
    FREEZE = "freeze"
    SKEW = "skew"
    PAUSE = "pause"
    OUTAGE = "outage"


ORDERS = frozenset({FaultKind.PARTIAL, FaultKind.REJECT_HEDGE, FaultKind.REVERSAL})
"""What befalls an order alone."""

PROVISIONAL = frozenset({FaultKind.REVERSAL})
"""What only happens at a venue that tells executions before they are final."""

EVERYWHERE = tuple(kind for kind in FaultKind if kind not in PROVISIONAL)
"""What happens at any venue."""

DRAWN = tuple(kind for kind in EVERYWHERE if kind is not FaultKind.PAUSE)
"""What a random plan draws unless it is told: the first kinds, so that a seed means the same in every version."""

MESSAGES = frozenset({FaultKind.DUPLICATE, FaultKind.REORDER, FaultKind.LOST, FaultKind.DISCONNECT})
"""What befalls a message."""

STATES = frozenset({FaultKind.FREEZE, FaultKind.SKEW, FaultKind.PAUSE, FaultKind.OUTAGE})
"""What lasts."""

_LASTING = frozenset({FaultKind.LATE, FaultKind.DELAYED_ACK, FaultKind.REVERSAL, FaultKind.FREEZE, FaultKind.PAUSE, FaultKind.OUTAGE})
_TIMED = _LASTING | {FaultKind.TOO_MANY, FaultKind.REJECT_HEDGE, FaultKind.SKEW}
PLACES = ("submit", "cancel", "request", "md", "trade", "row")
"""What is counted: requests by purpose and all together, messages by channel, rows of the tape."""


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault, or ``count`` of them in a row.

    Attributes
    ----------
    kind : FaultKind
        What happens.
    at : str
        When it is due: "submit:3", "cancel:2", "request:17" (the n-th request of that purpose, or of any), "md:40",
        "trade:5" (the n-th message of that channel), "row:120" (when that row of the tape plays; all count from 1, since
        the exchange began), or "now". From there on it befalls the first thing that it fits: a fault of a request the
        next request, one due at "submit:3" the next order, one due at "md:40" the next message of that channel.
    seconds : float
        See :class:`FaultKind`; 0 where it has no meaning.
    fraction : float
        Of ``partial`` only, between 0 and 1.
    count : int
        How many requests or messages in a row; of ``skew``, how many rows.
    venue : str
        Where, if a market is of several venues: each of them counts its own requests and messages. Empty for everywhere that it
        can happen.

    Raises
    ------
    ConfigError
        If the parts do not fit together.
    """

    kind: FaultKind
    at: str = "now"
    seconds: float = 0.0
    fraction: float = 0.0
    count: int = 1
    venue: str = ""

    def __post_init__(self) -> None:
        """Check that the parts fit together; the kind may be given as its word."""
        try:
            msgspec.structs.force_setattr(self, "kind", FaultKind(self.kind))
        except ValueError:
            msg = f"no fault is called {self.kind!r}; there are {', '.join(FaultKind)}"
            raise ConfigError(msg) from None
        if problem := _problem(self):
            msg = f"fault {self.kind.value} at {self.at!r}: {problem}"
            raise ConfigError(msg)

    @property
    def place(self) -> str:
        """What ``at`` counts; "now" for nothing."""
        return self.at.partition(":")[0]

    @property
    def number(self) -> int:
        """How many of them there must have been."""
        return int(self.at.partition(":")[2] or 0)

    @property
    def ns(self) -> int:
        """``seconds`` in nanoseconds."""
        return round(self.seconds * NS)


def _problem(fault: Fault) -> str | None:
    kind, (place, _, number) = fault.kind, fault.at.partition(":")
    if fault.at != "now" and not (place in PLACES and number.isdecimal() and int(number) > 0):
        return f"at must be now, or one of {', '.join(PLACES)} with a number from 1, as request:17"
    if kind in ORDERS and place == "cancel":
        return "a cancel is no order; write submit, request, row or now"
    return _seconds(fault) or _fraction(fault) or _count(fault, place)


def _seconds(fault: Fault) -> str | None:
    kind, seconds = fault.kind, fault.seconds
    if not isfinite(seconds) or (seconds < 0 and kind is not FaultKind.SKEW):
        return f"seconds={seconds} must be a number from 0"
    if kind in _LASTING and not seconds:
        return "seconds must be above 0: how long it lasts, or how much later it comes"
    if kind is FaultKind.SKEW and not seconds:
        return "seconds must not be 0: how far the time stamps are off"
    return f"seconds={seconds} has no meaning; leave it out" if seconds and kind not in _TIMED else None


def _fraction(fault: Fault) -> str | None:
    if fault.kind is FaultKind.PARTIAL:
        return (
            None if 0 < fault.fraction < 1 else f"fraction={fault.fraction} must be between 0 and 1: how much of the order may fill at once"
        )
    return f"fraction={fault.fraction} has no meaning; leave it out" if fault.fraction else None


def _count(fault: Fault, place: str) -> str | None:
    once = fault.kind in STATES - {FaultKind.SKEW} or (fault.kind is FaultKind.DISCONNECT and place not in {"md", "trade"})
    if fault.count < 1 or (once and fault.count > 1):
        return f"count={fault.count} must be {'1' if once else 'at least 1'}"
    return None
