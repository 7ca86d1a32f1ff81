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
    assert len(series) <= 200 + 170
    assert kept["ts"] == sorted(kept["ts"])
    np.testing.assert_array_equal(kept["y"], [seen[int(ts)] for ts in kept["ts"]])
    real = [y for y in seen if y == y]  # noqa: PLR0124 - what is no NaN
    if real:
        assert {min(real), max(real)} <= set(kept["y"])
    assert kept["y"][-20:] == seen[-20:] or any(y != y for y in seen[-20:])  # noqa: PLR0124 - NaN is not itself
