"""The Polymarket skin on real sockets: both streams, the API over HTTP, and connections that a fault ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from hedgekit.data import SyntheticBinary
from hedgekit.exchange.faults import Fault, FaultKind
from hedgekit.exchange.model import FillModel
from hedgekit.sandbox.server import Options, Secrets, run
from hedgekit.types import NS, Fill, Priority, Request
from hedgekit.venues.polymarket import Polymarket
from tests.sandbox.polymarket_desk import ENVIRONMENT
from tests.venues.polymarket_made import KEYS, order

TAPE = SyntheticBinary(venue="POLYMARKET", rows=2_000, resolve_row=20_000, noise_sd=0.4, noise_half_life=3).tape()
TOUCH = FillModel("touch", ws_ns=0, up_ns=0, down_ns=0)
AUTH = dict(zip(("apiKey", "secret", "passphrase"), KEYS[1:], strict=True))
WAIT_S = 10.0


class Desk:
    """A client of a live sandbox."""

    def __init__(self, http: aiohttp.ClientSession, ready: dict[str, Any]) -> None:
        self.http, self.at = http, ready["accounts"]["POLYMARKET"]
        self.control_url = ready["control"]
        self.client = Polymarket(KEYS, TAPE.instruments, self.at["native"])
        self.native = [json.loads(self.at["native"][one.key]) for one in TAPE.instruments]
        self._sockets: list[aiohttp.ClientWebSocketResponse] = []

    async def close(self) -> None:
        """Close the sockets: Python 3.13 says so of any that is not."""
        await asyncio.gather(*(socket.close() for socket in self._sockets))

    async def socket(self, name: str, *said: dict[str, Any]) -> aiohttp.ClientWebSocketResponse:
        """Open a stream, ask, and wait until that is in force."""
        socket = await self.http.ws_connect(self.at[name], timeout=aiohttp.ClientWSTimeout(ws_close=1.0))
        self._sockets.append(socket)
        for message in said:
            await socket.send_json(message)
        await socket.send_str("PING")
        return socket

    async def market(self) -> aiohttp.ClientWebSocketResponse:
        """Open the market's stream for the first instrument's token."""
        return await self.socket("data", {"type": "market", "assets_ids": [self.native[0]["token"]], "custom_feature_enabled": True})

    async def account(self) -> aiohttp.ClientWebSocketResponse:
        """Open the account's stream."""
        return await self.socket("stream", {"type": "user", "auth": AUTH, "markets": [self.native[0]["condition"]]})

    async def call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        """Make a signed request."""
        now_ns = await self.now() * NS
        headers = self.client.signed(Request(method, path, "", Priority.QUERY, body), now_ns)
        async with self.http.request(method, self.at["rest"] + path, data=body, headers=headers) as answer:
            return answer.status, json.loads(await answer.read())

    async def now(self) -> int:
        """Return the venue's time."""
        async with self.http.get(self.at["rest"] + "/time") as answer:
            return int(await answer.text())

    async def fault(self, fault: Fault) -> None:
        """Let a fault happen."""
        headers = {"Authorization": f"Bearer {ENVIRONMENT['HEDGEKIT_CONTROL_TOKEN']}"}
        async with self.http.ws_connect(self.control_url, headers=headers) as control:
            await control.send_json({"op": "fault", "kind": fault.kind.value, "at": fault.at, "seconds": fault.seconds})
            assert (await control.receive_json(timeout=WAIT_S))["op"] == "faulted"


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[Desk]:
    """Serve a live sandbox in this process."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[dict[str, Any]] = loop.create_future()
    chosen = Options(**{"live": True, "speed": 50.0, "model": TOUCH, **options})
    task = loop.create_task(run(TAPE, Secrets.from_env(ENVIRONMENT, ["POLYMARKET"]), chosen, ready.set_result))
    await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    async with aiohttp.ClientSession() as http:
        desk = Desk(http, await ready)
        try:
            yield desk
        finally:
            await desk.close()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, WAIT_S)


async def frames(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[Any]:
    """Yield what a socket says: texts that are no JSON as they are."""
    while (frame := await socket.receive(WAIT_S)).type is aiohttp.WSMsgType.TEXT:
        yield json.loads(frame.data) if frame.data.startswith("{") else frame.data


async def until(socket: aiohttp.ClientWebSocketResponse, **wanted: Any) -> dict[str, Any]:
    """Return the next message that has these fields."""
    async for message in frames(socket):
        if isinstance(message, dict) and wanted.items() <= message.items():
            return message
    raise AssertionError(wanted)


async def ended(socket: aiohttp.ClientWebSocketResponse) -> bool:
    """Whether a socket is over, whatever it says before."""
    async for _ in frames(socket):
        pass
    return True


async def test_a_client_follows_the_book_and_its_own_orders() -> None:
    async with served() as desk:
        market, account = await desk.market(), await desk.account()
        feed, quotes = desk.client.market(0), 0
        async for message in frames(market):
            quotes += len(feed.take(json.dumps(message) if isinstance(message, dict) else message, 9))
            if quotes > 10:
                break
        at_ns = (await desk.now()) * NS
        sent = desk.client.submit(order(instrument=TAPE.instruments[0].key, ts_ns=at_ns, limit=Decimal("0.01"), kind="limit"))
        status, answer = await desk.call("POST", "/order", sent.body)
        assert (status, answer["status"]) == (200, "live")
        placed = await until(account, event_type="order")
        assert (placed["id"], placed["type"]) == (answer["orderID"], "PLACEMENT")


async def test_a_beat_is_answered_and_a_word_that_is_none_too() -> None:
    async with served() as desk:
        for socket in (await desk.market(), await desk.account()):
            assert any([message == "PONG" async for message in taking(socket, "PONG")])
            await socket.send_str("hello")
            assert any([message == "INVALID OPERATION" async for message in taking(socket, "INVALID OPERATION")])


async def taking(socket: aiohttp.ClientWebSocketResponse, last: str) -> AsyncIterator[Any]:
    """Yield what a socket says up to a text."""
    async for message in frames(socket):
        yield message
        if message == last:
            return


@pytest.mark.parametrize("name", ["apiKey", "secret", "passphrase"])
async def test_a_wrong_key_ends_the_socket(name: str) -> None:
    async with served() as desk:
        socket = await desk.socket("stream", {"type": "user", "auth": {**AUTH, name: "another"}})
        assert await ended(socket)
        assert socket.close_code is not None


async def test_a_socket_that_asks_for_nothing_known_ends() -> None:
    async with served() as desk:
        assert await ended(await desk.socket("data", {"type": "user"}))


async def test_a_second_socket_ends_while_the_first_lives() -> None:
    async with served() as desk:
        first = await desk.market()
        await until(first, event_type="book")
        assert await asyncio.gather(ended(await desk.market()), until(first, event_type="price_change"))
        await first.close()
        await until(await desk.market(), event_type="book")


async def test_a_disconnect_ends_both_sockets_and_their_subscriptions() -> None:
    async with served() as desk:
        market, account = await desk.market(), await desk.account()
        await until(market, event_type="book")
        await desk.fault(Fault(FaultKind.DISCONNECT))
        assert await ended(market)
        assert await ended(account)
        await until(await desk.market(), event_type="book")


async def test_an_outage_ends_and_refuses_all() -> None:
    async with served() as desk:
        market = await desk.market()
        await until(market, event_type="book")
        await desk.fault(Fault(FaultKind.OUTAGE, seconds=3600.0))
        assert await ended(market)
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await desk.market()
        with pytest.raises(aiohttp.ClientConnectionError):
            await desk.now()


async def test_a_fill_that_fails_at_run_time_is_told_as_failed() -> None:
    """Switched on while the market runs: the next order's first fill is told as matched, then as failed."""
    async with served() as desk:
        market, account = await desk.market(), await desk.account()
        await until(market, event_type="book")
        await desk.fault(Fault(FaultKind.REVERSAL, seconds=0.2))
        at_ns = (await desk.now()) * NS
        sent = desk.client.submit(order(instrument=TAPE.instruments[0].key, ts_ns=at_ns, limit=Decimal("0.99"), kind="limit"))
        assert (await desk.call("POST", "/order", sent.body))[0] == 200
        matched = await until(account, event_type="trade")
        failed = await until(account, event_type="trade", status="FAILED")
        assert (matched["id"], matched["status"]) == (failed["id"], "MATCHED")
        feed = desk.client.account(0)
        told = [one.event for message in (matched, failed) for one in feed.take(json.dumps(message), 9)]
        assert [one.cause for one in told if isinstance(one, Fill)] == ["trade", "trade", "reversal"]


async def test_a_refusal_over_http_is_json() -> None:
    async with served() as desk:
        assert await desk.call("GET", "/data/orders") == (200, {"limit": 100, "count": 0, "next_cursor": "LTE=", "data": []})
        assert await desk.call("POST", "/order", b"{}") == (400, {"error": "Invalid order payload"})
        assert await desk.call("GET", "/data/order/0x7") == (200, None)
