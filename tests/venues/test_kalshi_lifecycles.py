"""What Kalshi's market feed tells of what happens to a market, and what it does not understand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from hedgekit.errors import VenueError
from hedgekit.types import MarketStatus, Settled, TickChanged
from hedgekit.venues.kalshi.book import Book
from tests.venues.kalshi_made import FED, KEY, changed, opened, payload, told

CLOSED = MarketStatus(ts_ns=1, instrument=KEY, status="closed")


@pytest.mark.parametrize(
    ("frame", "events"),
    [
        (payload("lifecycle_created"), []),
        (payload("lifecycle_metadata"), []),
        (payload("event_lifecycle"), []),
        (payload("subscribed"), []),
        (changed("lifecycle_created", event_type="close_date_updated"), []),
        (payload("lifecycle_paused"), [MarketStatus(ts_ns=1, instrument=KEY, status="paused")]),
        (changed("lifecycle_paused", event_type="activated"), [MarketStatus(ts_ns=1, instrument=KEY, status="open")]),
        (payload("lifecycle_determined"), [CLOSED, Settled(1, KEY, 1_694_721_700_000_000_000, Decimal(1), final=False)]),
        (
            changed("lifecycle_determined", settlement_value="0.3500"),
            [CLOSED, Settled(1, KEY, 1_694_721_700 * 10**9, Decimal("0.35"), final=False)],
        ),
        (
            changed("lifecycle_determined", settlement_value=None, result="no"),
            [CLOSED, Settled(1, KEY, 1_694_721_700 * 10**9, Decimal(0), final=False)],
        ),
        (payload("lifecycle_settled"), [CLOSED, Settled(1, KEY, 1_694_725_300_000_000_000, None, final=True)]),
        (payload("lifecycle_ladder"), [TickChanged(ts_ns=1, instrument=KEY, venue_ns=1_669_149_841_234 * 10**6, tick=Decimal("0.01"))]),
        (payload("fee_update"), []),
        (changed("lifecycle_paused", market_ticker="NOT-OURS", event_type="teleported"), []),
    ],
)
def test_what_happens_to_a_market(frame: bytes, events: list[Any]) -> None:
    assert told(frame) == events


def test_what_a_contract_pays_is_remembered_until_it_is_paid() -> None:
    """The venue says the value when it is determined, and not again when it is settled."""
    settled = msgspec.json.decode(payload("lifecycle_settled")) | {"seq": msgspec.json.decode(payload("lifecycle_determined"))["seq"] + 1}
    events = told(payload("lifecycle_determined"), msgspec.json.encode(settled))
    assert events[-1] == Settled(2, KEY, 1_694_725_300_000_000_000, Decimal(1), final=True)


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        (changed("lifecycle_paused", event_type="teleported"), "lifecycle event 'teleported' of FED"),
        (changed("lifecycle_determined", settlement_value="1.5"), "settles at 1.5"),
        (changed("lifecycle_ladder", price_ranges=None), "no ladder"),
        (changed("lifecycle_ladder", price_ranges=[{"start": "0", "end": "1", "step": "0"}]), "no ladder"),
        (
            changed(
                "lifecycle_ladder",
                price_ranges=[{"start": "0", "end": "0.1", "step": "0.01"}, {"start": "0.2", "end": "1", "step": "0.01"}],
            ),
            "ladder",
        ),
        (payload("stream_error"), "error 9 of the stream"),
        (payload("fill"), "'fill' was not asked for"),
        (changed("snapshot", market_ticker="NOT-OURS"), "'NOT-OURS' in subscription 2"),
        (payload("snapshot").replace(b'"sid": 2', b'"sid": 3'), "in subscription 3"),
        (payload("delta").replace(b'"sid": 2', b'"sid": 3'), "in subscription 3"),
        (changed("snapshot", yes_dollars_fp=[["0.5", "1.00"], ["0.50", "1.00"]]), "empty or there twice"),
        (changed("snapshot", yes_dollars_fp=[["0.5", "0.00"]]), "empty or there twice"),
        (changed("snapshot", yes_dollars_fp=[["0.5"]]), "cannot be read"),
        (changed("delta", delta_fp="1.005"), "cannot be read"),
        (changed("delta", side="maybe"), "cannot be read"),
        (b'{"type":"orderbook_delta","sid":2,"seq":1}', "cannot be read"),
        (b'{"type":"ticker","sid":2,"msg":{}}', "cannot be read"),
        (b'{"type":"\xed\x9f\xbc\\n"}', "cannot be read"),
        (b'{"type":"%s"}' % (b"x" * 9_000), "cannot be read"),
        (b"", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b'{"type":"ok","x":' + b"[" * 100_000, "cannot be read"),
    ],
)
def test_market_data_without_meaning_is_refused(frame: bytes, word: str) -> None:
    feed = opened()
    feed._books[FED] = Book([], [])
    with pytest.raises(VenueError, match=word) as caught:
        feed.take(frame, 1)
    assert len(str(caught.value)) < 700
    assert str(caught.value).isprintable()
