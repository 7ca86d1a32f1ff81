"""Appending, committing and reading back; one clear line for everything that can be wrong."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from hedgekit.errors import JournalError
from hedgekit.journal import Journal, SessionInfo, sessions
from hedgekit.journal.codec import decode
from hedgekit.types import Ack, Decision, Fill, Reject, SessionStarted, Timer
from tests.journal.made import EVERY, SESSION, START, end, session, write
from tests.journal.processes import child, finish, line_of

# -------------------------------------------------------------- write and read


def test_what_was_committed_comes_back_in_order(file: Path) -> None:
    groups = session()
    head = write(file, groups)
    with Journal.open(file, SESSION, mode="read") as journal:
        assert list(journal.records()) == EVERY
        assert (journal.count, journal.head, journal.digest(), journal.last_instant) == (len(EVERY), head, head, len(groups))
        assert [entry.id for entry in journal.entries()] == list(range(1, len(EVERY) + 1))
        assert [entry.instant for entry in journal.entries()] == [n for n, group in enumerate(groups, 1) for _ in group]
        assert list(journal.records(after=40)) == EVERY[40:]
        assert list(journal.records(types=[Fill, Ack])) == [r for r in EVERY if isinstance(r, Fill | Ack)]
        assert list(journal.records(after=20, types=(Decision,))) == [r for r in EVERY[20:] if isinstance(r, Decision)]
        assert journal.started == EVERY[0]
        journal.verify()


def test_pages_join(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hedgekit.journal.store.PAGE", 7)
    write(file, session())
    with Journal.open(file, SESSION, mode="read") as journal:
        assert list(journal.records()) == EVERY
        journal.verify()


def test_the_chain_is_what_its_definition_says(file: Path) -> None:
    link = sha256(SESSION.encode()).digest()
    for n, record in enumerate(EVERY, 1):
        link = sha256(
            link + SESSION.encode() + b"\0" + str(n).encode() + b"\0" + msgspec.json.encode(record, order="deterministic")
        ).digest()
    assert write(file, session()) == link.hex()


def test_the_head_depends_on_the_records_alone(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a.db", session()), write(tmp_path / "b.db", [EVERY[:30], EVERY[30:]], first_instant=5)
    assert one == two, "neither instants nor the wall clock are in the chain"
    assert write(tmp_path / "c.db", session(), "other") != one


def test_append_says_the_id_and_buffers_until_commit(file: Path) -> None:
    with Journal.open(file, SESSION) as journal:
        empty = journal.head
        assert empty == sha256(SESSION.encode()).hexdigest()
        assert [journal.append(record) for record in EVERY[:3]] == [1, 2, 3]
        assert (journal.count, journal.head, journal.last_instant) == (0, empty, 0)
        with pytest.raises(JournalError, match="no session 'made'; there is none yet"):
            Journal.open(file, SESSION, mode="read")
        head = journal.commit(1)
        assert (journal.count, journal.head, journal.last_instant) == (3, head, 1)
        journal.append(EVERY[3])
    with Journal.open(file, SESSION) as journal:
        assert (journal.count, journal.head, journal.last_instant) == (3, head, 1), "what was not committed is gone"
        assert list(journal.records()) == EVERY[:3]


def test_an_instant_without_a_record_is_remembered(file: Path) -> None:
    head = write(file, session()[:2])
    for instant in (3, 4):
        with Journal.open(file, SESSION) as journal, Journal.open(file, SESSION, mode="read") as reader:
            assert journal.commit(instant) == head
            assert (journal.last_instant, reader.last_instant) == (instant, instant)
    with Journal.open(file, SESSION) as journal:
        assert journal.last_instant == 4
        journal.append(EVERY[3])
        journal.commit(5)
        journal.commit(5)
        journal.verify()
        with pytest.raises(JournalError, match=r"commit\(instant=4\): instant 5 is already committed"):
            journal.commit(4)


def test_a_reader_sees_commits_as_they_come(file: Path) -> None:
    with Journal.open(file, SESSION) as writer:
        writer.append(EVERY[0])
        writer.commit(1)
        with Journal.open(file, SESSION, mode="read") as reader:
            writer.append(EVERY[1])
            assert reader.count == 1
            writer.commit(2)
            assert (reader.count, reader.head, list(reader.records(after=1))) == (2, writer.head, EVERY[1:2])


def test_sessions_share_a_store(file: Path) -> None:
    write(file, [*session(), [end()]], "b")
    write(file, session()[:2], "a")
    last = max(record.ts_ns for record in session()[1])
    assert sessions(file) == [SessionInfo("a", 0, last, 3, None), SessionInfo("b", 0, end().ts_ns, len(EVERY) + 1, "tape ended")]
    assert sessions(f"sqlite:///{file}") == sessions(file)
    with Journal.open(file, "a", mode="read") as journal:
        assert list(journal.records())[1:] == EVERY[1:3]


def test_export_is_one_json_line_for_each_record(file: Path, tmp_path: Path) -> None:
    write(file, session())
    with Journal.open(file, SESSION, mode="read") as journal:
        assert journal.export(tmp_path / "out.jsonl") == len(EVERY)
        lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert [decode(json.dumps(line["record"])) for line in lines] == EVERY
        assert (lines[-1]["id"], lines[-1]["hash"]) == (journal.count, journal.head)
        with pytest.raises(JournalError, match=r"none/out\.jsonl: cannot be written: No such file"):
            journal.export(tmp_path / "none" / "out.jsonl")


# --------------------------------------------------------------- what is refused

SECRET = 'key-"quoted"\\n5fcd\nsecond line'  # noqa: S105 - made up


@pytest.mark.parametrize("text", [SECRET, f"ab{SECRET}cd"])
def test_a_secret_is_refused_and_not_shown(file: Path, text: str) -> None:
    with Journal.open(file, SESSION) as journal:
        journal.guard(["other-secret", SECRET])
        journal.append(START)
        with pytest.raises(JournalError, match="Reject: contains a secret") as caught:
            journal.append(Reject(ts_ns=1, order_id="o", code="1", message=text))
        assert "5fcd" not in repr(caught.value) + repr(journal) + str(caught.value.__context__)
        journal.append(Timer(ts_ns=1))
        journal.commit(1)
        journal.verify()
        assert [type(record) for record in journal.records()] == [SessionStarted, Timer]
    assert b"5fcd" not in file.read_bytes()


def test_a_secret_too_short_to_tell_from_text_is_an_error(file: Path) -> None:
    with Journal.open(file, SESSION) as journal, pytest.raises(JournalError, match="fewer than 6 characters"):
        journal.guard(["  a1b2 "])


def test_the_first_record_and_no_other_is_the_start(file: Path) -> None:
    with Journal.open(file, SESSION) as journal:
        with pytest.raises(JournalError, match="record 1 is a Timer"):
            journal.append(Timer(ts_ns=1))
        with pytest.raises(JournalError, match="names session 'other', but the journal was opened for 'made'"):
            journal.append(msgspec.structs.replace(START, session="other"))
        journal.append(START)
        with pytest.raises(JournalError, match="record 2 is a SessionStarted"):
            journal.append(START)


def test_nothing_follows_the_end(file: Path) -> None:
    write(file, [[START], [end()]])
    with Journal.open(file, SESSION) as journal, pytest.raises(JournalError, match="session 'made' has ended; start a new one"):
        journal.append(Timer(ts_ns=1))


def test_a_reader_cannot_write(file: Path) -> None:
    write(file, [[START]])
    with Journal.open(file, SESSION, mode="read") as journal:
        for attempt in (lambda: journal.append(Timer(ts_ns=1)), lambda: journal.commit(2), lambda: journal.guard(["abcdef"])):
            with pytest.raises(JournalError, match="opened with mode='read'"):
                attempt()
        with journal._store.engine.connect() as conn, pytest.raises(Exception, match="readonly"):
            conn.exec_driver_sql("DELETE FROM events")


def test_a_closed_journal_says_so(file: Path) -> None:
    journal = Journal.open(file, SESSION)
    journal.close()
    with pytest.raises(JournalError, match="this journal is closed"):
        journal.append(START)


def test_after_a_failed_commit_nothing_is_written(file: Path) -> None:
    with Journal.open(file, SESSION) as journal:
        journal.append(START)
        journal.commit(1)
        hand = sqlite3.connect(file, isolation_level=None)
        hand.execute("INSERT INTO events SELECT session, 3, instant, ts_ns, type, body, hash, 0, 1, NULL FROM events")
        hand.close()
        journal.append(Timer(ts_ns=1))
        journal.append(Timer(ts_ns=2))
        with pytest.raises(JournalError, match=r"UNIQUE constraint.*another writer") as caught:
            journal.commit(2)
        assert "\n" not in str(caught.value)
        for attempt in (lambda: journal.commit(2), lambda: journal.append(Timer(ts_ns=3))):
            with pytest.raises(JournalError, match="an earlier commit failed; open the session again"):
                attempt()
    hand = sqlite3.connect(file)
    assert [row[0] for row in hand.execute("SELECT id FROM events ORDER BY id")] == [1, 3], "not even the first half of the commit"
    hand.close()


def test_every_wrong_place_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, but long enough to be looked at as one" * 40)
    sqlite3.connect(tmp_path / "empty.db").close()
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE prices (x)")
    other.close()
    write(tmp_path / "good.db", [[START]], "one")
    write(tmp_path / "good.db", [[START]], "two")
    cases = [
        ("none.db", "read", "none.db: no such journal; check the path"),
        ("text.db", "read", "text.db: file is not a database; it is not an SQLite file; choose another path"),
        ("text.db", "write", "text.db: file is not a database; it is not an SQLite file; choose another path"),
        ("other.db", "read", "other.db: a database without a journal; check the path"),
        ("good.db", "read", r"good.db: no session 'made'; there are: one, two"),
        ("", "write", r": is a directory; name a file in it"),
        ("text.db/sub/j.db", "write", "cannot be reached: Not a directory"),
        ("sqlite://", "write", "a journal must survive its process"),
        ("nonsense://host/db", "write", "nonsense: no driver for this database"),
        ("postgresql+psycopg://h/d?user=u&password=hidden-word", "read", "put it in ~/.pgpass or PGPASSWORD"),
        ("://", "write", "the journal's address is not a database URL"),
        ("postgresql+psycopg://u:hidden-word@h:port/d", "read", "the journal's address is not a database URL; .*, the port a number"),
        ("postgresql+psycopg://u@h:hidden-word/d", "write", "the journal's address is not a database URL"),
    ]
    for place, mode, says in cases:
        with pytest.raises(JournalError, match=says) as caught:
            Journal.open(place if "://" in place else tmp_path / place, SESSION, mode=mode)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
        assert "hidden-word" not in str(caught.value)
        assert caught.value.__cause__ is None
    with pytest.raises(JournalError, match="mode='append': write 'write' or 'read'"):
        Journal.open(tmp_path / "good.db", "one", mode="append")  # type: ignore[arg-type]
    for name in ("", "a/b", "../x", "a b", "x" * 65):
        with pytest.raises(JournalError, match=r"session name .*letters, digits"):
            Journal.open(tmp_path / "good.db", name)
    with pytest.raises(JournalError, match=r"none\.db: no such journal"):
        sessions(tmp_path / "none.db")


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    write(tmp_path / "new" / "folder" / "j.db", [[START]])
    assert [info.session for info in sessions(tmp_path / "new" / "folder" / "j.db")] == [SESSION]


# On read-only ground, as a user who may not write there (root gives itself up first: to root every place is writable).
_AS_NOBODY = """
import os, sys
from hedgekit.errors import JournalError
from hedgekit.journal import Journal
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
folder = sys.argv[1]
for name in ("new.db", "j.db"):
    try:
        Journal.open(f"{folder}/{name}", "made")
    except JournalError as error:
        print(error)
with Journal.open(f"{folder}/j.db", "made", mode="read") as journal:
    journal.verify()
    print(journal.count)
"""


def test_read_only_ground_is_read_and_not_written() -> None:
    folder = Path(tempfile.mkdtemp(prefix="hedgekit-"))
    try:
        write(folder / "j.db", session())
        (folder / "j.db").chmod(0o444)
        folder.chmod(0o555)
        process = child(_AS_NOBODY, folder)
        said = [line_of(process) for _ in range(3)]
        assert process.wait(10) == 0
        finish(process)
        assert "new.db: cannot be written: no write permission in its directory; choose another place" in said[0]
        assert "j.db: cannot be written: read-only file; choose another place" in said[1]
        assert said[2] == str(len(EVERY))
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
