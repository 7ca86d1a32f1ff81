"""A12: one pair over two venues, each with its own protocol, account, fees, ticks and netting, by real processes and sockets, in step."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hedgekit import demo
from hedgekit.data import Recipe, SyntheticBinary, SyntheticMarket
from hedgekit.exchange.faults import Fault
from hedgekit.launch import Child
from hedgekit.paper.config import CONTROL_TOKEN_ENV
from hedgekit.replay import replay
from hedgekit.types import Ack, Decision, Fees, Fill, Instrument, Kind, Link, Reason, Reconciled, SessionEnded
from hedgekit.venues import client_of
from tests.paper.rig import TINY_PARAMS, Rig

EVENT = (
    Instrument("POLYMARKET", "RAIN-YES", Kind.BINARY, tick=Decimal("0.001"), fees=Fees(Decimal("0.02"), quantum=Decimal("0.00001"))),
    Instrument("KALSHI", "RAIN-26JAN", Kind.BINARY, tick=Decimal("0.01"), fees=Fees(per_unit=Decimal("0.0175"), quantum=Decimal("0.0001"))),
)
SAME_EVENT = SyntheticBinary(
    listed=EVENT, rows=200, row_s=60.0, noise_sd=0.25, noise_half_life=5, rho=0.97, resolve_row=6000, size_notional=300.0, half_spread=0.004
)
CONTRACTS: dict[str, Any] = {
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
    "slippage_buffer": 0.0,
    "evidence_override": "the same event at two venues: what is tested is the protocol",
}

COIN = (
    Instrument("ALPACA", "BTCX", lot=Decimal("0.001"), fees=Fees(rate=Decimal("0.0005"))),
    Instrument(
        "DERIBIT",
        "BTC-PERPETUAL",
        Kind.INVERSE_PERP,
        Decimal("0.5"),
        Decimal(1),
        Decimal(10),
        Fees(Decimal("0.0005"), quantum=Decimal("1e-8")),
    ),
)
SPOT_AND_PERPETUAL = SyntheticMarket(
    listed=COIN,
    ratio=1.0,
    primary_price=90_000.0,
    hedge_price=90_000.0,
    half_spread_bps=0.5,
    half_life=6.0,
    spread_sd=0.006,
    hedge_vol=0.0008,
    rows=320,
    size_notional=60_000.0,
)
DELTA: dict[str, Any] = TINY_PARAMS | {"bar_s": 1.0, "bar_offset_s": 0.5, "entry": 1.5, "structure": "delta", "delta_model": "linear"}

CASES: dict[str, tuple[Recipe, dict[str, Any]]] = {
    "one event": (SAME_EVENT, CONTRACTS),
    "spot and perpetual": (SPOT_AND_PERPETUAL, DELTA | {"breaker_s": 30.0}),
}


def keys(venues: Sequence[str]) -> dict[str, str]:
    """Return new accounts."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    special = {
        "KALSHI": ("a-key-id", pem),
        "POLYMARKET": (*(secrets.token_hex(n) for n in (32, 16)), secrets.token_urlsafe(32) + "=", secrets.token_hex(8)),
    }
    made = {CONTROL_TOKEN_ENV: secrets.token_hex(16)}
    for venue in venues:
        names = client_of(venue).key_env
        made |= dict(zip(names, special.get(venue, [secrets.token_hex(16) for _ in names]), strict=True))
    return made


@contextmanager
def sandbox(folder: Path, market: Recipe, faults: Sequence[Fault] = ()) -> Iterator[Rig]:
    folder.mkdir(parents=True, exist_ok=True)
    venues = [instrument.venue for instrument in market.instruments()]
    account, plan = keys(venues), msgspec.json.encode(faults).decode()
    cash = ["--cash", "DERIBIT=50"] if "DERIBIT" in venues else []
    command = ["sandbox", "--market", demo.encode(market), "--faults", plan, "--log", str(folder / "record"), *cash]
    with (folder / "sandbox.log").open("wb") as log, Child(command, secrets=account, log=log) as child:
        yield Rig(folder, market, account, msgspec.json.decode(child.line()))


def trade(folder: Path, case: str, faults: Sequence[Fault] = (), kills: Sequence[tuple[str, int]] = (), **params: Any) -> Rig:
    """Run a session to its end, killed where asked; the rig has both exchanges' own books."""
    market, numbers = CASES[case]
    with sandbox(folder, market, faults) as rig:
        config = rig.config(params=numbers | params)
        for point, count in kills:
            done = rig.run(config, kill_at=point, count=count)
            assert done.returncode == -9, done.stderr
        done = rig.run(config)
        assert done.returncode == 0, done.stderr
        rig.ready["ledgers"] = rig.ledgers()
    return rig


def agree(rig: Rig) -> dict[str, Any]:
    """L2, L3: every execution of both exchanges is in the journal once and nothing else is; positions are theirs; it replays."""
    with rig.journal() as journal:
        journal.verify()
        records = list(journal.records())
        ours = journal.ledger()
    assert isinstance(records[-1], SessionEnded)
    replay(records)
    fills = [record for record in records if isinstance(record, Fill)]
    names = {record.venue_order_id: record.order_id for record in records if isinstance(record, Ack)}
    theirs, held = [], {}
    for ledger in rig.ready["ledgers"].values():
        held |= {key: Decimal(qty) for key, qty in ledger["positions"].items() if Decimal(qty)}
        for one in ledger["fills"]:
            numbers = (Decimal(one[name]) for name in ("qty", "price", "fee"))
            theirs.append((names.get(one["order_id"], one["order_id"]), one["instrument"], *numbers))
    assert sorted(theirs) == sorted((one.order_id, one.instrument, one.qty, one.price, one.fee) for one in fills)
    assert len({fill.key for fill in fills}) == len(fills)
    assert held == {key: qty for key, qty in ours.positions.items() if qty}
    return {"records": records, "fills": fills}


@pytest.mark.parametrize("case", CASES)
def test_a_pair_over_two_venues_trades_and_both_exchanges_agree(tmp_path: Path, case: str) -> None:
    found = agree(trade(tmp_path, case))
    venues = {fill.instrument.partition(":")[0] for fill in found["fills"]}
    assert venues == {instrument.venue for instrument in CASES[case][0].instruments()}
    decisions = [record for record in found["records"] if isinstance(record, Decision)]
    assert max(decision.trade for decision in decisions) > 3
    assert {record.venue for record in found["records"] if isinstance(record, Reconciled)} == venues


def test_each_legs_cost_is_what_its_own_venue_charges(tmp_path: Path) -> None:
    """The first trade of one event at two venues, by hand: sold at Polymarket (tick 0.001) and, as NO bought, at Kalshi (tick 0.01).

    Polymarket takes 0.02 x contracts x p (1 - p), to 5 places: 522 at 0.559 cost 2.57365836, at 0.465 2.597211. Kalshi takes
    0.07 x contracts x p (1 - p), up to the next hundredth of a cent: 96 at 0.45 cost 1.6632, 80 at 0.52 1.39776, 16 at 0.56 0.275968.
    Beside that each gives half a spread away: 0.0045 a contract, and 0.005 (or 0.01, with the wider book).
    """
    with trade(tmp_path, "one event").journal() as journal:
        fills, first = journal.fills(), journal.trades().iloc[0]
    mine = fills[fills["trade"] == 1]
    assert [*zip(mine["instrument"], mine["qty"], mine["price"], mine["fee"], strict=True)] == [
        ("POLYMARKET:RAIN-YES", -522.0, 0.559, 2.57366),
        ("KALSHI:RAIN-26JAN", -96.0, 0.45, 1.6632),
        ("POLYMARKET:RAIN-YES", 522.0, 0.465, 2.59721),
        ("KALSHI:RAIN-26JAN", 80.0, 0.52, 1.3978),
        ("KALSHI:RAIN-26JAN", 16.0, 0.56, 0.276),
    ]
    assert [*mine["spread_cost"].round(6)] == [2.349, 0.48, 2.349, 0.4, 0.16]
    assert first["cost_primary"] == pytest.approx(2.349 + 2.57366 + 2.349 + 2.59721)
    assert first["cost_hedge"] == pytest.approx(0.48 + 1.6632 + 0.4 + 1.3978 + 0.16 + 0.276)
    sold, bought = 522 * (0.559 - 0.465), 96 * 0.45 - 80 * 0.52 - 16 * 0.56
    assert first["hedged"] == pytest.approx(sold + bought - 2.57366 - 2.59721 - 1.6632 - 1.3978 - 0.276)


@pytest.mark.parametrize("case", CASES)
def test_killed_anywhere_it_goes_on(tmp_path: Path, case: str) -> None:
    kills = [("session.decided", 2), ("outbox.after_commit", 2), ("outbox.after_send", 3), ("session.asked", 1)]
    agree(trade(tmp_path, case, kills=kills))


@pytest.mark.parametrize("case", CASES)
def test_one_venue_is_silent_and_both_legs_are_closed_once_it_is_back(tmp_path: Path, case: str) -> None:
    silent = CASES[case][0].instruments()[1].venue
    seconds = 3_000.0 if case == "one event" else 60.0
    rig = trade(tmp_path, case, [Fault("outage", "row:120", seconds, venue=silent)])  # type: ignore[arg-type] # by its word
    records = agree(rig)["records"]
    states = [(record.venue, record.state) for record in records if isinstance(record, Link)]
    assert states == [(silent, "down"), (silent, "up")]
    down, up = (
        next(n for n, record in enumerate(records) if isinstance(record, Link) and record.state == state) for state in ("down", "up")
    )
    assert not [order for record in records[down:up] if isinstance(record, Decision) for order in record.orders], "nothing anywhere"
    reasons = [record.reason for record in records[up:] if isinstance(record, Decision)]
    assert Reason.RECONCILED in reasons
