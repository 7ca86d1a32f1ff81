"""Whole paper sessions at a sandboxed Polymarket, and the exchange's books held against the journal's."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from hedgekit import demo
from hedgekit.data import Recipe, SyntheticBinary
from hedgekit.exchange.faults import Fault
from hedgekit.launch import Child
from hedgekit.paper.config import CONTROL_TOKEN_ENV
from hedgekit.replay import replay
from hedgekit.types import Ack, Cancelled, Decision, Fees, Fill, Instrument, Kind, Reject, SessionEnded
from hedgekit.venues.polymarket import Polymarket
from tests.paper.rig import Rig

FEES = Fees(rate=Decimal("0.04"), quantum=Decimal("0.00001"))
LEGS = tuple(Instrument("POLYMARKET", symbol, Kind.BINARY, fees=FEES) for symbol in ("RAIN-YES", "CUP/ALICE-NO"))
"""The second is one outcome of an event (neg-risk), and its own token is the No."""

PAIR = SyntheticBinary(
    primary="RAIN-YES",
    hedge="CUP/ALICE-NO",
    listed=LEGS,
    rows=160,
    row_s=60.0,
    noise_sd=0.3,
    noise_half_life=5,
    rho=0.9,
    resolve_row=4000,
    size_notional=300.0,
)
"""160 rows of a minute; displayed sizes small enough for partial fills."""

PARAMS: dict[str, Any] = {
    "structure": "pairs",
    "signal": "price",
    "lookback": 20,
    "entry": 1.2,
    "target": 0.4,
    "stop": 6.0,
    "bar_s": 60.0,
    "bar_offset_s": 1.0,
    "interval_s": 60.0,
    "notional": 300.0,
    "fit_bars": 40,
    "refit_bars": 50,
    "max_quote_age_s": 120.0,
    "evidence_override": "synthetic contracts: what is tested is the protocol",
}
CASH = Decimal(1_000_000)


def keys() -> dict[str, str]:
    """Return a new account."""
    made = dict(
        zip(
            Polymarket.key_env,
            (secrets.token_hex(32), secrets.token_hex(16), secrets.token_urlsafe(32) + "=", secrets.token_hex(16)),
            strict=True,
        )
    )
    return made | {CONTROL_TOKEN_ENV: secrets.token_hex(16)}


@contextmanager
def sandbox(folder: Path, market: Recipe = PAIR, faults: Sequence[Fault] = (), options: Sequence[str] = ()) -> Iterator[Rig]:
    """Run a sandbox for the time of a test."""
    folder.mkdir(parents=True, exist_ok=True)
    account = keys()
    plan = msgspec.json.encode(faults).decode()
    command = ["sandbox", "--market", demo.encode(market), "--faults", plan, "--log", str(folder / "record"), *options]
    with (folder / "sandbox.log").open("wb") as log, Child(command, secrets=account, log=log) as child:
        yield Rig(folder, market, account, msgspec.json.decode(child.line()))


def agree(rig: Rig) -> dict[str, Any]:
    """Hold the journal of a session that has ended against the exchange's own ledger; return how much there was of what, and was ``made``.

    An execution is named by the trade and the order's hash in the journal, and our name of an order is tied to its hash by its Ack.
    """
    ledger = rig.ledger(venue="POLYMARKET")
    with rig.journal() as journal:
        journal.verify()
        records = list(journal.records())
        ours = journal.ledger()
    assert isinstance(records[-1], SessionEnded)
    names = {record.venue_order_id: record.order_id for record in records if isinstance(record, Ack)}
    fills = [record for record in records if isinstance(record, Fill) and record.cause != "settlement"]
    theirs = [
        (
            names[one["order_id"]],
            f"{one['execution_id']}/{one['order_id']}",
            one["instrument"],
            *map(Decimal, (one["qty"], one["price"], one["fee"])),
        )
        for one in ledger["fills"]
    ]
    assert sorted(theirs) == sorted((one.order_id, one.fill_id, one.instrument, one.qty, one.price, one.fee) for one in fills)
    assert len({fill.fill_id for fill in fills}) == len(fills), "each once"
    assert Decimal(ledger["cash"]) == CASH + ours.cash
    held = {key: Decimal(qty) for key, qty in ledger["positions"].items()}
    assert held == {key: qty for key, qty in ours.positions.items() if qty}
    orders = {order.order_id: order.qty for record in records if isinstance(record, Decision) for order in record.orders}
    done: Counter[str] = Counter()
    for fill in (one for one in fills if one.cause == "trade"):
        done[fill.order_id] += fill.qty  # type: ignore[assignment] # money
    ended = {record.order_id for record in records if isinstance(record, Cancelled | Reject)}
    assert [name for name, qty in orders.items() if name not in ended and done[name] != qty] == [], "each order has an end"
    assert all(abs(done[name]) <= abs(qty) for name, qty in orders.items()), "none is executed beyond itself"
    replay(records)
    return {
        "made": ours.cash,
        "orders": len(orders),
        "fills": len(fills),
        "partial": sum(fill.qty != orders[fill.order_id] for fill in fills),
        "rejected": sum(isinstance(record, Reject) for record in records),
        "trades": max((record.trade for record in records if isinstance(record, Decision)), default=0),
    }
