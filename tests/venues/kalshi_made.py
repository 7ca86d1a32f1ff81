"""Kalshi's payloads, and a market feed that has logged in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from hedgekit.venues.kalshi.streams import MarketFeed

PAYLOADS = Path(__file__).parent / "payloads"
FED, OTHER = "FED-23DEC-T3.00", "HIGHNY-24JAN01-T60"
KEY = f"KALSHI:{FED}"


def payload(name: str) -> bytes:
    """Return a payload."""
    return (PAYLOADS / f"kalshi_{name}.json").read_bytes().strip()


def changed(name: str, *, number: int | None = None, **fields: Any) -> bytes:
    """Return a stream message with fields of its ``msg`` changed, None taking one out, or with another number."""
    frame = msgspec.json.decode(payload(name))
    frame["msg"] = {key: value for key, value in (frame["msg"] | fields).items() if value is not None}
    return msgspec.json.encode(frame | ({} if number is None else {"seq": number}))


def subscribed(channel: str, sid: int) -> str:
    """Return the venue's word that a subscription has begun."""
    return f'{{"type":"subscribed","msg":{{"channel":"{channel}","sid":{sid}}}}}'


def opened(*meanwhile: bytes) -> MarketFeed:
    """Return a feed whose login is over; what came meanwhile is kept."""
    feed = MarketFeed({}, [FED, OTHER])
    login = feed.login()
    next(login)
    login.send(subscribed("market_lifecycle_v2", 1))
    for frame in meanwhile:
        assert login.send(frame) == (None, True)
    with pytest.raises(StopIteration):
        login.send(subscribed("orderbook_delta", 2))
    return feed


def told(*frames: bytes) -> list[Any]:
    """Return what a feed tells of frames, one after the other at 1, 2, 3 ..."""
    feed = opened()
    return [event for ts_ns, frame in enumerate(frames, 1) for event in feed.take(frame, ts_ns)]
