"""How fast the statistics are beside the libraries, in one run: results are checked equal before times are compared.

    python -m tests.perf.statistics_speed [--size smoke | quick | full] [--json FILE]

statsmodels, arch and pandas are hedgekit's own dependencies and run in this process, one thread, taking turns with ours; pykalman and
filterpy run in the peers' environment. The libraries' loops are timed on a sample of pairs. arch looks its p-values up in another table
(up to 4e-3 apart), so only its statistic is compared.
"""

from __future__ import annotations

import resource
import subprocess
import tempfile
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from arch.unitroot.cointegration import engle_granger
from statsmodels.regression.rolling import RollingOLS
from statsmodels.tsa.statespace.kalman_filter import KalmanFilter
from statsmodels.tsa.stattools import coint
from statsmodels.tsa.vector_ar.vecm import coint_johansen

from hedgekit.stats.ratio.kernels import kalman_filter, rolling_ols
from hedgekit.stats.screen import null, screen
from hedgekit.stats.screen.blocks import pairs_of, traces
from hedgekit.stats.screen.kernels import engle_granger_pairs
from hedgekit.stats.screen.simulate import code_of, standardised
from tests.perf.peers.contest import ROOT, environment
from tests.perf.rows import Row, Size, by_turns, refuse, run, seconds

EQUAL = 1e-8
SPAN = 60
MIB = 1024
KALMAN = {"q": 1e-5, "r": 3.6e-5, "b0": 0.85, "p0": 0.01}
PAIRS, MOVING = "pair screening", "rolling ratio"


def equal(what: str, ours: np.ndarray, theirs: np.ndarray, to: float = EQUAL) -> str:
    """Return the words for a row, or stop: results that differ have no times to compare."""
    apart = float(np.max(np.abs(np.asarray(ours) - np.asarray(theirs))))
    if not apart <= to:
        refuse(f"{what} differ by {apart:.1e}, more than {to:g}")
    return f"{what}, to {to:g}"


def walks(symbols: int, days: int) -> np.ndarray:
    """Return log prices, shape (symbols, days): walks, a tenth of them following another."""
    rng = np.random.default_rng(1)
    x = 0.01 * rng.standard_normal((symbols, days)).cumsum(axis=1) + 4
    for k in range(0, symbols - 1, 10):
        x[k] = 0.8 * x[k + 1] + 0.01 * rng.standard_normal(days)
    return x


def cointegration(size: Size) -> list[Row]:
    """Compare Engle-Granger, fixed lag and AIC, and Johansen's trace, on all pairs."""
    x = walks(size.pick(6, 100, 300), size.pick(150, 1_250, 1_250))
    sample, rounds, days = size.pick(4, 60, 300), size.pick(1, 3, 5), x.shape[1]
    z, dz = standardised(x)
    first, second = pairs_of(len(x), None)
    rng, rows = np.random.default_rng(2), []
    for name, lags, by_statsmodels, by_arch, few in (
        ("Engle-Granger, 1 lag", 1, {"maxlag": 1, "autolag": None}, {"lags": 1}, sample),
        ("Engle-Granger, lags by AIC", null.AIC, {"autolag": "aic"}, None, max(3, sample // 10)),
    ):
        out, code = np.empty((len(first), 5)), code_of(lags, days)
        some = rng.choice(len(first), few, replace=False)
        engle_granger_pairs(z, dz, first, second, code, out)

        def ours(c: Any = code, o: np.ndarray = out) -> None:
            engle_granger_pairs(z, dz, first, second, c, o)

        def loop(s: np.ndarray = some, o: dict[str, Any] = by_statsmodels) -> np.ndarray:
            return np.array([coint(x[first[k]], x[second[k]], **o)[:2] for k in s])

        def arch(s: np.ndarray = some, o: dict[str, Any] | None = by_arch) -> np.ndarray:
            return np.array([engle_granger(x[first[k]], x[second[k]], trend="c", **(o or {})).stat for k in s])

        theirs = loop()
        same = equal("statistics", out[some, 0], theirs[:, 0])
        equal("p-values", null.mackinnon(out[some, 0]), theirs[:, 1])
        took = by_turns(rounds, ours, loop)
        rates = len(first) / took[0], few / took[1]
        rows.append(Row(PAIRS, name, "pairs/s", rates[0], "statsmodels", rates[1], more=True, target=500, same=f"{same}, and p-values"))
        if by_arch:
            same = equal("statistics", out[some, 0], arch())
            rows.append(Row(PAIRS, name, "pairs/s", rates[0], "arch", few / by_turns(rounds, arch)[0], more=True, same=same))
    some = rng.choice(len(first), sample, replace=False)

    def johansen() -> np.ndarray:
        return np.array([coint_johansen(x[[first[k], second[k]]].T, 0, 1).lr1 for k in some])

    same = equal("statistics", traces(dz, z, first, second, restricted=False)[some], johansen())
    took = by_turns(rounds, lambda: traces(dz, z, first, second, restricted=False), johansen)
    rates = len(first) / took[0], sample / took[1]
    return [*rows, Row(PAIRS, "Johansen, trace", "pairs/s", rates[0], "statsmodels", rates[1], more=True, target=200, same=same)]


def moving(size: Size) -> list[Row]:
    """Compare rolling OLS with pandas' rolling moments and statsmodels, with the errors at the largest size."""
    rng, n, few, rounds = np.random.default_rng(3), size.pick(3_000, 300_000, 1_000_000), size.pick(500, 5_000, 20_000), size.pick(1, 3, 5)
    x = 0.012 * rng.standard_normal(n)
    y = 0.85 * x + 0.006 * rng.standard_normal(n)
    slopes = rolling_ols(y, x, SPAN)[:, 0]
    same = equal("slopes", slopes[SPAN:], by_pandas(y, x)[SPAN:])
    took = by_turns(rounds, lambda: rolling_ols(y, x, SPAN), lambda: by_pandas(y, x))
    name = f"rolling OLS, {n:,} bars"
    rows = [Row(MOVING, name, "bars/s", n / took[0], "pandas' rolling moments", n / took[1], more=True, target=2, same=same)]

    def by_statsmodels() -> np.ndarray:
        return np.asarray(RollingOLS(y[:few], np.column_stack([np.ones(few), x[:few]]), window=SPAN).fit(params_only=True).params[:, 1])

    same = equal("slopes", slopes[SPAN:few], by_statsmodels()[SPAN:])
    theirs = few / by_turns(rounds, by_statsmodels)[0]
    rows.append(Row(MOVING, name, "bars/s", n / took[0], "statsmodels RollingOLS", theirs, more=True, same=same))
    levels = 4 + x.cumsum(), 4 + y.cumsum()
    errors = [_worst(found, levels[1], levels[0]) for found in (rolling_ols(levels[1], levels[0], SPAN)[:, 0], by_pandas(*levels[::-1]))]
    rows.append(
        Row(MOVING, f"largest error of a slope, {n:,} log prices", "of 1", errors[0], "pandas' rolling moments", errors[1], target=1.0)
    )
    return [*rows, *filtering(y, x, size)]


def filtering(y: np.ndarray, x: np.ndarray, size: Size) -> list[Row]:
    """Compare the Kalman filter of a walking ratio."""
    few, rounds = size.pick(500, 20_000, 100_000), size.pick(1, 3, 5)
    q, r, b0, p0 = KALMAN.values()
    model = KalmanFilter(k_endog=1, k_states=1, k_posdef=1)
    model.bind(y[:few])
    model["design"], model["obs_cov"], model["transition"] = x[None, None, :few], np.array([[r]]), np.eye(1)
    model["selection"], model["state_cov"] = np.eye(1), np.array([[q]])
    model.initialize_known(np.array([b0]), np.array([[p0 + q]]))
    ours = kalman_filter(y, x, q, r, b0, p0)[:, 0]
    same = equal("filtered ratios", ours[:few], model.filter().filtered_state[0])
    took = by_turns(rounds, lambda: kalman_filter(y, x, q, r, b0, p0), model.filter)
    mine, name = len(y) / took[0], f"Kalman filter, {len(y):,} bars"
    rows = [Row(MOVING, name, "bars/s", mine, "statsmodels", few / took[1], more=True, target=20, same=same)]
    if size is Size.SMOKE:
        return rows
    few = min(few, 10_000)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(made := f"{folder}/made.npz", y=y[:few], x=x[:few], **KALMAN)  # type: ignore[arg-type] # numbers are arrays too
        for who in ("filterpy", "pykalman"):
            out = Path(folder, f"{who}.npz")
            command = [str(environment()), "-m", "tests.perf.peers.by_kalman", who, made, str(rounds), str(out)]
            subprocess.run(command, cwd=ROOT, check=True)
            with np.load(out) as found:
                same = equal("filtered ratios", ours[:few], found["ratio"])
                rows.append(Row(MOVING, name, "bars/s", mine, who, few / median(found["seconds"]), more=True, same=same))
    return rows


def by_pandas(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the slope from pandas' rolling moments."""
    frame = pd.DataFrame({"y": y, "x": x, "xy": x * y, "xx": x * x})
    mean = frame.rolling(SPAN).mean()
    return ((mean["xy"] - mean["x"] * mean["y"]) / (mean["xx"] - mean["x"] ** 2)).to_numpy()


def _worst(found: np.ndarray, y: np.ndarray, x: np.ndarray) -> float:
    """Return the largest error of slopes against extended precision, relative to their own size and one, on 2,000 bars."""
    at = np.linspace(SPAN * 4, len(y) - 1, 2_000).astype(int)
    exact = np.array([_exact_slope(y[t - SPAN + 1 : t + 1], x[t - SPAN + 1 : t + 1]) for t in at])
    return float(np.max(np.abs(found[at] - exact) / np.maximum(np.abs(exact), 1.0)))


def _exact_slope(y: np.ndarray, x: np.ndarray) -> float:
    a, b = y.astype(np.longdouble), x.astype(np.longdouble)
    b = b - b.mean()
    return float((a * b).sum() / (b * b).sum())


def whole(size: Size) -> list[Row]:
    """Return time and memory of a whole screen, every column of it."""
    symbols, days = size.pick(4, 100, 300), size.pick(300, 1_250, 1_250)
    prices = pd.DataFrame(np.exp(walks(symbols, days).T), columns=[f"S{k}" for k in range(symbols)])
    screen(prices.iloc[:, :3], progress=False)
    rows = []
    for lags, words in ((1, "1 lag"), (None, "lags by AIC")):
        took = seconds(lambda lags=lags: screen(prices, lags=lags, progress=False))  # type: ignore[misc]
        rows.append(Row(PAIRS, f"a whole screen of {symbols} symbols, {words}", "s", took))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
    return [*rows, Row(PAIRS, f"peak memory of a process with {symbols} symbols", "MiB", peak, target=1_024)]


def measure(size: Size) -> list[Row]:
    """Measure; the whole screen first, so that the peak of memory is its own."""
    warnings.simplefilter("error")
    screened = whole(size)
    return [*cointegration(size), *screened, *moving(size)]


if __name__ == "__main__":
    run(measure, __doc__)
