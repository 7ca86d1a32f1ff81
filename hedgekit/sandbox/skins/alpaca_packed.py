"""Alpaca's market data as msgpack, which its Python SDK always speaks.

Who says ``Content-Type: application/msgpack`` in the handshake (docs.alpaca.markets, "WebSocket Stream") gets every message as msgpack
in a BINARY frame, and speaks so too. Times are msgpack's own timestamps there (extension type -1), which no other field is.
"""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from hedgekit.sandbox.calls import UNREADABLE
from hedgekit.sandbox.skins.alpaca_wire import parse_time
from hedgekit.types import NS

CONTENT = "application/msgpack"
TIMESTAMP = -1


def wants_packed(request: web.BaseRequest) -> bool:
    """Whether a handshake asks for msgpack."""
    return request.headers.get("Content-Type", "") == CONTENT


class Packed(web.WebSocketResponse):
    """A socket whose client speaks msgpack: what is sent as JSON text leaves in that form."""

    async def send_str(self, data: str, compress: int | None = None) -> None:
        """Send a JSON text as msgpack."""
        await self.send_bytes(msgspec.msgpack.encode([_item(one) for one in msgspec.json.decode(data)]), compress)

    @staticmethod
    def read(data: str | bytes) -> dict[str, Any] | None:
        """Return what the client sent; None if it is no msgpack map."""
        try:
            return msgspec.msgpack.decode(data.encode() if isinstance(data, str) else data, type=dict[str, Any])
        except UNREADABLE:
            return None


def _item(item: dict[str, Any]) -> dict[str, Any]:
    """Return a message with its time as msgpack has it: 32 bits of nanoseconds, 64 of seconds."""
    if "t" not in item:
        return item
    seconds, rest = divmod(parse_time(item["t"]), NS)
    return item | {"t": msgspec.msgpack.Ext(TIMESTAMP, rest.to_bytes(4, "big") + seconds.to_bytes(8, "big", signed=True))}
