"""Driver 2: a journal through a new Hedger; its decisions must come out bit for bit (L1).

The same code restarts a killed session and proves parity for the report.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hedgekit.errors import JournalError
from hedgekit.hedger import Hedger, routine
from hedgekit.params import Params
from hedgekit.stats.revise import Reviser
from hedgekit.types import Decision, Event, HedgePlan, Input, Record, SessionEnded, SessionStarted


class Bars:
    """The mid prices of every closed bar, and the ratio that is due on them."""

    def __init__(self, params: Params) -> None:
        self._reviser = Reviser(params)
        self._mids: list[tuple[float | None, ...]] = []  # of a closed bar, so all are there

    def add(self, event: Event, decision: Decision, bars: int) -> HedgePlan | None:
        """Note what was decided on an event; return a new plan if one is due now."""
        if bars == len(self._mids):
            return None
        self._mids.append(decision.mids)
        if bars != self._reviser.next_fit:
            return None
        return self._reviser.revise(np.array(self._mids, dtype=np.float64), event.ts_ns)

    def skip(self, decision: Decision, bars: int) -> None:
        """Note a bar whose plan, if any, stands in the journal already."""
        if bars > len(self._mids):
            self._mids.append(decision.mids)
            if bars == self._reviser.next_fit:
                self._reviser.passed()


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
        if isinstance(record, SessionStarted | SessionEnded):
            return
        if isinstance(record, Decision):
            self._compare(record)
            return
        self.finish()
        event: Input = record
        decision = self._hedger.on(event)
        self.events += 1
        if self._bars is not None:
            self._bars.skip(decision, self._hedger.bars)
        self._expected = None if routine(decision) else decision

    def _compare(self, journalled: Decision) -> None:
        if journalled != self._expected:
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
