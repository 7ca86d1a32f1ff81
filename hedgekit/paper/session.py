"""The session: the only part of a paper trade that owns sockets, journal and time.

One instant at a time: take everything that arrived, journal each event and what
the Hedger decided on it, commit, and only then send. Killed anywhere, it finds
in its journal what it had decided, replays it into a new Hedger, and repeats the
requests whose outcome it does not know under the same client ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

from hedgekit.clock import Handle, Scheduler
from hedgekit.errors import SessionError
from hedgekit.hedger import Hedger, routine
from hedgekit.journal import Journal
from hedgekit.net.outbox import TIMEOUT_NS, Outbox
from hedgekit.net.transport import Rest, Stream, require_paper
from hedgekit.paper.commands import Spool, Wish
from hedgekit.paper.config import CONTROL_TOKEN_ENV, SessionConfig, secret
from hedgekit.paper.pacer import Inbox, Instant, TapePacer
from hedgekit.plugins.apart import Apart
from hedgekit.plugins.module import check_signal
from hedgekit.plugins.watched import Watched
from hedgekit.replay import Bars, Replayer
from hedgekit.rules.state import COMMANDS
from hedgekit.types import Command, Decision, Input, Reconciled, Request, SessionEnded, SessionStarted, Timer
from hedgekit.venues import alpaca

if TYPE_CHECKING:
    from hedgekit.types import Record, Reply

STOPPED, TAPE_ENDED = "stopped", "tape ended"
"""Why a session ends in order: a person stopped it, or there are no more prices."""

Point = Callable[[str], Awaitable[None]]
"""Called at named points of the loop; tests kill the process there."""


async def _nowhere(_: str) -> None:
    """Pass every point."""


class Session:
    """One paper session on a tape.

    Parameters
    ----------
    config : SessionConfig
        Where, what and with which numbers.
    at : callable, optional
        Awaited with a name at "events received", "intent committed" and "requests sent".
    """

    def __init__(self, config: SessionConfig, *, at: Point = _nowhere) -> None:
        self.config = config
        self.params = config.strategy()
        orders, prices = alpaca.ORDER_HOSTS, alpaca.DATA_HOSTS
        for url, hosts in ((config.rest, orders), (config.stream, orders), (config.data, prices), (config.control, ())):
            require_paper(url, hosts)  # each of them gets a secret
        self._keys = (secret(alpaca.KEY_ENV[0]), secret(alpaca.KEY_ENV[1]))
        self._at = at
        self.hedger = Hedger(config.session, config.instruments, self.params)
        self._outbox = Outbox(alpaca)
        self._module = config.module()
        self._clock = Scheduler()
        self._wake: Handle | None = None
        self._waiting: dict[int, Handle] = {}
        self._due: list[Request] = []
        self._now_ns = 0
        self._intents: list[Decision] = []
        self._ending = ""
        self._spool = Spool(config.commands, COMMANDS) if config.commands else None
        self._applied: set[str] = set()

    # -------------------------------------------------------------------- life

    async def run(self) -> str:
        """Trade until the tape ends or a person stops it; return the hash of the event log.

        Raises
        ------
        ConfigError
            If the plugin cannot be loaded, or does not fit the signal.
        SessionError
            If the venue cannot be reached, its positions are not the journal's, or the session began with another plugin.
        JournalError
            If the journal cannot be written or was written by other code.
        """
        token = secret(CONTROL_TOKEN_ENV)
        with (
            self._plugged() as self._plugin,
            Journal.open(self.config.journal, self.config.session, mode="write") as self._journal,
        ):
            self._journal.guard([*self._keys, token])
            self._restore()
            inbox = Inbox()
            control = await Stream.open(self.config.control, iter(()), name="control", headers={"Authorization": f"Bearer {token}"})
            self._pacer = TapePacer(control, inbox)
            self._rest = Rest(self.config.rest, alpaca.headers(*self._keys), inbox.on_reply, self._pacer.label)
            streams = [control]
            try:
                self._clock.now_ns = self._now_ns = await self._pacer.attach(self._journal.last_instant)
                streams += await self._subscribe(inbox)
                await self._trade()
            finally:
                await self._rest.close()
                await asyncio.gather(*(stream.close() for stream in streams))
            return self._journal.head

    @contextmanager
    def _plugged(self) -> Iterator[Watched | None]:
        """Run the plugin for the time of the session, without its keys."""
        if self._module is None:
            yield None
            return
        hidden = (*alpaca.KEY_ENV, CONTROL_TOKEN_ENV)
        with Apart(self._module, hide=hidden, limit_s=self.config.plugin_limit_s) as apart:
            plugin = Watched(apart, self._module.name)
            check_signal(self._module.name, self.params.signal, scores=plugin.has_scores)
            yield plugin

    async def _subscribe(self, inbox: Inbox) -> list[Stream]:
        stream = await Stream.open(self.config.stream, alpaca.stream_login(*self._keys), name="trade-updates")
        keys = [instrument.key for instrument in self.config.instruments]
        data = await Stream.open(self.config.data, alpaca.data_login(*self._keys, keys), name="market-data")
        stream.pump(inbox.on_trade, inbox.on_end)
        data.pump(inbox.on_quotes, inbox.on_end)
        return [stream, data]

    def _restore(self) -> None:
        """Bring Hedger, outbox and bars to where the journal ends."""
        self._bars = Bars(self.params, self._plugin)
        replayer = Replayer(self.hedger, self._bars)
        records = list(self._journal.records())
        self._check_plugin(records)
        if any(isinstance(record, SessionEnded) for record in records):
            msg = f"session {self.config.session!r} has ended; start a new one under another name"
            raise SessionError(msg)
        for record in records:
            replayer.feed(record)
        replayer.finish()
        self._outbox.restore(records)
        for record in records:
            if isinstance(record, Command):
                self._note_command(record)
        self._forget_commands()
        if self._plugin is not None:
            self._plugin.check(self._bars.mids)

    def _check_plugin(self, records: list[Record]) -> None:
        """Refuse to go on with another module than the one that the session began with."""
        began = records[0].market.get("plugin_sha256", "") if records and isinstance(records[0], SessionStarted) else None
        now = "" if self._module is None else self._module.sha256
        if began not in {None, now}:
            msg = (
                f"session {self.config.session!r} began with {f'the plugin of hash {began}' if began else 'no plugin'}, "
                f"now it is given {f'that of hash {now}' if now else 'none'}; put the first one back, or start a new session"
            )
            raise SessionError(msg)

    # -------------------------------------------------------------------- loop

    async def _trade(self) -> None:
        if self._journal.count == 0:
            self._start()
        missed = await self._pacer.missed()
        if missed is not None:
            await self._live(missed)
        self._send([*self._outbox.resume(), *self._outbox.reconcile()])
        while not (self._ending == STOPPED and self._quiet()):
            instant = await self._pacer.next(requests=self._rest.sent, timer_ns=self._next_timer(), called=lambda: bool(self._wishes()))
            if instant.end and self._ending:
                break
            await self._live(instant)
        self._journal.append(SessionEnded(ts_ns=self._now_ns, reason=self._ending))
        self._journal.commit(self._journal.last_instant)

    def _start(self) -> None:
        self._journal.append(
            SessionStarted(
                ts_ns=self._clock.now_ns,
                session=self.config.session,
                instruments=self.config.instruments,
                params=self.params.model_dump(),
                market=self.config.market | ({} if self._module is None else self._module.described()),
                version=version("hedgekit"),
            )
        )

    async def _live(self, instant: Instant) -> None:
        """Receive, decide, make durable, and only then send."""
        await self._at("events received")
        self._now_ns = instant.now_ns
        requests = self._receive(instant)
        self._clock.advance(instant.now_ns)
        due, self._due = self._due, []
        requests += due
        if instant.end:
            requests += self._command(Command(ts_ns=instant.now_ns, name="stop"))
        while (wake := self.hedger.wakeup_ns) is not None and wake <= instant.now_ns:
            self._apply(Timer(ts_ns=instant.now_ns))
        wishes = self._wishes()
        for ref, name in wishes:
            requests += self._command(Command(ts_ns=instant.now_ns, name=name, ref=ref))
        self._journal.commit(instant.number)
        if wishes:
            self._forget_commands()
        intents, self._intents = self._intents, []
        if intents:
            await self._at("intent committed")
        self._send([*requests, *(request for decision in intents for request in self._outbox.requests_of(decision))])
        if intents:
            await self._at("requests sent")

    def _receive(self, instant: Instant) -> list[Request]:
        """Turn everything that arrived into events, in canonical order."""
        requests: list[Request] = []
        for number, reply in instant.replies:
            requests += self._on_reply(number, reply, instant.now_ns)
        for frame in instant.trade:
            update = alpaca.update_of(frame, instant.now_ns)
            if update is not None and self._outbox.fresh(update):
                requests += self._apply(update)
        for frame in instant.quotes:
            for quote in alpaca.quotes_of(frame, instant.now_ns):
                self._apply(quote)
        return requests

    def _on_reply(self, number: int, reply: Reply, now_ns: int) -> list[Request]:
        if number in self._waiting:
            self._waiting.pop(number).cancel()
        events, requests, again = self._outbox.on_reply(number, reply, now_ns)
        if again is not None:
            self._repeat(*again)
        for event in events:
            requests = requests + self._apply(self._checked(event))
        return requests

    def _apply(self, event: Input) -> list[Request]:
        """Journal an event and what was decided on it; return cancels that had waited for it."""
        self._journal.append(event)
        requests = self._outbox.note(event)
        decision = self.hedger.on(event)
        if not routine(decision):
            self._journal.append(decision)
            if decision.orders or decision.cancels:
                self._intents.append(decision)
        for due in self._bars.add(event, decision, self.hedger.bars):
            requests = requests + self._apply(due)
        return requests

    # ---------------------------------------------------------------- commands

    def _wishes(self) -> list[Wish]:
        """Return the commands that wait and were not applied."""
        return [wish for wish in self._spool.waiting() if wish.ref not in self._applied] if self._spool else []

    def _command(self, command: Command) -> list[Request]:
        self._note_command(command)
        return self._apply(command)

    def _note_command(self, command: Command) -> None:
        if command.ref:
            self._applied.add(command.ref)
        if command.name == "stop":
            self._ending = self._ending or (STOPPED if command.ref else TAPE_ENDED)

    def _forget_commands(self) -> None:
        """Remove the files of commands that are durable."""
        if self._spool and self._applied:
            self._spool.done([wish.ref for wish in self._spool.waiting() if wish.ref in self._applied])

    def _quiet(self) -> bool:
        """Whether no order is alive and no answer awaited."""
        return not (self.hedger.working or self._waiting or self._due)

    def _checked(self, event: Input) -> Input:
        """Compare the venue's word with ours; disagreement stops the session."""
        if not isinstance(event, Reconciled):
            return event
        ours = {key: qty for key, qty in self.hedger.positions.items() if qty}
        theirs = {key: float(qty) for key, qty in event.positions.items() if qty}
        if ours != theirs:
            self._journal.append(msgspec.structs.replace(event, agrees=False))
            self._journal.commit(self._journal.last_instant)
            msg = f"the venue holds {theirs or 'nothing'}, the journal says {ours or 'nothing'}; flatten the account or use another"
            raise SessionError(msg)
        return event

    # -------------------------------------------------------------- sending, timers

    def _send(self, requests: Iterable[Request]) -> None:
        for request in requests:
            number = self._rest.send(request)
            self._outbox.sent(number, request)
            self._waiting[number] = self._clock.call_at(self._now_ns + TIMEOUT_NS, partial(self._lost, number))

    def _lost(self, number: int) -> None:
        self._waiting.pop(number, None)
        again = self._outbox.lost(number)
        if again is not None:
            self._repeat(*again)

    def _repeat(self, request: Request, delay_ns: int) -> None:
        self._clock.call_at(self._now_ns + delay_ns, partial(self._due.append, request))

    def _next_timer(self) -> int | None:
        times = [at for at in (self._clock.next_ns(), self.hedger.wakeup_ns) if at is not None]
        return min(times, default=None)
