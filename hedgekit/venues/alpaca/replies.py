"""What Alpaca's answers mean."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple

import msgspec

from hedgekit.errors import VenueError
from hedgekit.types import NS, Fill, Reply
from hedgekit.venues.alpaca.wire import DUPLICATE, NAME, OVER, Name, decode, finite, parse_time

_PAGE = 100


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


class State(NamedTuple):
    """An order by the venue's word: its id there, its status, and the unsigned quantity that was executed."""

    venue_id: str
    status: str
    filled: Decimal

    @property
    def over(self) -> bool:
        """Whether nothing more of it will execute."""
        return self.status in OVER


class Execution(NamedTuple):
    """One execution by the venue's word, with the venue's id of its order."""

    venue_order_id: str
    fill_id: str
    instrument: str
    venue_ns: int
    qty: Decimal
    price: Decimal
    fee: Decimal

    def fill(self, order_id: str, ts_ns: int) -> Fill:
        """Return it as an event of an order of ours."""
        return Fill(ts_ns=ts_ns, order_id=order_id, **{name: getattr(self, name) for name in self._fields[1:]})


def state_of(reply: Reply) -> State:
    """Return the order from the answer to a submit or a look-up."""
    found: _Order = decode(reply.body, _Order, "order")
    return State(found.id, found.status, finite(found.filled_qty, "order"))


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
    """Return what an answer says of the rate limit: ns to wait (Retry-After, seconds or a date), and requests left by budget."""
    after, left = reply.headers.get("retry-after", "").strip(), reply.headers.get("x-ratelimit-remaining", "").strip()
    wait_ns = None
    if after.isdecimal():
        wait_ns = int(after) * NS
    elif after:
        with contextlib.suppress(ValueError):  # neither: the limiter's own backoff applies
            wait_ns = round(parsedate_to_datetime(after).timestamp()) * NS - now_ns
    return wait_ns, {"requests": int(left)} if left.isdecimal() else {}


def error_of(reply: Reply) -> tuple[str, str]:
    """Return (code, message) of a refusal; a body that is not Alpaca's is quoted."""
    try:
        error: _Error = decode(reply.body, _Error, "error")
    except VenueError:
        return str(reply.status), f"HTTP {reply.status}: {reply.body[:200]!r}"
    return str(error.code), error.message


def over_already(reply: Reply) -> bool:
    """Whether a cancel came too late: the order is filled, cancelled or expired, and the stream says which."""
    return reply.status == 422  # noqa: PLR2004 - the venue's own status


def duplicate(reply: Reply) -> bool:
    """Whether a submit was refused because the venue already has that id."""
    return reply.status == 422 and DUPLICATE in error_of(reply)[1]  # noqa: PLR2004 - the venue's own status


def positions_of(reply: Reply) -> dict[str, Decimal]:
    """Return signed quantity by instrument key; the side decides the sign, whether or not ``qty`` has one."""
    found: list[_Position] = decode(reply.body, list[_Position], "positions")
    return {
        f"{NAME}:{position.symbol}": finite(position.qty, "positions").copy_sign(1 if position.side == "long" else -1) for position in found
    }


def cash_of(reply: Reply) -> Decimal:
    """Return the account's cash."""
    found: _Account = decode(reply.body, _Account, "account")
    return finite(found.cash, "account")
