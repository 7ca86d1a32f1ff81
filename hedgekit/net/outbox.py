"""Orders on their way to the venue, so that none is lost and none is doubled (L2, L3).

Sans-I/O: decisions and answers in, requests and events out; :class:`~hedgekit.net.sender.Sender` sends, the session journals.

**No duplicate.** An intent is durable before its request leaves, because the session commits the decision first. An order whose
outcome is unknown (no answer, 5xx, a restart) is posted again under the same client id, which the venue refuses if it has the
first one (``venues/alpaca.py``); then it is looked up. One that is not wanted any more is not posted again: an order that
cannot fill takes its id (``venue.void``), so that the first one, should it be under way still, will be refused. So is one of which
one post was refused while an earlier one may arrive yet. Where the venue refuses that order too, the id is in quarantine until
no request can be under way any more.

**Nothing lost.** An *audit* asks the venue what became of every order that may be there, what was executed, and, if it is a full
one, what is held. It runs after every interruption, when a cancel came too late, and when an order stays silent in a market that moves.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from types import ModuleType
from typing import NoReturn

import msgspec

from hedgekit.errors import VenueError
from hedgekit.hedger import in_turn
from hedgekit.net.life import SILENCE_NS, Audit, Backoff, Life, Outcome
from hedgekit.types import NS, Ack, Action, Cancelled, Decision, Fill, Input, Link, Priority, Reconciled, Reject, Reply, Request

_LONGEST_NS = 300 * NS
_SKEW_NS = 60 * NS
_QUARANTINE_NS = 120 * NS
"""No request reaches the venue later than this after it has left."""

_DENIALS = 6
_OK, _REFUSED, _TIMED_OUT, _TOO_EARLY, _SERVER, _NOT_FOUND = 200, 400, 408, 425, 500, 404


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
        self._backoff = Backoff()
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
        orders = in_turn(decision.orders, decision.action)
        entry = decision.action is Action.OPEN and orders and not orders[0].leg
        for order in orders:
            leader = orders[0].order_id if entry and order.leg else ""
            self._open[order.order_id] = Life(order, order.qty, leader, heard_ns=order.ts_ns)
        wanted = [self.venue.submit(order) for order in orders]
        for order_id in decision.cancels:
            if order_id in self._open:  # else it has ended since, in the same instant
                wanted += self._unwant(order_id)
        return sorted(wanted, key=lambda request: request.priority is not Priority.CLOSE)

    def posted(self, request: Request, now_ns: int) -> None:
        """Note that a request has left: from now on the venue may have it."""
        life = self._open.get(request.order_id or "")
        if life is not None and request.purpose == "submit":
            life.doubts, life.posted_ns = life.doubts + 1, now_ns
        elif life is not None:
            life.posted_ns = life.posted_ns or now_ns  # what a process before this one has sent left earlier

    def turned_away(self, request: Request) -> list[str]:
        """Note that the venue has refused to listen (429), and so has not taken an order; name it if it is not wanted any more."""
        life = self._open.get(request.order_id or "")
        if life is None or request.purpose != "submit":
            return []
        life.doubts -= 1
        return [life.order.order_id] if life.unwanted else []

    def was_posted(self, order_id: str) -> bool:
        """Whether the venue may have an order."""
        return order_id not in self._open or self._open[order_id].posted

    def leader_of(self, order_id: str) -> str:
        """Return the primary whose entry an order hedges; empty if it follows none."""
        return self._open[order_id].leader if order_id in self._open else ""

    def followers(self, order_id: str) -> list[str]:
        """Return the hedges of an entry."""
        return [name for name, life in self._open.items() if life.leader == order_id]

    def resume(self) -> list[Request]:
        """Return the requests that a restart must repeat: orders without an answer, cancels not confirmed."""
        unknown = []
        for life in self._open.values():
            if not life.venue_id:
                life.doubts = 1
                unknown.append(self._post(life))
        return unknown + [self.venue.cancel(name, life.venue_id) for name, life in self._open.items() if life.unwanted and life.venue_id]

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
        """Return what to send in place of a request that has waited; None if nothing."""
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
        if reply.status in (0, _TIMED_OUT, _TOO_EARLY) or reply.status >= _SERVER:
            return Outcome(again_ns=self._backoff.next_ns(request))
        self._backoff.over(request)
        means = {"submit": self._on_submitted, "void": self._on_void, "cancel": self._on_cancelled, "lookup": self._on_found}
        means |= {"fills": self._on_fills, "positions": self._on_account, "account": self._on_account}
        return means[request.purpose](request, reply, ts_ns)

    def _on_submitted(self, request: Request, reply: Reply, ts_ns: int) -> Outcome:
        order_id = request.order_id or ""
        if reply.status == _OK:
            return Outcome(self._acknowledged(order_id, self.venue.state_of(reply).venue_id, ts_ns))
        if self.venue.duplicate(reply):
            return self._taken(order_id)
        if order_id not in self._open:
            return Outcome()
        life, (code, message) = self._open[order_id], self.venue.error_of(reply)
        refusal = Reject(ts_ns=ts_ns, order_id=order_id, code=code, message=message)
        life.doubts -= 1
        if not life.posted:
            return Outcome([refusal])
        life.unwanted, life.refusal = True, life.refusal or refusal  # an earlier post may arrive when the reason is gone
        return Outcome(requests=self._unwant(order_id) if life.venue_id else [self._post(life)])

    def _taken(self, order_id: str) -> Outcome:
        if order_id in self._open:
            self._open[order_id].taken = True
        return Outcome(requests=[self.venue.lookup(order_id)])

    def _on_void(self, request: Request, reply: Reply, ts_ns: int) -> Outcome:
        order_id = request.order_id or ""
        if reply.status == _OK:  # the id is used up, and not by the order; what took it must not be in the way of the next one
            state = self.venue.state_of(reply)
            return self._never_there(order_id, ts_ns) if state.over else Outcome(self._acknowledged(order_id, state.venue_id, ts_ns))
        if self.venue.duplicate(reply):
            return self._taken(order_id)
        if order_id in self._open:
            self._open[order_id].barred = True
        return Outcome(again_ns=self._backoff.next_ns(request), requests=[self.venue.lookup(order_id)])

    def _never_there(self, order_id: str, ts_ns: int) -> Outcome:
        refusal = self._open[order_id].refusal if order_id in self._open else None
        return Outcome([msgspec.structs.replace(refusal, ts_ns=ts_ns)] if refusal else self.never_left(order_id, ts_ns))

    def _on_cancelled(self, request: Request, reply: Reply, _: int) -> Outcome:
        """Leave it to the stream what came of a cancel; of one that came too late, ask if the stream does not say."""
        if reply.status < _REFUSED:
            return Outcome()
        if not self.venue.over_already(reply):
            self._refused(f"to cancel order {request.order_id!r}", reply)
        return Outcome(requests=self.audit() if request.order_id in self._open else [])

    def _on_found(self, request: Request, reply: Reply, ts_ns: int) -> Outcome:
        order_id = request.order_id or ""
        life, outcome = self._open.get(order_id), Outcome()
        asked = self._audit is not None and order_id in self._audit.orders
        if reply.status == _OK:
            state = self.venue.state_of(reply)
            outcome.events = self._acknowledged(order_id, state.venue_id, ts_ns)
            if life is not None:
                life.denied = 0
            if self._audit is not None and asked:
                self._audit.states[order_id] = (state.status, state.filled)
            elif life is not None and (state.over or state.filled > life.told()):
                outcome.requests = self.audit()
        elif reply.status != _NOT_FOUND or (life is not None and life.known and life.denied >= _DENIALS):
            self._refused(f"the look-up of order {order_id!r}", reply)
        elif life is not None and life.known:  # it is there; what answers look-ups has not heard of it yet
            life.denied += 1
            return Outcome(again_ns=NS << life.denied)
        elif life is not None and life.barred and ts_ns - life.posted_ns >= _QUARANTINE_NS:
            outcome = self._never_there(order_id, ts_ns)
        if self._audit is not None and asked:
            self._audit.orders.discard(order_id)
            if not self._audit.orders:
                self._all_found(self._audit, outcome, ts_ns)
        return outcome

    def _acknowledged(self, order_id: str, venue_id: str, ts_ns: int) -> list[Input]:
        self._names[venue_id] = order_id
        life = self._open.get(order_id)
        return [] if life is None or life.venue_id else [Ack(ts_ns=ts_ns, order_id=order_id, venue_order_id=venue_id)]

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
        if audit.behind(self._open):
            outcome.requests.append(self.venue.fills(self._since_ns(), ""))
        else:
            self._ends(audit, outcome, ts_ns)

    def _since_ns(self) -> int:
        """Return when the oldest order that is not over was decided, less what clocks may differ by."""
        return min((life.order.ts_ns for life in self._open.values()), default=0) - _SKEW_NS

    def _ends(self, audit: Audit, outcome: Outcome, ts_ns: int) -> None:
        """End the orders that are over at the venue and wholly told; then ask what is held, or be done."""
        outcome.events += [Cancelled(ts_ns=ts_ns, order_id=name) for name in audit.over(self._open, self.venue.OVER)]
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
        elif self._audit is not None and self._audit.behind(self._open, events):  # what lists executions has not heard of all yet
            outcome.again_ns = NS
        elif self._audit is not None:
            self._ends(self._audit, outcome, ts_ns)
        return outcome

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
            self._refused(f"the question for {request.purpose}", reply)

    def _refused(self, what: str, reply: Reply) -> NoReturn:
        code, message = self.venue.error_of(reply)
        msg = f"the venue refused {what} ({code}): {message}"
        raise VenueError(msg, status=reply.status, code=code)

    # ----------------------------------------------------------- silent orders

    def quoted(self, ts_ns: int) -> None:
        """Note that the market has spoken."""
        self._quoted_ns = ts_ns

    def look_ns(self) -> int | None:
        """Return when to look after an order that the venue has, and of which nothing is heard: its market moves, or it should end."""
        lives = [life for life in self._open.values() if life.venue_id and (life.unwanted or self._quoted_ns > life.heard_ns)]
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
                life.venue_id, life.heard_ns = event.venue_order_id, event.ts_ns
                return [self.venue.cancel(event.order_id, life.venue_id)] if life.unwanted else []
        if isinstance(event, Cancelled | Reject):
            self._open.pop(event.order_id, None)
        if isinstance(event, Fill):
            self._filled(event)
        if isinstance(event, Link) and event.state == "down":
            self.give_up()
        if isinstance(event, Link) and event.state == "up":
            self._backoff = Backoff()
        return []

    def whole(self, event: Input, filled: Decimal | None) -> bool:
        """Whether an update of the venue leaves no execution untold, by its own count of what was executed of the order."""
        name = getattr(event, "order_id", "")
        if filled is None or name not in self._open or not isinstance(event, Fill | Cancelled):
            return True
        return self._open[name].told([event]) >= filled

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
