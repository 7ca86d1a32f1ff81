"""Alpaca's words and ours: documentation examples in, our nouns out, nonsense refused by name."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import VenueError
from hedgekit.types import Order, Priority, Reply, Request, State, Word
from hedgekit.venues.alpaca import Alpaca, replies, requests, streams, wire
from tests.venues.alpaca_made import NAMES, ORDER, payload
from tests.venues.fuzz import refuses_or_reads, spoilt


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


@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(data: bytes) -> None:
    refuses_or_reads(PARSERS, data)


@given(spoilt(payload, NAMES))
def test_spoilt_payloads_never_raise_anything_else(data: bytes) -> None:
    refuses_or_reads(PARSERS, data)


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
    refuses_or_reads(PARSERS, msgspec.json.encode(value))
