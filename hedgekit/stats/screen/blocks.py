"""A screen's work cut into blocks of pairs, so that cores, or the workers of a cluster, share it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import joblib
import numpy as np
from tqdm import tqdm

from hedgekit.stats.screen.kernels import Indices, engle_granger_pairs
from hedgekit.stats.screen.moves import TRIM, break_pairs, hedge_pairs, johansen_pairs
from hedgekit.stats.screen.simulate import code_of, standardised

if TYPE_CHECKING:
    from hedgekit.data import Array

SYMBOLS_A_BLOCK = 128
"""A block is the pairs between two groups of so many symbols: what travels to a worker is their prices alone."""
WAIT_S = 2.0
"""A screen that takes longer shows a progress bar."""
COLUMNS = (
    "statistic",
    "lags",
    "slope",
    "r2",
    "ar1",
    "trace",
    "trace_1",
    "variance",
    "hedged",
    "naive",
    "ratio",
    "size",
    "change",
    "break_statistic",
    "break_at",
)


@dataclass(frozen=True, eq=False, slots=True)
class Work:
    """What all blocks need.

    Attributes
    ----------
    levels : float64 array, shape (n, symbols)
        Log prices or prices.
    lags : int
        Lagged differences of the Engle-Granger test; -1 lets AIC choose.
    window, every : int
        Moves before each out-of-sample ratio, and moves between two of them.
    one_to_one : float64 array, shape (symbols,)
        Naive ratio of a pair = one_to_one[primary] / one_to_one[hedge].
    """

    levels: Array
    lags: int
    window: int
    every: int
    one_to_one: Array


def block(work: Work, first: Indices, second: Indices) -> Array:
    """Return the raw figures of pairs (columns of ``work.levels``), shape (pairs, len(COLUMNS))."""
    out = np.empty((len(first), len(COLUMNS)))
    x = np.ascontiguousarray(work.levels.T)
    z, dz = standardised(x)
    sd = x.std(axis=1)
    part = np.empty((len(first), 5))
    engle_granger_pairs(z, dz, first, second, code_of(work.lags, x.shape[1]), part)
    out[:, :5] = part
    out[:, 2] *= sd[first] / sd[second]
    out[:, 5:7] = traces(dz, z, first, second, restricted=True)
    moves = np.diff(x, axis=1)
    part = np.empty((len(first), 6))
    hedge_pairs(moves, first, second, work.window, work.every, work.one_to_one[first] / work.one_to_one[second], part)
    out[:, 7:13] = part
    part = np.empty((len(first), 2))
    break_pairs(moves - moves.mean(axis=1, keepdims=True), first, second, TRIM, part)
    out[:, 13:15] = part
    return out


def traces(dz: Array, z: Array, first: Indices, second: Indices, *, restricted: bool) -> Array:
    """Return Johansen's trace statistics (r = 0, r <= 1) of pairs, one lagged difference; shape (pairs, 2).

    ``restricted`` puts the constant into the relation (prices without drift); else it is free, as ``coint_johansen(x, 0, 1)`` has it.
    """
    d, lag, level = dz[:, 2:], dz[:, 1:-1], z[:, 1:-1]
    sums = np.empty((0, len(z)))
    if restricted:
        sums = np.stack([part.sum(axis=1) for part in (lag, level, d)])
    else:
        d, lag, level = (part - part.mean(axis=1, keepdims=True) for part in (d, lag, level))
    stack = np.concatenate([lag, level, d])
    every = (stack @ stack.T).reshape(3, len(z), 3, len(z))
    moments = np.stack([every[a, :, b] for a, b in ((0, 0), (1, 0), (2, 0), (1, 1), (2, 1), (2, 2))])
    out = np.empty((len(first), 2))
    johansen_pairs(moments, first, second, float(d.shape[1]), sums, out)
    return out


def pairs_of(symbols: int, primary: int | None) -> tuple[Indices, Indices]:
    """Return (first, second) of all pairs, each once, the earlier column being the primary; or of one primary with all others."""
    if primary is None:
        first, second = np.triu_indices(symbols, 1)
        return first.astype(np.int64), second.astype(np.int64)
    others = np.array([i for i in range(symbols) if i != primary], dtype=np.int64)
    return np.full(len(others), primary, dtype=np.int64), others


def run(work: Work, first: Indices, second: Indices, *, jobs: int | None, progress: bool) -> Array:
    """Return the figures of all pairs, in their order; blocks go to joblib, and so to whatever backend the caller configured."""
    out = np.empty((len(first), len(COLUMNS)))
    parts = list(_parts(first, second))
    calls = (joblib.delayed(block)(*_share(work, first[rows], second[rows])) for rows in parts)
    parallel = joblib.Parallel(n_jobs=jobs, prefer="threads", return_as="generator")
    with tqdm(total=len(first), desc="pairs", delay=WAIT_S, disable=not progress, unit_scale=True) as bar:
        for rows, figures in zip(parts, parallel(calls), strict=True):
            out[rows] = figures
            bar.update(len(rows))
    return out


def _share(work: Work, first: Indices, second: Indices) -> tuple[Work, Indices, Indices]:
    """Return the work with only the symbols that these pairs need."""
    used = np.union1d(first, second)
    mine = replace(work, levels=work.levels[:, used], one_to_one=work.one_to_one[used])
    return mine, np.searchsorted(used, first), np.searchsorted(used, second)


def _parts(first: Indices, second: Indices) -> Iterator[Indices]:
    """Yield the positions of the pairs of each block."""
    a, b = first // SYMBOLS_A_BLOCK, second // SYMBOLS_A_BLOCK
    code = a * (int(b.max()) + 1) + b
    order = np.argsort(code, kind="stable")
    edges = np.flatnonzero(np.diff(code[order])) + 1
    for part in np.split(order, edges):
        yield cast("Indices", part)
