"""The place of a resting order behind recorded size: by hand, and against a queue that is written out person by person."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.errors import DataError
from hedgekit.exchange import BinaryMarket, Exchange, Executed, FillModel, Level, NewOrder, Reports
from hedgekit.exchange.book import Book, Working
from hedgekit.exchange.matching import DAY_NS
from hedgekit.exchange.model import Tif
from hedgekit.types import Instrument, Kind

D = Decimal
KEY = "X:A"
BIDS, ASKS = (("99", "50"), ("98", "20"), ("96", "30")), (("101", "10"), ("103", "10"))

Side = tuple[tuple[str, str], ...]


def levels(side: Side) -> list[Level]:
    return [Level(D(price), D(size)) for price, size in side]


def market(name: Literal["next_quote", "touch"] = "touch", *, lot: str = "1") -> Exchange:
    made = Exchange([Instrument("X", "A", lot=D(lot))], model=FillModel(name))
    made.on_depth(KEY, levels(BIDS), levels(ASKS), 1)
    return made


def rest(made: Exchange, name: str, qty: str, limit: str, tif: Tif = "gtc", *, post_only: bool = False) -> str:  # noqa: PLR0913 - an order in one line
    first, *others = made.submit(NewOrder(name, KEY, D(qty), "limit", D(limit), tif, post_only), 2)
    assert others == []
    assert first.order is not None
    return first.order.order_id


def trade(made: Exchange, price: str, qty: str, at: int = 3) -> list[tuple[str, str, str]]:
    return said(made.on_trade(KEY, D(price), D(qty), at))


def show(made: Exchange, bids: Side = BIDS, asks: Side = ASKS, at: int = 3) -> list[tuple[str, str, str]]:
    return said(made.on_depth(KEY, levels(bids), levels(asks), at))


def said(reports: Reports) -> list[tuple[str, str, str]]:
    done = [r for r in reports if isinstance(r, Executed)]
    assert all(r.maker for r in done)
    return [(r.order.request.client_id, str(r.qty), str(r.price)) for r in done]


def test_trades_at_its_price_take_what_stands_in_front_first() -> None:
    made = market()
    first = rest(made, "a", "10", "99")
    assert made.queue(first) == 50
    assert trade(made, "99", "30") == []
    assert made.queue(first) == 20
    assert trade(made, "99", "24") == [("a", "4", "99")]
    assert trade(made, "99", "1") == [("a", "1", "99")]
    assert trade(made, "99", "100") == [("a", "5", "99")]
    assert made.queue(first) is None


def test_sells_queue_at_the_asks() -> None:
    made = market()
    name = rest(made, "s", "-10", "101")
    assert made.queue(name) == 10
    assert trade(made, "101", "-13") == [("s", "-3", "101")], "the sign of a trade does not matter"


def test_own_orders_queue_behind_each_other_and_behind_what_came_between() -> None:
    made = market()
    a = rest(made, "a", "10", "99")
    show(made, (("99", "70"),))
    b = rest_at(made, "b", "5", "99", at=3)
    assert (made.queue(a), made.queue(b)) == (50, 80), "20 of the 70 joined between the two"
    assert trade(made, "99", "55") == [("a", "5", "99")]
    assert (made.queue(a), made.queue(b)) == (0, 25)
    assert trade(made, "99", "28") == [("a", "5", "99"), ("b", "3", "99")]


def rest_at(made: Exchange, name: str, qty: str, limit: str, *, at: int) -> str:
    first = made.submit(NewOrder(name, KEY, D(qty), "limit", D(limit)), at)[0]
    assert first.order is not None
    return first.order.order_id


def test_a_trade_beyond_its_price_would_have_met_it_before_by_its_volume() -> None:
    made = market()
    a, b = rest(made, "a", "10", "99"), rest(made, "b", "10", "98")
    assert trade(made, "98", "14") == [("a", "10", "99")], "the other 4 went into the 20 at 98"
    assert (made.queue(a), made.queue(b)) == (None, 16)
    assert trade(made, "97", "3") == [("b", "3", "98")]
    assert made.queue(b) == 0, "the price has gone through: nobody is left in front"


def test_a_smaller_size_moves_it_forward_only_below_what_stands_in_front() -> None:
    made = market()
    name = rest(made, "a", "10", "99")
    for size, front in (("500", 50), ("50", 50), ("49", 49), ("60", 49), ("12", 12)):
        show(made, (("99", size), ("98", "20")))
        assert made.queue(name) == front, size
    show(made, (("98", "20"),))
    assert made.queue(name) == 0, "the level is gone: it is the best bid alone"
    show(made, (("99", "40"), ("98", "20")))
    assert made.queue(name) == 0, "who comes later stands behind"


@pytest.mark.parametrize(("limit", "front"), [("100", 0), ("97", 0), ("98", 20), ("95", None)])
def test_prices_inside_between_at_and_beyond_the_displayed_ones(limit: str, front: int | None) -> None:
    made = market()
    assert made.queue(rest(made, "a", "10", limit)) == front


def test_beyond_the_last_level_all_that_is_displayed_first_stands_in_front() -> None:
    made = market()
    name = rest(made, "a", "10", "95")
    assert trade(made, "95", "1000") == [], "how many stand there is not known"
    show(made, (("96", "5"), ("95", "40")))
    assert made.queue(name) == 40
    show(made, (("97", "5"),))
    assert made.queue(name) == 40, "out of sight again: it keeps its place"
    assert trade(made, "94.99", "4") == [("a", "4", "95")]


@pytest.mark.parametrize(("bids", "asks"), [((), ASKS), ((("102", "5"),), ASKS), ((), ())])
def test_an_empty_side_or_a_crossed_record_says_nothing_of_the_queue(bids: Side, asks: Side) -> None:
    made = market()
    name = rest(made, "a", "10", "99")
    assert show(made, bids, asks) == []
    assert made.queue(name) == 50


def test_the_other_side_at_its_price_fills_it_by_what_is_displayed() -> None:
    made = market()
    rest(made, "a", "10", "99")
    assert show(made, (("98", "20"),), (("99", "4"), ("101", "10"))) == [("a", "4", "99")]
    assert show(made, (("97", "20"),), (("98.5", "100"),)) == [("a", "6", "99")]


def test_own_takers_shorten_the_queue_that_a_later_order_joins() -> None:
    """Of 10 at 101 four were bought: our sell at 101 stands behind six; a record of ten again does not put it back."""
    made = market()
    made.submit(NewOrder("t", KEY, D(4)), 2)
    name = rest(made, "s", "-4", "101")
    assert made.queue(name) == 6
    made.on_depth(KEY, levels(BIDS), levels(ASKS), 3, keep_taken=True)
    assert made.queue(name) == 6


def test_part_lots_stand_in_the_queue_but_are_not_traded() -> None:
    made = Exchange([Instrument("X", "A", lot=D(10))], model=FillModel("touch"))
    made.on_depth(KEY, levels((("99", "25"),)), levels(ASKS), 1)
    name = rest(made, "a", "20", "99")
    assert made.queue(name) == 25
    assert trade(made, "99", "34") == []
    assert made.queue(name) == 0
    assert trade(made, "99", "19") == [("a", "10", "99")]


def test_an_order_that_waits_for_its_first_quote_is_in_no_queue_unless_it_is_post_only() -> None:
    made = market("next_quote")
    held, posted = rest(made, "held", "10", "99"), rest(made, "posted", "10", "99", post_only=True)
    assert (made.queue(held), made.queue(posted)) == (None, 50)
    assert trade(made, "99", "60") == [("posted", "10", "99")]
    show(made)
    assert made.queue(held) == 50


def test_a_market_order_that_waits_is_not_met_by_trades() -> None:
    made = market()
    made.submit(NewOrder("m", KEY, D(40)), 2)
    assert trade(made, "99", "1000") == []


def test_a_day_order_of_yesterday_is_met_by_no_trade() -> None:
    made = market()
    rest(made, "a", "10", "100", "day")
    assert trade(made, "99", "5") == [("a", "5", "100")]
    reports = made.on_trade(KEY, D(99), D(5), DAY_NS)
    assert [type(r).__name__ for r in reports] == ["Cancelled"]


def test_a_trade_is_not_the_quote_that_dates_a_day_order() -> None:
    made = market("next_quote")
    rest(made, "a", "10", "100", "day", post_only=True)
    assert trade(made, "100", "4") == [("a", "4", "100")]
    assert show(made, asks=(("100", "2"),), at=DAY_NS) == [("a", "2", "100")]
    assert show(made, asks=(("100", "2"),), at=2 * DAY_NS) == [], "that quote was its first, so that day was its last"


def test_trades_before_any_quote_value_an_instrument() -> None:
    made = Exchange([Instrument("X", "A")], model=FillModel("touch"))
    rest(made, "a", "10", "99")
    assert trade(made, "98", "5") == [("a", "5", "99")]
    assert made.equity == 1_000_000 - 5


@pytest.mark.parametrize(("price", "qty"), [("0", "1"), ("NaN", "1"), ("1", "0"), ("1", "NaN")])
def test_a_trade_of_nothing_is_an_error(price: str, qty: str) -> None:
    with pytest.raises(DataError, match="give a price above 0 and a quantity other than 0; correct the tape"):
        market().on_trade(KEY, D(price), D(qty), 3)


def test_a_trade_that_no_contract_can_have_is_an_error_and_after_the_end_nobodys() -> None:
    made = Exchange([Instrument("P", "Y", Kind.BINARY)], markets=[BinaryMarket("P:Y")])
    with pytest.raises(DataError, match="P:Y is quoted at 1"):
        made.on_trade("P:Y", D(1), D(1), 1)
    made.settle("P:Y", D(1), 2)
    assert made.on_trade("P:Y", D("0.5"), D(1), 3) == ()


# -------------------------------------------------------- a queue written out


@dataclass
class Queue:
    """Everybody at one price, in order: ``[None, size]`` for others, endless if not known, ``[name, leaves]`` for ours."""

    line: list[tuple[str | None, Decimal]] = field(default_factory=list)

    def join(self, name: str, qty: int, shown: int | None) -> None:
        """Stand behind all that is shown, so behind whoever came since our last order."""
        others = sum((size for who, size in self.line if who is None), D(0))
        self.line += [(None, D("Infinity") if shown is None else D(shown) - others), (name, D(qty))]

    def shrink(self, shown: int) -> None:
        """Leave no more others in front than are shown, the first of them."""
        room = D(shown)
        for n, (who, size) in enumerate(self.line):
            if who is None:
                self.line[n] = (None, min(size, room))
                room -= min(size, room)

    def trade(self, qty: int) -> list[tuple[str, Decimal]]:
        """Serve from the front."""
        left, done = D(qty), []
        for n, (who, size) in enumerate(self.line):
            take = min(left, size)
            left, self.line[n] = left - take, (who, size - take)
            if who is not None and take:
                done.append((who, take))
        self.line = [(who, size) for who, size in self.line if who is None or size]
        return done

    @property
    def ours(self) -> bool:
        """Whether one of ours is in it."""
        return any(who is not None for who, _ in self.line)


steps = st.lists(
    st.tuples(st.just("join"), st.integers(1, 20)) | st.tuples(st.sampled_from(["trade", "show", "hide"]), st.integers(1, 40)), max_size=40
)


@settings(max_examples=300)
@given(steps, st.booleans(), st.booleans())
def test_the_book_counts_as_a_queue_written_out_does(history: list[tuple[str, int]], displayed: bool, buy: bool) -> None:  # noqa: FBT001 - drawn
    """Joins, trades and records at one price, below a better one that never changes: same fills, same names, same order."""
    book, queue, shown = Book(), Queue(), 25 if displayed else None
    price, better, far = (D(99), D(100), D(110)) if buy else (D(99), D(98), D(80))

    def record() -> None:
        own = [Level(better, D(7)), *([] if shown is None else [Level(price, D(shown))])]
        book.show(*((own, [Level(far, D(1))]) if buy else ([Level(far, D(1))], own)))

    record()
    for n, (what, number) in enumerate(history):
        if what == "join":
            book.add(Working(f"o{n}", buy, D(number), price, "gtc", n))
            assert book.match().matches == []
            queue.join(f"o{n}", number, shown)
        elif what == "trade":
            assert [(m.order.order_id, m.qty) for m in book.trade(price, D(number))] == queue.trade(number)
        else:
            shown = number if what == "show" else None
            record()
            if shown is not None:
                queue.shrink(shown)
        if not queue.ours:
            queue = Queue()
