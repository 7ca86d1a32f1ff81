"""Many combinations of a strategy's numbers on one tape: a grid, or draws from it, each counted.

The best of many is lucky (A21). Every combination is written into the trial ledger (:mod:`hedgekit.trials`), which survives
kernels and counts a repeated one once, so ``Sweep.trials`` is all that was ever tried under this study's name; ``Sweep.guard``
judges the best with that number. Work goes to joblib: threads by default (the compiled pass holds no lock of
the interpreter), or whatever backend the caller configured, a Dask cluster among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

from hedgekit import metrics as m
from hedgekit.backtest.lean import Curves, Plans, curves
from hedgekit.errors import ConfigError
from hedgekit.exchange.model import FillModel
from hedgekit.params import Params
from hedgekit.trials import Trial, count, record

if TYPE_CHECKING:
    import os

    from hedgekit.data import Array, Tape
    from hedgekit.stats.overfit import Guard

WAIT_S = 2.0
PART = 8
"""Combinations in one task."""
SHARED = ("bar_s", "bar_offset_s", "fit_bars", "refit_bars", "plan_valid_days", "significance", "max_quote_age_s")
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
        return guard(self.pnl, chosen=self._best(by), trials=max(self.trials, len(self.table)), **options)


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
        If a name or value is wrong in any combination: nothing is left out silently, and nothing is run before all are checked.
    JournalError
        If the ledger cannot be written: an uncounted sweep is no result.
    """
    chosen = combinations(grid, draws, seed)
    fixed = dict(params or {})
    numbers = [Params.make(**fixed | values) for values in chosen]
    order = sorted(range(len(numbers)), key=lambda i: [getattr(numbers[i], name) for name in SHARED])
    parts = [order[i : i + PART] for i in range(0, len(order), PART)]
    shared: Plans = {}
    found: dict[int, Curves] = {}
    filling = model or FillModel()
    calls = (joblib.delayed(_part)(tape, [numbers[i] for i in part], filling, shared) for part in parts)
    with tqdm(total=len(numbers), desc="combinations", delay=WAIT_S, disable=not progress) as bar:
        for part, results in zip(parts, joblib.Parallel(n_jobs=jobs, prefer="threads", return_as="generator")(calls), strict=True):
            found |= dict(zip(part, results, strict=True))
            bar.update(len(part))
    told = [_figures(found[i]) for i in range(len(chosen))]
    rows = [{**values, **figures} for values, figures in zip(chosen, told, strict=True)]
    pnl = np.column_stack([m.steps(found[i].hedged) for i in range(len(chosen))])
    name = study or "~".join(instrument.symbol for instrument in tape.instruments)
    written = [
        Trial(one.structure, tape.digest, one.model_dump() | {"model": str(filling)}, figures)
        for one, figures in zip(numbers, told, strict=True)
    ]
    record(name, written, where=ledger)
    return Sweep(pd.DataFrame(rows), pnl, count(name, where=ledger), name)


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


def _part(tape: Tape, numbers: list[Params], model: FillModel, shared: Plans) -> list[Curves]:
    return [curves(tape, one, model, shared) for one in numbers]


def _figures(c: Curves) -> dict[str, float]:
    mine, base = m.sharpe(m.steps(c.hedged)), m.sharpe(m.steps(c.unhedged))
    return {
        "trades": c.trades,
        "pnl": float(c.hedged[-1]) if len(c.hedged) else 0.0,
        "pnl_unhedged": float(c.unhedged[-1]) if len(c.unhedged) else 0.0,
        "pnl_at_mids": float(c.hedged_at_mids[-1]) if len(c.hedged_at_mids) else 0.0,
        "sharpe": mine,
        "sharpe_unhedged": base,
        "sharpe_gain": mine - base,
        "drawdown": m.max_drawdown(c.hedged),
        "drawdown_unhedged": m.max_drawdown(c.unhedged),
    }
