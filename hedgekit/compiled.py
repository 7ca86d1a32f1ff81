"""How the core is compiled: numba, cached on disk, never stale.

numba's own cache looks only at the file a function stands in, not at the files
it calls, so after an update of one rule a stale step could go on deciding. Here
the cache folder is named after the source of every compiled room, so a change
anywhere compiles everything anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

_PACKAGE = Path(__file__).parent
_ROOMS = ("rules/*.py", "structures/*.py", "step/*.py", "backtest/*.py", "compiled.py", "params.py", "types.py")


def _source_digest() -> str:
    digest = hashlib.sha256(numba.__version__.encode())
    for file in (file for room in _ROOMS for file in sorted(_PACKAGE.glob(room))):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _cache_dir() -> str | None:
    """Return a folder of our own for machine code, or None where none can be written."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = base / "hedgekit" / _source_digest()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: this user has no home
        return None
    return str(folder) if os.access(folder, os.W_OK) else None


_CACHE_DIR = _cache_dir()


def compiled(function: F) -> F:
    """Compile a pure scalar function with numba (IEEE floats: no fast-math)."""
    config: Any = numba.config  # its names are made at run time
    before = config.CACHE_DIR
    config.CACHE_DIR = _CACHE_DIR or ""
    try:
        return cast("F", numba.njit(function, cache=_CACHE_DIR is not None, error_model="numpy"))
    finally:
        config.CACHE_DIR = before
