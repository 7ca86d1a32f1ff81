"""What is traded, ordered, asked and decided with: frozen, slotted, the same in every room."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Literal

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
    ORDER_OVERDUE = "order_overdue"
    SHORT_ACCEPTED = "short_accepted"
    CUT_BACK = "cut_back"
    NAKED_LIMIT = "naked_limit"
    VENUE_SILENT = "venue_silent"
    VENUE_BACK = "venue_back"
    RECONCILING = "reconciling"
    RECONCILED = "reconciled"
    FILLED = "filled"
    PAUSED = "paused"
    FLATTEN = "flatten"
    HALT = "halt"
    SETTLED = "settled"
    REVERSED = "reversed"
    STOOD_IN = "stood_in"
    NOTED = "noted"


class Priority(StrEnum):
    """Who goes first when the venue's rate limit is tight (A17, L5)."""

    CLOSE = "close"
    HEDGE = "hedge"
    PRIMARY = "primary"
    QUERY = "query"


class Fees(msgspec.Struct, frozen=True):
    """What the venue charges: ``rate`` x notional + ``per_unit`` x ``|quantity|``.

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
    and leg, so that a replay or a retry names the same order (L2). ``reduces`` says that, whatever else is under way, it only
    brings the leg's position towards zero: at some venues selling what is held is not the same as selling what is not.
    None: from a journal that does not say.
    """

    order_id: str
    ts_ns: int
    leg: int
    instrument: str
    qty: Decimal
    expected: Decimal
    priority: Priority
    trade: int
    kind: Literal["market", "limit"] = "market"
    limit: Decimal | None = None
    tif: str = "gtc"
    reduces: bool | None = None


class Request(msgspec.Struct, frozen=True):
    """One REST request as a venue file encodes it; ``order_id`` ties it to an order of ours."""

    method: str
    path: str
    purpose: str
    priority: Priority
    body: bytes | None = None
    order_id: str | None = None


class Reply(msgspec.Struct, frozen=True):
    """The answer to a request. Status 0: none came (connection lost or timed out), outcome unknown.

    ``headers`` has the ones that a rate limit speaks by, names in lower case.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = {}
