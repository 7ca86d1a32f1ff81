"""Jobs for the machine's own scheduler: systemd timers, or lines of a crontab.

They wake ``hedgekit schedule run JOB --once``, which runs what is due by the schedule's own clock and nothing else. So a timer that comes
too often, or twice, or beside a running scheduler does no harm.

systemd knows time zones. A crontab goes by the machine's zone: a job of another zone is looked at each hour at its minutes.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hedgekit.errors import ConfigError
from hedgekit.schedule.cron import DAYS, FIELDS, Cron, zone_of
from hedgekit.schedule.job import Job, hedgekit

ENVIRONMENT = "%h/.config/hedgekit/environment"
"""Where a unit reads HEDGEKIT_WEBHOOK and its like, if the file is there."""

_SERVICE = """[Unit]
Description=hedgekit report {name}

[Service]
Type=oneshot
EnvironmentFile=-{environment}
ExecStart={command}
KillMode=mixed
TimeoutStopSec=60
"""
_TIMER = """[Unit]
Description=hedgekit report {name}: {cron} {zone}

[Timer]
{times}
Persistent=true
AccuracySec=1s

[Install]
WantedBy=timers.target
"""
_LIMITS = tuple(FIELDS.values())


def units(job: Job, store: Path) -> dict[str, str]:
    """Return the unit files of a job, by their names."""
    stem, command = f"hedgekit-{job.name}", " ".join(map(_unit_word, _command(job, store)))
    times = "\n".join(f"OnCalendar={time}" for time in calendar(Cron.read(job.cron), job.zone))
    return {
        f"{stem}.service": _SERVICE.format(name=job.name, environment=ENVIRONMENT, command=command),
        f"{stem}.timer": _TIMER.format(name=job.name, cron=job.cron, zone=job.zone, times=times),
    }


def calendar(cron: Cron, zone: str) -> list[str]:
    """Return systemd's calendar expressions of a cron expression."""
    second, minute, hour, day, month = (_list(cron, i, "02d") for i in range(5))
    weekdays = "" if len(cron.fields[5]) == len(DAYS) else ",".join(DAYS[i].capitalize() for i in sorted(cron.fields[5])) + " "
    clock = f"{hour}:{minute}:{second} {zone}"
    if cron.days_of_either_kind:
        return [f"*-{month}-{day} {clock}", f"{weekdays}*-{month}-* {clock}"]
    return [f"{weekdays}*-{month}-{day} {clock}"]


def crontab(jobs: Sequence[Job], store: Path, zone: str) -> str:
    """Return the lines of a crontab.

    Parameters
    ----------
    jobs : sequence of Job
    store : path
        The schedule.
    zone : str
        The zone of the machine, by which its cron goes.

    Raises
    ------
    ConfigError
        If a job has seconds.
    """
    return "".join(f"# {job.name}: {job.cron} {job.zone}\n{_times(job, zone)} {_cron_words(_command(job, store))}\n" for job in jobs)


def _times(job: Job, zone: str) -> str:
    cron = Cron.read(job.cron)
    if cron.fields[0] != {0}:
        msg = f"job {job.name}: {job.cron!r} has seconds, which a crontab has not; export it --systemd, or give it five fields"
        raise ConfigError(msg)
    if job.zone == zone:
        return " ".join("*" if cron.stars[i] and _whole(cron, i) else _list(cron, i, "d") for i in range(1, 6))
    minutes = {(minute + shift) % 60 for minute in cron.fields[1] for shift in _shifts(job.zone, zone)}
    return f"{','.join(map(str, sorted(minutes)))} * * * *"


def _shifts(zone: str, other: str) -> set[int]:
    """Return by how many minutes, beyond whole hours, two zones' clocks differ within the next years."""
    begin = datetime.now(UTC)
    weeks = (begin + timedelta(weeks=week) for week in range(52 * 5))
    offsets = ((at.astimezone(zone_of(each)).utcoffset() or timedelta(0) for each in (other, zone)) for at in weeks)
    return {int((here - there).total_seconds() // 60) % 60 for here, there in offsets}


def _whole(cron: Cron, field: int) -> bool:
    low, high = _LIMITS[field]
    return len(cron.fields[field]) == high - low + 1 - (field == len(_LIMITS) - 1)


def _list(cron: Cron, field: int, form: str) -> str:
    return "*" if _whole(cron, field) else ",".join(format(value, form) for value in sorted(cron.fields[field]))


def _command(job: Job, store: Path) -> list[str]:
    return hedgekit("schedule", "run", job.name, "--once", "--store", str(store))


def _unit_word(word: str) -> str:
    """Quote a word for ``ExecStart``: systemd expands % and $ also inside quotes."""
    if any(not letter.isprintable() for letter in word):
        msg = f"{word!r} cannot stand in a unit file: it has letters that do not print; move the schedule elsewhere"
        raise ConfigError(msg)
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{plain}"' if plain != word or any(letter in " ';" for letter in word) or not word else word


def _cron_words(words: Sequence[str]) -> str:
    """Quote words for the shell, and % once more for cron, which takes it for a line's end."""
    if any("\n" in word for word in words):
        msg = "a line of a crontab cannot have a line break in it; move the schedule elsewhere"
        raise ConfigError(msg)
    return shlex.join(words).replace("%", "\\%")
