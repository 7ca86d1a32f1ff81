"""Walk-forward and cross-validation: what was luck, what is handed back, and what cannot be."""

from __future__ import annotations

from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hedgekit.backtest.walk import cross_validate, walk_forward
from hedgekit.backtest.walk_result import WalkForward
from hedgekit.data import SyntheticMarket, Tape
from hedgekit.errors import ConfigError, DataError, JournalError
from hedgekit.trials import trials
from tests.core.core_made import OVERRIDE
from tests.walk.made import BASE, CROSS, GRID, TAPE, WALK

pytestmark = pytest.mark.usefixtures("own_home")

# --------------------------------------------------------------- luck and skill


QUIET: dict[str, Any] = {"half_spread_bps": 0.1, "fee_rate": "0", "size_notional": 1e9, "size_sigma": 0.0, "row_s": 60.0}
SEARCH: dict[str, Any] = {"entry": [0.8, 1.2, 1.6, 2.0], "lookback": [10, 20, 40], "target": [-0.5, 0.5]}
MINUTES: dict[str, Any] = {
    "bar_s": 60.0, "bar_offset_s": 1.0, "fit_bars": 60, "refit_bars": 200, "slippage_buffer": 0.0, "notional": 50_000.0,
    "evidence_override": OVERRIDE, "stop": 4.0,
}  # fmt: skip


def searched(kind: str, tape: Tape) -> WalkForward:
    if kind == "walk":
        return walk_forward(tape, SEARCH, MINUTES, train=400, test=200, progress=False)
    return cross_validate(tape, SEARCH, MINUTES, groups=4, held_out=2, progress=False)


@pytest.mark.parametrize("kind", ["walk", "cross"])
def test_what_was_luck_in_sample_is_gone_out_of_sample(kind: str) -> None:
    """A spread that is a random walk: the best of 24 looks good on every history, and earns nothing on bars it has not seen."""
    found = [
        searched(kind, SyntheticMarket.textbook(rows=1_200, seed=seed, regimes=((0, 1_200, "broken"),), **QUIET).tape())
        for seed in range(6)
    ]
    inside = np.array([one.folds["in_sample"].mean() for one in found])
    outside = np.array([one.table()["sharpe"].mean() for one in found])
    assert inside.min() > 0.2
    assert inside.mean() > 0.6
    assert outside.mean() < 2 * outside.std(ddof=1) / np.sqrt(len(outside))
    assert (inside - outside).mean() > 0.4


@pytest.mark.parametrize("kind", ["walk", "cross"])
def test_a_spread_that_does_come_back_earns_on_bars_not_seen(kind: str) -> None:
    found = [searched(kind, SyntheticMarket.textbook(rows=1_200, seed=seed, half_life=10.0, **QUIET).tape()) for seed in (1,)]
    for one in found:
        assert (one.table()["pnl"] > 0).all()
        assert one.table()["sharpe"].median() > 0.7
        assert 0.7 < one.folds["ratio"].mean() < 1.0  # planted: .85


# ---------------------------------------------------------- what is handed back


@pytest.mark.parametrize(("groups", "held_out"), [(4, 2), (5, 1), (5, 3)])
def test_so_many_paths_each_with_every_bar(groups: int, held_out: int) -> None:
    """There are k C(N, k) / N (Lopez de Prado 2018, section 12.4), and the paths share out exactly what the folds earned."""
    done = cross_validate(TAPE, {"entry": [1.2]}, BASE, groups=groups, held_out=held_out, purge=19, embargo=0, progress=False)
    assert len(done.folds) == comb(groups, held_out)
    assert done.paths.shape == (held_out * comb(groups, held_out) // groups, 800) == done.paths_unhedged.shape
    assert done.paths.sum() == pytest.approx(done.folds["pnl"].sum())
    assert done.pnl == pytest.approx(done.paths.mean(axis=0))
    assert len(done.table()) == len(done.paths)


def test_a_walk_forward_is_one_path_through_its_tests(walked: WalkForward) -> None:
    assert walked.paths.shape == (1, 500)
    assert len(walked.ts_ns) == 500
    assert np.array_equal(walked.paths[0], walked.pnl)
    assert walked.index[0] == walked.folds["test_from"][0]
    assert walked.index[-1] == walked.folds["test_to"].iloc[-1]
    assert walked.pnl.sum() == pytest.approx(walked.folds["pnl"].sum())
    assert walked.table()["pnl_unhedged"][0] == pytest.approx(walked.folds["pnl_unhedged"].sum())
    assert (walked.folds["degradation"] == walked.folds["in_sample"] - walked.folds["out_of_sample"]).all()
    assert (walked.folds["train_to"] < walked.folds["test_from"]).all()
    assert list(walked.summary().columns) == ["count", "mean", "sd", "low", "median", "high", "below_zero"]


def test_an_anchored_walk_trains_on_the_whole_past() -> None:
    done = walk_forward(TAPE, {"entry": [1.2]}, BASE, anchored=True, **WALK)
    assert done.folds["train_bars"].tolist() == [260, 380, 500, 620, 740][: len(done.folds)]
    assert len(set(done.folds["train_from"])) == 1


def test_threads_change_nothing(walked: WalkForward, crossed: WalkForward) -> None:
    for one, other in (
        (walked, walk_forward(TAPE, GRID, BASE, jobs=2, **WALK)),
        (crossed, cross_validate(TAPE, GRID, BASE, jobs=2, **CROSS)),
    ):
        pd.testing.assert_frame_equal(one.folds, other.folds, check_exact=True)
        assert np.array_equal(one.paths, other.paths)
        assert np.array_equal(one.paths_unhedged, other.paths_unhedged)


@pytest.mark.parametrize("by", ["sharpe", "sharpe_gain", "pnl"])
def test_the_best_training_figure_chooses(by: str) -> None:
    """No other combination, alone in the grid, has a better one on the same bars."""
    grid = {"entry": [1.0, 1.2, 1.6]}  # one lookback: figures begin on the same bar
    best = cross_validate(TAPE, grid, BASE, by=by, **CROSS).folds
    alone = [cross_validate(TAPE, {"entry": [value]}, BASE, by=by, **CROSS).folds["in_sample"] for value in grid["entry"]]
    assert best["in_sample"].to_numpy() == pytest.approx(np.nanmax(alone, axis=0), rel=1e-12)
    assert len(set(best["entry"])) > 1


def test_combinations_share_only_plans_that_are_the_same() -> None:
    """A plan that is too old opens nothing, whichever other one was tried beside it."""
    days: list[float] = [0.5, 90.0]
    both = walk_forward(TAPE, {"plan_valid_days": days}, BASE, by="pnl", **WALK).folds
    alone = [walk_forward(TAPE, {"plan_valid_days": [one]}, BASE, by="pnl", **WALK).folds["in_sample"] for one in days]
    assert not alone[0].any()
    assert both["in_sample"].to_numpy() == pytest.approx(np.max(alone, axis=0))


def test_every_combination_and_the_procedure_are_counted_once(tmp_path: Path) -> None:
    here: dict[str, Any] = {"study": "mine", "ledger": tmp_path / "trials.db"}
    first = walk_forward(TAPE, GRID, BASE, **WALK, **here)
    again = walk_forward(TAPE, GRID, BASE, **WALK, **here)
    other = cross_validate(TAPE, GRID, BASE, **CROSS, **here)
    assert [one.trials for one in (first, again, other)] == [5, 5, 10]
    assert first.combinations == 4
    told = trials("mine", where=tmp_path / "trials.db")
    assert told["figure.chosen"].dropna().sum() == len(first.folds) + len(other.folds)
    assert told["strategy"].tolist()[4] == "walk_forward of pairs"
    (tmp_path / "broken.db").write_text("not a ledger")
    with pytest.raises(JournalError, match="5 trials were not counted"):
        walk_forward(TAPE, GRID, BASE, ledger=tmp_path / "broken.db", **WALK)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"grid": {"entri": [2.0]}}, "did you mean 'entry'"),
        ({"grid": {}}, "grid is empty"),
        ({"grid": {"bar_s": [60.0]}}, "'bar_s' cannot be chosen here"),
        ({"by": "luck"}, "by='luck': must be one of 'sharpe'"),
        ({"thresholds": "best"}, "thresholds='best': write one of 'bertram'"),
        ({"thresholds": "bertram"}, "'entry' is fitted by thresholds='bertram'"),
        ({"thresholds": lambda *_: {"lookback": 30}}, "the rule returns 'lookback'"),
        ({"train": 81}, r"train=81: \d+ bars are left .* write train=\d+ or more"),
        ({"train": 790}, "leave no row to test"),
        ({"test": 2}, "test=2: must be a whole number, 3 or more"),
        ({"purge": -1}, "purge=-1"),
        ({"grid": {"fit_bars": [60, 250]}}, r"train=260: 2 bars are left"),
    ],
)
def test_a_walk_forward_that_cannot_be_says_the_fix(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        walk_forward(TAPE, options.pop("grid", GRID), BASE, **WALK | options)


def test_the_train_length_that_the_error_names_is_enough() -> None:
    with pytest.raises(ConfigError, match="write train=") as caught:
        walk_forward(TAPE, GRID, BASE, **WALK | {"train": 70})
    enough = int(str(caught.value).split("write train=")[1].split()[0])
    assert len(walk_forward(TAPE, GRID, BASE, **WALK | {"train": enough}).folds) > 0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"grid": {"fit_bars": [60, 80]}}, "each fold has one ratio"),
        ({"purge": 5}, r"purge=5: a test warms up on the 19 bars before it \(lookback=20\)"),
        ({"groups": 25}, "groups=25: 32 bars in a group, 42 are needed"),
        ({"groups": 4, "held_out": 3, "embargo": 200}, "has no stretch of 42 bars to train on"),
        ({"groups": 4, "held_out": 4}, "must be less than groups"),
        ({"embargo": -1}, "embargo=-1"),
    ],
)
def test_a_cross_validation_that_cannot_be_says_the_fix(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        cross_validate(TAPE, options.pop("grid", GRID), BASE, **CROSS | options)


def test_a_tape_without_bars_is_refused() -> None:
    with pytest.raises(DataError, match="closes no bar"):
        walk_forward(TAPE.rows(0, 0), GRID, BASE, **WALK)
