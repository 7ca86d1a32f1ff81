"""Driver 3: a paper session, its own process, trading through a real exchange interface."""

from __future__ import annotations

from hedgekit.paper.config import SessionConfig
from hedgekit.paper.session import Session

__all__ = ["Session", "SessionConfig"]
