"""Walk forward and cross-validation: nothing of a test is known where its numbers are chosen, and luck does not survive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.backtest import run
from hedgekit.backtest.lean import curves, plan_key
from hedgekit.backtest.walk import cross_validate, walk_forward
from hedgekit.backtest.walk_fit import Training
from hedgekit.backtest.walk_result import WalkForward
from hedgekit.backtest.walk_runs import LEAVE_BARS, Rolling, bars_of, cut, schedule, trade
from hedgekit.data import SyntheticMarket, Tape
from hedgekit.exchange.model import FillModel
from hedgekit.params import Params
from hedgekit.stats.overfit import Fold, folds
from hedgekit.stats.ratio import plan_at
from hedgekit.stats.reversion import ou
from hedgekit.stats.thresholds import zeng_lee
from hedgekit.types import NS
from tests.core.core_made import DAY_NS, T0, daily_tape, legs, ou_pair, params, tape_of
from tests.walk.made import BASE, CROSS, GRID, TAPE, WALK

pytestmark = pytest.mark.usefixtures("own_home")
ONE = Params.make(**BASE)
CHOSEN = ["entry", "lookback", "ratio", "in_sample"]


def moved(rows: np.ndarray, seed: int = 0) -> Tape:
    """Return the tape with other prices in these rows (one row is one bar): each leg up to a fifth dearer, row by row."""
    steps = np.zeros(TAPE.bid.shape)
    steps[rows] = np.random.default_rng(seed).integers(100, 2_000, (len(rows), 2)) / 100
    return replace(TAPE, bid=TAPE.bid + steps, ask=TAPE.ask + steps)


def cuts(kind: str) -> list[Fold]:
    if kind == "walk":
        return list(folds.walk_forward(800, train=260, test=120, purge=40))
    return list(folds.splits(800, 4, 2, purge=40, embargo=8))


def neither(fold: Fold) -> np.ndarray:
    """Return the rows that a fold neither trains nor tests on, between its first and its last."""
    last = max(fold.train.max(), fold.test.max())
    return np.setdiff1d(np.arange(min(fold.train.min(), fold.test.min()), last + 1), np.union1d(fold.train, fold.test))


def chosen(done: WalkForward, number: int, names: Sequence[str] = CHOSEN) -> list[Any]:
    """Return what was chosen in a fold."""
    return [done.folds[name][number] for name in names]


# ---------------------------------------------------------------- no look-ahead


@pytest.mark.parametrize("number", [0, 2, 4])
def test_walking_forward_what_comes_later_changes_nothing_that_was_chosen(walked: WalkForward, number: int) -> None:
    """Not the test's own bars, nor any after: bit for bit."""
    other = walk_forward(moved(np.arange(cuts("walk")[number].test[0], 800)), GRID, BASE, **WALK)
    assert len(walked.folds) == 5
    pd.testing.assert_frame_equal(walked.folds.loc[:number, CHOSEN], other.folds.loc[:number, CHOSEN], check_exact=True)
    assert walked.folds["out_of_sample"][number] != other.folds["out_of_sample"][number]


@pytest.mark.parametrize("number", [0, 3, 4])
def test_in_cross_validation_a_test_changes_nothing_that_was_chosen_for_it(crossed: WalkForward, number: int) -> None:
    other = cross_validate(moved(cuts("cross")[number].test), GRID, BASE, **CROSS)
    assert chosen(crossed, number) == chosen(other, number)
    assert crossed.folds["out_of_sample"][number] != other.folds["out_of_sample"][number]


@pytest.mark.parametrize("number", [0, 1, 4])
def test_bars_that_are_purged_or_under_embargo_are_not_trained_on(walked: WalkForward, crossed: WalkForward, number: int) -> None:
    gaps = {kind: neither(cuts(kind)[number]) for kind in ("walk", "cross")}
    assert all(len(rows) >= 40 for rows in gaps.values())
    walk, cross = walk_forward(moved(gaps["walk"]), GRID, BASE, **WALK), cross_validate(moved(gaps["cross"]), GRID, BASE, **CROSS)
    trained = ["entry", "lookback", "in_sample"]  # a walk forward's first ratio in a test may use what is purged: it lies before
    assert chosen(walked, number, trained) == chosen(walk, number, trained)
    assert chosen(crossed, number) == chosen(cross, number)


def test_training_bars_do_matter(walked: WalkForward, crossed: WalkForward) -> None:
    """So the laws above are not kept by looking at nothing."""
    walk, cross = (cuts(kind)[1].train[100:200] for kind in ("walk", "cross"))
    assert walk_forward(moved(walk), GRID, BASE, **WALK).folds["in_sample"][1] != walked.folds["in_sample"][1]
    other = cross_validate(moved(cross), GRID, BASE, **CROSS).folds
    assert other["in_sample"][1] != crossed.folds["in_sample"][1]
    assert other["ratio"][1] != crossed.folds["ratio"][1]


# ------------------------------------------------------------------------- runs


@settings(max_examples=25)
@given(first=st.integers(0, 110), length=st.integers(2, 60), seed=st.integers(0, 3))
def test_a_run_closes_the_bars_of_the_whole_tape_from_its_own_quotes(first: int, length: int, seed: int) -> None:
    """Several rows in a bar, legs that go stale, bars that are not closed: still the same bars, and nothing heard before."""
    made = SyntheticMarket(rows=1_500, row_s=1.0, seed=seed, stale_primary=0.6, stale_hedge=0.85).tape()
    one = params(bar_s=10.0, bar_offset_s=0.5, max_quote_age_s=14.0)
    bars = bars_of(made, one, FillModel())
    assert 112 < len(bars) < 149  # some bars find a quote too old, and some one of the bar before
    first, stop = min(first, len(bars) - 2), min(first + length, len(bars))
    own = cut(bars, first, stop)
    alone = run(own.tape, one.model_copy(update={"fit_bars": 2_000}), FillModel())
    assert np.array_equal(alone.bar_ns, bars.ns[own.first : stop])
    assert np.array_equal(alone.bar_mids, bars.mids[own.first : stop])
    assert own.first - first in (0, 1, 2)
    assert first == 0 or own.tape.ts_ns[0] + FillModel().ws_ns > bars.ns[first - 1]


@pytest.mark.parametrize("time_stop", [0.0, 2.0])
@pytest.mark.parametrize("stop", range(300, 320, 2))
def test_a_run_is_flat_at_its_end(stop: int, time_stop: float) -> None:
    """Whatever prices do after it, there is nothing left to gain or lose."""
    one = Params.make(**BASE | {"entry": 1.0, "target": -0.9, "time_stop": time_stop})
    wild = moved(np.arange(stop, 800))
    bars = bars_of(wild, one, FillModel())
    ended = cut(bars, 100, stop)
    timed = Rolling().schedule(ended, one)
    assert timed is not None
    asked = one.model_copy(update={**timed.numbers, "time_stop": time_stop or 1e12})
    last = timed.given[len(ended) - LEAVE_BARS]
    later = {plan_key(asked, count): last for count in range(len(ended) - LEAVE_BARS, len(ended) + 3)}
    after = curves(cut(bars, 100, stop + 2).tape, asked, FillModel(), {**timed.shared, **later})
    assert after.trades > 5
    assert np.ptp(after.hedged[len(ended) - 1 :]) == 0
    assert np.ptp(after.unhedged[len(ended) - 1 :]) == 0


def test_a_run_too_short_to_trade_trades_nothing() -> None:
    bars = bars_of(TAPE, ONE, FillModel())
    short = cut(bars, 0, 63)
    assert Rolling().schedule(short, ONE) is None
    assert not trade(short, ONE, FillModel(), None).hedged.any()
    assert schedule(cut(bars, 0, 64), ONE, lambda _: plan_at(bars.mids[:61, 0], bars.mids[:61, 1], 0, ONE), first=61, every=20) is not None


def test_a_test_makes_the_decisions_of_a_plain_backtest() -> None:
    """Same refits, flat at its start: the same P&L on every bar until its last two, on which it leaves."""
    values = BASE | {"reentry": "at once", "entry": 1.5}
    walk = walk_forward(TAPE, {"entry": [1.5]}, values, train=260, test=120, purge=0, progress=False)
    plain = run(TAPE.rows(260 - 61, 800), Params.make(**values), FillModel()).tables.equity
    hedged, flat = np.diff(plain["hedged"], prepend=0.0), (plain["pos_primary"] == 0).to_numpy()
    compared = 0
    for start in range(0, 540, 120):
        at = 61 + start
        if not (flat[at - 1] and flat[at]):  # in a trade from before, or with an order on its way
            continue
        stop = min(start + 120, 540) - LEAVE_BARS
        assert walk.pnl[start:stop] == pytest.approx(hedged[at : 61 + stop], abs=1e-6)
        compared += bool(np.any(walk.pnl[start:stop]))
    assert compared >= 2


def test_a_tested_group_trades_from_its_first_bar_and_the_first_one_when_its_window_is_full() -> None:
    """The window is warm from the bars before it: a jump on the first bar is seen. On the tape's first bars it is not."""
    for bar, start, seen in ((200, 200, True), (400, 400, True), (0, 0, False), (199, 200, False), (399, 400, False)):
        steps = np.zeros(TAPE.bid.shape)
        steps[bar] = [30.0, 0.0]  # the primary alone, on one bar
        jumped = replace(TAPE, bid=TAPE.bid + steps, ask=TAPE.ask + steps)
        paths = cross_validate(jumped, {"entry": [2.0]}, BASE | {"stop": 50.0}, **CROSS).paths
        assert not paths[:, start].any()  # flat at its start, and nothing was traded while it warmed up
        if bar == start:
            assert paths[:, start + 1].all() == seen  # what was decided on the jump fills on the next bar, and pays for it


# --------------------------------------------------------------- what is fitted


def test_the_ratio_of_a_cross_validation_is_least_squares_on_returns_without_holes(crossed: WalkForward) -> None:
    for fold in cuts("cross"):
        steps = [np.diff(np.log(TAPE.mid[rows]), axis=0) for rows in np.split(fold.train, np.flatnonzero(np.diff(fold.train) > 1) + 1)]
        primary, hedge = np.concatenate(steps).T
        assert crossed.folds["ratio"][fold.number] == pytest.approx(np.cov(primary, hedge)[0, 1] / hedge.var(ddof=1), rel=1e-9)


def test_the_first_ratio_of_a_walk_forward_is_made_on_the_bar_before_the_test(walked: WalkForward) -> None:
    for fold in cuts("walk"):
        before = TAPE.mid[: fold.test[0]]
        assert walked.folds["ratio"][fold.number] == plan_at(before[:, 0], before[:, 1], 0, ONE).ratio


def test_thresholds_are_those_of_the_training_spread() -> None:
    stamps = T0 + np.arange(800) * DAY_NS + 75_600 * NS
    tape = tape_of(ou_pair(11, 800, half_life=6.0), stamps, np.full((800, 2, 2), 1e9), legs())
    done = walk_forward(tape, {"lookback": [40]}, BASE, thresholds="conventional", **WALK)
    traded = done.folds[done.folds["says"] == ""]
    assert len(traded) >= 2
    for number, row in traded.iterrows():
        rows = cuts_of(tape, int(str(number)))
        mid = tape.mid[rows]
        ratio = plan_at(mid[:, 0], mid[:, 1], 0, ONE).ratio
        rule = zeng_lee(fitted(np.log(mid[:, 0]) - ratio * np.log(mid[:, 1])), cost_of(tape, rows, ratio), rule="conventional")
        assert (row["entry"], row["target"]) == (pytest.approx(rule.z_entry, rel=1e-9), 0.0)
        assert row["stop"] - row["entry"] == pytest.approx(ONE.stop - ONE.entry)


def cuts_of(tape: Tape, number: int) -> np.ndarray:
    """Return the training run's rows: they begin where the rhythm of refits meets the run's end."""
    rows = list(folds.walk_forward(len(tape), train=260, test=120, purge=80))[number].train
    return rows[(260 - LEAVE_BARS - 61) % 20 :]


def fitted(spread: np.ndarray) -> Any:
    return ou(spread).ou


def cost_of(tape: Tape, rows: np.ndarray, ratio: float) -> float:
    half = ((tape.ask - tape.bid) / 2 / tape.mid)[rows].mean(axis=0)
    return float(2 * half[0] + ratio * 2 * half[1])  # no fees, no buffer


def test_a_rule_of_ones_own_sees_the_training_part_alone() -> None:
    seen: list[int] = []

    def rule(training: Training, one: Params) -> dict[str, float] | None:
        seen.append(sum(map(len, training.mids)))
        return None if one.lookback == 12 else {"entry": 1.3}

    done = cross_validate(TAPE, {"lookback": [12, 20]}, BASE, thresholds=rule, jobs=1, **CROSS)
    assert seen == [len(fold.train) for fold in cuts("cross") for _ in range(2)]
    assert (done.folds["lookback"] == 20).all()
    assert (done.folds["entry"] == 1.3).all()


def test_a_rule_that_finds_nothing_trades_nothing_and_says_so() -> None:
    done = walk_forward(TAPE, {"lookback": [20]}, BASE, thresholds=lambda *_: None, **WALK)
    assert done.folds["says"].str.contains("nothing worth trading").all()
    assert not done.pnl.any()
    assert done.folds[["entry", "lookback", "ratio", "in_sample"]].isna().all(axis=None)


def test_without_evidence_nothing_is_traded_or_chosen() -> None:
    """On walks, with no override, the test for cointegration keeps every fold out."""
    tape = daily_tape(5, 500, reverting=False)
    done = cross_validate(tape, GRID, BASE | {"evidence_override": None, "significance": 0.0001}, **CROSS)
    assert done.folds["says"].str.contains("no combination traded").all()
    assert not done.paths.any()
