"""What is decided when a bar closes: entries when flat, exits and further parts when not (A1, A2, A6, A7, A13, A20)."""

from __future__ import annotations

import math

from hedgekit.compiled import compiled
from hedgekit.params import WINDOW_MAX
from hedgekit.rules import cost, exits, phase, signal
from hedgekit.rules.state import (
    BELOW_ONE_LOT,
    BEYOND_STOP,
    CLOSE,
    CLOSING,
    COOLDOWN,
    DELTA,
    EDGE_BELOW_COST,
    ENTER,
    ENTRY,
    FLAT,
    HALT,
    HALTED,
    HOLD,
    LEG_SHORTFALL,
    LOG_SPREAD,
    NO_EVIDENCE,
    NO_PLAN,
    NO_SIGNAL,
    OPEN,
    PAIRS,
    PAUSED,
    PLAN_EXPIRED,
    REARMING,
    RECONCILING,
    RECOVERING,
    REPAIR,
    SCALE_IN,
    TARGET,
    USER,
    VETO,
    WAIT_TARGET,
    WARMING_UP,
    WORKING,
)
from hedgekit.step.legs import converge, hedge_ratio, log_price, price, say, unit_cost, unwind, wanted_hedge
from hedgekit.structures import pairs

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False, warn-return-any=False
# ruff: noqa: ANN001, ANN201, ANN202 - compiled functions: numba infers every type, and checks it
# s: state, p: params, o: observation, out: outcome (records of rules/state.py)


@compiled
def _sizes(s, p, side, now_ns):
    """Set each leg's target for the first part of a new trade; False (and all zero) if a leg is less than one lot."""
    primary = pairs.lots(side * p.notional / p.scale_steps / price(s, p, 0), p.lot[0])
    s.target[0] = primary
    whole = primary != 0.0
    for leg in range(1, p.n_legs):
        s.target[leg] = wanted_hedge(s, p, primary, leg, now_ns)
        whole = whole and (s.target[leg] != 0.0 or p.structure not in (PAIRS, DELTA))
    for leg in range(p.n_legs):
        s.target[leg] = s.target[leg] if whole else 0.0
        s.full[leg] = s.target[leg]
        s.rung[leg] = 0
    return whole


@compiled
def _weigh_entry(s, p, out):
    """A20: what the way back to the target should earn, against both legs there and back.

    Both legs also when there is no hedge: the unhedged yardstick takes the same
    trades as the pair, or comparing the two would compare different trades.
    """
    out.benefit = cost.entry_edge(s.z, s.sd, p.target, p.notional)
    for leg in range(p.n_legs):
        size = p.notional if leg == 0 else abs(hedge_ratio(s, p, leg, out.ts_ns)) * p.notional
        out.cost += size * (2.0 * unit_cost(s, p, leg) + p.buffer)


@compiled
def _bar_flat(s, p, out):
    side = signal.entry_side(s.z, p.entry)
    if side == 0:
        say(out, HOLD, NO_SIGNAL)
    elif abs(s.z) >= p.stop:
        say(out, VETO, BEYOND_STOP)
    elif s.paused:
        say(out, VETO, PAUSED)
    elif s.bars < s.cool_until:
        say(out, VETO, COOLDOWN)
    elif s.disarmed:
        say(out, VETO, REARMING)
    elif not s.evidence_ok:
        say(out, VETO, NO_EVIDENCE)
    elif out.ts_ns > s.plan_until_ns:
        say(out, VETO, PLAN_EXPIRED)
    else:
        _weigh_entry(s, p, out)
        if out.benefit <= out.cost:
            say(out, VETO, EDGE_BELOW_COST)
        elif not _sizes(s, p, side, out.ts_ns):
            say(out, VETO, BELOW_ONE_LOT)
        else:
            s.side = side
            s.steps = 1
            s.entry_bar = s.bars
            s.trade += 1
            s.naked_sum = s.naked_used = 0.0
            s.phase = phase.after(s.phase, phase.ENTERED)
            converge(s, p, out)  # A11, A13: both legs by one trigger, in one decision
            say(out, ENTER, ENTRY)


@compiled
def _bar_held(s, p, out):
    if s.phase == CLOSING:
        acted = converge(s, p, out)
        say(out, REPAIR if acted else HOLD, LEG_SHORTFALL if acted else WORKING)
        return
    too_old = exits.overstayed(s.bars - s.entry_bar, p.time_stop, s.half_life)
    reason = exits.reason_of(s.z, s.side, p.target, p.stop, too_old)
    if reason == WAIT_TARGET:
        _scale_in(s, p, out)
        return
    if reason != TARGET:
        s.cool_until = s.bars + p.cooldown
        s.disarmed = p.rearm
    unwind(s, p, out)
    say(out, CLOSE, reason)


@compiled
def _scale_in(s, p, out):
    """A1: add the next part of the position when z has gone one gap further, with its hedge, or wait."""
    due = s.steps < p.scale_steps and -s.side * s.z >= p.entry + s.steps * p.scale_gap
    if not due or s.phase != OPEN or s.paused or not s.evidence_ok:
        say(out, HOLD, WAIT_TARGET)
        return
    s.steps += 1
    primary = pairs.lots(s.side * p.notional * s.steps / p.scale_steps / price(s, p, 0), p.lot[0])
    if abs(primary) > abs(s.target[0]):  # a part is never taken back because the price has moved
        s.target[0] = primary
        for leg in range(1, p.n_legs):
            s.target[leg] = wanted_hedge(s, p, primary, leg, out.ts_ns)
        for leg in range(p.n_legs):
            s.full[leg] = s.target[leg]
    converge(s, p, out)
    say(out, ENTER, SCALE_IN)


@compiled
def score(s, p):
    """Score the window on the plan's present ratio; z is nan before it is full, and until the user's own score is heard."""
    s.z = math.nan
    if s.has_plan and s.warm >= p.lookback:
        if p.signal == LOG_SPREAD:
            s.z, s.sd = signal.zscore(s.window, s.head, WINDOW_MAX, p.lookback, s.ratio, p.n_legs, s.scratch)
        elif p.signal == USER:  # sd of the log spread, if the user gives none
            s.sd = signal.zscore(s.window, s.head, WINDOW_MAX, p.lookback, s.ratio, p.n_legs, s.scratch)[1]
        else:
            s.z, s.sd = signal.score_of(p.signal, s.window, s.head, WINDOW_MAX, p.lookback, s.ratio, p.n_legs, s.scratch)


@compiled
def close_bar(s, p, out):
    """Add the bar to the window, then decide on it; a user's own score is waited for (it comes at the same time)."""
    out.bar = 1
    for leg in range(p.n_legs):
        s.window[leg, s.head] = log_price(s, p, leg)
    s.head = (s.head + 1) % WINDOW_MAX
    s.bars += 1
    s.warm += 1
    score(s, p)
    if p.signal != USER:
        decide_bar(s, p, out)


@compiled
def decide_bar(s, p, out):
    """Decide on the bar that was closed, by its score."""
    if abs(s.z) < p.entry:
        s.disarmed = 0
    if s.phase == HALTED:
        say(out, HOLD, HALT)
    elif s.phase == RECOVERING:
        say(out, HOLD, RECONCILING)
    elif not s.has_plan:
        say(out, HOLD, NO_PLAN)
    elif math.isnan(s.z) and s.phase != CLOSING:
        say(out, HOLD, WARMING_UP if s.warm < p.lookback else NO_SIGNAL)
    elif s.phase == FLAT:
        _bar_flat(s, p, out)
    else:
        _bar_held(s, p, out)
