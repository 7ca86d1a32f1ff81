"""One test for each rule of the article that judges: what must be earned, logged and measured, and when to trust it (A20 to A30)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from hedgekit import hedger, metrics, replay, sweep
from hedgekit import step as step_room
from hedgekit.backtest import loop, run
from hedgekit.exchange.model import FillModel
from hedgekit.hedger import routine
from hedgekit.journal import Journal
from hedgekit.paper import pair
from hedgekit.params import Params
from hedgekit.types import Action, Decision, Reason, SessionStarted
from hedgekit.verdict import Result, assess
from tests.article_made import LEGS, fill, opened
from tests.core.core_made import DAILY, daily_tape, params
from tests.core.slow_driver import SlowDriver
from tests.histories import history

# ruff: noqa: N802 - a test is named after its rule


def test_A20_a_slippage_buffer_in_profitability() -> None:
    """A20: a buffer of 0.2 to 0.5 % in every profitability calculation."""
    assert 0.002 <= Params.model_fields["slippage_buffer"].default <= 0.005
    plain, buffered = (opened(slippage_buffer=b)[1] for b in (0.0, 0.003))
    assert buffered.cost - plain.cost == pytest.approx(0.003 * 20_000)
    assert opened(slippage_buffer=0.05)[1].reason is Reason.EDGE_BELOW_COST


def test_A21_guard_against_over_optimisation(tmp_path: Path) -> None:
    """A21: a search counts every trial, and the best of many on random walks is not called an edge."""
    tape = daily_tape(11, 600, reverting=False)
    searched = sweep(tape, {"entry": [1.0, 1.5, 2.0], "lookback": [10, 20]}, params(**DAILY).model_dump(), ledger=tmp_path, progress=False)
    assert searched.trials == 6
    judged = searched.guard(reps=200)
    assert judged.trials == 6
    assert judged.finding.value in ("NO EDGE", "CANNOT TELL")


def test_A22_every_execution_is_logged(tmp_path: Path) -> None:
    """A22: every execution is logged with its times, price, slippage, and what it left unhedged."""
    desk, entry = opened()
    with Journal.open(tmp_path / "j.db", "s", mode="write") as journal:
        journal.append(
            SessionStarted(ts_ns=1, session="s", instruments=LEGS, params=desk.hedger.params.model_dump(), market={}, version="0")
        )
        journal.append(entry)
        for one in fill(desk, entry):
            journal.append(msgspec.structs.replace(one, price=one.price + Decimal("0.10")))
        journal.commit(1)
        fills = journal.fills()
        decisions = journal.decisions()
    assert list(fills["price"]) == [103.095, 100.105]
    assert list(fills["slippage"].round(6)) == [-9.7, 10.0]
    assert fills[["ts", "venue_ts"]].notna().all(axis=None)
    assert {"delta", "pos_primary", "pos_hedge"} <= set(decisions.columns)


def bars(**columns: Any) -> pd.DataFrame:
    """Return an equity frame with these columns."""
    return pd.DataFrame(columns)


def test_A23_hedge_ratio_accuracy() -> None:
    """A23: the realised beta within 10 % of the target. Here the primary moved 1.1 times ratio x hedge."""
    hedge = np.array([0.0, 0.01, -0.02, 0.005, 0.01])
    frame = bars(mid_primary=np.exp(1.1 * 0.8 * hedge), mid_hedge=np.exp(hedge), pos_primary=1.0, pos_hedge=-1.0, ratio=[0.8] * 5)
    assert metrics.hedge_ratio_accuracy(frame) == pytest.approx(0.1)


def test_A24_delta_neutrality() -> None:
    """A24: mean absolute net delta under 3 % of notional, over the bars on which something was held."""
    frame = bars(pos_primary=[0.0, 1.0, 1.0], pos_hedge=[0.0, -1.0, -1.0], delta=[9.0, -0.02, 0.04])
    assert metrics.delta_neutrality(frame) == pytest.approx(0.03)


def test_A25_hedge_cost_drag() -> None:
    """A25: hedge cost / gross P&L under 15 %; without a gross profit it is undefined."""
    assert metrics.hedge_cost_drag(bars(cost_hedge=[1.0, 2.0], gross_hedged=[30.0, -10.0])) == pytest.approx(0.15)
    assert np.isnan(metrics.hedge_cost_drag(bars(cost_hedge=[1.0], gross_hedged=[-5.0])))


def test_A26_slippage() -> None:
    """A26: expected against actual fill under 0.5 %: 10 x 100 money expected, 5 lost."""
    assert metrics.slippage(bars(qty=[-10.0], expected=[100.0], multiplier=[1.0], slippage=[5.0])) == pytest.approx(0.005)


def test_A27_drawdown_reduction() -> None:
    """A27: hedged against unhedged drawdown over 25 %: 3 against 4 is exactly that."""
    assert metrics.drawdown_reduction([5.0, 2.0, 6.0], [1.0, -3.0, 4.0]) == pytest.approx(0.25)


def test_A28_sharpe_improvement() -> None:
    """A28: a Sharpe ratio over 1.2 times: the same mean with half the deviation is twice."""
    assert metrics.sharpe_improvement(np.cumsum([2.0, 0.0, 2.0, 0.0]), np.cumsum([3.0, -1.0, 3.0, -1.0])) == pytest.approx(2.0)


def test_A29_enough_trades_before_any_verdict() -> None:
    """A29: at least 200 trades before a metric may pass or fail; at least 50 comparable ones, hedged and unhedged."""
    words = []
    for trades in (199, 200):
        h = history(trades, delta=0.001)
        gauges = assess(h.equity, h.trades, h.fills, reps=100).gauges
        words.append({gauge.rule: gauge.result for gauge in gauges}["A24"])
        assert trades == 200 or {gauge.result for gauge in gauges} == {Result.CANNOT_TELL}
    assert words == [Result.CANNOT_TELL, Result.PASS]


def test_A30_paper_first_on_the_same_code() -> None:
    """A30: paper trading first, on the same code: one step decides in backtest, replay and session, alike to the byte."""
    assert loop.decide is step_room.decide
    assert hedger.step_in is step_room.step_in  # decide, and the figures it rests on
    assert replay.Hedger is hedger.Hedger
    assert "from hedgekit.hedger import Hedger" in Path(pair.__file__).read_text()
    tape, strategy = daily_tape(6, 200), params(**DAILY)
    driver = SlowDriver(tape, strategy)
    said = [record for record in driver.run() if isinstance(record, Decision)]
    assert len([d for d in said if d.action is Action.OPEN]) > 1
    assert msgspec.json.encode(run(tape, strategy, FillModel()).decisions) == msgspec.json.encode(said)
    replayer = replay.Replayer(hedger.Hedger("backtest", tape.instruments, strategy))
    again = hedger.Hedger("backtest", tape.instruments, strategy)
    for event in driver.events:
        replayer.feed(event)
        if not routine(decision := again.on(event)):
            replayer.feed(decision)
    replayer.finish()
    assert replayer.decisions == len(said)
