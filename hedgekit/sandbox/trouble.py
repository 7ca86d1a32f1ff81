"""Does what the planned faults say: to messages, to sockets, to the venue's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgekit.exchange.faults import FaultKind
from hedgekit.exchange.faults.fault import ORDERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from hedgekit.exchange.faults import Fault, Faults, Outage, Purpose
    from hedgekit.sandbox.channel import Channel
    from hedgekit.sandbox.record import Record


class Trouble:
    """Asks the faults at every request, message and row, and lets happen what they answer.

    Parameters
    ----------
    faults : Faults
        What is planned.
    now : callable
        The timeline's time, nanoseconds UTC.
    md, trade : Channel
        The sockets that faults may close.
    record : Record
        Where what came to pass is written down.
    """

    def __init__(self, faults: Faults, now: Callable[[], int], *, md: Channel, trade: Channel, record: Record) -> None:
        self._faults, self._now, self._channels, self._record = faults, now, (md, trade), record
        self.on_pause: Callable[[Fault], None] | None = None
        """Pauses the market; the venue's skin sets it."""
        self._since: int | None = None
        self._lost: list[str] = []

    # ------------------------------------------------------------------ places

    def add(self, fault: Fault) -> None:
        """Plan a fault at run time."""
        self._faults.add(fault, self._now())
        self._act()

    def row(self) -> None:
        """Let a row of the tape come."""
        self._faults.row(self._now())
        self._act()

    def request(self, purpose: Purpose) -> Fault | None:
        """Return what befalls a request that sets out."""
        fault = self._faults.request(purpose, self._now())
        self._act()
        return fault

    def message(self, channel: Channel, topic: str, message: bytes) -> None:
        """Give a message to a channel, or not."""
        if not channel.listens(topic):
            return
        fault = self._faults.message(channel.name, self._now())
        self._act()
        if not channel.listens(topic) or (fault is not None and fault.kind is FaultKind.FREEZE):
            return
        if fault is None:
            channel.push(topic, message)
        elif fault.kind is FaultKind.DISCONNECT:
            self._cut(fault, channel)
        else:
            self._hit(fault, channel=channel.name)
            if fault.kind is not FaultKind.LOST:
                channel.push(topic, message, fault.kind)

    # ------------------------------------------------------------------ states

    @property
    def out(self) -> bool:
        """Whether the venue is gone."""
        return self._faults.out(self._now())

    @property
    def outage(self) -> Outage | None:
        """The last outage, also when it is over."""
        return self._faults.outage

    @property
    def silenced(self) -> list[str]:
        """What was connected when the last outage began: "rest" always, "md" and "trade" if they were."""
        return [*self._lost, "rest"]

    @property
    def shift_ns(self) -> int:
        """How far the venue's time stamps are off."""
        return self._faults.shift_ns

    # -------------------------------------------------------------------- hits

    @property
    def hits(self) -> dict[str, int]:
        """How often each kind came to pass."""
        return {kind.value: count for kind, count in self._faults.hits.items()}

    def request_hit(self, fault: Fault, number: int) -> None:
        """Note that a fault befell a request; of an order's fault the exchange says so (:meth:`order_hit`)."""
        if fault.kind not in ORDERS:
            self._hit(fault, n=number)

    def order_hit(self, fault: Fault, client_id: str) -> None:
        """Note that a fault took hold of an order."""
        self._hit(fault, client_id=client_id)

    def _hit(self, fault: Fault, **about: object) -> None:
        self._faults.hit(fault)
        self._record.fault(self._now(), fault, **about)

    # --------------------------------------------------------------- internals

    def _act(self) -> None:
        """Do what has begun."""
        for fault in self._faults.begun():
            if fault.kind is FaultKind.DISCONNECT:
                self._cut(fault, *self._channels)
                continue
            if fault.kind is FaultKind.OUTAGE:
                self._leave_alone()
            self._hit(fault)
            if fault.kind is FaultKind.PAUSE and self.on_pause is not None:
                self.on_pause(fault)

    def _cut(self, fault: Fault, *channels: Channel) -> None:
        """Close the sockets of channels; without any, nothing has come to pass."""
        if alive := [channel.name for channel in channels if channel.connected]:
            for channel in channels:
                channel.cut()
            self._hit(fault, channel=alive)

    def _leave_alone(self) -> None:
        """Close every connection; an outage that goes on longer than it was to, has begun only once."""
        since = None if self.outage is None else self.outage.since_ns
        if since != self._since:
            self._since, self._lost = since, []
        self._lost += [channel.name for channel in self._channels if channel.cut()]
