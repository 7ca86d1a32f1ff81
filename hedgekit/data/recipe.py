"""Any market that can be played, and how to read one from JSON."""

from __future__ import annotations

import msgspec

from hedgekit.data.binary import SyntheticBinary
from hedgekit.data.live_feed import LiveFeed
from hedgekit.data.market import Market
from hedgekit.data.recorded import Recorded
from hedgekit.data.sampled import SampledBooks
from hedgekit.data.synthetic import SyntheticMarket

Recipe = Market | Recorded | SampledBooks | LiveFeed | SyntheticMarket | SyntheticBinary
"""Any market that can be played. Two have ``books()``, several levels deep; all but a :class:`LiveFeed` have ``tape()``."""


def recipe_of(text: str | bytes) -> Recipe:
    """Return the market that JSON describes; without a ``kind`` it is "recorded", the sample of closes.

    Raises
    ------
    msgspec.DecodeError
        If it describes none.
    """
    plain = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    return msgspec.json.decode(text, type=Recipe) if "kind" in plain else msgspec.json.decode(text, type=Market)
