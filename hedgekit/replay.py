"""Driver 2: a journal through a new Hedger; its decisions must come out bit for bit (L1).

The same code restarts a killed session and proves parity for the report.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from hedgekit.errors import JournalError
from hedgekit.hedger import Hedger, routine
from hedgekit.params import Params
from hedgekit.plugins.rows import Rows
from hedgekit.stats.revise import Reviser
from hedgekit.types import Decision, Event, Input, PlanRevised, Record, SessionEnded, SessionStarted, Switch

if TYPE_CHECKING:
    from hedgekit.plugins.checks import Array
    from hedgekit.plugins.watched import Watched


class Bars:
    """The mid prices of every closed bar, and what is due on them: a user's own score, a new ratio.

    Parameters
    ----------
    params : Params
    plugin : Watched, optional
        A user's own signal or hedge.
    """

    def __init__(self, params: Params, plugin: Watched | None = None) -> None:
        self._plugin, self._stand_in = plugin, params.stand_in != "none"
        self._reviser = Reviser(params, plugin.ratios if plugin is not None and plugin.has_ratios else None)
        self._rows = Rows()
        self._given_ns = 0
        """Until when a plan that came from a file is in force."""

    @property
    def mids(self) -> Array:
        """Mids so far, shape (bars, legs)."""
        return self._rows.mids

    def add(self, event: Event, decision: Decision, bars: int) -> list[Input]:
        """Note what was decided on an event; return what is due now, in order: the bar's score, then a new plan.

        As long as a plan that came from a file is valid, no other is made in its place.
        """
        self._given(event)
        if bars == len(self._rows):
            return []
        self._note(decision)
        due = [] if self._plugin is None else self._plugin.score(self.mids, event.ts_ns)
        if bars != self._reviser.next_fit:
            return due
        if event.ts_ns <= self._given_ns:
            self._reviser.passed()
            return due
        if self._plugin is not None:
            return [*due, *self._plugin.plan(self._reviser, self.mids, event.ts_ns)]
        return [PlanRevised(ts_ns=event.ts_ns, plan=self._reviser.revise(self.mids, event.ts_ns))]

    def skip(self, event: Event, decision: Decision, bars: int) -> None:
        """Note an event of the journal: what was due on it, if anything, stands there already."""
        self._given(event)
        if bars > len(self._rows):
            self._note(decision)
            if bars == self._reviser.next_fit:
                self._reviser.passed()
        if self._plugin is not None:
            self._plugin.note(event)
            if isinstance(event, PlanRevised) and not event.source:
                self._reviser.known(len(self._rows), event.plan)

    def _given(self, event: Event) -> None:
        if isinstance(event, PlanRevised):
            self._given_ns = event.plan.valid_until_ns if event.source else 0

    def _note(self, decision: Decision) -> None:
        mids = decision.mids[:-1] if self._stand_in else decision.mids  # what stands in for a leg has no part in the signal
        self._rows.add(np.array([mids], dtype=np.float64))  # of a closed bar, so all are there


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of replaying a journal.

    Attributes
    ----------
    decisions : int
        Decisions compared, all equal.
    events : int
        Events fed.
    """

    decisions: int
    events: int


def _older(journalled: Decision, expected: Decision | None) -> bool:
    """Whether a decision is the expected one but for what a journal did not say of an order when it was written."""
    if expected is None or len(journalled.orders) != len(expected.orders):
        return False
    pairs = zip(expected.orders, journalled.orders, strict=True)
    orders = tuple(msgspec.structs.replace(mine, reduces=None) if theirs.reduces is None else mine for mine, theirs in pairs)
    return journalled == msgspec.structs.replace(expected, orders=orders)


class Replayer:
    """Feeds a journal's events to a Hedger and compares what it decides with what stands there."""

    def __init__(self, hedger: Hedger, bars: Bars | None = None) -> None:
        self._hedger, self._bars = hedger, bars
        self._expected: Decision | None = None
        self.decisions = 0
        self.events = 0

    def feed(self, record: Record) -> None:
        """Take one record.

        Raises
        ------
        JournalError
            At the first decision that differs, with both.
        """
        if isinstance(record, SessionStarted | SessionEnded | Switch):
            return
        if isinstance(record, Decision):
            self._compare(record)
            return
        self.finish()
        event: Input = record
        decision = self._hedger.on(event)
        self.events += 1
        if self._bars is not None:
            self._bars.skip(event, decision, self._hedger.bars)
        self._expected = None if routine(decision) else decision

    def _compare(self, journalled: Decision) -> None:
        if journalled != self._expected and not _older(journalled, self._expected):
            msg = f"replay differs at {journalled.ts_ns}: journal has {journalled}, this code decides {self._expected}"
            raise JournalError(msg)
        self._expected = None
        self.decisions += 1

    def finish(self) -> None:
        """Check that no decision is missing from the journal.

        Raises
        ------
        JournalError
            If this code decides something that the journal does not have.
        """
        if self._expected is not None:
            msg = f"replay differs: this code decides {self._expected}, which is not in the journal"
            raise JournalError(msg)


def replay(records: Iterable[Record]) -> Replay:
    """Replay a journal and check every decision bit for bit.

    Parameters
    ----------
    records : iterable of Record
        A whole session, from its :class:`~hedgekit.types.SessionStarted` on
        (``Journal.records()``).

    Raises
    ------
    JournalError
        At the first difference, or if the journal does not begin with its session.
    """
    stream = iter(records)
    first = next(stream, None)
    if not isinstance(first, SessionStarted):
        msg = "a journal must begin with session_started; this one does not"
        raise JournalError(msg)
    replayer = Replayer(Hedger(first.session, first.instruments, Params.make(**first.params)))
    for record in stream:
        replayer.feed(record)
    replayer.finish()
    return Replay(replayer.decisions, replayer.events)
