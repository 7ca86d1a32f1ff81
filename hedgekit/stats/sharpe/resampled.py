"""The Sharpe difference by a studentised bootstrap of whole blocks: right in small samples too (Ledoit & Wolf 2008, section 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hedgekit.errors import ConfigError
from hedgekit.stats.bootstrap import block_length
from hedgekit.stats.inputs import whole_number
from hedgekit.stats.sharpe.difference import SharpeDifference, both, difference, gradient, studentiser
from hedgekit.stats.sharpe.ratio import open_unit

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

CHUNK = 2**21
"""Numbers held at once."""


def ledoit_wolf_bootstrap(  # noqa: PLR0913 - two series and how to resample them
    first: ArrayLike | pd.Series,
    second: ArrayLike | pd.Series,
    *,
    block: int | None = None,
    reps: int = 4_999,
    seed: int = 0,
    level: float = 0.95,
) -> SharpeDifference:
    """Test whether two Sharpe ratios differ by a studentised circular block bootstrap.

    H0: the true Sharpe ratios of both are equal. Histories of floor(n / b) blocks of b neighbours are drawn, the history going round
    at its end; each has its difference D* and its own standard error s* from its blocks. With d* = |D* - D| / s*, the p-value is
    (1 + number of d* at least |D| / s) / (1 + reps), and the interval D -+ s x quantile of d*, s the HAC standard
    error (prewhitened, Parzen kernel). Both columns move together.

    Parameters
    ----------
    first, second : array_like or Series, shape (n,)
        Returns of the same periods; n at least 10.
    block : int, optional
        b. By default the longest automatic length (Politis & White 2004) of both returns and their squares, at most n / 4.
        For trading results give the holding time if it is longer.
    reps : int
        Histories, at least 99.
    seed : int
        Same seed, same figures.
    level : float
        Of the interval.

    Returns
    -------
    SharpeDifference
        NaN statistic, p-value and interval if the two series are the same. Histories in which nothing moves, or whose
        blocks are all alike, count as the most extreme ones, so they make the p-value larger.

    Raises
    ------
    DataError
        As :func:`hedgekit.stats.sharpe.ledoit_wolf`.
    ConfigError
        If an option is out of range.

    References
    ----------
    Ledoit & Wolf 2008, J. Empirical Finance 15:850; Goetze & Kuensch 1996 for the standard error from blocks.
    """
    whole_number("reps", reps, 99)
    open_unit("level", level, "for example .95")
    pair = both(first, second)
    pair = pair / pair.std(axis=0)  # so that the choice of a bandwidth does not depend on the unit
    b = _block(pair, block)
    stderr, gap = studentiser(pair, errors="hac", prewhiten=True), difference(pair)
    name = f"Ledoit & Wolf 2008, studentised circular block bootstrap (block {b}, {reps} histories, seed {seed})"
    if not stderr > 0:
        nan = float("nan")
        return SharpeDifference(gap, 0.0, nan, nan, nan, nan, level, len(pair), name)
    draws = _draws(pair, b, reps, seed)
    statistic = gap / stderr
    half = float(np.quantile(draws, level, method="higher")) * stderr
    return SharpeDifference(
        difference=gap,
        stderr=stderr,
        statistic=statistic,
        p_value=float((1 + np.count_nonzero(draws >= abs(statistic))) / (1 + reps)),
        low=gap - half,
        high=gap + half,
        level=level,
        n=len(pair),
        method=name,
    )


def _block(pair: Array, block: int | None) -> int:
    n = len(pair)
    if block is None:
        return max(1, min(round(block_length(*pair.T, *(pair**2).T)), n // 4))
    whole_number("block", block, 1)
    if block > n // 2:
        msg = f"block={block}: {n} periods make fewer than two blocks of it; give {n // 2} or less"
        raise ConfigError(msg)
    return int(block)


def _draws(pair: Array, b: int, reps: int, seed: int) -> Array:
    """Return |D* - D| / s* of each history, infinite where it has no meaning."""
    n = len(pair)
    blocks = n // b
    raw = np.hstack((pair, pair**2))
    around = np.cumsum(np.vstack((np.zeros(4), raw, raw[: b - 1])), axis=0)
    sums = around[b:] - around[:-b]  # of the block that starts at each row
    rng = np.random.Generator(np.random.PCG64(seed))
    centre = float(_gap(raw.mean(axis=0)))
    size = max(1, CHUNK // (4 * blocks))
    return np.concatenate(
        [_studentised(sums, rng.integers(0, n, (min(size, reps - at), blocks)), b, centre) for at in range(0, reps, size)]
    )


def _studentised(sums: Array, starts: np.ndarray, b: int, centre: float) -> Array:
    drawn = sums[starts]
    blocks = drawn.shape[1]
    means = drawn.mean(axis=1) / b
    with np.errstate(invalid="ignore", divide="ignore"):  # a history without movement has no figure, and is made infinite below
        slope = gradient(means)
        zeta = np.einsum("rbk,rk->rb", drawn - b * means[:, None, :], slope) / np.sqrt(b)
        stderr = np.sqrt(np.mean(zeta**2, axis=1) / (blocks * b))
        values = np.abs(_gap(means) - centre) / stderr
    return np.where(np.isfinite(values), values, np.inf)


def _gap(means: Array) -> Array:
    ratios = means[..., :2] / np.sqrt(means[..., 2:] - means[..., :2] ** 2)
    return np.asarray(ratios[..., 0] - ratios[..., 1])
