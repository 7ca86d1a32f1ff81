"""A session written by hand, small enough to compute with a pencil, and strategies for records of every kind.

Three trades of KO against PEP on one-minute bars that close at second 1: a long
round trip whose primary fills in two parts; a short one whose hedge is refused,
so that what was filled of the primary is bought back; and a short one that is
open at the end. ``cents=True`` quotes everything in cents, with multiplier 0.01.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st

from hedgekit.journal import Journal
from hedgekit.types import (
    NS,
    Ack,
    Action,
    Cancelled,
    Decision,
    Evidence,
    Fill,
    HedgePlan,
    Instrument,
    Order,
    Phase,
    PlanRevised,
    Priority,
    Quote,
    Reason,
    Reconciled,
    Record,
    Reject,
    SessionEnded,
    SessionStarted,
    Timer,
)

KO, PEP = "ALPACA:KO", "ALPACA:PEP"
SESSION = "made"
Group = list[Record]


def ns(second: float) -> int:
    """Seconds, exact to the millisecond, as nanoseconds."""
    return round(second * 1000) * NS // 1000


class Maker:
    """Builds records of the session; keeps what is last quoted and held."""

    def __init__(self, *, cents: bool = False) -> None:
        self.scale = 100 if cents else 1
        self.multiplier = Decimal("0.01") if cents else Decimal(1)
        self.mids = (0.0, 0.0)
        self.held = (0.0, 0.0)

    def start(self) -> Record:
        """Return the first record."""
        instruments = tuple(Instrument(*key.split(":"), multiplier=self.multiplier) for key in (KO, PEP))
        params: dict[str, float | int | str | bool | None] = {"bar_s": 60.0, "bar_offset_s": 1.0, "evidence_override": None}
        return SessionStarted(ts_ns=0, session=SESSION, instruments=instruments, params=params, market={"sample": "hand"}, version="0")

    def quotes(self, at: float, ko: tuple[str, str], pep: tuple[str, str]) -> Group:
        """Return one quote of each leg, received 5 ms after the venue's time."""
        sides = [[float(Decimal(price) * self.scale) for price in pair] for pair in (ko, pep)]
        self.mids = (0.5 * sum(sides[0]), 0.5 * sum(sides[1]))
        return [
            Quote(ts_ns=ns(at + 0.005), instrument=key, venue_ns=ns(at), bid=bid, ask=ask, bid_size=100.0, ask_size=100.0)
            for key, (bid, ask) in zip((KO, PEP), sides, strict=True)
        ]

    def decide(  # noqa: PLR0913 - one row of the table
        self,
        at: float,
        what: tuple[Action, Reason, Phase],
        trade: int,
        z: float | None,
        orders: tuple[Order, ...] = (),
        cancels: tuple[str, ...] = (),
    ) -> Decision:
        """Return a decision on the last mids."""
        return Decision(
            ts_ns=ns(at), action=what[0], reason=what[1], phase=what[2], trade=trade, z=z, ratio=0.4, delta=0.01, cost=1.5, benefit=2.5,
            mids=self.mids, positions=self.held, targets=self.held, orders=orders, cancels=cancels,
        )  # fmt: skip

    def bar(self, at: float, what: tuple[Action, Reason, Phase], trade: int, z: float | None, orders: tuple[Order, ...] = ()) -> Group:
        """Return a bar close: the timer and what is decided on it."""
        return [Timer(ts_ns=ns(at)), self.decide(at, what, trade, z, orders)]

    def order(  # noqa: PLR0913 - one row of the table
        self, name: str, at: float, trade: int, qty: str, expected: str, priority: Priority = Priority.PRIMARY
    ) -> Order:
        """Return an order; the last figure of its name is its leg."""
        leg = int(name[-1])
        return Order(f"{SESSION}-{name}", ns(at), leg, (KO, PEP)[leg], Decimal(qty), Decimal(expected) * self.scale, priority, trade)

    def fill(  # noqa: PLR0913 - one row of the table
        self, name: str, fill_id: str, at: float, qty: str, price: str, fee: str
    ) -> Fill:
        """Return a fill at the venue's time ``at``, received 5 ms later."""
        leg = int(name[-1])
        self.held = tuple(h + float(qty) * (n == leg) for n, h in enumerate(self.held))  # type: ignore[assignment]  # two legs
        return Fill(
            ts_ns=ns(at + 0.005), order_id=f"{SESSION}-{name}", fill_id=fill_id, instrument=(KO, PEP)[leg], venue_ns=ns(at),
            qty=Decimal(qty), price=Decimal(price) * self.scale, fee=Decimal(fee),
        )  # fmt: skip


ENTRY = (Action.OPEN, Reason.ENTRY, Phase.OPENING)
WAIT = (Action.HOLD, Reason.WAIT_TARGET, Phase.OPEN)
TARGET = (Action.CLOSE, Reason.TARGET, Phase.CLOSING)
NOTHING = (Action.HOLD, Reason.NO_SIGNAL, Phase.FLAT)
REFUSED = (Action.REPAIR, Reason.LEG_REJECTED, Phase.CLOSING)
SHORTFALL = (Action.REPAIR, Reason.LEG_SHORTFALL, Phase.CLOSING)
WORKING = (Action.HOLD, Reason.WORKING, Phase.CLOSING)
SETTLED = (Action.HOLD, Reason.FILLED, Phase.FLAT)
SKIPPED = (Action.SKIP, Reason.COST_EXCEEDS_BENEFIT, Phase.OPEN)
DRIFTED = (Action.REBALANCE, Reason.DRIFT, Phase.OPEN)


def plan(at: float) -> PlanRevised:
    """Return a plan with an override, fitted at ``at``."""
    return PlanRevised(
        ts_ns=ns(at),
        plan=HedgePlan(
            0.4, 0.05, 250, "ols_returns", ns(at), ns(at + 600), Evidence("engle-granger", -2.0, None, 250), override="a hand-made test"
        ),
    )


def session(*, cents: bool = False) -> list[Group]:
    """Return the session, one group of records for each instant."""
    m = Maker(cents=cents)
    return [[m.start()], *_first(m), *_second(m), *_third(m)]


def _first(m: Maker) -> list[Group]:
    out: list[Group] = [m.quotes(60, ("99.99", "100.01"), ("49.99", "50.01"))]
    orders = (m.order("1-0", 61, 1, "10", "100.01"), m.order("1-1", 61, 1, "-8", "49.99", Priority.HEDGE))
    out.append([*m.bar(61, ENTRY, 1, -2.1, orders), plan(61)])
    out.append([Ack(ts_ns=ns(61.05), order_id=order.order_id, venue_order_id=f"v{order.leg}") for order in orders])
    done: Group = [m.fill("1-0", "f1", 120, "6", "100.11", "0.03"), m.fill("1-1", "f2", 120, "-8", "50.19", "0.02")]
    out.append(done + m.quotes(120, ("100.09", "100.11"), ("50.19", "50.21")))
    out.append(m.bar(121, WAIT, 1, -1.5))
    done = [m.fill("1-0", "f3", 180, "4", "101.01", "0.02")]
    out.append(done + m.quotes(180, ("100.99", "101.01"), ("49.99", "50.01")))
    closing = (m.order("2-0", 181, 1, "-10", "100.99", Priority.CLOSE), m.order("2-1", 181, 1, "8", "50.01", Priority.CLOSE))
    out.append(m.bar(181, TARGET, 1, -0.4, closing))
    done = [m.fill("2-0", "f4", 240, "-10", "101.98", "0.05"), m.fill("2-1", "f5", 240, "8", "51.01", "0.02")]
    out.append(done + m.quotes(240, ("101.98", "102.02"), ("50.99", "51.01")))
    return [*out, m.bar(241, NOTHING, 1, 0.1)]


def _second(m: Maker) -> list[Group]:
    out: list[Group] = [m.quotes(300, ("102.99", "103.01"), ("50.98", "51.02"))]
    orders = (m.order("3-0", 301, 2, "-10", "102.99"), m.order("3-1", 301, 2, "8", "51.02", Priority.HEDGE))
    out.append(m.bar(301, ENTRY, 2, 2.5, orders))
    ack, reject = (
        Ack(ts_ns=ns(301.05), order_id="made-3-0", venue_order_id="v2"),
        Reject(ts_ns=ns(301.05), order_id="made-3-1", code="403", message="no"),
    )
    out.append([ack, reject, m.decide(301.05, REFUSED, 2, 2.5, cancels=("made-3-0",))])
    first = m.fill("3-0", "f6", 360, "-4", "103.49", "0.02")
    back = m.order("4-0", 360.005, 2, "4", "103.51", Priority.CLOSE)
    over: Group = [first, *m.quotes(360, ("103.49", "103.51"), ("50.99", "51.01")), Cancelled(ts_ns=ns(360.005), order_id="made-3-0")]
    out.append([*over, m.decide(360.005, SHORTFALL, 2, 2.5, (back,))])
    out.append(m.bar(361, WORKING, 2, 2.0))
    last = m.fill("4-0", "f7", 420, "4", "103.01", "0.02")
    quotes = m.quotes(420, ("102.99", "103.01"), ("50.99", "51.01"))
    out.append([last, m.decide(420.005, SETTLED, 2, 2.0), *quotes])
    return [*out, m.bar(421, NOTHING, 2, None)]


def _third(m: Maker) -> list[Group]:
    out: list[Group] = [m.quotes(480, ("103.99", "104.01"), ("51.99", "52.01"))]
    orders = (m.order("5-0", 481, 3, "-10", "103.99"), m.order("5-1", 481, 3, "8", "52.01", Priority.HEDGE))
    out.append(m.bar(481, ENTRY, 3, 2.2, orders))
    part = m.fill("5-1", "f9", 540, "5", "53.01", "0.01")
    out.append([m.fill("5-0", "f8", 540, "-10", "104.99", "0.05"), part, part, *m.quotes(540, ("104.99", "105.01"), ("52.99", "53.01"))])
    out.append(m.bar(541, WAIT, 3, 1.9))
    out.append(m.quotes(600, ("103.99", "104.01"), ("53.49", "53.51")))
    out.append([*m.bar(601, WAIT, 3, 1.2), *m.bar(601, SKIPPED, 3, 1.2)])  # the bar, then a look at the delta at the same time
    drift = m.order("6-1", 603, 3, "1", "53.51", Priority.HEDGE)
    held = {KO: Decimal(-10), PEP: Decimal(5)}
    return [*out, [*m.bar(603, DRIFTED, 3, 1.2, (drift,)), Reconciled(ts_ns=ns(603), positions=held, cash=Decimal("795.07"), agrees=True)]]


def end(at: float = 700) -> SessionEnded:
    """Return the last record."""
    return SessionEnded(ts_ns=ns(at), reason="tape ended")


def write(where: str | Path, groups: Iterable[Group], name: str = SESSION, first_instant: int = 1) -> str:
    """Journal groups of records, one commit for each; return the head."""
    with Journal.open(where, name) as journal:
        for instant, group in enumerate(groups, first_instant):
            for record in group:
                journal.append(msgspec.structs.replace(record, session=name) if isinstance(record, SessionStarted) else record)
            journal.commit(instant)
        return journal.head


START = Maker().start()
EVERY = [record for group in session() for record in group]

# ------------------------------------------------------------------ strategies

_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**62), 2**62),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(),
    bool: st.booleans(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    type(None): st.none(),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Return values of a field's type: numbers, texts, enums, tuples, dicts, unions and structs."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return st.one_of([values(arm) for arm in typing.get_args(kind)])
    if typing.get_origin(kind) is tuple:
        return st.lists(values(typing.get_args(kind)[0]), max_size=3).map(tuple)
    if typing.get_origin(kind) is dict:
        return st.dictionaries(*map(values, typing.get_args(kind)), max_size=3)
    if typing.get_origin(kind) is typing.Literal or issubclass(kind, Enum):
        return st.sampled_from(typing.get_args(kind) or list(kind))
    return st.builds(kind, **{name: values(field) for name, field in typing.get_type_hints(kind).items() if name in kind.__struct_fields__})


RECORDS: st.SearchStrategy[Any] = st.one_of([values(kind) for kind in typing.get_args(Record)])


def differing(one: Any, other: Any) -> list[str]:
    """Return the fields in which two are not alike; NaN is like NaN."""
    names = [field.name for field in dataclasses.fields(one) if field.compare]
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in names}
    return [name for name, (mine, theirs) in pairs.items() if mine != theirs and repr(mine) != repr(theirs)]
