"""Follow a session: read what is new in its journal, keep running figures, hand out the news.

The follower holds sums, the orders that are not over, and nothing else of the
past, so a poll costs the same at a million events as at a thousand. Profit needs
no quotes: it is exact cash plus positions at the mids that a decision saw.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import numpy as np

from hedgekit.journal.codec import decode
from hedgekit.journal.frames import NO_TRADE, leg_of, role
from hedgekit.journal.news import (
    BAR_COLUMNS,
    CommandRow,
    DecisionRow,
    FillRow,
    GapRow,
    Mark,
    News,
    PlanRow,
    ReconciledRow,
    Standing,
    WorkingOrder,
    ms,
)
from hedgekit.journal.performance import BarRule, is_entry, is_exit
from hedgekit.journal.source import QUOTE, Row, Source, Stretch
from hedgekit.journal.story import Decided, exactly, find
from hedgekit.types import (
    Ack,
    Action,
    Cancelled,
    Command,
    Decision,
    Fill,
    Gap,
    Order,
    PlanRevised,
    Reconciled,
    Record,
    Reject,
    SessionEnded,
    SessionStarted,
    Timer,
)

LIMIT, BODIES = 20_000, 1_000
"""Most rows, and most records that are no quotes, in one poll: what a notebook's loop can spare in one go."""

_PAUSES = {"pause": True, "flatten": True, "resume": False}


@dataclass
class _Found:
    """What a poll collects."""

    bars: list[tuple[float, ...]] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    fills: list[FillRow] = field(default_factory=list)
    decisions: list[DecisionRow] = field(default_factory=list)
    commands: list[CommandRow] = field(default_factory=list)
    gaps: list[GapRow] = field(default_factory=list)
    plans: list[PlanRow] = field(default_factory=list)
    reconciliations: list[ReconciledRow] = field(default_factory=list)


class Follower:
    """Reads a session's journal as it grows; never writes, never locks its writer out.

    Parameters
    ----------
    url_or_path : str or path
        The journal; it need not be there yet.
    session : str
        The session's name.

    Examples
    --------
    >>> follower = Follower("journal.db", "paper-1")          # doctest: +SKIP
    >>> news = follower.poll()                                # doctest: +SKIP
    >>> news.standing.phase, news.bars["z"]                   # doctest: +SKIP
    """

    def __init__(self, url_or_path: str | os.PathLike[str], session: str) -> None:
        self._source = Source(url_or_path, session)
        self.standing = Standing(session)
        self._counts: Counter[str] = Counter()
        self._rule: BarRule | None = None
        self._timer: tuple[int, int] = (0, 0)
        self._open: dict[str, WorkingOrder] = {}
        self._seen: set[str] = set()
        self._cash: list[Decimal] = []
        self._peak = [0.0, 0.0]
        self._trade = (0, False)
        self._side = 0

    def close(self) -> None:
        """Let go of the database."""
        self._source.close()

    def poll(self, limit: int = LIMIT) -> News:
        """Read at most ``limit`` further rows and return what they say.

        Raises
        ------
        JournalError
            If the journal is damaged, was replaced, or cannot be read. That it is not there yet is no error.
        """
        stretch = self._source.read(self.standing.records, limit, BODIES)
        found = _Found()
        for row in stretch.rows:
            self._take(row, decode(row.body), found)
        before = self.standing.records
        self._advance(stretch)
        bars = np.array(found.bars, dtype=np.float64).reshape(len(found.bars), len(BAR_COLUMNS))
        lists = {name: tuple(items) for name, items in vars(found).items() if name != "bars"}
        columns = {name: np.ascontiguousarray(bars[:, n]) for n, name in enumerate(BAR_COLUMNS)}
        return News(self.standing, columns, **lists, records=self.standing.records - before)

    def _advance(self, stretch: Stretch) -> None:
        now = self.standing
        if stretch.quotes:
            self._counts[QUOTE] += stretch.quotes
        self._stand(
            working=tuple(self._open.values()),
            counts=dict(self._counts),
            records=stretch.upto,
            behind=stretch.behind,
            last_ns=_newest(now.last_ns, stretch.last_ns),
            last_recorded_ns=_newest(now.last_recorded_ns, stretch.recorded_ns),
            last_quote_recorded_ns=_newest(now.last_quote_recorded_ns, stretch.quote_recorded_ns),
        )

    def _stand(self, **changes: Any) -> None:  # noqa: ANN401 - any of Standing's fields
        self.standing = replace(self.standing, **changes)

    # ----------------------------------------------------------------- records

    def _take(self, row: Row, record: Record, found: _Found) -> None:  # noqa: C901, PLR0912 - one case for each kind of record
        self._counts[row.type] += 1
        match record:
            case Decision():
                self._decision(Decided(row.id, record, self._timer == (row.id - 1, record.ts_ns)), found)
            case Timer():
                self._timer = row.id, record.ts_ns
            case Fill():
                self._fill(record, found)
            case Ack():
                if record.order_id in self._open and self._open[record.order_id].status == "unknown":
                    self._change(record.order_id, status="working")
            case Cancelled() | Reject():
                self._open.pop(record.order_id, None)
            case Command():
                found.commands.append(CommandRow(ms(record.ts_ns), record.name, record.ref))
                self._stand(paused=_PAUSES.get(record.name, self.standing.paused))
            case PlanRevised():
                found.plans.append(_plan(record))
                self._stand(plan=found.plans[-1])
            case Gap():
                found.gaps.append(GapRow(ms(record.ts_ns), ms(record.since_ns)))
            case Reconciled():
                found.reconciliations.append(ReconciledRow(ms(record.ts_ns), record.agrees, record.positions, record.cash))
            case SessionStarted():
                self._start(record)
            case SessionEnded():
                self._stand(ended=record.reason)
            case _:
                pass

    def _start(self, record: SessionStarted) -> None:
        self._rule = BarRule(record.params)
        self._cash = [Decimal(0) for _ in record.instruments]
        self._stand(
            started_ns=record.ts_ns,
            instruments=record.instruments,
            params=record.params,
            market=record.market,
            version=record.version,
            positions={instrument.key: Decimal(0) for instrument in record.instruments},
        )

    def _fill(self, fill: Fill, found: _Found) -> None:
        if fill.fill_id in self._seen:
            return
        self._seen.add(fill.fill_id)
        leg, instrument = find(self.standing.instruments, fill.instrument)
        order = self._open.get(fill.order_id)
        with exactly():
            paid = fill.qty * fill.price * instrument.multiplier
            self._cash[leg] -= paid + fill.fee
            positions = {**self.standing.positions, fill.instrument: self.standing.positions[fill.instrument] + fill.qty}
            self._stand(positions=positions, cash=sum(self._cash, Decimal(0)), fees=self.standing.fees + fill.fee)
        self._stand(fills=self.standing.fills + 1)
        expected = math.nan if order is None else order.expected
        slippage = (float(fill.price) - expected) * float(fill.qty) * float(instrument.multiplier)
        found.fills.append(
            FillRow(
                ts=ms(fill.ts_ns),
                trade=NO_TRADE if order is None else order.trade,
                leg=leg,
                role=role(leg),
                instrument=fill.instrument,
                qty=float(fill.qty),
                price=float(fill.price),
                fee=float(fill.fee),
                expected=expected,
                slippage=slippage,
                order_id=fill.order_id,
            )
        )
        if order is not None:
            left = order.left - float(fill.qty)
            if abs(left) < float(instrument.lot) / 2:
                del self._open[fill.order_id]
            else:
                self._change(fill.order_id, left=left, status="partially_filled")

    def _change(self, order_id: str, **changes: Any) -> None:  # noqa: ANN401 - any of WorkingOrder's fields
        if order_id in self._open:
            self._open[order_id] = replace(self._open[order_id], **changes)

    def _decision(self, item: Decided, found: _Found) -> None:
        decision = item.decision
        for order in decision.orders:
            self._open[order.order_id] = _working(order)
        for order_id in decision.cancels:
            self._change(order_id, cancelling=True)
        mids = tuple(_number(mid) for mid in decision.mids)
        self._stand(
            phase=decision.phase.value,
            trade=decision.trade,
            z=_number(decision.z),
            delta=_number(decision.delta),
            ratio=_number(decision.ratio),
            mids=mids,
        )
        if decision.action is not Action.HOLD:
            found.decisions.append(_row(decision))
        self._mark(decision, found)
        if self._rule is not None and self._rule.closes(item):
            self._bar(decision, mids, found)

    def _mark(self, decision: Decision, found: _Found) -> None:
        """Note a trade's entry and its exit, each once."""
        trade, inside = self._trade
        side = next((int(math.copysign(1, order.qty)) for order in decision.orders if order.leg == 0), 0)
        if is_entry(decision) and decision.trade != trade:
            self._trade, self._side = (decision.trade, True), side
            found.marks.append(Mark(ms(decision.ts_ns), _number(decision.z), side, "entry", decision.reason.value, decision.trade))
        elif inside and decision.trade == trade and is_exit(decision):
            self._trade = trade, False
            found.marks.append(Mark(ms(decision.ts_ns), _number(decision.z), self._side, "exit", decision.reason.value, trade))

    def _bar(self, decision: Decision, mids: Sequence[float], found: _Found) -> None:
        held = [float(qty) for qty in self.standing.positions.values()]
        worth = [
            float(cash) + (qty * float(instrument.multiplier) * mids[leg] if qty else 0.0)
            for leg, (cash, qty, instrument) in enumerate(zip(self._cash, held, self.standing.instruments, strict=True))
        ]
        money = [sum(worth), worth[0]]
        self._peak = [max(peak, value) for peak, value in zip(self._peak, money, strict=True)]
        falls = [value - peak for value, peak in zip(money, self._peak, strict=True)]
        legs = [_number(leg_of(mids, 0)), _number(leg_of(mids, 1)), held[0], held[1]]
        signal = [_number(value) for value in (decision.z, decision.ratio, decision.delta)]
        found.bars.append((ms(decision.ts_ns), *signal, *legs, *money, *falls))
        self._stand(bars=self.standing.bars + 1, hedged=money[0], unhedged=money[1])


def _newest(old: int | None, new: int | None) -> int | None:
    return new if old is None else old if new is None else max(old, new)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _working(order: Order) -> WorkingOrder:
    qty = float(order.qty)
    return WorkingOrder(
        order_id=order.order_id,
        ts=ms(order.ts_ns),
        trade=order.trade,
        leg=order.leg,
        role=role(order.leg),
        instrument=order.instrument,
        qty=qty,
        left=qty,
        expected=float(order.expected),
        status="unknown",
        cancelling=False,
    )


def _plan(record: PlanRevised) -> PlanRow:
    plan = record.plan
    p_value = _number(plan.evidence.p_value)
    return PlanRow(ms(record.ts_ns), plan.ratio, plan.stderr, plan.n, plan.method, ms(plan.valid_until_ns), p_value, plan.override)


def _row(decision: Decision) -> DecisionRow:
    return DecisionRow(
        ts=ms(decision.ts_ns),
        action=decision.action.value,
        reason=decision.reason.value,
        phase=decision.phase.value,
        trade=decision.trade,
        z=_number(decision.z),
        cost=decision.cost,
        benefit=decision.benefit,
        orders=len(decision.orders),
        cancels=len(decision.cancels),
    )
