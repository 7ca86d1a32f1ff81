"""What the schedule says in text: lines of the log, times, and how late a run was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hedgekit.schedule.job import NS

if TYPE_CHECKING:
    from hedgekit.schedule.store import Entry, Planned

LATE_S = 60.0
"""A run that starts so long after its time is told as late."""
MOST_MISSED = 1_000
"""Missed times are counted up to here."""


def lateness(planned: Planned, now: int) -> str:
    """Return how late a run starts, and how many due times were missed; empty if it starts in time."""
    late_s = (now - planned.next_ns) / NS
    if late_s < LATE_S:
        return ""
    missed, at = 0, planned.job.due_after(planned.next_ns)
    while at <= now and missed < MOST_MISSED:
        missed, at = missed + 1, planned.job.due_after(at)
    more = f", {missed}{' or more' if missed == MOST_MISSED else ''} later due times missed, run once for all" if missed else ""
    return f"late by {_long(late_s)}{more}"


def _long(seconds: float) -> str:
    for unit, size in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def iso(ts_ns: int) -> str:
    """Return a time, UTC ns, in ISO 8601 to the second."""
    return datetime.fromtimestamp(ts_ns // NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def line(entry: Entry) -> str:
    """Return a line of the log as text."""
    code = "" if entry.exit_code is None else f" (exit code {entry.exit_code})"
    return f"{iso(entry.at_ns)} {entry.folder} due {iso(entry.due_ns)}: {entry.event}{code}{f': {entry.text}' if entry.text else ''}"
