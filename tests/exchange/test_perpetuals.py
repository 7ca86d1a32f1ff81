"""Linear and inverse perpetuals: profit, funding, margin, liquidation and currencies, by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import ConfigError
from hedgekit.exchange import (
    Accepted,
    BinaryMarket,
    Booking,
    Cancelled,
    Exchange,
    Executed,
    FillModel,
    Ledger,
    Level,
    Margin,
    NewOrder,
    Refusal,
    Rejected,
    Reports,
    Terms,
)
from hedgekit.types import Fees, Fill, Instrument, Kind

D = Decimal
FIFTY = Margin(D("0.02"), D("0.01"))
BTC = Instrument("D", "BTC-PERPETUAL", Kind.INVERSE_PERP, tick=D("0.5"), multiplier=D(10), fees=Fees(rate=D("0.0005")))
LIN = Instrument("D", "LINEAR", Kind.LINEAR_PERP, tick=D("0.1"), lot=D("0.1"), multiplier=D("0.5"))
SHARE = Instrument("X", "A")
TERMS = {BTC.key: Terms("BTC", margin=FIFTY), LIN.key: Terms("USDC", margin=Margin(D("0.1"), D("0.05")))}
CASH = {"USD": D(1000), "BTC": D("0.01"), "USDC": D(1000)}


def market(cash: dict[str, Decimal] | None = None, *, model: FillModel | None = None) -> Exchange:
    made = Exchange([SHARE, BTC, LIN], cash or CASH, model or FillModel("touch"), terms=TERMS)
    show(made, BTC.key, "49999.5", "50000.5", at=1)
    show(made, LIN.key, "99.9", "100.1", at=1)
    show(made, SHARE.key, "9.99", "10.01", at=1)
    return made


def show(made: Exchange, key: str, bid: str, ask: str, *, at: int, size: str = "5000") -> Reports:  # noqa: PLR0913 - a book in one line
    return made.on_depth(key, [Level(D(bid), D(size))], [Level(D(ask), D(size))], at)


def send(made: Exchange, name: str, key: str, qty: str, limit: str | None = None, *, at: int = 2) -> Reports:  # noqa: PLR0913 - an order in one line
    return made.submit(NewOrder(name, key, D(qty), "limit" if limit else "market", D(limit) if limit else None), at)


def filled(reports: Reports) -> Executed:
    (done,) = [r for r in reports if isinstance(r, Executed)]
    return done


def refused(reports: Reports) -> Rejected:
    (no,) = reports
    assert isinstance(no, Rejected)
    return no


# ---------------------------------------------------------------- profit


def test_an_inverse_long_earns_coin() -> None:
    """100 contracts of 10 dollars from 50,000 to 40,000: 1000 / 50000 - 1000 / 40000 = -0.005 BTC; fees 0.0005 of the coin."""
    made = Exchange([BTC], {"BTC": D(1)}, FillModel("touch"), terms={BTC.key: TERMS[BTC.key]})
    show(made, BTC.key, "49999", "50000", at=1)
    bought = filled(send(made, "a", BTC.key, "100"))
    assert (bought.fee, bought.profit) == (D("0.00001"), 0)
    assert made.ledger.cash == D("0.99999"), "nothing is paid for the contracts themselves"
    assert made.ledger.entry(BTC.key) == 50_000
    show(made, BTC.key, "40000", "40001", at=3)
    assert made.equity == D("0.99999") + D("0.02") - round(1000 / D("40000.5"), 8)
    sold = filled(send(made, "b", BTC.key, "-100", at=4))
    assert (sold.fee, sold.profit) == (D("0.0000125"), D("-0.005"))
    assert made.ledger.cash == D(1) - D("0.00001") - D("0.0000125") - D("0.005")
    assert made.ledger.entry(BTC.key) is None


def test_an_inverse_short_earns_when_the_price_falls_and_averages_harmonically() -> None:
    """Short 60 contracts at 50,000 and 60 at 40,000: average 2 / (1/50000 + 1/40000) = 44,444.4..."""
    ledger = Ledger([BTC], {"BTC": D(1)}, {BTC.key: TERMS[BTC.key]})
    ledger.post(fill("1", "-60", "50000"))
    ledger.post(fill("2", "-60", "40000"))
    assert ledger.entry(BTC.key) == D(1200) / D("0.027")
    ledger.post(fill("3", "40", "30000"))
    assert ledger.profit(BTC.key) == D("0.01333333") - D("0.009"), "400 / 30000 and a third of 0.012 + 0.015"
    ledger.post(fill("4", "80", "30000"))
    assert ledger.profit(BTC.key) == D("0.01333333") + D("0.02666667") - D("0.027")
    assert ledger.cash == 1 + ledger.profit(BTC.key)


def test_a_linear_position_pays_only_profit() -> None:
    made = market()
    filled(send(made, "a", LIN.key, "10"))
    assert made.ledger.balances["USDC"] == 1000
    show(made, LIN.key, "109.9", "110.1", at=3)
    assert made.summary("USDC").equity == 1000 + 10 * D("9.9") * D("0.5")
    done = filled(send(made, "b", LIN.key, "-4", at=4))
    assert done.profit == 4 * (D("109.9") - D("100.1")) * D("0.5") == D("19.6")
    assert made.ledger.balances["USDC"] == D("1019.6")
    assert (made.ledger.entry(LIN.key), made.ledger.position(LIN.key)) == (D("100.1"), 6)


def test_a_perpetual_may_go_through_zero_in_one_order() -> None:
    made = market()
    send(made, "a", LIN.key, "10")
    done = filled(send(made, "b", LIN.key, "-25"))
    assert (done.profit, done.position) == (10 * (D("99.9") - D("100.1")) / 2, -15)
    assert (made.ledger.entry(LIN.key), made.ledger.cost(LIN.key)) == (D("99.9"), -15 * D("99.9") / 2)


def fill(name: str, qty: str, price: str, key: str = BTC.key) -> Fill:
    return Fill(ts_ns=0, order_id="o", fill_id=name, instrument=key, venue_ns=0, qty=D(qty), price=D(price), fee=D(0))


trades = st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.integers(20_000, 60_000)), min_size=1, max_size=30)


@given(trades)
def test_profit_is_exact_whatever_the_way_to_it(history: list[tuple[int, int]]) -> None:
    """Closed at the end, a linear position has made its cash flow to the last digit; an inverse one, within half a quantum a fill."""
    ledger = Ledger([BTC, LIN], {"BTC": D(1), "USDC": D(1)}, TERMS)
    history = [*history, (-sum(qty for qty, _ in history), 40_000)]
    flow, coins = Fraction(0), Fraction(0)
    for n, (qty, price) in enumerate(history):
        if qty:
            ledger.post(fill(f"b{n}", str(qty), str(price)))
            ledger.post(fill(f"l{n}", str(qty), f"{price}.7", LIN.key))
        flow -= Fraction(qty) * Fraction(f"{price}.7") / 2
        coins += Fraction(qty * 10, price)
    assert ledger.positions() == {}
    assert ledger.balances["USDC"] == 1 + D(flow.numerator) / D(flow.denominator)
    assert abs(Fraction(ledger.balances["BTC"]) - 1 - coins) <= len(history) * Fraction(1, 2 * 10**8)
    assert ledger.balances["BTC"] % D("0.00000001") == 0
    assert all(ledger.balances[c] == 1 + sum(b.amount for b in ledger.bookings if b.currency == c) for c in ledger.balances)


# --------------------------------------------------------------- funding


@pytest.mark.parametrize(("qty", "rate", "paid"), [("10", "0.0001", "-0.0505"), ("-10", "0.0001", "0.0505"), ("10", "-0.0003", "0.1515")])
def test_longs_pay_shorts_if_the_rate_is_above_zero(qty: str, rate: str, paid: str) -> None:
    made = market()
    send(made, "a", LIN.key, qty)
    done = made.fund(LIN.key, D(rate), D(101), 3)
    assert (done.paid, done.position, done.reports) == (D(paid), D(qty), ())
    assert made.ledger.balances["USDC"] == 1000 + D(paid)
    assert made.ledger.bookings[-1] == Booking(3, "USDC", D(paid), "funding", LIN.key)


def test_inverse_funding_is_in_coin_and_rounded_once() -> None:
    made = market()
    send(made, "a", BTC.key, "-7")
    assert made.fund(BTC.key, D("0.0001"), D(30_000), 3).paid == D("0.00000023"), "0.0001 x 70 / 30000 = 2.333e-7"


def test_no_position_no_funding() -> None:
    made = market()
    assert made.fund(LIN.key, D("0.0001"), D(101), 3).paid == 0
    assert made.ledger.bookings == []


@pytest.mark.parametrize(("key", "rate", "mark"), [("X:A", "0.1", "1"), ("none", "0.1", "1"), (BTC.key, "NaN", "1"), (BTC.key, "0.1", "0")])
def test_what_cannot_be_funded(key: str, rate: str, mark: str) -> None:
    with pytest.raises(ConfigError, match=r"give a (perpetual \(there are: D:BTC-PERPETUAL, D:LINEAR\)|rate as a fraction)"):
        market().fund(key, D(rate), D(mark), 3)


# ---------------------------------------------------------------- margin


def test_initial_margin_is_asked_with_the_numbers_and_counts_working_orders() -> None:
    made = market()
    no = refused(send(made, "big", LIN.key, "200.1"))
    assert (no.why, no.message) == (
        Refusal.BUYING_POWER,
        "insufficient margin: 1000.50000 USDC would be needed, 1000 of equity are free for it",
    )
    assert isinstance(send(made, "rest", LIN.key, "150", "90")[0], Accepted)
    assert refused(send(made, "more", LIN.key, "50.1", "90")).why is Refusal.BUYING_POWER
    assert isinstance(send(made, "other side", LIN.key, "-200", "110")[0], Accepted), "only one of the two sides can be held"
    assert (made.summary("USDC").initial, made.summary("USDC").available) == (1000, 0)


def test_an_order_that_lowers_the_position_passes_without_margin() -> None:
    made = market()
    send(made, "a", LIN.key, "200")
    made.on_depth(LIN.key, [Level(D("96.9"), D(1000))], [Level(D("97.1"), D(1000))], 3)
    assert made.summary("USDC").available < 0
    assert refused(send(made, "up", LIN.key, "0.1", at=4)).why is Refusal.BUYING_POWER
    assert filled(send(made, "down", LIN.key, "-50", at=4)).position == 150


def test_each_currency_is_an_account_of_its_own() -> None:
    made = market()
    assert refused(send(made, "a", BTC.key, "2501")).message.endswith("0.01 of equity are free for it"), "25,010 dollars need 0.010004 BTC"
    assert (made.exposure, made.equity, made.free_cash) == (0, 1000, 1000)
    send(made, "b", BTC.key, "2500")
    send(made, "c", SHARE.key, "100")
    assert made.ledger.balances == {"USD": D(-1), "BTC": D("0.01") - D("0.00025"), "USDC": D(1000)}
    assert made.ledger.initial == 1000
    with pytest.raises(ConfigError, match="currency 'EUR': the account has USD, BTC, USDC"):
        made.summary("EUR")


def test_shares_leave_less_for_perpetuals_in_the_same_currency() -> None:
    made = Exchange([SHARE, LIN], D(1000), FillModel("touch"), terms={LIN.key: Terms(margin=Margin(D("0.1"), D("0.05")))})
    show(made, SHARE.key, "9.99", "10.01", at=1)
    show(made, LIN.key, "99.9", "100.1", at=1)
    send(made, "a", SHARE.key, "200")
    assert made.summary().available == 998 - D(500), "2,000 dollars of shares hold a quarter of it"
    assert refused(send(made, "b", LIN.key, "99.7")).why is Refusal.BUYING_POWER, "4,985 x 0.1 = 498.50"
    assert filled(send(made, "c", LIN.key, "99.6")).position == D("99.6")
    assert refused(send(made, "d", SHARE.key, "1")).why is Refusal.BUYING_POWER


def test_contracts_and_perpetuals_do_not_stand_on_the_same_cash() -> None:
    """Of 1,000 dollars a perpetual holds 600 as margin, so contracts may lose 400; and the other way round."""
    yes = Instrument("P", "YES", Kind.BINARY)
    terms = {LIN.key: Terms(margin=Margin(D("0.1"), D("0.05")))}
    for first in (LIN.key, yes.key):
        made = Exchange([yes, LIN], D(1000), FillModel("touch"), markets=[BinaryMarket(yes.key)], terms=terms)
        show(made, LIN.key, "99.9", "100.1", at=1)
        show(made, yes.key, "0.5", "0.5", at=1)
        if first == LIN.key:
            send(made, "perpetual", LIN.key, "120", "90")
            assert made.free_cash == 400
            assert refused(send(made, "too many", yes.key, "801")).why is Refusal.BUYING_POWER
            filled(send(made, "enough", yes.key, "800"))
        else:
            filled(send(made, "contracts", yes.key, "800"))
            assert (made.equity, made.free_cash, made.summary().available) == (1000, 600, 600)
            assert refused(send(made, "too much", LIN.key, "120.1", "90")).why is Refusal.BUYING_POWER
            assert isinstance(send(made, "enough", LIN.key, "120", "90")[0], Accepted)


def test_a_loss_of_perpetuals_leaves_less_for_contracts() -> None:
    yes = Instrument("P", "YES", Kind.BINARY)
    terms = {LIN.key: Terms(margin=Margin(D("0.1"), D("0.05")))}
    made = Exchange([yes, LIN], D(1000), FillModel("touch"), markets=[BinaryMarket(yes.key)], terms=terms)
    show(made, LIN.key, "100", "100", at=1)
    send(made, "a", LIN.key, "100")
    for price, free in (("98", D(1000) - 490 - 100), ("102", D(1000) - 510)):
        show(made, LIN.key, price, price, at=3)
        assert made.free_cash == free, "a profit is not lent"


# ----------------------------------------------------------- liquidation


def test_below_maintenance_orders_end_and_the_position_is_closed_at_the_book() -> None:
    """200 at 100.1, half a dollar a point: equity 1000 - 100 x (100.1 - mark) falls below 0.05 x 100 x mark at 94.84."""
    made = market()
    send(made, "a", LIN.key, "200")
    send(made, "rest", LIN.key, "-10", "120")
    assert show(made, LIN.key, "94.8", "95.0", at=3) == ()
    ended, sent, sold, over = show(made, LIN.key, "94.5", "94.7", at=4, size="5")
    assert isinstance(ended, Cancelled)
    assert (ended.why, ended.order.request.client_id) == ("liquidation", "rest")
    assert isinstance(sent, Accepted)
    assert sent.note == "liquidation: equity of 450.000 USDC is below the maintenance margin of 473.00000"
    assert (sent.order.request.client_id, sent.order.request.qty) == ("liquidation-3", -200)
    assert isinstance(sold, Executed)
    assert (sold.qty, sold.price, sold.maker) == (-5, D("94.5"), False)
    assert isinstance(over, Cancelled)
    assert over.why == "ioc"
    assert filled(show(made, LIN.key, "94.4", "94.6", at=5, size="155")).position == 40, "what the book did not give is tried again"
    assert made.ledger.balances["USDC"] == 1000 - D("2.5") * D("5.6") - D("77.5") * D("5.7")
    assert show(made, LIN.key, "94.4", "94.6", at=6) == (), "for the 40 that are left there is enough"


def test_a_fill_far_from_the_mark_may_itself_be_a_breach() -> None:
    """160 bought at 130 are worth 115: 1000 - 80 x 15 is below 0."""
    made = market()
    show(made, LIN.key, "100", "130", at=3)
    bought, sold = (r for r in send(made, "a", LIN.key, "160", at=4) if isinstance(r, Executed))
    assert (bought.price, sold.price, sold.position) == (D(130), D(100), 0)


def test_so_may_a_trade_of_others() -> None:
    """No ask, so a buy at 125 rests; a trade meets it there, and its 160 are worth 100 each."""
    made = market()
    made.on_depth(LIN.key, [Level(D(100), D(500))], [], 3)
    send(made, "a", LIN.key, "160", "125", at=4)
    met, sold = (r for r in made.on_trade(LIN.key, D(125), D(500), 5) if isinstance(r, Executed))
    assert (met.maker, met.price, sold.price, sold.position) == (True, D(125), D(100), 0)


def test_a_loss_beyond_the_cash_stays() -> None:
    made = market()
    send(made, "a", LIN.key, "200")
    show(made, LIN.key, "89.9", "90.1", at=3)
    assert made.ledger.balances["USDC"] == 1000 - 100 * D("10.2") == -20
    assert refused(send(made, "b", LIN.key, "0.1", at=4)).why is Refusal.BUYING_POWER


def test_nothing_is_closed_at_a_crossed_or_stale_book() -> None:
    made = market(model=FillModel("touch", max_age_ns=10))
    send(made, "a", LIN.key, "200")
    made.on_depth(LIN.key, [], [], 3)
    assert show(made, LIN.key, "80.1", "80", at=4) == (), "crossed: no new mid either"
    done = made.fund(LIN.key, D("0.09"), D(100), 5)
    assert (done.paid, done.reports) == (-900, ()), "the breach is there, the book is not"
    assert made.summary("USDC").equity < made.summary("USDC").maintenance
    show(made, LIN.key, "99.9", "100.1", at=6, size="100")
    assert made.ledger.position(LIN.key) == 100
    assert made.fund(LIN.key, D(0), D(100), 16).reports == (), "what is left is used up"
    assert filled(show(made, LIN.key, "99.9", "100.1", at=17)).position == 0


def test_a_stale_book_closes_nothing() -> None:
    made = market(model=FillModel("touch", max_age_ns=10))
    send(made, "a", LIN.key, "200")
    assert made.fund(LIN.key, D("0.09"), D(100), 12).reports == (), "the book is of time 1"
    made = market(model=FillModel("touch", max_age_ns=11))
    send(made, "a", LIN.key, "200")
    assert filled(made.fund(LIN.key, D("0.09"), D(100), 12).reports).qty == -200


def test_the_exchanges_own_names_are_its_own() -> None:
    no = refused(send(market(), "liquidation-1", LIN.key, "1"))
    assert (no.why, no.message.partition(": ")[2]) == (Refusal.DUPLICATE, "names that begin with liquidation- are the exchange's own")


# ----------------------------------------------------------------- terms


@pytest.mark.parametrize(
    ("terms", "cash", "message"),
    [
        ({}, CASH, r"D:LINEAR is linear_perp: say what it needs: terms=\{'D:LINEAR': Terms\(currency, margin="),
        (
            {"D:LINEAR": Terms("EUR", margin=FIFTY)},
            CASH,
            "D:LINEAR settles in EUR: give the account cash in it, 0 if none; it has USD, BTC, USDC",
        ),
        (
            {"D:LINEAR": Terms(margin=Margin(D("0.01"), D("0.02")))},
            CASH,
            "D:LINEAR has margin 0.01 and 0.02: give 0 < maintenance <= initial <= 1",
        ),
        ({"D:LINEAR": Terms(margin=FIFTY), "X:A": Terms(margin=FIFTY)}, CASH, "X:A is spot: a margin is for perpetuals"),
        ({"D:LINEAR": Terms(margin=FIFTY, quantum=D(0))}, CASH, "D:LINEAR has quantum 0: give the smallest sum that is booked"),
        ({"D:LINEAR": Terms(margin=FIFTY), "X:B": Terms()}, CASH, "terms of X:B: no such instrument; there are: X:A, D:LINEAR"),
    ],
)
def test_terms_must_fit(terms: dict[str, Terms], cash: dict[str, Decimal], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Exchange([SHARE, LIN], cash, terms=terms)
