"""A small client of the sandbox, for tests: a real process, real sockets, the barrier's protocol."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from hedgekit.data import Market
from hedgekit.sandbox.server import Options, Secrets, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hedgekit.sandbox.options import Source

KEYS = {"APCA_API_KEY_ID": "AK", "APCA_API_SECRET_KEY": "AS-secret", "HEDGEKIT_CONTROL_TOKEN": "tok-secret"}
AUTH = {"APCA-API-KEY-ID": "AK", "APCA-API-SECRET-KEY": "AS-secret"}
MARKET = {"first": "1990-01-02", "last": "1990-01-31", "size_notional": 20_000.0, "size_sigma": 0.5}
QUIET: dict[str, list[str]] = {"closed": [], "silent": [], "back": []}
"""What an instant says of the connections when nothing is wrong with them."""

TIMEOUT_S = 10.0


def flat(message: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a message of a sandbox of one venue with that venue's part on its top level."""
    parts = message.pop(name, None)
    return message if parts is None else message | parts["ALPACA"]


MS = 1_000_000

Message = dict[str, Any]


def command(*options: str, market: Message | None = None) -> list[str]:
    """Return the command line of a sandbox."""
    return [sys.executable, "-m", "hedgekit", "sandbox", "--market", json.dumps(market or MARKET), *options]


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment with the sandbox's secrets, so changed."""
    return {**os.environ, **KEYS, **changes}


@dataclass
class Process:
    """A sandbox process and where it listens."""

    process: asyncio.subprocess.Process
    ready: Message

    async def end(self) -> tuple[int, str]:
        """Ask it to stop; return its exit code and what it wrote to stderr."""
        if self.process.returncode is None:
            self.process.terminate()
        _, err = await asyncio.wait_for(self.process.communicate(), TIMEOUT_S)
        assert self.process.returncode is not None
        return self.process.returncode, err.decode()


@asynccontextmanager
async def sandbox(*options: str, market: Message | None = None) -> AsyncIterator[Process]:
    """Run a sandbox for the time of a test; it must end cleanly and silently."""
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command(*options, market=market), stdin=pipe, stdout=pipe, stderr=pipe, env=environment()
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        assert line, (await process.communicate())[1].decode()
        running = Process(process, flat(json.loads(line), "accounts"))
        yield running
        assert await running.end() == (0, "")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@dataclass
class Inside:
    """A sandbox inside the test's own process: real sockets, quick to start."""

    ready: Message


@asynccontextmanager
async def inside(market: Message | None = None, **options: Any) -> AsyncIterator[Inside]:
    """Run the server on the test's event loop; what needs a process of its own uses :func:`sandbox`."""
    async with inside_of(Market(**(market or MARKET)).tape(), **options) as running:
        yield running


@asynccontextmanager
async def inside_of(source: Source, **options: Any) -> AsyncIterator[Inside]:
    """Run the server as :func:`inside`, on any market."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[Message] = loop.create_future()
    secrets = Secrets.from_env(KEYS, ["ALPACA"])
    task = loop.create_task(run(source, secrets, Options(**options), ready.set_result))
    await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    try:
        yield Inside(flat(await ready, "accounts"))
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, TIMEOUT_S)


@dataclass
class Seen:
    """What one instant brought: the control answer, quotes, trade updates, HTTP answers by request number."""

    answer: Message
    quotes: list[Message] = field(default_factory=list)
    updates: list[Message] = field(default_factory=list)
    replies: dict[int, tuple[int, Any]] = field(default_factory=dict)

    @property
    def events(self) -> list[tuple[str, str]]:
        """Trade updates in short: event and client order id."""
        return [(u["data"]["event"], u["data"]["order"]["client_order_id"]) for u in self.updates]


class Desk:
    """A client: control connection, both sockets, numbered requests."""

    def __init__(self, ready: Message, epoch: int = 1) -> None:
        self.ready, self.epoch, self.sent, self.done = ready, epoch, 0, 0
        self.http = aiohttp.ClientSession()
        self.sockets: list[aiohttp.ClientWebSocketResponse] = []
        self.control: aiohttp.ClientWebSocketResponse
        self.trade: aiohttp.ClientWebSocketResponse
        self.data: aiohttp.ClientWebSocketResponse
        self.calls: dict[int, asyncio.Task[tuple[int, Any, str]]] = {}
        self.heads: dict[int, dict[str, str]] = {}
        self.log: list[str] = []

    async def ask(self, **message: Any) -> Message:
        """Send one control message and return its answer."""
        await self.control.send_json(message)
        answer: Message = await self.control.receive_json(timeout=TIMEOUT_S)
        return flat(flat(answer, "venues"), "accounts")

    async def connect(self, name: str) -> aiohttp.ClientWebSocketResponse:
        """Open one of the three WebSockets."""
        headers = {"Authorization": "Bearer tok-secret"} if name == "control" else None
        self.sockets.append(await self.http.ws_connect(self.ready[name], headers=headers))
        return self.sockets[-1]

    async def attach(self, done: int = 0) -> Message:
        """Open the control connection and attach."""
        self.control = await self.connect("control")
        self.done = done
        return await self.ask(op="attach", epoch=self.epoch, done=done)

    async def subscribe(self) -> None:
        """Open both venue sockets, log in and subscribe."""
        self.trade = await self.open_trade()
        self.data = await self.open_data()

    async def open_trade(self) -> aiohttp.ClientWebSocketResponse:
        """Open a trade-updates socket and listen."""
        socket = await self.connect("stream")
        await socket.send_json({"action": "authenticate", "data": {"key_id": "AK", "secret_key": "AS-secret"}})
        assert (await binary(socket))["data"] == {"status": "authorized", "action": "authenticate"}
        await socket.send_json({"action": "listen", "data": {"streams": ["trade_updates"]}})
        assert (await binary(socket))["data"] == {"streams": ["trade_updates"]}
        return socket

    async def open_data(self) -> aiohttp.ClientWebSocketResponse:
        """Open a market-data socket and subscribe to every quote."""
        socket = await self.connect("data")
        assert await text(socket) == [{"T": "success", "msg": "connected"}]
        await socket.send_json({"action": "auth", "key": "AK", "secret": "AS-secret"})
        assert await text(socket) == [{"T": "success", "msg": "authenticated"}]
        await socket.send_json({"action": "subscribe", "quotes": ["KO", "PEP"]})
        assert (await text(socket))[0]["quotes"] == ["KO", "PEP"]
        return socket

    def send(self, method: str, path: str, body: Any = None, *, auth: dict[str, str] | None = None) -> int:
        """Start a request; its answer comes with a later instant."""
        self.sent += 1
        headers = {"X-Hedgekit-Request": f"{self.epoch}-{self.sent}", **(AUTH if auth is None else auth)}
        self.calls[self.sent] = asyncio.ensure_future(self._call(self.sent, method, path, body, headers))
        return self.sent

    async def _call(self, number: int, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any, str]:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            async with self.http.request(method, self.ready["rest"] + path, data=data, headers=headers) as response:
                raw = await response.text()
                self.heads[number] = dict(response.headers)
                return response.status, json.loads(raw) if raw else None, raw
        except aiohttp.ClientConnectionError:
            return 0, None, "closed without an answer"

    async def order(self, name: str, qty: int, symbol: str = "KO", **more: Any) -> int:
        """Start a market order."""
        body = {"symbol": symbol, "qty": str(abs(qty)), "side": "buy" if qty > 0 else "sell", "type": "market"}
        return self.send("POST", "/v2/orders", {**body, "time_in_force": "gtc", "client_order_id": name, **more})

    async def advance(self, timer: int | None = None, *, silence: float | None = None) -> Seen:
        """Acknowledge, move on, and collect everything that the next instant brings."""
        answer = await self.ask(op="advance", done=self.done, requests=self.sent, timer=timer, silence=silence)
        return await self.collect(answer)

    async def collect(self, answer: Message) -> Seen:
        """Receive what an ``instant`` announces."""
        self.log.append(json.dumps(answer))
        seen = Seen(answer)
        if answer["op"] != "instant":
            return seen
        self.done = answer["n"]
        while len(seen.quotes) < answer["md"]:
            seen.quotes += await text(self.data, self.log)
        while len(seen.updates) < answer["trade"]:
            seen.updates.append(await binary(self.trade, self.log))
        for number in answer["replies"]:
            status, body, raw = await asyncio.wait_for(self.calls[number], TIMEOUT_S)
            self.log.append(f"{status} {raw}")  # in the barrier's order: connections race each other
            seen.replies[number] = status, body
        for name in answer["closed"]:
            assert await over(self.data if name == "md" else self.trade), f"{name} was to be closed, and nothing else to come on it"
        return seen

    async def until(self, number: int) -> tuple[list[Seen], int, Any]:
        """Advance until a request is answered; return the instants, the status and the body."""
        past = []
        while True:
            past.append(await self.advance())
            assert past[-1].answer["op"] == "instant", past[-1].answer
            if number in past[-1].replies:
                return past, *past[-1].replies[number]

    async def get(self, path: str) -> tuple[int, Any]:
        """Do one GET through virtual time."""
        _, status, body = await self.until(self.send("GET", path))
        return status, body

    async def close(self) -> None:
        """Drop everything (safe to repeat)."""
        for call in self.calls.values():
            call.cancel()
        await asyncio.gather(*self.calls.values(), return_exceptions=True)
        for socket in self.sockets:
            await socket.close()
        await self.http.close()

    async def die(self) -> None:
        """Drop everything without a word, as a killed process does."""
        for socket in self.sockets:
            connection = socket._response.connection
            if connection is not None and connection.transport is not None:
                connection.transport.abort()
        await self.close()


async def text(socket: aiohttp.ClientWebSocketResponse, log: list[str] | None = None) -> list[Message]:
    """Receive a TEXT frame."""
    frame = await socket.receive(TIMEOUT_S)
    assert frame.type is aiohttp.WSMsgType.TEXT, frame
    if log is not None:
        log.append(frame.data)
    items: list[Message] = json.loads(frame.data)
    return items


async def binary(socket: aiohttp.ClientWebSocketResponse, log: list[str] | None = None) -> Message:
    """Receive a BINARY frame of JSON text."""
    frame = await socket.receive(TIMEOUT_S)
    assert frame.type is aiohttp.WSMsgType.BINARY, frame
    if log is not None:
        log.append(frame.data.decode())
    item: Message = json.loads(frame.data)
    return item


async def over(socket: aiohttp.ClientWebSocketResponse) -> bool:
    """Receive the end of a socket."""
    frame = await socket.receive(TIMEOUT_S)
    return frame.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}


@asynccontextmanager
async def desk(ready: Message, epoch: int = 1, *, done: int = 0) -> AsyncIterator[Desk]:
    """Attach a client that has processed instant ``done``, and subscribe to everything."""
    client = Desk(ready, epoch)
    try:
        attached = await client.attach(done)
        assert attached["op"] == "attached", attached
        await client.subscribe()
        yield client
    finally:
        await client.close()
