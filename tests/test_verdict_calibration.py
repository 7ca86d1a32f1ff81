"""How often the verdict's words are wrong, and what point estimates are worth: simulations with the truth planted.

A smaller run of ``python -m tests.perf.verdict_calibration``, whose table is docs/verdict.md. Margins are three standard errors.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from hedgekit.errors import ConfigError
from hedgekit.stats.sharpe import trades_needed
from hedgekit.verdict import point_gates, worth_of_a_point
from tests.perf.verdict_calibration import rates
from tests.planted import AT_TARGET, BETTER, TRADE_SHARPE, of_all_bars, of_held_bars, planted

SAMPLES, BETTER_SAMPLES, REPS, LIMIT = 150, 25, 399, 0.05
# METHODS 4, recomputed there: pass rates of both gates for hedges of true ratio 1.67 and 1.25; the Sharpe gate alone for an unrelated
# instrument at 50 trades; share of samples without a ratio; trades for 80% power (Memmel 2003).
METHODS_4_BOTH = {(50, 0.8): 0.37, (200, 0.8): 0.62, (50, 0.6): 0.22, (200, 0.6): 0.32}
METHODS_4_UNRELATED_50, METHODS_4_UNDEFINED_50, MEMMEL_2003_N = 0.17, 0.24, 7938


def margin(rate: float, n: int) -> float:
    return 3 * math.sqrt(rate * (1 - rate) / n)


@pytest.fixture(scope="module")
def at_target() -> pd.DataFrame:
    frames = {n: rates(n, AT_TARGET, SAMPLES, REPS) for n in (50, 200)}
    return pd.concat(frames, names=["trades"])


def test_false_pass_at_the_target_is_at_most_one_in_twenty(at_target: pd.DataFrame) -> None:
    assert set(at_target.index.get_level_values("rule")) == {"A23", "A24", "A25", "A26", "A27", "A28"}
    assert (at_target["passed"] <= LIMIT + margin(LIMIT, SAMPLES)).all(), at_target
    assert at_target.groupby("trades")["passed"].mean().max() <= LIMIT  # over the six


def test_false_fail_at_the_target_is_at_most_one_in_twenty(at_target: pd.DataFrame) -> None:
    assert (at_target["failed"] <= LIMIT + margin(LIMIT, SAMPLES)).all(), at_target


def test_intervals_hold_the_truth(at_target: pd.DataFrame) -> None:
    assert (at_target["held"] >= 0.95 - 0.01 - margin(0.95, SAMPLES)).all(), at_target
    assert at_target.xs("A27", level="rule")["held"].min() >= 0.97  # conservative


def test_what_is_clearly_better_does_pass() -> None:
    table = rates(200, BETTER, BETTER_SAMPLES, REPS)
    assert (table.loc[["A23", "A24", "A26"], "passed"] >= 0.7).all(), table
    assert (table["failed"] == 0).all(), table


def test_what_is_planted_is_there() -> None:
    s = planted(40_000, AT_TARGET, 1)
    y, x = s.bars[:, 2], s.bars[:, 3]
    known = ~np.isnan(x)
    assert np.cov(y[known], x[known])[0, 1] / x[known].var() - 1 == pytest.approx(0.1, abs=0.01)
    assert np.nanmean(s.bars[:, 4]) == pytest.approx(0.03, rel=0.02)
    assert s.trades[:, 0].sum() / s.trades[:, 1].sum() == pytest.approx(0.15, rel=0.06)
    assert s.fills[:, 0].sum() / s.fills[:, 1].sum() == pytest.approx(0.005, rel=0.03)
    assert np.corrcoef(s.bars[known, 0], s.bars[known, 1])[0, 1] == pytest.approx(0.8, abs=0.01)
    paths = planted(40_000, AT_TARGET, 1, drawdown=True).bars
    assert paths[:, 0].std() / paths[:, 1].std() == pytest.approx(0.75, rel=0.02)
    assert of_all_bars(of_held_bars(0.07)) == pytest.approx(0.07, rel=1e-12)
    assert of_all_bars(TRADE_SHARPE) < TRADE_SHARPE


# -------------------------------------------------------------- point estimates


@pytest.mark.parametrize(("trades", "correlation"), METHODS_4_BOTH)
def test_the_articles_gates_as_point_estimates_have_the_pass_rates_of_methods(trades: int, correlation: float) -> None:
    # Gaussian trades of Sharpe ratio .1; the hedge has no drift, costs nothing, and has its best size, h = correlation
    found = point_gates(trades, correlation, reps=10_000, seed=7)
    assert found.true_improvement == pytest.approx(1 / math.sqrt(1 - correlation**2), rel=1e-12)
    expected = METHODS_4_BOTH[trades, correlation]
    assert found.both_frac == pytest.approx(expected, abs=0.005 + margin(expected, 10_000))
    assert found.both_frac <= min(found.sharpe_gate_frac, found.drawdown_gate_frac)


def test_an_unrelated_instrument_passes_the_sharpe_gate() -> None:
    # correlation 0, .35 of it to 1 of the primary: its true ratio is below 1
    found = point_gates(50, 0.0, ratio=0.35, reps=10_000, seed=7)
    assert found.true_improvement < 1
    assert found.sharpe_gate_frac == pytest.approx(METHODS_4_UNRELATED_50, abs=0.005 + margin(0.17, 10_000))
    assert found.undefined_frac == pytest.approx(METHODS_4_UNDEFINED_50, abs=0.005 + margin(0.24, 10_000))


def test_trades_for_80_per_cent_power() -> None:
    assert math.ceil(trades_needed(0.1, 0.12, 0.8)) == MEMMEL_2003_N
    said = worth_of_a_point(200)
    assert "at 200 trades" in said
    assert "1.67 times shows both in 6" in said  # 62% give or take
    assert "to see 1.2 times takes about 7,938 trades" in said
    assert worth_of_a_point(1) == ""
    assert worth_of_a_point(200) == said  # same seed, same sentence


def test_simulation_in_parts_is_bounded_and_repeatable() -> None:
    big = point_gates(30_000, 0.8, reps=150, seed=1)  # in three parts
    assert big == point_gates(30_000, 0.8, reps=150, seed=1)
    assert big.sharpe_gate_frac > 0.95


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"trades": 1}, "trades=1: must be 2 to 1e"),
        ({"correlation": 1.0}, "correlation=1.0: must be -0.999 to 0.999"),
        ({"reps": 5}, "reps=5: must be 100 to 1e"),
        ({"sharpe": math.nan}, "sharpe=nan: must be -10 to 10"),
    ],
)
def test_a_wrong_option_of_the_gates_is_named(arguments: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        point_gates(**{"trades": 50, "correlation": 0.8, **arguments})  # type: ignore[arg-type]
