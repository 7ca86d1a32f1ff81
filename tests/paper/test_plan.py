"""A plan file in whole sessions over the sandbox: taken at the start and in flight, journalled, replayed, hedged anew by its cost."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hedgekit.paper.commands import Spool
from hedgekit.plans import PlanFile
from hedgekit.replay import replay
from hedgekit.types import NS, Action, Command, Decision, Evidence, HedgePlan, PlanRevised, Quote, Reason, Record, SessionStarted
from tests.paper.rig import TINY, TINY_PARAMS, Rig, sandbox

DAY = 86_400 * NS
BEFORE = int(TINY.tape().ts_ns[0]) - 10 * DAY
PAIR = tuple(instrument.key for instrument in TINY.tape().instruments)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with sandbox(tmp_path, TINY) as made:
        made.config(params=TINY_PARAMS, commands=str(tmp_path / "commands"))
        yield made


def plan_file(made_ns: int, days: float, ratio: float, **changes: Any) -> PlanFile:
    plan = HedgePlan(
        ratio=ratio,
        stderr=0.04,
        n=250,
        method="a test's",
        fitted_at_ns=made_ns,
        valid_until_ns=made_ns + round(days) * DAY,
        evidence=Evidence("a test's", -4.0, 0.01, 250),
    )
    base = PlanFile(instruments=PAIR, decision="refit", reasons=("for the test",), decided_at_ns=made_ns, data="0" * 64, plan=plan)
    return msgspec.structs.replace(base, **changes)


def records(rig: Rig) -> list[Record]:
    with rig.journal() as journal:
        journal.verify()
        found = list(journal.records())
    decisions = sum(isinstance(record, Decision) for record in found)
    assert replay(found).decisions == decisions > 0
    return found


def test_a_session_begins_with_a_plan_and_makes_its_own_when_that_is_over(rig: Rig) -> None:
    file = plan_file(BEFORE, 150, 0.6)
    config = rig.config(params=TINY_PARAMS | {"lookback": 20}, plan=str(file.save(rig.folder / "plan.json")))
    done = rig.run(config)
    assert done.returncode == 0, done.stderr
    found = records(rig)
    plans = [record for record in found if isinstance(record, PlanRevised)]
    assert isinstance(found[0], SessionStarted)
    assert found[1] == plans[0] == PlanRevised(ts_ns=found[0].ts_ns, plan=file.plan, source=file.checksum)  # type: ignore[arg-type]
    assert all(plan.source == "" for plan in plans[1:])
    assert len(plans) > 1
    assert file.plan is not None
    assert plans[1].ts_ns > file.plan.valid_until_ns, "no estimate of its own while the file's plan is valid"
    opened = next(record for record in found if isinstance(record, Decision) and record.action is Action.OPEN)
    assert opened.ts_ns < file.plan.valid_until_ns
    assert opened.ratio == 0.6
    bars = {record.ts_ns // DAY for record in found if isinstance(record, Quote) and record.ts_ns < opened.ts_ns}
    assert 20 <= len(bars) <= 60, "before a session could have fitted a ratio"


@pytest.mark.parametrize("point", ["session.received", "outbox.after_commit"])
def test_a_plan_in_flight_is_journalled_once_and_what_is_held_is_hedged_anew(rig: Rig, point: str) -> None:
    """The trade is on; the ratio is halved; killed before or after the commit that holds it."""
    spool, config = Spool(rig.folder / "commands", ("plan",)), rig.folder / "session.json"
    assert rig.run(config, kill_at="outbox.after_send", count=3).returncode == -signal.SIGKILL
    assert rig.run(config, kill_at="session.received", count=8).returncode == -signal.SIGKILL
    with rig.journal() as journal:
        so_far = list(journal.records())
        assert all(journal.ledger().positions.values()), "both legs are held"
    before = [record for record in so_far if isinstance(record, PlanRevised)][-1].plan
    file = plan_file(so_far[-1].ts_ns, 100, before.ratio / 2)
    ref = spool.send("plan", file.encode().decode())
    assert rig.run(config, kill_at=point, count=1).returncode == -signal.SIGKILL
    again = rig.run(config)
    assert again.returncode == 0, again.stderr
    found = records(rig)
    at = [n for n, record in enumerate(found) if isinstance(record, Command) and record.name == "plan"]
    assert len(at) == 1
    command, revised, said = found[at[0] : at[0] + 3]
    assert command == Command(ts_ns=command.ts_ns, name="plan", ref=ref)
    assert revised == PlanRevised(ts_ns=command.ts_ns, plan=file.plan, source=file.checksum)  # type: ignore[arg-type]
    assert isinstance(said, Decision)
    assert (said.action, said.reason, said.ratio) == (Action.HOLD, Reason.PLAN_REVISED, before.ratio / 2)
    assert said.delta is not None
    assert abs(said.delta) > 0.2, "half of the hedge is too much now"
    weighed = next(r for r in found[at[0] + 3 :] if isinstance(r, Decision) and r.reason in {Reason.DRIFT, Reason.COST_EXCEEDS_BENEFIT})
    assert weighed.trade == said.trade
    assert (weighed.action is Action.REBALANCE) == (weighed.benefit > weighed.cost)
    assert weighed.action is Action.REBALANCE
    assert [order.leg for order in weighed.orders] == [1]
    later = [record for record in found[at[0] + 2 :] if isinstance(record, PlanRevised)]
    assert file.plan is not None
    assert all(plan.ts_ns > file.plan.valid_until_ns for plan in later)
    assert spool.waiting() == []


def test_where_a_new_hedge_costs_more_than_the_risk_it_removes_it_is_left(rig: Rig) -> None:
    """The same change of ratio, and a risk that is worth nothing: weighed, told, not traded (A16)."""
    config = rig.config(params=TINY_PARAMS | {"risk_aversion": 0.0}, commands=str(rig.folder / "commands"))
    spool = Spool(rig.folder / "commands", ("plan",))
    assert rig.run(config, kill_at="outbox.after_send", count=3).returncode == -signal.SIGKILL
    assert rig.run(config, kill_at="session.received", count=8).returncode == -signal.SIGKILL
    with rig.journal() as journal:
        so_far = list(journal.records())
    before = [record for record in so_far if isinstance(record, PlanRevised)][-1].plan
    spool.send("plan", plan_file(so_far[-1].ts_ns, 100, before.ratio / 2).encode().decode())
    assert rig.run(config).returncode == 0
    found = records(rig)
    at = next(n for n, record in enumerate(found) if isinstance(record, Command) and record.name == "plan")
    trade = next(record.trade for record in found[at:] if isinstance(record, Decision))
    same = [record for record in found[at:] if isinstance(record, Decision) and record.trade == trade]
    assert any(decision.reason is Reason.COST_EXCEEDS_BENEFIT for decision in same)
    assert not any(decision.action is Action.REBALANCE for decision in same)


def test_what_a_session_may_not_take_in_flight_is_journalled_with_the_reason(rig: Rig) -> None:
    spool = Spool(rig.folder / "commands", ("plan",))
    now = int(TINY.tape().ts_ns[0])
    good = plan_file(BEFORE, 300, 0.6)
    wrong = [
        msgspec.structs.replace(good, instruments=PAIR[::-1]).encode().decode(),
        good.encode().decode().replace("0.6", "0.7"),
        good.encode().decode()[:100],
        plan_file(BEFORE - 400 * DAY, 30, 0.6).encode().decode(),
        plan_file(now + 3_650 * DAY, 30, 0.6).encode().decode(),
        msgspec.structs.replace(good, decision="retire", plan=None).encode().decode(),
        "",
    ]
    refs = [spool.send("plan", text) for text in wrong]
    done = rig.run(rig.folder / "session.json")
    assert done.returncode == 0, done.stderr
    found = records(rig)
    commands = [record for record in found if isinstance(record, Command) and record.name == "plan"]
    assert [command.ref for command in commands] == refs
    says = (
        "this session trades",
        "changed or damaged",
        "was cut off",
        "expired on",
        "from the future",
        "retired this pair",
        "no plan file",
    )
    for command, words in zip(commands, says, strict=True):
        assert words in command.refusal
    assert not any(record.source for record in found if isinstance(record, PlanRevised))
    assert spool.waiting() == []


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (plan_file(BEFORE, 5, 0.6), "expired on"),
        (plan_file(BEFORE + 30 * DAY, 60, 0.6), "from the future"),
        (plan_file(BEFORE, 300, 0.6, instruments=PAIR[::-1]), "this session trades"),
    ],
)
def test_a_session_does_not_begin_with_a_plan_that_it_may_not_take(rig: Rig, file: PlanFile, says: str) -> None:
    done = rig.run(rig.config(params=TINY_PARAMS, plan=str(file.save(rig.folder / "plan.json"))))
    assert done.returncode != 0
    assert says in done.stderr
