"""What an order meets when it arrives: post-only, and books that are stale, crossed, empty or used up."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hedgekit.errors import ConfigError
from hedgekit.exchange import Accepted, Cancelled, Exchange, Executed, FillModel, Level, NewOrder, Refusal, Rejected, Reports, Status
from hedgekit.exchange.model import Tif
from hedgekit.types import NS, Instrument

D = Decimal
KEY = "X:A"


def side(*levels: tuple[str, str]) -> list[Level]:
    return [Level(D(price), D(size)) for price, size in levels]


def market(model: FillModel | None = None) -> Exchange:
    made = Exchange([Instrument("X", "A")], model=model or FillModel("touch"))
    made.on_depth(KEY, side(("99", "10"), ("98", "10")), side(("101", "10"), ("102", "10")), NS)
    return made


def send(  # noqa: PLR0913 - an order in one line
    made: Exchange, name: str, qty: str, limit: str | None = None, tif: Tif = "gtc", *, at: int = NS, post_only: bool = False
) -> Reports:
    return made.submit(NewOrder(name, KEY, D(qty), "limit" if limit else "market", D(limit) if limit else None, tif, post_only), at)


def note(reports: Reports) -> str:
    first = reports[0]
    assert isinstance(first, Accepted)
    return first.note


def kinds(reports: Reports) -> list[str]:
    return [type(r).__name__ for r in reports]


# -------------------------------------------------------------- post-only


@pytest.mark.parametrize("model", ["touch", "next_quote"])
@pytest.mark.parametrize(
    ("qty", "limit", "words"),
    [
        ("5", "101", "post-only at 101 would take: 10 are left of the ask at 101"),
        ("5", "150", "post-only at 150 would take: 10 are left of the ask at 101"),
        ("-5", "99", "post-only at 99 would take: 10 are left of the bid at 99"),
    ],
)
def test_post_only_is_refused_if_it_would_take(model: Literal["touch", "next_quote"], qty: str, limit: str, words: str) -> None:
    made = market(FillModel(model))
    (no,) = send(made, "p", qty, limit, post_only=True)
    assert isinstance(no, Rejected)
    assert (no.why, no.message, no.order, made.orders()) == (Refusal.POST_ONLY, words, None, [])


def test_post_only_asks_what_is_left_of_the_displayed_book() -> None:
    made = market()
    send(made, "t", "10")
    (no,) = send(made, "p", "5", "102", post_only=True)
    assert isinstance(no, Rejected)
    assert no.message == "post-only at 102 would take: 10 are left of the ask at 102"
    assert kinds(send(made, "q", "5", "101", post_only=True)) == ["Accepted"], "of the 10 at 101 nothing is left"


@pytest.mark.parametrize("model", ["touch", "next_quote"])
def test_post_only_rests_from_its_arrival_and_is_filled_at_its_limit(model: Literal["touch", "next_quote"]) -> None:
    made = market(FillModel(model))
    assert kinds(send(made, "p", "5", "100", post_only=True)) == ["Accepted"]
    (done,) = made.on_depth(KEY, [], side(("97", "10")), NS)
    assert isinstance(done, Executed)
    assert (done.price, done.maker) == (D(100), True), "the quote came to it, also if that quote is its first"


def test_a_plain_limit_order_that_waits_for_its_first_quote_comes_to_it() -> None:
    made = market(FillModel("next_quote"))
    send(made, "p", "5", "100")
    (done,) = made.on_depth(KEY, [], side(("97", "10")), NS)
    assert isinstance(done, Executed)
    assert (done.price, done.maker) == (D(97), False)


@pytest.mark.parametrize(("limit", "tif"), [(None, "gtc"), ("90", "ioc"), ("90", "fok")])
def test_what_cannot_rest_cannot_be_post_only(limit: str | None, tif: Tif) -> None:
    (no,) = send(market(), "p", "5", limit, tif, post_only=True)
    assert isinstance(no, Rejected)
    assert no.why is Refusal.POST_ONLY
    assert no.message.endswith("so it cannot be post-only; give a limit and gtc or day")


# ------------------------------------------------- stale, crossed, empty, used up


AGED = FillModel("touch", max_age_ns=NS)


def test_a_book_is_stale_beyond_its_age_and_fills_nothing() -> None:
    made = market(AGED)
    assert kinds(send(made, "young", "1", at=2 * NS)) == ["Accepted", "Executed"], "one second old is not older than a second"
    old = 2 * NS + NS // 2
    got = send(made, "old", "1", at=old)
    assert (kinds(got), note(got)) == (["Accepted"], "the book is stale: recorded 1.5 s ago, allowed are 1 s")
    assert made.blocked(KEY, old, buy=True) == made.blocked(KEY, old, buy=False) == note(got)
    got = send(made, "ioc", "1", tif="ioc", at=old)
    assert (kinds(got), note(got)[:17]) == (["Accepted", "Cancelled"], "the book is stale")
    assert isinstance(got[1], Cancelled)
    assert (got[1].why, got[1].order.status) == ("ioc", Status.CANCELLED)
    (done,) = made.on_depth(KEY, [], side(("101", "10")), 3 * NS)
    assert isinstance(done, Executed)
    assert done.order.request.client_id == "old", "a fresh record ends the wait"


def test_by_default_no_book_is_stale() -> None:
    assert kinds(send(market(), "a", "1", at=10**9 * NS)) == ["Accepted", "Executed"]


def test_next_quote_never_meets_a_standing_book_so_its_age_does_not_matter() -> None:
    made = market(FillModel(max_age_ns=1))
    send(made, "a", "1", at=5 * NS)
    assert kinds(made.on_depth(KEY, [], side(("101", "10")), 9 * NS)) == ["Executed"]


def test_a_limit_order_that_arrives_at_a_stale_book_rests_without_a_known_place() -> None:
    made = market(AGED)
    got = send(made, "a", "5", "101", at=9 * NS)
    assert note(got).startswith("the book is stale")
    assert got[0].order is not None
    assert made.queue(got[0].order.order_id) is None
    (done,) = made.on_depth(KEY, [], side(("100", "10")), 10 * NS)
    assert isinstance(done, Executed)
    assert done.price == D(101), "nobody knows when the ask came: the worse of the two"


def test_a_stale_book_cannot_be_taken_so_post_only_passes() -> None:
    assert kinds(send(market(AGED), "p", "5", "101", at=9 * NS, post_only=True)) == ["Accepted"]


@pytest.mark.parametrize(
    ("bids", "asks", "words"),
    [
        (side(("103", "5")), side(("101", "5")), "the book is crossed: bid 103 above ask 101"),
        ([], [], "the book has no ask"),
        (side(("99", "5")), [], "the book has no ask"),
        ([], side(("101", "0.5")), "nothing is left of the displayed asks"),
    ],
)
def test_an_order_at_a_book_that_cannot_fill_it_is_told_why(bids: list[Level], asks: list[Level], words: str) -> None:
    made = market()
    made.on_depth(KEY, bids, asks, NS)
    got = send(made, "a", "1")
    assert (kinds(got), note(got)) == (["Accepted"], words)
    got = send(made, "b", "1", tif="fok")
    assert (kinds(got), note(got)) == (["Accepted", "Cancelled"], words)


def test_a_used_up_book_says_so_and_a_fit_one_says_nothing() -> None:
    made = market()
    assert note(send(made, "a", "20")) == ""
    assert note(send(made, "b", "1")) == "nothing is left of the displayed asks"
    assert note(send(made, "c", "5", "90")) == "nothing is left of the displayed asks"
    assert Exchange([Instrument("X", "A")]).blocked(KEY, 0, buy=True) == "no book has been recorded yet"


def test_what_was_taken_stays_taken_over_a_crossed_or_empty_record() -> None:
    made = market()
    send(made, "a", "10")
    again = (side(("99", "10")), side(("101", "10"), ("102", "10")))
    for between in ((side(("103", "5")), side(("101", "10"))), ([], [])):
        made.on_depth(KEY, *between, NS, keep_taken=True)
        made.on_depth(KEY, *again, NS, keep_taken=True)
        assert made.blocked(KEY, NS, buy=True) == ""
        (no,) = send(made, "p", "1", "102", post_only=True)
        assert isinstance(no, Rejected)
        assert no.message.endswith("10 are left of the ask at 102"), "not the 10 at 101, which are gone"


def test_an_age_below_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_age_ns=-1: give the age in nanoseconds beyond which a book is stale, or 0"):
        FillModel(max_age_ns=-1)


ODD = st.decimals(allow_nan=True, allow_infinity=True) | st.sampled_from(
    [D("1e400"), D("1e-400"), D("1e18"), D("0." + "1" * 99), D(10**30 + 1)]
)


@given(ODD, ODD | st.none())
@example(D(1), D("0.1e400"))
@example(D("-1e400"), None)
def test_any_number_is_accepted_or_refused_in_words(qty: Decimal, limit: Decimal | None) -> None:
    """Found by the fuzzer: a price too large for exact sums was an error instead of a refusal."""
    made = market()
    (first, *_) = made.submit(NewOrder("a", KEY, qty, "market" if limit is None else "limit", limit), NS)
    assert isinstance(first, Accepted) or (isinstance(first, Rejected) and not made.orders())
