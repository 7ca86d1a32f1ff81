"""The nouns of hedgekit: frozen, slotted, and the same in every room.

Time is int nanoseconds since 1970-01-01 UTC. Quantities are signed (+ long,
- short). Money that must balance (orders, fills, fees, ledger) is ``Decimal``;
quotes are floats, because the decision core computes in floats.

Everything is a :class:`msgspec.Struct`, so an event is written to the journal
and read back by its type alone, with the same bytes every time: field order is
the encoding order, ``Decimal`` travels as a string, a missing number is null.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

import msgspec

NS = 1_000_000_000
"""Nanoseconds in a second."""


class Kind(StrEnum):
    """What an instrument is; decides how money is made on it."""

    SPOT = "spot"
    LINEAR_PERP = "linear_perp"
    INVERSE_PERP = "inverse_perp"
    BINARY = "binary"


class Phase(StrEnum):
    """Where the pair is in its life (the table is in ``rules/phase.py``)."""

    FLAT = "flat"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    RECOVERING = "recovering"
    HALTED = "halted"


class Action(StrEnum):
    """What a decision does."""

    HOLD = "hold"
    OPEN = "open"
    CLOSE = "close"
    REBALANCE = "rebalance"
    REPAIR = "repair"
    SKIP = "skip"
    VETO = "veto"


class Reason(StrEnum):
    """Why. Every decision has exactly one."""

    WARMING_UP = "warming_up"
    NO_PLAN = "no_plan"
    PLAN_EXPIRED = "plan_expired"
    NO_EVIDENCE = "no_evidence"
    PLAN_REVISED = "plan_revised"
    STALE_QUOTE = "stale_quote"
    NO_SIGNAL = "no_signal"
    BEYOND_STOP = "beyond_stop"
    EDGE_BELOW_COST = "edge_below_cost"
    BELOW_ONE_LOT = "below_one_lot"
    ENTRY = "entry"
    WAIT_TARGET = "wait_target"
    TARGET = "target"
    STOP = "stop"
    TIME_STOP = "time_stop"
    COOLDOWN = "cooldown"
    REARMING = "rearming"
    SCALE_IN = "scale_in"
    IN_BAND = "in_band"
    DRIFT = "drift"
    COST_EXCEEDS_BENEFIT = "cost_exceeds_benefit"
    WORKING = "working"
    LEG_SHORTFALL = "leg_shortfall"
    LEG_REJECTED = "leg_rejected"
    FILLED = "filled"
    PAUSED = "paused"
    FLATTEN = "flatten"
    HALT = "halt"
    NOTED = "noted"


class Priority(StrEnum):
    """Who goes first when the venue's rate limit is tight (A17, L5)."""

    CLOSE = "close"
    HEDGE = "hedge"
    PRIMARY = "primary"
    QUERY = "query"


class Fees(msgspec.Struct, frozen=True):
    """What the venue charges: ``rate`` x notional + ``per_unit`` x |quantity|.

    A fee is rounded half-up to ``quantum`` for each fill (venues differ, so it is data).
    """

    rate: Decimal = Decimal(0)
    per_unit: Decimal = Decimal(0)
    quantum: Decimal = Decimal("0.0001")

    def of(self, qty: Decimal, price: Decimal, multiplier: Decimal) -> Decimal:
        """Return the fee of one fill, in the quote currency, never negative."""
        raw = self.rate * abs(qty) * price * multiplier + self.per_unit * abs(qty)
        return raw.quantize(self.quantum, ROUND_HALF_UP)


class Instrument(msgspec.Struct, frozen=True):
    """One thing that can be traded.

    ``multiplier`` is money per price unit and unit of quantity: 1 for a share
    quoted in dollars, 0.01 for the same share quoted in cents. An inverse perpetual's
    contract is a fixed sum of money, its multiplier (for example 10 dollars), with profit in coin.
    """

    venue: str
    symbol: str
    kind: Kind = Kind.SPOT
    tick: Decimal = Decimal("0.01")
    lot: Decimal = Decimal(1)
    multiplier: Decimal = Decimal(1)
    fees: Fees = Fees()

    @property
    def key(self) -> str:
        """``venue:symbol``, the name used in events and frames."""
        return f"{self.venue}:{self.symbol}"

    @property
    def inverse(self) -> bool:
        """Whether a contract is a fixed sum of money, with profit in coin."""
        return self.kind is Kind.INVERSE_PERP

    def multiplier_at(self, price: float) -> float:
        """Return what a trade at ``price`` moves in money per price unit and unit of quantity.

        A contract of an inverse perpetual, m money bought at E, is m / E coins bought for m money, so there it depends on E.
        """
        return float(self.multiplier) / price if self.inverse else float(self.multiplier)

    def fee(self, qty: Decimal, price: Decimal) -> Decimal:
        """Return the fee of one fill, in the quote currency."""
        return self.fees.of(qty, Decimal(1) if self.inverse else price, self.multiplier)


class Evidence(msgspec.Struct, frozen=True):
    """What was tested before a ratio was trusted (METHODS: Engle & Granger 1987)."""

    test: str
    statistic: float | None
    p_value: float | None
    n: int
    warnings: tuple[str, ...] = ()


class HedgePlan(msgspec.Struct, frozen=True):
    """A hedge ratio with its unit, its evidence and its expiry (A4, A5).

    ``ratio`` is dollars of hedge for each dollar of primary, the long side of
    the spread being (+1, -ratio); ``others`` are the ratios of further hedges (a basket). ``override`` is the reason given by the user
    for trading a pair whose evidence fails; None means none was needed. ``half_life`` is
    the spread's, in bars, bias-corrected; None if no reversion is shown: a time stop counts in it (A2).
    """

    ratio: float
    stderr: float
    n: int
    method: str
    fitted_at_ns: int
    valid_until_ns: int
    evidence: Evidence
    unit: str = "dollar per dollar"
    override: str | None = None
    half_life: float | None = None
    others: tuple[float, ...] = ()

    @property
    def ratios(self) -> tuple[float, ...]:
        """One ratio for each hedge, in leg order."""
        return (self.ratio, *self.others)

    def trusted(self, significance: float) -> bool:
        """Whether the plan may open trades: its evidence holds, or a person overrode it and said why."""
        p_value = self.evidence.p_value
        return self.override is not None or (p_value is not None and p_value < significance)


class Order(msgspec.Struct, frozen=True):
    """One order as decided. ``expected`` is the touch price it was decided on.

    ``order_id`` is the client order id: a pure function of session, sequence
    and leg, so that a replay or a retry names the same order (L2).
    """

    order_id: str
    ts_ns: int
    leg: int
    instrument: str
    qty: Decimal
    expected: Decimal
    priority: Priority
    trade: int
    kind: str = "market"
    limit: Decimal | None = None
    tif: str = "gtc"


class Request(msgspec.Struct, frozen=True):
    """One REST request as a venue file encodes it; ``order_id`` ties it to an order of ours."""

    method: str
    path: str
    purpose: str
    priority: Priority
    body: bytes | None = None
    order_id: str | None = None


class Reply(msgspec.Struct, frozen=True):
    """The answer to a request. Status 0: none came (connection lost or timed out), outcome unknown."""

    status: int
    body: bytes = b""


# --------------------------------------------------------------------- events


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


class Timer(Event, frozen=True, tag="timer"):
    """The scheduler reached the time that the core asked to be woken at."""


class Ack(Event, frozen=True, tag="ack"):
    """The venue has the order."""

    order_id: str
    venue_order_id: str


class Fill(Event, frozen=True, tag="fill"):
    """An execution: signed quantity, exact price and fee.

    ``fill_id`` is the venue's execution id; a second fill with the same id is the same fill.
    """

    order_id: str
    fill_id: str
    instrument: str
    venue_ns: int
    qty: Decimal
    price: Decimal
    fee: Decimal


class Reject(Event, frozen=True, tag="reject"):
    """The venue refused the order; nothing of it will execute."""

    order_id: str
    code: str
    message: str


class Cancelled(Event, frozen=True, tag="cancelled"):
    """The order is over; what is not filled by now will not be (also: expired)."""

    order_id: str


class PlanRevised(Event, frozen=True, tag="plan_revised"):
    """A new hedge ratio. The whole window of z is re-based on it."""

    plan: HedgePlan


class Score(Event, frozen=True, tag="score"):
    """A user's own score of the bar that was just closed (``signal="user"``): None for no opinion.

    ``sd`` is what one unit of z is worth as a fraction of the primary's value (A20); None for the log spread's.
    """

    z: float | None
    sd: float | None = None


class Command(Event, frozen=True, tag="command"):
    """A person's wish, applied: ``pause``, ``resume``, ``flatten``, ``stop`` or ``halt``.

    ``ref`` names the message by which it came, so that a restarted session does not apply it twice;
    empty for what the session itself wished (the stop at a tape's end); "plugin FILE: ..." where it stopped a user's module.
    """

    name: str
    ref: str = ""


class Gap(Event, frozen=True, tag="gap"):
    """Prices were missed from ``since_ns`` on; the signal re-warms before it may enter."""

    since_ns: int


class Reconciled(Event, frozen=True, tag="reconciled"):
    """The venue's own word on positions (instrument key to signed quantity) and cash."""

    positions: dict[str, Decimal]
    cash: Decimal
    agrees: bool


Input = Quote | Timer | Ack | Fill | Reject | Cancelled | PlanRevised | Score | Command | Gap | Reconciled
"""What the Hedger accepts."""


class Decision(Event, frozen=True, tag="decision"):
    """What was decided, why, and on which figures; "hold" is a decision too.

    ``z``, ``ratio``, ``delta`` and each mid are None until they are defined.
    ``delta`` is the net exposure as a fraction of the trade's notional; ``cost``
    and ``benefit`` are in the quote currency (A16, A20). Tuples have one item per leg.
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
    | Reconciled
    | Decision
    | SessionEnded
)
"""What a journal holds, in the order in which it happened."""
