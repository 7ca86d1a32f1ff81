"""Polymarket's REST API, without sockets: a call goes in, an answer comes out.

Strict where the venue is vague: an unknown field of an order, or a query parameter that a list does not know, is refused. One wallet
that signs for itself; its API key is the sandbox's own, so making one is refused as the venue refuses a second one.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from uuid import NAMESPACE_URL, uuid5

import msgspec

from hedgekit.sandbox.calls import UNREADABLE, Answer, Call
from hedgekit.sandbox.skins.polymarket_auth import Doorman, is_v1
from hedgekit.sandbox.skins.polymarket_limits import Limits
from hedgekit.sandbox.skins.polymarket_markets import Markets
from hedgekit.sandbox.skins.polymarket_orders import Orders, RefusedError
from hedgekit.sandbox.skins.polymarket_paging import page
from hedgekit.sandbox.skins.polymarket_wire import NULL, PAYLOAD, UNAUTHORIZED, OrderBody, refusal, units
from hedgekit.sandbox.timeline import LAPSE
from hedgekit.types import NS
from hedgekit.venues.polymarket.signing import EXCHANGE, NEG_RISK_EXCHANGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hedgekit.sandbox.skins.polymarket_positions import Positions
    from hedgekit.sandbox.skins.polymarket_public import Public, Route
    from hedgekit.sandbox.skins.polymarket_trades import Trade
    from hedgekit.sandbox.timeline import Timeline

BATCH, CANCELS = 15, 3000
BEAT_NS = 10 * NS
"""The dead man's switch: so long after the last beat that was accepted all orders are cancelled."""

ALLOWED = 2**256 - 1
_ORDER_QUERY = frozenset({"market", "asset_id", "id", "next_cursor"})
_TRADE_QUERY = _ORDER_QUERY | {"after", "before", "maker_address"}


class _One(msgspec.Struct, forbid_unknown_fields=True, rename={"order_id": "orderID"}):
    order_id: str


class _OfMarket(msgspec.Struct, forbid_unknown_fields=True):
    market: str = ""
    asset_id: str = ""


class _Beat(msgspec.Struct, forbid_unknown_fields=True):
    heartbeat_id: str


class Rest:
    """The API.

    Parameters
    ----------
    doorman, limits, orders, markets, public, positions
        Of the skin.
    timeline : Timeline
        What time it is.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        doorman: Doorman,
        limits: Limits,
        orders: Orders,
        markets: Markets,
        public: Public,
        positions: Positions,
        timeline: Timeline,
    ) -> None:
        self._doorman, self._limits, self._orders, self._markets = doorman, limits, orders, markets
        self._public, self._timeline = public, timeline
        self._beat, self._beats = "", 0
        self._open: dict[Route, Callable[[Call], Answer]] = {**public.routes, ("GET", "/v2/positions"): positions.answer}
        self._logins: dict[Route, Callable[[], Answer]] = {
            ("POST", "/auth/api-key"): lambda: refusal("Could not create api key"),
            ("GET", "/auth/derive-api-key"): self._key,
        }
        self._private: dict[Route, Callable[[Call], Answer]] = {
            ("GET", "/auth/api-keys"): lambda _: Answer(200, {"apiKeys": [doorman.credentials.key]}),
            ("GET", "/auth/ban-status/closed-only"): lambda _: Answer(200, {"closed_only": False}),
            ("POST", "/order"): self._post,
            ("POST", "/orders"): self._post_several,
            ("DELETE", "/order"): self._cancel,
            ("DELETE", "/orders"): self._cancel_several,
            ("DELETE", "/cancel-all"): self._cancel_all,
            ("DELETE", "/cancel-market-orders"): self._cancel_market,
            ("GET", "/data/orders"): self._list_orders,
            ("GET", "/data/trades"): self._list_trades,
            ("GET", "/balance-allowance"): self._balance,
            ("GET", "/balance-allowance/update"): self._balance,
            ("POST", "/v1/heartbeats"): self._heartbeat,
        }

    def answer(self, call: Call) -> Answer:
        """Do what a request asks, now."""
        if (headers := self._limits.request()) is not None:
            return refusal("Too Many Requests", 429, headers)
        folder, _, item = call.path.rpartition("/")
        if plain := self._open.get((call.method, call.path)):
            return plain(call)
        if one := self._public.items.get((call.method, folder)):
            return one(unquote(item))
        if login := self._logins.get((call.method, call.path)):
            return login() if self._doorman.l1(call.headers) else refusal("Invalid L1 Request headers", 401)
        if not self._doorman.l2(call):
            return refusal(UNAUTHORIZED, 401)
        return self._asked(call, folder, unquote(item))

    def _asked(self, call: Call, folder: str, item: str) -> Answer:
        """Do what the account asks."""
        if private := self._private.get((call.method, call.path)):
            return private(call)
        if (call.method, folder) == ("GET", "/data/order"):
            return self._look_up(item)
        known = call.path in {path for table in (self._open, self._logins, self._private) for _, path in table}
        return refusal("method not allowed", 405) if known else refusal("not found", 404)

    def _key(self) -> Answer:
        known = self._doorman.credentials
        return Answer(200, {"apiKey": known.key, "secret": known.secret, "passphrase": known.passphrase})

    # ------------------------------------------------------------------- entry

    def _post(self, call: Call) -> Answer:
        taken, headers = self._limits.take("order", 1)
        if not taken:
            return refusal("Too Many Requests", 429, headers)
        try:
            return Answer(200, self._orders.place(_order(call.body)), headers)
        except RefusedError as bad:
            return refusal(str(bad), 400, headers)

    def _post_several(self, call: Call) -> Answer:
        """Take a batch; each order has an answer of its own, and what is refused is a success with an error."""
        try:
            bodies = msgspec.json.decode(call.body, type=list[msgspec.Raw])
        except UNREADABLE:
            bodies = []
        if not 0 < len(bodies) <= BATCH:
            return refusal(PAYLOAD)
        taken, headers = self._limits.take("order", len(bodies))
        if not taken:
            return refusal("Too Many Requests", 429, headers)
        return Answer(200, [self._in_batch(bytes(body)) for body in bodies], headers)

    def _in_batch(self, body: bytes) -> dict[str, Any]:
        try:
            return self._orders.place(_order(body))
        except RefusedError as bad:
            empty = dict.fromkeys(("orderID", "status", "makingAmount", "takingAmount"), "")
            return {"success": True, "errorMsg": str(bad), **empty, "transactionsHashes": [], "tradeIDs": []}

    # ------------------------------------------------------------------ cancel

    def _cancel(self, call: Call) -> Answer:
        try:
            wanted = msgspec.json.decode(call.body, type=_One)
        except UNREADABLE:
            return refusal(PAYLOAD)
        return self._cancelled([wanted.order_id], 1)

    def _cancel_several(self, call: Call) -> Answer:
        try:
            wanted = msgspec.json.decode(call.body, type=list[str])
        except UNREADABLE:
            return refusal(PAYLOAD)
        return self._cancelled(wanted, len(wanted)) if 0 < len(wanted) <= CANCELS else refusal(PAYLOAD)

    def _cancel_all(self, _: Call) -> Answer:
        found = [one.order_id for one in self._orders.open()]
        return self._cancelled(found, 1 + len(found))

    def _cancel_market(self, call: Call) -> Answer:
        try:
            wanted = msgspec.json.decode(call.body, type=_OfMarket)
        except UNREADABLE:
            return refusal(PAYLOAD)
        if not (wanted.market or wanted.asset_id):
            return refusal(PAYLOAD)
        found = [one.order_id for one in self._orders.open(wanted.market.lower(), wanted.asset_id)]
        return self._cancelled(found, 1 + len(found))

    def _cancelled(self, order_ids: Iterable[str], cost: int) -> Answer:
        taken, headers = self._limits.take("cancel", cost)
        if not taken:
            return refusal("Too Many Requests", 429, headers)
        reasons = {order_id: self._orders.cancel(order_id) for order_id in order_ids}
        done = [order_id for order_id, why in reasons.items() if not why]
        return Answer(200, {"canceled": done, "not_canceled": {order_id: why for order_id, why in reasons.items() if why}}, headers)

    def _heartbeat(self, call: Call) -> Answer:
        """Take a beat of the dead man's switch: the id that the last answer gave, or none for the first."""
        try:
            beat = msgspec.json.decode(call.body, type=_Beat)
        except UNREADABLE:
            return refusal(PAYLOAD)
        if beat.heartbeat_id != self._beat:
            return Answer(400, {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": self._beat})
        self._beats += 1
        self._beat = str(uuid5(NAMESPACE_URL, f"hedgekit.sandbox/beat/{self._beats}"))
        self._timeline.call_at(self._timeline.now_ns + BEAT_NS, partial(self._missed, self._beats), rank=LAPSE)
        return Answer(200, {"heartbeat_id": self._beat})

    def _missed(self, number: int) -> None:
        if number == self._beats:
            for one in self._orders.open():
                self._orders.cancel(one.order_id)

    # ------------------------------------------------------------------- lists

    def _look_up(self, order_id: str) -> Answer:
        """Return an order that is open; of one that is over, or never was, nothing."""
        found = self._orders.open(order_id=order_id)
        return Answer(200, self._orders.data(found[0]) if order_id and found else NULL)

    def _list_orders(self, call: Call) -> Answer:
        query = call.query
        if unknown := set(query) - _ORDER_QUERY:
            return refusal(f"unknown query parameter {min(unknown)}")
        found = self._orders.open(query.get("market", "").lower(), query.get("asset_id", ""), query.get("id", ""))
        return page([self._orders.data(one) for one in found], query)

    def _list_trades(self, call: Call) -> Answer:
        """Return trades, oldest first; ``after`` and ``before`` are of the time at the exchange, whatever its clock shows."""
        query = call.query
        if unknown := set(query) - _TRADE_QUERY:
            return refusal(f"unknown query parameter {min(unknown)}")
        try:
            after, before = int(query.get("after", -1)), int(query.get("before", sys.maxsize))
        except ValueError:
            return refusal("after and before are Unix times in seconds")
        chosen = [one for one in self._orders.trades.values() if after < one.at_ns // NS <= before and self._matches(one, query)]
        return page([self._told(one) for one in chosen], query)

    def _matches(self, trade: Trade, query: Mapping[str, str]) -> bool:
        return (
            query.get("id", trade.id) == trade.id
            and query.get("market", trade.market.condition).lower() == trade.market.condition
            and query.get("asset_id", trade.token) == trade.token
            and query.get("maker_address", self._doorman.address).lower() == self._doorman.address.lower()
        )

    def _told(self, trade: Trade) -> dict[str, Any]:
        about = trade.data(self._doorman.credentials.key, self._doorman.address)
        return {**about, "status": f"TRADE_STATUS_{trade.status}"}

    def _balance(self, call: Call) -> Answer:
        query = call.query
        kind, token = query.get("asset_type", ""), query.get("token_id", "")
        if set(query) - {"asset_type", "token_id", "signature_type"} or query.get("signature_type", "0") != "0":
            return refusal("invalid signature_type: the sandbox has a wallet that signs for itself, 0")
        if kind == "COLLATERAL":
            held = self._markets.collateral
        elif kind == "CONDITIONAL" and (market := self._markets.by_token.get(token)) is not None:
            held = self._markets.held(market, token)
        else:
            return refusal("invalid asset_type or token_id")
        return Answer(200, {"balance": units(held), "allowances": dict.fromkeys((EXCHANGE, NEG_RISK_EXCHANGE), str(ALLOWED))})


def _order(body: bytes) -> OrderBody:
    """Read the body of an order.

    Raises
    ------
    RefusedError
        If it is none, or of the first version.
    """
    try:
        return msgspec.json.decode(body, type=OrderBody)
    except UNREADABLE:
        pass
    try:
        found = msgspec.json.decode(body)
    except UNREADABLE:
        found = None
    old = isinstance(found, dict) and is_v1(found.get("order"))
    raise RefusedError("order_version_mismatch" if old else PAYLOAD)
