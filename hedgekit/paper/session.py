"""The session: the only part of a paper trade that owns sockets, journal and time.

One instant at a time: take everything that arrived, journal each event and what the Hedger decided on it, commit, and only
then send. Killed anywhere, it finds in its journal what it had decided, replays it into a new Hedger, asks the venue what became
of it, and repeats the requests whose outcome it does not know under the same client ids.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

from hedgekit.errors import SessionError
from hedgekit.hedger import Hedger, routine
from hedgekit.journal import Journal
from hedgekit.net.outbox import Outbox
from hedgekit.net.sender import Sender
from hedgekit.net.transport import Rest, Stream, require_paper
from hedgekit.paper.allowance import limiter_of
from hedgekit.paper.commands import Spool, Wish
from hedgekit.paper.config import CONTROL_TOKEN_ENV, SessionConfig, secret
from hedgekit.paper.feeds import Feeds
from hedgekit.paper.pacer import Inbox, Instant, LivePacer, Pacer, TapePacer
from hedgekit.paper.pinned import check_pinned
from hedgekit.paper.pulse import Pulse
from hedgekit.plugins.apart import Apart
from hedgekit.plugins.module import check_signal
from hedgekit.plugins.watched import Watched
from hedgekit.replay import Bars, Replayer
from hedgekit.rules.state import COMMANDS
from hedgekit.types import NS, Command, Fill, Gap, Input, Link, Phase, Quote, Reconciled, SessionEnded, SessionStarted, Timer
from hedgekit.venues import alpaca

if TYPE_CHECKING:
    from hedgekit.types import Record, Reply

STOPPED, TAPE_ENDED = "stopped", "tape ended"
"""Why a session ends in order: a person stopped it, or there are no more prices."""

POINTS = ("session.received", "session.decided", "outbox.after_commit", "outbox.after_send", "feeds.reopened", "session.asked")
"""Named points of the loop at which tests kill the process: events are here; decided, not yet durable; durable, not yet
sent; sent; a socket was opened again; a restarted process has asked what happened meanwhile."""

Point = Callable[[str], Awaitable[None]]
"""Called at each point."""

_RECONCILE_TRIES = 5
_RECONCILE_NS = NS


async def _nowhere(_: str) -> None:
    """Pass every point."""


class Session:
    """One paper session, on a tape or at live speed.

    Parameters
    ----------
    config : SessionConfig
        Where, what and with which numbers.
    at : callable, optional
        Awaited with a name at each of :data:`POINTS`.
    """

    def __init__(self, config: SessionConfig, *, at: Point = _nowhere) -> None:
        self.config = config
        self.params = config.strategy()
        orders, prices = alpaca.ORDER_HOSTS, alpaca.DATA_HOSTS
        hosts = ((config.rest, orders), (config.stream, orders), (config.data, prices), (config.quotes, prices), (config.control, ()))
        for url, allowed in hosts:
            if url:
                require_paper(url, allowed)  # each of them gets a secret
        self._keys = (secret(alpaca.KEY_ENV[0]), secret(alpaca.KEY_ENV[1]))
        self._token = secret(CONTROL_TOKEN_ENV) if config.control else ""
        self._at = at
        self.hedger = Hedger(config.session, config.instruments, self.params)
        self._outbox = Outbox(alpaca)
        self._pulse = Pulse(alpaca.NAME, self.params.breaker_s)
        self._module = config.module()
        self._now_ns = 0
        self._intent = False
        self._ending = ""
        self._reconcile_ns: int | None = None
        self._disagreed = 0
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
            If the venue cannot be reached at the start, its positions are not the journal's, or the session began with another plugin.
        JournalError
            If the journal cannot be written or was written by other code.
        """
        with (
            self._plugged() as self._plugin,
            Journal.open(self.config.journal, self.config.session, mode="write") as self._journal,
        ):
            self._journal.guard([*self._keys, *([self._token] if self._token else [])])
            records = self._restore()
            inbox = Inbox()
            async with AsyncExitStack() as open_:
                self._pacer = await self._paced(inbox, open_)
                rest = Rest(self.config.rest, alpaca.headers(*self._keys), inbox.on_reply, self._pacer.label, quotes_url=self.config.quotes)
                open_.push_async_callback(rest.close)
                self._now_ns = await self._pacer.attach(self._journal.last_instant)
                limiter = limiter_of(alpaca, self.config, records, self._now_ns)
                self._sender = Sender(self._outbox, limiter, rest.send, rest.forget)
                self._rest = rest
                self._feeds = Feeds(alpaca, self.config, self._keys, inbox)
                open_.push_async_callback(self._feeds.close)
                await self._feeds.open()
                await self._trade()
            return self._journal.head

    async def _paced(self, inbox: Inbox, open_: AsyncExitStack) -> Pacer:
        if not self.config.control:
            return LivePacer(inbox)
        headers = {"Authorization": f"Bearer {self._token}"}
        control = await Stream.open(self.config.control, iter(()), name="control", headers=headers)
        open_.push_async_callback(control.close)
        return TapePacer(control, inbox, self.params.breaker_s)

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

    def _restore(self) -> list[Record]:
        """Bring Hedger, outbox, pulse and bars to where the journal ends; return its records."""
        self._bars = Bars(self.params, self._plugin)
        replayer = Replayer(self.hedger, self._bars)
        records = list(self._journal.records())
        check_pinned(self._module, self.config.session, records)
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
            elif isinstance(record, Link):
                self._pulse.restore(record)
            elif isinstance(record, Quote):
                self._pulse.quote(record)
        self._last_ns = max((record.ts_ns for record in records), default=0)
        self._forget_commands()
        if self._plugin is not None:
            self._plugin.check(self._bars.mids)
        return records

    # -------------------------------------------------------------------- loop

    async def _trade(self) -> None:
        restarted = self._journal.count > 0
        if not restarted:
            self._start()
        missed = await self._pacer.missed()
        if missed is not None:
            await self._live(missed)
        self._sender.ask(self._outbox.resume())
        if restarted and not self.config.control:
            self._resume_live()
        self._sender.ask(self._outbox.audit(full=True))
        self._sender.leave(self._now_ns)
        if restarted:
            await self._at("session.asked")
        while not (self._ending == STOPPED and self._quiet()):
            instant = await self._pacer.next(
                requests=self._rest.sent, timer_ns=self._next_timer(), idle_ns=self._idle_timer(), called=lambda: bool(self._wishes())
            )
            if instant.end and self._ending:
                break
            await self._live(instant)
        self._journal.append(SessionEnded(ts_ns=self._now_ns, reason=self._ending))
        self._journal.commit(self._journal.last_instant)

    def _start(self) -> None:
        self._journal.append(
            SessionStarted(
                ts_ns=self._now_ns,
                session=self.config.session,
                instruments=self.config.instruments,
                params=self.params.model_dump(),
                market=self.config.market | ({} if self._module is None else self._module.described()),
                version=version("hedgekit"),
            )
        )

    def _resume_live(self) -> None:
        """At live speed the market went on without us: say so, and take no decision before the venue has told what is held."""
        self._apply(Gap(ts_ns=self._now_ns, since_ns=self._last_ns))
        self._apply(Link(ts_ns=self._now_ns, venue=alpaca.NAME, state="restarted", since_ns=self._last_ns))
        self._journal.commit(self._journal.last_instant)

    async def _live(self, instant: Instant) -> None:
        """Receive, decide, make durable, and only then send."""
        await self._at("session.received")
        self._now_ns = now_ns = instant.now_ns
        self._receive(instant)
        await self._reconnect(instant)
        self._sender.expire(now_ns)
        self._look()
        if instant.end:
            self._command(Command(ts_ns=now_ns, name="stop"))
        while (wake := self.hedger.wakeup_ns) is not None and wake <= now_ns:
            self._apply(Timer(ts_ns=now_ns))
        wishes = self._wishes()
        for ref, name in wishes:
            self._command(Command(ts_ns=now_ns, name=name, ref=ref))
        self._recover()
        intent, self._intent = self._intent, False
        if intent:
            await self._at("session.decided")
        self._journal.commit(instant.number)
        if wishes:
            self._forget_commands()
        if intent:
            await self._at("outbox.after_commit")
        self._sender.leave(now_ns)
        if intent:
            await self._at("outbox.after_send")

    def _receive(self, instant: Instant) -> None:
        """Turn everything that arrived into events, in canonical order."""
        now_ns = instant.now_ns
        silent, back = (instant.silent, instant.back) if self.config.control else self._feeds.signs(now_ns, self.params.breaker_s)
        for link in self._pulse.signs(silent, back, now_ns):
            self._on_link(link)
        for number, reply in instant.replies:
            self._on_reply(number, reply, now_ns)
        for frame in instant.trade:
            self._on_update(frame, now_ns)
        for frame in instant.quotes:
            for quote in alpaca.quotes_of(frame, now_ns):
                for link in self._pulse.quote(quote):
                    self._on_link(link)
                self._outbox.quoted(now_ns)
                self._apply(quote)

    def _on_update(self, frame: bytes | str, now_ns: int) -> None:
        """Take a trade update; where the venue's count says that one was missed, ask before an order is taken to be over."""
        update = alpaca.update_of(frame, now_ns)
        if update is None or not self._outbox.fresh(update.event):
            return
        whole = self._outbox.whole(update.event, update.filled)
        if whole or isinstance(update.event, Fill):
            self._apply(update.event)
        if not whole:
            self._sender.ask(self._outbox.audit())

    def _on_reply(self, number: int, reply: Reply, now_ns: int) -> None:
        if reply.status:
            self._feeds.answered(now_ns)
        asked = self._sender.request_of(number)
        for event in self._sender.reply(number, reply, now_ns):
            checked = self._checked(event)
            if checked is not None:
                self._apply(checked)
        if asked is not None and asked.purpose == "quotes" and reply.status == 200:  # noqa: PLR2004 - HTTP's own
            for link in self._pulse.latest(alpaca.latest_of(reply), now_ns):
                self._on_link(link)

    def _apply(self, event: Input) -> None:
        """Journal an event and what was decided on it; put what it decided in line."""
        self._journal.append(event)
        self._sender.note(event)
        decision = self.hedger.on(event)
        if not routine(decision):
            self._journal.append(decision)
        if decision.orders or decision.cancels:
            self._intent = True
            for ended in self._sender.intend(decision, self._now_ns):
                self._apply(ended)
        for due in self._bars.add(event, decision, self.hedger.bars):
            self._apply(due)

    # ---------------------------------------------------- silence and recovery

    def _on_link(self, link: Link) -> None:
        """Journal how the venue is heard; of one that fell silent, take back what has not left yet (L6)."""
        if link.state == "down":
            for ended in self._sender.give_up(self._now_ns):
                self._apply(ended)
        self._apply(link)

    async def _reconnect(self, instant: Instant) -> None:
        """Open again what has ended; what was said meanwhile was missed."""
        if instant.closed:
            await self._feeds.ended(instant.closed, instant.now_ns)
        opened = await self._feeds.mend(instant.now_ns)
        if "md" in opened:
            self._apply(Gap(ts_ns=instant.now_ns, since_ns=self._pulse.heard_ns))
            self._pulse.reopened()
        if "trade" in opened:
            self._sender.ask(self._outbox.audit(full=True))
        if opened:
            await self._at("feeds.reopened")

    def _look(self) -> None:
        """Ask whether a silent market is quiet or its feed frozen."""
        due = self._asking_ns()
        if due is not None and due <= self._now_ns:
            self._pulse.asked(self._now_ns)
            self._sender.ask([alpaca.latest([instrument.key for instrument in self.config.instruments])])

    def _asking_ns(self) -> int | None:
        exposed = bool(self.hedger.working) or any(self.hedger.positions.values())
        times = (self._pulse.ask_ns(exposed=exposed), None if self.config.control else self._feeds.ask_ns(self.params.breaker_s))
        return min((at for at in times if at is not None), default=None)

    def _recover(self) -> None:
        """Ask what is held once the venue is heard again and nothing of ours works there any more (L6); ask again if it disagreed."""
        again = self._reconcile_ns is not None and self._reconcile_ns <= self._now_ns
        waits = self.hedger.phase is Phase.RECOVERING and self._pulse.state != "down" and not self.hedger.working
        if again or (waits and self._reconcile_ns is None and not self._outbox.auditing):
            self._reconcile_ns = None
            self._sender.ask(self._outbox.audit(full=True))

    def _checked(self, event: Input) -> Input | None:
        """Compare the venue's word with ours; None if they differ and an execution may be on its way to us.

        Raises
        ------
        SessionError
            If they go on differing: somebody else trades the account, or the journal is of another one.
        """
        if not isinstance(event, Reconciled):
            return event
        ours = {key: qty for key, qty in self.hedger.positions.items() if qty}
        theirs = {key: float(qty) for key, qty in event.positions.items() if qty}
        if ours == theirs:
            self._disagreed = 0
            return event
        self._disagreed += 1
        if self._disagreed < _RECONCILE_TRIES and self._outbox.traded:
            self._reconcile_ns = self._now_ns + _RECONCILE_NS
            return None
        self._journal.append(msgspec.structs.replace(event, agrees=False))
        self._journal.commit(self._journal.last_instant)
        msg = f"the venue holds {theirs or 'nothing'}, the journal says {ours or 'nothing'}; flatten the account or use another"
        raise SessionError(msg)

    # ---------------------------------------------------------------- commands

    def _wishes(self) -> list[Wish]:
        """Return the commands that wait and were not applied."""
        return [wish for wish in self._spool.waiting() if wish.ref not in self._applied] if self._spool else []

    def _command(self, command: Command) -> None:
        self._note_command(command)
        self._apply(command)

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
        return not self.hedger.working and self._sender.quiet

    def _next_timer(self) -> int | None:
        times = (self._sender.next_ns(self._now_ns), self._feeds.next_ns(), self._reconcile_ns, self.hedger.wakeup_ns)
        return min((at for at in times if at is not None), default=None)

    def _idle_timer(self) -> int | None:
        """When to look after what is silent: no reason for a tape to go on."""
        return min((at for at in (self._asking_ns(), self._outbox.look_ns()) if at is not None), default=None)
