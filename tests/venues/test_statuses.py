"""Whether a market can be traded, asked at a session's start: by each venue's own words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hedgekit.errors import VenueError
from hedgekit.types import NS, MarketStatus, Reply
from tests.venues.polymarket_made import CONDITION, KEY, client
from tests.venues.test_kalshi_once import VENUE

T0 = 1_764_000_000 * NS


def kalshi(*statuses: str) -> list[tuple[str, str]]:
    """Return what Kalshi's client makes of markets with these statuses."""
    body = {"markets": [{"ticker": f"T-{place}", "status": status} for place, status in enumerate(statuses)], "cursor": ""}
    found, more = VENUE.statuses_of(VENUE.statuses(), Reply(200, msgspec.json.encode(body)), T0)
    assert more is None
    assert all(one.ts_ns == T0 for one in found)
    return [(one.instrument, one.status) for one in found]


def test_kalshi_asks_for_all_markets_at_once() -> None:
    asked = VENUE.statuses()
    assert (asked.purpose, asked.path.partition("?")[0]) == ("status", "/trade-api/v2/markets")
    assert "tickers=" in asked.path
    assert kalshi("active", "inactive", "initialized", "closed", "determined", "finalized") == [
        ("KALSHI:T-0", "open"),
        ("KALSHI:T-1", "paused"),
        *((f"KALSHI:T-{place}", "closed") for place in range(2, 6)),
    ]
    with pytest.raises(VenueError, match="market 'T-0' has status 'asleep', which is not understood"):
        kalshi("asleep")


@pytest.mark.parametrize(
    ("about", "status"),
    [
        ({"closed": False, "accepting_orders": True}, "open"),
        ({"closed": False, "accepting_orders": False}, "paused"),
        ({"closed": True, "accepting_orders": False}, "closed"),
    ],
)
def test_polymarket_asks_condition_by_condition(about: dict[str, Any], status: Any) -> None:
    made = client()
    asked = made.statuses()
    assert (asked.purpose, asked.path) == ("status", f"/markets/{CONDITION}")
    found, more = made.statuses_of(asked, Reply(200, msgspec.json.encode(about)), T0)
    assert (found, more) == ([MarketStatus(ts_ns=T0, instrument=KEY, status=status)], None)
    with pytest.raises(VenueError, match="polymarket"):
        made.statuses_of(asked, Reply(200, b"{}"), T0)
