"""Reports on a schedule: jobs, when they are due, who runs them, and the log of what became of each run."""

from __future__ import annotations

from hedgekit.schedule.cron import Cron, due_after, zone_of
from hedgekit.schedule.export import crontab, units
from hedgekit.schedule.job import Job, made
from hedgekit.schedule.runner import Failure, Runner
from hedgekit.schedule.store import Entry, Planned, Store
from hedgekit.schedule.words import line

__all__ = ["Cron", "Entry", "Failure", "Job", "Planned", "Runner", "Store", "crontab", "due_after", "line", "made", "units", "zone_of"]
