"""The venue's own record of perpetuals: after each fill the balance of the currency that it settles in, to the last digit."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

from hedgekit.sandbox.record import Files, Record
from hedgekit.types import NS
from tests.sandbox.deribit_house import BTC, ETH, House

if TYPE_CHECKING:
    from pathlib import Path


def test_cash_after_each_fill_is_that_of_its_currency(tmp_path: Path) -> None:
    with Files(tmp_path) as files:
        house = House(BTC, ETH, cash="3")
        house.skin._record = Record(files, "DERIBIT")
        house.skin._record.opened(house.exchange)
        for instrument, price in ((BTC, 90_000.0), (ETH, 3_000.0)):
            for change in (0.0, 0.01):
                best = price * (1 + change)
                tick = float(instrument.tick)
                house.show(instrument, [(best, 5.0), (best - tick, 50.0)], [(best + tick, 5.0), (best + 2 * tick, 50.0)], NS)
                size = float(instrument.multiplier) * 20
                method = "private/sell" if change else "private/buy"
                house.result(method, instrument_name=instrument.symbol, amount=size, type="market")
    lines = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    fills = [line for line in lines if line["event"] == "fill"]
    assert len(fills) == 8
    balances = {"BTC-PERPETUAL": Decimal(3), "ETH-PERPETUAL": Decimal(3)}
    booked = {b.ref: Decimal(0) for b in house.exchange.ledger.bookings}
    for booking in house.exchange.ledger.bookings:
        booked[booking.ref] += booking.amount
    for fill in fills:
        balances[fill["symbol"]] += booked[fill["execution_id"]]
        assert Decimal(fill["cash"]) == balances[fill["symbol"]]
    assert balances["BTC-PERPETUAL"] == house.exchange.ledger.balances["BTC"]
