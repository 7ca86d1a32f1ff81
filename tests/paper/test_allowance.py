"""What a session may ask of a venue when it starts, and when it starts again (A17)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hedgekit.paper.allowance import limiter_of
from hedgekit.types import NS, Quote, Record
from hedgekit.venues.alpaca import Alpaca

NOW_NS = 1_000 * NS
HEARD = Quote(ts_ns=NOW_NS - NS, instrument="ALPACA:KO", venue_ns=NOW_NS - NS, bid=1.0, ask=1.1, bid_size=1.0, ask_size=1.0)


@pytest.mark.parametrize(("records", "live", "used_up"), [([], True, False), ([HEARD], True, True), ([HEARD], False, False)])
def test_a_live_session_that_starts_again_begins_with_nothing(records: Sequence[Record], live: bool, used_up: bool) -> None:  # noqa: FBT001 - cases
    """Before its first decision the process before it had asked for prices, positions and fills, and nobody knows how often."""
    limiter = limiter_of(Alpaca(("key", "secret"), ()), "s", 200, records, NOW_NS, live=live)
    ((left, capacity),) = limiter.left(NOW_NS).values()
    assert capacity == 50
    assert left == (0 if used_up else capacity)
