"""How a synthetic pair moves, row by row, with everything that is planted in it.

    dH     = hedge_vol f_t z1 + J_H            f_t: 1, or ``high_vol_hedge`` in a high-volatility row
    x_t    = b_t x_{t-1} + sd_t z2 + J_x       b_t = 2^(-1/half_life); broken: b_t = 1
    dln P  = beta_t dH + dx                    increment form

The Ornstein-Uhlenbeck step is exact: sd_t = spread_sd sqrt(1 - b^2), and in a
broken row (kappa = 0) the diffusion spread_sd sqrt(2 kappa) of the same process.

The primary follows the hedge's *increments*. In the level form ln P = beta_t ln H + x
a move of beta would be multiplied by the whole price level and show as a price
jump of ln H dbeta, which no ratio could have hedged and which depends on the
currency unit. Here a move of beta changes only what comes after it.

Every purpose draws from a stream of its own, spawned from the seed, so that
switching one thing on leaves all others as they were, and a longer path begins
with the shorter one. The recursion is a plain loop of doubles: the bits are the
same on every processor, a million rows take about a tenth of a second, and who
only reads a recipe (the sandbox) does not load a compiler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.data.ranges import start_ns
from hedgekit.data.tape import Array, Stamps
from hedgekit.types import NS

if TYPE_CHECKING:
    from hedgekit.data.binary import SyntheticBinary
    from hedgekit.data.synthetic import SyntheticMarket

REGIMES = ("normal", "high_vol", "broken")
"""Names of the regimes; a row's code is its place here."""

NORMAL, HIGH_VOL, BROKEN = range(len(REGIMES))
PURPOSES = ("hedge_jump", "spread_jump", "regime", "ratio", "stale_primary", "stale_hedge", "information", "noise")
"""Each has its own stream. New ones go to the end, or old seeds change their meaning."""


Whole = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """What happened, row by row; all arrays of shape (rows,) but the last two, of shape (rows, 2), primary first.

    Attributes
    ----------
    ratio : float64
        beta_t, the ratio of the increment into the row.
    kappa : float64
        Speed of reversion per row of the step into the row; 0 where broken.
    regime : int64
        Place in :data:`REGIMES`.
    hedge_jump, spread_jump : float64
        The jumps' share of the step into the row, log units.
    spread : float64
        x_t, log units.
    moves : float64
        Log price less the log of the recipe's price.
    age : int64
        Rows since the leg's quote was refreshed.
    """

    ratio: Array
    kappa: Array
    regime: Whole
    hedge_jump: Array
    spread_jump: Array
    spread: Array
    moves: Array
    age: Whole


def play(market: SyntheticMarket) -> Path:
    """Return the path of a recipe that has been checked."""
    rows, seed = market.rows, market.seed
    noise = np.random.Generator(np.random.PCG64(seed)).standard_normal((rows, 2))
    regime, ratio = _regimes(market), _ratios(market)
    hedge_jump = _jumps(seed, "hedge_jump", market.hedge_jump_rate, market.hedge_jump_sd, rows)
    spread_jump = _jumps(seed, "spread_jump", market.spread_jump_rate, market.spread_jump_sd, rows)
    factor = np.where(regime == HIGH_VOL, market.high_vol_hedge, 1.0)
    steps = noise[:, 0] * market.hedge_vol * factor + hedge_jump
    steps[0] = 0.0
    hedge = np.cumsum(steps)
    spread, kappa = _spread(market, noise[:, 1], regime, spread_jump)
    # the constant part in closed form: the same prices, to the bit, as before there was a moving ratio
    primary = market.ratio * hedge + np.cumsum((ratio - market.ratio) * steps) + spread
    stale = (("stale_primary", market.stale_primary), ("stale_hedge", market.stale_hedge))
    age = np.column_stack([_ages(seed, purpose, chance, rows) for purpose, chance in stale])
    return Path(ratio, kappa, regime, hedge_jump, spread_jump, spread, np.column_stack([primary, hedge]), age)


def log_prices(market: SyntheticMarket, *, observed: bool) -> Array:
    """Return log prices of a recipe that has been checked, true or as last refreshed; shape (rows, 2), primary first."""
    path = play(market)
    logs = path.moves + np.log([market.primary_price, market.hedge_price])
    return np.take_along_axis(logs, np.arange(market.rows)[:, None] - path.age, axis=0) if observed else logs


def row_times(market: SyntheticMarket | SyntheticBinary) -> Stamps:
    """Return the time of each row of a recipe that has been checked, nanoseconds UTC; shape (rows,)."""
    return start_ns(market.start) + np.arange(market.rows, dtype=np.int64) * round(market.row_s * NS)


def stream(seed: int, purpose: str) -> np.random.Generator:
    """Return the generator of one purpose of a seed."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(PURPOSES.index(purpose),))))


def reverting(keep: Array, shocks: Array) -> Array:
    """Return x_t = keep_t x_{t-1} + shocks_t from x_{-1} = 0; shape (rows,)."""
    level, levels = 0.0, []
    for factor, shock in zip(keep.tolist(), shocks.tolist(), strict=True):
        level = factor * level + shock
        levels.append(level)
    return np.array(levels)


def _spread(market: SyntheticMarket, noise: Array, regime: Whole, jump: Array) -> tuple[Array, Array]:
    """Return the spread, started from its stationary distribution, and kappa of each row."""
    b, kappa = 2.0 ** (-1.0 / market.half_life), np.log(2.0) / market.half_life
    broken = regime == BROKEN
    scale = np.where(broken, np.sqrt(2.0 * kappa), np.sqrt(1.0 - b * b))
    shocks = noise * market.spread_sd * scale * np.where(regime == HIGH_VOL, market.high_vol_spread, 1.0) + jump
    shocks[0] = noise[0] * market.spread_sd
    return reverting(np.where(broken, 1.0, b), shocks), np.where(broken, 0.0, kappa)


def _ratios(market: SyntheticMarket) -> Array:
    ratio = np.full(market.rows, market.ratio)
    for row, value in market.ratio_steps:
        ratio[row:] = value
    if market.ratio_vol:
        shocks = stream(market.seed, "ratio").standard_normal(market.rows) * market.ratio_vol
        shocks[0] = 0.0
        ratio += np.cumsum(shocks)
    return ratio


def _jumps(seed: int, purpose: str, rate: float, sd: float, rows: int) -> Array:
    """Return compound Poisson jumps: a row's jump is N(0, count sd^2) with a Poisson count; none in the first row."""
    if not rate:
        return np.zeros(rows)
    rng = stream(seed, purpose)
    counts, sizes = rng.spawn(2)
    jumps: Array = np.sqrt(counts.poisson(rate, rows)) * sizes.standard_normal(rows) * sd
    jumps[0] = 0.0
    return jumps


def _regimes(market: SyntheticMarket) -> Whole:
    regime = np.zeros(market.rows, np.int64)
    for start, stop, name in market.regimes:
        regime[start:stop] = REGIMES.index(name)
    if market.regime_chain:
        limits = np.cumsum(market.regime_chain, axis=1).tolist()
        state = NORMAL
        for row, draw in enumerate(stream(market.seed, "regime").random(market.rows).tolist()):
            state = state if row == 0 else next((i for i, limit in enumerate(limits[state]) if draw < limit), state)
            regime[row] = state
    return regime


def _ages(seed: int, purpose: str, chance: float, rows: int) -> Whole:
    """Return rows since the last refresh; the first row is always one."""
    row = np.arange(rows)
    if not chance:
        return np.zeros(rows, np.int64)
    fresh = stream(seed, purpose).random(rows) >= chance
    fresh[0] = True
    return np.asarray(row - np.maximum.accumulate(np.where(fresh, row, 0)), np.int64)
