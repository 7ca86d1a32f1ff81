"""The look at the net delta between bars, and the rebalance that may come of it (A14 to A16)."""

from __future__ import annotations

import math

from hedgekit.compiled import compiled
from hedgekit.rules import cost, rebalance
from hedgekit.rules.state import COST_EXCEEDS_BENEFIT, DELTA, DRIFT, HOLD, IN_BAND, OPEN, PAIRS, REBALANCE, SKIP, WORKING
from hedgekit.step.legs import converge_leg, hedge_ratio, moved, net_delta, price, say, unit_cost, units, variance, wanted_hedge

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False, warn-return-any=False
# ruff: noqa: ANN001, ANN201, ANN202 - compiled functions: numba infers every type, and checks it
# s: state, p: params, o: observation, out: outcome (records of rules/state.py)


@compiled
def look_at_delta(s, p, out):
    """A14 to A16: look at the net delta; adjust the hedge if that is worth its cost."""
    s.last_look_ns = out.ts_ns
    s.look_ns = 0
    delta = net_delta(s, p, 1.0, out.ts_ns)
    if not rebalance.outside(delta, p.tolerance):
        return say(out, HOLD, IN_BAND)
    moves = False
    for leg in range(1, p.n_legs):
        if s.cancelling[leg]:
            return say(out, HOLD, WORKING)
        now = s.pos[leg] + s.working[leg]
        before, exact = _off(s, p, leg, out.ts_ns)
        want = _destination(s, p, leg, before, exact, out.ts_ns)
        moves = moves or want != now
        if want == now:  # what is left undone is told with the cost and the worth of doing it
            want = wanted_hedge(s, p, units(s, p, 0, 1.0), leg, out.ts_ns)
        after = before + (want - now) * price(s, p, leg)
        out.cost += abs(want - now) * price(s, p, leg) * unit_cost(s, p, leg)
        out.benefit += cost.risk_removed(before, after, p.risk_aversion, p.notional, variance(s, p, leg), p.horizon_bars)
    if not moves or out.benefit <= out.cost:
        return say(out, SKIP, COST_EXCEEDS_BENEFIT)
    for leg in range(1, p.n_legs):
        before, exact = _off(s, p, leg, out.ts_ns)
        s.target[leg] = s.full[leg] = _destination(s, p, leg, before, exact, out.ts_ns)
        s.full[0] = s.target[0]
        converge_leg(s, p, out, leg)
    return say(out, REBALANCE, DRIFT)


@compiled
def _off(s, p, leg, now_ns):
    """Money by which a hedge is off, and money that it should be worth."""
    exact = -hedge_ratio(s, p, leg, now_ns) * units(s, p, 0, 1.0) * price(s, p, 0)
    return units(s, p, leg, 1.0) * price(s, p, leg) - exact, exact


@compiled
def _destination(s, p, leg, before, exact, now_ns):  # noqa: PLR0913 - compiled: flat arguments
    """Return the hedge quantity to go to: the near edge of the cost-aware band, in whole lots, or the target itself.

    ``before`` is the money by which the hedge is off, ``exact`` what it should be worth. Inside the band the answer
    is what is held, so that the adjustment costs nothing and is worth nothing.
    """
    now = s.pos[leg] + s.working[leg]
    if not p.to_edge:
        return wanted_hedge(s, p, units(s, p, 0, 1.0), leg, now_ns)
    penalty = p.risk_aversion / p.notional * variance(s, p, leg)
    if not penalty > 0.0:
        return now
    band = cost.trade_threshold(unit_cost(s, p, leg), penalty, p.horizon_bars)
    if abs(before) <= band:
        return now
    return moved(s, p, leg, exact + math.copysign(band, before))


@compiled
def may_look(s, p):
    """Whether a hedge is there to be adjusted."""
    return s.phase == OPEN and p.structure in (PAIRS, DELTA)
