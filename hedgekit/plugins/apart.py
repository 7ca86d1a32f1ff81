"""A user's module in a process of its own: it may fail, hang or crash, and the session that asks it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing import Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec
import numpy as np

from hedgekit.errors import ConfigError
from hedgekit.plugins.checks import Array, PluginError, Scores

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import TracebackType

    from hedgekit.plugins.module import Source

LIMIT_S = 5.0
"""How long a session waits for one answer, real seconds."""

PATIENCE_S = 30.0
"""How long it waits for a module to be loaded, and for a whole history to be tried."""


def _path() -> str:
    """Return where to import from: what the user has set, after the folder of this very package."""
    return os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))


class Apart:
    """One module in one process; a context manager.

    Parameters
    ----------
    source : Source
        The bytes to run.
    hide : collection of str
        Environment variables that it must not see: the session's keys.
    limit_s : float
        How long to wait for one answer.

    Raises
    ------
    ConfigError
        If the module cannot be loaded.
    """

    def __init__(self, source: Source, *, hide: Collection[str] = (), limit_s: float = LIMIT_S) -> None:
        self._limit_s, self._sent = limit_s, 0
        self._line, theirs = Pipe()
        self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell; -P: nothing is imported from the present folder
            [sys.executable, "-P", "-m", "hedgekit.plugins.worker", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env={name: value for name, value in os.environ.items() if name not in hide} | {"PYTHONPATH": _path()},
            start_new_session=True,
        )
        theirs.close()
        self.gone = ""
        """Why it is not asked any more; empty while it is."""
        plain = {"name": source.name, "path": str(source.path), "sha256": source.sha256, "code": source.code}
        told = self._exchange(plain | {"limit_s": PATIENCE_S}, PATIENCE_S)
        if "functions" not in told:
            self.close()
            raise ConfigError(told["said"] if told["said"].startswith("plugin ") else f"plugin {source.name}: {told['said']}")
        self.functions: frozenset[str] = frozenset(told["functions"])

    def scores(self, mids: Array, keep: int) -> Scores:
        """Return z and sd of the newest ``keep`` of all bars so far.

        Raises
        ------
        DataError
            If there is no answer that can be used.
        """
        told = self._ask("scores", mids, keep=keep)
        return np.frombuffer(told["z"], dtype=np.float64), np.frombuffer(told["sd"], dtype=np.float64)

    def ratios(self, mids: Array) -> dict[str, Any]:
        """Return the ratios on these bars: all so far, or the first of them; errors as :meth:`scores`."""
        told: dict[str, Any] = self._ask("ratios", mids, upto=len(mids))["ratios"]
        return told

    def check(self, mids: Array) -> None:
        """Try whether scores look ahead on a history; errors as :meth:`scores`."""
        self._ask("check", mids, limit_s=PATIENCE_S)

    def close(self) -> None:
        """End the process."""
        self.gone = self.gone or "it was closed"
        self._line.close()
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        """End the process, whatever happened."""
        self.close()

    # ---------------------------------------------------------------------- inside

    def _ask(self, op: str, mids: Array, *, limit_s: float | None = None, **more: int) -> dict[str, Any]:
        if self.gone:
            raise PluginError(self.gone, final=True)
        limit_s = limit_s or self._limit_s
        rows = np.ascontiguousarray(mids[self._sent :], dtype=np.float64)
        told = self._exchange({"op": op, "rows": rows.tobytes(), "legs": mids.shape[1], "limit_s": limit_s, **more}, limit_s)
        self._sent = max(self._sent, len(mids))
        if "said" in told:
            raise PluginError(told["said"], final=told["final"])
        return told

    def _exchange(self, question: dict[str, Any], limit_s: float) -> dict[str, Any]:
        what = question.get("op", "its import")
        try:
            self._line.send_bytes(msgspec.msgpack.encode(question))
            if self._line.poll(limit_s):
                told: dict[str, Any] = msgspec.msgpack.decode(self._line.recv_bytes())
                return told
            self.gone = f"{what} took longer than {limit_s:g} s; do less, or state WINDOW"
        except (EOFError, OSError):
            self.gone = f"its process ended during {what}"
        self._process.kill()
        self._process.wait()
        return {"said": self.gone, "final": True}
