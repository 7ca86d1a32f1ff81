"""The paper session against the real sandbox process: parity, exactness, determinism, restart."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from hedgekit import backtest, demo
from hedgekit.exchange import FillModel
from hedgekit.journal import Journal
from hedgekit.params import Params
from hedgekit.replay import replay
from hedgekit.types import Ack, Cancelled, Decision, Fill, PlanRevised, Quote, SessionEnded
from tests.paper.rig import SHORT, TINY, TINY_PARAMS, Rig, config_of, finished, sandbox


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """One whole session, shared by the tests that only read it."""
    return finished(tmp_path_factory.mktemp("unkilled"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """Run one session unkilled; killed ones are compared with it."""
    return finished(tmp_path_factory.mktemp("tiny"), TINY, params=TINY_PARAMS)


def digests(journal: Journal) -> tuple[str, str]:
    return journal.digest(), journal.economic_digest()


def test_the_session_traded_and_ended(unkilled: Rig) -> None:
    """The run that the other tests compare with is not an empty one."""
    with unkilled.journal() as journal:
        records = list(journal.records())
    assert isinstance(records[-1], SessionEnded)
    assert sum(isinstance(record, Quote) for record in records) == 2 * len(SHORT.tape())
    assert sum(isinstance(record, PlanRevised) for record in records) == 1 + (len(SHORT.tape()) - 251) // 42
    decisions = [record for record in records if isinstance(record, Decision)]
    orders = [order for decision in decisions for order in decision.orders]
    fills = [record for record in records if isinstance(record, Fill)]
    assert decisions[-1].trade > 15
    wanted = {order.order_id: order.qty for order in orders}
    assert len(orders) > 60
    assert sum(fill.qty != wanted[fill.order_id] for fill in fills) > 10, "displayed sizes must cause partial fills"


def test_two_runs_have_the_same_event_hash(unkilled: Rig, tmp_path: Path) -> None:
    """Two runs in new processes on new ports: the whole event log is the same, byte for byte."""
    again = finished(tmp_path)
    with unkilled.journal() as one, again.journal() as two:
        assert digests(one) == digests(two)


def test_replay_gives_identical_decisions(unkilled: Rig) -> None:
    """L1: the journal's events through a new Hedger."""
    with unkilled.journal() as journal:
        journal.verify()
        done = replay(journal.records())
    assert done.decisions > 500


def test_backtest_gives_the_decisions_of_the_session(unkilled: Rig) -> None:
    """L1: the compiled backtest under the sandbox's fill model, on the same tape."""
    with unkilled.journal() as journal:
        records = list(journal.records())
    result = backtest.run(SHORT.tape(), Params.make(**demo.PARAMS), FillModel(), session=demo.SESSION)
    paper = [record for record in records if isinstance(record, Decision)]
    for number, (theirs, ours) in enumerate(zip(paper, result.decisions, strict=False)):
        assert theirs == ours, f"decision {number}"
    assert len(paper) == len(result.decisions)
    fills = [(r.ts_ns, r.order_id, r.qty, r.price, r.fee) for r in records if isinstance(r, Fill)]
    assert fills == [(r.ts_ns, r.order_id, r.qty, r.price, r.fee) for r in result.records if isinstance(r, Fill)]
    cancels = [(r.ts_ns, r.order_id) for r in records if isinstance(r, Cancelled)]
    assert cancels == [(r.ts_ns, r.order_id) for r in result.records if isinstance(r, Cancelled)]


def test_exchange_ledger_and_journal_agree_exactly(unkilled: Rig) -> None:
    """L3: every fill once, cash to the last digit."""
    ledger = unkilled.ready["ledger"]
    with unkilled.journal() as journal:
        ours = journal.ledger()
        fills = [record for record in journal.records() if isinstance(record, Fill)]
    theirs = [(f["order_id"], f["execution_id"], Decimal(f["qty"]), Decimal(f["price"]), Decimal(f["fee"])) for f in ledger["fills"]]
    assert sorted(theirs) == sorted((f.order_id, f.fill_id, f.qty, f.price, f.fee) for f in fills)
    assert len({fill.fill_id for fill in fills}) == len(fills)
    assert Decimal(ledger["cash"]) == Decimal(1_000_000) + ours.cash
    held = {key: Decimal(qty) for key, qty in ledger["positions"].items() if Decimal(qty)}
    assert held == {key: qty for key, qty in ours.positions.items() if qty}


def test_no_order_fills_on_the_quote_that_triggered_it(unkilled: Rig) -> None:
    """A fill's exchange time is that of a quote after the decision."""
    with unkilled.journal() as journal:
        records = list(journal.records())
    decided = {order.order_id: order.ts_ns for record in records if isinstance(record, Decision) for order in record.orders}
    assert all(record.venue_ns > decided[record.order_id] for record in records if isinstance(record, Fill))


def test_every_order_is_acknowledged_once(unkilled: Rig) -> None:
    """The answer and the stream both tell of an acceptance; the journal has it once."""
    with unkilled.journal() as journal:
        records = list(journal.records())
    orders = [order.order_id for record in records if isinstance(record, Decision) for order in record.orders]
    assert sorted(record.order_id for record in records if isinstance(record, Ack)) == sorted(orders)


def test_no_secret_in_journal_config_or_logs(unkilled: Rig) -> None:
    """L9."""
    for path in unkilled.folder.iterdir():
        content = path.read_bytes()
        assert not any(secret.encode() in content for secret in unkilled.keys.values()), path.name


@pytest.mark.parametrize("point", ["outbox.after_commit", "outbox.after_send", "session.received"])
@pytest.mark.parametrize("count", [1, 7])
def test_killed_session_resumes_without_loss_or_double(tiny: Rig, tmp_path: Path, point: str, count: int) -> None:
    """L2, L3: SIGKILL at a named point, restart; the economic content is the unkilled run's."""
    with sandbox(tmp_path, TINY) as rig:
        config = rig.config(params=TINY_PARAMS)
        # "session.received" passes once an instant: choose one that brings a fill
        times = count if point != "session.received" else fill_instant(tiny, count)
        killed = rig.run(config, kill_at=point, count=times)
        assert killed.returncode == -9, killed.stderr
        with rig.journal() as left:
            newest = [entry.record for entry in left.entries(types=[Decision]) if entry.instant == left.last_instant]
        # an intent is durable before its request leaves; an event that was not committed has left no trace
        assert any(decision.orders for decision in newest) == (point != "session.received")
        done = rig.run(config)
        assert done.returncode == 0, done.stderr
        ledger = rig.ledger()
    with rig.journal() as ours, tiny.journal() as theirs:
        ours.verify()
        assert ours.economic_digest() == theirs.economic_digest()
        assert ours.ledger() == theirs.ledger()
        assert len(ledger["fills"]) == ours.ledger().fills
        replay(ours.records())


def fill_instant(rig: Rig, number: int) -> int:
    """Return how many instants the unkilled run had received when one of its fills came."""
    with rig.journal() as journal:
        instants = [entry.instant for entry in journal.entries(types=[Fill])]
    return instants[number * 5 - 1]


def test_session_killed_again_and_again(tiny: Rig, tmp_path: Path) -> None:
    """Six kills in one run, at all three points."""
    with sandbox(tmp_path, TINY) as rig:
        config = rig.config(params=TINY_PARAMS)
        for number in range(6):
            point = ("outbox.after_commit", "outbox.after_send", "session.received")[number % 3]
            killed = rig.run(config, kill_at=point, count=90 if number % 3 == 2 else 3)
            assert killed.returncode == -9, killed.stderr
        done = rig.run(config)
        assert done.returncode == 0, done.stderr
    with rig.journal() as ours, tiny.journal() as theirs:
        assert ours.economic_digest() == theirs.economic_digest()


def test_an_ended_session_does_not_start_again(tmp_path: Path) -> None:
    """One clear line, not a second life."""
    market = demo.Market(first="1990-01-01", last="1990-02-28")
    with sandbox(tmp_path, market) as rig:
        config = rig.config()
        assert rig.run(config).returncode == 0
        again = rig.run(config)
    assert again.returncode != 0
    assert "has ended" in again.stderr


def test_config_survives_the_file(unkilled: Rig) -> None:
    """What was written is what is read."""
    config = config_of(unkilled)
    assert config.strategy() == Params.make(**demo.PARAMS)
    assert config.instruments == SHORT.tape().instruments
