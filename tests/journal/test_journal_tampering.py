"""Batches that somebody changed, lost, moved or added to: verify names where, and no reader takes them for whole."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.errors import JournalError
from hedgekit.journal import Follower, Journal
from hedgekit.types import Decision, Event, Fill, Record
from tests.journal.made import SESSION, START, session, write
from tests.journal.scripts import by_hand, feed, rows, sealed, thick, timers

BATCH = 60


@pytest.fixture(scope="module")
def one_batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[sqlite3.Connection, Journal]]:
    file = tmp_path_factory.mktemp("one") / "j.db"
    write(file, [[START, *feed(0, BATCH)], session()[1], feed(100, BATCH)])
    assert [records for _, _, records in rows(file)] == [1, BATCH, 1, 1, BATCH]
    with by_hand(file) as hand, Journal.open(file, SESSION, mode="read") as journal:
        yield hand, journal


COLUMNS = ["packed", "body", "hash", "type", "ts_ns", "instant", "records"]


@settings(max_examples=300)
@given(st.sampled_from(COLUMNS), st.integers(0, 10_000), st.integers(1, 255))
def test_any_changed_byte_of_a_batch_is_found(one_batch: tuple[sqlite3.Connection, Journal], column: str, place: int, flip: int) -> None:
    hand, journal = one_batch
    id_ = BATCH + 1
    stored = hand.execute(f"SELECT CAST({column} AS BLOB) FROM events WHERE id = ?", [id_]).fetchone()[0]  # noqa: S608 - one of COLUMNS
    place %= len(stored)
    changed: Any = stored[:place] + bytes([stored[place] ^ flip]) + stored[place + 1 :]
    cast = "?" if column == "packed" else "CAST(? AS TEXT)"
    hand.execute(f"UPDATE events SET {column} = {cast} WHERE id = ?", [changed, id_])  # noqa: S608 - as above
    try:
        with pytest.raises(JournalError, match=rf"(one of the records 2 to {id_}, a batch,|record \d+) of session 'made' (was|is)"):
            journal.verify()
    finally:
        hand.execute(f"UPDATE events SET {column} = {cast} WHERE id = ?", [stored, id_])  # noqa: S608 - as above
    journal.verify()


def test_every_bit_of_the_packed_bytes_counts(one_batch: tuple[sqlite3.Connection, Journal]) -> None:
    """Also those that zlib does not look at: with another level in the header it reads the same text."""
    hand, journal = one_batch
    packed = hand.execute("SELECT packed FROM events WHERE id = ?", [BATCH + 1]).fetchone()[0]
    other = bytes([packed[0], {0x01: 0x9C}[packed[1]]]) + packed[2:]
    assert zlib.decompress(other) == zlib.decompress(packed)
    hand.execute("UPDATE events SET packed = ? WHERE id = ?", [other, BATCH + 1])
    with pytest.raises(JournalError, match="this is not what was packed"):
        journal.verify()
    hand.execute("UPDATE events SET packed = ? WHERE id = ?", [packed, BATCH + 1])


def repack(hand: sqlite3.Connection, change: Any) -> None:
    """Change what is in the first batch as somebody would who knows its form."""
    packed = hand.execute("SELECT packed FROM events WHERE id = ?", [BATCH + 1]).fetchone()[0]
    content = json.loads(zlib.decompress(packed))
    change(content)
    packed = zlib.compress(msgspec.json.encode(content), 1)
    count = sum(len(records) for _, records in content)
    hand.execute("UPDATE events SET packed = ?, body = ?, records = ? WHERE id = ?", [packed, sha256(packed).hexdigest(), count, BATCH + 1])


def _change(content: Any) -> None:
    content[0][1][30]["ask"] += 0.01


def _swap(content: Any) -> None:
    records = content[0][1]
    records[3], records[4] = records[4], records[3]


def _drop(content: Any) -> None:
    del content[0][1][7]


def _add(content: Any) -> None:
    content[0][1].insert(7, content[0][1][7])


def _later(content: Any) -> None:
    content[0][0] += 5


def _early(content: Any) -> None:
    content[0][1][-1], content[0][1][-2] = content[0][1][-2], content[0][1][-1]


def _back(content: Any) -> None:
    content[0][1], rest = content[0][1][:9], content[0][1][9:]
    content.append([0, rest])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_change, "one of the records 2 to 61, a batch, .* was changed: its hash does not follow from record 1"),
        (_swap, "one of the records 2 to 61, a batch, .* was changed: its hash does not follow from record 1"),
        (_drop, "record 2 of session 'made' is missing"),
        (_add, r"record 2 of session 'made' was added or changed: its row holds 61 records and ends with 61, after record 1"),
        (_early, "one of the records 2 to 61, a batch, .* was changed: its hash does not follow from record 1"),
        (_later, "was changed: instant 1 comes after instant 1"),
        (_back, "was changed: instant 1 comes after instant 1"),
    ],
)
def test_what_is_changed_inside_a_batch_is_found(one_batch: tuple[sqlite3.Connection, Journal], change: Any, says: str) -> None:
    hand, journal = one_batch
    before = hand.execute("SELECT packed, body, records FROM events WHERE id = ?", [BATCH + 1]).fetchone()
    repack(hand, change)
    with pytest.raises(JournalError, match=says):
        journal.verify()
    hand.execute("UPDATE events SET packed = ?, body = ?, records = ? WHERE id = ?", [*before, BATCH + 1])
    journal.verify()


SQL = [
    ("DELETE FROM events WHERE id = 61", "record 2 .* is missing"),
    ("DELETE FROM events WHERE id = 62", "record 62 .* is missing"),
    ("UPDATE events SET id = id + 1 WHERE id = 123", "record 64 .* is missing"),
    ("UPDATE events SET records = 0 WHERE id = 61", "record 2 .* was changed: its row holds 0 records"),
    ("UPDATE events SET records = 2 WHERE id = 62", "record 62 .* was changed: its row holds 2 records"),
    ("UPDATE events SET records = 'x' WHERE id = 62", "record 62 .* was changed: its row holds 'x' records"),
    ("UPDATE events SET packed = NULL WHERE id = 61", "record 2 .* was changed: its row holds 60 records"),
    ("UPDATE events SET packed = 'text' WHERE id = 61", "one of the records 2 to 61.* cannot be read"),
    ("UPDATE events SET packed = x'00' WHERE id = 62", "one of the records 62 to 62.* cannot be read"),
    (
        "INSERT INTO events SELECT session, 0, instant, ts_ns, type, body, hash, 0, 1, NULL FROM events WHERE id = 62",
        "record 0 .* was added or changed: its row holds 1 records and ends with 0, after record 0",
    ),
    (
        "INSERT INTO events SELECT session, 30, instant, ts_ns, type, body, hash, 0, 1, NULL FROM events WHERE id = 62",
        "record 2 .* is missing",
    ),
    (
        "UPDATE events SET (packed, body) = (SELECT packed, body FROM events WHERE id = 123) WHERE id = 61",
        "one of the records 2 to 61.* hash does not follow from record 1",
    ),
]


@pytest.mark.parametrize(("sql", "says"), SQL)
def test_batches_moved_or_lost_are_found(file: Path, sql: str, says: str) -> None:
    write(file, [[START, *feed(0, BATCH)], session()[1], feed(100, BATCH)])
    with by_hand(file) as hand:
        hand.execute(sql)
    with Journal.open(file, SESSION, mode="read") as journal, pytest.raises(JournalError, match=says):
        journal.verify()


def test_a_head_inside_a_batch_is_passed(file: Path) -> None:
    records: list[Record] = [START, *feed(0, 30)]
    head = write(file, [records])
    with Journal.open(file, SESSION, mode="read") as journal:
        for _, middle in sealed(records):
            journal.verify(middle)
        with by_hand(file) as hand:
            hand.execute("DELETE FROM events WHERE id > 1")
        with pytest.raises(JournalError, match=f"1 records do not reach head {head}"):
            journal.verify(head)


def test_a_damaged_batch_is_told_to_every_reader(file: Path) -> None:
    write(file, [[START, *feed(0, 30), *timers(40, 30)]])
    with by_hand(file) as hand:
        hand.execute("UPDATE events SET packed = substr(packed, 1, 40) WHERE id > 1")
    says = r"the batch of records up to 31 cannot be read.*run verify"
    with Journal.open(file, SESSION, mode="read") as journal:
        for read in (journal.records, journal.lines):
            with pytest.raises(JournalError, match=says):
                list(read())
    with Follower(file, SESSION) as follower:
        for _ in range(2):
            with pytest.raises(JournalError, match=says):
                follower.poll(10)
    with Follower(file, SESSION) as follower, pytest.raises(JournalError, match="up to 61 cannot be read"):
        follower.poll()  # quotes that are read whole are only counted


def test_a_lost_record_inside_a_batch_is_told_to_a_follower(one_batch: tuple[sqlite3.Connection, Journal], tmp_path: Path) -> None:
    hand, _ = one_batch
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy, copy:
        hand.backup(copy)
        repack(copy, _drop)
    copy.close()
    with Follower(tmp_path / "copy.db", SESSION) as follower, pytest.raises(JournalError, match=r"only .* are there"):
        follower.poll()


def test_kinds_of_no_batch_open_none(file: Path) -> None:
    """A look for decisions does not pay for the feed: damaged batches are not even seen."""
    write(file, thick(30))
    with by_hand(file) as hand:
        hand.execute("UPDATE events SET packed = x'00' WHERE packed IS NOT NULL")
    kinds: list[type[Event]] = [Decision, Fill]
    with Journal.open(file, SESSION, mode="read") as journal:
        assert len(list(journal.records(types=kinds))) == sum(type(record) in kinds for group in session() for record in group)


def reseal(hand: sqlite3.Connection, records: list[Record], type_: str, ts_ns: int) -> None:
    """Put records after the first into one row that has the right hash."""
    bodies = [msgspec.json.encode(record, order="deterministic") for record in records]
    packed = zlib.compress(b"[[1,[%b]]]" % b",".join(bodies))
    head = sealed([START, *records])[-1][1]
    hand.execute("DELETE FROM events WHERE id > 1")
    row = [SESSION, len(records) + 1, 1, ts_ns, type_, sha256(packed).hexdigest(), head, 0, len(records), packed]
    hand.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def test_a_row_must_be_of_one_type_and_end_with_its_latest(file: Path) -> None:
    """Else a search by type, or a panel, would overlook what a chain that is whole has in it."""
    write(file, [[START, *feed(0, 20)]])
    fill = next(record for group in session() for record in group if isinstance(record, Fill))
    mixed, back = [*feed(0, 9), fill, *feed(9, 9)], [*feed(0, 9), *feed(2, 4)]
    with by_hand(file) as hand, Journal.open(file, SESSION, mode="read") as journal:
        reseal(hand, feed(0, 20), "quote", feed(19, 1)[0].ts_ns)
        journal.verify()
        for records, type_, ts_ns in ((mixed, "quote", mixed[-1].ts_ns), (feed(0, 9), "timer", 85), (back, "quote", back[-1].ts_ns)):
            reseal(hand, records, type_, ts_ns)
            with pytest.raises(JournalError, match="its type or time is not that of its body"):
                journal.verify()


def test_a_row_must_hold_as_many_records_as_it_says(file: Path) -> None:
    """Whoever makes the last row anew, hash and all, cannot leave its first record out."""
    write(file, [[START, *feed(0, 20)]])
    bodies = [msgspec.json.encode(record, order="deterministic") for record in feed(1, 19)]
    link = bytes.fromhex(sealed([START])[0][1])
    for id_, body in enumerate(bodies, 3):
        link = sha256(link + SESSION.encode() + b"\0" + str(id_).encode() + b"\0" + body).digest()
    packed = zlib.compress(b"[[1,[%b]]]" % b",".join(bodies))
    with by_hand(file) as hand, Journal.open(file, SESSION, mode="read") as journal:
        change = "UPDATE events SET packed = ?, body = ?, hash = ? WHERE id = 21"
        hand.execute(change, [packed, sha256(packed).hexdigest(), link.hex()])
        with pytest.raises(JournalError, match=r"one of the records 2 to 21, a batch, .* this is not what was packed"):
            journal.verify()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET hash = 'x' WHERE id = 2",
        "UPDATE events SET instant = 'x' WHERE id = 2",
        "INSERT INTO idle_instants VALUES ('made', 'x')",
    ],
)
def test_a_changed_end_is_one_clear_error_and_the_session_is_not_held(file: Path, change: str) -> None:
    """Once the file is restored the same process opens it."""
    write(file, [[START], [feed(0, 1)[0]]])
    kept = file.read_bytes()  # nobody has it open: no log lies beside it
    with by_hand(file) as hand:
        hand.execute(change)
    with pytest.raises(JournalError, match="the last record of session 'made' was changed: its hash or instant is none; restore the file"):
        Journal.open(file, SESSION)
    file.write_bytes(kept)
    with Journal.open(file, SESSION) as journal:
        assert journal.count == 2
