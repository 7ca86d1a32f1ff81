"""The floor: the same rule written by hand for this one purpose, in numba. What the machine allows, with no product around it."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numba
import numpy as np

from tests.perf.peers import market as m
from tests.perf.peers.worker import Work, serve

# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False, disallow-untyped-decorators=False
# ruff: noqa: ANN001, ANN202, PLR0913 - compiled functions: numba infers every type, and checks it


@numba.njit(cache=True, nogil=True)
def _scores(spread, lookback, first):
    """Return z with each window summed anew: running sums drift by a trade at a million bars."""
    z = np.full(len(spread), np.nan)
    for i in range(max(first, lookback - 1), len(spread)):
        total = 0.0
        for k in range(i - lookback + 1, i + 1):
            total += spread[k]
        mean = total / lookback
        squares = 0.0
        for k in range(i - lookback + 1, i + 1):
            squares += (spread[k] - mean) ** 2
        z[i] = (spread[i] - mean) / np.sqrt(squares / (lookback - 1))
    return z


@numba.njit(cache=True, nogil=True)
def _wanted(side, z, entry, target):
    """Side to hold after this bar's decision."""
    if side == 0:
        if abs(z) >= m.STOP or not abs(z) >= entry:
            return 0
        return -1 if z > 0 else 1
    adverse = -side * z
    return 0 if adverse <= target or adverse >= m.STOP else side


@numba.njit(cache=True, nogil=True)
def _note(fill, row, leg, quantity, price, fee):
    fill[0], fill[1], fill[2], fill[3], fill[4] = row, leg, quantity, price, fee


@numba.njit(cache=True, nogil=True)
def _pair(mid, z, ratio):
    """Return fills (row, leg, quantity, price, fee), how many, and the equity curve."""
    n = len(mid)
    fills, curve = np.empty((n, 2, 5)), np.empty(n)
    found, side, cash, pos0, pos1, want0, want1 = 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        p, h = mid[i, 0], mid[i, 1]
        if want0 != pos0 or want1 != pos1:
            q0, q1 = want0 - pos0, want1 - pos1
            fee0, fee1 = m.FEE * abs(q0) * p, m.FEE * abs(q1) * h
            _note(fills[found, 0], i, 0, q0, p, fee0)
            _note(fills[found, 1], i, 1, q1, h, fee1)
            found += 1
            cash -= q0 * p + q1 * h + fee0 + fee1
            pos0, pos1 = want0, want1
        curve[i] = cash + pos0 * p + pos1 * h
        now = _wanted(side, z[i], m.ENTRY, m.TARGET)
        if now != side:
            side = now
            primary = np.floor(m.NOTIONAL / p + 0.5)
            want0, want1 = side * primary, -side * np.floor(ratio * primary * p / h + 0.5)
    return fills[:found], curve


@numba.njit(cache=True, nogil=True)
def _combination(mid, lots, z, entry, target, out):
    """Write P&L, Sharpe, drawdown and trades of one combination into ``out``."""
    n = len(mid)
    side, trades, pos0, pos1, want0, want1 = 0, 0, 0.0, 0.0, 0.0, 0.0
    equity, high, deepest, squares = 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        step = pos0 * (mid[i, 0] - mid[i - 1, 0]) + pos1 * (mid[i, 1] - mid[i - 1, 1]) if i else 0.0
        if want0 != pos0 or want1 != pos1:
            step -= m.FEE * (abs(want0 - pos0) * mid[i, 0] + abs(want1 - pos1) * mid[i, 1])
            pos0, pos1 = want0, want1
        equity += step
        squares += step * step
        high = max(high, equity)
        deepest = max(deepest, high - equity)
        now = _wanted(side, z[i], entry, target)
        if now != side:
            trades += now != 0
            side = now
            want0, want1 = side * lots[i, 0], -side * lots[i, 1]
    mean = equity / n
    out[0] = equity
    out[1] = mean / np.sqrt((squares - n * mean * mean) / (n - 1)) * np.sqrt(m.BARS_PER_YEAR)
    out[2] = deepest
    out[3] = trades


@numba.njit(cache=True, nogil=True)
def _grid(mid, lots, spread, lookbacks, entries, targets, first, out):
    k = 0
    for lookback in lookbacks:
        z = _scores(spread, lookback, first)
        for entry in entries:
            for target in targets:
                _combination(mid, lots, z, entry, target, out[k])
                k += 1


@numba.njit(cache=True, nogil=True)
def _spin(rounds):
    """Keep a processor busy with nothing but its registers."""
    x = 0x9E3779B97F4A7C15 + rounds
    for _ in range(rounds):
        x = (x * 6364136223846793005 + 1442695040888963407) & 0x7FFFFFFFFFFFFFFF
    return x


def _own_indicators(market: m.Market) -> object:
    return _pair(market.mid, _scores(market.spread, m.LOOKBACK, market.first), market.ratio)


def _answer(result: tuple[np.ndarray, np.ndarray], _market: m.Market) -> dict[str, np.ndarray]:
    return {"fills": result[0].reshape(-1, 5), "pnl": np.array(result[1][-1])}


def _sweep(market: m.Market, jobs: int) -> np.ndarray:
    mid, lots, spread = market.mid, market.lots, market.spread
    entries, targets = np.array(market.entries), np.array(market.targets)
    out = np.empty((len(market.lookbacks), len(entries) * len(targets), 4))

    def some(k: int) -> None:
        _grid(mid, lots, spread, np.array(market.lookbacks[k : k + 1]), entries, targets, market.first, out[k])

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(some, range(len(market.lookbacks))))
    return out.reshape(-1, 4)


def spin(seconds: float, jobs: int) -> float:
    """Return how often ``jobs`` threads together do in a second what one does in ``seconds``, relative to one thread alone."""
    rounds = 1_000_000
    _spin(1)
    began = time.perf_counter()
    _spin(rounds)
    rounds = int(rounds * seconds / (time.perf_counter() - began))
    took = []
    for threads in (1, jobs):
        began = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(_spin, [rounds // threads] * threads))
        took.append(time.perf_counter() - began)
    return took[0] / took[1]


def main() -> None:
    """Measure the control (``spin SECONDS JOBS``), or serve."""
    if sys.argv[1] == "spin":
        print(spin(float(sys.argv[2]), int(sys.argv[3])))
        return
    sweeps = {f"sweep-{jobs}": Work(partial(_sweep, jobs=jobs), lambda found, _: {"figures": found}) for jobs in (1, 2)}
    serve(
        {
            "pair": Work(lambda market: _pair(market.mid, market.z, market.ratio), _answer),
            "pair-own": Work(_own_indicators, _answer),
            **sweeps,
        }
    )


if __name__ == "__main__":
    main()
