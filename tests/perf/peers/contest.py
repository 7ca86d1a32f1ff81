"""Contestants as processes: made, told to work, compared, ended. Standard library and numpy only, so that this process stays small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from tests.perf.peers.check import Answer, differences
from tests.perf.peers.worker import STAGES

ROOT = Path(__file__).parents[3]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def environment() -> Path:
    """Return the interpreter of the peers' environment under ``.bench``, made first, and anew when the versions asked for change."""
    home, wanted = ROOT / ".bench", sys.version + REQUIREMENTS.read_text()
    python, stamp = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python"), home / "made"
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    print(f"making the peers' environment in {home} (a minute or two, once) ...", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "-r", str(REQUIREMENTS)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the peers cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    stamp.write_text(wanted)
    return python


@dataclass(frozen=True)
class Entrant:
    """Who takes part: a name, an interpreter, a module of this folder, the work, and further words for each process."""

    name: str
    python: Path
    module: str
    work: str
    words: tuple[str, ...] = ("",)
    """One process for each; together they do the work once."""


@dataclass
class Contestant:
    """An entrant at work; a context manager.

    Attributes
    ----------
    entrant : Entrant
    times : list of dict
        One for each round: ``wall`` (seconds from the command to the last answer), each stage (the worker's own seconds, of several
        the slowest), each with ``_cpu`` (processor seconds) and ``mib`` (peak memory); these of all processes together.
    cold_s : float
        From the start of the process to its first result.
    started_mib : float
        Memory after imports, before any work.
    """

    entrant: Entrant
    market: Path
    times: list[dict[str, float]] = field(default_factory=list)
    cold_s: float = 0.0
    started_mib: float = 0.0
    first: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Start the processes; wait until each has done the work once."""
        self._log = tempfile.TemporaryFile("w+")
        began = time.perf_counter()
        base = [str(self.entrant.python), "-m", f"tests.perf.peers.{self.entrant.module}", self.entrant.work, str(self.market)]
        self._all = [
            subprocess.Popen([*base, word], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, bufsize=1)
            for word in self.entrant.words
        ]
        try:
            ready = [self._hear(process) for process in self._all]
        except BaseException:
            self._stop()
            raise
        self.cold_s = time.perf_counter() - began
        self.first = _together([one["ready"] for one in ready])
        self.started_mib = sum(one["started_mib"] for one in ready)
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        """End the processes."""
        self._stop()

    def round(self) -> float:
        """Do the work once; return the wall time."""
        began = time.perf_counter()
        heard = self._tell("run")
        wall = time.perf_counter() - began
        self.times.append({"wall": wall, **_together(heard)})
        return wall

    def answer(self) -> Answer:
        """Return what was found; of several processes, put together."""
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"{k}.npz" for k in range(len(self._all))]
            for process, file in zip(self._all, files, strict=True):
                self._say(process, f"answer {file}")
            for process in self._all:
                self._hear(process)
            parts = [dict(np.load(file)) for file in files]
        return parts[0] if len(parts) == 1 else _joined(parts)

    def _tell(self, command: str) -> list[dict[str, Any]]:
        for process in self._all:
            self._say(process, command)
        return [self._hear(process) for process in self._all]

    @staticmethod
    def _say(process: subprocess.Popen[str], command: str) -> None:
        assert process.stdin is not None
        process.stdin.write(command + "\n")
        process.stdin.flush()

    def _hear(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            self._log.seek(0)
            said = self._log.read().strip().splitlines() or ["no word why"]
            raise SystemExit(f"{self.entrant.name}, {self.entrant.work}: its process ended: {said[-1]}")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def _stop(self) -> None:
        for process in self._all:
            if process.poll() is None and process.stdin is not None:
                process.stdin.close()  # the end of its input is the end of its work
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self._log.close()


def _together(heard: list[dict[str, float]]) -> dict[str, float]:
    """Return the slowest wall times and the sums of processor times and memories."""
    return {name: (max if name in STAGES else sum)(one[name] for one in heard) for name in heard[0]}


def _joined(parts: list[Answer]) -> Answer:
    """Put the figures of several processes together, each told with its rows of the grid."""
    rows, figures = (np.concatenate([part[name] for part in parts]) for name in ("rows", "figures"))
    return {"figures": figures[np.argsort(rows)]}


def contest(entrants: list[Entrant], market: Path, rounds: int, patience_s: float) -> list[Contestant]:
    """Let entrants do the same work in turn, ``rounds`` times, after their results have been found equal to the first one's.

    A slow one takes part in fewer rounds: so many as fit into ``patience_s`` seconds, but at least one.
    """
    for entrant in entrants:
        if entrant.python == Path(sys.executable):  # what it compiles is kept, and should not count as memory of the work
            with Contestant(entrant, market):
                pass
    with ExitStack() as stack:
        all_ = [stack.enter_context(Contestant(entrant, market)) for entrant in entrants]
        _compared(all_, market)
        for number in range(rounds):
            for one in all_:
                if not number or sum(took["wall"] for took in one.times) * (number + 1) / number <= patience_s:
                    one.round()
    return all_


def _compared(all_: list[Contestant], market: Path) -> None:
    with np.load(market) as found:
        last = found["mid"][-1]
    ours = all_[0].answer()
    for other in all_[1:]:
        said = differences(ours, other.answer(), last)
        if said:
            raise SystemExit(f"no times are compared, for {other.entrant.name} did not do the same as {all_[0].entrant.name}: {said[0]}")
