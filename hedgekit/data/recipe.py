"""Any market that can be played, and how to read one from JSON."""

from __future__ import annotations

import msgspec

from hedgekit.data.binary import SyntheticBinary
from hedgekit.data.market import Market
from hedgekit.data.synthetic import SyntheticMarket

Recipe = Market | SyntheticMarket | SyntheticBinary
"""Any market that can be played."""


def recipe_of(text: str | bytes) -> Recipe:
    """Return the market that JSON describes; without a ``kind`` it is a recorded one.

    Raises
    ------
    msgspec.DecodeError
        If it describes none.
    """
    kind = msgspec.json.decode(text, type=_Kind).kind
    if kind == "synthetic":
        return msgspec.json.decode(text, type=SyntheticMarket)
    if kind == "synthetic_binary":
        return msgspec.json.decode(text, type=SyntheticBinary)
    return msgspec.json.decode(text, type=Market)


class _Kind(msgspec.Struct):
    kind: str = "recorded"
