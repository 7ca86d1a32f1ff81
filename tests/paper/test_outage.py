"""A19 and L6 with real processes and sockets: the venue falls silent while a pair is held, and comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hedgekit import demo
from hedgekit.journal import Journal
from hedgekit.replay import replay
from hedgekit.types import NS, Action, Decision, Fill, Link, Order, Phase, Reason, Reconciled
from tests.paper.rig import TINY, TINY_PARAMS, Rig, finished, sandbox


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return the row of the tape at which an undisturbed session has just opened its first pair."""
    rig = finished(tmp_path_factory.mktemp("held"), TINY, params=TINY_PARAMS)
    with rig.journal() as journal:
        opened = next(r for r in journal.records() if isinstance(r, Decision) and r.phase is Phase.OPEN)
    times = TINY.tape().ts_ns
    return int((times <= opened.ts_ns).sum()) + 1


def run(folder: Path, fault: dict[str, Any]) -> tuple[Rig, list[Any]]:
    """Run a session through a fault; return the rig, with the exchange's ledger, and the records."""
    with sandbox(folder, TINY, options=["--faults", json.dumps([fault])]) as rig:
        done = rig.run(rig.config(params=TINY_PARAMS))
        assert done.returncode == 0, done.stderr
        rig.ready["ledger"] = rig.ledger()
    with Journal.open(rig.folder / "journal.db", demo.SESSION, mode="read") as journal:
        records = list(journal.records())
        journal.verify()
        assert len(rig.ready["ledger"]["fills"]) == journal.ledger().fills
    replay(records)
    return rig, records


def test_after_an_outage_it_cancels_reconciles_and_closes_both_legs_before_anything_else(held: int, tmp_path: Path) -> None:
    _, records = run(tmp_path, {"kind": "outage", "at": f"row:{held}", "seconds": 3600.0})
    states = [record.state for record in records if isinstance(record, Link)]
    assert states == ["down", "up"]
    down = next(n for n, record in enumerate(records) if isinstance(record, Link))
    began = max(at for at in TINY.tape().ts_ns.tolist() if at <= records[down].ts_ns)
    assert 30 * NS <= records[down].ts_ns - began <= 60 * NS
    up = next(n for n, record in enumerate(records) if isinstance(record, Link) and record.state == "up")
    assert not any(isinstance(record, Decision) and record.orders for record in records[down:up])
    after = [record for record in records[up:] if isinstance(record, Reconciled) or (isinstance(record, Decision) and record.orders)]
    assert isinstance(after[0], Reconciled)
    close = after[1]
    assert (close.action, close.reason, close.phase) == (Action.CLOSE, Reason.RECONCILED, Phase.CLOSING)
    orders: tuple[Order, ...] = close.orders
    assert sorted(order.leg for order in orders) == [0, 1]
    assert any(isinstance(record, Fill) and record.order_id == orders[0].order_id for record in records)


def test_a_feed_that_stands_still_is_no_quiet_market(held: int, tmp_path: Path) -> None:
    """Pings and requests are answered, the market moves, and nothing is streamed for two days."""
    _, records = run(tmp_path, {"kind": "freeze", "at": f"row:{held}", "seconds": 2 * 86_400.0})
    states = [record.state for record in records if isinstance(record, Link)]
    assert states == ["frozen", "up"]
    frozen, up = (n for n, record in enumerate(records) if isinstance(record, Link))
    silent = (TINY.tape().ts_ns > records[frozen].ts_ns) & (TINY.tape().ts_ns < records[up].ts_ns)
    assert silent.any()  # the market has moved
    first = next(record for record in records[frozen:] if isinstance(record, Decision) and record.orders)
    assert (first.action, first.reason) == (Action.CLOSE, Reason.RECONCILED)


def test_a_lost_connection_is_opened_again_and_changes_nothing_that_was_decided(held: int, tmp_path: Path) -> None:
    _, records = run(tmp_path, {"kind": "disconnect", "at": f"row:{held}"})
    assert not [record for record in records if isinstance(record, Link)]
    assert sum(isinstance(record, Reconciled) for record in records) == 2
