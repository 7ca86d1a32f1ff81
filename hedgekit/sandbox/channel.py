"""Messages to one socket of the client.

What a client has subscribed to belongs to the account, not to the socket: when
the socket dies, its messages go on counting, so that the instants of a tape do
not depend on when a death is noticed, and the last ones can be sent again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

PROBE_S = 1.0
"""Real seconds that an old socket has to answer a ping before a new one may take its place."""


def one_each(items: list[bytes]) -> list[bytes]:
    """Frame every message by itself."""
    return items


def one_array(items: list[bytes]) -> list[bytes]:
    """Put all messages into one frame, a JSON array."""
    return [b"[" + b",".join(items) + b"]"]


class Channel:
    """Messages to the one socket that an account may have of a kind.

    Parameters
    ----------
    pack : callable
        Turns the messages of an instant into frames.
    binary : bool
        Whether frames are WebSocket BINARY (Alpaca's trade updates) or TEXT.
    """

    def __init__(self, pack: Callable[[list[bytes]], list[bytes]], *, binary: bool) -> None:
        self.topics: frozenset[str] = frozenset()
        self._pack, self._binary = pack, binary
        self._socket: web.WebSocketResponse | None = None
        self._pending: list[tuple[str, bytes]] = []
        self._last: list[tuple[str, bytes]] = []
        self._ponged = asyncio.Event()
        self._claim = asyncio.Lock()

    # ---------------------------------------------------------------- messages

    def push(self, topic: str, message: bytes) -> None:
        """Add a message, if its topic is subscribed."""
        if topic in self.topics:
            self._pending.append((topic, message))

    @property
    def pending(self) -> int:
        """How many messages the next :meth:`flush` sends."""
        return len(self._pending)

    async def flush(self) -> int:
        """Send what is pending, remember it for :meth:`resend`, and return the number of messages."""
        self._last, self._pending = self._pending, []
        return await self.resend()

    async def resend(self) -> int:
        """Send the last instant's messages again, and return their number."""
        items = [message for topic, message in self._last if topic in self.topics]
        for frame in self._pack(items) if items else ():
            await self.send(self._socket, frame)
        return len(items)

    async def send(self, socket: web.WebSocketResponse | None, frame: bytes) -> None:
        """Send one frame; a socket that is gone swallows it, as the network does."""
        if socket is None or socket.closed:
            return
        try:
            await (socket.send_bytes(frame) if self._binary else socket.send_str(frame.decode()))
        except ConnectionError:
            self.leave(socket)

    # ------------------------------------------------------------- the one seat

    async def seat(self, socket: web.WebSocketResponse) -> bool:
        """Make this the account's socket; False if another one is alive."""
        async with self._claim:
            if self._socket is not None and await self.occupied():
                return False
            self._socket = socket
            return True

    async def occupied(self) -> bool:
        """Whether the account's socket is alive: it answers a ping within :data:`PROBE_S`."""
        if self._socket is None or self._socket.closed:
            return False
        self._ponged.clear()
        try:
            await self._socket.ping()
            await asyncio.wait_for(self._ponged.wait(), PROBE_S)
        except (ConnectionError, TimeoutError):
            return False
        return True

    def pong(self, socket: web.WebSocketResponse) -> None:
        """Note that a ping was answered."""
        if socket is self._socket:
            self._ponged.set()

    def leave(self, socket: web.WebSocketResponse) -> None:
        """Give the seat up, if it is this socket's."""
        if socket is self._socket:
            self._socket = None
