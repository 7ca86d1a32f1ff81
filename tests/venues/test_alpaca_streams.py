"""Alpaca's two sockets: documentation examples in, our events out, nonsense refused by name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from hedgekit.errors import VenueError
from hedgekit.types import Ack, Cancelled, Fill, Instrument, MarketStatus, Quote, Reject
from hedgekit.venues.alpaca import Alpaca, streams
from tests.venues.alpaca_made import changed, payload


def told(frame: bytes | str, ts_ns: int) -> Any:
    """Return the event of a trade update."""
    update = streams.update_of(frame, ts_ns)
    return None if update is None else update.event


# ---------------------------------------------------------------------- quotes


def test_quotes() -> None:
    ko, pep = streams.market_of(payload("quotes"), 9)
    assert ko == Quote(ts_ns=9, instrument="ALPACA:KO", venue_ns=1_740_239_505_335_689_322, bid=87.66, ask=87.68, bid_size=1, ask_size=4)
    assert (pep.bid, pep.bid_size, pep.venue_ns % 10**9) == (0.0, 0.0, 335_600_000)


STATUS = '{{"T":"s","S":"KO","sc":"{}","sm":"as the venue says","rc":"T12","rm":"why","t":"2025-02-22T19:15:00Z","z":"C"}}'
"""In the form of docs.alpaca.markets/docs/real-time-stock-pricing-data, "Trading Status", with its codes of both tapes."""


@pytest.mark.parametrize(
    ("code", "status"),
    [("2", "halted"), ("H", "halted"), ("P", "paused"), ("Q", "paused"), ("3", "open"), ("T", "open")],
)
def test_a_trading_status_is_whether_an_instrument_can_be_traded(code: str, status: str) -> None:
    frame = f"[{STATUS.format(code)}]"
    assert streams.market_of(frame, 9) == [MarketStatus(ts_ns=9, instrument="ALPACA:KO", status=status)]  # type: ignore[arg-type] # one of them


@pytest.mark.parametrize("code", list("56789ACDEF"))
def test_an_indication_stops_nothing_and_quotes_beside_it_are_kept(code: str) -> None:
    quote = '{"T":"q","S":"KO","bp":1,"bs":1,"ap":2,"as":1,"t":"2025-02-22T15:51:45Z"}'
    assert [type(event) for event in streams.market_of(f"[{STATUS.format(code)},{quote}]", 9)] == [Quote]


@pytest.mark.parametrize("frame", [f"[{STATUS.format('Z')}]", f"[{STATUS.format('')}]", f"[{STATUS.format('H').replace('KO', '')}]"])
def test_a_trading_status_without_meaning_is_refused(frame: str) -> None:
    with pytest.raises(VenueError, match=r"alpaca: trading status '.?' \(as the venue says\) of '(KO|nothing)' is not understood"):
        streams.market_of(frame, 1)


def test_the_login_asks_for_quotes_and_statuses() -> None:
    login = Alpaca(("key", "secret"), (Instrument("ALPACA", "KO"),)).market(0).login()
    assert next(login) == (None, True)
    login.send('[{"T":"success","msg":"connected"}]')
    asked, waits = login.send('[{"T":"success","msg":"authenticated"}]')
    assert waits
    assert msgspec.json.decode(asked or b"") == {"action": "subscribe", "quotes": ["KO"], "statuses": ["KO"]}
    with pytest.raises(StopIteration):
        login.send('[{"T":"subscription","quotes":["KO"],"statuses":["KO"]}]')


def test_what_comes_before_the_login_is_answered_is_told_after_it() -> None:
    """An account that opens its socket again is still subscribed: its first quote may be ahead of the answer."""
    client, quote = (
        Alpaca(("key", "secret"), (Instrument("ALPACA", "KO"),)),
        '[{"T":"q","S":"KO","bp":1,"bs":1,"ap":2,"as":1,"t":"2025-02-22T15:51:45Z"}]',
    )
    feed = client.market(0)
    login = feed.login()
    next(login)
    for text in ('[{"T":"success","msg":"connected"}]', '[{"T":"success","msg":"authenticated"}]', quote):
        login.send(text)
    with pytest.raises(StopIteration):
        login.send('[{"T":"subscription","quotes":["KO"],"statuses":["KO"]}]')
    assert [len(feed.take(quote, 9)) for _ in range(2)] == [2, 1]
    account = client.account(0)
    login = account.login()
    next(login)
    login.send('{"stream":"authorization","data":{"status":"authorized","action":"authenticate"}}')
    login.send(payload("new"))
    with pytest.raises(StopIteration):
        login.send('{"stream":"listening","data":{"streams":["trade_updates"]}}')
    assert len(account.take(payload("new"), 9)) == 2


def test_a_login_that_is_answered_otherwise_is_refused() -> None:
    login = Alpaca(("key", "secret"), ()).account(0).login()
    next(login)
    with pytest.raises(VenueError, match=r"refused the login: .*unauthorized"):
        login.send(b'{"stream":"authorization","data":{"status":"unauthorized"}}')


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        (b'[{"T":"error","code":406,"msg":"connection limit exceeded"}]', "error 406: connection limit exceeded"),
        (b'[{"T":"t","S":"KO","p":1}]', "type 't' is not understood"),
        (b'[{"T":"q","S":"KO","bp":1,"bs":1,"as":1,"t":"2025-02-22T15:51:45Z"}]', "'KO' came without"),
        (b'[{"T":"q","bp":1,"bs":1,"ap":2,"as":1,"t":"2025-02-22T15:51:45Z"}]', "'nothing' came without"),
        (b'[{"T":"q","S":"KO","bp":1,"bs":1,"ap":2,"as":1}]', "'' is not an RFC 3339 time"),
        (b'{"T":"q"}', "cannot be read"),
        (b'[{"T":"q","S":"KO","bp":"1"}]', "cannot be read"),
        (b'[{"T":"q","S":"KO","bp":1e999}]', "cannot be read"),
        (b'[{"T":"q"', "cannot be read"),
        (b"", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b'[{"T":"q","x":' + b"[" * 100_000, "cannot be read"),
    ],
)
def test_market_data_without_meaning_is_refused(frame: bytes, word: str) -> None:
    with pytest.raises(VenueError, match="alpaca") as caught:
        streams.market_of(frame, 1)
    assert word in str(caught.value)
    assert len(str(caught.value)) < 500


def test_an_error_keeps_its_code() -> None:
    with pytest.raises(VenueError) as caught:
        streams.market_of('[{"T":"error","code":402,"msg":"auth failed"}]', 1)
    assert caught.value.code == 402


# --------------------------------------------------------------- trade updates


def test_a_partial_sell_is_a_negative_fill() -> None:
    assert told(payload("partial_fill"), 9) == Fill(
        ts_ns=9,
        order_id="s1-1-0",
        fill_id="2f63ea93-423d-4169-b3f6-3fdafc10c418",
        instrument="ALPACA:KO",
        venue_ns=1_742_150_282_123_456_789,
        qty=Decimal(-4),
        price=Decimal("600.5"),
        fee=Decimal(0),
    )


def test_a_buy_with_the_sandboxs_fee() -> None:
    fill = told(changed("partial_fill", event="fill", order__side="buy", fee="0.0300"), 9)
    assert isinstance(fill, Fill)
    assert (fill.qty, fill.fee) == (Decimal(4), Decimal("0.0300"))


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("new", Ack),
        ("accepted", Ack),
        ("canceled", Cancelled),
        ("expired", Cancelled),
        ("replaced", Cancelled),
        ("rejected", Reject),
        *((quiet, type(None)) for quiet in sorted(streams._NO_NEWS)),
    ],
)
def test_every_documented_event_is_understood(event: str, kind: type) -> None:
    update = told(changed("new", event=event), 9)
    assert type(update) is kind
    assert update is None or (update.ts_ns, update.order_id) == (9, "s1-1-0")
    if isinstance(update, Ack):
        assert update.venue_order_id == "61e69015-8549-4bfd-b9c3-01e75843f47d"


def test_the_documentations_list_of_events_is_complete() -> None:
    documented = (
        "new fill partial_fill canceled expired done_for_day replaced rejected pending_new stopped pending_cancel "
        "pending_replace calculated suspended order_replace_rejected order_cancel_rejected"
    )
    for event in documented.split():
        told(changed("partial_fill", event=event), 9)


def test_done_for_day_is_not_the_end_of_an_order() -> None:
    """A gtc order goes on the next day; taking it for over would order the rest twice."""
    assert told(changed("new", event="done_for_day"), 9) is None


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        (changed("new", event="teleported"), "'teleported' is not understood"),
        (changed("partial_fill", price=None), "without price, qty or execution_id"),
        (changed("partial_fill", execution_id=None), "without price, qty or execution_id"),
        (changed("partial_fill", price="NaN"), "price NaN"),
        (changed("partial_fill", price="-1"), "price -1"),
        (changed("partial_fill", qty="0"), "qty 0"),
        (changed("partial_fill", qty="Infinity"), "qty Infinity"),
        (changed("partial_fill", fee="NaN"), "fee NaN"),
        (changed("partial_fill", order__side="sideways"), "cannot be read"),
        (changed("partial_fill", timestamp="now"), "'now' is not an RFC 3339 time"),
        (payload("auth"), "cannot be read"),
        (payload("new").replace(b'"trade_updates"', b'"account_updates"'), "cannot be read"),
        (b"\x80", "cannot be read"),
        (b'{"stream":' + b"[" * 100_000, "cannot be read"),
    ],
)
def test_updates_without_meaning_are_refused(frame: bytes, word: str) -> None:
    with pytest.raises(VenueError, match="alpaca") as caught:
        told(frame, 1)
    assert word in str(caught.value)
    assert len(str(caught.value)) < 500
