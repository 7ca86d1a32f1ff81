"""Faults of requests and orders, over real sockets: what the client sees, and what the exchange wrote down."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hedgekit.errors import ConfigError
from hedgekit.exchange.faults import Fault
from hedgekit.exchange.model import FillModel
from hedgekit.sandbox.record import Files
from tests.sandbox.desk import MARKET, MS, Desk, Message, desk, inside

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FIRST = 631314000_000 * MS
S = 1_000 * MS
DAY = 86_400 * S
DEEP = {**MARKET, "size_notional": 2_000_000.0}
"""Every order of these tests fills at once, unless a fault forbids it."""


@asynccontextmanager
async def faulty(log: Path, *faults: Fault, market: Message | None = None, **options: Any) -> AsyncIterator[Desk]:
    """Attach a client to a sandbox with faults and a record; the first row has come."""
    async with inside(market or DEEP, faults=faults, log=str(log), **options) as process, desk(process.ready) as client:
        await client.advance()
        yield client


def lines(log: Path, name: str = "requests") -> list[Message]:
    """Read one file of the record."""
    return [json.loads(line) for line in (log / f"{name}.jsonl").read_text().splitlines()]


def hits(log: Path) -> list[tuple[str, Any]]:
    """Return what came to pass: kind, and which request, channel or order it befell."""
    return [(line["kind"], line.get("n") or line.get("channel") or line.get("client_id")) for line in lines(log, "faults")]


async def told(client: Desk) -> dict[str, int]:
    """Ask the control port what came to pass."""
    answer = await client.ask(op="faults")
    assert answer["op"] == "faults"
    return {kind: number for kind, number in answer["hits"].items() if number}


def told_of(log: Path) -> tuple[Any, ...]:
    """Return what the record says of the first request: done, result, status, fault."""
    return tuple(lines(log)[0][name] for name in ("done", "result", "status", "fault"))


async def fills(client: Desk) -> list[str]:
    """Ask the ledger for the client ids of its fills."""
    return [fill["order_id"] for fill in (await client.ask(op="ledger"))["fills"]]


@pytest.mark.parametrize(
    ("kind", "status", "code", "seconds", "after"),
    [
        ("too_many", 429, 42910000, 0.0, None),
        ("too_many", 429, 42910000, 2.5, "3"),
        ("too_early", 425, 42510000, 0.0, None),
        ("error_500", 500, 50010000, 0.0, None),
        ("unavailable_503", 503, 50310000, 0.0, None),
    ],
)
async def test_an_order_that_is_refused_by_the_gateway_is_not_done(  # noqa: PLR0913 - a table's columns
    tmp_path: Path, kind: str, status: int, code: int, seconds: float, after: str | None
) -> None:
    async with faulty(tmp_path, Fault(kind, "submit:1", seconds)) as client:
        number = await client.order("a", 10)
        past, answered, body = await client.until(number)
        assert (answered, body["code"], client.heads[number].get("Retry-After")) == (status, code, after)
        assert past[-1].answer["now"] == FIRST + 55 * MS, "it travels as any answer does"
        assert [seen.events for seen in past] == [[]]
        assert (await client.get("/v2/orders:by_client_order_id?client_order_id=a"))[0] == 404
        _, again, _ = await client.until(await client.order("a", 10))
        assert again == 200, "once only"
        assert await told(client) == {kind: 1}
    assert told_of(tmp_path) == (False, None, status, kind)
    assert hits(tmp_path) == [(kind, 1)]


async def test_a_gateway_that_gives_up_after_the_order_was_done(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("gateway_504_after", "submit:1")) as client:
        past, status, _ = await client.until(await client.order("a", 10))
        assert (status, [seen.events for seen in past]) == (504, [[("new", "a")], []])
        _, again, refused = await client.until(await client.order("a", 10))
        assert (again, refused["code"]) == (422, 40010001), "a duplicate: it executes once"
        assert (await client.advance()).events == [("fill", "a")]
        assert await fills(client) == ["a"]
    assert told_of(tmp_path) == (True, 200, 504, "gateway_504_after")


async def test_an_order_that_is_never_answered(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("hang_after", "submit:1")) as client:
        number = await client.order("a", 10)
        seen = [await client.advance() for _ in range(3)]
        assert [s.answer["replies"] for s in seen] == [[], [], []], "it is in no instant"
        assert [s.events for s in seen] == [[("new", "a")], [("fill", "a")], []]
        assert not client.calls[number].done()
        assert (await client.get("/v2/account"))[0] == 200, "other requests are answered"
    assert told_of(tmp_path) == (True, 200, None, "hang_after")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_connection_that_is_closed_instead_of_the_answer(tmp_path: Path, method: str) -> None:
    """It counts as an answer of its instant, once: aiohttp sends a DELETE again by itself, which is the same request."""
    async with faulty(tmp_path, Fault("drop_reply", "request:1")) as client:
        number = await client.order("a", 10) if method == "POST" else client.send("DELETE", "/v2/orders")
        past, status, _ = await client.until(number)
        assert (status, past[-1].answer["now"]) == (0, FIRST + 55 * MS)
        if method == "POST":
            assert [s.events for s in past] == [[("new", "a")], []]
            assert (await client.advance()).events == [("fill", "a")]
        assert (await client.get("/v2/account"))[0] == 200
        assert await told(client) == {"drop_reply": 1}
    assert told_of(tmp_path) == (True, 200 if method == "POST" else 207, None, "drop_reply")
    assert [line["method"] for line in lines(tmp_path)] == [method, "GET"]


async def test_a_request_that_is_late(tmp_path: Path) -> None:
    """The order before it was sent later: the exchange sees them the other way round."""
    async with faulty(tmp_path, Fault("late", "submit:1", 2.0)) as client:
        late, quick = await client.order("late", 10), await client.order("quick", 10)
        seen = [await client.advance() for _ in range(4)]
        assert [(s.answer["now"] - FIRST, s.events, list(s.replies)) for s in seen] == [
            (35 * MS, [("new", "quick")], []),
            (55 * MS, [], [quick]),
            (2 * S + 35 * MS, [("new", "late")], []),
            (2 * S + 55 * MS, [], [late]),
        ]
    assert [line["t"] - FIRST for line in lines(tmp_path)] == [30 * MS, 2 * S + 30 * MS]
    assert [json.loads(line["body"])["client_order_id"] for line in lines(tmp_path)] == ["quick", "late"]


async def test_a_request_that_is_late_outlives_its_session(tmp_path: Path) -> None:
    async with inside(DEEP, faults=(Fault("late", "submit:1", 2.0),), log=str(tmp_path)) as process:
        async with desk(process.ready) as dead:
            await dead.advance()
            await dead.order("late", 10)
            assert (await dead.advance(timer=FIRST + S)).answer["now"] == FIRST + S
            await dead.die()
        async with desk(process.ready, 2, done=2) as heir:
            assert (await heir.advance()).events == [("new", "late")]
            assert (await heir.advance()).events == [("fill", "late")], "the dead epoch's reply is nobody's"
    assert [line["label"] for line in lines(tmp_path)] == ["1-1"]


async def test_an_answer_that_is_slow(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("delayed_ack", "submit:1", 3.0)) as client:
        number = await client.order("a", 10)
        seen = [await client.advance() for _ in range(2)]
        assert [(s.answer["now"] - FIRST, s.events, list(s.replies)) for s in seen] == [
            (35 * MS, [("new", "a")], []),
            (3 * S + 55 * MS, [], [number]),
        ]
        assert seen[1].replies[number][0] == 200
    assert told_of(tmp_path) == (True, 200, 200, "delayed_ack")
    assert lines(tmp_path)[0]["t"] == FIRST + 30 * MS


async def test_several_in_a_row(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("too_early", "submit:2", count=2)) as client:
        statuses = [(await client.until(await client.order(f"o{n}", 1)))[1] for n in range(4)]
        assert statuses == [200, 425, 425, 200]
        assert await told(client) == {"too_early": 2}


async def test_a_fault_of_cancels_waits_for_one(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("error_500", "cancel:1")) as client:
        _, _, order = await client.until(await client.order("a", 10, type="limit", limit_price="1.00"))
        assert (await client.until(client.send("DELETE", f"/v2/orders/{order['id']}")))[1] == 500
        assert (await client.until(client.send("DELETE", f"/v2/orders/{order['id']}")))[1] == 204
    assert [(line["fault"], line["done"]) for line in lines(tmp_path)] == [(None, True), ("error_500", False), (None, True)]


# ---------------------------------------------------------------------- orders


async def test_an_order_that_is_refused_before_it_is_accepted(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("reject_hedge", "submit:2")) as client:
        first, second = await client.order("primary", 10), await client.order("hedge", -10, "PEP")
        seen = [await client.advance() for _ in range(3)]
        assert {n: status for s in seen for n, (status, _) in s.replies.items()} == {first: 200, second: 403}
        assert seen[1].replies[second][1] == {"code": 40310000, "message": "insufficient buying power"}
        assert [event for s in seen for event in s.events] == [("new", "primary"), ("fill", "primary")]
        assert (await client.get("/v2/orders:by_client_order_id?client_order_id=hedge"))[0] == 404
    assert [(line["event"], line["client_id"]) for line in lines(tmp_path, "ledger")[1:]] == [
        ("accepted", "primary"), ("rejected", "hedge"), ("fill", "primary"),
    ]  # fmt: skip
    assert hits(tmp_path) == [("reject_hedge", "hedge")]


async def test_an_order_that_is_refused_after_it_was_accepted(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("reject_hedge", "submit:1", 0.5)) as client:
        number = await client.order("a", 10)
        seen = [await client.advance() for _ in range(3)]
        assert [(s.answer["now"] - FIRST, s.events) for s in seen] == [
            (35 * MS, [("new", "a")]), (55 * MS, []), (535 * MS, [("rejected", "a")]),
        ]  # fmt: skip
        assert seen[1].replies[number][0] == 200
        order = seen[2].updates[0]["data"]["order"]
        assert (order["status"], order["filled_qty"]) == ("rejected", "0")
        status, listed = await client.get("/v2/orders?status=closed")
        assert (status, [o["status"] for o in listed]) == (200, ["rejected"])
        _, status, said = await client.until(client.send("DELETE", f"/v2/orders/{order['id']}"))
        assert (status, said["message"]) == (422, 'order is already in "rejected" state')
        assert (await client.advance()).events == [], "it never fills"
    assert [(line["event"], line["why"]) for line in lines(tmp_path, "ledger")[1:]] == [("accepted", None), ("rejected", "buying_power")]


async def test_a_refusal_that_comes_after_the_fill_does_nothing(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("reject_hedge", "submit:1", 90_000.0)) as client:
        await client.order("a", 10)
        events = [event for _ in range(5) for event in (await client.advance()).events]
        assert events == [("new", "a"), ("fill", "a")]
        assert await told(client) == {}
    assert hits(tmp_path) == []


async def test_a_duplicate_is_refused_as_such_whatever_befalls_it(tmp_path: Path) -> None:
    """Else a client that asks again would believe an order refused that works."""
    async with faulty(tmp_path, Fault("reject_hedge", "submit:2")) as client:
        await client.until(await client.order("a", 10))
        assert (await client.until(await client.order("a", 10)))[1] == 422
        assert await told(client) == {}


async def bought(client: Desk, *, rows: int) -> list[tuple[str, str]]:
    """Return (event, quantity) of the fills of so many rows."""
    found = []
    while rows:
        seen = await client.advance()
        rows -= seen.answer["md"] > 0
        found += [(u["data"]["event"], u["data"]["qty"]) for u in seen.updates if "qty" in u["data"]]
    return found


async def test_an_order_that_fills_in_parts(tmp_path: Path) -> None:
    """A third of 100, in whole lots, at each quote; the display would have filled all of it."""
    async with faulty(tmp_path, Fault("partial", "submit:1", fraction=1 / 3)) as client:
        await client.order("a", 100)
        assert await bought(client, rows=5) == [("partial_fill", "33"), ("partial_fill", "33"), ("partial_fill", "33"), ("fill", "1")]
        assert await told(client) == {"partial": 1}
    assert [line["qty"] for line in lines(tmp_path, "ledger") if line["event"] == "fill"] == ["33", "33", "33", "1"]
    assert hits(tmp_path) == [("partial", "a")]


async def test_a_part_is_one_lot_at_least_and_the_present_quote_is_untouched(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("partial", "submit:1", fraction=0.01)) as client:
        await client.order("a", -2)
        while not (seen := await client.advance()).quotes:
            pass
        quote = next(q for q in seen.quotes if q["S"] == "KO")
        assert [(u["data"]["event"], u["data"]["qty"]) for u in seen.updates] == [("partial_fill", "1")]
        assert quote["bs"] > 1000, "the market shows what it shows"
        _, latest = await client.get("/v2/stocks/quotes/latest?symbols=KO")
        assert latest["quotes"]["KO"]["bs"] == quote["bs"]


async def test_a_part_that_is_all_of_it_has_not_come_to_pass(tmp_path: Path) -> None:
    async with faulty(tmp_path, Fault("partial", "submit:1", fraction=0.5)) as client:
        await client.order("a", 1)
        assert await bought(client, rows=1) == [("fill", "1")]
        assert await told(client) == {}


async def test_an_order_that_meets_the_standing_quote_in_parts(tmp_path: Path) -> None:
    """The touch model: it fills as it comes, and no order gets what another one took."""
    market = {**MARKET, "size_notional": 20_000.0, "size_sigma": 0.0}
    async with faulty(tmp_path, Fault("partial", "submit:2", fraction=0.5), market=market, model=FillModel("touch")) as client:
        _, latest = await client.get("/v2/stocks/quotes/latest?symbols=KO")
        size = latest["quotes"]["KO"]["as"]
        await client.until(await client.order("all but ten", size - 10))
        past, _, order = await client.until(await client.order("half", 30))
        assert (order["status"], [seen.events for seen in past]) == ("new", [[("new", "half"), ("partial_fill", "half")], []])
        assert past[0].updates[1]["data"]["qty"] == "10", "that much was left, less than its half"
        assert await told(client) == {}, "so the fault has not come to pass yet"
        assert await bought(client, rows=1) == [("partial_fill", "15")]
        assert await told(client) == {"partial": 1}
        assert await bought(client, rows=1) == [("fill", "5")]


# ------------------------------------------------------------------ the record


async def test_the_record_holds_requests_with_their_bodies_and_no_keys(tmp_path: Path) -> None:
    log = tmp_path / "new" / "folder"
    async with faulty(log) as client:
        number = await client.order("a", 10)
        await client.until(number)
        await client.get("/v2/orders?status=all&limit=5")
        async with client.http.get(client.ready["rest"] + "/v2/account", headers={"APCA-API-SECRET-KEY": "AS-secret"}) as response:
            assert response.status == 400
        first, second, third = lines(log)
    body = '{"symbol": "KO", "qty": "10", "side": "buy", "type": "market", "time_in_force": "gtc", "client_order_id": "a"}'
    assert first == {
        "n": 1, "t": FIRST + 30 * MS, "label": "1-1", "method": "POST", "path": "/v2/orders", "body": body,
        "done": True, "result": 200, "status": 200, "fault": None, "venue": "ALPACA",
    }  # fmt: skip
    assert (second["n"], second["path"], second["body"]) == (2, "/v2/orders?status=all&limit=5", "")
    assert (third["n"], third["label"], third["status"], third["done"]) == (None, None, 400, False)
    assert not any("secret" in path.read_text() or "AK" in path.read_text() for path in log.iterdir())


def test_the_files_are_there_before_the_first_request_and_never_overwritten(tmp_path: Path) -> None:
    with Files(tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["faults.jsonl", "ledger.jsonl", "requests.jsonl"]
    with pytest.raises(ConfigError, match="record of another exchange"), Files(tmp_path):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"), Files(tmp_path / "file" / "folder"):
        pass


async def test_an_auditor_can_follow_cash_and_positions_from_the_file_alone(tmp_path: Path) -> None:
    async with faulty(tmp_path, market=MARKET) as client:
        for n in range(8):
            await client.order(f"k{n}", (-1) ** n * 300)
            await client.order(f"k{n} too", (-1) ** n * 20)  # both fill on one quote: two lines of one batch
            await client.order(f"p{n}", (-1) ** n * 150, "PEP", type="limit", limit_price="93.00", time_in_force="ioc")
            await client.advance()
            await client.advance()
            await client.advance()
        ledger = await client.ask(op="ledger")
        opened, *rest = lines(tmp_path, "ledger")
    assert opened == {"event": "opened", "cash": "1000000", "multipliers": {"KO": "1", "PEP": "1"}, "venue": "ALPACA"}
    cash, held = Decimal(opened["cash"]), {"KO": Decimal(0), "PEP": Decimal(0)}
    for line in rest:
        if line["event"] == "fill":
            held[line["symbol"]] += Decimal(line["qty"])
            cash -= Decimal(line["qty"]) * Decimal(line["price"]) + Decimal(line["fee"])
        if line["symbol"]:
            assert (Decimal(line["position"]), Decimal(line["cash"])) == (held[line["symbol"]], cash), line
    batches = Counter((line["t"], line["symbol"]) for line in rest if line["event"] == "fill")
    assert max(batches.values()) > 1
    assert {line["event"] for line in rest} == {"accepted", "fill", "cancelled", "rejected"}
    assert Decimal(ledger["cash"]) == cash
    assert [line["execution_id"] for line in rest if line["event"] == "fill"] == [fill["execution_id"] for fill in ledger["fills"]]
