"""How large a position may be: how far trades went against it before they ended, with what certainty, and Kelly's stake.

Size from the whole distribution of adverse excursions, not from one z (METHODS 1, "Protective hedge"). The
other parts of sizing are gathered here: bets net of fees (:mod:`hedgekit.stats.kelly`) and binary contracts
(:mod:`hedgekit.stats.binary`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from hedgekit.errors import DataError
from hedgekit.stats.binary import (
    BinaryCap,
    BinaryPair,
    BinaryPnl,
    DigitalDelta,
    ExclusiveExposure,
    NetExposure,
    binary_cap,
    binary_pair_ratio,
    binary_pnl,
    digital_delta,
    exclusive_exposure,
    net_exposure,
    probability,
)
from hedgekit.stats.checks import series
from hedgekit.stats.kelly import KellyBet, KellyExclusive, kelly, kelly_exclusive, quadratic_fee

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

__all__ = [
    "BinaryCap",
    "BinaryPair",
    "BinaryPnl",
    "DigitalDelta",
    "ExclusiveExposure",
    "KellyBet",
    "KellyExclusive",
    "MaeQuantile",
    "NetExposure",
    "binary_cap",
    "binary_pair_ratio",
    "binary_pnl",
    "digital_delta",
    "exclusive_exposure",
    "excursions",
    "kelly",
    "kelly_exclusive",
    "mae_quantile",
    "net_exposure",
    "quadratic_fee",
]


@dataclass(frozen=True, slots=True)
class MaeQuantile:
    """A quantile of the maximum adverse excursion, with an exact interval.

    Attributes
    ----------
    value : float
        The smallest excursion that at least the share ``quantile`` of the trades did not exceed.
    low, high : float
        Order statistics around it. NaN where the trades are too few for that end.
    quantile, level : float
        As given.
    coverage : float
        Probability that the interval holds the true quantile, for any continuous distribution: at least ``level``. Of the
        one-sided interval if an end is missing; NaN if both are.
    n : int
        Trades used.
    needed : int
        Trades from which on both ends exist.
    reason : str
        Empty, or why an end is missing.
    """

    value: float
    low: float
    high: float
    quantile: float
    level: float
    coverage: float
    n: int
    needed: int
    reason: str


def mae_quantile(mae: ArrayLike | pd.Series, quantile: float, *, level: float = 0.95) -> MaeQuantile:
    r"""Return a quantile of the maximum adverse excursion and its exact binomial interval (Sweeney 1997; A7).

    The number of trades below the true quantile is binomial(n, q), whatever the distribution, so order statistics l < u with

    .. math:: P(B < l) \le \frac{1-level}{2}, \qquad P(B \ge u) \le \frac{1-level}{2}, \qquad B \sim \mathrm{Bin}(n, q)

    cover it with at least ``level``. Size a stop or a hedge from ``high`` rather than from ``value``: with 50 trades the
    95% quantile has no upper end at all, and the function says so instead of giving the largest loss seen.

    Parameters
    ----------
    mae : array_like, shape (n,)
        Excursions of closed trades, 0 or more (:func:`excursions`). Trades that overlap are not independent, and the
        interval is then too short.
    quantile : float
        Above 0 and below 1.
    level : float
        Above 0 and below 1.

    Raises
    ------
    DataError
        If there are no trades, or an excursion is not finite or below 0.
    ConfigError
        If ``quantile`` or ``level`` is out of range.

    Notes
    -----
    Trades that a stop ended are cut off at the stop: their excursions say nothing about what lies beyond.
    """
    q, sure = probability("quantile", quantile), probability("level", level)
    x = np.sort(series(mae, "mae"))
    if x[0] < 0:
        msg = f"mae is {x[0]:g}: excursions are 0 or more; pass the depth of the loss, not its sign"
        raise DataError(msg)
    n, tail = len(x), (1 - sure) / 2
    low, high = int(stats.binom.ppf(tail, n, q)), int(stats.binom.ppf(1 - tail, n, q)) + 1
    has_low, has_high = low >= 1, high <= n
    coverage = (float(stats.binom.cdf(high - 1, n, q)) if has_high else 1.0) - (float(stats.binom.cdf(low - 1, n, q)) if has_low else 0.0)
    needed = max(math.floor(math.log(tail) / math.log(part)) + 1 for part in (q, 1 - q))
    missing = " and ".join(name for name, has in (("lower", has_low), ("upper", has_high)) if not has)
    reason = f"{n} trades are too few for the {missing} end at level {sure:g}: {needed} are needed" if missing else ""
    rank = min(n, max(1, math.ceil(n * q - 1e-9)))
    return MaeQuantile(
        float(x[rank - 1]), float(x[low - 1]) if has_low else math.nan, float(x[high - 1]) if has_high else math.nan,
        q, sure, coverage if has_low or has_high else math.nan, n, needed, reason,
    )  # fmt: skip


def excursions(path: ArrayLike | pd.Series, entries: ArrayLike, exits: ArrayLike, side: ArrayLike) -> pd.DataFrame:
    """Return how far each trade went against and for its holder, from entry to exit, both bars included.

    Parameters
    ----------
    path : array_like, shape (n,)
        The spread, in spread units, at every bar. Closes hide what happened inside a bar: true excursions are larger.
    entries, exits : array_like of int, shape (trades,)
        Positions in ``path``; an exit may not lie before its entry.
    side : int or array_like of int, shape (trades,)
        +1 long the spread, -1 short.

    Returns
    -------
    DataFrame
        One row for each trade, in the order given: ``entry``, ``exit``, ``side``; ``pnl`` before cost; ``mae`` and ``mfe``,
        largest loss and gain against the entry, 0 or more; ``bars_to_mae``, ``bars_to_mfe`` bars after the entry
        (the first, if met again). Money in spread units.

    Raises
    ------
    DataError
        If the path is not finite, or the trades do not fit it or each other.
    """
    x = series(path, "path")
    first, last = _positions("entries", entries, len(x)), _positions("exits", exits, len(x))
    sides = np.asarray(side, dtype=np.float64)
    if first.shape != last.shape or sides.shape not in ((), first.shape):
        msg = f"{len(first)} entries, {len(last)} exits, side of shape {sides.shape}: give one of each for every trade"
        raise DataError(msg)
    signs = np.broadcast_to(sides, first.shape)
    for name, wrong, fix in (("exits", last < first, "before its entry"), ("side", ~np.isin(signs, (-1, 1)), "not +1 or -1")):
        if wrong.any():
            k = int(np.flatnonzero(wrong)[0])
            msg = f"trade {k} (entry {first[k]}, exit {last[k]}, side {signs[k]:g}): {name} is {fix}"
            raise DataError(msg)
    rows = [_trade(x, int(i), int(j), float(s)) for i, j, s in zip(first, last, signs, strict=True)]
    columns = ["entry", "exit", "side", "pnl", "mae", "mfe", "bars_to_mae", "bars_to_mfe"]
    kinds = {name: "float64" if name in ("pnl", "mae", "mfe") else "int64" for name in columns}
    return pd.DataFrame(rows, columns=columns).astype(kinds)


def _trade(x: Array, entry: int, exit_: int, side: float) -> tuple[float, ...]:
    gain = side * (x[entry : exit_ + 1] - x[entry])
    worst, best = int(gain.argmin()), int(gain.argmax())
    return entry, exit_, side, float(gain[-1]), float(-gain[worst]) + 0.0, float(gain[best]), worst, best


def _positions(name: str, values: ArrayLike, n: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    raw = np.asarray(values)
    if raw.ndim != 1 or (raw.size and raw.dtype.kind not in "iu"):
        msg = f"{name} has shape {raw.shape} and type {raw.dtype}: give a list of whole positions in the path"
        raise DataError(msg)
    bad = np.flatnonzero((raw < 0) | (raw >= n))
    if bad.size:
        msg = f"{name} is {raw[bad[0]]} for trade {bad[0]}: the path has positions 0 to {n - 1}"
        raise DataError(msg)
    return raw.astype(np.int64)
