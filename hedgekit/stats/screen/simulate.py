"""How the tables behind a screen's p-values and powers were made: run it to make them again.

    python -m hedgekit.stats.screen.simulate

About ten minutes on two cores. Seeds are fixed. Three tables of quantiles go to ``tables/``:
``null.csv``, the Engle-Granger statistic for pairs of independent Gaussian random walks, from which a screen takes its
p-values (MacKinnon's (2010) are for infinite n and fixed lags: far in the tail, where a screen of many pairs looks,
they promise too much for short histories and for lags chosen by AIC); ``power.csv``, the same for pairs whose spread is
an AR(1) with a given half-life; and ``sup_lm.csv`` of the break test.

Under the null, all ordered pairs of a batch of walks are tested; a quantile needs no independence, and batches are many.
Under the alternative the residual of y = x + u on x and a constant does not depend on the scale of x, so
one table serves every ratio and every signal-to-noise ratio, if u and x are independent.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import joblib
import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from hedgekit.compiled import kernel
from hedgekit.data import Array
from hedgekit.stats.screen.kernels import engle_granger_pairs
from hedgekit.stats.screen.moves import TRIM

TABLES = Path(__file__).parent / "tables"
SIZES = (50, 75, 126, 180, 252, 360, 504, 800, 1_250, 2_500, 5_000)
LAGS = (0, 1, 4, 12)
"""Fixed lags of the null table; between them it is linear in lags / n. -1 stands for AIC with its default largest lag."""
_TAIL = "1e-5 2e-5 5e-5 1e-4 2e-4 5e-4 1e-3 2e-3 5e-3 .01 .02 .035 .05 .075 .1 .15 .2 .3 .4 .5 .6 .7 .8 .9 .95 .98 .99 .995 .999"
LEVELS = np.array([float(level) for level in _TAIL.split()])
WALKS, BATCHES = 100, 400
POWER_SIZES, HALF_LIVES, POWER_REPS = (126, 252, 504, 1_250), (5, 10, 20, 40), 100_000
POWER_LEVELS = np.concatenate([[0.0001, 0.0005, 0.001, 0.005], np.linspace(0.01, 0.99, 99), [0.995, 0.999, 0.9995, 0.9999]])
SEED = 20_261_125


def most_lags(n: int) -> int:
    """Return the largest lag that AIC may choose at n levels: Schwert's rule as in statsmodels (no deterministic term)."""
    return min(n // 2 - 1, int(np.ceil(12 * (n / 100) ** 0.25)))


def code_of(lags: int, n: int) -> int:
    """Return how the kernels are told the lags: -1 means AIC."""
    return lags if lags >= 0 else -most_lags(n) - 1


def standardised(x: Array) -> tuple[Array, Array]:
    """Return rows with mean zero and mean square one, and their differences with a first column of zeros."""
    z = x - x.mean(axis=1, keepdims=True)
    z /= np.sqrt(np.mean(z * z, axis=1, keepdims=True))
    dz = np.zeros_like(z)
    dz[:, 1:] = np.diff(z, axis=1)
    return z, dz


def _null_batch(n: int, lags: int, batch: int) -> Array:
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((SEED, n, batch))))
    z, dz = standardised(rng.standard_normal((WALKS, n)).cumsum(axis=1))
    first, second = np.nonzero(~np.eye(WALKS, dtype=bool))
    out = np.empty((len(first), 5))
    engle_granger_pairs(z, dz, first, second, code_of(lags, n), out)
    return out[:, 0].copy()


def _power_batch(n: int, half_life: int, lags: int, batch: int, reps: int) -> Array:
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((SEED, n, half_life, batch))))
    b = 2.0 ** (-1.0 / half_life)
    shocks = rng.standard_normal((reps, n))
    u = np.empty((reps, n))
    u[:, 0] = shocks[:, 0] / np.sqrt(1 - b * b)
    for t in range(1, n):
        u[:, t] = b * u[:, t - 1] + shocks[:, t]
    x = rng.standard_normal((reps, n)).cumsum(axis=1)
    z, dz = standardised(np.concatenate([x + u, x]))
    rows = np.arange(reps)
    out = np.empty((reps, 5))
    engle_granger_pairs(z, dz, rows, rows + reps, code_of(lags, n), out)
    return out[:, 0].copy()


def null_quantiles(n: int, lags: int, batches: int = BATCHES) -> Array:
    """Return the statistic's quantiles at LEVELS for independent random walks; the last two decades are smoothed."""
    draws = np.concatenate(joblib.Parallel(n_jobs=2, prefer="threads")(joblib.delayed(_null_batch)(n, lags, i) for i in range(batches)))
    found = np.quantile(draws, LEVELS)
    tail = LEVELS <= 0.02  # noqa: PLR2004 - normal scores are almost a parabola of t there, as MacKinnon (1994) found
    curve = np.polynomial.Polynomial.fit(stats.norm.ppf(LEVELS[tail]), found[tail], 2, w=np.sqrt(LEVELS[tail]) + 0.003)
    return cast("Array", np.where(tail, curve(stats.norm.ppf(LEVELS)), found))


def power_quantiles(n: int, half_life: int, lags: int, reps: int = POWER_REPS) -> Array:
    """Return the statistic's quantiles at POWER_LEVELS for a spread with this half-life."""
    part = 2_000
    jobs = (joblib.delayed(_power_batch)(n, half_life, lags, i, part) for i in range(reps // part))
    return cast("Array", np.quantile(np.concatenate(joblib.Parallel(n_jobs=2, prefer="threads")(jobs)), POWER_LEVELS))


@kernel
def _sup_lm_draw(noise: Array, low: int) -> float:
    """Return sup B(s)^2 / (s (1 - s)) of one Brownian bridge over the inner part of its path."""
    n = len(noise)
    total, largest, path = noise.sum(), 0.0, 0.0
    for t in range(n - low):
        path += noise[t]
        share = (t + 1) / n
        bridge = path - share * total
        if t + 1 >= low:
            largest = max(largest, bridge * bridge / (n * share * (1.0 - share)))
    return largest


def sup_lm_quantiles(reps: int = 100_000, n: int = 2_000) -> Array:
    """Return the quantiles of Andrews' (1993) sup-LM for one coefficient and 15% trimming at 1 - LEVELS, largest first."""
    rng = np.random.Generator(np.random.PCG64(SEED))
    draws = [_sup_lm_draw(rng.standard_normal(n), int(np.ceil(TRIM * n))) for _ in range(reps)]
    return cast("Array", np.quantile(draws, 1 - LEVELS))


def breaks() -> None:
    """Make the table of the break test (a minute)."""
    columns = {"p": LEVELS, "statistic": sup_lm_quantiles().round(4)}
    pd.DataFrame(columns).to_csv(TABLES / "sup_lm.csv", index=False)


def main() -> None:
    """Make all tables."""
    TABLES.mkdir(exist_ok=True)
    cells = [(n, lags) for n in SIZES for lags in (-1, *LAGS) if 3 * lags < n]
    rows = [(lags, n, *null_quantiles(n, lags).round(4)) for n, lags in tqdm(cells, desc="null")]
    pd.DataFrame(rows, columns=["lags", "n", *map(str, LEVELS)]).to_csv(TABLES / "null.csv", index=False)
    grid = [(n, h, lags) for n in POWER_SIZES for h in HALF_LIVES for lags in (-1, 1)]
    rows = [(lags, n, h, *power_quantiles(n, h, lags).round(4)) for n, h, lags in tqdm(grid, desc="power")]
    pd.DataFrame(rows, columns=["lags", "n", "half_life", *(f"{p:.4f}" for p in POWER_LEVELS)]).to_csv(TABLES / "power.csv", index=False)
    breaks()


if __name__ == "__main__":
    main()
