"""A live public feed that is lost and comes back, in one process and between two."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from hedgekit.data import LiveFeed
from hedgekit.sandbox import feed as feed_room
from hedgekit.sandbox.skins.alpaca_wire import parse_time
from hedgekit.types import Quote
from tests.sandbox.desk import KEYS, TIMEOUT_S, Message, command, environment, flat, text
from tests.sandbox.feeds import T, fed, public, quote
from tests.sandbox.test_live import Trader

SYNTHETIC = {"kind": "synthetic", "rows": 100_000, "primary": "KO", "hedge": "PEP"}


# ------------------------------------------------------------------ lost, back


async def test_a_lost_feed_is_opened_again_and_goes_on(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(feed_room, "FIRST_S", 0.05)
    async with public() as made, fed(made) as client:
        await made.say(quote("KO", 1, 1.01))
        assert (await text(client.data))[0]["bp"] == 1
        await made.gone()
        await made.there()
        await made.say(quote("KO", 2, 2.01))
        assert (await text(client.data))[0]["bp"] == 2, "on the client's old connection"
        await made.say({"T": "error", "code": 406, "msg": "connection limit exceeded"})
        made.arrived.clear()
        await made.there()
        await made.say(quote("KO", 3, 3.01))
        assert (await text(client.data))[0]["bp"] == 3, "an error of the venue's is no end either"
    said = capfd.readouterr().err
    assert said.count("the feed is back") == 2
    assert "was closed by the venue" in said
    assert "connection limit exceeded" in said
    assert not any(secret in said for secret in KEYS.values())


async def test_attempts_become_rarer(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    tried = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 8:
            tried.set()
            await asyncio.Event().wait()

    async with public() as made:
        relay = feed_room.Relay(LiveFeed(made.url, "KO", "PEP"), KEYS_OF, Still(), print, print, lambda _: None)
    monkeypatch.setattr(feed_room.asyncio, "sleep", sleep)
    running = asyncio.ensure_future(relay.run())
    await asyncio.wait_for(tried.wait(), TIMEOUT_S)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


class Still:
    """A timeline that stands."""

    now_ns = 0


KEYS_OF = ("AK", "AS-secret")


@pytest.mark.parametrize(
    ("frame", "said"),
    [('[{"T":"t","S":"KO"}]', "type 't' is not understood"), (json.dumps([quote("MSFT", 1, 2)]), "'ALPACA:MSFT', which was not asked for")],
)
async def test_what_is_not_understood_ends_the_connection_and_says_why(frame: str, said: str) -> None:
    lines: list[str] = []
    rows: list[Any] = []
    lost = asyncio.Event()

    def say(line: str) -> None:
        lines.append(line)
        lost.set()

    async with public() as made:
        relay = feed_room.Relay(LiveFeed(made.url, "KO", "PEP"), KEYS_OF, Still(), rows.append, print, say)  # type: ignore[arg-type] # reads now_ns alone
        await relay.open()
        running = asyncio.ensure_future(relay.run())
        await made.there()
        await made.say(quote("KO", 1, 2))
        await made.socket.send_str(frame)
        await asyncio.wait_for(lost.wait(), TIMEOUT_S)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert said in lines[0]
    assert [row[0].quote for row in rows] == [
        Quote(ts_ns=0, instrument="ALPACA:KO", venue_ns=parse_time(T), bid=1.0, ask=2.0, bid_size=100.0, ask_size=100.0)
    ], "nothing of a frame that is not understood"


# ---------------------------------------------------------------- two sandboxes


async def start(*options: str, market: Message) -> tuple[asyncio.subprocess.Process, Message]:
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command(*options, market=market), stdin=pipe, stdout=pipe, stderr=pipe, env=environment()
    )
    assert process.stdout is not None
    return process, flat(json.loads(await asyncio.wait_for(process.stdout.readline(), 30)), "accounts")


async def test_one_sandbox_is_the_public_feed_of_another_and_may_die() -> None:
    """By real processes: orders fill at the first one's quotes; killed and started again at the same port, they go on."""
    first, ready = await start("--live", "--speed", "20", market=SYNTHETIC)
    port = ready["rest"].rsplit(":", 1)[1]
    second, mine = await start("--live", market={"kind": "feed", "url": ready["data"], "primary": "KO", "hedge": "PEP"})
    client = Trader(mine)
    try:
        client.control = await client.connect("control")
        await client.subscribe()
        seen = [item for _ in range(3) for item in await text(client.data)]
        assert (await client.buy("a", 1))[0] == 200
        assert [await client.event() for _ in range(2)] == [("new", "a"), ("fill", "a")]
        seen += [item for _ in range(3) for item in await text(client.data)]
        (fill,) = (await client.ask(op="ledger"))["fills"]
        assert Decimal(fill["price"]) in {Decimal(repr(q["ap"])) for q in seen if q["S"] == "KO"}

        os.kill(first.pid, signal.SIGKILL)
        await first.wait()
        await drained(client)
        assert (await client.buy("b", 1))[0] == 200, "the exchange goes on"
        assert await client.event() == ("new", "b")
        first, _ = await start("--live", "--speed", "20", "--port", port, market=SYNTHETIC)
        assert await client.event() == ("fill", "b"), "at the first quote that came again"
        assert await text(client.data)
    finally:
        await client.close()
        for process in (first, second):
            if process.returncode is None:
                process.terminate()
        (_, _), (_, said) = [await process.communicate() for process in (first, second)]
    assert second.returncode == 0
    assert "feed stream was closed by the venue" in said.decode()
    assert "the feed is back" in said.decode()


async def drained(client: Trader) -> None:
    """Receive what was still on its way; then nothing more is said."""
    while True:
        try:
            frame = await asyncio.wait_for(client.data.receive(), 0.5)
        except TimeoutError:
            return
        assert frame.type is aiohttp.WSMsgType.TEXT
