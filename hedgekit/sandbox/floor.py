"""Where orders meet the exchange, and the faults that befall them there: fills in small parts, and refusals."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, overload

from msgspec.structs import replace

from hedgekit.exchange.book import Level
from hedgekit.exchange.faults import FaultKind
from hedgekit.exchange.model import Accepted, NewOrder, OrderState, Refusal, Rejected, Reports, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hedgekit.exchange.engine import Exchange
    from hedgekit.exchange.faults import Fault
    from hedgekit.sandbox.recorded import Shown
    from hedgekit.types import Quote

ZERO = Decimal(0)
REFUSAL = "insufficient buying power"


@dataclass(slots=True)
class _Limited:
    """An order that fills by ``most`` at a time; ``bites`` when that was less than it would have filled."""

    fault: Fault
    client_id: str
    key: str
    buy: bool
    limit: Decimal | None
    most: Decimal
    leaves: Decimal
    bites: bool = False
    hit: bool = False


class Floor:
    """Takes books and orders to an exchange.

    A ``partial`` order meets a market that shows no more than its part, best levels first: of each book, and of what is left
    of the standing one where orders meet that too. So orders of the same side that come after it share that part. An order
    that is refused after it was accepted is cancelled at the exchange, and rejected to the client.

    Parameters
    ----------
    exchange : Exchange
        Where orders go.
    hit : callable
        Gets a fault and a client order id when the fault has taken hold of that order.
    """

    def __init__(self, exchange: Exchange, hit: Callable[[Fault, str], None] = lambda _, __: None) -> None:
        self.exchange = exchange
        self.quotes: dict[str, Quote] = {}
        """The last quote of each instrument, as the stream said it."""
        self.accepted: OrderState | None = None
        """The order that was accepted in the last :meth:`befalls`."""
        self.doomed: dict[str, Fault] = {}
        """Orders whose first fill will be booked back, by the client's id."""
        self._hit = hit
        self._fault: Fault | None = None
        self._limited: list[_Limited] = []
        self._refused: set[str] = set()

    @contextmanager
    def befalls(self, fault: Fault | None) -> Iterator[None]:
        """Let a fault befall the order that comes within the block, if one comes."""
        self._fault, self.accepted = fault, None
        try:
            yield
        finally:
            self._fault = None

    # ---------------------------------------------------------------- actions

    def on_book(self, shown: Shown) -> Reports:
        """Show a book, or the part of it that limited orders may meet."""
        quote, bids, asks = shown
        self.quotes[quote.instrument] = quote
        for limited in self._working(quote.instrument):
            lot = self.exchange.instruments[limited.key].lot
            bids, asks = (bids, _part(limited, asks, lot)) if limited.buy else (_part(limited, bids, lot), asks)
            self._note(limited)
        return self.exchange.on_depth(quote.instrument, bids, asks, quote.ts_ns)

    def shut(self, key: str, ts_ns: int) -> Reports:
        """Take the book of an instrument away: nothing fills until the next one."""
        return self.exchange.on_depth(key, (), (), ts_ns)

    def submit(self, request: NewOrder, ts_ns: int) -> Reports:
        """Take an order, with the fault that befalls it. One that was sent before is a duplicate, whatever befalls it."""
        fault = self._fault
        if fault is None or self.exchange.by_client(request.client_id) is not None:
            return self.exchange.submit(request, ts_ns)
        if fault.kind is FaultKind.REJECT_HEDGE and not fault.seconds:
            self._hit(fault, request.client_id)
            return (Rejected(ts_ns, request.client_id, Refusal.BUYING_POWER, REFUSAL),)
        limited = self._limit(request, fault)
        if limited and self.exchange.model.name == "touch":
            gone = self.exchange.thin(limited.key, limited.most, limited.limit, buy=limited.buy)
            limited.bites = bool(gone) and limited.most < limited.leaves
        reports = self.exchange.submit(request, ts_ns)
        if isinstance(reports[0], Accepted):
            self.accepted = reports[0].order
            if fault.kind is FaultKind.REVERSAL:
                self.doomed[request.client_id] = fault
            if limited:
                self._limited.append(limited)
                self._note(limited)
        return reports

    def refuse(self, fault: Fault, order_id: str, ts_ns: int) -> Reports:
        """Reject an order that was accepted; one that has filled, or is over, stays as it is."""
        state = self.order(order_id)
        if state is None or state.filled or not state.leaves:
            return ()
        self.exchange.cancel(order_id, ts_ns)
        self._refused.add(order_id)
        self._hit(fault, state.request.client_id)
        return (Rejected(ts_ns, state.request.client_id, Refusal.BUYING_POWER, REFUSAL, self.order(order_id)),)

    def cancel(self, order_id: str, ts_ns: int) -> Reports:
        """Cancel what is left of an order."""
        reports = self.exchange.cancel(order_id, ts_ns)
        return tuple(replace(report, order=self._told(report.order)) for report in reports)

    # -------------------------------------------------------------- questions

    def order(self, order_id: str) -> OrderState | None:
        """Return an order by the exchange's id."""
        return self._told(self.exchange.order(order_id))

    def by_client(self, client_id: str) -> OrderState | None:
        """Return an order by the client's id."""
        return self._told(self.exchange.by_client(client_id))

    def orders(self) -> list[OrderState]:
        """Return every order ever accepted, oldest first."""
        return [self._told(state) for state in self.exchange.orders()]

    @overload
    def _told(self, state: OrderState) -> OrderState: ...

    @overload
    def _told(self, state: OrderState | None) -> OrderState | None: ...

    def _told(self, state: OrderState | None) -> OrderState | None:
        """Return an order as the client is told of it: a refused one is rejected, not cancelled."""
        return replace(state, status=Status.REJECTED) if state is not None and state.order_id in self._refused else state

    # ------------------------------------------------------------ limited fills

    def _limit(self, request: NewOrder, fault: Fault) -> _Limited | None:
        instrument = self.exchange.instruments.get(request.instrument)
        numbers = (request.qty,) if request.limit is None else (request.qty, request.limit)
        if fault.kind is not FaultKind.PARTIAL or instrument is None or not all(number.is_finite() for number in numbers):
            return None
        lots = abs(request.qty) * Decimal(repr(fault.fraction)) // instrument.lot
        most = max(lots, Decimal(1)) * instrument.lot
        return _Limited(fault, request.client_id, request.instrument, request.qty > 0, request.limit, most, abs(request.qty))

    def _working(self, key: str) -> list[_Limited]:
        """Return the limited orders of an instrument that can still fill; forget those that cannot."""
        for limited in self._limited:
            state = self.exchange.by_client(limited.client_id)
            limited.leaves = ZERO if state is None else state.leaves
        self._limited = [limited for limited in self._limited if limited.leaves]
        return [limited for limited in self._limited if limited.key == key]

    def _note(self, limited: _Limited) -> None:
        """Say once that an order has met less than it would have filled."""
        if limited.bites and not limited.hit:
            limited.hit = True
            self._hit(limited.fault, limited.client_id)


def _part(limited: _Limited, levels: Sequence[Level], lot: Decimal) -> list[Level]:
    """Return what an order may meet of one side: its part in whole lots, best levels first."""
    left, within, part = limited.most, ZERO, list[Level]()
    for level in levels:
        whole = level.size // lot * lot
        reached = limited.limit is None or (limited.limit >= level.price if limited.buy else limited.limit <= level.price)
        within += whole if reached else ZERO
        if left:
            part.append(level if whole <= left else Level(level.price, left))
        left -= min(whole, left)
    limited.bites |= limited.most < min(within, limited.leaves)
    return part
