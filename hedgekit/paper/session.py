"""The session: the only part of a paper trade that owns sockets and time. It trades one account, for one pair or several.

One instant at a time: take everything that arrived, journal each event and what the Hedger decided on it, commit, and only
then send. Killed anywhere, it finds in its journals what it had decided, replays it into new Hedgers, asks the venue what became
of it, and repeats the requests whose outcome it does not know under the same client ids.

Each pair has a journal of its own, so it is replayed, reported and compared alone. They share the account: its sockets, its
request budget (the most urgent request of all leaves first), its pre-trade limits, and its lock.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from heapq import merge
from typing import TYPE_CHECKING

import msgspec

from hedgekit.errors import SessionError
from hedgekit.keys import secret
from hedgekit.net.sender import leave
from hedgekit.net.transport import Count, Stream, require_paper
from hedgekit.paper.account import Account
from hedgekit.paper.booked import book
from hedgekit.paper.config import CONTROL_TOKEN_ENV, SessionConfig, shared
from hedgekit.paper.gauges import Dashboard
from hedgekit.paper.pacer import Inbox, Instant, LivePacer, News, Pacer, TapePacer
from hedgekit.paper.pair import Pair
from hedgekit.rules.guard import Guard
from hedgekit.types import Command, Gap, Link, MarketStatus, Quote, Reconciled, Settled, Switch

if TYPE_CHECKING:
    from hedgekit.net.sender import Sender
    from hedgekit.types import MarketEvent, Record, Reply, Update

POINTS = ("session.received", "session.decided", "outbox.after_commit", "outbox.after_send", "feeds.reopened", "session.asked")
"""Named points of the loop at which tests kill the process: events are here; decided, not yet durable; durable, not yet
sent; sent; a socket was opened again; a restarted process has asked what happened meanwhile."""

BETWEEN = "pairs.between_commits"
"""A further point, passed by a session of several pairs: one journal has the instant, another has not yet."""

Point = Callable[[str], Awaitable[None]]
"""Called at each point."""


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
        self.config, accesses = shared(configs)
        one = self.config
        if one.control:
            require_paper(one.control, ())  # it gets a secret
        self._token = secret(CONTROL_TOKEN_ENV) if one.control else ""
        self._at = at
        self.instruments = tuple({instrument.key: instrument for config in configs for instrument in config.instruments}.values())
        strategies = [config.strategy() for config in configs]
        self._breaker_s = min((params.breaker_s for params in strategies if params.breaker_s), default=0.0)
        self.accounts = {
            venue: Account(venue, access, [each for each in self.instruments if each.venue == venue], self._breaker_s, live=not one.control)
            for venue, access in accesses.items()
        }
        self._guard = Guard(one.limits, self.instruments)
        self.pairs = [Pair(config, self.accounts, self._guard) for config in configs]
        self._dashboard = Dashboard(config.gauges for config in configs)
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
            inbox, numbers = Inbox(self.accounts), Count()
            async with AsyncExitStack() as open_:
                self._pacer = await self._paced(inbox, open_)
                self._now_ns, self._numbers = await self._pacer.attach(self._reached()), numbers
                for account in self.accounts.values():
                    await account.begin(self.config.session, records, self._now_ns, inbox, self._pacer.label, numbers, open_)
                for pair in self._trading:
                    pair.begin(self._now_ns)
                self._senders = [sender for pair in self._trading for sender in pair.senders.values()]
                again = bool(records)
                records.clear()
                for account in self.accounts.values():
                    await account.feeds.open(self._now_ns, restarted=again, down=account.pulse.state == "down")
                await self._trade()
            return tuple(pair.journal.head for pair in self.pairs)

    def _reached(self) -> int:
        """Return the last instant that is durable in all journals; at live speed, where none is told again, in any."""
        reached = [pair.reached for pair in self._trading if pair.restarted]
        return (min if self.config.control else max)(reached, default=0)

    @contextmanager
    def _restored(self) -> Iterator[list[Record]]:
        """Hold the accounts and open the journals; bring all to where these end, and give their records in order of time."""
        secrets = [*(key for account in self.accounts.values() for key in account.keys), *([self._token] if self._token else [])]
        with ExitStack() as open_:
            for account in self.accounts.values():
                open_.enter_context(account.held(self.config.session))
            stories = [open_.enter_context(pair.opened(secrets)) for pair in self.pairs]
            self._trading = [pair for pair in self.pairs if not pair.ended]
            if not self._trading:
                msg = f"session {self.config.session!r} has ended; start a new one under another name"
                raise SessionError(msg)
            records = self._retold(stories)
            stories.clear()  # this frame stays while the session runs, and a journal may be long
            yield records

    def _retold(self, stories: list[list[Record]]) -> list[Record]:
        """Bring the accounts to where the journals of the pairs end; return the records of all in order of time."""
        named = [[(record, pair.config.session) for record in story] for pair, story in zip(self.pairs, stories, strict=True)]
        records = list(merge(*named, key=lambda one: one[0].ts_ns))
        for record, owner in records:
            self._guard.restore(record, owner)
            if isinstance(record, Link | MarketStatus | Quote | Switch):
                self._at_venue(record).restore(record)
        stop = self._guard.stopped
        for pair, story in zip(self.pairs, stories, strict=True):
            pair.alarm = None if stop in story else stop  # killed between two commits, or a pair that is new to a stopped account
        return [record for record, _ in records]

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
                requests=self._numbers.given,
                timer_ns=self._next_timer(),
                idle_ns=self._idle_timer(),
                deaf={venue: account.feeds.deaf for venue, account in self.accounts.items()},
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
        self._now_ns = instant.now_ns
        await self._hear(instant)
        durable = [pair for pair in self._trading if self._decide(pair, ended=instant.end)]
        self._sound_alarm()
        self._beat()
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
        self._dashboard.show(self.accounts.values(), self._now_ns)
        if intents:
            await self._at("outbox.after_send")

    async def _hear(self, instant: Instant) -> None:
        """Take what has arrived, open again what has ended, ask what has to be asked."""
        for account in self.accounts.values():
            account.at(instant.now_ns)
        for pair in self._trading:
            pair.at(instant.now_ns)
        self._receive(instant)
        for account in self.accounts.values():
            await self._reconnect(account, instant.news.get(account.venue, News()))
        for sender in self._senders:
            sender.expire(instant.now_ns)
        for account in self.accounts.values():
            await account.feeds.say(instant.now_ns)
        self._look()

    def _decide(self, pair: Pair, *, ended: bool) -> bool:
        """Let a pair act on the time and on a person's wishes; return whether there were any."""
        if ended:
            pair.command(Command(ts_ns=self._now_ns, name="stop"))
        pair.wake()
        wishes = pair.wishes()
        for wish in wishes:
            pair.grant(wish)
        pair.recover()
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
        news = [(account, instant.news.get(venue, News())) for venue, account in self.accounts.items()]
        for account, some in news:
            silent, back = (some.silent, some.back) if self.config.control else account.signs()
            some.back = back
            for told in account.pulse.signs(silent, back, self._now_ns):
                self._tell(told)
        for number, reply in instant.replies:
            self._on_reply(number, reply)
        for account, some in news:
            for feed, frame in some.trade:
                for update in feed.take(frame, self._now_ns):
                    self._on_update(account.venue, update)
        for account, some in news:
            for market, frame in some.quotes:
                for event in market.take(frame, self._now_ns):
                    self._on_market(account, event, some)

    def _on_market(self, account: Account, event: MarketEvent, news: News) -> None:
        if isinstance(event, Gap):  # what its books are worth is not known: the socket is opened anew, as after its end
            news.closed = sorted({*news.closed, "md"})
            return
        if isinstance(event, Quote | MarketStatus):
            for told in account.pulse.heard(event):
                self._tell(told)
        for pair in self._of(event.instrument) if not isinstance(event, MarketStatus) else ():
            if isinstance(event, Settled):
                pair.settled(event)
                continue
            if isinstance(event, Quote):
                pair.outboxes[account.venue].quoted(self._now_ns)
            pair.apply(event)

    def _tell(self, told: Link | MarketStatus | Switch) -> None:
        """Tell those whom it concerns how a venue is heard, and hears us, or what can be traded."""
        for pair in self._of(told.instrument) if isinstance(told, MarketStatus) else self._where(told.venue):
            pair.heard(told)

    def _of(self, instrument: str) -> list[Pair]:
        return [pair for pair in self._trading if instrument in pair.hedger.positions]

    def _where(self, venue: str) -> list[Pair]:
        return [pair for pair in self._trading if venue in pair.accounts]

    def _at_venue(self, record: Link | MarketStatus | Quote | Switch) -> Account:
        return self.accounts[record.venue if isinstance(record, Link | Switch) else record.instrument.partition(":")[0]]

    def _senders_of(self, account: Account) -> list[Sender]:
        return [pair.senders[account.venue] for pair in self._where(account.venue)]

    def _on_update(self, venue: str, update: Update) -> None:
        name, here = getattr(update.event, "order_id", "").rsplit("-", 2)[0], self._where(venue)
        owner = next((pair for pair in self.pairs if pair.config.session == name), None)
        if owner is not None and not owner.ended:
            here = [owner] if owner in here else []  # else told again, and a pair that has it is not asked
        elif owner is not None and venue in owner.outboxes and not owner.outboxes[venue].fresh(update.event):
            here = []  # told again of a pair that has ended
        for pair in here[:1]:  # a stranger's is refused there
            pair.updated(venue, update.event, update.filled)

    def _on_reply(self, number: int, reply: Reply) -> None:
        for pair in self.pairs:  # a beat of one that has ended may be under way
            for venue, sender in pair.senders.items():
                asked = sender.request_of(number)
                for event in sender.reply(number, reply, self._now_ns):
                    if isinstance(event, Reconciled):
                        pair.agreed(event, self._held_beside(pair))
                    else:
                        pair.apply(event)
                if asked is not None and asked.purpose == "booked":
                    found, more = self.accounts[venue].bookings.reply(asked, reply, self._now_ns)
                    sender.ask(more)
                    book(found, self.pairs)
                if asked is not None and asked.purpose == "status":
                    told, again = self.accounts[venue].stated(asked, reply)
                    sender.ask(again)
                    for one in told:
                        self._tell(one)
                for link in [] if asked is None else self.accounts[venue].answered(asked, reply):
                    self._tell(link)

    def _held_beside(self, pair: Pair) -> dict[str, float]:
        """Return what the other pairs hold, those that have ended too."""
        held: dict[str, float] = {}
        for other in self.pairs:
            for key, qty in other.hedger.positions.items() if other is not pair else ():
                held[key] = held.get(key, 0.0) + qty
        return {key: qty for key, qty in held.items() if qty}

    # ---------------------------------------------------- silence

    async def _reconnect(self, account: Account, news: News) -> None:
        """Open again what has ended; what was said meanwhile was missed."""
        pairs = self._where(account.venue)
        if news.closed:
            await account.feeds.ended(news.closed, self._now_ns)
        opened = await account.feeds.mend(self._now_ns, hurry="rest" in news.back)
        if "md" in opened:
            since_ns = account.pulse.heard_ns
            told = account.reopened()
            for pair in pairs:
                pair.apply(Gap(ts_ns=self._now_ns, since_ns=since_ns))
            for status in told:
                self._tell(status)
        if "trade" in opened:
            for pair in pairs:
                pair.ask(account.venue, full=True)
            account.bookings.wanted(self._now_ns)
        if opened:
            await self._at("feeds.reopened")

    def _look(self) -> None:
        """Ask of each venue whether a silent market is quiet or its feed frozen."""
        for account in self.accounts.values():
            pairs = self._where(account.venue)
            if pairs:
                pairs[0].senders[account.venue].ask(account.asked(exposed=any(pair.exposed for pair in pairs)))

    def _beat(self) -> None:
        """Hold the switch of each venue that has one."""
        for account in self.accounts.values():
            for told in account.heart.look(self._senders_of(account), self._now_ns):
                self._tell(told)

    def _asking_ns(self) -> list[int | None]:
        pairs = {venue: self._where(venue) for venue in self.accounts}
        return [self.accounts[venue].idle_ns(exposed=any(pair.exposed for pair in some)) for venue, some in pairs.items() if some]

    # ------------------------------------------------------------- when next

    def _next_timer(self) -> int | None:
        times = (*(account.next_ns() for account in self.accounts.values()), *(pair.next_ns() for pair in self._trading))
        return min((at for at in times if at is not None), default=None)

    def _idle_timer(self) -> int | None:
        """When to look after what is silent: no reason for a tape to go on."""
        looks = (outbox.look_ns() for pair in self._trading for outbox in pair.outboxes.values())
        changes = (account.pulse.change_ns(self._now_ns) for account in self.accounts.values())
        beats = (account.heart.next_ns(self._senders_of(account)) for account in self.accounts.values())
        waits = (pair.waiting_ns for pair in self._trading)
        times = (*self._asking_ns(), *changes, *looks, *beats, *waits)
        return min((at for at in times if at is not None), default=None)
