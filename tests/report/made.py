"""Sessions made for the report's tests: the real Hedger on real closes, filled by a few lines instead of a venue.

An order is sent at a bar's close and fills from the next day's quote on, at the
touch and at most the displayed size. One order is refused on purpose, so that a
report has a rejection to show.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from hedgekit.data import Market, Tape
from hedgekit.hedger import Hedger
from hedgekit.journal import Journal
from hedgekit.params import Params
from hedgekit.plans import PlanFile
from hedgekit.stats.ratio import plan_at
from hedgekit.types import (
    NS,
    Ack,
    Action,
    Command,
    Decision,
    Fill,
    Order,
    PlanRevised,
    Quote,
    Reason,
    Record,
    Reject,
    SessionEnded,
    SessionStarted,
    Timer,
)

OVERRIDE = "The demo shows <honest> failures: KO and PEP are not cointegrated"
PARAMS = Params.make(
    bar_s=86_400, bar_offset_s=75_601, max_quote_age_s=5, fit_bars=60, plan_valid_days=365, slippage_buffer=0.0, evidence_override=OVERRIDE
)
MARKET = Market(first="1990-01-02", last="1992-06-30")
_WS, _UP = 5_000_000, 25_000_000


def records(
    market: Market = MARKET, params: Params = PARAMS, session: str = "made", refuse: int = 9, given: tuple[int, PlanFile] | None = None
) -> Iterator[list[Record]]:
    """Yield a session's records, one list for each instant; at a bar of this number a plan file may be given, as a person would."""
    tape = market.tape()
    hedger = Hedger(session, tape.instruments, params)
    first = int(tape.ts_ns[0]) - 60 * NS
    stated = {name: str(getattr(market, name)) for name in market.__struct_fields__ if getattr(market, name) is not None}
    stated |= {"description": tape.description, "digest": tape.digest, "rows": str(len(tape))}
    yield [
        SessionStarted(
            ts_ns=first, session=session, instruments=tape.instruments, params=params.model_dump(), market=stated, version="0.1.0"
        )
    ]
    venue = _Venue(hedger, tape, refuse)
    next_fit = params.fit_bars + 1
    for row in range(len(tape)):
        ts = int(tape.ts_ns[row]) + _WS
        yield venue.quotes(row, ts)
        while (wake := hedger.wakeup_ns) is not None and (row + 1 == len(tape) or wake <= tape.ts_ns[row + 1]):
            bars = hedger.bars
            out: list[Record] = [*venue.take(Timer(ts_ns=wake))]
            if hedger.bars > bars and hedger.bars == next_fit:
                next_fit += params.refit_bars
                out += venue.take(PlanRevised(ts_ns=wake, plan=plan_at(tape.mid[: row + 1, 0], tape.mid[: row + 1, 1], wake, params)))
            if given is not None and hedger.bars == given[0] > bars:
                assert given[1].plan is not None
                out += venue.take(Command(ts_ns=wake, name="plan", ref="by hand"))
                out += venue.take(PlanRevised(ts_ns=wake, plan=given[1].plan, source=given[1].checksum))
            yield out + venue.acks(wake)
            if row + 1 == len(tape):
                break
    yield [SessionEnded(ts_ns=int(tape.ts_ns[-1]) + 100 * NS, reason="tape ended")]


class _Venue:
    def __init__(self, hedger: Hedger, tape: Tape, refuse: int) -> None:
        self.hedger, self.tape, self.refuse = hedger, tape, refuse
        self.working: list[tuple[Order, Decimal]] = []
        self.fresh: list[Order] = []
        self.fills = self.sent = 0

    def take(self, event: Record) -> list[Record]:
        decision = self.hedger.on(event)  # type: ignore[arg-type]  # a Record that is an Input
        self.fresh += decision.orders
        kept: list[Record] = [] if decision.action is Action.HOLD and decision.reason in {Reason.NOTED, Reason.IN_BAND} else [decision]
        return [event, *kept]

    def acks(self, ts: int) -> list[Record]:
        out: list[Record] = []
        orders, self.fresh = self.fresh, []
        for order in orders:
            self.sent += 1
            at = ts + 2 * _UP
            if self.sent == self.refuse:
                out += self.take(Reject(ts_ns=at, order_id=order.order_id, code="40310000", message="insufficient <buying> power"))
                continue
            self.working.append((order, order.qty))
            out += self.take(Ack(ts_ns=at, order_id=order.order_id, venue_order_id=f"v-{self.sent}"))
        return out + (self.acks(ts) if self.fresh else [])

    def quotes(self, row: int, ts: int) -> list[Record]:
        tape, out = self.tape, []
        left = [(tape.ask_size[row, leg], tape.bid_size[row, leg]) for leg in range(2)]
        waiting, self.working = self.working, []
        for order, qty in waiting:
            size = Decimal(int(left[order.leg][0 if qty > 0 else 1]))
            done = min(qty, size) if qty > 0 else max(qty, -size)
            price = Decimal(repr(round(float((tape.ask if qty > 0 else tape.bid)[row, order.leg]), 2)))
            fee = tape.instruments[order.leg].fees.of(done, price, Decimal(1))
            if done:
                self.fills += 1
                fill = Fill(
                    ts_ns=ts,
                    order_id=order.order_id,
                    fill_id=f"f-{self.fills}",
                    instrument=order.instrument,
                    venue_ns=int(tape.ts_ns[row]),
                    qty=done,
                    price=price,
                    fee=fee,
                )
                out += self.take(fill)
            if done != qty:
                self.working.append((order, qty - done))
        for leg, instrument in enumerate(tape.instruments):
            figures = (float(side[row, leg]) for side in (tape.bid, tape.ask, tape.bid_size, tape.ask_size))
            bid, ask, bid_size, ask_size = figures
            quote = Quote(
                ts_ns=ts,
                instrument=instrument.key,
                venue_ns=int(tape.ts_ns[row]),
                bid=bid,
                ask=ask,
                bid_size=bid_size,
                ask_size=ask_size,
            )
            out += self.take(quote)
        return out + self.acks(ts)


def write(path: Path, market: Market = MARKET, params: Params = PARAMS, session: str = "made", **rest: Any) -> Path:
    """Write a session into the journal at ``path``."""
    with Journal.open(path, session, mode="write") as journal:
        for number, instant in enumerate(records(market, params, session, **rest), start=1):
            for record in instant:
                journal.append(record)
            journal.commit(number)
    return path


def decisions(instants: list[list[Record]]) -> list[Decision]:
    """Return the decisions of a session."""
    return [record for instant in instants for record in instant if isinstance(record, Decision)]
