r"""Does the spread still come back? The likelihood CUSUM for "AR(1) becomes a random walk".

While it reverts, a spread sampled each bar is :math:`x_t = m + b (x_{t-1} - m) + s \epsilon_t` with
:math:`b = 2^{-1/\text{half-life}}`; broken, it is :math:`x_t = x_{t-1} + s \epsilon_t`. The CUSUM of the
log-likelihood ratio is the optimal detector (Page 1954; Moustakides 1986): no other with the same false-alarm
rate is faster. Its threshold is found by simulation for a stated run length, as nothing in closed form is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit.compiled import kernel
from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.checks import above, labels, series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from hedgekit.data import Array

MIN_PATHS, PILOT_PATHS = 100, 400
_ARL_LEAST, _ARL_MOST = 10.0, 100_000.0
_HALF_LIFE_MOST = 2_000.0
_GRID = 200
_BURN_HALF_LIVES = 10
_PATIENCE = 8  # pilot paths end after so many run lengths; e^-8 of them would go on
_FOREVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class ReversionCalibration:
    """The threshold for a stated run length, and how soon a break can be seen with it.

    Attributes
    ----------
    half_life : float
        Bars, while the spread reverts.
    threshold : float
        Of the summed log-likelihood ratio.
    arl0, arl0_stderr : float
        Bars from one false alarm to the next, on average, as asked; and the simulation's standard error of it.
    median_delay_bars, mean_delay_bars : float
        From the break to the alarm, if the spread becomes a random walk at a bar unrelated to it.
    median_delay_half_lives : float
        The same in half-lives: 3 to 5 at one false alarm in some 900 bars. No detector is faster at that rate.
    paths, seed : int
        Of the simulation.
    """

    half_life: float
    threshold: float
    arl0: float
    arl0_stderr: float
    median_delay_bars: float
    mean_delay_bars: float
    median_delay_half_lives: float
    paths: int
    seed: int


@dataclass(frozen=True, slots=True)
class LikelihoodState:
    """Where a likelihood CUSUM stands: its statistic, the last value of the spread, bars since the statistic was 0, and the alarm."""

    last: float
    statistic: float = 0.0
    run: int = 0
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class LikelihoodCusum:
    r"""The likelihood CUSUM, one bar at a time.

    .. math:: S_t = \max\left(0, S_{t-1} + \frac{(x_t - m - b (x_{t-1} - m))^2 - (x_t - x_{t-1})^2}{2 s^2}\right),
        \qquad \text{alarm if } S_t > \text{threshold}

    Null hypothesis: the spread reverts with the given half-life, mean and innovation sd. After an alarm it starts from 0.

    Parameters
    ----------
    half_life : float
        Bars.
    mean, innovation_sd : float
        m and s, in the spread's unit, known before the first bar that is watched.
    threshold : float
        From :func:`calibrate_reversion`.
    """

    half_life: float
    mean: float
    innovation_sd: float
    threshold: float

    def __post_init__(self) -> None:
        """Refuse parameters out of range (ConfigError)."""
        above("half_life", self.half_life, 0, "bars, while the spread reverts")
        above("innovation_sd", self.innovation_sd, 0, "sd of one bar's surprise while the spread reverts")
        above("threshold", self.threshold, 0, "of the log-likelihood ratio; see calibrate_reversion")
        if not math.isfinite(self.mean):
            msg = f"mean={self.mean}: must be a finite number (level to which the spread reverts)"
            raise ConfigError(msg)

    def start(self, x: float) -> LikelihoodState:
        """Return the state at the first bar."""
        return LikelihoodState(last=_finite(x))

    def update(self, state: LikelihoodState, x: float) -> LikelihoodState:
        """Return the state after one more bar; DataError if the spread is not finite."""
        b = 0.5 ** (1 / self.half_life)
        now, before = (_finite(x) - self.mean) / self.innovation_sd, (state.last - self.mean) / self.innovation_sd
        old, run = (0.0, 0) if state.alarm else (state.statistic, state.run)
        statistic = max(0.0, old + 0.5 * ((now - b * before) ** 2 - (now - before) ** 2))
        return LikelihoodState(last=x, statistic=statistic, run=run + 1 if statistic > 0 else 0, alarm=statistic > self.threshold)


@dataclass(frozen=True, eq=False, slots=True)
class ReversionRun:
    """A likelihood CUSUM over a spread, with what its alarms are worth.

    Attributes
    ----------
    alarms : DataFrame
        One row for each alarm: ``position`` and ``label`` (where it was given), ``since`` and ``since_label`` (first bar after the
        statistic was last 0: where reversion seems to end), ``statistic``.
    statistic : Series, shape (n,)
        S after each bar; 0 at the first, which has no bar before it.
    rule : LikelihoodCusum
        Half-life, mean, innovation sd, threshold.
    calibration : ReversionCalibration
        Run length, its standard error, and the delays to expect.
    arl0 : float
        Bars from one false alarm to the next, on average, if the spread goes on reverting.
    expected_false_alarms : float
        (n - 1) / arl0: so many alarms this series would give if nothing had changed.
    n : int
        Bars.
    """

    alarms: pd.DataFrame
    statistic: pd.Series
    rule: LikelihoodCusum
    calibration: ReversionCalibration
    arl0: float
    expected_false_alarms: float
    n: int


def calibrate_reversion(half_life: float, *, arl: float = 1_000.0, paths: int = 5_000, seed: int = 0) -> ReversionCalibration:
    """Return the threshold with a false alarm every ``arl`` bars on average, and the delay it means.

    Simulates ``paths`` spreads that revert, started at random in their stationary law, for the run length, then as many that
    stop reverting after ten half-lives under watch, for the delay. Same arguments, same answer; answers are kept.

    Parameters
    ----------
    half_life : float
        Bars, above 0 and at most 2,000.
    arl : float
        In-control average run length, from 10 to 100,000 bars.
    paths : int
        At least 100. The standard error of the run length is about arl / sqrt(paths).
    seed : int

    Returns
    -------
    ReversionCalibration

    Raises
    ------
    ConfigError
        If a parameter is out of range.

    Notes
    -----
    A threshold t gives a run length of e^t at least (the statistic is a likelihood ratio), so the search ends at ln(arl).
    """
    above("half_life", half_life, 0, "bars, while the spread reverts")
    for name, value, least, most in (
        ("half_life", half_life, 0.0, _HALF_LIFE_MOST),
        ("arl", arl, _ARL_LEAST, _ARL_MOST),
        ("paths", paths, MIN_PATHS, math.inf),
    ):
        if not least <= value <= most:
            msg = f"{name}={value:g}: must be from {least:g} to {most:g}"
            raise ConfigError(msg)
    return _calibrated(float(half_life), float(arl), int(paths), int(seed))


@lru_cache(maxsize=256)
def _calibrated(half_life: float, arl: float, paths: int, seed: int) -> ReversionCalibration:
    b = 0.5 ** (1 / half_life)
    rng = np.random.Generator(np.random.PCG64(seed))
    wide = np.linspace(0.0, math.log(arl), _GRID)
    pilot, _ = _run_lengths(b, wide, PILOT_PATHS, math.ceil(_PATIENCE * arl), rng)
    near = float(np.interp(arl, pilot, wide))
    grid = np.linspace(0.8 * near, 1.2 * near, _GRID)
    mean, stderr = _run_lengths(b, grid, paths, _FOREVER, rng)
    if not mean[0] < arl < mean[-1]:
        msg = f"arl={arl:g} could not be reached with paths={paths}: give more paths"
        raise ConfigError(msg)
    threshold = float(np.interp(arl, mean, grid))
    delays = np.empty(paths, dtype=np.int64)
    _delays(b, threshold, math.ceil(_BURN_HALF_LIVES * half_life), rng, delays)
    median = float(np.median(delays))
    return ReversionCalibration(
        half_life=half_life,
        threshold=threshold,
        arl0=arl,
        arl0_stderr=float(np.interp(arl, mean, stderr)),
        median_delay_bars=median,
        mean_delay_bars=float(delays.mean()),
        median_delay_half_lives=median / half_life,
        paths=paths,
        seed=seed,
    )


def likelihood_cusum(  # noqa: PLR0913 - the spread, and its model by keyword
    spread: ArrayLike | pd.Series,
    *,
    half_life: float,
    mean: float,
    innovation_sd: float,
    arl: float = 1_000.0,
    paths: int = 5_000,
    seed: int = 0,
) -> ReversionRun:
    """Watch whether a spread goes on reverting, as if bar by bar.

    Null hypothesis: the spread is AR(1) with the given half-life, mean and innovation sd throughout. Against it: from some bar
    on it is a random walk with the same innovation sd.

    **Do not expect a quick answer.** A reverting spread looks like a random walk over a few bars. At one false alarm in some
    900 bars the median delay is 48, 78, 125 bars for half-lives of 10, 20, 40: 3 to 5 half-lives, half of all breaks take longer, and
    nobody can be faster at that false-alarm rate. ``calibration`` says it for the case at hand. A stop or a
    position limit must carry the risk until then.

    Parameters
    ----------
    spread : array_like or Series, shape (n,)
        Spread at each bar, oldest first; at least 2, finite.
    half_life : float
        Bars, while it reverts, from a fit on earlier bars.
    mean, innovation_sd : float
        m and s of the same fit, in the spread's unit. s is the sd of one bar's surprise, not of the spread.
    arl : float
        Bars from one false alarm to the next, on average.
    paths, seed : int
        Of the simulation that finds the threshold, see :func:`calibrate_reversion`.

    Returns
    -------
    ReversionRun

    Raises
    ------
    DataError
        If there are fewer than 2 values, or one is not finite.
    ConfigError
        If a parameter is out of range.

    Notes
    -----
    ``arl0`` is that of the model. A half-life that was fitted too short (it is, in small samples) gives false alarms more often.
    Sources: Page 1954; Moustakides 1986; METHODS section 3.
    """
    x = series(spread, "spread", 2)
    calibration = calibrate_reversion(half_life, arl=arl, paths=paths, seed=seed)
    rule = LikelihoodCusum(half_life=half_life, mean=mean, innovation_sd=innovation_sd, threshold=calibration.threshold)
    statistic, run = np.empty(len(x)), np.empty(len(x), dtype=np.int64)
    _watch((x - mean) / innovation_sd, 0.5 ** (1 / half_life), rule.threshold, statistic, run)
    index = labels(spread, len(x))
    at = np.flatnonzero(statistic > rule.threshold)
    since = at - run[at] + 1
    return ReversionRun(
        alarms=pd.DataFrame(
            {"position": at, "label": index[at], "since": since, "since_label": index[since], "statistic": statistic[at]},
        ),
        statistic=pd.Series(statistic, index=index, name="statistic"),
        rule=rule,
        calibration=calibration,
        arl0=calibration.arl0,
        expected_false_alarms=(len(x) - 1) / calibration.arl0,
        n=len(x),
    )


def _finite(x: float) -> float:
    if not math.isfinite(x):
        msg = f"spread is {x}: give a finite number, or skip the bar and say so; a missing value is no evidence"
        raise DataError(msg)
    return float(x)


def _run_lengths(b: float, grid: Array, paths: int, longest: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the mean run length at each threshold of the grid, and its standard error; a path ends after ``longest`` bars."""
    total, squares = np.zeros(len(grid)), np.zeros(len(grid))
    _passages(b, grid, paths, longest, rng, total, squares)
    mean = total / paths
    return mean, np.sqrt(np.maximum(squares / paths - mean * mean, 0.0) / paths)


@kernel
def _step(statistic: float, before: float, now: float, b: float) -> float:
    """Add one bar's log-likelihood ratio; values are in innovation sd from the mean."""
    here, there = now - b * before, now - before
    return max(0.0, statistic + 0.5 * (here * here - there * there))


@kernel
def _watch(z: Array, b: float, threshold: float, statistic: Array, run: NDArray[np.int64]) -> None:
    """Write the statistic and the bars since it was last 0; both start again after an alarm."""
    s, bars = 0.0, 0
    statistic[0], run[0] = 0.0, 0
    for t in range(1, len(z)):
        s = _step(s, z[t - 1], z[t], b)
        bars = bars + 1 if s > 0 else 0
        statistic[t], run[t] = s, bars
        if s > threshold:
            s, bars = 0.0, 0


@kernel
def _passages(  # noqa: PLR0913 - flat arguments
    b: float, grid: Array, paths: int, longest: int, rng: np.random.Generator, total: Array, squares: Array
) -> None:
    """Add the first bar above each threshold, and its square, over paths that revert."""
    for _ in range(paths):
        x = rng.standard_normal() / np.sqrt(1 - b * b)
        s, bars, j = 0.0, 0, 0
        while j < len(grid):
            y = b * x + rng.standard_normal()
            s = _step(s, x, y, b)
            bars += 1
            while j < len(grid) and (s > grid[j] or bars >= longest):
                total[j] += bars
                squares[j] += bars * bars
                j += 1
            x = y


@kernel
def _delays(b: float, threshold: float, burn: int, rng: np.random.Generator, delays: NDArray[np.int64]) -> None:
    """Write bars from break to alarm; before the break the CUSUM runs, and starts again after false alarms."""
    for i in range(len(delays)):
        x = rng.standard_normal() / np.sqrt(1 - b * b)
        s = 0.0
        for _ in range(burn):
            y = b * x + rng.standard_normal()
            s = _step(s, x, y, b)
            if s > threshold:
                s = 0.0
            x = y
        bars = 0
        while s <= threshold:
            y = x + rng.standard_normal()
            s = _step(s, x, y, b)
            bars += 1
            x = y
        delays[i] = bars
