"""Who may send when: the venue's rate limits hold, and a close never queues behind a quote (A17, L5).

Sans-I/O: the session puts requests in line (:meth:`Limiter.ask`), sends those that :meth:`Limiter.release` names, tells what was
answered (:meth:`Limiter.answered`), and is woken at :meth:`Limiter.next_ns`. Time and chance are passed in.

**What a venue allows** is data: a :class:`Budget` for each thing that it counts. A request spends from all that list its kind.

**When it counts.** A request arrives some time between its departure and its answer, and departures a second apart may arrive
together. So its tokens are gone from the departure on, but flow back (or leave the window) only as from the answer: the venue's
own count is kept over every interval, whatever the network does. The price: with a budget used up, a round trip of waiting.

**Who is first** (A17). CLOSE, HEDGE, PRIMARY, QUERY; within one, who asked first. So the closes of one leg leave in the order of
asking, none merged, none overtaken. A refused request (429) keeps its place; one asked again because its answer was lost is new
and goes to the end of its priority. One request passes another only if that one waits for a budget from which it does not spend,
and only on tokens left when all ahead of it have theirs, so it delays nobody. Nothing else waits while its tokens are there.
QUERY is promised nothing: it starves while the others use the venue up.

**The reserve** of a priority is kept from those below it: closes and hedges that come at once and cost no more leave at once.

**Exact**: integer ns, integer parts of tokens, rounded once and up, to the ns of a departure. Time that stands still or steps
back gives nothing, and counts again when it is past where it had been: use a clock that nobody sets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import insort
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from hedgekit.errors import ConfigError
from hedgekit.net.budget import RANK, Budget
from hedgekit.types import NS, Priority

_NEVER = 1 << 80
_OK, _TOO_MANY, _SERVER = 200, 429, 500


class _Meter(ABC):
    """What the venue may have counted against one budget, in parts of a token."""

    def __init__(self, budget: Budget, parts: int) -> None:
        self.parts, self.full, self.away = parts, budget.capacity * parts, 0
        kept = [budget.reserve.get(priority, 0) * parts for priority in Priority]
        self._floors = [sum(kept[:rank]) for rank in range(len(kept))]
        self.held_ns = self.refused_ns = -_NEVER
        self.refusals = 0

    def when(self, cost: int, rank: int) -> int:
        """Return when so much may leave at that rank if nothing more is answered."""
        need = cost + self._floors[rank] + self.away
        return _NEVER if need > self.full else max(self.held_ns, self._when(self.full - need))

    def settle(self, cost: int, now_ns: int) -> None:
        """Count it as arrived now, the latest that it can have been."""
        self.away -= cost
        self.spend(cost, now_ns)

    def tighten(self, left: int, now_ns: int) -> None:
        """Believe the venue that no more is left; what is under way is in its count."""
        self.spend(max(0, self.full - self.away - self._spent_at(now_ns) - left), now_ns)

    def left(self, now_ns: int) -> int:
        """Return what may be spent, in parts of a token."""
        return self.full - self.away - self._spent_at(now_ns)

    @abstractmethod
    def spend(self, cost: int, now_ns: int) -> None:
        """Count what arrived."""

    @abstractmethod
    def _spent_at(self, now_ns: int) -> int:
        """Return what has arrived and still counts."""

    @abstractmethod
    def _when(self, most: int) -> int:
        """Return when no more than so much of what has arrived still counts."""


class _Bucket(_Meter):
    """What was spent sinks at a steady rate."""

    def __init__(self, budget: Budget) -> None:
        rate = budget.pace / NS
        super().__init__(budget, rate.denominator)
        self._rate, self._spent, self._at_ns = rate.numerator, 0, -_NEVER

    def spend(self, cost: int, now_ns: int) -> None:
        self._spent, self._at_ns = self._spent_at(now_ns) + cost, now_ns

    def _spent_at(self, now_ns: int) -> int:
        return max(0, self._spent - self._rate * (now_ns - self._at_ns))

    def _when(self, most: int) -> int:
        return self._at_ns + max(0, -((most - self._spent) // self._rate))


class _Window(_Meter):
    """What was spent is forgotten when the window has passed."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget, 1)
        self._span_ns = ceil(budget.pace * NS)
        self._log: deque[tuple[int, int]] = deque()  # (forgotten at, cost), in that order
        self._spent = 0

    def spend(self, cost: int, now_ns: int) -> None:
        self._spent = self._spent_at(now_ns) + cost
        if cost:
            self._log.append((now_ns + self._span_ns, cost))

    def _spent_at(self, now_ns: int) -> int:
        while self._log and self._log[0][0] <= now_ns:
            self._spent -= self._log.popleft()[1]
        return self._spent

    def _when(self, most: int) -> int:
        over, at_ns = self._spent - most, -_NEVER
        for forgotten_ns, cost in self._log:
            if over <= 0:
                break
            over, at_ns = over - cost, forgotten_ns
        return at_ns


@dataclass(slots=True, eq=False)
class _Item:
    """A request; ``costs`` are (number of the budget, cost in its parts)."""

    key: int
    place: tuple[int, int]
    costs: tuple[tuple[int, int], ...]
    left_ns: int | None = None


class Limiter:
    """The line before one account's rate limits (A17, L5).

    Parameters
    ----------
    budgets : sequence of Budget
        All that the venue counts.
    rng : numpy.random.Generator
        Where the backoff's jitter comes from.
    spent_ns : int, optional
        For a process that follows another on the account (a restart): no request of that one reached the venue later; if in
        doubt, now. All that the venue allows counts as spent at that time. What the other was told by a 429 is not known: the
        venue says it again. None: nobody used the account for longer than the budgets remember.
    backoff_ns, backoff_max_ns : int
        The n-th 429 in a row without a Retry-After holds its budgets for 1 ns to ``min(backoff_ns * 2**(n - 1),
        backoff_max_ns)``, drawn evenly (full jitter).

    Raises
    ------
    ConfigError
        If there is no budget, or two of one name.
    """

    def __init__(
        self,
        budgets: Sequence[Budget],
        rng: np.random.Generator,
        *,
        spent_ns: int | None = None,
        backoff_ns: int = NS // 2,
        backoff_max_ns: int = 30 * NS,
    ) -> None:
        names = [budget.name for budget in budgets]
        if not names or len(set(names)) < len(names):
            msg = f"the venue's budgets are named {names}: write at least one, each with a name of its own"
            raise ConfigError(msg)
        self._budgets, self._rng, self._backoff_ns, self._backoff_max_ns = tuple(budgets), rng, backoff_ns, backoff_max_ns
        self._meters = [_Window(budget) if budget.refill_per_s is None else _Bucket(budget) for budget in budgets]
        self._named = dict(zip(names, self._meters, strict=True))
        self._items: dict[int, _Item] = {}
        self._line: list[_Item] = []
        self._asked, self._now_ns = 0, -_NEVER if spent_ns is None else spent_ns
        for meter in self._meters if spent_ns is not None else ():
            meter.spend(meter.full, self._now_ns)

    @property
    def waiting(self) -> int:
        """How many requests are in line."""
        return len(self._line)

    def left(self, now_ns: int) -> dict[str, tuple[int, int]]:
        """Return, by name of budget, how many tokens are left at a time, and of how many."""
        now_ns = max(self._now_ns, now_ns)
        return {name: (max(meter.left(now_ns), 0) // meter.parts, meter.full // meter.parts) for name, meter in self._named.items()}

    def ask(self, key: int, kind: str, priority: Priority, *, orders: int = 1) -> None:
        """Put a request in line; ``key`` names it until it is answered or dropped.

        Raises
        ------
        ConfigError
            If no budget lists the kind, or the request could never leave.
        ValueError
            If the key is in use, or there is no order in it.
        """
        if key in self._items or orders < 1:
            msg = f"request {key!r} of {orders} order(s): a key is in use until its answer, and orders are 1 or more"
            raise ValueError(msg)
        tokens = [budget.cost(kind, orders, priority) for budget in self._budgets]
        if not any(tokens):
            known = ", ".join(sorted({kind for budget in self._budgets for kind in budget.costs | budget.each}))
            msg = f"no budget lists requests of kind {kind!r}; they list {known}"
            raise ConfigError(msg)
        self._asked += 1
        costs = tuple((n, cost * self._meters[n].parts) for n, cost in enumerate(tokens) if cost)
        item = self._items[key] = _Item(key, (RANK[priority], self._asked), costs)
        self._join(item)

    def recall(self, kind: str, at_ns: int) -> None:
        """Count a request that was sent before this limiter was made; in order of time."""
        for n, budget in enumerate(self._budgets):
            self._meters[n].spend(budget.cost(kind) * self._meters[n].parts, at_ns)
        self._now_ns = max(self._now_ns, at_ns)

    def _join(self, item: _Item) -> None:
        item.left_ns = None
        insort(self._line, item, key=lambda other: other.place)

    def drop(self, key: int) -> bool:
        """Take a request out of the line; False if it has left already, or never came."""
        item = self._items.get(key)
        if item is None or item.left_ns is not None:
            return False
        self._line.remove(self._items.pop(key))
        return True

    def release(self, now_ns: int) -> list[int]:
        """Return the keys of the requests that leave now, in order (L5): send them, and report each by :meth:`answered`."""
        now_ns = self._now_ns = max(self._now_ns, now_ns)
        leaving = []
        for at_ns, item in self._heads():
            if at_ns <= now_ns:
                leaving.append(item.key)
                item.left_ns = now_ns
                for n, cost in item.costs:
                    self._meters[n].away += cost
        if leaving:
            self._line = [item for item in self._line if item.left_ns is None]
        return leaving

    def next_ns(self, now_ns: int) -> int | None:
        """Return the first time from ``now_ns`` on at which something may leave; exact, unless something is asked or answered before.

        None if nothing is in line, or only an answer can let it go on.
        """
        soonest = min((at_ns for at_ns, _ in self._heads()), default=_NEVER)
        return None if soonest == _NEVER else now_ns if soonest <= max(self._now_ns, now_ns) else soonest

    def _heads(self) -> Iterator[tuple[int, _Item]]:
        """Yield who waits for no budget that somebody ahead waits for, with the time when it may leave.

        Who is ahead and stays has first claim to its tokens in all of its budgets.
        """
        claims, shut = [0] * len(self._meters), set[int]()
        for item in self._line:
            if not any(n in shut for n, _ in item.costs):
                at_ns, awaited = max((self._meters[n].when(claims[n] + cost, item.place[0]), n) for n, cost in item.costs)
                yield at_ns, item
                if item.left_ns is not None:
                    continue
                shut.add(awaited)
                if len(shut) == len(claims):
                    return
            for n, cost in item.costs:
                claims[n] += cost

    def answered(
        self, key: int, now_ns: int, status: int, *, retry_after_ns: int | None = None, remaining: Mapping[str, int] | None = None
    ) -> None:
        """Learn from an answer, or from its absence (A17).

        Parameters
        ----------
        key : int
            A request that has left.
        now_ns : int
            When the answer came.
        status : int
            Of HTTP; 0 if none came and none is awaited any more. After 429 the request is in line again at its old place and
            all its budgets are held; any other from 200 to 499 ends their backoff.
        retry_after_ns : int, optional
            How long the venue wants no request, whatever the status. Not above 0 says nothing: venues round down.
        remaining : mapping, optional
            Tokens left by the venue's count, by name of budget; only ever taken as less than our own count.

        Raises
        ------
        ValueError
            If the request is not under way.
        KeyError
            If ``remaining`` names no budget.
        """
        item = self._items.get(key)
        if item is None or item.left_ns is None:
            msg = f"request {key!r} is not under way: it was never released, or is answered already"
            raise ValueError(msg)
        told = [(self._named[name], tokens) for name, tokens in (remaining or {}).items()]
        now_ns = self._now_ns = max(self._now_ns, now_ns)
        for n, cost in item.costs:
            self._meters[n].settle(cost, now_ns)
        for meter, tokens in told:
            meter.tighten((max(tokens, 0) + 1) * meter.parts - 1, now_ns)  # venues round down
        for n, _ in item.costs:
            self._learn(self._meters[n], item.left_ns, status, retry_after_ns or 0)
        if status == _TOO_MANY:
            self._join(item)
        else:
            del self._items[key]

    def _learn(self, meter: _Meter, left_ns: int, status: int, pause_ns: int) -> None:
        """Hold a budget or end its backoff; the outcome of what left before the last 429 came is old news, its pause is not."""
        if pause_ns > 0:
            meter.held_ns = max(meter.held_ns, self._now_ns + pause_ns)
        if left_ns <= meter.refused_ns:
            return
        if status == _TOO_MANY:
            bound_ns = min(self._backoff_ns << min(meter.refusals, 64), self._backoff_max_ns)
            meter.refused_ns, meter.refusals = self._now_ns, meter.refusals + 1
            if isinstance(meter, _Bucket):  # it is empty, and fills as we know; when a window began we do not know
                meter.tighten(0, self._now_ns)
            if pause_ns <= 0:
                meter.held_ns = max(meter.held_ns, self._now_ns + int(self._rng.integers(1, bound_ns, endpoint=True)))
        elif _OK <= status < _SERVER:
            meter.refusals = 0
