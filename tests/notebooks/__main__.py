"""Run every notebook from top to bottom with its own numbers: ``make notebooks``. Templates of reports are run by the reports.

python -m tests.notebooks [--only 01]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from papermill.exceptions import PapermillExecutionError

from hedgekit.lab import source
from tests.desk.made import ended
from tests.notebooks.running import executed
from tests.shots import TEMPLATES


def main() -> int:
    """Print how long each took; return 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a part of the name")
    only, failed = parser.parse_args().only, 0
    for file in sorted(source().glob("*.ipynb")):
        if only not in file.name or file.name in TEMPLATES:
            continue
        with TemporaryDirectory() as folder:
            os.environ["HEDGEKIT_HOME"] = str(Path(folder, "home"))
            start, said = time.monotonic(), "ran"
            try:
                executed(file.name, Path(folder), "pass")
            except PapermillExecutionError as error:
                failed, said = 1, f"failed: {error.ename}: {error.evalue}"
            print(f"{file.name:<32} {time.monotonic() - start:5.0f} s  {said}", flush=True)
            ended(Path(folder, "home"))
    return failed


if __name__ == "__main__":
    sys.exit(main())
