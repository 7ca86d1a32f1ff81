"""Wheels and source archives, built as a release is, and what is in them."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build(kind: str, source: Path, out: Path) -> Path:
    """Build a ``wheel`` or ``sdist`` with this environment's hatchling; return the file."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(out)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=120)
    return next(out.glob("*.whl" if kind == "wheel" else "*.tar.gz"))


def names_in(file: Path) -> set[str]:
    """Return the names of the files in a wheel, or in a source archive without its first folder."""
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as wheel:
            return {name for name in wheel.namelist() if not name.endswith("/")}
    with tarfile.open(file) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def unpacked(file: Path, to: Path) -> Path:
    """Unpack a source archive; return its folder."""
    with tarfile.open(file) as archive:
        archive.extractall(to, filter="data")
    return next(to.iterdir())
