"""The browser that opens the reports in the tests.

``find()`` names a Chromium or Chrome of this machine; run as a program, it
installs one if there is none: by apt when root, else by playwright.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"

HELP = "no Chromium or Chrome on this machine, and none could be installed: install the package chromium or Google Chrome, then try again"


def _runs(path: str) -> bool:
    """Tell whether the browser starts: some systems ship a stub of that name."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _playwright_own() -> str | None:
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - the program runs before it is needed
    except ImportError:
        return None
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


@cache
def find() -> str | None:
    """Return the path of a browser that starts, or None."""
    for name in (*NAMES, MAC):
        path = shutil.which(name)
        if path and _runs(path):
            return path
    return _playwright_own()


def apt_install(*packages: str) -> None:
    """Install Debian packages when this process may; say the last lines if that fails."""
    if os.name != "posix" or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    # RUNLEVEL=1: install servers without starting them
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["apt-get", "-q", "update"], ["apt-get", "-q", "-y", "install", *packages]):
        print("hedgekit:", *command, "...", flush=True)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            print(*(done.stdout + done.stderr).splitlines()[-3:], sep="\n", file=sys.stderr)
            return


def _playwright_install() -> None:
    print("hedgekit: playwright install chromium ...", flush=True)
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    subprocess.run(command, capture_output=True, check=False)


def ensure() -> str | None:
    """Return a browser's path, installing one if need be; None if that is impossible."""
    for install in (lambda: None, lambda: apt_install("chromium", "chromium-driver"), _playwright_install):
        install()
        find.cache_clear()
        if path := find():
            return path
    return None


if __name__ == "__main__":
    found = ensure()
    print("hedgekit: browser for the tests:", found) if found else print("hedgekit:", HELP, file=sys.stderr)
    sys.exit(0 if found else 1)
