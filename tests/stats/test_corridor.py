"""The Monte Carlo corridor: hand histories, the closed form of the stop, and the stop as an insurance."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.errors import ConfigError
from hedgekit.stats.thresholds import OU, bertram, corridor, stop_probability
from hedgekit.stats.thresholds.figures import Totals, group_sums, jackknife
from hedgekit.stats.thresholds.histories import COLUMNS, simulate, trade

RULE = (2.0, 0.5, 3.5)
DAILY = OU.from_half_life(20, 1.0)
FOREVER = 2**62


def traded(
    z: list[float], *, rule: tuple[float, float, float] = RULE, cost: float = 0.1, longest: int = FOREVER, wait: bool = True
) -> dict[str, float]:
    row = np.zeros(len(COLUMNS))
    trade(np.array(z), np.array(rule), cost, longest, wait, row)
    return dict(zip(COLUMNS, row.tolist(), strict=True))


def test_a_trade_by_hand() -> None:
    # short at 2.2, 2.6 is adverse, out at 0.4: earns 1.8 - .1; equity -.05, -.45, 1.7
    row = traded([0.0, 2.2, 2.6, 0.4, 0.0])
    assert row["pnl"] == pytest.approx(1.7)
    assert (row["trades"], row["stopped"], row["unfinished"], row["held"]) == (1, 0, 0, 2)
    assert row["trade_squares"] == pytest.approx(1.7**2)
    assert row["squares"] == pytest.approx(0.05**2 + 0.4**2 + (2.2 - 0.05) ** 2)
    assert row["drawdown"] == pytest.approx(0.45)


def test_a_stop_by_hand_loses_the_gap_too() -> None:
    row = traded([-2.0, -3.0, -4.2, -3.4, -2.1, 0.0, 0.0])
    assert row["pnl"] == pytest.approx(-2.2 - 0.1)
    assert (row["trades"], row["stopped"]) == (1, 1)
    assert (row["gap"], row["gap_worst"]) == pytest.approx((0.7, 0.7))


def test_after_a_stop_it_waits_until_inside_the_entry_or_goes_again_at_once() -> None:
    path = [2.0, 3.6, 3.4, 3.6, 1.9, 2.1, 0.0, 0.0]
    waiting, again = traded(path), traded(path, wait=False)
    assert (waiting["trades"], waiting["stopped"]) == (2, 1)
    assert (again["trades"], again["stopped"]) == (3, 2)
    assert waiting["pnl"] == pytest.approx(-1.6 + 2.1 - 0.2)
    assert again["pnl"] == pytest.approx(-1.6 - 0.2 + 2.1 - 0.3)


def test_beyond_the_stop_nothing_is_opened() -> None:
    assert traded([4.0, 4.0, 3.9, 0.0])["trades"] == 0


def test_open_trade_is_closed_and_counted_at_the_end() -> None:
    row = traded([0.0, 2.0, 3.0])
    assert (row["trades"], row["unfinished"], row["stopped"]) == (1, 1, 0)
    assert row["pnl"] == pytest.approx(-1.1)


def test_third_barrier() -> None:
    row = traded([2.0, 2.0, 2.0, 1.0, 1.0], longest=2)
    assert (row["trades"], row["timed_out"], row["held"]) == (1, 1, 2)
    assert row["pnl"] == pytest.approx(-0.1)


def test_always_in_the_market_reverses_a_bar_later() -> None:
    row = traded([2.0, -2.0, -2.0, 2.0, 0.0], rule=(2.0, -2.0, math.inf), cost=0.0)
    assert row["pnl"] == pytest.approx(8.0)
    assert row["trades"] == 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=40), st.floats(0, 0.5), st.booleans())
def test_law_mirror_cost_and_equity(z: list[float], cost: float, wait: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
    row, mirror, free = traded(z, cost=cost, wait=wait), traded([-x for x in z], cost=cost, wait=wait), traded(z, cost=0.0, wait=wait)
    assert mirror == pytest.approx(row)
    assert row["trades"] == free["trades"]
    assert row["pnl"] == pytest.approx(free["pnl"] - cost * row["trades"], abs=1e-9)
    assert row["drawdown"] >= max(0.0, -row["pnl"]) - 1e-9
    assert row["gap"] >= row["gap_worst"] >= 0


def test_histories_have_the_planted_process() -> None:
    # all in one rule that is entered at once and held to the end: its squares are those of the increments
    rule, n = np.array([[1e-9, -90.0, 99.0]]), 400
    shape = {"kappa": DAILY.kappa, "cost": 0.0, "bars": n, "longest": FOREVER, "wait": True, "paths": 400, "seed": 3}
    intact, broken = simulate(rule, break_bar=n, **shape), simulate(rule, break_bar=1, **shape)
    step = 2 * (1 - DAILY.phi())  # variance of z' - z, stationary sd 1
    assert intact[..., 1].mean() / (n - 1) == pytest.approx(step, rel=0.01)
    assert broken[..., 1].mean() / (n - 1) == pytest.approx(2 * DAILY.kappa, rel=0.01)
    assert np.var(broken[..., 0]) == pytest.approx(2 * DAILY.kappa * (n - 1), rel=0.2)


def test_model_intact_agrees_with_the_closed_form_of_the_stop() -> None:
    ou = OU.from_half_life(700, 2.0)
    found = corridor(
        ou, cost=0.2, entries=[2.0], targets=[0.5], stops=[3.5], bars=240_000, paths=100, seed=1
    )  # so long that cut-off trades do not matter
    figures = found.compare(*RULE)["intact"]
    errors = found.compare(*RULE)["intact_se"]
    late = 0.5826 * ou.shock_sd() / ou.sd  # mean overshoot of a level seen once a bar (Broadie, Glasserman & Kou 1997)
    exact = stop_probability(ou, 2 + late, 0.5 - late, 3.5 + late, cost=0.2)
    assert figures["share_stopped"] == pytest.approx(exact.p_stop, abs=3 * errors["share_stopped"])
    assert figures["trade_pnl"] == pytest.approx(exact.pnl_with_stop, abs=3 * errors["trade_pnl"])
    assert figures["held"] == pytest.approx(exact.bars_with_stop, abs=3 * errors["held"])
    assert figures["gap_loss"] == pytest.approx(late * ou.sd, rel=0.2)
    assert errors["share_stopped"] < 0.003


def test_bertrams_rate_is_met_with_many_bars_to_a_half_life() -> None:
    ou = OU.from_half_life(500, 1.0)
    rule = bertram(ou, 0.5)
    found = corridor(ou, cost=0.5, entries=[rule.z_entry], targets=[rule.z_exit], stops=[9.0], bars=60_000, paths=100, seed=2)
    both_sides = found.compare(rule.z_entry, rule.z_exit, math.inf)
    assert both_sides.intact["pnl_per_bar"] == pytest.approx(2 * rule.rate, rel=0.05)


def test_the_stop_is_an_insurance() -> None:
    # METHODS 4, same direction: a stop costs P&L while the model holds; when it breaks it saves drawdown and Sharpe, not the mean.
    found = corridor(DAILY, cost=0.05, entries=[2.0], targets=[0.5], stops=[3.0, 3.5], bars=1_000, paths=2_000, seed=1)
    for stop in (3.0, 3.5):
        row = found.insurance.loc[(2.0, 0.5, stop)]
        assert row.premium > 4 * row.premium_se > 0
        assert row.sharpe_intact < -3 * row.sharpe_intact_se
        assert row.saved_drawdown > 10 * row.saved_drawdown_se
        assert row.sharpe_broken > 5 * row.sharpe_broken_se
        assert abs(row.extra_drawdown) < 0.1 * row.saved_drawdown
        assert row.saved_pnl < 2 * row.saved_pnl_se
        assert math.isnan(row.break_even)
    table = found.compare(*RULE)
    bare = found.compare(2.0, 0.5, math.inf)
    assert table.broken["drawdown"] < 0.6 * bare.broken["drawdown"]
    assert table.broken["sharpe_history"] > 1.3 * bare.broken["sharpe_history"]
    assert table.intact["pnl"] < bare.intact["pnl"]
    assert table.broken["gap_per_history"] > 0
    assert table.broken["gap_worst"] > table.broken["gap_loss"]
    assert math.isnan(bare.broken["gap_loss"])


def test_differences_are_surer_than_levels() -> None:
    found = corridor(DAILY, cost=0.05, entries=[2.0], targets=[0.5], stops=[3.5], paths=400, seed=1)
    assert found.insurance.premium_se.iloc[0] < 0.5 * found.compare(*RULE).intact_se["pnl"]
    levels = found.compare(2.0, 0.5, math.inf).intact["pnl"] - found.compare(*RULE).intact["pnl"]
    assert found.insurance.premium.iloc[0] == pytest.approx(levels)


def test_standard_errors_are_honest() -> None:
    runs = [
        corridor(DAILY, cost=0.05, entries=[2.0], targets=[0.5], stops=[3.5], bars=500, paths=100, seed=s).compare(*RULE) for s in range(60)
    ]
    for name in ("pnl", "pnl_sd", "sharpe_bar", "trade_pnl", "trade_sd", "sharpe_history", "drawdown", "share_stopped", "held"):
        for model in ("intact", "broken"):
            spread = np.std([run.loc[name, model] for run in runs], ddof=1)
            told = np.mean([run.loc[name, f"{model}_se"] for run in runs])
            assert told == pytest.approx(spread, rel=0.4), (name, model)


def test_jackknife_of_a_mean_is_the_textbook_error() -> None:
    rows = np.random.default_rng(0).standard_normal((50, 1, len(COLUMNS)))
    found = jackknife(group_sums(rows, 7), lambda t: t["pnl"] / t["histories"])
    assert found.value[0] == pytest.approx(rows[:, 0, 0].mean())
    assert found.error[0] == pytest.approx(rows[:, 0, 0].std(ddof=1) / math.sqrt(50))
    assert Totals(group_sums(rows, 7).groups.sum(axis=0), 7)["pnl_squares"][0] == pytest.approx((rows[:, 0, 0] ** 2).sum())


def test_same_seed_same_figures_and_units_scale() -> None:
    grid = {"entries": [1.5, 2.0], "targets": [0.0], "stops": [3.5], "bars": 300, "paths": 300}
    one, two = corridor(DAILY, cost=0.1, seed=5, **grid), corridor(DAILY, cost=0.1, seed=5, **grid)
    pd.testing.assert_frame_equal(one.table, two.table)
    assert not corridor(DAILY, cost=0.1, seed=6, **grid).table.equals(one.table)
    cents = corridor(OU.from_half_life(20, 100.0, mean=7.0), cost=10.0, seed=5, **grid)
    pd.testing.assert_series_equal(cents.table.pnl, 100 * one.table.pnl)
    pd.testing.assert_series_equal(cents.table.sharpe_bar, one.table.sharpe_bar)
    wider = corridor(DAILY, cost=0.1, seed=5, **(grid | {"stops": [3.0, 3.5, 5.0]}))
    pd.testing.assert_frame_equal(wider.table.loc[one.table.index], one.table)  # a rule's figures do not depend on the grid


def test_best_follows_the_weight_of_the_break() -> None:
    found = corridor(DAILY, cost=0.05, paths=500, seed=3)
    holds, breaks = (found.best(by="sharpe_bar", break_probability=p) for p in (0.0, 1.0))
    assert holds.z_stop == math.inf
    assert breaks.z_stop < math.inf
    assert holds.value == found.table.xs("intact", level="model").sharpe_bar.max()
    assert holds.tradable
    assert "spread units in 1000 bars net of cost" in holds.reason
    calm = found.best(by="drawdown", break_probability=1.0)
    assert calm.value == found.table.xs("broken", level="model").drawdown.min()


def test_too_dear_is_an_answer() -> None:
    choice = corridor(DAILY, cost=3.0, paths=200, bars=500).best(break_probability=0.2)
    assert not choice.tradable
    assert choice.reason.startswith("does not earn: -")


def test_no_reversion_is_an_answer() -> None:
    found = corridor(OU(0, 0, 1), cost=0.1, paths=50, bars=20)
    assert "no reversion" in found.reason
    assert found.table.isna().all(axis=None)
    choice = found.best()
    assert not choice.tradable
    assert math.isnan(choice.z_entry)
    assert "no reversion" in choice.reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cost": -1}, "cost=-1"),
        ({"entries": []}, r"entries=\[\]: give at least one level"),
        ({"stops": [3.5, 3.5]}, "each once"),
        ({"stops": [2.0]}, "every entry below every stop"),
        ({"targets": [1.5]}, "every target must be below every entry"),
        ({"entries": [0.0], "targets": [-1.0]}, "entries=0"),
        ({"targets": [math.nan]}, "targets=nan"),
        ({"bars": 5}, "bars=5"),
        ({"paths": 10}, "paths=10"),
        ({"max_bars": 0}, "max_bars=0"),
        ({"break_at": 1.0}, "break_at=1"),
    ],
)
def test_corridor_refuses(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        corridor(DAILY, **({"cost": 0.1} | change))


def test_questions_outside_the_grid_are_refused() -> None:
    found = corridor(DAILY, cost=0.1, paths=50, bars=50)
    with pytest.raises(ConfigError, match="not in the grid"):
        found.compare(2, 0.5, 3.3)
    with pytest.raises(ConfigError, match="by='gain': write one of pnl"):
        found.best(by="gain")
    with pytest.raises(ConfigError, match="break_probability=2"):
        found.best(break_probability=2)
