"""What each leg is worth, what is missing to its target, and the orders that bring it there."""

from __future__ import annotations

import math

from hedgekit.compiled import compiled
from hedgekit.params import WINDOW_MAX
from hedgekit.rules import cost, legs, phase
from hedgekit.rules.state import CLOSING, DELTA, OPENING, PAIRS, SYNTHETIC
from hedgekit.structures import delta, pairs, synthetic, unhedged

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False, warn-return-any=False
# ruff: noqa: ANN001, ANN201, ANN202 - compiled functions: numba infers every type, and checks it
# s: state, p: params, o: observation, out: outcome (records of rules/state.py)

_RETURNS_MIN = 2

_DUST = 1e-6


@compiled
def say(out, action, reason):
    """Set what the decision does and why."""
    out.action = action
    out.reason = reason


@compiled
def mid(s, leg):
    """Return the mid price of a leg."""
    return 0.5 * (s.bid[leg] + s.ask[leg])


@compiled
def price(s, p, leg):
    """Money for one unit of quantity, at the mid; a contract of an inverse perpetual is a fixed sum of money."""
    return p.multiplier[leg] if p.inverse[leg] else mid(s, leg) * p.multiplier[leg]


@compiled
def log_price(s, p, leg):
    """Log of what the signal sees of a leg: money for one unit, of an inverse perpetual the price of its coin."""
    return math.log(mid(s, leg)) if p.inverse[leg] else math.log(price(s, p, leg))


@compiled
def units(s, p, leg, with_working):
    """Quantity that the leg moves like, as held, or as held and ordered: of an inverse perpetual its coins, in contracts."""
    held = s.coins[leg] * mid(s, leg) / p.multiplier[leg] if p.inverse[leg] else s.pos[leg]
    return held + with_working * s.working[leg]


@compiled
def hedge_ratio(s, p, leg, now_ns):
    """Dollars of a hedge for a dollar of primary: the plan's, or by the delta structure's model."""
    if p.structure != DELTA:
        return s.ratio[leg]
    left, hedge_left = p.expiry_ns[0] - now_ns, p.expiry_ns[leg] - now_ns
    return delta.ratio(p.delta_model, s.ratio[leg], mid(s, 0), mid(s, leg), left, hedge_left, p.volatility, p.correlation)


@compiled
def bar_end(leg, now_ns, ticks, bar_ns, bar_ticks, offset_ns):  # noqa: PLR0913 - compiled: flat arguments
    """When the bar closes that a quote heard now belongs to, 0 for not known yet; and the primary's quotes in it so far."""
    if bar_ticks == 0:
        return offset_ns + -((offset_ns - now_ns) // bar_ns) * bar_ns, 0
    ticks += leg == 0
    return (0, ticks) if ticks < bar_ticks else (now_ns, 0)


@compiled
def bar_due(s, p, leg, now_ns):
    """Let a quote be part of a bar: :func:`bar_end`, with the state's own count; of the next one, if it comes as late as its bar closed."""
    due, s.ticks = bar_end(leg, now_ns, s.ticks, p.bar_ns, p.bar_ticks, p.offset_ns)
    return due + p.bar_ns if due and due <= s.closed_ns and p.bar_ticks == 0 else due


@compiled
def fresh(s, p, now_ns):
    """Whether every leg has a quote that is young enough to act on."""
    all_young = True
    for leg in range(p.n_legs):
        all_young = all_young and young(s, p, leg, now_ns)
    return all_young


@compiled
def young(s, p, leg, now_ns):
    """Whether a leg can be traded and its quote is young enough to act on."""
    return s.quote_ns[leg] != 0 and not s.shut[leg] and now_ns - s.quote_ns[leg] <= p.max_age_ns


@compiled
def wanted_hedge(s, p, primary, leg, now_ns):
    """Hedge quantity that the structure wants for ``primary`` units."""
    args = (primary, hedge_ratio(s, p, leg, now_ns), price(s, p, 0), price(s, p, leg), p.lot[leg])
    if p.structure in (PAIRS, DELTA):
        if p.inverse[leg]:  # what its contracts move like has changed since they were bought: add or take the difference
            exact = -args[1] * primary * args[2]
            return moved(s, p, leg, exact)
        return pairs.hedge_quantity(*args)
    if p.structure == SYNTHETIC and p.loss_cap > 0.0:
        return synthetic.capped_quantity(primary, price(s, p, 0), price(s, p, leg), p.lot[leg], p.loss_cap)
    if p.structure == SYNTHETIC:
        return synthetic.hedge_quantity(*args, p.hedge_frac)
    return unhedged.hedge_quantity(*args)


@compiled
def moved(s, p, leg, worth):
    """Quantity to hold (filled and ordered) so that a leg's exposure is ``worth`` money, in whole lots."""
    each = price(s, p, leg)
    if not p.inverse[leg]:
        return pairs.lots(worth / each, p.lot[leg])
    return pairs.lots(s.pos[leg] + s.working[leg] + (worth / each - units(s, p, leg, 1.0)), p.lot[leg])


@compiled
def net_delta(s, p, with_working, now_ns):
    """Net delta of what is held, or of what is held and ordered; of several hedges the one that is furthest off."""
    primary = units(s, p, 0, with_working) * price(s, p, 0)
    worst = math.nan
    for leg in range(1, p.n_legs):
        hedge = units(s, p, leg, with_working) * price(s, p, leg)
        off = pairs.net_delta(primary, hedge, hedge_ratio(s, p, leg, now_ns), p.notional)
        if not abs(worst) >= abs(off) and not math.isnan(off):
            worst = off
    return worst


@compiled
def unit_cost(s, p, leg):
    """Return the cost of trading one unit of money in a leg (A16)."""
    multiplier = p.multiplier[leg] / mid(s, leg) if p.inverse[leg] else p.multiplier[leg]
    return cost.unit_cost(s.bid[leg], s.ask[leg], multiplier, p.fee_rate[leg], p.fee_unit[leg])


@compiled
def variance(s, p, leg):
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
def clean(quantity, lot):
    """Take the dust of binary sums off a quantity of whole lots, so that any order of fills leaves the same bits (L1)."""
    whole = pairs.lots(quantity, lot)
    return whole if abs(quantity - whole) < _DUST * lot else quantity


@compiled
def _send(s, p, out, leg, quantity):
    """Put an order into the outcome; it counts as working from now on."""
    touch = s.ask[leg] if quantity > 0 else s.bid[leg]
    out.order[leg] = quantity
    out.expected[leg] = touch
    if p.limits:
        out.limit[leg] = legs.limit_price(touch, quantity > 0, legs.place_of(s.rung[leg], p.retries), p.cap, p.tick[leg])
    s.working[leg] = clean(s.working[leg] + quantity, p.lot[leg])
    s.sent_ns[leg] = out.ts_ns


@compiled
def converge_leg(s, p, out, leg):
    """Order what is missing to the target; cancel first what works the other way.

    From long to short (a refit that turns the ratio's sign) a leg goes to zero first: one order through zero is
    refused by venues that lend what is sold short.
    """
    target = 0.0 if s.pos[leg] * s.target[leg] < 0.0 else s.target[leg]
    need = target - s.pos[leg] - s.working[leg]
    if abs(need) < 0.5 * p.lot[leg] or s.cancelling[leg]:
        return False
    if s.working[leg] * need < 0.0:
        out.cancel[leg] = 1
        s.cancelling[leg] = 1
    else:
        _send(s, p, out, leg, clean(need, p.lot[leg]))
    return True


@compiled
def converge(s, p, out):
    """Order what every leg misses; whether there was anything to do."""
    acted = False
    for leg in range(p.n_all):
        acted = converge_leg(s, p, out, leg) or acted
    return acted


@compiled
def settle(s, p):
    """Follow the phase table once fills have brought every leg to where it should be."""
    arrived = True
    flat = True
    for leg in range(p.n_all):
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
def unwind(s, p, out):
    """Both legs to zero (A2: the hedge closes in proportion, here with the whole)."""
    s.phase = phase.after(s.phase, phase.EXITED)
    for leg in range(p.n_all):
        s.target[leg] = 0.0
        s.rung[leg] = 0
    converge(s, p, out)
    settle(s, p)
