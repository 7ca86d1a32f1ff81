"""A second, slow backtest, written from the protocol of step mode and not from ``backtest``.

The venue: a request reaches it 25 ms after it was sent; requests of one time in
the order of sending, and before that time's row. It acknowledges, fills and ends
orders on a socket (5 ms); the HTTP answer takes 25 ms back. A row first matches
the leg's orders, market orders first, then the best limit, then the oldest, at most the
displayed size in whole lots, at the touch if that is within their limit, what had met a quote
before at its own limit; then its quotes go out. The client: everything of one time is one instant,
in the order trade updates, quotes, timers; what was decided in it is sent at its
end, CLOSE before HEDGE before PRIMARY; a cancel waits for its order's Ack.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from hedgekit.hedger import Hedger
from hedgekit.stats.ratio import plan_due
from hedgekit.types import Ack, Action, Cancelled, Command, Decision, Fill, Order, PlanRevised, Priority, Quote, Reason, Score, Timer

if TYPE_CHECKING:
    from hedgekit.data import Tape
    from hedgekit.params import Params

WS, UP, DOWN = 5_000_000, 25_000_000, 25_000_000
RANK = [Priority.CLOSE, Priority.HEDGE, Priority.PRIMARY]


@dataclass
class Resting:
    """An order at the venue."""

    order: Order
    left: Decimal
    met: bool = False


@dataclass
class SlowDriver:
    """Venue and client in one loop over virtual time."""

    tape: Tape
    params: Params
    session: str = "backtest"
    records: list[Any] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    books: dict[int, list[Resting]] = field(default_factory=lambda: defaultdict(list))
    requests: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    trade: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    quotes: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    replies: set[int] = field(default_factory=set)
    acked: set[str] = field(default_factory=set)
    wishes: set[str] = field(default_factory=set)
    mids: list[Any] = field(default_factory=list)
    scores: Any = None

    def run(self) -> list[Any]:
        """Return records as a backtest's: fills, ends, plans and decisions that are not routine."""
        self.hedger = Hedger(self.session, self.tape.instruments, self.params)
        self.rows = {int(ts): row for row, ts in enumerate(self.tape.ts_ns)}
        row_times = sorted(self.rows, reverse=True)
        self.next_fit = self.params.fit_bars + 1
        now, stopped = 0, False
        while True:
            while row_times and row_times[-1] <= now and row_times[-1] not in self.rows:
                row_times.pop()
            pending = [*self.requests, *self.trade, *self.quotes, *self.replies, *row_times[-1:]]
            if self.hedger.wakeup_ns is not None:
                pending.append(self.hedger.wakeup_ns)
            if not pending:
                if stopped:
                    return self.records
                stopped = True
                self.instant(now, [Command(ts_ns=now, name="stop")])
                continue
            now = min(pending)
            self.venue(now)
            if now in self.trade or now in self.quotes or (self.hedger.wakeup_ns is not None and self.hedger.wakeup_ns <= now):
                self.instant(now, [*self.trade.pop(now, []), *self.quotes.pop(now, [])])
            self.replies.discard(now)

    # ---------------------------------------------------------------- the venue

    def venue(self, now: int) -> None:
        """Do what reaches the venue at this time: requests, then a row."""
        for request in self.requests.pop(now, []):
            self.replies.add(now + DOWN)
            if isinstance(request, Order):
                self.books[request.leg].append(Resting(request, request.qty))
                self.trade[now + WS].append(Ack(ts_ns=now + WS, order_id=request.order_id, venue_order_id="v-" + request.order_id))
            else:
                self.cancel(request, now)
        if now in self.rows:
            self.row(self.rows.pop(now), now)

    def cancel(self, order_id: str, now: int) -> None:
        """End an order if it still rests."""
        for book in self.books.values():
            for resting in [r for r in book if r.order.order_id == order_id]:
                book.remove(resting)
                self.trade[now + WS].append(Cancelled(ts_ns=now + WS, order_id=order_id))

    def row(self, row: int, now: int) -> None:
        """Match, then quote."""
        for leg, instrument in enumerate(self.tape.instruments):
            bid, ask = float(self.tape.bid[row, leg]), float(self.tape.ask[row, leg])
            if np.isnan(bid):
                continue
            shown = {
                side: Decimal(repr(float(size[row, leg]))) // instrument.lot * instrument.lot
                for side, size in (("bid", self.tape.bid_size), ("ask", self.tape.ask_size))
            }
            self.match(leg, shown, bid, ask, now)
            self.quotes[now + WS].append(
                Quote(ts_ns=now + WS, instrument=instrument.key, venue_ns=now, bid=bid, ask=ask, bid_size=0.0, ask_size=0.0)
            )

    def match(self, leg: int, shown: dict[str, Decimal], bid: float, ask: float, now: int) -> None:
        """Fill the leg's orders, oldest first."""
        instrument = self.tape.instruments[leg]
        for resting in sorted(
            self.books[leg], key=lambda r: (r.order.limit is not None, -(r.order.limit or 0) * (1 if r.left > 0 else -1))
        ):
            side, price, sign = ("ask", ask, 1) if resting.left > 0 else ("bid", bid, -1)
            qty = min(abs(resting.left), shown[side])
            met, resting.met, limit = resting.met, True, resting.order.limit
            if not qty or (limit is not None and (Decimal(repr(price)) - limit) * sign > 0):
                continue
            price = float(limit) if met and limit is not None else price
            shown[side] -= qty
            resting.left -= sign * qty
            if not resting.left:
                self.books[leg].remove(resting)
            exact = Decimal(repr(price))
            fee = instrument.fee(sign * qty, exact)
            self.trade[now + WS].append(
                Fill(
                    ts_ns=now + WS,
                    order_id=resting.order.order_id,
                    fill_id=f"{resting.order.order_id}@{now}",
                    instrument=instrument.key,
                    venue_ns=now,
                    qty=sign * qty,
                    price=exact,
                    fee=fee,
                )
            )

    # --------------------------------------------------------------- the client

    def instant(self, now: int, events: list[Any]) -> None:
        """Hear everything, then timers, then send."""
        sending: list[Any] = []
        intents: list[Decision] = []
        for event in events:
            if isinstance(event, Ack):
                self.acked.add(event.order_id)
                sending += [event.order_id] if event.order_id in self.wishes else []
            self.apply(event, intents)
        while self.hedger.wakeup_ns is not None and self.hedger.wakeup_ns <= now:
            self.apply(Timer(ts_ns=now), intents)
        for decision in intents:
            entry = decision.action is Action.OPEN
            orders = list(decision.orders) if entry else sorted(decision.orders, key=lambda order: RANK.index(order.priority))
            closes = [order for order in orders if order.priority is Priority.CLOSE]
            self.wishes.update(decision.cancels)
            sending += [*closes, *(name for name in decision.cancels if name in self.acked), *(o for o in orders if o not in closes)]
        self.requests[now + UP] += sending
        if not sending:
            del self.requests[now + UP]

    def apply(self, event: Any, intents: list[Decision]) -> None:
        """Give the Hedger one event, and a plan if its bar makes one due."""
        self.events.append(event)
        if isinstance(event, Fill | Cancelled | PlanRevised):
            self.records.append(event)
        decision = self.hedger.on(event)
        if decision.action is not Action.HOLD or decision.reason not in (Reason.NOTED, Reason.IN_BAND):
            self.records.append(decision)
        if decision.orders or decision.cancels:
            intents.append(decision)
        if self.hedger.bars > len(self.mids):
            self.mids.append(decision.mids)
            if self.scores is not None:
                z = float(self.scores(np.array(self.mids))[-1])
                self.apply(Score(ts_ns=event.ts_ns, z=None if np.isnan(z) else z), intents)
            if len(self.mids) == self.next_fit:
                self.next_fit += self.params.refit_bars
                mids = np.array(self.mids)
                self.apply(PlanRevised(ts_ns=event.ts_ns, plan=plan_due(mids, event.ts_ns, self.params)), intents)
