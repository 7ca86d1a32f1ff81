"""What the outbox knows of an order that is not over, of an audit under way, and what an answer means."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from hedgekit.types import NS, Input, Order, Reply, Request

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
    """An order that is not over."""

    order: Order
    left: Decimal
    venue_id: str = ""
    unwanted: bool = False
    posted: bool = False
    taken: bool = False
    heard_ns: int = 0
    patience_ns: int = SILENCE_NS


@dataclass(slots=True)
class Audit:
    """Questions that are still to be answered."""

    full: bool
    orders: set[str]
    states: dict[str, tuple[str, Decimal]] = field(default_factory=dict)
    held: Reply | None = None
    again: bool = False
