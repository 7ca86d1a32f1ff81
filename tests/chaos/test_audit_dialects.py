"""The auditor can fail in every dialect: an honest run at each venue, and over two at once, and what it sees when it is tampered with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hedgekit.exchange.faults import Fault, FaultKind
from tests.chaos.audit import audit
from tests.chaos.books import Line, read
from tests.chaos.desks import DESKS
from tests.chaos.dialects import order_hash
from tests.chaos.forge import first, journal, lines, seen, with_orders
from tests.chaos.made import made
from tests.chaos.play import play

Runs = Callable[[str], Path]
PLACES = [(desk, venue) for desk in DESKS if desk != "ALPACA" for venue in desk.split("+")]
places = pytest.mark.parametrize(("desk", "venue"), PLACES)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Return a function that plays a run at a desk, once: with a kill, a partial fill and the last venue out for 40 s in a trade."""
    folders: dict[str, Path] = {}

    def of(desk: str) -> Path:
        if desk not in folders:
            folders[desk] = tmp_path_factory.mktemp("desk") / "run"
            faults = (
                Fault(FaultKind.OUTAGE, "row:70", 40.0, venue=desk.rsplit("+", maxsplit=1)[-1]),
                Fault(FaultKind.PARTIAL, "submit:3", fraction=0.2),
            )
            play(made(*faults, kills=("outbox.after_send:3",), desk=desk, breaker_s=10.0), folders[desk])
            verdict = audit(folders[desk])
            assert verdict["violations"] == []
            assert (verdict["facts"]["restarts"], verdict["facts"]["silences"]) == (1, 1)
        return folders[desk]

    return of


@pytest.fixture
def folder(played: Runs, desk: str, tmp_path: Path) -> Path:
    """Return a copy to tamper with."""
    return Path(shutil.copytree(played(desk), tmp_path / "run"))


@pytest.mark.parametrize("desk", DESKS)
def test_an_honest_run_is_not_accused_when_nothing_is_changed(folder: Path, desk: str) -> None:
    journal(folder, lambda _: None)
    assert audit(folder)["violations"] == []
    assert {line["venue"] for line in read(folder).ledger if line["event"] == "fill"} == set(desk.split("+"))


# ------------------------------------------------- the account's own in the way


def accused(folder: Path) -> bool:
    """Whether the auditor says of the first order at Kalshi that nobody asked for it so."""
    name = next(line["client_id"] for line in read(folder).ledger if line["event"] == "accepted" and line["client_id"] != "an-own-order")
    return seen(folder, "L2", f"order {name} was accepted for")


def tightened(found: list[Line], *, ticks: int = 1, own: Line | None = None) -> None:
    """Have an order be taken so many ticks short of what was asked for, after one of the account's own (changed so) has come to stand."""
    at = first(found, event="accepted", venue="KALSHI")
    line = found[at]
    buys, limit = Decimal(line["qty"]) > 0, Decimal(line["price"])
    line["price"] = str(limit - Decimal(ticks) * (Decimal("0.001") if buys else Decimal("-0.001")))
    if own is not None:
        stands = {"client_id": "an-own-order", "order_id": "an-own-order", "qty": "-1" if buys else "1", "price": str(limit)}
        found.insert(at, line | stands | own)


def gone(found: list[Line]) -> None:
    """End the account's own order before the other one comes."""
    at = first(found, client_id="an-own-order")
    found.insert(at + 1, found[at] | {"event": "cancelled", "why": "user"})


@pytest.mark.parametrize("desk", ["KALSHI"])
def test_an_order_may_be_taken_a_tick_short_of_the_accounts_own(folder: Path) -> None:
    lines(folder, "ledger", lambda found: tightened(found, own={}))
    assert not accused(folder)


@pytest.mark.parametrize("desk", ["KALSHI"])
@pytest.mark.parametrize("change", ["none", "twice", "side", "market", "price", "gone"])
def test_and_only_where_that_order_works_and_would_be_met(folder: Path, change: str) -> None:
    def forge(found: list[Line]) -> None:
        line = found[first(found, event="accepted", venue="KALSHI")]
        other = next(one["symbol"] for one in found if one.get("symbol", line["symbol"]) != line["symbol"])
        beyond = str(Decimal(line["price"]) + (Decimal("0.001") if Decimal(line["qty"]) > 0 else Decimal("-0.001")))
        forged: Line = {"side": {"qty": line["qty"]}, "market": {"symbol": other}, "price": {"price": beyond}}
        tightened(found, ticks=2 if change == "twice" else 1, own=None if change == "none" else forged.get(change, {}))
        if change == "gone":
            gone(found)

    lines(folder, "ledger", forge)
    assert accused(folder)


# ------------------------------------------------------------ what was executed


@places
def test_an_order_sent_and_taken_twice(folder: Path, venue: str) -> None:
    """Under the same id; at Polymarket signed anew, with another salt and so another hash."""
    new: dict[str, str] = {}

    def request(found: list[Line]) -> None:
        at = first_order(found, venue)
        body = json.loads(found[at]["body"])
        if venue == "POLYMARKET":
            native = next(json.loads(text) for text in read(folder).run["native"].values() if body["order"]["tokenId"] in text)
            old = order_hash(body["order"], neg_risk=native["neg_risk"])
            body["order"]["salt"] += 1
            new[old] = order_hash(body["order"], neg_risk=native["neg_risk"])
        found.insert(at + 1, found[at] | {"n": 10_001, "body": json.dumps(body)})

    def ledger(found: list[Line]) -> None:
        at = first(found, event="accepted", venue=venue, **({"client_id": next(iter(new))} if new else {}))
        found.insert(at + 1, found[at] | {"client_id": new.get(found[at]["client_id"], found[at]["client_id"]), "order_id": "another"})

    lines(folder, "requests", request)
    lines(folder, "ledger", ledger)
    assert seen(folder, "L2", "was accepted 2 times")


@places
def test_a_fill_that_the_journal_has_not(folder: Path, venue: str) -> None:
    journal(folder, lambda records: records.pop(fill_at(records, venue)))
    assert seen(folder, "L3", "that the journal has not")
    assert seen(folder, "L3", f"at {venue}, the journal")


@places
def test_a_fill_that_the_journal_has_twice(folder: Path, venue: str) -> None:
    journal(folder, lambda records: records.insert(first(records, type="session_ended"), records[fill_at(records, venue)]))
    assert seen(folder, "L3", "that the ledger has not")


@places
def test_an_execution_doubled_at_the_exchange(folder: Path, venue: str) -> None:
    def change(found: list[Line]) -> None:
        left = {line["client_id"]: Decimal(line["qty"]) for line in found if line["event"] == "accepted" and line["venue"] == venue}
        for at, line in enumerate(found):
            if line["event"] == "fill" and line["venue"] == venue:
                left[line["client_id"]] -= Decimal(line["qty"])
                if not left[line["client_id"]]:
                    found.insert(at + 1, line | {"execution_id": "another"})
                    return

    lines(folder, "ledger", change)
    assert seen(folder, "L2", "was executed")
    assert seen(folder, "L3", "that the journal has not")


@places
@pytest.mark.parametrize("field", ["price", "fee"])
def test_an_amount_that_differs_in_its_last_digit(folder: Path, venue: str, field: str) -> None:
    def change(found: list[Line]) -> None:
        line = found[first(found, event="fill", venue=venue)]
        line[field] += "1" if "." in line[field] else ".1"

    lines(folder, "ledger", change)
    assert seen(folder, "L3", "that the journal has not")


@places
def test_cash_that_is_off_in_its_last_digit(folder: Path, venue: str) -> None:
    """In dollars, or in coins of a hundred-millionth."""

    def change(found: list[Line]) -> None:
        line = [line for line in found if line["venue"] == venue][-1]
        line["cash"] = str(Decimal(line["cash"]) + Decimal("0.00000001"))

    lines(folder, "ledger", change)
    assert seen(folder, "L3", "the ledger's cash is")
    assert seen(folder, "L3", "the ledger's cash at")


@places
def test_cash_that_the_venue_is_said_to_have_told(folder: Path, venue: str) -> None:
    def change(records: list[Line]) -> None:
        last = [one for one in records if one["type"] == "reconciled" and one.get("venue") in {"", None, venue}][-1]
        last["cash"] = str(Decimal(last["cash"]) + Decimal("0.00000001"))

    journal(folder, change)
    assert seen(folder, "L3", f"{venue} is said to hold")


# ----------------------------------------------------------- what was asked for


def worse(body: Line, venue: str) -> None:
    """Ask for the same order at another limit."""
    if venue == "ALPACA":
        body["limit_price"] = str(Decimal(body["limit_price"]) + 1)
    elif venue == "DERIBIT":
        body["params"]["price"] += 0.5
    elif venue == "KALSHI":
        body["price"] = str(Decimal(body["price"]) + Decimal("0.0010"))
    else:
        name = "makerAmount" if body["order"]["side"] == "BUY" else "takerAmount"
        body["order"][name] = str(int(body["order"][name]) + 1_000_000)


def more(body: Line, venue: str) -> None:
    """Ask for another quantity."""
    if venue == "POLYMARKET":
        for name in ("makerAmount", "takerAmount"):
            body["order"][name] = str(2 * int(body["order"][name]))
    elif venue == "DERIBIT":
        body["params"]["amount"] *= 2
    else:
        name = "qty" if venue == "ALPACA" else "count"
        body[name] = str(2 * Decimal(body[name]))


def turned(body: Line, venue: str) -> None:
    """Ask for the opposite."""
    if venue == "POLYMARKET":
        body["order"]["side"] = "SELL" if body["order"]["side"] == "BUY" else "BUY"
    else:
        words = ["buy", "sell"] if venue == "ALPACA" else ["bid", "ask"]
        body["side"] = words[body["side"] == words[0]]


@places
@pytest.mark.parametrize("change", [worse, more, turned])
def test_a_request_for_what_was_not_decided(folder: Path, venue: str, change: Callable[[Line, str], None]) -> None:
    def wrong(found: list[Line]) -> None:
        line = found[first_order(found, venue)]
        if (change, venue) == (turned, "DERIBIT"):  # said by the path
            line["path"] = line["path"].replace("buy", "?").replace("sell", "buy").replace("?", "sell")
            return
        body = json.loads(line["body"])
        change(body, venue)
        line["body"] = json.dumps(body)

    lines(folder, "requests", wrong)
    assert seen(folder, "L2", "and sent as")
    assert seen(folder, "L2", "and no request asked for that")


@pytest.mark.parametrize("desk", ["POLYMARKET"])
def test_an_order_in_the_other_token_of_its_condition(folder: Path, desk: str) -> None:
    """A purchase of one is a sale of the other at 1 - p."""

    def wrong(found: list[Line]) -> None:
        line = found[first_order(found, desk)]
        body = json.loads(line["body"])
        native = next(json.loads(text) for text in read(folder).run["native"].values() if body["order"]["tokenId"] in text)
        body["order"]["tokenId"] = native["opposite" if body["order"]["tokenId"] == native["token"] else "token"]
        line["body"] = json.dumps(body)

    lines(folder, "requests", wrong)
    assert seen(folder, "L2", "and sent as")


# -------------------------------------------------------------- two at once (L6)

PAIRS = [desk for desk in DESKS if "+" in desk]
pairs = pytest.mark.parametrize("desk", PAIRS)


@pairs
def test_an_order_anywhere_while_one_venue_is_silent(folder: Path, desk: str) -> None:
    def change(records: list[Line]) -> None:
        closing = next(n for n, one in enumerate(records) if one.get("orders") and one["action"] != "open")
        records.insert(first(records, type="link", state="down") + 1, records[closing])

    journal(folder, change)
    assert seen(folder, "L6", f"an order was decided at {decided(folder)}, while {desk.split('+')[1]} was down")


@pairs
@pytest.mark.parametrize("which", [0, 1])
def test_orders_before_every_venue_has_told_what_is_held(folder: Path, desk: str, which: int) -> None:
    venue = desk.split("+")[which]

    def change(records: list[Line]) -> None:
        down = first(records, type="link", state="down")
        records[:] = [one for n, one in enumerate(records) if n < down or one["type"] != "reconciled" or one["venue"] != venue]

    journal(folder, change)
    assert seen(folder, "L6", f"before {venue} had told what is held")


@pairs
def test_an_order_at_the_other_venue_that_is_left_working(folder: Path, desk: str) -> None:
    def change(records: list[Line]) -> None:
        down = first(records, type="link", state="down")
        order = next(one for one in records[with_orders(records)]["orders"] if one["instrument"].startswith(desk.split("+", maxsplit=1)[0]))
        late = {"order_id": "never-called-back", "ts_ns": records[down]["ts_ns"]}
        records.insert(down, records[with_orders(records)] | {"ts_ns": records[down]["ts_ns"] - 1, "orders": [order | late]})

    journal(folder, change)
    assert seen(folder, "L6", "order never-called-back at the other venue was not cancelled")


@pairs
def test_a_silence_of_the_venue_that_was_there(folder: Path, desk: str) -> None:
    journal(folder, lambda records: records[first(records, type="link", state="down")].update(venue=desk.split("+", maxsplit=1)[0]))
    assert seen(folder, "L6", f"{desk.split('+', maxsplit=1)[0]} is said to be down")


# ----------------------------------------------------------------------- helpers


def first_order(found: list[Line], venue: str) -> int:
    """Return where the first request is by which a venue took a limit order that is to fill."""
    ends = {"ALPACA": ("/v2/orders",), "DERIBIT": ("private/buy", "private/sell"), "KALSHI": ("/events/orders",), "POLYMARKET": ("/order",)}
    posts = (
        (n, line)
        for n, line in enumerate(found)
        if (line["venue"], line.get("method")) == (venue, "POST") and line["path"].endswith(ends[venue]) and line["result"] in {200, 201}
    )
    return next(n for n, line in posts if '"ioc"' not in line["body"] and "immediate_or_cancel" not in line["body"])


def fill_at(records: list[Line], venue: str) -> int:
    """Return where the first execution at a venue is told."""
    return next(n for n, one in enumerate(records) if one["type"] == "fill" and one["instrument"].startswith(f"{venue}:"))


def decided(folder: Path) -> Any:
    """Return when the first order was decided that is no entry."""
    return next(one["ts_ns"] for one in read(folder).all("decision") if one["orders"] and one["action"] != "open")


# --------------------------------------------------- fills that are taken back


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Play a run at Polymarket in which a fill fails."""
    folder = tmp_path_factory.mktemp("failed") / "run"
    play(made(Fault(FaultKind.REVERSAL, "submit:2", 2.0), desk="POLYMARKET"), folder)
    assert audit(folder)["violations"] == []
    return folder


@pytest.mark.parametrize(
    ("change", "law", "words"),
    [
        ({"qty": "1"}, "L3", "(quantity, price, fee), where"),
        ({"execution_id": "nothing-reversed"}, "L3", "takes back what was never executed"),
        ({"symbol": "RAIN-YES"}, "L3", "takes back"),
        ({"event": "fill"}, "L2", "was executed 0"),
    ],
)
def test_what_is_taken_back_is_what_was_executed(failed: Path, tmp_path: Path, change: Line, law: str, words: str) -> None:
    folder = Path(shutil.copytree(failed, tmp_path / "run"))
    lines(folder, "ledger", lambda found: found[first(found, event="reversed")].update(change))
    assert seen(folder, law, words)


def test_what_is_taken_back_twice_is_seen_and_what_is_not_booked_too(failed: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(failed, tmp_path / "run"))
    lines(folder, "ledger", lambda found: found.append(found[first(found, event="reversed")]))
    assert seen(folder, "L3", "or was taken back before")
    folder = Path(shutil.copytree(failed, tmp_path / "again"))
    journal(folder, lambda records: records.pop(first(records, type="fill", cause="reversal")))
    assert seen(folder, "L3", "the ledger has 1 execution(s) ('reversal'")
    folder = Path(shutil.copytree(failed, tmp_path / "trade"))
    journal(folder, lambda records: records[first(records, type="fill", cause="reversal")].pop("cause"))
    assert seen(folder, "L3", "the journal has 1 fill(s) ('trade'")
