"""A session's figures kept up to date record by record, without keeping the records.

What stays in memory: sums, orders that are not over, a few that are, and the
ids of all fills, because a venue may tell a fill again at any time and it must
count once. The same figures from the whole journal at once are in
``performance`` and ``frames``; tests hold the two equal.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from hedgekit.journal.moments import BarRule, is_entry, is_exit
from hedgekit.journal.news import BAR_COLUMNS, NS_IN_MS, FillRow, Floats, Mark, WorkingOrder, ms
from hedgekit.journal.story import NO_TRADE, Decided, exactly, find, leg_of, role
from hedgekit.types import Decision, Fill, Instrument, Order, Payment, SessionStarted

DELAYS = 200
"""Newest acknowledgements that the latency is taken of."""

LATE = 1_000
"""Orders that are over and still known, for a fill that comes late."""


def number(value: float | Decimal | None) -> float:
    """Return a figure as float, NaN if there is none."""
    return math.nan if value is None else float(value)


class _Open:
    """An order that is not over."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.left = order.qty
        self.acked = False
        self.cancelling = False

    @property
    def status(self) -> str:
        if self.left != self.order.qty:
            return "partially_filled"
        return "working" if self.acked else "unknown"


class Orders:
    """Orders from the decision to their end."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._over: dict[str, Order] = {}
        self._delays: deque[int] = deque(maxlen=DELAYS)

    def decided(self, decision: Decision) -> None:
        """Take a decision's orders and cancels."""
        for order in decision.orders:
            if order.order_id not in self._open and order.order_id not in self._over:
                self._open[order.order_id] = _Open(order)
        for name in decision.cancels:
            if name in self._open:
                self._open[name].cancelling = True

    def acked(self, order_id: str, ts_ns: int) -> None:
        """Note that the venue has an order, and how long that took to be known."""
        found = self._open.get(order_id)
        if found is not None and not found.acked:
            found.acked = True
            self._delays.append(ts_ns - found.order.ts_ns)

    @property
    def latency_p95_ms(self) -> float:
        """Of the last acknowledged orders, decision to acknowledgement in the session's time; NaN without one."""
        return float(np.quantile(self._delays, 0.95)) / NS_IN_MS if self._delays else math.nan

    def filled(self, fill: Fill) -> Order | None:
        """Take a fill; return its order, None if this session never decided it."""
        found = self._open.get(fill.order_id)
        if found is None or fill.cause != "trade":
            return self._over.get(fill.order_id) if found is None else found.order
        with exactly():
            found.left -= fill.qty
            done = abs(found.order.qty - found.left) >= abs(found.order.qty)
        if done:
            self.over(fill.order_id)
        return found.order

    def over(self, order_id: str) -> None:
        """Drop an order that is filled, cancelled or refused."""
        found = self._open.pop(order_id, None)
        if found is not None:
            self._over[order_id] = found.order
            if len(self._over) > LATE:
                del self._over[next(iter(self._over))]

    def working(self) -> tuple[WorkingOrder, ...]:
        """Return the orders that are not over, oldest first."""
        return tuple(_working(found) for found in self._open.values())


def _working(found: _Open) -> WorkingOrder:
    order = found.order
    return WorkingOrder(
        order_id=order.order_id,
        ts=ms(order.ts_ns),
        trade=order.trade,
        leg=order.leg,
        role=role(order.leg),
        instrument=order.instrument,
        qty=float(order.qty),
        left=float(found.left),
        expected=float(order.expected),
        status=found.status,
        cancelling=found.cancelling,
    )


class Books:
    """Cash and position of each leg, exact."""

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self.instruments = instruments
        self._cash = [Decimal(0)] * len(instruments)
        self._held = [Decimal(0)] * len(instruments)
        self._won = [0.0] * len(instruments)
        self._coins = [0.0] * len(instruments)
        self._multiplier = [float(instrument.multiplier) for instrument in instruments]
        self._seen: set[tuple[str, str]] = set()
        self._paid: set[tuple[str, str]] = set()
        self.payments = Decimal(0)
        self.fees = Decimal(0)

    @property
    def fills(self) -> int:
        """Number of fills; a repeated fill_id is one fill."""
        return len(self._seen)

    @property
    def cash(self) -> Decimal:
        """Cash of all legs."""
        with exactly():
            return sum(self._cash, Decimal(0))

    @property
    def positions(self) -> dict[str, Decimal]:
        """Filled quantity by instrument key, in leg order."""
        return {instrument.key: qty for instrument, qty in zip(self.instruments, self._held, strict=True)}

    def new(self, fill: Fill) -> bool:
        """Whether a fill was not told before."""
        return fill.key not in self._seen

    def add(self, fill: Fill, order: Order | None) -> FillRow:
        """Book a fill; return it with what it cost against the price that was expected."""
        leg, instrument = find(self.instruments, fill.instrument)
        self._seen.add(fill.key)
        with exactly():
            fee, price = fill.fee_money, Decimal(1) if instrument.inverse else fill.price
            self._cash[leg] += -fill.qty * price * instrument.multiplier - fee
            self._held[leg] += fill.qty
            self.fees += fee
            moved = None if order is None else (fill.price - order.expected) * fill.qty * instrument.multiplier
        if instrument.inverse:
            self._coined(leg, fill)
        return FillRow(
            ts=ms(fill.ts_ns),
            trade=NO_TRADE if order is None else order.trade,
            leg=leg,
            role=role(leg),
            instrument=fill.instrument,
            qty=float(fill.qty),
            price=float(fill.price),
            fee=float(fee),
            expected=number(order.expected if order else None),
            slippage=number(moved) / (float(fill.price) if instrument.inverse else 1.0),
            order_id=fill.order_id,
        )

    def _coined(self, leg: int, fill: Fill) -> None:
        """Keep the coins that an inverse perpetual's fill bought for its fixed sum; turn them into money when nothing is held."""
        self._coins[leg] += float(fill.qty) * self._multiplier[leg] / float(fill.price)
        if not self._held[leg]:
            self._won[leg], self._coins[leg] = self._won[leg] + self._coins[leg] * float(fill.price), 0.0

    def pay(self, payment: Payment) -> None:
        """Book a payment, if it was not told before."""
        leg, _ = find(self.instruments, payment.instrument)
        if payment.key in self._paid:
            return
        self._paid.add(payment.key)
        with exactly():
            self._cash[leg] += payment.money
            self.payments += payment.money

    def held(self, leg: int) -> float:
        """Return a leg's position, 0 where there is no such leg."""
        return float(self._held[leg]) if leg < len(self._held) else 0.0

    def worth(self, leg: int, mids: Sequence[float | None]) -> float:
        """Return a leg's cash and position at its mid; NaN if it holds something that has no mid."""
        held, inverse = float(self._held[leg]), self.instruments[leg].inverse
        units = self._coins[leg] if inverse else held * self._multiplier[leg]
        return float(self._cash[leg]) + self._won[leg] + (units * number(leg_of(mids, leg)) if held else 0.0)


class Curve:
    """One point for each bar: what ``Journal.equity()`` says, and drawdowns."""

    def __init__(self, start: SessionStarted, books: Books) -> None:
        self._rule, self._books = BarRule(start.params), books
        self._tops = [0.0, 0.0]
        self.bars = 0
        self.last: tuple[float, ...] = ()

    def point(self, item: Decided) -> tuple[float, ...] | None:
        """Return the point of a decision, in the order of ``BAR_COLUMNS``; None if it closed no bar."""
        if not self._rule.closes(item):
            return None
        self.bars += 1
        d, books = item.decision, self._books
        worth = [books.worth(leg, d.mids) for leg in range(len(books.instruments))]
        money = (sum(worth), worth[0] if worth else 0.0)
        self._tops = [max(top, value) if value == value else top for top, value in zip(self._tops, money, strict=True)]  # noqa: PLR0124 - NaN
        mids = (number(leg_of(d.mids, 0)), number(leg_of(d.mids, 1)))
        falls = (money[0] - self._tops[0], money[1] - self._tops[1])
        figures = (number(d.z), number(d.ratio), number(d.delta))
        self.last = (ms(d.ts_ns), *figures, *mids, books.held(0), books.held(1), *money, *falls)
        return self.last


def columns(points: Sequence[tuple[float, ...]]) -> dict[str, Floats]:
    """Return points as one array for each of ``BAR_COLUMNS``."""
    table = np.array(points, dtype=np.float64).reshape(len(points), len(BAR_COLUMNS))
    return {name: table[:, n].copy() for n, name in enumerate(BAR_COLUMNS)}


class Marks:
    """Entries and exits."""

    def __init__(self) -> None:
        self._trade: int | None = None
        self._side = 0

    def add(self, decision: Decision) -> list[Mark]:
        """Return the marks that a decision makes."""
        found: list[Mark] = []
        if is_entry(decision):
            self._trade, self._side = decision.trade, _side(decision)
            found.append(_mark(decision, "entry", self._side))
        if decision.trade == self._trade and is_exit(decision):
            found.append(_mark(decision, "exit", self._side))
            self._trade = None
        return found


def _side(decision: Decision) -> int:
    qty: Any = next((order.qty for order in decision.orders if order.leg == 0), 0)
    return int(qty > 0) - int(qty < 0)


def _mark(decision: Decision, kind: str, side: int) -> Mark:
    return Mark(ms(decision.ts_ns), number(decision.z), side, kind, decision.reason.value, decision.trade)
