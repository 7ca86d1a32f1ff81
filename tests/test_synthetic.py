"""The synthetic market: what was planted is found again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from hedgekit import FillModel, Market, Params, SyntheticMarket, run_backtest
from hedgekit.data import recipe_of
from hedgekit.errors import ConfigError
from hedgekit.types import NS, PlanRevised

LONG = SyntheticMarket(rows=100_000, seed=5)


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
    for recipe in (Market(first="1995-01-01"), SyntheticMarket(seed=4)):
        assert recipe_of(msgspec.json.encode(recipe)) == recipe
    assert recipe_of("{}") == Market()
    assert recipe_of('{"kind":"synthetic","rows":9}') == SyntheticMarket(rows=9)
    with pytest.raises(msgspec.DecodeError):
        recipe_of('{"kind":"synthetic","rows":"many"}')


def test_it_says_what_it_is() -> None:
    market = SyntheticMarket(rows=10)
    said = market.describe(market.tape())
    assert "half of any distance in 6 rows" in said["description"]
    assert (said["rows"], said["ratio"], said["seed"]) == ("10", "0.8", "1")
    assert len(said["digest"]) == 64


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
