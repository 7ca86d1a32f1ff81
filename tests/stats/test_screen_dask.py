"""A screen on a real cluster: a scheduler and two worker processes on this machine, by joblib's own switch."""

from __future__ import annotations

from collections.abc import Iterator

import joblib
import pandas as pd
import pytest
from distributed import Client, LocalCluster

from hedgekit.stats.screen import screen
from tests.stats.test_screen import market


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1", "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster) as connected:
        yield connected


def test_a_cluster_gives_the_same_screen(client: Client) -> None:
    prices = market(400, 140)
    here = screen(prices, window=100, lags=1, jobs=1, progress=False)
    with joblib.parallel_config(backend="dask"):
        there = screen(prices, window=100, lags=1, progress=False)
    pd.testing.assert_frame_equal(here.table, there.table, check_exact=False, rtol=1e-9)
    tasks = client.run(lambda dask_worker: len(dask_worker.state.tasks) + dask_worker.state.executed_count)
    assert len(tasks) == 2
    assert all(count > 0 for count in tasks.values())
