"""What a trader acts on: decisions weighed, incidents, parity with a replay, trials, and what to change next with its evidence."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from IPython.display import HTML

from hedgekit.errors import HedgekitError, JournalError
from hedgekit.replay import replay
from hedgekit.report.words import NOTHING, Html, bp, count, esc, label, money, num, pct, span, table
from hedgekit.stats.breaks import revalidate
from hedgekit.stats.reversion import ou
from hedgekit.stats.thresholds import bertram
from hedgekit.types import NS, Command, Decision, Fill, Gap, Link, MarketStatus, PlanRevised, Reason, Reconciled, Record, Reject, Switch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hedgekit.report.session import Session

SHOWN = 40
"""Incidents listed; the newest, and it is said how many more there were."""
TAKEN = ("open", "rebalance", "repair")
_STATES = {"down": "fell silent", "frozen": "its prices stood still", "restarted": "the session was started again"}

BASKET = "a basket is not judged here, only a pair; refit it with hedgekit.stats.ratio"
_BY_ITSELF = {Reason.VENUE_SILENT, Reason.NAKED_LIMIT, Reason.CUT_BACK, Reason.STOOD_IN}


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that went wrong, or that a person did: when, what, and for how long (0: at once, -1: until the end)."""

    ts_ns: int
    what: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Parity:
    """What a replay of the journal gave: decisions that were the same, or the first that was not."""

    decisions: int
    events: int
    differs: str = ""


def incidents_of(records: Iterable[Record]) -> list[Incident]:
    """Return a session's incidents in order: links, gaps, halts, reconciliations that did not agree, refusals, the breaker, commands."""
    found: list[Incident] = []
    since: dict[str, tuple[int, str]] = {}
    for record in records:
        if (once := _at_once(record)) is not None:
            found.append(once)
        elif (lasting := _lasting(record)) is not None:
            key, what = lasting
            if what:
                since.setdefault(key, (record.ts_ns, what))
            elif key in since:
                began, name = since.pop(key)
                found.append(Incident(began, name, (record.ts_ns - began) / NS))
    found += [Incident(began, what, -1.0) for began, what in since.values()]
    return sorted(found, key=lambda incident: incident.ts_ns)


def _at_once(r: Record) -> Incident | None:  # noqa: PLR0911 - one for each kind of record
    """Return what happened at one time."""
    match r:
        case Link(state="restarted"):
            return Incident(r.ts_ns, f"{r.venue}: {_STATES['restarted']}")
        case Gap():
            return Incident(r.since_ns, "prices were missed", (r.ts_ns - r.since_ns) / NS)
        case Reconciled(agrees=False):
            return Incident(r.ts_ns, f"reconciliation did not agree{f' at {r.venue}' if r.venue else ''}")
        case Reject():
            return Incident(r.ts_ns, f"order refused ({r.code}): {r.message}")
        case Command() if r.ref:
            return Incident(r.ts_ns, f"command: {r.name}{f', refused: {r.refusal}' if r.refusal else ''}")
        case Fill(cause="reversal"):
            return Incident(r.ts_ns, f"execution taken back by the venue: {-r.qty:+} {r.instrument} at {r.price}")
        case Fill(cause="settlement"):
            return Incident(r.ts_ns, f"contract settled: {r.instrument} at {r.price}")
        case Decision() if r.reason in _BY_ITSELF:
            return Incident(r.ts_ns, f"{label(r.reason)}: {label(r.action)}, trade {r.trade}")
    return None


def _lasting(r: Record) -> tuple[str, str] | None:
    """Return what began, or an empty text for what ended, and of what."""
    if isinstance(r, Link):
        return r.venue, "" if r.state == "up" else f"{r.venue}: {_STATES[r.state]}"
    if isinstance(r, Switch):
        return f"{r.venue} switch", "" if r.state == "held" else f"{r.venue}: took no beat of the dead man's switch"
    if isinstance(r, MarketStatus):
        return r.instrument, f"{r.instrument}: {r.status}" if r.status in {"halted", "paused"} else ""
    return None


def parity_of(records: Sequence[Record]) -> Parity:
    """Decide everything again from the journal's events; every decision must be the same, bit for bit (L1)."""
    try:
        done = replay(records)
    except JournalError as error:
        return Parity(0, 0, str(error)[:400])
    return Parity(done.decisions, done.events)


def weighed(s: Session) -> HTML:
    """Decisions that were weighed, taken and skipped: what they cost, and the risk that they took off or the edge that they had."""
    d = s.decisions
    worth = d[(d["cost"] > 0) | (d["benefit"] > 0)]
    rows = []
    for taken in (True, False):
        part = worth[worth["action"].isin(TAKEN) == taken]
        for (action, reason), group in part.groupby(["action", "reason"], sort=False):
            cost, benefit = float(group["cost"].sum()), float(group["benefit"].sum())
            what = "edge expected" if action == "open" or reason == "edge_below_cost" else "risk removed"
            ratio = f"{benefit / cost:,.1f} x" if cost > 0 else NOTHING
            name = f"{label(str(action))}: {label(str(reason))}"
            rows.append(("taken" if taken else "skipped", name, count(len(group)), money(cost), money(benefit), ratio, what))
    if not any(row[0] == "skipped" for row in rows):
        rows.append(("skipped", "none was weighed and left", "0", money(0.0), money(0.0), NOTHING, ""))
    head = ("", "decision", "times", "cost", "against it", "for each $ of cost", "which is")
    return HTML(table(head, rows, words={0, 1, 6}))


def incidents(s: Session) -> HTML:
    """List what went wrong, with times; say so if nothing did."""
    agreed = f" {count(s.reconciled, 'reconciliation')} agreed." if s.reconciled else ""
    if not s.incidents:
        return HTML(f"<p>No fault, no silence, no refusal, no command.{agreed}</p>")
    kinds = Counter(incident.what.partition(":")[0].partition("(")[0].strip() for incident in s.incidents)
    line = f"{count(len(s.incidents), 'incident')}: {', '.join(f'{n} x {kind}' for kind, n in kinds.most_common(6))}."
    rows = [
        (_at(i.ts_ns), "until the end" if i.seconds < 0 else span(i.seconds) if i.seconds else "", i.what) for i in s.incidents[-SHOWN:]
    ]
    more = f"The newest {SHOWN} of {len(s.incidents)}" if len(s.incidents) > SHOWN else ""
    return HTML(f"<p>{esc(line + agreed)}</p>{table(('time (UTC)', 'lasted', 'what'), rows, words=range(3), caption=more)}")


def _at(ts_ns: int) -> str:
    return pd.Timestamp(ts_ns, unit="ns", tz="UTC").strftime("%Y-%m-%d %H:%M:%S")


def parity(s: Session) -> HTML:
    """Say whether this code decides the same from the journal, and name the hash by which another machine can check it."""
    if s.parity.differs:
        return HTML(f"<p><b>Replay differs:</b> {esc(s.parity.differs)}</p>")
    same = f"Replayed from its {count(s.parity.events)} events: all {count(s.parity.decisions)} decisions identical, bit for bit."
    return HTML(f"<p>{esc(same)} Economic content: <code>{esc(s.summary.economic_digest)}</code></p>")


def trials(s: Session) -> HTML:
    """Say how many variants were tried before this one."""
    if s.study:
        tried = count(s.trials, "variant")
        words = f"Study {s.study!r}: {tried} tried before this was shown; the intervals do not allow for choosing among them."
    else:
        words = "No study was named (-p study NAME), so this page counts one trial. If others were tried, the best of them looks too good."
    return HTML(f"<p>{esc(words)}</p>")


def next_steps(s: Session) -> HTML:
    """Say what to change, thresholds, band and ratio, each with the evidence; "nothing" is an answer."""
    rows = [_ratio(s), _thresholds(s), _band(s), _legs(s)]
    return HTML(table(("what", "now", "do", "evidence"), rows, words=range(4)))


def _ratio(s: Session) -> tuple[object, ...]:
    plan = s.plan
    origin = "plan file" if s.given and s.given[-1].plan == plan else "plan"
    now = f"{num(plan.ratio)} ({origin} of {_at(plan.fitted_at_ns)[:10]})"
    if len(s.hedges) > 1:
        return "hedge ratio", now, "keep until its expiry", BASKET
    prices = s.equity[["mid_primary", "mid_hedge"]]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = revalidate(plan, prices["mid_primary"], prices["mid_hedge"])
    except HedgekitError as error:
        return "hedge ratio", now, "keep until its expiry", f"cannot be judged yet: {error}"
    to = "" if found.plan is None or found.decision == "keep" else f" to {num(found.plan.ratio)}"
    return "hedge ratio", now, Html(f"<b>{esc(found.decision + to)}</b>"), "; ".join(found.reasons)


def _thresholds(s: Session) -> tuple[object, ...]:
    p = s.params
    now = f"entry {num(p.entry)}, target {num(p.target)}, stop {num(p.stop)} sd"
    if len(s.hedges) > 1:
        return "thresholds", now, "leave", BASKET
    frame = s.equity[["mid_primary", "mid_hedge"]].tail(max(s.plan.n, 60))
    spread = np.log(frame["mid_primary"].to_numpy()) - s.plan.ratio * np.log(frame["mid_hedge"].to_numpy())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = ou(spread, fitted_ratio=1)
    except HedgekitError as error:
        return "thresholds", now, "leave", f"no fit: {error}"
    if fit.ou is None:
        why = f"the spread of the last {count(fit.n)} bars shows no reversion ({fit.reason}): no threshold earns from it"
        return "thresholds", now, Html("<b>no new entries on this spread</b>"), why
    traded = s.summary.primary.traded + s.summary.hedge.traded
    cost = 2 * s.summary.costs / traded * (1 + abs(s.plan.ratio)) if traded else 0.0
    best = bertram(fit.ou, cost)
    life = f"half-life {num(fit.half_life, 1)} bars [{num(fit.half_life_low, 1)}, {num(fit.half_life_high, 1)}], round trip {bp(cost)}"
    level = f"best entry net of cost {num(best.z_entry)} stationary sd (Bertram 2010); {best.reason}"
    return "thresholds", now, "compare on a backtest", f"{life}; {level}. A window's z is not the stationary sd: not a number to copy."


def _band(s: Session) -> tuple[object, ...]:
    d = s.decisions
    done, left = d[d["action"] == "rebalance"], d[d["reason"] == "cost_exceeds_benefit"]
    cost, off = float(done["cost"].sum()), float(done["benefit"].sum())
    now = f"corridor {pct(s.params.tolerance)}, to the {s.params.rebalance_to}"
    if not len(done):
        return "rebalance band", now, "leave", f"no rebalance; {count(len(left))} weighed and left"
    took = f"{count(len(done), 'rebalance')} cost {money(cost)} for {money(off)} of risk"
    why = f"{took}; {count(len(left))} left, which would have cost {money(float(left['cost'].sum()))}"
    wider = cost > off
    return "rebalance band", now, Html("<b>widen it</b>") if wider else "leave", why


def _legs(s: Session) -> tuple[object, ...]:
    n = s.summary.naked
    do = "look at patience and order type" if n.beyond > n.helpless else "leave"
    return "legs apart", f"{s.params.order_type}, patience {span(s.params.patience_s)}", do, n.text


def last_plan(records: Iterable[Record]) -> PlanRevised:
    """Return the newest plan; a session that can be reported has one."""
    return [r for r in records if isinstance(r, PlanRevised)][-1]
