"""Driver 3: a paper session, its own process, trading through a real exchange interface.

The session itself is loaded when first used: who only sends it commands needs none of its libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hedgekit.paper.config import SessionConfig

if TYPE_CHECKING:
    from hedgekit.paper.session import Session

__all__ = ["Session", "SessionConfig"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    """Load the session when it is first used."""
    if name != "Session":
        msg = f"module 'hedgekit.paper' has no attribute {name!r}"
        raise AttributeError(msg)
    from hedgekit.paper.session import Session  # noqa: PLC0415 - loading it late is what this function is for

    return Session
