"""A backtest of a user's own prices, from a file to a folder of tables: what ``hedgekit backtest`` does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hedgekit.backtest import Backtest, run
from hedgekit.data import CLOSE_S, load_closes, tape_from_closes
from hedgekit.errors import ConfigError, DataError
from hedgekit.metrics.regimes import by_regime
from hedgekit.params import Params
from hedgekit.plugins.module import check_signal
from hedgekit.types import NS, Fees, Instrument

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from hedgekit.data import Tape
    from hedgekit.plugins import Plugin
    from hedgekit.verdict import Verdict

TABLES = ("trades", "equity", "decisions", "orders", "fills", "plans", "exposure")
DAY_S = 86_400


@dataclass(frozen=True, eq=False, slots=True)
class Study:
    """What :func:`study` did: the backtest, its verdict, and the folder with its tables."""

    backtest: Backtest
    verdict: Verdict
    folder: Path
    plugin: Plugin | None = None

    def text(self) -> str:
        """Return what came out, in words: trades, P&L at the book beside P&L at mids, each gauge with its interval, the reasons."""
        found = _summary(self.backtest, self.verdict, self.plugin)
        decisions = self.backtest.tables.decisions["reason"].value_counts()
        why = ", ".join(f"{name} {count:,}" for name, count in decisions.head(5).items())
        mine = [] if self.plugin is None else [f"Plugin       {self.plugin.name}, sha256 {self.plugin.sha256}"]
        lines = [
            *mine,
            f"Trades       {found['trades']} closed; what was decided most: {why}",
            f"{'':13}{'hedged':>14}{'unhedged':>14}",
            *(
                f"{label:<13}{found[name]['hedged']:>14,.0f}{found[name]['unhedged']:>14,.0f}"
                for label, name in (("P&L at book", "pnl_executable"), ("P&L at mids", "pnl_at_mids"))
            ),
            f"Verdict      {found['result']}",
            *map(_line, found["gauges"]),
            *(f"  {reason}" for reason in found["reasons"]),
        ]
        return "\n".join(lines)


def study(  # noqa: PLR0913 - a file, two columns, and the assumptions about quotes, each with its default
    path: str | os.PathLike[str],
    primary: str,
    hedge: str,
    *,
    out: str | os.PathLike[str],
    params: Mapping[str, Any] | None = None,
    date: str = "date",
    half_spread_bps: float = 1.0,
    fee_rate: str = "0.00005",
    size_notional: float = 500_000.0,
    tick: str = "0.01",
    plugin: Plugin | None = None,
) -> Study:
    """Backtest a pair from a file of prices and write every table into a folder.

    Parameters
    ----------
    path : path
        CSV or Parquet with a column of dates and one of prices for each symbol; not one price is filled, dropped or sorted.
    primary, hedge : str
        Their columns.
    out : path
        Folder for ``trades.csv, equity.csv, decisions.csv, orders.csv, fills.csv, plans.csv, exposure.csv, regimes.csv`` (figures by
        volatility) and ``summary.json``; made if missing. Files of an earlier run are written over.
    params : mapping, optional
        The strategy's numbers (:class:`~hedgekit.params.Params`). The bar is the file's own spacing unless ``bar_s`` is given.
    date : str
        Name of the column of dates.
    half_spread_bps, size_notional, tick
        How quotes are made around the prices: :func:`~hedgekit.data.tape_from_closes`.
    fee_rate : str
        Fee as a share of what is traded.
    plugin : Plugin, optional
        A user's own signal or hedge (:func:`hedgekit.plugins.load`); with scores, the signal is "user" unless ``params`` says otherwise.

    Raises
    ------
    DataError, ConfigError
        If the prices or a number cannot be used; the message says which and the fix.
    """
    closes = load_closes(Path(path), columns=(primary, hedge), date=date)
    tape, times = _tape(closes, half_spread_bps, fee_rate, size_notional, tick)
    mine = {} if plugin is None or plugin.scores is None else {"signal": "user"}
    numbers = Params.make(**times | mine | dict(params or {}))
    if plugin is not None:
        check_signal(plugin.name, numbers.signal, scores=plugin.scores is not None)
    if len(tape) <= numbers.fit_bars + numbers.lookback:
        msg = f"{len(tape)} rows are too few: the ratio alone needs fit_bars={numbers.fit_bars} bars; load more, or give a smaller fit_bars"
        raise DataError(msg)
    scores, ratios = (None, None) if plugin is None else (plugin.scores, plugin.ratios)
    done = run(tape, numbers, scores=scores, ratios=ratios)
    verdict = done.verdict()
    folder = Path(out)
    _write(done, verdict, folder, plugin)
    return Study(done, verdict, folder, plugin)


def _tape(closes: pd.DataFrame, half_spread_bps: float, fee_rate: str, size_notional: float, tick: str) -> tuple[Tape, dict[str, float]]:
    """Return the tape, and the bar that fits its rows: it closes one second after each."""
    times = pd.DatetimeIndex(closes.index)
    daily = bool((times == times.normalize()).all())
    gap_s = float(np.median(np.diff(times.as_unit("ns").asi8))) / NS if len(times) > 1 else DAY_S
    fees = Fees(rate=Decimal(fee_rate))
    instruments = [Instrument("FILE", str(name), tick=Decimal(tick), fees=fees) for name in closes.columns]
    tape = tape_from_closes(
        closes,
        instruments,
        half_spread_bps=half_spread_bps,
        min_half_spread=float(tick),
        size_notional=size_notional,
        close_s=CLOSE_S if daily else None,
        description=f"{' and '.join(map(str, closes.columns))}, quotes made from the file's prices",
    )
    if daily:
        return tape, {"bar_s": float(DAY_S), "bar_offset_s": float(CLOSE_S + 1)}
    offset = float(times.as_unit("ns").asi8[0] / NS % gap_s) + min(1.0, gap_s / 2)
    return tape, {"bar_s": gap_s, "bar_offset_s": offset % gap_s}


def _write(done: Backtest, verdict: Verdict, folder: Path, plugin: Plugin | None) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            table: pd.DataFrame = getattr(done.tables, name)
            table.to_csv(folder / f"{name}.csv", index=isinstance(table.index, pd.DatetimeIndex))
        by_regime(done.tables.equity, done.tables.trades, done.tables.fills).to_csv(folder / "regimes.csv")
        (folder / "summary.json").write_text(json.dumps(_summary(done, verdict, plugin), indent=1, default=str))
    except OSError as error:
        msg = f"{folder}: cannot be written: {error.strerror}; choose another folder"
        raise ConfigError(msg) from None


def _summary(done: Backtest, verdict: Verdict, plugin: Plugin | None) -> dict[str, Any]:
    last = done.tables.equity.iloc[-1]
    at_mids = {"hedged": float(last["gross_primary"] + last["gross_hedge"]), "unhedged": float(last["gross_primary"])}
    gauges = [
        {
            "rule": g.rule,
            "name": g.name,
            "value": g.value,
            "low": g.lower,
            "high": g.upper,
            "target": g.target,
            "n": g.n,
            "result": g.result.value,
        }
        for g in verdict.gauges
    ]
    return {
        "result": verdict.result.value,
        "reasons": list(verdict.reasons),
        "trades": int(done.trades["closed"].notna().sum()),
        "pnl_executable": {"hedged": float(last["hedged"]), "unhedged": float(last["unhedged"])},
        "pnl_at_mids": at_mids,
        "gauges": gauges,
        "params": done.params.model_dump() if done.params else {},
    } | ({} if plugin is None else plugin.described())


def _line(g: Mapping[str, Any]) -> str:
    value, low, high = ("undefined" if number is None else f"{number:.3f}" for number in (g["value"], g["low"], g["high"]))
    return f"  {g['rule']}  {g['name']:<24} {g['result']:<12} {value:>9}  [{low}, {high}]  {g['target']}"
