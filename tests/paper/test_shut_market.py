"""L6 with real processes: a session in step, on a tape in seconds, over a close and an opening that its calendar names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hedgekit import demo
from hedgekit.data import SyntheticMarket
from hedgekit.journal import Journal
from hedgekit.replay import replay
from hedgekit.types import NS, Decision, Fill, Link, MarketStatus, Phase, Reconciled
from tests.paper.rig import sandbox

SHUTS, OPENS = (pd.Timestamp(f"2026-01-06T{time}Z").value for time in ("02:30:00", "03:30:00"))
"""Tokyo's lunch break, 11:30 to 12:30 there."""

MARKET = SyntheticMarket(
    start="2026-01-06T02:05:00Z", rows=570, row_s=10.0, half_life=100.0, spread_sd=0.012, hedge_vol=0.0005, size_notional=1e7, seed=16
)
"""95 minutes, a quote of each leg every ten seconds; also while shut, as quotes outside hours are. Held at the close: seen by trying."""

PARAMS = {**demo.PARAMS, "bar_s": 10.0, "bar_offset_s": 1.0, "fit_bars": 30, "lookback": 20, "entry": 1.5, "target": -1.0, "stop": 9.0}

ROW_OF_THE_CLOSE = 151


def run(folder: Path, *faults: dict[str, Any], calendar: str = "XTKS") -> list[Any]:
    """Run a session through faults; return its records, of which the decisions replay."""
    with sandbox(folder, MARKET, options=["--faults", json.dumps(faults)]) as rig:
        done = rig.run(rig.config(params=PARAMS, access={"calendar": calendar}))
        assert done.returncode == 0, done.stderr
        ledger = rig.ledger()
    with Journal.open(rig.folder / "journal.db", demo.SESSION, mode="read") as journal:
        journal.verify()
        records = list(journal.records())
        assert len(ledger["fills"]) == journal.ledger().fills
    replay(records)
    return records


def between(records: Sequence[Any], kind: Any) -> list[Any]:
    """Return the records of a kind while the market is shut."""
    return [record for record in records if isinstance(record, kind) and SHUTS <= record.ts_ns < OPENS]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return run(tmp_path_factory.mktemp("calm"))


def test_it_says_the_close_and_the_opening_at_their_times(calm: list[Any]) -> None:
    told = [(record.ts_ns, record.status) for record in calm if isinstance(record, MarketStatus)]
    assert told == [(SHUTS, "closed"), (SHUTS, "closed"), (OPENS, "open"), (OPENS, "open")]


def test_while_shut_nothing_is_ordered_and_what_is_held_stays(calm: list[Any]) -> None:
    shut = between(calm, Decision)
    assert len(shut) >= 360
    assert not [decision for decision in shut if decision.orders or decision.cancels]
    assert len({decision.positions for decision in shut if decision.ts_ns > SHUTS + 15 * NS}) == 1
    assert all(shut[-1].positions)
    assert shut[-1].phase is Phase.OPEN
    before = [record for record in calm if isinstance(record, Decision) and record.orders and record.ts_ns < SHUTS]
    after = [record for record in calm if isinstance(record, Decision) and record.orders and record.ts_ns >= OPENS]
    assert before
    assert after


def test_it_is_the_calendar_that_keeps_it_from_trading(calm: list[Any], tmp_path: Path) -> None:
    free = run(tmp_path, calendar="")
    assert [decision for decision in between(free, Decision) if decision.orders]
    assert not [record for record in free if isinstance(record, MarketStatus)]
    assert [r for r in free if r.ts_ns < SHUTS] == [r for r in calm if r.ts_ns < SHUTS]


def test_a_feed_that_stands_still_over_the_close_is_no_alarm(tmp_path: Path) -> None:
    silent = {"kind": "freeze", "at": f"row:{ROW_OF_THE_CLOSE - 1}", "seconds": 1_800.0}
    assert not [record for record in run(tmp_path / "shut", silent) if isinstance(record, Link)]
    control = [record.state for record in run(tmp_path / "open", silent, calendar="") if isinstance(record, Link)]
    assert control == ["frozen", "up"]


def test_an_api_that_is_dead_while_shut_is_down_and_the_legs_are_closed_at_the_opening(tmp_path: Path) -> None:
    records = run(tmp_path, {"kind": "outage", "at": f"row:{ROW_OF_THE_CLOSE + 20}", "seconds": 600.0})
    links = [(record.state, record.ts_ns) for record in records if isinstance(record, Link)]
    assert [state for state, _ in links] == ["down", "up"]
    assert all(SHUTS < ts_ns < OPENS for _, ts_ns in links)
    assert not [decision for decision in between(records, Decision) if decision.orders]
    opened = [record for record in records if record.ts_ns >= OPENS]
    first = next(record for record in opened if isinstance(record, Decision) and record.orders)
    asked = next(record for record in opened if isinstance(record, Reconciled))
    assert records.index(asked) < records.index(first)
    assert first.phase is Phase.CLOSING
    assert sum(isinstance(record, Fill) for record in opened) >= 2
