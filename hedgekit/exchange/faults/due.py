"""Which of the planned faults is due: counts requests, messages and rows, and says what befalls each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from hedgekit.exchange.faults.fault import MESSAGES, ORDERS, PLACES, STATES, Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Purpose = Literal["submit", "cancel", "query"]
"""What a request is for; ``query`` is everything that is neither an order nor a cancel."""

ChannelName = Literal["md", "trade"]
"""Market data, or the account's own orders and fills."""


class Outage(msgspec.Struct, frozen=True):
    """When the venue was gone, nanoseconds UTC; ``until_ns`` is the first moment at which it is back."""

    since_ns: int
    until_ns: int


@dataclass(slots=True)
class _Waiting:
    fault: Fault
    left: int


class Faults:
    """The faults of one exchange: asked at every request, message and row, it says what befalls it.

    One fault befalls one request or message; of several that are due, the first of the plan does, and the others wait.

    Parameters
    ----------
    plan : iterable of Fault
        What is to happen; :meth:`add` adds to it at run time.
    """

    def __init__(self, plan: Iterable[Fault] = ()) -> None:
        self.outage: Outage | None = None
        """The last outage, also when it is over."""
        self._waiting = [_Waiting(fault, fault.count) for fault in plan]
        self._seen = dict.fromkeys(PLACES, 0)
        self._hits = dict.fromkeys(FaultKind, 0)
        self._begun: list[Fault] = []
        self._freeze: tuple[Fault, int] | None = None
        self._skew: tuple[int, int] = (0, 0)

    # ------------------------------------------------------------------ places

    def add(self, fault: Fault, now_ns: int) -> None:
        """Add a fault at run time; one whose place has passed is due at once."""
        self._waiting.append(_Waiting(fault, fault.count))
        self._start(now_ns)

    def row(self, now_ns: int) -> None:
        """Count a row of the tape."""
        shift, rows = self._skew
        self._skew = (shift, rows - 1) if rows > 1 else (0, 0)
        self._count("row", now_ns)

    def request(self, purpose: Purpose, now_ns: int) -> Fault | None:
        """Count a request on its way to the exchange; return what befalls it."""
        self._seen["request"] += 1
        self._count(purpose, now_ns)
        return self._take(lambda fault: _fits_request(fault, purpose))

    def message(self, channel: ChannelName, now_ns: int) -> Fault | None:
        """Count a message on its way to the client; return what befalls it: one of :data:`MESSAGES`, or a freeze."""
        self._count(channel, now_ns)
        if channel == "md" and self._freeze is not None and now_ns < self._freeze[1]:
            return self._freeze[0]
        return self._take(lambda fault: _fits_message(fault, channel))

    # ------------------------------------------------------------------ states

    def begun(self) -> list[Fault]:
        """Return what has begun since the last call: freezes, skews, outages, and disconnects of both channels."""
        begun, self._begun = self._begun, []
        return begun

    def out(self, now_ns: int) -> bool:
        """Whether the venue is gone."""
        return self.outage is not None and now_ns < self.outage.until_ns

    @property
    def shift_ns(self) -> int:
        """How far time stamps are off."""
        return self._skew[0]

    # -------------------------------------------------------------------- hits

    def hit(self, fault: Fault) -> None:
        """Note that a fault really came to pass."""
        self._hits[fault.kind] += 1

    @property
    def hits(self) -> dict[FaultKind, int]:
        """How often each kind came to pass; all kinds, also those that never did."""
        return dict(self._hits)

    # --------------------------------------------------------------- internals

    def _count(self, place: str, now_ns: int) -> None:
        if place in self._seen:
            self._seen[place] += 1
        if self._waiting:
            self._start(now_ns)

    def _due(self, fault: Fault) -> bool:
        return fault.at == "now" or self._seen[fault.place] >= fault.number

    def _take(self, fits: Callable[[Fault], bool]) -> Fault | None:
        for waiting in self._waiting:
            if fits(waiting.fault) and self._due(waiting.fault):
                waiting.left -= 1
                if not waiting.left:
                    self._waiting.remove(waiting)
                return waiting.fault
        return None

    def _start(self, now_ns: int) -> None:
        due = [w for w in self._waiting if _by_itself(w.fault) and self._due(w.fault)]
        for waiting in due:
            self._waiting.remove(waiting)
            self._begin(waiting.fault, now_ns)
            self._begun.append(waiting.fault)

    def _begin(self, fault: Fault, now_ns: int) -> None:
        until = now_ns + fault.ns
        if fault.kind is FaultKind.OUTAGE:
            running = self.outage if self.out(now_ns) else None
            self.outage = Outage(running.since_ns, max(running.until_ns, until)) if running else Outage(now_ns, until)
        elif fault.kind is FaultKind.FREEZE:
            self._freeze = fault, until if self._freeze is None else max(self._freeze[1], until)
        elif fault.kind is FaultKind.SKEW:
            self._skew = fault.ns, fault.count


def _by_itself(fault: Fault) -> bool:
    """Whether it begins when it is due, without a request or message to befall."""
    return fault.kind in STATES or (fault.kind is FaultKind.DISCONNECT and fault.place not in {"md", "trade"})


def _fits_request(fault: Fault, purpose: Purpose) -> bool:
    if fault.kind in MESSAGES | STATES or (fault.kind in ORDERS and purpose != "submit"):
        return False
    return fault.place not in {"submit", "cancel"} or fault.place == purpose


def _fits_message(fault: Fault, channel: ChannelName) -> bool:
    return fault.kind in MESSAGES and not _by_itself(fault) and (fault.place not in {"md", "trade"} or fault.place == channel)
