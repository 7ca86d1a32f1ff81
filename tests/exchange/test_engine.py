"""The exchange: hand-computed sessions, refusals and both fill models."""

from __future__ import annotations

from decimal import Decimal
from math import nan
from typing import TYPE_CHECKING, Literal

import pytest

from hedgekit.exchange.engine import Exchange
from hedgekit.exchange.matching import DAY_NS
from hedgekit.exchange.model import Accepted, Cancelled, Executed, FillModel, NewOrder, Refusal, Rejected, Report, Reports, Status, exact
from hedgekit.types import Fees, Instrument, Quote

if TYPE_CHECKING:
    from hedgekit.exchange.model import Tif

D = Decimal
A = Instrument("X", "A", fees=Fees(rate=D("0.00005")))
B = Instrument("X", "B", multiplier=D("0.01"))


def quote(ts: int, bid: float, ask: float, size: float = 100.0, key: str = "X:A") -> Quote:
    return Quote(ts_ns=ts, instrument=key, venue_ns=ts, bid=bid, ask=ask, bid_size=size, ask_size=size)


def new(name: str, qty: str, limit: str | None = None, tif: Tif = "gtc", key: str = "X:A") -> NewOrder:
    return NewOrder(name, key, D(qty), "market" if limit is None else "limit", None if limit is None else D(limit), tif)


def exchange(model: Literal["next_quote", "touch"] = "next_quote", cash: int = 1_000_000) -> Exchange:
    made = Exchange([A, B], D(cash), FillModel(name=model))
    made.on_quote(quote(10, 99.99, 100.01))
    made.on_quote(quote(10, 5000.0, 5001.0, key="X:B"))
    return made


def said(reports: Reports) -> list[str]:
    return [f"{type(r).__name__} {_detail(r)}".strip() for r in reports]


def _detail(report: Report) -> str:
    if isinstance(report, Executed):
        return f"{report.qty}@{report.price} fee {report.fee} -> {report.position} {report.order.status.value}"
    if isinstance(report, Rejected):
        return report.why.value
    return report.why if isinstance(report, Cancelled) else ""


def refused(reports: Reports) -> Refusal:
    (report,) = reports
    assert isinstance(report, Rejected)
    return report.why


def test_next_quote_waits_and_the_rest_waits_again() -> None:
    market = exchange()
    assert said(market.submit(new("a", "150"), 20)) == ["Accepted"]
    assert said(market.on_quote(quote(20, 100.0, 100.02))) == ["Executed 100@100.02 fee 0.5001 -> 100 partially_filled"]
    assert said(market.on_quote(quote(30, 100.1, 100.12, 60.0))) == ["Executed 50@100.12 fee 0.2503 -> 150 filled"]
    assert market.on_quote(quote(40, 100.1, 100.12)) == ()
    assert market.ledger.cash == D(1_000_000) - D("10002.00") - D("0.5001") - D("5006.00") - D("0.2503")
    state = market.by_client("a")
    assert state is not None
    assert (state.filled, state.paid, state.fee, state.status) == (150, D("15008.00"), D("0.7504"), Status.FILLED)


def test_touch_trades_at_once_and_shares_the_displayed_size() -> None:
    market = exchange("touch")
    assert said(market.submit(new("a", "80"), 20))[1:] == ["Executed 80@100.01 fee 0.4000 -> 80 filled"]
    assert said(market.submit(new("b", "80"), 21))[1:] == ["Executed 20@100.01 fee 0.1000 -> 100 partially_filled"]
    assert said(market.on_quote(quote(30, 99.0, 99.5))) == ["Executed 60@99.5 fee 0.2985 -> 160 filled"]


def test_a_side_without_a_quote_fills_nothing() -> None:
    market = exchange()
    market.submit(new("a", "50"), 20)
    assert market.on_quote(quote(30, 100.0, nan)) == ()
    assert market.on_quote(quote(40, 101.0, 100.0)) == (), "crossed"
    assert said(market.on_quote(quote(50, 100.0, 100.5)))[0].startswith("Executed 50@100.5")


def test_another_instruments_quote_is_not_the_next_quote() -> None:
    market = exchange()
    market.submit(new("a", "50"), 20)
    assert market.on_quote(quote(30, 5000.0, 5001.0, key="X:B")) == ()


def test_ioc_and_fok_end_on_their_first_quote() -> None:
    market = exchange()
    market.submit(new("ioc", "150", tif="ioc"), 20)
    market.submit(new("fok", "150", tif="fok"), 20)
    assert [r.split()[0:2] for r in said(market.on_quote(quote(30, 100.0, 100.02)))] == [
        ["Executed", "100@100.02"],
        ["Cancelled", "ioc"],
        ["Cancelled", "fok"],
    ]


def test_a_day_order_lives_on_the_date_of_its_first_quote() -> None:
    market = exchange()
    market.submit(new("a", "10", "90", tif="day"), 20)
    assert market.on_quote(quote(DAY_NS + 5, 99.0, 100.0)) == (), "sent after the last quote of day 0: good for day 1"
    assert market.on_quote(quote(DAY_NS + 6, 99.0, 100.0)) == ()
    assert said(market.on_quote(quote(2 * DAY_NS, 80.0, 80.1))) == ["Cancelled expired"], "before that quote could fill it"
    state = market.by_client("a")
    assert state is not None
    assert state.status is Status.EXPIRED


def test_cancel() -> None:
    market = exchange()
    (accepted,) = market.submit(new("a", "150"), 20)
    assert isinstance(accepted, Accepted)
    market.on_quote(quote(30, 100.0, 100.02))
    (over,) = market.cancel(accepted.order.order_id, 31)
    assert isinstance(over, Cancelled)
    assert (over.why, over.order.filled, over.order.leaves) == ("requested", 100, 0)
    assert refused(market.cancel(accepted.order.order_id, 32)) is Refusal.NOT_OPEN
    assert refused(market.cancel("nobody", 33)) is Refusal.UNKNOWN_ORDER
    assert market.on_quote(quote(40, 100.0, 100.02)) == ()


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (new("used", "1"), Refusal.DUPLICATE),
        (new("x", "1", key="X:Z"), Refusal.INSTRUMENT),
        (new("x", "0"), Refusal.QUANTITY),
        (new("x", "NaN"), Refusal.QUANTITY),
        (new("x", "1.5"), Refusal.LOT),
        (new("x", "1", "100.005"), Refusal.TICK),
        (new("x", "1", "-1"), Refusal.PRICE),
        (NewOrder("x", "X:A", D(1), "limit"), Refusal.PRICE),
        (NewOrder("x", "X:A", D(1), "market", D(1)), Refusal.PRICE),
        (new("x", "40000"), Refusal.BUYING_POWER),
    ],
)
def test_refusals_leave_no_trace(request_: NewOrder, why: Refusal) -> None:
    market = exchange()
    market.submit(new("used", "1"), 20)
    before = market.orders()
    assert refused(market.submit(request_, 21)) is why
    assert market.orders() == before
    assert market.by_client("x") is None


def test_no_order_may_take_a_position_through_zero() -> None:
    market = exchange("touch")
    market.submit(new("long", "100"), 20)
    assert refused(market.submit(new("flip", "-101"), 21)) is Refusal.THROUGH_ZERO
    market.submit(new("part", "-60", "101"), 22)
    assert refused(market.submit(new("rest", "-41"), 23)) is Refusal.THROUGH_ZERO, "60 of the 100 are spoken for"
    assert said(market.submit(new("exact", "-40"), 24))[0] == "Accepted"


def test_flat_with_a_working_order_takes_none_of_the_other_side() -> None:
    market = exchange()
    market.submit(new("short", "-50"), 20)
    assert refused(market.submit(new("long", "50", "90"), 21)) is Refusal.THROUGH_ZERO


def test_no_trade_with_oneself() -> None:
    market = exchange("touch")
    market.submit(new("long", "100"), 20)
    market.submit(new("rest", "-50", "100.50"), 21)
    assert refused(market.submit(new("market", "10"), 22)) is Refusal.WASH
    assert refused(market.submit(new("cross", "10", "100.50"), 23)) is Refusal.WASH
    assert said(market.submit(new("below", "10", "100.49"), 24))[0] == "Accepted"


def test_a_fractional_short_is_refused_and_a_fractional_sale_is_not() -> None:
    fine = Instrument("X", "F", lot=D("0.001"))
    market = Exchange([fine], model=FillModel("touch"))
    market.on_quote(quote(10, 99.0, 100.0, key="X:F"))
    assert refused(market.submit(new("short", "-1.5", key="X:F"), 20)) is Refusal.FRACTIONAL_SHORT
    market.submit(new("long", "2.5", key="X:F"), 21)
    assert said(market.submit(new("sale", "-1.5", key="X:F"), 22))[1].startswith("Executed -1.5@99.0")


def test_a_market_order_before_any_quote_is_accepted_then_rejected() -> None:
    market = Exchange([A])
    assert said(market.submit(new("a", "1"), 5)) == ["Accepted", "Rejected no_quote"]
    assert refused(market.submit(new("a", "1"), 6)) is Refusal.DUPLICATE, "it was an order, so its id is used"
    assert said(market.submit(new("b", "1", "100"), 7)) == ["Accepted"], "a limit values itself"


def test_buying_power_counts_working_orders_and_lets_one_close() -> None:
    market = exchange("touch", cash=1000)
    market.submit(new("long", "39"), 20)
    assert refused(market.submit(new("more", "1", "100"), 21)) is Refusal.BUYING_POWER
    market.on_quote(quote(30, 80.0, 80.02))
    assert market.exposure > 4 * market.equity
    assert said(market.submit(new("close", "-39"), 31))[0] == "Accepted"


def test_multiplier_turns_cents_into_dollars() -> None:
    market = exchange("touch")
    market.submit(new("a", "10", key="X:B"), 20)
    assert market.ledger.cash == D(1_000_000) - D("500.10")


def test_time_may_not_go_back() -> None:
    market = exchange()
    with pytest.raises(ValueError, match="time went back"):
        market.submit(new("a", "1"), 9)


def test_floats_become_the_decimals_they_show() -> None:
    assert exact(44.69) == D("44.69")
    assert exact(nan) is None
