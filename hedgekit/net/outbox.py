"""Orders on their way to the venue, so that none is lost and none is doubled (L2).

Sans-I/O: decisions and answers in, requests and events out; the session sends
and journals. An intent is durable before its request leaves, because the session
commits the decision first. An order whose outcome is unknown (no answer, 429,
5xx, a restart) is posted again under the same client id, which the venue refuses
if it has the first one (``venues/alpaca.py``); then it is looked up.

Requests that leave together are ordered CLOSE, HEDGE, PRIMARY, QUERY (A17).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from types import ModuleType

import msgspec

from hedgekit.errors import VenueError
from hedgekit.types import NS, Ack, Cancelled, Decision, Fill, Input, Order, Priority, Reconciled, Reject, Reply, Request

TIMEOUT_NS = 10 * NS
"""An answer that has not come by then counts as lost."""

_BACKOFF_NS = NS // 2
_BACKOFF_MAX_NS = 30 * NS
_OK, _REFUSED, _TOO_MANY, _SERVER = 200, 400, 429, 500
_RANK = {priority: rank for rank, priority in enumerate(Priority)}


class Outbox:
    """Follows every order from intent to the venue's word on it.

    Parameters
    ----------
    venue : module
        One of ``hedgekit.venues``.
    """

    def __init__(self, venue: ModuleType) -> None:
        self._venue = venue
        self._open: dict[str, Order] = {}
        self._known: dict[str, str] = {}
        self._wish_cancel: dict[str, None] = {}
        self._flying: dict[int, Request] = {}
        self._tries: dict[tuple[str, str | None], int] = {}
        self._asked: dict[str, Reply] = {}

    # --------------------------------------------------------------- what to send

    def requests_of(self, decision: Decision) -> list[Request]:
        """Return the requests of a durable decision, the most urgent first."""
        for order in decision.orders:
            self._open[order.order_id] = order
        wanted = [self._venue.submit(order) for order in decision.orders]
        for order_id in decision.cancels:
            if order_id in self._open:  # else it has ended since, in the same instant
                self._wish_cancel[order_id] = None
                wanted += self._cancel(order_id)
        return sorted(wanted, key=lambda request: _RANK[request.priority])

    def resume(self) -> list[Request]:
        """Return the requests that a restart must repeat: orders without an answer, cancels not confirmed."""
        unknown = [self._venue.submit(order) for name, order in self._open.items() if name not in self._known]
        cancels = [request for name in self._wish_cancel for request in self._cancel(name)]
        return sorted(unknown + cancels, key=lambda request: _RANK[request.priority])

    def reconcile(self) -> list[Request]:
        """Return the questions whose answers make a :class:`Reconciled` event."""
        self._asked.clear()
        return [self._venue.account(), self._venue.positions()]

    def _cancel(self, order_id: str) -> list[Request]:
        """Cancel by the venue's id; before that is known the wish waits for the Ack."""
        return [self._venue.cancel(order_id, self._known[order_id])] if order_id in self._known else []

    # ------------------------------------------------------------ what came back

    def sent(self, number: int, request: Request) -> None:
        """Remember a request that has left."""
        self._flying[number] = request

    def flying(self, number: int) -> bool:
        """Whether an answer is still awaited."""
        return number in self._flying

    def lost(self, number: int) -> tuple[Request, int] | None:
        """Give up waiting for an answer; return what to send again and after how many ns."""
        request = self._flying.pop(number, None)
        return None if request is None else self._again(request)

    def on_reply(self, number: int, reply: Reply, ts_ns: int) -> tuple[list[Input], list[Request], tuple[Request, int] | None]:
        """Return (events, requests to send now, a request to repeat and after how many ns)."""
        request = self._flying.pop(number, None)
        if request is None:
            return [], [], None
        if reply.status in (0, _TOO_MANY) or reply.status >= _SERVER:
            return [], [], self._again(request)
        self._tries.pop((request.purpose, request.order_id), None)
        if request.purpose in ("account", "positions"):
            return self._on_answer(request, reply, ts_ns), [], None
        if request.purpose == "submit":
            return (*self._on_submitted(request, reply, ts_ns), None)
        if request.purpose == "lookup":
            return self._on_found(request, reply, ts_ns), [], None
        self._on_cancel_answered(request, reply)
        return [], [], None

    def _on_cancel_answered(self, request: Request, reply: Reply) -> None:
        """Leave it to the stream what came of a cancel; it says nothing of one refused for another reason than "over already"."""
        if reply.status >= _REFUSED and not self._venue.over_already(reply):
            code, message = self._venue.error_of(reply)
            msg = f"the venue refused to cancel order {request.order_id!r} ({code}): {message}"
            raise VenueError(msg, status=reply.status, code=code)

    def _on_submitted(self, request: Request, reply: Reply, ts_ns: int) -> tuple[list[Input], list[Request]]:
        order_id = request.order_id or ""
        if reply.status == _OK:
            return self._acknowledged(order_id, self._venue.order_id_of(reply), ts_ns), []
        if self._venue.duplicate(reply):
            return [], [self._venue.lookup(order_id)]
        code, message = self._venue.error_of(reply)
        return [Reject(ts_ns=ts_ns, order_id=order_id, code=code, message=message)], []

    def _on_found(self, request: Request, reply: Reply, ts_ns: int) -> list[Input]:
        if reply.status != _OK:
            msg = f"order {request.order_id!r} was refused as a duplicate but its look-up answered {reply.status}"
            raise VenueError(msg, status=reply.status)
        return self._acknowledged(request.order_id or "", self._venue.order_id_of(reply), ts_ns)

    def _on_answer(self, request: Request, reply: Reply, ts_ns: int) -> list[Input]:
        if reply.status != _OK:
            code, message = self._venue.error_of(reply)
            msg = f"the venue refused the question for {request.purpose} ({code}): {message}"
            raise VenueError(msg, status=reply.status)
        self._asked[request.purpose] = reply
        if len(self._asked) < 2:  # noqa: PLR2004 - account and positions
            return []
        positions: dict[str, Decimal] = self._venue.positions_of(self._asked["positions"])
        return [Reconciled(ts_ns=ts_ns, positions=positions, cash=self._venue.cash_of(self._asked["account"]), agrees=True)]

    def _acknowledged(self, order_id: str, venue_order_id: str, ts_ns: int) -> list[Input]:
        if order_id in self._known:
            return []
        return [Ack(ts_ns=ts_ns, order_id=order_id, venue_order_id=venue_order_id)]

    def _again(self, request: Request) -> tuple[Request, int]:
        """Exponential backoff: 0.5 s, 1 s, 2 s ... at most 30 s (A17)."""
        key = (request.purpose, request.order_id)
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        return request, min(_BACKOFF_NS << min(tries - 1, 16), _BACKOFF_MAX_NS)

    # ----------------------------------------------- what the journal says happened

    def note(self, event: object) -> list[Request]:
        """Follow an event that is (or is about to be) journalled; return cancels that can go now."""
        if isinstance(event, Ack):
            self._known[event.order_id] = event.venue_order_id
            return self._cancel(event.order_id) if event.order_id in self._wish_cancel else []
        if isinstance(event, Cancelled | Reject):
            self._forget(event.order_id)
        if isinstance(event, Fill):
            self._filled(event)
        return []

    def fresh(self, event: Input) -> bool:
        """Whether an event from the stream is news (the Ack may have come by REST already)."""
        return not (isinstance(event, Ack) and (event.order_id in self._known or event.order_id not in self._open))

    def _filled(self, fill: Fill) -> None:
        order = self._open.get(fill.order_id)
        if order is None:
            return
        left = order.qty - fill.qty
        if left == 0:
            self._forget(fill.order_id)
        else:
            self._open[fill.order_id] = msgspec.structs.replace(order, qty=left)

    def _forget(self, order_id: str) -> None:
        self._open.pop(order_id, None)
        self._wish_cancel.pop(order_id, None)

    def restore(self, records: Iterable[object]) -> None:
        """Rebuild from a journal after a restart."""
        for record in records:
            if isinstance(record, Decision):
                self.requests_of(record)
            else:
                self.note(record)
