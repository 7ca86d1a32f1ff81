"""The one decision core: ``step(state, params, observation, out)``.

Backtest, replay and paper trading all decide here and nowhere else. It is
compiled, works on flat records (``rules/state.py``), knows no clock, no I/O and
no randomness, and writes what it decided into ``out``: an action, exactly one
reason, the figures it was decided on, and a signed order quantity for each leg.

How it trades. A structure says how much each leg should be; :func:`_converge`
orders the difference to what is held and already ordered. What works against the
new target is cancelled first and the rest ordered when the cancel is confirmed.
So a partial fill, a lost reply or a restart needs no path of its own.
"""

from __future__ import annotations

import math
from typing import Any

from hedgekit.compiled import compiled
from hedgekit.params import WINDOW_MAX
from hedgekit.rules import cost, exits, phase, rebalance, signal
from hedgekit.rules.state import (
    BELOW_ONE_LOT,
    BEYOND_STOP,
    CLOSE,
    CLOSING,
    COMMAND,
    COST_EXCEEDS_BENEFIT,
    DONE,
    DRIFT,
    EDGE_BELOW_COST,
    ENTER,
    ENTRY,
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
    IN_BAND,
    LEG_REJECTED,
    LEG_SHORTFALL,
    NO_EVIDENCE,
    NO_PLAN,
    NO_SIGNAL,
    NOTED,
    OPEN,
    OPENING,
    PAIRS,
    PAUSE_CMD,
    PAUSED,
    PLAN,
    PLAN_EXPIRED,
    PLAN_REVISED,
    QUOTE,
    REBALANCE,
    REJECTED,
    REPAIR,
    RESUME_CMD,
    SKIP,
    STALE_QUOTE,
    STOP_CMD,
    TIMER,
    VETO,
    WAIT_TARGET,
    WARMING_UP,
    WORKING,
)
from hedgekit.structures import pairs, unhedged

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False, warn-return-any=False
# ruff: noqa: ANN001, ANN202 - compiled functions: numba infers every type, and checks it
# s: state, p: params, o: observation, out: outcome (records of rules/state.py)

Record = Any
"""A flat record of ``rules/state.py``; numba knows its fields, mypy does not."""

_RETURNS_MIN = 2
_DUST = 1e-6


@compiled
def _say(out, action, reason):
    out.action = action
    out.reason = reason


@compiled
def _mid(s, leg):
    return 0.5 * (s.bid[leg] + s.ask[leg])


@compiled
def _price(s, p, leg):
    """Money for one unit of quantity, at the mid."""
    return _mid(s, leg) * p.multiplier[leg]


@compiled
def _fresh(s, p, now_ns):
    """Whether every leg has a quote that is young enough to act on."""
    young = True
    for leg in range(p.n_legs):
        young = young and s.quote_ns[leg] != 0 and now_ns - s.quote_ns[leg] <= p.max_age_ns
    return young


@compiled
def _hedge(s, p, primary, leg):
    """Hedge quantity that the structure wants for ``primary`` units."""
    args = (primary, s.ratio[leg], _price(s, p, 0), _price(s, p, leg), p.lot[leg])
    if p.structure == PAIRS:
        return pairs.hedge_quantity(*args)
    return unhedged.hedge_quantity(*args)


@compiled
def _delta(s, p, with_working):
    """Net delta of what is held, or of what is held and ordered."""
    primary = s.pos[0] + with_working * s.working[0]
    delta = 0.0
    for leg in range(1, p.n_legs):
        hedge = s.pos[leg] + with_working * s.working[leg]
        delta += pairs.net_delta(primary * _price(s, p, 0), hedge * _price(s, p, leg), s.ratio[leg])
    return delta


@compiled
def _unit_cost(s, p, leg):
    return cost.unit_cost(s.bid[leg], s.ask[leg], p.multiplier[leg], p.fee_rate[leg], p.fee_unit[leg])


@compiled
def _variance(s, p, leg):
    """Variance of one leg's log returns over the window, per bar; 0 before it is full."""
    n = min(s.warm, p.lookback) - 1
    if n < _RETURNS_MIN:
        return 0.0
    total = 0.0
    squares = 0.0
    for k in range(n):
        step_k = s.window[leg, (s.head - 1 - k) % WINDOW_MAX] - s.window[leg, (s.head - 2 - k) % WINDOW_MAX]
        total += step_k
        squares += step_k * step_k
    return (squares - total * total / n) / (n - 1)


@compiled
def _order(s, p, out, leg, quantity):
    """Put an order into the outcome; it counts as working from now on."""
    out.order[leg] = quantity
    out.expected[leg] = s.ask[leg] if quantity > 0 else s.bid[leg]
    s.working[leg] = _clean(s.working[leg] + quantity, p.lot[leg])


@compiled
def _converge_leg(s, p, out, leg):
    """Order what is missing to the target; cancel first what works the other way."""
    need = s.target[leg] - s.pos[leg] - s.working[leg]
    if abs(need) < 0.5 * p.lot[leg] or s.cancelling[leg]:
        return False
    if s.working[leg] * need < 0.0:
        out.cancel[leg] = 1
        s.cancelling[leg] = 1
    else:
        _order(s, p, out, leg, _clean(need, p.lot[leg]))
    return True


@compiled
def _converge(s, p, out):
    acted = False
    for leg in range(p.n_legs):
        acted = _converge_leg(s, p, out, leg) or acted
    return acted


@compiled
def _settle(s, p):
    """Follow the phase table once fills have brought every leg to where it should be."""
    arrived = True
    flat = True
    for leg in range(p.n_legs):
        quiet = abs(s.working[leg]) < 0.5 * p.lot[leg]
        arrived = arrived and quiet and abs(s.target[leg] - s.pos[leg]) < 0.5 * p.lot[leg]
        flat = flat and quiet and abs(s.pos[leg]) < 0.5 * p.lot[leg]
    before = s.phase
    if s.phase == OPENING and arrived:
        s.phase = phase.after(s.phase, phase.AT_TARGET)
    if s.phase == CLOSING and flat:
        s.phase = phase.after(s.phase, phase.AT_ZERO)
        s.side = 0
    return s.phase != before


@compiled
def _unwind(s, p, out):
    """Both legs to zero (A2: the hedge closes in proportion, here with the whole)."""
    s.phase = phase.after(s.phase, phase.EXITED)
    for leg in range(p.n_legs):
        s.target[leg] = 0.0
    _converge(s, p, out)
    _settle(s, p)


@compiled
def _sizes(s, p, side):
    """Set each leg's target for a new trade; False (and all zero) if a leg is less than one lot."""
    primary = pairs.lots(side * p.notional / _price(s, p, 0), p.lot[0])
    s.target[0] = primary
    whole = primary != 0.0
    for leg in range(1, p.n_legs):
        s.target[leg] = _hedge(s, p, primary, leg)
        whole = whole and (s.target[leg] != 0.0 or p.structure != PAIRS)
    if not whole:
        for leg in range(p.n_legs):
            s.target[leg] = 0.0
    return whole


@compiled
def _weigh_entry(s, p, out):
    """A20: what the way back to the target should earn, against both legs there and back.

    Both legs also when there is no hedge: the unhedged yardstick takes the same
    trades as the pair, or comparing the two would compare different trades.
    """
    out.benefit = cost.entry_edge(s.z, s.sd, p.target, p.notional)
    for leg in range(p.n_legs):
        size = p.notional if leg == 0 else abs(s.ratio[leg]) * p.notional
        out.cost += size * (2.0 * _unit_cost(s, p, leg) + p.buffer)


@compiled
def _bar_flat(s, p, out):
    side = signal.entry_side(s.z, p.entry)
    if side == 0:
        _say(out, HOLD, NO_SIGNAL)
    elif abs(s.z) >= p.stop:
        _say(out, VETO, BEYOND_STOP)
    elif s.paused:
        _say(out, VETO, PAUSED)
    elif not s.evidence_ok:
        _say(out, VETO, NO_EVIDENCE)
    elif out.ts_ns > s.plan_until_ns:
        _say(out, VETO, PLAN_EXPIRED)
    else:
        _weigh_entry(s, p, out)
        if out.benefit <= out.cost:
            _say(out, VETO, EDGE_BELOW_COST)
        elif not _sizes(s, p, side):
            _say(out, VETO, BELOW_ONE_LOT)
        else:
            s.side = side
            s.trade += 1
            s.phase = phase.after(s.phase, phase.ENTERED)
            _converge(s, p, out)  # A11, A13: both legs by one trigger, in one decision
            _say(out, ENTER, ENTRY)


@compiled
def _bar_held(s, p, out):
    if s.phase == CLOSING:
        acted = _converge(s, p, out)
        _say(out, REPAIR if acted else HOLD, LEG_SHORTFALL if acted else WORKING)
        return
    reason = exits.exit_reason(s.z, s.side, p.target, p.stop)
    if reason == WAIT_TARGET:
        _say(out, HOLD, WAIT_TARGET)
    else:
        _unwind(s, p, out)
        _say(out, CLOSE, reason)


@compiled
def _score(s, p):
    """Score the window on the plan's present ratio; z is nan before it is full."""
    s.z = math.nan
    if s.has_plan and s.warm >= p.lookback:
        s.z, s.sd = signal.zscore(s.window, s.head, WINDOW_MAX, p.lookback, s.ratio, p.n_legs)


@compiled
def _close_bar(s, p, out):
    """Add the bar to the window, then decide on it."""
    out.bar = 1
    for leg in range(p.n_legs):
        s.window[leg, s.head] = math.log(_price(s, p, leg))
    s.head = (s.head + 1) % WINDOW_MAX
    s.bars += 1
    s.warm += 1
    _score(s, p)
    if s.phase == HALTED:
        _say(out, HOLD, HALT)
    elif not s.has_plan:
        _say(out, HOLD, NO_PLAN)
    elif math.isnan(s.z) and s.phase != CLOSING:
        _say(out, HOLD, WARMING_UP if s.warm < p.lookback else NO_SIGNAL)
    elif s.phase == FLAT:
        _bar_flat(s, p, out)
    else:
        _bar_held(s, p, out)


@compiled
def _look(s, p, out):
    """A14 to A16: look at the net delta; adjust the hedge if that is worth its cost."""
    s.last_look_ns = out.ts_ns
    s.look_ns = 0
    delta = _delta(s, p, 1.0)
    if not rebalance.outside(delta, p.tolerance):
        return _say(out, HOLD, IN_BAND)
    for leg in range(1, p.n_legs):
        if s.cancelling[leg]:
            return _say(out, HOLD, WORKING)
        primary = s.pos[0] + s.working[0]
        now = s.pos[leg] + s.working[leg]
        want = _hedge(s, p, primary, leg)
        exact = -s.ratio[leg] * primary * _price(s, p, 0)
        before = now * _price(s, p, leg) - exact
        after = want * _price(s, p, leg) - exact
        out.cost += abs(want - now) * _price(s, p, leg) * _unit_cost(s, p, leg)
        out.benefit += cost.risk_removed(before, after, p.risk_aversion, p.notional, _variance(s, p, leg), p.horizon_bars)
    if out.benefit <= out.cost:
        return _say(out, SKIP, COST_EXCEEDS_BENEFIT)
    for leg in range(1, p.n_legs):
        s.target[leg] = _hedge(s, p, s.pos[0] + s.working[0], leg)
        _converge_leg(s, p, out, leg)
    return _say(out, REBALANCE, DRIFT)


@compiled
def _may_look(s, p):
    return s.phase == OPEN and p.structure == PAIRS


@compiled
def _on_quote(s, p, o, out):
    if 0.0 < o.a <= o.b < math.inf:
        s.bid[o.leg] = o.a
        s.ask[o.leg] = o.b
        s.quote_ns[o.leg] = o.ts_ns
    else:  # a side is missing, or the market is crossed: nothing to act on, but the last mid goes on marking
        s.quote_ns[o.leg] = 0
    if s.next_bar_ns == 0:
        s.next_bar_ns = p.offset_ns + -((p.offset_ns - o.ts_ns) // p.bar_ns) * p.bar_ns
    if _may_look(s, p) and _fresh(s, p, o.ts_ns):
        if rebalance.look_due(o.ts_ns, s.last_look_ns, p.interval_ns):
            _look(s, p, out)
        elif s.look_ns == 0:
            s.look_ns = s.last_look_ns + p.interval_ns


@compiled
def _on_timer(s, p, o, out):
    if s.next_bar_ns and o.ts_ns >= s.next_bar_ns:
        s.next_bar_ns = 0
        if _fresh(s, p, o.ts_ns):
            _close_bar(s, p, out)
        else:
            out.bar = 1
            _say(out, HOLD, STALE_QUOTE)
    elif s.look_ns and o.ts_ns >= s.look_ns:
        s.look_ns = 0
        if _may_look(s, p) and _fresh(s, p, o.ts_ns):
            _look(s, p, out)


@compiled
def _clean(quantity, lot):
    """Take the dust of binary sums off a quantity of whole lots, so that any order of fills leaves the same bits (L1)."""
    whole = pairs.lots(quantity, lot)
    return whole if abs(quantity - whole) < _DUST * lot else quantity


@compiled
def _on_fill(s, p, o, out):
    s.pos[o.leg] = _clean(s.pos[o.leg] + o.a, p.lot[o.leg])
    s.working[o.leg] = _clean(s.working[o.leg] - o.a, p.lot[o.leg])
    if abs(s.working[o.leg]) < 0.5 * p.lot[o.leg]:
        s.working[o.leg] = 0.0
        if s.cancelling[o.leg]:  # the fill was faster than the cancel: order what is now missing
            s.cancelling[o.leg] = 0
            if s.phase != HALTED and _converge_leg(s, p, out, o.leg):
                return _say(out, REPAIR, LEG_SHORTFALL)
    if _settle(s, p):
        _say(out, HOLD, FILLED)
    return None


@compiled
def _on_refused(s, p, out, refused):
    """Do not order a refused leg again at once.

    While opening, both legs go back to zero. An open pair keeps the hedge it has
    until the next look; a leg that should close is ordered again at the next bar.
    """
    if s.phase == OPEN:
        s.target[refused] = s.pos[refused] + s.working[refused]
        return _say(out, HOLD, LEG_REJECTED)
    s.phase = phase.after(s.phase, phase.EXITED)
    for leg in range(p.n_legs):
        s.target[leg] = 0.0
        if leg != refused:
            _converge_leg(s, p, out, leg)
    _settle(s, p)
    return _say(out, REPAIR, LEG_REJECTED)


@compiled
def _on_order_over(s, p, o, out):
    """Take what will not be filled any more out of what works, then see what is missing."""
    s.working[o.leg] = _clean(s.working[o.leg] - o.a, p.lot[o.leg])
    if abs(s.working[o.leg]) < 0.5 * p.lot[o.leg]:
        s.working[o.leg] = 0.0
        s.cancelling[o.leg] = 0
    if s.phase == HALTED:
        _say(out, HOLD, HALT)
    elif o.kind == REJECTED:
        _on_refused(s, p, out, o.leg)
    elif s.phase in (OPENING, OPEN, CLOSING) and _converge_leg(s, p, out, o.leg):
        _say(out, REPAIR, LEG_SHORTFALL)
    elif _settle(s, p):
        _say(out, HOLD, FILLED)


@compiled
def _on_command(s, p, o, out):
    if o.leg == PAUSE_CMD:
        s.paused = 1
        _say(out, HOLD, PAUSED)
    elif o.leg == RESUME_CMD:
        s.paused = 0
        if s.phase == HALTED:  # what is held since the halt is closed first
            s.phase = phase.after(s.phase, phase.RESUMED)
            _unwind(s, p, out)
            _say(out, CLOSE, FLATTEN)
    elif o.leg == FLATTEN_CMD:
        s.paused = 1
        _unwind(s, p, out)
        _say(out, CLOSE, FLATTEN)
    elif o.leg in (HALT_CMD, STOP_CMD):
        s.phase = phase.after(s.phase, phase.HALT_ASKED)
        for leg in range(p.n_legs):
            s.target[leg] = s.pos[leg] if o.leg == STOP_CMD else 0.0
            if s.working[leg] != 0.0 and not s.cancelling[leg]:
                out.cancel[leg] = 1
                s.cancelling[leg] = 1
        _say(out, HOLD, HALT)


@compiled
def _start(p, o, out):
    out.ts_ns = o.ts_ns
    out.action = HOLD
    out.reason = NOTED
    out.bar = 0
    out.cost = 0.0
    out.benefit = 0.0
    for leg in range(p.n_legs):
        out.order[leg] = 0.0
        out.expected[leg] = 0.0
        out.cancel[leg] = 0


@compiled
def _finish(s, p, out):
    """Copy the figures that the decision rests on."""
    quoted = True
    for leg in range(p.n_legs):
        quoted = quoted and s.ask[leg] > 0.0
        out.mid[leg] = _mid(s, leg) if s.ask[leg] > 0.0 else math.nan
        out.pos[leg] = s.pos[leg]
        out.target[leg] = s.target[leg]
    out.phase = s.phase
    out.trade = s.trade
    out.z = s.z
    out.ratio = s.ratio[1] if s.has_plan else math.nan
    out.delta = _delta(s, p, 0.0) if quoted and s.has_plan else math.nan


@compiled
def step(s: Record, p: Record, o: Record, out: Record) -> None:
    """Decide on one observation: change the state ``s``, fill the outcome ``out``."""
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
        s.ratio[1] = o.a
        s.plan_until_ns = o.until_ns
        s.evidence_ok = o.flag
        s.has_plan = 1
        _score(s, p)
        _say(out, HOLD, PLAN_REVISED)
    elif o.kind == COMMAND:
        _on_command(s, p, o, out)
    elif o.kind == GAP:
        s.warm = 0
        s.z = math.nan
    _finish(s, p, out)


@compiled
def wakeup_ns(s: Record) -> int:
    """When the core wants a timer next; 0 for never."""
    if s.next_bar_ns == 0:
        return s.look_ns
    if s.look_ns == 0:
        return s.next_bar_ns
    return min(s.next_bar_ns, s.look_ns)
