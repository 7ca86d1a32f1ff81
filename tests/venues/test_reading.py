"""What all venues read alike: how long to wait."""

from __future__ import annotations

import pytest

from hedgekit.types import NS, Reply
from hedgekit.venues import client_of
from hedgekit.venues.reading import wait_of

DATE = "Fri, 31 Dec 1999 23:59:59 GMT"
"""The example of RFC 9110, 10.2.3; by `date -ud "1999-12-31 23:59:59" +%s`:"""
DATE_S = 946_684_799


@pytest.mark.parametrize(
    ("after", "wait_ns"),
    [
        ("120", 120 * NS),
        (" 7 ", 7 * NS),
        ("0", 0),
        (DATE, 9 * NS),
        ("Fri, 31 Dec 1999 23:59:40 GMT", 0),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("1.5", None),
        ("\u0667", None),
        ("1 Jan 99999999999999999999", None),
    ],
)
def test_seconds_or_a_date(after: str, wait_ns: int | None) -> None:
    assert wait_of(after, (DATE_S - 9) * NS) == wait_ns


@pytest.mark.parametrize("venue", ["ALPACA", "DERIBIT", "KALSHI", "POLYMARKET"])
def test_at_every_venue_and_of_any_length(venue: str) -> None:
    """Python refuses to read thousands of digits as a number."""
    said = dict.fromkeys(("retry-after", "x-ratelimit-remaining"), "9" * 5000)
    wait_ns, _ = client_of(venue).limits_of(Reply(429, b"", said), 0)
    assert wait_ns == 999_999_999 * NS
    assert client_of(venue).limits_of(Reply(429, b"", {"retry-after": DATE}), (DATE_S - 2) * NS)[0] == 2 * NS
