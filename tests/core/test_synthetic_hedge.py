"""A7: the synthetic hedge by hand, its cap at resolution, and that nobody rebalances it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.rules.state import STRUCTURES
from hedgekit.structures.synthetic import capped_quantity, hedge_quantity
from hedgekit.types import NS, Action, Fees, Instrument, Kind, Phase
from tests.core.core_made import Desk


def test_150_dollars_against_1000() -> None:
    assert hedge_quantity(20.0, 0.8, 50.0, 25.0, 1.0, 0.15) == -6.0  # 0.15 x 1,000 / 25
    assert hedge_quantity(-20.0, 0.8, 50.0, 25.0, 1.0, 0.15) == 6.0
    assert hedge_quantity(20.0, -0.8, 50.0, 25.0, 1.0, 0.15) == 6.0  # a hedge that moves against the primary is bought


def test_binary_cap_is_the_vectors() -> None:
    """BIN-CAP: 2,000 YES at .5, NO at .52, cap 600: M = 833.33."""
    assert capped_quantity(2_000.0, 0.5, 0.52, 0.01, 600.0) == pytest.approx(833.33)
    assert capped_quantity(1_000 / 0.85, 0.85, 0.15, 0.01, 150.0) == pytest.approx(1_000.0)
    assert capped_quantity(100.0, 0.5, 0.5, 1.0, 60.0) == 0.0  # at most 50 can be lost anyway


@given(
    n=st.floats(10, 10_000),
    p=st.floats(0.05, 0.95),
    edge=st.floats(-0.02, 0.04),
    share=st.floats(0.05, 0.95),
    side=st.sampled_from([1, -1]),
)
def test_law_a_resolution_costs_no_more_than_the_cap(n: float, p: float, edge: float, share: float, side: int) -> None:
    q = min(max(1 - p + edge, 0.01), 0.99)
    worst = n * p if side > 0 else n * (1 - p)
    cap = share * worst
    held = capped_quantity(side * n, p, q, 1e-9, cap)
    outcomes = [side * n * (yes - p) + held * ((1 - yes) - q) for yes in (0.0, 1.0)]
    bad = outcomes[0] if side > 0 else outcomes[1]
    assert bad == pytest.approx(-cap, rel=1e-6, abs=1e-6)


def contracts() -> tuple[Instrument, Instrument]:
    return tuple(Instrument("T", name, kind=Kind.BINARY, fees=Fees()) for name in ("YES", "NO"))  # type: ignore[return-value]


def opened(**changes: object) -> Desk:
    desk = Desk(
        lookback=10, structure="synthetic", signal="logit", entry=1.5, stop=100.0, notional=1_000.0, instruments=contracts(), **changes
    )
    for i in range(9):
        desk.bar(0.5 + (0.005 if i % 2 else -0.005), 0.5)
    desk.entry = desk.bar(0.46, 0.54)  # type: ignore[attr-defined]
    return desk


def test_both_legs_leave_together_and_the_protection_is_never_rebalanced() -> None:
    desk = opened(loss_cap=400.0)
    entry = desk.entry  # type: ignore[attr-defined]
    assert entry.action is Action.OPEN
    assert [(o.leg, o.qty) for o in entry.orders] == [(0, Decimal(2174)), (1, Decimal(1304))]  # (2,174 x .46 - 400) / (1 - .54)
    for order in entry.orders:
        desk.fill(order)
    assert desk.hedger.phase is Phase.OPEN
    desk.now_ns += 10 * NS
    assert desk.quote(0, 0.30).orders == ()
    assert desk.bar(0.50, 0.50).action is Action.CLOSE


def test_by_the_excursion_it_is_a_fraction() -> None:
    entry = opened(hedge_frac=0.15).entry  # type: ignore[attr-defined]
    primary, protection = (abs(float(o.qty)) for o in entry.orders)
    assert protection * 0.54 == pytest.approx(0.15 * primary * 0.46, rel=0.01)
    assert set(STRUCTURES) == {"pairs", "unhedged", "synthetic", "delta"}
