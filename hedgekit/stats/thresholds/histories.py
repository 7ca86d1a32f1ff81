"""The compiled loop of the corridor: one set of shocks, every rule, with a model that holds or breaks.

All rules see the same histories, and the broken model the same shocks as the intact one, so
differences between rules are far surer than the figures themselves.
"""

from __future__ import annotations

import numpy as np

from hedgekit.compiled import kernel
from hedgekit.data import Array

COLUMNS = (
    "pnl",  # of the history, in sd, net of cost; an open trade is closed at the last bar
    "squares",  # sum of squared P&L of the bars
    "trades",
    "trade_squares",  # sum of squared net P&L of the trades
    "stopped",
    "gap",  # sum of the overshoots beyond the stop
    "gap_worst",
    "held",  # bars in a trade
    "drawdown",  # largest fall of the equity, marked to market at every bar
    "timed_out",
    "unfinished",
)

_ROOM = 4_000_000
"""Shocks drawn at a time."""


@kernel
def walk(  # noqa: PLR0913 - compiled: flat arguments
    z: Array, shocks: Array, phi: float, shock_sd: float, walk_sd: float, break_bar: int
) -> None:
    """Fill one history of z: stationary start, exact steps, and a random walk from ``break_bar`` on."""
    z[0] = shocks[0]
    for t in range(1, len(z)):
        if t < break_bar:
            z[t] = phi * z[t - 1] + shock_sd * shocks[t]
        else:
            z[t] = z[t - 1] + walk_sd * shocks[t]


@kernel
def trade(  # noqa: PLR0913 - compiled: flat arguments
    z: Array,
    rule: Array,
    cost: float,
    longest: int,
    wait: bool,  # noqa: FBT001 - compiled: flat arguments
    row: Array,
) -> None:
    """Trade one history by one rule (entry, target, stop in sd); half the cost at each end of a trade."""
    entry, target, stop = rule[0], rule[1], rule[2]
    side, start, opened, armed = 0.0, 0.0, 0, True
    equity, peak = 0.0, 0.0
    last = len(z) - 1
    for t in range(len(z)):
        step = 0.0
        if side != 0.0:
            step = side * (z[t] - z[t - 1])
            row[7] += 1.0
            adverse = -side * z[t]
            at_target, at_stop = adverse <= target, adverse >= stop
            if at_target or at_stop or t - opened >= longest or t == last:
                step -= 0.5 * cost
                profit = side * (z[t] - start) - cost
                row[2] += 1.0
                row[3] += profit * profit
                if at_stop:
                    row[4] += 1.0
                    row[5] += adverse - stop
                    row[6] = max(row[6], adverse - stop)
                    armed = not wait
                elif not at_target:
                    row[9 if t - opened >= longest else 10] += 1.0
                side = 0.0
        elif t < last:
            size = abs(z[t])
            if size < entry:
                armed = True
            elif armed and size < stop:
                side = -1.0 if z[t] > 0.0 else 1.0
                start, opened = z[t], t
                step = -0.5 * cost
        equity += step
        row[1] += step * step
        peak = max(peak, equity)
        row[8] = max(row[8], peak - equity)
    row[0] = equity


@kernel
def run(  # noqa: PLR0913 - compiled: flat arguments
    shocks: Array,
    rules: Array,
    phi: float,
    shock_sd: float,
    walk_sd: float,
    break_bar: int,
    cost: float,
    longest: int,
    wait: bool,  # noqa: FBT001 - compiled: flat arguments
    z: Array,
    out: Array,
) -> None:
    """Fill ``out``, shape (histories, rules, columns), zero before; ``z`` is room for one history."""
    for path in range(len(shocks)):
        walk(z, shocks[path], phi, shock_sd, walk_sd, break_bar)
        for k in range(len(rules)):
            trade(z, rules[k], cost, longest, wait, out[path, k])


def simulate(  # noqa: PLR0913 - the experiment is described by so many numbers
    rules: Array, *, kappa: float, cost: float, bars: int, break_bar: int, longest: int, wait: bool, paths: int, seed: int
) -> Array:
    """Return the rows of every history and rule, shape (paths, rules, columns); money in stationary sd.

    Shocks are drawn for some histories at a time, at most 32 MB of them. The draws depend on the seed alone, not on rules or break.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    out = np.zeros((paths, len(rules), len(COLUMNS)))
    phi, shock_sd, walk_sd = float(np.exp(-kappa)), float(np.sqrt(-np.expm1(-2 * kappa))), float(np.sqrt(2 * kappa))
    room = np.empty(bars)
    size = max(1, _ROOM // bars)
    for first in range(0, paths, size):
        block = out[first : first + size]
        run(generator.standard_normal((len(block), bars)), rules, phi, shock_sd, walk_sd, break_bar, cost, longest, wait, room, block)
    return out
