"""Laws of the exchange, for any sequence of quotes, orders and cancels."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hedgekit.exchange.book import Book, Level, Working
from hedgekit.exchange.engine import Exchange
from hedgekit.exchange.ledger import Ledger
from hedgekit.exchange.model import EXACT, Executed, FillModel, NewOrder, Reports
from hedgekit.types import Fees, Instrument, Quote

D = Decimal
PAIR = (
    Instrument("X", "A", fees=Fees(rate=D("0.0003"), per_unit=D("0.005"))),
    Instrument("X", "B", multiplier=D("0.01"), fees=Fees(rate=D("0.0001"), quantum=D("0.01"))),
)
CASH = D(100_000)

keys = st.sampled_from(["X:A", "X:A", "X:A", "X:B"])
ticks = st.integers(9_995, 10_005)
sizes = st.tuples(st.integers(0, 40), st.integers(0, 40))
tifs = st.sampled_from(["gtc", "gtc", "day", "ioc", "fok"])
quotes = st.tuples(st.just("quote"), keys, ticks, st.integers(-1, 4), sizes)
# mostly buys: a walk that keeps turning round is mostly refused for crossing zero, and then proves little
quantities = st.integers(1, 40) | st.integers(1, 40) | st.integers(-60, 0)
orders = st.tuples(st.just("order"), keys, quantities, st.none() | ticks, tifs)
cancels = st.tuples(st.just("cancel"), st.integers(0, 30))
histories = st.lists(quotes | orders | orders | orders | cancels, min_size=20, max_size=60).map(
    lambda steps: [("quote", "X:A", 10_000, 1, (0, 0)), ("quote", "X:B", 10_000, 1, (0, 0)), *steps]
)
law = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is not a broken law
models: st.SearchStrategy[Literal["next_quote", "touch"]] = st.sampled_from(["next_quote", "touch"])


@dataclass
class Run:
    """A driven exchange and everything it said, step by step."""

    market: Exchange
    reports: list[Reports] = field(default_factory=list)


def drive(history: list[tuple[object, ...]], model: Literal["next_quote", "touch"]) -> Run:
    run = Run(Exchange(PAIR, CASH, FillModel(name=model)))
    for n, step in enumerate(history):
        run.reports.append(_act(run.market, n * 3_600 * 10**9, n, step))
    return run


def _act(market: Exchange, ts: int, n: int, step: tuple[object, ...]) -> Reports:
    match step:
        case ("quote", str(key), int(bid), int(spread), (int(bid_size), int(ask_size))):
            return market.on_quote(_quote(ts, key, bid, spread, bid_size, ask_size))
        case ("order", str(key), int(qty), limit, str(tif)):
            price = None if limit is None else EXACT.multiply(D(str(limit)), D("0.01"))
            return market.submit(NewOrder(f"c{n}", key, D(qty), "market" if price is None else "limit", price, tif), ts)  # type: ignore[arg-type]
        case ("cancel", int(which)):
            known = market.orders()
            return market.cancel(known[which % len(known)].order_id if known else "none", ts)
    raise AssertionError(step)


def _quote(ts: int, key: str, bid: int, spread: int, bid_size: int, ask_size: int) -> Quote:  # noqa: PLR0913 - a quote has six numbers
    sizes = {"bid_size": float(bid_size), "ask_size": float(ask_size)}
    return Quote(ts_ns=ts, instrument=key, venue_ns=ts, bid=bid / 100, ask=(bid + spread) / 100, **sizes)


def fills(run: Run) -> list[Executed]:
    return [r for reports in run.reports for r in reports if isinstance(r, Executed)]


@law
@given(histories, models)
def test_cash_and_positions_are_conserved_exactly(history: list[tuple[object, ...]], model: Literal["next_quote", "touch"]) -> None:
    run = drive(history, model)
    multiplier = {i.key: i.multiplier for i in PAIR}
    cash, held = CASH, dict.fromkeys(multiplier, D(0))
    for fill in fills(run):
        key = fill.order.request.instrument
        cash -= fill.qty * fill.price * multiplier[key] + fill.fee
        held[key] += fill.qty
        assert fill.position == held[key]
    assert run.market.ledger.cash == cash
    assert run.market.ledger.positions() == {key: qty for key, qty in held.items() if qty}


@law
@given(histories, models)
def test_the_ledger_equals_its_fills_replayed(history: list[tuple[object, ...]], model: Literal["next_quote", "touch"]) -> None:
    ledger = drive(history, model).market.ledger
    again = Ledger(PAIR, CASH)
    for fill in ledger.fills:
        again.post(fill)
    assert (again.cash, again.positions(), again.fills) == (ledger.cash, ledger.positions(), ledger.fills)
    assert all(again.cost(i.key) == ledger.cost(i.key) for i in PAIR)


@law
@given(histories, models)
def test_no_order_fills_beyond_its_quantity_or_its_limit(history: list[tuple[object, ...]], model: Literal["next_quote", "touch"]) -> None:
    run = drive(history, model)
    total: dict[str, Decimal] = {}
    for fill in fills(run):
        request = fill.order.request
        assert fill.qty * request.qty > 0
        total[request.client_id] = total.get(request.client_id, D(0)) + abs(fill.qty)
        assert fill.order.filled == total[request.client_id] <= abs(request.qty)
        if request.limit is not None:
            assert (fill.price - request.limit) * request.qty <= 0
        if request.tif == "fok":
            assert abs(fill.qty) == abs(request.qty)


@law
@given(histories, models)
def test_never_more_than_displayed(history: list[tuple[object, ...]], model: Literal["next_quote", "touch"]) -> None:
    run = drive(history, model)
    shown: dict[tuple[str, bool], Decimal] = {}
    for step, reports in zip(history, run.reports, strict=True):
        match step:
            case ("quote", str(key), int(), int(spread), (int(bid_size), int(ask_size))):
                crossed = spread < 0
                shown[key, True] = D(0 if crossed and bid_size else ask_size)
                shown[key, False] = D(0 if crossed and ask_size else bid_size)
        for fill in reports:
            if isinstance(fill, Executed):
                side = fill.order.request.instrument, fill.qty > 0
                shown[side] -= abs(fill.qty)
                assert shown[side] >= 0


@law
@given(histories, models)
def test_no_execution_takes_a_position_through_zero(history: list[tuple[object, ...]], model: Literal["next_quote", "touch"]) -> None:
    for fill in fills(drive(history, model)):
        assert fill.position * (fill.position - fill.qty) >= 0


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9), st.none() | st.integers(98, 104)), max_size=12), st.integers(0, 40))
def test_price_time_priority(wanted: list[tuple[bool, int, int | None]], size: int) -> None:
    """A quote's size goes to market orders, then better limits, then earlier arrivals: a greedy oracle by hand."""
    book = Book()
    for n, (buy, qty, limit) in enumerate(wanted):
        book.add(Working(str(n), buy, D(qty), None if limit is None else D(limit), "gtc", n))
    book.quote(Level(D(100), D(size)), Level(D(101), D(size)))
    got = {m.order.order_id: m.qty for m in book.match().matches}
    expected: dict[str, Decimal] = {}
    for buy, price in ((True, 101), (False, 100)):
        side = [(limit, n, qty) for n, (b, qty, limit) in enumerate(wanted) if b == buy]
        markets = [(n, qty) for limit, n, qty in side if limit is None]
        limits = sorted(((-limit if buy else limit), n, qty) for limit, n, qty in side if limit is not None)
        reach = [(n, qty) for key, n, qty in limits if (-key >= price if buy else key <= price)]
        left = size
        for n, qty in [*markets, *reach]:
            if take := min(left, qty):
                expected[str(n)], left = D(take), left - take
    assert got == expected


@law
@given(histories)
def test_next_quote_never_fills_without_a_later_quote(history: list[tuple[object, ...]]) -> None:
    run = drive(history, "next_quote")
    for step, reports in zip(history, run.reports, strict=True):
        for report in reports:
            if isinstance(report, Executed):
                assert step[0:2] == ("quote", report.order.request.instrument)
                assert report.order.created_ns < report.ts_ns


@law
@given(histories, models)
def test_equal_inputs_give_equal_reports(history: list[tuple[object, ...]], model: Literal["next_quote", "touch"]) -> None:
    assert drive(history, model).reports == drive(history, model).reports
