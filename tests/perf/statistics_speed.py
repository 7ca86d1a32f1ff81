"""How fast the statistics are beside the libraries, in one run: results are checked equal before times are compared.

    python -m tests.perf.statistics_speed [--symbols 300] [--days 1250] [--rounds 5]

A measurement, not a test: pytest does not collect it. The libraries' loops are timed on a sample of pairs. Rates are of this
machine at this moment; the ratios are what counts. ``limit`` is what a hand-written numba loop reached on two cores in an
earlier trial, so it too is of another moment.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd
from statsmodels.tsa.statespace.kalman_filter import KalmanFilter
from statsmodels.tsa.stattools import coint
from statsmodels.tsa.vector_ar.vecm import coint_johansen

from hedgekit.stats.ratio.kernels import kalman_filter, rolling_ols
from hedgekit.stats.screen import null, screen
from hedgekit.stats.screen.blocks import pairs_of, traces
from hedgekit.stats.screen.kernels import engle_granger_pairs
from hedgekit.stats.screen.simulate import code_of, standardised

EQUAL = 1e-8
MIB = 1024


def seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def row(name: str, ours: float, peer: float, goal: float, limit: str, unit: str) -> None:  # noqa: PLR0913 - a line of the table
    ratio = ours / peer
    mark = "" if ratio >= goal else "  BELOW THE GOAL"
    print(f"{name:<34} {ours:>13,.0f} {peer:>12,.0f} {unit:<8} {ratio:>9,.1f} x   goal {goal:>4g} x   limit {limit}{mark}")


def walks(symbols: int, days: int) -> np.ndarray:
    """Return log prices, shape (symbols, days): walks, a tenth of them following another."""
    rng = np.random.default_rng(1)
    x = 0.01 * rng.standard_normal((symbols, days)).cumsum(axis=1) + 4
    for k in range(0, symbols - 1, 10):
        x[k] = 0.8 * x[k + 1] + 0.01 * rng.standard_normal(days)
    return x


def cointegration(x: np.ndarray, rounds: int, sample: int) -> None:
    """Compare Engle-Granger, fixed lag and AIC, and Johansen's trace."""
    symbols, days = x.shape
    z, dz = standardised(x)
    first, second = pairs_of(symbols, None)
    rng = np.random.default_rng(2)
    for name, lags, options, few, limit in (
        ("Engle-Granger, 1 lag", 1, {"maxlag": 1, "autolag": None}, sample, "1.2 to 1.5 M/s"),
        ("Engle-Granger, lags by AIC", null.AIC, {"autolag": "aic"}, sample // 10, "119 to 144 k/s"),
    ):
        out, code = np.empty((len(first), 5)), code_of(lags, days)
        some = rng.choice(len(first), few, replace=False)
        theirs = np.array([coint(x[first[k]], x[second[k]], **options)[:2] for k in some])
        engle_granger_pairs(z, dz, first, second, code, out)
        assert np.abs(out[some, 0] - theirs[:, 0]).max() < EQUAL
        assert np.abs(null.mackinnon(out[some, 0]) - theirs[:, 1]).max() < EQUAL
        pairs = [
            (
                seconds(lambda c=code, o=out: engle_granger_pairs(z, dz, first, second, c, o)) / len(first),
                seconds(lambda o=options, s=some: [coint(x[first[k]], x[second[k]], **o) for k in s]) / few,
            )
            for _ in range(rounds)
        ]
        row(name, 1 / median(a for a, _ in pairs), 1 / median(b for _, b in pairs), 500, limit, "pairs/s")
    some = rng.choice(len(first), sample, replace=False)
    theirs = np.array([coint_johansen(x[[first[k], second[k]]].T, 0, 1).lr1 for k in some])
    assert np.abs(traces(dz, z, first, second, restricted=False)[some] - theirs).max() < EQUAL
    pairs = [
        (
            seconds(lambda: traces(dz, z, first, second, restricted=False)) / len(first),
            seconds(lambda: [coint_johansen(x[[first[k], second[k]]].T, 0, 1) for k in some]) / sample,
        )
        for _ in range(rounds)
    ]
    row("Johansen, trace", 1 / median(a for a, _ in pairs), 1 / median(b for _, b in pairs), 200, "0.7 to 0.9 M/s", "pairs/s")


def moving(rounds: int, n: int = 1_000_000, span: int = 60) -> None:
    """Compare rolling OLS with pandas' rolling moments, with the error of both, and the Kalman filter with statsmodels'."""
    rng = np.random.default_rng(3)
    x = 0.012 * rng.standard_normal(n)
    y = 0.85 * x + 0.006 * rng.standard_normal(n)
    pairs = [(seconds(lambda: rolling_ols(y, x, span)), seconds(lambda: by_pandas(y, x, span))) for _ in range(rounds)]
    row("rolling OLS, 1M bars", n / median(a for a, _ in pairs), n / median(b for _, b in pairs), 2, "80 to 120 M/s", "bars/s")
    levels = 4 + x.cumsum(), 4 + y.cumsum()
    spike = y.copy()
    spike[1_000] = 1e6
    for name, one, two in (("returns", y, x), ("log prices", levels[1], levels[0]), ("returns after one bad tick of 1e6", spike, x)):
        ours, theirs = (_worst(found, one, two, span) for found in (rolling_ols(one, two, span)[:, 0], by_pandas(one, two, span)))
        print(f"{'':34} largest relative error of the slope, {name}: ours {ours:.1e}, pandas {theirs:.1e}")
    q, r, b0, p0 = 1e-5, 3.6e-5, 0.85, 0.01
    model = KalmanFilter(k_endog=1, k_states=1, k_posdef=1)
    few = 100_000
    model.bind(y[:few])
    model["design"], model["obs_cov"], model["transition"] = x[None, None, :few], np.array([[r]]), np.eye(1)
    model["selection"], model["state_cov"] = np.eye(1), np.array([[q]])
    model.initialize_known(np.array([b0]), np.array([[p0 + q]]))
    found = model.filter()
    assert np.abs(kalman_filter(y[:few], x[:few], q, r, b0, p0)[:, 0] - found.filtered_state[0]).max() < EQUAL
    pairs = [(seconds(lambda: kalman_filter(y, x, q, r, b0, p0)) / n, seconds(model.filter) / few) for _ in range(rounds)]
    row("Kalman filter", 1 / median(a for a, _ in pairs), 1 / median(b for _, b in pairs), 20, "91 M/s", "bars/s")


def by_pandas(y: np.ndarray, x: np.ndarray, span: int) -> np.ndarray:
    """Return the slope from pandas' rolling moments."""
    frame = pd.DataFrame({"y": y, "x": x, "xy": x * y, "xx": x * x})
    mean = frame.rolling(span).mean()
    return ((mean["xy"] - mean["x"] * mean["y"]) / (mean["xx"] - mean["x"] ** 2)).to_numpy()


def _worst(found: np.ndarray, y: np.ndarray, x: np.ndarray, span: int) -> float:
    """Return the largest error of slopes against extended precision, relative to their own size and one, on 2,000 bars."""
    at = np.linspace(max(span, 2_000), len(y) - 1, 2_000).astype(int)
    exact = np.array([_exact_slope(y[t - span + 1 : t + 1], x[t - span + 1 : t + 1]) for t in at])
    return float(np.max(np.abs(found[at] - exact) / np.maximum(np.abs(exact), 1.0)))


def _exact_slope(y: np.ndarray, x: np.ndarray) -> float:
    a, b = y.astype(np.longdouble), x.astype(np.longdouble)
    b = b - b.mean()
    return float((a * b).sum() / (b * b).sum())


def whole(symbols: int, days: int) -> None:
    """Print time and memory of a whole screen, every column of it."""
    prices = pd.DataFrame(np.exp(walks(symbols, days).T), columns=[f"S{k}" for k in range(symbols)])
    screen(prices.iloc[:, :3], progress=False)
    for lags in (1, None):
        took = seconds(lambda lags=lags: screen(prices, lags=lags, progress=False))
        print(f"a whole screen of {symbols} symbols, lags {lags or 'by AIC'}: {took:.2f} s")
    print(f"largest memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB:,.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--symbols", type=int, default=300)
    parser.add_argument("--days", type=int, default=1_250)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--whole", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.whole:
        whole(given.symbols, given.days)
        return
    warnings.simplefilter("error")
    print(f"{'':34} {'ours':>13} {'library':>12}")
    cointegration(walks(given.symbols, given.days), given.rounds, given.sample)
    moving(given.rounds)
    command = [sys.executable, "-m", "tests.perf.statistics_speed", "--whole", f"--symbols={given.symbols}", f"--days={given.days}"]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
