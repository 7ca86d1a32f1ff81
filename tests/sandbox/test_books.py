"""The sandbox plays books level by level: parity with the event replay, what the stream says of a flawed book, thinned depth."""

from __future__ import annotations

import json
from decimal import Decimal
from math import isnan
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hedgekit import demo
from hedgekit.backtest.events import EventReplay, run_events
from hedgekit.data import Recorded, SyntheticBinary
from hedgekit.errors import ConfigError
from hedgekit.exchange import FillModel
from hedgekit.exchange.book import Level
from hedgekit.exchange.engine import Exchange
from hedgekit.exchange.faults import Fault
from hedgekit.exchange.model import Accepted, Executed, NewOrder
from hedgekit.journal import Journal
from hedgekit.params import Params
from hedgekit.sandbox.floor import Floor
from hedgekit.sandbox.recorded import Shown
from hedgekit.sandbox.skins.alpaca_wire import quote_json
from hedgekit.tca.sides import side_of
from hedgekit.types import Cancelled, Decision, Fill, Quote
from hedgekit.venues.alpaca import streams
from tests.data.recorded_made import BOOKS, LEVELS, recorded, walking
from tests.paper.rig import Rig, finished
from tests.sandbox.desk import Message, desk, inside_of, sandbox

NUMBERS: dict[str, Any] = {
    "structure": "pairs",
    "lookback": 10,
    "entry": 1.5,
    "target": 0.3,
    "stop": 6.0,
    "bar_s": 1.0,
    "bar_offset_s": 0.5,
    "fit_bars": 60,
    "refit_bars": 40,
    "notional": 4_000.0,
    "max_quote_age_s": 5.0,
    "evidence_override": "a test of the machinery, not of the pair",
}


# ------------------------------------------------------------------ L1: parity


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Thin books of three levels, some without news, without a side, crossed or locked."""
    return walking(tmp_path_factory.mktemp("books"), 500)


@pytest.fixture(scope="module")
def session(market: Recorded, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """Run a whole session in step on them, by real processes."""
    return finished(tmp_path_factory.mktemp("session"), market, params=NUMBERS)


@pytest.fixture(scope="module")
def replayed(market: Recorded) -> EventReplay:
    """Send the same books and numbers through the event replay."""
    return run_events(market.books(), Params.make(**NUMBERS), FillModel(), session=demo.SESSION)


def records_of(journal: Journal, kind: type) -> list[Any]:
    return [record for record in journal.records() if isinstance(record, kind)]


def test_a_session_on_books_decides_and_fills_as_the_event_replay(session: Rig, replayed: EventReplay) -> None:
    """L1, bit for bit: every decision, every fill with its price and fee, every cancel, and when it was heard."""
    with session.journal() as journal:
        decisions, fills, cancels = (records_of(journal, kind) for kind in (Decision, Fill, Cancelled))
    for number, (theirs, ours) in enumerate(zip(decisions, replayed.decisions, strict=False)):
        assert theirs == ours, f"decision {number}"
    assert len(decisions) == len(replayed.decisions)
    heard = [(r.ts_ns, r.order_id, r.venue_ns, r.qty, r.price, r.fee) for r in fills]
    assert heard == [(r.ts_ns, r.order_id, r.venue_ns, r.qty, r.price, r.fee) for r in replayed.records if isinstance(r, Fill)]
    assert [(r.ts_ns, r.order_id) for r in cancels] == [(r.ts_ns, r.order_id) for r in replayed.records if isinstance(r, Cancelled)]


def test_parity_is_not_empty(replayed: EventReplay, market: Recorded) -> None:
    """Orders walked down all levels, and waited on crossed, one-sided and thin books."""
    assert set(replayed.executions.level) == {1, 2, 3}
    assert {"crossed", "depth exhausted"} <= set(replayed.refusals.why)
    assert {"no ask", "no bid"} & set(replayed.refusals.why)
    assert len(replayed.trades) > 10
    books = market.books()
    locked = books.bid_px[:, :, 0] == books.ask_px[:, :, 0]
    assert locked.sum() > 10
    assert (books.crossed & ~locked).sum() > 10


def test_the_exchanges_money_is_the_replays_to_the_last_digit(session: Rig, replayed: EventReplay) -> None:
    money = sum((-f.qty * f.price - f.fee for f in replayed.records if isinstance(f, Fill)), Decimal(0))
    assert Decimal(session.ready["ledger"]["cash"]) == Decimal(1_000_000) + money


def test_no_mid_in_the_journal_is_made_of_a_missing_side(session: Rig, replayed: EventReplay) -> None:
    """A side that is not there is 0 on the wire: half the other side's price is no mid, the last one goes on."""
    with session.journal() as journal:
        mids = journal.fills()["mid"].to_numpy()
        seen = side_of(journal, "paper").mids
    assert all(leg.mid.min() > 30 for leg in seen.values()), "nor is one that a comparison marks with"
    assert not replayed.executions.two_sided.all()
    assert mids == pytest.approx(replayed.executions.mid.to_numpy(), rel=1e-12)


def test_the_journal_says_which_file_was_played(session: Rig, market: Recorded) -> None:
    with session.journal() as journal:
        said = journal.started.market
    assert (said["digest"], said["sha256"]) == (market.books().digest, market.pinned().sha256)


# ------------------------------------------------- what the stream says of it


async def test_the_stream_says_the_top_and_no_price_that_was_not_there(tmp_path: Path) -> None:
    market = json.loads(msgspec.json.encode(recorded(tmp_path, LEVELS, *BOOKS)))
    async with sandbox(market=market) as process, desk(process.ready) as client:
        told: list[Message] = []
        while (seen := await client.advance()).answer["op"] != "end":
            told += seen.quotes
    said = [(q["S"], q["bp"], q["bs"], q["ap"], q["as"]) for q in told]
    assert said == [
        ("KO", 44.68, 300, 44.7, 200),
        ("PEP", 90.0, 100, 90.02, 100),
        ("KO", 44.69, 10, 44.7, 200),
        ("PEP", 0, 0, 90.02, 100),
        ("KO", 44.72, 10, 44.7, 200),
        ("KO", 0, 0, 0, 0),
        ("PEP", 90.0, 100, 90.02, 100),
    ], "a missing side is 0, a crossed book is as it was, a locked one is no market"
    assert told[2]["t"] == "2026-01-05T14:30:00.123456789Z"


async def test_an_order_walks_the_levels_and_a_crossed_book_gives_nothing(tmp_path: Path) -> None:
    market = json.loads(msgspec.json.encode(recorded(tmp_path, LEVELS, *BOOKS)))
    async with sandbox(market=market) as process, desk(process.ready) as client:
        await client.advance()
        await client.order("walk", 1_000)
        updates: list[Message] = []
        while (seen := await client.advance()).answer["op"] != "end":
            updates += seen.updates
    fills = [(u["data"]["qty"], u["data"]["price"]) for u in updates if "price" in u["data"]]
    assert fills == [("200", "44.7"), ("800", "44.71")]
    async with sandbox(market=market) as process, desk(process.ready) as client:
        while not any(quote["bp"] == 90.0 for quote in (await client.advance()).quotes):
            pass
        await client.advance()  # KO alone
        await client.order("none", 10)
        assert [u["data"]["event"] for u in [u async for u in _to_the_end(client)]] == ["new"], "crossed, then locked: nothing fills"


async def _to_the_end(client: Any) -> Any:
    while (seen := await client.advance()).answer["op"] != "end":
        for update in seen.updates:
            yield update


def test_the_exchange_says_that_a_crossed_book_refuses() -> None:
    floor = Floor(Exchange([INSTRUMENT], model=FillModel("touch")))
    floor.on_book(shown("44.72x10", "44.70x200"))
    (accepted,) = floor.submit(NewOrder("a", KEY, Decimal(10)), 1)
    assert isinstance(accepted, Accepted)
    assert accepted.note == "the book is crossed: bid 44.72 above ask 44.70"


def test_what_the_wire_says_of_a_missing_side_is_no_price_for_a_session() -> None:
    (event,) = streams.market_of(b"[" + quote_json(shown("", "44.70x200").quote) + b"]", 5)
    assert isinstance(event, Quote)
    assert (event.bid, event.bid_size, event.ask, event.ask_size) == (0.0, 0.0, 44.7, 200.0)


# ------------------------------------------------------------- thinned depth

INSTRUMENT = Recorded("", "KO", "PEP").instruments()[0]
KEY = INSTRUMENT.key


def shown(bids: str, asks: str, ts_ns: int = 0) -> Shown:
    """Return a book written as "price x size" levels, best first."""
    sides = [[Level(*map(Decimal, level.split("x"))) for level in text.split()] for text in (bids, asks)]
    best = [(float(side[0].price), float(side[0].size)) if side else (float("nan"), 0.0) for side in sides]
    quote = Quote(ts_ns=ts_ns, instrument=KEY, venue_ns=ts_ns, bid=best[0][0], ask=best[1][0], bid_size=best[0][1], ask_size=best[1][1])
    assert isnan(quote.bid) == (not bids)
    return Shown(quote, *sides)


def filled(reports: Any) -> list[str]:
    return [f"{report.qty}@{report.price}" for report in reports if isinstance(report, Executed)]


def limited(model: FillModel, qty: int, fraction: float, limit: str | None = None) -> tuple[Floor, list[str], list[str]]:
    """Return a floor that took one partial order after a first book, what it filled at once, and whom the fault has hit."""
    hits: list[str] = []
    floor = Floor(Exchange([INSTRUMENT], Decimal(10_000_000), model), lambda _, name: hits.append(name))
    floor.on_book(shown("44.68x300 44.67x500", "44.70x200 44.71x900"))
    order = NewOrder("a", KEY, Decimal(qty), "limit" if limit else "market", Decimal(limit) if limit else None)
    with floor.befalls(Fault("partial", "submit:1", fraction=fraction)):
        reports = floor.submit(order, 1)
    return floor, filled(reports), hits


def test_a_partial_order_meets_its_part_of_the_depth_best_levels_first() -> None:
    floor, at_once, hits = limited(FillModel(), 1_000, 0.3)
    assert (at_once, hits) == ([], [])
    assert filled(floor.on_book(shown("44.68x300", "44.70x200 44.71x900", 2))) == ["200@44.70", "100@44.71"]
    assert hits == ["a"]
    assert filled(floor.on_book(shown("44.68x300", "44.70x50 44.71x100", 3))) == ["50@44.70", "100@44.71"], (
        "all there is, less than its part"
    )
    assert filled(floor.on_book(shown("44.68x300", "44.70x301", 4))) == ["300@44.70"]


def test_part_lots_are_no_part_of_the_part() -> None:
    floor, _, _ = limited(FillModel(), 100, 0.4)
    assert filled(floor.on_book(shown("", "44.70x33.7 44.71x900", 2))) == ["33@44.70", "7@44.71"]


def test_what_a_limit_does_not_reach_was_not_withheld() -> None:
    floor, _, hits = limited(FillModel(), 1_000, 0.3, "44.70")
    assert filled(floor.on_book(shown("", "44.70x200 44.71x900", 2))) == ["200@44.70"]
    assert hits == [], "it would have filled no more"
    assert filled(floor.on_book(shown("", "44.70x400 44.71x900", 3))) == ["300@44.70"]
    assert hits == ["a"]


def test_sells_meet_their_part_of_the_bids() -> None:
    floor, _, _ = limited(FillModel(), -1_000, 0.4)
    assert filled(floor.on_book(shown("44.68x300 44.67x500", "44.70x200", 2))) == ["-300@44.68", "-100@44.67"]


def test_an_order_that_comes_to_a_standing_book_meets_its_part_of_what_is_left() -> None:
    floor, at_once, hits = limited(FillModel("touch"), 1_000, 0.3)
    assert (at_once, hits) == (["200@44.70", "100@44.71"], ["a"])
    assert filled(floor.submit(NewOrder("b", KEY, Decimal(50)), 2)) == [], "others share that part"
    assert floor.exchange.blocked(KEY, 3, buy=False) == "", "the other side is whole"
    assert filled(floor.on_book(shown("", "44.70x1000", 4))) == ["300@44.70"]


def test_a_fault_does_not_make_a_stale_book_young() -> None:
    floor, _, hits = limited(FillModel("touch", max_age_ns=5), 1, 0.5)
    hits.clear()
    with floor.befalls(Fault("partial", "submit:1", fraction=0.5)):
        reports = floor.submit(NewOrder("late", KEY, Decimal(100)), 6)
    assert filled(reports) == []
    assert isinstance(reports[0], Accepted)
    assert "the book is stale" in reports[0].note


# ------------------------------------------------------------------- refusals


async def test_what_alpaca_does_not_trade_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="BINA is a binary contract: Alpaca has shares only"):
        async with inside_of(SyntheticBinary(rows=9, venue="ALPACA").tape()):
            pass
