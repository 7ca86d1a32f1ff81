"""What campaigns have found, each as a run made for it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

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
    recovered = next(record["ts_ns"] for record in books.all("decision") if record["ts_ns"] > back and record["phase"] != "recovering")
    assert recovered - back < NS
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
