"""Child processes for the journal's tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def child(code: str, *args: object) -> subprocess.Popen[str]:
    """Start a Python process of ours; what it prints comes through its stdout."""
    command = [sys.executable, "-W", "error", "-c", code, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def line_of(process: subprocess.Popen[str]) -> str:
    """Wait for the next line that the child prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def finish(process: subprocess.Popen[str]) -> None:
    """Kill the child if it lives, and close its pipe."""
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
