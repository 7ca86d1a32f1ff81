"""A curve of any length in few points: nothing that shows in a plot is lost, and the room stays the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import ConfigError
from hedgekit.journal import Series


@given(st.lists(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=170), max_size=12))
def test_a_series_keeps_extremes_and_stays_small(pieces: list[list[float]]) -> None:
    series, seen = Series(("ts", "y"), capacity=200), []
    shown: list[float] = []
    for piece in pieces:
        told = series.extend({"ts": [float(len(seen) + n) for n in range(len(piece))], "y": piece})
        seen += piece
        shown = shown + piece if told == "append" else series.columns()["y"]
        np.testing.assert_array_equal(shown, series.columns()["y"])
    kept = {name: list(values) for name, values in series.columns().items()}
    assert series.total == len(seen)
    assert len(series) <= 200
    assert kept["ts"] == sorted(kept["ts"])
    np.testing.assert_array_equal(kept["y"], [seen[int(ts)] for ts in kept["ts"]])
    real = [y for y in seen if y == y]  # noqa: PLR0124 - what is no NaN
    if real:
        assert {min(real), max(real)} <= set(kept["y"])
    np.testing.assert_array_equal(kept["y"][-25:], seen[-25:])


def test_thinned_stretches_keep_every_columns_extremes_and_the_room_is_bounded() -> None:
    rng = np.random.default_rng(5)
    n = 60_000
    data = {"ts": np.arange(n) * 1.0, "a": rng.normal(size=n).cumsum(), "b": rng.normal(size=n)}
    series = Series(tuple(data), capacity=1_000)
    told = [series.extend({name: values[k : k + 20] for name, values in data.items()}) for k in range(0, n, 20)]
    kept = series.columns()
    assert series.total == n
    assert len(series) <= 1_000
    assert told.count("replace") < 0.15 * len(told), "thinning pays for many points to come"
    np.testing.assert_array_equal(kept["ts"][-125:], data["ts"][-125:])
    rows = kept["ts"].astype(int)
    stretch = next(w for w in (2**k for k in range(20)) if n / w * 4 <= 625)  # two of two columns in each, five eighths of the room
    for name in ("a", "b"):
        np.testing.assert_array_equal(kept[name], data[name][rows])
        for start in range(0, n - 1_000 - stretch, stretch):
            part, mine = data[name][start : start + stretch], kept[name][(rows >= start) & (rows < start + stretch)]
            assert (part.min(), part.max()) == (mine.min(), mine.max())


def test_a_series_says_what_is_wrong() -> None:
    with pytest.raises(ConfigError, match="capacity=50: give at least one column, and a capacity of 200"):
        Series(("ts", "y"), capacity=50)
    for bad in ({"ts": [1.0]}, {"ts": [1.0], "y": [1.0, 2.0]}):
        with pytest.raises(ConfigError, match="a series of ts, y needs each of them, of one length"):
            Series(("ts", "y")).extend(bad)
