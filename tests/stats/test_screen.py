"""The screen: planted pairs are found, nothing is found where nothing is, and what may be traded is said with its reason."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hedgekit import load_sample
from hedgekit.errors import ConfigError, DataError
from hedgekit.stats import ratio
from hedgekit.stats.reversion import engle_granger
from hedgekit.stats.screen import Screen, screen

DAYS = pd.date_range("2020-01-01", periods=1_250, freq="D", tz="UTC")
REASON = "written down for the test"


def market(n: int = 1_250, walks: int = 6, seed: int = 1, half_life: float = 8.0) -> pd.DataFrame:
    """Return prices: random walks W0, W1, ..., and FOLLOW, which is 0.8 of W0 plus a spread that comes back."""
    rng = np.random.default_rng(seed)
    logs = 0.01 * rng.standard_normal((n, walks)).cumsum(axis=0)
    b = 2 ** (-1 / half_life)
    spread = np.zeros(n)
    for t in range(1, n):
        spread[t] = b * spread[t - 1] + 0.006 * rng.standard_normal()
    frame = pd.DataFrame(logs, columns=[f"W{k}" for k in range(walks)])
    frame.insert(0, "FOLLOW", 0.8 * logs[:, 0] + spread)
    return (100 * np.exp(frame)).set_axis(DAYS[:n])


@pytest.fixture(scope="module")
def found() -> Screen:
    return screen(market(), progress=False)


def test_the_planted_pair_is_found_first_and_alone(found: Screen) -> None:
    assert found.tried == 21
    assert list(found.approved["primary"] + found.approved["hedge"]) == ["FOLLOWW0"]
    best = found.table.iloc[0]
    assert (best["primary"], best["hedge"], best["says"]) == ("FOLLOW", "W0", "approved")
    assert best["ratio"] == pytest.approx(0.8, abs=0.1)
    assert best["level_ratio"] == pytest.approx(0.8, abs=0.05)
    assert best["half_life_low"] < 8 < best["half_life_high"] < 20
    assert best["effectiveness"] == pytest.approx(0.64 / (0.64 + 0.36 * 2 / (1 + 2 ** (-1 / 8))), abs=0.05)
    assert best["p_adjusted"] <= 0.05
    assert best["trace_p"] < 0.01
    assert best["break_p"] > 0.01


def test_its_figures_are_those_of_the_single_methods(found: Screen) -> None:
    prices = market()
    for _, row in found.table.iterrows():
        p, h = prices[row["primary"]], prices[row["hedge"]]
        evidence = engle_granger(p, h)
        assert row["statistic"] == pytest.approx(evidence.statistic, abs=1e-8)
        assert row["p_value"] == pytest.approx(evidence.p_value, abs=1e-8)
        assert row["ratio"] == pytest.approx(ratio.ols(p, h, window=250, folds=0, tested=False).ratio, rel=1e-8)
        assert row["level_ratio"] == pytest.approx(ratio.ols(p, h, on="log prices", folds=0, tested=False).ratio, rel=1e-8)


def test_net_of_cost_is_the_stated_formula(found: Screen) -> None:
    dear = screen(market(), cost_bps=50.0, holding_bars=5.0, progress=False)
    for name in ("effectiveness", "p", "half_life"):
        assert list(dear.table.sort_values(["primary", "hedge"])[name]) == list(found.table.sort_values(["primary", "hedge"])[name])
    assert (dear.row("FOLLOW", "W0")["net_effectiveness"] < found.row("FOLLOW", "W0")["net_effectiveness"]).all()
    free = screen(market(), cost_bps=0.0, progress=False)
    assert (free.table["net_effectiveness"] == free.table["effectiveness"]).all()
    moves = np.diff(np.log(market()[["FOLLOW", "W0"]].to_numpy()), axis=0)
    lost = free.row("FOLLOW", "W0")["effectiveness"] - dear.row("FOLLOW", "W0")["net_effectiveness"]
    assert lost == pytest.approx(50e-4 * 2 * 0.8 / 5 / (5 * moves[250:, 0].var()), rel=0.1)


def test_a_cost_for_each_symbol() -> None:
    costs = pd.Series(1.0, index=market().columns)
    costs["W1"] = 500.0
    dear = screen(market(), "FOLLOW", cost_bps=costs, progress=False).table.set_index("hedge")
    cheap = screen(market(), "FOLLOW", cost_bps=1.0, progress=False).table.set_index("hedge")
    assert dear.loc["W1", "net_effectiveness"] < cheap.loc["W1", "net_effectiveness"]
    assert dear.loc["W0", "net_effectiveness"] == cheap.loc["W0", "net_effectiveness"]
    with pytest.raises(ConfigError, match="no entry for 'W1'"):
        screen(market(), cost_bps=costs.drop("W1"), progress=False)


def test_one_primary_and_its_candidates() -> None:
    of_one = screen(market(), "W3", progress=False)
    assert of_one.tried == 6
    assert set(of_one.table["primary"]) == {"W3"}
    assert of_one.approved.empty
    with pytest.raises(ConfigError, match="primary='W9' is no column"):
        screen(market(), "W9", progress=False)


def test_yes_and_no_of_one_market_are_the_same_bet() -> None:
    rng = np.random.default_rng(4)
    yes = 0.5 + 0.1 * np.sin(np.arange(600) / 40) + 0.01 * rng.standard_normal(600)
    other = 0.5 + 0.1 * np.cos(np.arange(600) / 31) + 0.01 * rng.standard_normal(600)
    prices = pd.DataFrame({"YES": yes, "OTHER": other, "NO": 1 - yes + 0.002 * rng.standard_normal(600)}, index=DAYS[:600])
    seen = screen(prices, on="prices", progress=False)
    row = seen.row("YES", "NO")
    assert row["same_bet"]
    assert row["says"].startswith("same bet")
    assert not row["approved"]
    assert np.isnan(row["p_adjusted"])
    assert seen.tried == 2
    assert seen.table["same_bet"].sum() == 1
    assert any("same bet" in text for text in seen.warnings)
    with pytest.raises(ConfigError, match="same bet"):
        seen.plan("YES", "NO")


def test_collinear_prices_are_flagged_and_are_no_evidence() -> None:
    prices = market(400, 3)
    prices["COPY"] = prices["W1"] * 2
    seen = screen(prices, progress=False)
    row = seen.row("W1", "COPY")
    assert row["collinear"]
    assert np.isnan(row["p"])
    assert row["says"].startswith("collinear")
    assert not row["found"]
    assert any("collinear" in text for text in seen.warnings)


def test_high_correlation_without_cointegration_needs_a_recorded_override() -> None:
    closes = load_sample("eq_daily", columns=["XOM", "CVX", "KO", "PEP"]).loc["2006":]
    seen = screen(closes, progress=False)
    row = seen.row("XOM", "CVX")
    assert row["correlation"] > 0.8
    assert not row["approved"]
    with pytest.raises(ConfigError, match=r"XOM on CVX is not approved \(not shown to be cointegrated.*override"):
        seen.plan("XOM", "CVX")
    with pytest.raises(ConfigError, match="at least 10 letters"):
        seen.plan("XOM", "CVX", override="because")
    plan = seen.plan("XOM", "CVX", override=REASON)
    assert plan.override == REASON
    assert plan.evidence.p_value == pytest.approx(row["p_adjusted"])
    assert "6 pairs tried" in plan.evidence.test
    assert plan.trusted(0.05)


def test_an_approved_pair_makes_a_plan_whose_evidence_counts_all_pairs(found: Screen) -> None:
    plan = found.plan("FOLLOW", "W0", override=REASON)
    assert plan.override is None
    assert plan.trusted(0.05)
    assert plan.evidence.p_value == pytest.approx(found.row("FOLLOW", "W0")["p_adjusted"])
    assert plan.ratio == pytest.approx(found.row("FOLLOW", "W0")["ratio"])
    dols = found.fit("FOLLOW", "W0", ratio.dols)
    assert found.plan("FOLLOW", "W0", fit=dols).ratio == pytest.approx(dols.ratio)
    with pytest.raises(DataError, match="it was tried as FOLLOW on W0"):
        found.row("W0", "FOLLOW")


def test_a_ratio_that_breaks_is_not_approved() -> None:
    prices = market(1_250, 2, 9, half_life=3.0)
    moved = np.log(prices["W0"].to_numpy() / 100)
    prices["FOLLOW"] *= np.exp(np.where(np.arange(1_250) < 700, 0.0, 1.0) * (moved - moved[700]))
    row = screen(prices, progress=False).row("FOLLOW", "W0")
    assert row["break_p"] < 0.001
    assert abs(row["break_at"] - DAYS[700]) < pd.Timedelta(days=40)
    assert not row["approved"]


def test_it_says_how_many_were_tried_and_what_it_could_have_found(found: Screen) -> None:
    words = found.summary()
    assert "21 pairs tried over 1,250 prices" in words
    assert found.level == pytest.approx(0.05 / 21)
    assert list(found.power.index) == [126, 252, 504, 1_250]
    assert list(found.power.columns) == [5, 10, 20, 40]
    assert found.power.to_string(float_format="{:.0%}".format).count("%") == 16
    assert found.power.loc[252, 20] < 0.1
    assert found.power.loc[1_250, 10] > 0.9


@pytest.mark.parametrize("control", ["bh", "by", "holm"])
def test_every_control_is_monotone(control: str) -> None:
    table = screen(market(), control=control, progress=False).table.dropna(subset="p").sort_values("p")
    assert (np.diff(table["p_adjusted"]) >= -1e-15).all()
    assert (table["p_adjusted"] >= table["p"]).all()


def test_blocks_and_threads_change_nothing() -> None:
    prices = market(300, 140)
    one = screen(prices, window=100, lags=1, jobs=1, progress=False)
    two = screen(prices, window=100, lags=1, jobs=2, progress=False)
    pd.testing.assert_frame_equal(one.table, two.table)
    assert one.tried == 141 * 140 // 2
    pd.testing.assert_frame_equal(one.table, screen(prices, window=100, lags=1, progress=False).table)


def test_missing_rows_are_refused_or_told() -> None:
    prices = market(500, 2)
    prices.iloc[17, 1] = np.nan
    with pytest.raises(DataError, match=r"W0 is nan at position 17 \(2020-01-18.*missing='drop'"):
        screen(prices, progress=False)
    seen = screen(prices, missing="drop", progress=False)
    assert seen.n == 499
    assert any("left out 1 of 500 rows" in text for text in seen.warnings)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"q": 0.0}, "q=0.0: must be between 0 and 1"),
        ({"control": "bonferroni"}, "control='bonferroni': must be one of bh, by, holm"),
        ({"on": "returns"}, "on='returns'"),
        ({"window": 5}, "window=5: must be 20 or more"),
        ({"lags": 40}, "lags=40: must be 0 to 12"),
        ({"holding_bars": 0}, "holding_bars=0"),
    ],
)
def test_wrong_options_say_the_fix(options: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        screen(market(400, 2), progress=False, **options)  # type: ignore[arg-type]


def test_wrong_prices_say_the_fix() -> None:
    with pytest.raises(DataError, match="100 prices are too few, at least 290"):
        screen(market(100), progress=False)
    with pytest.raises(DataError, match="1 column is no pair"):
        screen(market(400)[["W0"]], progress=False)
    with pytest.raises(DataError, match="W1 never moves"):
        screen(market(400, 2).assign(W1=5.0), progress=False)
    with pytest.raises(DataError, match="W1 is -1 at position 0"):
        screen(market(400, 2).assign(W1=np.r_[-1.0, np.arange(1.0, 400.0)]), progress=False)
    with pytest.raises(DataError, match="column 'W0' is there twice"):
        screen(pd.concat([market(400, 2), market(400, 2)[["W0"]]], axis=1), progress=False)


def test_bounce_does_not_pass_for_reversion() -> None:
    """A walk quoted with a bounce of twice its step looks cointegrated to a test with one lag; it is found, and not approved."""
    rng = np.random.default_rng(11)
    noise = 0.01 * rng.choice([-1.0, 1.0], 800)
    walk, hidden = (0.005 * rng.standard_normal(800)).cumsum(), 0.01 * rng.standard_normal(800).cumsum()
    prices = pd.DataFrame({"P": np.exp(hidden + walk + 2 * noise), "H": np.exp(hidden)}, index=DAYS[:800])
    row = screen(prices, lags=0, progress=False).row("P", "H")
    assert row["found"]
    assert not row["approved"]
    assert row["says"].startswith("nothing reverts beyond one bar")


def test_true_reversion_under_bounce_still_passes() -> None:
    prices = market(1_250, 2)
    prices["FOLLOW"] *= np.exp(0.003 * np.random.default_rng(2).choice([-1.0, 1.0], 1_250))
    assert screen(prices, progress=False).row("FOLLOW", "W0")["approved"]
