"""Alpaca's words: how orders, positions, quotes and errors look on the wire.

Money, prices and quantities of orders are strings with every digit; prices of
quotes are JSON numbers, the shortest that read back as the recorded float.
Sizes of quotes are in shares. A missing side of a quote has price 0 and size 0.
Times are RFC 3339 with nine digits of a second.

Sandbox extension: orders, and fills in trade updates, carry ``fee`` (string).
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import NAMESPACE_URL, uuid5

import msgspec

from hedgekit.exchange.model import Refusal, Status
from hedgekit.types import NS

if TYPE_CHECKING:
    from hedgekit.exchange.engine import Exchange
    from hedgekit.exchange.model import OrderState
    from hedgekit.types import MarketStatus, Quote

SHOWN = Context(prec=80, rounding=ROUND_HALF_EVEN)
AVERAGE = Decimal("1e-9")
"""Averages (``filled_avg_price``, ``avg_entry_price``) are rounded to this; they enter no balance."""

STATUS = {Status.CANCELLED: "canceled"}
"""Alpaca's word where it differs from ours."""

REFUSED: dict[Refusal, tuple[int, int, str | None]] = {
    Refusal.DUPLICATE: (422, 40010001, "client_order_id must be unique"),
    Refusal.INSTRUMENT: (422, 42210000, None),
    Refusal.QUANTITY: (422, 42210000, None),
    Refusal.LOT: (422, 42210000, None),
    Refusal.PRICE: (422, 42210000, None),
    Refusal.TICK: (422, 42210000, None),
    Refusal.THROUGH_ZERO: (403, 40310000, None),
    Refusal.FRACTIONAL_SHORT: (403, 40310000, None),
    Refusal.WASH: (403, 40310000, None),
    Refusal.BUYING_POWER: (403, 40310000, None),
    Refusal.NO_QUOTE: (422, 42210000, None),
    Refusal.UNKNOWN_ORDER: (404, 40410000, None),
    Refusal.NOT_OPEN: (422, 42210000, None),
}
"""HTTP status, Alpaca's code, and Alpaca's message where clients look for it."""


class OrderBody(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /v2/orders``; fields that are not simulated are known so that they can be refused by name."""

    symbol: str
    side: Literal["buy", "sell"]
    type: Literal["market", "limit", "stop", "stop_limit", "trailing_stop"]
    time_in_force: Literal["day", "gtc", "opg", "cls", "ioc", "fok"]
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    client_order_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    order_class: Literal["", "simple", "bracket", "oco", "oto", "mleg"] | None = None
    extended_hours: bool = False
    position_intent: Literal["buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close"] | None = None
    take_profit: dict[str, Any] | None = None
    stop_loss: dict[str, Any] | None = None
    legs: list[dict[str, Any]] | None = None

    def problem(self) -> str | None:
        """Return why the sandbox cannot take it, None if it can."""
        if self.type not in {"market", "limit"}:
            return f"type {self.type} is not simulated; use market or limit"
        if self.time_in_force in {"opg", "cls"}:
            return f"time_in_force {self.time_in_force} is not simulated; use day, gtc, ioc or fok"
        if self.order_class not in {None, "", "simple"}:
            return f"order_class {self.order_class} is not simulated; use simple"
        if self.extended_hours:
            return "extended_hours is not simulated; leave it out"
        extra = ("notional", "stop_price", "trail_price", "trail_percent", "position_intent", "take_profit", "stop_loss", "legs")
        if given := [name for name in extra if getattr(self, name) is not None]:
            return f"{', '.join(given)}: not simulated; leave it out"
        return self._numbers()

    def _numbers(self) -> str | None:
        if self.qty is None:
            return "qty is required"
        if not self.qty.is_finite() or self.qty <= 0:
            return f"qty must be > 0, not {self.qty}"
        if self.type == "limit" and self.limit_price is None:
            return "limit orders require a limit_price"
        if self.type == "market" and self.limit_price is not None:
            return "market orders take no limit_price"
        return None


def text(number: Decimal) -> str:
    """Write a decimal with every digit that matters and none that does not: 1E+2 is 100, 1.50 is 1.5."""
    return format(number.normalize(SHOWN), "f")


@lru_cache(maxsize=256)
def rfc3339(ts_ns: int) -> str:
    """Write nanoseconds UTC as RFC 3339 with nine digits."""
    seconds, rest = divmod(ts_ns, NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def parse_time(words: str) -> int:
    """Read RFC 3339, to the nanosecond; ``ValueError`` if it is something else."""
    head, dot, tail = words.partition(".")
    digits = tail[: len(tail) - len(tail.lstrip("0123456789"))] if dot else ""
    if dot and not 0 < len(digits) <= len("123456789"):
        msg = f"{words!r} is not an RFC 3339 time"
        raise ValueError(msg)
    moment = datetime.fromisoformat(head + tail[len(digits) :])
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * NS + int(digits.ljust(9, "0"))


@lru_cache
def asset_id(symbol: str) -> str:
    """Return an asset id that is always the same for a symbol."""
    return str(uuid5(NAMESPACE_URL, f"hedgekit.sandbox/asset/{symbol}"))


def symbol_of(key: str) -> str:
    """Return the symbol of an instrument key (``venue:symbol``)."""
    return key.partition(":")[2]


def error(code: int, message: str) -> dict[str, object]:
    """Return the body of a refusal."""
    return {"code": code, "message": message}


def order_json(state: OrderState) -> dict[str, object]:
    """Return Alpaca's Order."""
    new, status, closed = state.request, state.status, rfc3339(state.updated_ns)
    symbol, kind = symbol_of(new.instrument), new.kind
    average = text((state.paid / state.filled).quantize(AVERAGE)) if state.filled else None
    return {
        "id": state.order_id,
        "client_order_id": new.client_id,
        "created_at": rfc3339(state.created_ns),
        "updated_at": closed,
        "submitted_at": rfc3339(state.created_ns),
        "filled_at": closed if status is Status.FILLED else None,
        "expired_at": closed if status is Status.EXPIRED else None,
        "canceled_at": closed if status is Status.CANCELLED else None,
        "failed_at": closed if status is Status.REJECTED else None,
        "replaced_at": None,
        "replaced_by": None,
        "replaces": None,
        "asset_id": asset_id(symbol),
        "symbol": symbol,
        "asset_class": "us_equity",
        "notional": None,
        "qty": text(abs(new.qty)),
        "filled_qty": text(state.filled),
        "filled_avg_price": average,
        "order_class": "",
        "order_type": kind,
        "type": kind,
        "side": "buy" if new.qty > 0 else "sell",
        "time_in_force": new.tif,
        "limit_price": None if new.limit is None else text(new.limit),
        "stop_price": None,
        "status": STATUS.get(status, status.value),
        "extended_hours": False,
        "legs": None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
        "fee": text(state.fee),
    }


def position_json(exchange: Exchange, key: str) -> dict[str, object]:
    """Return Alpaca's Position."""
    ledger, symbol = exchange.ledger, symbol_of(key)
    qty, cost, price = ledger.position(key), ledger.cost(key), exchange.marks[key]
    value = ledger.value(key, qty, price)
    closing = sum(o.leaves for o in exchange.orders() if o.request.instrument == key and o.request.qty * qty < 0)
    return {
        "asset_id": asset_id(symbol),
        "symbol": symbol,
        "exchange": "NYSE",
        "asset_class": "us_equity",
        "asset_marginable": True,
        "side": "long" if qty > 0 else "short",
        "qty": text(qty),
        "qty_available": text(qty - closing if qty > 0 else qty + closing),
        "avg_entry_price": text((cost / ledger.value(key, qty, Decimal(1))).quantize(AVERAGE)),
        "cost_basis": text(cost),
        "market_value": text(value),
        "unrealized_pl": text(value - cost),
        "current_price": text(price),
    }


def account_json(exchange: Exchange, leverage: Decimal) -> dict[str, object]:
    """Return Alpaca's Account; ``buying_power`` is what the exchange's own rule leaves."""
    ledger, equity = exchange.ledger, exchange.equity
    values = [ledger.value(key, qty, exchange.marks[key]) for key, qty in ledger.positions().items()]
    return {
        "id": asset_id("account"),
        "account_number": "SANDBOX",
        "status": "ACTIVE",
        "currency": "USD",
        "cash": text(ledger.cash),
        "equity": text(equity),
        "portfolio_value": text(equity),
        "long_market_value": text(sum((v for v in values if v > 0), Decimal(0))),
        "short_market_value": text(sum((v for v in values if v < 0), Decimal(0))),
        "buying_power": text(max(leverage * equity - exchange.exposure, Decimal(0))),
        "multiplier": text(leverage),
        "shorting_enabled": True,
        "pattern_day_trader": False,
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
    }


STATUSES = {"open": ("T", "Trading Resumption"), "halted": ("H", "Trading Halt"), "paused": ("P", "Volatility Trading Pause")}
"""Code and words of a trading status, as Alpaca has them of UTP."""


def status_json(status: MarketStatus, shift_ns: int = 0) -> bytes:
    """Return a trading status of the market-data stream, its time off by so much."""
    code, words = STATUSES[status.status]
    item = {"T": "s", "S": symbol_of(status.instrument), "sc": code, "sm": words, "rc": "", "rm": "", "z": "C"}
    return msgspec.json.encode(item | {"t": rfc3339(status.ts_ns + shift_ns)})


def quote_json(quote: Quote, shift_ns: int = 0) -> bytes:
    """Return a quote of the market-data stream, its time off by so much."""
    return msgspec.json.encode({"T": "q", "S": symbol_of(quote.instrument)} | quote_body(quote, shift_ns))


def quote_body(quote: Quote, shift_ns: int = 0) -> dict[str, object]:
    """Return what a quote says, without its symbol."""
    bid, bid_size = _side(quote.bid, quote.bid_size)
    ask, ask_size = _side(quote.ask, quote.ask_size)
    item = {"bx": "V", "bp": bid, "bs": bid_size, "ax": "V", "ap": ask, "as": ask_size}
    return item | {"c": ["R"], "z": "C", "t": rfc3339(quote.venue_ns + shift_ns)}


def _side(price: float, size: float) -> tuple[float, float]:
    if not price > 0 or not size > 0:
        return 0, 0
    return price, int(size) if size == int(size) else size
