"""One attempt of a run: ``hedgekit report run`` in a process of its own, and what is left of it for the index."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from hedgekit import keys
from hedgekit.schedule.job import Job, hedgekit
from hedgekit.schedule.store import COMPLETED, FAILED, KILLED, LATE, Entry

GRACE_S = 20.0
"""Seconds beyond its time that a report has to say so itself, and that a process has to end when told to."""
TAIL = 16_384
"""Bytes of standard error that are looked at."""
MOST = 500
"""Characters of an error in the log."""
_LATE = 124


async def attempt(job: Job, entry: Entry, lock: int) -> Entry:
    """Run it, and return how it ended; a cancelled one is ended in order.

    Parameters
    ----------
    job : Job
    entry : Entry
        Its start.
    lock : int
        The job's lock, which the process has too: as long as it lives, the job runs.
    """
    with tempfile.TemporaryFile() as errors:  # not a pipe: if this process is killed, the report can still say that it ends
        process = await asyncio.create_subprocess_exec(
            *hedgekit(*job.arguments(entry.folder), "--die-with-parent"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=errors,
            pass_fds=(lock,),
            start_new_session=True,
        )
        late = False
        try:
            await asyncio.wait_for(process.wait(), job.timeout_s + (GRACE_S if job.matrix is None else 0.0))
        except TimeoutError:
            late = True
        finally:
            await _end(process)
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - TAIL))
        said = errors.read().decode(errors="replace")
    code = process.returncode or 0
    if late or code == _LATE:
        return _ended(entry, LATE, code, said if code == _LATE else f"it ran longer than {job.timeout_s:g} s and was ended")
    if code < 0:
        return _ended(entry, KILLED, code, f"its process was ended by {signal.Signals(-code).name}")
    return _ended(entry, FAILED if code else COMPLETED, code, said if code else "")


def _ended(entry: Entry, event: str, code: int, said: str) -> Entry:
    line = said.rpartition("hedgekit: ")[2].strip() or said.strip()[-MOST:]
    plain = "".join(letter if letter.isprintable() else " " for letter in keys.scrubbed(line))
    return entry._replace(event=event, exit_code=code, text=plain if len(plain) <= MOST else f"{plain[:MOST]} ...")


async def _end(process: asyncio.subprocess.Process) -> None:
    """End it if it still runs: politely, then with all that it started."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), GRACE_S)
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def leave(job: Job, entry: Entry) -> None:
    """See that a run that did not complete is told by its folder, and so in the index: some end before they can say so."""
    from hedgekit.report.run import stated, told_of  # noqa: PLC0415 - a scheduler starts without them

    folder = Path(job.out, entry.folder)
    told = told_of(folder)
    if told.get("status", "running") == "running":
        folder.mkdir(parents=True, exist_ok=True)
        begun = datetime.fromisoformat(told["started"]) if "started" in told else datetime.now(UTC)
        stated(folder, Path(job.notebook), job.parameters, entry.event, entry.text, begun)
