"""The comparison of speed compares like with like only: a planted difference between two contestants is found."""

from __future__ import annotations

import numpy as np
import pytest

from tests.perf.peers.check import COLUMNS, differences, total_pnl, trade_pnl
from tests.perf.peers.market import figures, score

LAST = np.array([51.0, 99.0])
FILLS = np.array(
    [
        [3, 0, 2000, 50.00, 5.00],
        [3, 1, -800, 100.00, 4.00],
        [7, 0, -2000, 50.50, 5.05],
        [7, 1, 800, 99.75, 3.99],
        [9, 0, -1990, 50.25, 5.00],
        [9, 1, 796, 100.25, 3.99],
    ],
    dtype=np.float64,
)
PNL = 2000 * 0.5 + 800 * 0.25 - 18.04 - 1990 * 0.75 - 796 * 1.25 - 8.99
"""By hand: a closed trade, and one that is open at the last prices."""


def answer(fills: np.ndarray = FILLS, pnl: float = PNL) -> dict[str, np.ndarray]:
    return {"fills": fills, "pnl": np.array(pnl)}


def test_money_by_hand() -> None:
    assert trade_pnl(FILLS) == pytest.approx([1_181.96])
    assert total_pnl(FILLS, LAST) == pytest.approx(PNL)


def test_equal_fills_are_equal() -> None:
    assert differences(answer(), answer(FILLS + np.array([0, 0, 0, 1e-14, 1e-15])), LAST) == []


@pytest.mark.parametrize("column", range(len(COLUMNS)))
def test_one_number_in_one_fill_is_found(column: int) -> None:
    planted = FILLS.copy()
    planted[4, column] += 1.0 if column < 3 else 1e-4
    said = differences(answer(), answer(planted), LAST)
    assert said[0].startswith(f"fill 4: {COLUMNS[column]}")


def test_a_missing_trade_is_found() -> None:
    assert differences(answer(), answer(FILLS[:4]), LAST)[0] == "fill: 6 of ours, 4 of theirs"


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_books_that_say_another_sum_are_found(whose: str) -> None:
    wrong = answer(pnl=PNL + 0.01)
    pair = (wrong, answer()) if whose == "ours" else (answer(), wrong)
    assert f"books of {whose}" in differences(*pair, LAST)[0]


def test_one_figure_of_one_combination_is_found() -> None:
    figured = np.array([[100.0, 1.5, 20.0, 7.0], [np.nan, np.nan, 0.0, 0.0]])
    assert differences({"figures": figured}, {"figures": figured.copy()}) == []
    planted = figured.copy()
    planted[1, 1] = 0.0
    assert differences({"figures": figured}, {"figures": planted})[0].startswith("combination 1: Sharpe nan of ours")


def test_figures_by_hand() -> None:
    curve = np.array([[-1.0], [2.0], [0.5]])
    pnl = np.array([-1.0, 3.0, -1.5])
    assert figures(curve, np.array([2]))[0] == pytest.approx([0.5, pnl.mean() / pnl.std(ddof=1) * 252**0.5, 1.5, 2.0])


def test_the_score_is_that_of_a_window_with_the_present_bar() -> None:
    spread = np.array([0.0, 1.0, 2.0, 3.0, 10.0])
    assert score(spread, 3, 3) == pytest.approx([np.nan, np.nan, np.nan, 1.0, 5.0 / 19.0**0.5], nan_ok=True)
