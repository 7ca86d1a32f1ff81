"""Alpaca's words and ours: documentation examples in, our nouns out, nonsense refused by name."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import VenueError
from hedgekit.types import Ack, Cancelled, Fill, Instrument, MarketStatus, Order, Priority, Quote, Reject, Reply, Request, State, Word
from hedgekit.venues.alpaca import Alpaca, replies, requests, streams, wire

PAYLOADS = Path(__file__).parent / "payloads"


def told(frame: bytes | str, ts_ns: int) -> Any:
    """Return the event of a trade update."""
    update = streams.update_of(frame, ts_ns)
    return None if update is None else update.event


def named(order_id: str) -> Order:
    """Return an order of that id."""
    return msgspec.structs.replace(ORDER, order_id=order_id)


def found(reply: Reply) -> State:
    """Return what a look-up's answer says."""
    return Alpaca.state_of(requests.lookup(ORDER), reply)


def positions(reply: Reply) -> dict[str, Decimal]:
    """Return the positions in an answer."""
    return Alpaca.held_of([reply, Reply(200, b'{"cash":"1"}')])[0]


def cash(reply: Reply) -> Decimal:
    """Return the cash in an answer."""
    return Alpaca.held_of([Reply(200, b"[]"), reply])[1]


def payload(name: str) -> bytes:
    """Return a documentation example."""
    return (PAYLOADS / f"alpaca_{name}.json").read_bytes().strip()


def changed(name: str, **fields: Any) -> bytes:
    """Return a trade update with fields of its data (or of its order, ``order__x``) changed; None takes one out."""
    frame = msgspec.json.decode(payload(name))
    for key, value in fields.items():
        place = frame["data"]["order"] if key.startswith("order__") else frame["data"]
        place[key.removeprefix("order__")] = value
    frame["data"] = {key: value for key, value in frame["data"].items() if value is not None}
    return msgspec.json.encode(frame)


ORDER = Order("s1-1-0", 5, 0, "ALPACA:KO", Decimal(-97), Decimal("87.66"), Priority.PRIMARY, 1)

# -------------------------------------------------------------------- requests


def test_an_order_entry_has_the_documented_fields() -> None:
    request = requests.submit(ORDER)
    assert (request.method, request.path, request.purpose, request.priority) == ("POST", "/v2/orders", "submit", Priority.PRIMARY)
    assert msgspec.json.decode(request.body or b"") == {
        "symbol": "KO",
        "qty": "97",
        "side": "sell",
        "type": "market",
        "time_in_force": "gtc",
        "client_order_id": "s1-1-0",
    }


def test_quantities_and_limits_are_plain_decimals() -> None:
    order = msgspec.structs.replace(ORDER, qty=Decimal("1E+2"), kind="limit", limit=Decimal("1E+1"))
    body = msgspec.json.decode(requests.submit(order).body or b"")
    assert (body["qty"], body["limit_price"], body["side"]) == ("100", "10", "buy")


def test_ids_are_quoted_in_paths() -> None:
    assert requests.lookup(named("a&b/c ü-1-0")).path == "/v2/orders:by_client_order_id?client_order_id=a%26b%2Fc%20%C3%BC-1-0"
    assert requests.cancel(ORDER, "../v2?x").path == "/v2/orders/..%2Fv2%3Fx"
    assert requests.cancel(ORDER, "61e69015").path == "/v2/orders/61e69015"


def test_priorities() -> None:
    assert requests.cancel(ORDER, "b").priority is Priority.CLOSE
    assert {request.priority for request in (requests.lookup(ORDER), *requests.holdings())} == {Priority.QUERY}


# --------------------------------------------------------------------- answers


def test_answers() -> None:
    assert replies.state_of(requests.lookup(ORDER), Reply(200, payload("order"))).venue_id == "61e69015-8549-4bfd-b9c3-01e75843f47d"
    assert cash(Reply(200, payload("account"))) == Decimal("-23140.2")
    assert replies.error_of(Reply(403, payload("error_buying_power"))) == ("40310000", "insufficient buying power")


@pytest.mark.parametrize(
    ("request_", "status", "body", "word"),
    [
        (requests.submit(ORDER), 200, "order", Word.DONE),
        (requests.submit(ORDER), 422, "error_duplicate", Word.DUPLICATE),
        (requests.submit(ORDER), 422, "error_buying_power", Word.REFUSED),
        (requests.submit(ORDER), 404, "error_buying_power", Word.REFUSED),
        (requests.cancel(ORDER, "v"), 204, None, Word.DONE),
        (requests.cancel(ORDER, "v"), 422, "error_buying_power", Word.ENDED),
        (requests.cancel(ORDER, "v"), 404, None, Word.REFUSED),
        (requests.lookup(ORDER), 404, None, Word.MISSING),
        (requests.lookup(ORDER), 401, None, Word.REFUSED),
        (requests.lookup(ORDER), 302, None, Word.REFUSED),
        *((requests.submit(ORDER), status, None, Word.UNKNOWN) for status in (0, 408, 425, 500, 503, 504)),
        (requests.submit(ORDER), 429, None, Word.BUSY),
    ],
)
def test_what_an_answer_says(request_: Request, status: int, body: str | None, word: Word) -> None:
    assert Alpaca.word_of(request_, Reply(status, b"" if body is None else payload(body))) is word


def test_keys_are_in_no_repr() -> None:
    client = Alpaca(("AK", "secret-key"), ())
    assert "secret-key" not in f"{client!r} {client} {client.market(0)!r} {client.account(0)!r}"
    assert client.signed(requests.lookup(ORDER), 0)["APCA-API-SECRET-KEY"] == "secret-key"


@pytest.mark.parametrize("sign", ["-5", "5"])
def test_the_side_of_a_position_decides_its_sign(sign: str) -> None:
    body = payload("positions").replace(b'"qty":"-5"', b'"qty":"%s"' % sign.encode())
    assert positions(Reply(200, body)) == {"ALPACA:KO": Decimal(-5), "ALPACA:PEP": Decimal(4)}


def test_a_refusal_that_is_not_alpacas_is_quoted() -> None:
    assert replies.error_of(Reply(502, b"<html>Bad Gateway")) == ("502", "HTTP 502: b'<html>Bad Gateway'")


@pytest.mark.parametrize(
    ("call", "body", "word"),
    [
        (found, b"{}", "order"),
        (found, b'{"id":"","client_order_id":"a","status":"new"}', "order"),
        (positions, b'{"symbol":"KO"}', "positions"),
        (positions, b'[{"symbol":"KO","qty":"1","side":"sideways"}]', "positions"),
        (positions, b'[{"symbol":"KO","qty":"NaN","side":"long"}]', "positions holds NaN"),
        (cash, b'{"cash":"lots"}', "account"),
        (cash, b'{"cash":"Infinity"}', "account holds Infinity"),
        (cash, b"\xff", "account"),
    ],
)
def test_answers_without_meaning_name_what(call: Any, body: bytes, word: str) -> None:
    with pytest.raises(VenueError, match=f"alpaca: {word}"):
        call(Reply(200, body))


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


# ------------------------------------------------------------------------ time


@given(ns=st.integers(-(10**18), 4 * 10**18))
def test_nanoseconds_come_through_exactly(ns: int) -> None:
    seconds, rest = divmod(ns, 10**9)
    text = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
    assert wire.parse_time(text.zfill(30)) == ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.5Z", 500_000_000),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("2025-03-16T14:38:02.123456789-04:00", 1_742_150_282_123_456_789),
        ("2025-03-16T18:38:02.123456789Z", 1_742_150_282_123_456_789),
    ],
)
def test_times(text: str, ns: int) -> None:
    assert wire.parse_time(text) == ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Z",
        "2025-03-16",
        "2025-03-16T18:38:02",
        "2025-03-16T18:38:02.Z",
        "2025-03-16T18:38:02.1234567891Z",
        "2025-03-16T18:38:02.1_0Z",
        "2025-03-16T18:38:02.+5Z",
        "2025-13-16T18:38:02Z",
        "2025-03-16T25:38:02Z",
        "\u0662\u0660\u0662\u0665-03-16T18:38:02Z",
        "0000-01-01T00:00:00Z",
        " 2025-03-16T18:38:02Z",
        "2025-03-16T18:38:02+99:99",
        "2025-03-16 18:38:02Z",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(VenueError, match="not an RFC 3339 time"):
        wire.parse_time(text)


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


# ------------------------------------------------------------------------ fuzz

PARSERS: list[Any] = [
    lambda data: streams.market_of(data, 1),
    lambda data: streams.update_of(data, 1),
    lambda data: found(Reply(200, data)),
    lambda data: positions(Reply(200, data)),
    lambda data: cash(Reply(200, data)),
    lambda data: replies.error_of(Reply(400, data)),
    lambda data: Alpaca.word_of(requests.submit(ORDER), Reply(422, data)),
    lambda data: wire.parse_time(data.decode("utf-8", "surrogateescape")),
]
NAMES = sorted(path.stem.removeprefix("alpaca_") for path in PAYLOADS.glob("alpaca_*.json"))


def refuses_or_reads(data: bytes) -> None:
    for parse in PARSERS:
        try:
            parse(data)
        except VenueError as error:
            assert str(error).isprintable()  # noqa: PT017 - nothing else may come


@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(data: bytes) -> None:
    refuses_or_reads(data)


@given(
    name=st.sampled_from(NAMES),
    at=st.integers(0, 2000),
    cut=st.integers(0, 20),
    junk=st.one_of(st.binary(max_size=6), st.sampled_from([b"null", b"{}", b"[]", b"-1", b'"NaN"', b"1e400"])),
)
def test_spoilt_payloads_never_raise_anything_else(name: str, at: int, cut: int, junk: bytes) -> None:
    data = payload(name)
    at %= len(data)
    refuses_or_reads(data[:at] + junk + data[at + cut :])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["T", "S", "bp", "t", "stream", "data", "event", "order", "qty", "price", "id"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_random_json_never_raises_anything_else(value: Any) -> None:
    refuses_or_reads(msgspec.json.encode(value))
