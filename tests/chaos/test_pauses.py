"""A market that is paused when a session starts, and again while a pair is held: at every venue no outage, and nothing is ordered."""

from __future__ import annotations

from pathlib import Path

import pytest

from hedgekit.exchange.faults import Fault, FaultKind
from tests.chaos.audit import audit
from tests.chaos.books import NS, read
from tests.chaos.made import made
from tests.chaos.play import play

TOLD = {"KALSHI", "DERIBIT", "ALPACA"}
"""Venues whose streams have a word for it; Polymarket is asked, and shows an empty book."""

ASKED_NS = 61 * NS
"""As long as that it may take until a venue that does not say that a pause is over is asked again."""


@pytest.mark.parametrize("desk", ["ALPACA", "DERIBIT", "KALSHI", "POLYMARKET", "POLYMARKET+KALSHI"])
def test_paused_at_the_start_and_in_a_trade(desk: str, tmp_path: Path) -> None:
    calm = tmp_path / "calm"
    play(made(desk=desk), calm)
    held = next(row for row in read(calm).rows if row.body["type"] == "decision" and all(row.body["positions"]))
    start = read(calm).rows[0].body["ts_ns"]
    row = (held.body["ts_ns"] - start) // NS + 1
    folder = tmp_path / "paused"
    play(made(Fault(FaultKind.PAUSE, "request:1", 70.0), Fault(FaultKind.PAUSE, f"row:{row}", 45.0), desk=desk), folder)
    assert audit(folder)["violations"] == []
    books = read(folder)
    pauses = [(fault["t"], fault["t"] + round(fault["seconds"] * NS), fault["venue"]) for fault in books.faults if fault["kind"] == "pause"]
    assert len(pauses) == 2 * len(books.venues)
    assert not [*books.all("link")]
    for since, until, venue in pauses:
        told = [
            body
            for body in books.all("market_status")
            if body["instrument"].startswith(venue) and since <= body["ts_ns"] <= until + ASKED_NS
        ]
        if venue in TOLD or until - since == 70 * NS:
            assert {body["status"] for body in told if body["ts_ns"] < until} <= {"paused", "halted"}
            assert told
            assert told[-1]["status"] == "open"
        heard = since + NS
        assert not [body for body in books.all("decision") if heard <= body["ts_ns"] < until and body["orders"]]
    assert [*books.all("decision")][-1]["trade"] >= 1
