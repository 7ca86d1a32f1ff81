"""Whole paper sessions on Deribit's protocol, in step: two inverse perpetuals, hedged against each other."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from hedgekit.exchange.faults import EVERYWHERE
from hedgekit.replay import replay
from hedgekit.types import Ack, Decision, Fill, Quote, SessionEnded
from tests.paper.deribit_rig import PARAMS, PERPS, booked, traded

if TYPE_CHECKING:
    from pathlib import Path

    from tests.paper.rig import Rig


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    return traded(tmp_path_factory.mktemp("deribit"))


def test_it_traded_and_ended(unkilled: Rig) -> None:
    with unkilled.journal() as journal:
        records = list(journal.records())
    assert isinstance(records[-1], SessionEnded)
    assert sum(isinstance(record, Quote) for record in records) >= 2 * PERPS.rows - 4
    decisions = [record for record in records if isinstance(record, Decision)]
    fills = [record for record in records if isinstance(record, Fill)]
    wanted = {order.order_id: order.qty for decision in decisions for order in decision.orders}
    assert decisions[-1].trade > 3
    assert len(fills) > 20
    assert any(fill.qty != wanted[fill.order_id] for fill in fills), "displayed sizes must cause partial fills"
    acks = Counter(record.order_id for record in records if isinstance(record, Ack))
    assert set(acks) == set(wanted)
    assert set(acks.values()) == {1}


def test_journal_and_exchange_agree_exactly(unkilled: Rig) -> None:
    theirs, ours = unkilled.ready["ledger"], booked(unkilled)
    told = [(f["instrument"], f["execution_id"], Decimal(f["qty"]), Decimal(f["price"]), Decimal(f["fee"])) for f in theirs["fills"]]
    assert sorted(told) == sorted((f.instrument, f.fill_id, f.qty, f.price, f.fee) for f in ours.fills)
    assert {key: Decimal(qty) for key, qty in theirs["positions"].items()} == ours.positions()
    assert Decimal(theirs["cash"]) == ours.cash


def test_its_journal_replays(unkilled: Rig) -> None:
    with unkilled.journal() as journal:
        journal.verify()
        assert replay(journal.records()).decisions > 100


def laws_hold(rig: Rig) -> None:
    """Check that nothing is lost or doubled, that the books agree to the last digit, and that the journal is what was decided."""
    theirs, ours = rig.ready["ledger"], booked(rig)
    assert sorted(f["execution_id"] for f in theirs["fills"]) == sorted(fill.fill_id for fill in ours.fills)
    assert {key: Decimal(qty) for key, qty in theirs["positions"].items()} == ours.positions()
    assert Decimal(theirs["cash"]) == ours.cash
    with rig.journal() as journal:
        journal.verify()
        records = list(journal.records())
    assert isinstance(records[-1], SessionEnded)
    wanted = {order.order_id: abs(order.qty) for record in records if isinstance(record, Decision) for order in record.orders}
    done: Counter[str] = Counter()
    for fill in ours.fills:
        done[fill.order_id] += abs(fill.qty)  # type: ignore[assignment] # exact amounts add as numbers do
    assert all(qty <= wanted[name] for name, qty in done.items())
    replay(records)


@pytest.mark.parametrize(
    "kills",
    [
        (("outbox.after_commit", 2),),
        (("outbox.after_send", 3), ("outbox.after_send", 2)),
        (("session.received", 130), ("outbox.after_commit", 2), ("session.received", 25)),
    ],
)
def test_killed_it_goes_on_and_loses_nothing(kills: tuple[tuple[str, int], ...], tmp_path: Path) -> None:
    """An order that was durable and had not left is given up, not sent again: a label is no key at Deribit (L2)."""
    laws_hold(traded(tmp_path, kills))


def test_killed_when_executions_had_come_and_were_not_written_it_trades_as_if_nothing_had_been(unkilled: Rig, tmp_path: Path) -> None:
    with unkilled.journal() as journal:
        instants = [entry.instant for entry in journal.entries(types=[Fill])]
    again = traded(tmp_path, [("session.received", instants[4])])
    with unkilled.journal() as one, again.journal() as two:
        assert two.economic_digest() == one.economic_digest()
    laws_hold(again)


CHAOS = """[
{"kind":"drop_reply","at":"submit:1"},{"kind":"gateway_504_after","at":"submit:3"},{"kind":"too_many","at":"submit:5","seconds":1},
{"kind":"unavailable_503","at":"submit:7"},{"kind":"late","at":"submit:9","seconds":3},{"kind":"reject_hedge","at":"submit:11"},
{"kind":"partial","at":"submit:13","fraction":0.3,"count":2},{"kind":"too_early","at":"submit:15"},{"kind":"error_500","at":"submit:17"},
{"kind":"hang_after","at":"submit:19"},{"kind":"delayed_ack","at":"submit:21","seconds":2},
{"kind":"lost","at":"md:90"},{"kind":"duplicate","at":"md:150"},{"kind":"reorder","at":"md:210"},{"kind":"disconnect","at":"md:300"},
{"kind":"lost","at":"trade:4"},{"kind":"duplicate","at":"trade:9"},{"kind":"disconnect","at":"trade:14"},{"kind":"lost","at":"trade:20"},
{"kind":"freeze","at":"row:120","seconds":5},{"kind":"pause","at":"row:60","seconds":2},{"kind":"skew","at":"row:150","seconds":2,"count":20},{"kind":"outage","at":"row:200","seconds":20}
]"""


def test_under_everything_that_can_go_wrong_the_laws_hold(tmp_path: Path) -> None:
    rig = traded(
        tmp_path,
        [("outbox.after_send", 6)],
        options=["--faults", CHAOS, "--log", str(tmp_path / "log")],
        params={**PARAMS, "breaker_s": 10.0},
    )
    laws_hold(rig)
    befell = {json.loads(line)["kind"] for line in (tmp_path / "log" / "faults.jsonl").read_text().splitlines()}
    assert befell == {kind.value for kind in EVERYWHERE}
    with rig.journal() as journal:
        kinds = Counter(type(record).__name__ for record in journal.records())
    assert kinds["Gap"] >= 3
    assert kinds["Link"] >= 2
    assert kinds["Fill"] > 10
