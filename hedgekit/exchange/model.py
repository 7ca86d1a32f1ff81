"""What goes into the exchange and what comes out of it, and how it fills.

A fill model is data with a name, so that a backtest, a replay and the sandbox
can say that they used the same one.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from enum import StrEnum
from typing import Literal

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.types import NS

EXACT = Context(prec=80, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
"""Arithmetic for money: a result that would have to be rounded is an error, never a rounded one."""

WIDE = Context(prec=80, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])
"""For the one step in which a sum of money is rounded to what is booked; the rounding is then named beside it."""

Tif = Literal["gtc", "day", "ioc", "fok"]
"""Time in force. A day order lives on the UTC date of the first quote that it may match, and expires
before the first quote of a later date; so one sent after the last quote of a day is good for the next."""


class FillModel(msgspec.Struct, frozen=True):
    """How orders meet the recorded quotes, and how long messages travel.

    ``next_quote``: an order is held when it arrives and may first match on the
    first quote of its instrument at or after its arrival, so it never fills on
    the quote that triggered it. ``touch``: it also matches at once against what
    is left of the standing quote. A post-only order cannot take, so under both it
    rests from its arrival.

    ``ws_ns`` is exchange to client on both sockets; ``up_ns`` and ``down_ns``
    are a REST request and its reply. The exchange itself never waits: whoever
    drives it adds these.

    ``max_age_ns``: a book recorded longer ago than this is stale and fills
    nothing; 0 for no limit. It matters where a standing book is traded with: under
    ``touch``, and when a position is liquidated.

    Raises
    ------
    ConfigError
        If ``max_age_ns`` is below zero.
    """

    name: Literal["next_quote", "touch"] = "next_quote"
    ws_ns: int = 5_000_000
    up_ns: int = 25_000_000
    down_ns: int = 25_000_000
    max_age_ns: int = 0

    def __post_init__(self) -> None:
        """Check the one number that the exchange itself acts on."""
        if self.max_age_ns < 0:
            msg = f"max_age_ns={self.max_age_ns}: give the age in nanoseconds beyond which a book is stale, or 0 for no limit"
            raise ConfigError(msg)

    def later(self, bars: int, bar_s: float) -> FillModel:
        """Return the same model with orders and cancels that reach the venue ``bars`` bars of ``bar_s`` seconds later than now.

        Raises
        ------
        ConfigError
            If either is below zero or not finite.
        """
        if bars < 0 or not 0 <= bar_s < math.inf:
            msg = f"bars={bars!r}, bar_s={bar_s!r}: a latency must be 0 or more bars of 0 or more seconds"
            raise ConfigError(msg)
        return msgspec.structs.replace(self, up_ns=self.up_ns + round(bars * bar_s * NS))


class NewOrder(msgspec.Struct, frozen=True):
    """An order as it reaches the exchange. ``qty`` is signed (+ buy, - sell).

    ``post_only``: refused if it would take at its arrival, so that it can only be met.
    """

    client_id: str
    instrument: str
    qty: Decimal
    kind: Literal["market", "limit"] = "market"
    limit: Decimal | None = None
    tif: Tif = "gtc"
    post_only: bool = False


class Status(StrEnum):
    """Where an order is; the last four are final."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"


OPEN = frozenset({Status.NEW, Status.PARTIALLY_FILLED})
"""Statuses of an order that can still fill."""


class OrderState(msgspec.Struct, frozen=True):
    """An order at one moment. ``filled`` is unsigned; ``paid`` is the sum of price x |quantity|."""

    order_id: str
    request: NewOrder
    status: Status
    created_ns: int
    updated_ns: int
    filled: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)

    @property
    def leaves(self) -> Decimal:
        """Unsigned quantity that can still fill; 0 when the order is over."""
        return abs(self.request.qty) - self.filled if self.status in OPEN else Decimal(0)


class Refusal(StrEnum):
    """Why an order, a cancel or a conversion was refused."""

    DUPLICATE = "duplicate"
    INSTRUMENT = "instrument"
    QUANTITY = "quantity"
    LOT = "lot"
    PRICE = "price"
    TICK = "tick"
    THROUGH_ZERO = "through_zero"
    FRACTIONAL_SHORT = "fractional_short"
    WASH = "wash"
    POST_ONLY = "post_only"
    BUYING_POWER = "buying_power"
    NO_QUOTE = "no_quote"
    UNKNOWN_ORDER = "unknown_order"
    NOT_OPEN = "not_open"


class Accepted(msgspec.Struct, frozen=True, tag="accepted"):
    """The exchange has the order.

    ``note`` says why the book gave it nothing at its arrival, if it was to match then and nobody could have taken from
    that side: no book yet, crossed, stale, empty, used up. Of an order that the exchange sent itself it says why.
    """

    ts_ns: int
    order: OrderState
    note: str = ""


class Executed(msgspec.Struct, frozen=True, tag="executed"):
    """A fill. ``qty`` and ``position`` (after it) are signed; ``fee`` and ``profit`` are in the currency it settles in.

    ``maker``: the market came to our resting order. ``profit`` is what the part that closes makes against the average
    entry price, before the fee: booked to cash for a perpetual, part of price x quantity for everything else.
    """

    ts_ns: int
    order: OrderState
    execution_id: str
    qty: Decimal
    price: Decimal
    fee: Decimal
    position: Decimal
    maker: bool = False
    profit: Decimal = Decimal(0)


class Reversed(Executed, frozen=True, tag="reversed"):
    """A fill that came to nothing after all is booked back: its opposite. The order keeps what it had filled."""


class Cancelled(msgspec.Struct, frozen=True, tag="cancelled"):
    """The order is over: ``requested``, ``ioc``, ``fok``, ``expired``, ``settled`` or ``liquidation``."""

    ts_ns: int
    order: OrderState
    why: str


class Rejected(msgspec.Struct, frozen=True, tag="rejected"):
    """Refused. ``order`` is there only if it had been accepted, or exists and cannot be cancelled."""

    ts_ns: int
    client_id: str
    why: Refusal
    message: str
    order: OrderState | None = None


Report = Accepted | Executed | Cancelled | Rejected
"""What the exchange answers."""

Reports = tuple[Report, ...]

LIQUIDATION = "liquidation-"
"""How the client order ids of the exchange's own orders begin."""

Refused = tuple[Refusal, str]
"""Why, and the same in words."""


class Funding(msgspec.Struct, frozen=True):
    """Funding was exchanged. ``paid`` is what was booked, in the currency it settles in: below 0 if the account paid.

    ``reports`` are there if it left too little margin: see ``Exchange.fund``.
    """

    ts_ns: int
    instrument: str
    rate: Decimal
    mark: Decimal
    position: Decimal
    paid: Decimal
    reports: Reports = ()


class Converted(msgspec.Struct, frozen=True):
    """Cash became complete sets (``qty`` above 0) or the reverse. ``positions`` are those after it; ``paid`` is what was booked."""

    ts_ns: int
    qty: Decimal
    positions: dict[str, Decimal]
    paid: Decimal


def rounded(top: Decimal, bottom: Decimal, quantum: Decimal) -> Decimal:
    """Return ``top`` / ``bottom``, rounded once, half-even, to a multiple of ``quantum``'s last digit."""
    return WIDE.quantize(WIDE.divide(top, bottom), quantum)


def exact(value: float) -> Decimal | None:
    """Return the decimal that ``repr`` shows for a float, None for NaN.

    A recorded 44.69 is 44.69, not 44.689999...: the same digits that travel on the wire.
    """
    return None if value != value else Decimal(repr(float(value)))  # noqa: PLR0124 - NaN is the one float unlike itself
