"""Where nothing is to be found, a screen finds something in at most a share q of cases; 400 screens each, fixed seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hedgekit.stats.screen import screen

SCREENS, Q = 400, 0.10
TWO_STANDARD_ERRORS = 2 * np.sqrt(Q * (1 - Q) / SCREENS)


def share_with_any(prices: list[pd.DataFrame], primary: str | None = None, lags: int | None = 1) -> float:
    return float(
        np.mean([screen(frame, primary, lags=lags, q=Q, window=60, jobs=1, progress=False).found.shape[0] > 0 for frame in prices])
    )


def independent(n: int, symbols: int) -> list[pd.DataFrame]:
    return [
        pd.DataFrame(np.exp(0.01 * np.random.default_rng(seed).standard_normal((n, symbols)).cumsum(axis=0))) for seed in range(SCREENS)
    ]


@pytest.mark.parametrize(("n", "lags"), [(126, 1), (252, 1), (126, None)])
def test_independent_random_walks(n: int, lags: int | None) -> None:
    assert share_with_any(independent(n, 16), lags=lags) <= Q + TWO_STANDARD_ERRORS


def test_all_pairs_share_a_leg() -> None:
    assert share_with_any(independent(252, 41), "0") <= Q + TWO_STANDARD_ERRORS


def test_random_walks_with_a_common_factor() -> None:
    """Correlated moves (0.5), no common trend but the factor's: still no pair comes back."""
    worlds = []
    for seed in range(SCREENS):
        rng = np.random.default_rng(10_000 + seed)
        moves = 0.007 * (rng.standard_normal((252, 16)) + rng.standard_normal((252, 1)))
        worlds.append(pd.DataFrame(np.exp(moves.cumsum(axis=0))))
    assert share_with_any(worlds) <= Q + TWO_STANDARD_ERRORS


def test_the_bound_can_be_broken() -> None:
    """The same walks judged by uncorrected p-values are 'cointegrated' in almost every screen: the test above can fail."""
    found = [(screen(frame, lags=1, q=Q, window=60, jobs=1, progress=False).table["p"] <= Q).any() for frame in independent(126, 16)[:40]]
    assert np.mean(found) > 0.9
