"""What Deribit's answers mean: by their JSON-RPC body, whatever HTTP status comes with it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

import msgspec

from hedgekit.errors import VenueError
from hedgekit.types import NS, Booked, Execution, Payment, Reply, Request, State, Word
from hedgekit.venues.deribit.requests import OLD, read_number
from hedgekit.venues.deribit.units import Units, coin, currency
from hedgekit.venues.deribit.wire import MS, NAME, Error, decode, finite, short
from hedgekit.venues.reading import Name, wait_of

_DONE = range(200, 300)
_TOO_MANY, _SERVER = 429, 500
_NOBODY_KNOWS = (0, 408, 425)  # no answer, a time-out on the way, too early
_LONGEST_S = 3600

BUSY = frozenset(
    {"too_many_requests", "too_many_concurrent_requests", "matching_engine_queue_full", "retry", "settlement_in_progress"},
)
"""Nothing was done, and may be asked again; at the settlement, 08:00 UTC, trading pauses for some seconds."""

UNSURE = frozenset(
    {"error", "other_error", "internal_server_error", "request_failed", "system_maintenance", "temporarily_unavailable", "unavailable"},
)
"""Something failed, at a moment that is not said."""

GONE = frozenset(
    {
        "order_not_found",
        "not_found",
        "already_closed",
        "already_filled",
        "not_open_order",
        "order_closed",
        "book_closed",
        "orderbook_closed",
    },
)
"""There is no such order, or it is over."""

OVER = frozenset({"filled", "cancelled", "rejected"})
RECENT_S = 23 * 3_600
"""Executions count as recent for 24 hours; an hour less, since clocks differ and questions take their time."""

ALIVE = frozenset({"open", "untriggered", "triggered"})


class _Answer(msgspec.Struct):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    error: Error | None = None
    us_out: int | None = msgspec.field(default=None, name="usOut")


class OrderState(msgspec.Struct):
    """An order, in answers and on the account's socket."""

    order_id: Name
    instrument_name: Name
    order_state: str
    filled_amount: Decimal = Decimal(0)
    label: str = ""
    cancel_reason: str = ""

    def over(self) -> bool:
        """Whether nothing more of it will execute; VenueError for a state that is not known."""
        if self.order_state not in OVER | ALIVE:
            msg = f"deribit: order state {self.order_state[:60]!a} of {self.order_id[:60]!a} is not understood"
            raise VenueError(msg)
        return self.order_state in OVER


class Trade(msgspec.Struct):
    """One execution, in answers and on the account's socket."""

    trade_id: Name
    order_id: Name
    instrument_name: Name
    direction: Literal["buy", "sell"]
    amount: Decimal
    price: Decimal
    timestamp: int
    fee: Decimal
    fee_currency: str = ""
    label: str = ""

    def execution(self, units: Units) -> Execution:
        """Return it in our units; VenueError if it says no amounts."""
        numbers = (self.price, self.amount, self.fee)
        if not (all(number.is_finite() for number in numbers) and self.price > 0 and self.amount > 0):
            said = "price {}, amount {}, fee {}".format(*map(short, numbers))
            msg = f"deribit: execution {self.trade_id[:60]!a} says {said}: not amounts"
            raise VenueError(msg)
        if self.instrument_name in units.symbols and self.fee_currency not in ("", currency(self.instrument_name)):
            msg = f"deribit: execution {self.trade_id[:60]!a} of {self.instrument_name} has its fee in {self.fee_currency[:60]!a}"
            raise VenueError(msg)
        qty = units.qty(self.instrument_name, self.amount, self.direction)
        key = f"{NAME}:{self.instrument_name}"
        return Execution(self.order_id, self.trade_id, key, self.timestamp * MS, qty, self.price, self.fee, coin(self.instrument_name))


class _Placed(msgspec.Struct):
    order: OrderState


class LogRow(msgspec.Struct):
    """One change of the balance. ``interest_pl`` is the funding in it, booked at settlements and at trades of a perpetual."""

    id: int
    timestamp: int
    type: str
    currency: str
    instrument_name: str | None = None
    interest_pl: Decimal | None = None
    price: Decimal | None = None

    def payment(self, ts_ns: int) -> Payment | None:
        """Return the funding that it booked; None if it booked none. VenueError if it says no amounts."""
        if not self.interest_pl:
            return None
        amount, mark, name = finite(self.interest_pl, f"entry {self.id} of the log"), self.price, self.instrument_name or ""
        if mark is None or not (mark.is_finite() and mark > 0):
            msg = f"deribit: entry {self.id} of the log has funding of {short(amount)} in {name[:60]!a} at price {mark}"
            raise VenueError(msg)
        key, at_ns = f"{NAME}:{name}", self.timestamp * MS
        return Payment(ts_ns=ts_ns, instrument=key, payment_id=str(self.id), venue_ns=at_ns, amount=amount, mark=mark, coin=coin(name))


class _Log(msgspec.Struct):
    logs: list[LogRow]
    continuation: int | None = None


class _Trades(msgspec.Struct):
    trades: list[Trade]
    has_more: bool


class _Position(msgspec.Struct):
    instrument_name: Name
    size: Decimal
    direction: Literal["buy", "sell", "zero"]


class _Account(msgspec.Struct):
    balance: Decimal


class _Book(msgspec.Struct):
    instrument_name: Name
    timestamp: int


def result_of(reply: Reply, kind: Any, what: str) -> tuple[int | None, Any]:  # noqa: ANN401 - the type is the argument
    """Return the id of an answer, and its result as a type; VenueError if it is none."""
    answer: _Answer = decode(reply.body, _Answer, what)
    return answer.id, decode(bytes(answer.result), kind, what)


def _error(reply: Reply) -> Error | None:
    try:
        answer: _Answer = decode(reply.body, _Answer, "answer")
    except VenueError:
        return None
    return answer.error


def word_of(request: Request, reply: Reply) -> Word:
    """Return what an answer says."""
    if (error := _error(reply)) is not None:
        return _refusal(request, error, reply.status)
    if reply.status in _NOBODY_KNOWS or reply.status >= _SERVER:
        return Word.UNKNOWN
    if reply.status not in _DONE:
        return Word.BUSY if reply.status == _TOO_MANY else Word.REFUSED
    try:
        found = result_of(reply, list[msgspec.Raw] if request.purpose == "lookup" else msgspec.Raw, "answer")[1]
    except VenueError:  # of a question, its reader says what cannot be read
        return Word.UNKNOWN if request.purpose in ("submit", "cancel") else Word.DONE
    return Word.MISSING if request.purpose == "lookup" and not found else Word.DONE


def _refusal(request: Request, error: Error, status: int) -> Word:
    if error.name in BUSY or status == _TOO_MANY:
        return Word.BUSY
    if error.name in UNSURE or status >= _SERVER:
        return Word.UNKNOWN
    if error.name in GONE and request.purpose in ("cancel", "lookup"):
        return Word.ENDED if request.purpose == "cancel" else Word.MISSING
    return Word.REFUSED


def error_of(reply: Reply) -> tuple[str, str]:
    """Return (code, message) of a refusal; a body that is not Deribit's is quoted."""
    if (error := _error(reply)) is None:
        return str(reply.status), f"HTTP {reply.status}: {reply.body[:200]!r}"
    return str(error.code), error.text()


def limits_of(reply: Reply, now_ns: int) -> tuple[int | None, dict[str, int]]:
    """Return ns to wait, where a refusal says it (``wait`` in seconds, or Retry-After); Deribit does not say what is left."""
    error = _error(reply)
    wait = error.data.get("wait") if error is not None and isinstance(error.data, dict) else None
    if isinstance(wait, int | float) and not isinstance(wait, bool) and 0 <= wait <= _LONGEST_S:
        return round(wait * NS), {}
    return wait_of(reply.headers.get("retry-after", ""), now_ns), {}


def state_of(units: Units, request: Request, reply: Reply) -> State:
    """Return the order from the answer to a submit or a look-up.

    Raises
    ------
    VenueError
        If there are several orders of its label: then no more is known of any of them.
    """
    if request.purpose == "lookup":
        orders: list[OrderState] = result_of(reply, list[OrderState], "orders of a label")[1]
        if len(orders) != 1:
            ids = ", ".join(ascii(one.order_id[:40]) for one in orders[:5])
            msg = f"deribit: {len(orders)} orders have label {request.order_id!r} ({ids}): look at the account before anything else"
            raise VenueError(msg)
        order = orders[0]
    else:
        order = result_of(reply, _Placed, "order")[1].order
    return State(order.order_id, order.over(), units.qty(order.instrument_name, order.filled_amount))


def fills_of(units: Units, reply: Reply) -> tuple[list[Execution], str]:
    """Return executions, and the page to ask for next; empty for the last of the last currency.

    Those of the last day come first, then, if the question begins earlier by the venue's own clock, the historical ones; so one that
    becomes historical between the two is told twice, and not never.
    """
    number, found = result_of(reply, _Trades, "executions")
    place, since_s, old = read_number(-1 if number is None else number)
    if not 0 <= place < len(units.currencies) or (found.has_more and not found.trades):
        msg = f"deribit: executions of request {number} came without that request, or promise more behind none: {reply.body[:200]!a}"
        raise VenueError(msg)
    executions = [one.execution(units) for one in found.trades]
    kind = OLD if old else ""
    if found.has_more:
        return executions, f"{kind}{units.currencies[place]}:{executions[-1].fill_id}"
    if rest := units.currencies[place + 1 :]:
        return executions, f"{kind}{rest[0]}:"
    return executions, f"{OLD}{units.currencies[0]}:" if not old and since_s and _is_old(reply, since_s) else ""


def _is_old(reply: Reply, since_s: int) -> bool:
    """Whether a time is so old, by the clock of the venue's answer, that not all since then counts as recent; without one it may be."""
    answer: _Answer = decode(reply.body, _Answer, "answer")
    return answer.us_out is None or since_s < answer.us_out // 1_000_000 - RECENT_S


def booked_of(units: Units, reply: Reply, ts_ns: int) -> tuple[list[Booked], str]:
    """Return the funding of perpetuals that are traded here, newest first, and the page to ask for next.

    What else changes the balance is no result of what is held (deposits, transfers), or is told by the executions (fees, and the
    profit that Deribit books at a settlement).
    """
    place, found = result_of(reply, _Log, "log of the account")
    if place is None or not 0 <= place < len(units.currencies) or (found.continuation is not None and not found.logs):
        msg = f"deribit: a log of request {place} came without that request, or promises more behind nothing: {reply.body[:200]!a}"
        raise VenueError(msg)
    rows = (row.payment(ts_ns) for row in found.logs if row.instrument_name in units.symbols)
    payments: list[Booked] = [payment for payment in rows if payment is not None]
    rest = units.currencies[place + 1 :]
    if found.continuation is not None:
        return payments, f"{units.currencies[place]}:{found.continuation}"
    return payments, f"{rest[0]}:" if rest else ""


def held_of(units: Units, replies: Sequence[Reply]) -> tuple[dict[str, Decimal], Decimal]:
    """Return signed quantity by instrument key, and the balance; the direction decides the sign, whether or not ``size`` has one."""
    *positions, account = replies
    held: dict[str, Decimal] = {}
    for reply in positions:
        found: list[_Position] = result_of(reply, list[_Position], "positions")[1]
        for one in found:
            if (one.direction == "zero") != (not one.size):
                msg = f"deribit: position of {one.instrument_name[:60]!a} has size {short(one.size)} and direction {one.direction}"
                raise VenueError(msg)
            if one.size:
                held[f"{NAME}:{one.instrument_name}"] = units.qty(one.instrument_name, one.size.copy_abs(), one.direction)
    return held, finite(result_of(account, _Account, "account")[1].balance, "account")


def latest_of(reply: Reply) -> dict[str, int]:
    """Return the venue's time of the latest state of a book, by instrument key."""
    found: _Book = result_of(reply, _Book, "book")[1]
    return {f"{NAME}:{found.instrument_name}": found.timestamp * MS}
