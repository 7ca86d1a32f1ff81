"""Time of a live session when somebody sets the machine's clock."""

from __future__ import annotations

import asyncio
import time

import pytest

from hedgekit.paper.pacer import Inbox, LivePacer
from hedgekit.types import NS

HOUR_NS = 3_600 * NS


async def test_a_clock_that_is_set_back_stops_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that is set forward is followed: a request signed with an old time would be refused."""
    pacer, clock = LivePacer(Inbox(["ALPACA"])), time.time_ns
    began = await pacer.attach(0)
    assert abs(began - clock()) < 5 * NS
    monkeypatch.setattr(time, "time_ns", lambda: clock() - HOUR_NS)
    due = began + NS // 5
    instant = await asyncio.wait_for(pacer.next(requests=0, timer_ns=due, deaf={}), 30.0)
    assert due <= instant.now_ns < due + 20 * NS
    monkeypatch.setattr(time, "time_ns", lambda: clock() + HOUR_NS)
    later = await asyncio.wait_for(pacer.next(requests=0, timer_ns=due + NS, deaf={}), 30.0)
    assert later.now_ns >= began + HOUR_NS
    monkeypatch.setattr(time, "time_ns", clock)
    last = await asyncio.wait_for(pacer.next(requests=0, timer_ns=later.now_ns + NS // 5, deaf={}), 30.0)
    assert last.now_ns >= later.now_ns + NS // 5
