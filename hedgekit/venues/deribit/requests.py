"""What to send to Deribit over HTTP.

What has an order's name in it, or an id that the answer must repeat, is posted; other questions are asked by their path, which
tells them apart.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.types import NS, Order, Priority, Request
from hedgekit.venues.deribit.units import Units, currency
from hedgekit.venues.deribit.wire import LABEL, LIFETIME_NS, MS, ROOT, symbol

PAGE = 1000
OLD = "old "
_STEP = 1000
LOG_PAGE = 250
_TIFS = {"gtc": "good_til_cancelled", "day": "good_til_day", "ioc": "immediate_or_cancel", "fok": "fill_or_kill"}
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def call(number: int, method: str, **params: object) -> bytes:
    """Return a JSON-RPC request."""
    return _ENCODER.encode({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


def submit(units: Units, order: Order) -> Request:
    """Encode an order entry.

    ``post_only`` is always said, since Deribit's own documents differ on what it is otherwise. A market order's rest
    does not stay, so it has no time in force.

    Raises
    ------
    ConfigError
        If its id is too long for a label, or Deribit has no such time in force.
    """
    if len(order.order_id) > LABEL:
        msg = f"order id {order.order_id!r} has {len(order.order_id)} characters, a label {LABEL} at most: give the session a shorter name"
        raise ConfigError(msg)
    params: dict[str, Any] = {
        "instrument_name": symbol(order.instrument),
        "amount": units.amount(order.instrument, order.qty),
        "type": order.kind,
        "label": order.order_id,
        "post_only": False,
        "valid_until": (order.ts_ns + LIFETIME_NS) // MS,
    }
    if order.limit is not None:
        if order.tif not in _TIFS:
            msg = f"order {order.order_id!r} has time in force {order.tif!r}; Deribit has {', '.join(_TIFS)}"
            raise ConfigError(msg)
        params |= {"price": type(order.limit)(format(order.limit, "f")), "time_in_force": _TIFS[order.tif]}
    method = "private/buy" if order.qty > 0 else "private/sell"
    return Request("POST", ROOT + method, "submit", order.priority, call(1, method, **params), order.order_id)


def cancel(order: Order, venue_order_id: str) -> Request:
    """Encode a cancel; that it happened is told by the account's feed."""
    method = "private/cancel"
    return Request("POST", ROOT + method, "cancel", Priority.CLOSE, call(1, method, order_id=venue_order_id), order.order_id)


def lookup(order: Order) -> Request:
    """Encode the look-up of an order by its label."""
    method = "private/get_order_state_by_label"
    body = call(1, method, currency=currency(symbol(order.instrument)), label=order.order_id)
    return Request("POST", ROOT + method, "lookup", Priority.QUERY, body, order.order_id)


def numbered(place: int, since_ns: int, *, old: bool) -> int:
    """Return the number of a question for executions: seconds that they are from, whether historical ones, and the currency's place."""
    return since_ns // NS * _STEP + (_STEP // 2 if old else 0) + place


def read_number(number: int) -> tuple[int, int, bool]:
    """Return place, seconds and whether historical; of a number that is none, a place that there is not."""
    since_s, code = divmod(number, _STEP)
    return code % (_STEP // 2), since_s, code >= _STEP // 2


def fills(units: Units, since_ns: int, page: str) -> Request:
    """Encode the question for executions from a time on, oldest first, currency by currency.

    A page is "CURRENCY:ID", the currency to ask for next and the first execution of it; without an id it begins at the time. After
    :data:`OLD` it is of the executions that are older than a day, which Deribit keeps apart (``historical``).
    The request's number is :func:`numbered`, since an answer without executions does not say of which currency, or from when on.
    """
    old, page = page.startswith(OLD), page.removeprefix(OLD)
    name, _, first = page.partition(":")
    name = name or units.currencies[0]
    begin: dict[str, Any] = {"start_id": first} if first else {"start_timestamp": since_ns // MS}
    begin |= {"historical": True} if old else {}
    method = "private/get_user_trades_by_currency"
    number = numbered(units.currencies.index(name), since_ns, old=old)
    body = call(number, method, currency=name, count=PAGE, sorting="asc", **begin)
    return Request("POST", ROOT + method, "fills", Priority.QUERY, body)


def booked(units: Units, since_ns: int, until_ns: int, page: str) -> Request:
    """Encode the question for the account's log of what changed its balance, currency by currency, newest first.

    A page is "CURRENCY:TOKEN", and the request's number the currency's place, as in :func:`fills`.
    """
    name, _, token = page.partition(":")
    name = name or units.currencies[0]
    more = {"continuation": int(token)} if token else {}
    span = {"start_timestamp": since_ns // MS, "end_timestamp": until_ns // MS}
    method = "private/get_transaction_log"
    body = call(units.currencies.index(name), method, currency=name, **span, count=LOG_PAGE, **more)
    return Request("POST", ROOT + method, "booked", Priority.QUERY, body)


def holdings(units: Units) -> tuple[Request, ...]:
    """Encode the questions for positions, of each currency, and for the balance in the first instrument's."""
    asked = [_get("private/get_positions", "positions", currency=name) for name in units.currencies]
    return (*asked, _get("private/get_account_summary", "account", currency=units.currencies[0]))


def latest(units: Units) -> Request | None:
    """Encode the question for the latest state of the first instrument's book: all come on one socket."""
    return _get("public/get_order_book", "quotes", instrument_name=units.symbols[0], depth="1") if units.symbols else None


def instruments(name: str) -> Request:
    """Encode the question for the futures of a currency, perpetuals among them."""
    return _get("public/get_instruments", "instruments", currency=name, kind="future")


def _get(method: str, purpose: str, **query: str) -> Request:
    return Request("GET", f"{ROOT}{method}?{urlencode(query)}", purpose, Priority.QUERY)
