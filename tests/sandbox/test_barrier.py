"""Step mode over real sockets: instants, latencies, deaths and redelivery."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.desk import AUTH, MS, QUIET, Desk, Message, desk, inside, sandbox

FIRST = 631314000_000 * MS
"""1990-01-02 21:00 UTC, the tape's first row."""

DAY = 86_400_000 * MS


async def test_time_starts_a_minute_before_the_tape_and_stands_still() -> None:
    async with inside() as process:
        client = Desk(process.ready)
        attached = await client.attach()
        await client.close()
        assert attached == {"op": "attached", "instant": 0, "now": FIRST - 60_000 * MS, "first": FIRST}
        async with desk(process.ready, 2) as heir:
            await asyncio.sleep(0.05)
            assert (await heir.advance()).answer == {
                "op": "instant",
                "n": 1,
                "now": FIRST + 5 * MS,
                "md": 2,
                "trade": 0,
                "replies": [],
                **QUIET,
            }


async def test_latencies_and_next_quote_fills_of_both_legs() -> None:
    async with inside() as process, desk(process.ready) as client:
        await client.advance()
        first, second = await client.order("a", 150), await client.order("b", -90, "PEP")
        news = await client.advance()
        assert (news.answer["now"], news.events) == (FIRST + 35 * MS, [("new", "a"), ("new", "b")]), "25 ms up, 5 ms on the stream"
        replied = await client.advance()
        assert replied.answer["now"] == FIRST + 55 * MS, "25 ms up, 25 ms down"
        assert {n: status for n, (status, _) in replied.replies.items()} == {first: 200, second: 200}
        filled = await client.advance()
        assert (filled.answer["now"], filled.events) == (FIRST + DAY + 5 * MS, [("fill", "a"), ("fill", "b")])
        prices = {q["S"]: q for q in filled.quotes}
        bought, sold = (u["data"] for u in filled.updates)
        assert (float(bought["price"]), bought["qty"], bought["position_qty"]) == (prices["KO"]["ap"], "150", "150")
        assert (float(sold["price"]), sold["qty"], sold["position_qty"]) == (prices["PEP"]["bp"], "90", "-90")
        assert Decimal(bought["fee"]) == (Decimal(bought["price"]) * 150 * Decimal("0.00005")).quantize(Decimal("0.0001"))


async def test_an_order_larger_than_the_display_fills_across_quotes() -> None:
    async with inside() as process, desk(process.ready) as client:
        await client.advance()
        await client.order("big", 700)
        updates: list[tuple[Message, Message]] = []
        while not updates or updates[-1][0]["event"] != "fill":
            seen = await client.advance()
            shown = {q["S"]: q for q in seen.quotes}
            updates += [(u["data"], shown.get("KO", {})) for u in seen.updates if u["data"]["event"] != "new"]
        events = [update["event"] for update, _ in updates]
        assert len(events) > 1
        assert set(events[:-1]) == {"partial_fill"}
        assert all(int(update["qty"]) == quote["as"] for update, quote in updates[:-1]), "all that was displayed"
        assert int(updates[-1][0]["qty"]) <= updates[-1][1]["as"]
        assert sum(int(update["qty"]) for update, _ in updates) == 700


async def test_timers_are_instants_and_meet_messages_of_the_same_time() -> None:
    async with inside() as process, desk(process.ready) as client:
        early = await client.advance(timer=FIRST - MS)
        assert early.answer == {"op": "instant", "n": 1, "now": FIRST - MS, "md": 0, "trade": 0, "replies": [], **QUIET}
        both = await client.advance(timer=FIRST + 5 * MS)
        assert (both.answer["n"], both.answer["now"], both.answer["md"]) == (2, FIRST + 5 * MS, 2)
        past = await client.advance(timer=1)
        assert past.answer["now"] == FIRST + 5 * MS, "a timer in the past is due now"


async def test_what_a_client_without_a_socket_had_subscribed_to_is_over() -> None:
    """It closed the socket and was not let in again; an instant that tells of messages on it would be waited for, for ever."""
    async with inside() as process, desk(process.ready) as client:
        assert (await client.advance()).answer["md"] == 2
        await client.data.close()
        later = {"op": "advance", "done": 1, "requests": 0, "timer": FIRST + 36 * 3_600_000 * MS}
        told = await client.ask(**later, deaf={"ALPACA": ["md"], "KALSHI": ["trade"]})
        assert (told["n"], told["now"], told["md"]) == (2, later["timer"], 0)
        client.done, client.data = 2, await client.open_data()
        assert (await client.advance()).answer["md"] == 2, "subscribed anew"


async def test_the_end_and_life_after_it() -> None:
    async with inside({"last": "1990-01-03"}) as process, desk(process.ready) as client:
        rows = [await client.advance() for _ in range(2)]
        over = await client.advance()
        assert over.answer == {"op": "end", "now": rows[-1].answer["now"]}
        status, clock = await client.get("/v2/clock")
        assert (status, clock["is_open"]) == (200, False)
        assert (await client.advance()).answer["op"] == "end"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"op": "attach", "epoch": 1, "done": 0}, "epoch 1 must be above 1"),
        ({"op": "attach", "epoch": 2, "done": 3}, "done=3: the last instant released is 1"),
        ({"op": "attach", "epoch": 2, "done": -1}, "done=-1"),
        ({"op": "advance", "done": 0, "requests": 0, "timer": None}, "done=0: the last instant released is 1"),
        ({"op": "dance"}, "Invalid value 'dance'"),
        ({"op": "advance"}, "missing required field `done`"),
    ],
)
async def test_wrong_control_messages_are_refused(message: dict[str, Any], said: str) -> None:
    async with inside() as process, desk(process.ready) as client:
        await client.advance()
        answer = await client.ask(**message)
        assert answer["op"] == "error"
        assert said in answer["message"]
        assert (await client.advance()).answer["n"] == 2, "and nothing is broken"


async def test_nothing_moves_before_a_session_attaches() -> None:
    async with inside() as process:
        client = Desk(process.ready)
        client.control = await client.connect("control")
        answers = [await client.ask(**m) for m in ({"op": "advance", "done": 0, "requests": 0}, {"op": "ledger"}, {"op": "redeliver"})]
        await client.close()
        assert answers == [{"op": "error", "message": "not attached"}] * 3


@pytest.mark.parametrize(
    ("label", "said"),
    [(None, "must be <epoch>-<number>"), ("7", "must be <epoch>-<number>"), ("9-1", "epoch 9 is not attached"), ("1-1", "was sent before")],
)
async def test_requests_carry_a_label_in_step_mode(label: str | None, said: str) -> None:
    async with inside() as process, desk(process.ready) as client:
        assert (await client.get("/v2/account"))[0] == 200
        headers = AUTH | ({} if label is None else {"X-Hedgekit-Request": label})
        async with client.http.get(process.ready["rest"] + "/v2/account", headers=headers) as response:
            body = await response.json()
        assert (response.status, body["code"]) == (400, 40010000)
        assert said in body["message"]


async def test_an_advance_waits_for_the_requests_it_counts() -> None:
    async with inside() as process, desk(process.ready) as client:
        await client.control.send_json({"op": "advance", "done": 0, "requests": 1, "timer": None})
        with pytest.raises(TimeoutError):
            await client.control.receive(timeout=0.2)
        number = client.send("GET", "/v2/account")
        answer = await client.control.receive_json(timeout=5)
        assert (answer["now"], answer["replies"]) == (FIRST - 60_000 * MS + 50 * MS, [number])


async def test_requests_reach_the_exchange_in_the_order_of_their_numbers() -> None:
    async with inside() as process, desk(process.ready) as client:
        await client.advance()
        for number in (3, 1, 2):
            client.sent = number - 1
            await client.order(f"o{number}", 1)
            await asyncio.sleep(0.02)
        client.sent = 3
        assert (await client.advance()).events == [("new", "o1"), ("new", "o2"), ("new", "o3")]


async def test_an_order_survives_its_connection() -> None:
    """A killed session's request was read, so it reaches the exchange; the reply is lost."""
    async with sandbox() as process:
        async with desk(process.ready) as dead:
            await dead.advance()
            await raw_order(process.ready, "1-1", "orphan")
            await dead.die()
        async with desk(process.ready, 2, done=1) as heir:
            resent = await heir.order("orphan", 10)
            assert (await heir.advance()).events == [("new", "orphan")]
            replied = await heir.advance()
            assert replied.answer["replies"] == [resent], "the dead epoch's reply is nobody's"
            assert replied.replies[resent] == (422, {"code": 40010001, "message": "client_order_id must be unique"})
            assert (await heir.advance()).events == [("fill", "orphan")]
            assert [fill["order_id"] for fill in (await heir.ask(op="ledger"))["fills"]] == ["orphan"]


async def test_an_orphan_needs_no_second_request() -> None:
    """The heir sends nothing; the order of the dead one executes all the same."""
    async with sandbox() as process:
        async with desk(process.ready) as dead:
            await dead.advance()
            await raw_order(process.ready, "1-1", "orphan")
            await dead.die()
        async with desk(process.ready, 2, done=1) as heir:
            assert [(await heir.advance()).events for _ in range(2)] == [[("new", "orphan")], [("fill", "orphan")]]


async def raw_order(ready: Message, label: str, name: str) -> None:
    """Send a whole order and die at once (RST, as a killed process does)."""
    _, _, port = ready["rest"].rpartition(":")
    body = json.dumps({"symbol": "KO", "qty": "10", "side": "buy", "type": "market", "time_in_force": "gtc", "client_order_id": name})
    head = [f"{key}: {value}" for key, value in {**AUTH, "X-Hedgekit-Request": label, "Content-Length": len(body), "Host": "x"}.items()]
    _, writer = await asyncio.open_connection("127.0.0.1", int(port))
    writer.write("\r\n".join(["POST /v2/orders HTTP/1.1", *head, "", body]).encode())
    writer.transport.abort()


async def test_the_last_instant_is_redelivered_after_a_death() -> None:
    async with sandbox() as process:
        async with desk(process.ready) as dead:
            await dead.advance()
            await dead.order("a", 10)
            last = [await dead.advance() for _ in range(3)][-1]
            assert last.events == [("fill", "a")]
            await dead.die()
        async with desk(process.ready, 2, done=3) as heir:
            again = await heir.collect(await heir.ask(op="redeliver"))
            assert again == last
            assert await heir.collect(await heir.ask(op="redeliver")) == last, "until it is acknowledged"
            assert (await heir.advance()).answer["n"] == 5
            assert "nothing to redeliver" not in (await heir.ask(op="redeliver")).get("message", "")


async def test_a_dead_epochs_replies_are_not_redelivered() -> None:
    async with inside() as process:
        async with desk(process.ready) as dead:
            dead.send("GET", "/v2/account")
            assert (await dead.advance()).answer["replies"] == [1]
            await dead.die()
        async with desk(process.ready, 2) as heir:
            answer = await heir.ask(op="redeliver")
            assert (answer["n"], answer["md"], answer["trade"], answer["replies"]) == (1, 0, 0, [])


async def test_a_processed_instant_is_not_redelivered() -> None:
    async with inside() as process:
        async with desk(process.ready) as dead:
            await dead.advance()
        async with desk(process.ready, 2, done=1) as heir:
            assert "processed already" in (await heir.ask(op="redeliver"))["message"]


async def test_a_new_session_takes_the_place_of_one_that_waits() -> None:
    """The old one's advance counts a request that never came; it gets an error, and the tape has not moved."""
    async with inside() as process, desk(process.ready) as old:
        await old.advance()
        await old.control.send_json({"op": "advance", "done": 1, "requests": 1, "timer": None})
        await old.trade.close()
        await old.data.close()
        async with desk(process.ready, 2, done=1) as heir:
            assert "not attached; epoch 2 is" in (await old.control.receive_json(timeout=5))["message"]
            assert (await heir.advance()).answer["n"] == 2


async def test_a_dead_socket_does_not_change_the_instants() -> None:
    async with inside() as process, desk(process.ready) as client:
        await client.advance()
        await client.data.close()
        assert await client.ask(op="advance", done=1, requests=0, timer=None) == {
            "op": "instant", "n": 2, "now": FIRST + DAY + 5 * MS, "md": 2, "trade": 0, "replies": [], **QUIET,
        }  # fmt: skip
        client.data = await client.open_data()
        assert len((await client.collect(await client.ask(op="redeliver"))).quotes) == 2, "nothing is lost"


async def trade(client: Desk) -> list[str]:
    """Trade up and down over the whole tape; return everything that was received."""
    n = 0
    while (seen := await client.advance()).answer["op"] == "instant":
        if seen.answer["md"]:
            n += 1
            await client.order(f"k{n}", (-1) ** n * 300, limit_price="44.00", type="limit") if n % 3 else await client.order(f"k{n}", 200)
            await client.order(f"p{n}", (-1) ** n * 150, "PEP")
            client.send("GET", "/v2/positions")
    return client.log


async def test_two_runs_give_the_same_bytes() -> None:
    logs = []
    for _ in range(2):
        async with sandbox() as process, desk(process.ready) as client:
            logs.append(await trade(client))
    assert logs[0] == logs[1]
    joined = "\n".join(logs[0])
    assert all(word in joined for word in ('"partial_fill"', '"fill"', "403 {", '"T":"q"'))


async def test_the_ledger_equals_the_sum_of_the_trade_updates() -> None:
    async with sandbox() as process, desk(process.ready) as client:
        log = await trade(client)
        ledger = await client.ask(op="ledger")
    updates = [json.loads(line)["data"] for line in log if line.startswith('{"stream"')]
    fills = [u for u in updates if u["event"] in {"fill", "partial_fill"}]
    cash, held = Decimal(1_000_000), {"KO": Decimal(0), "PEP": Decimal(0)}
    for fill in fills:
        qty = Decimal(fill["qty"]) * (1 if fill["order"]["side"] == "buy" else -1)
        cash -= qty * Decimal(fill["price"]) + Decimal(fill["fee"])
        held[fill["order"]["symbol"]] += qty
    assert len(fills) > 10
    assert Decimal(ledger["cash"]) == cash
    assert {key: Decimal(q) for key, q in ledger["positions"].items()} == {f"ALPACA:{s}": q for s, q in held.items() if q}
    assert [f["execution_id"] for f in ledger["fills"]] == [f["execution_id"] for f in fills]
    assert [Decimal(f["price"]) for f in ledger["fills"]] == [Decimal(f["price"]) for f in fills]


async def test_a_killed_client_leaves_the_seats_free() -> None:
    """All sockets are dropped without a closing handshake; the next client gets them."""
    async with sandbox() as process:
        async with desk(process.ready) as dead:
            await dead.die()
        async with desk(process.ready, 2) as heir:
            assert (await heir.advance()).answer["md"] == 2
