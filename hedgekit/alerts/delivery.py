"""Alerts on their way to the sinks, and what is remembered of them.

Each time an alert was told, a file notes how far the journal was read, and what still waits for which sink; what is not noted is
found in the journal again. A process that is killed between telling and noting tells that one alert again: at least once, and a
repeated one has the id of the first. A sink that fails keeps its alerts, in their order, and holds no other sink up.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hedgekit.alerts.alert import Alert
from hedgekit.alerts.reader import Reader, check_same
from hedgekit.alerts.sinks import NotTold, Sink
from hedgekit.errors import ConfigError
from hedgekit.journal.follow import LIMIT

POLL_S = 0.5
"""Real seconds between two looks at the journal."""

FIRST_S, MOST_S = 1.0, 60.0
"""Real seconds before a failed alert is told again: at first, and doubled each time, at most."""

TRIES = 4
"""How often an alert is told in vain, when nothing more is to come, before it is left for the next run."""


class Memory(msgspec.Struct):
    """What a place remembers: how far the journal was read when something was last told, what is raised, what waits for which sink."""

    session: str
    begun_ns: int = 0
    records: int = 0
    active: list[Alert] = []
    waiting: dict[str, list[Alert]] = {}


class Place:
    """The file that remembers what was told; one process at a time may have it.

    Parameters
    ----------
    path : path
        Made if it is not there.
    session : str
        Whose alerts.

    Raises
    ------
    ConfigError
        If another process has it, it is of another session, or it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], session: str) -> None:
        self.path = Path(path)
        try:
            self._lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            msg = f"{self.path}: another process tells these alerts; stop it, or choose another place"
            raise ConfigError(msg) from None
        except OSError as error:
            msg = f"{self.path}: cannot be written ({error.strerror}); choose another place"
            raise ConfigError(msg) from None
        try:
            self.memory = msgspec.json.decode(self.path.read_bytes(), type=Memory)
        except FileNotFoundError:
            self.memory = Memory(session)
        except msgspec.MsgspecError as error:
            os.close(self._lock)
            msg = f"{self.path}: is no memory of alerts: {error}; choose another place"
            raise ConfigError(msg) from None
        if self.memory.session != session:
            os.close(self._lock)
            msg = f"{self.path}: remembers session {self.memory.session!r}, not {session!r}; choose another place"
            raise ConfigError(msg)

    def save(self) -> None:
        """Write, whole or not at all, so that it outlives a power cut."""
        draft = self.path.with_name(f"{self.path.name}.new")
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(self.memory))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._lock)


class Delivery:
    """Reads a journal and tells its alerts.

    Parameters
    ----------
    reader : Reader
        Of a session.
    sinks : sequence of Sink
        With names of their own.
    place : Place
        What was told before.
    alive : callable
        Returns whether the session's process is there, None if that cannot be seen.
    say : callable
        Takes a line about a sink that fails.
    first_s : float
        Real seconds before a failed alert is told again for the first time.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        reader: Reader,
        sinks: Sequence[Sink],
        place: Place,
        *,
        alive: Callable[[], bool | None] = lambda: None,
        say: Callable[[str], Any] = print,
        first_s: float = FIRST_S,
    ) -> None:
        self._reader, self._sinks, self._place = reader, tuple(sinks), place
        self._alive, self._say, self._first_s = alive, say, first_s
        self._more = {sink.name: asyncio.Event() for sink in self._sinks}
        self._caught_up = self._over = False

    async def run(self, *, once: bool = False) -> bool:
        """Tell alerts until the session has ended; ``once``, what there is now. Return whether all were told.

        Raises
        ------
        JournalError
            If the journal cannot be read or is damaged, or is not the one that was read before.
        """
        telling = [asyncio.create_task(self._tell(sink)) for sink in self._sinks]
        try:
            while await self._read() and not once:
                done, _ = await asyncio.wait(telling, timeout=POLL_S)
                for task in done:
                    task.result()  # none is done yet but one that failed
            self._over = True
            self._wake()
            await asyncio.gather(*telling)
        finally:
            for task in telling:
                task.cancel()
            await asyncio.gather(*telling, return_exceptions=True)
        return not any(self._waiting(sink) for sink in self._sinks)

    # ----------------------------------------------------------------- reading

    async def _read(self) -> bool:
        """Read what is new and put its alerts in line; whether there is more to come."""
        alive = self._alive()  # before reading: of a process that is gone, all is there
        if not await self._at_memory():
            return True
        reader = self._reader
        found = reader.poll()
        while reader.behind:
            await asyncio.sleep(0)
            found += reader.poll()
        self._line_up([*found, *reader.look(alive=alive)])
        return not reader.watch.ended

    async def _at_memory(self) -> bool:
        """Read, and do not tell, what was told before; False if the journal is not there or busy."""
        reader, memory = self._reader, self._place.memory
        while reader.read < memory.records:
            before = reader.read
            reader.poll(min(LIMIT, memory.records - before))
            check_same(reader, memory.begun_ns)
            if reader.read == before:
                return False
            await asyncio.sleep(0)
        if not self._caught_up:
            self._caught_up = True
            self._line_up(reader.watch.reconcile(memory.active) if memory.records else [])
        return True

    def _line_up(self, found: list[Alert]) -> None:
        if not found:
            return
        memory, reader = self._place.memory, self._reader
        memory.begun_ns, memory.records, memory.active = reader.begun_ns, reader.read, reader.active
        for sink in self._sinks:
            self._waiting(sink).extend(found)
        self._wake()

    # ----------------------------------------------------------------- telling

    async def _tell(self, sink: Sink) -> None:
        """Tell what waits for one sink, in order, until all is told that there will be."""
        queue, tries, wait_s = self._waiting(sink), 0, self._first_s
        while True:
            if not queue:
                if self._over:
                    return
                self._more[sink.name].clear()
                await self._more[sink.name].wait()
                continue
            try:
                await sink.tell(queue[0])
            except NotTold as error:
                tries += 1
                if self._over and tries >= TRIES:
                    self._say(f"{sink.name}: {error}; {len(queue)} left for the next run")
                    return
                self._say(f"{sink.name}: {error}; {len(queue)} waiting")
                await asyncio.sleep(wait_s)
                wait_s = min(2.0 * wait_s, MOST_S)
                continue
            del queue[0]
            tries, wait_s = 0, self._first_s
            self._note()

    def _note(self) -> None:
        """Note what was told; where that cannot be written, go on telling: a full disk is when alerts are needed."""
        try:
            self._place.save()
        except OSError as error:
            self._say(f"{self._place.path}: {error.strerror}; what is told now may be told again by the next run")

    def _waiting(self, sink: Sink) -> list[Alert]:
        return self._place.memory.waiting.setdefault(sink.name, [])

    def _wake(self) -> None:
        for more in self._more.values():
            more.set()
