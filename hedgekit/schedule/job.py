"""A job: one report, or a matrix of them, and when it runs. Checked when it is made, and again whenever it is read from the store."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from hedgekit import keys
from hedgekit.errors import ConfigError
from hedgekit.schedule.cron import Cron, due_after, zone_of

NS = 1_000_000_000
MOST_RETRIES, LONGEST_S = 20, 7 * 86_400.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")
_PASSWORD = re.compile(r"://[^/\s:@]*:[^/\s@]+@")


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What runs, and when.

    Attributes
    ----------
    name : str
        Letters, digits, ``.``, ``_`` and ``-``: it names files.
    cron, zone : str
        When it is due (:mod:`hedgekit.schedule.cron`), by the clocks of an IANA time zone.
    notebook : str
        A report's name, or an absolute path.
    parameters : dict
        Values in place of the notebook's defaults, for all reports of a matrix.
    matrix : str or None
        Absolute path of a YAML file: a report for each of its sets of parameters. It is read when the job runs.
    out : str
        Absolute path of the folder for the runs' folders and the index.
    pdf : bool
        Print to PDF too.
    timeout_s : float
        Most seconds of one attempt: a report, or a whole matrix.
    retries : int
        How often a failed run is tried again.
    wait_s : float
        Seconds before the first retry; doubled for each further one, at most an hour.
    command : tuple of str
        Program and arguments, run when a run has failed for good, with the failure as JSON on standard input; no shell. Empty: none.

    Raises
    ------
    ConfigError
        If one is out of range.
    """

    name: str
    cron: str
    zone: str
    notebook: str
    parameters: dict[str, Any] = {}
    matrix: str | None = None
    out: str
    pdf: bool = False
    timeout_s: float = 600.0
    retries: int = 0
    wait_s: float = 60.0
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check what needs no other file."""
        if not _NAME.fullmatch(self.name):
            msg = f"{self.name!r} can be no job's name: up to 60 letters, digits, '.', '_' and '-', a letter or digit first"
            raise ConfigError(msg)
        Cron.read(self.cron)
        zone_of(self.zone)
        for name, low, value, high in (
            ("timeout", 1.0, self.timeout_s, LONGEST_S),
            ("retries", 0, self.retries, MOST_RETRIES),
            ("wait", 0.0, self.wait_s, 86_400.0),
        ):
            if not low <= value <= high:
                msg = f"{name}={value!r} of job {self.name}: choose {low:g} to {high:g}"
                raise ConfigError(msg)

    def due_after(self, ts_ns: int) -> int:
        """Return the first moment later than this one at which it is due, UTC ns."""
        after = datetime.fromtimestamp(ts_ns // NS, UTC)
        at = due_after(Cron.read(self.cron), zone_of(self.zone), after)
        if at is None:
            msg = f"job {self.name}: {self.cron!r} is never due again; remove it"
            raise ConfigError(msg)
        return round(at.timestamp()) * NS

    def arguments(self, folder: str) -> list[str]:
        """Return the ``hedgekit`` command of one attempt, whose run is in this folder of ``out``."""
        words = ["report", "run", self.notebook, "--out", self.out, "--name", folder, "--timeout", f"{self.timeout_s:g}"]
        words += ["--matrix", self.matrix] if self.matrix is not None else []
        words += ["--pdf"] if self.pdf else []
        for name, value in self.parameters.items():
            words += ["--param", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
        return words


def made(  # noqa: PLR0913 - one for each option of the command
    name: str,
    cron: str,
    notebook: str | os.PathLike[str],
    parameters: Mapping[str, Any] | None = None,
    *,
    zone: str,
    out: str | os.PathLike[str] = "reports",
    matrix: str | os.PathLike[str] | None = None,
    command: Sequence[str] = (),
    **rest: Any,  # noqa: ANN401 - pdf, timeout_s, retries, wait_s
) -> Job:
    """Return a job, checked as ``report run`` checks: notebook, parameters, journal and matrix are there and fit.

    Raises
    ------
    ConfigError
        Also if a credential or a password stands in it: what a job needs to know is kept in a file, and shown.
    JournalError
        If the journal or the session is not there.
    """
    from hedgekit.report.matrix import combinations  # noqa: PLC0415 - only a new job is checked so; a scheduler starts without them
    from hedgekit.report.parameters import TEMPLATES, checked, notebook_of, where  # noqa: PLC0415 - as above
    from hedgekit.report.pdf import browser  # noqa: PLC0415 - as above

    path, given = notebook_of(notebook), dict(parameters or {})
    if matrix is None:
        given = checked(path, given)
    else:
        if "journal" in given:
            given["journal"] = where(str(given["journal"]))
        for number, values in enumerate(combinations(matrix), 1):
            try:
                checked(path, given | values)
            except ConfigError as error:
                msg = f"report {number} of the matrix: {error}"
                raise ConfigError(msg) from None
    if command and shutil.which(command[0]) is None:
        msg = f"command {command[0]!r}: no such program; give its path, and its arguments after it"
        raise ConfigError(msg)
    if rest.get("pdf"):
        browser()
    job = Job(
        name=name,
        cron=" ".join(cron.split()),
        zone=zone,
        notebook=str(notebook) if str(notebook) in TEMPLATES else str(path.resolve()),
        parameters=given,
        matrix=None if matrix is None else str(Path(matrix).resolve()),
        out=str(Path(out).resolve()),
        command=tuple(command),
        **rest,
    )
    _without_secrets(job)
    return job


def _without_secrets(job: Job) -> None:
    words = [*map(str, job.parameters), *(json.dumps(value) for value in job.parameters.values()), *job.command, job.notebook, job.out]
    text = "\n".join(words)
    if keys.scrubbed(text) != text or _PASSWORD.search(text) or any(map(keys.in_query, words)):
        msg = f"job {job.name}: a credential stands in its parameters or command, and would be kept and shown; leave it in the environment"
        raise ConfigError(msg)


def hedgekit(*arguments: str) -> list[str]:
    """Return the command line of hedgekit by this Python, which imports nothing from the working folder."""
    return [sys.executable, "-P", "-m", "hedgekit", *arguments]
