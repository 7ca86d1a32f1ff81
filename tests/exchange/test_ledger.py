"""The ledger: hand-computed cash, positions, cost and the buying-power rule."""

from __future__ import annotations

from decimal import Decimal, Inexact

import pytest

from hedgekit.exchange.ledger import Ledger, affordable, worst
from hedgekit.exchange.model import EXACT
from hedgekit.types import Fill, Instrument

D = Decimal
DOLLARS = Instrument("X", "A")
CENTS = Instrument("X", "B", multiplier=D("0.01"))


def fill(name: str, qty: str, price: str, fee: str = "0", key: str = "X:A") -> Fill:
    return Fill(ts_ns=0, order_id="o", fill_id=name, instrument=key, venue_ns=0, qty=D(qty), price=D(price), fee=D(fee))


def test_hand_computed_cash_and_positions() -> None:
    ledger = Ledger([DOLLARS, CENTS], D(1000))
    assert ledger.post(fill("1", "10", "12.34", "0.0062")) == 10
    assert ledger.cash == D("876.5938")
    assert ledger.post(fill("2", "-4", "12.50", "0.0025")) == 6
    assert ledger.cash == D("926.5913")
    assert ledger.post(fill("3", "-3", "5011", "0.0075", "X:B")) == -3
    assert ledger.cash == D("1076.9138"), "3 x 5011 cents = 150.33 dollars"
    assert ledger.positions() == {"X:A": D(6), "X:B": D(-3)}
    assert ledger.equity({"X:A": D("12.4"), "X:B": D(5000)}) == D("1076.9138") + D("74.4") - D(150)


def test_an_execution_is_booked_once() -> None:
    ledger = Ledger([DOLLARS], D(1000))
    ledger.post(fill("1", "10", "12.34"))
    with pytest.raises(ValueError, match="execution 1 is booked already"):
        ledger.post(fill("1", "10", "12.34"))
    assert (ledger.cash, ledger.position("X:A"), len(ledger.fills)) == (D("876.6"), 10, 1)


def test_cost_basis_follows_the_average_entry_price() -> None:
    ledger = Ledger([DOLLARS], D(1000))
    ledger.post(fill("1", "10", "10"))
    ledger.post(fill("2", "10", "20"))
    assert ledger.cost("X:A") == 300
    ledger.post(fill("3", "-5", "99"))
    assert ledger.cost("X:A") == 225, "a sale leaves the average of 15"
    ledger.post(fill("4", "-25", "30"))
    assert ledger.cost("X:A") == -300, "through zero: the rest is entered at the fill's price"


def test_money_is_never_rounded() -> None:
    with pytest.raises(Inexact):
        EXACT.divide(D(1), D(3))


@pytest.mark.parametrize(
    ("position", "buys", "sells", "expected"),
    [("0", "5", "0", 5), ("10", "5", "10", 15), ("10", "0", "30", 20), ("-10", "10", "5", 15)],
)
def test_worst_case_position(position: str, buys: str, sells: str, expected: int) -> None:
    assert worst(D(position), D(buys), D(sells)) == expected


def test_buying_power_is_four_times_equity_and_never_stops_a_reduction() -> None:
    assert affordable(D(0), D(4000), D(1000))
    assert not affordable(D(0), D("4000.01"), D(1000))
    assert affordable(D(9000), D(9000), D(1000)), "an order that adds no exposure passes"
    assert not affordable(D(9000), D("9000.01"), D(1000))
