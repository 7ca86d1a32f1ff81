"""The look at the net delta between bars, and the rebalance that may come of it (A14 to A16)."""

from __future__ import annotations

from hedgekit.compiled import compiled
from hedgekit.rules import cost, rebalance
from hedgekit.rules.state import COST_EXCEEDS_BENEFIT, DRIFT, HOLD, IN_BAND, OPEN, PAIRS, REBALANCE, SKIP, WORKING
from hedgekit.step.legs import converge_leg, net_delta, price, say, unit_cost, variance, wanted_hedge

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False, warn-return-any=False
# ruff: noqa: ANN001, ANN201 - compiled functions: numba infers every type, and checks it
# s: state, p: params, o: observation, out: outcome (records of rules/state.py)


@compiled
def look_at_delta(s, p, out):
    """A14 to A16: look at the net delta; adjust the hedge if that is worth its cost."""
    s.last_look_ns = out.ts_ns
    s.look_ns = 0
    delta = net_delta(s, p, 1.0)
    if not rebalance.outside(delta, p.tolerance):
        return say(out, HOLD, IN_BAND)
    for leg in range(1, p.n_legs):
        if s.cancelling[leg]:
            return say(out, HOLD, WORKING)
        primary = s.pos[0] + s.working[0]
        now = s.pos[leg] + s.working[leg]
        want = wanted_hedge(s, p, primary, leg)
        exact = -s.ratio[leg] * primary * price(s, p, 0)
        before = now * price(s, p, leg) - exact
        after = want * price(s, p, leg) - exact
        out.cost += abs(want - now) * price(s, p, leg) * unit_cost(s, p, leg)
        out.benefit += cost.risk_removed(before, after, p.risk_aversion, p.notional, variance(s, p, leg), p.horizon_bars)
    if out.benefit <= out.cost:
        return say(out, SKIP, COST_EXCEEDS_BENEFIT)
    for leg in range(1, p.n_legs):
        s.target[leg] = wanted_hedge(s, p, s.pos[0] + s.working[0], leg)
        converge_leg(s, p, out, leg)
    return say(out, REBALANCE, DRIFT)


@compiled
def may_look(s, p):
    """Whether a hedge is there to be adjusted."""
    return s.phase == OPEN and p.structure == PAIRS
