"""Contracts that pay 0 or 1: prices, collateral, complements and settlement, by hand."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.errors import ConfigError, DataError
from hedgekit.exchange import (
    BinaryMarket,
    Cancelled,
    Converted,
    Exchange,
    Executed,
    FillModel,
    Level,
    NewOrder,
    Refusal,
    Rejected,
    Status,
    Terms,
)
from hedgekit.types import Fill, Instrument, Kind

D = Decimal
YES, NO, ODD = (Instrument("P", name, Kind.BINARY, tick=D("0.001"), lot=D("0.01")) for name in ("YES", "NO", "ODD"))
CENTS = Instrument("P", "CENTS", Kind.BINARY, multiplier=D("0.01"))
SHARE = Instrument("P", "SHARE")
MARKETS = (BinaryMarket("P:YES", "P:NO"), BinaryMarket("P:ODD"))


def market(cash: str = "100", *, size: str = "1000", terms: Mapping[str, Terms] = MappingProxyType({})) -> Exchange:
    made = Exchange([YES, NO, ODD], D(cash), FillModel("touch"), markets=MARKETS, terms=terms)
    for key, bid, ask in (("P:YES", "0.40", "0.42"), ("P:NO", "0.58", "0.60"), ("P:ODD", "0.10", "0.20")):
        made.on_depth(key, [Level(D(bid), D(size))], [Level(D(ask), D(size))], 1)
    return made


def send(made: Exchange, name: str, key: str, qty: str, limit: str | None = None, *, ts_ns: int = 2) -> Refusal | str:  # noqa: PLR0913 - an order in one line
    report = made.submit(NewOrder(name, key, D(qty), "limit" if limit else "market", D(limit) if limit else None), ts_ns)[-1]
    return report.why if isinstance(report, Rejected) else type(report).__name__


def test_a_contract_held_pays_its_outcome() -> None:
    for pays, cash in (("1", D(100) - D("4.2") + 10), ("0", D(100) - D("4.2"))):
        made = market()
        assert send(made, "a", "P:YES", "10") == "Executed"
        done = made.settle("P:YES", D(pays), 5)
        assert (made.ledger.cash, made.ledger.positions(), made.equity) == (cash, {}, cash)
        assert done.payouts == {"P:YES": D(pays), "P:NO": 1 - D(pays)}
        assert done.positions == {"P:YES": D(10), "P:NO": D(0)}
        assert done.paid == {"P:YES": 10 * D(pays), "P:NO": D(0)}


def test_selling_yes_is_buying_no() -> None:
    """At mirrored prices both lose and earn the same at either outcome, and both lock up the same cash."""
    for pays in ("0", "1"):
        sold, bought = market(), market()
        assert send(sold, "a", "P:YES", "-10") == "Executed"
        assert send(bought, "a", "P:NO", "10") == "Executed"
        assert sold.free_cash == bought.free_cash == D(94)
        sold.settle("P:YES", D(pays), 5)
        bought.settle("P:NO", 1 - D(pays), 5)
        assert sold.ledger.cash == bought.ledger.cash == D(94) + 10 * (1 - D(pays))


def test_one_of_each_is_worth_one_whatever_happens() -> None:
    made = market()
    send(made, "y", "P:YES", "10")
    send(made, "n", "P:NO", "10")
    assert made.ledger.cash == D(100) - D("4.2") - D(6)
    assert made.free_cash == D(100) - D("10.2") + 10, "the pair pays 10 for certain"
    assert made.equity == D(100) - D("10.2") + 10


def test_no_more_than_the_cash_can_lose() -> None:
    made = market("10")
    assert send(made, "big", "P:YES", "24.40") is Refusal.BUYING_POWER, "24.40 x 0.41, the mid, is 10.004"
    assert send(made, "short", "P:YES", "-17") is Refusal.BUYING_POWER, "17 x 0.59 is 10.03"
    assert send(made, "limit", "P:YES", "20", "0.30") == "Accepted"
    assert made.free_cash == D(4)
    assert send(made, "rest", "P:ODD", "27") is Refusal.BUYING_POWER, "27 x 0.15, and 6 are spoken for"
    assert send(made, "odd", "P:ODD", "20") == "Executed"
    assert made.free_cash == D(0)
    assert send(made, "close", "P:ODD", "-20") == "Executed", "closing needs no cash"


def test_half_of_a_certain_pair_cannot_be_sold_once_its_certainty_is_spent() -> None:
    """Found by the law below: YES + NO pay 10 for certain; lent against ODD, neither half may go for less."""
    made = market("10.20")
    send(made, "y", "P:YES", "10")
    send(made, "n", "P:NO", "10")
    assert (made.ledger.cash, made.free_cash) == (D(0), D(10))
    assert send(made, "spend", "P:ODD", "50") == "Executed"
    assert made.free_cash == D(0)
    assert send(made, "half", "P:YES", "-10") is Refusal.BUYING_POWER
    assert send(made, "odd", "P:ODD", "-50") == "Executed"
    assert send(made, "now", "P:YES", "-5") == "Executed"


def test_a_fraction_of_a_contract_may_be_sold_short() -> None:
    assert send(market(), "a", "P:YES", "-0.25") == "Executed"


def test_prices_lie_between_0_and_what_it_pays() -> None:
    made = Exchange([YES, NO, CENTS], D(100), markets=[MARKETS[0], BinaryMarket("P:CENTS")])
    with pytest.raises(DataError, match=r"P:YES is quoted at 1: a binary contract's price lies between 0 and 1; correct the tape"):
        made.on_depth("P:YES", [], [Level(D(1), D(5))], 1)
    made.on_depth("P:CENTS", [Level(D(41), D(5))], [Level(D(42), D(5))], 2)
    with pytest.raises(DataError, match=r"P:CENTS is quoted at 101: a binary contract's price lies between 0 and 100;"):
        made.on_depth("P:CENTS", [], [Level(D(101), D(5))], 3)
    assert send(made, "a", "P:YES", "1", "1", ts_ns=4) is Refusal.PRICE
    assert send(made, "b", "P:CENTS", "1", "42", ts_ns=4) == "Accepted"


def test_settlement_ends_orders_and_trading() -> None:
    made = market()
    assert send(made, "a", "P:YES", "10", "0.30") == "Accepted"
    assert send(made, "b", "P:NO", "10", "0.30") == "Accepted"
    done = made.settle("P:NO", D(1), 5)
    assert [(c.order.request.client_id, c.why, c.order.status) for c in done.cancelled] == [
        ("a", "settled", Status.CANCELLED),
        ("b", "settled", Status.CANCELLED),
    ]
    assert all(isinstance(c, Cancelled) for c in done.cancelled)
    assert send(made, "c", "P:YES", "1", ts_ns=6) is Refusal.INSTRUMENT
    assert made.on_depth("P:YES", [Level(D("0.5"), D(5))], [], 7) == (), "a quote after the end is nobody's"
    assert made.free_cash == made.equity == D(100)
    assert send(made, "d", "P:ODD", "1", ts_ns=8) == "Executed", "the other market goes on"


def test_a_settlement_in_the_past_is_none() -> None:
    made = market()
    with pytest.raises(ValueError, match="time went back from 1 to 0"):
        made.settle("P:YES", D(1), 0)
    assert send(made, "a", "P:YES", "10") == "Executed", "the market goes on"


@pytest.mark.parametrize(("pays", "yes", "no"), [("0.5", "5", "5"), ("0.3", "3", "7"), ("0.123456", "1.23456", "8.76544")])
def test_a_split_or_scalar_outcome_pays_both(pays: str, yes: str, no: str) -> None:
    """Polymarket resolves to 0.5 and 0.5 what has no answer; a Kalshi scalar market pays its settlement value."""
    made = market()
    made.split("P:YES", D(10), 2)
    done = made.settle("P:NO", 1 - D(pays), 5)
    assert done.payouts == {"P:NO": 1 - D(pays), "P:YES": D(pays)}
    assert done.paid == {"P:YES": D(yes), "P:NO": D(no)}
    assert made.ledger.cash == made.equity == 100


def test_sets_are_made_of_cash_and_turned_back_into_it() -> None:
    made = market()
    made.ledger.post(_fill("old", "P:YES", "2", "0.40"))
    assert made.split("P:NO", D(10), 2) == Converted(2, D(10), {"P:YES": D(12), "P:NO": D(10)}, D(-10))
    assert made.ledger.cash == D(90) - D("0.8")
    assert (made.ledger.entry("P:YES"), made.ledger.entry("P:NO")) == ((10 * D("0.5") + 2 * D("0.4")) / 12, D("0.5"))
    assert made.merge("P:YES", D(10), 3) == Converted(3, D(-10), {"P:YES": D(2), "P:NO": D(0)}, D(10))
    assert made.ledger.cash == D(100) - D("0.8")
    assert [(b.what, b.amount) for b in made.ledger.bookings] == [("trade", D("-0.8")), ("split", D(-10)), ("merge", D(10))]


def test_a_set_held_is_sold_in_halves() -> None:
    """A set of 1, its YES sold at 0.40, its NO at 0.58: 0.02 lost, as the spread of both has it."""
    made = market()
    made.split("P:YES", D(10), 2)
    assert send(made, "y", "P:YES", "-10") == send(made, "n", "P:NO", "-10") == "Executed"
    assert made.ledger.cash == D(100) - D("0.2")
    assert (made.ledger.profit("P:YES"), made.ledger.profit("P:NO")) == (D(-1), D("0.8"))


def test_sets_have_a_value_before_there_is_a_quote() -> None:
    made = Exchange([YES, NO], D(100), markets=MARKETS[:1])
    made.split("P:YES", D(10), 1)
    assert made.equity == 100
    made = Exchange([YES, NO], D(100), markets=MARKETS[:1])
    made.on_depth("P:NO", [Level(D("0.2"), D(1))], [Level(D("0.3"), D(1))], 1)
    made.split("P:YES", D(10), 1)
    assert made.equity == 100
    assert made.marks["P:YES"] == D("0.75")


def test_what_sets_cannot_be_made_or_merged() -> None:
    made = market()
    made.split("P:YES", D(10), 2)
    assert send(made, "work", "P:YES", "-4", "0.9") == "Accepted"
    for call, key, qty, why, words in (
        (made.split, "P:ODD", "1", Refusal.INSTRUMENT, "P:ODD is in no open market of two contracts, so there are no complete sets of it"),
        (made.split, "P:YES", "0", Refusal.QUANTITY, "quantity 0: must be above 0 and a multiple of the lot of both contracts"),
        (made.split, "P:YES", "-1", Refusal.QUANTITY, "quantity -1: must be above 0 and a multiple of the lot of both contracts"),
        (made.merge, "P:YES", "0.001", Refusal.QUANTITY, "quantity 0.001: must be above 0 and a multiple of the lot of both contracts"),
        (made.merge, "P:YES", "NaN", Refusal.QUANTITY, "quantity NaN: must be above 0 and a multiple of the lot of both contracts"),
        (made.split, "P:YES", "90.01", Refusal.BUYING_POWER, "90.01 sets cost 90.01, the account has 90 in cash"),
        (made.merge, "P:YES", "11", Refusal.QUANTITY, "11 sets need 11 P:YES; held are 10"),
        (made.merge, "P:YES", "7", Refusal.THROUGH_ZERO, "4 P:YES are in orders to sell, 3 would be held; cancel them first"),
    ):
        before = (made.ledger.cash, made.ledger.positions(), len(made.ledger.bookings))
        no = call(key, D(qty), 3)
        assert isinstance(no, Rejected)
        assert (no.why, no.message) == (why, words)
        assert (made.ledger.cash, made.ledger.positions(), len(made.ledger.bookings)) == before
    assert isinstance(made.merge("P:YES", D(6), 3), Converted)


def test_a_contract_sold_short_is_bought_back_first() -> None:
    made = market()
    send(made, "s", "P:YES", "-5")
    no = made.split("P:YES", D(5), 3)
    assert isinstance(no, Rejected)
    assert no.message == "5 sets need no P:YES sold short; held are -5"
    made = market()
    send(made, "rest", "P:YES", "-5", "0.9")
    no = made.split("P:YES", D(4), 3)
    assert isinstance(no, Rejected)
    assert no.why is Refusal.THROUGH_ZERO, "the sale was to open a short of 5; it would close 4 and open 1"
    assert isinstance(made.split("P:YES", D(5), 3), Converted)


def test_a_settled_market_has_no_sets() -> None:
    made = market()
    made.split("P:YES", D(10), 2)
    made.settle("P:YES", D(1), 3)
    assert isinstance(made.merge("P:YES", D(1), 4), Rejected)


def _fill(name: str, key: str, qty: str, price: str) -> Fill:
    return Fill(ts_ns=0, order_id="o", fill_id=name, instrument=key, venue_ns=0, qty=D(qty), price=D(price), fee=D(0))


@pytest.mark.parametrize(("key", "pays"), [("P:SHARE", "1"), ("P:YES", "1.5"), ("P:YES", "NaN"), ("P:ODD", "1")])
def test_what_cannot_be_settled(key: str, pays: str) -> None:
    made = Exchange([YES, NO, ODD, SHARE], D(100), markets=MARKETS)
    made.settle("P:ODD", D(0), 1)
    with pytest.raises(ConfigError, match=r"give an unsettled binary contract \(there are: P:YES, P:NO\) and what it pays, from 0 to 1"):
        made.settle(key, D(pays), 2)


@pytest.mark.parametrize(
    ("markets", "message"),
    [
        ([], r"P:YES is binary: say which market it is in: markets=\[BinaryMarket\(yes, no\)\]"),
        ([BinaryMarket("P:YES", "P:YES")], r"P:YES is in two markets; a contract resolves once"),
        ([BinaryMarket("P:NONE")], r"market of P:NONE: no such instrument; there are: P:YES, P:SHARE"),
        ([BinaryMarket("P:YES", "P:SHARE")], r"market of P:SHARE: it is spot, not binary"),
    ],
)
def test_markets_must_fit_the_instruments(markets: list[BinaryMarket], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Exchange([YES, SHARE], markets=markets)


def test_a_set_settles_in_one_currency() -> None:
    with pytest.raises(ConfigError, match="market of P:YES and P:NO: they settle in different currencies; give both the same in terms"):
        Exchange([YES, NO], {"USD": D(1), "pUSD": D(1)}, markets=MARKETS[:1], terms={"P:NO": Terms("pUSD")})


def test_shares_keep_their_credit_beside_contracts() -> None:
    made = Exchange([YES, NO, SHARE], D(1000), FillModel("touch"), markets=MARKETS[:1])
    made.on_depth("P:SHARE", [Level(D(99), D(100))], [Level(D(101), D(100))], 1)
    made.on_depth("P:YES", [Level(D("0.4"), D(100))], [Level(D("0.5"), D(100))], 1)
    assert send(made, "a", "P:SHARE", "30") == "Executed"
    assert made.exposure == D(3000)
    assert send(made, "b", "P:YES", "10") is Refusal.BUYING_POWER, "the cash went into the shares"


steps = st.lists(st.tuples(st.sampled_from(["P:YES", "P:NO", "P:ODD"]), st.integers(-40, 40), st.integers(1, 99)), min_size=5, max_size=30)


@settings(max_examples=60, deadline=None)
@given(steps, st.booleans(), st.booleans())
def test_the_worst_outcome_never_costs_more_than_there_is(history: list[tuple[str, int, int]], yes: bool, odd: bool) -> None:  # noqa: FBT001 - drawn
    """Free cash stays above 0 less what a market order paid beyond its mid, and settling pays at least what it counted on."""
    made = market("30")
    slack = D(0)
    for n, (key, qty, price) in enumerate(history):
        bid, ask = D(price) / 100, D(price) / 100 + D("0.001")
        made.on_depth(key, [Level(bid, D(1000))], [Level(ask, D(1000))], n + 2)
        for report in made.submit(NewOrder(f"o{n}", key, D(qty)), n + 2) if qty else ():
            if isinstance(report, Executed):
                slack += abs(report.qty) * D("0.0005")
    counted = made.ledger.cash + made.markets.floor(made.ledger.position, "USD")
    assert counted >= -slack
    made.settle("P:YES", D(int(yes)), 100)
    made.settle("P:ODD", D(int(odd)), 100)
    assert made.ledger.positions() == {}
    assert made.ledger.cash >= counted


def test_a_signed_contract_nets_through_zero_against_its_collateral() -> None:
    """10 YES at 0.20, then 30 sold at 0.10 in one order: 10 close, 20 are NO at 0.90; with a complement the sale is refused."""
    made = market("20", terms={"P:ODD": Terms(signed=True)})
    assert send(made, "a", "P:ODD", "10") == "Executed"
    assert send(made, "too much", "P:ODD", "-32", "0.10") is Refusal.BUYING_POWER, "18 + 3.2 of cash stand against 22 short"
    assert send(made, "b", "P:ODD", "-30", "0.10") == "Executed"
    assert (made.ledger.position("P:ODD"), made.ledger.cash, made.free_cash) == (D(-20), D(21), D(1))
    assert (made.ledger.profit("P:ODD"), made.ledger.cost("P:ODD")) == (D(-1), D(-2))
    assert send(made, "c", "P:ODD", "5", "0.05") == "Accepted"
    assert send(made, "d", "P:ODD", "-0.1", "0.15") == "Accepted", "both sides may rest at once, as long as they do not meet"
    assert send(made, "y", "P:YES", "1") == "Executed"
    assert send(made, "z", "P:YES", "-2", "0.40") is Refusal.THROUGH_ZERO
