"""The report on a pair: planted spreads, walks and bounce get the verdict that is theirs; rows and warnings are complete."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.reversion import ReversionReport, evidence

COLUMNS = ["test", "null", "statistic", "p_value", "p_bound", "n", "says"]


def planted(n: int, seed: int, *, half_life: float, bounce: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return prices of a primary and its hedge: ratio .85, spread steps of sd .003, prints ``bounce`` steps off."""
    rng = np.random.default_rng(seed)
    h = 0.012 * np.cumsum(rng.standard_normal(n))
    x = lfilter([1.0], [1.0, -(2 ** (-1 / half_life))], rng.standard_normal(n)) + bounce * rng.choice([-1.0, 1.0], n)
    return 100 * np.exp(0.85 * h + 0.003 * x), 50 * np.exp(h)


def verdicts(reps: int, n: int, **case: float) -> Counter[str]:
    return Counter(evidence(*planted(n, seed, **case), lags=1).verdict for seed in range(reps))


def test_a_true_spread_reverts_with_and_without_bounce() -> None:
    assert verdicts(20, 500, half_life=5) == {"reverts": 20}
    assert verdicts(20, 500, half_life=5, bounce=0.7)["reverts"] >= 18


def test_independent_walks_do_not() -> None:
    found = verdicts(60, 250, half_life=np.inf)
    assert found["reverts"] <= 4  # each of three tests must err
    assert found["no reversion shown"] + found["cannot tell"] >= 56


def test_bounce_on_a_walk_is_bounce() -> None:
    found = verdicts(60, 500, half_life=np.inf, bounce=2.0)
    assert found["reverts"] <= 8  # 5% and 3 standard errors
    assert found["bounce"] >= 36


def report(n: int = 500, **case: float) -> ReversionReport:
    return evidence(*planted(n, 3, **{"half_life": 5.0, **case}))


def test_rows_say_the_null_in_words() -> None:
    found = report()
    frame = found.frame()
    assert list(frame.columns) == COLUMNS
    assert len(frame) == len(found.findings) == 9
    assert frame["null"].str.len().min() > 15
    assert frame["test"].tolist()[0] == found.cointegration.test
    assert frame.loc[0, "p_value"] == found.cointegration.p_value
    assert set(frame["p_bound"]) <= {"=", "<=", ">="}
    assert frame["test"].tolist()[-3:] == ["staleness of primary", "staleness of hedge", "lead and lag"]
    assert found.spread is not None
    assert found.spread.ou.fitted_ratio == 1
    told = any("p-values available in the look-up table" in text for text in found.warnings)
    assert told == (found.spread.kpss.p_bound != "=")


def test_same_seed_same_report() -> None:
    assert report().frame().equals(report().frame())


def test_the_power_is_told_where_nothing_is_found() -> None:
    found = report(126, half_life=np.inf)
    assert found.verdict in {"no reversion shown", "cannot tell"}
    assert "power: with 126 bars a true half-life of 20 bars is shown in" in found.why
    assert found.power < 0.1
    assert report(250).power < 0.2
    assert "power" not in report().why


def test_bounce_warns_that_half_lives_are_shortened() -> None:
    found = report(1_000, half_life=10, bounce=1.0)
    assert found.verdict == "reverts"
    assert found.spread is not None
    assert "half-life" in found.warnings[-1]
    assert "without the bounce" in found.warnings[-1]
    assert found.spread.bounce.half_life < found.spread.bounce.half_life_free


def test_stale_prices_are_told() -> None:
    p, h = planted(600, 4, half_life=5)
    stale = pd.Series(p).where(np.random.default_rng(1).random(600) > 0.4).ffill().bfill()
    found = evidence(stale.to_numpy(), h)
    assert any("prices are unchanged" in text for text in found.warnings)
    assert any("returns are related across bars" in text for text in found.warnings)


def test_collinear_prices_cannot_be_told() -> None:
    p, _ = planted(100, 5, half_life=5)
    found = evidence(p, 3 * p)
    assert (found.verdict, found.spread) == ("cannot tell", None)
    assert "collinear" in found.why
    assert found.frame().loc[0, "says"] == "says nothing: the prices are collinear"


def test_several_hedges_and_prices() -> None:
    p, h = planted(300, 6, half_life=5)
    other = 20 * np.exp(0.01 * np.cumsum(np.random.default_rng(7).standard_normal(300)))
    prices = pd.DataFrame({"H": h, "G": other}, index=pd.date_range("2026-01-05", periods=300, freq="h", tz="UTC"))
    found = evidence(pd.Series(p * other**0.4, index=prices.index, name="P"), prices)
    assert found.verdict == "reverts"
    assert found.spread is not None
    assert found.spread.ou.fitted_ratio == 2
    assert [s for s in found.frame()["test"] if s.startswith("staleness")] == ["staleness of P", "staleness of H", "staleness of G"]
    levels = evidence(p, h, on="prices")
    assert levels.lead_lag == ()
    assert levels.cointegration.test.startswith("Engle-Granger, prices")


def test_thirty_bars_are_enough_to_be_told_little() -> None:
    found = evidence(*planted(30, 8, half_life=5))
    assert found.spread is not None
    assert found.spread.hurst is None
    assert found.lead_lag == ()


def test_pair_a() -> None:
    logs = pd.read_csv(Path(__file__).with_name("pair_a.csv"))
    found = evidence(np.exp(logs.p), np.exp(logs.h), lags=1)
    assert found.cointegration.statistic == pytest.approx(-3.561054181995023, rel=1e-6)
    assert found.spread is not None
    assert found.spread.ou.half_life_low < 20 < found.spread.ou.half_life_high  # the planted half-life


def test_what_evidence_refuses() -> None:
    p, h = planted(60, 9, half_life=5)
    with pytest.raises(ConfigError, match=r"significance=0\.5: must be between 0 and 0\.5"):
        evidence(p, h, significance=0.5)
    with pytest.raises(DataError, match="at least 30 are needed"):
        evidence(p[:20], h[:20])
    with pytest.raises(DataError, match="primary has shape"):
        evidence(p, h[:-1])
