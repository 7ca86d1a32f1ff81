"""The way past rows on which the step would decide nothing: the same state, to the bit, in a fraction of the time.

While nothing is at work, most calls of the step only take note. When nothing is held the next thing that can happen is a score
beyond the entry level; when a pair is held it is a score at target or stop, an age, a further part, or a look that
finds the delta outside its corridor. ``glide`` goes on to just before that and leaves the event itself to the
step. It decides nothing: a law in the tests holds every state, fill and decision against a pass that takes each step.
"""

from __future__ import annotations

import math

import numpy as np

from hedgekit.compiled import compiled
from hedgekit.params import WINDOW_MAX
from hedgekit.rules import exits, rebalance
from hedgekit.rules.state import DELTA, FLAT, OPEN, PAIRS, WAIT_TARGET
from hedgekit.step import wakeup_ns
from hedgekit.step.legs import bar_due, fresh, net_delta

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False
# ruff: noqa: ANN001, ANN201, ANN202, PLR0913 - compiled functions: numba infers every type, and checks it; flat arguments
# c: cursor, s: state, p: params, d: delays, t: arrays of the tape
# g: arrays of the grid (row, ns, fresh, last, logs, z, sd, first bar of z and sd)

_NEVER = np.iinfo(np.int64).max


@compiled
def glide(c, s, p, d, t, g, next_fit):
    """Go on to just before the next thing that the step must decide."""
    if s.phase not in (FLAT, OPEN) or s.repair_ns != 0:
        return
    for leg in range(p.n_legs):
        if c.count[leg] or s.working[leg] != 0.0 or s.cancelling[leg] or s.owed[leg]:
            return
    if s.phase == OPEN and p.structure in (PAIRS, DELTA):
        _watch(c, s, p, d, t, g, next_fit)
    elif s.look_ns == 0:
        _leap(c, s, p, d, t, g, next_fit)


@compiled
def _matters(s, p, z, bars):
    """Whether a bar that closes at score ``z`` as number ``bars`` is one that the step must decide."""
    if math.isnan(z):
        return False
    if s.phase == FLAT:
        return abs(z) >= p.entry
    too_old = exits.overstayed(bars - s.entry_bar, p.time_stop, s.half_life)
    if exits.reason_of(z, s.side, p.target, p.stop, too_old) != WAIT_TARGET:
        return True
    return s.steps < p.scale_steps and -s.side * z >= p.entry + s.steps * p.scale_gap


@compiled
def _leap(c, s, p, d, t, g, next_fit):
    """From bar to bar, while no look at the delta can come between: land before the timer that matters."""
    row, ns, new, _, logs, z, _, first = g
    k, bars, rearmed = c.timer, s.bars, False
    while k < len(row):
        if new[k]:
            score = z[bars - first]
            if bars + 1 == next_fit or _matters(s, p, score, bars + 1):
                break
            rearmed = rearmed or abs(score) < p.entry
            bars += 1
        k += 1
    if rearmed:
        s.disarmed = 0
    _append(c, s, p, logs, g, bars)
    heard = row[k] if k < len(row) else len(t[0])
    if p.bar_ticks:
        _count(c, s, t, g, k, heard)
    if heard > c.row:
        c.last_ns = max(c.last_ns, t[0][heard - 1] + d.ws_ns)
        c.row = heard
    if k > c.timer:
        c.last_ns = max(c.last_ns, ns[k - 1])
        c.timer = k
        s.closed_ns = ns[k - 1]
    s.next_bar_ns = ns[k] if k < len(row) else 0
    _last_quotes(s, p, d, t, g, k, heard)


@compiled
def _last_quotes(s, p, d, t, g, k, heard):
    """Take each leg's newest quote before timer ``k``; after the last timer, of all rows."""
    row, last = g[0], g[3]
    at = k if k < len(row) else len(row) - 1
    for leg in range(p.n_legs):
        if at >= 0 and last[at, leg] >= 0:
            _quote(s, leg, t, last[at, leg], d)
        for r in range(row[at] if at >= 0 else 0, heard):
            if not math.isnan(t[1][r, leg]):
                _quote(s, leg, t, r, d)


@compiled
def _count(c, s, t, g, k, heard):
    """Count the primary's quotes since the last bar that closed: none, if the next bar is due now."""
    row = g[0]
    begin = c.row
    if k > c.timer:
        s.ticks, begin = 0, max(begin, row[k - 1])
    if k < len(row):
        s.ticks, begin = 0, heard
    for r in range(begin, heard):
        s.ticks += not math.isnan(t[1][r, 0])


@compiled
def _append(c, s, p, logs, g, bars):
    """Add bars up to, not including, number ``bars`` to the window, and score the newest."""
    for bar in range(max(s.bars, bars - WINDOW_MAX), bars):
        column = (s.head + bar - s.bars) % WINDOW_MAX
        for leg in range(p.n_legs):
            s.window[leg, column] = logs[leg, bar]
    gone = bars - s.bars
    if gone > 0:
        s.head = (s.head + gone) % WINDOW_MAX
        s.bars += gone
        s.warm += gone
        c.bars = s.bars
        s.z = g[5][bars - 1 - g[7]]
        sd = g[6][bars - 1 - g[7]]
        s.sd = s.sd if math.isnan(sd) else sd


@compiled
def _quote(s, leg, t, row, d):
    s.bid[leg] = t[1][row, leg]
    s.ask[leg] = t[2][row, leg]
    s.quote_ns[leg] = t[0][row] + d.ws_ns


@compiled
def _watch(c, s, p, d, t, g, next_fit):
    """Event by event, with a look at the delta where the step has one: stop before a look or a bar that matters."""
    while True:
        arrival = t[0][c.row] + d.ws_ns if c.row < len(t[0]) else _NEVER
        wake = wakeup_ns(s)
        if wake > 0 and wake < arrival:
            done = _bar(c, s, p, g, next_fit) if s.next_bar_ns and wake >= s.next_bar_ns else _timed_look(s, p, wake)
            if not done:
                return
            c.last_ns = max(c.last_ns, wake)
        elif arrival == _NEVER or not _row(c, s, p, d, t, arrival):
            return
        else:
            c.last_ns = max(c.last_ns, arrival)


@compiled
def _bar(c, s, p, g, next_fit):
    if g[2][c.timer]:
        score = g[5][s.bars - g[7]]
        if s.bars + 1 == next_fit or _matters(s, p, score, s.bars + 1):
            return False
        if abs(score) < p.entry:
            s.disarmed = 0
        _append(c, s, p, g[4], g, s.bars + 1)
    s.closed_ns, s.next_bar_ns = s.next_bar_ns, 0
    c.timer += 1
    return True


@compiled
def _timed_look(s, p, now_ns):
    if fresh(s, p, now_ns):
        if rebalance.outside(net_delta(s, p, 1.0, now_ns), p.tolerance):
            return False
        s.last_look_ns = now_ns
    s.look_ns = 0
    return True


@compiled
def _row(c, s, p, d, t, now_ns):
    """Hear one row, or, if a look on it finds the delta outside, leave everything as it was.

    Only quotes and the bar's timer can have changed by then: a look on an earlier leg's quote would be too recent for another.
    """
    bar_ns, ticks, row = s.next_bar_ns, s.ticks, c.row
    for leg in range(p.n_legs):
        if math.isnan(t[1][row, leg]):
            continue
        c.kept[0, leg], c.kept[1, leg], c.kept_ns[leg] = s.bid[leg], s.ask[leg], s.quote_ns[leg]
        _quote(s, leg, t, row, d)
        if s.next_bar_ns == 0:
            s.next_bar_ns = bar_due(s, p, leg, now_ns)
        if not fresh(s, p, now_ns):
            continue
        if rebalance.look_due(now_ns, s.last_look_ns, p.interval_ns):
            if rebalance.outside(net_delta(s, p, 1.0, now_ns), p.tolerance):
                for back in range(leg + 1):
                    if not math.isnan(t[1][row, back]):
                        s.bid[back], s.ask[back], s.quote_ns[back] = c.kept[0, back], c.kept[1, back], c.kept_ns[back]
                s.next_bar_ns, s.ticks = bar_ns, ticks
                return False
            s.last_look_ns = now_ns
            s.look_ns = 0
        elif s.look_ns == 0:
            s.look_ns = s.last_look_ns + p.interval_ns
    c.row += 1
    return True
