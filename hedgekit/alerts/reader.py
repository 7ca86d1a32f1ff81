"""A session's journal read for its alerts: only what is new, in short reads that hold nobody up (``journal.source``)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

import pandas as pd

from hedgekit.alerts.alert import Alert, Limits
from hedgekit.alerts.rules import Watch
from hedgekit.errors import JournalError
from hedgekit.journal.codec import decode
from hedgekit.journal.follow import BODIES, LIMIT
from hedgekit.journal.source import Source
from hedgekit.types import SessionStarted

if TYPE_CHECKING:
    import os

COLUMNS = ("raised", "cleared", "rule", "subject", "severity", "text", "record")
"""Of :func:`table`."""


class Reader:
    """Follows the alerts of one session.

    Parameters
    ----------
    journal : str or path
        A file (SQLite) or database URL. It need not be there yet.
    session : str
        The session's name.
    limits : Limits, optional
        When to raise.

    Raises
    ------
    JournalError
        If the address is none, or the name can be no session's.
    """

    def __init__(self, journal: str | os.PathLike[str], session: str, limits: Limits | None = None) -> None:
        self._source = Source(journal, session)
        self.watch = Watch(session, limits)
        self.begun_ns = 0
        self.read = 0
        self.behind = 0
        self._recorded_ns = 0

    @property
    def active(self) -> list[Alert]:
        """What is raised and not cleared, in the order in which it was raised."""
        return list(self.watch.active.values())

    def close(self) -> None:
        """Let go of the database; a later poll opens it again."""
        self._source.close()

    def __enter__(self) -> Self:
        """Return the reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def poll(self, limit: int = LIMIT) -> list[Alert]:
        """Read at most ``limit`` records more (``behind`` says how many are left); return what they raise and clear.

        Raises
        ------
        JournalError
            If the journal cannot be read or is damaged.
        """
        stretch = self._source.read(self.read, limit, BODIES)
        found: list[Alert] = []
        for row in stretch.rows:
            record = decode(row.body)
            if isinstance(record, SessionStarted):
                self.begun_ns = record.ts_ns
            found += self.watch.take(row.id, record)
        self.read, self.behind = stretch.upto, stretch.behind
        found += self.watch.upto(stretch.upto, stretch.last_ns or 0)
        self._recorded_ns = max(self._recorded_ns, stretch.recorded_ns or 0)
        return found

    def look(self, *, alive: bool | None) -> list[Alert]:
        """Judge the session's silence, once all was read; ``alive``, whether its process is there, was asked before that.

        Returns
        -------
        list of Alert
            The alert that it raises, if any.
        """
        return [] if self.behind else self.watch.look(time.time_ns(), self._recorded_ns, alive=alive)


def table(journal: str | os.PathLike[str], session: str, limits: Limits | None = None, *, alive: bool | None = None) -> pd.DataFrame:
    """Return every alert of a session, one row each, in the order in which they were raised.

    Parameters
    ----------
    journal, session, limits
        As in :class:`Reader`.
    alive : bool or None
        Whether the session's process is there now; None if that cannot be seen.

    Returns
    -------
    DataFrame
        ``raised`` and ``cleared`` (the session's time, UTC; NaT while it holds), ``rule``, ``subject``, ``severity``, ``text``,
        ``record`` (the id of the record that raised it). Without a journal it has no rows.

    Raises
    ------
    JournalError
        If the journal cannot be read or is damaged.
    """
    with Reader(journal, session, limits) as reader:
        told = reader.poll()
        while reader.behind:
            told += reader.poll()
        told += reader.look(alive=alive)
    cleared: dict[str, int] = {}
    raised: dict[tuple[str, str], Alert] = {}
    for alert in told:
        if alert.edge == "raised":
            raised[alert.key] = alert
        else:
            cleared[raised[alert.key].id] = alert.ts_ns
    rows = [
        (alert.ts_ns, cleared.get(alert.id), alert.rule, alert.subject, alert.severity, alert.text, alert.record)
        for alert in told
        if alert.edge == "raised"
    ]
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in COLUMNS[:2]:
        found[name] = pd.to_datetime(found[name], unit="ns", utc=True)
    return found


def check_same(reader: Reader, begun_ns: int) -> None:
    """Refuse a journal that is not the one which was read before.

    Raises
    ------
    JournalError
        Then.
    """
    if reader.begun_ns and reader.begun_ns != begun_ns:
        msg = f"session {reader.watch.session!r}: this is not the journal whose alerts were told before; choose another place"
        raise JournalError(msg)
