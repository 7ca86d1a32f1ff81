"""A process that does scripts in children of its own and lets each kill itself: a fork is a hundred times quicker than a new Python.

It reads one :class:`Job` a line, and answers each with how its child ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import msgspec

from hedgekit.journal import Gather
from tests.journal.processes import ROOT
from tests.journal.scripts import Commit, perform


class Job(msgspec.Struct, frozen=True):
    """A script, where it is done, and at which passing of which point the process kills itself."""

    script: list[Commit]
    where: str
    session: str
    told: str
    gather: tuple[int, int] | None
    point: str
    count: int


class Killer:
    """The process, seen from the test."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "tests.journal.killing"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=ROOT)

    def do(self, job: Job) -> int:
        """Do a job; return its child's exit code, negative for a signal."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(job) + b"\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait(10)


def _do(job: Job) -> None:
    left = job.count

    def at(point: str) -> None:
        nonlocal left
        left -= point == job.point
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    with Path(job.told).open("w", encoding="utf-8", buffering=1) as told:
        perform(
            job.script,
            job.where,
            job.session,
            gather=Gather(*job.gather) if job.gather else None,
            at=at,
            tell=lambda journal: print(journal.count, journal.last_instant, file=told),
        )


def main() -> None:
    """Do jobs until there are no more."""
    for line in sys.stdin.buffer:
        pid = os.fork()
        if not pid:
            code = 1
            try:
                _do(msgspec.json.decode(line, type=Job))
                code = 0
            except BaseException:  # noqa: BLE001 - a forked child must not go on as its parent
                traceback.print_exc()
            finally:
                os._exit(code)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
