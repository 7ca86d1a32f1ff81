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
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

_PACKAGE = Path(__file__).parent
_CORE = ("rules/*.py", "structures/*.py", "step/*.py", "backtest/*.py", "stats/quick.py", "compiled.py", "params.py", "types/*.py")
_STATISTICS = ("stats/**/*.py", "data/*.py", "metrics/*.py", "verdict/*.py", "rules/*.py", "compiled.py")


def _source_digest(rooms: tuple[str, ...]) -> str:
    digest = hashlib.sha256(numba.__version__.encode())
    for file in (file for room in rooms for file in sorted(_PACKAGE.glob(room))):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _cache_dir(rooms: tuple[str, ...]) -> str | None:
    """Return a folder for machine code that is this user's alone, or None where there can be none: what lies in it is run."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hedgekit"
        folder = base / _source_digest(rooms)
        folder.mkdir(parents=True, exist_ok=True)
        for place in (base, folder):
            if hasattr(os, "geteuid") and place.stat().st_uid != os.geteuid():
                return None
            place.chmod(0o700)
    except (OSError, RuntimeError):  # RuntimeError: this user has no home
        return None
    return str(folder) if os.access(folder, os.W_OK) else None


def _compile(function: F, rooms: tuple[str, ...], **options: Any) -> F:  # noqa: ANN401 - numba's own options
    folder = _cache_dir(rooms)
    config: Any = numba.config  # its names are made at run time
    before = config.CACHE_DIR
    config.CACHE_DIR = folder or ""
    try:
        return cast("F", numba.njit(function, cache=folder is not None, error_model="numpy", nogil=True, **options))
    finally:
        config.CACHE_DIR = before


def compiled(function: F) -> F:
    """Compile a pure function of the core with numba (IEEE floats: no fast-math; the interpreter's lock is released).

    It may not make arrays, and does not count references to those that it is given: whoever calls from Python holds them. The
    counters are atomic, so two threads on one tape would wait for each other at every call.
    """
    return _compile(function, _CORE, _nrt=False, forceinline=True)


def making(function: F) -> F:
    """Compile as :func:`compiled` a function that makes arrays of its own."""
    return _compile(function, _CORE)


def kernel(function: F) -> F:
    """Compile a pure function of the statistics.

    Sums may be reordered, and products and sums fused, so that loops over a series use the
    whole width of the processor. NaN and infinities keep their meaning. The last digits may differ
    between kinds of processor, so nothing that a session must decide alike everywhere is a kernel.
    """
    return _compile(function, _STATISTICS, fastmath={"reassoc", "contract"})
