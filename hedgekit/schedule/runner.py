"""What looks at the schedule and runs what is due; several may look at one schedule, each due time is taken by one of them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hedgekit.errors import ConfigError, HedgekitError
from hedgekit.schedule.attempt import attempt, leave
from hedgekit.schedule.job import NS, Job
from hedgekit.schedule.store import (
    COMPLETED,
    FAILED,
    GIVEN_UP,
    INTERRUPTED,
    KILLED,
    LATE,
    NOT_TOLD,
    REFUSED,
    STARTED,
    TOLD,
    UNFINISHED,
    WAITS,
    Entry,
    Planned,
    Store,
)
from hedgekit.schedule.words import iso, lateness, line

if TYPE_CHECKING:
    from hedgekit.alerts import Sink

_T = TypeVar("_T")

POLL_S = 1.0
"""Seconds between two looks at the schedule, at most: other processes may change it."""
MOST_KILLED = 3
"""So often is a run that was killed begun again, beyond its retries, before it is given up: it may be what brings the machine down."""
LONGEST_WAIT_S = 3_600.0
TELL = (0.0, 1.0, 4.0)
"""Seconds before each try to tell a failure."""
_TURN_S = 0.2
"""Seconds between two tries to be the one that tells."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A run that failed for good, as a command or a webhook gets it."""

    id: str
    job: str
    run: str
    outcome: str
    exit_code: int | None
    text: str
    due: str
    attempts: int
    folder: str


class Runner:
    """Runs jobs.

    Parameters
    ----------
    store : Store
    only : collection of str
        Names of the jobs to look after; all by default.
    webhook : str, optional
        Address that gets each failure. It may hold a token, so it is no part of a job.
    say : callable
        Takes each line of the log as text.
    """

    def __init__(
        self, store: Store, *, only: Collection[str] = (), webhook: str | None = None, say: Callable[[str], object] = lambda _: None
    ) -> None:
        self._store, self._only, self._say = store, frozenset(only), say
        self._webhook = None if webhook is None else _webhook(webhook)
        self._at_work: dict[str, asyncio.Task[Entry]] = {}
        self._telling: dict[str, asyncio.Task[None]] = {}
        self._indexing = asyncio.Lock()
        self._trouble, self._unread = "", set[str]()
        for name in self._only:
            store.job(name)

    async def run(self) -> None:
        """Run what is due, until cancelled; then runs at work are interrupted, and begun again by the next one who looks."""
        try:
            while True:
                pause_s = self._looked()
                await asyncio.sleep(pause_s)
        finally:
            tasks = [*self._at_work.values(), *self._telling.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def once(self) -> list[Entry]:
        """Run what is due now, wait for its end, and return how each run ended."""
        self._look()
        ended = await self._all(list(self._at_work.values()))
        await asyncio.gather(*self._telling.values())
        return ended

    async def now(self, name: str) -> Entry:
        """Run a job now, due or not, and return how it ended.

        Raises
        ------
        ConfigError
            If it is at work.
        """
        planned = self._store.job(name)
        lock = self._store.lock(name)
        if lock is None:
            msg = f"job {name} is at work; see `hedgekit schedule log {name}`"
            raise ConfigError(msg)
        start = _start(planned.job, time.time_ns(), 1, "asked for by hand")
        self._note(start)
        return (await self._all([self._begin(planned, start, lock)]))[0]

    async def _all(self, tasks: list[asyncio.Task[Entry]]) -> list[Entry]:
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # ----------------------------------------------------------------- looking

    def _looked(self) -> float:
        """Look once; return for how many seconds to wait. A store that fails for a moment must not end the runs at work."""
        try:
            self._look()
            pause_s = self._pause_s()
        except (HedgekitError, OSError) as error:
            if str(error) != self._trouble:
                self._say(f"{error}; it is tried again")
            self._trouble = str(error)
            return POLL_S
        self._trouble = ""
        return pause_s

    def _pause_s(self) -> float:
        ahead = [planned.next_ns - time.time_ns() for planned in self._jobs()]
        return max(0.0, min([POLL_S, *(ns / NS for ns in ahead)]))

    def _jobs(self) -> list[Planned]:
        return [planned for planned in self._store.jobs(self._skip) if not self._only or planned.job.name in self._only]

    def _skip(self, error: ConfigError) -> None:
        """Leave out a job that cannot be read, and say so once: the others go on."""
        if str(error) not in self._unread:
            self._unread.add(str(error))
            self._say(str(error))

    def _look(self) -> None:
        """Begin what is due. A job that fails to begin does not stop those after it; its error is raised at the end."""
        failed: HedgekitError | OSError | None = None
        for planned in self._jobs():
            try:
                self._look_at(planned, time.time_ns())
            except (HedgekitError, OSError) as error:
                failed = failed or error
        if failed is not None:
            raise failed

    def _look_at(self, planned: Planned, now: int) -> None:
        due, name = planned.next_ns <= now, planned.job.name
        self._tell_what_is_owed(planned.job)
        if not due and (name in self._at_work or not _unfinished(self._store.last(planned))):
            return
        lock = None if name in self._at_work else self._store.lock(name)
        if lock is None:
            if due:
                self._refuse(planned, now)
            return
        try:
            start = self._taken(planned, now, due=due)
        except BaseException:
            os.close(lock)
            raise
        if start is None:
            os.close(lock)
        else:
            self._begin(planned, start, lock)

    def _refuse(self, planned: Planned, now: int) -> None:
        entry = _start(planned.job, planned.next_ns, 1)._replace(event=REFUSED, text="the run before it is still at work")
        if self._store.claim(planned, planned.job.due_after(now), entry):
            self._say(line(entry._replace(at_ns=now)))

    def _taken(self, planned: Planned, now: int, *, due: bool) -> Entry | None:
        """Take what is due, or what was not finished by a process that is gone: we have its lock."""
        left = self._store.last(planned)
        if left is not None and left.event == STARTED:
            left = left._replace(event=KILLED, exit_code=None, text="its process is gone and did not say how it ended")
            self._note(left)
            self._leave(planned.job, left)
        caught = f"the run {left.run} was {left.event}" if left is not None and _unfinished(left) and left.event != WAITS else ""
        if due:
            start = _start(planned.job, planned.next_ns, 1, "; ".join(filter(None, (lateness(planned, now), caught))))
            if not self._store.claim(planned, planned.job.due_after(now), start):
                return None
            self._say(line(start._replace(at_ns=now)))
            return start
        if left is None or not _unfinished(left):  # another process was quicker
            return None
        if left.attempt >= planned.job.retries + 1 + MOST_KILLED:
            given_up = left._replace(event=GIVEN_UP, exit_code=None, text=f"begun {left.attempt} times, never finished")
            self._note(given_up, owed=self._sinks(planned.job))
            self._tell_what_is_owed(planned.job)
            return None
        start = left._replace(attempt=left.attempt + 1, event=STARTED, exit_code=None, text=f"caught up: {caught}" if caught else "a retry")
        self._note(start)
        return start

    def _begin(self, planned: Planned, start: Entry, lock: int) -> asyncio.Task[Entry]:
        task = asyncio.create_task(self._serve(planned.job, start, lock), name=start.run)
        self._at_work[planned.job.name] = task
        task.add_done_callback(lambda done: self._ended(planned.job.name, lock, done))
        return task

    def _ended(self, name: str, lock: int, task: asyncio.Task[Entry]) -> None:
        """Give the lock back, also of a run that was cancelled before it began."""
        os.close(lock)
        self._over(self._at_work, name, task)

    def _over(self, tasks: dict[str, asyncio.Task[_T]], name: str, task: asyncio.Task[_T]) -> None:
        tasks.pop(name, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._say(f"{name}: {type(error).__name__}: {error}")  # what is unfinished, or owed, is begun again

    # ----------------------------------------------------------------- running

    async def _serve(self, job: Job, start: Entry, lock: int) -> Entry:
        """Run it, and again if it fails, as often as the job says."""
        while True:
            try:
                ended = await attempt(job, start, lock)
            except asyncio.CancelledError:
                stopped = start._replace(event=INTERRUPTED, text="the scheduler was stopped")
                self._note(stopped)
                self._leave(job, stopped)
                raise
            wait_s = self._outcome(job, ended)
            await self._index(job)
            if ended.event == COMPLETED:
                return ended
            if wait_s is None:
                await self._tell(job)
                return ended
            await asyncio.sleep(wait_s)
            start = ended._replace(attempt=ended.attempt + 1, event=STARTED, exit_code=None, text="a retry")
            self._note(start)

    def _outcome(self, job: Job, ended: Entry) -> float | None:
        """Note how an attempt ended and what follows, at once; return the seconds before the next attempt, None if there is none."""
        if ended.event == COMPLETED:
            self._note(ended)
            return None
        self._leave(job, ended)
        wait_s = self._patience_s(job, ended)
        if wait_s is not None:
            self._note(ended, ended._replace(event=WAITS, exit_code=None, text=f"again in {wait_s:g} s"))
            return wait_s
        over = [ended._replace(event=GIVEN_UP, text="no retry is left")] if ended.event == KILLED else []
        self._note(ended, *over, owed=self._sinks(job))
        return None

    def _leave(self, job: Job, entry: Entry) -> None:
        try:
            leave(job, entry)
        except OSError as error:
            self._say(f"{job.name}: cannot write {entry.folder} in {job.out}: {error.strerror}")

    def _patience_s(self, job: Job, ended: Entry) -> float | None:
        """Return the seconds before the next attempt; None if there is none, or the next run is due sooner."""
        failed = 1 + self._store.count(ended.run, (FAILED, LATE, KILLED))
        if failed > job.retries:
            return None
        wait_s = min(job.wait_s * 2.0 ** (failed - 1), LONGEST_WAIT_S)
        now = time.time_ns()
        return wait_s if now + wait_s * NS < job.due_after(now) else None

    async def _index(self, job: Job) -> None:
        from hedgekit.report import write_index  # noqa: PLC0415 - a scheduler starts without it

        async with self._indexing:
            try:
                await asyncio.to_thread(write_index, job.out)
            except HedgekitError as error:
                self._say(f"{job.name}: {error}")

    # ----------------------------------------------------------------- telling

    def _sinks(self, job: Job) -> list[str]:
        """Return by what a failure of a job is told."""
        return ["command"] * bool(job.command) + ["webhook"] * (self._webhook is not None)

    def _tell_what_is_owed(self, job: Job) -> None:
        """Begin to tell what a scheduler left that was killed, unless we are at it; without a webhook its part waits for who has one."""
        owed = {sink for _, sink, _ in self._store.owed(job.name)} & set(self._sinks(job))
        if owed and job.name not in self._at_work and job.name not in self._telling:
            telling = self._telling[job.name] = asyncio.create_task(self._tell(job))
            telling.add_done_callback(lambda done: self._over(self._telling, job.name, done))

    async def _tell(self, job: Job) -> None:
        """Tell what is owed of a job; one at a time, of all processes."""
        while (lock := self._store.lock(job.name, telling=True)) is None:  # noqa: ASYNC110 - another process has it, no event of ours
            await asyncio.sleep(_TURN_S)
        try:
            for number, name, ended in self._store.owed(job.name):
                if name in self._sinks(job):
                    event, text = await self._told_by(name, job, ended)
                    said = ended._replace(event=event, exit_code=None, text=text)
                    self._store.settle(number, name, said)
                    self._say_line(said)
        finally:
            os.close(lock)

    async def _told_by(self, name: str, job: Job, ended: Entry) -> tuple[str, str]:
        from hedgekit.alerts import Command  # noqa: PLC0415 - a scheduler starts without it

        failure = Failure(
            id=f"{ended.run}/{ended.attempt}",
            job=job.name,
            run=ended.run,
            outcome=ended.event,
            exit_code=ended.exit_code,
            text=ended.text,
            due=iso(ended.due_ns),
            attempts=ended.attempt,
            folder=str(Path(job.out, ended.folder)),
        )
        try:
            sink = Command(job.command) if name == "command" else self._webhook
        except ConfigError as error:
            return NOT_TOLD, str(error)
        assert sink is not None  # noqa: S101 - it is one of ours
        return await _told(sink, failure)

    def _note(self, *entries: Entry, owed: Sequence[str] = ()) -> None:
        self._store.note(*entries, owed=owed)
        for entry in entries:
            self._say_line(entry)

    def _say_line(self, entry: Entry) -> None:
        self._say(line(entry._replace(at_ns=time.time_ns())))


def _webhook(address: str) -> Sink:
    from hedgekit.alerts import Webhook  # noqa: PLC0415 - a scheduler without one starts sooner

    return Webhook(address)


async def _told(sink: Sink, failure: Failure) -> tuple[str, str]:
    from hedgekit.alerts.sinks import NotTold  # noqa: PLC0415 - as above

    why = ""
    for wait_s in TELL:
        await asyncio.sleep(wait_s)
        try:
            await sink.tell(failure)
        except NotTold as error:
            why = f": {error}"
        else:
            return TOLD, sink.name
    return NOT_TOLD, f"{sink.name}{why}"


def _unfinished(entry: Entry | None) -> bool:
    return entry is not None and entry.event in UNFINISHED


def _start(job: Job, due_ns: int, number: int, text: str = "") -> Entry:
    stamp = datetime.fromtimestamp(due_ns // NS, UTC).strftime("%Y%m%dT%H%M%SZ")
    return Entry(job.name, f"{job.name}-{stamp}", number, STARTED, due_ns, None, text)
