"""What Kalshi's answers mean."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

import msgspec

from hedgekit.errors import VenueError
from hedgekit.types import NS, Execution, Reply, Request, State, Word
from hedgekit.venues.kalshi.wire import (
    ONE,
    Count,
    Direction,
    Dollars,
    Moment,
    Outcome,
    counted,
    decode,
    key_of,
    ns_of,
    signed_count,
    yes_price,
)
from hedgekit.venues.reading import Name, wait_of

_DONE = range(200, 300)
_NOT_FOUND, _CONFLICT, _TOO_MANY, _SERVER = 404, 409, 429, 500
_NOBODY_KNOWS = (0, 408, 425)  # no answer, the venue's own time-out, too early
KILLED = frozenset({"fill_or_kill_insufficient_resting_volume", "immediate_or_cancel_insufficient_resting_volume"})
"""Codes of a 409 that says that nothing was there to trade with; as live users report (the first often, the second seldom)."""


class _Created(msgspec.Struct):
    order_id: Name
    fill_count: Count
    remaining_count: Count


class _Order(msgspec.Struct):
    order_id: Name
    client_order_id: str
    status: Literal["resting", "canceled", "executed"]
    fill_count_fp: Count


class _Orders(msgspec.Struct):
    orders: list[_Order]
    cursor: str


class _Entry(msgspec.Struct):
    time_in_force: str


class _Error(msgspec.Struct):
    code: str
    message: str = ""
    details: str = ""


class _Wrapped(msgspec.Struct):
    error: _Error


class _Fill(msgspec.Struct):
    trade_id: Name
    order_id: Name
    market_ticker: Name
    outcome_side: Outcome
    book_side: Direction
    count_fp: Count
    yes_price_dollars: Dollars
    fee_cost: Dollars
    fill_id: str = ""
    created_time: Moment | None = None
    ts: int | None = None


class _Fills(msgspec.Struct):
    fills: list[_Fill]
    cursor: str


class _Position(msgspec.Struct):
    ticker: Name
    position_fp: Count


class _Positions(msgspec.Struct):
    market_positions: list[_Position]
    cursor: str = ""


class _Balance(msgspec.Struct):
    balance_dollars: Dollars


def state_of(request: Request, reply: Reply) -> State:
    """Return the order from the answer to a submit, a void or a look-up.

    Raises
    ------
    VenueError
        If the answer cannot be read, or a look-up has not found it.
    """
    if request.purpose == "lookup":
        found = _found(request, reply)[0]
        if found is None:
            msg = f"kalshi: the orders listed do not hold {request.order_id!r}"
            raise VenueError(msg)
        return State(found.order_id, found.status != "resting", counted(found.fill_count_fp, "order"))
    created: _Created = decode(reply.body, _Created, "order")
    entry: _Entry = decode(request.body or b"", _Entry, "our own order")
    over = entry.time_in_force != "good_till_canceled" or not Decimal(created.remaining_count)
    return State(created.order_id, over, counted(created.fill_count, "order"))


def _found(request: Request, reply: Reply) -> tuple[_Order | None, bool]:
    """Return our order from a list, and whether there is more than what was listed."""
    page: _Orders = decode(reply.body, _Orders, "orders")
    ours = [order for order in page.orders if order.client_order_id == request.order_id]
    if len({order.order_id for order in ours}) > 1:
        msg = f"kalshi: {len(ours)} orders go by {request.order_id!r}: {[order.order_id[:40] for order in ours[:3]]}"
        raise VenueError(msg)
    return (ours[0] if ours else None), bool(page.cursor)


def word_of(request: Request, reply: Reply) -> Word:  # noqa: PLR0911 - one line for each meaning
    """Return what an answer says.

    A look-up that has not found the order on a page after which there are more says nothing.
    """
    status = reply.status
    if status == _TOO_MANY:
        return Word.BUSY
    if status in _NOBODY_KNOWS or status >= _SERVER:
        return Word.UNKNOWN
    if request.purpose == "cancel" and status in (_NOT_FOUND, _CONFLICT):
        return Word.ENDED
    if status == _CONFLICT and request.purpose in ("submit", "void") and error_of(reply)[0] not in KILLED:
        return Word.DUPLICATE
    if status not in _DONE:
        return Word.REFUSED
    if request.purpose == "lookup":
        order, more = _found(request, reply)
        return Word.DONE if order is not None else Word.UNKNOWN if more else Word.MISSING
    return Word.DONE


def error_of(reply: Reply) -> tuple[str, str]:
    """Return (code, message) of a refusal, which live users have also seen wrapped in ``error``; a body that is not Kalshi's is quoted."""
    try:
        try:
            error: _Error = decode(reply.body, _Error, "error")
        except VenueError:
            error = decode(reply.body, _Wrapped, "error").error
    except VenueError:
        return str(reply.status), f"HTTP {reply.status}: {reply.body[:200]!r}"
    return error.code, f"{error.message}: {error.details}" if error.details else error.message


def limits_of(reply: Reply, now_ns: int) -> tuple[int | None, dict[str, int]]:
    """Return ns to wait, if the answer says so; Kalshi is reported to say nothing of its limits, so the limiter backs off by itself."""
    return wait_of(reply.headers.get("retry-after", ""), now_ns), {}


def fills_of(reply: Reply) -> tuple[list[Execution], str]:
    """Return executions, and the cursor of the next page; empty for the last."""
    page: _Fills = decode(reply.body, _Fills, "fills")
    return [_execution(fill) for fill in page.fills], page.cursor


def _execution(fill: _Fill) -> Execution:
    what = f"fill {fill.trade_id[:40]!r}"
    if fill.fill_id not in ("", fill.trade_id):  # the stream tells trade_id: under two names it would be booked twice
        msg = f"kalshi: {what} is also named {fill.fill_id[:40]!r}"
        raise VenueError(msg)
    if fill.created_time is None and fill.ts is None:
        msg = f"kalshi: {what} came without created_time and ts"
        raise VenueError(msg)
    return Execution(
        fill.order_id,
        fill.trade_id,
        key_of(fill.market_ticker),
        ns_of(fill.created_time) if fill.created_time is not None else (fill.ts or 0) * NS,
        signed_count(fill.count_fp, fill.book_side, fill.outcome_side, what),
        yes_price(fill.yes_price_dollars, what),
        Decimal(fill.fee_cost),
    )


def held_of(replies: Sequence[Reply]) -> tuple[dict[str, Decimal], Decimal]:
    """Return signed quantity by instrument key, and cash: the balance plus 1 for each contract sold short, which is set aside for it.

    What resting orders have set aside is not in the balance; nor does this know what an event of which only one market can win
    (MECNET) gives back.

    Raises
    ------
    VenueError
        If there are more positions than were listed.
    """
    positions, account = replies
    page: _Positions = decode(positions.body, _Positions, "positions")
    if page.cursor:
        msg = f"kalshi: the account holds more than the {len(page.market_positions)} positions listed; use an account of its own"
        raise VenueError(msg)
    held = {key_of(one.ticker): Decimal(one.position_fp) for one in page.market_positions if Decimal(one.position_fp)}
    balance: _Balance = decode(account.body, _Balance, "account")
    aside = sum((-qty for qty in held.values() if qty < 0), Decimal(0)) * ONE
    return held, Decimal(balance.balance_dollars) + aside


def latest_of(reply: Reply) -> dict[str, int]:  # noqa: ARG001 - as every client
    """Return nothing: that there is an answer is all that it tells; none holds the time of a quote."""
    return {}
