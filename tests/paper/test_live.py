"""A session at live speed, by the machine's clock, against a sandbox that waits for nobody: it trades, is killed, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hedgekit import demo
from hedgekit.data import SyntheticMarket
from hedgekit.errors import JournalError
from hedgekit.journal import Journal
from hedgekit.paper.commands import Spool
from hedgekit.replay import replay
from hedgekit.rules.state import COMMANDS
from hedgekit.types import Decision, Fill, Gap, Link, Phase, Quote, Reason, Reconciled, Record, SessionEnded
from tests.paper.rig import RUNNER, Rig, sandbox

MARKET = SyntheticMarket(rows=20_000, half_life=6.0, spread_sd=0.008, hedge_vol=0.0005, size_notional=5e6)
PARAMS: dict[str, Any] = {**demo.PARAMS, "bar_ticks": 2, "fit_bars": 60, "refit_bars": 100_000, "max_quote_age_s": 5.0}
ROWS_A_SECOND = "50"
PATIENCE_S = 120.0


def start(rig: Rig, config: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(RUNNER), str(config), "", "1"]
    return subprocess.Popen(command, env={**os.environ, **rig.keys}, stderr=subprocess.PIPE, text=True)


def until(rig: Rig, process: subprocess.Popen[str], done: Callable[[list[Record]], bool]) -> list[Record]:
    """Read the journal until something is in it."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()[1]
        try:
            with rig.journal() as journal:
                records = list(journal.records())
        except JournalError:  # it has not begun yet
            records = []
        if done(records):
            return records
        time.sleep(0.1)
    pytest.fail(f"not in {PATIENCE_S:g} s; {len(records)} records, the last {records[-3:]}")


def fills(records: list[Record]) -> int:
    return sum(isinstance(record, Fill) for record in records)


def test_it_trades_is_killed_says_what_it_missed_and_goes_on(tmp_path: Path) -> None:
    with sandbox(tmp_path, MARKET, options=["--live", "--speed", ROWS_A_SECOND]) as rig:
        commands = tmp_path / "commands"
        commands.mkdir()
        config = rig.config(params=PARAMS, control="", commands=str(commands))
        first = start(rig, config)
        before = until(rig, first, lambda records: fills(records) >= 8)
        first.send_signal(signal.SIGKILL)
        first.communicate()
        second = start(rig, config)
        until(rig, second, lambda records: fills(records) >= fills(before) + 8)
        spool = Spool(str(commands), COMMANDS)
        spool.send("flatten")
        until(rig, second, lambda records: isinstance(last := _decisions(records)[-1], Decision) and last.phase is Phase.FLAT)
        spool.send("stop")
        _, said = second.communicate(timeout=PATIENCE_S)
        assert second.returncode == 0, said
    with Journal.open(rig.folder / "journal.db", demo.SESSION, mode="read") as journal:
        journal.verify()
        records = list(journal.records())
    assert isinstance(records[-1], SessionEnded)
    gap = next(n for n, record in enumerate(records) if isinstance(record, Gap))
    assert isinstance(records[gap + 1], Link) or isinstance(records[gap + 2], Link)
    agreed = next(n for n, record in enumerate(records) if n > gap and isinstance(record, Reconciled))
    meanwhile = [record for record in records[gap:agreed] if isinstance(record, Decision)]
    assert {record.phase for record in meanwhile} <= {Phase.RECOVERING}
    entry = next(n for n, record in enumerate(records) if n > gap and isinstance(record, Decision) and record.reason is Reason.ENTRY)
    seen = sum(isinstance(record, Quote) and record.instrument == "ALPACA:SYNA" for record in records[gap:entry])
    assert seen >= PARAMS["bar_ticks"] * PARAMS["lookback"], "the hole is a Gap: the signal warms up again before it may enter"
    replay(records)


def _decisions(records: list[Record]) -> list[Decision]:
    return [record for record in records if isinstance(record, Decision)]
