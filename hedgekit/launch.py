"""Child processes that never outlive their parent, and one that does.

A child gets its parent's pipe as standard input and ends when that closes, so
even a killed parent leaves nothing behind. Children run in process groups of
their own: Ctrl-C reaches the parent alone, which then ends them in order.
A :func:`detached` process is nobody's child: it outlives the notebook.

All run with ``-P``: a ``random.py`` beside a notebook is the notebook's, and not imported here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from hedgekit.errors import SessionError

_GRACE_S = 10.0

_STEP_ASIDE = """
import os, sys
if os.fork():
    os._exit(0)
os.setsid()
os.execv(sys.executable, [sys.executable, "-P", "-m", "hedgekit", *sys.argv[1:]])
"""
"""Run by a small process between starter and started, so that no thread of a notebook's kernel is forked."""


def die_with_parent() -> None:
    """End this process (SIGTERM to itself) as soon as its standard input closes."""

    def watch() -> None:
        while os.read(0, 4096):  # not sys.stdin: its lock would be held when the interpreter ends
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="die-with-parent", daemon=True).start()


@contextmanager
def signals_held() -> Iterator[None]:
    """Let Ctrl-C and a polite end wait until the block is over.

    Inside a library's destructor (SQLAlchemy has many) Python prints an exception and forgets it, and the signal would be lost.
    Outside the main thread, which alone gets signals, nothing is held.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {name: signal.signal(name, lambda number, _: came.append(number)) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
        if came:
            signal.raise_signal(came[0])


def detached(arguments: Sequence[str], *, log: Path) -> None:
    """Start one ``hedgekit`` command that is no child of this process and gets none of its signals.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``hedgekit`` on the command line.
    log : path
        Where its output goes.
    """
    with log.open("ab") as out:
        command = [sys.executable, "-P", "-c", _STEP_ASIDE, *arguments]
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, check=True)  # noqa: S603 - our own command, no shell


class Child:
    """One ``hedgekit`` command in a process of its own; a context manager.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``hedgekit`` on the command line.
    secrets : mapping
        Environment variables added for the child alone.
    log : open binary file
        Where its standard error goes.
    """

    def __init__(self, arguments: Sequence[str], *, secrets: Mapping[str, str], log: IO[bytes]) -> None:
        self.name = arguments[0]
        self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            [sys.executable, "-P", "-m", "hedgekit", *arguments, "--die-with-parent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **secrets},
            start_new_session=True,
        )

    def line(self) -> str:
        """Wait for the next line of the child's standard output.

        Raises
        ------
        SessionError
            If the child ended instead.
        """
        assert self._process.stdout is not None  # noqa: S101 - opened with a pipe
        text = self._process.stdout.readline().decode().strip()
        if not text:
            msg = f"hedgekit {self.name} ended (exit code {self._process.wait()}) before it was ready"
            raise SessionError(msg)
        return text

    @property
    def returncode(self) -> int | None:
        """Exit code, or None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """Wait for the end at most so long; return the exit code, or None if it still runs."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """End it: politely, then not."""
        if self._process.poll() is None:
            self._process.terminate()
            if self.wait(_GRACE_S) is None:
                self._process.kill()
                self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        """End the child, whatever happened."""
        self.stop()
