"""Kernels from a process that has imported everything already.

A report's kernel spends more time importing than working. So one small process imports what reports need, once, and each kernel
is a fork of it: it starts in a tenth of a second and shares the memory. The process is single-threaded, opens no socket and keeps
no state of a notebook, so a fork is as good as new. Random generators are seeded anew in each.

The process takes lines of JSON on standard input and answers each with one; when its input closes, it ends its kernels and itself.
Where there is no ``fork`` (Windows), kernels start the ordinary way (:mod:`hedgekit.report.kernel`).
"""

from __future__ import annotations

import gc
import importlib
import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hedgekit import keys
from hedgekit.errors import ReportError

ROOMS = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "IPython.core.interactiveshell",
    "hedgekit.report.session",
    "hedgekit.report.activity",
    "hedgekit.report.plots",
    "hedgekit.report.sections",
    "hedgekit.report.embed",
    "bokeh.embed",
    "hedgekit.stats.breaks",
    "hedgekit.stats.thresholds",
    "sqlalchemy.dialects.sqlite",
)
"""What is imported beforehand."""

POSIX = hasattr(os, "fork")

_EMPTY = "keyring.backends.null.Keyring"
"""The package's own keyring that has nothing and keeps nothing."""


def neighbours() -> None:
    """Let a notebook import what lies in its working folder, which is looked for after Python's own modules and before installed ones."""
    sys.path.insert(next((n for n, place in enumerate(sys.path) if place.endswith("-packages")), len(sys.path)), str(Path.cwd()))


def without_secrets(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without credentials, and with a keyring that is empty.

    A report reads journals, and what a kernel has not it cannot show (L9).
    """
    hidden = keys.every()
    return {name: value for name, value in env.items() if name not in hidden} | {"PYTHON_KEYRING_BACKEND": _EMPTY}


class Forked:
    """A kernel's process as :mod:`jupyter_client` handles one (in place of ``subprocess.Popen``)."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, warm: Warm) -> None:
        self.pid, self._warm, self.returncode = pid, warm, None

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        if self.returncode is None:
            self.returncode = self._warm.ask(poll=self.pid)["code"]
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(self.__class__.__name__, timeout or 0.0)
            time.sleep(0.02)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """End it politely."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class Warm:
    """The process of which kernels are forked; a context manager, which may be used by several threads.

    It starts at once and imports while the caller does something else. With ``rehearse`` it also loads the compiled code that reports
    call, which is worth its time from the second report on.
    """

    def __init__(self, *, rehearse: bool = False) -> None:
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join([root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
        self._lock, self._used = threading.Lock(), False
        command = [sys.executable, "-P", "-Xfrozen_modules=off", "-m", "hedgekit.report.warm", *(["--rehearse"] if rehearse else [])]
        self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=without_secrets(os.environ) | {"PYTHONPATH": path},  # /proc/PID/environ of a fork shows what its parent began with
            start_new_session=True,
        )

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def start(self, arguments: Sequence[str], env: Mapping[str, str], cwd: str | None) -> Forked:
        """Fork a kernel with these arguments, environment and working folder."""
        self._used = True
        return Forked(self.ask(start=list(arguments), env=dict(env), cwd=cwd)["pid"], self)

    def ask(self, **question: Any) -> dict[str, Any]:  # noqa: ANN401 - anything that JSON has
        """Return the answer to one question.

        Raises
        ------
        ReportError
            If the process has ended.
        """
        assert self._process.stdin is not None  # noqa: S101 - opened with a pipe
        assert self._process.stdout is not None  # noqa: S101 - as above
        with self._lock:
            try:
                self._process.stdin.write(json.dumps(question).encode() + b"\n")
                self._process.stdin.flush()
                line = self._process.stdout.readline()
            except (BrokenPipeError, ValueError):
                line = b""
        if not line:
            if "poll" in question:  # its kernels went with it
                return {"code": -signal.SIGKILL}
            msg = "the process that starts kernels has ended (out of memory?); run the report again"
            raise ReportError(msg)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process, and with it every kernel that still runs."""
        assert self._process.stdin is not None  # noqa: S101 - opened with a pipe
        assert self._process.stdout is not None  # noqa: S101 - as above
        with self._lock:
            if not self._used:  # it has no kernel, and may still be importing
                self._process.kill()
            self._process.stdin.close()
            try:
                self._process.wait(10.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process.stdout.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        """End it."""
        self.close()


# ------------------------------------------------------- inside the process


def main() -> None:
    """Import, then serve until standard input closes."""
    for name in ROOMS:
        importlib.import_module(name)
    if "--rehearse" in sys.argv:
        _rehearse()
    gc.collect()
    gc.freeze()  # what is there stays shared between the forks
    live: set[int] = set()
    try:
        for line in sys.stdin.buffer:
            question = json.loads(line)
            answer = _ended(question["poll"], live) if "poll" in question else _forked(question, live)
            sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
            sys.stdout.buffer.flush()
    finally:
        for pid in live:
            os.killpg(pid, signal.SIGKILL)
    os._exit(0)  # there is nothing to put in order, and a quarter of a second to lose


def _rehearse() -> None:
    """Judge and draw a small backtest, so that the compiled code is loaded before the forks; nothing of it is kept."""
    from hedgekit.backtest import run  # noqa: PLC0415 - in this process only, and only for this
    from hedgekit.data import SyntheticMarket  # noqa: PLC0415 - as above
    from hedgekit.metrics.regimes import by_regime  # noqa: PLC0415 - as above
    from hedgekit.params import Params  # noqa: PLC0415 - as above

    params = Params.make(bar_s=1.0, fit_bars=60, lookback=10, evidence_override="a rehearsal of the report's code")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = run(SyntheticMarket(rows=400, seed=1).tape(), params)
        done.verdict(reps=100)
        by_regime(done.tables.equity, done.tables.trades, done.tables.fills)


def _ended(pid: int, live: set[int]) -> dict[str, int | None]:
    if pid not in live:
        return {"code": 0}
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done:
        return {"code": None}
    live.discard(pid)
    return {"code": os.waitstatus_to_exitcode(status)}


def _forked(question: dict[str, Any], live: set[int]) -> dict[str, int]:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        live.add(pid)
        return {"pid": pid}
    code = 1
    try:
        _become_kernel(question, parent)
        code = 0
    except SystemExit as told:
        code = told.code if isinstance(told.code, int) else 1
    except BaseException:  # noqa: BLE001 - this is a process's last frame
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def _become_kernel(question: dict[str, Any], parent: int) -> None:
    """Be the kernel that ``python -m ipykernel_launcher`` would have been."""
    from ipykernel import kernelapp  # noqa: PLC0415 - loaded before the fork, in this process only

    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    os.environ.clear()
    os.environ.update(question["env"])
    if question["cwd"]:
        os.chdir(question["cwd"])
    random.seed()
    sys.argv = ["ipykernel_launcher", *question["start"]]
    quiet = f"--IPKernelApp.log_level={logging.CRITICAL}"  # each is interrupted before it is ended, and calls that an error
    kernelapp.launch_new_instance(argv=[*question["start"], f"--IPKernelApp.parent_handle={parent}", quiet])


if __name__ == "__main__":
    main()
