"""Legs that are not filled as they should be: the ladder of A18 and the naked-leg budget (L4); and a venue that was silent (L6)."""

from __future__ import annotations

from hedgekit.compiled import compiled
from hedgekit.rules import legs, phase
from hedgekit.rules.state import (
    CLOSE,
    CLOSING,
    CUT_BACK,
    DOWN,
    FILLED,
    FROZEN,
    HALTED,
    HOLD,
    LEG_REJECTED,
    LEG_SHORTFALL,
    NAKED_LIMIT,
    OPEN,
    OPENING,
    ORDER_OVERDUE,
    RECONCILED,
    RECONCILING,
    RECOVERING,
    REPAIR,
    RESTARTED,
    SHORT_ACCEPTED,
    STOOD_IN,
    UP,
    VENUE_BACK,
    VENUE_SILENT,
)
from hedgekit.step.legs import converge, converge_leg, price, say, settle, unwind, young
from hedgekit.structures import pairs

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False, warn-return-any=False
# ruff: noqa: ANN001, ANN201, ANN202 - compiled functions: numba infers every type, and checks it
# s: state, p: params, o: observation, out: outcome (records of rules/state.py)

WANTED, ORDERED = 1, 2
"""Whether a position is to be flattened through the leg that stands in, or was ordered to be."""

_S = 1e-9
_WHOLE = 1e-9


# ------------------------------------------------------------------- the measure


@compiled
def fresh_until(s, p):
    """Until when every leg's quote is young enough to act on; 0 if one has none."""
    until = s.quote_ns[0] + p.max_age_ns
    for leg in range(p.n_legs):
        until = min(until, s.quote_ns[leg] + p.max_age_ns if s.quote_ns[leg] != 0 and not s.shut[leg] else 0)
    return until


@compiled
def charge(s, p, now_ns):
    """Count what was unhedged up to now; as used of the budget, only while every leg had a fresh quote."""
    if s.naked > 0.0:
        s.naked_sum += s.naked * (now_ns - s.naked_ns) * _S
        s.naked_used += s.naked * max(min(now_ns, fresh_until(s, p)) - s.naked_ns, 0) * _S
    s.naked_ns = now_ns


@compiled
def tend(s, p, now_ns):
    """After anything but a quote: measure what is unhedged now, and when an order is overdue or half of the budget used up."""
    charge(s, p, now_ns)
    s.naked = 0.0
    for leg in range(1, p.n_legs):
        s.naked += legs.unhedged(s.pos[leg], s.full[leg], s.pos[0], s.full[0], price(s, p, leg)) if s.ask[leg] > 0.0 else 0.0
    s.repair_ns = 0
    if s.phase not in (OPENING, OPEN, CLOSING):
        s.overdue = 0
        return
    at = 0
    for leg in range(p.n_all):
        if s.working[leg] == 0.0 or s.cancelling[leg]:
            continue
        if p.patience_ns > 0:
            due = s.sent_ns[leg] + p.patience_ns
            at = due if at == 0 else min(at, due)
        if s.naked > 0.0 and p.naked_limit > 0.0 and s.rung[leg] <= p.retries:
            due = now_ns + legs.budget_left_ns(s.naked_used, p.naked_limit, s.naked)
            due = due if due <= fresh_until(s, p) else now_ns  # not before the next quote
            at = due if at == 0 else min(at, due)
    if at > now_ns:
        s.repair_ns = at
        s.overdue = 0
    else:
        s.overdue = at != 0


# -------------------------------------------------------------------- the ladder


@compiled
def mend(s, p, out):
    """Cancel what is overdue and could have filled; a leg goes one rung up the ladder, or at once to its end if the budget says so."""
    charge(s, p, out.ts_ns)
    over = p.naked_limit > 0.0 and s.naked > 0.0 and legs.budget_left_ns(s.naked_used, p.naked_limit, s.naked) == 0
    reason = ORDER_OVERDUE
    for leg in range(p.n_all):
        if s.working[leg] == 0.0 or s.cancelling[leg]:
            continue
        late = legs.overdue(out.ts_ns, s.sent_ns[leg], s.quote_ns[leg], p.patience_ns)
        hurry = over and s.rung[leg] <= p.retries
        if not young(s, p, leg, out.ts_ns) or not (late or hurry):
            continue
        s.rung[leg] = min(s.rung[leg] + 1, p.retries + 2)
        if hurry:
            s.rung[leg] = p.retries + (1 if s.phase == CLOSING else 2)
            reason = NAKED_LIMIT
        out.cancel[leg] = 1
        s.cancelling[leg] = 1
        say(out, REPAIR, reason)


@compiled
def order_over(s, p, out, leg):
    """Take the next step of the ladder: a leg's order is over, and not all of it was filled.

    What needs an order waits for a quote that is young enough to price it (A9).
    """
    s.owed[leg] = s.target[leg] != s.pos[leg] and not young(s, p, leg, out.ts_ns)
    if s.owed[leg]:
        return None
    place = legs.place_of(s.rung[leg], p.retries)
    if s.phase in (OPENING, OPEN) and s.rung[leg] > 0 and s.full[leg] != 0.0:
        if s.phase == OPENING and p.accept < 1.0 and s.pos[leg] / s.full[leg] >= p.accept:
            return _accept(s, p, out, leg)
        if place == legs.BACK:
            return _cut_back(s, p, out, leg)
    if place == legs.BACK:
        s.rung[leg] = p.retries + 1  # a closing leg goes on across the spread
    if converge_leg(s, p, out, leg):
        return say(out, REPAIR, LEG_SHORTFALL)
    if settle(s, p):
        return say(out, HOLD, FILLED)
    return None


@compiled
def go_on(s, p, out, leg):
    """Take the step of the ladder that has waited for a quote of the leg, unless something else has seen to it."""
    if s.phase in (OPENING, OPEN, CLOSING) and s.working[leg] == 0.0:
        order_over(s, p, out, leg)
    else:
        s.owed[leg] = 0


@compiled
def _accept(s, p, out, leg):
    s.target[leg] = s.full[leg] = s.pos[leg]
    s.rung[leg] = 0
    settle(s, p)
    return say(out, HOLD, SHORT_ACCEPTED)


@compiled
def _cut_back(s, p, out, stuck):
    """Bring every leg to the share that the one with the least has; close all if that is less than a lot of the primary."""
    reason = NAKED_LIMIT if p.naked_limit > 0.0 and s.naked_used >= 0.5 * p.naked_limit else CUT_BACK
    share = 1.0
    for leg in range(p.n_legs):
        if s.full[leg] != 0.0:
            share = min(share, legs.filled_share(s.pos[leg], s.full[leg]))
    if pairs.lots(s.full[0] * share, p.lot[0]) == 0.0:
        unwind(s, p, out)
        for leg in range(p.n_legs):
            s.rung[leg] = p.retries + 1
        return say(out, CLOSE, reason)
    for leg in range(p.n_legs):
        least = s.full[leg] == 0.0 or legs.filled_share(s.pos[leg], s.full[leg]) <= share + _WHOLE
        s.target[leg] = s.pos[leg] if least or (share == 1.0 and leg == stuck) else pairs.lots(s.full[leg] * share, p.lot[leg])
        s.rung[leg] = p.retries + 1
    for leg in range(p.n_legs):
        s.full[leg] = s.target[leg]
    converge(s, p, out)
    settle(s, p)
    return say(out, REPAIR, reason)


@compiled
def refused(s, p, out, leg):
    """Do not order a refused leg again at once.

    While opening, both legs go back to zero. An open pair keeps the hedge it has
    until the next look; a leg that should close is ordered again at the next bar,
    also if the other one is refused meanwhile: else each would have the other ordered, without end.
    """
    s.refused[leg] = s.bars + 1
    if s.phase == OPEN:
        s.target[leg] = s.full[leg] = s.pos[leg] + s.working[leg]
        return say(out, HOLD, LEG_REJECTED)
    s.phase = phase.after(s.phase, phase.EXITED)
    for other in range(p.n_all):
        s.target[other] = 0.0
        if s.refused[other] != s.bars + 1:
            converge_leg(s, p, out, other)
    settle(s, p)
    return say(out, REPAIR, LEG_REJECTED)


# ---------------------------------------------------------------- a silent venue


@compiled
def _cancel_all(s, p, out):
    """Cancel what works wherever it can be cancelled."""
    for leg in range(p.n_all):
        if s.working[leg] != 0.0 and not s.cancelling[leg] and not s.down[leg]:
            out.cancel[leg] = 1
            s.cancelling[leg] = 1


@compiled
def on_link(s, p, o, out):
    """L6: a venue that fell silent: nothing new anywhere, and what works elsewhere is cancelled; on its first word everything.

    Then wait until every venue has told what is held.
    """
    for leg in range(p.n_all):
        s.agreed[leg] = 0
        if p.venue[leg] == o.flag:
            s.down[leg] = o.leg == DOWN
            s.still[leg] = o.leg == FROZEN
    if s.phase == HALTED:
        return
    if o.leg == UP:
        if s.phase == RECOVERING:
            _cancel_all(s, p, out)
            say(out, REPAIR, VENUE_BACK)
        return
    if s.phase != RECOVERING:
        s.back = s.phase
        s.phase = phase.after(s.phase, phase.CUT_OFF)
        s.broken = s.escape = 0
    if o.leg == RESTARTED:
        say(out, HOLD, RECONCILING)
        return
    s.broken = max(s.broken, 1)
    _cancel_all(s, p, out)  # also at a venue that is frozen: it takes orders
    say(out, HOLD, VENUE_SILENT)
    if p.stands_for >= 0 and s.down[p.stands_for] and not s.escape:
        s.escape = WANTED
        stand_in(s, p, out)


@compiled
def stand_in(s, p, out):
    """L6: flatten through another venue, once every leg but the silent one can be traded: its stand-in against it, the others to zero."""
    last = p.n_all - 1
    for leg in range(p.n_all):
        if leg != p.stands_for and (s.down[leg] or not young(s, p, leg, out.ts_ns)):
            return
    s.escape = ORDERED
    for leg in range(p.n_all):
        s.target[leg] = s.pos[leg] if leg == p.stands_for else 0.0
        s.rung[leg] = p.retries + 1  # across the spread
    if s.ask[p.stands_for] > 0.0:
        worth = s.pos[p.stands_for] * price(s, p, p.stands_for)
        s.target[last] = pairs.lots(-worth / price(s, p, last), p.lot[last])
    acted = False
    for leg in range(p.n_all):
        acted = (leg != p.stands_for and converge_leg(s, p, out, leg)) or acted
    if acted:
        say(out, CLOSE, STOOD_IN)


@compiled
def on_agreed(s, p, o, out):
    """Close both legs after a silence, go on after a restart: every venue has told what is held, and it is what we hold.

    Both legs or none, and not at prices that stand still (A9).
    """
    if s.phase != RECOVERING or not o.flag:
        return
    for leg in range(p.n_all):
        if o.leg in (-1, p.venue[leg]):
            s.agreed[leg] = 1
    for leg in range(p.n_all):
        if not s.agreed[leg] or s.down[leg]:
            say(out, HOLD, RECONCILING)
            return
    if s.broken:
        for leg in range(p.n_all):
            stuck = s.pos[leg] != 0.0 and (s.shut[leg] or (s.still[leg] and s.broken == 1))  # of what is not held nothing is to be closed
            if s.working[leg] != 0.0 or stuck:
                say(out, HOLD, RECONCILING)
                return
        unwind(s, p, out)
        say(out, CLOSE, RECONCILED)
        return
    s.phase = phase.after(s.phase, phase.AGREED_FLAT + s.back)
    converge(s, p, out)
    settle(s, p)
    say(out, REPAIR, RECONCILED)
