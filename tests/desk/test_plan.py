"""A plan file from the shell: a session begins with one, takes another in flight, and what cannot be meant is refused at once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hedgekit import SyntheticMarket, desk
from hedgekit.desk import State
from hedgekit.errors import ConfigError
from hedgekit.plans import PlanFile
from hedgekit.replay import replay
from hedgekit.types import NS, Evidence, HedgePlan, PlanRevised
from tests.desk.made import PARAMS, ended

MARKET = SyntheticMarket(rows=3_000, seed=3)
TAPE = MARKET.tape()
BEFORE = int(TAPE.ts_ns[0]) - 60 * NS


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Return a home of sessions; whatever still runs in it afterwards is ended."""
    yield tmp_path / "home"
    ended(tmp_path / "home")


def plan_file(ratio: float, days: float = 30.0) -> PlanFile:
    proof = Evidence("a test's", -4.0, 0.01, 250)
    plan = HedgePlan(ratio, 0.04, 250, "a test's", BEFORE, BEFORE + round(days * 86_400) * NS, proof)
    keys = tuple(instrument.key for instrument in TAPE.instruments)
    return PlanFile(instruments=keys, decision="keep", decided_at_ns=BEFORE, data="0" * 64, plan=plan)


def test_a_session_begins_with_a_plan_and_takes_another(home: Path, tmp_path: Path) -> None:
    first, second = (plan_file(ratio).save(tmp_path / f"{ratio}.json") for ratio in (0.7, 0.5))
    shell = {**os.environ, "HEDGEKIT_HOME": str(home)}

    def paper(*words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hedgekit", "paper", *map(str, words)]
        return subprocess.run(command, env=shell, capture_output=True, text=True, check=False, timeout=120)

    market, numbers = (msgspec.json.encode(what).decode() for what in (MARKET, PARAMS))
    told = paper("start", "--market", market, "--params", numbers, "--speed", "100", "--account", "test", "--plan", first)
    assert told.returncode == 0, told.stderr
    session = desk.attach(told.stdout.strip(), folder=home)
    same = desk.start(MARKET, PARAMS, speed=100.0, account="test", folder=home, plan=plan_file(0.7))
    assert same.session == session.session, "a cell that is run twice starts one session"
    asyncio.run(session.until(lambda now: now.plan is not None and now.plan.ratio == 0.7, timeout_s=90.0))
    said = paper("plan", session.session, second)
    assert said.stdout.startswith(f"plan: {session.session}: keep: ratio 0.5, decided on "), said.stderr
    asyncio.run(session.until(lambda now: now.plan is not None and now.plan.ratio == 0.5, timeout_s=90.0))
    damaged = tmp_path / "damaged.json"
    damaged.write_bytes(second.read_bytes().replace(b"0.5", b"0.9"))
    refused = paper("plan", session.session, damaged)
    assert refused.returncode == 2
    assert "was changed or damaged" in refused.stderr
    with pytest.raises(ConfigError, match="this session trades"):
        session.revise(msgspec.structs.replace(plan_file(0.5), instruments=("A:X", "A:Y")))
    session.stop()
    asyncio.run(session.until(State.ENDED, timeout_s=90.0))
    with session.journal() as journal:
        records = list(journal.records())
    assert replay(records).decisions > 0
    assert [(plan.plan.ratio, plan.source != "") for plan in records if isinstance(plan, PlanRevised)] == [(0.7, True), (0.5, True)]


def test_a_plan_that_cannot_be_taken_makes_no_session(home: Path) -> None:
    with pytest.raises(ConfigError, match="expired on"):
        desk.start(MARKET, PARAMS, account="test", folder=home, plan=plan_file(0.7, days=0.0001))
    assert desk.sessions(folder=home).empty
