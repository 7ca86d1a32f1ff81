"""What the desk's tests share: a strategy for the synthetic market, and the end of whatever a test has started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil

PARAMS: dict[str, Any] = {
    "bar_s": 1.0,
    "bar_offset_s": 0.5,
    "lookback": 20,
    "fit_bars": 60,
    "refit_bars": 200,
    "evidence_override": "A test on a market whose truth was planted.",
}


def processes_of(home: Path) -> list[psutil.Process]:
    """Return every process whose command line or environment names a folder of ``home``: hosts, sandboxes, sessions."""
    hosts = [p for p in psutil.process_iter() if _names(p, home)]
    found = {child.pid: child for host in hosts for child in host.children(recursive=True)}
    return [process for process in {**found, **{h.pid: h for h in hosts}}.values() if _lives(process)]


def _names(process: psutil.Process, home: Path) -> bool:
    try:
        return any(part.startswith(str(home)) for part in process.cmdline())
    except psutil.Error:
        return False


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def ended(home: Path) -> None:
    """End what still runs below ``home``: hosts politely, so that they take their children along."""
    left = processes_of(home)
    for process in left:
        if "host" in process.cmdline():
            process.terminate()
    _, alive = psutil.wait_procs(left, timeout=20)
    for process in alive:
        process.kill()
    assert not [process for process in alive if _lives(process)], "a host took its children along"
