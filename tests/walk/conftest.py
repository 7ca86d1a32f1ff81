"""The walks that several tests look at, made once for each file."""

from __future__ import annotations

import pytest

from hedgekit.backtest.walk import cross_validate, walk_forward
from hedgekit.backtest.walk_result import WalkForward
from tests.walk.made import BASE, CROSS, GRID, TAPE, WALK


@pytest.fixture(scope="module")
def walked() -> WalkForward:
    return walk_forward(TAPE, GRID, BASE, **WALK)


@pytest.fixture(scope="module")
def crossed() -> WalkForward:
    return cross_validate(TAPE, GRID, BASE, **CROSS)
