"""Fee formulas against the venues' own worked examples, and by hand."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.exchange import BinaryMarket, Exchange, Executed, FillModel, Flat, Formula, Kalshi, Level, Margin, NewOrder, Polymarket, Terms
from hedgekit.exchange.contract import Contract
from hedgekit.exchange.fees import Charge, Trade
from hedgekit.types import Fees, Instrument, Kind

D = Decimal
YES = Instrument("K", "YES", Kind.BINARY, tick=D("0.0001"), lot=D("0.01"))

# docs.kalshi.com, "Fee Rounding", stored copy of spring 2026: three fills of an order; net fee, then what is carried on. The page
# takes trade fees of 0.0085 and 0.0041 in its first two examples, which are not 0.07 x C x P x (1 - P): the rates here give them.
KALSHI_2026 = [
    ("0.1635", "0.055", "1", [("0.0150", "0.0065"), ("0.0050", "0.0030"), ("0.0150", "0.0095")]),
    ("0.054", "0.50", "0.30", [("0.0100", "0.0059"), ("0.0000", "0.0018"), ("0.0100", "0.0077")]),
    ("0.07", "0.3301", "0.03", [("0.010097", "0.009597"), ("0.000097", "0.009194"), ("0.000097", "0.008791")]),
]
# The same page, stored copy of autumn 2026: fees to 6 decimals. Its model fee of 0.00363825 is that of one contract at 0.055.
KALSHI_LATER = Kalshi(quantum=D("0.000001"), precision=D("0.01"))
# kalshi.com's fee schedule of 2025: round up to the next cent, for each order. Price, contracts, taker, maker.
KALSHI_2025 = [("0.05", 100, "0.34", "0.09"), ("0.10", 100, "0.63", "0.16"), ("0.25", 100, "1.32", "0.33"), ("0.50", 1, "0.02", "0.01")]
KALSHI_2025 += [("0.50", 100, "1.75", "0.44"), ("0.99", 1, "0.01", "0.01")]
# docs.polymarket.com, "Fees": peak fees of 100 shares at 0.50 by category, and its sports table.
POLYMARKET_2026 = [("0.07", "0.50", "1.75"), ("0.03", "0.50", "0.75"), ("0.04", "0.50", "1.00"), ("0.05", "0.50", "1.25")]


def contract(instrument: Instrument = YES, **terms: object) -> Contract:
    return Contract(instrument, Terms(**terms), "USD")  # type: ignore[arg-type]


def fee(formula: Formula, price: str, qty: str, *, maker: bool = False, carry: str = "0") -> Charge:
    return formula.of(Trade(contract(), D(qty), D(price), maker, D(carry)))


@pytest.mark.parametrize(("rate", "price", "qty", "fills"), KALSHI_2026)
def test_kalshi_three_fills_of_an_order(rate: str, price: str, qty: str, fills: list[tuple[str, str]]) -> None:
    carry = "0"
    for net, carried in fills:
        charge = fee(Kalshi(taker=D(rate), precision=D("0.01")), price, qty, carry=carry)
        assert charge == (D(net), D(carried))
        change = -D(price) * D(qty) - charge.fee
        assert change % D("0.01") == 0, "the balance stays on whole cents"
        carry = str(charge.carry)


def test_kalshi_gives_back_only_what_exceeds_a_cent() -> None:
    first = Kalshi(taker=D("0.1635"), precision=D("0.01"))
    assert fee(first, "0.055", "1", carry="0.0035") == (D("0.0150"), D("0.0100")), "0.0035 + 0.0065 is a cent, not more"
    assert fee(first, "0.055", "1", carry="0.0036") == (D("0.0050"), D("0.0001"))


def test_kalshi_with_finer_fees() -> None:
    assert fee(KALSHI_LATER, "0.055", "1").fee == D("0.003639") + D("0.001361")


@pytest.mark.parametrize(("price", "count", "taker", "maker"), KALSHI_2025)
def test_kalshi_by_the_cent(price: str, count: int, taker: str, maker: str) -> None:
    """With whole cents all over, it is the older rule: 0.07 x C x P x (1 - P), up to the next cent."""
    cents = Kalshi(maker=D("0.0175"), quantum=D("0.01"), precision=D("0.01"))
    assert fee(cents, price, str(count)).fee == fee(cents, price, str(-count)).fee == D(taker)
    assert fee(cents, price, str(count), maker=True).fee == D(maker)


def test_kalshi_makers_pay_nothing_by_default_and_direct_members_to_the_centicent() -> None:
    assert fee(Kalshi(), "0.50", "10", maker=True) == (0, 0)
    assert fee(Kalshi(), "0.37", "7").fee == D("0.1143"), "0.07 x 7 x 0.37 x 0.63 = 0.114219"


@given(st.integers(1, 99), st.lists(st.integers(1, 500), min_size=1, max_size=20), st.sampled_from(["0.01", "0.0001"]))
def test_kalshi_no_order_overpays_by_more_than_a_cent_and_its_fills(price: int, hundredths: list[int], precision: str) -> None:
    """What rounding overpays is carried, never lost: net fees = trade fees + carry; and no fill's fee is below 0."""
    formula, p, carry, net, trade = Kalshi(precision=D(precision)), D(price) / 100, "0", D(0), D(0)
    for n in hundredths:
        charge = fee(formula, str(p), str(D(n) / 100), carry=carry)
        assert charge.fee >= 0
        net, carry, raw = net + charge.fee, str(charge.carry), D("0.07") * n / 100 * p * (1 - p)
        trade += -(-raw // D("0.0001")) * D("0.0001") if raw % D("0.0001") == 0 else (raw // D("0.0001") + 1) * D("0.0001")
    assert net == trade + D(carry)
    assert 0 <= D(carry) <= D("0.01") + D(precision) * len(hundredths)


@pytest.mark.parametrize(("rate", "price", "hundred"), POLYMARKET_2026)
def test_polymarket_takers(rate: str, price: str, hundred: str) -> None:
    assert fee(Polymarket(D(rate)), price, "100").fee == D(hundred)
    assert fee(Polymarket(D(rate)), price, "100", maker=True).fee == 0


def test_polymarket_rounds_to_5_decimals_and_charges_nothing_below_the_smallest_fee() -> None:
    assert fee(Polymarket(D("0.072")), "0.37", "7").fee == D("0.11748"), "0.1174824"
    assert fee(Polymarket(D("0.05")), "0.5", "0.0005").fee == 0, "0.00000625: anything smaller than 0.00001 rounds to zero, the page says"


def test_polymarket_exponent() -> None:
    assert fee(Polymarket(D("0.25"), exponent=2), "0.50", "100").fee == D("1.5625"), "the 15-minute crypto markets of early 2026: 1.56"


def test_prices_in_cents_cost_the_same() -> None:
    cents = contract(Instrument("K", "CENTS", Kind.BINARY, multiplier=D("0.01")))
    for formula in (Kalshi(), Polymarket(D("0.04"))):
        assert formula.of(Trade(cents, D(10), D(37))) == fee(formula, "0.37", "10")


def test_flat_by_default_is_the_instruments_own_and_may_differ_for_makers() -> None:
    share = contract(Instrument("X", "A", fees=Fees(rate=D("0.001"), per_unit=D("0.005"))))
    assert Flat().of(Trade(share, D(-10), D(100))) == (D("1.0500"), 0)
    both = Flat(taker=Fees(rate=D("0.002")), maker=Fees(rate=D("-0.0001")))
    assert both.of(Trade(share, D(10), D(100))).fee == D("2.0000")
    assert both.of(Trade(share, D(10), D(100), maker=True)).fee == D("-0.1000"), "a rebate"


def test_an_inverse_perpetual_pays_in_coin() -> None:
    """Deribit: fee in BTC = amount / price x rate; 1,000 dollars at 50,000 and 0.0005 are 0.00001 BTC."""
    coin = contract(Instrument("D", "BTC", Kind.INVERSE_PERP, multiplier=D(10), fees=Fees(rate=D("0.0005"))), currency="BTC")
    assert Flat().of(Trade(coin, D(-100), D(50_000))).fee == D("0.00001")
    assert Flat().of(Trade(coin, D(1), D(30_000))).fee == D("0.00000017"), "0.000000166..."


def test_the_exchange_charges_by_the_formula_and_tells_maker_from_taker() -> None:
    perp = Instrument("D", "LINEAR", Kind.LINEAR_PERP, tick=D(1))
    terms = Terms(fees=Flat(Fees(rate=D("0.001")), Fees(rate=D("0.0002"))), margin=Margin(D("0.1"), D("0.05")))
    made = Exchange([perp], D(10_000), FillModel("touch"), terms={perp.key: terms})
    made.on_depth(perp.key, [Level(D(99), D(5))], [Level(D(101), D(5))], 1)
    taken = made.submit(NewOrder("t", perp.key, D(5)), 2)[-1]
    made.submit(NewOrder("m", perp.key, D(5), "limit", D(100)), 3)
    met = made.on_depth(perp.key, [], [Level(D(100), D(5))], 4)[-1]
    assert isinstance(taken, Executed)
    assert isinstance(met, Executed)
    assert [(r.maker, r.fee) for r in (taken, met)] == [(False, D("0.5050")), (True, D("0.1000"))]


def test_the_carry_belongs_to_the_order_not_to_the_account() -> None:
    """The page's first example: two fills of one order, beside two orders of one fill each, of which neither inherits."""
    formula = Kalshi(taker=D("0.1635"), precision=D("0.01"))
    made = Exchange([YES], D(100), FillModel("touch"), markets=[BinaryMarket(YES.key)], terms={YES.key: Terms(fees=formula)})
    made.on_depth(YES.key, [], [Level(D("0.055"), D(1))], 1)
    made.submit(NewOrder("two", YES.key, D(2)), 2)
    made.on_depth(YES.key, [], [Level(D("0.055"), D(3))], 3)
    for name in ("one", "other"):
        made.submit(NewOrder(name, YES.key, D(1)), 4)
    assert [fill.fee for fill in made.ledger.fills] == [D("0.0150"), D("0.0050"), D("0.0150"), D("0.0150")]
    assert made.ledger.cash % D("0.01") == 0


def test_a_formula_is_data() -> None:
    for formula in (Flat(maker=Fees()), Kalshi(), Polymarket(D("0.04"))):
        assert msgspec.json.decode(msgspec.json.encode(Terms(fees=formula)), type=Terms) == Terms(fees=formula)
