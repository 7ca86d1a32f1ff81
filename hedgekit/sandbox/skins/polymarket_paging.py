"""Pages of lists: a cursor is the number of the first item, in base64; ``LTE=`` (-1) stands for no more, and is a 400 when sent back."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from hedgekit.sandbox.calls import Answer
from hedgekit.sandbox.skins.polymarket_wire import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SIZE = 100
END = "LTE="


def page(items: Sequence[object], query: Mapping[str, str], size: int = SIZE) -> Answer:
    """Return the page that ``next_cursor`` names, the first one without it; 400 for a cursor that is none."""
    cursor = query.get("next_cursor") or "MA=="
    try:
        first = int(base64.b64decode(cursor, validate=True).decode("ascii"))
    except (binascii.Error, ValueError):
        first = -1
    if first < 0 or first > len(items):
        return refusal("invalid next_cursor")
    shown = list(items[first : first + size])
    after = first + len(shown)
    more = base64.b64encode(str(after).encode()).decode() if after < len(items) else END
    return Answer(200, {"limit": size, "count": len(shown), "next_cursor": more, "data": shown})
