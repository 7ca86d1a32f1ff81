"""The compiled pass over a tape: the venue's part by a fill model, the decisions by ``step``.

Virtual times are those of a paper session in step with the sandbox: a request
reaches the venue ``up_ns`` after it was sent, what the venue says on its sockets
arrives ``ws_ns`` later. A cancel needs the venue's id of its order, so it leaves
when the order's acknowledgement is there, if that is not yet.
"""

from __future__ import annotations

import math

import numpy as np

from hedgekit.backtest.glide import glide
from hedgekit.backtest.venue import drop, match, tell
from hedgekit.compiled import compiled
from hedgekit.rules.state import (
    CLOSE,
    CLOSING,
    COMMAND,
    DONE,
    ENTER,
    ENTRY,
    FILL,
    FLAT,
    HALTED,
    HOLD,
    IN_BAND,
    LEGS_MAX,
    NOTED,
    OBSERVATION,
    OUT,
    PARAMS,
    PLAN,
    QUOTE,
    SCORE,
    STATE,
    STOP_CMD,
    TIMER,
    USER,
)
from hedgekit.step import Record, Rows, decide, figures, wakeup_ns

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False
# ruff: noqa: ANN001, ANN202, PLR0913 - compiled functions: numba infers every type, and checks it; flat arguments
# c: cursor, s: state, p: params, o: observation, out: outcome, t: arrays of the tape, d: delays
# log: arrays of LOG, of OUT and of TRIP; the place of a decision in the first is where it stands in the second

QUEUE = 64
"""Most orders at work on one leg at a time."""

ROOM = 8
"""Places that a log must have left."""
_NEVER = np.iinfo(np.int64).max
DECIDED, FILLED, OVER = range(3)
FINISHED, REVISE, FULL, CROWDED = range(4)

_i, _f = np.int64, np.float64
_orders = (LEGS_MAX, QUEUE)
MESSAGE = np.dtype(
    [
        *(("kind", _i), ("leg", _i), ("place", _i), ("ts_ns", _i), ("venue_ns", _i)),
        *(("a", _f), ("b", _f), ("mid", _f), ("trade", _i)),  # of a fill: a quantity, b price, mid then, trade that ordered it
    ],
    align=True,
)
CURSOR = np.dtype(
    [
        ("row", _i),
        ("last_ns", _i),  # when the session hears the last message under way
        ("stopped", _i),
        ("words", _i),  # 1: log every decision and take every step; 0: log what was filled, and glide
        ("timer", _i),  # bar timers so far
        ("plans", _i),  # of the known plans, how many the step has heard
        ("due", _i),  # 1: the next of them is what the step hears now
        ("kept", _f, (2, LEGS_MAX)),  # quotes before a row that is being looked at
        ("kept_ns", _i, (LEGS_MAX,)),
        ("logged", _i),
        ("said", _i),
        ("bars", _i),
        ("sent", _i),  # orders sent so far
        ("decided", _i),  # decisions that cancel, so far
        ("count", _i, (LEGS_MAX,)),
        ("qty", _f, _orders),  # what is left of each order of a leg, oldest first
        ("number", _i, _orders),  # its place among all orders sent
        ("trade", _i, _orders),  # that it was ordered for
        ("arrive_ns", _i, _orders),  # when it reaches the venue
        ("void_ns", _i, _orders),  # when its cancel does; 0 for none
        ("limit", _f, _orders),  # its price; 0 at market
        ("met", _i, _orders),  # the last row that it has met, from 1: what is left of a limit order then trades at its own limit
        ("void_by", _i, _orders),  # the decision that cancelled it; 0 if the cancel had to wait for the order's Ack
        ("head", _i),  # first message of the inbox that the step has not heard
        ("tail", _i),
        ("inbox", MESSAGE, (2 * QUEUE + ROOM,)),
    ],
    align=True,
)
KNOWN = np.dtype(
    [
        *(("bars", _i), ("ts_ns", _i)),  # how many bars have closed when it is due, and when the last of them did
        *(("ratio", _f, (LEGS_MAX,)), ("half_life", _f), ("until_ns", _i), ("trusted", _i)),
    ],
    align=True,
)
"""A hedge plan that is known before the pass begins."""

DELAYS = np.dtype([("ws_ns", _i), ("up_ns", _i), ("reply_ns", _i)], align=True)
LOG = np.dtype(
    [
        *(("what", _i), ("leg", _i), ("place", _i), ("ts_ns", _i), ("venue_ns", _i)),
        *(("qty", _f), ("price", _f), ("mid", _f), ("trade", _i)),
    ],
    align=True,
)
TRIP = np.dtype(
    [
        *(("opened_ns", _i), ("left_ns", _i)),  # when entry and exit were decided; 0 for not yet
        *(("side", _i), ("reason", _i), ("first_bar", _i), ("last_bar", _i)),  # bars by their timers
        *(("z_entry", _f), ("z_exit", _f)),
    ],
    align=True,
)


@compiled
def _send(c, trade, out, leg, now_ns, d):
    k = c.count[leg]
    c.sent += 1
    c.qty[leg, k] = out.order[leg]
    c.number[leg, k] = c.sent
    c.trade[leg, k] = trade
    c.arrive_ns[leg, k] = now_ns + d.up_ns
    c.void_ns[leg, k] = 0
    c.limit[leg, k] = out.limit[leg]
    c.met[leg, k] = 0
    c.count[leg] += 1
    c.last_ns = max(c.last_ns, now_ns + d.reply_ns)


@compiled
def _void(c, leg, now_ns, d):
    """Cancel everything at work on a leg, each order as soon as its Ack is there."""
    for k in range(c.count[leg]):
        if c.void_ns[leg, k] == 0:
            ack_ns = c.arrive_ns[leg, k] + d.ws_ns
            leaves_ns = max(now_ns, ack_ns)
            c.void_ns[leg, k] = leaves_ns + d.up_ns
            c.void_by[leg, k] = c.decided if now_ns >= ack_ns else 0
            c.last_ns = max(c.last_ns, leaves_ns + d.reply_ns)


@compiled
def observe(c: Record, s: Record, p: Record, o: Record, out: Record, log: Record, d: Record) -> None:
    """One step; log what it says and put its orders on their way, the most urgent first (A17)."""
    decide(s, p, o, out)
    if c.words and (out.action != HOLD or out.reason not in (NOTED, IN_BAND)):
        figures(s, p, out)
        entry = log[0][c.logged]
        entry.what = DECIDED
        entry.ts_ns = o.ts_ns
        entry.place = c.said
        _copy(log[1][c.said], out, p.n_legs)
        c.said += 1
        c.logged += 1
    _note(c, s, o, out, log[2])
    c.decided += 1
    for leg in range(p.n_legs):
        if out.cancel[leg]:
            _void(c, leg, o.ts_ns, d)
    first = 0 if s.phase == CLOSING or out.action == ENTER else 1  # a hedge's repair leaves before its primary's
    for i in range(p.n_legs):
        leg = (first + i) % p.n_legs
        if out.order[leg] != 0.0:
            _send(c, s.trade, out, leg, o.ts_ns, d)


@compiled
def _note(c, s, o, out, trips):
    """Note when, on which bar and why a trade was entered and left: its first decision to leave counts."""
    if s.trade == 0:
        return
    trip = trips[s.trade - 1]
    bar = c.timer if (o.kind == TIMER and out.bar) or s.next_bar_ns == o.ts_ns else c.timer - 1
    if out.action == ENTER and out.reason == ENTRY:
        trip.opened_ns, trip.left_ns, trip.side, trip.first_bar, trip.z_entry = o.ts_ns, 0, s.side, bar, s.z
    elif trip.left_ns == 0 and (out.action == CLOSE or (s.phase in (CLOSING, HALTED, FLAT) and out.reason != NOTED)):
        trip.left_ns, trip.reason, trip.last_bar, trip.z_exit = o.ts_ns, out.reason, bar, s.z


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
        to.limit[leg] = out.limit[leg]
    to.naked = out.naked


@compiled
def _next(c, o, log):
    """Take the next message out of the inbox; a fill or an order's end is logged."""
    message = c.inbox[c.head]
    o.kind = message.kind
    o.ts_ns = message.ts_ns
    o.leg = message.leg
    o.a = message.a
    o.b = message.b
    if message.kind in (FILL, DONE):
        entry = log[0][c.logged]
        entry.what = FILLED if message.kind == FILL else OVER
        entry.leg = message.leg
        entry.place = message.place
        entry.ts_ns = message.ts_ns
        entry.venue_ns = message.venue_ns
        entry.qty = message.a
        entry.price = message.b
        entry.mid = message.mid
        entry.trade = message.trade
        c.logged += 1
    c.head += 1
    if c.head == c.tail:
        c.head = 0
        c.tail = 0


@compiled
def _plan(c, o, p, plan):
    """Let the step hear a known plan, as a revision at the newest bar."""
    o.kind, o.leg, o.ts_ns, o.until_ns, o.flag = PLAN, 0, plan.ts_ns, plan.until_ns, plan.trusted
    o.a, o.b = 0.0, plan.half_life
    for leg in range(p.n_legs):
        o.ratio[leg] = plan.ratio[leg]
    c.plans += 1
    c.due = 0


@compiled
def _row(c, p, d, t):
    """Tell of a row's fills first, then of its quotes."""
    row = c.row
    match(c, p, d, t, row)
    for leg in range(p.n_legs):
        if not math.isnan(t[1][row, leg]):
            tell(c, QUOTE, leg, 0, t[0][row] + d.ws_ns, t[0][row], t[1][row, leg], t[2][row, leg], 0.0, 0)
    c.row += 1


@compiled
def _first_void(c, n_legs):
    """Leg and place of the order whose cancel reaches the venue next; (-1, 0) for none."""
    leg, place = -1, 0
    for at in range(n_legs):
        for k in range(c.count[at]):
            if c.void_ns[at, k] and (leg < 0 or _sooner(c, at, k, leg, place)):
                leg, place = at, k
    return leg, place


@compiled
def _sooner(c, leg, k, other, j):
    if c.void_ns[leg, k] != c.void_ns[other, j]:
        return c.void_ns[leg, k] < c.void_ns[other, j]
    if c.void_by[leg, k] != c.void_by[other, j]:
        return c.void_by[leg, k] < c.void_by[other, j]
    return c.number[leg, k] < c.number[other, j]


@compiled
def _over(c, d, leg, place):
    """Tell that a cancelled order is over."""
    void_ns = c.void_ns[leg, place]
    tell(c, DONE, leg, place, void_ns + d.ws_ns, void_ns, c.qty[leg, place], 0.0, 0.0, 0)
    drop(c, leg, place)


@compiled
def _bar(c, s):
    """Note a bar that the step has closed; whether there was one."""
    if s.bars == c.bars:
        return False
    c.bars = s.bars
    return True


@compiled
def _full(c, s, log):
    return c.logged + ROOM > len(log[0]) or s.trade + ROOM > len(log[2]) or (c.words and c.said + ROOM > len(log[1]))


@compiled
def _hear_known(c, k):
    """Let the step hear the plan that is due next, if it is known; whether it is."""
    c.due = 1 if c.plans < len(k) else 0
    return c.due == 1


@compiled
def _crowded(c, n_legs):
    most = 0
    for leg in range(n_legs):
        most = max(most, c.count[leg])
    return most > QUEUE - ROOM


@compiled
def _advance(c, s, p, d, t):
    """Let the next thing happen: an order's end, a row, a timer, or the stop; False if all is over."""
    arrival = t[0][c.row] + d.ws_ns if c.row < t[0].shape[0] else _NEVER
    leg, place = _first_void(c, p.n_legs)
    over = c.void_ns[leg, place] + d.ws_ns if leg >= 0 else _NEVER
    wake = wakeup_ns(s)
    now = min(arrival, over, wake if wake > 0 else _NEVER)
    if now == _NEVER and c.stopped:
        return False
    if now == _NEVER:
        c.stopped = 1
        tell(c, COMMAND, STOP_CMD, 0, c.last_ns, 0, 0.0, 0.0, 0.0, 0)
        return True
    c.last_ns = max(c.last_ns, now)
    if over == now:
        _over(c, d, leg, place)
    elif arrival == now:
        _row(c, p, d, t)
    else:
        tell(c, TIMER, 0, 0, now, now, 0.0, 0.0, 0.0, 0)
    return True


@compiled
def _onward(c, s, p, d, t, g, fit):
    """Glide, then let the next thing happen; False if all is over."""
    if not c.words:
        glide(c, s, p, d, t, g, fit)
    return _advance(c, s, p, d, t)


@compiled
def go(b: Rows, log: Record, t: Record, g: Record, k: Record, next_fit: int) -> int:
    """Go on until the tape is over, a ratio is due, the log is nearly full or a queue is; return which.

    The step is called in one place only: compiling it into several would take minutes.

    Parameters
    ----------
    b : tuple of arrays
        The bytes of one record each of CURSOR, STATE, PARAMS, OBSERVATION, OUT and DELAYS: from Python many times as fast as records.
    log : tuple of arrays
        Of LOG, OUT and TRIP.
    t : tuple of arrays
        Times (n,), bids, asks, bid sizes and ask sizes (n, legs); a user's own scores and their sd (bars,), empty if there are none.
    g : tuple of arrays
        The bars and their scores on the ratio of their time: see ``glide.py``.
    k : array of KNOWN
        Plans that are known, in their order; at the end of them it returns whenever one is due.
    next_fit : int
        Number of closed bars at which the ratio after the known ones is due.
    """
    c, s, p = b[0].view(CURSOR)[0], b[1].view(STATE)[0], b[2].view(PARAMS)[0]
    o, out, d = b[3].view(OBSERVATION)[0], b[4].view(OUT)[0], b[5].view(DELAYS)[0]
    while True:
        if _full(c, s, log):
            return FULL
        fit = k[c.plans].bars if c.plans < len(k) else next_fit
        if c.due:
            _plan(c, o, p, k[c.plans])
        elif c.head == c.tail:
            if _crowded(c, p.n_legs):
                return CROWDED
            if not _onward(c, s, p, d, t, g, fit):
                return FINISHED
            continue  # a row may bring no message
        else:
            _next(c, o, log)
        observe(c, s, p, o, out, log, d)
        if o.kind == TIMER and out.bar:
            c.timer += 1
        closed = o.kind == TIMER and _bar(c, s)
        if closed and p.signal == USER:
            tell(c, SCORE, 0, 0, o.ts_ns, o.ts_ns, t[5][c.bars - 1], t[6][c.bars - 1], 0.0, 0)
        elif (closed or o.kind == SCORE) and c.bars == fit and not _hear_known(c, k):
            return REVISE
