"""Fills that fail after they were told, in whole sessions at a sandboxed Polymarket: booked back once, and hedged again (L2, L3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from hedgekit.errors import SessionError
from hedgekit.exchange.faults import Fault, FaultKind
from hedgekit.launch import Child
from hedgekit.paper.config import CONTROL_TOKEN_ENV
from hedgekit.types import NS, Decision, Fill, Link, Phase, Reason, Reconciled, Record
from hedgekit.venues.alpaca import Alpaca
from tests.paper.polymarket_rig import PAIR, PARAMS, agree, sandbox
from tests.paper.rig import Rig

FAILED = tuple(Fault(FaultKind.REVERSAL, at, seconds) for at, seconds in (("submit:2", 10.0), ("submit:5", 4.0)))
DEAF = Fault(FaultKind.LOST, "trade:1", count=100_000)
"""Nothing of the account's stream arrives: all is learned by REST."""


def traded(folder: Path, faults: Sequence[Fault], kills: Sequence[tuple[str, int]] = ()) -> list[Record]:
    """Run a whole session, killed and resumed so often; return its records, which are the exchange's ledger."""
    with sandbox(folder, faults=faults) as rig:
        config = rig.config(params=PARAMS)
        for point, count in kills:
            assert rig.run(config, kill_at=point, count=count).returncode == -9
        done = rig.run(config)
        assert done.returncode == 0, done.stderr
        agree(rig)
    return _records(rig)


def _records(rig: Rig) -> list[Record]:
    with rig.journal() as journal:
        return list(journal.records())


def undone(records: Sequence[Record]) -> list[tuple[Fill, Fill, Decision]]:
    """Return each reversal with its execution, and what was decided on it."""
    fills = {record.fill_id: record for record in records if isinstance(record, Fill) and record.cause == "trade"}
    found = []
    for number, record in enumerate(records):
        if isinstance(record, Fill) and record.cause == "reversal":
            decision = records[number + 1]
            assert isinstance(decision, Decision)
            found.append((fills[record.fill_id.replace("-reversed", "")], record, decision))
    return found


def test_a_fill_that_fails_is_booked_back_and_ordered_again(tmp_path: Path) -> None:
    found = undone(traded(tmp_path, FAILED))
    assert [round((back.ts_ns - fill.ts_ns) / NS) for fill, back, _ in found] == [10, 4]
    (hedge, _, repair), (primary, _, given_up) = found
    assert (repair.phase, [(order.instrument, order.qty) for order in repair.orders]) == (Phase.OPENING, [(hedge.instrument, hedge.qty)])
    assert (given_up.phase, given_up.orders, len(given_up.cancels)) == (Phase.CLOSING, (), 1), "the order that was to close what is gone"
    assert hedge.instrument != primary.instrument


def test_it_is_booked_back_once_whoever_is_killed_meanwhile(tmp_path: Path) -> None:
    found = undone(traded(tmp_path, FAILED, (("outbox.after_send", 2), ("session.received", 3))))
    assert len(found) == len({back.fill_id for _, back, _ in found}) == 2
    for fill, back, decision in found:
        assert (back.order_id, back.instrument, back.price) == (fill.order_id, fill.instrument, fill.price)
        assert (back.qty, back.fee, decision.reason) == (-fill.qty, -fill.fee, Reason.REVERSED)


def test_of_a_stream_that_tells_nothing_reversals_are_learned_by_rest(tmp_path: Path) -> None:
    """A minute after an execution it is final, and asked is what became of it: the failed one is booked back then."""
    found = undone(traded(tmp_path, (*FAILED, DEAF)))
    assert len(found) == 2
    for fill, back, decision in found:
        assert decision.reason is Reason.REVERSED
        assert fill.ts_ns <= back.ts_ns <= fill.ts_ns + 125 * NS


def test_a_reversal_while_the_venue_is_out_is_known_before_what_is_held_is_agreed_on(tmp_path: Path) -> None:
    """A row is a minute: a fill that fails 70 s after it was told does so in an outage that begins with the next row."""
    late = Fault(FaultKind.REVERSAL, "submit:2", 70.0)
    first = undone(traded(tmp_path / "heard", [late]))[0][0]
    row = (first.venue_ns - int(PAIR.tape().ts_ns[0])) // (60 * NS) + 2  # rows count from 1
    records = traded(tmp_path / "out", [late, Fault(FaultKind.OUTAGE, f"row:{row}", 100.0)])
    ((_, back, decision),) = undone(records)
    assert decision.phase is Phase.RECOVERING, "nothing is ordered before the venue has told what is held"
    (up,) = [record.ts_ns for record in records if isinstance(record, Link) and record.state == "up"]
    agreed = next(record.ts_ns for record in records if isinstance(record, Reconciled) and record.ts_ns >= up)
    assert up <= back.ts_ns <= agreed <= up + 10 * NS


def test_where_executions_are_final_a_plan_with_one_is_refused(tmp_path: Path) -> None:
    command = ["sandbox", "--faults", '[{"kind":"reversal","seconds":5}]']
    account = dict.fromkeys((*Alpaca.key_env, CONTROL_TOKEN_ENV), "a-key")
    with (
        (tmp_path / "log").open("wb") as log,
        Child(command, secrets=account, log=log) as child,
        pytest.raises(SessionError, match="ended"),
    ):
        child.line()
    assert (
        "fault reversal: executions at ALPACA are final when they are told; it can happen at POLYMARKET only"
        in (tmp_path / "log").read_text()
    )
