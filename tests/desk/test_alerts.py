"""A desk session's alerts: of a session that runs, is killed, and is given up."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hedgekit import SyntheticMarket, desk
from hedgekit.alerts import Limits
from hedgekit.desk import State
from tests.desk.made import PARAMS, ended


def test_a_killed_session_is_an_alert_and_a_panel_reads_the_same_ones(tmp_path: Path) -> None:
    limits = Limits(delta=0.0001, delta_s=0.0)  # less than a lot: told at once
    session = desk.start(SyntheticMarket(rows=3_000, seed=3), PARAMS, speed=200.0, account="test", folder=tmp_path)
    try:
        assert session.alerts().empty  # it is only about to start
        asyncio.run(session.until(lambda now: now.trade >= 2))
        before = session.alerts(limits)
        assert set(before["rule"]) >= {"delta"}
        assert "silent" not in set(before["rule"])
        session.kill()
        asyncio.run(session.until(State.KILLED))
        after = session.alerts(limits)
        last = after.iloc[-1]
        assert (last["rule"], last["severity"], after["cleared"].isna().iloc[-1]) == ("silent", "critical", True)
        assert "process is gone" in last["text"]
        with session.watch(limits) as reader:
            told = reader.poll()
            while reader.behind:
                told += reader.poll()
        assert [alert.record for alert in told if alert.edge == "raised"] == list(after["record"])[:-1]
        session.close()
        asyncio.run(session.until(State.CLOSED))
    finally:
        ended(tmp_path)
