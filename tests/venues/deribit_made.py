"""What the tests of the Deribit client share: instruments, an order, payloads, and what a socket says."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from hedgekit.types import Instrument, Kind, Login, Order, Priority, Request
from hedgekit.venues.deribit import Deribit

PAYLOADS = Path(__file__).parent / "payloads"
NAMES = sorted(path.stem.removeprefix("deribit_") for path in PAYLOADS.glob("deribit_*.json"))
SECRET = "dsecret"  # noqa: S105 - of the worked example
BTC = Instrument("DERIBIT", "BTC-PERPETUAL", Kind.INVERSE_PERP, tick=Decimal("0.5"), multiplier=Decimal(10))
ETH = Instrument("DERIBIT", "ETH-PERPETUAL", Kind.INVERSE_PERP, tick=Decimal("0.05"), multiplier=Decimal(1))
LINEAR = Instrument("DERIBIT", "ETH_USDC-PERPETUAL", Kind.LINEAR_PERP, multiplier=Decimal("0.001"))
ORDER = Order("s1-1-0", 1_764_000_000_123_456_789, 0, BTC.key, Decimal(-97), Decimal(99_000), Priority.PRIMARY, 1)


def client(*instruments: Instrument) -> Deribit:
    """Return a client; of BTC-PERPETUAL if nothing is said."""
    return Deribit(("did", SECRET), instruments or (BTC,))


def payload(name: str) -> bytes:
    """Return a payload."""
    return (PAYLOADS / f"deribit_{name}.json").read_bytes().strip()


def changed(name: str, *path: str | int, **fields: Any) -> bytes:
    """Return a payload with fields changed at a path; None takes one out."""
    frame = msgspec.json.decode(payload(name))
    place = frame
    for step in path:
        place = place[step]
    place.update(fields)
    for key in [key for key, value in place.items() if value is None and key in fields]:
        del place[key]
    return msgspec.json.encode(frame)


def body(request: Request) -> dict[str, Any]:
    """Return a request's JSON-RPC body."""
    return msgspec.json.decode(request.body or b"")  # type: ignore[no-any-return] # it is one


def result(value: Any, number: int = 1) -> bytes:
    """Return an answer."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": number, "result": value})


def failure(message: str, code: int = 10_000, data: Any = None) -> bytes:
    """Return a refusal."""
    error = {"code": code, "message": message} | ({} if data is None else {"data": data})
    return msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "error": error})


def answer(message: bytes) -> bytes:
    """Return what the venue answers to a call on a socket that it takes."""
    call = msgspec.json.decode(message)
    channels = call["params"].get("channels")
    granted = {"access_token": "t", "refresh_token": "r", "expires_in": 900, "scope": "connection", "token_type": "bearer"}
    return result(granted if call["method"] == "public/auth" else "ok" if channels is None else channels, call["id"])


def logged_in(login: Login) -> list[dict[str, Any]]:
    """Answer a login as the venue does; return the calls that it made."""
    calls: list[dict[str, Any]] = []
    message, _ = next(login)
    while message is not None:
        calls.append(msgspec.json.decode(message))
        try:
            message, _ = login.send(answer(message))
        except StopIteration:
            break
    return calls


def book(change_id: int, bids: list[Any], asks: list[Any], *, prev: int | None = None, name: str = "BTC-PERPETUAL") -> bytes:
    """Return a book's snapshot, or the change after ``prev``."""
    kind = {"type": "snapshot"} if prev is None else {"type": "change", "prev_change_id": prev}
    data = kind | {"timestamp": 1_764_000_000_000 + change_id, "instrument_name": name, "change_id": change_id, "bids": bids, "asks": asks}
    channel = f"book.{name}.100ms"
    return msgspec.json.encode({"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}})
