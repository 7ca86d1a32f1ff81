"""The PostgreSQL server that the journal's tests start for themselves.

``find()`` names the folder of its programs (initdb, postgres); run as a
program, it installs them by apt if there are none and this is root.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.chromium import apt_install

DEBIAN = Path("/usr/lib/postgresql")
HELP = "no PostgreSQL server programs (initdb, postgres) on this machine, and they could not be installed: install the package postgresql"


def find() -> Path | None:
    """Return the folder of initdb and postgres, the newest version first; None if there is none."""
    newest_first = sorted(DEBIAN.glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    folders = [*newest_first, *([Path(on_path).resolve().parent] if on_path else [])]
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


def ensure() -> Path | None:
    """Return the folder, installing the programs if need be; None if that is impossible."""
    if find() is None:
        apt_install("postgresql")
    return find()


if __name__ == "__main__":
    found = ensure()
    print("hedgekit: PostgreSQL for the tests:", found) if found else print("hedgekit:", HELP, file=sys.stderr)
    sys.exit(0 if found else 1)
