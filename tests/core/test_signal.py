"""z against pandas, and the laws that make it a number one may trade on (A1)."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.rules.signal import BLOCK, SD_MIN, entry_side, standing, standings, zscore
from hedgekit.rules.state import LEGS_MAX
from hedgekit.types import NS, Gap, Reason
from tests.core.core_made import Desk, legs, ou_pair, plan


def by_pandas(primary: np.ndarray, hedge: np.ndarray, ratio: float, lookback: int) -> float:
    """Return z of the last bar, with the window's one ratio, by pandas."""
    spread = np.log(pd.Series(primary)) - ratio * np.log(pd.Series(hedge))
    window = spread.rolling(lookback)
    return float(((spread - window.mean()) / window.std(ddof=1)).iloc[-1])


def ours(primary: np.ndarray, hedge: np.ndarray, ratio: float, lookback: int) -> float:
    """Return z of the last bar from the compiled rule, through a ring buffer that has wrapped."""
    size = lookback + 3
    window, ratios, head = np.zeros((LEGS_MAX, size)), np.zeros(LEGS_MAX), size - 2
    ratios[1] = ratio
    for p, h in zip(primary, hedge, strict=True):
        window[0, head], window[1, head] = math.log(p), math.log(h)
        head = (head + 1) % size
    return float(zscore(window, head, size, lookback, ratios, 2, np.zeros(lookback))[0])


@given(seed=st.integers(0, 10_000), ratio=st.floats(-2, 3), lookback=st.integers(5, 60))
def test_z_is_that_of_pandas_on_the_log_spread(seed: int, ratio: float, lookback: int) -> None:
    primary, hedge = np.exp(ou_pair(seed, 80)).T
    assert ours(primary, hedge, ratio, lookback) == pytest.approx(by_pandas(primary, hedge, ratio, lookback), abs=1e-8)


@given(seed=st.integers(0, 10_000), factors=st.tuples(st.floats(1e-4, 1e4), st.floats(1e-4, 1e4)))
def test_another_unit_of_either_price_changes_nothing(seed: int, factors: tuple[float, float]) -> None:
    primary, hedge = np.exp(ou_pair(seed, 40)).T
    assert ours(primary * factors[0], hedge * factors[1], 0.8, 20) == pytest.approx(ours(primary, hedge, 0.8, 20), abs=1e-9)


def test_by_hand() -> None:
    """Spreads 0, 0, 0, 0, 5 (in e-2): mean 1, sd sqrt(5), z = 4 / sqrt(5)."""
    assert ours(np.exp([0, 0, 0, 0, 0.05]), np.ones(5), 0.7, 5) == pytest.approx(4 / math.sqrt(5), abs=1e-12)


@given(price=st.floats(1e-4, 1e6), lookback=st.integers(5, 120), ratio=st.floats(0.1, 3))
def test_constant_prices_have_no_z(price: float, lookback: int, ratio: float) -> None:
    assert math.isnan(ours(np.full(lookback, price), np.full(lookback, price * 1.7), ratio, lookback))


@given(seed=st.integers(0, 1000))
def test_a_hedge_that_is_its_primary_has_no_z(seed: int) -> None:
    hedge = np.exp(ou_pair(seed, 30))[:, 1]
    assert math.isnan(ours(hedge * 3, hedge, 1.0, 20))


@given(st.integers(0, 1_000), st.integers(2, 70), st.integers(0, 2 * BLOCK + 3), st.booleans())
def test_many_bars_at_once_score_to_the_same_bits(seed: int, lookback: int, more: int, stands: bool) -> None:  # noqa: FBT001 - drawn
    rng = np.random.Generator(np.random.PCG64(seed))
    values = 0.01 * rng.standard_normal(lookback + more).cumsum()
    if stands:  # a quiet stretch: no z where nothing moves
        values[: lookback + more // 2] = values[0] + 0.1 * SD_MIN * np.arange(lookback + more // 2) / (lookback + more)
    z, sd = np.full(more + 1, 7.0), np.full(more + 1, 7.0)
    standings(values, lookback - 1, lookback, z, sd, np.full((5, BLOCK), 9.0))
    one_by_one = np.array([standing(values, end, lookback) for end in range(lookback, lookback + more + 1)])
    assert z.tobytes() == one_by_one[:, 0].tobytes()
    assert sd.tobytes() == one_by_one[:, 1].tobytes()


@pytest.mark.parametrize(("z", "side"), [(2.0, -1), (1.999, 0), (-1.999, 0), (-2.0, 1), (math.nan, 0)])
def test_the_side_is_against_the_move(z: float, side: int) -> None:
    assert entry_side(z, 2.0) == side


# ---------------------------------------------------------- in the Hedger


def test_z_begins_with_the_bar_that_fills_the_window() -> None:
    desk = Desk(lookback=7)
    decisions = [desk.bar(100 + i % 3) for i in range(9)]
    assert [d.z is None for d in decisions] == [True] * 6 + [False] * 3
    assert [d.reason for d in decisions[:6]] == [Reason.WARMING_UP] * 6


def test_without_a_plan_there_is_no_z_and_with_one_it_is_there_at_once() -> None:
    desk = Desk(ratio=None)
    assert {desk.bar(100 + i % 3).reason for i in range(8)} == {Reason.NO_PLAN}
    revised = desk.plan(plan(1.0))
    assert revised.reason is Reason.PLAN_REVISED
    assert revised.z is not None


def test_a_revision_re_bases_the_whole_window() -> None:
    prices = np.exp(ou_pair(3, 12))
    desk = Desk(ratio=0.5, lookback=10)
    for p, h in prices[:-1]:
        desk.bar(p, h)
    assert desk.bar(*prices[-1]).z == pytest.approx(by_pandas(*prices.T, 0.5, 10), abs=1e-8)
    assert desk.plan(plan(1.3)).z == pytest.approx(by_pandas(*prices.T, 1.3, 10), abs=1e-8)


def test_a_gap_warms_up_again_before_a_z_may_be_used() -> None:
    desk = Desk(lookback=6)
    for i in range(10):
        desk.bar(100 + i % 3)
    desk.hedger.on(Gap(ts_ns=desk.now_ns, since_ns=desk.now_ns - NS))
    after = [desk.bar(100 + i % 3) for i in range(7)]
    assert [d.z is None for d in after] == [True] * 5 + [False] * 2
    assert [d.reason for d in after[:5]] == [Reason.WARMING_UP] * 5


def test_the_multiplier_is_part_of_the_price() -> None:
    from decimal import Decimal  # noqa: PLC0415 - this test alone

    dollars, cents = Desk(), Desk(instruments=(legs(multiplier=Decimal("0.01"))[0], legs()[1]))
    for i in range(6):
        one, other = dollars.bar(100 + i % 3), cents.bar(100 * (100 + i % 3))
    assert one.z == pytest.approx(other.z, abs=1e-9)
