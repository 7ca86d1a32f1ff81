"""Every order that the exchange has accepted, and which of them can still fill."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from msgspec.structs import replace

from hedgekit.exchange.model import Cancelled, NewOrder, OrderState, Status

if TYPE_CHECKING:
    from hedgekit.exchange.book import Working

IDS = uuid5(NAMESPACE_URL, "hedgekit.exchange")


def name(what: str, number: int) -> str:
    """Return the id of the ``number``-th order or execution: a UUID of a counter, so that equal runs have equal ids."""
    return str(uuid5(IDS, f"{what} {number}"))


class Orders:
    """The register. ``working`` has the orders that can still fill, by the exchange's id."""

    def __init__(self) -> None:
        self.working: dict[str, Working] = {}
        self._all: dict[str, OrderState] = {}
        self._by_client: dict[str, str] = {}

    def __len__(self) -> int:
        """Return how many there ever were."""
        return len(self._all)

    def __getitem__(self, order_id: str) -> OrderState:
        """Return an order that is known to be there."""
        return self._all[order_id]

    def get(self, order_id: str) -> OrderState | None:
        """Return an order by the exchange's id."""
        return self._all.get(order_id)

    def by_client(self, client_id: str) -> OrderState | None:
        """Return an order by the client's id."""
        return self._all.get(self._by_client.get(client_id, ""))

    def all(self) -> list[OrderState]:
        """Return every order, oldest first."""
        return list(self._all.values())

    def register(self, request: NewOrder, now_ns: int) -> OrderState:
        """Enter a new order."""
        order_id = name("order", len(self._all) + 1)
        self._by_client[request.client_id] = order_id
        state = self._all[order_id] = OrderState(order_id, request, Status.NEW, now_ns, now_ns)
        return state

    def save(self, state: OrderState, now_ns: int, **changes: object) -> OrderState:
        """Change an order."""
        self._all[state.order_id] = saved = replace(state, updated_ns=now_ns, **changes)
        return saved

    def close(self, order_id: str, now_ns: int, why: str, status: Status = Status.CANCELLED) -> Cancelled:
        """End an order that has left its book."""
        del self.working[order_id]
        return Cancelled(now_ns, self.save(self._all[order_id], now_ns, status=status), why)
