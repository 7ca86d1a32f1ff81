"""A session in a process of its own, forked from one that has loaded the package already: a start takes milliseconds.

It is a process like any other: with sockets, a journal and a signal handler of its own, and dead when it kills itself. Only
reading the code from disk, a second or two, is not done again for each of the hundreds that a campaign starts.
"""

from __future__ import annotations

import asyncio
import os
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from threading import Lock
from typing import TYPE_CHECKING

import hedgekit.stats.revise  # noqa: F401 - a session loads it with the first ratio
from hedgekit.data import SyntheticMarket
from hedgekit.hedger import Hedger
from hedgekit.params import Params
from hedgekit.types import Timer
from tests.paper.session_killed_at import main

if TYPE_CHECKING:
    from pathlib import Path

Hedger("warm", SyntheticMarket().instruments(), Params()).on(Timer(ts_ns=1))  # the compiled core


_LOCK = Lock()
"""Whoever starts a process asks after all others, and an exit code can be read but once."""


def live(config: Path, kill: str, keys: dict[str, str], log: Path, patience_s: float) -> int | None:
    """Run a session until it ends, or kills itself at "point:n"; return its exit code, or None if it hung and was killed.

    Its standard error goes to ``log``.
    """
    point, _, count = kill.partition(":")
    process = _start((str(config), point, int(count or 1), keys, str(log)))
    wait([process.sentinel], patience_s)
    with _LOCK:
        code = process.exitcode
    if code is None:
        process.kill()
        wait([process.sentinel])
    with _LOCK:
        process.join()
        process.close()
    return code


def _start(arguments: tuple[object, ...]) -> ForkServerProcess:
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__, "tests.chaos.audit", "tests.chaos.play"])
    process = context.Process(target=_live, args=arguments, daemon=True)
    with _LOCK:
        process.start()
    return process


def _live(config: str, point: str, count: int, keys: dict[str, str], log: str) -> None:
    os.environ.update(keys)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    asyncio.run(main(config, point, count))
