"""What Alpaca's answers mean."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

import msgspec

from hedgekit.errors import VenueError
from hedgekit.types import Execution, Reply, Request, State, Word
from hedgekit.venues.alpaca.wire import DUPLICATE, NAME, OVER, decode, finite, parse_time
from hedgekit.venues.reading import Name, wait_of

_PAGE = 100
_DONE = range(200, 300)
_NOT_FOUND, _UNPROCESSABLE, _TOO_MANY, _SERVER = 404, 422, 429, 500
_NOBODY_KNOWS = (0, 408, 425)  # no answer, the venue's own time-out, too early


class _Order(msgspec.Struct):
    id: Name
    client_order_id: str
    status: str
    filled_qty: Decimal = Decimal(0)


class _Error(msgspec.Struct):
    message: str
    code: int = 0


class _Position(msgspec.Struct):
    symbol: str
    qty: Decimal
    side: Literal["long", "short"]


class _Account(msgspec.Struct):
    cash: Decimal


class _Activity(msgspec.Struct):
    id: Name
    order_id: Name
    symbol: str
    side: Literal["buy", "sell", "sell_short"]
    price: Decimal
    qty: Decimal
    transaction_time: str
    fee: Decimal = Decimal(0)


class _Quotes(msgspec.Struct):
    quotes: dict[str, dict[str, object]]


def state_of(request: Request, reply: Reply) -> State:  # noqa: ARG001 - other venues' answers do not say which order
    """Return the order from the answer to a submit or a look-up."""
    found: _Order = decode(reply.body, _Order, "order")
    return State(found.id, found.status in OVER, finite(found.filled_qty, "order"))


def fills_of(reply: Reply) -> tuple[list[Execution], str]:
    """Return executions, and the token of the next page; empty for the last.

    An activity's id is "time::uuid"; its second part is the execution id that the stream tells.
    """
    found: list[_Activity] = decode(reply.body, list[_Activity], "activities")
    executions = [
        Execution(
            one.order_id,
            one.id.rpartition("::")[2],
            f"{NAME}:{one.symbol}",
            parse_time(one.transaction_time),
            finite(one.qty, "activities").copy_sign(1 if one.side == "buy" else -1),
            finite(one.price, "activities"),
            finite(one.fee, "activities"),
        )
        for one in found
    ]
    return executions, found[-1].id if len(found) == _PAGE else ""


def latest_of(reply: Reply) -> dict[str, int]:
    """Return the venue's time of the latest quote by instrument key."""
    found: _Quotes = decode(reply.body, _Quotes, "latest quotes")
    return {f"{NAME}:{name}": parse_time(str(one.get("t", ""))) for name, one in found.quotes.items()}


def limits_of(reply: Reply, now_ns: int) -> tuple[int | None, dict[str, int]]:
    """Return what an answer says of the rate limit: ns to wait (Retry-After), and requests left by budget."""
    left = reply.headers.get("x-ratelimit-remaining", "").strip()
    known = left.isascii() and left.isdecimal()
    return wait_of(reply.headers.get("retry-after", ""), now_ns), {"requests": int(left[:9])} if known else {}


def error_of(reply: Reply) -> tuple[str, str]:
    """Return (code, message) of a refusal; a body that is not Alpaca's is quoted."""
    try:
        error: _Error = decode(reply.body, _Error, "error")
    except VenueError:
        return str(reply.status), f"HTTP {reply.status}: {reply.body[:200]!r}"
    return str(error.code), error.message


def word_of(request: Request, reply: Reply) -> Word:
    """Return what an answer says."""
    status = reply.status
    if status == _UNPROCESSABLE and request.purpose == "cancel":  # filled, cancelled or expired, and the stream says which
        return Word.ENDED
    if status == _UNPROCESSABLE and DUPLICATE in error_of(reply)[1]:
        return Word.DUPLICATE
    if status == _NOT_FOUND and request.purpose == "lookup":
        return Word.MISSING
    if status == _TOO_MANY:
        return Word.BUSY
    if status in _NOBODY_KNOWS or status >= _SERVER:
        return Word.UNKNOWN
    return Word.DONE if status in _DONE else Word.REFUSED


def held_of(replies: Sequence[Reply]) -> tuple[dict[str, Decimal], Decimal]:
    """Return signed quantity by instrument key, and cash; the side decides the sign, whether or not ``qty`` has one."""
    positions, account = replies
    found: list[_Position] = decode(positions.body, list[_Position], "positions")
    held = {f"{NAME}:{one.symbol}": finite(one.qty, "positions").copy_sign(1 if one.side == "long" else -1) for one in found}
    cash: Decimal = decode(account.body, _Account, "account").cash
    return held, finite(cash, "account")
