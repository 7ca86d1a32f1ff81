"""Synthetic contracts that are settled: at the outcome of their own truth, which is drawn with the last fair price as its probability."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from hedgekit.data import SyntheticBinary, recipe_of
from hedgekit.sandbox.options import source_of
from hedgekit.types import NS

MARKET = SyntheticBinary(rows=40, resolve_row=80, settles=True, row_s=5.0, seed=3)


def test_the_books_end_with_what_the_truth_pays_a_row_after_the_last() -> None:
    books, tape = MARKET.books(), MARKET.tape()
    assert books.payout == tuple(MARKET.truth()[["payout_primary", "payout_hedge"]].iloc[-1])
    assert books.settle_ns == tape.ts_ns[-1] + 5 * NS
    assert np.array_equal(books.bid_px[:, :, 0], tape.bid, equal_nan=True)
    assert not books.complementary, "each resolves by itself"
    assert {replace(MARKET, rho=0.0, seed=seed).books().payout for seed in range(100)} == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_it_changes_no_price_and_without_it_nothing_is_settled() -> None:
    quiet = replace(MARKET, settles=False)
    assert quiet.tape().digest == MARKET.tape().digest
    assert (quiet.books().payout, quiet.books().settle_ns) == (None, None)
    assert source_of(MARKET, live=False).payout == MARKET.books().payout  # type: ignore[union-attr] # books, since it settles
    assert not hasattr(source_of(quiet, live=False), "payout")
    assert recipe_of('{"kind":"synthetic_binary","settles":true}') == SyntheticBinary(settles=True)
    assert "settled at their outcome" in MARKET.describe(MARKET.tape())["description"]
    assert "settled" not in quiet.describe(quiet.tape())["description"]


@pytest.mark.parametrize("resolve_row", [40, 80, 2_000])
def test_the_outcome_is_drawn_with_the_last_fair_price_as_its_probability(resolve_row: int) -> None:
    """3,000 seeds: in each third by the last fair price as many pay as it says, within 4 standard errors; so buying at it earns nothing."""
    last, paid = np.empty((3_000, 2)), np.empty((3_000, 2))
    for seed in range(3_000):
        fair = replace(MARKET, resolve_row=resolve_row, seed=seed).fair()
        last[seed], paid[seed] = fair[39], fair[-1]
    last, paid = last.ravel(), paid.ravel()
    for low, high in ((0.0, 0.4), (0.4, 0.6), (0.6, 1.0)):
        within = (low <= last) & (last < high)
        error = np.sqrt((last[within] * (1 - last[within])).sum()) / within.sum()
        assert within.sum() > 100
        assert abs((paid - last)[within].mean()) < 4 * error
