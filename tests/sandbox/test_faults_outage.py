"""The venue is gone for a while: what becomes of requests, sockets and handshakes, and what is told of the silence."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from hedgekit.exchange.faults import Fault
from tests.sandbox.desk import MS, QUIET, Desk, desk, inside
from tests.sandbox.test_faults_requests import DAY, DEEP, FIRST, S, faulty, hits, lines, told

ALL = ["md", "trade", "rest"]


async def test_everything_is_closed_and_nothing_is_done(tmp_path: Path) -> None:
    """It begins as the second order sets out: neither that one nor the one before it, still on its way, arrives."""
    async with faulty(tmp_path, Fault("outage", "submit:2", 60.0)) as client:
        first, second = await client.order("a", 10), await client.order("b", 10)
        gone = await client.advance()
        assert (gone.answer["now"], gone.answer["closed"], gone.answer["replies"]) == (FIRST + 5 * MS, ["md", "trade"], [])
        broken = await client.advance()
        assert (broken.answer["now"], broken.replies) == (FIRST + 55 * MS, {first: (0, None), second: (0, None)})
        for name in ("stream", "data"):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                await client.connect(name)
        third = client.send("GET", "/v2/account")
        assert (await client.advance()).replies == {third: (0, None)}
        assert (await client.advance()).answer["op"] == "end", "nobody hears the rest of the tape"
        assert await told(client) == {"outage": 1}
    assert [(line["done"], line["status"], line["fault"]) for line in lines(tmp_path)] == [(False, None, "outage")] * 3
    assert [line["event"] for line in lines(tmp_path, "ledger")] == ["opened"]
    assert hits(tmp_path) == [("outage", None)]


async def test_afterwards_all_works(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("outage", "row:2", 60.0)) as client:
        await client.order("a", 10)
        seen = [await client.advance() for _ in range(3)]
        assert seen[2].answer == {
            "op": "instant",
            "n": 4,
            "now": FIRST + DAY,
            "md": 0,
            "trade": 0,
            "replies": [],
            **QUIET,
            "closed": ["md", "trade"],
        }
        assert (await client.advance(timer=FIRST + DAY + 61 * S)).answer["now"] == FIRST + DAY + 61 * S
        await client.subscribe()
        status, order = await client.get("/v2/orders:by_client_order_id?client_order_id=a")
        assert (status, order["status"]) == (200, "filled"), "the exchange went on; its word was lost"
        assert (await client.advance()).answer["md"] == 2


async def test_an_answer_on_its_way_is_lost_with_its_connection(tmp_path: Path) -> None:
    """Done before, told never: also an answer that is due long after the outage."""
    faults = Fault("delayed_ack", "submit:1", 120.0), Fault("outage", "request:3", 60.0)
    async with faulty(tmp_path, *faults) as client:
        slow = await client.order("slow", 10)
        assert (await client.advance()).events == [("new", "slow")]
        quick = await client.order("quick", 10)
        assert (await client.advance()).events == [("new", "quick")]
        client.send("GET", "/v2/account")
        assert (await client.advance()).answer["closed"] == ["md", "trade"]
        assert (await client.advance()).replies[quick] == (0, None)
        assert (await client.advance()).replies == {3: (0, None)}
        assert (await client.advance()).replies == {slow: (0, None)}
    assert [(line["n"], line.get("done"), line.get("broken")) for line in lines(tmp_path)] == [
        (1, True, None), (2, True, None), (2, None, True), (3, False, None), (1, None, True),
    ]  # fmt: skip


async def test_a_late_request_gets_through_behind_an_outage(tmp_path: Path) -> None:
    """It was stuck on the way; its connection is gone, but it reaches the exchange."""
    async with faulty(tmp_path, Fault("late", "submit:1", 120.0), Fault("outage", "request:2", 60.0)) as client:
        late = await client.order("late", 10)
        client.send("GET", "/v2/account")
        seen = [await client.advance() for _ in range(3)]
        assert seen[2].replies == {late: (0, None)}
        assert [line["event"] for line in lines(tmp_path, "ledger")] == ["opened", "accepted"]


# ------------------------------------------------------------------ told silence


async def quiet(client: Desk, silence: float | None, until: int) -> list[tuple[int, list[str], list[str]]]:
    """Advance to a time; return when something was told of silence, and what."""
    found = []
    while True:
        answer = (await client.advance(timer=until, silence=silence)).answer
        if answer["silent"] or answer["back"]:
            found.append((answer["now"] - FIRST - DAY, answer["silent"], answer["back"]))
        if answer["now"] >= until:
            return found


async def test_silence_is_told_once_and_its_end_once(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("outage", "row:2", 60.0)) as client:
        found = await quiet(client, 45.0, FIRST + DAY + 100 * S)
        assert found == [(45 * S, ALL, []), (60 * S, [], ALL)]
        assert await quiet(client, 45.0, FIRST + DAY + 200 * S) == []


@pytest.mark.parametrize("silence", [None, 60.0, 61.0])
async def test_an_outage_no_longer_than_the_limit_is_not_told(tmp_path: Path, silence: float | None) -> None:
    async with faulty(tmp_path, Fault("outage", "row:2", 60.0)) as client:
        assert await quiet(client, silence, FIRST + DAY + 100 * S) == []


async def test_a_limit_named_late_is_crossed_at_once(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("outage", "row:2", 60.0)) as client:
        await quiet(client, None, FIRST + DAY + 50 * S)
        assert await quiet(client, 45.0, FIRST + DAY + 59 * S) == [(50 * S, ALL, [])]
        assert await quiet(client, None, FIRST + DAY + 99 * S) == [(60 * S, [], ALL)], "what was told is told to be over"


async def test_a_socket_that_the_client_has_not_opened_again_is_not_silent(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("disconnect", "trade:1"), Fault("outage", "row:2", 60.0)) as client:
        await client.order("a", 10)
        assert (await client.advance()).answer["closed"] == ["trade"]
        assert await quiet(client, 45.0, FIRST + DAY + 100 * S) == [(45 * S, ["md", "rest"], []), (60 * S, [], ["md", "rest"])]


async def test_an_outage_that_goes_on_is_one_silence(tmp_path: Path) -> None:
    """The second fault comes within the first one's time: one silence of 90 s."""
    async with faulty(tmp_path, Fault("outage", "row:2", 60.0), Fault("outage", "request:1", 60.0)) as client:
        assert await quiet(client, 75.0, FIRST + DAY + 30 * S) == []
        client.send("GET", "/v2/account")
        assert await quiet(client, 75.0, FIRST + DAY + 100 * S) == [(75 * S, ALL, []), (90 * S, [], ALL)]
        assert await told(client) == {"outage": 2}


async def test_two_outages_are_two_silences(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("outage", "row:2", 60.0), Fault("outage", "request:1", 60.0)) as client:
        assert len(await quiet(client, 45.0, FIRST + DAY + 100 * S)) == 2
        await client.subscribe()
        client.send("GET", "/v2/account")
        assert await quiet(client, 45.0, FIRST + DAY + 200 * S) == [(145 * S, ALL, []), (160 * S, [], ALL)]


async def test_a_session_killed_as_it_was_told_is_told_again(tmp_path: Path) -> None:
    async with inside(DEEP, faults=(Fault("outage", "row:2", 60.0),), log=str(tmp_path)) as process:
        async with desk(process.ready) as dead:
            await dead.advance()
            assert (await dead.advance()).answer["closed"] == ["md", "trade"]
            assert (await dead.advance(silence=45.0)).answer["silent"] == ALL
            await dead.die()
        heir = Desk(process.ready, 2)
        try:
            assert (await heir.attach(2))["op"] == "attached"
            again = await heir.ask(op="redeliver")
            assert (again["n"], again["silent"], again["back"], again["closed"]) == (3, ALL, [], [])
            heir.done = 3
            with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                await heir.connect("stream")
            back = await heir.advance(silence=45.0)
            assert (back.answer["now"], back.answer["back"]) == (FIRST + DAY + 60 * S, ALL)
            await heir.subscribe()
            assert (await heir.advance()).answer["md"] == 2
        finally:
            await heir.close()


async def test_an_outage_at_run_time_begins_at_once(tmp_path: Path) -> None:
    async with faulty(tmp_path) as client:
        assert await client.ask(op="fault", kind="outage", seconds=60.0) == {"op": "faulted"}
        assert (await client.advance()).answer["closed"] == ["md", "trade"]
        assert [(await client.advance(silence=30.0)).answer["now"] for _ in range(2)] == [FIRST + 30 * S + 5 * MS, FIRST + 60 * S + 5 * MS]


async def test_the_tape_ends_within_an_outage(tmp_path: Path) -> None:
    market = {**DEEP, "last": "1990-01-03"}
    async with faulty(tmp_path, Fault("outage", "row:2", 60.0), market=market) as client:
        seen = [(await client.advance(silence=45.0)).answer for _ in range(4)]
        assert [(answer["op"], answer["now"] - FIRST - DAY) for answer in seen] == [
            ("instant", 0), ("instant", 45 * S), ("instant", 60 * S), ("end", 60 * S),
        ]  # fmt: skip


async def test_time_does_not_go_on_for_a_silence_that_is_never_told(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("outage", "row:2", 60.0), market={**DEEP, "last": "1990-01-03"}) as client:
        seen = [(await client.advance(silence=90.0)).answer for _ in range(2)]
        assert [(answer["op"], answer["now"] - FIRST - DAY) for answer in seen] == [("instant", 0), ("end", 5 * MS)]
