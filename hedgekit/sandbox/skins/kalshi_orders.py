"""Kalshi's orders: how they are entered, cancelled and listed.

Where the documents are silent: a price off the ladder, a count that is no whole number of lots, an order in a market that is paused,
an expiry that has passed, ``reduce_only`` without a position to reduce, and ``post_only`` that would take, are refused with 400;
an order that is over is not found (404) by a cancel. A fill-or-kill order that the book cannot fill at its arrival is answered 409,
as live users report, and uses up its id; it is listed as canceled. Under the ``next_quote`` fill model no order has met the book when
it is answered, so that one now-or-never is told as resting until then.

**Self-trade prevention.** ``maker`` cancels the account's own resting orders that the new one reaches, whether or not it would have
come to them. ``taker_at_cross`` lets the new one trade at better prices than that of the best of them, and cancels the rest: what
stands in front at that very price is not met. Where no better price is left on the ladder, it is refused.

There is one exchange shard (0) and one subaccount (0). Order groups, amend and decrease are not simulated.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from hedgekit.exchange.model import Cancelled, Executed, NewOrder, OrderState, Rejected, Report
from hedgekit.sandbox.calls import UNREADABLE, Answer
from hedgekit.sandbox.skins.kalshi_wire import (
    KILLED,
    MS,
    ONE,
    TIFS,
    ZERO,
    CancelBody,
    OrderBody,
    Ticket,
    count,
    dollars,
    refusal,
    refused,
    uuid,
)
from hedgekit.types import NS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hedgekit.exchange.model import Reports
    from hedgekit.sandbox.floor import Floor
    from hedgekit.sandbox.timeline import Timeline
    from hedgekit.types import Instrument

T = TypeVar("T")
BATCH = 20
"""Most orders in a batch; Kalshi's own number grows with the tier."""
LAST_S = 253_402_300_799
"""Latest expiry, the last second of the year 9999: what is later is no time."""


class _Orders(msgspec.Struct, forbid_unknown_fields=True):
    orders: list[Any]


class Refused(Exception):
    """A request that is refused; ``answer`` is what is said."""

    def __init__(self, status: int, code: str, message: str, details: str = "") -> None:
        super().__init__(message)
        self.answer = refusal(status, code, message, details)


class Orders:
    """Takes orders to an exchange.

    Parameters
    ----------
    floor : Floor
        Where they go.
    timeline : Timeline
        What time it is, and when they expire.
    publish : callable
        Gets the exchange's reports.
    shift : callable
        Returns by how many nanoseconds the venue's clock is off.

    Attributes
    ----------
    tickets : dict of str to Ticket
        What each order was sent with, by the exchange's id.
    paused : set of str
        Instruments that cannot be traded now.
    """

    def __init__(self, floor: Floor, timeline: Timeline, publish: Callable[[Reports], None], shift: Callable[[], int]) -> None:
        self._floor, self._timeline, self._publish, self._shift = floor, timeline, publish, shift
        self._keys = {instrument.symbol: key for key, instrument in floor.exchange.instruments.items()}
        self._working: dict[str, dict[str, OrderState]] = {key: {} for key in floor.exchange.instruments}
        self._named = 0
        self.tickets: dict[str, Ticket] = {}
        self.paused: set[str] = set()
        self._coming: Ticket | None = None

    # ------------------------------------------------------------------ reports

    def note(self, report: Report) -> Ticket | None:
        """Follow what the exchange reports; return the ticket of its order, None if the stream says nothing of it."""
        state = report.order
        if state is None:
            return None
        if state.order_id not in self.tickets and self._coming is not None:
            self.tickets[state.order_id] = self._coming
        ticket, working = self.tickets[state.order_id], self._working[state.request.instrument]
        if isinstance(report, Executed):
            ticket.note(report)
        if state.leaves:
            working[state.order_id] = state
        else:
            working.pop(state.order_id, None)
            ticket.reason = ticket.reason or ("MarginCancel" if isinstance(report, Rejected) else "")
        return ticket if ticket.told else None

    # -------------------------------------------------------------------- entry

    def create(self, raw: bytes) -> Answer:
        """Take one order."""
        try:
            return Answer(201, self._create(decoded(raw, OrderBody)))
        except Refused as no:
            return no.answer

    def create_all(self, raw: bytes) -> Answer:
        """Take a batch: each by itself, in its order."""
        try:
            told = [self._one_of(item) for item in decoded(raw, _Orders).orders]
        except Refused as no:
            return no.answer
        return Answer(201, {"orders": told})

    def _one_of(self, item: object) -> dict[str, object]:
        try:
            return self._create(_converted(item, OrderBody))
        except Refused as no:
            name = item.get("client_order_id") if isinstance(item, dict) else None
            blank = dict.fromkeys(("fill_count", "remaining_count", "average_fill_price", "average_fee_paid", "ts_ms"))
            return {"client_order_id": name, **blank, "error": no.answer.body}

    def _create(self, body: OrderBody) -> dict[str, object]:
        key = self._keys.get(body.ticker)
        if key is None:
            raise Refused(404, "market_not_found", "market not found", body.ticker)
        if body.client_order_id and self._floor.by_client(body.client_order_id) is not None:
            raise Refused(409, "order_already_exists", "order already exists", body.client_order_id)
        now_ns = self._timeline.now_ns
        self._check(body, key, now_ns)
        signed = Decimal(body.count) if body.side == "bid" else -Decimal(body.count)
        qty = self._reduced(signed, key) if body.reduce_only else signed
        limit, capped = self._apart(body, key, qty)
        expires = None if body.expiration_time is None else body.expiration_time * NS
        reason = "SelfTradeCancel" if capped else "ReduceOnlyCancel" if qty != signed else ""
        ticket = Ticket(qty, Decimal(body.price), body.self_trade_prevention_type, body.cancel_order_on_pause, expires, reason)
        tif = "ioc" if capped and body.time_in_force == "good_till_canceled" else TIFS[body.time_in_force]
        new = NewOrder(body.client_order_id or self._name(), key, qty, "limit", limit, tif, body.post_only)
        return self._sent(new, ticket, now_ns)

    def _sent(self, new: NewOrder, ticket: Ticket, now_ns: int) -> dict[str, object]:
        reports = self._floor.submit(new, now_ns)
        if isinstance(first := reports[0], Rejected) and first.order is None:
            self._publish(reports)
            raise _Refusal(refused(first))
        over = reports[-1]
        killed = isinstance(over, Cancelled) and over.why == "fok"
        ticket.told, self._coming = not killed, ticket
        self._publish(reports)
        self._coming = None
        if killed:
            raise _Refusal(KILLED)
        state = self._floor.by_client(new.client_id)
        assert state is not None  # noqa: S101 - it was accepted
        if ticket.expires_ns is not None and state.leaves:
            self._timeline.call_at(ticket.expires_ns, partial(self._end, state.order_id, "ExpiryCancel"))
        return self._created(state)

    def _created(self, state: OrderState) -> dict[str, object]:
        told: dict[str, object] = {"order_id": state.order_id, "client_order_id": state.request.client_id}
        told |= {"fill_count": count(state.filled), "remaining_count": count(state.leaves)}
        if state.filled:
            told |= {"average_fill_price": dollars(state.paid / state.filled), "average_fee_paid": dollars(state.fee / state.filled)}
        return told | {"ts_ms": (self._timeline.now_ns + self._shift()) // MS}

    def _name(self) -> str:
        self._named += 1
        return uuid("order", str(self._named))

    def _check(self, body: OrderBody, key: str, now_ns: int) -> None:
        """Refuse what the venue does, beside what every exchange would."""
        rests = body.time_in_force == "good_till_canceled"
        _one_account(body.subaccount, body.exchange_index)
        if key in self.paused:
            raise Refused(400, "trading_is_paused", "trading is paused", body.ticker)
        if body.order_group_id:
            raise Refused(404, "not_found", "order group not found", "order groups are not simulated; leave order_group_id out")
        if body.expiration_time is not None and not rests:
            raise Refused(400, "invalid_parameters", "expiration_time needs good_till_canceled")
        if body.expiration_time is not None and body.expiration_time * NS <= now_ns:
            raise Refused(400, "invalid_parameters", "expiration_time has passed")
        if body.expiration_time is not None and body.expiration_time > LAST_S:
            raise Refused(400, "invalid_parameters", "expiration_time is no time in seconds")
        if body.post_only and not rests:
            raise Refused(400, "invalid_parameters", "post_only needs good_till_canceled")
        if body.reduce_only and body.time_in_force != "immediate_or_cancel":
            raise Refused(400, "invalid_parameters", "reduce_only needs immediate_or_cancel")

    def _reduced(self, qty: Decimal, key: str) -> Decimal:
        """Return what an order may trade that may only reduce the position."""
        held = self._floor.exchange.ledger.position(key)
        if held * qty >= 0:
            raise Refused(400, "invalid_parameters", "reduce_only has no position to reduce", f"{held:f}")
        return min(abs(qty), abs(held)).copy_sign(qty)

    def _apart(self, body: OrderBody, key: str, qty: Decimal) -> tuple[Decimal, bool]:
        """Return the limit up to which an order may trade without meeting the account's own, and whether that is not its own limit."""
        limit, buy = Decimal(body.price), qty > 0
        met = [state for state in self._working[key].values() if (state.request.qty > 0) != buy and _meets(state, limit, buy=buy)]
        if not met:
            return limit, False
        if body.self_trade_prevention_type == "maker":
            for state in met:
                self._end(state.order_id, "SelfTradeCancel")
            return limit, False
        tick = self._instrument(key).tick
        limits = [state.request.limit for state in met if state.request.limit is not None]
        short = min(limits) - tick if buy else max(limits) + tick
        if not ZERO < short < ONE:
            raise Refused(400, "self_trade", "order would trade against your own", met[0].order_id)
        return short, True

    def _instrument(self, key: str) -> Instrument:
        return self._floor.exchange.instruments[key]

    # ------------------------------------------------------------------ the end

    def cancel(self, order_id: str, query: dict[str, str]) -> Answer:
        """Cancel an order."""
        try:
            _one_account(_whole(query, "subaccount", 0), _whole(query, "exchange_index", -1))
            return Answer(200, self._cancelled(order_id, query.get("market_ticker", "")))
        except Refused as no:
            return no.answer

    def cancel_batch(self, raw: bytes) -> Answer:
        """Cancel several, each by itself, in their order."""
        try:
            wanted = [_converted(item, CancelBody) for item in decoded(raw, _Orders).orders]
        except Refused as no:
            return no.answer
        told: list[dict[str, object]] = []
        for one in wanted:
            try:
                _one_account(one.subaccount, one.exchange_index)
                told.append(self._cancelled(one.order_id, one.market_ticker))
            except Refused as no:
                told.append({"order_id": one.order_id, "reduced_by": "0.00", "ts_ms": None, "error": no.answer.body})
        return Answer(200, {"orders": told})

    def cancel_all(self) -> Answer:
        """Cancel whatever works; orders placed afterwards stay, though Kalshi may cancel those of the next minute too."""
        for order_id in [order_id for some in self._working.values() for order_id in some]:
            self._end(order_id, "")
        return Answer(204)

    def pause(self, key: str, *, paused: bool) -> None:
        """Note whether a market can be traded; what wants to be is cancelled at its pause."""
        if not paused:
            self.paused.discard(key)
            return
        self.paused.add(key)
        for order_id in [order_id for order_id in self._working[key] if self.tickets[order_id].on_pause]:
            self._end(order_id, "HaltCancel")

    def closing(self, ended: Iterable[Cancelled]) -> None:
        """Note that orders have ended because their market has."""
        for report in ended:
            self.tickets[report.order.order_id].reason = "CloseCancel"

    def _cancelled(self, order_id: str, ticker: str) -> dict[str, object]:
        state = self._floor.order(order_id)
        if state is None or (ticker and self._keys.get(ticker) != state.request.instrument):
            raise Refused(404, "not_found", "order not found", order_id)
        if not state.leaves:
            raise Refused(404, "not_found", "order not found", f"order {order_id} is over")
        self._end(order_id, "")
        told: dict[str, object] = {"order_id": order_id, "client_order_id": state.request.client_id, "reduced_by": count(state.leaves)}
        return told | {"ts_ms": (self._timeline.now_ns + self._shift()) // MS}

    def _end(self, order_id: str, reason: str) -> None:
        """End an order, unless it is over."""
        state = self._floor.order(order_id)
        if state is not None and state.leaves:
            self.tickets[order_id].reason = reason
            self._publish(self._floor.cancel(order_id, self._timeline.now_ns))

    # ---------------------------------------------------------------- questions

    def all(self) -> Iterator[tuple[int, OrderState, Ticket]]:
        """Yield every order with its number, the newest first."""
        states = self._floor.orders()
        for number in range(len(states) - 1, -1, -1):
            yield number, states[number], self.tickets[states[number].order_id]

    def resting(self) -> list[OrderState]:
        """Return the orders that can still fill."""
        return [state for some in self._working.values() for state in some.values()]

    def ahead(self, order_id: str) -> Decimal | None:
        """Return what stands in front of an order that rests; 0 where nobody knows; None if it does not rest."""
        state = self._floor.order(order_id)
        if state is None or not state.leaves:
            return None
        return self._floor.exchange.queue(order_id) or ZERO


class _Refusal(Refused):
    """A refusal whose answer is made already."""

    def __init__(self, answer: Answer) -> None:
        Exception.__init__(self)
        self.answer = answer


def _meets(state: OrderState, limit: Decimal, *, buy: bool) -> bool:
    own = state.request.limit
    return own is not None and (limit >= own if buy else limit <= own)


def _one_account(subaccount: int, exchange_index: int) -> None:
    if subaccount:
        raise Refused(400, "invalid_parameters", "no such subaccount", f"{subaccount}: the sandbox has 0 alone")
    if exchange_index not in {-1, 0}:
        raise Refused(400, "invalid_parameters", "no such exchange_index", f"{exchange_index}: the sandbox has 0 alone")


def _whole(query: dict[str, str], name: str, default: int) -> int:
    try:
        return int(query.get(name, default))
    except ValueError:
        raise Refused(400, "invalid_parameters", f"{name} must be a whole number", query[name]) from None


def decoded(raw: bytes, kind: type[T]) -> T:
    """Read a body; :class:`Refused` if it is not what the venue wants."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as bad:
        raise Refused(400, "invalid_parameters", "invalid parameters", str(bad)) from None
    except UNREADABLE:
        raise Refused(400, "bad_request", "the body is no JSON") from None


def _converted(item: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(item, kind)
    except msgspec.ValidationError as bad:
        raise Refused(400, "invalid_parameters", "invalid parameters", str(bad)) from None
