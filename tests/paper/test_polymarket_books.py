"""The real Polymarket books, replayed through the Polymarket skin to a session: a profit at mid, a loss at the book."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from hedgekit.data import SampledBooks
from hedgekit.errors import ConfigError, DataError
from hedgekit.journal import Journal
from hedgekit.tca import executable
from hedgekit.types import Fill
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


def test_what_is_held_to_the_end_is_settled_at_the_official_outcome(tmp_path: Path) -> None:
    """The venue pays what the contract is worth, 0 or 1; the journal books it, and the exchange's ledger and record say the same."""
    told, made = played(MARKET, tmp_path, target=-3.0, stop=100.0)
    with Journal.open(tmp_path / "journal.db", "demo-ko-pep", mode="read") as journal:
        records, fills, trades, ledger = list(journal.records()), journal.fills(), journal.trades(), journal.ledger()
    (paid,) = [record for record in records if isinstance(record, Fill) and record.cause == "settlement"]
    (row,) = fills[fills["cause"] == "settlement"].to_dict("records")
    payout = dict(zip((one.key for one in MARKET.instruments()), MARKET.books().payout or (), strict=True))[paid.instrument]
    assert (paid.price, paid.order_id, paid.fee) == (payout, "", 0)
    assert not any(ledger.positions.values())
    assert (row["trade"], row["spread_cost"]) == (trades["trade"].max(), 0.0)
    assert float(trades["hedged"].sum()) == pytest.approx(made)
    assert told["pnl_book"].sum() == pytest.approx(made)
    assert [*told["exit"]][-1] == "settled"
    written = map(json.loads, (tmp_path / "record" / "ledger.jsonl").read_text().splitlines())
    (line,) = [line for line in written if line["event"] == "settled"]
    assert (Decimal(line["qty"]), Decimal(line["price"])) == (paid.qty, payout)


def test_a_settlement_while_the_venue_is_away_is_learned_by_asking_and_booked_once(tmp_path: Path) -> None:
    """From the last row the venue is gone for two minutes; the contract resolves meanwhile, and nobody says so again."""
    last = len(MARKET.books())
    outage = json.dumps([{"kind": "outage", "at": f"row:{last}", "seconds": 120}])
    told, made = played(MARKET, tmp_path, options=["--faults", outage], target=-3.0, stop=100.0)
    with Journal.open(tmp_path / "journal.db", "demo-ko-pep", mode="read") as journal:
        records, ledger = list(journal.records()), journal.ledger()
    (paid,) = [record for record in records if isinstance(record, Fill) and record.cause == "settlement"]
    payout = dict(zip((one.key for one in MARKET.instruments()), MARKET.books().payout or (), strict=True))[paid.instrument]
    assert paid.price == payout
    assert paid.ts_ns - MARKET.books().ts_ns[-1] >= 120 * 10**9
    assert not any(ledger.positions.values())
    assert told["pnl_book"].sum() == pytest.approx(made)


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
