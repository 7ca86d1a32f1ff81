"""A session in memory: journal, clock, network and laws around the real outbox, sender and limiter.

:mod:`tests.net.venue_model` is the venue. Every law is held against what the venue has done, at every step.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np

from hedgekit.net.budget import RANK, Budget
from hedgekit.net.limiter import Limiter
from hedgekit.net.outbox import Outbox
from hedgekit.net.sender import Sender
from hedgekit.types import (
    NS,
    Ack,
    Action,
    Cancelled,
    Decision,
    Fill,
    Input,
    Link,
    Order,
    Phase,
    Priority,
    Reason,
    Reconciled,
    Reject,
    Reply,
    Request,
    Update,
)
from hedgekit.venues.alpaca.wire import KINDS
from tests.net.orders_made import VENUE
from tests.net.venue_model import REFUSED, Meter, Venue

# ruff: noqa: D102 - the name of a law says what it does

CLOSE, HEDGE, PRIMARY, QUERY = Priority
T0 = 1_704_207_600 * NS
MS = NS // 1000
BUDGET = Budget("requests", 10, dict.fromkeys(KINDS, 1), refill_per_s=2, reserve={CLOSE: 2, HEDGE: 2})
DOWN = Link(ts_ns=0, venue="ALPACA", state="down", since_ns=0)
UP = Link(ts_ns=0, venue="ALPACA", state="up", since_ns=0)
REST_S = 1_000
"""Seconds after the last fault within which everything has come to rest: a look at an order that was long silent is every 300 s."""
AUDIT = "ask for everything"


class Fate(NamedTuple):
    """What the network makes of a request: ms there, ms back, and what goes wrong."""

    there: int = 5
    back: int = 5
    kind: str = "ok"


class News(NamedTuple):
    """What becomes of a message on the stream: the ms of each time that it is delivered."""

    after: tuple[int, ...] = (5,)


class Session:
    """A session that trades what it is told to, a network that does its worst, and a venue that keeps its books."""

    def begin(self, lag: int, skew: int) -> None:
        """Begin: the venue's look-ups lag behind by seconds, and its clock is off by seconds."""
        self.now, self.count = T0, 0
        self.venue, self.meter = Venue(lag_ns=lag * NS, skew_ns=skew * NS), Meter(BUDGET.capacity, Fraction(2))
        self.events: list[tuple[int, int, str, Any]] = []
        self.fates: list[Fate] = []
        self.news: list[News] = []
        self.journal: list[Any] = []
        self.durable = self.epoch = self.socket = self.sent = self.named = 0
        self.cut = self.deaf = False
        self.awaited: set[tuple[int, int]] = set()
        self.refused: set[str] = set()
        self.boot()

    def boot(self) -> None:
        """Begin a process: it knows the durable journal, and nothing else."""
        self.epoch, self.socket = self.epoch + 1, self.socket + 1
        del self.journal[self.durable :]
        self.orders: dict[str, Order] = {}
        self.safe: set[str] = set()
        self.leaders: dict[str, str] = {}
        self.acked: set[str] = set()
        self.unwanted: set[str] = set()
        self.told: dict[str, Fill] = {}
        self.ended: set[str] = set()
        self.left: set[str] = set()
        self.passed: dict[int, int] = {}
        self.agreed, self.again_ns, self.quote_ns = False, None, self.now
        for record in self.journal:
            self.tally(record)
        self.outbox, self.feed = Outbox(VENUE), VENUE.account(self.now)
        self.outbox.restore(self.journal)
        limiter = Limiter([BUDGET], np.random.default_rng(self.epoch), spent_ns=self.now if self.epoch > 1 else None)
        self.sender = Sender(self.outbox, limiter, self.post, lambda number: self.awaited.discard((self.epoch, number)))
        if self.epoch > 1:
            self.sender.ask(self.outbox.resume())
        self.instant(AUDIT)

    # ------------------------------------------------------------------- network

    def at(self, ns: int, kind: str, what: Any) -> None:
        self.count += 1
        heappush(self.events, (ns, self.count, kind, what))

    def post(self, request: Request) -> int:
        self.may_leave(request)
        self.sent += 1
        spared = request.purpose in ("account", "positions") and self.sent % 4
        fate = self.fates.pop(0) if self.fates and not spared else Fate()
        self.awaited.add((self.epoch, self.sent))
        if fate.kind != "lost" and not self.cut:
            self.at(self.now + fate.there * MS, "arrives", (self.epoch, self.sent, request, fate))
        return self.sent

    def arrives(self, epoch: int, number: int, request: Request, fate: Fate) -> None:
        """Let the venue hear a request. What we do not wait for any more is beyond what a limiter can know."""
        if (epoch, number) in self.awaited:
            assert self.meter.take(self.now), "one request too many"
        if fate.kind in ("500", "425", "429", "429 after"):
            reply = Reply(int(fate.kind[:3]), b"{}", {"retry-after": "2"} if fate.kind == "429 after" else {})
        else:
            posts = request.purpose in ("submit", "void")
            reply = self.venue.answer(request, self.now, refuse=fate.kind == "refused" and posts)
            if reply is REFUSED:
                self.refused.add(request.order_id or "")
            reply = Reply(504) if fate.kind == "504" else reply
        if fate.kind != "mute" and not self.cut:
            self.at(self.now + fate.back * MS, "reply", (epoch, number, reply))

    def spread(self) -> None:
        """Send what the venue has said on its stream, and hold its executions against what was told."""
        for one in self.venue.executions:
            assert one.fill_id in self.told or one.order.client_id not in self.ended, "executed after its end was told"
            assert one.order.real, "an order that only takes an id was executed"
        for frame in self.venue.said:
            news = self.news.pop(0) if self.news else News()
            for ms in () if self.cut or self.deaf else news.after:
                self.at(self.now + ms * MS, "frame", (self.socket, frame))
        self.venue.said.clear()

    # ------------------------------------------------------------- the session's loop

    def run(self, ns: int) -> None:
        """Let time pass: each moment at which something arrives or is due is an instant."""
        until = self.now + ns
        while (moment := self.moment()) <= until:
            self.now = max(self.now, moment)
            replies: list[tuple[int, Reply]] = []
            frames: list[bytes] = []
            while self.events and self.events[0][0] <= self.now:
                _, _, kind, what = heappop(self.events)
                if kind == "arrives":
                    self.arrives(*what)
                    self.spread()
                elif kind == "reply" and what[0] == self.epoch:
                    self.awaited.discard(what[:2])
                    replies.append(what[1:])
                elif kind == "frame" and what[0] == self.socket:
                    frames.append(what[1])
            self.instant(replies=replies, frames=frames)
        self.now = until

    def moment(self) -> int:
        times = (self.sender.next_ns(self.now), self.outbox.look_ns(), self.again_ns, self.quote_ns)
        return min([at for at in times if at is not None] + [at for at, *_ in self.events[:1]])

    def instant(self, *wishes: Any, replies: Iterable[tuple[int, Reply]] = (), frames: Iterable[bytes] = (), die: str = "") -> None:
        """Receive, decide, make durable, and only then send; or die on the way."""
        for number, reply in replies:
            self.apply(*self.sender.reply(number, reply, self.now))
        for frame in frames:
            self.hear(frame)
        if self.quote_ns <= self.now:
            self.outbox.quoted(self.now)
            self.quote_ns = self.now + 3 * NS
        self.sender.expire(self.now)
        for wish in (*wishes, *self.due()):
            self.do(wish)
        if die != "decided":
            self.durable = len(self.journal)
            self.safe = set(self.orders)
            if die != "committed":
                self.sender.leave(self.now)
        if die:
            self.epoch += 1  # answers and frames find nobody

    def due(self) -> Iterable[Any]:
        """Ask again what is held if it was not what we hold; want no hedge of an entry that came to nothing."""
        if self.again_ns is not None and self.again_ns <= self.now:
            self.again_ns = None
            yield AUDIT
        if lonely := [name for name in self.wanted if self.lonely(name)]:
            yield self.decision((), lonely)

    def do(self, wish: Any) -> None:
        """Decide something, hear how the venue is, or ask it for everything."""
        if isinstance(wish, Decision):
            self.journal.append(wish)
            self.tally(wish)
            self.apply(*self.sender.intend(wish, self.now))
        elif isinstance(wish, Link):
            self.apply(*(self.sender.give_up(self.now) if wish is DOWN else ()), wish)
        else:
            self.sender.ask(self.outbox.audit(full=True))

    def hear(self, frame: bytes) -> None:
        for update in self.feed.take(frame, self.now):
            self.hear_of(update)

    def hear_of(self, update: Update) -> None:
        if not self.outbox.fresh(update.event):
            return
        whole = self.outbox.whole(update.event, update.filled)
        if whole or isinstance(update.event, Fill):
            self.apply(update.event)
        if not whole:
            self.sender.ask(self.outbox.audit())

    def apply(self, *events: Any) -> None:
        for event in events:
            self.hold_against_the_venue(event)
            if isinstance(event, Reconciled) and not self.agrees(event):
                self.again_ns = self.now + NS
                continue
            self.journal.append(event)
            self.tally(event)
            self.sender.note(event)

    def tally(self, record: Any) -> None:
        """Keep what the journal says, in our own words."""
        match record:
            case Decision():
                self.orders |= {order.order_id: order for order in record.orders}
                if record.action is Action.OPEN:
                    self.leaders |= {order.order_id: record.orders[0].order_id for order in record.orders[1:]}
                self.unwanted |= set(record.cancels)
            case Ack():
                self.acked.add(record.order_id)
            case Fill():
                self.told[record.fill_id] = record
                if self.sum_told(record.order_id) == self.orders[record.order_id].qty:
                    self.ended.add(record.order_id)
            case Cancelled() | Reject():
                self.ended.add(record.order_id)
            case Link(state="down"):
                self.unwanted |= {name for name in self.open if name not in self.acked}
            case Reconciled():
                self.agreed = True

    # ---------------------------------------------------------------------- laws

    @property
    def open(self) -> list[str]:
        return [name for name in self.orders if name not in self.ended]

    @property
    def wanted(self) -> list[str]:
        return [name for name in self.open if name not in self.unwanted]

    def sum_told(self, name: str) -> Decimal:
        return sum((fill.qty for fill in self.told.values() if fill.order_id == name), Decimal(0))

    def lonely(self, name: str) -> bool:
        """Whether an order hedges an entry of which nothing was or will be executed."""
        leader = self.leaders.get(name, "")
        return leader in self.ended and not self.sum_told(leader)

    def agrees(self, event: Reconciled) -> bool:
        return event.positions.get("ALPACA:KO", Decimal(0)) == sum((fill.qty for fill in self.told.values()), Decimal(0))

    def hold_against_the_venue(self, event: Input) -> None:
        """L2, L3: told once, as it was, and no end before it is the end."""
        if isinstance(event, Fill):
            one = self.venue.executions[int(event.fill_id[1:])]
            assert event.fill_id not in self.told, "an execution was told twice"
            assert (event.order_id, event.qty) == (one.order.client_id, one.qty)
        if isinstance(event, Fill | Cancelled | Reject):
            assert event.order_id in self.orders
            assert event.order_id not in self.ended, "an order ended twice"
        if isinstance(event, Cancelled | Reject):
            order = self.venue.orders.get(event.order_id)
            assert order is None or order.over, "an end was told of an order that lives"
            assert order is None or order.filled == self.sum_told(event.order_id), "an end was told before the executions"
        if isinstance(event, Reconciled):
            held = sum((one.qty for one in self.venue.executions[: int(event.cash)]), Decimal(0))
            assert event.positions.get("ALPACA:KO", Decimal(0)) == held, "positions and cash are of two moments"

    def may_leave(self, request: Request) -> None:
        """Durable first (L2); what is not wanted is not sent; an entry's hedge after its primary (A13); nobody passes a close (L5)."""
        name = request.order_id or ""
        if request.purpose in ("submit", "void", "cancel"):
            assert name in self.safe, "sent before its intent was durable"
            assert name not in self.ended
        if request.purpose == "submit":
            assert name not in self.unwanted
            assert not self.lonely(name)
            assert self.leaders.get(name, "") in {"", *self.left, *self.acked, *self.ended}
        if request.purpose == "void":
            assert name in self.unwanted | self.refused
        self.left |= {name} if request.purpose in ("submit", "void") else set()
        for key, other in self.sender._line.items():
            if RANK[other.priority] < RANK[request.priority] and other.priority in (CLOSE, HEDGE):
                self.passed[key] = self.passed.get(key, 0) + 1
                assert self.passed[key] <= 1, "two lower requests left while one waited (L5)"

    # -------------------------------------------------------------- what a test wants of it

    def order(self, priority: Priority, qty: int) -> Order:
        self.named += 1
        return Order(f"s-{self.named}", self.now, int(priority is HEDGE), "ALPACA:KO", Decimal(qty), Decimal(50), priority, 1)

    def decision(self, orders: Iterable[Order], cancels: Iterable[str], action: Action = Action.REPAIR) -> Decision:
        figures: dict[str, Any] = {"z": None, "ratio": None, "delta": None, "cost": 0.0, "benefit": 0.0, "mids": (), "positions": ()}
        figures |= {"ts_ns": self.now, "reason": Reason.ENTRY, "phase": Phase.OPENING, "trade": 1, "targets": ()}
        return Decision(action=action, orders=tuple(orders), cancels=tuple(cancels), **figures)

    def revive(self, die: str, ns: int) -> None:
        """Let a dead process lie for a while, and start the next."""
        if not die:
            return
        until = self.now + ns
        while self.events and self.events[0][0] <= until:
            at, _, kind, what = heappop(self.events)
            self.now = max(self.now, at)
            if kind == "arrives":
                self.arrives(*what)
                self.spread()
        self.now = until
        self.awaited.clear()
        self.boot()

    def same(self, name: str) -> bool:
        order = self.venue.orders[name]
        return not order.over and order.filled == self.sum_told(name)

    def come_to_rest(self, done: Any) -> None:
        until = self.now + REST_S * NS
        while not (self.sender.quiet and not self.events and not self.outbox.auditing and done()):
            assert self.now < until, "something waits for ever"
            self.run(NS)
