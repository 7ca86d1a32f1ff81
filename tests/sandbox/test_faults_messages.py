"""Faults of messages, of sockets and of the venue's clock, over real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from hedgekit.exchange.faults import Fault
from hedgekit.sandbox.skins.alpaca_wire import parse_time
from tests.sandbox.desk import MS, QUIET, desk, inside, over
from tests.sandbox.test_faults_requests import DAY, DEEP, FIRST, S, faulty, hits, lines, told


async def test_a_message_that_comes_twice(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("duplicate", "trade:2"), Fault("duplicate", "md:3")) as client:
        await client.order("a", 10)
        seen = [await client.advance() for _ in range(3)]
        assert [s.events for s in seen] == [[("new", "a")], [], [("fill", "a"), ("fill", "a")]]
        first, second = seen[2].updates
        assert first == second
        assert [q["S"] for q in seen[2].quotes] == ["KO", "KO", "PEP"]
        assert (seen[2].answer["md"], seen[2].answer["trade"]) == (3, 2)
        assert await told(client) == {"duplicate": 2}
    assert hits(tmp_path) == [("duplicate", "trade"), ("duplicate", "md")]
    assert len([line for line in lines(tmp_path, "ledger") if line["event"] == "fill"]) == 1, "it was executed once"


async def test_a_message_that_is_lost(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("lost", "trade:2"), Fault("lost", "md:3")) as client:
        number = await client.order("a", 10)
        seen = [await client.advance() for _ in range(3)]
        assert [s.events for s in seen] == [[("new", "a")], [], []]
        assert [q["S"] for q in seen[2].quotes] == ["PEP"]
        assert seen[1].replies[number][0] == 200
        assert [line["event"] for line in lines(tmp_path, "ledger")[1:]] == ["accepted", "fill"], "it happened all the same"
    assert hits(tmp_path) == [("lost", "trade"), ("lost", "md")]


async def test_an_instant_of_which_everything_is_lost_does_not_come(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("lost", "md:3", count=2)) as client:
        assert (await client.advance()).answer["now"] == FIRST + 2 * DAY + 5 * MS


async def test_messages_that_change_places(tmp_path: Path) -> None:
    """Within an instant, across instants, and several in a row."""
    faults = Fault("reorder", "md:3"), Fault("reorder", "md:6"), Fault("reorder", "trade:1", count=2)
    async with faulty(tmp_path, *faults) as client:
        await client.order("a", 10)
        await client.order("b", 10, "PEP")
        seen = [await client.advance() for _ in range(3)]
        assert [s.events for s in seen] == [[], [("fill", "a"), ("new", "b"), ("new", "a"), ("fill", "b")], []]
        assert [(q["S"], q["t"]) for q in seen[1].quotes] == [
            ("PEP", "1990-01-03T21:00:00.000000000Z"),
            ("KO", "1990-01-03T21:00:00.000000000Z"),
        ]
        assert [(q["S"], q["t"][:10]) for q in seen[2].quotes] == [("KO", "1990-01-04")]
        after = await client.advance()
        assert [(q["S"], q["t"][:10]) for q in after.quotes] == [("KO", "1990-01-05"), ("PEP", "1990-01-04"), ("PEP", "1990-01-05")]
    assert [kind for kind, _ in hits(tmp_path)] == ["reorder"] * 4


async def test_a_feed_that_freezes(tmp_path: Path) -> None:
    """From its third message on, for a day and a bit: two rows are never told, and the exchange goes on."""
    async with faulty(tmp_path, Fault("freeze", "md:3", 90_000.0)) as client:
        await client.order("a", 10)
        seen = [await client.advance(silence=30.0) for _ in range(4)]
        assert [(s.answer["md"], s.events) for s in seen] == [(0, [("new", "a")]), (0, []), (0, [("fill", "a")]), (2, [])]
        assert seen[3].answer["now"] == FIRST + 3 * DAY + 5 * MS
        assert all(s.answer["silent"] == [] for s in seen), "pings are answered"
        assert await told(client) == {"freeze": 1}
    assert (lines(tmp_path, "faults")[0]["t"], hits(tmp_path)) == (FIRST + DAY + 5 * MS, [("freeze", None)])


async def test_what_the_market_is_can_be_asked_while_the_feed_is_frozen(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("freeze", "row:2", 90_000.0)) as client:
        assert (await client.advance(timer=FIRST + DAY + S)).answer["md"] == 0
        status, latest = await client.get("/v2/stocks/quotes/latest?symbols=KO,PEP")
        assert (status, sorted(latest["quotes"])) == (200, ["KO", "PEP"])
        assert {quote["t"] for quote in latest["quotes"].values()} == {"1990-01-03T21:00:00.000000000Z"}


@pytest.mark.parametrize(("shift", "stamp"), [(-2.5, "20:59:57.5"), (3600.0, "22:00:00.0")])
async def test_a_venue_whose_clock_is_off(tmp_path: Path, shift: float, stamp: str) -> None:
    async with faulty(tmp_path, Fault("skew", "row:2", shift, count=2)) as client:
        await client.order("a", 10)
        seen = [await client.advance() for _ in range(3)]
        assert all(q["t"].startswith(f"1990-01-03T{stamp}") for q in seen[2].quotes)
        fill = seen[2].updates[0]["data"]
        assert parse_time(fill["timestamp"]) - (FIRST + DAY) == round(shift * S)
        _, clock = await client.get("/v2/clock")
        assert parse_time(clock["timestamp"]) - (FIRST + DAY + 30 * MS) == round(shift * S)
        assert [q["t"][10:19] for q in (await client.advance()).quotes] == [f"T{stamp[:8]}"] * 2
        assert [q["t"][10:19] for q in (await client.advance()).quotes] == ["T21:00:00"] * 2, "two rows long"
        assert (await client.ask(op="ledger"))["fills"][0]["ts_ns"] == FIRST + DAY, "the exchange itself is right"
    assert hits(tmp_path) == [("skew", None)]


# ------------------------------------------------------------------ connections


async def test_a_socket_that_is_closed(tmp_path: Path) -> None:
    """With the fill on it: what is said before the client is back is lost, and nothing of it makes an instant."""
    async with faulty(tmp_path, Fault("disconnect", "trade:2")) as client:
        await client.order("a", 10)
        seen = [await client.advance() for _ in range(4)]
        assert [(s.answer["closed"], s.answer["md"], s.events) for s in seen] == [
            ([], 0, [("new", "a")]), ([], 0, []), (["trade"], 2, []), ([], 2, []),
        ]  # fmt: skip
        await client.order("b", 10)
        assert [(await client.advance()).events for _ in range(2)] == [[], []], "an answer and a row"
        client.trade = await client.open_trade()
        await client.order("c", 10)
        assert [(await client.advance()).events for _ in range(3)] == [[("new", "c")], [], [("fill", "c")]]
        assert await told(client) == {"disconnect": 1}
    assert hits(tmp_path) == [("disconnect", ["trade"])]
    fills = [line["client_id"] for line in lines(tmp_path, "ledger") if line["event"] == "fill"]
    assert fills == ["a", "b", "c"]


async def test_both_sockets_are_closed_with_a_row(tmp_path: Path) -> None:
    """Before its quotes and fills have travelled: a client that is back at once misses nothing."""
    async with faulty(tmp_path, Fault("disconnect", "row:2")) as client:
        await client.order("a", 10)
        seen = [await client.advance() for _ in range(3)]
        assert [(s.answer["closed"], s.events) for s in seen] == [([], [("new", "a")]), ([], []), (["md", "trade"], [])]
        assert seen[2].answer["now"] == FIRST + DAY
        await client.subscribe()
        after = await client.advance()
        assert (after.answer["now"], after.events, [q["S"] for q in after.quotes]) == (
            FIRST + DAY + 5 * MS, [("fill", "a")], ["KO", "PEP"],
        )  # fmt: skip


async def test_messages_of_the_instant_come_before_the_end_of_their_socket(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("disconnect", "md:4")) as client:
        seen = await client.advance()
        assert (seen.answer["md"], [q["S"] for q in seen.quotes], seen.answer["closed"]) == (1, ["KO"], ["md"])


async def test_a_subscription_ends_with_its_connection(tmp_path: Path) -> None:
    """The client is back but has asked for nothing: it gets nothing, as from a new connection of any venue."""
    async with faulty(tmp_path, Fault("disconnect", "md:3")) as client:
        assert (await client.advance()).answer["closed"] == ["md"]
        socket = await client.connect("data")
        await socket.receive_json(timeout=5)
        await socket.send_json({"action": "auth", "key": "AK", "secret": "AS-secret"})
        await socket.receive_json(timeout=5)
        assert (await client.advance(timer=FIRST + 3 * DAY)).answer["md"] == 0


async def test_a_session_killed_while_it_was_cut_off_is_told_nothing_again(tmp_path: Path) -> None:
    """What had been sent before the cut is redelivered to its heir; what was lost is lost for both."""
    async with inside(DEEP, faults=(Fault("disconnect", "md:4"),), log=str(tmp_path)) as process:
        async with desk(process.ready) as dead:
            await dead.advance()
            last = await dead.advance()
            assert (last.answer["md"], last.answer["closed"]) == (1, ["md"])
            await dead.die()
        async with desk(process.ready, 2, done=1) as heir:
            again = await heir.collect(await heir.ask(op="redeliver"))
            assert again.quotes == last.quotes
            assert again.answer == {**last.answer, **QUIET}, "the new sockets are open"
            assert [q["S"] for q in (await heir.advance()).quotes] == ["KO", "PEP"]


async def test_a_disconnect_without_a_connection_has_not_come_to_pass(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("disconnect", "row:2"), Fault("disconnect", "row:3")) as client:
        assert (await client.advance()).answer["closed"] == ["md", "trade"]
        assert (await client.advance(timer=FIRST + 3 * DAY)).answer["closed"] == []
        assert await told(client) == {"disconnect": 1}


async def test_a_fault_at_run_time_from_any_control_connection(tmp_path: Path) -> None:
    async with faulty(tmp_path) as client:
        operator = await client.connect("control")
        await operator.send_json({"op": "fault", "kind": "disconnect"})
        assert await operator.receive_json(timeout=5) == {"op": "faulted"}
        await operator.send_json({"op": "fault", "kind": "lost", "at": "trade:1", "count": 2})
        assert await operator.receive_json(timeout=5) == {"op": "faulted"}
        seen = await client.advance()
        assert (seen.answer["now"], seen.answer["closed"]) == (FIRST + 5 * MS, ["md", "trade"]), "an instant of the present time"
        await client.subscribe()
        await client.order("a", 10)
        assert [(await client.advance()).events for _ in range(2)] == [[], []]
        await operator.send_json({"op": "faults"})
        answer = await operator.receive_json(timeout=5)
        assert {kind: n for kind, n in answer["hits"].items() if n} == {"disconnect": 1, "lost": 2}
        assert len(answer["hits"]) == 20, "all kinds are named"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "earthquake"}, "Invalid enum value 'earthquake'"),
        ({"kind": "late"}, "seconds must be above 0"),
        ({"kind": "lost", "at": "md"}, "at must be now, or one of"),
        ({"kind": "lost", "at": "md:1", "colour": 1}, "unknown field `colour`"),
        ({"kind": "lost", "venue": "NYSE"}, "no venue 'NYSE' here; there are ALPACA"),
        ({"kind": "reversal", "seconds": 5.0}, "executions at ALPACA are final when they are told; it can happen at POLYMARKET only"),
    ],
)
async def test_a_wrong_fault_is_refused(tmp_path: Path, fields: dict[str, object], said: str) -> None:
    async with faulty(tmp_path) as client:
        answer = await client.ask(op="fault", **fields)
        assert answer["op"] == "error"
        assert said in answer["message"]


async def test_a_closed_socket_ends_like_a_lost_connection(tmp_path: Path) -> None:
    """No closing handshake of WebSocket: the connection is gone."""
    async with faulty(tmp_path, Fault("disconnect", "md:3")) as client:
        reader = asyncio.ensure_future(client.data.receive())
        await client.ask(op="advance", done=1, requests=0)
        frame = await asyncio.wait_for(reader, 5)
        assert frame.type is aiohttp.WSMsgType.CLOSED
        assert client.data.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
        assert await over(client.data)
