"""Stress scenarios: on whose position they fall, what they cost by hand, and that the strategy knows nothing of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hedgekit import Backtest, Params, SyntheticMarket, Tape, run_backtest
from hedgekit import metrics as m
from hedgekit.errors import ConfigError, DataError
from hedgekit.stress import FOUR_RISKS, Base, Decorrelation, Gap, Hit, Momentum, Scenario, Spot, Stress, WideExit, gap, stress

TAPE = SyntheticMarket(rows=1_500).tape()
PARAMS = Params.make(bar_s=1, bar_offset_s=0.5, lookback=20, fit_bars=250, refit_bars=250)
MONEY = 1e-6


@pytest.fixture(scope="module")
def found() -> Stress:
    return stress(TAPE, PARAMS)


@pytest.fixture(scope="module")
def base() -> Base:
    return Base(TAPE, PARAMS, run_backtest(TAPE, PARAMS))


def words_before(done: Backtest, ns: int) -> list[str]:
    return [str(decision) for decision in done.decisions if decision.ts_ns < ns]


def row_of(result: Stress, name: str) -> tuple[pd.Series[Any], Backtest]:
    place = result.table["scenario"].tolist().index(name)
    return result.table.iloc[place], result.runs[place]


def test_one_line_gives_the_four_risks_beside_the_baseline(found: Stress) -> None:
    assert found.table["scenario"].tolist() == ["baseline", *(s.name for s in FOUR_RISKS)]
    assert found.table["scenario"].tolist()[1:] == [
        "gap",
        "gap, primary alone",
        "momentum",
        "momentum, primary alone",
        "wide exit",
        "decorrelation",
    ]
    assert found.table["touched"].iloc[1:].all()
    assert len(found.runs) == len(found.table) == 7
    assert found.text().count("\n") == 6
    assert "wide exit" in found._repr_html_()


def test_figures_are_those_of_the_runs(found: Stress) -> None:
    assert found.runs[0].tape is TAPE
    again = run_backtest(TAPE, PARAMS).tables
    pd.testing.assert_frame_equal(found.runs[0].tables.equity, again.equity)
    first = found.table.iloc[0]
    for (_, row), done in zip(found.table.iterrows(), found.runs, strict=True):
        for kind in ("hedged", "unhedged"):
            curve = done.tables.equity[kind].to_numpy()
            assert row[f"pnl_{kind}"] == curve[-1]
            assert row[f"drawdown_{kind}"] == m.max_drawdown(curve)
            assert row[f"worst_trade_{kind}"] == done.trades[kind].min()
            assert row[f"change_{kind}"] == pytest.approx(row[f"pnl_{kind}"] - first[f"pnl_{kind}"], abs=MONEY)


def test_the_strategy_knows_nothing_before_a_scenario_starts(found: Stress) -> None:
    for (_, row), done in zip(found.table.iloc[1:].iterrows(), found.runs[1:], strict=True):
        start = int(row["at"].value)
        assert done.tape is not None
        assert start in done.tape.ts_ns
        before = words_before(found.runs[0], start)
        assert len(before) > 250
        assert words_before(done, start) == before
        assert [str(r) for r in done.records if r.ts_ns < start] == [str(r) for r in found.runs[0].records if r.ts_ns < start]
        assert words_before(done, 2**62) != words_before(found.runs[0], 2**62)  # but they do come to know


def test_a_gap_costs_position_times_jump_at_the_next_close(base: Base) -> None:
    """By hand: at the close after the jump the primary has lost its position x the change of its mid, the hedge likewise."""
    for follow in (0.0, 1.2):
        result = stress(TAPE, PARAMS, [Gap(at="longest", follow=follow)])
        row, done = result.table.iloc[1], result.runs[1]
        ours, theirs = (r.tables.equity for r in (done, result.runs[0]))
        close = ours.index[ours.index > row["at"]][0]
        held: Any = theirs[theirs.index < row["at"]].iloc[-1].to_dict()
        after: Any = theirs.loc[close].to_dict()
        lost: Any = (ours.loc[close] - theirs.loc[close]).to_dict()
        assert held["trade"] == row["trade"]
        jump = lost["mid_primary"]
        assert lost["unhedged"] == pytest.approx(held["pos_primary"] * jump, abs=5)  # half a tick on some 270 shares and the spread
        assert lost["hedged"] - lost["unhedged"] == pytest.approx(held["pos_hedge"] * lost["mid_hedge"], abs=5)
        assert lost["unhedged"] < -2_000
        assert row["hit_unhedged"] == pytest.approx(lost["unhedged"], abs=MONEY)
        assert row["hit_hedged"] == pytest.approx(lost["hedged"], abs=MONEY)
        assert jump == pytest.approx(-row["side"] * 6 * base.sd * after["mid_primary"], rel=0.03)
        assert lost["mid_hedge"] == pytest.approx(-row["side"] * follow * 6 * base.sd * after["mid_hedge"], rel=0.03, abs=0.01)


def test_scenarios_fall_on_the_adverse_side(base: Base) -> None:
    sides = set()
    for trade in (1, 2, 3, -1):
        (hit,) = Gap(at=trade, fraction=0.05, follow=0.0).hits(base, 0)
        before, after = (tape.mid[hit.spot.row, 0] for tape in (TAPE, hit.tape))
        assert after / before == pytest.approx(1 - 0.05 * hit.spot.side, abs=1e-4)
        own = base.tables.trades.set_index("trade").loc[hit.spot.trade]
        assert own["side"] == hit.spot.side
        held = base.tables.equity[base.tables.equity["trade"] == hit.spot.trade]
        last = held[held.index < base.tape.index[hit.spot.row]].iloc[-1]
        assert np.sign(last["pos_primary"]) == hit.spot.side
        assert last["pos_hedge"] != 0
        sides.add(hit.spot.side)
    assert sides == {-1, 1}


def test_the_hedge_helps_against_a_common_gap_and_not_against_one_of_the_primary_alone(found: Stress) -> None:
    common, alone = row_of(found, "gap")[0], row_of(found, "gap, primary alone")[0]
    assert common["helped"]
    assert common["hit_unhedged"] < common["hit_hedged"] < 0
    assert common["says"].endswith(f"the hedge helped by {common['hit_hedged'] - common['hit_unhedged']:,.0f}.")
    assert f"{common['hit_unhedged']:+,.0f} unhedged, {common['hit_hedged']:+,.0f} hedged" in common["says"]
    assert alone["hit_hedged"] == pytest.approx(alone["hit_unhedged"], abs=5)  # no more than fills of the hedge
    assert "SYNB stands still" in alone["says"]


def test_usual_following_is_the_slope_of_the_hedge_on_the_primary(base: Base) -> None:
    """Planted: .8 sd_h^2 / (.64 sd_h^2 + sd_s^2), with sd_h .006 and the spread's step .012 x root(1 - 2^(-1/3)) a row."""
    spread = 0.012**2 * 2 * (1 - 2 ** (-1 / 6))  # variance of a one-row change of the stationary spread
    planted = 0.8 * 0.006**2 / (0.64 * 0.006**2 + spread)
    assert base.follow[0] == pytest.approx(planted, abs=4 * 0.006 / 0.0073 / math.sqrt(1_500))
    assert base.sd == pytest.approx(math.sqrt(0.64 * 0.006**2 + spread), rel=0.08)


def test_a_wide_exit_costs_what_the_wide_quotes_take() -> None:
    """By hand: half-spreads x 10 are 9 half-spreads more, in whole ticks, on each unit closed; the fee follows the price."""
    result = stress(TAPE, PARAMS, [WideExit(at="longest", factor=10)])
    row, done = result.table.iloc[1], result.runs[1]
    ours, theirs = (r.tables.fills[r.tables.fills["trade"] == row["trade"]] for r in (done, result.runs[0]))
    assert list(ours["venue_ts"]) == list(theirs["venue_ts"])
    late = (ours["venue_ts"] >= row["at"]).to_numpy()
    assert 0 < late.sum() < len(late)
    extra, paid = 0.0, {}
    for leg in (0, 1):
        closing = theirs[late & (theirs["leg"] == leg).to_numpy()]
        rows = TAPE.index.get_indexer(pd.DatetimeIndex(closing["venue_ts"]))
        ticks = np.ceil(9 * (TAPE.ask[rows, leg] - TAPE.bid[rows, leg]) / 2 / 0.01 - 1e-6)
        extra += float((np.abs(closing["qty"].astype(float)) * ticks * 0.01).sum())
        paid[leg] = extra
    assert -row["hit_unhedged"] == pytest.approx(paid[0], rel=0.001)  # fees: a share of 5e-5 of a price a little lower or higher
    assert -row["hit_hedged"] == pytest.approx(paid[1], rel=0.001)
    assert not row["helped"]
    assert "the hedge made it worse by" in row["says"]


def test_decorrelation_tells_the_worst_of_its_draws_and_repeats() -> None:
    worst = stress(TAPE, PARAMS, [Decorrelation(at="longest", draws=4)], seed=3).table.iloc[1]
    each = [stress(TAPE, PARAMS, [Decorrelation(at="longest", draws=1)], seed=3 + k).table.iloc[1]["hit_hedged"] for k in range(4)]
    assert worst["hit_hedged"] == min(each)
    assert len(set(each)) == 4
    assert "(worst of 4 draws)" in worst["says"]


def test_momentum_runs_to_its_size_against_the_position(base: Base) -> None:
    (hit,) = Momentum(at="longest", sd=4, bars=10, follow=0.0).hits(base, 0)
    move = np.log(hit.tape.mid[:, 0] / TAPE.mid[:, 0])
    assert hit.stop - hit.spot.row == 10  # a bar is a row here
    assert move[hit.stop] == pytest.approx(-hit.spot.side * 4 * base.sd * math.sqrt(10), abs=5e-5)
    assert move[hit.spot.row + 4] == pytest.approx(move[hit.stop] / 2, abs=5e-5)
    assert np.array_equal(hit.tape.mid[:, 1], TAPE.mid[:, 1])


def test_a_scenario_that_touched_nothing_says_so() -> None:
    short = stress(TAPE.rows(0, 200), PARAMS)  # warming up: nothing is ever held
    assert not short.table["touched"].iloc[1:].any()
    assert short.table["helped"].isna().all()
    assert (short.table[["hit_hedged", "hit_unhedged", "pnl_hedged"]] == 0).all(axis=None)
    assert short.table["worst_trade_hedged"].isna().all()
    says = short.table["says"].iloc[1:]
    assert says.str.contains("touched no position and says nothing about the hedge").all()
    assert "nothing that was held was traded then" in says.iloc[4]
    assert "nothing was held when it began" in says.iloc[0]
    early = stress(TAPE, PARAMS, [Gap(at=0.05), WideExit(at=0.05)])  # a fraction of the tape, before the first plan
    assert not early.table["touched"].iloc[1:].any()
    assert (early.table["trade"] == 0).all()


def test_a_fraction_of_the_tape_hits_what_is_held_there(base: Base) -> None:
    equity = base.tables.equity
    held = np.flatnonzero((equity["pos_primary"] != 0).to_numpy())[5]
    at = (int(np.searchsorted(TAPE.ts_ns, equity.index[held].value)) + 0.5) / len(TAPE)
    row = stress(TAPE, PARAMS, [Gap(at=at)]).table.iloc[1]
    assert row["trade"] == equity["trade"].iloc[held]
    assert row["side"] == np.sign(equity["pos_primary"].iloc[held])
    assert row["touched"]


def test_largest_and_longest_are_what_they_say(base: Base) -> None:
    """By a plain loop: of the trades whose exit is decided later than at the first close with nine tenths of both legs held."""
    equity, trades = base.tables.equity, base.tables.trades.set_index("trade")
    going = []
    for number, closed in trades["closed"].items():
        mine = equity[equity["trade"] == number][["pos_primary", "pos_hedge"]].abs()
        whole = mine.index[(mine >= 0.9 * mine.max()).all(axis=1) & (mine > 0).all(axis=1)]
        if len(whole) and not closed <= whole[0]:
            going.append(number)
    assert 10 < len(going) < len(trades)
    largest, longest = (Gap(at=at).hits(base, 0)[0].spot.trade for at in ("largest", "longest"))
    assert longest == trades.loc[going, "bars"].idxmax()
    assert largest == trades.loc[going, "notional"].idxmax()
    assert largest != trades["notional"].idxmax()  # which is given up at its first close


def test_a_strategy_without_a_hedge_is_told_that_it_made_no_difference() -> None:
    result = stress(TAPE, PARAMS.model_copy(update={"structure": "unhedged"}), [Gap()])
    row = result.table.iloc[1]
    assert row["touched"]
    assert not row["helped"]
    assert row["hit_hedged"] == row["hit_unhedged"] < 0
    assert row["says"].endswith("the hedge made no difference.")


def test_a_users_own_scenario() -> None:
    class Halving:
        name = "halving"

        def hits(self, base: Base, seed: int) -> list[Hit]:
            assert seed == 5
            row = len(base.tape) // 2
            return [Hit(gap(base.tape, row, -math.log(2)), Spot(row, 0, 0), row, "the primary halves")]

    own: Scenario = Halving()
    result = stress(TAPE, PARAMS, [own], seed=5)
    assert result.table["scenario"].tolist() == ["baseline", "halving"]
    assert result.table["says"].iloc[1].startswith("Halving: the primary halves")


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        (Gap(at=0), "at=0: give 'largest', 'longest'"),
        (Gap(at=1.5), "at=1.5: give"),
        (Gap(at=True), "at=True: give"),
        (Gap(at="biggest"), "at='biggest': give"),  # type: ignore[arg-type]
        (Gap(at=10_000), "at=10000: the baseline has"),
        (Gap(sd=0), "sd=0: must be a finite number above 0"),
        (Gap(fraction=1.0), "fraction=1.0: must be above 0 and below 1"),
        (Gap(follow=math.nan), "finite numbers"),
        (Momentum(bars=0), "bars=0: must be a whole number"),
        (Decorrelation(draws=0), "draws=0: must be a whole number"),
        (WideExit(factor=0.5), "factor=0.5: half-spreads are multiplied"),
    ],
)
def test_a_wrong_scenario_is_named(scenario: Scenario, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        stress(TAPE, PARAMS, [scenario])


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ConfigError, match="scenarios is empty"):
        stress(TAPE, PARAMS, [])
    with pytest.raises(ConfigError, match="seed=-1: must be a whole number"):
        stress(TAPE, PARAMS, seed=-1)
    with pytest.raises(DataError, match="the tape has 1 rows"):
        stress(TAPE.rows(0, 1), PARAMS)
    with pytest.raises(ConfigError, match="at=1: the baseline has no trade that could be hit"):
        stress(TAPE.rows(0, 200), PARAMS, [Gap(at=1)])
    ones = np.ones_like(TAPE.bid)
    still = Tape(TAPE.instruments, TAPE.ts_ns, 10.0 * ones, 10.02 * ones, 5.0 * ones, 5.0 * ones)
    with pytest.raises(ConfigError, match="the primary never moves"):
        stress(still, PARAMS)
