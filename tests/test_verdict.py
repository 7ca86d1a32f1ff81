"""The verdict: words from intervals, gates, reasons, and intervals that hold what they should."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hedgekit import metrics as m
from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.bootstrap import block_length, interval, resample
from hedgekit.stats.studentised import NOTHING, Interval
from hedgekit.types import Evidence
from hedgekit.verdict import MIN_COMPARABLE, MIN_TRADES, Gauge, Result, Verdict, assess
from hedgekit.verdict.gauges import Target
from tests.histories import History, history

POLITIS_WHITE_STATIONARY = 13.635665  # arch's own reference for AR(1) .3, n = 10,000, checked there against R package np
NOT_COINTEGRATED = Evidence("Engle-Granger", -2.19, 0.43, 6805)
COINTEGRATED = Evidence("Engle-Granger", -4.5, 0.002, 6805)


def judged(h: History, **options: object) -> Verdict:
    return assess(h.equity, h.trades, h.fills, **{"reps": 300, **options})  # type: ignore[arg-type]


def word(v: Verdict, rule: str) -> Result:
    return next(g.result for g in v.gauges if g.rule == rule)


def gauge(v: Verdict, name: str) -> Gauge:
    return next(g for g in (*v.gauges, *v.extras) if g.name == name)


@pytest.fixture(scope="module")
def good() -> History:
    return history(250, edge=0.0008)


def test_a_good_hedge_passes(good: History) -> None:
    v = judged(good, evidence=COINTEGRATED)
    assert [g.rule for g in v.gauges] == ["A23", "A24", "A25", "A26", "A27", "A28"]
    assert {g.result for g in v.gauges} == {Result.PASS}
    assert v.result == Result.PASS
    for g in v.gauges:
        assert g.value is not None
        assert g.lower is not None
        assert g.upper is not None
        assert g.lower <= g.upper


def test_figures_are_the_metrics(good: History) -> None:
    v, e = judged(good), good.equity
    assert gauge(v, "hedge-ratio accuracy").value == m.hedge_ratio_accuracy(e)
    assert gauge(v, "delta neutrality").value == m.delta_neutrality(e)
    assert gauge(v, "hedge cost drag").value == pytest.approx(m.hedge_cost_drag(good.trades), rel=1e-12)
    assert gauge(v, "slippage").value == pytest.approx(m.slippage(good.fills), rel=1e-12)
    assert gauge(v, "drawdown reduction").value == pytest.approx(m.drawdown_reduction(e["hedged"], e["unhedged"]), rel=1e-9)
    assert gauge(v, "Sharpe improvement").value == pytest.approx(m.sharpe_improvement(e["hedged"], e["unhedged"]), rel=1e-9)
    assert gauge(v, "variance effectiveness").value == pytest.approx(m.variance_effectiveness(e["hedged"], e["unhedged"]), rel=1e-9)
    assert gauge(v, "Sharpe difference").value == pytest.approx(m.sharpe_difference(e["hedged"], e["unhedged"]), rel=1e-9)
    assert gauge(v, "best trade's share of net P&L").value == pytest.approx(m.best_trade_share(good.trades), rel=1e-12)


def test_a_harmful_hedge_fails() -> None:
    v = judged(history(250, ratio=-0.8, edge=0.0008, delta=0.2, cost_bps=60))
    assert word(v, "A23") == Result.FAIL
    assert word(v, "A24") == Result.FAIL
    assert word(v, "A26") == Result.FAIL
    assert word(v, "A27") == Result.FAIL
    assert v.result == Result.FAIL
    assert any(reason.startswith("FAIL: A23 hedge-ratio accuracy, A24") for reason in v.reasons)


@pytest.mark.parametrize(
    ("target", "ends", "value", "said"),
    [
        (Target("under", 0.15), (0.10, 0.14), 0.12, "PASS"),
        (Target("under", 0.15), (0.10, 0.16), 0.12, "CANNOT TELL"),
        (Target("under", 0.15), (0.15, 0.20), 0.18, "FAIL"),
        (Target("under", 0.15), (0.10, 0.15), 0.12, "CANNOT TELL"),  # under 15% means under
        (Target("over", 0.25), (0.26, 0.40), 0.30, "PASS"),
        (Target("over", 0.25), (0.24, 0.40), 0.30, "CANNOT TELL"),
        (Target("over", 0.25), (0.10, 0.25), 0.20, "FAIL"),
        (Target("over", 0.25), (0.10, 0.20), 0.30, "CANNOT TELL"),  # its own figure disagrees with the interval
        (Target("within", 0.1), (-0.09, 0.09), 0.0, "PASS"),
        (Target("within", 0.1), (-0.11, 0.09), 0.0, "CANNOT TELL"),
        (Target("within", 0.1), (0.11, 0.30), 0.2, "FAIL"),
        (Target("within", 0.1), (-0.30, -0.11), -0.2, "FAIL"),
        (Target("within", 0.1), (-0.30, 0.30), 0.0, "CANNOT TELL"),
        (Target("over", 1.2), (2.0, 3.0), np.nan, "CANNOT TELL"),
        (Target("under", 1.2), (0.0, 1.0), np.nan, "CANNOT TELL"),
    ],
)
def test_the_word_follows_from_the_interval(target: Target, ends: tuple[float, float], value: float, said: str) -> None:
    assert target.word(value, Interval(*ends)) == said


def test_an_interval_that_is_not_known_tells_nothing() -> None:
    assert Target("under", 0.15).word(0.1, NOTHING) == Result.CANNOT_TELL
    assert Target("under", 0.15).word(0.1, Interval(-np.inf, np.inf)) == Result.CANNOT_TELL
    assert Target("under", 0.15).word(0.1, Interval(-np.inf, 0.14)) == Result.PASS
    assert Target("over", 1.2, "x").word(2.0, Interval(1.3, np.inf)) == Result.PASS


@pytest.mark.parametrize(
    ("target", "value", "ends", "needed"),
    [
        (Target("under", 0.15), 0.12, (0.10, 0.18), 800),  # the upper end is twice as far as the target: four times the trades
        (Target("over", 1.2), 1.5, (0.9, 2.0), 800),  # the lower end likewise
        (Target("over", 1.2), 1.1, (0.9, 1.4), 1800),  # it would FAIL: 0.3 above, 0.1 below the target
        (Target("within", 0.1), -0.05, (-0.2, 0.05), 1800),  # the end at -0.2, the target at -0.1
        (Target("under", 0.15), 0.12, (0.10, 0.14), None),  # told already
        (Target("under", 0.15), 0.12, (0.10, np.inf), None),  # nobody knows
        (Target("under", 0.15), 0.15, (0.10, 0.2), None),  # at the target: never
        (Target("under", 0.15), 0.12, (np.nan, np.nan), None),
    ],
)
def test_how_many_trades_would_tell(target: Target, value: float, ends: tuple[float, float], needed: int | None) -> None:
    found = target.needed(value, Interval(*ends), 200)
    assert found is None or needed is not None
    assert found is None or abs(found - (needed or 0)) <= 1  # rounded up
    assert (found is None) == (needed is None)


@pytest.mark.parametrize("n", [MIN_TRADES - 1, MIN_TRADES])
def test_no_pass_below_200_trades(n: int) -> None:
    v = judged(history(n, edge=0.0008))
    assert (v.result == Result.PASS) == (n >= MIN_TRADES)
    if n < MIN_TRADES:
        assert {g.result for g in v.gauges} == {Result.CANNOT_TELL}
        assert all("199 closed trades, 200 needed (A29)" in g.note for g in v.gauges)
        assert v.reasons[0].startswith("199 closed trades; no metric may PASS or FAIL below 200")


def test_a_harmful_hedge_does_not_fail_on_few_trades() -> None:
    assert judged(history(60, ratio=-0.8, delta=0.2)).result == Result.CANNOT_TELL


def test_no_comparison_without_50_comparable_trades(good: History) -> None:
    trades = good.trades.copy()
    alone = trades.index[MIN_COMPARABLE - 1 :]
    trades.loc[alone, "cost_hedge"] = 0.0
    trades.loc[alone, "gross_hedged"] = trades.loc[alone, "gross_unhedged"]
    v = judged(replace(good, trades=trades))
    assert [word(v, rule) for rule in ("A23", "A24", "A26", "A27", "A28")] == ["PASS", "PASS", "PASS", "CANNOT TELL", "CANNOT TELL"]
    assert "49 comparable trades, 50 needed" in gauge(v, "drawdown reduction").note


def test_open_trades_do_not_count(good: History) -> None:
    trades = good.trades.copy()
    trades.loc[trades.index[:60], "closed"] = pd.NaT
    assert gauge(judged(replace(good, trades=trades)), "hedge cost drag").n == 190


def test_undefined_says_why() -> None:
    v = judged(history(250, edge=-0.002))
    drag = gauge(v, "hedge cost drag")
    assert (drag.value, drag.lower, drag.result) == (None, None, Result.CANNOT_TELL)
    assert drag.note.startswith("undefined: gross P&L is not above zero")
    assert gauge(v, "hedge cost").value == pytest.approx(2.0)
    never = judged(History((h := history(250)).equity.assign(unhedged=np.arange(3751.0) + 1.0), h.trades, h.fills))
    assert "undefined: the unhedged P&L never fell" in gauge(never, "drawdown reduction").note


def test_no_ratio_of_sharpe_ratios_when_the_unhedged_one_is_not_above_zero() -> None:
    h = history(250, edge=-0.002)
    g, beside = (gauge(v := judged(h), name) for name in ("Sharpe improvement", "Sharpe difference"))
    assert g.value == beside.value == pytest.approx(m.sharpe_difference(h.equity["hedged"], h.equity["unhedged"]), rel=1e-9)
    assert (g.lower, g.upper, g.unit, g.limit) == (beside.lower, beside.upper, "a year", None)
    assert g.result == Result.CANNOT_TELL
    assert "the unhedged Sharpe ratio is not above zero; hedged - unhedged is shown" in g.note
    assert not any("x" in str(row.unit) for row in v.frame().query("name == 'Sharpe improvement'").itertuples())


def test_a_session_without_trades_cannot_be_told() -> None:
    h = history(3)
    v = judged(History(h.equity.assign(pos_primary=0, pos_hedge=0, hedged=0.0, unhedged=0.0), h.trades.iloc[:0], h.fills.iloc[:0]))
    assert v.result == Result.CANNOT_TELL
    assert all(g.value is None and g.result == Result.CANNOT_TELL for g in v.gauges)
    assert len(v.frame()) == len(v.gauges) + len(v.extras)


def test_evidence_and_override_are_both_said(good: History) -> None:
    v = judged(good, evidence=NOT_COINTEGRATED, override="the demo shows it anyway")
    assert "not shown to be cointegrated: p = 0.43 over 6,805 bars, below 0.05 required" in v.reasons[0]
    assert v.reasons[1] == "traded under an evidence override: 'the demo shows it anyway'"
    assert {g.result for g in v.gauges} == {Result.PASS}
    assert v.result == Result.FAIL  # what was required beforehand is missing
    assert "the pair is cointegrated: p = 0.002" in judged(good, evidence=COINTEGRATED).reasons[0]
    collinear = Evidence("Engle-Granger", None, None, 300, ("almost perfectly collinear",))
    assert "could not tell (almost perfectly collinear)" in judged(good, evidence=collinear).reasons[0]


def test_trials_are_told(good: History) -> None:
    assert gauge(judged(good), "variants tried").value == 1
    assert judged(good, trials=40).reasons[-1].startswith("40 variants were tried")


def test_same_seed_same_verdict(good: History) -> None:
    assert judged(good).frame().equals(judged(good).frame())
    assert not judged(good).frame().equals(judged(good, seed=1).frame())


def test_frame_has_a_row_for_each(good: History) -> None:
    frame = judged(good).frame()
    assert list(frame.columns[:10]) == ["rule", "name", "value", "lower", "upper", "unit", "target", "n", "result", "note"]
    assert frame["target"][:6].tolist() == ["within 10%", "under 3%", "under 15%", "under 0.5%", "over 25%", "over 1.2 x"]


def test_wrong_input_says_what(good: History) -> None:
    with pytest.raises(ConfigError, match="reps=5: must be 100 to 1e"):
        judged(good, reps=5)
    with pytest.raises(ConfigError, match=r"level=95: must be 0.5 to 0.999"):
        judged(good, level=95)
    with pytest.raises(DataError, match=r"equity: hedged is nan at row 7"):
        judged(replace(good, equity=good.equity.assign(hedged=good.equity["hedged"].where(np.arange(len(good.equity)) != 7))))
    with pytest.raises(DataError, match="no column 'closed'"):
        judged(replace(good, trades=good.trades.drop(columns="closed")))
    with pytest.raises(DataError, match="equity has no bars"):
        judged(replace(good, equity=good.equity.iloc[:0]))


def test_what_a_point_estimate_is_worth_stands_in_the_reasons(good: History) -> None:
    (said,) = [reason for reason in judged(good).reasons if "point estimate" in reason]
    assert "at 250 trades of Sharpe ratio 0.1 each" in said
    assert "about 7,938 trades" in said
    assert not any("point estimate" in r for r in judged(History(good.equity, good.trades.iloc[:1], good.fills)).reasons)


def test_what_must_stay_on_the_page(good: History) -> None:
    names = {g.name for g in judged(good).extras}
    assert names >= {"best trade's share of net P&L", "effective sample", "variants tried", "net P&L a trade", "hit rate", "profit factor"}
    assert gauge(judged(good), "hit rate").value == m.hit_rate(good.trades)
    assert gauge(judged(good), "profit factor").value == pytest.approx(m.profit_factor(good.trades), rel=1e-12)


def test_table_and_summary(good: History) -> None:
    v = judged(good, trials=40)
    table = v.table()
    assert table.index.tolist() == ["A23", "A24", "A25", "A26", "A27", "A28"]
    assert table.columns.tolist() == ["metric", "result", "value", "lower", "upper", "unit", "target", "n", "needed"]
    assert v.summary().startswith("Verdict: PASS. PASS: A23 hedge-ratio accuracy, A24")
    assert v.summary().endswith("40 variants were tried; the intervals do not allow for choosing among them.")


def test_fills_of_unknown_orders_are_left_out_and_told(good: History) -> None:
    fills = good.fills.copy()
    fills.loc[fills.index[:3], ["slippage", "expected"]] = np.nan
    g = gauge(judged(replace(good, fills=fills)), "slippage")
    assert g.n == 997
    assert g.note.endswith("3 fills of unknown orders left out")
    assert g.value == pytest.approx(m.slippage(fills.iloc[3:]), rel=1e-12)


def test_full_size_takes_under_10_s() -> None:
    h = history(453, edge=0.0008)
    start = time.process_time()
    assess(h.equity, h.trades, h.fills)
    assert len(h.equity) >= 6790
    assert time.process_time() - start < 10  # of this process: other work on the machine does not count


# ------------------------------------------------------------------- bootstrap


def test_block_length_is_the_published_one() -> None:
    # the recipe of arch's test_block_length.py
    e = np.random.RandomState(0).standard_normal(10_100)  # the generator of the reference
    y = np.empty_like(e)
    y[0] = e[0]
    for i in range(1, len(e)):
        y[i] = 0.3 * y[i - 1] + e[i]
    assert block_length(y[100:]) == pytest.approx(POLITIS_WHITE_STATIONARY, rel=0.06)
    assert block_length(y[100:], at_least=40) == 40
    assert block_length(np.zeros(100)) == 1
    assert block_length(y[:20], at_least=40) == 10  # at most half of the rows


def test_undefined_histories_count_at_both_ends() -> None:
    values = np.r_[np.arange(100.0), np.nan]
    assert interval(values, 0.95) == (1, 98)  # items 2.5 of -inf, 0, 1, ... and 97.5 of 0, 1, ..., inf, rounded outwards
    assert interval(np.r_[np.arange(90.0), np.full(10, np.nan)], 0.9) == (-np.inf, np.inf)
    assert all(np.isnan(end) for end in interval(np.full(5, np.nan), 0.9))


def test_twins_stay_paired() -> None:
    rows = np.column_stack([np.arange(50.0), -np.arange(50.0)])
    assert (resample(rows, lambda x: np.array([abs(x[:, 0] + x[:, 1]).max()]), block=5, reps=100, seed=(0,)) == 0).all()
    assert np.isnan(resample(rows[:5], lambda x: x.mean(axis=0), block=1, reps=100, seed=(0,))).all()


def effectiveness_and_mean(rows: np.ndarray) -> np.ndarray:
    hedged, unhedged = rows.var(axis=0)
    return np.array([1 - hedged / unhedged, rows[:, 0].mean()])


def test_the_interval_covers_the_truth_at_about_its_level() -> None:
    # hedged and unhedged P&L, Gaussian AR(1) with coefficient .3; planted effectiveness .75 and mean 0.1
    rng = np.random.default_rng(12)
    n, reps, hits = 400, 160, np.zeros(2)
    for trial in range(reps):
        e = rng.standard_normal((n + 50, 2)) * [1.0, np.sqrt(3.0)]
        for i in range(1, n + 50):
            e[i] += 0.3 * e[i - 1]
        hedged, unhedged = 0.1 + e[50:, 0], 0.1 + e[50:].sum(axis=1)
        rows = np.column_stack([hedged, unhedged])
        draws = resample(rows, effectiveness_and_mean, block=block_length(hedged, unhedged), reps=200, seed=(trial,))
        for k, truth in enumerate((0.75, 0.1)):
            low, high = interval(draws[:, k], 0.95)
            hits[k] += low <= truth <= high
    assert (hits / reps >= 0.88).all(), hits / reps
    assert (hits / reps <= 0.99).all(), hits / reps
