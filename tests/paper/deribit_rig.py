"""A Deribit sandbox and real session processes on a short tape of two inverse perpetuals, for tests."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from hedgekit import demo
from hedgekit.data import SyntheticMarket
from hedgekit.exchange import Ledger
from hedgekit.launch import Child
from hedgekit.paper.config import CONTROL_TOKEN_ENV
from hedgekit.sandbox.skins.deribit_wire import terms_of
from hedgekit.types import Fees, Fill, Instrument, Kind, Payment
from hedgekit.venues.deribit.wire import KEY_ENV
from tests.paper.rig import TINY_PARAMS, Rig

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CASH = Decimal(50)
"""Coins of each currency that the account starts with."""

RATE = Fees(rate=Decimal("0.0005"), quantum=Decimal("0.00000001"))
PERPS = SyntheticMarket(
    listed=(
        Instrument("DERIBIT", "BTC-PERPETUAL", Kind.INVERSE_PERP, Decimal("0.5"), Decimal(1), Decimal(10), RATE),
        Instrument("DERIBIT", "ETH-PERPETUAL", Kind.INVERSE_PERP, Decimal("0.05"), Decimal(1), Decimal(1), RATE),
    ),
    primary_price=90_000.0,
    hedge_price=3_000.0,
    half_spread_bps=0.5,
    min_half_spread=0.25,
    half_life=6.0,
    spread_sd=0.012,
    hedge_vol=0.0008,
    rows=320,
    size_notional=60_000.0,
)
PARAMS: dict[str, Any] = {**TINY_PARAMS, "bar_s": 1.0, "bar_offset_s": 0.5, "breaker_s": 0.0, "lookback": 20, "entry": 1.5}


@contextmanager
def deribit(folder: Path, market: SyntheticMarket = PERPS, *, options: Sequence[str] = ()) -> Iterator[Rig]:
    """Run a Deribit sandbox in step for the time of a test."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = {name: secrets.token_hex(16) for name in (*KEY_ENV, CONTROL_TOKEN_ENV)}
    command = ["sandbox", "--venue", "DERIBIT", "--market", demo.encode(market), "--cash", str(CASH), *options]
    with (folder / "sandbox.log").open("wb") as log, Child(command, secrets=keys, log=log) as child:
        yield Rig(folder, market, keys, msgspec.json.decode(child.line()))


def traded(
    folder: Path,
    kills: Sequence[tuple[str, int]] = (),
    *,
    market: SyntheticMarket = PERPS,
    options: Sequence[str] = (),
    params: dict[str, Any] = PARAMS,
    **changes: Any,
) -> Rig:
    """Run one session to its end, killed where asked; the rig has the exchange's own books."""
    with deribit(folder, market, options=options) as rig:
        config = rig.config(params=params, **changes)
        for point, count in kills:
            done = rig.run(config, kill_at=point, count=count)
            assert done.returncode == -9, done.stderr
        done = rig.run(config)
        assert done.returncode == 0, done.stderr
        rig.ready["ledger"] = rig.ledger(venue="DERIBIT")
    return rig


def empty() -> Ledger:
    """Return the books of an account before its first trade, on Deribit's terms."""
    instruments = PERPS.instruments()
    terms = terms_of(instruments)
    return Ledger(instruments, dict.fromkeys((one.currency for one in terms.values()), CASH), terms)


def booked(rig: Rig) -> Ledger:
    """Book the journal's executions and payments on Deribit's terms, as an independent look at the same money."""
    ledger = empty()
    with rig.journal() as journal:
        for record in journal.records():
            if isinstance(record, Fill):
                ledger.post(record)
            elif isinstance(record, Payment):
                ledger.balances[record.coin] += record.amount
    return ledger
