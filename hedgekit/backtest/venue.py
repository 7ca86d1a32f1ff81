"""The venue's part of the compiled pass: fill model ``next_quote`` on one row of the tape.

Within a leg market orders come first, then the best limit, then the order that was sent first; each takes what is displayed at
the touch, if that is within its limit. What is left of a limit order rests, and trades at its own limit from then on.
"""

from __future__ import annotations

import math

from hedgekit.compiled import compiled
from hedgekit.rules.state import FILL

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False, warn-return-any=False
# ruff: noqa: ANN001, ANN201, ANN202, PLR0913 - compiled functions: numba infers every type, and checks it; flat arguments
# c: cursor, p: params, d: delays, t: arrays of the tape


@compiled
def tell(c, kind, leg, place, ts_ns, venue_ns, a, b, mid, trade):
    """Put a message for the step into the inbox."""
    message = c.inbox[c.tail]
    message.kind = kind
    message.leg = leg
    message.place = place
    message.ts_ns = ts_ns
    message.venue_ns = venue_ns
    message.a = a
    message.b = b
    message.mid = mid
    message.trade = trade
    c.tail += 1


@compiled
def drop(c, leg, place):
    """Take one order out of its queue."""
    c.count[leg] -= 1
    for k in range(place, c.count[leg]):
        c.qty[leg, k] = c.qty[leg, k + 1]
        c.number[leg, k] = c.number[leg, k + 1]
        c.trade[leg, k] = c.trade[leg, k + 1]
        c.arrive_ns[leg, k] = c.arrive_ns[leg, k + 1]
        c.void_ns[leg, k] = c.void_ns[leg, k + 1]
        c.void_by[leg, k] = c.void_by[leg, k + 1]
        c.limit[leg, k] = c.limit[leg, k + 1]
        c.met[leg, k] = c.met[leg, k + 1]


@compiled
def _lots(size, lot):
    """Return the displayed size in whole lots: a part of a lot cannot be traded."""
    return math.floor(size / lot + 1e-9) * lot


@compiled
def _price(c, p, leg, k, touch):
    """Price at which an order trades with a touch: the touch, what rests at its own limit; 0 if the touch is beyond its limit."""
    limit = c.limit[leg, k]
    if limit == 0.0:
        return touch
    dust = 1e-6 * p.tick[leg]
    if (touch > limit + dust) if c.qty[leg, k] > 0.0 else (touch < limit - dust):
        return 0.0
    return limit if c.met[leg, k] else touch


@compiled
def _turn(c, p, leg, ts_ns, row):
    """Return the place of the order whose turn it is on a row, by price and then by time; -1 if all that have arrived had it."""
    best = -1
    for k in range(c.count[leg]):
        if c.arrive_ns[leg, k] > ts_ns:
            break
        if c.met[leg, k] != row + 1 and (best < 0 or (p.limits and _before(c, p, leg, k, best))):
            best = k
            if not p.limits:
                break
    return best


@compiled
def _before(c, p, leg, k, j):
    """Whether an order goes before an older one of its side."""
    mine, other = c.limit[leg, k], c.limit[leg, j]
    if c.qty[leg, k] * c.qty[leg, j] < 0.0 or other == 0.0:
        return False
    dust = 1e-6 * p.tick[leg]
    return mine == 0.0 or ((mine > other + dust) if c.qty[leg, k] > 0.0 else (mine < other - dust))


@compiled
def match(c, p, d, t, row):
    """Fill model next_quote for one row: each leg's orders in the order in which they were sent."""
    ts_ns, bid, ask, bid_size, ask_size = t[0][row], t[1][row], t[2][row], t[3][row], t[4][row]
    for leg in range(p.n_legs):
        if not bid[leg] < ask[leg]:  # also when either is NaN
            continue
        buy_left = _lots(ask_size[leg], p.lot[leg])
        sell_left = _lots(bid_size[leg], p.lot[leg])
        while True:
            k = _turn(c, p, leg, ts_ns, row)
            if k < 0:
                break
            want = c.qty[leg, k]
            done = min(want, buy_left) if want > 0 else max(want, -sell_left)
            void = c.void_ns[leg, k] and c.void_ns[leg, k] <= ts_ns
            price = _price(c, p, leg, k, ask[leg] if want > 0 else bid[leg])
            c.met[leg, k] = row + 1
            if done == 0.0 or void or price == 0.0:
                continue
            if done > 0:
                buy_left = _lots(buy_left - done, p.lot[leg])
            else:
                sell_left = _lots(sell_left + done, p.lot[leg])
            mid = 0.5 * (bid[leg] + ask[leg])
            tell(c, FILL, leg, k, ts_ns + d.ws_ns, ts_ns, done, price, mid, c.trade[leg, k])
            c.qty[leg, k] -= done
            if abs(c.qty[leg, k]) < 0.5 * p.lot[leg]:
                drop(c, leg, k)
