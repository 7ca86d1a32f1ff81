"""The journal on a real PostgreSQL server (``server.py``)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from hedgekit.errors import JournalError
from hedgekit.journal import Follower, Journal, SessionInfo, sessions
from hedgekit.types import Ack, Reject, Timer
from tests.journal.made import EVERY, SESSION, START, differing, end, session, write
from tests.journal.processes import child, finish, line_of
from tests.journal.server import PASSWORD, free_port, fresh


def test_it_is_the_same_journal(server: str, tmp_path: Path) -> None:
    server = fresh(server, "same")
    groups = [*session(), [Reject(ts_ns=1, order_id="o", code="1", message="100% of ünïcode \U0001f600 %(x)s ? \\ \x00")], [end()]]
    assert write(server, groups[:9]) != write(server, groups[9:], first_instant=10) == write(tmp_path / "j.db", groups)
    with Journal.open(server, SESSION, mode="read") as there, Journal.open(tmp_path / "j.db", SESSION, mode="read") as here:
        there.verify(here.head)
        assert list(there.entries()) == list(here.entries())
        assert (there.count, there.head, there.last_instant) == (here.count, here.head, here.last_instant)
        assert (there.ledger(), there.economic_digest()) == (here.ledger(), here.economic_digest())
        for name in ("orders", "fills", "decisions", "equity", "trades", "plans"):
            assert getattr(there, name)().equals(getattr(here, name)()), name
        assert PASSWORD not in repr(there)
    write(server, [[START]], "another")
    assert sessions(server) == [SessionInfo("another", 0, 0, 1, None), SessionInfo(SESSION, 0, end().ts_ns, len(EVERY) + 2, "tape ended")]


def test_tampering_is_found(server: str) -> None:
    write(server, session(), "tampered")
    engine = create_engine(server)
    with engine.begin() as conn:
        conn.execute(text("UPDATE events SET body = replace(body, '0.03', '0.02') WHERE session = 'tampered' AND type = 'fill'"))
        first = conn.execute(text("SELECT min(id) FROM events WHERE session = 'tampered' AND body LIKE '%\"fee\":\"0.02\"%'")).scalar()
    engine.dispose()
    with (
        Journal.open(server, "tampered", mode="read") as journal,
        pytest.raises(JournalError, match=f"record {first} of .* was changed") as caught,
    ):
        journal.verify()
    assert PASSWORD not in str(caught.value)


def test_an_instant_without_a_record_is_remembered(server: str) -> None:
    write(server, session()[:2], "idle")
    for instant in (3, 4):
        with Journal.open(server, "idle") as journal:
            journal.commit(instant)
    with Journal.open(server, "idle", mode="read") as journal:
        assert (journal.last_instant, journal.count) == (4, 3)


_WRITE = """
import sys
from hedgekit.journal import Journal
from hedgekit.types import SessionStarted, Timer
with Journal.open(sys.argv[1], "locked") as journal:
    journal.append(SessionStarted(ts_ns=0, session="locked", instruments=(), params={}, market={}, version="0"))
    instant = 1
    journal.commit(instant)
    print("open", flush=True)
    while True:
        instant += 1
        journal.append(Timer(ts_ns=instant))
        journal.append(Timer(ts_ns=instant))
        journal.commit(instant)
"""


def test_one_writer_and_whole_instants_after_its_death(server: str) -> None:
    process = child(_WRITE, server)
    try:
        assert line_of(process) == "open"
        with pytest.raises(JournalError, match=rf"session 'locked' is being written by process {process.pid} on "):
            Journal.open(server, "locked")
    finally:
        finish(process)
    with Journal.open(server, "locked") as journal:  # the lock died with its process
        journal.verify()
        assert journal.last_instant > 1
        assert [entry.instant for entry in journal.entries(after=1)] == [n for n in range(2, journal.last_instant + 1) for _ in range(2)]
        journal.append(Timer(ts_ns=1))
        journal.commit(journal.last_instant + 1)
    Journal.open(server, "locked").close()


def test_a_reader_in_a_transaction_delays_no_commit(server: str) -> None:
    write(server, [[START]], "read")
    engine = create_engine(server)
    with engine.connect() as reader, Journal.open(server, "read") as journal:
        assert reader.execute(text("SELECT count(*) FROM events")).scalar()
        began = time.perf_counter()
        for instant in range(2, 52):
            journal.append(Timer(ts_ns=instant))
            journal.commit(instant)
        assert time.perf_counter() - began < 5
    engine.dispose()


def test_reads_go_by_the_key_before_there_are_statistics(server: str) -> None:
    """Else each page, and each poll, costs as much as the whole rest of the session: the server sorts it."""
    place = fresh(server, "plan")
    write(place, [[START], [Ack(ts_ns=n, order_id="o", venue_order_id="v") for n in range(3_000)]])
    with Journal.open(place, SESSION, mode="read") as journal, journal._store.engine.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM pg_stats WHERE schemaname = 'plan'")).scalar() == 0
        for order in ("id", "id DESC"):
            query = f"EXPLAIN SELECT body FROM events WHERE session = '{SESSION}' AND id > 10 ORDER BY {order} LIMIT 50"  # noqa: S608 - ours
            plan = "\n".join(row[0] for row in conn.execute(text(query)))
            assert "Index Scan" in plan
            assert "Sort" not in plan


def test_what_an_address_asks_for_is_kept(server: str) -> None:
    """The schema that a URL names is where the journal is made."""
    place = fresh(server, "elsewhere")
    write(place, [[START]], "mine-alone")
    assert [info.session for info in sessions(place)] == ["mine-alone"]
    assert "mine-alone" not in {info.session for info in sessions(server)}


def test_a_follower_reads_it_in_pieces(server: str, tmp_path: Path) -> None:
    write(tmp_path / "j.db", session())
    with Follower(server, SESSION + "-x") as there, Follower(tmp_path / "j.db", SESSION) as here:
        assert not there.poll().standing.started
        for instant, group in enumerate(session(), 1):
            write(server, [group], SESSION + "-x", first_instant=instant)
            while there.poll(3):
                pass
        here.poll()
        assert set(differing(there.standing, here.standing)) <= {"session", "last_recorded_ns", "last_quote_recorded_ns"}
        assert there.standing.records == len(EVERY)


def test_a_reader_cannot_write(server: str) -> None:
    write(server, [[START]], "mine")
    with (
        Journal.open(server, "mine", mode="read") as journal,
        journal._store.engine.connect() as conn,
        pytest.raises(Exception, match="read-only"),
    ):
        conn.exec_driver_sql("DELETE FROM events")


def test_a_server_that_is_not_there_or_refuses_gives_one_line(server: str) -> None:
    nobody = f"postgresql+psycopg://hedger:{PASSWORD}@127.0.0.1:{free_port()}/postgres"
    for url, says in (
        (nobody, "refused.*see that the server is up"),
        (server.replace(PASSWORD, "another-password"), "authentication failed"),
    ):
        with pytest.raises(JournalError, match=says) as caught:
            Journal.open(url, SESSION, mode="read")
        assert "\n" not in str(caught.value)
        assert "another-password" not in str(caught.value)
        assert PASSWORD not in str(caught.value)
