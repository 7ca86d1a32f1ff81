"""The book: hand-computed price-time priority, prices, sizes and times in force."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hedgekit.exchange.book import Book, Level, Match, Outcome, Working

D = Decimal


def order(name: str, qty: str, limit: str | None = None, *, seq: int, tif: str = "gtc") -> Working:
    signed = D(qty)
    return Working(name, signed > 0, abs(signed), None if limit is None else D(limit), tif, seq)


def level(price: str, size: str) -> Level:
    return Level(D(price), D(size))


def trades(outcome: Outcome) -> list[tuple[str, str, str]]:
    return [(m.order.order_id, str(m.qty), str(m.price)) for m in outcome.matches]


def test_market_orders_first_then_better_limit_then_earlier() -> None:
    book = Book()
    for working in (
        order("low", "10", "99", seq=1),
        order("late", "10", "101", seq=4),
        order("early", "10", "101", seq=2),
        order("market", "10", seq=5),
        order("high", "10", "102", seq=3),
    ):
        book.add(working)
    book.quote(level("98", "10"), level("100", "35"))
    assert trades(book.match()) == [("market", "10", "100"), ("high", "10", "100"), ("early", "10", "100"), ("late", "5", "100")]
    assert [(o.order_id, str(o.leaves)) for o in book.orders()] == [("late", "5"), ("low", "10")]


def test_sells_rank_by_the_lowest_limit() -> None:
    book = Book()
    for working in (order("a", "-10", "100", seq=1), order("b", "-10", "99", seq=2), order("c", "-10", "101", seq=3)):
        book.add(working)
    book.quote(level("100", "15"), level("102", "50"))
    assert trades(book.match()) == [("b", "10", "100"), ("a", "5", "100")]


def test_the_maker_sets_the_price() -> None:
    book = Book()
    book.quote(level("99", "10"), level("101", "10"))
    book.add(order("rest", "30", "100", seq=1))
    assert trades(book.match()) == []
    book.quote(level("98", "10"), level("99.5", "12"))
    assert trades(book.match()) == [("rest", "12", "100")], "the quote came to our resting order: our limit"
    book.add(order("come", "5", "100", seq=2))
    book.quote(level("98", "10"), level("99.5", "20"))
    assert trades(book.match()) == [("rest", "18", "100"), ("come", "2", "99.5")], "our order came to the quote: its price"


def test_displayed_size_is_consumed_until_the_next_quote() -> None:
    book = Book()
    book.quote(level("99", "10"), level("101", "10"))
    book.add(order("a", "6", seq=1))
    assert trades(book.match()) == [("a", "6", "101")]
    book.add(order("b", "6", seq=2))
    assert trades(book.match()) == [("b", "4", "101")]
    assert trades(book.match()) == []
    book.quote(level("99", "10"), level("101.5", "10"))
    assert trades(book.match()) == [("b", "2", "101.5")]


@pytest.mark.parametrize(("bid", "ask"), [(level("101", "9"), level("100", "9")), (None, None)])
def test_a_crossed_or_absent_market_fills_nothing(bid: Level | None, ask: Level | None) -> None:
    book = Book()
    book.add(order("buy", "5", seq=1))
    book.add(order("sell", "-5", "99", seq=2))
    book.quote(bid, ask)
    assert book.match() == Outcome()


def test_a_one_sided_market_fills_one_side() -> None:
    book = Book()
    book.add(order("buy", "5", seq=1))
    book.add(order("sell", "-5", "99", seq=2))
    book.quote(level("100", "9"), None)
    assert trades(book.match()) == [("sell", "5", "100")]


def test_ioc_takes_what_is_there_and_ends() -> None:
    book = Book()
    taker, dear = order("ioc", "15", seq=1, tif="ioc"), order("dear", "5", "90", seq=2, tif="ioc")
    book.add(taker)
    book.add(dear)
    book.quote(level("99", "10"), level("101", "10"))
    outcome = book.match()
    assert outcome.matches == [Match(taker, D(10), D(101))]
    assert outcome.ended == [taker, dear]
    assert book.orders() == []


def test_fok_takes_all_or_nothing() -> None:
    book = Book()
    big, small = order("big", "11", seq=1, tif="fok"), order("small", "10", seq=2, tif="fok")
    book.add(big)
    book.add(small)
    book.quote(level("99", "10"), level("101", "10"))
    outcome = book.match()
    assert trades(outcome) == [("small", "10", "101")]
    assert outcome.ended == [big]


def test_a_part_of_a_lot_is_not_for_sale() -> None:
    book = Book(lot=D(10))
    book.add(order("a", "40", seq=1))
    book.quote(None, level("101", "29"))
    assert trades(book.match()) == [("a", "20", "101")]


def test_a_removed_order_is_gone() -> None:
    book = Book()
    first = order("a", "4", seq=1)
    book.add(first)
    book.remove(first)
    book.quote(None, level("101", "9"))
    assert book.match() == Outcome()
