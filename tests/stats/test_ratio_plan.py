"""The plan that a ratio gives, real prices, and mistakes in words."""

from __future__ import annotations

import doctest
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hedgekit.data import Market, load_sample
from hedgekit.errors import ConfigError, DataError
from hedgekit.params import Params
from hedgekit.stats import ratio
from hedgekit.stats.ratio import REFIT_LAGS, plan_at, returns
from hedgekit.stats.reversion import engle_granger, holds
from hedgekit.types import NS, Evidence
from tests.stats.ratio_made import market, quick

REASON = "written down for the test"


# ------------------------------------------------------------------ real prices


def test_ko_and_pep() -> None:
    closes = load_sample("eq_daily")
    assert ratio.ols(closes.KO, closes.PEP, tested=False).r2 == pytest.approx(0.272, abs=5e-4)
    moves = np.diff(np.log(closes[["KO", "PEP"]].to_numpy()), axis=0)[-250:]
    cov = np.cov(moves.T)
    assert ratio.ols(closes.KO, closes.PEP, window=250, tested=False).ratio == pytest.approx(cov[0, 1] / cov[1, 1], rel=1e-9)


def test_examples_of_the_documentation_are_true() -> None:
    done = doctest.testmod(returns)
    assert done.attempted > 0
    assert done.failed == 0


def test_documentation_says_what_there_is() -> None:
    for name in set(ratio.__all__) - {"REFIT_LAGS", "Effectiveness", "RatioFit", "plan_at", "plan_due"}:
        text = getattr(ratio, name).__doc__
        assert "{options}" not in text
        for part in ("Parameters", "Returns", "Raises", "valid_days", "folds", "align", "missing"):
            assert part in text, (name, part)


# --------------------------------------------------------------------- the plan


def test_plan_of_a_refit() -> None:
    mid = Market(last="1992-06-30").tape().mid
    params = Params.make(evidence_override=REASON)
    plan = plan_at(mid[:400, 0], mid[:400, 1], 7 * NS, params)
    fit = ratio.ols(mid[149:400, 0], mid[149:400, 1])
    assert (plan.ratio, plan.stderr, plan.n) == (pytest.approx(fit.ratio, rel=1e-12), pytest.approx(fit.stderr, rel=1e-12), 250)
    told = engle_granger(mid[149:400, 0], mid[149:400, 1], lags=REFIT_LAGS)
    assert (plan.evidence.test, plan.evidence.n, plan.evidence.warnings) == (told.test, told.n, told.warnings)
    assert (plan.evidence.statistic, plan.evidence.p_value) == (pytest.approx(told.statistic), pytest.approx(told.p_value))
    assert plan.fitted_at_ns == 7 * NS
    assert plan.valid_until_ns == 7 * NS + 90 * 86_400 * NS
    assert plan.unit == "dollar per dollar"


def test_plan_carries_the_override_only_if_the_evidence_fails() -> None:
    params = Params.make(evidence_override=REASON)
    walk = np.exp(0.01 * np.random.default_rng(0).standard_normal((2, 251)).cumsum(axis=1))
    fails = plan_at(walk[0], walk[1], 0, params)
    rng = np.random.default_rng(1)
    h = np.exp(0.01 * rng.standard_normal(251).cumsum())
    passes = plan_at(h * np.exp(0.002 * rng.standard_normal(251)), h, 0, params)
    assert fails.override == REASON
    assert not holds(fails.evidence, params.significance)
    assert passes.override is None
    assert holds(passes.evidence, params.significance)
    assert plan_at(walk[0], walk[1], 0, Params.make()).override is None


def test_plan_ignores_what_is_older_than_its_window() -> None:
    p, h = market(400, 8)
    params = Params.make()
    assert plan_at(p, h, 1, params) == plan_at(p[-251:], h[-251:], 1, params)


def test_library_warnings_travel_with_the_plan() -> None:
    p, h = market(100, 2)
    noisy = replace(ratio.ols(p, h), warnings=("a", "b"))
    evidence = Evidence("t", -3.0, 0.01, 9, warnings=("a",))
    plan = noisy.to_plan(evidence=evidence, override="because of the test", fitted_at_ns=1, valid_until_ns=2)
    assert plan.evidence.warnings == ("a", "b")
    assert plan.override == "because of the test"


def test_a_plan_needs_evidence_and_times() -> None:
    p, h = market(100, 2)
    with pytest.raises(DataError, match="no test to go with it"):
        quick(p, h).to_plan()
    with pytest.raises(DataError, match="give fitted_at_ns, in nanoseconds UTC"):
        ratio.ols(p, h).to_plan()
    times = pd.date_range("2026-01-05", periods=101, tz="UTC")
    plan = ratio.ols(pd.Series(p, times), pd.Series(h, times), valid_days=30).to_plan()
    assert plan.valid_until_ns - plan.fitted_at_ns == 30 * 86_400 * NS
    assert plan.fitted_at_ns == times[-1].as_unit("ns").value


# --------------------------------------------------------------------- mistakes


def test_wrong_prices_say_what_and_where() -> None:
    p, h = market(100, 0)
    bad = p.copy()
    bad[17] = np.nan
    with pytest.raises(DataError, match="primary is nan at position 17"):
        ratio.ols(bad, h)
    with pytest.raises(DataError, match="hedge is -1 at position 0"):
        ratio.ols(p, np.r_[-1.0, h[1:]])
    with pytest.raises(DataError, match="hedge never moves"):
        ratio.ols(p, np.full(101, 5.0))
    with pytest.raises(DataError, match="hedge makes the same move at all positions, 1 to 100"):
        ratio.ols(p, 1.01 ** np.arange(101))
    with pytest.raises(DataError, match=r"primary is 1e\+40 at position 3: beyond"):
        ratio.ols(np.r_[p[:3], 1e40, p[4:]], h)
    with pytest.raises(DataError, match=r"primary has shape \(100,\), hedge \(101,\)"):
        ratio.ols(p[1:], h)
    with pytest.raises(DataError, match="101 prices are too few, at least 251"):
        plan_at(p, h, 0, Params.make())
    with pytest.raises(DataError, match="different indexes"):
        ratio.ols(pd.Series(p), pd.Series(h, index=range(1, 102)))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"on": "logs"}, "on='logs': must be one of 'log returns'"),
        ({"window": 5}, "window=5: must be a whole number, 10 or more"),
        ({"window": 20.5}, "window=20.5: must be a whole number"),
        ({"folds": -1}, "folds=-1: must be a whole number, 0 or more"),
        ({"valid_days": 0}, "valid_days=0: must be a finite number above 0"),
        ({"dimson": -1}, "dimson=-1: must be a whole number, 0 or more"),
        ({"dimson": 1, "on": "log prices"}, "dimson works on moves"),
        ({"missing": "fill"}, "missing='fill': must be one of"),
        ({"align": "outer"}, "align='outer': must be one of"),
        ({"weights": 1}, "unknown option 'weights'; there are: window"),
    ],
)
def test_wrong_options_say_what_and_how(options: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        ratio.ols(*market(100, 0), **options)  # type: ignore[arg-type]  # wrong on purpose


def test_intervals_refuse_what_they_cannot_mean() -> None:
    fit = quick(*market(100, 0))
    with pytest.raises(ConfigError, match=r"level=95: must be between 0 and 1"):
        fit.interval(95)
    with pytest.raises(ConfigError, match=r"hedge='PEP': must be one of 'hedge', or its place"):
        fit.interval(hedge="PEP")
    with pytest.raises(DataError, match="stands still"):
        fit.intervals()
