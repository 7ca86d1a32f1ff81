"""One pair of a session: its Hedger, its journal, its orders at one account or several, and a person's commands to it.

The :class:`~hedgekit.paper.session.Session` owns sockets and time, and hands each pair what concerns it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

from hedgekit.errors import SessionError
from hedgekit.hedger import Hedger, routine
from hedgekit.journal import Gather, Journal
from hedgekit.net.outbox import Outbox
from hedgekit.net.sender import Sender
from hedgekit.paper.account import Account
from hedgekit.paper.commands import Spool, Wish, granted, revised
from hedgekit.paper.config import CONTROL_TOKEN_ENV, SessionConfig
from hedgekit.paper.pinned import check_pinned
from hedgekit.plugins.apart import Apart
from hedgekit.plugins.module import check_signal
from hedgekit.plugins.watched import Watched
from hedgekit.replay import Bars, Replayer
from hedgekit.rules.guard import Guard
from hedgekit.rules.state import COMMANDS
from hedgekit.types import (
    NS,
    Command,
    Fill,
    Gap,
    Input,
    Link,
    MarketStatus,
    Payment,
    Phase,
    Reconciled,
    SessionEnded,
    SessionStarted,
    Settled,
    Switch,
    Timer,
)

if TYPE_CHECKING:
    from hedgekit.types import Record

STOPPED, TAPE_ENDED = "stopped", "tape ended"
"""Why a session ends in order: a person stopped it, or there are no more prices."""

_RECONCILE_TRIES, _RECONCILE_NS, _WAITING_NS = 5, NS, 30 * NS
"""How long until the venue is asked again: while it disagrees, and while both legs cannot be closed yet."""


class Pair:
    """Decides, journals and orders for one pair.

    Parameters
    ----------
    config : SessionConfig
        Its configuration; its name is the first part of all its order ids.
    accounts : mapping of str to Account
        The session's accounts, by venue.
    guard : Guard
        The session's.
    """

    def __init__(self, config: SessionConfig, accounts: Mapping[str, Account], guard: Guard) -> None:
        self.config, self.params, self._guard = config, config.strategy(), guard
        self.hedger = Hedger(config.session, config.instruments, self.params)
        self.accounts = {venue: accounts[venue] for venue in config.venues}
        self.outboxes = {venue: Outbox(account.client) for venue, account in self.accounts.items()}
        self.senders: dict[str, Sender] = {}
        self.module, self.plan = config.module(), config.plan_file()
        self._keys = [instrument.key for instrument in config.instruments]
        self.ending = ""
        self.restarted = self.ended = False
        self.reached = self._now_ns = 0
        self.intent = False
        self.alarm: Command | None = None
        self._reconcile_ns: int | None = None
        self.waiting_ns: int | None = None  # when to ask again what is held, which cannot be closed yet: for it no tape goes on
        self._settled: dict[str, Settled] = {}
        self.payments: dict[tuple[str, str], Decimal] = {}
        self._paid_ns: dict[str, int] = {}
        self._begun_ns: int | None = None
        self._untold: set[str] = set()
        self._disagreed: dict[str, int] = {}
        self._spool = Spool(config.commands, COMMANDS) if config.commands else None
        self._applied: set[str] = set()

    # -------------------------------------------------------------------- life

    @contextmanager
    def opened(self, secrets: Sequence[str]) -> Iterator[list[Record]]:
        """Open journal and plugin, bring everything to where the journal ends; yield its records."""
        gather = None if self.config.control else Gather(span_ns=NS // 10)  # in step each instant is written, or it would be told again
        with (
            self._plugged() as plugin,
            Journal.open(self.config.journal, self.config.session, mode="write", gather=gather) as self.journal,
        ):
            self.journal.guard(secrets)
            yield self._restore(plugin)

    @contextmanager
    def _plugged(self) -> Iterator[Watched | None]:
        """Run the plugin for the time of the session, without its keys."""
        if self.module is None:
            yield None
            return
        hidden = (*(name for one in self.accounts.values() for name in (*one.client.key_env, *one.client.data_key_env)), CONTROL_TOKEN_ENV)
        with Apart(self.module, hide=hidden, limit_s=self.config.plugin_limit_s) as apart:
            plugin = Watched(apart, self.module.name)
            check_signal(self.module.name, self.params.signal, scores=plugin.has_scores)
            yield plugin

    def _restore(self, plugin: Watched | None) -> list[Record]:
        self._bars = Bars(self.params, plugin)
        replayer = Replayer(self.hedger, self._bars)
        records = list(self.journal.records())
        check_pinned(self.module, self.config.session, records)
        self.ended = any(isinstance(record, SessionEnded) for record in records)
        for record in records:
            replayer.feed(record)
        replayer.finish()
        for outbox in self.outboxes.values():
            outbox.restore(records)
        for record in records:
            if isinstance(record, Command):
                self._note_command(record)
            elif isinstance(record, Payment):
                self._note_payment(record)
        self._begun_ns = records[0].ts_ns if records else None
        self._last_ns = max((record.ts_ns for record in records), default=0)
        self.restarted, self.reached = bool(records), self.journal.last_instant
        self.forget_commands()
        if plugin is not None:
            plugin.check(self._bars.mids)
        return records

    def begin(self, now_ns: int) -> None:
        """Take part in the trading; a new journal begins, an old one repeats what it does not know the outcome of."""
        peers: list[Sender] = []
        self.senders = {venue: account.sender(self.outboxes[venue], peers) for venue, account in self.accounts.items()}
        self._now_ns = now_ns
        if not self.restarted:
            self.journal.append(
                SessionStarted(
                    ts_ns=now_ns,
                    session=self.config.session,
                    instruments=self.config.instruments,
                    params=self.params.model_dump(),
                    market=self.config.market | ({} if self.module is None else self.module.described()),
                    version=version("hedgekit"),
                )
            )
        for venue, sender in self.senders.items():
            sender.ask(self.outboxes[venue].resume())  # before anything is decided: the venue may have each of these
            begun_ns = now_ns if self._begun_ns is None else self._begun_ns
            self.accounts[venue].bookings.begin(begun_ns, self._paid_ns.get(venue), now_ns)
        if self.plan is not None and not self.restarted:  # of a later one the journal knows
            self.apply(revised(self.plan, self._keys, now_ns))

    def resume(self) -> None:
        """Ask what became of everything; at live speed say that the market went on without us, and wait for what is held."""
        if self.restarted and not self.config.control:
            self.apply(Gap(ts_ns=self._now_ns, since_ns=self._last_ns))
            for venue in self.accounts:
                self.apply(Link(ts_ns=self._now_ns, venue=venue, state="restarted", since_ns=self._last_ns))
            self.journal.commit(self.reached)
        self._ask_all()

    def end(self) -> None:
        """Write the last record."""
        self.ended = True
        self.journal.append(SessionEnded(ts_ns=self._now_ns, reason=self.ending))
        self.journal.commit(self.reached)

    # --------------------------------------------------------------- one instant

    def at(self, now_ns: int) -> None:
        """Begin an instant."""
        self._now_ns = now_ns

    def apply(self, event: Input) -> None:
        """Journal an event and what was decided on it; put in line what the guard lets through of it."""
        self.journal.append(event)
        for sender in self.senders.values():
            sender.note(event)
        for account in self.accounts.values():
            account.bookings.note(event)
        self.alarm = self._guard.note(event, self.config.session) or self.alarm
        decision = self.hedger.on(event)
        if not routine(decision):
            self.journal.append(decision)
        if decision.orders or decision.cancels:
            self.intent = True
            for ended in [event for sender in self.senders.values() for event in sender.intend(decision, self._now_ns)]:
                self.apply(ended)
            for refused in self._guard.refused(decision):
                if refused.order_id in self.hedger.working:  # else the refusal of its other leg has ended it
                    self.apply(refused)
        for due in self._bars.add(event, decision, self.hedger.bars):
            self.apply(due)
        if isinstance(event, Fill) and event.cause != "settlement" and event.instrument in self._settled:
            self._take_out(self._settled[event.instrument], event.fill_id)

    def heard(self, told: Link | MarketStatus | Switch) -> None:
        """Journal how the venue is heard, and hears us, and what can be traded; if one fell silent, take back what has not left (L6)."""
        if isinstance(told, Switch):  # what it has cancelled it tells itself
            self.journal.append(told)
            return
        if isinstance(told, Link):
            self._untold = {*self.outboxes}
        if isinstance(told, Link) and told.state == "down":
            for ended in [event for sender in self.senders.values() for event in sender.give_up(self._now_ns)]:
                self.apply(ended)
        self.apply(told)
        if isinstance(told, Link) and self.hedger.phase is Phase.RECOVERING:
            self._reconcile_ns = self.waiting_ns = None  # asked at once, not when the last question's time is up

    def settled(self, told: Settled) -> None:
        """Take what is held of a contract out at what it pays, once that is final; nothing of it can be traded any more."""
        known = told.instrument in self._settled
        if told.final and told.payout is not None and not known:
            self._settled[told.instrument] = told
            self._take_out(told)
        if not known:
            self.apply(MarketStatus(ts_ns=self._now_ns, instrument=told.instrument, status="closed"))

    def _take_out(self, told: Settled, heard: str = "") -> None:
        """Take out what is held of a settled contract; ``heard`` is an execution that was before it, and heard of after it."""
        held = self.hedger.positions[told.instrument]
        if told.payout is not None and held:
            self.apply(
                Fill(
                    ts_ns=self._now_ns,
                    order_id="",
                    fill_id=f"settlement-{told.venue_ns}{heard and f'-{heard}'}",
                    instrument=told.instrument,
                    venue_ns=told.venue_ns,
                    qty=-Decimal(repr(held)),
                    price=told.payout,
                    fee=Decimal(0),
                    cause="settlement",
                )
            )

    def pay(self, payment: Payment) -> None:
        """Book a payment, or this pair's share of one."""
        self._note_payment(payment)
        self.apply(payment)

    def _note_payment(self, payment: Payment) -> None:
        self.payments[payment.key] = payment.amount
        self._paid_ns[payment.instrument.partition(":")[0]] = payment.ts_ns

    def updated(self, venue: str, event: Input, filled: Decimal | None) -> None:
        """Take an account's update; where the venue's count says that one was missed, ask before an order is taken to be over."""
        outbox = self.outboxes[venue]
        if not outbox.fresh(event):
            return
        whole = outbox.whole(event, filled)
        if whole or isinstance(event, Fill):
            self.apply(event)
        if not whole:
            self.ask(venue)

    def ask(self, venue: str, *, full: bool = False) -> None:
        """Ask what became of everything at a venue; if ``full``, also what is held."""
        self.senders[venue].ask(self.outboxes[venue].audit(full=full))

    def _ask_all(self) -> None:
        for venue in self.senders:
            self.ask(venue, full=True)

    @property
    def answers(self) -> bool:
        """Whether every venue would take an order now."""
        return all(account.pulse.answers for account in self.accounts.values())

    def agreed(self, event: Reconciled, elsewhere: Mapping[str, float]) -> None:
        """Compare the venue's word with ours and what other pairs hold; ask again if they differ and an execution may be on its way to us.

        Raises
        ------
        SessionError
            If they go on differing: somebody else trades the account, or the journal is of another one.
        """
        here = f"{event.venue}:"
        elsewhere = {key: qty for key, qty in elsewhere.items() if key.startswith(here)}
        ours = {key: qty for key, qty in self.hedger.positions.items() if qty and key.startswith(here)}
        keys = {*event.positions, *elsewhere, *ours}
        left = {key: event.positions.get(key, Decimal(0)) - Decimal(repr(elsewhere.get(key, 0.0))) for key in keys}
        theirs = {key: float(qty) for key, qty in left.items() if qty}
        if ours == theirs:
            self._disagreed[event.venue] = 0
            self._untold.discard(event.venue)
            if self.answers or self.hedger.phase is not Phase.RECOVERING:  # shut: asked again once it opens
                self.apply(event if not elsewhere else msgspec.structs.replace(event, positions={key: left[key] for key in ours}))
            if self.hedger.phase is Phase.RECOVERING and not (self.hedger.working or self._untold):  # else asked again once nothing works
                self.waiting_ns = self._now_ns + _WAITING_NS
            return
        if self._asked_again(event.venue):
            self._reconcile_ns = self._now_ns + _RECONCILE_NS
            return
        self.journal.append(msgspec.structs.replace(event, agrees=False))
        self.journal.commit(self.reached)
        msg = f"{event.venue} holds {theirs or 'nothing'}, the journal says {ours or 'nothing'}; flatten the account or use another"
        raise SessionError(msg)

    def _asked_again(self, venue: str) -> bool:
        """Whether a venue that tells other positions may still be about to tell us why: by an execution, or by what it has booked."""
        tries, bookings = self._disagreed.get(venue, 0), self.accounts[venue].bookings
        if not self.outboxes[venue].traded:
            return False
        if not tries:
            bookings.wanted(self._now_ns)
        elif bookings.due(self._now_ns):
            return True
        self._disagreed[venue] = tries + 1
        return tries + 1 < _RECONCILE_TRIES

    def wake(self) -> None:
        """Tell the Hedger the time, as often as it has asked to be told by now."""
        while (wake := self.hedger.wakeup_ns) is not None and wake <= self._now_ns:
            self.apply(Timer(ts_ns=self._now_ns))

    def recover(self) -> None:
        """Ask what is held once every venue is heard and nothing of ours works any more (L6); ask again if one disagreed."""
        times = [at for at in (self._reconcile_ns, self.waiting_ns) if at is not None]
        waits = self.hedger.phase is Phase.RECOVERING and self.answers and not self.hedger.working
        if any(at <= self._now_ns for at in times) or (waits and not times and not any(one.auditing for one in self.outboxes.values())):
            self._reconcile_ns = self.waiting_ns = None
            self._ask_all()

    def commit(self, number: int, *, durable: bool) -> None:
        """Make an instant durable; of prices alone the process's own death is all that they must outlive."""
        self.journal.commit(number, durable=durable, now_ns=self._now_ns)
        self.reached = number
        if durable:
            self.forget_commands()

    # ---------------------------------------------------------------- commands

    def wishes(self) -> list[Wish]:
        """Return the commands that wait and were not applied."""
        return [wish for wish in self._spool.waiting() if wish.ref not in self._applied] if self._spool else []

    def grant(self, wish: Wish) -> None:
        """Apply what a wish becomes; what cannot be granted is journalled with the reason."""
        for event in granted(wish, self.hedger.params, self._keys, self._now_ns):
            if isinstance(event, Command):
                self.command(event)
            else:
                self.apply(event)

    def command(self, command: Command) -> None:
        """Apply a command; before the end it is asked once more what was booked."""
        self._note_command(command)
        for account in self.accounts.values() if command.name == "stop" else ():
            account.bookings.wanted(self._now_ns)
        self.apply(command)

    def _note_command(self, command: Command) -> None:
        if command.ref:
            self._applied.add(command.ref)
        if command.name == "stop":
            self.ending = self.ending or (STOPPED if command.ref else TAPE_ENDED)

    def forget_commands(self) -> None:
        """Remove the files of commands that are durable."""
        if self._spool and self._applied:
            self._spool.done([wish.ref for wish in self._spool.waiting() if wish.ref in self._applied])

    # ------------------------------------------------------------- where it stands

    @property
    def exposed(self) -> bool:
        """Whether anything is held or works, anywhere."""
        return bool(self.hedger.working) or any(self.hedger.positions.values())

    @property
    def over(self) -> bool:
        """Whether a person stopped it, no order is alive, no answer awaited and all that was booked is told."""
        if self.ending != STOPPED or self.hedger.working or any(account.bookings.open for account in self.accounts.values()):
            return False
        return all(sender.quiet for sender in self.senders.values())

    def next_ns(self) -> int | None:
        """When it wants to be woken; while it ends, also to look after an order whose end was not told: no market moves any more."""
        leaving = (sender.next_ns(self._now_ns) for sender in self.senders.values())
        looks = (outbox.look_ns() for outbox in self.outboxes.values() if self.ending)
        times = (*leaving, *looks, self._reconcile_ns, self.hedger.wakeup_ns, self.journal.due_ns)
        return min((at for at in times if at is not None), default=None)
