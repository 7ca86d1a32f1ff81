"""What Deribit's methods may be asked with, read strictly: an unknown parameter, a wrong type or a missing one is refused by name.

A query string has text, which is read as what the parameter is; in JSON a number must be a number.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args

import msgspec

from hedgekit.sandbox.calls import UNREADABLE
from hedgekit.sandbox.skins.deribit_wire import RpcError

if TYPE_CHECKING:
    from collections.abc import Mapping

Label = Annotated[str, msgspec.Meta(max_length=64)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Kind = Literal["future", "option", "spot", "future_combo", "option_combo", "combo", "any"]
Tif = Literal["good_til_cancelled", "good_til_day", "fill_or_kill", "immediate_or_cancel"]
OrderType = Literal[
    "limit", "stop_limit", "take_limit", "market", "stop_market", "take_market", "market_limit", "trailing_stop", "trailing_limit"
]
Sorting = Literal["asc", "desc", "default"]


class Nothing(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """No parameters."""


class Auth(Nothing, frozen=True, kw_only=True):
    """``public/auth``."""

    grant_type: Literal["client_credentials", "client_signature", "refresh_token"]
    client_id: str | None = None
    client_secret: str | None = None
    refresh_token: str | None = None
    timestamp: int | None = None
    signature: str | None = None
    nonce: str | None = None
    data: str = ""
    state: str | None = None
    scope: str = ""


class Hello(Nothing, frozen=True, kw_only=True):
    """``public/hello``."""

    client_name: str
    client_version: str


class Test(Nothing, frozen=True, kw_only=True):
    """``public/test``."""

    expected_result: Literal["exception"] | None = None


class Heartbeat(Nothing, frozen=True, kw_only=True):
    """``public/set_heartbeat``."""

    interval: Annotated[int, msgspec.Meta(ge=10)]


class Channels(Nothing, frozen=True, kw_only=True):
    """To subscribe, or no longer."""

    channels: Annotated[list[str], msgspec.Meta(min_length=1, max_length=500)]
    label: str | None = None


class Guard(Nothing, frozen=True, kw_only=True):
    """Cancel on disconnect."""

    scope: Literal["connection", "account"] = "connection"


class Logout(Nothing, frozen=True, kw_only=True):
    """``private/logout``."""

    invalidate_token: bool = True


class Instruments(Nothing, frozen=True, kw_only=True):
    """What settles in a currency, or in any."""

    currency: str = "any"
    kind: Kind = "any"
    expired: bool = False


class Positions(Nothing, frozen=True, kw_only=True):
    """``private/get_positions``."""

    currency: str = "any"
    kind: Kind = "any"
    subaccount_id: int | None = None


class Currency(Nothing, frozen=True, kw_only=True):
    """What settles in a currency."""

    currency: str
    kind: Kind = "any"


class Name(Nothing, frozen=True, kw_only=True):
    """Of an instrument."""

    instrument_name: str


class Depth(Name, frozen=True, kw_only=True):
    """``public/get_order_book``."""

    depth: Literal[1, 5, 10, 20, 50, 100, 1000, 10000] = 5


class Index(Nothing, frozen=True, kw_only=True):
    """``public/get_index_price``."""

    index_name: str


class Span(Name, frozen=True, kw_only=True):
    """Of an instrument, between two times."""

    start_timestamp: int
    end_timestamp: int


class Trades(Nothing, frozen=True, kw_only=True):
    """Executions: which, and how many; :class:`TradesIn` a currency, :class:`TradesOf` an instrument."""

    start_id: str | None = None
    end_id: str | None = None
    start_seq: int | None = None
    end_seq: int | None = None
    start_timestamp: int | None = None
    end_timestamp: int | None = None
    count: Count = 10
    sorting: Sorting = "default"
    include_old: bool = False
    historical: bool = False
    subaccount_id: int | None = None


class TradesIn(Trades, frozen=True, kw_only=True):
    """Executions in a currency."""

    currency: str
    kind: Kind = "any"


class TradesOf(Trades, frozen=True, kw_only=True):
    """Executions of an instrument."""

    instrument_name: str


class Log(Nothing, frozen=True, kw_only=True):
    """``private/get_transaction_log``."""

    currency: str
    start_timestamp: int
    end_timestamp: int
    query: str | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=250)] = 100
    continuation: int | None = None
    subaccount_id: int | None = None


class OrderId(Nothing, frozen=True, kw_only=True):
    """An order."""

    order_id: Annotated[str, msgspec.Meta(min_length=1)]


class TradesFor(OrderId, frozen=True, kw_only=True):
    """Executions of an order."""

    sorting: Sorting = "default"
    historical: bool = False


class OfLabel(Nothing, frozen=True, kw_only=True):
    """Orders of a label."""

    label: Label
    currency: str = "any"


class LabelIn(Nothing, frozen=True, kw_only=True):
    """Orders of a label in a currency."""

    currency: str
    label: Label


class Orders(Nothing, frozen=True, kw_only=True):
    """Orders of a kind; ``detailed`` and the triggered ones are not simulated."""

    kind: Kind = "any"
    type: Literal["all", "limit", "trigger_all", "stop_all", "stop_limit", "stop_market", "take_all", "take_limit", "take_market"] = "all"
    detailed: bool = False
    freeze_quotes: bool = False


class OrdersIn(Orders, frozen=True, kw_only=True):
    """Orders in a currency."""

    currency: str


class OrdersOf(Orders, frozen=True, kw_only=True):
    """Orders of an instrument."""

    instrument_name: str


class History(Nothing, frozen=True, kw_only=True):
    """Orders that are over, or have filled."""

    count: Count = 20
    offset: Annotated[int, msgspec.Meta(ge=0)] = 0
    include_old: bool = False
    include_unfilled: bool = False
    historical: bool = False


class HistoryIn(History, frozen=True, kw_only=True):
    """Past orders in a currency."""

    currency: str
    kind: Kind = "any"


class HistoryOf(History, frozen=True, kw_only=True):
    """Past orders of an instrument."""

    instrument_name: str


class Summaries(Nothing, frozen=True, kw_only=True):
    """``private/get_account_summaries``."""

    extended: bool = False
    subaccount_id: int | None = None


class Summary(Summaries, frozen=True, kw_only=True):
    """``private/get_account_summary``."""

    currency: str


class Close(Name, frozen=True, kw_only=True):
    """``private/close_position``."""

    type: Literal["limit", "market"]
    price: Decimal | None = None


class Place(Name, frozen=True, kw_only=True):
    """``private/buy`` and ``private/sell``; what is not simulated is known so that it can be refused by name.

    ``post_only`` is False if it is not said: Deribit's documents differ, and clients that never say it take liquidity there.
    """

    amount: Decimal | None = None
    contracts: Decimal | None = None
    type: OrderType = "limit"
    label: Label = ""
    price: Decimal | None = None
    time_in_force: Tif = "good_til_cancelled"
    post_only: bool = False
    reject_post_only: bool = False
    reduce_only: bool = False
    valid_until: int | None = None
    mmp: bool = False
    max_show: Decimal | None = None
    display_amount: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_offset: Decimal | None = None
    trigger: str | None = None
    advanced: str | None = None
    linked_order_type: str | None = None
    trigger_fill_condition: str | None = None
    otoco_config: Any = None

    def check(self) -> None:
        """Refuse what is not simulated, and what does not fit together.

        Raises
        ------
        RpcError
            Naming the parameter.
        """
        absent = ("max_show", "display_amount", "trigger_price", "trigger_offset", "trigger", "advanced", "linked_order_type")
        for name in (*absent, "trigger_fill_condition", "otoco_config"):
            if getattr(self, name) is not None:
                raise RpcError(10033, "not simulated: leave it out", name)
        if self.type not in {"limit", "market"} or self.mmp:
            raise RpcError(10033, "not simulated: use type limit or market, without mmp", "mmp" if self.mmp else "type")
        if self.amount is None and self.contracts is None:
            raise RpcError(-32602, "is required, or contracts", "amount")
        if (self.price is None) == (self.type == "limit"):
            raise RpcError(-32602, "is required" if self.type == "limit" else "a market order has none", "price")
        for name in ("amount", "contracts", "price"):
            number = getattr(self, name)
            if number is not None and not (number.is_finite() and number > 0):
                raise RpcError(-32602, "must be a number above 0", name)


T = TypeVar("T", bound=Nothing)
_PARAM = re.compile(r"unknown field `([^`]*)`|missing required field `([^`]*)`|`\$\.([A-Za-z_]+)")


def of_query(query: Mapping[str, str], kind: type[T]) -> T:
    """Read a query string's parameters.

    Raises
    ------
    RpcError
        Naming the one that is wrong.
    """
    try:
        return msgspec.convert(dict(query), kind, strict=False)
    except msgspec.ValidationError as bad:
        raise _invalid(bad) from None


def of_json(params: bytes, kind: type[T]) -> T:
    """Read the parameters of a JSON-RPC request.

    Raises
    ------
    RpcError
        Naming the one that is wrong.
    """
    try:
        plain = msgspec.json.decode(params, type=dict[str, Any])
        for field in msgspec.structs.fields(kind):
            if Decimal in get_args(field.type) and isinstance(plain.get(field.name), str):
                raise RpcError(-32602, "must be a number", field.name)
        return msgspec.json.decode(params, type=kind)
    except msgspec.ValidationError as bad:
        raise _invalid(bad) from None
    except UNREADABLE:
        raise RpcError(-32700) from None


def _invalid(bad: msgspec.ValidationError) -> RpcError:
    found = _PARAM.search(str(bad))
    return RpcError(-32602, str(bad), next((name for name in found.groups() if name), None) if found else None)
