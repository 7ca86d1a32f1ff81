"""Made binary contracts: fair prices, planted noise and correlation, and tapes of them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hedgekit.data import SyntheticBinary
from hedgekit.errors import ConfigError
from hedgekit.exchange.engine import Exchange
from hedgekit.types import Kind


def test_a_fair_binary_is_a_martingale_that_resolves_at_its_price() -> None:
    """2,000 seeds: mean price in every row is the first one, within 4 standard errors, payout included."""
    fair = np.stack([SyntheticBinary(p_primary=0.3, p_hedge=0.6, rows=50, seed=seed).fair() for seed in range(2_000)])
    assert fair.shape == (2_000, 51, 2)
    assert fair[:, 0] == pytest.approx(np.tile([0.3, 0.6], (2_000, 1)))
    for leg, p in enumerate((0.3, 0.6)):
        assert abs(fair[:, :, leg].mean(axis=0) - p).max() < 4 * np.sqrt(p * (1 - p) / 2_000)
    assert set(np.unique(fair[:, -1])) == {0.0, 1.0}


def test_the_information_of_two_binaries_is_correlated_and_beta_is_the_local_hedge() -> None:
    """BIN-PAIR's algebra: v = phi(d) / sqrt(time left), h = rho v1 / v2; it leaves 1 - rho^2 of the variance."""
    market = SyntheticBinary(p_primary=0.6, p_hedge=0.4, rho=0.8, rows=20_000, resolve_row=200_000, seed=4)
    fair, beta = market.fair()[:20_000], market.truth().beta.to_numpy()
    moves = np.diff(fair, axis=0)
    assert np.corrcoef(moves.T)[0, 1] == pytest.approx(0.8, abs=0.01)
    hedged = moves[:, 0] - beta[:-1] * moves[:, 1]
    assert hedged.var() / moves[:, 0].var() == pytest.approx(0.36, abs=0.015)
    assert SyntheticBinary(rho=0.0, rows=500, seed=3).truth().beta.eq(0).all()


def test_a_binary_tape_shows_what_its_truth_says() -> None:
    """Quotes stay in their bounds, around the fair price; where they cannot, there is none and it grows old."""
    market = SyntheticBinary(rows=2_000, p_primary=0.1, seed=6, row_s=5.0, fee_per_contract="0.01")
    tape, truth = market.tape(), market.truth()
    shown = np.isfinite(tape.bid)
    assert 0.3 < shown.mean() < 1
    assert tape.bid[shown].min() >= 0.01
    assert tape.ask[shown].max() <= 0.99
    fair = truth[["fair_primary", "fair_hedge"]].to_numpy()
    assert (tape.bid[shown] <= fair[shown] - 0.01 + 1e-9).all()
    assert (tape.ask[shown] >= fair[shown] + 0.01 - 1e-9).all()
    assert ((fair[~shown] < 0.02) | (fair[~shown] > 0.98)).all()
    ages = truth[["age_primary_s", "age_hedge_s"]].to_numpy()
    assert np.array_equal(ages == 0, shown)
    assert np.nanmax(ages) > 5.0
    assert (truth.payout_primary == market.fair()[-1, 0]).all()
    assert np.array_equal(truth.fair_hedge, market.fair()[:-1, 1])
    kinds = {(i.key, i.kind, float(i.fees.per_unit)) for i in tape.instruments}
    assert kinds == {("SIM:BINA", Kind.BINARY, 0.01), ("SIM:BINB", Kind.BINARY, 0.01)}


def test_a_leg_that_was_never_quoted_has_no_age() -> None:
    truth = SyntheticBinary(p_primary=0.005, rows=3, resolve_row=10_000).truth()
    assert truth.age_primary_s.isna().all()
    assert truth.age_hedge_s.eq(0).all()


def test_binary_noise_is_the_planted_one() -> None:
    market = SyntheticBinary(rows=40_000, resolve_row=4_000_000, noise_sd=0.2, noise_half_life=10.0, tick="0.0001", half_spread=0.0001)
    truth, mid = market.truth(), market.tape().mid
    for leg, side in enumerate(("primary", "hedge")):
        noise, fair = truth[f"noise_{side}"].to_numpy(), truth[f"fair_{side}"].to_numpy()
        assert noise.std() == pytest.approx(0.2, rel=0.05)
        assert np.corrcoef(noise[1:], noise[:-1])[0, 1] == pytest.approx(2**-0.1, abs=0.01)
        logit = np.log(mid[:, leg] / (1 - mid[:, leg])) - np.log(fair / (1 - fair))
        assert logit == pytest.approx(noise, abs=0.003)
    assert abs(np.corrcoef(truth.noise_primary, truth.noise_hedge)[0, 1]) < 0.1


def test_a_longer_binary_tape_begins_with_the_shorter_one() -> None:
    short, long = (SyntheticBinary(rows=rows, resolve_row=1_000, noise_sd=0.1, seed=8) for rows in (200, 900))
    pd.testing.assert_frame_equal(short.truth(), long.truth()[:200])
    assert np.array_equal(short.tape().bid, long.tape().bid[:200], equal_nan=True)
    assert short.tape().digest == SyntheticBinary(rows=200, resolve_row=1_000, noise_sd=0.1, seed=8).tape().digest
    assert not np.array_equal(long.tape().bid, SyntheticBinary(rows=900, resolve_row=1_000, seed=9).tape().bid, equal_nan=True)


def test_the_exchange_asks_which_market_a_binary_is_in() -> None:
    with pytest.raises(ConfigError, match="SIM:BINA is binary: say which market it is in"):
        Exchange(SyntheticBinary().instruments())


def test_a_binary_recipe_says_what_it_is() -> None:
    market = SyntheticBinary(rows=10)
    said = market.describe(market.tape())
    assert "nothing to earn" in said["description"]
    assert (said["rows"], said["rho"]) == ("10", "0.8")
    noisy = SyntheticBinary(rows=10, noise_sd=0.2)
    assert "sd 0.2 in logits with a half-life of 20 rows" in noisy.describe(noisy.tape())["description"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"p_primary": 1.0}, "p_primary=1.0: must be a number above 0 and below 1"),
        ({"rho": -1.1}, "rho=-1.1: must be a number from -1 to 1"),
        ({"noise_sd": -0.1}, "noise_sd=-0.1: must be a number 0 or more"),
        ({"resolve_row": 1_999}, "resolve_row=1999: must be a whole number from 2,000 to 10,000,000"),
        ({"tick": "1"}, "tick=1 of BINA: must be below 1"),
        ({"fee_per_contract": "-1"}, "fee_per_contract='-1': must be a decimal number as text, 0 or more"),
        ({"hedge": "BINA"}, "primary and hedge are both 'BINA'"),
    ],
)
def test_a_wrong_binary_recipe_is_told(changes: dict[str, Any], said: str) -> None:
    market = SyntheticBinary(**changes)
    for make in (market.tape, market.truth, market.fair):
        with pytest.raises(ConfigError, match=re.escape(said)):
            make()
