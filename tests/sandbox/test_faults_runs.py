"""Whole runs with many faults: the same seed gives the same bytes, on the client's side and in the exchange's own record."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from hedgekit.exchange.faults import FaultKind, schedule
from tests.sandbox.desk import MS, Desk, Message, Seen, desk, inside, sandbox
from tests.sandbox.test_faults_requests import lines

TIMER = 3_600_000 * MS
FILES = ("requests.jsonl", "ledger.jsonl", "faults.jsonl")


async def back(client: Desk, gone: set[str]) -> None:
    """Open again what was closed, as far as the venue lets us."""
    for name in sorted(gone):
        try:
            if name == "md":
                client.data = await client.open_data()
            else:
                client.trade = await client.open_trade()
        except aiohttp.WSServerHandshakeError:
            return
        gone.discard(name)


async def trade(client: Desk) -> list[str]:
    """Trade up and down over the whole tape, come back to what was closed; return everything that was received."""
    rows, gone = 0, set[str]()
    while True:
        seen = await client.advance(await next_timer(client, gone), silence=45.0)
        if seen.answer["op"] == "end":
            return client.log
        gone |= set(seen.answer["closed"])
        await back(client, gone)
        if seen.answer["md"]:
            rows += 1
            await client.order(f"k{rows}", (-1) ** rows * 300, limit_price="44.00", type="limit") if rows % 3 else await client.order(
                f"k{rows}", 200
            )
            await client.order(f"p{rows}", (-1) ** rows * 150, "PEP")
            client.send("GET", "/v2/account/activities/FILL")
            cancel(client, seen)


async def next_timer(client: Desk, gone: set[str]) -> int | None:
    """Return when to try again, if something is closed."""
    if not gone:
        return None
    last = json.loads([line for line in client.log if line.startswith('{"op')][-1])
    return int(last["now"]) + TIMER


def cancel(client: Desk, seen: Seen) -> None:
    """Cancel what has just been said to work."""
    for update in seen.updates[:1]:
        client.send("DELETE", f"/v2/orders/{update['data']['order']['id']}")


def check(log: Path) -> None:
    """Check the laws that need nothing but the exchange's own record."""
    ledger = lines(log, "ledger")
    cash, seen = Decimal(ledger[0]["cash"]), set()
    for line in ledger[1:]:
        if line["event"] == "fill":
            assert line["execution_id"] not in seen
            seen.add(line["execution_id"])
            cash -= Decimal(line["qty"]) * Decimal(line["price"]) + Decimal(line["fee"])
            assert Decimal(line["cash"]) == cash
    accepted = [line["client_id"] for line in ledger if line["event"] == "accepted"]
    assert len(accepted) == len(set(accepted)) > 10
    asked = {json.loads(line["body"])["client_order_id"] for line in lines(log) if line.get("done") and line["method"] == "POST"}
    assert set(accepted) <= asked
    assert all(line["t"] <= after["t"] for line, after in zip(lines(log), lines(log)[1:], strict=False))


async def test_two_processes_with_the_same_seed_give_the_same_bytes(tmp_path: Path) -> None:
    """Also if the session's epochs differ, as those of real sessions do."""
    market = {"first": "1990-01-02", "last": "1990-05-31", "size_notional": 20_000.0, "size_sigma": 0.5}
    logs = []
    for name, epoch in (("one", 3), ("two", 11)):
        options = "--seed", "7", "--mean-faults", "60", "--log", str(tmp_path / name)
        async with sandbox(*options, market=market) as process, desk(process.ready, epoch) as client:
            logs.append(await trade(client))
    assert logs[0] == logs[1]
    for file in FILES:
        one, two = ((tmp_path / name / file).read_bytes() for name in ("one", "two"))
        assert one == two
        assert one
    check(tmp_path / "one")
    assert len({line["kind"] for line in lines(tmp_path / "one", "faults")}) >= 10


@pytest.mark.parametrize("seed", range(6))
async def test_no_plan_breaks_the_exchange(tmp_path: Path, seed: int) -> None:
    market: Message = {"first": "1990-01-02", "last": "1990-03-30", "size_notional": 20_000.0, "size_sigma": 0.5}
    plan = schedule(seed, requests=150, messages=120, rows=62, mean_faults=50)
    async with inside(market, faults=plan, log=str(tmp_path)) as process, desk(process.ready) as client:
        await trade(client)
        hits = (await client.ask(op="faults"))["hits"]
    check(tmp_path)
    assert set(hits) == {kind.value for kind in FaultKind}
    assert hits == {kind: sum(line["kind"] == kind for line in lines(tmp_path, "faults")) for kind in hits}
