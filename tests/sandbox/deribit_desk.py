"""A Deribit sandbox on real sockets inside the test's own process, and a plain client of it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from hedgekit.exchange.model import FillModel
from hedgekit.sandbox.server import Options, Secrets, run
from tests.paper.deribit_rig import CASH, PERPS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

ENV = {"DERIBIT_CLIENT_ID": "did", "DERIBIT_CLIENT_SECRET": "dsecret", "HEDGEKIT_CONTROL_TOKEN": "tok"}
TIMEOUT_S = 10.0
PEACE: dict[str, Any] = {"live": True, "speed": 0.2, "model": FillModel(name="touch", ws_ns=0, up_ns=0, down_ns=0)}
"""Live, a row every five seconds, orders met at once."""

Json = Any


class Trader:
    """A client: sockets, and requests signed by the words of Deribit's documents."""

    def __init__(self, ready: Json, http: aiohttp.ClientSession) -> None:
        self.ready, self.http = ready["accounts"]["DERIBIT"], http
        self.control_url = ready["control"]
        self._lines: list[Line] = []

    async def post(self, method: str, **params: Json) -> tuple[int, Json]:
        """Call a method over HTTP; return status and body, (0, None) if the connection was closed instead."""
        body, path = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}), f"/api/v2/{method}"
        at, nonce = str(time.time_ns() // 1_000_000), str(time.monotonic_ns())
        sig = hmac.new(b"dsecret", f"{at}\n{nonce}\nPOST\n{path}\n{body}\n".encode(), hashlib.sha256).hexdigest()
        headers = {"Authorization": f"deri-hmac-sha256 id=did,ts={at},nonce={nonce},sig={sig}", "Content-Type": "application/json"}
        try:
            async with self.http.post(self.ready["rest"] + path, data=body, headers=headers) as answer:
                raw = await answer.text()
                return answer.status, json.loads(raw)
        except aiohttp.ClientConnectionError:
            return 0, None

    async def open(self, *, login: bool = True) -> Line:
        """Open a socket, logged in unless told otherwise."""
        line = Line(await self.http.ws_connect(self.ready["stream"], timeout=aiohttp.ClientWSTimeout(ws_close=1.0)))
        self._lines.append(line)
        if login:
            await line.call("public/auth", grant_type="client_credentials", client_id="did", client_secret="dsecret")  # noqa: S106 - made up
        return line

    @asynccontextmanager
    async def control(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open the control port."""
        async with self.http.ws_connect(self.control_url, headers={"Authorization": "Bearer tok"}) as control:
            yield control

    async def close(self) -> None:
        """Close the sockets: Python 3.13 says so of any that is not."""
        await asyncio.gather(*(line.socket.close() for line in self._lines))

    async def fault(self, kind: str, **more: Json) -> None:
        """Let something go wrong."""
        async with self.control() as control:
            await control.send_json({"op": "fault", "kind": kind, **more})
            assert (await control.receive_json(timeout=TIMEOUT_S))["op"] == "faulted"


class Line:
    """One socket: calls and their answers, and what was told meanwhile."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.told: list[Json] = []
        self._number = 0

    async def call(self, method: str, **params: Json) -> Json:
        """Call a method; return its result. What is told before the answer is kept."""
        answer = await self.answer(method, **params)
        assert "error" not in answer, answer
        return answer["result"]

    async def refused(self, method: str, **params: Json) -> int:
        """Call a method that is refused; return the code."""
        code: int = (await self.answer(method, **params))["error"]["code"]
        return code

    async def answer(self, method: str, **params: Json) -> Json:
        """Call a method and return the whole answer."""
        self._number += 1
        await self.socket.send_json({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        while (message := await self.socket.receive_json(timeout=TIMEOUT_S)).get("id") != self._number:
            self.told.append(message)
        return message

    async def until(self, wanted: Callable[[Json], bool]) -> Json:
        """Return the first message that is wanted, told already or still to come."""
        while True:
            while self.told:
                if wanted(message := self.told.pop(0)):
                    return message
            self.told.append(await self.socket.receive_json(timeout=TIMEOUT_S))

    async def ended(self) -> None:
        """Wait until the venue has closed the socket."""
        while (await self.socket.receive(timeout=TIMEOUT_S)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert self.socket.closed


def of(channel: str) -> Callable[[Json], bool]:
    """Return whether a message is a channel's."""
    return lambda message: message.get("params", {}).get("channel") == channel


@asynccontextmanager
async def trader(**options: Any) -> AsyncIterator[Trader]:
    """Run a sandbox on the test's event loop, and a client of it."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[Json] = loop.create_future()
    task = loop.create_task(run(PERPS.tape(), Secrets.from_env(ENV, ["DERIBIT"]), Options(cash=CASH, **options), ready.set_result))
    await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    try:
        async with aiohttp.ClientSession() as http:
            client = Trader(await ready, http)
            try:
                yield client
            finally:
                await client.close()
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, TIMEOUT_S)
