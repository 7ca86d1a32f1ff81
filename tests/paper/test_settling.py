"""Whole sessions on synthetic contracts that are settled: at both venues that have such, and live where nobody was there to hear it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from hedgekit.paper.commands import Spool
from hedgekit.replay import replay
from hedgekit.rules.state import COMMANDS
from hedgekit.types import NS, Decision, Fees, Fill, Instrument, Kind, MarketStatus, Reason, Record, SessionEnded
from tests.paper import polymarket_rig, test_kalshi
from tests.paper.polymarket_rig import PAIR
from tests.paper.rig import Rig
from tests.paper.test_live import PATIENCE_S, start, until

HELD: dict[str, Any] = polymarket_rig.PARAMS | {"target": -9.0, "stop": 100.0, "refit_bars": 10_000, "patience_s": 0.0}
"""An entry is held to the end."""

_FEES = Fees(per_unit=Decimal("0.0175"), quantum=Decimal("0.0001"))
AT_KALSHI = tuple(Instrument("KALSHI", symbol, Kind.BINARY, tick=Decimal("0.01"), fees=_FEES) for symbol in ("RAIN-26JAN", "SNOW-26JAN"))
MARKETS = {
    "POLYMARKET": replace(PAIR, settles=True, size_notional=3_000.0),
    "KALSHI": replace(PAIR, settles=True, size_notional=3_000.0, listed=AT_KALSHI, primary="RAIN-26JAN", hedge="SNOW-26JAN"),
}
SANDBOXES: dict[str, Callable[..., AbstractContextManager[Rig]]] = {"POLYMARKET": polymarket_rig.sandbox, "KALSHI": test_kalshi.sandbox}


def settlements(records: list[Record]) -> dict[str, tuple[Decimal, Decimal]]:
    """Return what was taken out of each instrument, and at what."""
    paid = [record for record in records if isinstance(record, Fill) and record.cause == "settlement"]
    assert len(paid) == len({one.instrument for one in paid}), "each contract once"
    return {one.instrument: (one.qty, one.price) for one in paid}


def outcomes(venue: str) -> dict[str, int]:
    market = MARKETS[venue]
    return dict(zip((one.key for one in market.instruments()), market.books().payout or (), strict=True))


@pytest.mark.parametrize("venue", ["POLYMARKET", "KALSHI"])
def test_what_is_held_to_the_end_is_paid_what_the_truth_says(tmp_path: Path, venue: str) -> None:
    with SANDBOXES[venue](tmp_path, MARKETS[venue]) as rig:
        done = rig.run(rig.config(params=HELD))
        assert done.returncode == 0, done.stderr
        ledger = rig.ledger(venue=venue)
    with rig.journal() as journal:
        records, ours = list(journal.records()), journal.ledger()
    paid = settlements(records)
    assert paid, "a pair is held at the end"
    assert all(price == outcomes(venue)[key] for key, (_, price) in paid.items())
    assert not ledger["positions"]
    assert not any(ours.positions.values())
    assert Decimal(ledger["cash"]) == polymarket_rig.CASH + ours.cash
    said = next(record for record in records if isinstance(record, Decision) and record.reason is Reason.SETTLED)
    late = [record for record in records if isinstance(record, Fill) and record.cause == "trade" and record.ts_ns >= said.ts_ns]
    assert late == [], "the close of the leg that is settled a moment later finds no market"
    assert {record.instrument for record in records if isinstance(record, MarketStatus) and record.status == "closed"} == {*outcomes(venue)}
    replay(records)


@pytest.mark.parametrize("venue", ["POLYMARKET", "KALSHI"])
def test_a_settlement_while_the_venue_is_out_is_learned_by_rest_and_booked_once(tmp_path: Path, venue: str) -> None:
    fault = json.dumps([{"kind": "outage", "at": f"row:{PAIR.rows}", "seconds": 120.0}])
    with SANDBOXES[venue](tmp_path, MARKETS[venue], options=["--faults", fault]) as rig:
        done = rig.run(rig.config(params=HELD))
        assert done.returncode == 0, done.stderr
        ledger = rig.ledger(venue=venue)
    with rig.journal() as journal:
        records, ours = list(journal.records()), journal.ledger()
    last = int(MARKETS[venue].tape().ts_ns[-1])
    paid = [record for record in records if isinstance(record, Fill) and record.cause == "settlement"]
    assert len(paid) == len(settlements(records)) >= 1
    assert all(one.ts_ns >= last + 120 * NS and one.price == outcomes(venue)[one.instrument] for one in paid), "not before it is back"
    assert Decimal(ledger["cash"]) == polymarket_rig.CASH + ours.cash
    assert not any(ours.positions.values())


def test_live_a_settlement_that_kalshi_told_while_the_feed_was_down_is_learned_by_rest(tmp_path: Path) -> None:
    """The venue is gone from before the last row until after the settlement, which it does not say again.

    35 s of rows: a busy machine takes ten to load what fits the plan.
    """
    market = replace(MARKETS["KALSHI"], rows=700)
    fault = json.dumps([{"kind": "outage", "at": f"row:{market.rows - 5}", "seconds": 3.0}])
    (commands := tmp_path / "commands").mkdir()
    with test_kalshi.sandbox(tmp_path, market, options=["--live", "--speed", "20", "--faults", fault]) as rig:
        numbers = HELD | {"bar_ticks": 1, "bar_s": 1.0, "bar_offset_s": 0.5, "interval_s": 1.0, "max_quote_age_s": 5.0}
        numbers |= {"fit_bars": 30, "entry": 0.6}
        process = start(rig, rig.config(params=numbers, control="", commands=str(commands)))
        records = until(rig, process, lambda some: bool(settlements(some)))
        Spool(str(commands), COMMANDS).send("stop")
        _, said = process.communicate(timeout=PATIENCE_S + 180.0)  # an order that was under way is looked for as long as it may arrive
        assert process.returncode == 0, said
    with rig.journal() as journal:
        records, ours = list(journal.records()), journal.ledger()
    assert isinstance(records[-1], SessionEnded)
    assert {key: price for key, (_, price) in settlements(records).items()}.items() <= outcomes("KALSHI").items()
    assert not any(ours.positions.values())
    back = next(n for n, record in enumerate(records) if isinstance(record, Fill) and record.cause == "settlement")
    heard = max(record.ts_ns for record in records[:back] if record.ts_ns < records[back].ts_ns - 10**9)
    assert records[back].ts_ns - heard >= 10**9, "nothing was heard before it for a while"
    replay(records)


@pytest.mark.parametrize("venue", ["POLYMARKET", "KALSHI"])
def test_a_session_that_begins_when_the_market_is_over_knows_it_before_anything_else(tmp_path: Path, venue: str) -> None:
    """The stream has told it before the session began, and does not say it again: the venue was asked."""
    market = replace(MARKETS[venue], rows=3, resolve_row=4)
    (commands := tmp_path / "commands").mkdir()
    with SANDBOXES[venue](tmp_path, market, options=["--live", "--speed", "1000"]) as rig:
        process = start(rig, rig.config(params=HELD, control="", commands=str(commands)))
        until(rig, process, lambda some: sum(isinstance(record, MarketStatus) for record in some) >= 2)
        Spool(str(commands), COMMANDS).send("stop")
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
    with rig.journal() as journal:
        records = list(journal.records())
    told = [(record.instrument, record.status) for record in records if isinstance(record, MarketStatus)]
    assert {*told} == {(one.key, "closed") for one in market.instruments()}
    assert not [record for record in records if isinstance(record, Decision) and record.orders]
    replay(records)
