"""An archive of a long journal: it is written, read and compared some records at a time."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from hedgekit.journal.archive import ROWS, archive, read
from hedgekit.journal.prune import prunable
from hedgekit.journal.store import Store
from hedgekit.types import Gap, Quote, Record
from tests.journal.made import KO, SESSION, START, end, write
from tests.journal.test_journal_archive import kept


@pytest.mark.parametrize("way", ["archive", "read", "prunable"])
def test_a_longer_journal_wants_no_more_memory(way: str, tmp_path: Path) -> None:
    """Four times as many records: no more of them are held at once."""
    peaks = []
    for many in (10_000, 40_000):
        folder = tmp_path / str(many)
        folder.mkdir()
        gaps: list[Record] = [Gap(ts_ns=START.ts_ns + n, since_ns=START.ts_ns) for n in range(many)]
        write(folder / "j.db", [[START], gaps, [msgspec.structs.replace(end(), ts_ns=START.ts_ns + many)]])
        store = Store(folder / "j.db", write=False)
        if way != "archive":
            archive(store, SESSION, folder)
        tracemalloc.start()
        try:
            if way == "archive":
                archive(store, SESSION, folder)
            else:
                _ = read(folder / SESSION) if way == "read" else prunable(store, folder / SESSION)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
            store.close()
    assert peaks[1] < 1.5 * peaks[0]


def test_market_frames_are_counted_one_by_one_into_groups(file: Path, tmp_path: Path) -> None:
    """A row of a batch holds thousands: a group of rows is bounded by their records."""
    quotes: list[Record] = [
        Quote(ts_ns=START.ts_ns + n, instrument=KO, venue_ns=n, bid=50.0, ask=50.1, bid_size=1.0, ask_size=2.0) for n in range(20_000)
    ]
    write(
        file, [[START], *(quotes[n : n + 1_000] for n in range(0, 20_000, 1_000)), [msgspec.structs.replace(end(), ts_ns=quotes[-1].ts_ns)]]
    )
    parquet = pq.ParquetFile(kept(file, tmp_path) / ROWS)
    groups = [sum(parquet.read_row_group(n, columns=["records"])["records"].to_pylist()) for n in range(parquet.num_row_groups)]
    assert sum(groups) == 20_002
    assert len(groups) > 3
    assert max(groups) < 6_000
