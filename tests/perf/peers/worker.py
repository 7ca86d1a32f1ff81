"""How a contestant serves its rounds: a process that loads, warms up, and then works when told to.

One line of JSON each way. It answers ``{"ready": ...}`` after its first result, then on each command: ``run`` (does the work once,
timed), ``answer FILE`` (saves what it found, to be compared), ``end``. Standard output carries answers only.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.perf.peers.market import Market, load

MIB = 1024


STAGES = ("run", "money", "tell")
"""What is timed, one after the other."""


@dataclass(frozen=True)
class Work:
    """One contestant's way of doing the work; a stage that is None has been done by the one before.

    Attributes
    ----------
    run : callable
        From the market to a result.
    answer : callable
        From the result to named arrays, not timed: what is compared.
    money : callable or None
        From the result to the number of trades and the equity at every bar.
    tell : callable or None
        From the result to a table of trades.
    """

    run: Callable[[Market], Any]
    answer: Callable[[Any, Market], dict[str, np.ndarray]]
    money: Callable[[Any], object] | None = None
    tell: Callable[[Any], object] | None = None


def peak_mib() -> float:
    """Return the largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB


def serve(works: dict[str, Work]) -> None:
    """Serve the work named by the first argument on the market in the file named by the second."""
    speak = os.fdopen(os.dup(1), "w", buffering=1)
    sys.stdout = sys.stderr  # a library's own words are not answers
    work, market = works[sys.argv[1]], load(sys.argv[2])
    started = peak_mib()
    result, took = _once(work, market)
    speak.write(json.dumps({"ready": took, "started_mib": started}) + "\n")
    for line in sys.stdin:
        command, _, file = line.strip().partition(" ")
        if command == "run":
            result = None
            result, took = _once(work, market)
            speak.write(json.dumps(took) + "\n")
        elif command == "answer":
            found: dict[str, Any] = dict(work.answer(result, market))
            np.savez(file, **found)
            speak.write(json.dumps({}) + "\n")
        else:
            speak.write(json.dumps({}) + "\n")
            break


def _once(work: Work, market: Market) -> tuple[Any, dict[str, float]]:
    gc.collect()
    marks = [_clocks()]
    result = work.run(market)
    marks.append(_clocks())
    for more in (work.money, work.tell):
        if more is not None:
            more(result)
        marks.append(_clocks())
    took = {"mib": peak_mib()}
    for stage, before, after in zip(STAGES, marks[:-1], marks[1:], strict=True):
        took |= {stage: after[0] - before[0], f"{stage}_cpu": after[1] - before[1]}
    return result, took


def _clocks() -> tuple[float, float]:
    """Return wall and processor time, seconds; the latter counts all threads, and hardly feels a busy machine."""
    return time.perf_counter(), time.process_time()
