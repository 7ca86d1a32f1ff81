"""Where orders meet the exchange, and the faults that befall them there: fills in small parts, and refusals."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, overload

from msgspec.structs import replace

from hedgekit.exchange.faults import FaultKind
from hedgekit.exchange.model import Accepted, Executed, NewOrder, OrderState, Refusal, Rejected, Reports, Status, exact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hedgekit.exchange.engine import Exchange
    from hedgekit.exchange.faults import Fault
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
    most: Decimal
    leaves: Decimal
    bites: bool = False
    hit: bool = False


class Floor:
    """Takes quotes and orders to an exchange.

    A ``partial`` order meets a market that shows no more than its part: of each quote, and of what is left of the standing
    one where orders meet that too. So orders of the same side that come after it share that part. An order that is refused
    after it was accepted is cancelled at the exchange, and rejected to the client.

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
        """The last quote of each instrument, as it was recorded."""
        self.accepted: OrderState | None = None
        """The order that was accepted in the last :meth:`befalls`."""
        self._hit = hit
        self._fault: Fault | None = None
        self._limited: list[_Limited] = []
        self._left: dict[str, tuple[Decimal, Decimal]] = {}
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

    def on_quote(self, quote: Quote) -> Reports:
        """Show a quote, or the part of it that limited orders may meet."""
        self.quotes[quote.instrument] = quote
        bid, ask = _size(quote.bid_size), _size(quote.ask_size)
        for limited in self._working(quote.instrument):
            bid, ask = _part(limited, bid, ask)
            self._note(limited)
        return self._show(quote, bid, ask)

    def submit(self, request: NewOrder, ts_ns: int) -> Reports:
        """Take an order, with the fault that befalls it. One that was sent before is a duplicate, whatever befalls it."""
        fault = self._fault
        if fault is None or self.exchange.by_client(request.client_id) is not None:
            return self._taken(self.exchange.submit(request, ts_ns))
        if fault.kind is FaultKind.REJECT_HEDGE and not fault.seconds:
            self._hit(fault, request.client_id)
            return (Rejected(ts_ns, request.client_id, Refusal.BUYING_POWER, REFUSAL),)
        limited = self._limit(request, fault)
        thinned = self._thin(limited, ts_ns) if limited and self.exchange.model.name == "touch" else ()
        reports = self._taken(self.exchange.submit(request, ts_ns))
        if isinstance(reports[0], Accepted):
            self.accepted = reports[0].order
            if limited:
                self._limited.append(limited)
                self._note(limited)
        return (*reports, *thinned)

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
        if fault.kind is not FaultKind.PARTIAL or instrument is None or not request.qty.is_finite():
            return None
        lots = abs(request.qty) * Decimal(repr(fault.fraction)) // instrument.lot
        most = max(lots, Decimal(1)) * instrument.lot
        return _Limited(fault, request.client_id, request.instrument, request.qty > 0, most, abs(request.qty))

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

    def _thin(self, limited: _Limited, ts_ns: int) -> Reports:
        """Show the part of the standing quote that an order may meet as it comes."""
        quote = self.quotes.get(limited.key)
        if quote is None:
            return ()
        bid, ask = _part(limited, *self._left[limited.key])
        return self._show(replace(quote, ts_ns=ts_ns, venue_ns=ts_ns), bid, ask)

    def _show(self, quote: Quote, bid: Decimal, ask: Decimal) -> Reports:
        self._left[quote.instrument] = bid, ask
        if (bid, ask) != (_size(quote.bid_size), _size(quote.ask_size)):
            quote = replace(quote, bid_size=float(bid), ask_size=float(ask))
        return self._taken(self.exchange.on_quote(quote))

    def _taken(self, reports: Reports) -> Reports:
        """Follow what is left of the standing quotes."""
        for report in reports:
            if isinstance(report, Executed) and (key := report.order.request.instrument) in self._left:
                bid, ask = self._left[key]
                self._left[key] = (bid, ask - report.qty) if report.qty > 0 else (bid + report.qty, ask)
        return reports


def _size(size: float) -> Decimal:
    return exact(size) or ZERO


def _part(limited: _Limited, bid: Decimal, ask: Decimal) -> tuple[Decimal, Decimal]:
    """Return the sizes of bid and ask that an order may meet."""
    size = ask if limited.buy else bid
    limited.bites |= limited.most < min(size, limited.leaves)
    size = min(size, limited.most)
    return (bid, size) if limited.buy else (size, ask)
