"""A user's own score: the same decisions in every driver, no look into the future, and nothing read that is not there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hedgekit.backtest import run
from hedgekit.backtest.events import run_events
from hedgekit.backtest.sweep import sweep
from hedgekit.errors import ConfigError, DataError
from hedgekit.exchange.model import FillModel
from hedgekit.types import Action, Decision
from tests.core.core_made import DAILY, daily_tape, params
from tests.core.slow_driver import SlowDriver
from tests.core.test_backtest import as_bytes, check_money

MODEL = FillModel()
USER: dict[str, Any] = DAILY | {"signal": "user", "stop": 5.0}


def rolling(mids: np.ndarray) -> np.ndarray:
    """Return z of ln P - ln H over 30 bars, the present one included; NaN before the window is full."""
    spread = np.log(mids[:, 0]) - np.log(mids[:, 1])
    z = np.full(len(spread), np.nan)
    for bar in range(29, len(spread)):
        window = spread[bar - 29 : bar + 1]
        z[bar] = (window[-1] - window.mean()) / window.std(ddof=1)
    return z


def test_both_drivers_decide_alike_on_a_users_score() -> None:
    tape, strategy = daily_tape(5, 500, size=200.0, fees="0.00005"), params(**USER)
    done = run(tape, strategy, MODEL, scores=rolling)
    slow = SlowDriver(tape, strategy, scores=rolling).run()
    assert as_bytes(done.records) == as_bytes(slow)
    entries = [r for r in done.records if isinstance(r, Decision) and r.action is Action.OPEN]
    assert len(entries) > 5
    z = rolling(done.bar_mids)
    for entry in entries:
        assert entry.z == z[int(np.searchsorted(done.bar_ns, entry.ts_ns))]


def test_its_tables_have_every_bar() -> None:
    done = run(daily_tape(5, 300), params(**USER), MODEL, scores=rolling)
    equity = done.tables.equity
    fitted = DAILY["fit_bars"]
    assert len(equity) == len(done.bar_ns)
    assert np.allclose(equity["z"].to_numpy()[fitted + 1 :], rolling(done.bar_mids)[fitted + 1 :], equal_nan=True)
    check_money(done)


def test_what_one_unit_of_it_is_worth_decides_on_the_entry() -> None:
    tape = daily_tape(5, 500)
    worthless = run(tape, params(**USER), MODEL, scores=lambda mids: (rolling(mids), np.full(len(mids), 1e-9)))
    assert worthless.curves.trades == 0
    assert any(d.reason.value == "edge_below_cost" for d in worthless.decisions)
    assert run(tape, params(**USER), MODEL, scores=lambda mids: (rolling(mids), np.full(len(mids), 0.01))).curves.trades > 5


def whole_sample(mids: np.ndarray) -> np.ndarray:
    spread = np.log(mids[:, 0]) - np.log(mids[:, 1])
    return np.asarray((spread - spread.mean()) / spread.std())


def centred(mids: np.ndarray) -> np.ndarray:
    spread = np.log(mids[:, 0]) - np.log(mids[:, 1])
    return spread - np.convolve(spread, np.full(11, 1 / 11), mode="same")


@pytest.mark.parametrize("trick", [whole_sample, centred])
def test_a_score_that_looks_ahead_is_refused(trick: Any) -> None:
    with pytest.raises(DataError, match="it looks ahead"):
        run(daily_tape(5, 300), params(**USER), MODEL, scores=trick)


def test_scores_that_do_not_fit_are_refused_and_nothing_is_read_beyond_them(tmp_path: Any) -> None:
    tape = daily_tape(5, 300)
    with pytest.raises(ConfigError, match="signal='user' needs one score for each of the 300 bars"):
        run(tape, params(**USER), MODEL)
    with pytest.raises(ConfigError, match="scores are for signal='user'"):
        run(tape, params(**DAILY), MODEL, scores=rolling)
    with pytest.raises(DataError, match="return one z for each bar"):
        run(tape, params(**USER), MODEL, scores=lambda mids: rolling(mids)[1:])
    with pytest.raises(ConfigError, match="an event replay takes no scores"):
        run_events(tape, params(**USER), MODEL)
    with pytest.raises(ConfigError, match="needs one score"):
        sweep(tape, {"entry": [1.0, 2.0]}, params(**USER).model_dump(), ledger=tmp_path / "trials.db", progress=False)
