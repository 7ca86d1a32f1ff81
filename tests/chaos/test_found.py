"""What campaigns have found, each as a run made for it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from hedgekit.exchange.faults import Fault, FaultKind
from tests.chaos.audit import audit
from tests.chaos.books import NS, Books, read
from tests.chaos.made import made
from tests.chaos.play import play

OUT = (Fault(FaultKind.LATE, "submit:1", 60.0), Fault(FaultKind.OUTAGE, "submit:2", 40.0))
"""An entry's primary that reaches the venue a minute late, and an outage meanwhile, longer than the breaker's limit."""


def run(folder: Path, *faults: Fault, **more: Any) -> Books:
    """Play a run; the auditor has nothing to say of it."""
    play(made(*faults, **more), folder)
    assert audit(folder)["violations"] == []
    return read(folder)


def instant_of(folder: Path, state: str) -> int:
    """Return the instant at which the journal says this of the venue."""
    with closing(sqlite3.connect(folder / "journal.db")) as db:
        query = "SELECT min(instant) FROM events WHERE type = 'link' AND body LIKE ?"
        return int(db.execute(query, (f'%"state":"{state}"%',)).fetchone()[0])


def recovered(books: Books, back: int) -> int:
    """Return when the session had recovered from a silence."""
    return next(int(record["ts_ns"]) for record in books.all("decision") if record["ts_ns"] > back and record["phase"] != "recovering")


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unkilled") / "run"
    run(folder, *OUT)
    return folder


def test_what_is_held_is_agreed_on_as_soon_as_the_venue_is_back(unkilled: Path) -> None:
    """Not when a backoff that grew in the outage is over; and a socket that is down by itself is no frozen market."""
    books = read(unkilled)
    links = [(link["state"], link["ts_ns"]) for link in books.all("link")]
    assert [state for state, _ in links] == ["down", "up"]
    back = links[1][1]
    assert recovered(books, back) - back < NS
    assert next(record["ts_ns"] for record in books.all("quote") if record["ts_ns"] > back) - back < 2 * NS


def test_what_takes_an_id_is_not_in_the_way_of_the_close(tmp_path: Path) -> None:
    """The order that cannot fill holds a share until it is over; the close that follows wants all of them.

    Parts of both legs are held when the outage begins, and what was on its way is lost; so is what the stream says of that order.
    """
    books = run(tmp_path / "run", Fault(FaultKind.OUTAGE, "submit:12", 40.0), Fault(FaultKind.LOST, "trade:24", count=2))
    voids = {line["client_id"] for line in books.ledger if line["event"] == "accepted" and line["price"] == "0.01"}
    assert voids
    assert not [line for line in books.ledger if line["event"] == "rejected"]


def test_killed_at_the_moment_at_which_the_venue_is_back(unkilled: Path, tmp_path: Path) -> None:
    """An order of the process before may be there: it is not over because this process has not sent it. Prices were missed, too."""
    books = run(tmp_path / "run", *OUT, kills=(f"session.received:{instant_of(unkilled, 'up')}",))
    assert [life["returncode"] for life in books.run["lives"]] == [-9, 0]
    assert [line for line in books.requests if line.get("fault") == "late" and line["result"] == 422], "the late order finds its id taken"
    assert len(list(books.all("gap"))) == 1


def test_killed_in_an_outage(unkilled: Path, tmp_path: Path) -> None:
    """It starts again while nobody answers, waits, and does not take its own start for a sign of life."""
    books = run(tmp_path / "run", *OUT, kills=(f"session.received:{instant_of(unkilled, 'down') + 2}", "session.asked:1"))
    assert [life["returncode"] for life in books.run["lives"]] == [-9, -9, 0]
    (since,) = [fault["t"] for fault in books.faults if fault["kind"] == "outage"]
    links = [(link["state"], link["ts_ns"] - since) for link in books.all("link")]
    assert links == [("down", 10 * NS), ("up", 40 * NS)]


def test_the_last_word_is_asked_for_where_it_was_lost(tmp_path: Path) -> None:
    """The stop at the tape's end cancels what works; the venue does, and what it says of that is lost. No market moves any more."""
    resting = {"patience_s": 0.0, "naked_limit_s": 0.0, "plan_valid_days": 1.0}
    books = run(tmp_path / "heard", **resting)
    cancels = [line["t"] for line in books.requests if line["method"] == "DELETE"]
    assert cancels[-1] > max(quote["ts_ns"] for quote in books.all("quote"))
    books = run(tmp_path / "lost", Fault(FaultKind.LOST, f"cancel:{len(cancels)}", count=2), **resting)
    assert [fault for fault in books.faults if fault["channel"] == "trade"]


def test_agreed_on_while_an_order_still_works_it_is_asked_again_when_that_is_over(tmp_path: Path) -> None:
    """Not half a minute later: the cancels at the venue's return fail once, and what is held is told before they are repeated."""
    faults = Fault(FaultKind.OUTAGE, "row:34", 40.0), Fault(FaultKind.UNAVAILABLE_503, "cancel:1", count=2)
    books = run(tmp_path / "run", *faults, patience_s=0.0, naked_limit_s=0.0)
    (back,) = [link["ts_ns"] for link in books.all("link") if link["state"] == "up"]
    over = max(record["ts_ns"] for record in books.all("cancelled") if record["ts_ns"] < back + 5 * NS)
    assert [record for record in books.all("reconciled") if back < record["ts_ns"] < over]
    assert recovered(books, back) - over < NS


def test_over_two_venues_both_are_asked_as_soon_as_the_silent_one_is_back(tmp_path: Path) -> None:
    """Not the other one half a minute after it, with a leg held and unhedged."""
    books = run(tmp_path / "run", Fault(FaultKind.OUTAGE, "row:70", 40.0, venue="DERIBIT"), desk="ALPACA+DERIBIT")
    (back,) = [link["ts_ns"] for link in books.all("link") if link["state"] == "up"]
    assert recovered(books, back) - back < NS
    assert {body["venue"] for body in books.all("reconciled") if back <= body["ts_ns"] < back + NS} == {"ALPACA", "DERIBIT"}


def test_killed_when_it_has_subscribed_anew_after_an_outage(tmp_path: Path) -> None:
    """What that subscription begins with is nothing that the next process, which has no socket yet, could wait for."""
    books = run(tmp_path / "run", Fault(FaultKind.OUTAGE, "row:43", 40.0), desk="KALSHI", kills=("feeds.reopened:1",))
    assert [life["returncode"] for life in books.run["lives"]] == [-9, 0]


def test_an_order_that_expires_when_no_market_moves_any_more_is_not_renewed(tmp_path: Path) -> None:
    """Kalshi's last for five minutes; the tape ends with an entry, and its last quote is no price to trade at any more (A9)."""
    books = run(tmp_path / "whole", desk="KALSHI")
    entered = next(decision["ts_ns"] for decision in books.all("decision") if decision["action"] == "open")
    recipe = made(desk="KALSHI")
    rows = sum(row_ns <= entered for row_ns in recipe.market.tape().ts_ns.tolist())
    play(replace(recipe, market=replace(recipe.market, rows=rows)), tmp_path / "run")
    assert audit(tmp_path / "run")["violations"] == []
    ordered = [decision["ts_ns"] for decision in read(tmp_path / "run").all("decision") if decision["orders"]]
    assert ordered[-1] == entered


def test_a_feed_that_is_opened_anew_after_a_long_quiet_is_signed_with_the_time_that_it_is(tmp_path: Path) -> None:
    """A freeze has swallowed messages; Kalshi refuses the signature of a minute ago, at which the session was woken last."""
    books = run(tmp_path / "run", Fault(FaultKind.FREEZE, "row:5", 70.0), desk="KALSHI")
    (gap,), (frozen,) = books.all("gap"), [fault["t"] for fault in books.faults]
    first = next(quote["ts_ns"] for quote in books.all("quote") if quote["ts_ns"] > frozen + 70 * NS)
    assert first - frozen < 71 * NS
    assert first - gap["ts_ns"] == books.recipe["model"]["ws_ns"], "the books come as soon as they can"


def test_a_pair_is_held_while_prices_stand_still_and_closed_when_they_move(tmp_path: Path) -> None:
    """The venue answers all the while and agrees; what it showed last is no price to close at (A9)."""
    opened = next(decision["ts_ns"] for decision in run(tmp_path / "whole").all("decision") if decision["phase"] == "open")
    row = sum(row_ns <= opened for row_ns in made().market.tape().ts_ns.tolist())
    books = run(tmp_path / "run", Fault(FaultKind.FREEZE, f"row:{row + 1}", 30.0))
    frozen, moves = [(link["state"], link["ts_ns"]) for link in books.all("link")]
    assert (frozen[0], moves[0]) == ("frozen", "up")
    between = [decision for decision in books.all("decision") if frozen[1] <= decision["ts_ns"] < moves[1]]
    assert any(between[-1]["positions"])
    assert not [decision for decision in between if decision["orders"]]
    assert [body for body in books.all("reconciled") if frozen[1] < body["ts_ns"] < moves[1]]
    closed = next(decision for decision in books.all("decision") if decision["ts_ns"] > moves[1] and decision["orders"])
    assert (closed["action"], closed["reason"]) == ("close", "reconciled")
    assert closed["ts_ns"] - moves[1] < NS, "not when the question of half a minute ago is due again"


def fails(folder: Path, *faults: Fault, **more: Any) -> Books:
    """Play a run at Polymarket in which the fills of early orders fail; return what it left."""
    failing = (Fault(FaultKind.REVERSAL, f"submit:{number}", seconds) for number, seconds in ((1, 1.5), (2, 0.5), (5, 4.0), (8, 20.0)))
    return run(folder, *failing, *faults, desk="POLYMARKET", **more)


def reversals(books: Books) -> list[str]:
    """Return the executions that were taken back, as the journal has them."""
    return [fill["fill_id"] for fill in books.all("fill") if fill.get("cause") == "reversal"]


def test_fills_that_fail_are_once_executed_and_once_taken_back(tmp_path: Path) -> None:
    """Whatever is lost of the account's stream, and whoever is killed meanwhile."""
    books = fails(tmp_path / "heard")
    assert len(reversals(books)) >= 3
    deaf = fails(tmp_path / "deaf", Fault(FaultKind.LOST, "trade:1", count=100_000))
    assert reversals(deaf)
    assert {fault["kind"] for fault in deaf.faults} == {"lost", "reversal"}
    killed = fails(tmp_path / "killed", kills=("outbox.after_send:2", "session.received:12"))
    assert len(killed.run["lives"]) == 3
    assert reversals(killed)


def test_a_fill_that_fails_in_an_outage_is_known_before_what_is_held_is_agreed_on(tmp_path: Path) -> None:
    heard = fails(tmp_path / "heard")
    first = next(line["t"] for line in heard.ledger if line["event"] == "reversed")
    row = sum(row_ns < first for row_ns in made(desk="POLYMARKET").market.tape().ts_ns.tolist())
    books = fails(tmp_path / "out", Fault(FaultKind.OUTAGE, f"row:{row}", 40.0))
    (back,) = [link["ts_ns"] for link in books.all("link") if link["state"] == "up"]
    assert [line for line in books.ledger if line["event"] == "reversed" and back - 40 * NS < line["t"] < back]
    assert recovered(books, back) - back < 10 * NS, "an order that is over is looked up for 7.5 s before its trades are asked for"


def test_a_tape_that_ends_while_what_is_held_cannot_be_closed(tmp_path: Path) -> None:
    """Asked again every 30 s until the market speaks, the question kept a tape going that had nothing more to say."""
    held = next(record["ts_ns"] for record in run(tmp_path / "calm").all("decision") if all(record["positions"]))
    row = (held - run_start(tmp_path / "calm")) // NS + 2
    books = run(tmp_path / "ends", Fault(FaultKind.FREEZE, f"row:{row}", 400.0))
    assert [link["state"] for link in books.all("link")] == ["frozen"]
    *_, last = books.all("decision")
    assert last["phase"] == "halted"
    assert any(last["positions"])


def run_start(folder: Path) -> int:
    """Return when the tape of a run begins."""
    return int(next(iter(read(folder).all("quote")))["ts_ns"])
