"""A session in which everything goes wrong once, by hand: records, and the alerts that they are."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from hedgekit.alerts import Alert, Limits, Watch
from hedgekit.journal import Journal
from hedgekit.types import (
    NS,
    Ack,
    Action,
    Decision,
    Evidence,
    Fill,
    HedgePlan,
    Instrument,
    Link,
    MarketStatus,
    Order,
    Phase,
    PlanRevised,
    Priority,
    Quote,
    Reason,
    Record,
    Reject,
    SessionStarted,
    Timer,
)

SESSION = "wrong"
KO, PEP = "ALPACA:KO", "ALPACA:PEP"
LIMITS = Limits(delta_s=30.0, drawdown=500.0)


def start(session: str = SESSION, **params: Any) -> SessionStarted:
    """Return the first record: a corridor of 5%, a budget of 60 s of $100,000."""
    return SessionStarted(
        ts_ns=0,
        session=session,
        instruments=(Instrument("ALPACA", "KO"), Instrument("ALPACA", "PEP")),
        params={"tolerance": 0.05, "notional": 100_000.0, "naked_limit_s": 60.0, **params},
        market={},
        version="0",
    )


def decision(  # noqa: PLR0913 - what a rule looks at
    at: float,
    *,
    delta: float | None = None,
    reason: Reason = Reason.WAIT_TARGET,
    phase: Phase = Phase.OPEN,
    trade: int = 1,
    naked: float = 0.0,
    mids: tuple[float | None, float | None] = (100.0, 50.0),
    orders: tuple[Order, ...] = (),
) -> Decision:
    """Return a decision."""
    return Decision(
        ts_ns=round(at * NS), action=Action.HOLD, reason=reason, phase=phase, trade=trade, z=None, ratio=None, delta=delta, cost=0.0,
        benefit=0.0, mids=mids, positions=(0.0, 0.0), targets=(0.0, 0.0), orders=orders, naked=naked,
    )  # fmt: skip


def order(name: str, leg: int = 0, qty: str = "10") -> Order:
    """Return an order."""
    return Order(name, 0, leg, (KO, PEP)[leg], Decimal(qty), Decimal(100), Priority.PRIMARY, 1)


def fill(at: float, name: str, qty: str, price: str, leg: int = 0) -> Fill:
    """Return a fill without a fee."""
    key, ns = (KO, PEP)[leg], round(at * NS)
    return Fill(
        ts_ns=ns,
        order_id=name,
        fill_id=f"f-{name}-{at}",
        instrument=key,
        venue_ns=ns,
        qty=Decimal(qty),
        price=Decimal(price),
        fee=Decimal(0),
    )


def plan(at: float, until: float, ratio: float = 0.8) -> PlanRevised:
    """Return a plan that is good until a second."""
    made = HedgePlan(ratio, 0.1, 250, "ols", round(at * NS), round(until * NS), Evidence("engle-granger", None, None, 250))
    return PlanRevised(ts_ns=round(at * NS), plan=made)


def link(at: float, state: str, since: float) -> Link:
    """Return how the venue is heard."""
    return Link(ts_ns=round(at * NS), venue="ALPACA", state=state, since_ns=round(since * NS))  # type: ignore[arg-type] # one of the four


def timer(at: float) -> Timer:
    """Return a timer."""
    return Timer(ts_ns=round(at * NS))


def quote(at: float) -> Quote:
    """Return a quote."""
    return Quote(ts_ns=round(at * NS), instrument=KO, venue_ns=round(at * NS), bid=99.0, ask=101.0, bid_size=1.0, ask_size=1.0)


def status(at: float, key: str, what: str) -> MarketStatus:
    """Return whether an instrument can be traded."""
    return MarketStatus(ts_ns=round(at * NS), instrument=key, status=what)  # type: ignore[arg-type] # one of the four


def story() -> list[Record]:
    """Return the session's records; each rule but silence is raised and cleared."""
    return [
        start(),
        plan(1, until=1_000),
        quote(2),
        decision(10, phase=Phase.OPENING, orders=(order("o-1"), order("o-2", 1, "-20"))),
        Ack(ts_ns=11 * NS, order_id="o-1", venue_order_id="v1"),
        Reject(ts_ns=12 * NS, order_id="o-2", code="403", message="not shortable"),
        fill(13, "o-1", "10", "100"),
        decision(14, naked=1_000.0, orders=(order("o-3", 1, "-20"),)),
        Ack(ts_ns=15 * NS, order_id="o-3", venue_order_id="v2"),
        decision(20, delta=0.08),
        quote(40),
        decision(49, delta=0.09),
        decision(51, delta=0.07),
        decision(60, delta=-0.02),
        decision(70, naked=3_100_000.0, reason=Reason.NAKED_LIMIT),
        decision(80, naked=6_100_000.0),
        decision(90, mids=(40.0, 50.0)),
        decision(95, mids=(55.0, 50.0)),
        decision(99, mids=(61.0, 50.0)),
        decision(100, phase=Phase.FLAT, naked=6_100_000.0),
        link(200, "down", 155),
        timer(230),
        link(300, "up", 155),
        link(400, "frozen", 355),
        link(410, "up", 355),
        timer(1_000),
        timer(1_001),
        plan(1_100, until=2_000, ratio=0.75),
    ]


EDGES = [
    (6, "rejects", PEP, "raised"),
    (9, "rejects", PEP, "cleared"),
    (13, "delta", "", "raised"),
    (14, "delta", "", "cleared"),
    (15, "naked leg", "", "raised"),
    (16, "naked budget", "", "raised"),
    (17, "drawdown", "", "raised"),
    (19, "drawdown", "", "cleared"),
    (20, "naked leg", "", "cleared"),
    (20, "naked budget", "", "cleared"),
    (21, "breaker", "ALPACA", "raised"),
    (23, "breaker", "ALPACA", "cleared"),
    (24, "breaker", "ALPACA", "raised"),
    (25, "breaker", "ALPACA", "cleared"),
    (27, "plan expired", "", "raised"),
    (28, "plan expired", "", "cleared"),
]
"""The alerts of the story: record, rule, subject, edge."""


def edges(alerts: Sequence[Alert]) -> list[tuple[int, str, str, str]]:
    """Return what alerts are, without their words."""
    return [(alert.record, alert.rule, alert.subject, alert.edge) for alert in alerts]


def watched(records: Sequence[Record], limits: Limits = LIMITS, session: str = SESSION) -> list[Alert]:
    """Return the alerts of records read at once; quotes are skipped, as a reader does."""
    watch = Watch(session, limits)
    return [alert for id_, record in enumerate(records, 1) if not isinstance(record, Quote) for alert in watch.take(id_, record)]


def write(where: Path, records: Sequence[Record], session: str = SESSION) -> Path:
    """Journal records after those that are there, in one commit."""
    with Journal.open(where, session) as journal:
        for record in records:
            journal.append(record)
        journal.commit(journal.last_instant + 1)
    return where
