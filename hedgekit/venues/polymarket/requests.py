"""What to send to Polymarket."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.types import NS, Order, Priority, Request
from hedgekit.venues.polymarket.signing import EOA, ZERO, Wallet
from hedgekit.venues.polymarket.tokens import Listed, Trade
from hedgekit.venues.polymarket.wire import MS, UNIT

SLIP = Decimal("0.05")
"""A market order of the core goes at most so far through the touch that it was decided on; the venue has no market orders."""

_CENT = Decimal("0.01")
_TYPES = {"gtc": "GTC", "ioc": "FAK", "fok": "FOK"}
AT_ONCE = frozenset({"FAK", "FOK"})
FIRST, LAST = "MA==", "LTE="
"""Cursors: of the first page, and what stands for "no more" (sent back, it is a 400)."""


def trade(order: Order, listed: Listed) -> Trade:
    """Return an order in the venue's words, a market order with its worst price.

    That is ``order.limit`` if it has one, else :data:`SLIP` beyond ``order.expected``, rounded outward to whole cents (to the tick
    if that is coarser), because a purchase at once must cost whole cents; never beyond the last tick.
    """
    if order.limit is not None:
        return listed.trade(order.qty, order.limit, reduces=bool(order.reduces))
    if order.kind == "limit":
        msg = f"order {order.order_id!r} is a limit order without a limit; give it one"
        raise ConfigError(msg)
    touch, tick = listed.trade(order.qty, order.expected, reduces=bool(order.reduces)), listed.instrument.tick
    grid, buys = max(tick, _CENT), touch.side == "BUY"
    beyond = touch.price + (SLIP if buys else -SLIP)
    rounded = (beyond / grid).to_integral_value(ROUND_CEILING if buys else ROUND_FLOOR) * grid
    return touch._replace(price=min(max(rounded, tick), 1 - tick))


def _units(number: Decimal, order: Order) -> int:
    units = number / UNIT
    if units != units.to_integral_value():
        at = order.expected if order.limit is None else order.limit
        msg = f"order {order.order_id!r} for {order.qty} at {at} is finer than {UNIT}: use the market's lot and tick"
        raise ConfigError(msg)
    return int(units)


def signed_fields(order: Order, listed: Listed, address: str) -> dict[str, Any]:
    """Return what is signed of an order, in the form in which it is sent; a function of the order alone.

    ``salt`` is 53 bits of a hash of the order's id, so that every reader of JSON gets it whole; ``timestamp`` is when it was decided.
    """
    wanted = trade(order, listed)
    shares, money = _units(wanted.size, order), _units(wanted.size * wanted.price, order)
    maker, taker = (money, shares) if wanted.side == "BUY" else (shares, money)
    return {
        "salt": int.from_bytes(hashlib.sha256(f"{order.order_id} {order.ts_ns}".encode()).digest()[:8]) >> 11,
        "maker": address,
        "signer": address,
        "tokenId": wanted.token,
        "makerAmount": str(maker),
        "takerAmount": str(taker),
        "side": wanted.side,
        "signatureType": EOA,
        "timestamp": str(order.ts_ns // MS),
        "metadata": ZERO,
        "builder": ZERO,
    }


def order_type(order: Order) -> str:
    """Return the venue's type of an order; ConfigError for a time in force that it has not."""
    if order.kind == "market":
        return "FAK"
    if order.tif not in _TYPES:
        msg = f"order {order.order_id!r} has tif {order.tif!r}; Polymarket has {', '.join(_TYPES)}"
        raise ConfigError(msg)
    return _TYPES[order.tif]


def submit(order: Order, listed: Listed, wallet: Wallet, owner: str) -> tuple[Request, str]:
    """Encode an order entry; return it with the order's hash, which is the venue's id of it."""
    fields = signed_fields(order, listed, wallet.address)
    digest = wallet.order_hash(fields, neg_risk=listed.native.neg_risk)
    body = {
        "order": {**fields, "expiration": "0", "signature": wallet.sign(digest)},
        "owner": owner,
        "orderType": order_type(order),
        "deferExec": False,
        "postOnly": False,
    }
    request = Request("POST", "/order", "submit", order.priority, msgspec.json.encode(body), order.order_id)
    return request, f"0x{digest.hex()}"


def cancel(order: Order, venue_order_id: str) -> Request:
    """Encode a cancel; that it happened is told by the account's feed."""
    return Request("DELETE", "/order", "cancel", Priority.CLOSE, msgspec.json.encode({"orderID": venue_order_id}), order.order_id)


def lookup(order: Order, venue_order_id: str) -> Request:
    """Encode the look-up of an order by its hash; the venue answers for open ones only."""
    return Request("GET", f"/data/order/{quote(venue_order_id, safe='')}", "lookup", Priority.QUERY, None, order.order_id)


def fills(since_ns: int, page: str) -> Request:
    """Encode the question for the account's trades from a time on (whole seconds, one more than asked for)."""
    query = urlencode({"after": max(since_ns // NS - 1, 0), "next_cursor": page or FIRST})
    return Request("GET", f"/data/trades?{query}", "fills", Priority.QUERY)


def holdings(all_listed: Iterable[Listed]) -> tuple[Request, ...]:
    """Encode the questions for what is held of each token, and for collateral.

    Of the order host, not of the data host's list of positions, which a session has no address for and which lags behind.
    """
    tokens = [token for one in all_listed for token in (one.native.token, one.native.opposite)]
    asked = [("positions", {"asset_type": "CONDITIONAL", "token_id": token}) for token in tokens]
    asked.append(("account", {"asset_type": "COLLATERAL"}))
    return tuple(
        Request("GET", f"/balance-allowance?{urlencode(query | {'signature_type': EOA})}", purpose, Priority.QUERY)
        for purpose, query in asked
    )


def latest(all_listed: Iterable[Listed]) -> Request:
    """Encode the question for the present books; a POST, because the venue refuses the GET of several."""
    body = msgspec.json.encode([{"token_id": one.native.token} for one in all_listed])
    return Request("POST", "/books", "quotes", Priority.QUERY, body)


def outcome(condition: str) -> Request:
    """Encode the question how a condition stands, and how it has ended."""
    return Request("GET", f"/markets/{quote(condition, safe='')}", "booked", Priority.QUERY)


def standing(condition: str) -> Request:
    """Encode the same question for whether the condition takes orders."""
    return msgspec.structs.replace(outcome(condition), purpose="status")


# ------------------------------------------------- beside a session's own


def make_key() -> Request:
    """Encode the wish for an API key (400 if there is one: :func:`tell_key`)."""
    return Request("POST", "/auth/api-key", "auth", Priority.QUERY)


def tell_key() -> Request:
    """Encode the question for the API key that was made before."""
    return Request("GET", "/auth/derive-api-key", "auth", Priority.QUERY)


def market(condition: str) -> Request:
    """Encode the question for a market's rules: :func:`~hedgekit.venues.polymarket.rules.market_of`."""
    return Request("GET", f"/clob-markets/{quote(condition, safe='')}", "market", Priority.QUERY)


def heartbeat(heartbeat_id: str = "") -> Request:
    """Encode a beat of the dead man's switch: after the first, 10 s without one cancel all orders of the API key. It cannot be disarmed.

    It goes after closes and hedges, which it would otherwise hold up, and before all questions.
    """
    return Request("POST", "/v1/heartbeats", "beat", Priority.PRIMARY, msgspec.json.encode({"heartbeat_id": heartbeat_id}))
