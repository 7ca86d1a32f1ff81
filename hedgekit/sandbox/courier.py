"""Requests on their way to the exchange and back, and what befalls them there.

A request sets out when the timeline says so, reaches the exchange after its
latency, and its answer takes another. What was read reaches the exchange even if
its connection or its client is dead by then. An outage at the time of its arrival
drops it undone; one that began since it set out drops its answer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from hedgekit.exchange.faults import FaultKind
from hedgekit.sandbox.calls import Answer, Call
from hedgekit.sandbox.timeline import ARRIVAL, DELIVERY

if TYPE_CHECKING:
    from collections.abc import Callable

    from hedgekit.exchange.faults import Fault, Outage, Purpose
    from hedgekit.exchange.model import FillModel
    from hedgekit.sandbox.record import Record
    from hedgekit.sandbox.timeline import Ticket, Timeline
    from hedgekit.sandbox.trouble import Trouble

UNDONE = frozenset({FaultKind.TOO_MANY, FaultKind.TOO_EARLY, FaultKind.ERROR_500, FaultKind.UNAVAILABLE_503})
"""Faults that keep a request from the exchange."""


@dataclass(slots=True)
class Trip:
    """A request under way; ``answer`` resolves to None for a connection that is closed instead."""

    call: Call
    label: str | None
    ticket: Ticket | None
    answer: asyncio.Future[Answer | None]
    fault: Fault | None = None
    outage: Outage | None = None
    number: int = 0

    def befallen(self, kind: FaultKind) -> Fault | None:
        """Return its fault if it is of a kind."""
        return self.fault if self.fault is not None and self.fault.kind is kind else None


class Courier:
    """Carries requests.

    Parameters
    ----------
    timeline : Timeline
        When they set out and arrive.
    model : FillModel
        Has the latencies.
    trouble : Trouble
        What befalls them.
    record : Record
        Where they are written down.
    act : callable
        Does what a request asks at the exchange.
    refuse : callable
        Returns the venue's words for a fault of :data:`UNDONE`, and for a gateway's 504.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        timeline: Timeline,
        model: FillModel,
        trouble: Trouble,
        record: Record,
        *,
        act: Callable[[Call, Fault | None], Answer],
        refuse: Callable[[Fault], Answer],
    ) -> None:
        self._timeline, self._model, self._trouble, self._record = timeline, model, trouble, record
        self._act, self._refuse = act, refuse
        self._dropped: set[str] = set()

    async def carry(self, label: str | None, call: Call, purpose: Purpose) -> Answer | None:
        """Bring a request to the exchange and its answer back; None if its connection is to be closed instead.

        A label comes twice if the client's HTTP library repeats a request whose connection was closed (aiohttp does,
        unless it is a POST). It is the same request, so it is dropped again.

        Raises
        ------
        SessionError
            If the timeline has no place for it.
        """
        if label is not None and label in self._dropped:
            return None
        trip = Trip(call, label, self._timeline.ticket(label), asyncio.get_running_loop().create_future())
        self._timeline.send(trip.ticket, partial(self._leave, trip, purpose))
        return await trip.answer

    def _after(self, delay_ns: int, step: Callable[[], None], rank: int) -> None:
        self._timeline.call_at(self._timeline.now_ns + delay_ns, step, rank=rank)

    def _leave(self, trip: Trip, purpose: Purpose) -> None:
        trip.fault, trip.outage = self._trouble.request(purpose), self._trouble.outage
        late = trip.befallen(FaultKind.LATE)
        self._after(self._model.up_ns + (late.ns if late else 0), partial(self._arrive, trip), ARRIVAL)

    def _arrive(self, trip: Trip) -> None:
        trip.number = self._record.number()
        kind = None if trip.fault is None else trip.fault.kind
        result, told = None, None
        if self._trouble.out:
            kind = FaultKind.OUTAGE
        elif trip.fault is not None and trip.fault.kind in UNDONE:
            told = self._refuse(trip.fault)
        else:
            result = told = self._act(trip.call, trip.fault)
            if gateway := trip.befallen(FaultKind.GATEWAY_504_AFTER):
                told = self._refuse(gateway)
            elif kind in {FaultKind.HANG_AFTER, FaultKind.DROP_REPLY}:
                told = None
        self._write(trip, kind, result, told)
        if kind is not FaultKind.HANG_AFTER:
            slow = trip.befallen(FaultKind.DELAYED_ACK)
            self._after(self._model.down_ns + (slow.ns if slow else 0), partial(self._deliver, trip, told), DELIVERY)

    def _write(self, trip: Trip, kind: FaultKind | None, result: Answer | None, told: Answer | None) -> None:
        if trip.fault is not None and kind is trip.fault.kind:
            self._trouble.request_hit(trip.fault, trip.number)
        self._record.request(
            self._timeline.now_ns,
            trip.call,
            n=trip.number,
            ticket=trip.ticket,
            fault=kind,
            result=None if result is None else result.status,
            status=None if told is None else told.status,
        )

    def _deliver(self, trip: Trip, told: Answer | None) -> None:
        if told is not None and trip.outage is not self._trouble.outage:
            told = None
            self._record.broken(self._timeline.now_ns, trip.number)
        if told is None and trip.label is not None:
            self._dropped.add(trip.label)
        self._timeline.answered(trip.ticket)
        if not trip.answer.done():
            trip.answer.set_result(told)
