"""Driver 1: history through the same step as live, in one compiled pass.

The loop stands in for the venue by a named fill model (``exchange.FillModel``):
``next_quote`` lets an order match first on the first quote that comes after it
has reached the venue, buys at the ask and sells at the bid, at most the
displayed size, the rest on the quotes that follow. Latencies are those of the
sandbox, so a paper session on the same tape makes the same decisions (L1).

The pass stops at each bar on which a new hedge ratio is due, lets Python
estimate it from the bars so far, and goes on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.compiled import compiled
from hedgekit.errors import ConfigError
from hedgekit.hedger import Unpacker, pack_params, whole
from hedgekit.rules.state import (
    COMMAND,
    DONE,
    FILL,
    HOLD,
    IN_BAND,
    LEGS_MAX,
    NOTED,
    OBSERVATION,
    OUT,
    PLAN,
    QUOTE,
    STATE,
    STOP_CMD,
    TIMER,
)
from hedgekit.stats.revise import Reviser
from hedgekit.step import step, wakeup_ns
from hedgekit.types import Cancelled, Decision, Fill, HedgePlan, PlanRevised

if TYPE_CHECKING:
    from hedgekit.data import Tape
    from hedgekit.exchange import FillModel
    from hedgekit.params import Params

# ruff: noqa: ANN001, ANN202 - compiled functions: numba infers every type, and checks it

_QUEUE = 64
_NEVER = np.iinfo(np.int64).max
_DECIDED, _FILLED, _OVER = range(3)
_FINISHED, _REVISE, _FULL = range(3)

_i, _f = np.int64, np.float64
CURSOR = np.dtype(
    [
        ("row", _i),
        ("last_ns", _i),
        ("stopped", _i),
        ("logged", _i),
        ("bars", _i),
        ("count", _i, (LEGS_MAX,)),
        ("qty", _f, (LEGS_MAX, _QUEUE)),
        ("arrive_ns", _i, (LEGS_MAX, _QUEUE)),
        ("void_ns", _i, (LEGS_MAX,)),  # when a cancel reaches the venue; 0 for none
    ],
    align=True,
)
LOG = np.dtype(
    [("what", _i), ("leg", _i), ("ts_ns", _i), ("venue_ns", _i), ("qty", _f), ("price", _f), ("first", _i), ("out", OUT)],
    align=True,
)


@compiled
def _observe(c, s, p, o, out, log, up_ns, reply_ns):
    """One step; log what it says and put its orders on their way."""
    step(s, p, o, out)
    if out.action != HOLD or (out.reason != NOTED and out.reason != IN_BAND):
        entry = log[c.logged]
        entry.what = _DECIDED
        entry.ts_ns = o.ts_ns
        _copy(entry.out, out, p.n_legs)
        c.logged += 1
    for leg in range(p.n_legs):
        if out.cancel[leg]:
            c.void_ns[leg] = o.ts_ns + up_ns
        if out.order[leg] != 0.0:
            c.qty[leg, c.count[leg]] = out.order[leg]
            c.arrive_ns[leg, c.count[leg]] = o.ts_ns + up_ns
            c.count[leg] += 1
        if out.cancel[leg] or out.order[leg] != 0.0:
            c.last_ns = max(c.last_ns, o.ts_ns + reply_ns)


@compiled
def _copy(to, out, n_legs):
    to.ts_ns = out.ts_ns
    to.action = out.action
    to.reason = out.reason
    to.phase = out.phase
    to.trade = out.trade
    to.bar = out.bar
    to.z = out.z
    to.ratio = out.ratio
    to.delta = out.delta
    to.cost = out.cost
    to.benefit = out.benefit
    for leg in range(n_legs):
        to.mid[leg] = out.mid[leg]
        to.pos[leg] = out.pos[leg]
        to.target[leg] = out.target[leg]
        to.order[leg] = out.order[leg]
        to.expected[leg] = out.expected[leg]
        to.cancel[leg] = out.cancel[leg]


@compiled
def _event(c, log, what, leg, ts_ns, venue_ns, qty, price):
    """Log a fill or the end of the leg's oldest order."""
    entry = log[c.logged]
    entry.what = what
    entry.leg = leg
    entry.ts_ns = ts_ns
    entry.venue_ns = venue_ns
    entry.qty = qty
    entry.price = price
    c.logged += 1


@compiled
def _drop_first(c, leg):
    c.count[leg] -= 1
    for k in range(c.count[leg]):
        c.qty[leg, k] = c.qty[leg, k + 1]
        c.arrive_ns[leg, k] = c.arrive_ns[leg, k + 1]


@compiled
def _match(c, s, p, o, out, log, row, ts_ns, bid, ask, bid_size, ask_size, ws_ns, up_ns, reply_ns):
    """Fill model next_quote for one row: each leg's orders in the order in which they were sent."""
    for leg in range(p.n_legs):
        if math.isnan(bid[row, leg]) or not bid[row, leg] < ask[row, leg]:
            continue
        if c.void_ns[leg] and c.void_ns[leg] <= ts_ns[row]:
            continue
        buy_left = ask_size[row, leg]
        sell_left = bid_size[row, leg]
        while c.count[leg] and c.arrive_ns[leg, 0] <= ts_ns[row]:
            want = c.qty[leg, 0]
            done = min(want, buy_left) if want > 0 else max(want, -sell_left)
            if done == 0.0:
                break
            if done > 0:
                buy_left -= done
            else:
                sell_left += done
            c.qty[leg, 0] -= done
            o.kind = FILL
            o.ts_ns = ts_ns[row] + ws_ns
            o.leg = leg
            o.a = done
            _event(c, log, _FILLED, leg, o.ts_ns, ts_ns[row], done, ask[row, leg] if done > 0 else bid[row, leg])
            if c.qty[leg, 0] == 0.0:
                _drop_first(c, leg)
            _observe(c, s, p, o, out, log, up_ns, reply_ns)


@compiled
def _cancel(c, s, p, o, out, log, leg, now_ns, up_ns, reply_ns):
    """Tell the step that the leg's orders are over, oldest first."""
    c.void_ns[leg] = 0
    waiting = c.count[leg]
    for _ in range(waiting):
        o.kind = DONE
        o.ts_ns = now_ns
        o.leg = leg
        o.a = c.qty[leg, 0]
        _event(c, log, _OVER, leg, now_ns, now_ns, o.a, 0.0)
        _drop_first(c, leg)
        _observe(c, s, p, o, out, log, up_ns, reply_ns)


@compiled
def _run(c, s, p, o, out, log, ts_ns, bid, ask, bid_size, ask_size, bar_ns, bar_mids, next_fit, ws_ns, up_ns, reply_ns):
    """Go on until the tape is over, a ratio is due or the log is nearly full; return which."""
    while True:
        if c.logged + 4 * _QUEUE > log.shape[0]:
            return _FULL
        arrival = ts_ns[c.row] + ws_ns if c.row < ts_ns.shape[0] else _NEVER
        wake = wakeup_ns(s)
        if wake == 0:
            wake = _NEVER
        over_leg = -1
        over = _NEVER
        for leg in range(p.n_legs):
            if c.void_ns[leg] and c.void_ns[leg] + ws_ns < over:
                over = c.void_ns[leg] + ws_ns
                over_leg = leg
        now = min(arrival, wake, over)
        if now == _NEVER:
            if c.stopped:
                return _FINISHED
            c.stopped = 1
            o.kind = COMMAND
            o.ts_ns = c.last_ns
            o.leg = STOP_CMD
            _observe(c, s, p, o, out, log, up_ns, reply_ns)
        elif over == now:
            c.last_ns = max(c.last_ns, now)
            _cancel(c, s, p, o, out, log, over_leg, now, up_ns, reply_ns)
        elif arrival == now:
            c.last_ns = max(c.last_ns, now)
            row = c.row
            _match(c, s, p, o, out, log, row, ts_ns, bid, ask, bid_size, ask_size, ws_ns, up_ns, reply_ns)
            for leg in range(p.n_legs):
                if not math.isnan(bid[row, leg]):
                    o.kind = QUOTE
                    o.ts_ns = now
                    o.leg = leg
                    o.a = bid[row, leg]
                    o.b = ask[row, leg]
                    _observe(c, s, p, o, out, log, up_ns, reply_ns)
            c.row += 1
        else:
            c.last_ns = max(c.last_ns, now)
            o.kind = TIMER
            o.ts_ns = now
            _observe(c, s, p, o, out, log, up_ns, reply_ns)
            if s.bars > c.bars:
                bar_ns[c.bars] = now
                for leg in range(p.n_legs):
                    bar_mids[c.bars, leg] = out.mid[leg]
                c.bars = s.bars
                if c.bars == next_fit:
                    return _REVISE


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """What a backtest did.

    Attributes
    ----------
    records : list of Fill, Cancelled, PlanRevised and Decision
        In the order in which they happened, as a journal would hold them.
    bar_ns : ndarray of int64, shape (bars,)
        Close of each bar, nanoseconds UTC.
    bar_mids : ndarray of float64, shape (bars, legs)
        Mid prices at each bar close.
    """

    records: list[Fill | Cancelled | PlanRevised | Decision]
    bar_ns: np.ndarray
    bar_mids: np.ndarray

    @property
    def decisions(self) -> list[Decision]:
        """The decisions alone, in order."""
        return [record for record in self.records if isinstance(record, Decision)]


class _Pass:
    """One backtest under way: the arrays that the compiled loop works on."""

    def __init__(self, tape: Tape, params: Params, model: FillModel) -> None:
        if model.name != "next_quote":
            msg = f"fill model {model.name!r}: the compiled backtest knows 'next_quote'; use hedgekit.replay for others"
            raise ConfigError(msg)
        self.tape, self.model = tape, model
        self.p = pack_params(params, tape.instruments)
        self.s, self.c = np.zeros(1, STATE)[0], np.zeros(1, CURSOR)[0]
        self.o, self.out = np.zeros(1, OBSERVATION)[0], np.zeros(1, OUT)[0]
        self.s["z"] = math.nan
        self.log = np.zeros(8 * len(tape.ts_ns) + 8 * _QUEUE, LOG)
        self.bar_ns = np.zeros(len(tape.ts_ns) + 1, np.int64)
        self.bar_mids = np.zeros((len(tape.ts_ns) + 1, len(tape.instruments)))

    def go(self, next_fit: int) -> int:
        """Run until something is due; return what."""
        tape, model = self.tape, self.model
        arrays = (tape.ts_ns, tape.bid, tape.ask, tape.bid_size, tape.ask_size)
        latencies = (model.ws_ns, model.up_ns, model.up_ns + max(model.down_ns, model.ws_ns))
        while True:
            why = _run(self.c, self.s, self.p, self.o, self.out, self.log, *arrays, self.bar_ns, self.bar_mids, next_fit, *latencies)
            if why != _FULL:
                return int(why)
            self.log = np.concatenate([self.log, np.zeros_like(self.log)])

    def revise(self, plan: HedgePlan, ts_ns: int, *, ok: bool) -> None:
        """Let the step take a new ratio."""
        self.o["kind"], self.o["ts_ns"], self.o["leg"] = PLAN, ts_ns, 0
        self.o["a"], self.o["until_ns"], self.o["flag"] = plan.ratio, plan.valid_until_ns, int(ok)
        _observe(self.c, self.s, self.p, self.o, self.out, self.log, self.model.up_ns, 0)


def run(tape: Tape, params: Params, model: FillModel, *, session: str = "backtest") -> Backtest:
    """Backtest a pair on a tape, with the decisions of a paper session on the same tape (L1).

    Parameters
    ----------
    tape : Tape
        Quotes, both legs in step; times in nanoseconds UTC.
    params : Params
        The strategy; the hedge ratio is estimated every ``refit_bars`` bars from past bars only.
    model : FillModel
        How orders fill, and the latencies.
    session : str
        Prefix of the order ids; give a paper session's name to compare with it.

    Raises
    ------
    ConfigError
        For a fill model that the compiled loop does not know.
    """
    work = _Pass(tape, params, model)
    reviser = Reviser(params)
    plans: dict[int, PlanRevised] = {}
    while work.go(reviser.next_fit) == _REVISE:
        bars = int(work.c["bars"])
        ts_ns = int(work.bar_ns[bars - 1])
        plan = reviser.revise(work.bar_mids[:bars], ts_ns)
        plans[int(work.c["logged"])] = PlanRevised(ts_ns=ts_ns, plan=plan)
        work.revise(plan, ts_ns, ok=plan.trusted(params.significance))
    bars = int(work.c["bars"])
    return Backtest(_records(work, plans, session), work.bar_ns[:bars].copy(), work.bar_mids[:bars].copy())


def _records(work: _Pass, plans: dict[int, PlanRevised], session: str) -> list[Fill | Cancelled | PlanRevised | Decision]:
    """Turn the compiled log into the words of a journal."""
    unpack = Unpacker(session, work.tape.instruments)
    records: list[Fill | Cancelled | PlanRevised | Decision] = []
    for index, entry in enumerate(work.log[: int(work.c["logged"])]):
        if index in plans:
            records.append(plans[index])
        if entry["what"] == _DECIDED:
            records.append(unpack.decision(entry["out"]))
        elif entry["what"] == _FILLED:
            records.append(_fill(entry, unpack, len(records)))
        else:
            order_id = _oldest(unpack, int(entry["leg"]))
            unpack.over(order_id)
            records.append(Cancelled(ts_ns=int(entry["ts_ns"]), order_id=order_id))
    return records


def _fill(entry: np.void, unpack: Unpacker, number: int) -> Fill:
    instrument = unpack.instruments[int(entry["leg"])]
    order_id = _oldest(unpack, int(entry["leg"]))
    qty, price = whole(float(entry["qty"]), instrument.lot), Decimal(repr(float(entry["price"])))
    unpack.filled(order_id, qty)
    return Fill(
        ts_ns=int(entry["ts_ns"]),
        order_id=order_id,
        fill_id=f"{unpack.session}-fill-{number}",
        instrument=instrument.key,
        venue_ns=int(entry["venue_ns"]),
        qty=qty,
        price=price,
        fee=instrument.fees.of(qty, price, instrument.multiplier),
    )


def _oldest(unpack: Unpacker, leg: int) -> str:
    return next(order_id for order_id, (at, _) in unpack.alive.items() if at == leg)
