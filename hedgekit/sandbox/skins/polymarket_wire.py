"""Polymarket's words: the body of an order, how numbers and times look on the wire, and what the venue answers when it refuses.

Amounts in an order are whole millionths; everywhere else sizes and prices are decimal text with every digit that matters. Times of
streams are milliseconds as text, of lists seconds as text. Errors are ``{"error": "..."}``.
"""

from __future__ import annotations

import hashlib
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Literal

import msgspec

from hedgekit.exchange.faults import FaultKind
from hedgekit.exchange.model import Refusal
from hedgekit.sandbox.calls import Answer

SHOWN = Context(prec=80, rounding=ROUND_HALF_EVEN)
UNIT = Decimal("0.000001")
"""Amounts of orders and balances are whole numbers of this."""

MS = 1_000_000
"""Nanoseconds in a millisecond."""

NULL = msgspec.Raw(b"null")
LEAST = Decimal(5)
"""Smallest size of an order that may rest, in shares; told as ``mos`` and ``min_order_size``."""

LEAST_MONEY = Decimal(1)
"""Smallest collateral of a purchase that executes at once."""

AT_ONCE = frozenset({"FAK", "FOK"})
PLACES = {"0.1": 3, "0.01": 4, "0.005": 5, "0.0025": 6, "0.001": 5, "0.0001": 6}
"""Tick to decimals of collateral in a limit order, and of shares in a purchase at once; there is no other tick."""

FAK_UNMATCHED = (
    "no orders found to match with FAK order. FAK orders are partially filled or killed if no match is found."  # the SDK compares it
)
FOK_UNFILLED = "order couldn't be fully filled. FOK orders are fully filled or killed."
CROSSES = "invalid post-only order: order crosses book"
UNAUTHORIZED = "Unauthorized/Invalid api key"
PAYLOAD = "Invalid order payload"
POOR = "not enough balance / allowance"
NOT_READY = "the market is not yet ready to process new orders"

ENDS = {
    "requested": "CANCELED",
    "expired": "CANCELED_EXPIRED_ORDER",
    "settled": "CANCELED_MARKET_RESOLVED",
    "uncovered": "CANCELED_NOT_ENOUGH_BALANCE",
    "ioc": f"CANCELED_{FAK_UNMATCHED}",
    "fok": f"CANCELED_{FOK_UNFILLED}",
}
"""Why an order ended, as the exchange says it, to the status that the account's stream says."""


class OrderFields(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What is signed of an order, with its signature; ``expiration`` alone is sent but not signed."""

    salt: int
    maker: str
    signer: str
    token_id: str
    maker_amount: str
    taker_amount: str
    side: Literal["BUY", "SELL"]
    expiration: str
    signature_type: int
    timestamp: str
    metadata: str
    builder: str
    signature: str


class OrderBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Body of ``POST /order``."""

    order: OrderFields
    owner: str
    order_type: Literal["GTC", "GTD", "FOK", "FAK"]
    defer_exec: bool = False
    post_only: bool = False


def text(number: Decimal) -> str:
    """Write a decimal with every digit that matters and none that does not."""
    return format(number.normalize(SHOWN), "f")


def units(number: Decimal) -> str:
    """Write an amount in millionths; what is less than one is left out."""
    return str(int(number / UNIT))


def millis(at_ns: int) -> str:
    """Write a time as streams and books have it."""
    return str(at_ns // MS)


def seconds(at_ns: int) -> str:
    """Write a time as lists have it."""
    return str(at_ns // (1000 * MS))


def digest(words: str) -> str:
    """Return 32 bytes that are always the same for some words, hexadecimal with ``0x``: conditions, transactions, strangers' orders."""
    return f"0x{hashlib.sha256(f'hedgekit.sandbox/{words}'.encode()).hexdigest()}"


def refusal(words: str, status: int = 400, headers: dict[str, str] | None = None) -> Answer:
    """Return a refusal."""
    return Answer(status, {"error": words}, headers or {})


def refused(why: Refusal, message: str, order_id: str, token: str) -> str:
    """Return the venue's words for what the exchange refused."""
    words = {
        Refusal.DUPLICATE: f"order {order_id} is invalid. Duplicated. Same order has already been placed, can't be placed again",
        Refusal.INSTRUMENT: f"the orderbook {token} does not exist",
        Refusal.BUYING_POWER: f"{POOR}: {message}",
        Refusal.POST_ONLY: CROSSES,
        Refusal.TICK: f"order {order_id} is invalid. Price breaks minimum tick size rules: {message}",
    }
    return words.get(why, f"order {order_id} is invalid. {message}")


FAILURES = {
    FaultKind.TOO_MANY: (429, "Too Many Requests"),
    FaultKind.TOO_EARLY: (425, "the matching engine is restarting, retry later"),
    FaultKind.ERROR_500: (500, "Internal server error"),
    FaultKind.UNAVAILABLE_503: (503, "Service Unavailable"),
    FaultKind.GATEWAY_504_AFTER: (504, "Gateway Timeout"),
}
"""What the venue, or a gateway before it, says when it fails. Not the 503 of a venue that is shut, which says that nothing was done."""
