"""Any bytes give Polymarket events or a VenueError, never another exception."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.types import Reply
from hedgekit.venues.polymarket import Polymarket, market_of, replies, requests, wire
from tests.venues.fuzz import refuses_or_reads, spoilt
from tests.venues.polymarket_made import HASH, NAMES, OPPOSITE, ORDER, TOKEN, client, knowing, payload

SUBMIT, LOOKUP = client().submit(ORDER), client().lookup(ORDER)
CANCEL, FILLS = requests.cancel(ORDER, HASH), requests.fills(0, "")
CLIENT = knowing()
PARSERS: list[Any] = [
    lambda data: CLIENT.state_of(SUBMIT, Reply(200, data)),
    lambda data: CLIENT.state_of(LOOKUP, Reply(200, data)),
    lambda data: CLIENT.fills_of(Reply(200, data)),
    lambda data: CLIENT.held_of([Reply(200, data)] * 3),
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


def hold(data: bytes) -> None:
    """Hold every parser to its word; some read whatever comes."""
    refuses_or_reads(PARSERS, data)
    for parse in CERTAIN:
        parse(data)


@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(data: bytes) -> None:
    hold(data)


@given(spoilt(payload, NAMES))
def test_spoilt_payloads_never_raise_anything_else(data: bytes) -> None:
    hold(data)


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
    hold(msgspec.json.encode(found))


def test_deep_nonsense_is_refused() -> None:
    hold(b'{"event_type":"book","x":' + b"[" * 100_000)
