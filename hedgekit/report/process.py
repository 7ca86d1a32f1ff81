"""Which process it was: its number is given again, after a reboot from the beginning."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_START = 19
"""When it started, among the words after the name in /proc/PID/stat: in ticks since the boot, so no clock that is set moves it."""


def birth(pid: int) -> str:
    """Return what no other process with this number has, not even after a reboot; empty if there is no such process.

    Where that cannot be asked (Windows), it is the same for all.
    """
    if os.name != "posix":
        return "unknown"
    return _by_proc(pid) if _BOOT.is_file() else _by_ps(pid)


def _by_proc(pid: int) -> str:
    """Ask Linux."""
    try:
        state, *words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else f"{_BOOT.read_text(encoding='ascii').strip()} {words[_START - 1]}"


def _by_ps(pid: int) -> str:
    """Ask any other Unix: the time when it started, to the second."""
    command = ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C", "TZ": "UTC"})  # noqa: S603 - no shell, a number
    state, _, started = told.stdout.strip().partition(" ")
    return "" if state[:1] in {"", "Z", "X"} else started.strip()
