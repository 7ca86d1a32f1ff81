"""Orders on their way to the venue, so that none is lost and none is doubled (L2, L3).

Sans-I/O: decisions and answers in, requests and events out; :class:`~hedgekit.net.sender.Sender` sends, the session journals.

**No duplicate.** An intent is durable before its request leaves, because the session commits the decision first. An order whose
outcome is unknown (no answer, 5xx, a restart) is posted again under the same client id, which the venue refuses if it has the
first one (``venues/alpaca.py``); then it is looked up. One that is not wanted any more is not posted again: an order that
cannot fill takes its id (``venue.void``), so that the first one, should it be under way still, will be refused.

**Nothing lost.** An *audit* asks the venue what became of every order that may be there, what was executed, and, if it is a full
one, what is held. It runs after every interruption, when a cancel came too late, and when an order stays silent in a market that moves.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from types import ModuleType

from hedgekit.errors import VenueError
from hedgekit.hedger import in_turn
from hedgekit.net.life import SILENCE_NS, Audit, Life, Outcome
from hedgekit.types import NS, Ack, Cancelled, Decision, Fill, Input, Link, Priority, Reconciled, Reject, Reply, Request

_BACKOFF_NS = NS // 2
_BACKOFF_MAX_NS = 30 * NS
_LONGEST_NS = 300 * NS
_SKEW_NS = 60 * NS
_OK, _REFUSED, _TOO_EARLY, _SERVER, _NOT_FOUND = 200, 400, 425, 500, 404
_RANK = {priority: rank for rank, priority in enumerate(Priority)}


class Outbox:
    """Follows every order from intent to the venue's word on it.

    Parameters
    ----------
    venue : module
        One of ``hedgekit.venues``.
    """

    def __init__(self, venue: ModuleType) -> None:
        self.venue = venue
        self._open: dict[str, Life] = {}
        self._names: dict[str, str] = {}
        self._fills: set[str] = set()
        self._tries: dict[tuple[str, str | None], int] = {}
        self._audit: Audit | None = None
        self._quoted_ns = 0

    @property
    def auditing(self) -> bool:
        """Whether an audit is under way."""
        return self._audit is not None

    @property
    def traded(self) -> bool:
        """Whether anything was ever executed or may be."""
        return bool(self._fills or self._open)

    @property
    def open(self) -> tuple[str, ...]:
        """Ids of the orders that are not over."""
        return tuple(self._open)

    # --------------------------------------------------------------- what to send

    def requests_of(self, decision: Decision) -> list[Request]:
        """Return the requests of a durable decision: cancels and closes first, an entry's hedge after its primary (A13, A17)."""
        for order in decision.orders:
            self._open[order.order_id] = Life(order, order.qty, heard_ns=order.ts_ns)
        wanted = [self.venue.submit(order) for order in in_turn(decision.orders, decision.action)]
        for order_id in decision.cancels:
            if order_id in self._open:  # else it has ended since, in the same instant
                wanted += self._unwant(order_id)
        return sorted(wanted, key=lambda request: request.priority is not Priority.CLOSE)

    def posted(self, request: Request) -> None:
        """Note that a request has left: from now on the venue may have it."""
        if request.order_id in self._open:
            self._open[request.order_id].posted = True

    def was_posted(self, order_id: str) -> bool:
        """Whether the venue may have an order."""
        return order_id not in self._open or self._open[order_id].posted

    def resume(self) -> list[Request]:
        """Return the requests that a restart must repeat: orders without an answer, cancels not confirmed."""
        unknown = []
        for life in self._open.values():
            if not life.venue_id:
                life.posted = True
                unknown.append(self._post(life))
        cancels = [self.venue.cancel(name, life.venue_id) for name, life in self._open.items() if life.unwanted and life.venue_id]
        return sorted(unknown + cancels, key=lambda request: _RANK[request.priority])

    def give_up(self) -> None:
        """Want no order any more whose outcome is unknown (the venue is silent): it must not be executed late (L6)."""
        for life in self._open.values():
            life.unwanted = life.unwanted or not life.venue_id

    def never_left(self, order_id: str, ts_ns: int) -> list[Input]:
        """Return the end of an order whose request was taken back before it left."""
        return [Cancelled(ts_ns=ts_ns, order_id=order_id)] if order_id in self._open else []

    def _unwant(self, order_id: str) -> list[Request]:
        """Cancel by the venue's id; before that is known the wish waits for it."""
        life = self._open[order_id]
        life.unwanted = True
        return [self.venue.cancel(order_id, life.venue_id)] if life.venue_id else []

    def _post(self, life: Life) -> Request:
        request: Request = self.venue.void(life.order) if life.unwanted and life.posted else self.venue.submit(life.order)
        return request

    def current(self, request: Request) -> Request | None:
        """Return what to send in place of a request that was to be repeated; None if nothing."""
        if request.order_id is None or request.purpose == "lookup":
            return request
        life = self._open.get(request.order_id)
        if life is None or (request.purpose in ("submit", "void") and life.venue_id):
            return None
        return self._post(life) if request.purpose in ("submit", "void") else request

    # ------------------------------------------------------------ what came back

    def on_reply(self, request: Request, reply: Reply, ts_ns: int) -> Outcome:
        """Return what an answer means; status 0 is none, and the limiter has kept 429 for itself.

        Raises
        ------
        VenueError
            If a question, or a cancel of a living order, is refused: nothing that we send should be.
        """
        if request.purpose == "quotes":  # asked again by who wants to know
            return Outcome()
        if reply.status in (0, _TOO_EARLY) or reply.status >= _SERVER:
            return Outcome(again_ns=self._again(request))
        self._tries.pop((request.purpose, request.order_id), None)
        means = {
            "submit": self._on_submitted,
            "void": self._on_void,
            "cancel": self._on_cancelled,
            "lookup": self._on_found,
            "fills": self._on_fills,
            "positions": self._on_account,
            "account": self._on_account,
        }
        return means[request.purpose](request, reply, ts_ns)

    def _on_submitted(self, request: Request, reply: Reply, ts_ns: int) -> Outcome:
        order_id = request.order_id or ""
        if reply.status == _OK:
            return Outcome(self._acknowledged(order_id, self.venue.state_of(reply).venue_id, ts_ns))
        if self.venue.duplicate(reply):
            return self._taken(order_id)
        code, message = self.venue.error_of(reply)
        return Outcome([Reject(ts_ns=ts_ns, order_id=order_id, code=code, message=message)] if order_id in self._open else [])

    def _taken(self, order_id: str) -> Outcome:
        if order_id in self._open:
            self._open[order_id].taken = True
        return Outcome(requests=[self.venue.lookup(order_id)])

    def _on_void(self, request: Request, reply: Reply, ts_ns: int) -> Outcome:
        order_id = request.order_id or ""
        if reply.status == _OK:  # the id is used up, and not by the order
            return Outcome([Cancelled(ts_ns=ts_ns, order_id=order_id)] if order_id in self._open else [])
        if self.venue.duplicate(reply):
            return self._taken(order_id)
        return Outcome(again_ns=self._again(request), requests=[self.venue.lookup(order_id)])

    def _on_cancelled(self, request: Request, reply: Reply, _: int) -> Outcome:
        """Leave it to the stream what came of a cancel; of one that came too late, ask if the stream does not say."""
        if reply.status < _REFUSED:
            return Outcome()
        if not self.venue.over_already(reply):
            code, message = self.venue.error_of(reply)
            msg = f"the venue refused to cancel order {request.order_id!r} ({code}): {message}"
            raise VenueError(msg, status=reply.status, code=code)
        return Outcome(requests=self.audit() if request.order_id in self._open else [])

    def _on_found(self, request: Request, reply: Reply, ts_ns: int) -> Outcome:
        order_id = request.order_id or ""
        outcome = Outcome()
        if reply.status == _OK:
            state = self.venue.state_of(reply)
            outcome.events = self._acknowledged(order_id, state.venue_id, ts_ns)
            if self._audit is not None:
                self._audit.states[order_id] = (state.status, state.filled)
            elif state.over and order_id in self._open:
                outcome.requests = self.audit()
        elif reply.status != _NOT_FOUND or (order_id in self._open and self._open[order_id].taken):
            code, message = self.venue.error_of(reply)
            msg = f"the venue refused the look-up of order {order_id!r} ({code}): {message}"
            raise VenueError(msg, status=reply.status, code=code)
        if self._audit is not None and order_id in self._audit.orders:
            self._audit.orders.discard(order_id)
            if not self._audit.orders:
                self._all_found(self._audit, outcome, ts_ns)
        return outcome

    def _acknowledged(self, order_id: str, venue_id: str, ts_ns: int) -> list[Input]:
        self._names[venue_id] = order_id
        life = self._open.get(order_id)
        return [] if life is None or life.venue_id else [Ack(ts_ns=ts_ns, order_id=order_id, venue_order_id=venue_id)]

    def _again(self, request: Request) -> int:
        """Exponential backoff: 0.5 s, 1 s, 2 s ... at most 30 s (A17)."""
        key = (request.purpose, request.order_id)
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        return min(_BACKOFF_NS << min(tries - 1, 16), _BACKOFF_MAX_NS)

    # -------------------------------------------------------------------- audit

    def audit(self, *, full: bool = False) -> list[Request]:
        """Ask the venue what became of every order that may be there; if ``full``, also what is held: a :class:`Reconciled` comes of it.

        One audit at a time: asked for while one runs, it runs again afterwards.
        """
        if self._audit is not None:
            self._audit.again, self._audit.full = True, self._audit.full or full
            return []
        asked = [name for name, life in self._open.items() if life.posted]
        self._audit = Audit(full, set(asked))
        return [self.venue.lookup(name) for name in asked] or self._balance(self._audit)

    def _all_found(self, audit: Audit, outcome: Outcome, ts_ns: int) -> None:
        """Every order was looked up: ask for executions if some are not told yet, else go on."""
        if all(filled == self._told(name) for name, (_, filled) in audit.states.items() if name in self._open):
            self._ends(audit, outcome, ts_ns)
        else:
            outcome.requests.append(self.venue.fills(self._since_ns(), ""))

    def _since_ns(self) -> int:
        """Return when the oldest order that is not over was decided, less what clocks may differ by."""
        return min((life.order.ts_ns for life in self._open.values()), default=0) - _SKEW_NS

    def _ends(self, audit: Audit, outcome: Outcome, ts_ns: int) -> None:
        """End the orders that are over at the venue and wholly told; then ask what is held, or be done."""
        for name, (status, filled) in audit.states.items():
            if name not in self._open:
                continue
            told = self._told(name, outcome.events)
            if told < filled:
                audit.again = True  # executed between the two answers
            elif status in self.venue.OVER and told < abs(self._open[name].order.qty):
                outcome.events.append(Cancelled(ts_ns=ts_ns, order_id=name))
        outcome.requests += self._balance(audit)

    def _balance(self, audit: Audit) -> list[Request]:
        if audit.again:
            self._audit = None
            return self.audit(full=audit.full)
        if audit.full:
            return [self.venue.positions()]
        self._audit = None
        return []

    def _on_fills(self, request: Request, reply: Reply, ts_ns: int) -> Outcome:
        """Take over every execution of ours that the stream has not told, then the ends of orders that are wholly told."""
        self._ask(request, reply)
        found, more = self.venue.fills_of(reply)
        events: list[Input] = []
        for one in found:
            name = self._names.get(one.venue_order_id)
            if name in self._open and one.fill_id not in self._fills:
                events.append(one.fill(name, ts_ns))
        outcome = Outcome(events)
        if more:
            outcome.requests.append(self.venue.fills(self._since_ns(), more))
        elif self._audit is not None:
            self._ends(self._audit, outcome, ts_ns)
        return outcome

    def _told(self, name: str, events: Iterable[Input] = ()) -> Decimal:
        """Return how much of an open order was executed as far as we know, events that are about to be told included."""
        life = self._open[name]
        new = (abs(event.qty) for event in events if isinstance(event, Fill) and event.order_id == name)
        return abs(life.order.qty) - abs(life.left) + sum(new, Decimal(0))

    def _on_account(self, request: Request, reply: Reply, ts_ns: int) -> Outcome:
        self._ask(request, reply)
        audit = self._audit
        if audit is None:
            return Outcome()
        if audit.held is None:
            audit.held = reply
            return Outcome(requests=[self.venue.account()])
        self._audit = None
        positions: dict[str, Decimal] = self.venue.positions_of(audit.held)
        event = Reconciled(ts_ns=ts_ns, positions=positions, cash=self.venue.cash_of(reply), agrees=True)
        return Outcome([event], self.audit(full=True) if audit.again else [])

    def _ask(self, request: Request, reply: Reply) -> None:
        if reply.status != _OK:
            code, message = self.venue.error_of(reply)
            msg = f"the venue refused the question for {request.purpose} ({code}): {message}"
            raise VenueError(msg, status=reply.status, code=code)

    # ----------------------------------------------------------- silent orders

    def quoted(self, ts_ns: int) -> None:
        """Note that the market has spoken."""
        self._quoted_ns = ts_ns

    def look_ns(self) -> int | None:
        """Return when to look after an order that the venue has, and of which nothing is heard while its market moves."""
        lives = [life for life in self._open.values() if life.venue_id and self._quoted_ns > life.heard_ns]
        return min((life.heard_ns + life.patience_ns for life in lives), default=None) if self._audit is None else None

    def look(self, now_ns: int) -> list[Request]:
        """Look after the silent orders that are due; again when the market has spoken since, each time after twice as long."""
        due = self.look_ns()
        if due is None or due > now_ns:
            return []
        for life in self._open.values():
            if life.heard_ns + life.patience_ns <= now_ns:
                life.heard_ns, life.patience_ns = now_ns, min(2 * life.patience_ns, _LONGEST_NS)
        return self.audit()

    # ----------------------------------------------- what the journal says happened

    def note(self, event: object) -> list[Request]:
        """Follow an event that is (or is about to be) journalled; return cancels that can go now."""
        if isinstance(event, Ack):
            self._names[event.venue_order_id] = event.order_id
            life = self._open.get(event.order_id)
            if life is not None:
                life.venue_id, life.heard_ns, life.posted = event.venue_order_id, event.ts_ns, True
                return [self.venue.cancel(event.order_id, life.venue_id)] if life.unwanted else []
        if isinstance(event, Cancelled | Reject):
            self._open.pop(event.order_id, None)
        if isinstance(event, Fill):
            self._filled(event)
        if isinstance(event, Link) and event.state == "down":
            self.give_up()
        return []

    def whole(self, event: Input, filled: Decimal | None) -> bool:
        """Whether an update of the venue leaves no execution untold, by its own count of what was executed of the order."""
        name = getattr(event, "order_id", "")
        if filled is None or name not in self._open or not isinstance(event, Fill | Cancelled):
            return True
        return self._told(name, [event]) >= filled

    def fresh(self, event: Input) -> bool:
        """Whether an event from the venue is news: an Ack may have come by REST already, anything again after an interruption."""
        if isinstance(event, Ack):
            return event.order_id in self._open and not self._open[event.order_id].venue_id
        if isinstance(event, Fill):
            return event.fill_id not in self._fills
        return not isinstance(event, Cancelled | Reject) or event.order_id in self._open

    def _filled(self, fill: Fill) -> None:
        self._fills.add(fill.fill_id)
        life = self._open.get(fill.order_id)
        if life is None:
            return
        life.left -= fill.qty
        life.heard_ns, life.patience_ns = fill.ts_ns, SILENCE_NS
        if not life.left:
            del self._open[fill.order_id]

    def restore(self, records: Iterable[object]) -> None:
        """Rebuild from a journal after a restart."""
        for record in records:
            if isinstance(record, Decision):
                self.requests_of(record)
            else:
                self.note(record)
