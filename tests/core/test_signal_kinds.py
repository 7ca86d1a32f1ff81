"""Each kind of signal against its formula written out with numpy, and the law that units change nothing (A1)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.errors import ConfigError
from hedgekit.rules.signal import score_of
from hedgekit.rules.state import LEGS_MAX, LOG_SPREAD, LOGIT, PRICE, RATIO, S_SCORE, SIGNALS, SPREAD
from hedgekit.types import Action, Kind, Reason
from tests.core.core_made import Desk, legs, ou_pair

LOOKBACK = 30
AVELLANEDA_LEE_2010 = {"s": -0.4898979485566359}  # a = .0008, b = .92, Var = 6.4e-5, X0 = 0


def scored(kind: int, primary: np.ndarray, hedge: np.ndarray, ratio: float = 0.8, multiplier: float = 1.0) -> tuple[float, float]:
    """Return score and sd of the last bar, through a ring buffer that has wrapped."""
    size = LOOKBACK + 3
    window, ratios, head = np.zeros((LEGS_MAX, size)), np.zeros(LEGS_MAX), 7
    ratios[1] = ratio
    for p, h in zip(primary, hedge, strict=True):
        window[0, head], window[1, head] = math.log(p * multiplier), math.log(h)
        head = (head + 1) % size
    return score_of(kind, window, head, size, LOOKBACK, ratios, 2, np.zeros(LOOKBACK))


def by_hand(kind: int, p: np.ndarray, h: np.ndarray, ratio: float) -> tuple[float, float]:
    p, h = p[-LOOKBACK:], h[-LOOKBACK:]
    values = {
        LOG_SPREAD: np.log(p) - ratio * np.log(h),
        SPREAD: (p - ratio * p[-1] / h[-1] * h) / p[-1],
        RATIO: p / h / (p[-1] / h[-1]),
        PRICE: np.log(p),
        LOGIT: np.log(p / (1 - p)) if (p < 1).all() else p,
    }[kind]
    sd = values.std(ddof=1)
    return (values[-1] - values.mean()) / sd, sd * (1 - p[-1]) if kind == LOGIT else sd


def prices(seed: int, kind: int) -> tuple[np.ndarray, np.ndarray]:
    primary, hedge = np.exp(ou_pair(seed, 60)).T
    return (primary / 250, hedge / 250) if kind == LOGIT else (primary, hedge)


@pytest.mark.parametrize("kind", [LOG_SPREAD, SPREAD, RATIO, PRICE, LOGIT])
@pytest.mark.parametrize("seed", range(5))
def test_the_score_is_its_formula(kind: int, seed: int) -> None:
    primary, hedge = prices(seed, kind)
    z, sd = scored(kind, primary, hedge)
    expected = by_hand(kind, primary, hedge, 0.8)
    assert z == pytest.approx(expected[0], abs=1e-8)
    assert sd == pytest.approx(expected[1], rel=1e-8)


def test_s_score_is_that_of_avellaneda_and_lee() -> None:
    """Against numpy's regression; and their worked numbers: m = a / (1 - b), sigma_eq = sqrt(Var / (1 - b^2)), s = (x - m) / sigma_eq."""
    primary, hedge = prices(3, S_SCORE)
    spread = (np.log(primary) - 0.8 * np.log(hedge))[-LOOKBACK:]
    b, a = np.polyfit(spread[:-1], spread[1:], 1)
    rest = spread[1:] - a - b * spread[:-1]
    sigma = math.sqrt(rest @ rest / (LOOKBACK - 3) / (1 - b * b))
    z, sd = scored(S_SCORE, primary, hedge)
    assert z == pytest.approx((spread[-1] - a / (1 - b)) / sigma, abs=1e-8)
    assert sd == pytest.approx(sigma, rel=1e-8)
    assert (0 - 0.0008 / 0.08) / math.sqrt(6.4e-5 / (1 - 0.92**2)) == pytest.approx(AVELLANEDA_LEE_2010["s"])


def test_a_spread_that_runs_away_has_no_s_score() -> None:
    trend = np.exp(np.arange(60) ** 2 / 3_000)
    assert math.isnan(scored(S_SCORE, trend, np.ones(60))[0])


def test_a_logit_needs_a_price_below_one() -> None:
    assert math.isnan(scored(LOGIT, np.full(60, 1.2), np.ones(60))[0])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1_000), kind=st.sampled_from([SPREAD, RATIO, PRICE, S_SCORE]), a=st.floats(1e-3, 1e3), b=st.floats(1e-3, 1e3))
def test_law_units_change_no_score(seed: int, kind: int, a: float, b: float) -> None:
    primary, hedge = prices(seed, kind)
    before, after = scored(kind, primary, hedge), scored(kind, primary * a, hedge * b)
    if math.isnan(before[0]):
        assert math.isnan(after[0])
    else:
        assert after == pytest.approx(before, rel=1e-6, abs=1e-9)


def test_a_logit_of_cents_is_that_of_dollars() -> None:
    primary, hedge = prices(1, LOGIT)
    assert scored(LOGIT, primary * 100, hedge, multiplier=0.01) == pytest.approx(scored(LOGIT, primary, hedge), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kind", [kind for kind in SIGNALS if kind not in {"s-score", "user"}])
def test_every_kind_trades(kind: str) -> None:
    """A primary that jumps away from its window is shorted, whatever the score is called."""
    scale, swing, jump = (0.4, 0.03, 0.55) if kind == "logit" else (100.0, 0.5, 103.0)
    instruments = legs(kind=Kind.BINARY) if kind == "logit" else legs()
    desk = Desk(lookback=30, signal=kind, instruments=instruments, entry=1.5, stop=100.0, tolerance=1.0, notional=10_000.0)
    for i in range(29):
        desk.bar(scale + swing * math.sin(0.7 * i), 100.0)
    entry = desk.bar(jump, 100.0)
    assert (entry.action, entry.reason) == (Action.OPEN, Reason.ENTRY)
    assert entry.targets[0] < 0 < entry.targets[1]


def test_an_s_score_trades_towards_its_level() -> None:
    desk = Desk(lookback=60, signal="s-score", ratio=0.8, entry=1.25, stop=100.0, tolerance=1.0, notional=10_000.0)
    opened = [d for d in (desk.bar(p, h) for p, h in np.exp(ou_pair(5, 200, half_life=4.0))) if d.action is Action.OPEN]
    assert opened
    for entry in opened:
        assert entry.z is not None
        assert entry.targets[0] * entry.z < 0


def test_a_logit_of_a_share_is_refused() -> None:
    with pytest.raises(ConfigError, match="signal='logit' needs contracts that pay 0 or 1, and T:KO is none"):
        Desk(signal="logit")
    with pytest.raises(ConfigError, match=r"loss_cap=5\.0 needs contracts"):
        Desk(structure="synthetic", loss_cap=5.0)
