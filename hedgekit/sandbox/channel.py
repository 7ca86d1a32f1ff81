"""Messages to one socket of the client.

What a client has subscribed to belongs to the account, not to the socket: when
the socket dies, its messages go on counting, so that the instants of a tape do
not depend on when a death is noticed, and the last ones can be sent again. Only
where the venue itself cuts the connection (:meth:`Channel.cut`), or the client says
that it has none (:meth:`Channel.end`), the subscription ends with it, and what is
said before the client has subscribed anew is lost.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from hedgekit.exchange.faults import FaultKind

if TYPE_CHECKING:
    from hedgekit.exchange.faults import ChannelName

PROBE_S = 1.0
"""Real seconds that an old socket has to answer a ping before a new one may take its place."""


class Channel:
    """Messages to the one socket that an account may have of a kind.

    Parameters
    ----------
    name : str
        "md" or "trade".
    array : bool
        Whether the messages of an instant go into one frame, a JSON array, or each into a frame of its own.
    binary : bool
        Whether frames are WebSocket BINARY (Alpaca's trade updates) or TEXT.
    resends : bool
        Whether the last instant's messages can be sent again as they were. If not, what a new subscription brings (a snapshot,
        which includes them) is sent instead.
    """

    def __init__(self, name: ChannelName, *, array: bool = False, binary: bool = False, resends: bool = True) -> None:
        self.name, self._resends = name, resends
        self.topics: frozenset[str] = frozenset()
        self._array, self._binary = array, binary
        self._lines: dict[web.WebSocketResponse, asyncio.BaseTransport | None] = {}
        self._socket: web.WebSocketResponse | None = None
        self._pending: list[tuple[str, bytes]] = []
        self._held: list[tuple[str, bytes]] = []
        self._last: list[tuple[str, bytes]] = []
        self._cut = self._asked = False
        self._woken = asyncio.Event()
        self._ponged = asyncio.Event()
        self._claim = asyncio.Lock()

    # ---------------------------------------------------------------- messages

    def listens(self, topic: str) -> bool:
        """Whether the account has subscribed to a topic, on a connection that the venue has not cut."""
        return topic in self.topics and not self._cut

    def push(self, topic: str, message: bytes, fault: FaultKind | None = None) -> None:
        """Add a message to the next :meth:`flush`: as it is, twice, or behind the message that follows it."""
        if fault is FaultKind.REORDER:
            self._held.append((topic, message))
            return
        self._pending += [(topic, message)] * (2 if fault is FaultKind.DUPLICATE else 1)
        self._pending += reversed(self._held)
        self._held.clear()
        self.ask()

    def begin(self, topic: str, message: bytes) -> None:
        """Add what a subscription begins with to the next :meth:`flush`, without being a reason for one: see :meth:`ask`."""
        self._pending.append((topic, message))

    def forget(self) -> None:
        """Drop what a session that is gone has not been sent, if who comes next gets all of it by subscribing anew."""
        if not self._resends:
            self._pending, self._asked = [], False

    def end(self) -> None:
        """Let the subscription end, as a venue does when the client closes its socket."""
        self.topics, self._pending, self._asked = frozenset(), [], False
        self._held.clear()

    def ask(self) -> None:
        """Let what is pending be a reason for a :meth:`flush`."""
        self._asked = bool(self._pending)
        self._woken.set()

    def cut(self) -> bool:
        """Close the connection at the next :meth:`flush`, after what was said before; return whether there was one."""
        alive = self.connected
        self._held.clear()
        if alive:
            self._cut = True
            self._woken.set()
        else:
            self._hang_up()
        return alive

    @property
    def waiting(self) -> bool:
        """Whether the next :meth:`flush` has something to do."""
        return self._asked or self._cut

    async def flush(self) -> tuple[int, bool]:
        """Send what is pending, remember it for :meth:`resend`; return the number of messages, and whether the socket was closed then."""
        self._last, self._pending, self._asked = self._pending, [], False
        sent, cut = await self._send(), self._cut
        if cut:
            self._hang_up()
        return sent, cut

    async def pump(self) -> None:
        """Flush as messages come, for ever."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            await self.flush()

    async def resend(self) -> int:
        """Send the last instant's messages again, or what stands in for them; return their number."""
        if not self._resends:
            self._last, self._pending, self._asked = self._pending, [], False
        return await self._send()

    async def _send(self) -> int:
        items = [message for topic, message in self._last if topic in self.topics]
        for frame in [b"[" + b",".join(items) + b"]"] if self._array and items else items:
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

    def _hang_up(self) -> None:
        """Close every connection, and end the subscription with it."""
        for transport in self._lines.values():
            if transport is not None:
                transport.close()
        self._socket, self.topics, self._cut = None, frozenset(), False

    # ------------------------------------------------------------- the one seat

    def join(self, socket: web.WebSocketResponse, transport: asyncio.BaseTransport | None) -> None:
        """Take notice of a connection that has not logged in yet."""
        self._lines[socket] = transport

    @property
    def connected(self) -> bool:
        """Whether the account has a socket that nobody has closed, as far as is known."""
        return self._socket is not None and not self._socket.closed

    async def seat(self, socket: web.WebSocketResponse) -> bool:
        """Make this the account's socket; False if another one is alive."""
        async with self._claim:
            if self._socket not in (None, socket) and await self.occupied():
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
        """Forget a connection; give the seat up, if it is this socket's."""
        self._lines.pop(socket, None)
        if socket is self._socket:
            self._socket = None
