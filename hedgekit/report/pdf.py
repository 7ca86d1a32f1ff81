"""A report's page on paper: printed by the Chromium or Chrome that is there, without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from hedgekit.errors import ConfigError, ReportError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
BROWSER_ENV = "HEDGEKIT_BROWSER"
PATIENCE_S = 120.0
_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-pdf-header-footer",
    "--run-all-compositor-stages-before-draw",
    "--virtual-time-budget=20000",
)


def browser() -> str:
    """Return the browser that prints.

    Raises
    ------
    ConfigError
        If there is none.
    """
    for name in filter(None, (os.environ.get(BROWSER_ENV), *BROWSERS, MAC)):
        if found := shutil.which(name):
            return found
    msg = f"a PDF is printed by Chromium or Chrome, and there is none here: install one, or name one in {BROWSER_ENV}"
    raise ConfigError(msg)


def print_pdf(program: str, page: Path, to: Path) -> None:
    """Print a page from disk; the PDF is there whole or not at all.

    Raises
    ------
    ReportError
        If the browser fails or does not end.
    """
    with tempfile.TemporaryDirectory(prefix="hk-print-") as profile:
        fresh = Path(profile, "page.pdf")
        root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command = [program, *_FLAGS, *root, f"--user-data-dir={profile}/p", f"--print-to-pdf={fresh}", page.resolve().as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)  # noqa: S603 - the user's browser
        except subprocess.TimeoutExpired:
            msg = f"{program} did not print {page.name} within {PATIENCE_S:g} s; try again, or leave the PDF out"
            raise ReportError(msg) from None
        if done.returncode or not fresh.is_file():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            msg = f"{program} could not print {page.name}: {last[:200]}"
            raise ReportError(msg)
        held = to.with_name(f".{to.name}.{os.getpid()}")
        shutil.copyfile(fresh, held)
        held.replace(to)
