"""The sandbox's process: two ports on 127.0.0.1, and nothing outside.

The venue port speaks a venue's protocol. The control port moves the tape and
belongs to no venue; it wants ``Authorization: Bearer <token>``.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from decimal import Decimal
from errno import EADDRINUSE
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from aiohttp import web

from hedgekit.data import Recipe, recipe_of
from hedgekit.errors import ConfigError
from hedgekit.exchange.engine import Exchange
from hedgekit.exchange.model import FillModel
from hedgekit.sandbox.channel import Channel, one_array, one_each
from hedgekit.sandbox.control import Barrier
from hedgekit.sandbox.pace import Pace
from hedgekit.sandbox.skins.alpaca import AlpacaSkin, ledger_frame
from hedgekit.sandbox.skins.alpaca_rest import Keys
from hedgekit.types import NS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from hedgekit.data import Tape

R = TypeVar("R")

HOST = "127.0.0.1"
LEAD_NS = 60 * NS
"""Virtual time starts this long before the tape."""

KEY, SECRET, TOKEN = "APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "HEDGEKIT_CONTROL_TOKEN"


@dataclass(frozen=True, slots=True)
class Secrets:
    """The account's keys and the control port's token; never shown."""

    keys: Keys = field(repr=False)
    token: str = field(repr=False)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Secrets:
        """Read them; :class:`ConfigError` names the variables that are missing."""
        if missing := [name for name in (KEY, SECRET, TOKEN) if not environ.get(name)]:
            msg = f"set {', '.join(missing)} in the environment: the sandbox invents no keys; any text will do"
            raise ConfigError(msg)
        return cls(Keys(environ[KEY], environ[SECRET]), environ[TOKEN])


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a sandbox runs, beside its tape and its secrets."""

    venue_port: int = 0
    control_port: int = 0
    cash: Decimal = Decimal(1_000_000)
    budget: int = 200
    model: FillModel = FillModel()
    speed: float | None = None
    """Rows of the tape in a real second; None for as fast as the session can."""


async def serve(tape: Tape, options: Options) -> None:
    """Serve until cancelled, with secrets from the environment; print the addresses as one line of JSON.

    Raises
    ------
    ConfigError
        If a port is in use, or a secret is missing from the environment.
    """
    await run(tape, Secrets.from_env(os.environ), options)


async def run(tape: Tape, secrets: Secrets, options: Options, ready: Callable[[dict[str, Any]], None] | None = None) -> None:
    """Serve until cancelled; ``ready`` gets the addresses (default: printed as one line of JSON).

    Raises
    ------
    ConfigError
        If a port is in use, or the speed out of range.
    """
    first = int(tape.ts_ns[0])
    exchange = Exchange(tape.instruments, options.cash, options.model)
    md, trade = Channel(one_array, binary=False), Channel(one_each, binary=True)
    pace = None if options.speed is None else Pace(tape.ts_ns.tolist(), options.speed)
    barrier = Barrier(
        options.model, start_ns=first - LEAD_NS, first_ns=first, md=md, trade=trade, ledger=lambda: ledger_frame(exchange), pace=pace
    )
    skin = AlpacaSkin(exchange, tape, barrier, md=md, trade=trade, keys=secrets.keys, budget=options.budget)
    venue, control = _runner(skin.serve), _runner(_guarded(barrier, secrets.token))
    try:
        ports = await _listen(venue, options.venue_port, "--venue-port"), await _listen(control, options.control_port, "--control-port")
        (ready or _print)(_addresses(*ports, first))
        await asyncio.Event().wait()
    finally:
        await asyncio.gather(venue.cleanup(), control.cleanup())


def _addresses(venue: int, control: int, first: int) -> dict[str, Any]:
    return {
        "rest": f"http://{HOST}:{venue}",
        "stream": f"ws://{HOST}:{venue}/stream",
        "data": f"ws://{HOST}:{venue}/v2/sip",
        "control": f"ws://{HOST}:{control}/control",
        "first_ns": first,
    }


def _print(addresses: dict[str, Any]) -> None:
    print(msgspec.json.encode(addresses).decode(), flush=True)  # noqa: T201 - the parent waits for this line


def _guarded(barrier: Barrier, token: str) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def control(request: web.BaseRequest) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not compare_digest(given.encode(), token.encode()):
            return web.json_response({"message": "the control port wants Authorization: Bearer <token>"}, status=401)
        if request.path != "/control":
            return web.json_response({"message": "the control port has /control only"}, status=404)
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        await barrier.control(socket)
        return socket

    return control


class Incoming(web.BaseRequest):
    """A request that keeps a body which was all there when it was made.

    aiohttp forgets it when the connection dies before the handler runs; an order
    that was received must not be lost with its connection.
    """

    def __init__(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> None:  # noqa: ANN401 - aiohttp's own
        super().__init__(message, payload, protocol, writer, task, asyncio.get_running_loop())
        self._whole: bytes | None = payload.read_nowait() if payload.is_eof() else None

    async def read(self) -> bytes:
        """Return the body; ``ConnectionError`` if the connection died in the middle of it."""
        return await super().read() if self._whole is None else self._whole


def _runner(handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> web.ServerRunner:
    return web.ServerRunner(web.Server(handler, request_factory=Incoming, access_log=None), shutdown_timeout=0.1)


async def _listen(runner: web.ServerRunner, port: int, option: str) -> int:
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
    except OSError as error:
        if error.errno != EADDRINUSE:
            raise
        msg = f"port {port} on {HOST} is in use; choose another with {option}, or 0 for a free one"
        raise ConfigError(msg) from None
    return int(runner.addresses[0][1])


def market_of(text: str) -> Recipe:
    """Decode ``--market``; a :class:`ConfigError` says what is wrong with it."""
    return _recipe(text, recipe_of, "--market", "market", "'{}' for the default one")


def model_of(text: str) -> FillModel:
    """Decode ``--model``; a :class:`ConfigError` says what is wrong with it."""
    return _recipe(text, msgspec.json.Decoder(FillModel).decode, "--model", "FillModel", '\'{"name":"next_quote"}\'')


def _recipe(text: str, decode: Callable[[str], R], option: str, what: str, example: str) -> R:
    try:
        return decode(text)
    except msgspec.DecodeError as error:
        msg = f"{option} {text[:80]!r} is not a {what}: {error}; write for example {example}"
        raise ConfigError(msg) from None
