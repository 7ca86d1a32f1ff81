"""Prices that are probabilities: efficient ones must pass, bounce must not, planted reversion must; and the logit's drift."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.special import expit
from scipy.special import logit as scipy_logit
from scipy.stats import norm

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.bounded import excess_movement, expected_movement, logit, logit_drift, logit_reversion, price_per_logit

# Augenblick & Rabin 2021, QJE: movement of an efficient price of .3 to its resolution; with +-.01 of bounce on 1,999 quotes.
AUGENBLICK_RABIN_2021_CLEAN, AUGENBLICK_RABIN_2021_BOUNCE = 0.21, 0.6098
# Ito at p = .85, s = .2.
ITO_PRICE_PER_LOGIT, ITO_LOGIT_DRIFT = 0.1275, 0.014
# Rejections of a 5% Dickey-Fuller test with a constant, n = 252 (Cavaliere & Xu 2014; 8,000 simulated).
CAVALIERE_XU_2014 = {"reflect .05": 0.136, "reflect .10": 0.425, "digital price": 0.077, "digital logit": 0.017}
DF_5_PERCENT_252 = -2.8729


def efficient(reps: int, n: int, p0: float, seed: int, share: float = 1.0) -> np.ndarray:
    """Return efficient prices Phi((x0 + W_t) / sqrt(1 - t)), shape (reps, n + 1), the last the payout if ``share`` is 1."""
    w = np.cumsum(np.random.default_rng(seed).standard_normal((reps, n)), axis=1) * np.sqrt(share / n)
    level = norm.ppf(p0) + np.c_[np.zeros(reps), w]
    left = np.sqrt(np.maximum(1 - share * np.arange(n + 1) / n, 1e-300))
    return np.asarray(norm.cdf(level / left))


def with_bounce(p: np.ndarray, size: float, seed: int) -> np.ndarray:
    """Return quotes half a spread above or below, where that is a price; the first and the last are exact."""
    q = p.copy()
    room = (p[:, 1:-1] >= size) & (p[:, 1:-1] <= 1 - size)
    q[:, 1:-1] += size * room * np.random.default_rng(seed).choice([-1.0, 1.0], room.shape)
    return q


def reverting_logits(reps: int, n: int, seed: int, sd: float, half_life: float = 20.0) -> np.ndarray:
    """Return efficient prices whose logits carry OU noise (METHODS 3: the observed price of a binary), ending in the payout."""
    b = 2 ** (-1 / half_life)
    noise = lfilter([1.0], [1.0, -b], sd * np.sqrt(1 - b * b) * np.random.default_rng(seed).standard_normal((reps, n + 1)), axis=1)
    p = efficient(reps, n, 0.5, seed + 1)
    seen = expit(scipy_logit(np.clip(p, 1e-9, 1 - 1e-9)) + noise)
    seen[:, -1] = p[:, -1]
    return np.asarray(seen)


def test_expected_movement() -> None:
    assert expected_movement(0.3) == pytest.approx(AUGENBLICK_RABIN_2021_CLEAN, abs=1e-12)
    assert expected_movement(0.3, bounce=0.01, quotes=1_999) == pytest.approx(AUGENBLICK_RABIN_2021_BOUNCE, abs=0.003)


def test_an_efficient_price_moves_as_much_as_it_must() -> None:
    p = efficient(400, 2_000, 0.3, seed=1)
    found = excess_movement(list(p), skip=0)
    assert found.movement == pytest.approx(AUGENBLICK_RABIN_2021_CLEAN, abs=3 * found.table["movement"].std() / 20)
    assert abs(found.statistic) < 3
    assert found.movement == pytest.approx(np.mean(np.sum(np.diff(p, axis=1) ** 2, axis=1)))


def test_bounce_is_bounce_and_no_reversion() -> None:
    fair = efficient(400, 2_000, 0.3, seed=2)
    everywhere = fair.copy()
    everywhere[:, 1:-1] += 0.01 * np.random.default_rng(4).choice([-1.0, 1.0], (400, 1_999))
    moved = np.sum(np.diff(everywhere, axis=1) ** 2, axis=1)
    assert moved.mean() == pytest.approx(AUGENBLICK_RABIN_2021_BOUNCE, abs=3 * moved.std() / 20)
    p = with_bounce(fair, 0.01, seed=3)
    noisy = np.mean(np.sum((fair[:, 1:-1] >= 0.01) & (fair[:, 1:-1] <= 0.99), axis=1))
    raw, found = excess_movement(list(p), skip=0), excess_movement(list(p))
    assert raw.movement == pytest.approx(expected_movement(0.3, bounce=0.01, quotes=int(noisy)), abs=0.03)
    assert raw.statistic > 20  # the trap
    assert "bounce is included: skip=0" in raw.verdict
    assert "2 n s^2" in raw.warnings[-1]
    assert abs(found.statistic) < 3
    assert found.bounce == pytest.approx(2 * noisy * 0.01**2, abs=3 * found.table["bounce"].std() / 20)
    assert found.bounce_size == pytest.approx(0.01 * np.sqrt(noisy / 2_000), rel=0.03)
    assert found.verdict.startswith("no excess movement shown beyond noise of 1 quote")


def test_planted_reversion_is_found_and_costs_decide() -> None:
    p = reverting_logits(300, 400, seed=4, sd=0.6)
    free, dear = excess_movement(list(p)), excess_movement(list(p), cost_per_contract=0.05)
    assert free.statistic > 4
    assert free.verdict == "excess movement beyond noise of 1 quote: reversion, shown after costs"
    assert (free.cost, free.net) == (0.0, free.excess)
    assert dear.excess == free.excess
    assert dear.net < 0 < free.net_low
    assert dear.verdict.endswith("not shown to pay its costs")


def test_the_test_keeps_its_level() -> None:
    quiet = [excess_movement(list(efficient(40, 100, 0.4, seed))).p_value < 0.05 for seed in range(300)]
    assert np.mean(quiet) < 0.05 + 3 * 0.0126
    single = [excess_movement(p).p_value < 0.05 for p in efficient(400, 500, 0.4, seed=5, share=0.5)]
    assert np.mean(single) < 0.05 + 3 * 0.011


def test_contracts_of_one_event_count_once() -> None:
    p = efficient(25, 100, 0.4, seed=6)
    twins = [q for one in p for q in (one, 1 - one)]  # YES and NO of one market
    alone, paired = excess_movement(list(p)), excess_movement(twins, events=np.repeat(np.arange(25), 2).tolist())
    assert (paired.contracts, paired.events) == (50, 25)
    assert paired.statistic == pytest.approx(alone.statistic)
    assert abs(excess_movement(twins).statistic) == pytest.approx(abs(alone.statistic) * np.sqrt(2), rel=0.05)  # the trap
    few = excess_movement(twins[:6], events=["a", "a", "b", "b", "c", "c"])
    assert "3 events are few" in few.warnings[0]
    assert excess_movement(twins[:4], events=["a"] * 4).verdict == "cannot tell: one event has no spread to judge it by"


def test_movement_identity_and_costs_by_hand() -> None:
    p = [0.5, 0.6, 0.4, 0.7, 1.0]
    raw = excess_movement(p, skip=0, cost_per_contract=0.01, fee_rate=0.07)
    assert raw.movement == pytest.approx(0.01 + 0.04 + 0.09 + 0.09)
    assert raw.reduction == pytest.approx(0.25)
    held = np.array([0.0, -0.2, 0.2, -0.4])  # 1 - 2p, bought at .5, .6, .4, .7; settled at 1
    assert raw.raw_excess == pytest.approx(held @ np.diff(p))
    assert raw.excess == pytest.approx(raw.raw_excess)
    traded, at = np.array([0.0, 0.2, 0.4, 0.6]), np.array(p[:-1])
    assert raw.cost == pytest.approx(traded @ (0.01 + 0.07 * at * (1 - at)))
    later = excess_movement(p, cost_per_contract=0.01)
    assert later.excess == pytest.approx(0.0 * -0.2 + -0.2 * 0.3 + 0.2 * 0.3)
    assert later.bounce == pytest.approx(raw.raw_excess - later.excess)
    unsettled = excess_movement([*p[:-1], 0.9], cost_per_contract=0.01)
    assert unsettled.cost == pytest.approx(later.cost + 0.2 * 0.01)  # the position of .2 must be sold


@given(p=st.lists(st.floats(0.01, 0.99), min_size=6, max_size=30, unique=True))
@settings(deadline=None, max_examples=25)
def test_yes_and_no_are_the_same_bet(p: list[float]) -> None:
    yes, no = excess_movement(p), excess_movement([1 - x for x in p])
    assert no.excess == pytest.approx(yes.excess, abs=1e-12)
    assert yes.raw_excess == pytest.approx(yes.movement - yes.reduction, abs=1e-12)
    assert yes.net <= excess_movement(p, cost_per_contract=0.0).net + 1e-12


def test_ways_to_hand_in_contracts() -> None:
    p = efficient(3, 50, 0.4, seed=7)
    frame = pd.DataFrame(p.T, columns=["A", "B", "C"])
    assert excess_movement(frame).excess == excess_movement(p.T).excess == excess_movement(list(p)).excess
    assert excess_movement(frame).contracts == 3
    assert excess_movement(frame["A"]).excess == excess_movement(p[0].tolist()).excess
    assert excess_movement([p[0], p[1][:30]]).table["quotes"].tolist() == [50, 29]


def test_what_excess_movement_refuses() -> None:
    p = efficient(1, 20, 0.4, seed=8)[0]
    with pytest.raises(DataError, match=r"contract 0 is 40 at position 1: probabilities lie in \[0, 1\]; divide cents by 100"):
        excess_movement([0.3, 40.0, 0.5, 0.6, 0.7])
    with pytest.raises(DataError, match="contract 1 is nan at position 0"):
        excess_movement([p, np.r_[np.nan, p]])
    with pytest.raises(DataError, match="4 values of contract 0 are too few, at least 5"):
        excess_movement(p[:4])
    with pytest.raises(DataError, match="never moves"):
        excess_movement([0.5] * 9)
    for wrong, text in (
        ({"skip": -1}, "skip=-1: must be a whole number"),
        ({"level": 1.0}, "level=1: must be between 0 and 1"),
        ({"cost_per_contract": -0.1}, "cost_per_contract=-0.1: must be a finite number"),
        ({"fee_rate": float("nan")}, "fee_rate=nan: must be a finite number"),
        ({"events": [1, 2]}, "events has 2 entries for 1 contracts"),
    ):
        with pytest.raises(ConfigError, match=text):
            excess_movement(p, **wrong)  # type: ignore[arg-type]  # a user's mistakes
    with pytest.raises(ConfigError, match=r"p0 must be in \[0, 1\]"):
        expected_movement(1.2)


def test_ito() -> None:
    assert price_per_logit(0.85) == pytest.approx(ITO_PRICE_PER_LOGIT, rel=1e-9)
    assert logit_drift(0.85, 0.2) == pytest.approx(ITO_LOGIT_DRIFT, rel=1e-9)


def steady_logit_martingales(reps: int, n: int, sd: float, seed: int) -> np.ndarray:
    """Return prices of dp = p (1 - p) s dW in small steps of the logit with its drift, shape (reps, n)."""
    rng = np.random.default_rng(seed)
    y, out = np.zeros(reps), np.empty((reps, n))
    for i in range(n):
        out[:, i] = y
        for _ in range(4):
            y = y + sd**2 / 4 * (expit(y) - 0.5) + sd / 2 * rng.standard_normal(reps)
    return np.asarray(expit(out))


def test_the_logit_of_a_martingale_drifts() -> None:
    p = steady_logit_martingales(4_000, 200, 0.1, seed=9)
    assert p[:, -1].mean() == pytest.approx(0.5, abs=3 * p[:, -1].std() / np.sqrt(4_000))
    y = scipy_logit(p)
    far = y[:, 150] > 1
    moved = (y[far, 199] - y[far, 150]) / 49
    expected = logit_drift(p[far, 150], 0.1).mean()
    assert moved.mean() == pytest.approx(expected, abs=0.3 * expected + 3 * moved.std() / np.sqrt(far.sum()))
    assert moved.mean() > 3 * moved.std() / np.sqrt(far.sum())


def test_logit_reversion_keeps_its_level_and_finds_a_planted_one() -> None:
    found = [logit_reversion(p) for p in steady_logit_martingales(400, 250, 0.1, seed=10)]
    assert np.mean([f.reverts for f in found]) < 0.025 + 3 * 0.011
    assert np.mean([f.b - f.b_without_drift for f in found]) < 0  # the drift pushes outward: without it b is higher
    b = 2 ** (-1 / 5)
    y = lfilter([1.0], [1.0, -b], 0.2 * np.random.default_rng(11).standard_normal((40, 500)), axis=1)
    planted = [logit_reversion(expit(0.4 + row)) for row in y]
    assert all(f.reverts for f in planted)
    assert np.mean([f.half_life_low <= 5 <= f.half_life_high for f in planted]) > 0.84
    assert np.median([f.mean for f in planted]) == pytest.approx(expit(0.4), abs=0.02)
    assert planted[0].reason.startswith("the interval excludes an efficient price")
    assert found[0].half_life_high == np.inf


def test_the_logit_refuses_zero_and_one() -> None:
    assert logit([0.5, 0.85]) == pytest.approx([0, np.log(0.85 / 0.15)])
    for value in (0.0, 1.0):
        with pytest.raises(DataError, match=f"prices is {value:g} at position 1: the logit of 0 or 1 is infinite; end the history before"):
            logit([0.5, value])
    with pytest.raises(DataError, match="the logit of 0 or 1 is infinite"):
        logit_reversion(np.r_[efficient(1, 50, 0.4, seed=12)[0][:-1], 1.0])
    with pytest.raises(DataError, match="29 values of prices are too few"):
        logit_reversion(np.full(29, 0.5))
    with pytest.raises(DataError, match="x never moves"):
        logit_reversion(np.full(40, 0.5))
    with pytest.raises(DataError, match="move only at their last position"):
        logit_reversion(np.r_[np.full(39, 0.5), 0.6])


def dickey_fuller(x: np.ndarray) -> np.ndarray:
    u, d = x[:, :-1] - x[:, :-1].mean(axis=1, keepdims=True), np.diff(x, axis=1)
    d = d - d.mean(axis=1, keepdims=True)
    slope = (u * d).sum(axis=1) / (u * u).sum(axis=1)
    e = d - slope[:, None] * u
    return np.asarray(slope / np.sqrt((e * e).sum(axis=1) / (u.shape[1] - 2) / (u * u).sum(axis=1)))


def reflected(reps: int, n: int, sd: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    free = 0.5 + np.cumsum(sd * rng.standard_normal((reps, n)), axis=1)
    return np.asarray(1 - np.abs(1 - np.mod(free, 2)))


def test_unit_root_tests_see_reversion_in_bounded_prices() -> None:
    digital = efficient(8_000, 252, 0.5, seed=13, share=0.95)[:, 1:]
    found = {
        "reflect .05": reflected(20_000, 252, 0.05, seed=14),
        "reflect .10": reflected(20_000, 252, 0.10, seed=15),
        "digital price": digital,
        "digital logit": scipy_logit(np.clip(digital, 1e-12, 1 - 1e-12)),
    }
    shares = {name: np.mean(dickey_fuller(x) < DF_5_PERCENT_252) for name, x in found.items()}
    assert shares == pytest.approx(CAVALIERE_XU_2014, abs=0.012)
