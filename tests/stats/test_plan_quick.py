"""The closed form of a plan against statsmodels, and where it steps aside."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.tsa.adfvalues import mackinnonp

from hedgekit import Params
from hedgekit.data import Array
from hedgekit.stats import plan
from hedgekit.stats.plan import plan_at
from hedgekit.stats.quick import mackinnon, quick
from hedgekit.stats.reversion import MIN_BARS

CLOSE = 1e-9


def window(seed: int, n: int, pull: float, scale: float, noise: float) -> tuple[Array, Array]:
    """Return prices of a pair whose spread comes back by ``pull`` a bar (0: not at all)."""
    rng = np.random.Generator(np.random.PCG64(seed))
    hedge, own = np.cumsum(0.01 * rng.standard_normal(n + 1)), noise * rng.standard_normal(n + 1)
    spread = np.zeros(n + 1)
    for i in range(1, n + 1):
        spread[i] = (1 - pull) * spread[i - 1] + own[i]
    return scale * np.exp(0.7 * hedge + spread), 90.0 * np.exp(hedge)


def the_long_way(p: Array, h: Array, params: Params, monkeypatch: pytest.MonkeyPatch) -> msgspec.Struct:
    """Return the plan of statsmodels."""
    with monkeypatch.context() as patch:
        patch.setattr(plan, "quick", lambda *_: None)
        return plan_at(p, h, 7, params)


def same(mine: object, theirs: object) -> bool:
    """Whether two plans agree, numbers to nine digits and words exactly."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return mine.keys() == theirs.keys() and all(same(mine[key], theirs[key]) for key in mine)
    if isinstance(mine, float) and isinstance(theirs, float):
        return bool(np.isclose(mine, theirs, rtol=CLOSE, atol=1e-300))
    return mine == theirs


@given(st.integers(0, 10_000), st.integers(30, 400), st.floats(0.0, 1.0), st.floats(0.05, 5e4), st.floats(2e-3, 0.05))
def test_every_figure_is_statsmodels(seed: int, n: int, pull: float, scale: float, noise: float) -> None:
    p, h = window(seed, n, pull, scale, noise)
    params = Params.make(fit_bars=n, lookback=20, evidence_override="to see it kept")
    assert (quick(p, h) is not None) == (p.max() > 1.0)
    with pytest.MonkeyPatch.context() as patch:
        theirs = the_long_way(p, h, params, patch)
    assert same(msgspec.to_builtins(plan_at(p, h, 7, params)), msgspec.to_builtins(theirs))


@pytest.mark.parametrize("statistic", [-19.0, -18.0, -8.0, -2.7, -2.62, -2.6, -1.0, 0.5, 0.92, 0.93])
def test_p_is_mackinnons(statistic: float) -> None:
    assert mackinnon(statistic) == pytest.approx(mackinnonp(statistic, regression="c", N=2), rel=1e-12)


def test_it_steps_aside_where_words_are_needed() -> None:
    p, h = window(1, 250, 0.1, 50.0, 0.01)
    assert quick(p, h) is not None
    spoilt = {
        "a leg that stands still": (p, np.full_like(h, 90.0)),
        "a leg that always makes the same move": (p, 90.0 * 1.001 ** np.arange(251.0)),
        "prices of a binary contract": (p, h / h.max()),
        "one leg that is the other": (3.0 * h, h),
        "nearly so": (h * np.exp(1e-7 * np.sin(np.arange(251.0))), h),
        "a price of nothing": (np.where(np.arange(251) == 9, 0.0, p), h),
        "a price that is no number": (np.where(np.arange(251) == 9, np.nan, p), h),
        "a price beyond all sense": (p * 1e40, h),
        "too few prices": (p[: MIN_BARS - 1], h[: MIN_BARS - 1]),
    }
    for what, (primary, hedge) in spoilt.items():
        assert quick(primary, hedge) is None, what
