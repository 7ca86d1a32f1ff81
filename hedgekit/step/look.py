"""The look at the net delta between bars, and the rebalance that may come of it (A14 to A16)."""

from __future__ import annotations

import math

from hedgekit.compiled import compiled
from hedgekit.rules import cost, rebalance
from hedgekit.rules.state import COST_EXCEEDS_BENEFIT, DRIFT, HOLD, IN_BAND, OPEN, PAIRS, REBALANCE, SKIP, WORKING
from hedgekit.step.legs import converge_leg, net_delta, price, say, unit_cost, variance, wanted_hedge
from hedgekit.structures import pairs

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False, warn-return-any=False
# ruff: noqa: ANN001, ANN201, ANN202 - compiled functions: numba infers every type, and checks it
# s: state, p: params, o: observation, out: outcome (records of rules/state.py)


@compiled
def look_at_delta(s, p, out):
    """A14 to A16: look at the net delta; adjust the hedge if that is worth its cost."""
    s.last_look_ns = out.ts_ns
    s.look_ns = 0
    delta = net_delta(s, p, 1.0)
    if not rebalance.outside(delta, p.tolerance):
        return say(out, HOLD, IN_BAND)
    moves = False
    for leg in range(1, p.n_legs):
        if s.cancelling[leg]:
            return say(out, HOLD, WORKING)
        primary = s.pos[0] + s.working[0]
        now = s.pos[leg] + s.working[leg]
        exact = -s.ratio[leg] * primary * price(s, p, 0)
        before = now * price(s, p, leg) - exact
        want = _destination(s, p, leg, before, exact)
        moves = moves or want != now
        if want == now:  # what is left undone is told with the cost and the worth of doing it
            want = wanted_hedge(s, p, primary, leg)
        after = want * price(s, p, leg) - exact
        out.cost += abs(want - now) * price(s, p, leg) * unit_cost(s, p, leg)
        out.benefit += cost.risk_removed(before, after, p.risk_aversion, p.notional, variance(s, p, leg), p.horizon_bars)
    if not moves or out.benefit <= out.cost:
        return say(out, SKIP, COST_EXCEEDS_BENEFIT)
    for leg in range(1, p.n_legs):
        exact = -s.ratio[leg] * (s.pos[0] + s.working[0]) * price(s, p, 0)
        before = (s.pos[leg] + s.working[leg]) * price(s, p, leg) - exact
        s.target[leg] = _destination(s, p, leg, before, exact)
        converge_leg(s, p, out, leg)
    return say(out, REBALANCE, DRIFT)


@compiled
def _destination(s, p, leg, before, exact):
    """Return the hedge quantity to go to: the near edge of the cost-aware band, in whole lots, or the target itself.

    ``before`` is the money by which the hedge is off, ``exact`` what it should be worth. Inside the band the answer
    is what is held, so that the adjustment costs nothing and is worth nothing.
    """
    now = s.pos[leg] + s.working[leg]
    if not p.to_edge:
        return wanted_hedge(s, p, s.pos[0] + s.working[0], leg)
    penalty = p.risk_aversion / p.notional * variance(s, p, leg)
    if not penalty > 0.0:
        return now
    band = cost.trade_threshold(unit_cost(s, p, leg), penalty, p.horizon_bars)
    if abs(before) <= band:
        return now
    edge = exact + math.copysign(band, before)
    return pairs.lots(edge / price(s, p, leg), p.lot[leg])


@compiled
def may_look(s, p):
    """Whether a hedge is there to be adjusted."""
    return s.phase == OPEN and p.structure == PAIRS
