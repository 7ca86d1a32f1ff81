"""The nouns of hedgekit: frozen, slotted, and the same in every room.

Time is int nanoseconds since 1970-01-01 UTC. Quantities are signed (+ long,
- short). Money that must balance (orders, fills, fees, ledger) is ``Decimal``;
quotes are floats, because the decision core computes in floats.

Everything is a :class:`msgspec.Struct`, so an event is written to the journal
and read back by its type alone, with the same bytes every time: field order is
the encoding order, ``Decimal`` travels as a string, a missing number is null.
"""

from __future__ import annotations

from hedgekit.types.events import (
    Ack,
    Cancelled,
    Command,
    Decision,
    Event,
    Fill,
    Funding,
    Gap,
    Input,
    Link,
    MarketStatus,
    Payment,
    PlanRevised,
    Quote,
    Reconciled,
    Record,
    Reject,
    Score,
    SessionEnded,
    SessionStarted,
    Switch,
    TickChanged,
    Timer,
)
from hedgekit.types.nouns import NS, Action, Evidence, Fees, HedgePlan, Instrument, Kind, Order, Phase, Priority, Reason, Reply, Request
from hedgekit.types.venue import Booked, Execution, Feed, Login, MarketEvent, Settled, State, TakenBack, Update, Venue, Word

__all__ = [
    "NS",
    "Ack",
    "Action",
    "Booked",
    "Cancelled",
    "Command",
    "Decision",
    "Event",
    "Evidence",
    "Execution",
    "Feed",
    "Fees",
    "Fill",
    "Funding",
    "Gap",
    "HedgePlan",
    "Input",
    "Instrument",
    "Kind",
    "Link",
    "Login",
    "MarketEvent",
    "MarketStatus",
    "Order",
    "Payment",
    "Phase",
    "PlanRevised",
    "Priority",
    "Quote",
    "Reason",
    "Reconciled",
    "Record",
    "Reject",
    "Reply",
    "Request",
    "Score",
    "SessionEnded",
    "SessionStarted",
    "Settled",
    "State",
    "Switch",
    "TakenBack",
    "TickChanged",
    "Timer",
    "Update",
    "Venue",
    "Word",
]
