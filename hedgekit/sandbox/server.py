"""The sandbox's process: ports on 127.0.0.1, and nothing outside.

Each venue of the market has a port that speaks its protocol, and an exchange and account of its own. The control port moves
the tape in step, lets faults happen, and belongs to no venue; it wants ``Authorization: Bearer <token>``.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from errno import EADDRINUSE
from hmac import compare_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from hedgekit.data import LiveFeed, Tape
from hedgekit.errors import ConfigError
from hedgekit.exchange.contract import PERPETUAL
from hedgekit.exchange.faults import Faults
from hedgekit.sandbox.barrier import Barrier, Party
from hedgekit.sandbox.channel import Channel
from hedgekit.sandbox.control import Control
from hedgekit.sandbox.feed import Relay
from hedgekit.sandbox.floor import Floor
from hedgekit.sandbox.messages import Account, Ledger
from hedgekit.sandbox.options import LIVE_SPEED, Options, Source, check_feed
from hedgekit.sandbox.pace import OwnPace, Pace
from hedgekit.sandbox.record import Files, Record
from hedgekit.sandbox.recorded import Player
from hedgekit.sandbox.silence import Silence
from hedgekit.sandbox.skins import befallen, skin_of
from hedgekit.sandbox.trouble import Trouble
from hedgekit.sandbox.wall import WallTimeline
from hedgekit.types import NS
from hedgekit.venues import client_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
    from decimal import Decimal

    from hedgekit.exchange.faults import Fault
    from hedgekit.sandbox.recorded import Shown
    from hedgekit.types import Instrument, MarketStatus

HOST = "127.0.0.1"
LEAD_NS = 60 * NS
"""Virtual time starts this long before the tape."""

TOKEN = "HEDGEKIT_CONTROL_TOKEN"  # noqa: S105 - the name of the variable, not a secret


@dataclass(frozen=True, slots=True)
class Secrets:
    """The accounts' keys, by venue, each in the order of its client's ``key_env``, and the control port's token; never shown.

    ``data`` has, in the order of ``data_key_env``, the keys that can only read: a live feed's, and a second one of the sandboxed account.
    """

    keys: Mapping[str, tuple[str, ...]] = field(repr=False)
    token: str = field(repr=False)
    data: Mapping[str, tuple[str, ...]] = field(repr=False, default_factory=dict)

    def of_account(self, venue: str) -> tuple[str, ...]:
        """Return the keys that a sandboxed account has."""
        return *self.keys[venue], *self.data.get(venue, ())

    def of_feed(self, venue: str) -> tuple[str, ...]:
        """Return what a live feed is opened with; :class:`ConfigError` names the variables that are missing."""
        wanted = client_of(venue).data_key_env
        if wanted and venue not in self.data:
            msg = f"set {' and '.join(wanted)} in the environment: live prices of {venue} want a key, and it must be one that can only read"
            raise ConfigError(msg)
        return self.data[venue] if wanted else self.keys[venue]

    @classmethod
    def from_env(cls, environ: Mapping[str, str], venues: Iterable[str]) -> Secrets:
        """Read them; :class:`ConfigError` names the variables that are missing."""
        names = {venue: client_of(venue).key_env for venue in venues}
        wanted = [*(name for some in names.values() for name in some), TOKEN]
        if missing := [name for name in wanted if not environ.get(name)]:
            msg = f"set {', '.join(missing)} in the environment: the sandbox invents no keys"
            raise ConfigError(msg)
        readers = {venue: client_of(venue).data_key_env for venue in names}
        data = {venue: tuple(environ[name] for name in some) for venue, some in readers.items() if some and all(map(environ.get, some))}
        return cls({venue: tuple(environ[name] for name in some) for venue, some in names.items()}, environ[TOKEN], data)


async def serve(source: Source, options: Options) -> None:
    """Serve until cancelled, with secrets from the environment; print the addresses as one line of JSON.

    Raises
    ------
    ConfigError, SessionError, VenueError
        As :func:`run`; also if a secret is missing from the environment.
    """
    await run(source, Secrets.from_env(os.environ, _listed(source, options)), options)


async def run(source: Source, secrets: Secrets, options: Options, ready: Callable[[dict[str, Any]], None] | None = None) -> None:
    """Serve until cancelled; ``ready`` gets the addresses (default: printed as one line of JSON).

    Parameters
    ----------
    source : Books, Tape or LiveFeed
        What the market does: recorded, row by row, or live.
    secrets : Secrets
        The accounts' keys, which a feed gets too, and the control port's token.
    options : Options
        How.
    ready : callable, optional
        Called once requests are served.

    Raises
    ------
    ConfigError
        If a port is in use, the speed out of range, what is traded or how it fills does not fit, or a planned fault happens at none of the
        venues.
    LiveHostRefused
        If a feed is neither at the venue's data hosts nor on this machine.
    SessionError, VenueError
        If a feed cannot be reached at the start, or does not accept the keys.
    """
    pace, venues = _pace(source, options), _listed(source, options)
    _check_funding(source)
    with Files(None if options.log is None else Path(options.log)) as files:
        box = _Box(source, secrets, options, files, pace, venues)
        async with AsyncExitStack() as open_:
            await box.open()
            open_.push_async_callback(box.close)
            ports = {}
            for number, (venue, stall) in enumerate(box.stalls.items()):
                runner, port = _runner(stall.skin.serve), options.port + number if options.port else 0
                open_.push_async_callback(runner.cleanup)
                ports[venue] = await _listen(runner, port, "--port")
            control = _runner(_guarded(box.control, secrets.token))
            open_.push_async_callback(control.cleanup)
            address = await _listen(control, options.control_port, "--control-port")
            (ready or _print)(_addresses(box, ports, address))
            await asyncio.gather(asyncio.Event().wait(), *box.pumps())


def _listed(source: Source, options: Options) -> dict[str, list[Instrument]]:
    """Return what is listed at each venue that is served, in leg order.

    Raises
    ------
    ConfigError
        If ``--venue`` or ``--cash`` names one at which nothing is.
    """
    venues: dict[str, list[Instrument]] = {}
    for instrument in source.instruments() if isinstance(source, LiveFeed) else source.instruments:
        venues.setdefault(instrument.venue, []).append(instrument)
    if strangers := [venue for venue in options.cash_at if venue not in venues]:
        msg = f"--cash {strangers[0]}=...: nothing of this market is listed there, only at {', '.join(venues)}"
        raise ConfigError(msg)
    if options.venue and options.venue not in venues:
        msg = f"--venue {options.venue}: nothing of this market is listed there, only at {', '.join(venues)}; choose another --market"
        raise ConfigError(msg)
    return {options.venue: venues[options.venue]} if options.venue else venues


def _check_funding(source: Source) -> None:
    """Raise ConfigError if a tape has funding of what is no perpetual: a backtest charges it, but no venue does."""
    for instrument, carry in zip(source.instruments, source.carry, strict=False) if isinstance(source, Tape) else ():
        if len(carry.funding_ns) and instrument.kind not in PERPETUAL:
            msg = f"the tape has funding of {instrument.key}, which is {instrument.kind.value}; a venue exchanges it on perpetuals only"
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


class _Stall:
    """One venue of a sandbox: exchange, account and protocol."""

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        instruments: Sequence[Instrument],
        keys: Sequence[str],
        options: Options,
        record: Record,
        timeline: Barrier | WallTimeline,
        hours: Callable[[], tuple[bool, int, int]],
        planned: Iterable[Fault],
    ) -> None:
        kind = skin_of(instruments[0].venue)
        exchange = kind.exchange(instruments, options.cash_at.get(kind.venue, options.cash), options.model)
        record.opened(exchange)
        md = Channel("md", array="md" in kind.arrays, binary="md" in kind.binary, resends=not kind.snapshots)
        trade = Channel("trade", array="trade" in kind.arrays, binary="trade" in kind.binary)
        self.trouble = trouble = Trouble(Faults(planned), lambda: timeline.now_ns, md=md, trade=trade, record=record)
        self.exchange, self.native = exchange, kind.natives(instruments)
        floor = Floor(exchange, trouble.order_hit)
        about = {"keys": keys, "hours": hours, "budget": options.budget, "native": self.native}
        self.skin = kind(floor, timeline, trouble, record, md=md, trade=trade, **about)  # type: ignore[arg-type] # as the base says
        self.party = Party(kind.venue, md, trade, Silence(lambda: trouble.outage, lambda: trouble.silenced))

    def addresses(self, port: int) -> dict[str, Any]:
        """Return where its protocol is spoken, and the venue's own ids."""
        schemes = {"rest": "http", "stream": "ws", "data": "ws"}
        urls = {name: f"{schemes[name]}://{HOST}:{port}{path}" for name, path in self.skin.paths.items()}
        return urls | ({"native": self.native} if self.native else {})

    def account(self) -> Account:
        """Return what the account holds."""
        ledger = self.exchange.ledger
        names = {"order_id": "order_id", "execution_id": "fill_id", "instrument": "instrument", "ts_ns": "venue_ns"}
        amounts = ("qty", "price", "fee")
        fills = [
            {name: getattr(fill, of) for name, of in names.items()} | {name: format(getattr(fill, name), "f") for name in amounts}
            for fill in ledger.fills
        ]
        balances = {name: format(cash, "f") for name, cash in ledger.balances.items()}
        return Account(format(ledger.cash, "f"), balances, {key: format(qty, "f") for key, qty in ledger.positions().items()}, fills)


class _Box:
    """The parts of a sandbox, joined."""

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        source: Source,
        secrets: Secrets,
        options: Options,
        files: Files,
        pace: Pace | None,
        venues: Mapping[str, Sequence[Instrument]],
    ) -> None:
        timeline: Barrier | WallTimeline
        if options.live or isinstance(source, LiveFeed):
            timeline = WallTimeline()
            self.first_ns = timeline.now_ns
        else:
            self.first_ns = int(source.ts_ns[0])
            timeline = Barrier(start_ns=self.first_ns - LEAD_NS, first_ns=self.first_ns, pace=pace)
        befalls = [(fault, befallen(fault, venues)) for fault in options.faults]
        self.stalls = {
            venue: _Stall(
                instruments,
                secrets.of_account(venue),
                options,
                Record(files, venue),
                timeline,
                lambda: market.hours(),  # noqa: PLW0108 - the market is made next
                [fault for fault, at in befalls if venue in at],
            )
            for venue, instruments in venues.items()
        }
        barrier = timeline if isinstance(timeline, Barrier) else None
        if barrier is not None:
            barrier.parties += [stall.party for stall in self.stalls.values()]
        self.control = Control(barrier, {venue: stall.trouble for venue, stall in self.stalls.items()}, self._ledger)
        self._relay: Relay | None = None
        market: Player | Relay
        if isinstance(source, LiveFeed):
            market = self._relay = Relay(source, secrets.of_feed(source.venue), timeline, self._on_row, self._on_status)
        else:
            market = Player(source, timeline, self._on_row, pace if options.live else None, self._on_settled, self._on_funded)
        self._live = barrier is None

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
        channels = [channel for stall in self.stalls.values() for channel in (stall.party.md, stall.party.trade)] if self._live else []
        return [*(channel.pump() for channel in channels), *relays]

    def _on_row(self, row: list[Shown]) -> None:
        """Show each venue its part of a row; one that has none counts the row too."""
        for venue, stall in self.stalls.items():
            stall.skin.on_row([shown for shown in row if shown.quote.instrument.partition(":")[0] == venue])

    def _on_status(self, status: MarketStatus) -> None:
        if (stall := self.stalls.get(status.instrument.partition(":")[0])) is not None:
            stall.skin.on_status(status)

    def _on_settled(self, key: str, payout: Decimal) -> None:
        if (stall := self.stalls.get(key.partition(":")[0])) is not None:
            stall.skin.settle(key, payout)

    def _on_funded(self, key: str, rate: Decimal) -> None:
        stall = self.stalls.get(key.partition(":")[0])
        if stall is not None and key in stall.exchange.marks:  # what was never quoted, nobody holds
            stall.skin.fund(key, rate)

    def _ledger(self) -> Ledger:
        return Ledger({venue: stall.account() for venue, stall in self.stalls.items()})


def _addresses(box: _Box, ports: Mapping[str, int], control: int) -> dict[str, Any]:
    accounts = {venue: stall.addresses(ports[venue]) for venue, stall in box.stalls.items()}
    return {"accounts": accounts, "control": f"ws://{HOST}:{control}/control", "first_ns": box.first_ns}


def _print(addresses: dict[str, Any]) -> None:
    print(msgspec.json.encode(addresses).decode(), flush=True)  # noqa: T201 - the parent waits for this line


def _guarded(port: Control, token: str) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def control(request: web.BaseRequest) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not compare_digest(given.encode(errors="surrogateescape"), token.encode()):
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
