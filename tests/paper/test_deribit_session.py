"""Whole paper sessions on Deribit's protocol, in step: two inverse perpetuals, hedged against each other."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from hedgekit.replay import replay
from hedgekit.types import Ack, Decision, Fill, Quote, SessionEnded
from tests.paper.deribit_rig import PERPS, booked, traded

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


@pytest.mark.parametrize(
    "kills",
    [
        (("outbox.after_commit", 2),),
        (("outbox.after_send", 3), ("outbox.after_send", 2)),
        (("session.received", 130), ("outbox.after_commit", 2), ("session.received", 25)),
    ],
)
def test_killed_it_goes_on_as_if_nothing_had_been(unkilled: Rig, kills: tuple[tuple[str, int], ...], tmp_path: Path) -> None:
    again = traded(tmp_path, kills)
    with unkilled.journal() as one, again.journal() as two:
        two.verify()
        assert two.economic_digest() == one.economic_digest()
        replay(two.records())
    assert booked(again).cash == Decimal(again.ready["ledger"]["cash"])
