"""Run a command's coroutine until it ends or is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any


def run_until_stopped(main: Coroutine[Any, Any, Any], *, stopped: int = 128 + signal.SIGTERM) -> Any:  # noqa: ANN401 - whatever it returns
    """Run a coroutine; SIGTERM and Ctrl-C cancel it, so that everything is closed in order; then the exit code is ``stopped``."""

    async def cancellable() -> Any:  # noqa: ANN401 - as above
        task = asyncio.ensure_future(main)
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, task.cancel)
        return await task

    try:
        import uvloop
    except ImportError:
        runner = asyncio.Runner()
    else:
        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with runner:
        try:
            return runner.run(cancellable())
        except asyncio.CancelledError:
            raise SystemExit(stopped) from None
