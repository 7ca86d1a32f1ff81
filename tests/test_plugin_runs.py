"""A user's module in backtests, on the command line and on the desk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from hedgekit import backtest, desk, plugins
from hedgekit.data import SyntheticMarket
from hedgekit.errors import ConfigError, DataError
from hedgekit.paper import SessionConfig
from hedgekit.replay import replay
from hedgekit.report.sections import definition
from hedgekit.report.session import load as load_session
from hedgekit.stats.ratio import plan_due
from hedgekit.study import study
from hedgekit.types import Decision
from tests.core.core_made import DAILY, basket_tape, daily_tape, ou_pair, params
from tests.desk.made import ended
from tests.plugin_files import CENTRED, HONEST, SLOPE, write

USER: dict[str, Any] = DAILY | {"signal": "user", "stop": 5.0}

BUILT_IN = """
import numpy as np
from hedgekit.params import Params
from hedgekit.stats.ratio import plan_due

NUMBERS = Params.make(fit_bars=60, refit_bars=20, lookback=20)

def scores(mids):
    logs, ratio = np.log(mids), None
    z = np.full(len(mids), np.nan)
    for bars in range(1, len(mids) + 1):
        if ratio is not None:
            window = logs[bars - 20 : bars, 0] - ratio * logs[bars - 20 : bars, 1]
            z[bars - 1] = (window[-1] - window.mean()) / window.std(ddof=1)
        if bars > 60 and (bars - 61) % 20 == 0:
            ratio = plan_due(mids[:bars], 0, NUMBERS).ratio
    return z
"""
"""The log spread's own z, on the ratio in force at each bar."""


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prices") / "mine.csv"
    index = pd.date_range("2020-01-01", periods=400, freq="D", name="date")
    pd.DataFrame(np.exp(ou_pair(5, 400)), columns=["P", "H"], index=index).to_csv(path)
    return path


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "hedgekit", *words], capture_output=True, text=True, check=False, timeout=240)


def of(decisions: list[Decision]) -> list[Decision]:
    """Return decisions without the figures that rounding changes."""
    return [msgspec.structs.replace(decision, z=None, benefit=0.0) for decision in decisions]


def test_the_built_in_signal_written_as_a_plugin_decides_as_it_does(tmp_path: Path) -> None:
    tape, plugin = daily_tape(5, 500, size=200.0, fees="0.00005"), plugins.load(write(tmp_path, BUILT_IN))
    mine = backtest.run(tape, params(**DAILY | {"signal": "user"}), scores=plugin.scores).decisions
    built = backtest.run(tape, params(**DAILY)).decisions
    assert of(mine) == of(built)
    assert mine[-1].trade > 5
    pairs = [(a.z, b.z) for a, b in zip(mine, built, strict=True) if a.z is not None]
    assert len(pairs) > 400
    assert np.allclose(*zip(*pairs, strict=True), atol=1e-9)  # type: ignore[arg-type,call-overload] # two columns


def test_the_estimator_written_as_a_hedge_decides_as_it_does() -> None:
    """Two legs, and a basket; only the words of the evidence differ."""
    for tape in (daily_tape(5, 400, size=200.0), basket_tape(3, 400)):

        def mine(mids: np.ndarray) -> Any:
            return plan_due(mids, 0, params(**DAILY)).ratios

        done, built = backtest.run(tape, params(**DAILY), ratios=mine), backtest.run(tape, params(**DAILY))
        assert done.decisions == built.decisions
        assert done.decisions[-1].trade > 3
        ours, theirs = done.tables.plans, built.tables.plans
        assert list(ours["ratio"]) == list(theirs["ratio"])
        assert set(ours["method"]) == {"user"}
        assert (done.curves.hedged == built.curves.hedged).all()


def test_a_hedge_of_ones_own_at_each_bar(tmp_path: Path) -> None:
    plugin = plugins.load(write(tmp_path, SLOPE))
    done = backtest.run(daily_tape(5, 200), params(**DAILY | {"refit_bars": 1, "evidence_override": None}), ratios=plugin.ratios)
    assert len(done.tables.plans) == 200 - 60
    assert done.tables.plans["override"].isna().all()
    assert done.decisions[-1].trade > 0, "the user's own p-value is below 0.05"


def test_what_looks_ahead_is_refused_in_a_backtest(tmp_path: Path) -> None:
    seen: list[np.ndarray] = []

    def peeks(mids: np.ndarray) -> float:
        seen.append(mids)
        return float(max(map(len, seen)))

    with pytest.raises(DataError, match="it looks ahead, or remembers"):
        backtest.run(daily_tape(5, 200), params(**DAILY), ratios=peeks)
    with pytest.raises(DataError, match="it looks ahead"):
        backtest.run(daily_tape(5, 200), params(**USER), scores=plugins.load(write(tmp_path, CENTRED)).scores)
    with pytest.raises(DataError, match="WINDOW = 5 is too short"):
        backtest.run(daily_tape(5, 200), params(**USER), scores=plugins.load(write(tmp_path, "WINDOW = 5\n" + HONEST)).scores)


def test_the_command_names_plugin_and_hash(prices: Path, tmp_path: Path) -> None:
    plugin = plugins.load(write(tmp_path, HONEST + SLOPE))
    numbers = [item for pair in (("fit_bars", 60), ("lookback", 20)) for item in ("-p", f"{pair[0]}={pair[1]}")]
    base = ("backtest", str(prices), "P", "H", "--out", str(tmp_path / "out"), *numbers, "--plugin", str(plugin.path))
    done = command(*base, "--plugin-sha256", plugin.sha256)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Plugin       mine.py, sha256 {plugin.sha256}\n")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["plugin"], summary["plugin_sha256"], summary["params"]["signal"]) == ("mine.py", plugin.sha256, "user")
    assert str(tmp_path) not in json.dumps(summary)
    assert "user" in (tmp_path / "out" / "plans.csv").read_text()
    wrong = command(*base, "--plugin-sha256", "0" * 64)
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)
    assert f"its SHA-256 is {plugin.sha256}, expected was {'0' * 64}" in wrong.stderr


def test_a_study_says_what_does_not_fit(prices: Path, tmp_path: Path) -> None:
    numbers = {"fit_bars": 60, "lookback": 20}
    with pytest.raises(ConfigError, match=r"scores\(mids\), which need signal='user'; signal is 'log spread'"):
        study(prices, "P", "H", out=tmp_path, params={**numbers, "signal": "log spread"}, plugin=plugins.load(write(tmp_path, HONEST)))
    with pytest.raises(DataError, match="scores raised ZeroDivisionError at line 2 on 400 bars: division by zero"):
        study(prices, "P", "H", out=tmp_path, params=numbers, plugin=plugins.load(write(tmp_path, "def scores(mids):\n    return 1 / 0\n")))


async def test_a_session_on_the_desk_runs_its_own_copy(tmp_path: Path) -> None:
    home, plugin = tmp_path / "home", plugins.load(write(tmp_path, HONEST))
    market = SyntheticMarket(rows=160, half_life=8.0)
    numbers = {"bar_s": 1.0, "bar_offset_s": 0.5, "fit_bars": 60, "entry": 1.0, "evidence_override": "a test of the machinery"}
    with pytest.raises(ConfigError, match="it has scores"):
        desk.start(market, {**numbers, "signal": "log spread"}, speed=None, folder=home, plugin=plugin)
    try:
        session = desk.start(market, numbers, speed=None, folder=home, plugin=plugin)
        config = SessionConfig.load(session.folder.config)
        write(tmp_path, SLOPE)
        assert plugins.load(config.plugin).code == plugin.code
        assert (config.plugin_sha256, config.params["signal"]) == (plugin.sha256, "user")
        await session.until(desk.State.ENDED, timeout_s=120)
    finally:
        ended(home)
    with session.follow() as follower:
        news = follower.poll()
    assert news.standing.market["plugin_sha256"] == plugin.sha256
    assert len(news.bars["z"]) == news.standing.bars > 100, "the panel sees a user's bars too"
    assert np.isfinite(news.bars["z"]).sum() > 100
    with session.journal() as journal:
        assert replay(journal.records()).decisions > 100
    assert plugin.sha256 in definition(load_session(str(session.folder.journal), session.session)).data
