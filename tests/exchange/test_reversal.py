"""Ticks that change, fills that come to nothing after all, and positions that are one signed number."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hedgekit.errors import ConfigError
from hedgekit.exchange import BinaryMarket, Exchange, Executed, FillModel, Level, NewOrder, Refusal, Rejected, Terms
from hedgekit.types import Fees, Instrument, Kind

YES = Instrument("P", "YES", Kind.BINARY, fees=Fees(per_unit=Decimal("0.01")))


def exchange(*, signed: bool = True) -> Exchange:
    """Return an exchange that shows 100 at 0.48 and 100 at 0.52."""
    terms = {YES.key: Terms(signed=signed)}
    made = Exchange([YES], Decimal(1000), FillModel("touch"), markets=[BinaryMarket(YES.key)], terms=terms)
    made.on_depth(YES.key, [Level(Decimal("0.48"), Decimal(100))], [Level(Decimal("0.52"), Decimal(100))], 1)
    return made


def fill(made: Exchange, name: str, qty: str) -> Executed:
    """Send a market order; return its one fill."""
    done = made.submit(NewOrder(name, YES.key, Decimal(qty), tif="ioc"), 2)
    return next(report for report in done if isinstance(report, Executed))


def test_a_reversal_books_everything_back() -> None:
    made = exchange()
    kept, undone = fill(made, "a", "10"), fill(made, "b", "5")
    cash = made.ledger.cash
    report = made.reverse(undone.execution_id, 3)
    assert (report.qty, report.price, report.fee, report.position) == (Decimal(-5), Decimal("0.52"), Decimal("-0.05"), Decimal(10))
    assert made.ledger.cash == cash + 5 * Decimal("0.52") + Decimal("0.05")
    assert made.ledger.cost(YES.key) == 10 * Decimal("0.52")
    assert made.ledger.opening["USD"] + sum(one.amount for one in made.ledger.bookings) == made.ledger.cash
    for name in (undone.execution_id, report.execution_id, "none"):
        with pytest.raises(ConfigError, match="give an execution that was booked and not reversed yet"):
            made.reverse(name, 4)
    assert made.reverse(kept.execution_id, 4).position == 0


def test_no_fee_is_taken_back_as_no_fee() -> None:
    """Not as -0, which no venue would write."""
    free = Exchange([(one := Instrument("P", "FREE", Kind.BINARY))], Decimal(9), FillModel("touch"), markets=[BinaryMarket(one.key)])
    free.on_depth(one.key, [], [Level(Decimal("0.52"), Decimal(100))], 1)
    (bought,) = (report for report in free.submit(NewOrder("a", one.key, Decimal(5), tif="ioc"), 2) if isinstance(report, Executed))
    assert not free.reverse(bought.execution_id, 3).fee.is_signed()


def test_a_signed_position_passes_through_zero_in_one_order() -> None:
    made = exchange()
    fill(made, "a", "10")
    assert fill(made, "b", "-25").position == -15
    refused = exchange(signed=False)
    fill(refused, "a", "10")
    report = refused.submit(NewOrder("b", YES.key, Decimal(-25), tif="ioc"), 2)[0]
    assert isinstance(report, Rejected)
    assert report.why is Refusal.THROUGH_ZERO


def test_a_tick_that_changed_is_in_force() -> None:
    made = exchange()
    order = NewOrder("a", YES.key, Decimal(10), "limit", Decimal("0.475"))
    assert isinstance(made.submit(order, 2)[0], Rejected)
    made.retick(YES.key, Decimal("0.001"))
    assert made.instruments[YES.key].tick == Decimal("0.001")
    assert not isinstance(made.submit(order, 2)[0], Rejected)
