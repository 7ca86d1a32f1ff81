"""The synthetic market: what was planted is found again."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit import FillModel, Market, Params, SyntheticMarket, run_backtest
from hedgekit.data import SyntheticBinary, recipe_of
from hedgekit.data.ranges import start_ns
from hedgekit.errors import ConfigError
from hedgekit.types import NS, Fill, PlanRevised

LONG = SyntheticMarket(rows=100_000, seed=5)

# Digests of tapes as they were before jumps, regimes, moving ratios and stale quotes could be planted.
DIGEST_DEFAULT = "effff8e2a2f95c0858fb0eccf185fe885d9e41b58b616b60d9392c82dfc37eee"
DIGEST_500_ROWS_SEED_9 = "ea7ac41b80f37f40deb4dd443ea2593f46bc7e6a5247c2b4335d3e12bc8614d0"

CHAIN = ((0.95, 0.03, 0.02), (0.1, 0.9, 0.0), (0.2, 0.0, 0.8))
JUMPS = {"hedge_jump_rate": 0.02, "hedge_jump_sd": 0.03, "spread_jump_rate": 0.01, "spread_jump_sd": 0.05}
STALE = {"stale_primary": 0.3, "stale_hedge": 0.5}
ALL: dict[str, Any] = {**JUMPS, **STALE, "regime_chain": CHAIN, "ratio_steps": ((50, 1.1),), "ratio_vol": 0.01}


@pytest.fixture(scope="module")
def logs() -> np.ndarray:
    return np.log(LONG.tape().mid)


def test_the_hedge_leg_is_a_random_walk_of_the_planted_size(logs: np.ndarray) -> None:
    steps = np.diff(logs[:, 1])
    assert steps.std() == pytest.approx(LONG.hedge_vol, rel=0.01)
    assert abs(np.corrcoef(steps[1:], steps[:-1])[0, 1]) < 4 / np.sqrt(len(steps))


def test_the_spread_has_the_planted_half_life_and_size(logs: np.ndarray) -> None:
    """AR(1) by regression on 100,000 rows: standard error of b is sqrt((1 - b^2) / n), about 0.0014."""
    spread = logs[:, 0] - LONG.ratio * logs[:, 1]
    spread = spread - spread.mean()
    b = (spread[1:] @ spread[:-1]) / (spread[:-1] @ spread[:-1])
    assert b == pytest.approx(2 ** (-1 / LONG.half_life), abs=4 * np.sqrt((1 - b * b) / len(spread)))
    assert spread.std() == pytest.approx(LONG.spread_sd, rel=0.03)


def test_the_strategy_finds_ratio_and_evidence_and_trades() -> None:
    """The notebook's numbers: plans hold the true ratio, most are trusted, and there is a trade every 20 to 60 rows."""
    market = SyntheticMarket(rows=4_000)
    params = Params.make(bar_s=1, bar_offset_s=0.5, lookback=20, fit_bars=250, refit_bars=250)
    done = run_backtest(market.tape(), params, FillModel())
    plans = [record.plan for record in done.records if isinstance(record, PlanRevised)]
    inside = [abs(plan.ratio - market.ratio) < 2.5 * plan.stderr for plan in plans]
    assert len(plans) == 15
    assert sum(inside) >= 13
    assert sum(plan.trusted(0.05) for plan in plans) >= 10
    assert 20 < 3_750 / done.decisions[-1].trade < 60


def test_quotes_are_tradable(logs: np.ndarray) -> None:
    tape = SyntheticMarket(rows=1_000).tape()
    assert (tape.bid < tape.ask).all()
    assert np.allclose(np.rint(tape.bid * 100), tape.bid * 100)
    assert (tape.bid_size >= 1).all()
    assert set(np.diff(tape.ts_ns)) == {NS}
    assert tape.index[0].isoformat() == "2026-01-05T14:30:00+00:00"
    assert len(logs) == len(LONG.tape())


def test_a_seed_is_a_market() -> None:
    """The same in another process; another seed is another market; a longer one begins with the shorter one's prices."""
    code = "from hedgekit import SyntheticMarket; print(SyntheticMarket(rows=500, seed=9).tape().digest)"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert SyntheticMarket(rows=500, seed=9).tape().digest == there
    assert SyntheticMarket(rows=500, seed=10).tape().digest != there
    assert np.array_equal(SyntheticMarket(rows=500).tape().bid, SyntheticMarket(rows=800).tape().bid[:500])


def test_recipes_travel_as_json() -> None:
    for recipe in (Market(first="1995-01-01"), SyntheticMarket(seed=4), SyntheticMarket(**ALL), SyntheticBinary(rho=0.3)):
        assert recipe_of(msgspec.json.encode(recipe)) == recipe
    assert recipe_of("{}") == Market()
    assert recipe_of('{"kind":"synthetic","rows":9}') == SyntheticMarket(rows=9)
    assert recipe_of('{"kind":"synthetic_binary","rows":9}') == SyntheticBinary(rows=9)
    assert recipe_of('{"kind":"synthetic","regimes":[[1,5,"broken"]]}') == SyntheticMarket(regimes=((1, 5, "broken"),))
    with pytest.raises(msgspec.DecodeError):
        recipe_of('{"kind":"synthetic","rows":"many"}')


def test_it_says_what_it_is() -> None:
    market = SyntheticMarket(rows=10)
    said = market.describe(market.tape())
    assert "half of any distance in 6 rows" in said["description"]
    assert (said["rows"], said["ratio"], said["seed"]) == ("10", "0.8", "1")
    assert len(said["digest"]) == 64
    assert "Planted as well" not in said["description"]
    spoilt = SyntheticMarket(rows=100, **ALL)
    story = spoilt.describe(spoilt.tape())["description"]
    assert "seed 1. Planted as well: jumps, regimes, a moving ratio, stale quotes. Quotes" in story


@pytest.mark.parametrize(
    "changes",
    [
        {"ratio": 0.0},
        {"half_life": -1.0},
        {"spread_sd": float("nan")},
        {"hedge_vol": float("inf")},
        {"rows": 1},
        {"rows": 2_000_000},
        {"seed": -1},
        {"hedge": "SYNA"},
        {"start": "2026-01-05T14:30:00"},
        {"start": "soon"},
        {"half_spread_bps": -0.1},
    ],
)
def test_a_number_out_of_range_is_named(changes: dict[str, Any]) -> None:
    make: Callable[[], object] = SyntheticMarket(**changes).tape
    with pytest.raises(ConfigError, match=str(next(iter(changes.values()))) if "hedge" not in changes else "SYNA"):
        make()


YEARS = st.datetimes(datetime.fromisoformat("1700-01-01"), datetime.fromisoformat("2200-01-01"))


@given(YEARS, st.integers(0, 999), st.integers(-839, 839))
def test_a_start_is_read_to_the_nanosecond_in_any_zone(when: datetime, ns: int, minutes: int) -> None:
    sign, off = "-" if minutes < 0 else "+", abs(minutes)
    text = f"{when.isoformat(timespec='microseconds')}{ns:03}{sign}{off // 60:02}:{off % 60:02}"
    assert start_ns(text) == pd.Timestamp(text).value


@pytest.mark.parametrize(
    "text", ["1600-01-01T00:00Z", "2300-01-01T00:00Z", "9999-12-31T23:30-01:00", "2026-01-05T14:30:00.0000000001Z", "2026-01-05", ""]
)
def test_a_start_that_nanoseconds_cannot_say_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"start={text!r} is not a time with its zone")):
        start_ns(text)


# ---------------------------------------------------------- what can be planted


def test_old_recipes_have_the_tapes_they_had() -> None:
    assert SyntheticMarket().tape().digest == DIGEST_DEFAULT
    assert SyntheticMarket(rows=500, seed=9).tape().digest == DIGEST_500_ROWS_SEED_9
    assert SyntheticMarket(rows=500, seed=9, high_vol_hedge=7.0, regimes=((0, 500, "normal"),)).tape().digest == DIGEST_500_ROWS_SEED_9


def test_a_longer_market_begins_with_the_shorter_one_whatever_is_planted() -> None:
    short, long = (SyntheticMarket(rows=rows, seed=2, **ALL) for rows in (300, 500))
    pd.testing.assert_frame_equal(short.truth(), long.truth()[:300])
    assert np.array_equal(short.tape().bid, long.tape().bid[:300], equal_nan=True)
    assert not np.array_equal(short.tape().bid, SyntheticMarket(rows=300, seed=3, **ALL).tape().bid, equal_nan=True)


def test_switching_one_thing_on_leaves_the_others_as_they_were() -> None:
    everything = SyntheticMarket(rows=400, **ALL).truth()
    for names, columns in (
        (list(JUMPS), ["hedge_jump", "spread_jump"]),
        (list(STALE), ["age_primary_s", "age_hedge_s"]),
        (["regime_chain"], ["regime", "kappa"]),
        (["ratio_steps", "ratio_vol"], ["beta"]),
    ):
        alone = SyntheticMarket(rows=400, **{name: ALL[name] for name in names}).truth()
        pd.testing.assert_frame_equal(alone[columns], everything[columns])
        assert len(alone[columns[0]].unique()) > 1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(sorted(ALL)), st.integers(60, 200))
def test_law_the_truth_adds_up(seed: int, left_out: str, rows: int) -> None:
    """Dln P = beta dln H + dx in every row; the spread is the recursion of its parts; ages say where the tape is silent."""
    pairs = {"hedge_jump_rate": "hedge_jump_sd", "hedge_jump_sd": "hedge_jump_rate"}
    pairs |= {"spread_jump_rate": "spread_jump_sd", "spread_jump_sd": "spread_jump_rate"}
    changes = {name: value for name, value in ALL.items() if name not in (left_out, pairs.get(left_out))}
    market = SyntheticMarket(rows=rows, seed=seed, **changes)
    truth, tape = market.truth(), market.tape()
    p, h = np.diff(np.log(truth.fair_primary)), np.diff(np.log(truth.fair_hedge))
    assert np.allclose(p, truth.beta[1:] * h + np.diff(truth.spread), atol=1e-12)
    assert np.allclose(market.log_prices(), np.log(truth[["fair_primary", "fair_hedge"]]), atol=1e-12)
    ages = truth[["age_primary_s", "age_hedge_s"]].to_numpy()
    assert np.array_equal(ages > 0, np.isnan(tape.bid))
    assert (tape.index == truth.index).all()
    seen = pd.DataFrame(np.where(ages > 0, np.nan, market.log_prices())).ffill()
    assert np.array_equal(seen, market.log_prices(observed=True))


def test_jumps_come_at_their_rate_and_size() -> None:
    """Compound Poisson: variance rate x sd^2 a row, and a share exp(-rate) of rows without one."""
    truth = SyntheticMarket(rows=200_000, spread_jump_rate=0.5, spread_jump_sd=0.01, hedge_jump_rate=0.01, hedge_jump_sd=0.03).truth()
    for jump, rate, sd in ((truth.spread_jump, 0.5, 0.01), (truth.hedge_jump, 0.01, 0.03)):
        assert (jump == 0).mean() == pytest.approx(np.exp(-rate), abs=4 * np.sqrt(np.exp(-rate) * (1 - np.exp(-rate)) / 200_000))
        assert jump.var() == pytest.approx(rate * sd**2, rel=0.12)
        assert jump.iloc[0] == 0
    steps = np.diff(np.log(truth.fair_hedge)) - truth.hedge_jump[1:]
    assert steps.std() == pytest.approx(0.006, rel=0.01)
    b = 2 ** (-1 / 6)
    shocks = truth.spread.to_numpy()[1:] - b * truth.spread.to_numpy()[:-1] - truth.spread_jump[1:]
    assert shocks.std() == pytest.approx(0.012 * np.sqrt(1 - b * b), rel=0.01)


def test_a_broken_market_does_not_come_back() -> None:
    """Kappa is 0 there, and the spread's diffusion is that of the same process: sd spread_sd sqrt(2 kappa) a row."""
    market = SyntheticMarket.textbook(rows=60_000, regimes=((20_000, 40_000, "broken"), (40_000, 50_000, "high_vol")), high_vol_spread=2.0)
    truth = market.truth()
    kappa = np.log(2) / 20
    assert (truth.kappa == np.where(truth.regime == "broken", 0.0, kappa)).all()
    assert truth.regime.value_counts().to_dict() == {"normal": 30_000, "broken": 20_000, "high_vol": 10_000}
    x, h = truth.spread.to_numpy(), np.diff(np.log(truth.fair_hedge))
    assert np.diff(x[19_999:40_000]).std() == pytest.approx(0.006, rel=0.02)
    assert abs(x[20_000:40_000]).max() > 8 * market.spread_sd
    normal, high = slice(0, 19_999), slice(39_999, 49_999)
    assert h[high].std() / h[normal].std() == pytest.approx(3.0, rel=0.03)
    shock = x[1:] - 2 ** (-1 / 20) * x[:-1]
    assert shock[high].std() / shock[normal].std() == pytest.approx(2.0, rel=0.03)


def test_a_chain_of_regimes_moves_as_it_says() -> None:
    regime = SyntheticMarket(rows=100_000, regime_chain=CHAIN).truth().regime.cat.codes.to_numpy()
    moves = np.array([[np.mean(regime[1:][regime[:-1] == i] == j) for j in range(3)] for i in range(3)])
    assert regime[0] == 0
    assert moves == pytest.approx(np.array(CHAIN), abs=0.015)
    assert moves[1, 2] == moves[2, 1] == 0


def test_a_step_of_the_ratio_is_no_jump_of_the_price() -> None:
    """In the level form the price would jump by ln H x .4; here only what follows is different."""
    plain, stepped = SyntheticMarket(rows=1_000), SyntheticMarket(rows=1_000, ratio_steps=((500, 1.2), (800, 0.5)))
    difference = np.diff(stepped.log_prices()[:, 0] - plain.log_prices()[:, 0])
    h = np.diff(plain.log_prices()[:, 1])
    assert np.allclose(difference, np.r_[np.zeros(499), 0.4 * h[499:799], -0.3 * h[799:]], atol=1e-12)
    assert stepped.truth().beta.iloc[[0, 499, 500, 799, 800, 999]].tolist() == [0.8, 0.8, 1.2, 1.2, 0.5, 0.5]


def test_a_walking_ratio_walks() -> None:
    beta = SyntheticMarket(rows=50_000, ratio_vol=0.02).truth().beta.to_numpy()
    assert beta[0] == 0.8
    assert np.diff(beta).std() == pytest.approx(0.02, rel=0.015)


def test_stale_legs_refresh_at_their_rate() -> None:
    market = SyntheticMarket(rows=50_000, row_s=2.0, **STALE)
    truth, tape = market.truth(), market.tape()
    for leg, (name, chance) in enumerate((("age_primary_s", 0.3), ("age_hedge_s", 0.5))):
        age = truth[name]
        assert np.isnan(tape.bid[:, leg]).mean() == pytest.approx(chance, abs=0.01)
        assert age.iloc[0] == 0
        assert set(age.unique()) <= set(2.0 * np.arange(40))
        assert age.mean() == pytest.approx(2.0 * chance / (1 - chance), rel=0.03)
    fresh = SyntheticMarket(rows=50_000, row_s=2.0).tape()
    shown = np.isfinite(tape.bid)
    assert np.array_equal(tape.bid[shown], fresh.bid[shown])


def test_the_textbook_market_has_its_figures() -> None:
    market = SyntheticMarket.textbook(rows=10, seed=3)
    assert (market.ratio, market.half_life, market.hedge_vol, market.rows, market.seed) == (0.85, 20.0, 0.012, 10, 3)
    assert market.spread_sd == pytest.approx(0.02279, abs=5e-6)
    assert SyntheticMarket.textbook(half_life=5.0).spread_sd == pytest.approx(market.spread_sd / 2, rel=1e-12)
    assert SyntheticMarket.textbook(spread_sd=0.01).spread_sd == 0.01
    with pytest.raises(ConfigError, match="half_life=-1: must be a number above 0"):
        SyntheticMarket.textbook(half_life=-1)


def test_paths_are_the_recipes_of_many_seeds() -> None:
    market = SyntheticMarket(rows=60, seed=7, **ALL)
    paths = market.paths(3, observed=True)
    assert paths.shape == (3, 60, 2)
    assert np.array_equal(paths[2], SyntheticMarket(rows=60, seed=9, **ALL).log_prices(observed=True))
    with pytest.raises(ConfigError, match="count=0: must be a whole number from 1"):
        market.paths(0)


def test_small_displayed_sizes_fill_in_parts() -> None:
    """Where partial fills live: on the tape, not in the fill model."""
    params = Params.make(bar_s=1, bar_offset_s=0.5, lookback=20, fit_bars=250, refit_bars=250)
    whole, parts = (
        Counter(
            r.order_id for r in run_backtest(SyntheticMarket(rows=1_500, **size).tape(), params, FillModel()).records if isinstance(r, Fill)
        )
        for size in ({"size_notional": 1e9}, {"size_notional": 30_000.0})
    )
    assert set(whole.values()) == {1}
    assert max(parts.values()) > 2


# -------------------------------------------------------------- refused recipes


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"ratio": "0.8"}, "ratio='0.8': must be a number above 0"),
    ({"ratio_vol": -0.1}, "ratio_vol=-0.1: must be a number 0 or more"),
    ({"stale_hedge": 1.0}, "stale_hedge=1.0: must be a number from 0 to below 1"),
    ({"high_vol_hedge": 0.0}, "high_vol_hedge=0.0: must be a number above 0"),
    ({"row_s": 1e-10}, "row_s=1e-10: must be a number of at least 1e-9"),
    ({"row_s": 1e6, "rows": 1_000_000}, "must end before the year 2262"),
    ({"rows": 2.5}, "rows=2.5: must be a whole number from 2 to 1,000,000"),
    ({"start": "9999-01-01T00:00:00Z"}, "start='9999-01-01T00:00:00Z'"),
    ({"tick": "0"}, "tick='0': must be a decimal number as text, above 0"),
    ({"fee_rate": "free"}, "fee_rate='free': must be a decimal number as text, 0 or more"),
    ({"spread_jump_rate": 0.1}, "spread_jump_rate=0.1, spread_jump_sd=0.0: jumps need both above 0"),
    ({"hedge_jump_sd": 0.1}, "hedge_jump_rate=0.0, hedge_jump_sd=0.1: jumps need both above 0"),
    ({"regimes": 3}, "regimes=3: must be tuples of (first row, row after the last, name)"),
    ({"regimes": ((1, 2),)}, "regimes=(1, 2): must be tuples of (first row, row after the last, name)"),
    ({"regimes": ((5, 9, "broken"), (8, 10, "broken"))}, "regimes: first row=8: must be a whole number from 9 to 19,999"),
    ({"regimes": ((5, 5, "broken"),)}, "regimes: row after the last=5: must be a whole number from 6 to 20,000"),
    ({"regimes": ((5, 6, "calm"),)}, "regimes: name='calm': must be one of normal, high_vol, broken"),
    ({"regimes": ((5, 6, "broken"),), "regime_chain": CHAIN}, "give one of them"),
    ({"regime_chain": ((1.0, 0.0, 0.0),)}, "must be 3 rows, from normal, high_vol, broken"),
    ({"regime_chain": ((1.0, 0.0),) * 3}, "must be 3 probabilities a row"),
    ({"regime_chain": ((1.5, -0.5, 0.0),) * 3}, "regime_chain=1.5: must be a number from 0 to 1"),
    ({"regime_chain": ((0.5, 0.4, 0.0),) * 3}, "must be probabilities that add up to 1"),
    ({"ratio_steps": ((5, 1.0), (5, 1.1))}, "ratio_steps: row=5: must be a whole number from 6 to 19,999"),
    ({"ratio_steps": ((0, 1.0),)}, "ratio_steps: row=0: must be a whole number from 1 to 19,999"),
    ({"ratio_steps": ((5, -1.0),)}, "ratio_steps: ratio=-1.0: must be a number above 0"),
    ({"ratio_steps": (5, 1.0)}, "ratio_steps=5: must be tuples of (row, ratio), rows increasing"),
]


@pytest.mark.parametrize(("changes", "said"), REFUSED)
def test_a_wrong_recipe_is_told(changes: dict[str, Any], said: str) -> None:
    market = SyntheticMarket(**changes)
    for make in (market.tape, market.truth, market.log_prices, lambda: market.paths(1)):
        with pytest.raises(ConfigError, match=re.escape(said)):
            make()
