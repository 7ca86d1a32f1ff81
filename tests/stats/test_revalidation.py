"""A plan is kept, refitted or retired by what happened since it was made (A5)."""

from __future__ import annotations

import msgspec
import numpy as np
import pandas as pd
import pytest

from hedgekit.data import SyntheticMarket
from hedgekit.errors import ConfigError, DataError
from hedgekit.stats import ratio
from hedgekit.stats.breaks import revalidate
from hedgekit.types import HedgePlan

MADE, N = 500, 800
DAYS = pd.date_range("2022-01-01", periods=N, freq="D", tz="UTC")


def prices(seed: int = 1, **changes: object) -> pd.DataFrame:
    market = SyntheticMarket.textbook(**{"rows": N, "half_life": 8.0, "seed": seed} | changes)
    return pd.DataFrame(np.exp(market.log_prices()), columns=["P", "H"], index=DAYS)


def plan_of(frame: pd.DataFrame) -> HedgePlan:
    return ratio.ols(frame["P"].iloc[:MADE], frame["H"].iloc[:MADE], window=250, folds=0).to_plan()


def judged(frame: pd.DataFrame, **options: object) -> tuple[str, HedgePlan, HedgePlan | None, pd.DataFrame]:
    plan = plan_of(frame)
    done = revalidate(plan, frame["P"], frame["H"], **options)  # type: ignore[arg-type]
    return done.decision, plan, done.plan, done.evidence


def test_nothing_happened_so_the_ratio_is_kept_with_a_new_date() -> None:
    decision, old, new, evidence = judged(prices())
    assert decision == "keep"
    assert new is not None
    assert new.ratio == old.ratio
    assert new.fitted_at_ns == old.fitted_at_ns
    assert new.valid_until_ns == int((DAYS[-1] + pd.Timedelta(days=60)).as_unit("ns").value)
    assert list(evidence.columns) == ["question", "figure", "low", "high", "p", "says", "asks"]
    assert len(evidence) == 4


def test_keeping_is_the_rule_when_nothing_happens() -> None:
    """Of 40 markets without a change each question is wrong in about 5%: 2 of 40, and 6 is three standard errors more."""
    decisions = [judged(prices(seed))[0] for seed in range(40)]
    assert decisions.count("retire") <= 6
    assert decisions.count("refit") <= 6


def test_another_ratio_is_refitted() -> None:
    decision, old, new, evidence = judged(prices(3, ratio_steps=((MADE, 1.25),)))
    assert decision == "refit"
    assert new is not None
    assert abs(new.ratio - 1.25) < abs(old.ratio - 1.25) / 2
    assert new.fitted_at_ns == int(DAYS[-1].as_unit("ns").value)
    assert evidence["p"].iloc[0] < 0.001
    assert evidence["low"].iloc[0] < 1.25 - old.ratio < evidence["high"].iloc[0]


def test_a_change_of_the_ratio_is_found_and_the_interval_holds_the_truth() -> None:
    """Of 100 seeds 99 are refitted, and 92 of those intervals hold the truth (95% stated): of 30, below 26 and 24 are bad luck of 1e-4."""
    done = []
    for seed in range(2_000, 2_030):
        frame = prices(seed, ratio_steps=((MADE, 1.25),))
        done.append(revalidate(plan_of(frame), frame["P"], frame["H"]))
    refitted = [each for each in done if each.decision == "refit"]
    assert len(refitted) >= 26
    assert sum(low <= 1.25 <= high for low, high in (each.fit.interval() for each in refitted)) >= 24
    for each in refitted:
        assert each.plan is not None
        assert each.plan.ratio == each.fit.ratio
        assert each.plan.half_life is None or 0 < each.plan.half_life < 250
    assert sum(each.plan is not None and each.plan.half_life is not None for each in refitted) >= 24, "the plan knows its half-life"


def test_a_spread_that_has_ended_is_retired_mostly() -> None:
    """93 of 100 seeds at a half-life of 5 bars: of 30, fewer than 23 are bad luck of one in a thousand."""
    decisions = [judged(prices(seed, half_life=5.0, regimes=((MADE, N, "broken"),)))[0] for seed in range(2_000, 2_030)]
    assert decisions.count("retire") >= 23
    assert "refit" not in decisions


def test_the_watch_is_told_with_its_alarms() -> None:
    frame = prices(5, half_life=5.0, regimes=((MADE, N, "broken"),))
    done = revalidate(plan_of(frame), frame["P"], frame["H"])
    assert done.watch is not None
    assert len(done.watch.statistic) == N - MADE + 1
    assert len(done.watch.alarms) > 0
    assert list(done.evidence["asks"]) == ["keep", "retire", "keep", ""]
    assert revalidate(plan_of(frame), frame["P"].iloc[: MADE + 5], frame["H"].iloc[: MADE + 5]).watch is None


def test_a_change_too_small_to_matter_is_not_refitted() -> None:
    frame = prices(4, ratio_steps=((MADE, 0.95),))
    assert judged(frame)[0] == "refit"
    decision, _, _, evidence = judged(frame, matters=0.05)
    assert decision == "keep"
    assert evidence["p"].iloc[0] < 0.05


def test_a_spread_that_stops_reverting_because_the_ratio_is_another_one_is_refitted() -> None:
    decision, _, _, evidence = judged(prices(4, ratio_steps=((MADE, 1.1),)), matters=0.3)
    assert decision == "refit"
    assert "with 1.135 it goes on" in evidence["says"].iloc[1]


def test_a_spread_that_stops_reverting_is_retired() -> None:
    decision, _, new, evidence = judged(prices(5, half_life=5.0, regimes=((MADE, N, "broken"),)))
    assert decision == "retire"
    assert new is None
    assert "seems to have ended" in evidence["says"].iloc[1]


def test_a_hedge_that_removes_nothing_is_retired() -> None:
    frame = prices(6)
    noise = np.exp(np.r_[0.0, np.random.default_rng(0).standard_normal(N - MADE - 1) * 0.012].cumsum())
    frame.loc[DAYS[MADE] :, "P"] = frame["P"].iloc[MADE] * noise
    decision, _, new, evidence = judged(frame)
    assert decision == "retire"
    assert new is None
    assert "less than 10%" in evidence["says"].iloc[2]


def test_a_hedge_that_is_only_too_small_is_no_reason_to_retire() -> None:
    """The plan's ratio removes nearly nothing, the new one most: the third question asks for nothing."""
    frame = prices(1)
    done = revalidate(msgspec.structs.replace(plan_of(frame), ratio=0.02), frame["P"], frame["H"])
    third = done.evidence.iloc[2]
    assert third["high"] < 0.10
    assert third["asks"] == "keep"
    assert done.evidence["asks"].iloc[0] == "refit"


def test_a_pair_that_never_reverted_is_not_retired_for_that() -> None:
    """Traded on other grounds (an override): there is no reversion to lose, and the other two questions decide."""
    rng = np.random.default_rng(8)
    moves = 0.01 * rng.standard_normal((N, 2))
    moves[:, 0] = 0.9 * moves[:, 1] + 0.3 * moves[:, 0]
    frame = pd.DataFrame(50 * np.exp(moves.cumsum(axis=0)), columns=["P", "H"], index=DAYS)
    plan = msgspec.structs.replace(plan_of(frame), override="written down for the test")
    done = revalidate(plan, frame["P"], frame["H"])
    assert done.decision == "keep"
    assert "nothing to watch" in done.reasons[1]
    assert done.plan is not None
    assert done.plan.override == plan.override


def test_too_few_new_bars_cannot_tell_and_keep() -> None:
    frame = prices().iloc[: MADE + 5]
    done = revalidate(plan_of(prices()), frame["P"], frame["H"])
    assert done.decision == "keep"
    assert "too few to tell" in done.reasons[0]
    assert "too few to tell" in done.reasons[2]


def test_wrong_input_says_the_fix() -> None:
    frame = prices()
    plan = plan_of(frame)
    with pytest.raises(DataError, match="need a DatetimeIndex"):
        revalidate(plan, frame["P"].reset_index(drop=True), frame["H"].reset_index(drop=True))
    with pytest.raises(DataError, match="load history from its own window on"):
        revalidate(plan, frame["P"].iloc[MADE - 10 :], frame["H"].iloc[MADE - 10 :])
    with pytest.raises(ConfigError, match="level=2: must be between 0 and 1"):
        revalidate(plan, frame["P"], frame["H"], level=2)
