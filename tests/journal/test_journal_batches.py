"""Batches: nobody who reads can tell that many records share a row."""

from __future__ import annotations

import json
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.journal import Follower, Gather, Journal
from hedgekit.journal.batch import FEWEST, LARGEST
from hedgekit.journal.story import Story
from hedgekit.types import Ack, Decision, Fill, Quote, Record, Timer
from tests.journal.made import SESSION, START, write
from tests.journal.scripts import GATHERS, Commit, Script, by_hand, entries_of, feed, perform, rows, scripts, sealed, thick, timers

ALL = Gather(records=10**6)


# ------------------------------------------------------------------ invisible


@settings(max_examples=60)
@given(scripts(), GATHERS, st.data())
def test_law_reading_does_not_know_of_batches(
    tmp_path_factory: pytest.TempPathFactory, script: Script, gather: Gather | None, data: Any
) -> None:
    folder = tmp_path_factory.mktemp("law")
    wanted = entries_of(script)
    head = perform(script, folder / "j.db", gather=gather)
    by_definition = sealed(entry.record for entry in wanted)
    after, kinds = data.draw(st.integers(0, len(wanted))), data.draw(st.sets(st.sampled_from([Quote, Timer, Decision, Fill])))
    with Journal.open(folder / "j.db", SESSION, mode="read") as journal:
        journal.verify()
        assert head == journal.head == by_definition[-1][1]
        assert (journal.count, journal.last_instant) == (len(wanted), sum(commit.later for commit in script))
        assert list(journal.entries()) == wanted
        assert list(journal.entries(after)) == wanted[after:]
        assert list(journal.entries(after, kinds)) == [entry for entry in wanted[after:] if type(entry.record) in kinds]
        assert list(journal.lines(after, kinds)) == [_line(entry) for entry in wanted[after:] if type(entry.record) in kinds]
        assert journal.export(folder / "out.jsonl") == len(wanted)
    lines = (folder / "out.jsonl").read_bytes().splitlines()
    assert lines == [_line(entry)[:-1] + b',"hash":"%b"}' % seal[1].encode() for entry, seal in zip(wanted, by_definition, strict=True)]


def _line(entry: Any) -> bytes:
    return b'{"id":%d,"instant":%d,"record":%b}' % (entry.id, entry.instant, msgspec.json.encode(entry.record, order="deterministic"))


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the same records with a row each, and in batches."""
    folder = tmp_path_factory.mktemp("twins")
    groups = thick(40)
    write(folder / "plain.db", [[record] for group in groups for record in group])
    write(folder / "batched.db", groups)
    assert len(rows(folder / "plain.db")) == sum(map(len, groups))
    assert len(rows(folder / "batched.db")) < 120
    return folder / "plain.db", folder / "batched.db"


@settings(max_examples=40)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=12))
def test_a_follower_sees_the_same_in_any_pieces(twins: tuple[Path, Path], limits: list[int]) -> None:
    found = []
    for file in twins:
        with Follower(file, SESSION) as follower:
            news = [follower.poll(limit) for limit in limits]
            while news[-1].standing.behind:
                news.append(follower.poll(333))
        found.append(news)
    for one, other in zip(*found, strict=True):
        for name in ("records", "marks", "fills", "decisions", "plans"):
            assert repr(getattr(one, name)) == repr(getattr(other, name)), name  # a NaN is not equal to itself
        assert {name: list(map(repr, values)) for name, values in one.bars.items()} == {
            name: list(map(repr, values)) for name, values in other.bars.items()
        }
        clock = {"last_recorded_ns": 0, "last_quote_recorded_ns": 0}
        mine, theirs = (_slots(news.standing) for news in (one, other))
        assert (mine["last_quote_recorded_ns"] is None) is (theirs["last_quote_recorded_ns"] is None)
        assert str(mine | clock) == str(theirs | clock)


def _slots(item: Any) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__slots__}


def test_times_of_a_follower_are_those_of_the_newest_row(file: Path) -> None:
    write(file, [[START, *feed(0, 30)]])
    with by_hand(file) as conn:
        times = dict(conn.execute("SELECT type, recorded_ns FROM events").fetchall())
    for limit in (5, 100):
        with Follower(file, SESSION) as follower:
            now = follower.poll(limit).standing
            newest = max(record.ts_ns for record in [START, *feed(0, 30)][:limit])
            assert (now.last_quote_recorded_ns, now.last_recorded_ns, now.last_ns) == (times["quote"], times["quote"], newest)


def test_frames_and_story_are_the_same(twins: tuple[Path, Path]) -> None:
    with Journal.open(twins[0], SESSION, mode="read") as plain, Journal.open(twins[1], SESSION, mode="read") as batched:
        assert plain.head == batched.head
        for name in ("orders", "fills", "decisions", "equity", "trades", "plans"):
            assert getattr(plain, name)().equals(getattr(batched, name)()), name
        assert (plain.ledger(), plain.economic_digest()) == (batched.ledger(), batched.economic_digest())
        whole, pieces = Story(), Story()
        whole.extend(plain.entries())
        for stop in range(0, batched.count, 17):
            pieces.extend(entry for entry in batched.entries(pieces.last) if entry.id <= stop)
        pieces.extend(batched.entries(pieces.last))
        assert whole == pieces


def test_pages_join_at_any_size(twins: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal.open(twins[0], SESSION, mode="read") as plain:
        wanted = list(plain.records())
    monkeypatch.setattr("hedgekit.journal.store.PAGE", 3)
    with Journal.open(twins[1], SESSION, mode="read") as batched:
        assert list(batched.records()) == wanted
        batched.verify()


# ------------------------------------------------------------------- the form


@pytest.mark.parametrize(
    ("count", "wanted"),
    [
        (FEWEST - 1, [1] * (FEWEST - 1)),
        (FEWEST, [FEWEST]),
        (LARGEST, [LARGEST]),
        (LARGEST + 1, [LARGEST, 1]),
        (2 * LARGEST + FEWEST, [LARGEST, LARGEST, FEWEST]),
    ],
)
def test_what_shares_a_row(file: Path, count: int, wanted: list[int]) -> None:
    write(file, [[START, *feed(0, count)]])
    assert [records for _, _, records in rows(file)] == [1, *wanted]
    assert [type_ for _, type_, _ in rows(file)] == ["session_started", *("quote" for _ in wanted)]


def test_what_never_shares_a_row(file: Path) -> None:
    """Records of two types, of no feed, or of which one is earlier than the one before it."""
    acks: list[Record] = [Ack(ts_ns=n, order_id="o", venue_order_id="v") for n in range(20)]
    write(file, [[START, *feed(0, 9), *timers(0, 10), *acks, *feed(5, 8), *feed(4, 9), *feed(13, 1), *timers(50, 1), *feed(99, 1)]])
    assert [(type_, records) for _, type_, records in rows(file)][1:] == [
        ("quote", 9),
        ("timer", 10),
        *[("ack", 1)] * 20,
        ("quote", 8),
        ("quote", 10),
        ("timer", 1),
        ("quote", 1),
    ]


def test_a_batch_can_be_read_without_our_code(file: Path) -> None:
    records = feed(0, 20)
    with Journal.open(file, SESSION, gather=ALL) as journal:
        journal.append(START)
        journal.commit(1)
        for instant, part in ((2, records[:5]), (3, records[5:])):
            for record in part:
                journal.append(record)
            journal.commit(instant, durable=False, now_ns=0)
    with by_hand(file) as conn:
        row = conn.execute("SELECT id, instant, ts_ns, type, body, hash, packed FROM events WHERE id > 1").fetchall()
    (id_, instant, ts_ns, type_, body, head, packed) = row[0]
    assert len(row) == 1
    assert (id_, instant, ts_ns, type_) == (21, 3, records[-1].ts_ns, "quote")
    assert body == sha256(packed).hexdigest()
    assert head == sealed([START, *records])[-1][1]
    plain = [json.loads(msgspec.json.encode(record)) for record in records]
    assert json.loads(zlib.decompress(packed)) == [[2, plain[:5]], [3, plain[5:]]]


def test_it_is_small(file: Path, tmp_path: Path) -> None:
    script = [Commit((START,), 1, durable=True, now_ns=0), *(Commit((record,), 1, durable=False, now_ns=0) for record in feed(0, 3_000))]
    perform(script, file, gather=ALL)
    perform(script, tmp_path / "plain.db")
    assert (tmp_path / "plain.db").stat().st_size > 6 * file.stat().st_size
