"""The rules, one session's records in order: what each record raises or clears. Reads no clock; quotes are not needed.

The net delta is what decisions say. Every look at it that finds it outside the strategy's own corridor is journalled, one that finds
it inside is not: so that it is back is known at the close of a bar at the latest.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hedgekit.alerts.alert import SEVERITIES, Alert, Limits, Rule
from hedgekit.alerts.words import day, money, seconds, share
from hedgekit.journal.running import Books
from hedgekit.params import Params
from hedgekit.rules.guard import CODE as GUARD
from hedgekit.types import (
    NS,
    Ack,
    Cancelled,
    Command,
    Decision,
    Fill,
    HedgePlan,
    Link,
    MarketStatus,
    Order,
    Payment,
    Phase,
    PlanRevised,
    Reason,
    Reject,
    SessionEnded,
    SessionStarted,
    Switch,
)

if TYPE_CHECKING:
    from hedgekit.types import Record

BACK = 0.8
"""A drawdown is over when it is below this share of its limit, so that one that hovers there is told once."""

SILENT: tuple[Rule, str] = ("silent", "")


class Watch:
    """Watches one session.

    Parameters
    ----------
    session : str
        Its name.
    limits : Limits
        When to raise.
    """

    def __init__(self, session: str, limits: Limits | None = None) -> None:
        self.session, self.limits = session, limits or Limits()
        self.active: dict[tuple[Rule, str], Alert] = {}
        self.record, self.ts_ns = 0, 0
        self.ended = False
        self._params = Params()
        self._books = Books(())
        self._peak = 0.0
        self._delta: float | None = None
        self._out_ns: int | None = None
        self._trade = self._exceeded = 0
        self._plan: HedgePlan | None = None
        self._sent: dict[str, Order] = {}
        self._shut: dict[str, bool] = {}
        self._found: list[Alert] = []

    def take(self, id_: int, record: Record) -> list[Alert]:
        """Take a journal's next record that is no quote; return what it raises and clears, in order.

        Parameters
        ----------
        id_ : int
            The record's id.
        record : Record
            What it says.
        """
        self.record, self.ts_ns, self._found = id_, max(self.ts_ns, record.ts_ns), []
        self._edge(SILENT, raised=False, text="the session writes again")
        self._note(record)
        if not self.ended:
            self._delta_is_out()
            self._plan_is_old()
        return self._found

    def upto(self, id_: int, ts_ns: int) -> list[Alert]:
        """Take note of how far the journal was read, quotes and all: they, too, end a silence.

        Parameters
        ----------
        id_, ts_ns : int
            The newest record's id, and the newest time of the session.
        """
        self._found = []
        if id_ > self.record:
            self.record, self.ts_ns = id_, max(self.ts_ns, ts_ns)
            self._edge(SILENT, raised=False, text="the session writes again")
        return self._found

    def look(self, now_ns: int, recorded_ns: int, *, alive: bool | None) -> list[Alert]:
        """Judge the session's silence; return the alert that it raises, if any. A new record clears it.

        Parameters
        ----------
        now_ns, recorded_ns : int
            The wall clock now, and when the newest record was written.
        alive : bool or None
            Whether the session's process is there; None if that cannot be seen.
        """
        self._found = []
        if not self.record or self.ended:
            return []
        quiet_s = max(now_ns - recorded_ns, 0) / NS
        if alive is False:
            self._edge(SILENT, raised=True, text="the session's process is gone and has not said that it ended; what it holds stays held")
        elif self.limits.silent_s and quiet_s > self.limits.silent_s and not self._all_shut:
            self._edge(SILENT, raised=True, text=f"the session has written nothing for {seconds(quiet_s)} of an open market")
        return self._found

    def reconcile(self, told: list[Alert]) -> list[Alert]:
        """Take up from what was told before; return the edges by which that differs from what holds now, as with other limits."""
        self._found, before = [], {alert.key: alert for alert in told}
        if SILENT in before:
            self.active[SILENT] = before[SILENT]
        now = dict(self.active)
        for key in [key for key in before if key not in now]:
            self.active[key] = before[key]
            self._edge(key, raised=False, text="not so by the limits that hold now")
        for key, alert in now.items():
            if key not in before:
                del self.active[key]
                self._edge(key, raised=True, text=alert.text)
        return self._found

    # -------------------------------------------------------------- by record

    def _note(self, record: Record) -> None:
        match record:
            case Decision():
                self._decided(record)
            case Fill() | Payment():
                self._booked(record)
            case Ack() | Reject() | Cancelled():
                self._answered(record)
            case Link() | Switch():
                self._heard(record)
            case MarketStatus():
                self._shut[record.instrument] = record.status != "open"
            case PlanRevised() | Command():
                self._told(record)
            case SessionStarted():
                self._params = Params.make(**record.params)
                self._books = Books(record.instruments)
                self._shut = dict.fromkeys((instrument.key for instrument in record.instruments), False)
            case SessionEnded():
                self.ended = True

    def _booked(self, record: Fill | Payment) -> None:
        if isinstance(record, Payment):
            self._books.pay(record)
            return
        self._answered(record)
        if self._books.new(record):
            self._books.add(record, None)

    def _told(self, record: PlanRevised | Command) -> None:
        if isinstance(record, PlanRevised):
            self._plan = record.plan
        elif record.changes:
            self._params = self._params.changed(record.changes)

    def _decided(self, decision: Decision) -> None:
        self._sent |= {order.order_id: order for order in decision.orders}
        self._naked(decision)
        self._drawdown(decision)
        limit = self._corridor
        if decision.delta is None and any(decision.positions):
            return  # unknown, as without a valid quote: neither out nor back
        self._delta = decision.delta
        if decision.delta is None or not limit or abs(decision.delta) <= limit:
            self._out_ns = None
            held = f"net delta {share(decision.delta)}, inside {share(limit)} again" if decision.delta is not None else "nothing is held"
            self._edge(("delta", ""), raised=False, text=held)
        elif self._out_ns is None:
            self._out_ns = decision.ts_ns

    def _naked(self, decision: Decision) -> None:
        """L4: the ladder was cut short because half of the budget was used; and the budget is exceeded."""
        if decision.trade != self._trade or decision.phase is Phase.FLAT:
            for rule in ("naked leg", "naked budget"):
                self._edge((rule, ""), raised=False, text=f"trade {self._trade} is over or even again")
            self._trade = decision.trade
        budget = self._params.naked_limit_s * self._params.notional
        used = f"trade {decision.trade} was unhedged for {money(decision.naked)} x s of a budget of {money(budget)} x s"
        if decision.reason is Reason.NAKED_LIMIT:
            self._edge(("naked leg", ""), raised=True, text=f"{used}; half of it is used, the legs are evened out at once")
        if budget and decision.naked > budget and self._exceeded != decision.trade:  # once a trade, also if its last decision tells it
            self._exceeded = decision.trade
            self._edge(("naked budget", ""), raised=True, text=f"{used}: the budget is exceeded")

    def _drawdown(self, decision: Decision) -> None:
        worth = sum(self._books.worth(leg, decision.mids) for leg in range(len(self._books.instruments)))
        if math.isnan(worth):
            return
        self._peak = max(self._peak, worth)
        fall, limits = self._peak - worth, self.limits
        limit = limits.drawdown_share * self._params.notional if limits.drawdown is None else limits.drawdown
        words = f"P&L {money(worth)} is {money(fall)} below its highest so far, {money(self._peak)}"
        if limit and fall > limit:
            self._edge(("drawdown", ""), raised=True, text=f"{words}: more than {money(limit)}")
        elif fall <= BACK * limit:
            self._edge(("drawdown", ""), raised=False, text=words)

    def _answered(self, event: Ack | Fill | Reject | Cancelled) -> None:
        """Tell of a venue, or limits, that refuse an instrument's orders, until one is taken again."""
        if isinstance(event, Fill) and event.cause != "trade":
            return
        order = self._sent.get(event.order_id)
        if not isinstance(event, Ack):
            self._sent.pop(event.order_id, None)
        if order is None or isinstance(event, Cancelled):
            return
        key: tuple[Rule, str] = ("rejects", order.instrument)
        if isinstance(event, Reject):
            who, code = ("the account's limits", "") if event.code == GUARD else ("the venue", f"{event.code} ")
            self._edge(key, raised=True, text=f"{who} refused {order.qty:+} {order.instrument}: {code}{event.message}".rstrip())
        else:
            self._edge(key, raised=False, text=f"the venue takes orders for {order.instrument} again")

    def _heard(self, told: Link | Switch) -> None:
        """Tell how the venue is heard, and whether it hears us."""
        if isinstance(told, Link):
            self._link(told)
        else:
            self._switch(told)

    def _link(self, link: Link) -> None:
        key: tuple[Rule, str] = ("breaker", link.venue)
        quiet = seconds((link.ts_ns - link.since_ns) / NS)
        ways = {
            "down": f"{link.venue} is down, the last word came {quiet} ago",
            "frozen": f"{link.venue} answers, but streams no prices while the market moves, the last {quiet} ago",
        }
        if link.state in ways:
            self._edge(key, raised=True, text=f"{ways[link.state]}; no entries, and both legs are closed once it is heard")
        elif link.state == "up" and key in self.active:
            lasted = seconds((link.ts_ns - self.active[key].ts_ns) / NS)
            self._edge(key, raised=False, text=f"{link.venue} is heard again after {lasted}")

    def _switch(self, switch: Switch) -> None:
        key: tuple[Rule, str] = ("switch", switch.venue)
        quiet = seconds((switch.ts_ns - switch.since_ns) / NS)
        lost = f"{switch.venue} has taken no beat of its dead man's switch for {quiet}: it may have cancelled all orders"
        told = lost if switch.state == "lost" else f"{switch.venue} takes the beats of its dead man's switch again"
        self._edge(key, raised=switch.state == "lost", text=told)

    # ---------------------------------------------------------------- by time

    def _delta_is_out(self) -> None:
        if self._out_ns is None or self.ts_ns - self._out_ns <= self.limits.delta_s * NS:
            return
        out = seconds((self.ts_ns - self._out_ns) / NS)
        self._edge(
            ("delta", ""), raised=True, text=f"net delta {share(self._delta)} of the notional, outside {share(self._corridor)} for {out}"
        )

    def _plan_is_old(self) -> None:
        if self._plan is None:
            return
        until = self._plan.valid_until_ns
        if self.ts_ns > until:
            self._edge(
                ("plan expired", ""), raised=True, text=f"the hedge ratio {self._plan.ratio:.3f} was good until {day(until)}: no entries"
            )
        else:
            self._edge(("plan expired", ""), raised=False, text=f"a new hedge ratio, {self._plan.ratio:.3f}, is good until {day(until)}")

    # ------------------------------------------------------------------ inside

    @property
    def _corridor(self) -> float:
        return self._params.tolerance if self.limits.delta is None else self.limits.delta

    @property
    def _all_shut(self) -> bool:
        return bool(self._shut) and all(self._shut.values())

    def _edge(self, key: tuple[Rule, str], *, raised: bool, text: str) -> None:
        """Note an edge, if it is one."""
        if raised == (key in self.active):
            return
        rule, subject = key
        edge = "raised" if raised else "cleared"
        alert = Alert(
            id="/".join((self.session, str(self.record), rule, subject, edge)),
            session=self.session,
            rule=rule,
            subject=subject,
            edge="raised" if raised else "cleared",
            severity=SEVERITIES[rule],
            ts_ns=self.ts_ns,
            record=self.record,
            text=text,
        )
        self._found.append(alert)
        if raised:
            self.active[key] = alert
        else:
            del self.active[key]
