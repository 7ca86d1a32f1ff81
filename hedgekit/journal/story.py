"""What a session's records amount to: one pass, kept up to date, and exact books.

:class:`Story` sorts records by what the projections need; it takes new ones at
any time, so that looking again costs only what is new. :class:`Ledger` and the
economic digest are computed from it in exact decimals.
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow, localcontext
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar

import msgspec

from hedgekit.errors import JournalError
from hedgekit.types import (
    Ack,
    Cancelled,
    Decision,
    Fill,
    Instrument,
    Order,
    Payment,
    PlanRevised,
    Quote,
    Record,
    Reject,
    Score,
    SessionStarted,
    Timer,
)

T = TypeVar("T")

_EXACT = Context(prec=1000, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[DivisionByZero, Inexact, InvalidOperation, Overflow])


@contextmanager
def exactly() -> Iterator[None]:
    """Compute decimals without rounding, or fail."""
    with localcontext(_EXACT):
        yield


@dataclass(frozen=True)
class Ledger:
    """The books of a session, exact.

    Attributes
    ----------
    cash : Decimal
        Sum of ``-qty * price * multiplier - fee`` over all fills, and of all payments; a contract of an inverse perpetual counts at
        its fixed sum, so that its profit, in coin, is not in it (``Journal.equity()`` has that).
    positions : dict of str to Decimal
        Filled quantity of each instrument of the session, zero included, in leg order.
    fees : Decimal
        Sum of fees, paid counted positive; a fee in coin at the price of its fill.
    fills : int
        Number of fills; a repeated fill_id is one fill.
    payments : Decimal
        Sum of what was booked without a trade (funding), received counted positive; coins at the mark that the venue reckoned with.
    """

    cash: Decimal
    positions: dict[str, Decimal]
    fees: Decimal
    fills: int
    payments: Decimal = Decimal(0)


def find(instruments: tuple[Instrument, ...], key: str) -> tuple[int, Instrument]:
    """Return (leg, instrument) of a key.

    Raises
    ------
    JournalError
        If the session does not trade it.
    """
    for leg, instrument in enumerate(instruments):
        if instrument.key == key:
            return leg, instrument
    msg = f"a record names instrument {key!r}; this session trades {', '.join(i.key for i in instruments)}"
    raise JournalError(msg)


NO_TRADE = -1
"""Trade number of a fill whose order this session never decided."""


class Filled(NamedTuple):
    """A fill, the id of its record, and the trade that the last decision before it was of."""

    id: int
    fill: Fill
    trade: int


class Paid(NamedTuple):
    """A payment, the id of its record, and the trade that the last fill of its instrument before it was of."""

    id: int
    payment: Payment
    trade: int


class Decided(NamedTuple):
    """A decision, the id of its record, and whether a timer (or the score of its bar) of the same time stands right before it."""

    id: int
    decision: Decision
    on_timer: bool


class Intent(NamedTuple):
    """An order and the decision that it is part of."""

    order: Order
    decision: Decision


@dataclass(slots=True)
class Mids:
    """Quotes of one instrument: venue time and mid price."""

    venue_ns: array[int] = field(default_factory=lambda: array("q"))
    mid: array[float] = field(default_factory=lambda: array("d"))


@dataclass(slots=True)
class Story:
    """A session's records, sorted by kind; ``last`` is the id of the newest one, ``before`` itself.

    ``dealt`` is the trade of the last fill of each instrument.
    """

    last: int = 0
    start: SessionStarted | None = None
    intents: dict[str, Intent] = field(default_factory=dict)
    decisions: list[Decided] = field(default_factory=list)
    fills: dict[tuple[str, str], Filled] = field(default_factory=dict)
    payments: dict[tuple[str, str], Paid] = field(default_factory=dict)
    dealt: dict[str, int] = field(default_factory=dict)
    acks: dict[str, int] = field(default_factory=dict)
    over: dict[str, str] = field(default_factory=dict)
    plans: list[PlanRevised] = field(default_factory=list)
    mids: dict[str, Mids] = field(default_factory=dict)
    before: Record | None = None
    _made: dict[Callable[[Story], Any], Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def started(self) -> SessionStarted:
        """The session's first record."""
        if self.start is None:
            msg = "the session has no record yet; it starts with its first commit"
            raise JournalError(msg)
        return self.start

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """Instruments in leg order."""
        return self.started.instruments

    def instrument(self, key: str) -> tuple[int, Instrument]:
        """Return (leg, instrument) of a key."""
        return find(self.instruments, key)

    def once(self, make: Callable[[Story], T]) -> T:
        """Return what ``make`` makes of the records: made once, until there are more of them."""
        if make not in self._made:
            self._made[make] = make(self)
        made: T = self._made[make]
        return made

    def extend(self, entries: Iterable[tuple[int, int, Record]]) -> None:
        """Take further records (id, instant, record), in order."""
        self._made.clear()
        with _undisturbed():
            for id_, _, record in entries:
                take = _TAKE.get(type(record))
                if take is not None:
                    take(self, id_, record)
                self.last, self.before = id_, record


def _started(story: Story, _: int, record: SessionStarted) -> None:
    story.start = record


def _quoted(story: Story, _: int, quote: Quote) -> None:
    mids = story.mids.get(quote.instrument)
    if mids is None:
        mids = story.mids[quote.instrument] = Mids()
    if quote.whole:  # else the last mid goes on marking
        mids.venue_ns.append(quote.venue_ns)
        mids.mid.append(0.5 * (quote.bid + quote.ask))


def _decided(story: Story, id_: int, decision: Decision) -> None:
    before = story.before
    timed = isinstance(before, Timer | Score) and before.ts_ns == decision.ts_ns
    story.decisions.append(Decided(id_, decision, timed))
    for order in decision.orders:
        story.intents.setdefault(order.order_id, Intent(order, decision))


def _filled(story: Story, id_: int, fill: Fill) -> None:
    trade = story.decisions[-1].decision.trade if story.decisions else NO_TRADE
    item = story.fills.setdefault(fill.key, Filled(id_, fill, trade))
    story.dealt[fill.instrument] = trade_of(story, item)


def _paid(story: Story, id_: int, payment: Payment) -> None:
    story.payments.setdefault(payment.key, Paid(id_, payment, story.dealt.get(payment.instrument, NO_TRADE)))


def _acked(story: Story, _: int, ack: Ack) -> None:
    story.acks.setdefault(ack.order_id, ack.ts_ns)


def _rejected(story: Story, _: int, reject: Reject) -> None:
    story.over.setdefault(reject.order_id, "rejected")


def _cancelled(story: Story, _: int, cancelled: Cancelled) -> None:
    story.over.setdefault(cancelled.order_id, "cancelled")


def _planned(story: Story, _: int, revised: PlanRevised) -> None:
    story.plans.append(revised)


_TAKE: dict[type, Callable[[Story, int, Any], None]] = {
    SessionStarted: _started,
    Quote: _quoted,
    Decision: _decided,
    Fill: _filled,
    Payment: _paid,
    Ack: _acked,
    Reject: _rejected,
    Cancelled: _cancelled,
    PlanRevised: _planned,
}
"""What is done with each kind of record; the others leave no mark."""


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Collect no garbage meanwhile: a million new objects are looked at again and again, and none of them is any."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def ledger(story: Story) -> Ledger:
    """Return the exact books."""
    cash = fees = Decimal(0)
    positions = {instrument.key: Decimal(0) for instrument in story.instruments}
    with exactly():
        for filled in story.fills.values():
            fill = filled.fill
            _, instrument = story.instrument(fill.instrument)
            price = Decimal(1) if instrument.inverse else fill.price
            cash += -fill.qty * price * instrument.multiplier - fill.fee_money
            fees += fill.fee_money
            positions[fill.instrument] += fill.qty
        payments = sum((paid.payment.money for paid in story.payments.values()), Decimal(0))
        cash += payments
    return Ledger(cash, positions, fees, len(story.fills), payments)


def trade_of(story: Story, item: Filled) -> int:
    """Return the trade that a fill is of: its order's; of a settlement, the one that was held; :data:`NO_TRADE` if that is not known."""
    if item.fill.cause == "settlement":
        return item.trade
    intent = story.intents.get(item.fill.order_id)
    return intent.order.trade if intent else NO_TRADE


def role(leg: int) -> str:
    """Return what a leg is for."""
    return "primary" if leg == 0 else "hedge"


def leg_of(values: Sequence[float | None], leg: int) -> float | None:
    """Return a decision's figure for a leg, None if it has none."""
    return values[leg] if leg < len(values) else None


def plain(number: Decimal) -> str:
    """Return one spelling for equal numbers: no exponent, no trailing zeros, no minus zero."""
    with exactly():
        text = format(number.normalize(), "f")
    return "0" if text == "-0" else text


def economic_digest(story: Story) -> str:
    """Return the hash of what a session did to money: intents, fills, ratios, final books.

    Fills and payments go in by the venue's time, not in the order in which word of them came, and without ids that a venue
    might give anew; acks, reconciliations and receive times stay out. So a session that was killed, restarted and
    reconciled has the digest of one that was not.
    """
    orders = sorted((o.order_id, o.instrument, plain(o.qty), o.trade) for o in (intent.order for intent in story.intents.values()))
    fills = sorted((f.venue_ns, f.order_id, plain(f.qty), plain(f.price), plain(f.fee)) for f in (x.fill for x in story.fills.values()))
    paid = sorted((p.venue_ns, p.instrument, plain(p.amount), plain(p.mark)) for p in (x.payment for x in story.payments.values()))
    books = ledger(story)
    positions = sorted((key, plain(qty)) for key, qty in books.positions.items())
    content = (orders, fills, [revised.plan.ratio for revised in story.plans], positions, plain(books.cash), *([paid] if paid else []))
    return sha256(msgspec.json.encode(content)).hexdigest()
