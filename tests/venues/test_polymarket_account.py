"""Polymarket's user socket: acknowledgements, fills by either token, ends, and fills undone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import VenueError
from hedgekit.types import NS, Ack, Cancelled, Fill, Reject, Update
from hedgekit.venues.polymarket import Polymarket
from hedgekit.venues.polymarket.account import ends
from tests.venues.polymarket_made import CONDITION, HASH, KEY, KEYS, NATIVE, OPPOSITE, TOKEN, YES, changed, client, knowing, payload

MAKER = "0xff354cd7ca7539dfa9c28d90943ab5779a4eac9b9d7a3c1c5d4f60a8b1e0f2d3"
CLIENT = knowing()


def told(frame: bytes | str) -> Any:
    """Return what a frame tells of the payloads' order."""
    return CLIENT.account(0).take(frame, 9)


def test_it_logs_in_with_the_api_key_and_its_conditions() -> None:
    login = client().account(0).login()
    message, waits = next(login)
    assert not waits
    auth = dict(zip(("apiKey", "secret", "passphrase"), KEYS[1:], strict=True))
    assert msgspec.json.decode(message or b"") == {"type": "user", "auth": auth, "markets": [CONDITION]}
    assert KEYS[0] not in (message or b"").decode()
    assert login.send(b"") == (b"PING", True)
    with pytest.raises(StopIteration):
        login.send(b"PONG")
    made = knowing().account(0)
    early = made.login()
    next(early)
    next(early)
    assert early.send(payload("ws_order")) == (None, True)
    assert [update.event.order_id for update in made.take("PONG", 9) if isinstance(update, Update)] == ["s1-1-0"], "kept, and told once"
    assert made.take("PONG", 9) == []
    made = client().account(0)
    assert (made.beat, made.headers, made.to_say(), made.take("PONG", 1)) == (b"PING", {}, [], [])


def test_a_placed_order_is_acknowledged() -> None:
    assert told(payload("ws_order")) == [Update(Ack(ts_ns=9, order_id="s1-1-0", venue_order_id=HASH), Decimal(0))]
    assert client().account(0).take(payload("ws_order"), 9)[0].event.order_id == HASH  # type: ignore[union-attr] # a stranger keeps the venue's name


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"type": "UPDATE", "size_matched": "4"}, Ack),
        ({"type": "UPDATE", "size_matched": "4", "status": "MATCHED"}, Ack),  # the rest works on
        ({"type": "UPDATE", "size_matched": "4", "status": "MATCHED", "order_type": "FAK"}, Cancelled),
        ({"type": "UPDATE", "size_matched": "4", "status": "MATCHED", "order_type": "FOK"}, Cancelled),
        ({"type": "UPDATE", "size_matched": "9.995", "status": "MATCHED"}, Cancelled),  # but for dust
        ({"status": "DELAYED"}, Ack),
        ({"status": "UNMATCHED"}, Ack),
        ({"status": None}, Ack),
        ({"type": "CANCELLATION", "size_matched": "4", "status": "CANCELED"}, Cancelled),
        ({"type": "CANCELLATION", "status": "whatever it says"}, Cancelled),
        ({"type": "UPDATE", "status": "CANCELED_NOT_ENOUGH_BALANCE"}, Cancelled),
        ({"type": "UPDATE", "status": "CANCELED_order couldn't be fully filled..."}, Cancelled),
        ({"type": "UPDATE", "status": "INVALID"}, Reject),
        ({"type": "UPDATE", "status": "INVALID", "size_matched": "4"}, Cancelled),
    ],
)
def test_what_is_told_of_an_order(fields: dict[str, Any], kind: type) -> None:
    [update] = told(changed("ws_order", **fields))
    assert type(update.event) is kind
    assert (update.event.order_id, update.filled) == ("s1-1-0", Decimal(fields.get("size_matched", "0")))


def fill(**fields: Any) -> Fill:
    """Return the payloads' fill, with fields changed."""
    made = {"order_id": "s1-1-0", "fill_id": f"t-1/{HASH}", "instrument": KEY, "venue_ns": 1_764_000_001 * NS, "qty": Decimal(10)}
    made |= {"price": Decimal("0.48"), "fee": Decimal("0.09984")} | fields
    return Fill(**({"ts_ns": 9} | made))


@pytest.mark.parametrize("status", ["MATCHED", "MINED", "CONFIRMED", "RETRYING", "TRADE_STATUS_MATCHED", "MATCHED_NOT_BROADCASTED"])
def test_a_trade_is_a_fill_of_the_same_id_whatever_its_status(status: str) -> None:
    assert told(changed("ws_trade", status=status)) == [Update(fill())]


@pytest.mark.parametrize(
    ("token", "side", "qty", "price"),
    [(TOKEN, "BUY", 10, "0.48"), (TOKEN, "SELL", -10, "0.48"), (OPPOSITE, "BUY", -10, "0.52"), (OPPOSITE, "SELL", 10, "0.52")],
)
def test_a_fill_of_either_token_is_one_of_the_instrument(token: str, side: str, qty: int, price: str) -> None:
    assert told(changed("ws_trade", asset_id=token, side=side)) == [Update(fill(qty=Decimal(qty), price=Decimal(price)))]


def as_maker(token: str, side: str, maker_token: str) -> bytes:
    """Return a trade in which the order rested."""
    maker = {"order_id": HASH, "owner": KEYS[1], "matched_amount": "3", "price": "0.4", "asset_id": maker_token}
    other = {"order_id": "0x01", "owner": "somebody", "matched_amount": "7", "price": "0.4", "asset_id": maker_token}
    fields = {"asset_id": token, "side": side, "taker_order_id": MAKER, "trader_side": "MAKER"}
    return changed("ws_trade", **fields, maker_orders=[other, maker])


@pytest.mark.parametrize(
    ("token", "side", "maker_token", "qty", "price"),
    [
        (TOKEN, "BUY", TOKEN, -3, "0.4"),  # they buy what we sell
        (TOKEN, "SELL", TOKEN, 3, "0.4"),
        (OPPOSITE, "BUY", TOKEN, 3, "0.4"),  # both buy: a set is made
        (OPPOSITE, "SELL", TOKEN, -3, "0.4"),  # both sell: a set is merged
        (OPPOSITE, "BUY", OPPOSITE, 3, "0.6"),
        (TOKEN, "BUY", OPPOSITE, -3, "0.6"),
    ],
)
def test_a_maker_is_on_the_other_side_or_in_the_other_token(token: str, side: str, maker_token: str, qty: int, price: str) -> None:
    assert told(as_maker(token, side, maker_token)) == [Update(fill(qty=Decimal(qty), price=Decimal(price), fee=Decimal(0)))]


def test_both_sides_of_a_trade_with_oneself_are_told_under_two_ids() -> None:
    frame = changed(
        "ws_trade", maker_orders=[{"order_id": MAKER, "owner": KEYS[1], "matched_amount": "10", "price": "0.48", "asset_id": TOKEN}]
    )
    one, other = told(frame)
    assert (one.event.qty, other.event.qty) == (10, -10)
    assert one.event.fill_id != other.event.fill_id


def test_a_trade_of_others_tells_nothing() -> None:
    assert told(changed("ws_trade", taker_order_id=MAKER, trader_side="MAKER")) == []


def test_without_an_api_key_nobodys_trades_are_ours() -> None:
    made = Polymarket((KEYS[0], "", "", ""), (YES,), {KEY: NATIVE.text()})
    maker = {"order_id": MAKER, "matched_amount": "10", "price": "0.48", "asset_id": TOKEN}
    assert made.account(0).take(changed("ws_trade", trader_side="MAKER", maker_orders=[maker]), 9) == []


def test_a_trade_that_fails_is_undone_and_stays_so() -> None:
    made = CLIENT.account(0)
    assert made.take(payload("ws_trade"), 9) == [Update(fill())]
    matched, undone = made.take(changed("ws_trade", status="FAILED"), 10)
    assert matched == Update(fill(ts_ns=10)), "who has not heard of it learns both; who has, knows it by its id"
    taken_back = {"ts_ns": 10, "fill_id": f"t-1-reversed/{HASH}", "qty": -fill().qty, "fee": -fill().fee, "cause": "reversal"}
    assert undone == Update(fill(**taken_back))
    assert made.take(changed("ws_trade", status="FAILED"), 11) == []
    assert made.take(changed("ws_trade", status="MINED"), 12) == []  # told late


def test_one_frame_may_tell_several_things() -> None:
    frame = b"[" + payload("ws_trade") + b"," + payload("ws_order") + b"]"
    assert [type(update.event) for update in told(frame)] == [Fill, Ack]


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        (changed("ws_trade", status="TELEPORTED"), "trade 't-1' has status 'TELEPORTED'"),
        (changed("ws_trade", size="0"), "has size 0"),
        (changed("ws_trade", size="NaN"), "a trade's size is 'NaN'"),
        (changed("ws_trade", size="-1"), "a trade's size is '-1'"),
        (changed("ws_trade", price="1.01"), "a price is at most 1"),
        (changed("ws_trade", side="sideways"), "cannot be read"),
        (changed("ws_trade", id=""), "cannot be read"),
        (changed("ws_trade", matchtime=None, timestamp=None), "'' is not a Unix time"),
        (changed("ws_order", status="TELEPORTED"), "order status 'TELEPORTED'"),
        (changed("ws_order", type="TELEPORTATION"), "cannot be read"),
        (changed("ws_order", size_matched="lots"), "an order's matched size is 'lots'"),
        (b'{"event_type":"other"}', "cannot be read"),
        (b"\xff", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_updates_without_meaning_are_refused(frame: bytes | str, word: str) -> None:
    with pytest.raises(VenueError, match=word) as caught:
        told(frame)
    assert str(caught.value).startswith("polymarket: ")
    assert len(str(caught.value)) < 700


@given(size=st.decimals(1, 1000, places=2), matched=st.decimals(0, 1000, places=2))
def test_a_resting_order_is_over_when_all_but_dust_is_matched(size: Decimal, matched: Decimal) -> None:
    assert ends("MATCHED", "GTC", size, matched) == (size - matched <= Decimal("0.01"))
    assert ends("ORDER_STATUS_MATCHED", "FAK", size, matched)
    assert not ends("live", "FAK", size, matched)
