"""A running session seen from outside: read-only, in short reads, only what is new.

A panel polls a :class:`Follower` some ten times a second. A poll costs what is
new, however long the journal is; it holds no lock that the session needs, even
if the panel's process is stopped in the middle of it (see ``source``).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

from hedgekit.errors import JournalError
from hedgekit.journal import running
from hedgekit.journal.codec import decode
from hedgekit.journal.news import (
    BAR_COLUMNS,
    CommandRow,
    DecisionRow,
    GapRow,
    News,
    PlanRow,
    Standing,
    ms,
)
from hedgekit.journal.running import number
from hedgekit.journal.source import Source
from hedgekit.journal.story import Decided
from hedgekit.journal.stretch import QUOTE, Row, Stretch
from hedgekit.types import (
    Ack,
    Action,
    Cancelled,
    Command,
    Decision,
    Event,
    Fill,
    Gap,
    Link,
    MarketStatus,
    Payment,
    PlanRevised,
    Record,
    Reject,
    SessionEnded,
    SessionStarted,
)

LIMIT = 10_000
"""Rows in one poll when all of them are new: some 50 ms, little enough for the loop of a notebook (``tests/perf/panel_poll.py``)."""

BODIES = 2_500
"""Most records decoded in one poll, where few are quotes."""

STARTED, BEFORE_BAR = "session_started", ("timer", "score")
"""Types of the first record, and of those right before the decision on a bar."""


class Follower:
    """Follows one session's journal.

    Parameters
    ----------
    url_or_path : str or path
        The journal: a file (SQLite) or database URL. It need not be there yet.
    session : str
        The session's name.

    Raises
    ------
    JournalError
        If the address is none, or the name can be no session's.

    Examples
    --------
    >>> follower = Follower("journal.db", "ko-pep")               # doctest: +SKIP
    >>> news = follower.poll()                                    # doctest: +SKIP
    >>> news.bars["z"], news.standing.phase                       # doctest: +SKIP
    """

    def __init__(self, url_or_path: str | os.PathLike[str], session: str) -> None:
        self._source = Source(url_or_path, session)
        self._standing = Standing(session)
        self._counts: Counter[str] = Counter()
        self._orders, self._marks = running.Orders(), running.Marks()
        self._books: running.Books
        self._curve: running.Curve
        self._links: dict[str, str] = {}
        self._shut: dict[str, str] = {}
        self._params: dict[str, float | int | str | bool | None] = {}
        self._timer: Row | None = None
        self._decision: Decision | None = None
        self._broken = ""

    @property
    def standing(self) -> Standing:
        """Where the session stood at the last poll."""
        return self._standing

    def close(self) -> None:
        """Let go of the database; a later poll opens it again."""
        self._source.close()

    def __enter__(self) -> Self:
        """Return the follower itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def poll(self, limit: int = LIMIT) -> News:
        """Read what is new and return it.

        A session that has not begun is no error: there is no news, and ``standing.started`` is False.

        Parameters
        ----------
        limit : int
            Most records to read now; ``standing.behind`` says how many are left.

        Raises
        ------
        JournalError
            If the journal cannot be read or is damaged. After a damaged record every further poll says so again; after a
            failed read a later poll goes on where the last good one ended.
        """
        if limit < 1:
            msg = f"limit={limit}: must be 1 or more"
            raise JournalError(msg)
        if self._broken:
            raise JournalError(self._broken)
        stretch = self._source.read(self._standing.records, limit, BODIES)
        if stretch.upto == self._standing.records:
            return News(self._standing, running.columns(()))
        try:
            return self._take(stretch)
        except JournalError as error:
            self._broken = f"{self._source.name}: session {self._standing.session!r}: {error}"
            raise JournalError(self._broken) from None

    def _take(self, stretch: Stretch) -> News:
        before, fresh = self._standing, _Fresh()
        if not before.records and (not stretch.rows or (stretch.rows[0].id, stretch.rows[0].type) != (1, STARTED)):
            msg = "does not begin with session_started; run verify()"
            raise JournalError(msg)
        for row in stretch.rows:
            self._counts[row.type] += 1
            if row.type in BEFORE_BAR:
                self._timer = row
            else:
                self._note(row, decode(row.body), fresh)
        if stretch.quotes:
            self._counts[QUOTE] += stretch.quotes
        self._standing = replace(before, **fresh.changes, **self._sums(), **self._times(stretch))
        rows = {name: tuple(found) for name, found in fresh.rows.items()}
        return News(self._standing, running.columns(fresh.points), records=stretch.upto - before.records, **rows)

    def _sums(self) -> dict[str, Any]:
        """Return what the books and orders say now."""
        figures = {name: getattr(self._books, name) for name in ("positions", "cash", "fees", "fills", "payments")}
        figures |= {"bars": self._curve.bars, "working": self._orders.working(), "counts": dict(self._counts)}
        figures |= {"latency_p95_ms": self._orders.latency_p95_ms, "links": dict(self._links), "shut": dict(self._shut)}
        figures["params"] = self._params
        if self._curve.last:
            last = dict(zip(BAR_COLUMNS, self._curve.last, strict=True))
            figures |= {"hedged": last["hedged"], "unhedged": last["unhedged"]}
        return figures | (_standing_of(self._decision) if self._decision else {})

    def _times(self, stretch: Stretch) -> dict[str, Any]:
        """Return how far the journal was read, and how old it is there."""
        quoted_ns = stretch.quote_recorded_ns or self._standing.last_quote_recorded_ns
        times = {"last_ns": stretch.last_ns, "last_recorded_ns": stretch.recorded_ns, "last_quote_recorded_ns": quoted_ns}
        return times | {"records": stretch.upto, "behind": stretch.behind}

    def _note(self, row: Row, record: Record, fresh: _Fresh) -> None:
        match record:
            case Decision():
                self._decided(row, record, fresh)
            case Fill() if self._books.new(record):
                fresh.rows["fills"].append(self._books.add(record, self._orders.filled(record)))
            case Payment():
                self._books.pay(record)
            case Ack():
                self._orders.acked(record.order_id, record.ts_ns)
            case Reject() | Cancelled():
                self._orders.over(record.order_id)
            case Link() | MarketStatus():
                self._heard(record)
            case SessionStarted():
                self._start(record, fresh)
            case SessionEnded():
                fresh.changes["ended"] = record.reason
            case _:
                told = _TOLD.get(type(record))
                if told:
                    told(record, fresh)
                self._params = {**self._params, **getattr(record, "changes", {})}

    def _heard(self, record: Link | MarketStatus) -> None:
        if isinstance(record, Link):
            self._links[record.venue] = record.state
            return
        self._shut.pop(record.instrument, None)
        if record.status != "open":
            self._shut[record.instrument] = record.status

    def _start(self, record: SessionStarted, fresh: _Fresh) -> None:
        self._books = running.Books(record.instruments)
        self._curve = running.Curve(record, self._books)
        self._params = record.params
        self._links = {instrument.venue: "up" for instrument in record.instruments}
        fresh.changes |= {name: getattr(record, name) for name in ("instruments", "market", "version")} | {"started_ns": record.ts_ns}

    def _decided(self, row: Row, decision: Decision, fresh: _Fresh) -> None:
        timer = self._timer
        on_timer = timer is not None and timer.id == row.id - 1 and timer.ts_ns == decision.ts_ns
        self._orders.decided(decision)
        point = self._curve.point(Decided(row.id, decision, on_timer))
        if point is not None:
            fresh.points.append(point)
        fresh.rows["marks"] += self._marks.add(decision)
        if decision.action is not Action.HOLD:
            fresh.rows["decisions"].append(_decision(decision))
        elif self._decision is None or (self._decision.action, self._decision.reason) != (decision.action, decision.reason):
            fresh.rows["holds"].append(_decision(decision))
        self._decision = decision


class _Fresh:
    """What one stretch of records brought."""

    def __init__(self) -> None:
        names = ("marks", "fills", "decisions", "holds", "commands", "gaps", "plans")
        self.rows: dict[str, list[Any]] = {name: [] for name in names}
        self.points: list[tuple[float, ...]] = []
        self.changes: dict[str, Any] = {}


def _standing_of(decision: Decision) -> dict[str, Any]:
    figures = {"phase": decision.phase.value, "trade": decision.trade, "z": number(decision.z), "delta": number(decision.delta)}
    figures["naked"] = decision.naked
    return figures | {"ratio": number(decision.ratio), "mids": tuple(number(mid) for mid in decision.mids)}


def _decision(d: Decision) -> DecisionRow:
    words = d.action.value, d.reason.value, d.phase.value
    return DecisionRow(ms(d.ts_ns), *words, d.trade, number(d.z), d.cost, d.benefit, len(d.orders), len(d.cancels))


def _command(record: Command, fresh: _Fresh) -> None:
    fresh.rows["commands"].append(CommandRow(ms(record.ts_ns), record.name, record.ref, record.changes, record.refusal))
    if record.name in _PAUSES:
        fresh.changes["paused"] = _PAUSES[record.name]


def _gap(record: Gap, fresh: _Fresh) -> None:
    fresh.rows["gaps"].append(GapRow(ms(record.ts_ns), ms(record.since_ns)))


def _plan(record: PlanRevised, fresh: _Fresh) -> None:
    p = record.plan
    row = PlanRow(ms(record.ts_ns), p.ratio, p.stderr, p.n, p.method, ms(p.valid_until_ns), number(p.evidence.p_value), p.override)
    fresh.rows["plans"].append(row)
    fresh.changes["plan"] = row


_PAUSES = {"pause": True, "flatten": True, "resume": False}
"""Commands that stop entries or allow them again, as ``step`` takes them."""

_TOLD: dict[type[Event], Callable[[Any, _Fresh], None]] = {Command: _command, Gap: _gap, PlanRevised: _plan}
