"""Linux's own programs by which tests look at what the kit does to the system: run as a program, it installs those that are missing."""

from __future__ import annotations

import shutil
import sys

from tests.chromium import apt_install

PROGRAMS = {"strace": "strace", "systemd-analyze": "systemd"}
"""Programs, and the packages that bring them; other systems than Linux have neither, and the tests that need them are left out there."""


def missing() -> list[str]:
    """Return the packages whose programs are not here."""
    return [package for program, package in PROGRAMS.items() if sys.platform == "linux" and shutil.which(program) is None]


if __name__ == "__main__":
    if missing():
        apt_install(*missing())
    if missing():
        print("hedgekit: not on this machine, and could not be installed; install, then try again:", *missing(), file=sys.stderr)
    sys.exit(1 if missing() else 0)
