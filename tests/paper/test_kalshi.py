"""A paper session at Kalshi: the whole way over real processes and sockets, in step."""

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
from hedgekit.data import Recipe, SyntheticMarket
from hedgekit.launch import Child
from hedgekit.paper.config import CONTROL_TOKEN_ENV
from hedgekit.replay import replay
from hedgekit.types import Decision, Fees, Fill, Instrument, Kind, Quote, SessionEnded
from hedgekit.venues.kalshi import Kalshi
from tests.paper.rig import Rig

LISTED = tuple(
    Instrument("KALSHI", name, Kind.BINARY, tick=Decimal("0.001"), fees=Fees(per_unit=Decimal("0.0175"), quantum=Decimal("0.0001")))
    for name in ("FED-23DEC-T3.00", "FED-23DEC-T3.25")
)
MARKET = SyntheticMarket(
    listed=LISTED,
    primary_price=0.45,
    hedge_price=0.40,
    spread_sd=0.2,
    half_life=3.0,
    hedge_vol=0.008,
    half_spread_bps=20.0,
    min_half_spread=0.001,
    rows=220,
    row_s=60.0,
    size_notional=400.0,
    seed=3,
)
PARAMS: dict[str, Any] = {
    "structure": "pairs",
    "lookback": 20,
    "entry": 1.2,
    "target": 0.3,
    "stop": 6.0,
    "bar_s": 60.0,
    "bar_offset_s": 1.0,
    "notional": 1_000.0,
    "fit_bars": 40,
    "refit_bars": 60,
    "evidence_override": "A made market, for a test.",
}

STEADY = PARAMS | {"patience_s": 0.0}
"""With patience, what a restart hears when it opens the feed anew is a quote after the order, so that the order can be overdue earlier."""


@contextmanager
def sandbox(folder: Path, market: Recipe = MARKET, options: Sequence[str] = ()) -> Iterator[Rig]:
    folder.mkdir(parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    keys = dict(zip(Kalshi.key_env, ("a-key-id", pem), strict=True)) | {CONTROL_TOKEN_ENV: secrets.token_hex(16)}
    with (
        (folder / "sandbox.log").open("wb") as log,
        Child(["sandbox", "--market", demo.encode(market), *options], secrets=keys, log=log) as child,
    ):
        yield Rig(folder, market, keys, msgspec.json.decode(child.line()))


def finished(folder: Path, *, faults: str = "[]", **changes: Any) -> Rig:
    """Run one whole session; the sandbox is over when this returns."""
    with sandbox(folder, options=["--faults", faults]) as rig:
        done = rig.run(rig.config(params=STEADY, **changes))
        assert done.returncode == 0, done.stderr
        rig.ready["ledger"] = rig.ledger(venue="KALSHI")
    return rig


def agree(rig: Rig, ledger: dict[str, Any]) -> None:
    """L3: the exchange's books and the journal's, execution by execution, to the last digit."""
    with rig.journal() as journal:
        journal.verify()
        ours, records = journal.ledger(), list(journal.records())
    fills = [record for record in records if isinstance(record, Fill)]
    theirs = [(f["order_id"], f["execution_id"], Decimal(f["qty"]), Decimal(f["price"]), Decimal(f["fee"])) for f in ledger["fills"]]
    assert sorted(theirs) == sorted((f.order_id, f.fill_id, f.qty, f.price, f.fee) for f in fills)
    assert Decimal(ledger["cash"]) == 1_000_000 + ours.cash
    held = {key: Decimal(qty) for key, qty in ledger["positions"].items() if Decimal(qty)}
    assert held == {key: qty for key, qty in ours.positions.items() if qty}
    replay(records)


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """One whole session, that killed ones are compared with."""
    return finished(tmp_path_factory.mktemp("unkilled"))


def test_a_session_trades_and_the_books_agree(unkilled: Rig) -> None:
    agree(unkilled, unkilled.ready["ledger"])
    with unkilled.journal() as journal:
        records = list(journal.records())
    assert isinstance(records[-1], SessionEnded)
    decisions = [record for record in records if isinstance(record, Decision)]
    assert decisions[-1].trade > 5
    assert {True, False} == {order.qty > 0 for decision in decisions for order in decision.orders}
    fills = [record for record in records if isinstance(record, Fill)]
    wanted = {order.order_id: order.qty for decision in decisions for order in decision.orders}
    assert sum(fill.qty != wanted[fill.order_id] for fill in fills) > 10, "displayed sizes must cause partial fills"


def test_the_fee_is_kalshis_not_the_instruments(unkilled: Rig) -> None:
    """0.07 x contracts x p x (1 - p), up to a hundredth of a cent, of the first fill of each order."""
    with unkilled.journal() as journal:
        fills = [record for record in journal.records() if isinstance(record, Fill)]
    first = {fill.order_id: fill for fill in reversed(fills)}
    for fill in first.values():
        exact = Decimal("0.07") * abs(fill.qty) * fill.price * (1 - fill.price)
        assert exact <= fill.fee < exact + Decimal("0.0002"), fill


def test_what_was_quoted_is_what_was_recorded(unkilled: Rig) -> None:
    """The last quote of each row has the tape's best prices and sizes; one in between has those of one side of the row before."""
    tape = MARKET.tape()
    with unkilled.journal() as journal:
        quotes = [record for record in journal.records() if isinstance(record, Quote)]
    last = {(quote.instrument, quote.venue_ns): quote for quote in quotes}
    for leg, instrument in enumerate(tape.instruments):
        for row, ts_ns in enumerate(tape.ts_ns.tolist()):
            quote = last.get((instrument.key, ts_ns))
            told = None if quote is None else (quote.bid, quote.ask, quote.bid_size, quote.ask_size)
            assert told == (tape.bid[row, leg], tape.ask[row, leg], tape.bid_size[row, leg], tape.ask_size[row, leg])
    assert all(quote.bid < quote.ask for quote in quotes if quote.bid and quote.ask), "no change may cross a book on the way"


@pytest.mark.parametrize(("point", "count"), [("outbox.after_commit", 1), ("outbox.after_send", 5), ("session.received", 0)])
def test_killed_session_resumes_without_loss_or_double(unkilled: Rig, tmp_path: Path, point: str, count: int) -> None:
    """L2, L3: SIGKILL at a named point, restart; what was done to money is the unkilled run's."""
    with sandbox(tmp_path) as rig:
        config = rig.config(params=STEADY)
        killed = rig.run(config, kill_at=point, count=count or fill_instant(unkilled, 9))
        assert killed.returncode == -9, killed.stderr
        done = rig.run(config)
        assert done.returncode == 0, done.stderr
        agree(rig, rig.ledger(venue="KALSHI"))
    with rig.journal() as ours, unkilled.journal() as theirs:
        assert ours.economic_digest() == theirs.economic_digest()


def fill_instant(rig: Rig, number: int) -> int:
    """Return how many instants the unkilled run had received when one of its fills came."""
    with rig.journal() as journal:
        return [entry.instant for entry in journal.entries(types=[Fill])][number - 1]


FAULTS = [
    {"kind": "gateway_504_after", "at": "submit:1"},
    {"kind": "drop_reply", "at": "submit:3"},
    {"kind": "too_many", "at": "submit:5", "count": 2},
    {"kind": "too_many", "at": "submit:9", "seconds": 2},
    {"kind": "too_early", "at": "submit:11"},
    {"kind": "error_500", "at": "submit:13"},
    {"kind": "unavailable_503", "at": "submit:15"},
    {"kind": "hang_after", "at": "submit:17"},
    {"kind": "late", "at": "submit:19", "seconds": 15},
    {"kind": "delayed_ack", "at": "submit:21", "seconds": 3},
    {"kind": "reject_hedge", "at": "submit:23"},
    {"kind": "reject_hedge", "at": "submit:25", "seconds": 1},
    {"kind": "partial", "at": "submit:27", "fraction": 0.01},
    {"kind": "lost", "at": "md:150"},
    {"kind": "reorder", "at": "md:350"},
    {"kind": "duplicate", "at": "md:500"},
    {"kind": "lost", "at": "trade:9"},
    {"kind": "duplicate", "at": "trade:15"},
    {"kind": "reorder", "at": "trade:21"},
    {"kind": "disconnect", "at": "trade:27"},
    {"kind": "disconnect", "at": "md:700"},
    {"kind": "freeze", "at": "row:90", "seconds": 90},
    {"kind": "skew", "at": "row:100", "seconds": 5, "count": 5},
    {"kind": "outage", "at": "row:120", "seconds": 100},
    {"kind": "disconnect", "at": "row:160"},
]


def test_every_fault_at_once_and_the_books_agree(tmp_path: Path) -> None:
    with sandbox(tmp_path, options=["--faults", msgspec.json.encode(FAULTS).decode(), "--log", str(tmp_path / "log")]) as rig:
        done = rig.run(rig.config(params=PARAMS))
        assert done.returncode == 0, done.stderr
        agree(rig, rig.ledger(venue="KALSHI"))
    hit = {msgspec.json.decode(line)["kind"] for line in (tmp_path / "log" / "faults.jsonl").read_bytes().splitlines()}
    assert hit == {fault["kind"] for fault in FAULTS}
