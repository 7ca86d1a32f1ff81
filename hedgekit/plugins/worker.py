"""The process in which a user's module runs during a session: it has prices and answers, and nothing else.

Started by :class:`hedgekit.plugins.apart.Apart` with one end of a pair of sockets. What the module prints goes to the session's log.
It ends with the session however that ends: a thread waits for the socket to close, and a timer of the kernel ends a call that holds
the interpreter's lock.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hedgekit.errors import ConfigError, DataError
from hedgekit.plugins.checks import PluginError, pair_of, ratios_of, scores_of, sealed
from hedgekit.plugins.module import Plugin, Source, run
from hedgekit.plugins.rows import Rows

_GRACE_S = 1.0


class Worker:
    """Answers one question after the other.

    Parameters
    ----------
    plugin : Plugin
    """

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        self._rows = Rows()

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the answer, or what went wrong."""
        self._rows.add(np.frombuffer(asked["rows"], dtype=np.float64).reshape(-1, asked["legs"]))
        try:
            told: dict[str, Any] = getattr(self, f"_{asked['op']}")(asked)
        except DataError as error:
            traceback.print_exception(error.__cause__ or error, limit=None if error.__cause__ else 0)
            return {"said": error.said, "final": error.final} if isinstance(error, PluginError) else {"said": str(error), "final": False}
        return told

    def _scores(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return z and sd of the newest ``keep`` bars."""
        assert self._plugin.scores is not None  # noqa: S101 - the session asks for what is there
        keep, window = asked["keep"], self._plugin.window
        mids = self._rows.mids if window is None else self._rows.mids[-(window + keep - 1) :]
        z, sd = pair_of(self._plugin.scores(sealed(mids)), len(mids))
        return {"z": z[-keep:].tobytes(), "sd": sd[-keep:].tobytes()}

    def _ratios(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the ratios on the first ``upto`` bars."""
        assert self._plugin.ratios is not None  # noqa: S101 - as above
        return {"ratios": ratios_of(self._plugin.ratios(sealed(self._rows.mids[: asked["upto"]])), asked["legs"] - 1)}

    def _check(self, _: dict[str, Any]) -> dict[str, Any]:
        """Cut the history and compare."""
        if self._plugin.scores is not None:
            scores_of(self._plugin.scores, self._rows.mids)
        return {}


def main() -> None:
    """Load the module that the other side sends, then answer until it closes."""
    line = Connection(int(sys.argv[1]))
    os.dup2(2, 1)
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(line, asked), daemon=True).start()
    first = msgspec.msgpack.decode(asked.get())
    _end_after(first["limit_s"] + _GRACE_S)
    try:
        plugin = run(Source(name=first["name"], path=Path(first["path"]), sha256=first["sha256"], code=first["code"]))
    except ConfigError as error:
        line.send_bytes(msgspec.msgpack.encode({"said": str(error), "final": True}))
        return
    functions = [name for name in ("scores", "ratios") if getattr(plugin, name) is not None]
    line.send_bytes(msgspec.msgpack.encode({"functions": functions}))
    worker = Worker(plugin)
    while True:
        _end_after(0.0)
        question = msgspec.msgpack.decode(asked.get())
        _end_after(question["limit_s"] + _GRACE_S)
        told = worker.answer(question)
        line.send_bytes(msgspec.msgpack.encode(told))


def _end_after(seconds: float) -> None:
    """Let the kernel end this process, whatever it is doing then; 0 takes that back."""
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _listen(line: Connection, asked: queue.SimpleQueue[bytes]) -> None:
    try:
        while True:
            asked.put(line.recv_bytes())
    except (EOFError, OSError):
        os._exit(0)


if __name__ == "__main__":
    main()
