"""The sandbox at live speed: nobody moves time, no request has a label, and the venue's time is the machine's."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from hedgekit.errors import ConfigError
from hedgekit.exchange.faults import Fault
from hedgekit.exchange.model import FillModel
from hedgekit.sandbox.options import AT_ONCE, Options, model_of, speed_of
from hedgekit.sandbox.pace import OwnPace
from hedgekit.sandbox.skins.alpaca_wire import parse_time
from hedgekit.sandbox.wall import WallTimeline
from hedgekit.types import NS
from tests.sandbox.desk import AUTH, Desk, Message, binary, inside, over, sandbox, text
from tests.sandbox.test_faults_requests import lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MARKET = {"first": "1990-01-02", "last": "1999-12-31", "size_notional": 2_000_000.0}


class Trader(Desk):
    """A client that needs no barrier."""

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Do one request now; (0, None) if its connection is closed instead."""
        data = None if body is None else json.dumps(body).encode()
        try:
            async with self.http.request(method, self.ready["rest"] + path, data=data, headers=AUTH) as response:
                raw = await response.text()
                return response.status, json.loads(raw) if raw else None
        except aiohttp.ClientConnectionError:
            return 0, None

    async def buy(self, name: str, qty: int = 10) -> tuple[int, Any]:
        """Post a market order."""
        body = {"symbol": "KO", "qty": str(qty), "side": "buy", "type": "market", "time_in_force": "gtc", "client_order_id": name}
        return await self.call("POST", "/v2/orders", body)

    async def event(self) -> tuple[str, str]:
        """Return the next trade update in short."""
        data = (await binary(self.trade))["data"]
        return data["event"], data["order"]["client_order_id"]


@asynccontextmanager
async def live(**options: Any) -> AsyncIterator[Trader]:
    """Subscribe a client to a live sandbox, with the control port at hand."""
    settings: Message = {"live": True, "model": AT_ONCE, "speed": 50.0, **options}
    async with inside(MARKET, **settings) as process:
        client = Trader(process.ready)
        try:
            client.control = await client.connect("control")
            await client.subscribe()
            yield client
        finally:
            await client.close()


async def test_rows_come_by_themselves_with_the_time_of_the_machine() -> None:
    before = time.time_ns()
    async with live() as client:
        frames = [await text(client.data) for _ in range(3)]
        assert [[quote["S"] for quote in frame] for frame in frames] == [["KO", "PEP"]] * 3, "a row, a frame"
        stamps = [parse_time(frame[0]["t"]) for frame in frames]
        assert before < stamps[0] < stamps[1] < stamps[2] < time.time_ns()
        assert stamps[2] - stamps[0] >= 0.03 * NS, "fifty a second"
        _, clock = await client.call("GET", "/v2/clock")
        assert clock["is_open"]
        assert before < parse_time(clock["timestamp"]) < time.time_ns()
        assert before < client.ready["first_ns"] < stamps[0]


async def test_an_order_is_acknowledged_at_once_and_fills_with_the_next_row() -> None:
    async with live(speed=5.0) as client:
        await text(client.data)
        status, order = await client.buy("a")
        assert (status, order["status"]) == (200, "new")
        assert [await client.event() for _ in range(2)] == [("new", "a"), ("fill", "a")]
        ledger = await client.ask(op="ledger")
        assert [fill["order_id"] for fill in ledger["fills"]] == ["a"]


async def test_nothing_steps_a_live_market() -> None:
    async with live() as client:
        for message in ({"op": "attach", "epoch": 1, "done": 0}, {"op": "advance", "done": 0, "requests": 0}, {"op": "redeliver"}):
            answer = await client.ask(**message)
            assert answer["op"] == "error"
            assert "runs live" in answer["message"]


async def test_a_feed_that_freezes_answers_pings_and_lets_orders_fill() -> None:
    async with live() as client:
        await text(client.data)
        assert await client.ask(op="fault", kind="freeze", seconds=3600.0) == {"op": "faulted"}
        socket = client.data
        while True:  # what was on its way before
            try:
                await asyncio.wait_for(socket.receive(), 0.3)
            except TimeoutError:
                break
        await client.buy("a")
        assert [await client.event() for _ in range(2)] == [("new", "a"), ("fill", "a")]
        reader = asyncio.ensure_future(socket.receive())
        async with client.http.ws_connect(client.ready["data"]) as second:
            await text(second)
            await second.send_json({"action": "auth", "key": "AK", "secret": "AS-secret"})
            assert (await text(second))[0]["code"] == 406, "the first socket is alive"
        assert not reader.done(), "nothing has come on it"
        reader.cancel()


async def test_an_outage_closes_and_refuses_everything_until_it_is_over() -> None:
    async with live(faults=(Fault("outage", "submit:2", 0.5),)) as client:
        assert (await client.buy("a"))[0] == 200
        assert await client.buy("b") == (0, None)
        while not await over(client.trade):
            pass
        while not await over(client.data):
            pass
        refused = 0
        while True:
            try:
                client.trade = await client.open_trade()
                break
            except aiohttp.WSServerHandshakeError as error:
                assert error.status == 503  # noqa: PT017 - each of several attempts
                refused += 1
        assert refused
        assert (await client.call("GET", "/v2/orders:by_client_order_id?client_order_id=b"))[0] == 404
        client.data = await client.open_data()
        assert await text(client.data)


async def test_connections_that_are_logging_in_are_closed_by_an_outage() -> None:
    async with live() as client:
        await client.trade.close()
        half = await client.connect("stream")
        assert await client.ask(op="fault", kind="outage", seconds=0.2) == {"op": "faulted"}
        assert await over(half)


@pytest.mark.parametrize(("kind", "status"), [("too_many", 429), ("gateway_504_after", 504), ("drop_reply", 0)])
async def test_faults_of_requests_work_live(tmp_path: Path, kind: str, status: int) -> None:
    async with live(faults=(Fault(kind, "submit:1"),), log=str(tmp_path)) as client:
        assert (await client.buy("a"))[0] == status
        again, _ = await client.buy("a")
        assert again == (200 if kind == "too_many" else 422)
        assert (await client.ask(op="faults"))["hits"][kind] == 1
    first, second = lines(tmp_path)
    assert (first["fault"], first["status"], first["label"]) == (kind, status or None, None)
    assert first["t"] <= second["t"]


async def test_a_late_order_and_a_slow_answer_take_their_time() -> None:
    async with live(faults=(Fault("late", "submit:1", 0.2), Fault("delayed_ack", "submit:2", 0.2))) as client:
        began = time.monotonic()
        assert (await client.buy("late"))[0] == 200
        assert time.monotonic() - began >= 0.2
        began = time.monotonic()
        slow = asyncio.ensure_future(client.buy("slow"))
        events = [await client.event() for _ in range(4)]
        assert [name for event, name in events if event == "new"] == ["late", "slow"]
        assert (await slow)[0] == 200
        assert time.monotonic() - began >= 0.2


async def test_messages_that_come_twice_or_never_live() -> None:
    async with live(faults=(Fault("duplicate", "trade:1"), Fault("lost", "trade:2"))) as client:
        await client.buy("a")
        await text(client.data)
        assert [await client.event() for _ in range(2)] == [("new", "a"), ("new", "a")]
        await client.control.send_json({"op": "faults"})
        while (await client.control.receive_json(timeout=5))["hits"]["lost"] == 0:
            await client.control.send_json({"op": "faults"})


async def test_latencies_are_real_time_live() -> None:
    async with live(model=FillModel("touch", ws_ns=0, up_ns=50_000_000, down_ns=50_000_000)) as client:
        await text(client.data)
        began = time.monotonic()
        assert (await client.buy("a"))[0] == 200
        assert time.monotonic() - began >= 0.1


# ----------------------------------------------------------------- the timeline


async def test_what_is_due_is_done_before_the_call_returns_and_in_order() -> None:
    timeline = WallTimeline()
    done: list[str] = []

    def first() -> None:
        timeline.call_at(timeline.now_ns, lambda: done.append("asked within"), rank=1)
        timeline.call_at(timeline.now_ns - 1, lambda: done.append("asked within, later"), rank=2)
        done.append("first")

    timeline.call_at(timeline.now_ns, first)
    assert done[0] == "first"
    assert len(done) == 3
    timeline.send(None, lambda: done.append("sent"))
    assert done[-1] == "sent"


async def test_a_timer_is_never_early() -> None:
    timeline = WallTimeline()
    fired: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    at = timeline.now_ns + 7_300_000
    timeline.call_at(at + 10 * NS, lambda: None)
    timeline.call_at(at, lambda: fired.set_result(timeline.now_ns))
    assert await asyncio.wait_for(fired, 5) >= at


async def test_a_broken_callback_does_not_stop_the_market() -> None:
    timeline = WallTimeline()
    fired, done = asyncio.Event(), list[str]()
    timeline.call_at(timeline.now_ns + NS // 100, fired.set)
    with pytest.raises(ZeroDivisionError):
        timeline.call_at(timeline.now_ns, lambda: 1 / 0)
    timeline.call_at(timeline.now_ns, lambda: done.append("at once"))
    assert done == ["at once"]
    await asyncio.wait_for(fired.wait(), 5)


# ------------------------------------------------------------------------ pace


def test_a_pace_in_the_tapes_own_time() -> None:
    now = [100.0]
    pace = OwnPace([0, 10 * NS, 40 * NS], 5.0, lambda: now[0])
    assert [pace.wait_s(at * NS) for at in (-5, 0, 5, 10, 40, 90)] == pytest.approx([0.0, 0.0, 1.0, 2.0, 8.0, 8.0])
    for seconds, at in ((0.0, 0), (1.0, 5), (2.0, 10), (5.0, 25), (9.0, 40)):
        now[0] = 100.0 + seconds
        assert pace.reached() == at * NS
    with pytest.raises(ConfigError, match=r"speed=0: must be 0.01 to 1e\+06 times the tape's own time"):
        OwnPace([0], 0.0)


def test_speeds_and_models_on_the_command_line() -> None:
    assert [speed_of(words) for words in (None, "20", "0.5", "60x", "1X")] == [
        (None, None),
        (20.0, None),
        (0.5, None),
        (None, 60.0),
        (None, 1.0),
    ]
    assert (model_of(None), model_of(None, live=True), model_of("{}", live=True)) == (FillModel(), AT_ONCE, FillModel())


async def test_a_speed_in_the_tapes_own_time_is_for_live_alone() -> None:
    for options in ({"times": 60.0}, {"live": True, "times": 60.0, "speed": 5.0}):
        with pytest.raises(ConfigError, match="a speed of 60x needs --live"):
            async with inside(MARKET, **options):
                pass
    assert Options().speed is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_live_process_ends_cleanly_at_any_time(tmp_path: Path, number: signal.Signals) -> None:
    """With a request that hangs and a client that is there."""
    faults = json.dumps([{"kind": "hang_after", "at": "submit:1"}])
    async with sandbox("--live", "--speed", "1000000x", "--faults", faults, "--log", str(tmp_path / "log"), market=MARKET) as process:
        client = Trader(process.ready)
        await client.subscribe()
        await text(client.data)
        hangs = asyncio.ensure_future(client.buy("a"))
        assert await client.event() == ("new", "a")
        process.process.send_signal(number)
        assert await hangs == (0, None)
        await client.close()
        assert await asyncio.wait_for(process.process.wait(), 10) == 0
    assert [line["event"] for line in lines(tmp_path / "log", "ledger")][:2] == ["opened", "accepted"]
