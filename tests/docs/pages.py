"""The code blocks of a page, run in order as a reader would: Python in one interpreter, commands in a shell, both in one empty folder.

``python -m tests.docs.pages docs/faq.md`` writes what the blocks print now into the page; the difference is for a person to read.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
MARK = "---- the next block ----"


@dataclass(frozen=True)
class Block:
    """A code block, and what the page says that it prints; None if it says nothing."""

    language: str
    code: str
    says: str | None


def pages() -> list[Path]:
    """Return all pages of the site, and the README."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def blocks(text: str) -> list[Block]:
    """Return the blocks of Python and of commands, in order."""
    return [Block(*found.groups()) for found in BLOCK.finditer(text)]


def printed(page: list[Block], folder: Path) -> list[str]:
    """Run the blocks in a folder and return what each printed; AssertionError with the block that failed."""
    said: list[str] = []
    for language, run in _runs(page):
        command = [sys.executable, "-"] if language == "python" else ["bash", "-e"]
        between = f"\nprint({MARK!r}, flush=True)\n" if language == "python" else f"\necho {MARK!r}\n"
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command,
            input=between.join(block.code for block in run),
            cwd=folder,
            env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "HEDGEKIT_HOME": str(folder / "home")},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{run[done.stdout.count(MARK)].code}\n{done.stderr[-2000:]}"
        said += done.stdout.split(f"{MARK}\n")
    return said


def _runs(page: list[Block]) -> list[tuple[str, list[Block]]]:
    """Join neighbours of one language: they share an interpreter. Python after commands starts anew."""
    runs: list[tuple[str, list[Block]]] = []
    for block in page:
        if runs and runs[-1][0] == block.language:
            runs[-1][1].append(block)
        else:
            runs.append((block.language, [block]))
    return runs


def plain(text: str) -> str:
    """Return a text without blanks at the ends of its lines."""
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())


def main() -> None:
    """Write what the blocks print into the pages named."""
    for name in sys.argv[1:]:
        text = Path(name).read_text()
        with tempfile.TemporaryDirectory() as folder:
            said = iter(printed(blocks(text), Path(folder)))

        def renewed(found: re.Match[str], said: object = said) -> str:
            now = plain(next(said))  # type: ignore[call-overload]
            return found[0] if found[3] is None else f"```{found[1]}\n{found[2]}```\n\n```text\n{now}\n```\n"

        Path(name).write_text(BLOCK.sub(renewed, text))


if __name__ == "__main__":
    main()
