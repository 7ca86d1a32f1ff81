"""Any bytes give Polymarket events or a VenueError, never another exception."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import VenueError
from hedgekit.types import Reply
from hedgekit.venues.polymarket import Polymarket, market_of, replies, requests, wire
from tests.venues.polymarket_made import HASH, NAMES, OPPOSITE, ORDER, TOKEN, client, knowing, payload

SUBMIT, LOOKUP = client().submit(ORDER), client().lookup(ORDER)
CANCEL, FILLS = requests.cancel(ORDER, HASH), requests.fills(0, "")
CLIENT = knowing()
PARSERS: list[Any] = [
    lambda data: CLIENT.state_of(SUBMIT, Reply(200, data)),
    lambda data: CLIENT.state_of(LOOKUP, Reply(200, data)),
    lambda data: CLIENT.fills_of(Reply(200, data)),
    lambda data: CLIENT.undone_of(Reply(200, data), 1),
    lambda data: CLIENT.held_of([Reply(200, data)] * 3),
    lambda data: CLIENT.locked_of([Reply(200, data)] * 3),
    lambda data: CLIENT.latest_of(Reply(200, data)),
    lambda data: market_of(Reply(200, data)),
    lambda data: replies.key_of(Reply(200, data)),
    lambda data: replies.heartbeat_of(Reply(200, data)),
    lambda data: wire.parse_time(data.decode("utf-8", "surrogateescape")),
    lambda data: wire.price(data.decode("utf-8", "surrogateescape"), "it"),
    lambda data: client().market(0).take(data, 1),
    lambda data: CLIENT.account(0).take(data, 1),
]
CERTAIN: list[Any] = [
    lambda data: Polymarket.error_of(Reply(400, data)),
    *(
        lambda data, status=status, request=request: Polymarket.word_of(request, Reply(status, data))
        for status in (200, 400, 503)
        for request in (SUBMIT, CANCEL, LOOKUP, FILLS)
    ),
]


def refuses_or_reads(data: bytes) -> None:
    for parse in PARSERS:
        try:
            parse(data)
        except VenueError as error:
            assert str(error).isprintable()  # noqa: PT017 - nothing else may come
            assert len(str(error)) < 1200  # noqa: PT017 - as above
    for parse in CERTAIN:
        parse(data)


@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(data: bytes) -> None:
    refuses_or_reads(data)


@given(
    name=st.sampled_from(NAMES),
    at=st.integers(0, 2000),
    cut=st.integers(0, 20),
    junk=st.one_of(st.binary(max_size=6), st.sampled_from([b"null", b"{}", b"[]", b"-1", b'"NaN"', b"1e400", b'"\xd9\xa1"', b"9" * 30])),
)
def test_spoilt_payloads_never_raise_anything_else(name: str, at: int, cut: int, junk: bytes) -> None:
    data = payload(name)
    at %= len(data)
    refuses_or_reads(data[:at] + junk + data[at + cut :])


TEXT = st.sampled_from(["nan", "inf", "-0.1", "1e9", "0.5", "", TOKEN, OPPOSITE, HASH, "BUY", "LIVE", "\u0661", "9" * 40, "0." + "1" * 40])


@given(name=st.sampled_from(NAMES), data=st.data())
def test_payloads_with_other_values_never_raise_anything_else(name: str, data: st.DataObject) -> None:
    found = msgspec.json.decode(payload(name))
    place = found[0] if isinstance(found, list) else found
    for _ in range(data.draw(st.integers(0, 3))):
        inner = [value for value in place.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
        place = inner[0][0] if inner and data.draw(st.booleans()) else place
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(
        TEXT | st.none() | st.booleans() | st.integers() | st.lists(TEXT, max_size=2)
    )
    refuses_or_reads(msgspec.json.encode(found))


def test_deep_nonsense_is_refused() -> None:
    refuses_or_reads(b'{"event_type":"book","x":' + b"[" * 100_000)
