"""What leaves for the account at a venue, when, and what came of it: the outbox in line before the limiter.

Sans-I/O: the session posts what :meth:`Sender.leave` names, hands in answers and the time, and wakes it at :meth:`Sender.next_ns`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count

from hedgekit.net.limiter import Limiter
from hedgekit.net.outbox import Outbox
from hedgekit.types import NS, Decision, Input, Link, Reply, Request, Word

TIMEOUT_NS = 10 * NS
"""An answer that has not come by then counts as lost."""

_TOO_MANY = 429


class Sender:
    """The way of a pair's requests to one account, and of their answers back.

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
    keys : iterator of int
        Numbers in the limiter's line; the same one for all senders that share a limiter (:func:`leave`).
    peers : list of Sender
        The pair's senders to all its accounts, which this one joins: an entry's hedge follows its primary from venue to venue.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        outbox: Outbox,
        limiter: Limiter,
        post: Callable[[Request], int],
        forget: Callable[[int], object],
        keys: Iterator[int] | None = None,
        peers: list[Sender] | None = None,
    ) -> None:
        self.outbox, self.limiter, self._post, self._forget = outbox, limiter, post, forget
        self._peers = [] if peers is None else peers
        self._peers.append(self)
        self._keys = count(1) if keys is None else keys
        self._line: dict[int, Request] = {}
        self._flying: dict[int, tuple[int, Request, int]] = {}
        self._later: list[tuple[int, Request]] = []
        self._riders: dict[str, list[Request]] = {}

    @property
    def quiet(self) -> bool:
        """Whether nothing waits to leave and no answer is awaited; but for beats, which go on in a silence too."""
        under_way = [*self._line.values(), *(request for _, request, _ in self._flying.values())]
        return not (self._later or self._riders or any(request.purpose != "beat" for request in under_way))

    def waits(self, purpose: str) -> bool:
        """Whether a request of that purpose has not left yet."""
        return any(request.purpose == purpose for request in self._line.values())

    # ----------------------------------------------------------------- to leave

    def intend(self, decision: Decision, now_ns: int) -> list[Input]:
        """Put a durable decision's requests in line; return the ends of orders that were cancelled before they had left."""
        ended = self._take_back(decision.cancels, now_ns)
        gone = {getattr(event, "order_id", "") for event in ended}
        self.ask(request for request in self.outbox.requests_of(decision) if request.order_id not in gone)
        return ended

    def ask(self, requests: Iterable[Request]) -> None:
        """Put requests in line."""
        for request in map(self.outbox.ranked, requests):
            key = next(self._keys)
            self._line[key] = request
            self.limiter.ask(key, request.purpose, request.priority)

    def leave(self, now_ns: int) -> None:
        """Send everything that may leave now, the most urgent first: :func:`leave`."""
        leave([self], now_ns)

    def _prepare(self, now_ns: int) -> None:
        """Put in line what is to be repeated or looked after."""
        due, self._later = [r for at, r in self._later if at <= now_ns], [(at, r) for at, r in self._later if at > now_ns]
        self.ask([*due, *self.outbox.look(now_ns)])

    def _let_go(self, key: int, now_ns: int) -> list[Limiter]:
        """Send a request; return in whose lines others may follow it now."""
        request = self._line.pop(key)
        self.outbox.posted(request, now_ns)
        self._flying[self._post(request)] = (key, request, now_ns + TIMEOUT_NS)
        leader = request.order_id or "" if request.purpose == "submit" else ""
        return [peer.limiter for peer in self._peers if leader and peer._follow(leader)]  # noqa: SLF001 - its own class

    def _arrange(self) -> None:
        """Take out of the line what is not to be sent any more, or not yet: a hedge whose primary stands there too."""
        for key, request in list(self._line.items()):
            if (current := self.outbox.current(request)) != request:
                self._step_out(key)
                self.ask([] if current is None else [current])
        entries = {request.order_id for peer in self._peers for request in peer._line.values() if request.purpose == "submit"}  # noqa: SLF001 - its own class
        for leader in [name for name in self._riders if name not in entries]:
            self._follow(leader)
        for key, request in list(self._line.items()):
            leader = self.outbox.leader_of(request.order_id or "")
            if request.purpose == "submit" and leader in entries:
                self._step_out(key)
                self._riders.setdefault(leader, []).append(request)

    def _step_out(self, key: int) -> None:
        self.limiter.drop(key)
        del self._line[key]

    def _follow(self, leader: str) -> bool:
        """Put in line what was to follow an order; return whether there is any."""
        riders = self._riders.pop(leader, ())
        self.ask(current for request in riders if (current := self.outbox.current(request)) is not None)
        return bool(riders)

    def _take_back(self, names: Iterable[str], now_ns: int) -> list[Input]:
        """Take orders out of the line that have never left, with those that were to follow them."""
        waiting = [name for name in names if not self.outbox.was_posted(name)]
        return [event for peer in self._peers for event in peer._drop(waiting, now_ns)]  # noqa: SLF001 - its own class

    def _drop(self, waiting: Iterable[str], now_ns: int) -> list[Input]:
        """Take out of the line what of these orders, and of those that follow them, is for this account and has not left."""
        names = [other for name in waiting for other in (name, *self.outbox.followers(name))]
        gone = dict.fromkeys(name for name in names if not self.outbox.was_posted(name))
        for key in [key for key, request in self._line.items() if request.purpose == "submit" and request.order_id in gone]:
            self._step_out(key)
        left = {leader: [r for r in riders if r.order_id not in gone] for leader, riders in self._riders.items()}
        self._riders = {leader: riders for leader, riders in left.items() if riders}
        return [event for name in gone for event in self.outbox.never_there(name, now_ns)]

    def give_up(self, now_ns: int) -> list[Input]:
        """Drop stale intents (L6): take back what has not left; return the ends. The outbox does the rest when it notes the outage."""
        return self._take_back(self.outbox.open, now_ns)

    # ----------------------------------------------------------------- came back

    def reply(self, number: int, reply: Reply, now_ns: int) -> list[Input]:
        """Take an answer; return the events in it. One that was given up before is ignored: its request was repeated or looked up."""
        flying = self._flying.pop(number, None)
        if flying is None:
            return []
        key, request, _ = flying
        wait_ns, left = self.outbox.venue.limits_of(reply, now_ns)
        busy = self.outbox.venue.word_of(request, reply) is Word.BUSY
        self.limiter.answered(key, now_ns, _TOO_MANY if busy else reply.status, retry_after_ns=wait_ns, remaining=left)
        if busy:
            self._line[key] = request  # the limiter has kept its place
            return self._take_back(self.outbox.turned_away(request), now_ns)
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
        """Follow an event that is about to be journalled; once the venue is heard again, nothing waits for its turn to be repeated."""
        self.ask(self.outbox.note(event))
        if isinstance(event, Link) and event.state == "up":
            self._later = [(event.ts_ns, request) for _, request in self._later]

    def next_ns(self, now_ns: int) -> int | None:
        """When something may leave, or an answer is overdue."""
        times = [until for _, _, until in self._flying.values()] + [at for at, _ in self._later]
        leaving = self.limiter.next_ns(now_ns)
        times += [] if leaving is None else [leaving]
        return min(times, default=None)


def leave(senders: Sequence[Sender], now_ns: int) -> None:
    """Send everything that may leave now, at each account the most urgent first, whichever pair it is of (A17, L5).

    An entry's hedge follows its primary, at whatever venue: it never leaves while that one waits, and at once when it has left,
    on the tokens that are reserved for hedges (A11, A13, A17).

    Parameters
    ----------
    senders : sequence of Sender
        All of a session. Those that share a limiter have one iterator of keys.
    now_ns : int
        The time.
    """
    for sender in senders:
        sender._prepare(now_ns)  # noqa: SLF001 - this function is the class's own, for several of them
    for sender in senders:
        sender._arrange()  # noqa: SLF001 - as above
    limiters = list(dict.fromkeys(sender.limiter for sender in senders))
    waiting = deque(limiters)
    while waiting:
        limiter = waiting.popleft()
        owners = [sender for sender in senders if sender.limiter is limiter]
        keys = deque(limiter.release(now_ns))
        while keys:
            key = keys.popleft()
            owner = next(sender for sender in owners if key in sender._line)  # noqa: SLF001 - as above
            following = owner._let_go(key, now_ns)  # noqa: SLF001 - as above
            if limiter in following:
                keys.extendleft(reversed(limiter.release(now_ns)))  # a hedge goes before what is less urgent and has its tokens already
            waiting.extend(other for other in following if other is not limiter and other not in waiting)
            if not keys:
                keys.extend(limiter.release(now_ns))
