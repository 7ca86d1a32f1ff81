"""The user's folder: sessions, the schedule and the trial ledger are kept in it, unless their own addresses say otherwise."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

HOME_ENV = "HEDGEKIT_HOME"
"""The variable that names the folder."""


def home_of(folder: str | os.PathLike[str] | None = None) -> Path:
    """Return ``folder``, else what $HEDGEKIT_HOME names, else the user's data folder: absolute, and made by who writes into it."""
    chosen = folder or os.environ.get(HOME_ENV) or platformdirs.user_data_path("hedgekit", appauthor=False)
    return Path(chosen).expanduser().resolve()
