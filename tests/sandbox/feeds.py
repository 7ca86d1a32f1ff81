"""A public feed for tests: a real WebSocket in Alpaca's protocol that says what the test says."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

from hedgekit.data import LiveFeed
from hedgekit.sandbox.options import AT_ONCE
from tests.sandbox.desk import TIMEOUT_S, Message, inside_of, text
from tests.sandbox.test_live import Trader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.sandbox.desk import Inside

PEACE: Message = {"live": True, "model": AT_ONCE}
T = "2026-01-05T14:30:00.123456789Z"


def quote(symbol: str, bid: float, ask: float, size: float = 100) -> Message:
    """Return a quote in the venue's words; a price of 0 is a missing side."""
    return {"T": "q", "S": symbol, "bp": bid, "bs": size if bid else 0, "ap": ask, "as": size if ask else 0, "t": T}


class Public:
    """A stream in Alpaca's protocol whose every word the test says; a second connection takes the first one's place."""

    def __init__(self) -> None:
        self.url = ""
        self.logins: list[Message] = []
        self.arrived = asyncio.Event()
        self.socket: web.WebSocketResponse

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one connection."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json([{"T": "success", "msg": "connected"}])
        self.logins.append(await socket.receive_json())
        await socket.send_json([{"T": "success", "msg": "authenticated"}])
        self.logins.append(await socket.receive_json())
        await socket.send_json([{"T": "subscription", "quotes": ["KO", "PEP"]}])
        self.socket = socket
        self.arrived.set()
        async for _ in socket:
            pass
        return socket

    async def say(self, *items: Message) -> None:
        """Say something."""
        await self.socket.send_json(list(items))

    async def gone(self) -> None:
        """Close the connection."""
        self.arrived.clear()
        await self.socket.close()

    async def there(self) -> None:
        """Wait until somebody has subscribed."""
        await asyncio.wait_for(self.arrived.wait(), TIMEOUT_S)


@asynccontextmanager
async def public() -> AsyncIterator[Public]:
    """Serve a feed for the time of a test."""
    made = Public()
    runner = web.ServerRunner(web.Server(made.serve, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/v2/iex"
    try:
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def fed(made: Public, **options: Any) -> AsyncIterator[Trader]:
    """Run a sandbox on the test's feed, and a client of it."""
    async with inside_of(LiveFeed(made.url, "KO", "PEP"), **PEACE | options) as process, trader(process) as client:
        await made.there()
        yield client


@asynccontextmanager
async def trader(process: Inside) -> AsyncIterator[Trader]:
    """Subscribe a client to a live sandbox, to statuses too."""
    client = Trader(process.ready)
    try:
        client.control = await client.connect("control")
        await client.subscribe()
        await client.data.send_json({"action": "subscribe", "statuses": ["*"]})
        assert (await text(client.data))[0] == {"T": "subscription", "trades": [], "quotes": ["KO", "PEP"], "bars": [], "statuses": ["*"]}
        yield client
    finally:
        await client.close()
