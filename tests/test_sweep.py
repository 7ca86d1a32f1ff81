"""A sweep is many backtests: the same figures as one by one, every combination counted, nothing left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit import metrics as m
from hedgekit.backtest import Backtest, run
from hedgekit.backtest.measured import measured
from hedgekit.backtest.sweep import Sweep, sweep
from hedgekit.errors import ConfigError, JournalError
from hedgekit.exchange.model import FillModel
from hedgekit.params import Params
from tests.core.core_made import DAILY, daily_tape, params

pytestmark = pytest.mark.usefixtures("own_home")

TAPE = daily_tape(2, 500, fees="0.0001")
GRID: dict[str, Any] = {"entry": [1.5, 2.0], "lookback": [15, 20], "structure": ["pairs", "unhedged"]}
BASE = params(**DAILY).model_dump() | {"notional": 50_000.0}


@pytest.fixture(scope="module")
def done() -> Sweep:
    return sweep(TAPE, GRID, BASE, study="the whole grid", progress=False)


def alone(row: pd.Series) -> Backtest:
    return run(TAPE, Params.make(**BASE | {name: row[name] for name in GRID}), FillModel())


def test_every_combination_is_there_once(done: Sweep) -> None:
    assert done.trials == len(done.table) == 8
    assert not done.table[list(GRID)].duplicated().any()
    assert done.pnl.shape == (500, 8)


def test_its_figures_are_those_of_the_single_backtests(done: Sweep) -> None:
    for number, row in done.table.iterrows():
        equity = alone(row).tables.equity
        assert np.cumsum(done.pnl[:, int(str(number))]) == pytest.approx(equity["hedged"].to_numpy(), abs=1e-6)
        assert row["pnl"] == pytest.approx(equity["hedged"].iloc[-1], abs=1e-6)
        assert row["pnl_unhedged"] == pytest.approx(equity["unhedged"].iloc[-1], abs=1e-6)
        assert row["pnl_at_mids"] == pytest.approx((equity["gross_primary"] + equity["gross_hedge"]).iloc[-1], abs=1e-6)
        assert row["trades"] == alone(row).decisions[-1].trade


@given(st.lists(st.floats(-1e6, 1e6), max_size=30), st.sampled_from([1.0, 1e-9, 0.0]))
def test_its_figures_are_the_metrics(steps: list[float], scale: float) -> None:
    curve = 1e6 + np.cumsum(np.array(steps) * scale) if scale != 1.0 else np.cumsum(np.array(steps))
    pnl = np.empty(len(curve))
    sharpe, depth = measured(curve, pnl, m.BARS_PER_YEAR, m.TINY)
    assert np.array_equal(pnl, m.steps(curve))
    assert depth == pytest.approx(m.max_drawdown(curve), rel=1e-12, abs=1e-9)
    assert sharpe == pytest.approx(m.sharpe(m.steps(curve)), rel=1e-6, nan_ok=True)


def test_partial_fills_and_odd_lots_too() -> None:
    tape = daily_tape(7, 300, size=60.0)
    (one,) = sweep(tape, {"entry": [1.2]}, BASE, progress=False).pnl.T
    equity = run(tape, Params.make(**BASE | {"entry": 1.2}), FillModel()).tables.equity
    assert np.cumsum(one) == pytest.approx(equity["hedged"].to_numpy(), abs=1e-6)


def test_plans_are_shared_only_where_they_are_the_same() -> None:
    """Another window of the ratio, or another significance, is another plan."""
    grid = {"fit_bars": [60, 80], "significance": [0.01, 0.2], "entry": [1.5]}
    base = BASE | {"evidence_override": None}
    swept = sweep(TAPE, grid, base, progress=False)
    for _, row in swept.table.iterrows():
        single = run(
            TAPE, Params.make(**base | {"fit_bars": int(row["fit_bars"]), "significance": row["significance"], "entry": 1.5}), FillModel()
        )
        assert row["pnl"] == pytest.approx(single.tables.equity["hedged"].iloc[-1], abs=1e-6)


def test_threads_and_order_change_nothing(done: Sweep) -> None:
    pd.testing.assert_frame_equal(done.table, sweep(TAPE, GRID, BASE, jobs=2, progress=False).table)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        pd.testing.assert_frame_equal(done.table, sweep(TAPE, GRID, BASE, progress=False).table)


def test_numbers_of_bars_may_vary_where_the_bars_are_the_same() -> None:
    swept = sweep(TAPE, {"max_quote_age_s": [3_600.0, 7_200.0], "entry": [1.5]}, BASE, progress=False)
    assert swept.pnl.shape == (500, 2)
    assert np.array_equal(*swept.pnl.T)


def test_draws_are_combinations_of_the_grid_and_a_seed_is_a_choice(done: Sweep) -> None:
    some = sweep(TAPE, GRID, BASE, draws=3, seed=1, progress=False)
    assert len(some.table) == 3
    merged = some.table.merge(done.table, on=list(GRID))
    assert (merged["pnl_x"] == merged["pnl_y"]).all()
    assert len(merged) == 3
    again = sweep(TAPE, GRID, BASE, draws=3, seed=1, progress=False)
    pd.testing.assert_frame_equal(some.table, again.table)


def test_the_best_is_the_best_of_so_many(done: Sweep) -> None:
    assert done.best("pnl")["pnl"] == done.table["pnl"].max()
    with pytest.raises(ConfigError, match="by='luck'"):
        done.best("luck")


def test_every_trial_is_counted_once_and_for_good(tmp_path: Path) -> None:
    """The same sweep again, as a notebook runs it, counts nothing twice; another value counts one more."""
    here: dict[str, Any] = {"study": "mine", "ledger": tmp_path / "trials.db", "progress": False}
    first = sweep(TAPE, {"entry": [1.5, 2.0]}, BASE, **here)
    again = sweep(TAPE, {"entry": [1.5, 2.0]}, BASE, **here)
    more = sweep(TAPE, {"entry": [2.0, 2.2]}, BASE, **here)
    assert [s.trials for s in (first, again, more)] == [2, 2, 3]
    assert sweep(TAPE, {"entry": [1.5]}, BASE, ledger=tmp_path / "trials.db", progress=False).study == "KO~PEP"


def test_an_uncounted_sweep_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "trials.db").write_text("not a ledger")
    with pytest.raises(JournalError, match="2 trials were not counted"):
        sweep(TAPE, {"entry": [1.5, 2.0]}, BASE, ledger=tmp_path / "trials.db", progress=False)


def test_the_guard_takes_all_trials_of_the_study(tmp_path: Path) -> None:
    """On walks the best of many combinations does not survive."""
    tape = daily_tape(5, 700, reverting=False)
    grid = {"entry": [1.0, 1.5, 2.0], "lookback": [10, 20, 30], "target": [0.0, 0.5]}
    swept = sweep(tape, grid, BASE, ledger=tmp_path / "trials.db", progress=False)
    judged = swept.guard(reps=200)
    assert judged.trials == swept.trials == 18
    assert judged.finding.value != "SURVIVES"
    best = swept.best()
    assert f"entry={best['entry']:g}" in judged.sentence or f"entry={best['entry']}" in judged.sentence


@pytest.mark.parametrize(
    ("grid", "options", "text"),
    [
        ({}, {}, "grid is empty"),
        ({"entry": []}, {}, "'entry' has no values"),
        ({"entry": "2"}, {}, "'entry' has no values"),
        ({"entri": [2.0]}, {}, "did you mean 'entry'"),
        ({"entry": [2.0, 9.0], "stop": [3.5]}, {}, "target < entry < stop"),
        ({"entry": [2.0]}, {"draws": 2}, "draws=2: must be 1 to 1"),
        ({"entry": [2.0], "bar_s": [86_400.0, 172_800.0]}, {}, "bar_s=86400.0 and 172800.0 close different bars .500 and "),
    ],
)
def test_a_wrong_grid_says_the_fix_before_anything_runs(grid: dict[str, Any], options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        sweep(TAPE, grid, BASE, progress=False, **options)
