"""Alpaca (paper): what to send and what the answers mean.

Checked against the sandbox's strict server and the field lists of Alpaca's own
OpenAPI files; never yet run against Alpaca's servers.

**Idempotency (L2).** ``client_order_id`` is unique for an account: posting an
order again with the id of an earlier one is refused with 422, whatever became of
the first. So an order whose outcome is unknown is posted again with the same id,
and the refusal is answered by a look-up. "Not found" alone would prove nothing.

**No sequence numbers** on either socket: a gap cannot be seen, only a new
connection. The sandbox adds one field to fills, ``fee``; Alpaca's paper accounts
charge none, and a missing ``fee`` is read as zero.
"""

from __future__ import annotations

from hedgekit.venues.alpaca.replies import (
    Execution,
    State,
    cash_of,
    duplicate,
    error_of,
    fills_of,
    latest_of,
    limits_of,
    over_already,
    positions_of,
    state_of,
)
from hedgekit.venues.alpaca.requests import account, cancel, fills, headers, latest, lookup, positions, submit, void
from hedgekit.venues.alpaca.streams import Update, data_login, market_of, stream_login, update_of
from hedgekit.venues.alpaca.wire import (
    DATA,
    DATA_HOSTS,
    KEY_ENV,
    NAME,
    ORDER_HOSTS,
    OVER,
    QUOTES,
    REQUESTS,
    REST,
    STREAM,
    budgets,
    parse_time,
    symbol,
)

__all__ = [
    "DATA",
    "DATA_HOSTS",
    "KEY_ENV",
    "NAME",
    "ORDER_HOSTS",
    "OVER",
    "QUOTES",
    "REQUESTS",
    "REST",
    "STREAM",
    "Execution",
    "State",
    "Update",
    "account",
    "budgets",
    "cancel",
    "cash_of",
    "data_login",
    "duplicate",
    "error_of",
    "fills",
    "fills_of",
    "headers",
    "latest",
    "latest_of",
    "limits_of",
    "lookup",
    "market_of",
    "over_already",
    "parse_time",
    "positions",
    "positions_of",
    "state_of",
    "stream_login",
    "submit",
    "symbol",
    "update_of",
    "void",
]
