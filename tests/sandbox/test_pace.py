"""How fast a tape plays: the mapping without sleeping, and over real sockets that a pace changes nothing but the waiting."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import ConfigError
from hedgekit.sandbox.pace import LAG_S, Pace
from tests.paper.rig import TINY, TINY_PARAMS, sandbox
from tests.sandbox.desk import MS, QUIET, Message, desk, inside

DAY = 86_400_000 * MS
TIMES = [0, DAY, 4 * DAY, 5 * DAY]  # a weekend after the second row


class Clock:
    """Real seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


def made(speed: float = 2.0) -> tuple[Clock, Pace]:
    clock = Clock()
    pace = Pace(TIMES, speed, clock)
    pace.start(-60_000 * MS)
    return clock, pace


@pytest.mark.parametrize(
    ("at_ns", "wait_s"),
    [(-1, 0.0), (0, 0.0), (DAY // 2, 0.25), (DAY, 0.5), (DAY + 3 * DAY // 10, 0.55), (4 * DAY, 1.0), (5 * DAY, 1.5), (9 * DAY, 1.5)],
)
def test_rows_are_equally_long_and_what_is_between_is_in_proportion(at_ns: int, wait_s: float) -> None:
    _, pace = made()
    assert pace.wait_s(at_ns) == pytest.approx(wait_s)


def test_reached_is_the_inverse() -> None:
    clock, pace = made()
    for seconds, at_ns in ((0.0, 0), (0.25, DAY // 2), (0.5, DAY), (0.75, DAY + 3 * DAY // 2), (1.5, 5 * DAY), (99.0, 5 * DAY)):
        clock.now = 100.0 + seconds
        assert pace.reached() == at_ns


def test_a_small_delay_is_caught_up_and_a_long_one_is_not() -> None:
    clock, pace = made()
    clock.now += 0.5 + 0.9 * LAG_S
    pace.came(DAY)
    assert pace.wait_s(5 * DAY) == pytest.approx(1.0 - 0.9 * LAG_S)
    clock, pace = made()
    clock.now += 0.5 + 1.1 * LAG_S
    pace.came(DAY)
    assert pace.wait_s(5 * DAY) == pytest.approx(1.0), "two rows at two a second, from now on"


@given(st.lists(st.integers(1, 10**15), min_size=1, max_size=20), st.floats(0.01, 1000.0), st.floats(0.0, 1.0))
def test_no_time_comes_before_it_is_reached(gaps: list[int], speed: float, share: float) -> None:
    times = [sum(gaps[:n]) for n in range(len(gaps) + 1)]
    clock = Clock()
    pace = Pace(times, speed, clock)
    pace.start(times[0])
    clock.now += share * len(gaps) / speed
    reached = pace.reached()
    assert times[0] <= reached <= times[-1]
    assert pace.wait_s(reached) <= 1e-6
    assert pace.wait_s(times[-1]) == pytest.approx((1 - share) * len(gaps) / speed, abs=1e-6)


@pytest.mark.parametrize("speed", [0.0, -1.0, 0.009, 1001.0, float("nan"), float("inf")])
def test_a_speed_out_of_range_is_refused(speed: float) -> None:
    with pytest.raises(ConfigError, match=r"must be 0.01 to 1000 rows a second"):
        Pace(TIMES, speed)


# ------------------------------------------------------------------ over sockets


def advance(done: int, **more: object) -> Message:
    return {"op": "advance", "done": done, "requests": 0, "timer": None, **more}


async def test_still_releases_nothing_and_a_timer_makes_an_instant_of_the_present() -> None:
    async with inside(speed=0.5) as process, desk(process.ready) as client:
        first = await client.ask(**advance(0, wait=0.05))
        assert (first["op"], first["n"], first["md"]) == ("instant", 1, 2)
        still = [await client.ask(**advance(1, wait=0.05)) for _ in range(3)]
        assert [answer["op"] for answer in still] == ["still"] * 3
        assert first["now"] < still[0]["now"] < still[1]["now"] < still[2]["now"] < first["now"] + DAY
        now = await client.ask(**advance(1, wait=0.05, timer=still[2]["now"]))
        assert now == {"op": "instant", "n": 2, "now": still[2]["now"], "md": 0, "trade": 0, "replies": [], **QUIET}


async def test_a_row_comes_no_earlier_than_its_pace() -> None:
    async with inside(speed=10.0) as process:
        began = time.monotonic()
        async with desk(process.ready) as client:
            answers = [await client.ask(**advance(done)) for done in range(6)]
        assert [answer["md"] for answer in answers] == [2] * 6
        assert time.monotonic() - began >= 0.5 - 0.01, "six rows at ten a second, from the attach on"


async def test_without_a_speed_nothing_is_ever_still() -> None:
    async with inside() as process, desk(process.ready) as client:
        assert [(await client.ask(**advance(done, wait=0.0)))["op"] for done in range(5)] == ["instant"] * 5


async def test_an_order_given_in_the_present_reaches_the_exchange_after_it() -> None:
    async with inside(speed=0.5) as process, desk(process.ready) as client:
        await client.ask(**advance(0))
        still = await client.ask(**advance(1, wait=0.1))
        await client.ask(**advance(1, wait=0.1, timer=still["now"]))
        client.done = 2
        await client.order("a", 10)
        told = await client.ask(**{**advance(2), "requests": 1})
        assert told["now"] == still["now"] + 30 * MS, "25 ms up, 5 ms on the stream"


async def test_nobody_attached_no_time_passes_and_no_burst_follows() -> None:
    async with inside(speed=10.0) as process:
        async with desk(process.ready) as client:
            await client.ask(**advance(0))
        await asyncio.sleep(LAG_S + 0.5)
        async with desk(process.ready, 2, done=1) as heir:
            began = time.monotonic()
            for done in range(1, 5):
                await heir.ask(**advance(done))
            assert time.monotonic() - began >= 0.3


async def test_a_dead_link_moves_nothing() -> None:
    """The instant that a dead session waited for is its heir's, whole."""
    async with inside(speed=1.0) as process:
        async with desk(process.ready) as client:
            await client.ask(**advance(0))
            await client.control.send_json(advance(1, wait=5.0))
            await asyncio.sleep(0.1)
            await client.die()
        async with desk(process.ready, 2, done=1) as heir:
            answer = await heir.ask(**advance(1))
            assert (answer["op"], answer["n"], answer["md"]) == ("instant", 2, 2)


def test_a_session_decides_the_same_at_any_speed(tmp_path: Path) -> None:
    """The event hash of a paced run is that of the unpaced one."""
    hashes = []
    for name, speed in (("free", None), ("paced", 150.0)):
        with sandbox(tmp_path / name, TINY, speed=speed) as rig:
            done = rig.run(rig.config(params=TINY_PARAMS))
            assert done.returncode == 0, done.stderr
            with rig.journal() as journal:
                hashes.append(journal.digest())
                assert journal.fills().shape[0] > 10
    assert hashes[0] == hashes[1]
