"""Alpaca's account activities: the fills, so that a client can read again what a stream did not tell it.

``GET /v2/account/activities/FILL``, and ``/v2/account/activities`` with ``activity_types=FILL``
(docs.alpaca.markets, "Retrieve Account Activities"): newest first, 100 a page, and ``page_token`` is the id of the last
item of the page before. An id is a time to the millisecond, "::" and the execution id that the stream told; Alpaca
writes New York time there, the sandbox UTC. Sandbox extensions: ``fee`` and ``client_order_id``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from hedgekit.sandbox.skins.alpaca_wire import parse_time, rfc3339, symbol_of, text
from hedgekit.types import NS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hedgekit.exchange.engine import Exchange
    from hedgekit.types import Fill

FILL = "FILL"
PAGE_MAX = 100
MS = NS // 1000


class Activities:
    """The fills of an exchange as Alpaca lists them.

    Parameters
    ----------
    exchange : Exchange
        Whose ledger it is.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._items: list[tuple[int, dict[str, object]]] = []
        self._filled: dict[str, Decimal] = {}
        self._place: dict[str, int] = {}

    def page(self, query: Mapping[str, str]) -> list[dict[str, object]]:
        """Return the page that a query asks for.

        Raises
        ------
        ValueError
            Naming what is wrong with the query.
        """
        if unknown := sorted(set(query) - {"activity_types", "after", "until", "direction", "page_size", "page_token"}):
            msg = f"unknown query parameter {', '.join(unknown)}"
            raise ValueError(msg)
        newest_first = _direction(query) == "desc"
        size = _size(query)
        self._read()
        after = parse_time(query["after"]) if "after" in query else None
        until = parse_time(query["until"]) if "until" in query else None
        if FILL not in query.get("activity_types", FILL).split(","):
            return []
        found = self._items[::-1] if newest_first else self._items
        if "page_token" in query:
            found = found[self._behind(query["page_token"], newest_first=newest_first) :]
        return [item for at, item in found if (after is None or at > after) and (until is None or at < until)][:size]

    def _behind(self, token: str, *, newest_first: bool) -> int:
        place = self._place.get(token)
        if place is None:
            msg = f"page_token={token}: no such activity"
            raise ValueError(msg)
        return len(self._items) - place if newest_first else place + 1

    def _read(self) -> None:
        """Take up the fills since the last time."""
        for fill in self._exchange.ledger.fills[len(self._items) :]:
            item = self._item(fill)
            self._place[str(item["id"])] = len(self._items)
            self._items.append((fill.venue_ns, item))

    def _item(self, fill: Fill) -> dict[str, object]:
        state = self._exchange.by_client(fill.order_id)
        assert state is not None  # noqa: S101 - what has filled was an order
        done = self._filled[fill.order_id] = self._filled.get(fill.order_id, Decimal(0)) + abs(fill.qty)
        left = abs(state.request.qty) - done
        return {
            "id": activity_id(fill),
            "activity_type": FILL,
            "transaction_time": rfc3339(fill.venue_ns),
            "type": "partial_fill" if left else "fill",
            "price": text(fill.price),
            "qty": text(abs(fill.qty)),
            "side": "buy" if fill.qty > 0 else "sell",
            "symbol": symbol_of(fill.instrument),
            "leaves_qty": text(left),
            "cum_qty": text(done),
            "order_id": state.order_id,
            "client_order_id": fill.order_id,
            "fee": text(fill.fee),
        }


def activity_id(fill: Fill) -> str:
    """Return the id of a fill: its time to the millisecond, and its execution id."""
    seconds, rest = divmod(fill.venue_ns, NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d%H%M%S}{rest // MS:03d}::{fill.fill_id}"


def _direction(query: Mapping[str, str]) -> str:
    direction = query.get("direction", "desc")
    if direction not in {"asc", "desc"}:
        msg = f"direction={direction}: must be one of asc, desc"
        raise ValueError(msg)
    return direction


def _size(query: Mapping[str, str]) -> int:
    size = int(query.get("page_size", PAGE_MAX))
    if not 0 < size <= PAGE_MAX:
        msg = f"page_size={size}: must be 1 to {PAGE_MAX}"
        raise ValueError(msg)
    return size
