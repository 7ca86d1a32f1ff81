"""A sweep that was killed goes on where it was, and one on a Dask cluster finds the same."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster

from hedgekit.backtest import run
from hedgekit.backtest.sweep import Sweep, sweep
from hedgekit.errors import ConfigError, DataError, JournalError
from hedgekit.params import Params
from hedgekit.plugins import load
from tests.core.core_made import DAILY, daily_tape, params
from tests.plugin_files import CENTRED, HONEST, write

pytestmark = pytest.mark.usefixtures("own_home")

TAPE = daily_tape(2, 400, fees="0.0001")
GRID: dict[str, Any] = {"entry": [round(1.2 + 0.05 * k, 2) for k in range(20)], "lookback": [12, 15, 20]}
BASE = params(**DAILY).model_dump()
KILLED = """
import sys
from tests.test_sweep_kept import BASE, GRID, TAPE
from hedgekit.backtest.sweep import sweep
sweep(TAPE, GRID, BASE, keep=sys.argv[1], jobs=1, progress=False)
"""


def swept(**options: Any) -> Sweep:
    return sweep(TAPE, GRID, BASE, progress=False, **options)


def same(one: Sweep, two: Sweep) -> bool:
    pd.testing.assert_frame_equal(one.table, two.table)
    return one.pnl.tobytes() == two.pnl.tobytes()


def test_a_killed_sweep_goes_on_and_runs_only_what_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(folder)]) as child:
        until = time.monotonic() + 240
        while len(list(folder.glob("*.npz"))) < 8 and child.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        child.kill()
    there = {file.name: file.stat().st_mtime_ns for file in folder.glob("*.npz")}
    assert 8 <= len(there) < 60
    assert same(swept(keep=folder), swept())
    now = {file.name: file.stat().st_mtime_ns for file in folder.glob("*.npz")}
    assert len(now) == 60
    assert there.items() <= now.items()
    assert same(swept(keep=folder), swept())
    assert {file.name: file.stat().st_mtime_ns for file in folder.glob("*.npz")} == now


def test_what_is_kept_is_of_these_numbers_and_this_tape(tmp_path: Path) -> None:
    one: dict[str, Any] = {"progress": False, "keep": tmp_path}
    first = sweep(TAPE, {"entry": [1.5]}, BASE, **one)
    other = sweep(daily_tape(3, 400, fees="0.0001"), {"entry": [1.5]}, BASE, **one)
    dearer = sweep(TAPE, {"entry": [1.5]}, BASE | {"notional": 50_000.0}, **one)
    assert len(list(tmp_path.glob("*.npz"))) == 3
    assert len({table["pnl"].iloc[0] for table in (first.table, other.table, dearer.table)}) == 3


def test_a_spoilt_file_is_named_with_the_fix(tmp_path: Path) -> None:
    sweep(TAPE, {"entry": [1.5]}, BASE, progress=False, keep=tmp_path)
    (file,) = tmp_path.glob("*.npz")
    whole = file.read_bytes()
    for spoilt in (b"", whole[: len(whole) // 2], b"what is this"):
        file.write_bytes(spoilt)
        with pytest.raises(JournalError, match=rf"{file.name}: .*; delete it, or give keep= another folder"):
            sweep(TAPE, {"entry": [1.5]}, BASE, progress=False, keep=tmp_path)
    np.savez(file, figures=np.zeros(9), pnl=np.zeros(7))
    with pytest.raises(JournalError, match="9 figures of 7 bars, where 9 of 400 belong"):
        sweep(TAPE, {"entry": [1.5]}, BASE, progress=False, keep=tmp_path)
    np.save(tmp_path / "danger.npy", np.array([print], dtype=object), allow_pickle=True)
    (tmp_path / "danger.npy").replace(file)
    with pytest.raises(JournalError, match="delete it"):
        sweep(TAPE, {"entry": [1.5]}, BASE, progress=False, keep=tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JournalError, match="keep= another folder"):
        sweep(TAPE, {"entry": [1.5]}, BASE, progress=False, keep=tmp_path / "file")


def test_a_plugin_is_swept_and_its_hash_is_part_of_the_trial(tmp_path: Path) -> None:
    base, grid = BASE | {"signal": "user"}, {"entry": [1.2, 1.6], "target": [0.0, 0.5]}
    options: dict[str, Any] = {"progress": False, "study": "mine", "ledger": tmp_path / "trials.db"}
    plugin = load(write(tmp_path, HONEST))
    found = sweep(TAPE, grid, base, plugin=plugin, **options)
    for _, row in found.table.iterrows():
        numbers = Params.make(**base | {name: row[name] for name in grid})
        assert row["pnl"] == run(TAPE, numbers, scores=plugin.scores, ratios=plugin.ratios).curves.hedged[-1]
    assert found.table["trades"].min() > 0
    assert sweep(TAPE, grid, base, plugin=load(write(tmp_path, HONEST)), **options).trials == 4
    assert sweep(TAPE, grid, base, plugin=load(write(tmp_path, HONEST + "# another file\n")), **options).trials == 8
    with pytest.raises(ConfigError, match="which need signal='user'"):
        sweep(TAPE, grid, BASE, plugin=plugin, **options)
    with pytest.raises(DataError, match="looks ahead"):
        sweep(TAPE, grid, base, plugin=load(write(tmp_path, CENTRED)), **options)


@pytest.fixture
def client() -> Iterator[Client]:
    options: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with LocalCluster(**options) as cluster, Client(cluster) as connected:
        yield connected


def test_two_dask_workers_find_the_same(client: Client) -> None:
    with joblib.parallel_config(backend="dask"):
        found = swept()
    done = client.run(lambda dask_worker: dask_worker.state.executed_count)
    assert min(done.values()) > 0
    assert same(found, swept())
