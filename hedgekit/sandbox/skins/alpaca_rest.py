"""Alpaca's trading REST API, without sockets: a call goes in, an answer comes out.

Strict where Alpaca is vague: an unknown field or query parameter is refused. A
cancel takes effect at once (Alpaca's is asynchronous). Orders are refused with
an HTTP error before they exist, as Alpaca does; only a market order before the
first quote is accepted and then rejected on the stream.
"""

from __future__ import annotations

from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from hedgekit.exchange.faults import FaultKind
from hedgekit.exchange.ledger import LEVERAGE
from hedgekit.exchange.model import NewOrder, OrderState, Refusal, Rejected, Reports
from hedgekit.sandbox.calls import UNREADABLE, Answer, Call, Keys
from hedgekit.sandbox.floor import Floor
from hedgekit.sandbox.skins.alpaca_activities import FILL, Activities
from hedgekit.sandbox.skins.alpaca_wire import (
    REFUSED,
    OrderBody,
    account_json,
    error,
    order_json,
    parse_time,
    position_json,
    quote_body,
    rfc3339,
    symbol_of,
)
from hedgekit.types import NS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hedgekit.exchange.engine import Exchange
    from hedgekit.exchange.faults import Fault, Purpose

MINUTE_NS = 60 * NS
PAGE = 50
PAGE_MAX = 500
DATA = "/v2/stocks/"
"""Where market data is; at Alpaca it has a host of its own."""

QUOTES = f"{DATA}quotes/latest"


class Budget:
    """So many requests in each minute of the timeline (Alpaca: 200)."""

    def __init__(self, per_minute: int) -> None:
        self.limit = per_minute
        self._minute, self._used = -1, 0

    def take(self, now_ns: int) -> bool:
        """Count a request; False if the minute's budget is used up."""
        if now_ns // MINUTE_NS != self._minute:
            self._minute, self._used = now_ns // MINUTE_NS, 0
        self._used += 1
        return self._used <= self.limit

    def headers(self) -> dict[str, str]:
        """Return Alpaca's X-RateLimit headers; the reset is the end of the minute, unix seconds."""
        left, reset = max(self.limit - self._used, 0), (self._minute + 1) * 60
        return {"X-RateLimit-Limit": str(self.limit), "X-RateLimit-Remaining": str(left), "X-RateLimit-Reset": str(reset)}


class Rest:
    """The trading API around an exchange.

    Parameters
    ----------
    exchange : Exchange
        Where orders go.
    keys : Keys
        Who may send them.
    now : callable
        The timeline's time in nanoseconds.
    publish : callable
        Gets the exchange's reports, for the trade stream.
    session : callable
        Returns (is open, next open, next close) for ``/v2/clock``.
    budget : int
        Requests in a minute: so many for trading, and as many for market data, which Alpaca counts apart.
    floor : Floor, optional
        Takes the orders to the exchange, where that is more than handing them over.
    shift : callable
        Returns by how many nanoseconds the venue's clock is off.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        exchange: Exchange,
        keys: Keys,
        *,
        now: Callable[[], int],
        publish: Callable[[Reports], None],
        session: Callable[[], tuple[bool, int, int]],
        budget: int = 200,
        floor: Floor | None = None,
        shift: Callable[[], int] = int,
    ) -> None:
        self._exchange, self._keys, self._now, self._publish, self._session = exchange, keys, now, publish, session
        self._budget, self._data_budget = Budget(budget), Budget(budget)
        self._floor, self._shift = floor or Floor(exchange), shift
        self._fills = Activities(exchange)
        self._keys_by_symbol = {i.symbol: key for key, i in exchange.instruments.items()}
        self._named = 0
        self.shifts: dict[str, int] = {}
        """By how much the time stamp of each instrument's last quote was off when it was made."""
        self._routes: dict[tuple[str, str], Callable[[Call], Answer]] = {
            ("POST", "/v2/orders"): self._submit,
            ("GET", "/v2/orders"): self._orders,
            ("DELETE", "/v2/orders"): self._cancel_all,
            ("GET", "/v2/orders:by_client_order_id"): self._by_client,
            ("GET", "/v2/positions"): self._positions,
            ("GET", "/v2/account"): self._account,
            ("GET", "/v2/account/activities"): self._activities,
            ("GET", f"/v2/account/activities/{FILL}"): self._activities,
            ("GET", "/v2/clock"): self._clock,
            ("GET", QUOTES): self._latest,
        }
        self._items: dict[tuple[str, str], Callable[[str], Answer]] = {
            ("GET", "/v2/orders"): self._order,
            ("DELETE", "/v2/orders"): self._cancel,
            ("GET", "/v2/positions"): self._position,
        }

    def answer(self, call: Call) -> Answer:
        """Do what a request asks, now."""
        if not self._keys.match(call.headers.get("APCA-API-KEY-ID", ""), call.headers.get("APCA-API-SECRET-KEY", "")):
            return Answer(401, error(40110000, "request is not authorized: check APCA-API-KEY-ID and APCA-API-SECRET-KEY"))
        budget = self._data_budget if call.path.startswith(DATA) else self._budget
        within, headers = budget.take(self._now()), budget.headers()
        answer = self._route(call) if within else Answer(429, error(42910000, "rate limit exceeded"))
        return Answer(answer.status, answer.body, headers)

    def _route(self, call: Call) -> Answer:
        if plain := self._routes.get((call.method, call.path)):
            return plain(call)
        folder, _, item = call.path.rpartition("/")
        if item and (one := self._items.get((call.method, folder))):
            return one(unquote(item))
        known = {path for _, path in self._routes}
        if call.path in known or folder in {path for _, path in self._items}:
            return Answer(405, error(40510000, f"{call.method} is not simulated on {call.path}"))
        return Answer(404, error(40410000, f"endpoint not found: {call.path}"))

    # ------------------------------------------------------------------ orders

    def _submit(self, call: Call) -> Answer:
        try:
            body = msgspec.json.decode(call.body, type=OrderBody)
        except msgspec.ValidationError as bad:
            return Answer(422, error(42210000, str(bad)))
        except UNREADABLE:
            return Answer(400, error(40010000, "request body format is invalid"))
        key = self._keys_by_symbol.get(body.symbol)
        problem = body.problem() if key else f'asset "{body.symbol}" not found'
        if problem or key is None or body.qty is None:
            return Answer(422, error(42210000, str(problem)))
        qty, kind = body.qty if body.side == "buy" else -body.qty, "limit" if body.type == "limit" else "market"
        new = NewOrder(body.client_order_id or self._name(), key, qty, kind, body.limit_price, body.time_in_force)  # type: ignore[arg-type] # problem() left only these
        reports = self._floor.submit(new, self._now())
        self._publish(reports)
        first = reports[0]
        return _refusal(first) if isinstance(first, Rejected) else Answer(200, order_json(first.order))

    def _name(self) -> str:
        self._named += 1
        return f"sandbox-{self._named}"

    def _orders(self, call: Call) -> Answer:
        try:
            chosen = _select(self._floor.orders(), call.query)
        except ValueError as bad:
            return Answer(422, error(42210000, str(bad)))
        return Answer(200, [order_json(state) for state in chosen])

    def _order(self, order_id: str) -> Answer:
        return self._found(self._floor.order(order_id), order_id)

    def _by_client(self, call: Call) -> Answer:
        name = call.query.get("client_order_id", "")
        return self._found(self._floor.by_client(name), name)

    @staticmethod
    def _found(state: OrderState | None, name: str) -> Answer:
        return Answer(404, error(40410000, f"order not found for {name}")) if state is None else Answer(200, order_json(state))

    def _cancel(self, order_id: str) -> Answer:
        reports = self._floor.cancel(order_id, self._now())
        if isinstance(reports[0], Rejected):
            return _refusal(reports[0])
        self._publish(reports)
        return Answer(204)

    def _cancel_all(self, _: Call) -> Answer:
        done = []
        for state in [state for state in self._floor.orders() if state.leaves]:
            self._publish(self._floor.cancel(state.order_id, self._now()))
            over = self._floor.order(state.order_id) or state
            done.append({"id": state.order_id, "status": 200, "body": order_json(over)})
        return Answer(207, done)

    # ----------------------------------------------------------------- account

    def _positions(self, _: Call) -> Answer:
        return Answer(200, [position_json(self._exchange, key) for key in self._exchange.ledger.positions()])

    def _position(self, symbol: str) -> Answer:
        key = self._keys_by_symbol.get(symbol)
        if key is None or not self._exchange.ledger.position(key):
            return Answer(404, error(40410000, f"position does not exist: {symbol}"))
        return Answer(200, position_json(self._exchange, key))

    def _account(self, _: Call) -> Answer:
        return Answer(200, account_json(self._exchange, LEVERAGE))

    def _activities(self, call: Call) -> Answer:
        try:
            return Answer(200, self._fills.page(call.query))
        except ValueError as bad:
            return Answer(422, error(42210000, str(bad)))

    def _clock(self, _: Call) -> Answer:
        is_open, opens, closes = self._session()
        times = {"timestamp": rfc3339(self._now() + self._shift()), "next_open": rfc3339(opens), "next_close": rfc3339(closes)}
        return Answer(200, times | {"is_open": is_open})

    # ------------------------------------------------------------- market data

    def _latest(self, call: Call) -> Answer:
        """Return the present quotes; a symbol without one is left out, as Alpaca does."""
        wanted = [symbol for symbol in call.query.get("symbols", "").split(",") if symbol]
        if not wanted or set(call.query) - {"symbols", "feed"}:
            return Answer(400, error(40010000, "symbols is required, feed is allowed; nothing else is simulated"))
        if unknown := [symbol for symbol in wanted if symbol not in self._keys_by_symbol]:
            return Answer(400, error(40010000, f"invalid symbol: {', '.join(unknown)}"))
        found = {symbol: self._floor.quotes.get(self._keys_by_symbol[symbol]) for symbol in wanted}
        quotes = {name: quote_body(quote, self.shifts.get(quote.instrument, 0)) for name, quote in found.items() if quote is not None}
        return Answer(200, {"quotes": quotes})


def _refusal(report: Rejected) -> Answer:
    status, code, message = REFUSED[report.why]
    if report.why is Refusal.NOT_OPEN and report.order:
        message = f'order is already in "{order_json(report.order)["status"]}" state'
    return Answer(status, error(code, message or report.message))


def _select(states: list[OrderState], query: Mapping[str, str]) -> list[OrderState]:
    """Apply Alpaca's query of ``GET /v2/orders``; ``ValueError`` names what is wrong."""
    allowed = {
        "status": ("open", "closed", "all"),
        "direction": ("asc", "desc"),
        "side": ("buy", "sell"),
        "nested": ("true", "false"),
    }
    for name, value in query.items():
        if name not in {*allowed, "limit", "after", "until", "symbols"}:
            msg = f"unknown query parameter {name}"
            raise ValueError(msg)
        if name in allowed and value not in allowed[name]:
            msg = f"{name}={value}: must be one of {', '.join(allowed[name])}"
            raise ValueError(msg)
    limit = int(query.get("limit", PAGE))
    if not 0 < limit <= PAGE_MAX:
        msg = f"limit={limit}: must be 1 to {PAGE_MAX}"
        raise ValueError(msg)
    chosen = [state for state in states if _matches(state, query)]
    return (chosen if query.get("direction") == "asc" else chosen[::-1])[:limit]


def _matches(state: OrderState, query: Mapping[str, str]) -> bool:
    status, side, symbols = query.get("status", "open"), query.get("side"), query.get("symbols")
    return (
        (status == "all" or bool(state.leaves) == (status == "open"))
        and (side is None or (state.request.qty > Decimal(0)) == (side == "buy"))
        and (symbols is None or symbol_of(state.request.instrument) in symbols.split(","))
        and ("after" not in query or state.created_ns > parse_time(query["after"]))
        and ("until" not in query or state.created_ns < parse_time(query["until"]))
    )


def purpose_of(call: Call) -> Purpose:
    """Return what a request is for, as faults count it."""
    if (call.method, call.path) == ("POST", "/v2/orders"):
        return "submit"
    return "cancel" if call.method == "DELETE" and call.path.startswith("/v2/orders") else "query"


FAULTS = {
    FaultKind.TOO_MANY: Answer(429, error(42910000, "rate limit exceeded")),
    FaultKind.TOO_EARLY: Answer(425, error(42510000, "too early")),
    FaultKind.ERROR_500: Answer(500, error(50010000, "internal server error occurred")),
    FaultKind.UNAVAILABLE_503: Answer(503, error(50310000, "service unavailable")),
    FaultKind.GATEWAY_504_AFTER: Answer(504, error(50410000, "gateway timeout")),
}
"""What the venue says when it, or a gateway before it, fails."""


def failure(fault: Fault) -> Answer:
    """Return the answer of a failing venue, with Retry-After in whole seconds where the fault has a time."""
    plain = FAULTS[fault.kind]
    return Answer(plain.status, plain.body, {"Retry-After": str(ceil(fault.seconds))}) if fault.seconds else plain
