"""Laws of the backtest for any strategy: two drivers agree (L1), the future changes no past decision, and the tables add up."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hedgekit.backtest import Backtest, run
from hedgekit.backtest.lean import passed
from hedgekit.data import SyntheticBinary, Tape
from hedgekit.errors import ConfigError
from hedgekit.exchange.model import FillModel
from hedgekit.types import Action, Decision, Fill, Phase, PlanRevised
from tests.core.core_made import DAILY, daily_tape, params
from tests.core.test_backtest import FAST, check_parity, fast_tape

MODEL = FillModel()

STRATEGIES = st.fixed_dictionaries(
    {
        "structure": st.sampled_from(["pairs", "delta", "synthetic", "unhedged"]),
        "signal": st.sampled_from(["log spread", "spread", "ratio", "price", "s-score"]),
        "reentry": st.sampled_from(["inside entry", "at once"]),
        "rebalance_to": st.sampled_from(["edge", "target"]),
        "cooldown_bars": st.integers(0, 3),
        "time_stop": st.sampled_from([0.0, 0.5, 2.0]),
        "scale_steps": st.integers(1, 3),
        "scale_gap": st.sampled_from([0.1, 0.3]),
        "hedge_frac": st.sampled_from([0.05, 0.5]),
        "lookback": st.integers(5, 12),
        "entry": st.sampled_from([0.6, 1.0, 1.3]),
        "stop": st.sampled_from([1.6, 2.5]),
        "tolerance": st.sampled_from([0.0, 0.02, 0.3]),
        "risk_aversion": st.sampled_from([10.0, 1e4, 1e6]),
        "bar_ticks": st.sampled_from([0, 0, 1, 2, 5]),
        "order_type": st.sampled_from(["market", "limit"]),
        "patience_s": st.sampled_from([0.0, 0.3, 1.0]),
        "retries": st.integers(0, 2),
        "accept_filled": st.sampled_from([0.5, 1.0]),
        "slippage_cap": st.sampled_from([0.0, 0.002]),
        "naked_limit_s": st.sampled_from([0.0, 0.2, 5.0]),
        "max_quote_age_s": st.sampled_from([1.5, 5.0]),
    }
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STRATEGIES, st.integers(0, 50))
def test_law_both_drivers_say_the_same_for_any_strategy(strategy: dict[str, Any], seed: int) -> None:
    check_parity(fast_tape(seed, 300), params(**FAST | strategy))


def test_these_strategies_do_trade() -> None:
    """The law above would hold of strategies that never do anything."""
    seen = set()
    for strategy in (
        {"scale_steps": 3, "scale_gap": 0.1, "stop": 2.5},
        {"time_stop": 0.5},
        {"cooldown_bars": 10, "stop": 1.3},
        {"reentry": "inside entry", "stop": 1.3},
    ):
        seen |= {
            decision.reason.value for seed in range(3) for decision in run(fast_tape(seed, 600), params(**FAST | strategy), MODEL).decisions
        }
    assert {"scale_in", "time_stop", "cooldown", "rearming", "stop", "target", "drift", "cost_exceeds_benefit"} <= seen


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STRATEGIES, STRATEGIES, st.integers(0, 50), st.sampled_from([3, 40]))
def test_law_a_pass_that_knows_its_plans_does_the_same(strategy: dict[str, Any], other: dict[str, Any], seed: int, refit_bars: int) -> None:
    """A sweep stops at the ratios that are due for its first combination alone: the state, fills and trades of the next are the same."""
    tape, shared = fast_tape(seed, 300), dict[Any, Any]()
    same = {"refit_bars": refit_bars, **{name: strategy[name] for name in ("bar_ticks", "max_quote_age_s")}}
    first, second = (params(**FAST | one | same) for one in (other, strategy))
    passed(tape, first, MODEL, shared)
    knowing, alone = passed(tape, second, MODEL, shared), passed(tape, second, MODEL)
    assert knowing.plans == alone.plans
    assert knowing.work.ending == alone.work.ending
    trades = int(alone.work.s["trade"])
    assert knowing.work.trips[:trades].tobytes() == alone.work.trips[:trades].tobytes()
    assert int(knowing.work.c["plans"]) == len(alone.plans)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STRATEGIES, st.integers(0, 50), st.integers(120, 380))
def test_law_cutting_the_future_changes_no_past_decision(strategy: dict[str, Any], seed: int, cut: int) -> None:
    """No look-ahead: what is decided before the cut is the same to the byte, whatever comes after it."""
    tape = daily_tape(seed, 400)
    numbers = params(**DAILY | strategy)
    whole, part = run(tape, numbers, MODEL), run(tape.rows(0, cut), numbers, MODEL)
    end_ns = int(tape.ts_ns[cut - 1])

    def before(result: Backtest) -> list[bytes]:
        return [msgspec.json.encode(record) for record in result.records if record.ts_ns <= end_ns]

    assert before(part) == before(whole)
    assert len(before(part)) > 50 // max(1, strategy["bar_ticks"])


def test_the_truncation_law_catches_a_signal_that_looks_ahead() -> None:
    """The same comparison on a score over the full sample, or over a centred window, fails: so the law can."""
    spread = np.random.default_rng(3).standard_normal(300).cumsum()
    cut = 200

    def full(x: np.ndarray) -> np.ndarray:
        return (x - x.mean()) / x.std()

    def centred(x: np.ndarray) -> np.ndarray:
        return np.array([(x[i] - x[max(0, i - 30) : i + 31].mean()) / x[max(0, i - 30) : i + 31].std() for i in range(len(x))])

    def trailing(x: np.ndarray) -> np.ndarray:
        return np.array([(x[i] - x[i - 60 : i + 1].mean()) / x[i - 60 : i + 1].std() for i in range(60, len(x))])

    for score, honest in ((full, False), (centred, False), (trailing, True)):
        part = score(spread[:cut])
        assert np.array_equal(part, score(spread)[: len(part)]) == honest


# ------------------------------------------------------------- a market that stands still


def still(tape: Tape, first: int, last: int) -> Tape:
    """Return the tape with the primary's quotes of one row in all rows from ``first`` to ``last``."""
    bid, ask = tape.bid.copy(), tape.ask.copy()
    bid[first:last, 0], ask[first:last, 0] = bid[first, 0], ask[first, 0]
    return Tape(tape.instruments, tape.ts_ns, bid, ask, tape.bid_size, tape.ask_size, tape.description)


def test_a_quiet_window_keeps_the_ratio_and_opens_nothing() -> None:
    """The primary stands still for 150 days and the ratio rests on 60: nothing can be estimated, and nobody's override applies to that."""
    tape, numbers = still(daily_tape(4, 500), 200, 350), params(**DAILY)
    records = check_parity(tape, numbers)
    plans = [record for record in records if isinstance(record, PlanRevised)]
    quiet = [i for i, record in enumerate(plans) if record.plan.evidence.test == "none"]
    assert len(quiet) > 3
    assert {plans[i].plan.ratio for i in quiet} == {plans[quiet[0] - 1].plan.ratio}
    assert not any(plans[i].plan.trusted(0.5) for i in quiet)
    spans = [(plans[i].ts_ns, plans[i + 1].ts_ns) for i in quiet]
    opened = [d.ts_ns for d in records if isinstance(d, Decision) and d.action is Action.OPEN]
    assert opened
    assert not [ts for ts in opened if any(a < ts <= b for a, b in spans)]
    assert plans[quiet[-1] + 1].plan.override == numbers.evidence_override


def test_a_market_that_has_never_moved_is_no_error() -> None:
    done = run(still(daily_tape(4, 300), 0, 200), params(**DAILY), MODEL)
    first = next(record for record in done.records if isinstance(record, PlanRevised)).plan
    assert (first.ratio, first.evidence.p_value, first.override) == (1.0, None, None)
    assert "did not move" in first.evidence.warnings[0]


# ---------------------------------------------------------------------- tables


@pytest.fixture(scope="module")
def done() -> Backtest:
    return run(daily_tape(4, 600, fees="0.0001"), params(**DAILY), MODEL)


def test_the_equity_is_cash_plus_what_is_held(done: Backtest) -> None:
    tables = done.tables
    fills = [record for record in done.records if isinstance(record, Fill)]
    cash = sum(float(-fill.qty * fill.price - fill.fee) for fill in fills)
    last = tables.equity.iloc[-1]
    held = last["pos_primary"] * last["mid_primary"] + last["pos_hedge"] * last["mid_hedge"]
    assert last["hedged"] == pytest.approx(cash + held, abs=1e-6)
    assert last["hedged"] == pytest.approx(last["gross_primary"] + last["gross_hedge"] - last["cost_primary"] - last["cost_hedge"])
    assert len(tables.equity) == len(done.bar_ns)
    assert (tables.equity["mid_primary"].to_numpy() == done.bar_mids[:, 0]).all()


def test_the_tables_have_a_row_for_everything(done: Backtest) -> None:
    tables = done.tables
    assert len(tables.decisions) == len(done.decisions)
    assert len(tables.fills) == sum(isinstance(record, Fill) for record in done.records)
    assert len(tables.orders) == sum(len(decision.orders) for decision in done.decisions)
    assert len(tables.trades) == max(decision.trade for decision in done.decisions)
    assert tables.trades["hedged"].sum() == pytest.approx(tables.equity["hedged"].iloc[-1])
    assert tables.equity.index.tz is not None
    exposure = tables.exposure
    assert (exposure["gross"] >= exposure["net"].abs() - 1e-9).all()
    assert (exposure.loc[exposure["gross"] == 0, "net"] == 0).all()


def test_a_backtest_has_a_verdict(done: Backtest) -> None:
    verdict = done.verdict(reps=100)
    assert {gauge.rule for gauge in verdict.gauges} >= {"A23", "A24", "A25", "A26", "A27", "A28"}


def test_a_result_without_its_tape_says_so(done: Backtest) -> None:
    with pytest.raises(ConfigError, match="make it with hedgekit"):
        _ = Backtest(done.records, done.bar_ns, done.bar_mids).tables


# -------------------------------------------------------- a whole binary strategy


def test_yes_and_no_with_a_cap_at_resolution() -> None:
    """A7 on contracts: each entry buys protection in the same decision, and nothing is rebalanced while it is held."""
    market = SyntheticBinary(
        p_primary=0.5, p_hedge=0.5, rho=-0.99, rows=4_000, resolve_row=200_000, noise_sd=0.15, noise_half_life=6.0, half_spread=0.0005
    )
    numbers = params(
        structure="synthetic",
        signal="logit",
        loss_cap=2_500.0,
        lookback=30,
        stop=9.0,
        notional=5_000.0,
        bar_s=market.row_s,
        bar_offset_s=market.row_s / 2,
        interval_s=market.row_s / 5,
        max_quote_age_s=600.0,
        fit_bars=60,
        refit_bars=500,
    )
    decisions = run(market.tape(), numbers, MODEL).decisions
    entries = [decision for decision in decisions if decision.action is Action.OPEN]
    assert len(entries) > 5
    for entry in entries:
        p, q = entry.mids
        assert p is not None
        assert q is not None
        assert [order.leg for order in entry.orders] == [0, 1]
        primary, protection = entry.targets
        assert np.sign(primary) == np.sign(protection)
        worst = primary * (0 - p) + protection * (1 - q) if primary > 0 else primary * (1 - p) + protection * (0 - q)
        assert worst == pytest.approx(-2_500.0, abs=2.0)
    assert not [d for d in decisions if d.action in (Action.REBALANCE, Action.SKIP)]
    assert isinstance(decisions[-1], Decision)
    assert decisions[-1].phase in (Phase.HALTED, Phase.FLAT, Phase.OPEN)
