"""`hedgekit backtest`: a user's file in, every table and an honest verdict out, bad input said in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hedgekit import load_sample
from hedgekit.data import SyntheticMarket
from hedgekit.errors import ConfigError, DataError
from hedgekit.study import TABLES, study


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prices") / "mine.csv"
    load_sample("eq_daily", columns=["KO", "PEP"]).loc["2008":"2012"].mul(20).to_csv(path)
    return path


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "hedgekit", "backtest", *words], capture_output=True, text=True, check=False, timeout=240)


def test_a_file_becomes_a_folder_of_tables(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = command(str(file), "KO", "PEP", "--out", str(out), "-p", "evidence_override=a test of the command", "-p", "entry=1.8")
    assert done.returncode == 0, done.stderr
    assert "P&L at book" in done.stdout
    assert "P&L at mids" in done.stdout
    assert "Verdict" in done.stdout
    assert {path.name for path in out.iterdir()} == {*(f"{name}.csv" for name in (*TABLES, "regimes")), "summary.json"}
    equity = pd.read_csv(out / "equity.csv", parse_dates=["ts"])
    trades = pd.read_csv(out / "trades.csv")
    summary = json.loads((out / "summary.json").read_text())
    regimes = pd.read_csv(out / "regimes.csv", index_col="regime")
    parts = regimes.drop(index="all")
    assert parts["bars"].sum() == regimes.loc["all", "bars"] == len(equity)
    assert parts["pnl_hedged"].sum() == pytest.approx(equity["hedged"].iloc[-1])
    assert summary["params"]["entry"] == 1.8
    assert summary["trades"] == trades["closed"].notna().sum() > 10
    assert summary["pnl_executable"]["hedged"] == pytest.approx(equity["hedged"].iloc[-1])
    assert summary["pnl_executable"]["hedged"] < summary["pnl_at_mids"]["hedged"]


def test_without_evidence_nothing_is_traded(file: Path, tmp_path: Path) -> None:
    done = study(file, "KO", "PEP", out=tmp_path, params={"significance": 0.0001})
    assert done.backtest.tables.trades.empty
    assert "no_evidence" in done.text()


def test_bars_within_a_day_keep_their_times(tmp_path: Path) -> None:
    logs = SyntheticMarket.textbook(rows=900, half_life=6.0).log_prices()
    index = pd.date_range("2026-01-05T14:30", periods=900, freq="5min", tz="UTC", name="when")
    pd.DataFrame(100 * np.exp(logs), columns=["P", "H"], index=index).to_csv(tmp_path / "five.csv")
    done = study(tmp_path / "five.csv", "P", "H", out=tmp_path / "out", date="when", params={"fit_bars": 200, "interval_s": 60.0})
    assert done.backtest.params is not None
    assert (done.backtest.params.bar_s, done.backtest.params.bar_offset_s) == (300.0, 1.0)
    assert len(done.backtest.bar_ns) == 900
    assert len(done.backtest.tables.trades) > 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["no.csv", "KO", "PEP"], "no file no.csv"),
        (["{file}", "KO", "PEPS"], "no column 'PEPS'; did you mean 'PEP'?"),
        (["{file}", "KO", "PEP", "-p", "entri=2"], "unknown parameter 'entri'; did you mean 'entry'?"),
        (["{file}", "KO", "PEP", "-p", "entry=-1"], "entry=-1: must be 0.1 to 10 sd (A1)"),
        (["{file}", "KO", "PEP", "-p", "fit_bars=5000"], "rows are too few: the ratio alone needs fit_bars=5000"),
    ],
)
def test_bad_input_is_one_line_with_its_fix(file: Path, words: list[str], said: str, tmp_path: Path) -> None:
    done = command(*(word.replace("{file}", str(file)) for word in words), "--out", str(tmp_path))
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_setting_without_a_value_is_refused(file: Path) -> None:
    done = command(str(file), "KO", "PEP", "-p", "entry")
    assert done.returncode == 2
    assert "entry=2.2" in done.stderr


def test_a_folder_that_cannot_be_written_is_told(file: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        study(file, "KO", "PEP", out="/proc/nowhere", params={"evidence_override": "a test of the folder"})


def test_parquet_is_read_or_its_need_told(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"pyarrow|cannot be read as Parquet"):
        study(tmp_path / "x.parquet", "A", "B", out=tmp_path)
