"""What Kalshi's account feed tells: orders and fills, without sequence numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from hedgekit.errors import VenueError
from hedgekit.types import Ack, Cancelled, Fill
from hedgekit.venues.kalshi.streams import AccountFeed
from tests.venues.kalshi_made import changed, payload

TICKER = "HIGHNY-24JAN01-T60"


def told(*frames: bytes) -> list[Any]:
    """Return what the account's feed tells of frames."""
    feed = AccountFeed({}, [TICKER])
    return [update for frame in frames for update in feed.take(frame, 9)]


def test_an_order_update() -> None:
    """With how much of it was executed, so that a fill that was missed is asked for."""
    name, venue_id = "s1-1-0", "ee587a1c-8b87-4dcf-b721-9f6f790619fa"
    ack = Ack(ts_ns=9, order_id=name, venue_order_id=venue_id)
    assert told(payload("user_order")) == [(ack, Decimal(0))]
    assert told(changed("user_order", status="executed", fill_count_fp="10.00")) == [(ack, Decimal(10))]
    over = changed("user_order", status="canceled", fill_count_fp="3.00", last_update_reason="ExpiryCancel")
    assert told(over) == [(Cancelled(ts_ns=9, order_id=name), Decimal(3))]
    assert told(changed("user_order", status="unknown")) == []


def test_a_fill() -> None:
    fill = Fill(
        ts_ns=9,
        order_id="s1-1-0",
        fill_id="d91bc706-ee49-470d-82d8-11418bda6fed",
        instrument="KALSHI:HIGHNY-22DEC23-B53.5",
        venue_ns=1_671_899_397_000_000_000,
        qty=Decimal(278),
        price=Decimal("0.75"),
        fee=Decimal("0.01"),
    )
    assert told(payload("fill")) == [(fill, None)]
    sold = told(changed("fill", book_side="ask", outcome_side="no"))[0].event
    assert (sold.qty, sold.price) == (Decimal(-278), Decimal("0.75")), "the YES price, whichever side was taken"


def test_a_fill_without_our_id_is_of_the_order_that_was_told_before() -> None:
    anonymous = changed("fill", client_order_id=None)
    assert told(payload("user_order"), anonymous)[1].event.order_id == "s1-1-0"
    with pytest.raises(VenueError, match="of none of ours"):
        told(anonymous)


def test_the_account_login_asks_for_our_markets_and_keeps_what_comes_meanwhile() -> None:
    feed = AccountFeed({}, [TICKER])
    login = feed.login()
    asked, waits = next(login)
    assert waits
    assert msgspec.json.decode(asked or b"") == {
        "id": 1,
        "cmd": "subscribe",
        "params": {"channels": ["user_orders"], "market_tickers": [TICKER]},
    }
    asked, _ = login.send(b'{"type":"subscribed","id":1,"msg":{"channel":"user_orders","sid":1}}')
    assert msgspec.json.decode(asked or b"")["params"]["channels"] == ["fill"]
    assert login.send(payload("user_order")) == (None, True)
    with pytest.raises(StopIteration):
        login.send(b'{"type":"subscribed","id":2,"msg":{"channel":"fill","sid":2}}')
    assert [type(update.event) for update in feed.take(payload("fill"), 9)] == [Ack, Fill]
    assert [type(update.event) for update in feed.take(payload("fill"), 9)] == [Fill]


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        (payload("stream_error"), "error 9 of the stream: 'Authentication required'"),
        (payload("stream_overflow"), "error 25"),
        (payload("unsubscribed"), "'unsubscribed' was not asked for"),
        (payload("snapshot"), "'orderbook_snapshot' was not asked for"),
        (changed("user_order", status="unheard"), "cannot be read"),
        (changed("user_order", order_id=""), "cannot be read"),
        (changed("user_order", fill_count_fp="-1.00"), "an order update holds -1.00"),
        (changed("fill", count_fp="0.00"), "says 0.00 contracts"),
        (changed("fill", book_side="ask"), "book side 'ask', outcome 'yes'"),
        (changed("fill", fee_cost="1e3"), "cannot be read"),
        (changed("fill", yes_price_dollars="7500"), "price 7500"),
        (changed("fill", ts_ms=-1), "time -1 ms"),
        (changed("fill", trade_id=None), "cannot be read"),
        (b'{"type":"teleported","sid":1}', "cannot be read"),
        (b"{}", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b'{"type":"fill","msg":' + b"[" * 100_000, "cannot be read"),
    ],
)
def test_updates_without_meaning_are_refused(frame: bytes, word: str) -> None:
    with pytest.raises(VenueError, match=word) as caught:
        told(frame)
    assert len(str(caught.value)) < 500


def test_an_error_keeps_its_code() -> None:
    with pytest.raises(VenueError) as caught:
        told(payload("stream_overflow"))
    assert caught.value.code == 25
