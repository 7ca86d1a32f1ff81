"""The real Polymarket books, replayed through the Polymarket skin to a session: a profit at mid, a loss at the book."""

from __future__ import annotations

from pathlib import Path

import pytest

from hedgekit.data import SampledBooks
from hedgekit.errors import ConfigError, DataError
from hedgekit.journal import Journal
from hedgekit.tca import executable
from tests.paper.polymarket_books import played

MARKET = SampledBooks("btc-updown-15m-1790586000")


def test_reversion_on_up_earns_at_mid_and_loses_at_the_book(tmp_path: Path) -> None:
    """MANIFEST's signs, on the first of the twelve markets; `python -m tests.paper.polymarket_books` plays them all."""
    trades, made = played(MARKET, tmp_path)
    assert len(trades) == 7
    assert trades["pnl_mid"].sum() == pytest.approx(3.18)
    assert trades["pnl_book"].sum() == pytest.approx(-28.861)
    assert trades["pnl_book"].sum() == pytest.approx(made), "no contract is left, so cash says the same"
    assert (trades["pnl_book"] - (trades["pnl_mid"] - trades["delay"] - trades["spread"] - trades["fee"])).abs().max() < 1e-9
    assert trades["levels"].max() > 1, "orders walk the recorded levels"
    assert {*trades["exit"]} == {"traded"}
    with Journal.open(tmp_path / "journal.db", "demo-ko-pep", mode="read") as journal, pytest.raises(DataError, match="have no row of it"):
        executable(journal, SampledBooks("btc-updown-15m-1790586900").books())


@pytest.mark.parametrize(
    ("market", "words"),
    [
        (SampledBooks("btc"), "no market 'btc' in pm_poly_btc15m"),
        (SampledBooks(MARKET.market, fee_rate="much"), "fee_rate='much': give a decimal from 0"),
        (SampledBooks(MARKET.market, fee_rate="-1"), "fee_rate='-1'"),
        (SampledBooks(MARKET.market, first=10, last=10), "no row is left"),
    ],
)
def test_a_recipe_that_means_nothing_is_refused(market: SampledBooks, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        market.books()


def test_a_part_of_a_sampled_market_is_described_by_its_depth() -> None:
    part = SampledBooks(MARKET.market, first=100, last=300, fee_rate="0.072")
    books = part.books()
    assert (len(books), books.complementary, books.payout) == (200, True, (0, 1))
    assert [one.symbol for one in part.instruments()] == [part.primary, part.hedge]
    assert {str(one.fees.rate) for one in part.instruments()} == {"0.072"}
    told = part.describe(part.tape())
    assert (told["digest"], told["levels"], told["first"], told["last"]) == (books.digest, "5", "100", "300")
    assert "5 a side" in told["description"]
