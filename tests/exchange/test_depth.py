"""Books of several levels: hand-computed walks down the book."""

from __future__ import annotations

from decimal import Decimal

from hedgekit.exchange.book import Book, Level, Outcome, Working, displayed
from hedgekit.exchange.engine import Exchange
from hedgekit.exchange.model import Executed, NewOrder, Status
from hedgekit.types import Fees, Instrument

D = Decimal


def order(name: str, qty: str, limit: str | None = None, *, seq: int, tif: str = "gtc") -> Working:
    return Working(name, D(qty) > 0, abs(D(qty)), None if limit is None else D(limit), tif, seq)


def side(*levels: tuple[str, str]) -> list[Level]:
    return [Level(D(price), D(size)) for price, size in levels]


def trades(outcome: Outcome) -> list[tuple[str, str, str, str]]:
    return [(m.order.order_id, str(m.qty), str(m.price), str(m.left)) for m in outcome.matches]


ASKS = (("101", "10"), ("102", "20"), ("104", "30"))


def test_an_order_walks_the_levels_and_each_is_a_trade() -> None:
    book = Book()
    book.show(side(("99", "5")), side(*ASKS))
    book.add(order("a", "35", seq=1))
    book.add(order("b", "30", seq=2))
    assert trades(book.match()) == [
        ("a", "10", "101", "25"),
        ("a", "20", "102", "5"),
        ("a", "5", "104", "0"),
        ("b", "25", "104", "5"),
    ]
    assert [(o.order_id, o.leaves) for o in book.orders()] == [("b", D(5))]


def test_a_sale_walks_the_bids_downwards_as_far_as_its_limit() -> None:
    book = Book()
    book.show(side(("99", "5"), ("98", "5"), ("96", "50")), [])
    book.add(order("s", "-30", "98", seq=1))
    assert trades(book.match()) == [("s", "5", "99", "25"), ("s", "5", "98", "20")]


def test_fok_counts_all_levels_within_its_limit() -> None:
    for qty, limit, want in (("60", None, 3), ("61", None, 0), ("30", "102", 2), ("31", "102", 0)):
        book = Book()
        book.show([], side(*ASKS))
        book.add(order("f", qty, limit, seq=1, tif="fok"))
        assert len(book.match().matches) == want


def test_a_crossed_book_shows_none_of_its_levels() -> None:
    book = Book()
    book.show(side(("102", "5"), ("100", "5")), side(*ASKS))
    book.add(order("a", "5", seq=1))
    assert book.match() == Outcome()
    assert book.bid is None
    assert book.ask is None


def test_taken_depth_comes_back_with_the_row_or_only_with_a_change() -> None:
    for keep, second in (
        (False, [("b", "10", "101", "2"), ("b", "2", "102", "0")]),
        (True, [("b", "4", "101", "8"), ("b", "8", "102", "0")]),
    ):
        book = Book()
        book.show([], side(*ASKS))
        book.add(order("a", "6", seq=1))
        book.match()
        book.show([], side(*ASKS), keep_taken=keep)
        book.add(order("b", "12", seq=2))
        assert trades(book.match()) == second
    book.show([], side(("101", "11"), ("102", "20")), keep_taken=True)
    assert [level.size for level in book.asks] == [D(11), D(12)], "the touch has changed and is new; 8 of the second are still gone"


def test_parts_of_a_lot_are_left_on_every_level() -> None:
    book = Book(lot=D(10))
    book.show([], side(("101", "19"), ("102", "9"), ("103", "25")))
    book.add(order("a", "40", seq=1))
    assert trades(book.match()) == [("a", "10", "101", "30"), ("a", "20", "103", "10")]


def test_a_missing_side_is_no_level() -> None:
    assert displayed(float("nan"), 5.0) is None
    assert displayed(0.0, 5.0) is None
    assert displayed(1.0, 0.0) is None
    assert displayed(1.0, float("nan")) is None
    assert displayed(44.69, 5.0) == Level(D("44.69"), D("5.0"))


def test_the_exchange_reports_and_charges_each_level() -> None:
    share = Instrument("X", "A", fees=Fees(rate=D("0.001")))
    market = Exchange([share], D(100_000))
    market.on_depth("X:A", side(("99", "5")), side(*ASKS), 10)
    market.submit(NewOrder("a", "X:A", D(35)), 20)
    reports = market.on_depth("X:A", side(("99", "5")), side(*ASKS), 30)
    done = [r for r in reports if isinstance(r, Executed)]
    assert [(r.qty, r.price, r.fee, r.position, r.order.status) for r in done] == [
        (D(10), D(101), D("1.0100"), D(10), Status.PARTIALLY_FILLED),
        (D(20), D(102), D("2.0400"), D(30), Status.PARTIALLY_FILLED),
        (D(5), D(104), D("0.5200"), D(35), Status.FILLED),
    ]
    assert len({r.execution_id for r in done}) == 3
    assert market.ledger.cash == D(100_000) - 1010 - 2040 - 520 - D("3.57")
    assert market.exposure == 35 * D(100)
