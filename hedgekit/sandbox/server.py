"""The sandbox's process: two ports on 127.0.0.1, and nothing outside.

The venue port speaks a venue's protocol. The control port moves the tape in step,
lets faults happen, and belongs to no venue; it wants ``Authorization: Bearer <token>``.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from errno import EADDRINUSE
from hmac import compare_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from hedgekit.data import LiveFeed
from hedgekit.errors import ConfigError
from hedgekit.exchange.engine import Exchange
from hedgekit.exchange.faults import Faults
from hedgekit.sandbox.barrier import Barrier
from hedgekit.sandbox.calls import Keys
from hedgekit.sandbox.channel import Channel, one_array, one_each
from hedgekit.sandbox.control import Control
from hedgekit.sandbox.feed import Relay
from hedgekit.sandbox.floor import Floor
from hedgekit.sandbox.options import LIVE_SPEED, Options, Source, check_feed
from hedgekit.sandbox.pace import OwnPace, Pace
from hedgekit.sandbox.record import Record
from hedgekit.sandbox.recorded import Player
from hedgekit.sandbox.silence import Silence
from hedgekit.sandbox.skins.alpaca import AlpacaSkin, ledger_frame
from hedgekit.sandbox.trouble import Trouble
from hedgekit.sandbox.wall import WallTimeline
from hedgekit.types import NS, Kind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from hedgekit.types import Instrument

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


async def serve(source: Source, options: Options) -> None:
    """Serve until cancelled, with secrets from the environment; print the addresses as one line of JSON.

    Raises
    ------
    ConfigError, SessionError, VenueError
        As :func:`run`; also if a secret is missing from the environment.
    """
    await run(source, Secrets.from_env(os.environ), options)


async def run(source: Source, secrets: Secrets, options: Options, ready: Callable[[dict[str, Any]], None] | None = None) -> None:
    """Serve until cancelled; ``ready`` gets the addresses (default: printed as one line of JSON).

    Parameters
    ----------
    source : Books, Tape or LiveFeed
        What the market does: recorded, row by row, or live.
    secrets : Secrets
        The account's keys, which a feed gets too, and the control port's token.
    options : Options
        How.
    ready : callable, optional
        Called once requests are served.

    Raises
    ------
    ConfigError
        If a port is in use, the speed out of range, or what is traded or how it fills does not fit.
    LiveHostRefused
        If a feed is neither at the venue's data hosts nor on this machine.
    SessionError, VenueError
        If a feed cannot be reached at the start, or does not accept the keys.
    """
    pace = _pace(source, options)
    _check(source.instruments() if isinstance(source, LiveFeed) else source.instruments)
    with Record(None if options.log is None else Path(options.log)) as record:
        box = _Box(source, secrets, options, record, pace)
        await box.open()
        venue, control = _runner(box.skin.serve), _runner(_guarded(box.control, secrets.token))
        try:
            ports = await _listen(venue, options.venue_port, "--venue-port"), await _listen(control, options.control_port, "--control-port")
            (ready or _print)(_addresses(*ports, box.first_ns))
            await asyncio.gather(asyncio.Event().wait(), *box.pumps())
        finally:
            await asyncio.gather(venue.cleanup(), control.cleanup(), box.close())


def _check(instruments: tuple[Instrument, ...]) -> None:
    """Refuse what Alpaca, whose protocol this is, does not trade."""
    for instrument in instruments:
        if instrument.kind is not Kind.SPOT:
            what = instrument.kind.value.replace("_", " ")
            msg = f"{instrument.symbol} is a {what} contract: the sandbox speaks Alpaca's protocol, which has shares only; use run_events"
            raise ConfigError(msg)


def _pace(source: Source, options: Options) -> Pace | None:
    if isinstance(source, LiveFeed):
        check_feed(options)
        return None
    times = source.ts_ns.tolist()
    if options.times is not None:
        if not options.live or options.speed is not None:
            msg = f"a speed of {options.times:g}x needs --live, and no second speed: in step give rows a second, as --speed 20"
            raise ConfigError(msg)
        return OwnPace(times, options.times)
    speed = LIVE_SPEED if options.live and options.speed is None else options.speed
    return None if speed is None else Pace(times, speed)


class _Box:
    """The parts of a sandbox, joined."""

    def __init__(self, source: Source, secrets: Secrets, options: Options, record: Record, pace: Pace | None) -> None:
        md, trade = Channel("md", one_array, binary=False), Channel("trade", one_each, binary=True)
        trouble = Trouble(Faults(options.faults), lambda: timeline.now_ns, md=md, trade=trade, record=record)
        instruments = source.instruments() if isinstance(source, LiveFeed) else source.instruments
        exchange = Exchange(instruments, options.cash, options.model)
        record.opened(exchange)
        timeline: Barrier | WallTimeline
        if options.live or isinstance(source, LiveFeed):
            timeline = WallTimeline()
            self.first_ns = timeline.now_ns
        else:
            self.first_ns = int(source.ts_ns[0])
            silence = Silence(lambda: trouble.outage, lambda: trouble.silenced)
            start, first = self.first_ns - LEAD_NS, self.first_ns
            timeline = Barrier(start_ns=start, first_ns=first, md=md, trade=trade, silence=silence, pace=pace)
        self.control = Control(timeline if isinstance(timeline, Barrier) else None, trouble, lambda: ledger_frame(exchange))
        self.skin = AlpacaSkin(
            Floor(exchange, trouble.order_hit),
            timeline,
            trouble,
            record,
            md=md,
            trade=trade,
            keys=secrets.keys,
            hours=lambda: market.hours(),  # noqa: PLW0108 - the market is made next
            budget=options.budget,
        )
        self._relay: Relay | None = None
        market: Player | Relay
        if isinstance(source, LiveFeed):
            market = self._relay = Relay(source, secrets.keys, timeline, self.skin.on_row, self.skin.on_status)
        else:
            market = Player(source, timeline, self.skin.on_row, pace if options.live else None)
        self._channels = (md, trade) if options.live else ()

    async def open(self) -> None:
        """Connect to the feed, if there is one."""
        if self._relay is not None:
            await self._relay.open()

    async def close(self) -> None:
        """Leave the feed, if there is one."""
        if self._relay is not None:
            await self._relay.close()

    def pumps(self) -> list[Coroutine[Any, Any, None]]:
        """Return what takes and sends messages as they come, live; in step the barrier sends them."""
        relays = [] if self._relay is None else [self._relay.run()]
        return [*(channel.pump() for channel in self._channels), *relays]


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


def _guarded(port: Control, token: str) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def control(request: web.BaseRequest) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not compare_digest(given.encode(), token.encode()):
            return web.json_response({"message": "the control port wants Authorization: Bearer <token>"}, status=401)
        if request.path != "/control":
            return web.json_response({"message": "the control port has /control only"}, status=404)
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        await port.serve(socket)
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
