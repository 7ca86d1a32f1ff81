"""Many combinations of a strategy's numbers on one tape: a grid, or draws from it, each counted.

The best of many is lucky (A21). Every combination is written into the trial ledger (:mod:`hedgekit.trials`), which survives
kernels and counts a repeated one once, so ``Sweep.trials`` is all that was ever tried under this study's name; ``Sweep.guard``
judges the best with that number. Work goes to joblib: threads by default (the compiled pass holds no lock of
the interpreter), or whatever backend the caller configured, a Dask cluster among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

from hedgekit import metrics as m
from hedgekit.backtest.grid import grid_key, grid_of
from hedgekit.backtest.kept import FIGURES, Kept, Outcome
from hedgekit.backtest.lean import Curves, Plans, curves
from hedgekit.backtest.measured import measured
from hedgekit.errors import ConfigError
from hedgekit.exchange.model import FillModel
from hedgekit.params import Params
from hedgekit.plugins.module import check_signal
from hedgekit.step.records import pack_params
from hedgekit.trials import Trial, count, record

if TYPE_CHECKING:
    import os

    from hedgekit.data import Array, Tape
    from hedgekit.plugins import Plugin
    from hedgekit.stats.overfit import Guard

WAIT_S = 2.0
PART = 8
"""Combinations in one task."""
GEOMETRY = ("bar_s", "bar_ticks", "bar_offset_s", "max_quote_age_s")
"""Numbers on which bars rest."""
SHARED = (*GEOMETRY, "fit_bars", "refit_bars", "plan_valid_days", "significance")
"""Numbers on which plans rest: combinations alike in these are run together, so that each plan is estimated once."""


@dataclass(frozen=True, eq=False, slots=True)
class Sweep:
    """Every combination that was tried.

    Attributes
    ----------
    table : DataFrame
        One row for each, in the order tried: the varied numbers, then ``trades``, ``pnl`` and ``pnl_unhedged`` (net, at executable
        prices), ``pnl_at_mids``, ``sharpe``, ``sharpe_unhedged``, ``sharpe_gain`` (difference), ``drawdown`` and
        ``drawdown_unhedged`` (money).
        Sharpe ratios as in :func:`hedgekit.metrics.sharpe`; NaN where nothing was traded.
    pnl : float64 array, shape (bars, combinations)
        Hedged P&L of each bar, net.
    trials : int
        Different trials that the ledger has for this study: those of this sweep and of every earlier one.
    study : str
        Under what name they are counted.
    """

    table: pd.DataFrame
    pnl: Array
    trials: int
    study: str

    def best(self, by: str = "sharpe") -> pd.Series:
        """Return the row with the largest figure: the luckiest of ``trials``, so judge it with that number."""
        if by not in self.table.columns or self.table[by].isna().all():
            msg = f"by={by!r}: no combination has that figure; there are: {', '.join(self.table.columns)}"
            raise ConfigError(msg)
        return self.table.iloc[self._best(by)]

    def _best(self, by: str) -> int:
        return int(np.nanargmax(self.table[by].to_numpy(dtype=np.float64)))

    def guard(self, by: str = "sharpe", **options: Any) -> Guard:  # noqa: ANN401 - the guard's own
        """Return whether the best combination survives, given all trials of the study: :func:`hedgekit.stats.overfit.guard` (A21)."""
        from hedgekit.stats.overfit import guard  # noqa: PLC0415 - two seconds to load, and no part of the sweep

        self.best(by)  # refuses a figure that is not there
        varied = self.table.drop(columns=list(FIGURES))
        names = [", ".join(f"{name}={value}" for name, value in row.items()) for row in varied.to_dict("records")]
        made = max(self.trials, len(self.table))
        return guard(pd.DataFrame(self.pnl, columns=names), chosen=names[self._best(by)], trials=made, **options)


def sweep(  # noqa: PLR0913 - what, on what, and how
    tape: Tape,
    grid: Mapping[str, Sequence[Any]],
    params: Mapping[str, Any] | None = None,
    *,
    draws: int | None = None,
    seed: int = 0,
    model: FillModel | None = None,
    study: str | None = None,
    ledger: str | os.PathLike[str] | None = None,
    plugin: Plugin | None = None,
    keep: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    progress: bool = True,
) -> Sweep:
    """Backtest every combination of a grid, or a random choice of them.

    Parameters
    ----------
    tape : Tape
        Quotes of both legs.
    grid : mapping of str to sequence
        Names of :class:`~hedgekit.params.Params` and the values to try.
    params : mapping, optional
        The numbers that stay as they are.
    draws, seed : int, optional
        Try so many different combinations, drawn without putting back; all by default.
    model : FillModel, optional
        As in :func:`hedgekit.backtest.run`.
    study : str, optional
        What is searched for; the names of the legs by default. Give one name to everything that looks for the same thing.
    ledger : path, optional
        File of the trial ledger; the user's own by default.
    plugin : Plugin, optional
        Your own signal (with ``signal="user"`` among the numbers) or hedge: :func:`hedgekit.plugins.load`. Its hash is part of each trial.
    keep : path, optional
        A folder for what is finished: a sweep that was stopped, given the same folder, runs only what is not there. A combination is
        found again by its numbers, tape, fill model and version of hedgekit.
    jobs : int, optional
        Threads, or what the joblib backend makes of it.
    progress : bool
        Show a progress bar if it takes longer than 2 s.

    Returns
    -------
    Sweep

    Raises
    ------
    ConfigError
        If a name or value is wrong in any combination, or the plugin does not fit the signal, or two combinations close different bars:
        nothing is left out silently, and nothing is run before all are checked.
    DataError
        If the plugin fails or looks ahead.
    JournalError
        If the ledger cannot be written (an uncounted sweep is no result), or the folder of ``keep`` cannot be used.
    """
    chosen = combinations(grid, draws, seed)
    fixed, filling = dict(params or {}), model or FillModel()
    numbers = [Params.make(**fixed | values) for values in chosen]
    name = study or "~".join(instrument.symbol for instrument in tape.instruments)
    trials = [Trial(one.structure, tape.digest, one.model_dump() | {"model": str(filling)}) for one in numbers]
    if plugin is not None:
        for one in numbers:
            check_signal(plugin.name, one.signal, scores=plugin.scores is not None)
        trials = [replace(trial, code=f"{trial.code}, plugin {plugin.sha256}") for trial in trials]
    asked = _Asked(tape, numbers, trials, filling, plugin)
    told, pnl = [dict[str, float]()] * len(chosen), np.empty((len(chosen), _bars(asked)))
    for i, outcome in _found(asked, pnl.shape[1], None if keep is None else Kept(keep), jobs=jobs, progress=progress):
        told[i], pnl[i] = outcome
    rows = [{**values, **figures} for values, figures in zip(chosen, told, strict=True)]
    record(name, [replace(trial, figures=figures) for trial, figures in zip(trials, told, strict=True)], where=ledger)
    return Sweep(pd.DataFrame(rows), pnl.T, count(name, where=ledger), name)


class _Asked(NamedTuple):
    tape: Tape
    numbers: list[Params]
    trials: list[Trial]
    model: FillModel
    plugin: Plugin | None


def _bars(asked: _Asked) -> int:
    """Return how many bars the tape has, the same ones for every combination; ConfigError if they are not."""
    one, *others = {grid_key(params, asked.model.ws_ns): params for params in asked.numbers}.values()
    first = _closes(asked, one)
    for other in others:
        closes = _closes(asked, other)
        if not np.array_equal(first, closes):
            names = [name for name in GEOMETRY if getattr(one, name) != getattr(other, name)]
            values = ", ".join(f"{name}={getattr(one, name)!r} and {getattr(other, name)!r}" for name in names)
            msg = (
                f"grid: {values} close different bars ({len(first):,} and {len(closes):,}), "
                "and a sweep compares combinations bar by bar; sweep each of them by itself, under one study"
            )
            raise ConfigError(msg)
    return len(first)


def _closes(asked: _Asked, params: Params) -> np.ndarray:
    return grid_of(asked.tape, pack_params(params, asked.tape.instruments), asked.model.ws_ns).close_ns


def _found(asked: _Asked, bars: int, kept: Kept | None, *, jobs: int | None, progress: bool) -> Iterator[tuple[int, Outcome]]:
    """Give the outcome of every combination: those that are kept, then the others, run."""
    tape, numbers, trials, model, plugin = asked
    ready = {} if kept is None else {i: outcome for i, trial in enumerate(trials) if (outcome := kept.get(trial.hash, bars)) is not None}
    left = sorted(set(range(len(numbers))) - set(ready), key=lambda i: [getattr(numbers[i], name) for name in SHARED])
    parts = [left[i : i + PART] for i in range(0, len(left), PART)]
    shared: Plans = {}
    calls = (joblib.delayed(_part)(tape, [numbers[i] for i in part], model, shared, plugin) for part in parts)
    yield from ready.items()
    with tqdm(total=len(numbers), initial=len(ready), desc="combinations", delay=WAIT_S, disable=not progress) as bar:
        for part, results in zip(parts, joblib.Parallel(n_jobs=jobs, prefer="threads", return_as="generator")(calls), strict=True):
            for i, outcome in zip(part, results, strict=True):
                if kept is not None:
                    kept.put(trials[i].hash, outcome)
                yield i, outcome
            bar.update(len(part))


def combinations(grid: Mapping[str, Sequence[Any]], draws: int | None = None, seed: int = 0) -> list[dict[str, Any]]:
    """Return the combinations of a grid, or ``draws`` different ones of them; ConfigError if there are none."""
    empty = [name for name, values in grid.items() if isinstance(values, str) or not len(values)]
    if not grid or empty:
        msg = (
            f"grid: {empty[0]!r} has no values"
            if empty
            else "grid is empty: name a number and its values, for example {'entry': [1.5, 2.0]}"
        )
        raise ConfigError(msg)
    every = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    if draws is None:
        return every
    if not 1 <= draws <= len(every):
        msg = f"draws={draws}: must be 1 to {len(every)}, the combinations of the grid"
        raise ConfigError(msg)
    picked = np.random.Generator(np.random.PCG64(seed)).choice(len(every), draws, replace=False)
    return [every[i] for i in sorted(picked)]


def _part(tape: Tape, numbers: list[Params], model: FillModel, shared: Plans, plugin: Plugin | None) -> list[Outcome]:
    return [outcome_of(curves(tape, one, model, shared, plugin)) for one in numbers]


def outcome_of(c: Curves) -> Outcome:
    """Return the figures of a combination, as a sweep and the trial ledger tell them."""
    pnl, other = np.empty(len(c.hedged)), np.empty(len(c.hedged))
    mine, depth = measured(c.hedged, pnl, m.BARS_PER_YEAR, m.TINY)
    base, other_depth = measured(c.unhedged, other, m.BARS_PER_YEAR, m.TINY)
    ends = (float(curve[-1]) if len(curve) else 0.0 for curve in (c.hedged, c.unhedged, c.hedged_at_mids))
    return Outcome(dict(zip(FIGURES, (c.trades, *ends, mine, base, mine - base, depth, other_depth), strict=True)), pnl)
