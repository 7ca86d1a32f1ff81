"""The scalar rules with hand numbers: exits, cost, rebalance, structures."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.rules import cost, exits, rebalance
from hedgekit.rules.state import STOP, TARGET, WAIT_TARGET
from hedgekit.structures import pairs, unhedged
from hedgekit.types import Evidence, Fees, HedgePlan


@pytest.mark.parametrize(
    ("z", "side", "reason"),
    [
        (-2.0, 1, WAIT_TARGET),
        (-0.5, 1, TARGET),
        (-0.51, 1, WAIT_TARGET),
        (0.7, 1, TARGET),
        (-3.5, 1, STOP),
        (-3.49, 1, WAIT_TARGET),
        (2.0, -1, WAIT_TARGET),
        (0.5, -1, TARGET),
        (-4.0, -1, TARGET),
        (3.5, -1, STOP),
    ],
)
def test_exits(z: float, side: int, reason: int) -> None:
    """A2 with target 0.5 and stop 3.5, both counted on the side entered."""
    assert exits.exit_reason(z, side, 0.5, 3.5) == reason


@given(z=st.floats(-10, 10))
def test_exits_are_symmetric(z: float) -> None:
    assert exits.exit_reason(z, 1, 0.5, 3.5) == exits.exit_reason(-z, -1, 0.5, 3.5)


def test_unit_cost_by_hand() -> None:
    """Bid 99, ask 101, half a spread is 1 %; fees 5 bp; 2 cents a unit on a 100 x 0.5 unit are 4 bp."""
    assert cost.unit_cost(99.0, 101.0, 0.5, 0.0005, 0.02) == pytest.approx(0.01 + 0.0005 + 0.0004)


def test_risk_removed_by_hand() -> None:
    """10 / 2 / 1e5 x 1e-4 x 10 bars x (6000^2 - 1000^2) = 1.75."""
    assert cost.risk_removed(6000.0, 1000.0, 10.0, 1e5, 1e-4, 10.0) == pytest.approx(1.75)
    assert cost.risk_removed(1000.0, 1000.0, 10.0, 1e5, 1e-4, 10.0) == 0


def test_entry_edge_by_hand() -> None:
    """From |z| 2.5 to 0.5 at a sd of 1 % on 100,000: 2,000."""
    assert cost.entry_edge(-2.5, 0.01, 0.5, 1e5) == pytest.approx(2000.0)


@pytest.mark.parametrize(("delta", "out"), [(0.05, False), (-0.05, False), (0.0501, True), (-0.0501, True), (math.nan, False)])
def test_corridor(delta: float, out: bool) -> None:  # noqa: FBT001 - a column of the table
    assert rebalance.outside(delta, 0.05) == out


def test_look_is_due_when_the_interval_is_over() -> None:
    assert not rebalance.look_due(104, 100, 5)
    assert rebalance.look_due(105, 100, 5)


@pytest.mark.parametrize(
    ("qty", "lot", "lots"), [(2.5, 1, 3), (-2.5, 1, -3), (2.49, 1, 2), (0.49, 1, 0), (-0.2, 1, 0), (37, 25, 25), (38, 25, 50)]
)
def test_lots_round_to_nearest_ties_away_from_zero(qty: float, lot: float, lots: float) -> None:
    rounded = pairs.lots(qty, float(lot))
    assert rounded == lots
    assert math.copysign(1, rounded) == (-1 if lots < 0 else 1)


def test_hedge_by_hand() -> None:
    """A4: 0.85 means $850 of hedge for $1,000 of primary: 100 at $10 against 42.5 at $20, in lots of 1."""
    assert pairs.hedge_quantity(100.0, 0.85, 10.0, 20.0, 1.0) == -43
    assert pairs.hedge_quantity(-100.0, 0.85, 10.0, 20.0, 1.0) == 43
    assert unhedged.hedge_quantity(100.0, 0.85, 10.0, 20.0, 1.0) == 0


def test_net_delta_by_hand() -> None:
    """$1,000 of primary at 0.85 with $800 sold: 5 % of it is left; a hedge beside an unfilled primary is a fraction too."""
    assert pairs.net_delta(1000.0, -800.0, 0.85, 1000.0) == pytest.approx(0.05)
    assert pairs.net_delta(-1000.0, 800.0, 0.85, 1000.0) == pytest.approx(-0.05)
    assert pairs.net_delta(0.0, -850.0, 0.85, 1000.0) == pytest.approx(-0.85)
    assert math.isnan(pairs.net_delta(0.0, 0.0, 0.85, 1000.0))


@given(primary=st.integers(-1000, 1000), ratio=st.floats(0.1, 2), prices=st.tuples(st.floats(1, 500), st.floats(1, 500)))
def test_the_hedge_leaves_at_most_half_a_lot(primary: int, ratio: float, prices: tuple[float, float]) -> None:
    hedge = pairs.hedge_quantity(float(primary), ratio, *prices, 1.0)
    left = ratio * primary * prices[0] + hedge * prices[1]
    assert abs(left) <= 0.5 * prices[1] + 1e-6


# -------------------------------------------------------------- money and plans


def test_fees_are_rounded_half_up_at_each_fill() -> None:
    """0.5 bp of 3 x $1 is 0.00015: half-up gives 0.0002; of 1 x $1 is 0.00005: 0.0001, where half-even says 0."""
    fees = Fees(rate=Decimal("0.00005"))
    assert fees.of(Decimal(3), Decimal(1), Decimal(1)) == Decimal("0.0002")
    assert fees.of(Decimal(-1), Decimal(1), Decimal(1)) == Decimal("0.0001")
    assert Fees(per_unit=Decimal("0.0035")).of(Decimal(-200), Decimal(50), Decimal(1)) == Decimal("0.7000")


@pytest.mark.parametrize(
    ("p_value", "override", "trusted"),
    [(0.049, None, True), (0.05, None, False), (None, None, False), (0.9, "because I say so", True), (None, "because I say so", True)],
)
def test_a_plan_is_trusted_for_its_evidence_or_for_a_reason_given(p_value: float | None, override: str | None, trusted: bool) -> None:  # noqa: FBT001 - a column of the table
    plan = HedgePlan(1.0, 0.1, 250, "OLS", 0, 1, Evidence("EG", -3.0, p_value, 250), override=override)
    assert plan.trusted(0.05) == trusted
