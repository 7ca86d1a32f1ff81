"""An archive is the journal itself in another file; what is pruned is in one; a process killed at any point loses nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hedgekit.errors import JournalError
from hedgekit.journal import Gather, Journal, sessions
from hedgekit.journal.archive import MANIFEST, ROWS, archive, read
from hedgekit.journal.prune import prunable, prune
from hedgekit.journal.store import Store
from hedgekit.replay import replay
from hedgekit.types import Quote, Record, SessionEnded, SessionStarted
from tests.journal.made import KO, SESSION, START, end, session, values, write
from tests.journal.processes import ROOT
from tests.journal.server import PASSWORD, fresh
from tests.journal.test_journal_cli import hedgekit
from tests.report import made as reported

TABLES = ("orders", "fills", "decisions", "equity", "trades", "plans")


def whole(where: str | Path, name: str = SESSION) -> str:
    """Write the session by hand, ended, with a batch of quotes in it."""
    quotes: list[Record] = [
        Quote(ts_ns=end().ts_ns - 100 + n, instrument=KO, venue_ns=n, bid=50.0, ask=50.1, bid_size=1.0, ask_size=2.0) for n in range(40)
    ]
    groups = session()
    if name != SESSION:
        groups = [[START], *([quote] for quote in quotes), [end()]]
        with Journal.open(where, name, gather=Gather()) as journal:
            for number, group in enumerate(groups, 1):
                for record in group:
                    journal.append(msgspec.structs.replace(record, session=name) if isinstance(record, SessionStarted) else record)
                journal.commit(number, durable=number in {1, len(groups)}, now_ns=number)
            return journal.head
    return write(where, [*groups, quotes, [end()]])


def kept(where: str | Path, out: Path, name: str = SESSION) -> Path:
    store = Store(where, write=False)
    try:
        return archive(store, name, out)
    finally:
        store.close()


def removed(where: str | Path, folder: Path) -> str:
    store = Store(where, write=True, make=False)
    try:
        return prune(store, folder).session
    finally:
        store.close()


def same(one: str | Path, two: str | Path, name: str = SESSION) -> None:
    """Assert that two places hold the same journal, to the byte and the wall clock."""
    with Journal.open(one, name, mode="read") as a, Journal.open(two, name, mode="read") as b:
        a.verify(b.head)
        b.verify(a.head)
        assert list(a.entries()) == list(b.entries())
        assert list(a.lines()) == list(b.lines())
        assert (a.count, a.head, a.last_instant, a.economic_digest()) == (b.count, b.head, b.last_instant, b.economic_digest())
        for table in TABLES:
            assert getattr(a, table)().equals(getattr(b, table)()), table
        rows = [list(store.rows(name, -(2**63), _columns())) for store in (a._store, b._store)]
        assert rows[0] == rows[1]


def _columns() -> list[Any]:
    from hedgekit.journal.schema import EVENTS  # noqa: PLC0415 - in the order in which a store wants them

    return [EVENTS.c[name] for name in ("id", "instant", "ts_ns", "type", "body", "hash", "recorded_ns", "records", "packed")]


def test_an_archive_is_the_same_journal(file: Path, tmp_path: Path) -> None:
    head = whole(file)
    folder = kept(file, tmp_path / "years" / "2026")
    assert folder == tmp_path / "years" / "2026" / SESSION
    assert sorted(path.name for path in folder.iterdir()) == [ROWS, MANIFEST]
    assert [path.name for path in folder.parent.iterdir()] == [SESSION]
    same(file, folder)
    rows: list[dict[str, Any]] = []
    told, last = read(folder, rows.extend)
    assert last == rows[-1]
    assert (told.session, told.head, told.ended, told.rows) == (SESSION, head, True, len(rows))
    assert any(row["packed"] for row in rows), "a batch of quotes is in it"
    assert sessions(folder) == sessions(file)
    assert len(pq.read_table(folder / ROWS)) == len(rows)


def test_an_archive_is_for_reading_only(file: Path, tmp_path: Path) -> None:
    whole(file)
    folder = kept(file, tmp_path)
    with pytest.raises(JournalError, match="is an archive, which is for reading only"):
        Journal.open(folder, SESSION)
    with pytest.raises(JournalError, match="no session 'other'; there are: made"):
        Journal.open(folder, "other", mode="read")
    with pytest.raises(JournalError, match="is there already, and an archive is never written over"):
        kept(file, tmp_path)


INNER = values(Record).filter(lambda record: not isinstance(record, SessionStarted | SessionEnded))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=st.lists(st.lists(INNER, max_size=12), max_size=6), ended=st.booleans())
def test_any_journal_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, groups: list[list[Record]], *, ended: bool) -> None:
    folder = tmp_path_factory.mktemp("any")
    write(folder / "j.db", [[START], *groups, *([[end()]] if ended else [])])
    kept(folder / "j.db", folder)
    with Journal.open(folder / "j.db", SESSION, mode="read") as a, Journal.open(folder / SESSION, SESSION, mode="read") as b:
        assert list(a.lines()) == list(b.lines())
        assert list(a._store.rows(SESSION, -(2**63), _columns())) == list(b._store.rows(SESSION, -(2**63), _columns()))
        assert (a.count, a.head, a.last_instant) == (b.count, b.head, b.last_instant)


def test_a_real_session_replays_and_reports_from_its_archive(tmp_path: Path) -> None:
    """The Hedger's own decisions on real closes: bit for bit, and the same figures in the report."""
    from hedgekit.report import summarise  # noqa: PLC0415 - bokeh and more

    path = reported.write(tmp_path / "journal.db")
    said = hedgekit("archive", path, tmp_path / "kept")
    folder = tmp_path / "kept" / "made"
    with Journal.open(path, "made", mode="read") as book:
        assert said == f"made: {book.count} records, head {book.head}, in {folder}\n"
        before, head = replay(book.records()), book.head
    summary = summarise(path, "made")
    assert removed(path, folder) == "made"
    with Journal.open(folder, "made", mode="read") as book:
        assert replay(book.records()) == before
    assert summarise(folder, "made") == summary
    assert hedgekit("verify", folder, "--head", head) == f"made: {summary.records} records, hash chain whole, head {head}\n"
    assert hedgekit("replay", folder).endswith("all identical\n")
    assert hedgekit("list", folder) == f"made: {summary.records} records, tape ended\n"


# -------------------------------------------------------------------------- damage


def test_every_changed_byte_of_the_rows_is_found(file: Path, tmp_path: Path) -> None:
    whole(file)
    folder = kept(file, tmp_path)
    content = (folder / ROWS).read_bytes()
    for at in range(0, len(content), max(1, len(content) // 40)):
        (folder / ROWS).write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(JournalError, match=r"events.parquet: is damaged: its SHA-256 is not that of the manifest; restore it"):
            Journal.open(folder, SESSION, mode="read")


def _rehashed(folder: Path, **changes: Any) -> None:
    """Write the manifest anew, as one who wants to hide something would."""
    import hashlib  # noqa: PLC0415 - here alone

    told = json.loads((folder / MANIFEST).read_text())
    told["sha256"] = {ROWS: hashlib.sha256((folder / ROWS).read_bytes()).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(told | changes))


def test_who_changes_rows_and_checksum_is_found_by_the_chain(file: Path, tmp_path: Path) -> None:
    whole(file)
    folder = kept(file, tmp_path)
    table = pq.read_table(folder / ROWS).to_pandas()
    table.loc[4, "body"] = table.loc[4, "body"].replace("1", "2", 1)
    table.to_parquet(folder / ROWS)
    _rehashed(folder)
    with pytest.raises(JournalError, match=rf"{SESSION}: record 5 of session '{SESSION}' was changed"):
        Journal.open(folder, SESSION, mode="read")


def test_rows_that_are_missing_at_the_end_are_found_by_the_manifest(file: Path, tmp_path: Path) -> None:
    whole(file)
    folder = kept(file, tmp_path)
    pq.write_table(pq.read_table(folder / ROWS).slice(0, 10), folder / ROWS)
    _rehashed(folder)
    with pytest.raises(JournalError, match=r"manifest\.json: says .* records to head .*; events\.parquet has 10 to"):
        read(folder)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: (f / MANIFEST).write_text("{"), "manifest.json: is damaged, or no archive's"),
        (lambda f: (f / ROWS).unlink(), "events.parquet: cannot be read: No such file"),
        (lambda f: _rehashed(f, schema=2), "of schema 2, known here is 1"),
        (lambda f: _rehashed(f, session="other"), "is of session 'made', not 'other'"),
        (lambda f: (pq.write_table(pq.read_table(f / ROWS).drop_columns("hash"), f / ROWS), _rehashed(f)), "has no column 'hash'"),
        (lambda f: ((f / ROWS).write_text("no parquet"), _rehashed(f)), "cannot be read as Parquet"),
    ],
)
def test_what_is_wrong_with_an_archive_is_named(file: Path, tmp_path: Path, spoil: Any, says: str) -> None:
    whole(file)
    folder = kept(file, tmp_path)
    spoil(folder)
    with pytest.raises(JournalError, match=says):
        read(folder)


def test_a_journal_that_is_not_whole_is_not_archived(file: Path, tmp_path: Path) -> None:
    import sqlite3  # noqa: PLC0415 - here alone

    whole(file)
    with sqlite3.connect(file) as conn:
        conn.execute("UPDATE events SET body = replace(body, '5', '6') WHERE id = 7")
    conn.close()
    with pytest.raises(JournalError, match="record 7 of session 'made' was changed"):
        kept(file, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


# --------------------------------------------------------------------------- prune


def test_only_the_archived_session_is_removed(file: Path, tmp_path: Path) -> None:
    whole(file)
    whole(file, "other")
    shutil.copy(file, tmp_path / "before.db")
    folder = kept(file, tmp_path / "out")
    assert hedgekit("prune", file, folder).endswith("nothing was removed: say --yes\n")
    same(tmp_path / "before.db", file)
    size = file.stat().st_size
    assert f"records removed; {folder} holds them" in hedgekit("prune", file, folder, "--yes")
    assert [info.session for info in sessions(file)] == ["other"]
    assert file.stat().st_size < size, "the disk has its room back"
    same(tmp_path / "before.db", file, "other")
    same(tmp_path / "before.db", folder)
    assert "no session 'made'; there are: other" in hedgekit("prune", file, folder, "--yes", code=1)


def _refused(where: Path, folder: Path, says: str) -> None:
    before = sessions(where)
    with pytest.raises(JournalError, match=says):
        removed(where, folder)
    assert sessions(where) == before


def test_what_has_not_ended_or_has_gone_on_is_not_removed(file: Path, tmp_path: Path) -> None:
    write(file, session())
    folder = kept(file, tmp_path / "a")
    assert "it has not ended, so it cannot be pruned yet" in hedgekit("archive", file, tmp_path / "b")
    _refused(file, folder, "has not ended; only what is over is removed")
    write(file, [[end()]], first_instant=100)
    _refused(file, folder, "has not ended")
    whole(tmp_path / "longer.db")
    longer = kept(tmp_path / "longer.db", tmp_path / "c")
    _refused(file, longer, "does not hold all of session 'made' .* archive it anew")


def test_another_sessions_last_instant_counts_too(file: Path, tmp_path: Path) -> None:
    """An instant without a record, after the archive was written: the archive is not all of it."""
    whole(file)
    folder = kept(file, tmp_path)
    store = Store(file, write=True)
    from hedgekit.journal.schema import IDLE  # noqa: PLC0415 - here alone

    with store.engine.begin() as conn:
        conn.execute(IDLE.insert().values(session=SESSION, instant=999))
    store.close()
    _refused(file, folder, "does not hold all")


def test_a_session_with_a_writer_is_not_removed(file: Path, tmp_path: Path) -> None:
    whole(file)
    folder = kept(file, tmp_path)
    with Journal.open(file, SESSION):
        _refused(file, folder, "is being written by this process")


def test_a_damaged_archive_removes_nothing(file: Path, tmp_path: Path) -> None:
    whole(file)
    folder = kept(file, tmp_path)
    (folder / ROWS).write_bytes((folder / ROWS).read_bytes()[:-1])
    _refused(file, folder, "is damaged")
    with closing(Store(file, write=False)) as store, pytest.raises(JournalError, match="is damaged"):
        prunable(store, folder)


KILLED = """
import os, signal, sys
from pathlib import Path
from hedgekit.journal.archive import archive
from hedgekit.journal.prune import prune
from hedgekit.journal.store import Store
what, where, folder, point = sys.argv[1:]
def at(name):
    if name == point:
        os.kill(os.getpid(), signal.SIGKILL)
store = Store(where, write=what == "prune")
archive(store, "made", folder, at=at) if what == "archive" else prune(store, folder, at=at)
"""


def _killed(*words: object) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED, *map(str, words)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("point", ["before rows", "after rows", "before rename", "after rename"])
def test_killed_while_archiving_nothing_is_lost_and_the_next_run_does_it(file: Path, tmp_path: Path, point: str) -> None:
    whole(file)
    out = tmp_path / "out"
    _killed("archive", file, out, point)
    if point == "after rename":
        same(file, out / SESSION)
        return
    assert not (out / SESSION).exists()
    same(file, kept(file, out))
    assert [path.name for path in out.iterdir()] == [SESSION]


@pytest.mark.parametrize("point", ["before delete", "after delete", "before commit", "after commit"])
def test_killed_while_pruning_the_session_is_whole_or_gone_and_always_in_its_archive(file: Path, tmp_path: Path, point: str) -> None:
    whole(file)
    whole(file, "other")
    shutil.copy(file, tmp_path / "before.db")
    folder = kept(file, tmp_path / "out")
    _killed("prune", file, folder, point)
    same(tmp_path / "before.db", folder)
    same(tmp_path / "before.db", file, "other")
    if point != "after commit":
        same(tmp_path / "before.db", file)
        assert removed(file, folder) == SESSION
    assert [info.session for info in sessions(file)] == ["other"]


# ---------------------------------------------------------------------- PostgreSQL


def test_on_a_server_too(server: str, tmp_path: Path) -> None:
    where = fresh(server, "archived")
    whole(where)
    whole(where, "other")
    folder = kept(where, tmp_path)
    same(where, folder)
    with Journal.open(where, SESSION), pytest.raises(JournalError, match="is being written by") as caught:
        removed(where, folder)
    assert PASSWORD not in str(caught.value)
    _killed("prune", where, folder, "before commit")
    same(where, folder)
    assert removed(where, folder) == SESSION
    assert [info.session for info in sessions(where)] == ["other"]


# -------------------------------------------------------------------------- export


def test_tables_are_exported_as_they_are_with_their_checksums(file: Path, tmp_path: Path) -> None:
    whole(file)
    assert hedgekit("export", file, tmp_path / "tables") == f"made: 6 tables in {tmp_path / 'tables'}\n"
    told = json.loads((tmp_path / "tables" / MANIFEST).read_text())
    with Journal.open(file, SESSION, mode="read") as journal:
        for name in TABLES:
            found = pd.read_parquet(tmp_path / "tables" / f"{name}.parquet")
            pd.testing.assert_frame_equal(found, getattr(journal, name)())
            assert len(told["sha256"][f"{name}.parquet"]) == 64
        assert isinstance(list(journal.records())[-1], SessionEnded)
    assert "is there already" in hedgekit("export", file, tmp_path / "tables", code=1)
