"""The one decision core: ``step(state, params, observation, out)``.

Backtest, replay and paper trading all decide here and nowhere else. It is
compiled, works on flat records (``rules/state.py``), knows no clock, no I/O and
no randomness, and writes what it decided into ``out``: an action, exactly one
reason, the figures it was decided on, and a signed order quantity for each leg.

How it trades. A structure says how much each leg should be; ``legs.converge``
orders the difference to what is held and already ordered. What works against the
new target is cancelled first and the rest ordered when the cancel is confirmed.
So a partial fill, a lost reply or a restart needs no path of its own.

The legs are moved in ``legs.py``, bars decided on in ``bars.py``, the delta looked at in ``look.py``; what is not filled,
and a venue that was silent, is dealt with in ``mend.py``.
"""

from __future__ import annotations

import math
from typing import Any

from hedgekit.compiled import compiled, making
from hedgekit.rules import phase, rebalance
from hedgekit.rules.state import (
    AGREED,
    BOOKED,
    CLOSE,
    CLOSING,
    COMMAND,
    DONE,
    FILL,
    FILLED,
    FLAT,
    FLATTEN,
    FLATTEN_CMD,
    GAP,
    HALT,
    HALT_CMD,
    HALTED,
    HOLD,
    LEG_SHORTFALL,
    LINK,
    NOTE,
    NOTED,
    OBSERVATION,
    OPEN,
    OPENING,
    OUT,
    PARAMS,
    PAUSE_CMD,
    PAUSED,
    PLAN,
    PLAN_REVISED,
    QUOTE,
    RECONCILING,
    RECOVERING,
    REJECTED,
    REPAIR,
    RESUME_CMD,
    REVERSED,
    SCORE,
    SETTLED,
    SHORT_ACCEPTED,
    SKIP,
    STALE_QUOTE,
    STATE,
    STATUS,
    STOOD_IN,
    STOP_CMD,
    TIMER,
)
from hedgekit.step.bars import close_bar, decide_bar, score
from hedgekit.step.legs import bar_due, bar_end, clean, converge_leg, fresh, hedge_ratio, mid, net_delta, say, settle, unwind, young
from hedgekit.step.look import look_at_delta, may_look
from hedgekit.step.mend import ORDERED, WANTED, charge, go_on, mend, on_agreed, on_link, order_over, refused, stand_in, tend

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False, warn-return-any=False
# ruff: noqa: ANN001, ANN202 - compiled functions: numba infers every type, and checks it
# s: state, p: params, o: observation, out: outcome (records of rules/state.py)

Record = Any
"""A flat record of ``rules/state.py``; numba knows its fields, mypy does not."""

Rows = Any
"""The bytes of an array of such records."""


@compiled
def _on_quote(s, p, o, out):
    if s.naked > 0.0:
        charge(s, p, o.ts_ns)
    if 0.0 < o.a <= o.b < math.inf:
        s.bid[o.leg] = o.a
        s.ask[o.leg] = o.b
        s.quote_ns[o.leg] = o.ts_ns
    else:  # a side is missing, or the market is crossed: nothing to act on, but the last mid goes on marking
        s.quote_ns[o.leg] = 0
    if s.next_bar_ns == 0:
        s.next_bar_ns = bar_due(s, p, o.leg, o.ts_ns)
    if may_look(s, p) and fresh(s, p, o.ts_ns):
        if rebalance.look_due(o.ts_ns, s.last_look_ns, p.interval_ns):
            look_at_delta(s, p, out)
        elif s.look_ns == 0:
            s.look_ns = s.last_look_ns + p.interval_ns
    if s.overdue and out.reason == NOTED:
        mend(s, p, out)
    if s.owed[o.leg] and out.reason == NOTED:
        go_on(s, p, out, o.leg)
    if s.phase == RECOVERING and s.escape == WANTED:
        stand_in(s, p, out)


@compiled
def _on_timer(s, p, o, out):
    if s.next_bar_ns and o.ts_ns >= s.next_bar_ns:
        s.closed_ns, s.next_bar_ns = s.next_bar_ns, 0
        if fresh(s, p, o.ts_ns):
            close_bar(s, p, out)
        else:
            out.bar = 1
            say(out, HOLD, STALE_QUOTE)
    elif s.look_ns and o.ts_ns >= s.look_ns:
        s.look_ns = 0
        if may_look(s, p) and fresh(s, p, o.ts_ns):
            look_at_delta(s, p, out)
    elif s.repair_ns and o.ts_ns >= s.repair_ns:
        mend(s, p, out)


@compiled
def _on_fill(s, p, o, out):
    s.pos[o.leg] = clean(s.pos[o.leg] + o.a, p.lot[o.leg])
    s.working[o.leg] = clean(s.working[o.leg] - o.a, p.lot[o.leg])
    if p.inverse[o.leg]:  # flat again, its profit is turned into money
        s.coins[o.leg] = s.coins[o.leg] + o.a * p.multiplier[o.leg] / o.b if s.pos[o.leg] != 0.0 else 0.0
    if abs(s.working[o.leg]) < 0.5 * p.lot[o.leg]:
        s.working[o.leg] = 0.0
        s.cancelling[o.leg] = 0  # if the fill was faster than the cancel, what is now missing is ordered
        s.rung[o.leg] = 0
        if s.phase in (OPENING, OPEN, CLOSING) and converge_leg(s, p, out, o.leg):  # also the second half of a way through zero
            return say(out, REPAIR, LEG_SHORTFALL)
    if settle(s, p):
        say(out, HOLD, FILLED)
    return None


@compiled
def _on_booked(s, p, o, out):
    """Take what the venue books: a settlement, after which the other legs hedge nothing, or an execution that it takes back."""
    s.pos[o.leg] = clean(s.pos[o.leg] + o.a, p.lot[o.leg])
    if p.inverse[o.leg]:
        s.coins[o.leg] = s.coins[o.leg] + o.a * p.multiplier[o.leg] / o.b if s.pos[o.leg] != 0.0 else 0.0
    if o.flag:
        s.shut[o.leg] = 1
        s.target[o.leg] = s.full[o.leg] = 0.0
        say(out, HOLD, SETTLED)
        if s.phase in (OPENING, OPEN):
            unwind(s, p, out)
            say(out, CLOSE, SETTLED)
        else:
            settle(s, p)
        return
    s.phase = phase.after(s.phase, phase.TAKEN_BACK)
    if s.phase == RECOVERING and s.back == FLAT:
        s.back = CLOSING
    if s.working[o.leg] == 0.0:
        s.rung[o.leg] = 0
    trades = s.phase in (OPENING, OPEN, CLOSING)
    ready = young(s, p, o.leg, o.ts_ns)  # else it waits for a quote that can price it (A9), or for the order that works
    s.owed[o.leg] = trades and not ready and s.working[o.leg] == 0.0 and s.target[o.leg] != s.pos[o.leg]
    acted = trades and ready and converge_leg(s, p, out, o.leg)
    settle(s, p)
    say(out, REPAIR if acted else HOLD, REVERSED)


@compiled
def _on_order_over(s, p, o, out):
    """Take what will not be filled any more out of what works, then see what is missing."""
    s.working[o.leg] = clean(s.working[o.leg] - o.a, p.lot[o.leg])
    if abs(s.working[o.leg]) < 0.5 * p.lot[o.leg]:
        s.working[o.leg] = 0.0
        s.cancelling[o.leg] = 0
    if s.phase == HALTED:
        say(out, HOLD, HALT)
    elif s.phase == RECOVERING:
        say(out, HOLD, RECONCILING)
        if s.escape == ORDERED and o.kind == DONE and not s.down[o.leg] and converge_leg(s, p, out, o.leg):
            say(out, CLOSE, STOOD_IN)
    elif o.kind == REJECTED:
        refused(s, p, out, o.leg)
    elif s.phase in (OPENING, OPEN, CLOSING):
        order_over(s, p, out, o.leg)


@compiled
def _on_command(s, p, o, out):
    if o.leg == PAUSE_CMD:
        s.paused = 1
        say(out, HOLD, PAUSED)
    elif o.leg == RESUME_CMD:
        s.paused = 0
        if s.phase == HALTED:  # what is held since the halt is closed first
            s.phase = phase.after(s.phase, phase.RESUMED)
            unwind(s, p, out)
            say(out, CLOSE, FLATTEN)
    elif o.leg == FLATTEN_CMD and s.phase == RECOVERING:
        s.paused, s.broken = 1, 2
        say(out, HOLD, RECONCILING)
    elif o.leg == FLATTEN_CMD:
        s.paused = 1
        unwind(s, p, out)
        say(out, CLOSE, FLATTEN)
    elif o.leg in (HALT_CMD, STOP_CMD):
        s.phase = phase.after(s.phase, phase.HALT_ASKED)
        for leg in range(p.n_all):
            s.target[leg] = s.pos[leg] if o.leg == STOP_CMD else 0.0
            if s.working[leg] != 0.0 and not s.cancelling[leg]:
                out.cancel[leg] = 1
                s.cancelling[leg] = 1
        say(out, HOLD, HALT)


@compiled
def _start(p, o, out):
    out.ts_ns = o.ts_ns
    out.action = HOLD
    out.reason = NOTED
    out.bar = 0
    out.cost = 0.0
    out.benefit = 0.0
    for leg in range(p.n_all):
        out.order[leg] = 0.0
        out.expected[leg] = 0.0
        out.cancel[leg] = 0
        out.limit[leg] = 0.0


@compiled
def figures(s: Record, p: Record, out: Record) -> None:
    """Copy into the outcome the figures that the decision rests on."""
    quoted = True
    for leg in range(p.n_all):
        quoted = quoted and (s.ask[leg] > 0.0 or leg >= p.n_legs)
        out.mid[leg] = mid(s, leg) if s.ask[leg] > 0.0 else math.nan
        out.pos[leg] = s.pos[leg]
        out.target[leg] = s.target[leg]
    out.phase = s.phase
    out.trade = s.trade
    out.z = s.z
    out.naked = s.naked_sum
    known = quoted and s.has_plan
    out.ratio = hedge_ratio(s, p, 1, out.ts_ns) if known else (s.ratio[1] if s.has_plan else math.nan)
    out.delta = net_delta(s, p, 0.0, out.ts_ns) if known else math.nan


@compiled
def decide(s: Record, p: Record, o: Record, out: Record) -> None:  # noqa: C901, PLR0912 - one branch for each kind of observation
    """Decide on one observation: change the state ``s``; say action, reason, orders and cancels in ``out``."""
    _start(p, o, out)
    if o.kind == QUOTE:
        _on_quote(s, p, o, out)
    elif o.kind == TIMER:
        _on_timer(s, p, o, out)
    elif o.kind == FILL:
        _on_fill(s, p, o, out)
    elif o.kind in (DONE, REJECTED):
        _on_order_over(s, p, o, out)
    elif o.kind == PLAN:
        for leg in range(1, p.n_legs):
            s.ratio[leg] = o.ratio[leg]
        s.half_life = o.b
        s.plan_until_ns = o.until_ns
        s.evidence_ok = o.flag
        s.has_plan = 1
        score(s, p)
        say(out, HOLD, PLAN_REVISED)
    elif o.kind == SCORE:
        s.z = o.a
        s.sd = s.sd if math.isnan(o.b) else o.b
        out.bar = 1
        decide_bar(s, p, out)
    elif o.kind == COMMAND:
        _on_command(s, p, o, out)
    elif o.kind == GAP:
        if p.bar_ticks or bar_end(0, o.until_ns, 0, p.bar_ns, 0, p.offset_ns)[0] <= o.ts_ns:  # the close of a bar was missed
            s.warm = 0
            s.z = math.nan
    elif o.kind == STATUS:
        s.shut[o.leg] = o.flag
    elif o.kind == BOOKED:
        _on_booked(s, p, o, out)
    elif o.kind == LINK:
        on_link(s, p, o, out)
    elif o.kind == AGREED:
        on_agreed(s, p, o, out)
    if o.kind not in (QUOTE, NOTE, AGREED) or out.action not in (HOLD, SKIP) or out.reason == SHORT_ACCEPTED:
        tend(s, p, o.ts_ns)


@compiled
def step(s: Record, p: Record, o: Record, out: Record) -> None:
    """Decide on one observation and tell all of it: change the state ``s``, fill the outcome ``out``."""
    decide(s, p, o, out)
    figures(s, p, out)


@compiled
def wakeup_ns(s: Record) -> int:
    """When the core wants a timer next; 0 for never."""
    at = s.next_bar_ns
    if s.look_ns != 0 and (at == 0 or s.look_ns < at):
        at = s.look_ns
    if s.repair_ns != 0 and (at == 0 or s.repair_ns < at):
        at = s.repair_ns
    return at


@making
def step_in(s: Rows, p: Rows, o: Rows, out: Rows) -> int:
    """Step on the bytes of arrays of one row each; return :func:`wakeup_ns`. From Python that is twenty times as fast as records."""
    state = s.view(STATE)[0]
    step(state, p.view(PARAMS)[0], o.view(OBSERVATION)[0], out.view(OUT)[0])
    return wakeup_ns(state)
