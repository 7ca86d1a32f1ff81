"""A kernel that is stopped (SIGSTOP) in the middle of reading or of sending does not delay or fail the session."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from hedgekit import SyntheticMarket, desk
from hedgekit.desk import State
from tests.desk.made import PARAMS, ended

KERNEL = """
import sys
from hedgekit import desk
session = desk.attach(sys.argv[1], folder=sys.argv[2])
print("ready", flush=True)
while True:
    follower = session.follow()
    while follower.poll().standing.behind:
        pass
    for tell in (session.pause, session.resume):
        tell()
        follower.poll()
    follower.close()
"""

LONGEST_S = 5.0
"""The session writes about twenty times a second; a reader that holds it up does so for longer than this."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    ended(tmp_path / "home")


@contextmanager
def killed(process: subprocess.Popen[str]) -> Iterator[None]:
    """Kill a process that may be stopped, whatever happens: nobody could wait for its end."""
    try:
        yield
    finally:
        process.kill()


def test_a_stopped_kernel_holds_nothing_up(home: Path) -> None:
    """Stop a kernel at 30 random moments of reading and sending; each time the session goes on writing and committing intents."""
    session = desk.start(SyntheticMarket(rows=4_000, seed=3), PARAMS, speed=20.0, account="test", folder=home)
    asyncio.run(session.until(State.RUNNING))
    moments = random.Random(7)  # noqa: S311 - moments, not secrets
    command = [sys.executable, "-c", KERNEL, session.session, str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as kernel, killed(kernel):
        assert kernel.stdout is not None
        assert kernel.stdout.readline() == "ready\n"
        for _ in range(30):
            time.sleep(moments.uniform(0.0, 0.08))
            os.kill(kernel.pid, signal.SIGSTOP)
            with session.journal() as journal:
                before = journal.count
            time.sleep(0.3)
            with session.journal() as journal:
                assert journal.count > before, "the session stood still while the kernel did"
            os.kill(kernel.pid, signal.SIGCONT)
        os.kill(kernel.pid, signal.SIGSTOP)
        time.sleep(LONGEST_S + 1.0)
    assert session.status().state is State.RUNNING
    session.stop()
    asyncio.run(session.until(State.ENDED))
    with closing(sqlite3.connect(f"file:{session.folder.journal}?mode=ro", uri=True)) as db, db:
        written = [row[0] for row in db.execute("SELECT recorded_ns FROM events ORDER BY id")]
    assert max(late - early for early, late in pairwise(written)) < LONGEST_S * 1e9
    with session.journal() as journal:
        journal.verify()
