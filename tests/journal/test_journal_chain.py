"""What is read is what was written: for every kind of record, and after anybody changed a byte."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hedgekit.errors import JournalError
from hedgekit.journal import Journal
from hedgekit.journal.codec import decode, encode
from hedgekit.types import Ack, Fill, Quote, Record, SessionStarted, Timer
from tests.journal.made import EVERY, KO, RECORDS, SESSION, START, session, write

# ------------------------------------------------------------------ re-reading


def digits(record: Record) -> list[str]:
    """Every decimal of a record as written, digits and exponent."""
    found: list[str] = []

    def walk(value: object) -> None:
        match value:
            case Decimal():
                found.append(str(value))
            case msgspec.Struct():
                walk([getattr(value, name) for name in value.__struct_fields__])
            case dict():
                walk(sorted(value.items()))
            case list() | tuple():
                for item in value:
                    walk(item)
            case _:
                pass

    walk(record)
    return found


@given(RECORDS)
def test_reading_gives_what_was_written(record: Record) -> None:
    body = encode(record)
    again = decode(body)
    assert again == record
    assert type(again) is type(record)
    assert encode(again) == body
    assert digits(again) == digits(record), "1.50 stays 1.50"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(RECORDS.filter(lambda r: not isinstance(r, SessionStarted)), max_size=8))
def test_the_store_gives_what_it_got(tmp_path: Path, records: list[Record]) -> None:
    name = f"s{len(list(tmp_path.iterdir()))}"
    records = [r for r in records if r.__struct_config__.tag != "session_ended"]
    (tmp_path / name).mkdir()
    write(tmp_path / name / "j.db", [[START], records], name)
    with Journal.open(tmp_path / name / "j.db", name, mode="read") as journal:
        assert list(journal.records(after=1)) == records
        journal.verify()


UNREADABLE = [
    (
        Quote(ts_ns=1, instrument=KO, venue_ns=1, bid=float("nan"), ask=1.0, bid_size=1.0, ask_size=1.0),
        "Quote: cannot be journalled.*finite",
    ),
    (
        Quote(ts_ns=1, instrument=KO, venue_ns=1, bid=float("inf"), ask=1.0, bid_size=1.0, ask_size=1.0),
        "Quote: cannot be journalled.*finite",
    ),
    (Ack(ts_ns=1, order_id="\ud800", venue_order_id=""), "Ack: cannot be journalled.*valid text"),
    (Ack(ts_ns=1.5, order_id="a", venue_order_id=""), "Ack: cannot be journalled"),  # type: ignore[arg-type]
    (msgspec.structs.replace(EVERY[4], mids=[1.0, 2.0]), "Decision: would not be read back as it is.*tuples instead of lists"),
    (msgspec.structs.replace(next(r for r in EVERY if isinstance(r, Fill)), fee=0.1), "Fill: would not be read back"),
]


@pytest.mark.parametrize(("record", "says"), UNREADABLE)
def test_a_record_that_would_not_come_back_is_refused(file: Path, record: Record, says: str) -> None:
    with Journal.open(file, SESSION) as journal:
        journal.append(START)
        with pytest.raises(JournalError, match=says):
            journal.append(record)
        journal.append(Timer(ts_ns=1))
        journal.commit(1)
        journal.verify()
        assert journal.count == 2


# ------------------------------------------------------------------- tampering


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterable[tuple[sqlite3.Connection, Journal]]:
    file = tmp_path_factory.mktemp("sealed") / "j.db"
    write(file, session())
    hand = sqlite3.connect(file, isolation_level=None)
    with Journal.open(file, SESSION, mode="read") as journal:
        yield hand, journal
    hand.close()


@settings(max_examples=200)
@given(st.integers(1, len(EVERY)), st.sampled_from(["body", "hash", "type", "ts_ns"]), st.integers(0, 10_000), st.integers(1, 255))
def test_any_changed_byte_is_found(sealed: tuple[sqlite3.Connection, Journal], id_: int, column: str, place: int, flip: int) -> None:
    hand, journal = sealed
    update = f"UPDATE events SET {column} = CAST(? AS TEXT) WHERE id = ?"  # noqa: S608 - column is one of four above
    stored = hand.execute(f"SELECT CAST({column} AS BLOB) FROM events WHERE id = ?", [id_]).fetchone()[0]  # noqa: S608 - as above
    place %= len(stored)
    changed = stored[:place] + bytes([stored[place] ^ flip]) + stored[place + 1 :]
    hand.execute(update, [changed, id_])
    try:
        with pytest.raises(JournalError, match=rf"record {id_} of session 'made' was changed"):
            journal.verify()
    finally:
        hand.execute(update, [stored, id_])
    journal.verify()


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("DELETE FROM events WHERE id = 1", "record 1 .* is missing"),
        ("DELETE FROM events WHERE id = 7", "record 7 .* is missing"),
        ("UPDATE events SET id = id + 1000 WHERE id >= 20", "record 20 .* is missing"),
        ("UPDATE events SET instant = 99 WHERE id = 9", "record 10 .* instant 5 comes after instant 99"),
        ("UPDATE events SET instant = 'x' WHERE id = 9", "record 9 .* instant x comes after"),
        ("UPDATE events SET body = x'00ff' WHERE id = 9", "record 9 .* was changed"),
        ("UPDATE events SET (body, hash) = (SELECT body, hash FROM events WHERE id = 11) WHERE id = 12", "record 12 .* was changed"),
    ],
)
def test_rows_moved_or_lost_are_found(file: Path, sql: str, says: str) -> None:
    write(file, session())
    hand = sqlite3.connect(file, isolation_level=None)
    hand.execute(sql)
    hand.close()
    with Journal.open(file, SESSION, mode="read") as journal, pytest.raises(JournalError, match=says):
        journal.verify()


def test_lost_last_records_are_found_by_a_head_noted_earlier(file: Path) -> None:
    head = write(file, session())
    with Journal.open(file, SESSION, mode="read") as journal:
        journal.verify(head)
        hand = sqlite3.connect(file, isolation_level=None)
        hand.execute("DELETE FROM events WHERE id > 30")
        hand.close()
        journal.verify()
        with pytest.raises(JournalError, match=f"30 records do not reach head {head}"):
            journal.verify(head)
        middle = journal.head
    write(file, [[Timer(ts_ns=1)]], first_instant=50)
    with Journal.open(file, SESSION, mode="read") as journal:
        journal.verify(middle)
