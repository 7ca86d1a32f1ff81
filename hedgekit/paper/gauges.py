"""What a running session shows beside its journal: how much of its request budgets is left. For people, not for decisions.

A small file, replaced whole about once a second of real time and never read back by the session: it can be lost, late or wrong
without changing anything. It is no part of the journal, because what is left changes with every request and on its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from hedgekit.paper.account import Account

EVERY_S = 1.0


class Allowance(msgspec.Struct, frozen=True):
    """One request budget of a venue (A17): requests that may leave now, of so many, and how many are in line at that venue."""

    venue: str
    budget: str
    left: int
    capacity: int
    waiting: int


class Gauges(msgspec.Struct, frozen=True):
    """The file: real time when it was written, the session's time then (ns UTC), and every budget."""

    written_ns: int
    ts_ns: int
    budgets: tuple[Allowance, ...]

    @classmethod
    def read(cls, path: Path) -> Gauges | None:
        """Return what was last written; None if nothing was, or it is not to be read."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, msgspec.MsgspecError):
            return None


class Dashboard:
    """Writes the gauges into every file that a pair of the session names."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = [Path(path) for path in dict.fromkeys(paths) if path]
        self._due_s = 0.0

    def show(self, accounts: Iterable[Account], ts_ns: int) -> None:
        """Write them, if the last time is long enough ago; a disk that is full is told by the journal, not by this."""
        now_s = time.monotonic()
        if not self._paths or now_s < self._due_s:
            return
        self._due_s = now_s + EVERY_S
        budgets = tuple(Allowance(account.venue, *row) for account in accounts for row in account.allowances())
        text = msgspec.json.encode(Gauges(time.time_ns(), ts_ns, budgets))
        for path in self._paths:
            draft = path.with_name(f".{path.name}.{os.getpid()}")
            with suppress(OSError):
                draft.write_bytes(text)
                draft.replace(path)
