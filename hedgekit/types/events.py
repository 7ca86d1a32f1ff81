"""What happens, what is decided, and what a journal holds."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from hedgekit.types.nouns import Action, HedgePlan, Instrument, Order, Phase, Reason


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Something that happened. ``ts_ns`` is when the session received it."""

    ts_ns: int


class Quote(Event, frozen=True, tag="quote"):
    """Best bid and ask of one instrument; sizes in units of quantity."""

    instrument: str
    venue_ns: int
    bid: float
    ask: float
    bid_size: float
    ask_size: float

    @property
    def whole(self) -> bool:
        """Whether it has a mid price: both sides are there (a missing one is 0), and they do not cross."""
        return 0.0 < self.bid <= self.ask


class Timer(Event, frozen=True, tag="timer"):
    """The scheduler reached the time that the core asked to be woken at."""


class Ack(Event, frozen=True, tag="ack"):
    """The venue has the order."""

    order_id: str
    venue_order_id: str


class Fill(Event, frozen=True, tag="fill"):
    """An execution: signed quantity, exact price and fee.

    Two things that a venue books are told as fills too, because they change cash and position as one does. A ``settlement`` is
    of no order (``order_id`` is empty) and takes the position out at the official payout; a ``reversal`` takes an execution back
    that has failed after all, with the opposite quantity and fee. Neither is of an order that works.

    ``fill_id`` is the venue's execution id; a second fill with the same id in the same instrument is the same fill.
    ``fee_coin`` names the coin that the fee is in, where it is not in the price's currency; empty: it is.
    """

    order_id: str
    fill_id: str
    instrument: str
    venue_ns: int
    qty: Decimal
    price: Decimal
    fee: Decimal
    cause: Literal["trade", "settlement", "reversal"] = "trade"
    fee_coin: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What names the execution, at whatever venue."""
        return self.instrument, self.fill_id

    @property
    def fee_money(self) -> Decimal:
        """The fee in the price's currency: coins at the price of the execution."""
        return self.fee * self.price if self.fee_coin else self.fee


class Reject(Event, frozen=True, tag="reject"):
    """The venue refused the order; nothing of it will execute."""

    order_id: str
    code: str
    message: str


class Cancelled(Event, frozen=True, tag="cancelled"):
    """The order is over; what is not filled by now will not be (also: expired)."""

    order_id: str


class PlanRevised(Event, frozen=True, tag="plan_revised"):
    """A new hedge ratio. The whole window of z is re-based on it.

    ``source`` is the checksum of the plan file that it came from (``hedgekit.plans``); empty: the session's own estimate.
    """

    plan: HedgePlan
    source: str = ""


class Score(Event, frozen=True, tag="score"):
    """A user's own score of the bar that was just closed (``signal="user"``): None for no opinion.

    ``sd`` is what one unit of z is worth as a fraction of the primary's value (A20); None for the log spread's.
    """

    z: float | None
    sd: float | None = None


class Command(Event, frozen=True, tag="command"):
    """A person's wish, applied: ``pause``, ``resume``, ``flatten``, ``stop``, ``halt``, ``set`` or ``plan``.

    ``ref`` names the message by which it came, so that a restarted session does not apply it twice;
    empty for what the session itself wished (the stop at a tape's end); "plugin FILE: ..." where it stopped a user's module.
    ``changes`` are the numbers that a ``set`` changes (``hedgekit.params.IN_FLIGHT``), in force from here on; where it has
    a ``refusal`` instead, the wish could not be granted, and nothing changes. After a ``plan`` that is granted stands its PlanRevised.
    """

    name: str
    ref: str = ""
    changes: dict[str, float | int] = {}
    refusal: str = ""


class Gap(Event, frozen=True, tag="gap"):
    """Prices were missed from ``since_ns`` on; if a bar closed meanwhile, the signal re-warms before it may enter."""

    since_ns: int


class TickChanged(Event, frozen=True, tag="tick_changed"):
    """Prices of an instrument are whole multiples of another tick from now on."""

    instrument: str
    venue_ns: int
    tick: Decimal


class Funding(Event, frozen=True, tag="funding"):
    """A perpetual's funding rate, when it changes, with the mark price of that moment.

    ``rate`` is the present one and ``rate_8h`` that of the last eight hours, both for eight hours; a position pays
    continuously, longs if it is above 0.
    """

    instrument: str
    venue_ns: int
    rate: Decimal
    rate_8h: Decimal
    mark: Decimal


class Payment(Event, frozen=True, tag="payment"):
    """Money that a venue has booked for what is held, without a trade: ``amount`` is below 0 where the account paid.

    ``payment_id`` is the venue's; a second payment with the same id for the same instrument is the same payment. ``coin`` names
    the coin that the amount is in, where it is not in the price's currency (empty: it is), and ``mark`` is the price at
    which the venue reckoned it.
    """

    instrument: str
    payment_id: str
    venue_ns: int
    amount: Decimal
    mark: Decimal
    coin: str = ""
    cause: Literal["funding"] = "funding"

    @property
    def key(self) -> tuple[str, str]:
        """What names the payment, at whatever venue."""
        return self.instrument, self.payment_id

    @property
    def money(self) -> Decimal:
        """The amount in the price's currency: coins at the mark."""
        return self.amount * self.mark if self.coin else self.amount


class Link(Event, frozen=True, tag="link"):
    """How a venue is heard, when that changes (A19, L6).

    ``up``, ``down`` (no word for the limit), ``frozen`` (it answers, but its prices stand still while the market
    moves) or ``restarted`` (this process is new, and does not know what the venue did meanwhile). ``since_ns`` is
    when the last word was heard.
    """

    venue: str
    state: Literal["up", "down", "frozen", "restarted"]
    since_ns: int


class Switch(Event, frozen=True, tag="switch"):
    """Whether a venue's dead man's switch is held, when that changes (L6): who lets go of it loses all working orders there.

    ``held``: it has taken a beat of ours; ``lost``: it has taken none for so long that it may have cancelled everything.
    ``since_ns`` is when the last one was taken, or when the first was needed.
    """

    venue: str
    state: Literal["held", "lost"]
    since_ns: int


class MarketStatus(Event, frozen=True, tag="market_status"):
    """Whether an instrument can be traded, by its venue's word or the exchange's calendar; not an outage (L6)."""

    instrument: str
    status: Literal["open", "closed", "halted", "paused"]


class Reconciled(Event, frozen=True, tag="reconciled"):
    """The venue's own word on positions (instrument key to signed quantity) and cash; ``venue`` is empty where all legs are of one."""

    positions: dict[str, Decimal]
    cash: Decimal
    agrees: bool
    venue: str = ""


Input = (
    Quote
    | Timer
    | Ack
    | Fill
    | Reject
    | Cancelled
    | PlanRevised
    | Score
    | Command
    | Gap
    | Link
    | MarketStatus
    | TickChanged
    | Funding
    | Payment
    | Reconciled
)
"""What the Hedger accepts."""


class Decision(Event, frozen=True, tag="decision"):
    """What was decided, why, and on which figures; "hold" is a decision too.

    ``z``, ``ratio``, ``delta`` and each mid are None until they are defined.
    ``delta`` is the net exposure as a fraction of the trade's notional; ``cost``
    and ``benefit`` are in the quote currency (A16, A20). Tuples have one item per leg. ``naked`` is what the present or
    last trade was unhedged so far: money x seconds, of orders that one leg had filled and another had not (L4).
    """

    action: Action
    reason: Reason
    phase: Phase
    trade: int
    z: float | None
    ratio: float | None
    delta: float | None
    cost: float
    benefit: float
    mids: tuple[float | None, ...]
    positions: tuple[float, ...]
    targets: tuple[float, ...]
    orders: tuple[Order, ...] = ()
    cancels: tuple[str, ...] = ()
    naked: float = 0.0


class SessionStarted(Event, frozen=True, tag="session_started"):
    """First record of a journal: all that a replay needs to rebuild the Hedger."""

    session: str
    instruments: tuple[Instrument, ...]
    params: dict[str, float | int | str | bool | None]
    market: dict[str, str]
    version: str


class SessionEnded(Event, frozen=True, tag="session_ended"):
    """Last record: why the session stopped ("tape ended", "stopped", ...)."""

    reason: str


Record = (
    SessionStarted
    | Quote
    | Timer
    | Ack
    | Fill
    | Reject
    | Cancelled
    | PlanRevised
    | Score
    | Command
    | Gap
    | Link
    | MarketStatus
    | TickChanged
    | Funding
    | Payment
    | Reconciled
    | Switch
    | Decision
    | SessionEnded
)
"""What a journal holds, in the order in which it happened."""
