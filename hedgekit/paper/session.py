"""The session: the only part of a paper trade that owns sockets and time. It trades one account, for one pair or several.

One instant at a time: take everything that arrived, journal each event and what the Hedger decided on it, commit, and only
then send. Killed anywhere, it finds in its journals what it had decided, replays it into new Hedgers, asks the venue what became
of it, and repeats the requests whose outcome it does not know under the same client ids.

Each pair has a journal of its own, so it is replayed, reported and compared alone. They share the account: its sockets, its
request budget (the most urgent request of all leaves first), its pre-trade limits, and its lock.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, contextmanager
from heapq import merge
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from hedgekit.errors import ConfigError, SessionError
from hedgekit.net.sender import Sender, leave
from hedgekit.net.transport import Rest, Stream, require_paper
from hedgekit.paper.account import held
from hedgekit.paper.allowance import limiter_of
from hedgekit.paper.config import CONTROL_TOKEN_ENV, SessionConfig, secret
from hedgekit.paper.feeds import Feeds
from hedgekit.paper.hours import Tradable
from hedgekit.paper.pacer import Inbox, Instant, LivePacer, Pacer, TapePacer
from hedgekit.paper.pair import Pair
from hedgekit.paper.pulse import Pulse
from hedgekit.rules.guard import Guard
from hedgekit.types import Command, Gap, Link, MarketStatus, Quote, Reconciled, Word
from hedgekit.venues import client_of

if TYPE_CHECKING:
    from hedgekit.types import MarketEvent, Record, Reply, Request, Update

POINTS = ("session.received", "session.decided", "outbox.after_commit", "outbox.after_send", "feeds.reopened", "session.asked")
"""Named points of the loop at which tests kill the process: events are here; decided, not yet durable; durable, not yet
sent; sent; a socket was opened again; a restarted process has asked what happened meanwhile."""

BETWEEN = "pairs.between_commits"
"""A further point, passed by a session of several pairs: one journal has the instant, another has not yet."""

Point = Callable[[str], Awaitable[None]]
"""Called at each point."""

_SHARED = ("rest", "stream", "data", "control", "quotes", "requests_per_minute", "limits", "calendar")


async def _nowhere(_: str) -> None:
    """Pass every point."""


class Session:
    """One process that trades one account on paper, on a tape or at live speed.

    Parameters
    ----------
    *configs : SessionConfig
        One for each pair: where, what and with which numbers. What belongs to the account is the same in all.
    at : callable, optional
        Awaited with a name at each of :data:`POINTS`.

    Raises
    ------
    ConfigError
        If two of them have one name, or differ in what belongs to the account.
    LiveHostRefused
        If an address is neither loopback nor a demo host.
    """

    def __init__(self, *configs: SessionConfig, at: Point = _nowhere) -> None:
        self.config = _account(configs)
        one, kind = self.config, client_of(self.config.venue)
        orders, prices = kind.order_hosts, kind.data_hosts
        for url, allowed in ((one.rest, orders), (one.stream, orders), (one.data, prices), (one.quotes, prices), (one.control, ())):
            if url:
                require_paper(url, allowed)  # each of them gets a secret
        self._keys = [secret(name) for name in kind.key_env]
        self._token = secret(CONTROL_TOKEN_ENV) if one.control else ""
        self._at = at
        self.instruments = tuple({instrument.key: instrument for config in configs for instrument in config.instruments}.values())
        self._venue = kind(self._keys, self.instruments)
        self._guard = Guard(one.limits, self.instruments)
        self.pairs = [Pair(config, self._venue, self._guard) for config in configs]
        self._breaker_s = min((pair.params.breaker_s for pair in self.pairs if pair.params.breaker_s), default=0.0)
        self._pulse = Pulse(self._venue.name, self._breaker_s, Tradable((one.key for one in self.instruments), one.calendar))
        self._now_ns = 0

    # -------------------------------------------------------------------- life

    async def run(self) -> tuple[str, ...]:
        """Trade until the tape ends or a person stops it; return the hash of each pair's event log.

        Raises
        ------
        ConfigError
            If a plugin cannot be loaded, or does not fit the signal.
        SessionError
            If another process trades the account, the venue cannot be reached at the start, its positions are not the journals', or a
            session began with another plugin.
        JournalError
            If a journal cannot be written or was written by other code.
        """
        with self._restored() as records:
            inbox = Inbox()
            async with AsyncExitStack() as open_:
                self._pacer = await self._paced(inbox, open_)
                self._rest = Rest(self.config.rest, self._signed, inbox.on_reply, self._pacer.label, quotes_url=self.config.quotes)
                open_.push_async_callback(self._rest.close)
                self._now_ns = await self._pacer.attach(self._reached())
                limiter, keys = limiter_of(self._venue, self.config, records, self._now_ns), count(1)
                for pair in self._trading:
                    pair.begin(Sender(pair.outbox, limiter, self._rest.send, self._rest.forget, keys), self._now_ns)
                self._senders = [pair.sender for pair in self._trading]
                again = bool(records)
                records.clear()
                self._feeds = Feeds(self._venue, self.config, inbox)
                open_.push_async_callback(self._feeds.close)
                await self._feeds.open(self._now_ns, restarted=again, down=self._pulse.state == "down")
                await self._trade()
            return tuple(pair.journal.head for pair in self.pairs)

    def _signed(self, request: Request) -> Mapping[str, str]:
        return self._venue.signed(request, self._now_ns)

    def _reached(self) -> int:
        """Return the last instant that is durable in all journals; at live speed, where none is told again, in any."""
        reached = [pair.reached for pair in self._trading if pair.restarted]
        return (min if self.config.control else max)(reached, default=0)

    @contextmanager
    def _restored(self) -> Iterator[list[Record]]:
        """Hold the account and open the journals; bring all to where these end, and give their records in order of time."""
        secrets = [*self._keys, *([self._token] if self._token else [])]
        with ExitStack() as open_:
            open_.enter_context(held(self._venue.name, self.config.rest, self._venue.account_id, self.config.session))
            stories = [open_.enter_context(pair.opened(secrets)) for pair in self.pairs]
            self._trading = [pair for pair in self.pairs if not pair.ended]
            if not self._trading:
                msg = f"session {self.config.session!r} has ended; start a new one under another name"
                raise SessionError(msg)
            records = list(merge(*stories, key=lambda record: record.ts_ns))
            for record in records:
                self._guard.restore(record)
                if isinstance(record, Link | MarketStatus | Quote):
                    self._pulse.restore(record)
            stop = self._guard.stopped
            for pair, story in zip(self.pairs, stories, strict=True):
                pair.alarm = None if stop in story else stop  # killed between two commits, or a pair that is new to a stopped account
            yield records

    async def _paced(self, inbox: Inbox, open_: AsyncExitStack) -> Pacer:
        if not self.config.control:
            return LivePacer(inbox)
        headers = {"Authorization": f"Bearer {self._token}"}
        control = await Stream.open(self.config.control, name="control", headers=headers)
        open_.push_async_callback(control.close)
        return TapePacer(control, inbox, self._breaker_s)

    # -------------------------------------------------------------------- loop

    async def _trade(self) -> None:
        missed = await self._pacer.missed()
        if missed is not None:  # told again for the pairs whose journals have not got it
            trading, self._trading = self._trading, [pair for pair in self._trading if pair.reached < missed.number or not pair.restarted]
            await self._live(missed)
            self._trading = trading
        for pair in self._trading:
            pair.resume()
        self._leave()
        if any(pair.restarted for pair in self._trading):
            await self._at("session.asked")
        while self._trading:
            instant = await self._pacer.next(
                requests=self._rest.sent,
                timer_ns=self._next_timer(),
                idle_ns=self._idle_timer(),
                called=lambda: any(pair.wishes() for pair in self._trading),
            )
            if instant.end and all(pair.ending for pair in self._trading):
                break
            await self._live(instant)
            self._end([pair for pair in self._trading if pair.over])
        self._end(self._trading)

    def _end(self, over: list[Pair]) -> None:
        for pair in over:
            pair.end()
        self._trading = [pair for pair in self._trading if pair not in over]

    async def _live(self, instant: Instant) -> None:
        """Receive, decide, make durable, and only then send."""
        await self._at("session.received")
        self._now_ns = now_ns = instant.now_ns
        for pair in self._trading:
            pair.at(now_ns)
        self._receive(instant)
        await self._reconnect(instant)
        for pair in self._trading:
            pair.sender.expire(now_ns)
        await self._feeds.say(now_ns)
        self._look()
        durable = [pair for pair in self._trading if self._decide(pair, ended=instant.end)]
        self._sound_alarm()
        intents = [pair for pair in self._trading if pair.intent]
        if intents:
            await self._at("session.decided")
        for pair in self._trading:
            pair.commit(instant.number, durable=pair.intent or pair in durable)
            pair.intent = False
            if pair is not self._trading[-1]:
                await self._at(BETWEEN)
        if intents:
            await self._at("outbox.after_commit")
        self._leave()
        if intents:
            await self._at("outbox.after_send")

    def _decide(self, pair: Pair, *, ended: bool) -> bool:
        """Let a pair act on the time and on a person's wishes; return whether there were any."""
        if ended:
            pair.command(Command(ts_ns=self._now_ns, name="stop"))
        pair.wake()
        wishes = pair.wishes()
        for ref, name in wishes:
            pair.command(Command(ts_ns=self._now_ns, name=name, ref=ref))
        pair.recover(answers=self._pulse.answers)
        return bool(wishes)

    def _sound_alarm(self) -> None:
        """Close every pair when the account has lost too much."""
        alarms = [pair.alarm for pair in self._trading if pair.alarm is not None]
        for pair in self._trading:
            pair.alarm = None
            for alarm in alarms[:1]:
                pair.command(msgspec.structs.replace(alarm, ts_ns=self._now_ns))

    def _leave(self) -> None:
        leave(self._senders, self._now_ns)

    def _receive(self, instant: Instant) -> None:
        """Turn everything that arrived into events, in canonical order."""
        now_ns = instant.now_ns
        silent, back = (instant.silent, instant.back) if self.config.control else self._feeds.signs(now_ns, self._breaker_s)
        for told in self._pulse.signs(silent, back, now_ns):
            self._tell(told)
        for number, reply in instant.replies:
            self._on_reply(number, reply, now_ns)
        for account, frame in instant.trade:
            for update in account.take(frame, now_ns):
                self._on_update(update)
        for market, frame in instant.quotes:
            for event in market.take(frame, now_ns):
                self._on_market(event, instant)

    def _on_market(self, event: MarketEvent, instant: Instant) -> None:
        if isinstance(event, Gap):  # what its books are worth is not known: the socket is opened anew, as after its end
            instant.closed = sorted({*instant.closed, "md"})
            return
        for told in self._pulse.heard(event):
            self._tell(told)
        if isinstance(event, Quote):
            for pair in self._of(event.instrument):
                pair.outbox.quoted(self._now_ns)
                pair.apply(event)

    def _tell(self, told: Link | MarketStatus) -> None:
        """Tell those whom it concerns how the venue is heard, or what can be traded."""
        for pair in self._trading if isinstance(told, Link) else self._of(told.instrument):
            pair.heard(told)

    def _of(self, instrument: str) -> list[Pair]:
        return [pair for pair in self._trading if instrument in pair.hedger.positions]

    def _on_update(self, update: Update) -> None:
        name = getattr(update.event, "order_id", "").rsplit("-", 2)[0]
        stranger = not any(pair.config.session == name for pair in self.pairs if not pair.ended)
        for pair in self._trading[:1] if stranger else self._trading:  # a stranger's is refused there
            if stranger or pair.config.session == name:  # else told again, and a pair that has it is not asked
                pair.updated(update.event, update.filled)

    def _on_reply(self, number: int, reply: Reply, now_ns: int) -> None:
        if reply.status:
            self._feeds.answered(now_ns)
        for pair in self._trading:
            asked = pair.sender.request_of(number)
            for event in pair.sender.reply(number, reply, now_ns):
                if isinstance(event, Reconciled):
                    pair.agreed(event, self._held_beside(pair), answers=self._pulse.answers)
                else:
                    pair.apply(event)
            if asked is not None and asked.purpose == "quotes" and self._venue.word_of(asked, reply) is Word.DONE:
                for link in self._pulse.latest(self._venue.latest_of(reply), now_ns):
                    self._tell(link)

    def _held_beside(self, pair: Pair) -> dict[str, float]:
        """Return what the other pairs hold, those that have ended too."""
        held: dict[str, float] = {}
        for other in self.pairs:
            for key, qty in other.hedger.positions.items() if other is not pair else ():
                held[key] = held.get(key, 0.0) + qty
        return {key: qty for key, qty in held.items() if qty}

    # ---------------------------------------------------- silence

    async def _reconnect(self, instant: Instant) -> None:
        """Open again what has ended; what was said meanwhile was missed."""
        if instant.closed:
            await self._feeds.ended(instant.closed, instant.now_ns)
        opened = await self._feeds.mend(instant.now_ns, hurry="rest" in instant.back)
        if "md" in opened:
            since_ns = self._pulse.heard_ns
            told = self._pulse.reopened(instant.now_ns)
            for pair in self._trading:
                pair.apply(Gap(ts_ns=instant.now_ns, since_ns=since_ns))
            for status in told:
                self._tell(status)
        if "trade" in opened:
            for pair in self._trading:
                pair.sender.ask(pair.outbox.audit(full=True))
        if opened:
            await self._at("feeds.reopened")

    def _look(self) -> None:
        """Ask whether a silent market is quiet or its feed frozen."""
        due = self._asking_ns()
        if due is not None and due <= self._now_ns and self._trading:
            self._pulse.asked(self._now_ns)
            self._feeds.asked(self._now_ns)
            question = self._venue.latest()
            self._trading[0].sender.ask([] if question is None else [question])

    def _asking_ns(self) -> int | None:
        exposed = any(pair.exposed for pair in self._trading)
        times = (self._pulse.ask_ns(exposed=exposed), None if self.config.control else self._feeds.ask_ns(self._breaker_s))
        return min((at for at in times if at is not None), default=None)

    # ------------------------------------------------------------- when next

    def _next_timer(self) -> int | None:
        times = (self._feeds.next_ns(), *(pair.next_ns() for pair in self._trading))
        return min((at for at in times if at is not None), default=None)

    def _idle_timer(self) -> int | None:
        """When to look after what is silent: no reason for a tape to go on."""
        looks = (pair.outbox.look_ns() for pair in self._trading)
        times = (self._asking_ns(), self._pulse.change_ns(self._now_ns), *looks)
        return min((at for at in times if at is not None), default=None)


def _account(configs: tuple[SessionConfig, ...]) -> SessionConfig:
    """Return the first, which speaks for the account."""
    if not configs:
        msg = "no pair to trade; give at least one configuration"
        raise ConfigError(msg)
    first = configs[0]
    for name in _SHARED:
        values = [getattr(config, name) for config in configs]
        if any(value != values[0] for value in values):
            msg = f"the pairs of one account differ in {name}: {', '.join(sorted({str(value) for value in values}))}; write the same in all"
            raise ConfigError(msg)
    names = [config.session for config in configs]
    if len({*names}) < len(names):
        msg = f"sessions {', '.join(names)}: each pair needs a name of its own"
        raise ConfigError(msg)
    return first
