"""Kalshi's REST API, without sockets: a call goes in, an answer comes out.

Strict where Kalshi may be lenient: an unknown field or query parameter is refused. A path of the documents that is not simulated
is not found, and says so. Market data needs no signature; where there is one, it must be right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

import msgspec

from hedgekit.exchange.faults import FaultKind
from hedgekit.sandbox.calls import UNREADABLE, Answer, Call
from hedgekit.sandbox.skins.kalshi_gate import KEY, ORDERS, Buckets, Verifier, unauthorised
from hedgekit.sandbox.skins.kalshi_orders import Refused
from hedgekit.sandbox.skins.kalshi_wire import ROOT, count, order_json, refusal, ticker_of

if TYPE_CHECKING:
    from hedgekit.exchange.faults import Fault, Purpose
    from hedgekit.sandbox.skins.kalshi_markets import MarketData
    from hedgekit.sandbox.skins.kalshi_orders import Orders
    from hedgekit.sandbox.skins.kalshi_portfolio import Portfolio

_TIMES, _PAGES, _WHERE = {"min_ts", "max_ts"}, {"limit", "cursor"}, {"subaccount", "exchange_index"}
_MARKETS = {f"{end}_{what}_ts" for end in ("min", "max") for what in ("created", "updated", "close", "settled")}


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: what it does with the name in its path (empty if it has none), and the parameters that it knows."""

    act: Callable[[Call, str], Answer]
    known: frozenset[str] = frozenset()
    public: bool = False


class Rest:
    """The API around an exchange.

    Parameters
    ----------
    verifier : Verifier
        Who may ask.
    buckets : Buckets
        How much.
    orders, portfolio, market_data : Orders, Portfolio, MarketData
        What there is.
    now, shift : callable
        The timeline's time; by how much the venue's clock is off.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        verifier: Verifier,
        buckets: Buckets,
        orders: Orders,
        portfolio: Portfolio,
        market_data: MarketData,
        now: Callable[[], int],
        shift: Callable[[], int],
    ) -> None:
        self._verifier, self._buckets, self._now, self._shift = verifier, buckets, now, shift
        self._orders, self._portfolio, self._data = orders, portfolio, market_data
        self._routes = {**self._private(), **self._public()}

    def _private(self) -> dict[tuple[str, str], Route]:
        orders, portfolio = self._orders, self._portfolio
        listed = frozenset({"ticker", "event_ticker", *_TIMES, *_PAGES, *_WHERE})

        def route(act: Callable[[Call, str], Answer], known: set[str] | frozenset[str] = frozenset()) -> Route:
            return Route(act, frozenset(known))

        return {
            ("POST", ORDERS): route(lambda call, _: orders.create(call.body)),
            ("DELETE", ORDERS): route(lambda _, __: orders.cancel_all(), {"subaccount"}),
            ("POST", f"{ORDERS}/batched"): route(lambda call, _: orders.create_all(call.body)),
            ("DELETE", f"{ORDERS}/batched"): route(lambda call, _: orders.cancel_batch(call.body)),
            ("DELETE", f"{ORDERS}/*"): route(lambda call, name: orders.cancel(name, dict(call.query)), {"market_ticker", *_WHERE}),
            ("GET", "/portfolio/orders"): route(lambda call, _: portfolio.list_orders(orders.all(), call.query), {*listed, "status"}),
            ("GET", "/portfolio/orders/queue_positions"): route(self._queue, {"market_tickers", "event_ticker", "subaccount"}),
            ("GET", "/portfolio/orders/*"): route(self._order),
            ("GET", "/portfolio/orders/*/queue_position"): route(self._ahead),
            ("GET", "/portfolio/fills"): route(lambda call, _: portfolio.list_fills(call.query), listed - {"event_ticker"} | {"order_id"}),
            ("GET", "/portfolio/positions"): route(
                lambda call, _: portfolio.positions(call.query), (listed - _TIMES) | {"count_filter", "settlement_status"}
            ),
            ("GET", "/portfolio/settlements"): route(lambda call, _: portfolio.list_settlements(call.query), listed - {"exchange_index"}),
            ("GET", "/portfolio/balance"): route(lambda _, __: portfolio.balance(self._now()), _WHERE),
            ("GET", "/portfolio/summary/total_resting_order_value"): route(lambda _, __: portfolio.resting_value()),
            ("GET", "/account/limits"): route(lambda _, __: Answer(200, self._buckets.limits())),
            ("GET", "/api_keys"): route(lambda _, __: Answer(200, {"api_keys": self._keys()}), {"fcm_subtrader_id"}),
        }

    def _public(self) -> dict[tuple[str, str], Route]:
        data = self._data
        chosen = {"event_ticker", "series_ticker", "status", "tickers", "mve_filter", *_MARKETS, *_PAGES}
        events = {"with_nested_markets", "with_milestones", "status", "series_ticker", "tickers", "min_close_ts", "min_updated_ts", *_PAGES}
        fees = {"series_ticker", "show_historical"}
        many = {"category", "tags", "include_product_metadata", "include_volume", "min_updated_ts"}
        routes: dict[str, tuple[Callable[[Call, str], Answer], set[str]]] = {
            "/markets": (lambda call, _: data.markets(call.query), chosen),
            "/markets/trades": (lambda call, _: data.trades(call.query), {"ticker", "is_block_trade", *_TIMES, *_PAGES}),
            "/markets/orderbooks": (lambda call, _: data.orderbooks(_repeated(call, "tickers")), {"tickers"}),
            "/markets/*": (lambda _, name: data.market(name), set()),
            "/markets/*/orderbook": (lambda call, name: data.orderbook(name, call.query), {"depth"}),
            "/events": (lambda call, _: data.events(call.query), events),
            "/events/*": (lambda call, name: data.event(name, call.query), {"with_nested_markets", "exclude_markets"}),
            "/series": (lambda _, __: data.all_series(), many),
            "/series/fee_changes": (lambda _, __: Answer(200, {"series_fee_change_arr": []}), fees),
            "/series/*": (lambda _, name: data.series(name), {"include_volume"}),
            "/exchange/status": (lambda _, __: data.status(), set()),
            "/exchange/schedule": (lambda _, __: data.schedule(), set()),
            "/exchange/user_data_timestamp": (lambda _, __: data.as_of(), set()),
            "/account/endpoint_costs": (lambda _, __: Answer(200, self._buckets.costs()), set()),
        }
        return {("GET", path): Route(act, frozenset(known), public=True) for path, (act, known) in routes.items()}

    def answer(self, call: Call) -> Answer:
        """Do what a request asks, now."""
        path = call.path.removeprefix(ROOT)
        route, name = self._find(call.method, path) if call.path.startswith(f"{ROOT}/") else (None, "")
        private = route is None or not route.public or KEY in call.headers
        if private and (refused := self._refused(call)) is not None:
            return refused
        if not self._buckets.take(call, path, self._now(), _items(call, path)):
            return FAULTS[FaultKind.TOO_MANY]
        if route is None:
            return self._nowhere(call, path)
        if unknown := sorted(set(call.query) - route.known):
            return refusal(400, "invalid_parameters", "unknown query parameter", ", ".join(unknown))
        try:
            return route.act(call, name)
        except Refused as no:
            return no.answer

    def _refused(self, call: Call) -> Answer | None:
        if problem := self._verifier.problem(call.headers, call.method, call.path):
            return unauthorised(problem)
        if call.method != "GET" and self._verifier.only_reads(call.headers):
            return refusal(403, "forbidden", "insufficient scope", "this key can only read")
        return None

    def _find(self, method: str, path: str) -> tuple[Route | None, str]:
        """Return the route of a path, and the name in it."""
        if (plain := self._routes.get((method, path))) is not None:
            return plain, ""
        parts = path.split("/")
        for place in (-1, -2):
            if len(parts) > 2 and parts[place]:  # noqa: PLR2004 - a folder and a name
                pattern = "/".join([*parts[:place], "*", *(parts[place + 1 :] if place != -1 else [])])
                if (found := self._routes.get((method, pattern))) is not None:
                    return found, unquote(parts[place])
        return None, ""

    def _nowhere(self, call: Call, path: str) -> Answer:
        if any(self._find(method, path)[0] is not None for method in ("GET", "POST", "PUT", "DELETE")):
            return refusal(405, "method_not_allowed", "method not allowed", f"{call.method} {call.path}")
        return refusal(404, "not_found", "not found", f"{call.method} {call.path} does not exist, or is not simulated")

    # -------------------------------------------------------------------- orders

    def _order(self, _: Call, order_id: str) -> Answer:
        found = next((one for one in self._orders.all() if one[1].order_id == order_id), None)
        if found is None:
            raise Refused(404, "not_found", "order not found", order_id)
        return Answer(200, {"order": order_json(found[1], found[2], self._shift())})

    def _ahead(self, _: Call, order_id: str) -> Answer:
        ahead = self._orders.ahead(order_id)
        if ahead is None:
            raise Refused(404, "not_found", "order not found", order_id)
        return Answer(200, {"queue_position_fp": count(ahead)})

    def _queue(self, call: Call, _: str) -> Answer:
        tickers = {name for name in call.query.get("market_tickers", "").split(",") if name}
        told = [
            {"order_id": one.order_id, "market_ticker": ticker, "queue_position_fp": count(self._orders.ahead(one.order_id) or 0)}  # type: ignore[arg-type] # 0 is a number
            for one in self._orders.resting()
            if not tickers or (ticker := ticker_of(one.request.instrument)) in tickers
        ]
        return Answer(200, {"queue_positions": told})

    def _keys(self) -> list[dict[str, object]]:
        return [{"api_key_id": name, "name": "sandbox", "scopes": scopes} for name, scopes in self._verifier.scopes.items()]


def _repeated(call: Call, name: str) -> list[str]:
    """Return the values of a parameter that may be there several times."""
    return parse_qs(call.target.partition("?")[2]).get(name, [])


def _items(call: Call, path: str) -> int:
    """Return how many orders a batch holds; 1 for what is none, or cannot be read."""
    if path != f"{ORDERS}/batched":
        return 1
    try:
        orders = msgspec.json.decode(call.body, type=dict[str, list[object]]).get("orders", [])
    except UNREADABLE:
        return 1
    return max(len(orders), 1)


def purpose_of(call: Call) -> Purpose:
    """Return what a request is for, as faults count it."""
    path = call.path.removeprefix(ROOT)
    if not path.startswith(ORDERS):
        return "query"
    return "cancel" if call.method == "DELETE" else "submit" if call.method == "POST" else "query"


FAULTS = {
    FaultKind.TOO_MANY: refusal(429, "too_many_requests", "too many requests"),
    FaultKind.TOO_EARLY: refusal(425, "too_early", "too early"),
    FaultKind.ERROR_500: refusal(500, "internal_server_error", "internal server error"),
    FaultKind.UNAVAILABLE_503: refusal(503, "service_unavailable", "service unavailable"),
    FaultKind.GATEWAY_504_AFTER: refusal(504, "gateway_timeout", "gateway timeout"),
}
"""What the venue says when it, or a gateway before it, fails. Kalshi's own 429 is reported to have no Retry-After."""


def failure(fault: Fault) -> Answer:
    """Return the answer of a failing venue, with Retry-After in whole seconds where the fault has a time."""
    plain = FAULTS[fault.kind]
    return Answer(plain.status, plain.body, {"Retry-After": str(ceil(fault.seconds))}) if fault.seconds else plain
