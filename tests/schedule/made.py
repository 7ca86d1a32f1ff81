"""Notebooks and jobs for the schedule's tests, and its command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hedgekit.schedule import Entry, Job, Store, made
from tests.report.test_run import notebook

GOOD = "from hedgekit.report import record\nrecord(word=word)"
PARAMETERS = 'word = "w"'
OFTEN, NEVER = "* * * * * *", "0 0 29 2 *"
PATIENCE_S = 90.0


def job(folder: Path, *cells: str, name: str = "job", cron: str = NEVER, zone: str = "UTC", **rest: Any) -> Job:
    """Return a job whose notebook has these cells."""
    path = notebook(folder / f"{name}.ipynb", *cells, parameters=PARAMETERS)
    return made(name, cron, path, {"word": "hello"}, zone=zone, out=folder / "out", **rest)


def kept(folder: Path, *jobs: Job) -> Store:
    """Return a store of these jobs."""
    store = Store(folder / "schedule.db")
    for each in jobs:
        store.add(each, time.time_ns())
    return store


def start(store: Store, *words: str, **environment: str) -> subprocess.Popen[str]:
    """Start ``hedgekit schedule run``."""
    command = [sys.executable, "-m", "hedgekit", "schedule", "run", *words, "--store", str(store.path)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[2],
    )


def until(what: Callable[[], bool], store: Store) -> None:
    """Wait for a condition."""
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end, store.log()
        time.sleep(0.05)


def stop(*processes: subprocess.Popen[str]) -> str:
    """End schedulers as systemd does, and return what they said."""
    for process in processes:
        process.terminate()
    return "".join(process.communicate(timeout=60)[0] for process in processes)


def events(store: Store) -> list[str]:
    """Return what happened, in order."""
    return [entry.event for entry in store.log()]


def of(store: Store, event: str) -> list[Entry]:
    """Return the lines of one kind."""
    return [entry for entry in store.log() if entry.event == event]
