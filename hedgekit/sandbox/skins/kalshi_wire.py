"""Kalshi's words: how numbers, times, orders and errors look on the wire.

Money, prices and counts are decimals in strings: prices of 4 digits or more, money of up to 6, counts of 2. Errors are
``{"code", "message", "details"}``. Which codes Kalshi gives is documented nowhere: those marked "reported" are what live users
have seen, the others are the sandbox's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import Annotated, Literal
from uuid import NAMESPACE_URL, uuid5

import msgspec

from hedgekit.exchange.model import Cancelled, Executed, OrderState, Refusal, Rejected, Report, Status
from hedgekit.sandbox.calls import Answer
from hedgekit.types import NS

VENUE = "KALSHI"
ROOT, SOCKET = "/trade-api/v2", "/trade-api/ws/v2"

MS = 1_000_000
ONE, ZERO = Decimal(1), Decimal(0)
CENT, CENTICOUNT, MICRODOLLAR = Decimal("0.01"), Decimal("0.01"), Decimal("0.000001")
SHOWN = Context(prec=80, rounding=ROUND_HALF_EVEN)

Count = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{1,12}(\.[0-9]{1,2})?\Z")]
"""Contracts in a request: 0 to 2 decimals."""

Price = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]\.[0-9]{2,4}\Z")]
"""A price in a request: 2 to 4 decimals."""

Side = Literal["bid", "ask"]
Prevention = Literal["taker_at_cross", "maker"]
TifWord = Literal["good_till_canceled", "immediate_or_cancel", "fill_or_kill"]
TIFS: dict[TifWord, Literal["gtc", "ioc", "fok"]] = {"good_till_canceled": "gtc", "immediate_or_cancel": "ioc", "fill_or_kill": "fok"}


# ---------------------------------------------------------------------- requests


class OrderBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of ``POST /portfolio/events/orders``."""

    ticker: Annotated[str, msgspec.Meta(min_length=1)]
    side: Side
    count: Count
    price: Price
    time_in_force: TifWord
    self_trade_prevention_type: Prevention
    client_order_id: str = ""
    expiration_time: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    cancel_order_on_pause: bool = False
    subaccount: int = 0
    order_group_id: str = ""
    exchange_index: int = -1


class CancelBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One of the orders in the body of ``DELETE /portfolio/events/orders/batched``."""

    order_id: Annotated[str, msgspec.Meta(min_length=1)]
    subaccount: int = 0
    exchange_index: int = -1
    market_ticker: str = ""


# ------------------------------------------------------------------------ errors


def refusal(status: int, code: str, message: str, details: str = "") -> Answer:
    """Return an error."""
    return Answer(status, error(code, message, details))


def error(code: str, message: str, details: str = "") -> dict[str, str]:
    """Return the body of an error."""
    return {"code": code, "message": message, "details": details}


KILLED = refusal(409, "fill_or_kill_insufficient_resting_volume", "fill or kill insufficient resting volume")
"""Reported."""

_REFUSED: dict[Refusal, tuple[int, str, str]] = {
    Refusal.DUPLICATE: (409, "order_already_exists", "order already exists"),  # reported
    Refusal.BUYING_POWER: (400, "insufficient_balance", "insufficient balance"),  # reported
    Refusal.INSTRUMENT: (400, "market_closed", "market closed"),
    Refusal.QUANTITY: (400, "invalid_count", "invalid count"),
    Refusal.LOT: (400, "invalid_count", "invalid count"),
    Refusal.PRICE: (400, "invalid_price", "invalid price"),
    Refusal.TICK: (400, "invalid_price", "invalid price"),
    Refusal.POST_ONLY: (400, "post_only_cross", "post only order would cross"),
    Refusal.WASH: (400, "self_trade", "order would trade against your own"),
    Refusal.UNKNOWN_ORDER: (404, "not_found", "order not found"),
    Refusal.NOT_OPEN: (404, "not_found", "order not found"),
}


def refused(report: Rejected) -> Answer:
    """Return what the exchange's refusal is in Kalshi's words."""
    return refusal(*_REFUSED[report.why], report.message)


# ------------------------------------------------------------------------- units


def count(number: Decimal) -> str:
    """Write contracts with 2 decimals; what is less is not told."""
    return f"{number.quantize(CENTICOUNT, context=SHOWN) if number == number.quantize(CENTICOUNT, context=SHOWN) else floor(number):.2f}"


def floor(number: Decimal) -> Decimal:
    """Return a positive number of contracts without what is less than a hundredth of one."""
    return number // CENTICOUNT * CENTICOUNT


def dollars(number: Decimal, places: int = 4) -> str:
    """Write money with at least so many decimals, and at most 6; an average that has more is rounded, a sum never has."""
    exponent = number.normalize(SHOWN).as_tuple().exponent
    shown = min(max(places, -exponent if isinstance(exponent, int) else 0), 6)
    return f"{number.quantize(MICRODOLLAR, context=SHOWN) if shown == len('123456') else number:.{shown}f}"


def cents(number: Decimal) -> int:
    """Return whole cents, rounded down."""
    return int(number // CENT)


@lru_cache(maxsize=1024)
def moment(ts_ns: int) -> str:
    """Write nanoseconds UTC as RFC 3339 with microseconds."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ts_ns // 1000)
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"


@lru_cache
def uuid(kind: str, name: str) -> str:
    """Return an id that is always the same for a thing."""
    return str(uuid5(NAMESPACE_URL, f"hedgekit.sandbox/kalshi/{kind}/{name}"))


USER = uuid("user", "the account")


def ticker_of(key: str) -> str:
    """Return the ticker of an instrument key."""
    return key.partition(":")[2]


def event_of(ticker: str) -> str:
    """Return the event that a market belongs to by its name."""
    return ticker.rpartition("-")[0] or ticker


def series_of(ticker: str) -> str:
    """Return the series that a market, or an event, belongs to by its name."""
    return ticker.partition("-")[0]


def sides(qty: Decimal) -> dict[str, str]:
    """Return the fields that say in which direction an order, or a fill, goes."""
    return {"outcome_side": "yes", "book_side": "bid"} if qty > 0 else {"outcome_side": "no", "book_side": "ask"}


def legacy(qty: Decimal) -> dict[str, str]:
    """Return the deprecated fields that say the same: a sale of YES is written as such."""
    return {"side": "yes", "action": "buy" if qty > 0 else "sell"}


def cost(qty: Decimal, price: Decimal) -> Decimal:
    """Return what a fill takes at most: p for a YES, 1 - p for a NO."""
    return SHOWN.multiply(abs(qty), price if qty > 0 else ONE - price)


# ------------------------------------------------------------------------ orders

STATUS = {Status.NEW: "resting", Status.PARTIALLY_FILLED: "resting", Status.FILLED: "executed"}
"""Kalshi's word; all the others are "canceled"."""


@dataclass(slots=True)
class Ticket:
    """What an order was sent with, and what came of it, beside what the exchange knows."""

    qty: Decimal
    price: Decimal
    prevention: Prevention
    on_pause: bool = False
    expires_ns: int | None = None
    reason: str = ""
    """Why it was changed last, where it was neither filled nor cancelled by its owner."""
    told: bool = True
    taken: Decimal = ZERO
    taken_fee: Decimal = ZERO
    made: Decimal = ZERO
    made_fee: Decimal = ZERO

    def note(self, fill: Executed) -> None:
        """Add a fill to what it has cost."""
        paid = cost(fill.qty, fill.price)
        if fill.maker:
            self.made, self.made_fee = SHOWN.add(self.made, paid), SHOWN.add(self.made_fee, fill.fee)
        else:
            self.taken, self.taken_fee = SHOWN.add(self.taken, paid), SHOWN.add(self.taken_fee, fill.fee)

    def costs(self, places: int) -> dict[str, str]:
        """Return costs and fees, in this number of decimals."""
        names = {"taker_fill_cost": self.taken, "maker_fill_cost": self.made, "taker_fees": self.taken_fee, "maker_fees": self.made_fee}
        return {f"{name}_dollars": dollars(value, places) for name, value in names.items()}


def counts(state: OrderState, ticket: Ticket) -> dict[str, str]:
    """Return how much of an order has filled, can still fill, and was asked for."""
    return {"fill_count_fp": count(state.filled), "remaining_count_fp": count(state.leaves), "initial_count_fp": count(abs(ticket.qty))}


def order_json(state: OrderState, ticket: Ticket, shift_ns: int = 0) -> dict[str, object]:
    """Return Kalshi's Order."""
    name = ticker_of(state.request.instrument)
    return {
        "order_id": state.order_id,
        "user_id": USER,
        "client_order_id": state.request.client_id,
        "ticker": name,
        **legacy(ticket.qty),
        **sides(ticket.qty),
        "type": "limit",
        "status": STATUS.get(state.status, "canceled"),
        "yes_price_dollars": dollars(ticket.price),
        "no_price_dollars": dollars(ONE - ticket.price),
        **counts(state, ticket),
        **ticket.costs(4),
        "expiration_time": None if ticket.expires_ns is None else moment(ticket.expires_ns),
        "created_time": moment(state.created_ns + shift_ns),
        "last_update_time": moment(state.updated_ns + shift_ns),
        "self_trade_prevention_type": ticket.prevention,
        "order_group_id": None,
        "cancel_order_on_pause": ticket.on_pause,
        "subaccount_number": 0,
        "exchange_index": 0,
    }


def user_order(report: Report, ticket: Ticket, shift_ns: int = 0) -> dict[str, object]:
    """Return what the stream says of an order that a report is about."""
    state = report.order
    assert state is not None  # noqa: S101 - reports without an order are not told
    created, updated = (state.created_ns + shift_ns) // MS, (report.ts_ns + shift_ns) // MS
    reason = "Trade" if isinstance(report, Executed) else ticket.reason if isinstance(report, Cancelled | Rejected) else ""
    return {
        "order_id": state.order_id,
        "user_id": USER,
        "ticker": ticker_of(state.request.instrument),
        "exchange_index": 0,
        "status": STATUS.get(state.status, "canceled"),
        "side": "yes",
        "is_yes": True,
        **sides(ticket.qty),
        "yes_price_dollars": dollars(ticket.price),
        **counts(state, ticket),
        **ticket.costs(6),
        "client_order_id": state.request.client_id,
        "self_trade_prevention_type": ticket.prevention,
        "created_time": moment(created * MS),
        "created_ts_ms": created,
        "last_update_time": moment(updated * MS),
        "last_updated_ts_ms": updated,
        **(
            {} if ticket.expires_ns is None else {"expiration_time": moment(ticket.expires_ns), "expiration_ts_ms": ticket.expires_ns // MS}
        ),
        **({"last_update_reason": reason} if reason else {}),
        "subaccount_number": 0,
    }


def seconds(ts_ns: int) -> int:
    """Return whole seconds."""
    return ts_ns // NS
