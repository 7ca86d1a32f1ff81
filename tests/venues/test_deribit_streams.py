"""Deribit's two sockets: the logins, the heartbeats, what is told, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from hedgekit.errors import VenueError
from hedgekit.types import NS, Ack, Cancelled, Fill, Funding, Gap, MarketStatus, Quote, Reject, Update
from hedgekit.venues.deribit import signing
from hedgekit.venues.deribit.market import MarketFeed
from tests.venues.deribit_made import BTC, ETH, SECRET, answer, book, changed, client, failure, logged_in, payload, result

NOW_NS = 1_764_000_000_000_000_000
NEW = ["new", 100.0, 10.0], ["new", 101.0, 20.0]


def calls(messages: list[bytes]) -> list[str]:
    """Return the methods of messages that are said."""
    return [msgspec.json.decode(message)["method"] for message in messages]


# ---------------------------------------------------------------------- logins


def test_prices_need_no_key() -> None:
    heartbeat, subscribe = logged_in(client(BTC, ETH).market(NOW_NS).login())
    assert (heartbeat["method"], heartbeat["params"]) == ("public/set_heartbeat", {"interval": 10})
    assert subscribe["method"] == "public/subscribe"
    names = ("BTC-PERPETUAL", "ETH-PERPETUAL")
    assert subscribe["params"]["channels"] == [f"{kind}.{name}.100ms" for kind in ("book", "ticker") for name in names]


def test_the_account_logs_in_by_signature_and_arms_the_dead_mans_switch() -> None:
    auth, heartbeat, guard, subscribe = logged_in(client().account(NOW_NS).login())
    told = auth["params"]
    signed = signing.signature(SECRET, "1764000000000", told["nonce"], "")
    expected = {"grant_type": "client_signature", "client_id": "did", "timestamp": 1_764_000_000_000, "data": "", "signature": signed}
    assert (auth["method"], told) == ("public/auth", expected | {"nonce": told["nonce"]})
    assert heartbeat["method"] == "public/set_heartbeat"
    assert (guard["method"], guard["params"]) == ("private/enable_cancel_on_disconnect", {"scope": "connection"})
    assert (subscribe["method"], subscribe["params"]["channels"]) == (
        "private/subscribe",
        ["user.orders.any.any.raw", "user.trades.any.any.raw"],
    )
    assert SECRET not in msgspec.json.encode([auth, heartbeat, guard, subscribe]).decode()


@pytest.mark.parametrize("step", range(4))
def test_a_login_that_is_refused_says_which_call_and_no_secret(step: int) -> None:
    login = client().account(NOW_NS).login()
    message, _ = next(login)
    for _ in range(step):
        message, _ = login.send(answer(message or b""))
    call = msgspec.json.decode(message or b"")
    with pytest.raises(VenueError, match=rf"deribit refused {call['method']} \(13004\): invalid_credentials") as caught:
        login.send(msgspec.json.encode(msgspec.json.decode(failure("invalid_credentials", 13_004)) | {"id": call["id"]}))
    assert caught.value.code == 13_004
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("step", "value", "word"),
    [
        (0, {"expires_in": 0}, "lasts 0 seconds"),
        (0, "ok", "login cannot be read"),
        (1, "no", "not 'ok'"),
        (2, "no", "answer to private/enable_cancel_on_disconnect cannot be read"),
        (3, ["user.orders.any.any.raw"], "did not subscribe to user.trades.any.any.raw"),
        (3, "ok", "list of subscriptions cannot be read"),
    ],
)
def test_a_login_that_is_answered_otherwise_is_refused(step: int, value: Any, word: str) -> None:
    login = client().account(NOW_NS).login()
    message, _ = next(login)
    for _ in range(step):
        message, _ = login.send(answer(message or b""))
    with pytest.raises(VenueError) as caught:
        login.send(result(value, msgspec.json.decode(message or b"")["id"]))
    assert word in str(caught.value)


def test_what_comes_before_an_answer_is_told_first() -> None:
    feed = client().market(NOW_NS)
    login = feed.login()
    message, _ = next(login)
    message, _ = login.send(answer(message or b""))
    for early in (book(1, [NEW[0]], [NEW[1]]), payload("test_request")):
        assert login.send(early) == (None, True)
    with pytest.raises(StopIteration):
        login.send(answer(message or b""))
    first, second = feed.take(book(2, [["change", 100.0, 30.0]], [], prev=1), 9)
    assert isinstance(first, Quote)
    assert isinstance(second, Quote)
    assert (first.bid_size, second.bid_size) == (1.0, 3.0)
    assert calls(feed.to_say()) == ["public/test"]
    assert feed.take(book(3, [], [], prev=2), 10) == []


# ------------------------------------------------------------------ heartbeats


@pytest.mark.parametrize("feed", [client().market(NOW_NS), client().account(NOW_NS)])
def test_a_test_request_is_answered_once(feed: Any) -> None:
    assert feed.beat is None
    assert feed.take(payload("heartbeat"), 1) == []
    assert feed.to_say() == []
    assert feed.take(payload("test_request"), 2) == []
    (said,) = feed.to_say()
    assert msgspec.json.decode(said)["method"] == "public/test"
    assert feed.to_say() == []
    assert feed.take(result({"version": "1.2.26"}, msgspec.json.decode(said)["id"]), 3) == []


def test_a_login_is_renewed_before_it_ends() -> None:
    feed = client().account(NOW_NS)
    logged_in(feed.login())
    feed.take(payload("heartbeat"), NOW_NS + 719 * NS)
    assert feed.to_say() == []
    feed.take(payload("heartbeat"), NOW_NS + 720 * NS)  # 0.8 of 900 s
    (said,) = feed.to_say()
    told = msgspec.json.decode(said)["params"]
    assert (told["timestamp"], told["grant_type"]) == (1_764_000_720_000, "client_signature")
    feed.take(payload("heartbeat"), NOW_NS + 730 * NS)
    assert feed.to_say() == []
    feed.take(payload("auth"), NOW_NS + 731 * NS)
    feed.take(payload("heartbeat"), NOW_NS + 1_450 * NS)
    assert feed.to_say() == []
    feed.take(payload("heartbeat"), NOW_NS + 1_451 * NS)
    assert calls(feed.to_say()) == ["public/auth"]


# ---------------------------------------------------------------------- market


def test_a_book_tells_its_top_in_contracts() -> None:
    feed = client().market(NOW_NS)
    (quote,) = feed.take(payload("book_snapshot"), 9)
    assert quote == Quote(
        ts_ns=9, instrument="DERIBIT:BTC-PERPETUAL", venue_ns=NOW_NS, bid=99_000.0, ask=99_000.5, bid_size=100.0, ask_size=30.0
    )
    (quote,) = feed.take(payload("book_change"), 10)
    assert isinstance(quote, Quote)
    assert (quote.bid, quote.bid_size, quote.venue_ns) == (99_000.0, 70.0, NOW_NS + 100_000_000)


def test_a_change_below_the_top_tells_nothing_and_an_empty_side_is_zero() -> None:
    feed = client().market(NOW_NS)
    feed.take(book(1, [NEW[0], ["new", 99.0, 5.0]], [NEW[1]]), 1)
    assert feed.take(book(2, [["delete", 99.0, 0.0]], [["new", 102.0, 4.0]], prev=1), 2) == []
    (quote,) = feed.take(book(3, [["delete", 100.0, 0.0]], [], prev=2), 3)
    assert isinstance(quote, Quote)
    assert (quote.bid, quote.bid_size, quote.ask, quote.ask_size) == (0.0, 0.0, 101.0, 2.0)


@pytest.mark.parametrize(
    "broken",
    [
        book(5, [["change", 100.0, 9.0]], [], prev=3),  # one is missing
        book(2, [["change", 100.0, 9.0]], [], prev=1),  # told twice
        book(3, [["new", 101.0, 9.0]], [], prev=2),  # crossed
        book(3, [["new", 102.0, 9.0]], [], prev=2),
        changed("book_change", "params", "data", prev_change_id=None),
    ],
)
def test_a_broken_sequence_is_one_gap_and_then_nothing(broken: bytes) -> None:
    feed = client(BTC, ETH).market(NOW_NS)
    feed.take(book(1, [NEW[0]], [NEW[1]]), 1)
    feed.take(book(2, [["change", 100.0, 30.0]], [], prev=1), 2)
    assert feed.take(broken, 7) == [Gap(ts_ns=7, since_ns=2)]
    for frame in (book(9, [NEW[0]], [NEW[1]]), book(1, [NEW[0]], [NEW[1]], name="ETH-PERPETUAL"), payload("ticker"), b"{", broken):
        assert feed.take(frame, 8) == []


@pytest.mark.parametrize("prev", [100, None])
def test_a_change_before_any_snapshot_is_a_gap(prev: int | None) -> None:
    frame = changed("book_change", "params", "data", prev_change_id=prev)
    assert client().market(NOW_NS).take(frame, 7) == [Gap(ts_ns=7, since_ns=NOW_NS)]


def test_each_instrument_has_a_sequence_of_its_own() -> None:
    feed = client(BTC, ETH).market(NOW_NS)
    feed.take(book(1, [NEW[0]], [NEW[1]]), 1)
    (quote,) = feed.take(book(70, [NEW[0]], [NEW[1]], name="ETH-PERPETUAL"), 2)
    assert isinstance(quote, Quote)
    assert (quote.instrument, quote.bid_size) == ("DERIBIT:ETH-PERPETUAL", 10.0)
    assert len(feed.take(book(2, [["change", 100.0, 30.0]], [], prev=1), 3)) == 1


def test_a_second_snapshot_replaces_the_book() -> None:
    """The crossed book of sdk-trial.md, trap 5: 99,000 bid beside a new snapshot's 98,000.5 ask."""
    feed = client().market(NOW_NS)
    feed.take(payload("book_snapshot"), 1)
    (quote,) = feed.take(book(200, [["new", 98_000.0, 10.0]], [["new", 98_000.5, 10.0]]), 2)
    assert isinstance(quote, Quote)
    assert (quote.bid, quote.ask) == (98_000.0, 98_000.5)


def test_a_ticker_tells_status_and_funding_when_they_change() -> None:
    feed = client().market(NOW_NS)
    status, funding = feed.take(payload("ticker"), 9)
    assert status == MarketStatus(ts_ns=9, instrument="DERIBIT:BTC-PERPETUAL", status="open")
    rates = Decimal(0), Decimal("0.00002203")
    about = {"instrument": "DERIBIT:BTC-PERPETUAL", "venue_ns": NOW_NS + 200_000_000, "mark": Decimal("98998.61")}
    assert funding == Funding(ts_ns=9, rate=rates[0], rate_8h=rates[1], **about)
    assert feed.take(payload("ticker"), 10) == []
    (funding,) = feed.take(changed("ticker", "params", "data", current_funding="0.00001"), 11)
    assert isinstance(funding, Funding)
    assert funding.rate == Decimal("0.00001")
    assert feed.take(changed("ticker", "params", "data", current_funding=None), 12) == []


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("open", "open"),
        ("settlement", "paused"),
        ("locked", "halted"),
        ("halted", "halted"),
        *((state, "closed") for state in ("closed", "inactive", "delivered", "archivized")),
    ],
)
def test_every_documented_state_of_a_book_is_understood(state: str, status: Any) -> None:
    told = client().market(NOW_NS).take(changed("ticker", "params", "data", state=state), 9)
    assert told[0] == MarketStatus(ts_ns=9, instrument="DERIBIT:BTC-PERPETUAL", status=status)


# --------------------------------------------------------------------- account


def updates(frame: bytes) -> list[Update]:
    """Return what a frame tells of orders."""
    return client().account(NOW_NS).take(frame, 9)


@pytest.mark.parametrize(
    ("state", "kind"),
    [("open", Ack), ("untriggered", Ack), ("triggered", Ack), ("filled", Ack), ("cancelled", Cancelled), ("rejected", Reject)],
)
def test_every_documented_state_of_an_order_is_understood(state: str, kind: type) -> None:
    (update,) = updates(changed("user_order", "params", "data", order_state=state, filled_amount=40.0))
    assert type(update.event) is kind
    assert (update.event.ts_ns, update.event.order_id, update.filled) == (9, "s1-1-0", Decimal(4))
    if isinstance(update.event, Ack):
        assert update.event.venue_order_id == "BTC-584864807"


def test_a_rejection_says_the_venues_reason() -> None:
    (update,) = updates(changed("user_order", "params", "data", order_state="rejected", cancel_reason="mmp_trigger"))
    assert update.event == Reject(ts_ns=9, order_id="s1-1-0", code="rejected", message="mmp_trigger")


def test_a_sale_is_a_negative_fill() -> None:
    (update,) = updates(payload("user_trades"))
    assert update == Update(
        Fill(
            ts_ns=9,
            order_id="s1-1-0",
            fill_id="48079262",
            instrument="DERIBIT:BTC-PERPETUAL",
            venue_ns=1_764_000_000_400_000_000,
            qty=Decimal(-4),
            price=Decimal(99_000),
            fee=Decimal("-0.00000021"),
            fee_coin="BTC",
        )
    )
    (update,) = updates(changed("user_trades", "params", "data", 0, direction="buy"))
    assert isinstance(update.event, Fill)
    assert update.event.qty == 4


def test_an_order_of_somebody_else_is_told_without_a_name() -> None:
    (update,) = updates(changed("user_order", "params", "data", label=None))
    assert update.event.order_id == ""


# --------------------------------------------------------- what has no meaning


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        (failure("too_many_requests", 10_028), "deribit refused a message of ours (10028): too_many_requests"),
        (result("ok", 77), "not understood"),
        (b'{"jsonrpc":"2.0","method":"farewell"}', "not understood"),
        (b"{}", "not understood"),
        (changed("heartbeat", "params", type="murmur"), "not understood"),
        (changed("book_snapshot", "params", channel="book.ETH-PERPETUAL.100ms"), "not asked for"),
        (changed("book_snapshot", "params", data=None), "no data"),
        (changed("book_snapshot", "params", "data", change_id=None), "no change_id"),
        (changed("book_snapshot", "params", "data", type="image"), "neither snapshot nor change"),
        (changed("book_snapshot", "params", "data", bids=[["new", 1.0, 0.0]]), "not above 0"),
        (changed("book_snapshot", "params", "data", asks=[["new", -1.0, 5.0]]), "not above 0"),
        (changed("book_snapshot", "params", "data", bids=[["melt", 1.0, 5.0]]), "cannot be read"),
        (changed("book_snapshot", "params", "data", bids=[[1.0, 5.0]]), "cannot be read"),
        (changed("ticker", "params", "data", state="melted"), "state 'melted' is not understood"),
        (changed("ticker", "params", "data", state=None), "state '' is not understood"),
        (changed("ticker", "params", "data", funding_8h="NaN"), "holds NaN"),
        (b'{"params":' + b"[" * 100_000, "cannot be read"),
        (b"", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_market_data_without_meaning_is_refused(frame: bytes, word: str) -> None:
    with pytest.raises(VenueError, match="deribit") as caught:
        client().market(NOW_NS).take(frame, 1)
    assert word in str(caught.value)
    assert len(str(caught.value)) < 700


def test_after_a_change_that_was_none_a_book_is_not_trusted() -> None:
    feed = client().market(NOW_NS)
    feed.take(book(1, [NEW[0]], [NEW[1]]), 1)
    with pytest.raises(VenueError, match="not above 0"):
        feed.take(book(2, [["change", 100.0, 30.0], ["new", 99.0, 0.0]], [], prev=1), 2)
    assert feed.take(book(2, [], [], prev=1), 3) == [Gap(ts_ns=3, since_ns=1)]


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        (changed("user_order", "params", "data", order_state="melted"), "order state 'melted' of 'BTC-584864807' is not understood"),
        (changed("user_order", "params", "data", order_id=""), "message cannot be read"),
        (changed("user_order", "params", "data", filled_amount="NaN"), "holds NaN"),
        (changed("user_order", "params", "data", filled_amount=-1), "is -1; the side says the sign"),
        (changed("user_order", "params", channel="user.portfolio.BTC"), "not asked for"),
        (changed("user_trades", "params", "data", 0, price=None), "message cannot be read"),
        (changed("user_trades", "params", "data", 0, amount=0), "not amounts"),
        (changed("user_trades", "params", data={}), "message cannot be read"),
        (failure("unauthorized", 13_009), "deribit refused a message of ours (13009): unauthorized"),
        (payload("book_snapshot"), "message cannot be read"),
        (changed("user_trades", "params", channel="user.orders.any.any.raw"), "has other data"),
        (changed("user_order", "params", channel="user.trades.any.any.raw"), "has other data"),
        (b"\x80", "cannot be read"),
    ],
)
def test_updates_without_meaning_are_refused(frame: bytes, word: str) -> None:
    with pytest.raises(VenueError, match="deribit") as caught:
        updates(frame)
    assert word in str(caught.value)
    assert len(str(caught.value)) < 700


def test_a_book_that_moves_below_its_best_is_quoted_once_a_second() -> None:
    """Else what REST says of its time would be newer than anything streamed, and a live feed would count as frozen."""
    feed = MarketFeed([("BTC-PERPETUAL", Decimal(10))], NOW_NS)

    def told(change_id: int, at_ms: int, **more: object) -> bytes:
        data = {"timestamp": at_ms, "instrument_name": "BTC-PERPETUAL", "change_id": change_id, "asks": [], **more}
        return msgspec.json.encode(
            {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": "book.BTC-PERPETUAL.100ms", "data": data}}
        )

    at = NOW_NS // 1_000_000
    assert len(feed.take(told(1, at, type="snapshot", bids=[["new", 99_000.0, 10.0]]), NOW_NS)) == 1
    deeper = [["new", 98_000.0, 10.0]]
    assert feed.take(told(2, at + 999, type="change", prev_change_id=1, bids=deeper), NOW_NS) == []
    (quote,) = feed.take(told(3, at + 1000, type="change", prev_change_id=2, bids=[]), NOW_NS)
    assert isinstance(quote, Quote)
    assert quote.venue_ns == (at + 1000) * 1_000_000
    assert feed.take(told(4, at + 1999, type="change", prev_change_id=3, bids=[]), NOW_NS) == []
