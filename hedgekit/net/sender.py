"""What leaves for one venue account, when, and what came of it: the outbox in line before the limiter.

Sans-I/O: the session posts what :meth:`Sender.leave` names, hands in answers and the time, and wakes it at :meth:`Sender.next_ns`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hedgekit.hedger import in_turn
from hedgekit.net.limiter import Limiter
from hedgekit.net.outbox import Outbox
from hedgekit.types import NS, Action, Decision, Input, Reply, Request

TIMEOUT_NS = 10 * NS
"""An answer that has not come by then counts as lost."""

_TOO_MANY = 429


class Sender:
    """The way of every request to one account of a venue, and of its answer back.

    Parameters
    ----------
    outbox : Outbox
        What to say and what an answer means.
    limiter : Limiter
        When it may leave.
    post : callable
        Sends a request and returns its number.
    forget : callable
        Told the number of a request whose answer is not awaited any more.
    """

    def __init__(self, outbox: Outbox, limiter: Limiter, post: Callable[[Request], int], forget: Callable[[int], object]) -> None:
        self.outbox, self._limiter, self._post, self._forget = outbox, limiter, post, forget
        self._line: dict[int, Request] = {}
        self._flying: dict[int, tuple[int, Request, int]] = {}
        self._later: list[tuple[int, Request]] = []
        self._riders: dict[str, list[Request]] = {}
        self._keys = 0

    @property
    def quiet(self) -> bool:
        """Whether nothing waits to leave and no answer is awaited."""
        return not (self._line or self._flying or self._later or self._riders)

    # ----------------------------------------------------------------- to leave

    def intend(self, decision: Decision, now_ns: int) -> list[Input]:
        """Put a durable decision's requests in line; return the ends of orders that were cancelled before they had left.

        An entry's hedge follows its primary: it never leaves while that one waits, and at once when it has left, on the
        tokens that are reserved for hedges (A11, A13, A17).
        """
        ended = [event for name in decision.cancels for event in self._take_back(name, now_ns)]
        gone = {getattr(event, "order_id", "") for event in ended}
        requests = [request for request in self.outbox.requests_of(decision) if request.order_id not in gone]
        orders = in_turn(decision.orders, decision.action)
        first = orders[0].order_id if decision.action is Action.OPEN and orders and orders[0].leg == 0 else ""
        follow = {order.order_id for order in orders if order.order_id != first} if first else set()
        self.ask(request for request in requests if request.order_id not in follow)
        if follow:
            self._riders[first] = [request for request in requests if request.order_id in follow]
        return ended

    def ask(self, requests: Iterable[Request]) -> None:
        """Put requests in line."""
        for request in requests:
            self._keys += 1
            self._line[self._keys] = request
            self._limiter.ask(self._keys, request.purpose, request.priority)

    def leave(self, now_ns: int) -> None:
        """Send everything that may leave now, the most urgent first (A17, L5)."""
        due, self._later = [r for at, r in self._later if at <= now_ns], [(at, r) for at, r in self._later if at > now_ns]
        again = [self.outbox.current(request) for request in due]
        self.ask(request for request in [*again, *self.outbox.look(now_ns)] if request is not None)
        while keys := self._limiter.release(now_ns):
            for key in keys:
                request = self._line.pop(key)
                self.outbox.posted(request)
                self._flying[self._post(request)] = (key, request, now_ns + TIMEOUT_NS)
                if request.purpose == "submit":
                    self.ask(self._riders.pop(request.order_id or "", ()))

    def _take_back(self, order_id: str, now_ns: int) -> list[Input]:
        """Take an order out of the line that has never left, with those that were to follow it."""
        for leader, riders in self._riders.items():
            if any(request.order_id == order_id for request in riders):
                self._riders[leader] = [request for request in riders if request.order_id != order_id]
                return self.outbox.never_left(order_id, now_ns)
        for key, request in list(self._line.items()):
            if request.order_id == order_id and request.purpose == "submit" and not self.outbox.was_posted(order_id):
                self._limiter.drop(key)
                del self._line[key]
                followers = [rider.order_id or "" for rider in self._riders.pop(order_id, ())]
                return [event for name in (order_id, *followers) for event in self.outbox.never_left(name, now_ns)]
        return []

    def give_up(self, now_ns: int) -> list[Input]:
        """Drop stale intents (L6): take back what has not left; return the ends. The outbox does the rest when it notes the outage."""
        return [event for name in self.outbox.open for event in self._take_back(name, now_ns)]

    # ----------------------------------------------------------------- came back

    def reply(self, number: int, reply: Reply, now_ns: int) -> list[Input]:
        """Take an answer; return the events in it. One that was given up before is ignored: its request was repeated or looked up."""
        flying = self._flying.pop(number, None)
        if flying is None:
            return []
        key, request, _ = flying
        wait_ns, left = self.outbox.venue.limits_of(reply, now_ns)
        self._limiter.answered(key, now_ns, reply.status, retry_after_ns=wait_ns, remaining=left)
        if reply.status == _TOO_MANY:
            self._line[key] = request  # the limiter has kept its place
            return []
        outcome = self.outbox.on_reply(request, reply, now_ns)
        self.ask(outcome.requests)
        if outcome.again_ns is not None:
            self._later.append((now_ns + outcome.again_ns, request))
        return outcome.events

    def request_of(self, number: int) -> Request | None:
        """Return a request whose answer is awaited."""
        flying = self._flying.get(number)
        return None if flying is None else flying[1]

    def expire(self, now_ns: int) -> None:
        """Give up the answers that are overdue."""
        for number in [number for number, (_, _, until) in self._flying.items() if until <= now_ns]:
            self._forget(number)
            self.reply(number, Reply(0), now_ns)

    def note(self, event: Input) -> None:
        """Follow an event that is about to be journalled."""
        self.ask(self.outbox.note(event))

    def next_ns(self, now_ns: int) -> int | None:
        """When something may leave, or an answer is overdue."""
        times = [until for _, _, until in self._flying.values()] + [at for at, _ in self._later]
        leaving = self._limiter.next_ns(now_ns)
        times += [] if leaving is None else [leaving]
        return min(times, default=None)
