"""How many small changes of a book are received, decoded and applied in a second, from a loopback socket, on one core.

    python -m tests.perf.message_rate [--size smoke | quick | full] [--json FILE]
    python -m tests.perf.message_rate --profile KALSHI

Another process, on another core where there is one, sends the same frames, faster
than they are read. Each venue is run three times over: frames only read, read and decoded, and taken whole by hedgekit's feed, as a
session reads them (:class:`~hedgekit.net.transport.Stream`); the differences are the shares. Beside it the floor: aiohttp and a typed
msgspec decoder of no more fields than a book needs, applied to two dicts, without a check. Medians of rounds that take turns.

A second is one of the receiving process's own time on its core, the kernel's part included: what else the machine does counts little.
"""

from __future__ import annotations

import asyncio
import cProfile
import multiprocessing
import os
import pstats
import struct
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha1
from statistics import median
from typing import Any

import aiohttp

from hedgekit.net.transport import Stream
from hedgekit.types import Quote
from tests.perf.message_frames import CASES, Case, best
from tests.perf.rows import Row, Size, refuse, run
from tests.venues import polymarket_made

TARGET = 150_000
STATED = {"KALSHI", "POLYMARKET"}
"""Venues whose small changes the target is stated for."""


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


def measured(name: str, count: int, rounds: int, core: int | None) -> dict[str, float]:
    """Return messages a second of each way, medians of the rounds."""
    make, skip = CASES[name]
    case = make(count)
    port: Any = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(case.frames, port, core), daemon=True)
    server.start()
    url, whole = f"ws://127.0.0.1:{port.get()}", len(case.frames)
    found: dict[str, list[float]] = {"socket": [], "decoded": [], "taken": [], "floor": []}
    try:
        for _ in range(rounds):
            take, told = _taken(case, skip)
            found["socket"].append(asyncio.run(hedgekit(url, whole, lambda _: None)))
            found["decoded"].append(asyncio.run(hedgekit(url, whole, _after(skip, case.decode))))
            found["taken"].append(asyncio.run(hedgekit(url, whole, take)))
            found["floor"].append(asyncio.run(plain(url, whole, _after(skip, case.floor()))))
            if not all(type(one) is Quote for one in told) or [told[-1].bid_size, told[-1].ask_size] != best(count, case.lot):
                refuse(f"{name}: the book ends with {told[-1:]}, sizes {best(count, case.lot)} were sent")
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


def measure(size: Size) -> list[Row]:
    """Measure each venue, this process on one core and its server on another."""
    count, rounds = size.pick(2_000, 50_000, 200_000), size.pick(1, 3, 5)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})
    rows = []
    for name in CASES:
        rates = measured(name, count, rounds, cores[1] if len(cores) > 1 else None)
        costs = {way: 1e6 / rate for way, rate in rates.items()}
        parts = costs["socket"], costs["decoded"] - costs["socket"], costs["taken"] - costs["decoded"]
        shares = ", ".join(f"{word} {part / costs['taken']:.0%}" for word, part in zip(("socket", "decoding", "book"), parts, strict=True))
        goal, floor = TARGET if name in STATED else None, "aiohttp, msgspec, two dicts"
        rows.append(
            Row(
                "book messages",
                f"{name.title()}, received, decoded, applied",
                "messages/s",
                rates["taken"],
                floor,
                rates["floor"],
                more=True,
                target=goal,
                of_ratio=False,
                same="best prices after the last change",
                note=shares,
            )
        )
    return [*rows, signing(size.pick(5, 100, 300))]


def signing(count: int) -> Row:
    """Return what encoding and signing an order for Polymarket takes, median."""
    client, took = polymarket_made.client(), []
    for number in range(count):
        order = polymarket_made.order(order_id=f"s1-{number}-0")
        began = time.perf_counter()
        client.submit(order)
        took.append(time.perf_counter() - began)
    return Row("book messages", "Polymarket, an order signed", "ms", 1e3 * median(took), target=3.0)


def main() -> None:
    """Measure, or show a profile."""
    if sys.argv[1:2] == ["--profile"]:
        profile(sys.argv[2], 200_000)
        return
    run(measure, __doc__)


if __name__ == "__main__":
    main()
