"""Journals of orders whose whole life is planted, and a real session against a sandbox of chosen latencies."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from hedgekit import demo
from hedgekit.data import Recipe, SyntheticMarket
from hedgekit.exchange import FillModel
from hedgekit.journal import Journal
from hedgekit.launch import Child
from hedgekit.paper.config import CONTROL_TOKEN_ENV
from hedgekit.types import (
    NS,
    Ack,
    Action,
    Cancelled,
    Decision,
    Fill,
    Instrument,
    Order,
    Phase,
    Priority,
    Quote,
    Reason,
    Record,
    Reject,
    SessionStarted,
)
from hedgekit.venues.alpaca import Alpaca
from tests.paper.rig import Rig

INSTRUMENTS = (Instrument("MADE", "AA"), Instrument("MADE", "BB"))
KEYS = tuple(instrument.key for instrument in INSTRUMENTS)
MS = 1_000_000
SECOND = NS


BY_SECOND = SyntheticMarket(rows=600, half_life=8.0, spread_sd=0.004, hedge_vol=0.0005)
SECOND_PARAMS = {**demo.PARAMS, "bar_s": 1.0, "bar_offset_s": 0.5, "fit_bars": 60}
"""A market in which an answer that takes seconds takes several quotes."""


def finished(folder: Path, model: FillModel, market: Recipe, params: Mapping[str, Any]) -> Rig:
    """Run one whole session against a sandbox with these latencies."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = {name: secrets.token_hex(16) for name in (*Alpaca.key_env, CONTROL_TOKEN_ENV)}
    command = ["sandbox", "--market", demo.encode(market), "--model", msgspec.json.encode(model).decode()]
    with (folder / "sandbox.log").open("wb") as log, Child(command, secrets=keys, log=log) as child:
        rig = Rig(folder, market, keys, msgspec.json.decode(child.line()))
        done = rig.run(rig.config(params=dict(params)))
        assert done.returncode == 0, done.stderr
    return rig


@dataclass
class Life:
    """An order and what became of it; times in ns after ``at``, the venue's own for fills and cancel."""

    at: int
    qty: int = 10
    leg: int = 0
    ack: int | None = 30 * MS
    fills: Sequence[tuple[int, int, str]] = ()
    cancelled: int | None = None
    refused: int | None = None
    trade: int = 1
    expected: str = "100.01"
    priority: Priority = Priority.PRIMARY
    stream: int = 5 * MS
    """How long word of a fill or cancel takes."""

    def records(self, number: int) -> Iterable[Record]:
        """Yield the decision, the Ack, the fills and the end."""
        name, key = f"made-{number}-{self.leg}", KEYS[self.leg]
        order = Order(name, self.at, self.leg, key, Decimal(self.qty), Decimal(self.expected), self.priority, self.trade)
        yield decision(self.at, Action.OPEN, Reason.ENTRY, self.trade, orders=(order,))
        if self.ack is not None:
            yield Ack(ts_ns=self.at + self.ack, order_id=name, venue_order_id=f"v{number}")
        for part, (after, qty, price) in enumerate(self.fills):
            at = self.at + after
            yield Fill(
                ts_ns=at + self.stream, order_id=name, fill_id=f"{name}-{part}", instrument=key, venue_ns=at,
                qty=Decimal(qty), price=Decimal(price), fee=Decimal("0.01"),
            )  # fmt: skip
        if self.cancelled is not None:
            yield Cancelled(ts_ns=self.at + self.cancelled + self.stream, order_id=name)
        if self.refused is not None:
            yield Reject(ts_ns=self.at + self.refused, order_id=name, code="403", message="no")


def decision(  # noqa: PLR0913 - one row
    at: int, action: Action, reason: Reason, trade: int = 0, *, phase: Phase = Phase.FLAT, orders: tuple[Order, ...] = ()
) -> Decision:
    """Return a decision on mids of 100 and 50."""
    return Decision(
        ts_ns=at, action=action, reason=reason, phase=phase, trade=trade, z=2.0, ratio=1.0, delta=0.0, cost=0.0, benefit=0.0,
        mids=(100.0, 50.0), positions=(0.0, 0.0), targets=(0.0, 0.0), orders=orders,
    )  # fmt: skip


def quote(at: int, leg: int = 0, *, bid: float = 99.99, ask: float = 100.01, size: float = 100.0) -> Quote:
    """Return a quote that the venue had at ``at``, heard 5 ms later."""
    return Quote(ts_ns=at + 5 * MS, instrument=KEYS[leg], venue_ns=at, bid=bid, ask=ask, bid_size=size, ask_size=size)


def journal(where: Path, lives: Sequence[Life], others: Sequence[Record] = (), *, until: int | None = None, bar_s: float = 60.0) -> Journal:
    """Write a session of these orders and other records, in order of time; return it for reading."""
    params: dict[str, float | int | str | bool | None] = {"bar_s": bar_s, "bar_offset_s": 0.0}
    start = SessionStarted(ts_ns=0, session="made", instruments=INSTRUMENTS, params=params, market={}, version="0")
    records: list[Record] = [record for number, life in enumerate(lives) for record in life.records(number)]
    records += others
    if until is not None:
        records.append(decision(until, Action.HOLD, Reason.NO_SIGNAL))
    with Journal.open(where, "made") as writing:
        writing.append(start)
        for record in sorted(records, key=lambda record: record.ts_ns):
            writing.append(record)
        writing.commit(1)
    return Journal.open(where, "made", mode="read")
