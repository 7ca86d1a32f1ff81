"""A whole paper session at a sandboxed Polymarket, process against process: exact, killed and resumed, through every kind of fault."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from hedgekit.exchange.faults import Fault, FaultKind, schedule
from hedgekit.types import Decision, Fill
from tests.paper.polymarket_rig import PAIR, PARAMS, agree, sandbox
from tests.paper.rig import Rig


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """One whole session, with which the killed ones are compared."""
    with sandbox(tmp_path_factory.mktemp("unkilled")) as rig:
        done = rig.run(rig.config(params=PARAMS))
        assert done.returncode == 0, done.stderr
        rig.ready["found"] = agree(rig)
        rig.ready["record"] = (rig.folder / "record" / "requests.jsonl").read_text()
    return rig


def test_it_trades_and_the_journal_is_the_ledger(unkilled: Rig) -> None:
    found = unkilled.ready["found"]
    assert found["trades"] > 3
    assert found["fills"] > 15
    assert found["partial"] > 3, "sizes must be small enough for partial fills"
    with unkilled.journal() as journal:
        fills = [record for record in journal.records() if isinstance(record, Fill)]
    assert any(fill.fee for fill in fills), "takers pay"
    assert all(fill.fee == (abs(fill.qty) * Decimal("0.04") * fill.price * (1 - fill.price)).quantize(Decimal("0.00001")) for fill in fills)
    assert {fill.qty > 0 for fill in fills} == {True, False}


def test_both_tokens_of_a_condition_are_used(unkilled: Rig) -> None:
    """To be short of a token is to hold its opposite: there is no short sale."""
    with unkilled.journal() as journal:
        orders = [order for record in journal.records() if isinstance(record, Decision) for order in record.orders]
    opening = [order for order in orders if not order.reduces]
    assert {order.qty > 0 for order in opening} == {True, False}
    posts = [line for line in unkilled.ready["record"].splitlines() if '"path":"/order"' in line]
    assert len({line.partition("tokenId")[2][:40] for line in posts}) == 4, "both tokens of both conditions"
    assert any(r"\"side\":\"SELL\"" in line for line in posts)


@pytest.mark.parametrize(("point", "count"), [("outbox.after_commit", 2), ("outbox.after_send", 3), ("session.received", 90)])
def test_a_killed_session_resumes_without_loss_or_double(unkilled: Rig, tmp_path: Path, point: str, count: int) -> None:
    with sandbox(tmp_path) as rig:
        config = rig.config(params=PARAMS)
        assert rig.run(config, kill_at=point, count=count).returncode == -9
        done = rig.run(config)
        assert done.returncode == 0, done.stderr
        agree(rig)
    with rig.journal() as ours, unkilled.journal() as theirs:
        assert ours.economic_digest() == theirs.economic_digest()


ONE_OF_EACH = tuple(
    Fault(kind, at, seconds, fraction)
    for kind, at, seconds, fraction in (
        (FaultKind.TOO_MANY, "submit:2", 2.0, 0.0),
        (FaultKind.TOO_EARLY, "submit:4", 0.0, 0.0),
        (FaultKind.ERROR_500, "submit:5", 0.0, 0.0),
        (FaultKind.UNAVAILABLE_503, "submit:6", 0.0, 0.0),
        (FaultKind.GATEWAY_504_AFTER, "submit:8", 0.0, 0.0),
        (FaultKind.HANG_AFTER, "submit:9", 0.0, 0.0),
        (FaultKind.DROP_REPLY, "submit:11", 0.0, 0.0),
        (FaultKind.LATE, "submit:12", 20.0, 0.0),
        (FaultKind.DELAYED_ACK, "submit:13", 20.0, 0.0),
        (FaultKind.PARTIAL, "submit:14", 0.0, 0.3),
        (FaultKind.REJECT_HEDGE, "submit:16", 0.0, 0.0),
        (FaultKind.REJECT_HEDGE, "submit:18", 0.5, 0.0),
        (FaultKind.REVERSAL, "submit:3", 5.0, 0.0),
        (FaultKind.PAUSE, "row:60", 2.0, 0.0),
        (FaultKind.DUPLICATE, "trade:9", 0.0, 0.0),
        (FaultKind.REORDER, "trade:15", 0.0, 0.0),
        (FaultKind.LOST, "trade:21", 0.0, 0.0),
        (FaultKind.LOST, "md:60", 0.0, 0.0),
        (FaultKind.DUPLICATE, "md:70", 0.0, 0.0),
        (FaultKind.REORDER, "md:80", 0.0, 0.0),
        (FaultKind.DISCONNECT, "row:75", 0.0, 0.0),
        (FaultKind.FREEZE, "row:85", 90.0, 0.0),
        (FaultKind.SKEW, "row:95", 30.0, 0.0),
        (FaultKind.OUTAGE, "row:110", 100.0, 0.0),
    )
)


def test_every_kind_of_fault_leaves_the_books_equal(tmp_path: Path) -> None:
    with sandbox(tmp_path, faults=ONE_OF_EACH) as rig:
        done = rig.run(rig.config(params=PARAMS))
        assert done.returncode == 0, done.stderr
        agree(rig)
        hits = (rig.folder / "record" / "faults.jsonl").read_text()
    missing = [kind.value for kind in FaultKind if f'"kind":"{kind.value}"' not in hits]
    assert missing == [], "each came to pass"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_chaos_and_kills_leave_the_books_equal(tmp_path: Path, seed: int) -> None:
    faults = schedule(seed, requests=60, messages=500, rows=PAIR.rows, mean_faults=8, kinds=FaultKind)
    with sandbox(tmp_path, faults=faults) as rig:
        config = rig.config(params=PARAMS)
        points = ("outbox.after_send", "session.received", "outbox.after_commit")
        for number in range(2):
            rig.run(config, kill_at=points[(seed + number) % 3], count=2 + 20 * (points[(seed + number) % 3] == "session.received"))
        done = rig.run(config)
        assert done.returncode == 0, done.stderr
        agree(rig)
