"""Orders on their way to the venue, so that none is lost and none is doubled (L2, L3).

Sans-I/O: decisions and answers in, requests and events out; :class:`~hedgekit.net.sender.Sender` sends, the session journals.

**No duplicate.** An intent is durable before its request leaves, because the session commits the decision first. If its outcome is
unknown (no answer, 5xx, a restart), a venue that refuses a used id gets it again under the same id, and it is looked up. One that is
not wanted any more, or was refused once, is not posted again: an order that cannot fill takes its id (``venue.void``), so that
the first one, should it be under way still, will be refused. Where that is no way, or refused too, the order is only looked up, in
quarantine until no request of it can be under way any more (``venue.late_ns``).

**Nothing lost.** An *audit* asks the venue what became of every order that may be there, what was executed, and, if it is a full
one, what is held. It runs after every interruption, when a cancel came too late, and when an order stays silent in a market that moves.
After a silence nothing can be closed before it is done, so until then its questions are as urgent as a close (A17).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from hedgekit.hedger import in_turn
from hedgekit.net.audit import Audit
from hedgekit.net.life import SILENCE_NS, Backoff, Life, Outcome, refused
from hedgekit.types import (
    NS,
    Ack,
    Action,
    Cancelled,
    Decision,
    Fill,
    Input,
    Link,
    Priority,
    Reconciled,
    Reject,
    Reply,
    Request,
    State,
    Venue,
    Word,
)

_DENIALS, _GONE = 8, 4


class Outbox:
    """Follows every order from intent to the venue's word on it.

    Parameters
    ----------
    venue : Venue
        The client of the account.
    """

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self._open: dict[str, Life] = {}
        self._names: dict[str, str] = {}
        self._fills: set[tuple[str, str]] = set()
        self._backoff = Backoff()
        self._audit: Audit | None = None
        self._quoted_ns = 0
        self._unsure = False

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

    def ranked(self, request: Request) -> Request:
        """Return a request with the priority that it has now: after a silence, closes wait for what is asked of the venue."""
        waits = self._unsure and request.priority is Priority.QUERY and request.purpose not in ("quotes", "booked", "status")
        return msgspec.structs.replace(request, priority=Priority.CLOSE) if waits else request

    # --------------------------------------------------------------- what to send

    def requests_of(self, decision: Decision) -> list[Request]:
        """Return what a durable decision wants of this venue: cancels and closes first, an entry's hedge after its primary (A13, A17)."""
        every = in_turn(decision.orders, decision.action)
        orders = [order for order in every if self._here(order.instrument)]
        entry = decision.action is Action.OPEN and every and not every[0].leg
        for order in orders:
            leader = every[0].order_id if entry and order.leg else ""
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
        return unknown + [self.venue.cancel(life.order, life.venue_id) for life in self._open.values() if life.unwanted and life.venue_id]

    def never_there(self, order_id: str, ts_ns: int) -> list[Input]:
        """Return the end of an order that never was, and will not be, at the venue: it was refused, or taken back before it left."""
        refusal = self._open[order_id].refusal if order_id in self._open else None
        end = msgspec.structs.replace(refusal, ts_ns=ts_ns) if refusal else Cancelled(ts_ns=ts_ns, order_id=order_id)
        return [end] if order_id in self._open else []

    def _unwant(self, order_id: str) -> list[Request]:
        """Cancel by the venue's id; before that is known the wish waits for it."""
        life = self._open[order_id]
        life.unwanted = True
        return [self.venue.cancel(life.order, life.venue_id)] if life.venue_id else []

    def _post(self, life: Life) -> Request:
        """Post it; or, of one that the venue may have, find out, in a way in which it cannot become two (L2)."""
        if not life.posted or (self.venue.reposts and not life.unwanted):
            return self.venue.submit(life.order)
        void = self.venue.void(life.order) if life.unwanted and self.venue.reposts else None
        life.barred |= void is None
        return void or self.venue.lookup(life.order)

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
        if request.purpose in ("quotes", "beat"):  # sent again by who wants to know, or to be known
            return Outcome()
        word = self.venue.word_of(request, reply)
        if word is Word.UNKNOWN:
            return Outcome(again_ns=self._backoff.next_ns(request))
        self._backoff.over()
        if request.purpose in ("booked", "status"):  # read by who asked
            return Outcome()
        means = {"submit": self._on_submitted, "void": self._on_void, "cancel": self._on_cancelled, "lookup": self._on_found}
        means |= {"fills": self._on_fills, "positions": self._on_account, "account": self._on_account}
        return means[request.purpose](request, reply, word, ts_ns)

    def _on_submitted(self, request: Request, reply: Reply, word: Word, ts_ns: int) -> Outcome:
        order_id = request.order_id or ""
        if word is Word.DONE:
            return Outcome(self._acknowledged(order_id, self.venue.state_of(request, reply).venue_id, ts_ns))
        if word is Word.DUPLICATE:
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
        if order_id not in self._open:
            return Outcome()
        self._open[order_id].taken = True
        return Outcome(requests=[self.venue.lookup(self._open[order_id].order)])

    def _on_void(self, request: Request, reply: Reply, word: Word, ts_ns: int) -> Outcome:
        order_id = request.order_id or ""
        if word is Word.DONE:  # the id is used up, and not by the order; what took it must not be in the way of the next one
            state = self.venue.state_of(request, reply)
            return (
                Outcome(self.never_there(order_id, ts_ns)) if state.over else Outcome(self._acknowledged(order_id, state.venue_id, ts_ns))
            )
        if word is Word.DUPLICATE or order_id not in self._open:
            return self._taken(order_id)
        self._open[order_id].barred = True
        return Outcome(again_ns=self._backoff.next_ns(request), requests=[self.venue.lookup(self._open[order_id].order)])

    def _on_cancelled(self, request: Request, reply: Reply, word: Word, _: int) -> Outcome:
        """Leave it to the stream what came of a cancel; of one that came too late, ask if the stream does not say."""
        if word is Word.DONE:
            return Outcome()
        if word is not Word.ENDED:
            raise refused(self.venue, f"to cancel order {request.order_id!r}", reply)
        return Outcome(requests=self.audit() if request.order_id in self._open else [])

    def _on_found(self, request: Request, reply: Reply, word: Word, ts_ns: int) -> Outcome:
        order_id = request.order_id or ""
        life, state, outcome = self._open.get(order_id), None, Outcome()
        asked = self._audit is not None and self._audit.asks(order_id)
        if word is Word.DONE:
            state = self.venue.state_of(request, reply)
            outcome.events = self._acknowledged(order_id, state.venue_id, ts_ns)
            if life is not None and not asked and (state.over or state.filled > life.told()):
                outcome.requests = self.audit()
        elif word is Word.MISSING and life is not None and (state := self._gone(life, ts_ns)) is not None:
            self._names |= {state.venue_id: order_id} if state.venue_id else {}
            outcome.requests = [] if asked else self.audit()
        elif word is not Word.MISSING or (life is not None and life.known and life.denied >= _DENIALS):
            raise refused(self.venue, f"the look-up of order {order_id!r}", reply)
        elif life is not None and life.known:  # it is there; what answers look-ups has not heard of it yet
            life.denied += 1
            return Outcome(again_ns=(NS << life.denied) // 4)
        elif life is not None and life.barred:
            left_ns = life.posted_ns + self.venue.late_ns - ts_ns
            outcome = Outcome(again_ns=left_ns) if left_ns > 0 else Outcome(self.never_there(order_id, ts_ns))
        if self._audit is not None and asked:
            self._audit.found(order_id, state, outcome, ts_ns)
            self._conclude(outcome)
        return outcome

    def _gone(self, life: Life, ts_ns: int) -> State | None:
        """Return that an order is over which the venue had, or has barred for good, and of which it does not tell any more."""
        late = life.barred and life.posted_ns + self.venue.late_ns <= ts_ns
        return self.venue.gone(life.order, known=life.known) if late or (life.known and life.denied >= _GONE) else None

    def _acknowledged(self, order_id: str, venue_id: str, ts_ns: int) -> list[Input]:
        self._names[venue_id] = order_id
        life = self._open.get(order_id)
        if life is not None:
            life.denied = 0
        return [] if life is None or life.venue_id else [Ack(ts_ns=ts_ns, order_id=order_id, venue_order_id=venue_id)]

    # -------------------------------------------------------------------- audit

    def audit(self, *, full: bool = False) -> list[Request]:
        """Ask the venue what became of every order that may be there; if ``full``, also what is held: a :class:`Reconciled` comes of it.

        One audit at a time: asked for while one runs, it runs again afterwards.
        """
        if self._audit is not None:
            self._audit.again, self._audit.full = True, self._audit.full or full
            return []
        self._audit = audit = Audit(self.venue, self._open, full=full)
        questions = audit.begin()
        self._audit = None if audit.over else audit
        return questions

    def _conclude(self, outcome: Outcome) -> None:
        """Forget an audit that is over; begin the one that was asked for meanwhile."""
        if (audit := self._audit) is not None and audit.over:
            self._audit = None
            outcome.requests += self.audit(full=audit.full) if audit.again else []

    def _on_fills(self, request: Request, reply: Reply, word: Word, ts_ns: int) -> Outcome:
        """Take over every execution of ours that the stream has not told, then the ends of orders that are wholly told."""
        if word is not Word.DONE:
            raise refused(self.venue, f"the question for {request.purpose}", reply)
        found, more = self.venue.fills_of(reply)
        named = [(self._names.get(one.venue_order_id), one) for one in found if one.key not in self._fills]
        outcome = Outcome([one.fill(name, ts_ns) for name, one in named if name in self._open])
        if self._audit is None:
            return outcome
        if more:
            outcome.requests.append(self._audit.executions(more))
        else:
            self._audit.told(outcome, ts_ns)
            self._conclude(outcome)
        return outcome

    def _on_account(self, request: Request, reply: Reply, word: Word, ts_ns: int) -> Outcome:
        if word is not Word.DONE:
            raise refused(self.venue, f"the question for {request.purpose}", reply)
        if self._audit is None:
            return Outcome()
        outcome = self._audit.held(request, reply, ts_ns)
        self._conclude(outcome)
        return outcome

    # ----------------------------------------------------------- silent orders

    def quoted(self, ts_ns: int) -> None:
        """Note that the market has spoken."""
        self._quoted_ns = ts_ns

    def look_ns(self) -> int | None:
        """Return when to look after an order that the venue has, and of which nothing is heard: its market moves, or it should end."""
        times = (life.look_ns(self._quoted_ns) for life in self._open.values())
        return min((at for at in times if at is not None), default=None) if self._audit is None else None

    def look(self, now_ns: int) -> list[Request]:
        """Look after the silent orders that are due; again when the market has spoken since, each time after twice as long."""
        if (due := self.look_ns()) is None or due > now_ns:
            return []
        for life in self._open.values():
            life.looked(now_ns)
        return self.audit()

    # ----------------------------------------------- what the journal says happened

    def note(self, event: object) -> list[Request]:
        """Follow an event that is (or is about to be) journalled; return cancels that can go now."""
        if isinstance(event, Ack) and (life := self._open.get(event.order_id)) is not None:
            self._names[event.venue_order_id] = event.order_id
            life.venue_id, life.heard_ns = event.venue_order_id, event.ts_ns
            return [self.venue.cancel(life.order, life.venue_id)] if life.unwanted else []
        if isinstance(event, Cancelled | Reject):
            self._open.pop(event.order_id, None)
        if isinstance(event, Fill) and self._here(event.instrument):
            self._filled(event)
        if isinstance(event, Link) and event.venue == self.venue.name:
            self._linked(event.state)
        if isinstance(event, Reconciled) and event.venue in {"", self.venue.name}:
            self._unsure = self._unsure and bool(self._open)
        return []

    def _linked(self, state: str) -> None:
        """In a silence, want no order any more whose outcome is unknown: it must not be executed late (L6)."""
        self._unsure |= state != "up"
        self._backoff = Backoff() if state == "up" else self._backoff
        for life in self._open.values() if state == "down" else ():
            life.unwanted = life.unwanted or not life.venue_id

    def whole(self, event: Input, filled: Decimal | None) -> bool:
        """Whether an update of the venue leaves no execution untold, by its own count of what was executed of the order."""
        name = getattr(event, "order_id", "")
        if filled is None or name not in self._open or getattr(event, "cause", "") == "reversal" or not isinstance(event, Fill | Cancelled):
            return True
        return self._open[name].told([event]) >= filled

    def fresh(self, event: Input) -> bool:
        """Whether an event from the venue is news: an Ack may have come by REST already, anything again after an interruption."""
        if isinstance(event, Ack):
            return event.order_id in self._open and not self._open[event.order_id].venue_id
        if isinstance(event, Fill):
            return event.key not in self._fills
        return not isinstance(event, Cancelled | Reject) or event.order_id in self._open

    def _filled(self, fill: Fill) -> None:
        self._fills.add(fill.key)
        if fill.cause != "trade" or (life := self._open.get(fill.order_id)) is None:
            return
        life.left -= fill.qty
        life.heard_ns, life.patience_ns = fill.ts_ns, SILENCE_NS
        if not life.left:
            del self._open[fill.order_id]

    def _here(self, instrument: str) -> bool:
        return instrument.partition(":")[0] == self.venue.name

    def restore(self, records: Iterable[object]) -> None:
        """Rebuild from a journal after a restart."""
        for record in records:
            self.requests_of(record) if isinstance(record, Decision) else self.note(record)
