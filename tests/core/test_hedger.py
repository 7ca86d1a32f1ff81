"""What the Hedger says of single events; any sequence of them: test_hedger_machine.py."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from hedgekit.errors import ConfigError, VenueError
from hedgekit.hedger import Hedger, Unpacker, whole
from hedgekit.rules import state as codes
from hedgekit.types import (
    NS,
    Command,
    Fill,
    Instrument,
    Quote,
    Reason,
    Timer,
)
from tests.core.core_made import T0, Desk, legs, params


def test_ids_are_a_pure_function_of_session_sequence_and_leg() -> None:
    desk = Desk(lookback=10)
    desk.warm(9)
    assert [order.order_id for order in desk.bar(103.0).orders] == ["s-1-0", "s-1-1"]


def test_a_fill_of_an_unknown_order_is_the_venues_fault() -> None:
    with pytest.raises(VenueError, match="'s-9-0', which this session does not have open"):
        Desk().hedger.on(made_fill("s-9-0", "1"))


def made_fill(order_id: str, qty: str) -> Fill:
    return Fill(ts_ns=1, order_id=order_id, fill_id="f", instrument="T:KO", venue_ns=1, qty=Decimal(qty), price=Decimal(1), fee=Decimal(0))


@pytest.mark.parametrize("qty", ["-98", "1", "-1000", "0"])
def test_a_fill_beyond_its_order_or_on_its_other_side_is_the_venues_fault(qty: str) -> None:
    desk = Desk(lookback=10)
    desk.warm(9)
    order = desk.bar(103.0).orders[0]
    assert order.qty == -97
    before = desk.hedger._s.tobytes()
    with pytest.raises(VenueError, match=f"a fill of {qty} on order 's-1-0', of which -97 is left"):
        desk.hedger.on(made_fill(order.order_id, qty))
    assert desk.hedger._s.tobytes() == before
    assert desk.hedger.on(made_fill(order.order_id, "-97")).positions[0] == -97


def test_a_quote_of_another_instrument_is_refused_by_name() -> None:
    with pytest.raises(VenueError, match="'T:GE'; this session trades T:KO, T:PEP"):
        Desk().hedger.on(Quote(ts_ns=1, instrument="T:GE", venue_ns=1, bid=1, ask=2, bid_size=1, ask_size=1))


def test_an_unknown_command_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown command 'sell'; known: pause, resume, flatten, halt"):
        Desk().hedger.on(Command(ts_ns=1, name="sell"))


def test_a_pair_needs_two_instruments() -> None:
    with pytest.raises(ConfigError, match="needs 2 to 4 instruments"):
        Hedger("s", [Instrument("T", "KO")], params())


@pytest.mark.parametrize(
    ("qty", "lot", "exact"), [(29.999999999999996, "0.01", "30.00"), (-0.30000000000000004, "0.1", "-0.3"), (7.0, "1", "7")]
)
def test_quantities_become_exact_lots(qty: float, lot: str, exact: str) -> None:
    assert str(whole(qty, Decimal(lot))) == exact


def test_a_wakeup_is_the_next_bar_and_bars_need_quotes() -> None:
    desk = Desk()
    assert desk.hedger.wakeup_ns is None
    desk.now_ns += 1
    desk.quote(0, 100.0)
    assert desk.hedger.wakeup_ns == T0 + NS
    desk.hedger.on(Timer(ts_ns=T0 + NS))
    assert desk.hedger.wakeup_ns is None


def test_a_decision_says_none_for_what_is_not_defined() -> None:
    decision = Desk(ratio=None).hedger.on(Timer(ts_ns=5))
    assert (decision.z, decision.ratio, decision.delta, decision.mids) == (None, None, None, (None, None))
    assert decision.reason is Reason.NOTED
    assert not math.isnan(decision.cost)


@pytest.mark.parametrize(
    ("held", "alive", "qty", "reduces"),
    [
        (100.0, (), -100.0, True),
        (100.0, (), -40.0, True),
        (-100.0, (), 100.0, True),
        (100.0, (), 40.0, False),
        (0.0, (), -40.0, False),
        (100.0, (), -101.0, False),  # through zero
        (100.0, (-60,), -40.0, True),
        (100.0, (-60,), -41.0, False),  # with what is under way it would be
        (100.0, (60,), -100.0, True),  # what may still be bought is no more to sell
    ],
)
def test_an_order_says_whether_it_only_reduces(held: float, alive: tuple[int, ...], qty: float, *, reduces: bool) -> None:
    unpacker = Unpacker("s", legs())
    unpacker.alive |= {f"s-{number}-0": (0, Decimal(left)) for number, left in enumerate(alive)}
    other = [0.0] * 4
    said = unpacker.said(
        1,
        codes.CLOSE,
        0,
        codes.CLOSING,
        *(1, 0),
        *(0.0, 1.0, 0.0, 0.0, 0.0),
        mid=[100.0] * 4,
        pos=[held, *other[1:]],
        target=other,
        order=[qty, *other[1:]],
        expected=[100.0] * 4,
        cancel=[0] * 4,
        limit=other,
        naked=0.0,
    )
    assert [order.reduces for order in said.orders] == [reduces]
