"""An audit: what became of every order that the venue may have, what was executed, and what is held (L3).

What is held takes several answers, and an execution may come between any two of them, told late at that. So all is asked, and once all
is answered, asked again, until two rounds in a row say the same: then it was so at the moment between the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from hedgekit.net.life import Life, Outcome
from hedgekit.types import NS, Cancelled, Input, Reconciled, Reply, Request, State, Venue

_SKEW_NS = 60 * NS


class Audit:
    """One audit under way: look-ups, then executions if some are not told yet, then, if it is a full one, what is held.

    Parameters
    ----------
    venue : Venue
        Encodes the questions and reads the answers.
    lives : mapping of str to Life
        The outbox's own: what it learns meanwhile counts.
    full : bool
        Whether to ask what is held: a :class:`Reconciled` comes of it.

    Attributes
    ----------
    over : bool
        Whether every question is answered.
    again : bool
        Whether another one was asked for meanwhile: this one asks no further than its executions.
    """

    def __init__(self, venue: Venue, lives: Mapping[str, Life], *, full: bool) -> None:
        self._venue, self._lives, self.full = venue, lives, full
        self._orders = {name for name, life in lives.items() if life.posted}
        self._states: dict[str, State] = {}
        self._said: dict[str, Reply] = {}
        self._seen: tuple[dict[str, Decimal], Decimal] | None = None
        self.over = self.again = False

    def begin(self) -> list[Request]:
        """Return the first questions."""
        asked = [self._venue.lookup(life.order) for name, life in self._lives.items() if name in self._orders]
        return asked or self._balance()

    def asks(self, order_id: str) -> bool:
        """Whether it waits for the look-up of an order."""
        return order_id in self._orders

    def found(self, order_id: str, state: State | None, outcome: Outcome, ts_ns: int) -> None:
        """Take what a look-up has found; add to an outcome what follows once every order was looked up."""
        self._orders.remove(order_id)
        if state is not None:
            self._states[order_id] = state
        if self._orders:
            return
        if self._behind():
            outcome.requests.append(self.executions())
        else:
            self._ends(outcome, ts_ns)

    def executions(self, page: str = "") -> Request:
        """Return the question for executions since the oldest order that is not over, less what clocks may differ by."""
        since_ns = min((life.order.ts_ns for life in self._lives.values()), default=0) - _SKEW_NS
        return self._venue.fills(since_ns, page)

    def told(self, outcome: Outcome, ts_ns: int) -> None:
        """Take the last page of executions, those that are new being the outcome's events; add to it what follows."""
        if self._behind(outcome.events, listed=True):  # what lists executions has not heard of all yet
            outcome.again_ns = NS
        else:
            self._ends(outcome, ts_ns)

    def held(self, request: Request, reply: Reply, ts_ns: int) -> Outcome:
        """Take an answer on what is held; return what to ask next, or the :class:`Reconciled` once two rounds of questions agree."""
        self._said[request.path] = reply
        questions = self._venue.holdings()
        if len(self._said) < len(questions):
            return Outcome()
        before, self._seen = self._seen, self._venue.held_of([self._said[one.path] for one in questions])
        self._said = {}
        self.over = before == self._seen
        if not self.over:
            return Outcome(requests=[*questions])
        positions, cash = self._seen
        return Outcome([Reconciled(ts_ns=ts_ns, positions=positions, cash=cash, agrees=True, venue=self._venue.name)])

    def _behind(self, events: Iterable[Input] = (), *, listed: bool = False) -> bool:
        """Whether executions that the venue counts are not told yet; if it does not count them, whether they are not ``listed`` yet."""
        counts = {name: state.filled for name, state in self._states.items() if name in self._lives}
        return any(self._lives[name].told(events) < filled and not (listed and filled.is_infinite()) for name, filled in counts.items())

    def _ends(self, outcome: Outcome, ts_ns: int) -> None:
        """End the orders that are over at the venue, and wholly told, without being filled; then ask what is held, or be done."""
        for name, state in self._states.items():
            if name in self._lives and state.over and self._lives[name].told(outcome.events) < abs(self._lives[name].order.qty):
                outcome.events.append(Cancelled(ts_ns=ts_ns, order_id=name))
        outcome.requests += self._balance()

    def _balance(self) -> list[Request]:
        self.over = self.again or not self.full
        return [] if self.over else [*self._venue.holdings()]
