"""How many small changes of a book are received, decoded and applied in a second, from a loopback socket, on one core.

    python -m tests.perf.message_rate [--messages 200000] [--profile KALSHI]

A measurement, not a test: pytest does not collect it. Another process, on another core where there is one, sends the same frames, faster
than they are read. Each venue is run three times over: frames only read, read and decoded, and taken whole by hedgekit's feed, as a
session reads them (:class:`~hedgekit.net.transport.Stream`); the differences are the shares. Beside it the floor: aiohttp and a typed
msgspec decoder of no more fields than a book needs, applied to two dicts, without a check. Medians of rounds that take turns.

A second is one of the receiving process's own time on its core, the kernel's part included: what else the machine does counts little.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import multiprocessing
import os
import pstats
import struct
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import sha1
from statistics import median
from typing import Any, NamedTuple

import aiohttp
import msgspec
import numpy as np

from hedgekit.net.transport import Stream
from hedgekit.types import Quote
from hedgekit.venues.deribit import market as deribit
from hedgekit.venues.deribit.client import Deribit
from hedgekit.venues.kalshi import messages as kalshi
from hedgekit.venues.kalshi.client import Kalshi
from hedgekit.venues.polymarket import books as polymarket
from hedgekit.venues.polymarket.client import Polymarket
from tests.venues.test_contract import TestDeribit, TestKalshi, TestPolymarket

LEVELS = 40
ROUNDS = 5
TARGET = 150_000
START_MS = 1_767_600_000_000
"""Levels a side; the best is touched by one change in twenty."""


class Case(NamedTuple):
    """A venue: its frames (a book first, then changes), hedgekit's feed and decoder, and the floor's apply."""

    frames: list[bytes]
    feed: Callable[[], Any]
    decode: Callable[[bytes | str], object]
    floor: Callable[[], Callable[[bytes | str], None]]


def moves(count: int) -> Iterator[tuple[bool, int, int, int]]:
    """Yield (bid, level from the best, old size, new size); a size is never 0 and never the old one."""
    rng = np.random.Generator(np.random.PCG64(1))
    sizes = {(bid, level): 100 for bid in (True, False) for level in range(LEVELS)}
    for _ in range(count):
        key = (bool(rng.integers(2)), 0 if rng.random() < 0.05 else int(rng.integers(1, LEVELS)))
        old, sizes[key] = sizes[key], int(rng.choice([size for size in (50, 80, 120, 150) if size != sizes[key]]))
        yield *key, old, sizes[key]


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
    return Case([*map(msgspec.json.encode, frames)], lambda: client.market(0), deribit._FRAMES.decode, floor)


CASES: dict[str, tuple[Callable[[int], Case], int]] = {
    "KALSHI": (kalshi_case, 3),
    "POLYMARKET": (polymarket_case, 2),
    "DERIBIT": (deribit_case, 3),
}
"""Of each venue, what makes its frames, and how many stand before the changes (a login's answers, a book)."""


# ------------------------------------------------------------------------ sockets


def _framed(data: bytes) -> bytes:
    size = len(data)
    return (struct.pack("!BB", 0x81, size) if size < 126 else struct.pack("!BBH", 0x81, 126, size)) + data


def serve(frames: list[bytes], port: Any, core: int | None) -> None:
    """Send all frames to whoever connects, as fast as the socket takes them; in a process of its own."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    whole = b"".join(_framed(frame) if len(frame) < 2**16 else b"" for frame in frames)

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        accept = b64encode(sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324 - RFC 6455, 4.2.2
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            + accept
            + b"\r\n\r\n"
        )
        writer.write(whole)
        await writer.drain()
        await reader.read()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(one, "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


async def hedgekit(url: str, count: int, take: Callable[[bytes | str], object]) -> float:
    """Return messages a second through hedgekit's own socket."""
    stream, left, done = await Stream.open(url, name="market-data"), count, asyncio.Event()
    begin = time.process_time()

    def on_frame(frame: bytes | str) -> None:
        nonlocal left
        take(frame)
        left -= 1
        if not left:
            done.set()

    stream.pump(on_frame, lambda _: done.set())
    await done.wait()
    taken = time.process_time() - begin
    await stream.close()
    assert not left
    return count / taken


async def plain(url: str, count: int, take: Callable[[bytes | str], object]) -> float:
    """Return messages a second through aiohttp alone."""
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        begin = time.process_time()
        for _ in range(count):
            take((await socket.receive()).data)
        return count / (time.process_time() - begin)


def _after(skip: int, take: Callable[[bytes | str], object]) -> Callable[[bytes | str], None]:
    """Return what takes all frames but the first ones."""
    left = skip

    def taking(frame: bytes | str) -> None:
        nonlocal left
        if left:
            left -= 1
        else:
            take(frame)

    return taking


def _taken(case: Case, skip: int) -> tuple[Callable[[bytes | str], None], list[Quote]]:
    """Return what logs hedgekit's feed in with the first frames and gives it the others, and the quotes that it tells."""
    feed, told = case.feed(), list[Quote]()
    login, answers = feed.login(), skip - 1
    waiting = next(login)[1]
    while not waiting:
        waiting = login.send(b"")[1]

    def take(frame: bytes | str) -> None:
        nonlocal answers
        if answers:
            answers -= 1
            try:
                while not login.send(frame)[1]:
                    frame = b""
            except StopIteration:
                answers = 0
            return
        told.extend(feed.take(frame, 1))

    return take, told


def measured(name: str, count: int, core: int | None) -> dict[str, float]:
    """Return messages a second of each way, medians of the rounds."""
    make, skip = CASES[name]
    case = make(count)
    port: Any = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(case.frames, port, core), daemon=True)
    server.start()
    url, whole = f"ws://127.0.0.1:{port.get()}", len(case.frames)
    found: dict[str, list[float]] = {"socket": [], "decoded": [], "taken": [], "floor": []}
    try:
        for _ in range(ROUNDS):
            take, told = _taken(case, skip)
            found["socket"].append(asyncio.run(hedgekit(url, whole, lambda _: None)))
            found["decoded"].append(asyncio.run(hedgekit(url, whole, _after(skip, case.decode))))
            found["taken"].append(asyncio.run(hedgekit(url, whole, take)))
            found["floor"].append(asyncio.run(plain(url, whole, _after(skip, case.floor()))))
            assert told, "the best price moves"
            assert all(type(one) is Quote for one in told), "no gap"
    finally:
        server.terminate()
        server.join()
    return {way: median(rates) for way, rates in found.items()}


def profile(name: str, count: int) -> None:
    """Print where the time goes in the feed, without a socket."""
    make, skip = CASES[name]
    case = make(count)
    take, _ = _taken(case, skip)
    with cProfile.Profile() as seen:
        for frame in case.frames:
            take(frame)
    pstats.Stats(seen).sort_stats("tottime").print_stats(14)


def main() -> None:
    """Print the table."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--messages", type=int, default=200_000)
    words.add_argument("--profile", choices=CASES)
    given = words.parse_args()
    if given.profile:
        profile(given.profile, given.messages)
        return
    cores = sorted(os.sched_getaffinity(0))
    other = cores[1] if len(cores) > 1 else None
    os.sched_setaffinity(0, {cores[0]})
    print(f"{given.messages} changes, medians of {ROUNDS} rounds, load {os.getloadavg()[0]:.1f}; target {TARGET:,}/s")
    for name, (make, _) in CASES.items():
        rates = measured(name, given.messages, other)
        costs = {way: 1e6 / rate for way, rate in rates.items()}
        parts = costs["socket"], costs["decoded"] - costs["socket"], costs["taken"] - costs["decoded"]
        shares = ", ".join(f"{word} {part / costs['taken']:.0%}" for word, part in zip(("socket", "decoding", "book"), parts, strict=True))
        size = sum(map(len, make(100).frames[-90:])) / 90
        print(
            f"{name:<11} {size:4.0f} bytes {rates['taken']:>9,.0f}/s ({costs['taken']:.2f} us: {shares}); floor {rates['floor']:>9,.0f}/s"
        )


if __name__ == "__main__":
    main()
