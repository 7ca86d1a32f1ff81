"""Deribit's words: JSON-RPC answers, refusals, and how instruments, orders and executions look on the wire.

Amounts are JSON numbers with every digit: dollars of an inverse perpetual, coins of a linear one, so contracts x
``Instrument.multiplier``; ``contracts`` says the contracts themselves. Times are milliseconds, of answers microseconds.

An order's id is its settlement currency and a number ("BTC-7"). An execution's id is the exchange's own, a UUID: so
the venue's record, its ledger and a client name it alike. (Deribit's are "48079254" or "ETH-34066": text as well.)
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.exchange.contract import Margin, Terms
from hedgekit.exchange.fees import Flat
from hedgekit.exchange.model import EXACT, OrderState, Refusal, Status
from hedgekit.sandbox.calls import Answer
from hedgekit.types import Fees, Instrument, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hedgekit.exchange.contract import Contract

US, MS = 1_000, 1_000_000
"""Nanoseconds in a microsecond and in a millisecond."""

LEVERAGE = 50
MARGIN = Margin(initial=Decimal("0.02"), maintenance=Decimal("0.01"))
"""Of a perpetual's notional: 50 x to open. Deribit raises both with size; the sandbox does not."""

NEVER_MS = 32_503_708_800_000
"""When a perpetual expires (the year 3000)."""

CODES = {
    10000: "authorization_required",
    10003: "order_overlap",
    10004: "order_not_found",
    10009: "not_enough_funds",
    10012: "book_closed",
    10023: "invalid_price",
    10028: "too_many_requests",
    10030: "must_be_websocket_request",
    10033: "not_implemented",
    10040: "retry",
    10041: "settlement_in_progress",
    10043: "price_wrong_tick",
    11030: "other_reject",
    11044: "not_open_order",
    11050: "bad_request",
    11051: "system_maintenance",
    11054: "post_only_reject",
    11094: "internal_server_error",
    13004: "invalid_credentials",
    13009: "unauthorized",
    13018: "invalid_content_type",
    13020: "not_found",
    13021: "forbidden",
    13778: "raw_subscriptions_not_available_for_unauthorized",
    13888: "timed_out",
    -32600: "Invalid Request",
    -32601: "Method not found",
    -32602: "Invalid params",
    -32700: "Parse error",
}
"""Deribit's errors by code, those that the sandbox says."""

STATUS = {10028: 429, 10000: 401, 13004: 401, 13009: 401, 13021: 403, 11094: 500, 11051: 503}
"""HTTP status of a refusal; 400 for all others. Deribit does not document them: its clients go by the code."""

REFUSED: dict[Refusal, tuple[int, str | None]] = {
    Refusal.INSTRUMENT: (13020, "instrument_name"),
    Refusal.QUANTITY: (-32602, "amount"),
    Refusal.LOT: (-32602, "amount"),
    Refusal.PRICE: (10023, "price"),
    Refusal.TICK: (10043, "price"),
    Refusal.WASH: (10003, None),
    Refusal.POST_ONLY: (11054, None),
    Refusal.BUYING_POWER: (10009, None),
    Refusal.NO_QUOTE: (11030, None),
    Refusal.UNKNOWN_ORDER: (10004, None),
    Refusal.NOT_OPEN: (11044, None),
}
"""Code, and the parameter that is wrong, of what the exchange refuses."""

STATES = {
    Status.NEW: "open",
    Status.PARTIALLY_FILLED: "open",
    Status.FILLED: "filled",
    Status.CANCELLED: "cancelled",
    Status.EXPIRED: "cancelled",
    Status.REJECTED: "rejected",
}

CURRENCIES = ("BTC", "ETH", "SOL", "USDC", "USDT", "EURR", "XRP", "USDE", "STETH", "ETHW", "MATIC", "PAXG", "BNB")
"""Currencies that Deribit knows, whether or not something here settles in them."""

AVERAGE = Decimal("1e-8")
"""Averages are rounded to this; they enter no balance."""

_ENCODE = msgspec.json.Encoder(decimal_format="number").encode
_PERPETUAL = re.compile(r"([A-Z0-9]+)(?:_([A-Z0-9]+))?-PERPETUAL", re.ASCII)


class RpcError(Exception):
    """A refusal, by its code; ``data`` says why, and of which parameter."""

    def __init__(self, code: int, reason: str | None = None, param: str | None = None, **more: object) -> None:
        data = {name: value for name, value in {"reason": reason, "param": param, **more}.items() if value is not None}
        self.code = code
        self.body = {"code": code, "message": CODES[code], **({"data": data} if data else {})}
        super().__init__(self.body)


class Listed(NamedTuple):
    """A perpetual by the parts of its name: what is bought, what prices count, and what it settles in."""

    base: str
    quote: str
    settle: str
    linear: bool

    @property
    def price_index(self) -> str:
        """Name of its price index: btc_usd."""
        return f"{self.base}_{self.quote}".lower()


def listed(symbol: str) -> Listed:
    """Read a perpetual's name: BTC-PERPETUAL is inverse and settles in BTC, BTC_USDC-PERPETUAL is linear and settles in USDC.

    Raises
    ------
    ConfigError
        If it is no perpetual's.
    """
    found = _PERPETUAL.fullmatch(symbol)
    if found is None:
        msg = f"DERIBIT:{symbol}: the sandbox lists perpetuals at DERIBIT only; name it as BTC-PERPETUAL or BTC_USDC-PERPETUAL"
        raise ConfigError(msg)
    base, quote = found[1], found[2]
    return Listed(base, "USD", base, linear=False) if quote is None else Listed(base, quote, quote, linear=True)


def terms_of(instruments: Sequence[Instrument]) -> dict[str, Terms]:
    """Return Deribit's terms by instrument key: takers pay the instrument's fee in what it settles in, makers nothing.

    Raises
    ------
    ConfigError
        If one is no perpetual, or not of the kind that its name says.
    """
    terms = {}
    for one in instruments:
        about = listed(one.symbol)
        kind = Kind.LINEAR_PERP if about.linear else Kind.INVERSE_PERP
        if one.kind is not kind:
            msg = f"{one.key} is {one.kind.value}: at DERIBIT it is kind {kind.value!r}, with the contract's size as multiplier"
            raise ConfigError(msg)
        terms[one.key] = Terms(about.settle, Flat(one.fees, Fees()), MARGIN)
    return terms


def num(value: Decimal) -> Decimal:
    """Return a number that is written without an exponent and without zeros that say nothing."""
    return Decimal(format(value.normalize(), "f")) if value else Decimal(0)


def shown(value: Decimal) -> Decimal:
    """Return a number for display, rounded."""
    return num(value.quantize(AVERAGE))


def symbol_of(key: str) -> str:
    """Return the symbol of an instrument key (``venue:symbol``)."""
    return key.partition(":")[2]


def encoded(message: object) -> bytes:
    """Return a message as JSON; decimals are numbers."""
    return _ENCODE(message)


def notification(channel: str, data: object) -> bytes:
    """Return what a channel tells."""
    return encoded({"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}})


def answer(now_ns: int, number: Any = None, *, result: object = None, error: RpcError | None = None) -> Answer:  # noqa: ANN401 - any id
    """Return a JSON-RPC answer, with the time that it came and went, by the venue's clock; no time passes between the two."""
    told: dict[str, object] = {"jsonrpc": "2.0"} if number is None else {"jsonrpc": "2.0", "id": number}
    told |= {"result": result} if error is None else {"error": error.body}
    told |= {"usIn": now_ns // US, "usOut": now_ns // US, "usDiff": 0, "testnet": True}
    status = 200 if error is None else STATUS.get(error.code, 400)
    return Answer(status, msgspec.Raw(encoded(told)))


def amount(instrument: Instrument, contracts: Decimal) -> Decimal:
    """Return contracts, unsigned, as Deribit counts them."""
    return num(EXACT.multiply(abs(contracts), instrument.multiplier))


def instrument_json(contract: Contract, number: int, created_ms: int) -> dict[str, object]:
    """Return an instrument as it is listed; a size that the sandbox does not have (block trades) is Deribit's."""
    one, about = contract.instrument, listed(contract.instrument.symbol)
    fees = contract.fees
    taker = fees.taker.rate if isinstance(fees, Flat) and fees.taker else one.fees.rate
    maker = fees.maker.rate if isinstance(fees, Flat) and fees.maker else taker
    kind = "linear" if about.linear else "reversed"
    return {
        "tick_size_steps": [],
        "tick_size": num(one.tick),
        "taker_commission": num(taker),
        "settlement_period": "perpetual",
        "settlement_currency": about.settle,
        "rfq": False,
        "quote_currency": about.quote,
        "price_index": about.price_index,
        "min_trade_amount": amount(one, one.lot),
        "max_liquidation_commission": num(taker),
        "max_leverage": LEVERAGE,
        "maker_commission": num(maker),
        "kind": "future",
        "is_active": True,
        "instrument_type": kind,
        "instrument_name": one.symbol,
        "instrument_id": number,
        "future_type": kind,
        "expiration_timestamp": NEVER_MS,
        "creation_timestamp": created_ms,
        "counter_currency": about.quote,
        "contract_size": num(one.multiplier),
        "block_trade_tick_size": num(one.tick),
        "block_trade_min_trade_amount": amount(one, one.lot),
        "block_trade_commission": num(taker),
        "base_currency": about.base,
    }


class About(msgspec.Struct, frozen=True):
    """What Deribit knows of an order and the exchange does not."""

    order_id: str
    label: str = ""
    order_type: str = "market"
    time_in_force: str = "good_til_cancelled"
    reduce_only: bool = False
    liquidation: bool = False
    price: Decimal | None = None


def order_json(instrument: Instrument, state: OrderState, about: About, cancel_reason: str = "") -> dict[str, object]:
    """Return an order. A market order has no price of its own: it says the mark of its arrival."""
    new = state.request
    price = about.price if new.limit is None else new.limit
    whole = amount(instrument, new.qty)
    told: dict[str, object] = {
        "web": False,
        "time_in_force": about.time_in_force,
        "replaced": False,
        "reduce_only": about.reduce_only,
        "price": num(price or Decimal(0)),
        "post_only": new.post_only,
        "order_type": about.order_type,
        "order_state": STATES[state.status],
        "order_id": about.order_id,
        "max_show": whole,
        "last_update_timestamp": state.updated_ns // MS,
        "label": about.label,
        "is_liquidation": about.liquidation,
        "instrument_name": instrument.symbol,
        "filled_amount": amount(instrument, state.filled),
        "direction": "buy" if new.qty > 0 else "sell",
        "creation_timestamp": state.created_ns // MS,
        "contracts": num(abs(new.qty)),
        "average_price": shown(state.paid / state.filled) if state.filled else Decimal(0),
        "api": not about.liquidation,
        "amount": whole,
    }
    return told | ({"cancel_reason": cancel_reason} if cancel_reason and state.status is Status.CANCELLED else {})
