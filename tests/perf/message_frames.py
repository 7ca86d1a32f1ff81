"""The frames of ``message_rate``: for each venue a book, then small changes of it, hedgekit's feed for them, and the floor beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np

from hedgekit.venues.deribit import market as deribit
from hedgekit.venues.deribit.client import Deribit
from hedgekit.venues.kalshi import messages as kalshi
from hedgekit.venues.kalshi.client import Kalshi
from hedgekit.venues.polymarket import books as polymarket
from hedgekit.venues.polymarket.client import Polymarket
from tests.venues.test_contract import TestDeribit, TestKalshi, TestPolymarket

LEVELS = 40
"""Levels a side; the best is touched by one change in twenty."""
START_MS = 1_767_600_000_000


class Case(NamedTuple):
    """A venue: its frames (a book first, then changes), hedgekit's feed and decoder, and the floor's apply."""

    frames: list[bytes]
    feed: Callable[[], Any]
    decode: Callable[[bytes | str], object]
    floor: Callable[[], Callable[[bytes | str], None]]
    lot: float = 1.0
    """Of the venue's sizes in one of ours."""


def moves(count: int) -> Iterator[tuple[bool, int, int, int]]:
    """Yield (bid, level from the best, old size, new size); a size is never 0 and never the old one."""
    rng = np.random.Generator(np.random.PCG64(1))
    sizes = {(bid, level): 100 for bid in (True, False) for level in range(LEVELS)}
    for _ in range(count):
        key = (bool(rng.integers(2)), 0 if rng.random() < 0.05 else int(rng.integers(1, LEVELS)))
        old, sizes[key] = sizes[key], int(rng.choice([size for size in (50, 80, 120, 150) if size != sizes[key]]))
        yield *key, old, sizes[key]


def best(count: int, lot: float) -> list[float]:
    """Return the sizes of the best bid and ask after the last change, in our lots."""
    sizes = {True: 100.0, False: 100.0} | {bid: float(new) for bid, level, _, new in moves(count) if not level}
    return [sizes[True] / lot, sizes[False] / lot]


# ------------------------------------------------------------------------ venues


class _KalshiMsg(msgspec.Struct):
    price_dollars: str
    delta_fp: str
    side: str


class _KalshiDelta(msgspec.Struct):
    msg: _KalshiMsg


def kalshi_case(count: int) -> Case:
    """Return deltas of one market, 0.001 apart."""
    ticker = TestKalshi.listed[0].symbol

    def price(bid: bool, level: int) -> str:  # noqa: FBT001 - as a move has it
        return f"{0.48 - level / 1000 if bid else 0.52 + level / 1000:.4f}"

    sides = {name: [[price(bid, level), "100.00"] for level in range(LEVELS)] for name, bid in (("yes", True), ("no", False))}
    frames = [
        {"id": 1, "type": "subscribed", "msg": {"channel": "market_lifecycle_v2", "sid": 1}},
        {"id": 2, "type": "subscribed", "msg": {"channel": "orderbook_delta", "sid": 2}},
        {"type": "orderbook_snapshot", "sid": 2, "seq": 1, "msg": {"market_ticker": ticker, "market_id": "m"}
         | {f"{name}_dollars_fp": levels for name, levels in sides.items()}},
    ]  # fmt: skip
    for number, (bid, level, old, new) in enumerate(moves(count)):
        about = {"market_ticker": ticker, "market_id": "9b0f6b43-5b68-4f9f-9f02-9a2d1b8ac1a1", "clock": number}
        change = {"price_dollars": price(bid, level), "delta_fp": f"{new - old}.00", "side": "yes" if bid else "no"}
        frames.append({"type": "orderbook_delta", "sid": 2, "seq": number + 2, "msg": about | change | {"ts_ms": START_MS + number}})

    def floor() -> Callable[[bytes | str], None]:
        read, books = msgspec.json.Decoder(_KalshiDelta).decode, {"yes": {}, "no": {}}

        def apply(frame: bytes | str) -> None:
            change = read(frame).msg
            book, at = books[change.side], change.price_dollars
            size = book.get(at, 0.0) + float(change.delta_fp)
            if size:
                book[at] = size
            else:
                del book[at]

        return apply

    return Case([*map(msgspec.json.encode, frames)], lambda: Kalshi(TestKalshi.keys, TestKalshi.listed).market(0), kalshi.read, floor)


class _PolymarketChange(msgspec.Struct):
    price: float
    size: float
    side: str


class _PolymarketChanges(msgspec.Struct):
    price_changes: list[_PolymarketChange]


def polymarket_case(count: int) -> Case:
    """Return price changes of one token, each with its complement, as the venue sends them."""
    from hedgekit.sandbox.skins.polymarket import PolymarketSkin  # noqa: PLC0415 - its tokens are the sandbox's

    natives = PolymarketSkin.natives(TestPolymarket.listed)
    native = msgspec.json.decode(natives[TestPolymarket.listed[0].key])
    token, opposite, condition = native["token"], native["opposite"], native["condition"]

    def price(bid: bool, level: int) -> float:  # noqa: FBT001 - as a move has it
        return round(0.48 - level / 1000 if bid else 0.52 + level / 1000, 3)

    sides = {
        name: [{"price": str(price(bid, level)), "size": "100"} for level in range(LEVELS)]
        for name, bid in (("bids", True), ("asks", False))
    }
    about = {"market": condition, "hash": "0c6e0d0f1c7a4c3e9a4b5c6d7e8f901234567890"}
    frames: list[Any] = [{"event_type": "book", "asset_id": token, "timestamp": str(START_MS), **about, **sides}]
    for number, (bid, level, _, new) in enumerate(moves(count)):
        at = price(bid, level)
        mine = {
            "asset_id": token,
            "price": str(at),
            "size": str(new),
            "side": "BUY" if bid else "SELL",
            "best_bid": "0.48",
            "best_ask": "0.52",
        }
        theirs = mine | {"asset_id": opposite, "price": str(round(1 - at, 3)), "side": "SELL" if bid else "BUY"}
        changes = [one | {"hash": about["hash"]} for one in (mine, theirs)]
        frames.append(
            {"event_type": "price_change", "market": condition, "timestamp": str(START_MS + number // 10), "price_changes": changes}
        )

    def floor() -> Callable[[bytes | str], None]:
        read, books = msgspec.json.Decoder(_PolymarketChanges, strict=False).decode, {"BUY": {}, "SELL": {}}

        def apply(frame: bytes | str) -> None:
            for change in read(frame).price_changes:
                books[change.side][change.price] = change.size

        return apply

    decode = polymarket._DECODER.decode  # what the feed reads with
    client = Polymarket(TestPolymarket.keys, TestPolymarket.listed, natives)
    return Case([b"PONG", *map(msgspec.json.encode, frames)], lambda: client.market(0), decode, floor)


class _DeribitData(msgspec.Struct):
    bids: list[tuple[str, float, float]]
    asks: list[tuple[str, float, float]]


class _DeribitParams(msgspec.Struct):
    data: _DeribitData


class _DeribitFrame(msgspec.Struct):
    params: _DeribitParams


def deribit_case(count: int) -> Case:
    """Return changes of one perpetual's book."""

    def price(bid: bool, level: int) -> float:  # noqa: FBT001 - as a move has it
        return 90_000.0 - level / 2 if bid else 90_010.0 + level / 2

    channel = f"book.BTC-PERPETUAL.{deribit.INTERVAL}"

    def told(**data: Any) -> dict[str, Any]:
        data |= {"instrument_name": "BTC-PERPETUAL"}
        return {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}

    sides = {name: [["new", price(bid, level), 100.0] for level in range(LEVELS)] for name, bid in (("bids", True), ("asks", False))}
    every = [f"{kind}.{one.symbol}.{deribit.INTERVAL}" for kind in ("book", "ticker") for one in TestDeribit.listed]
    frames: list[Any] = [{"jsonrpc": "2.0", "id": 2, "result": "ok"}, {"jsonrpc": "2.0", "id": 4, "result": every}]
    frames.append(told(type="snapshot", timestamp=START_MS, change_id=1, **sides))
    for number, (bid, level, _, new) in enumerate(moves(count)):
        one, none = [["change", price(bid, level), float(new)]], list[Any]()
        both = {"bids": one if bid else none, "asks": none if bid else one}
        frames.append(told(type="change", timestamp=START_MS + number // 10, prev_change_id=number + 1, change_id=number + 2, **both))

    def floor() -> Callable[[bytes | str], None]:
        read, bids, asks = msgspec.json.Decoder(_DeribitFrame).decode, dict[float, float](), dict[float, float]()

        def apply(frame: bytes | str) -> None:
            data = read(frame).params.data
            for book, changes in ((bids, data.bids), (asks, data.asks)):
                for what, at, amount in changes:
                    if what == "delete":
                        del book[at]
                    else:
                        book[at] = amount

        return apply

    client = Deribit(TestDeribit.keys, TestDeribit.listed)
    return Case([*map(msgspec.json.encode, frames)], lambda: client.market(0), deribit._FRAMES.decode, floor, lot=10.0)


CASES: dict[str, tuple[Callable[[int], Case], int]] = {
    "KALSHI": (kalshi_case, 3),
    "POLYMARKET": (polymarket_case, 2),
    "DERIBIT": (deribit_case, 3),
}
"""Of each venue, what makes its frames, and how many stand before the changes (a login's answers, a book)."""
