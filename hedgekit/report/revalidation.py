"""A revalidation as its report sees it (A5): a plan in force, prices since before it was made, the decision, and the new plan file.

The decision itself is :func:`hedgekit.stats.breaks.revalidate`; ``decided`` says it in words and tables, ``moved`` draws it.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hedgekit.data import load_closes
from hedgekit.errors import ConfigError
from hedgekit.journal import Journal
from hedgekit.params import Params
from hedgekit.plans import PlanFile
from hedgekit.report.words import count
from hedgekit.stats import ratio
from hedgekit.stats.breaks import revalidate
from hedgekit.trials import data_digest
from hedgekit.types import PlanRevised

if TYPE_CHECKING:
    from hedgekit.stats.breaks import Revalidation
    from hedgekit.types import HedgePlan

LEAST = 30
"""Fewest rows of which a table says anything."""


@dataclass(frozen=True, eq=False, slots=True)
class Case:
    """A plan, the prices since before it was made, and what was decided.

    Attributes
    ----------
    name : str
        The session, or the file of prices.
    keys : tuple of str
        Keys of the legs, primary first.
    prices : DataFrame
        Columns primary and hedge (symbols), UTC index.
    plan : HedgePlan
        The plan in force.
    origin : str
        Where it was found, in words.
    found : Revalidation
    file : PlanFile
        What a session can load.
    options : dict
        ``level``, ``matters``, ``least_effectiveness``, ``valid_days``, ``seed``.
    significance : float
        What a plan's evidence must be below before it may open a trade.
    """

    name: str
    keys: tuple[str, ...]
    prices: pd.DataFrame
    plan: HedgePlan
    origin: str
    found: Revalidation
    file: PlanFile
    options: dict[str, Any]
    significance: float

    @property
    def primary(self) -> str:
        """Symbol of the primary leg."""
        return str(self.prices.columns[0])

    @property
    def hedge(self) -> str:
        """Symbol of the hedge leg."""
        return str(self.prices.columns[1])

    @property
    def made(self) -> pd.Timestamp:
        """When the plan in force was fitted."""
        return pd.Timestamp(self.plan.fitted_at_ns, unit="ns", tz="UTC")

    @property
    def since(self) -> pd.DataFrame:
        """Prices since the plan was made, with the last one before."""
        return self.prices[max(0, int(self.prices.index.searchsorted(self.made, side="right")) - 1) :]

    @property
    def before(self) -> pd.DataFrame:
        """Prices that the plan was made on."""
        return self.prices[: self.made].tail(self.plan.n + 1)

    @property
    def bar_s(self) -> float:
        """Seconds between two prices, in the median."""
        return float(np.median(np.diff(pd.DatetimeIndex(self.prices.index).as_unit("ns").asi8))) / 1e9


def load(  # noqa: PLR0913 - a notebook's parameters
    journal: str | os.PathLike[str] = "",
    session: str = "",
    prices: str | os.PathLike[str] = "",
    plan: str | os.PathLike[str] = "",
    *,
    level: float = 0.05,
    matters: float = 0.01,
    least_effectiveness: float = 0.10,
    valid_days: float = 60.0,
    seed: int = 0,
) -> Case:
    """Revalidate a plan.

    Parameters
    ----------
    journal, session : path or URL, str
        A session: its bars are the prices, and its newest plan the one in force, unless these are given.
    prices : path
        A file of closes (:func:`hedgekit.data.load_closes`) with a column for the symbol of each leg; from the plan's window on.
    plan : path
        A plan file that is in force.
    level, matters, least_effectiveness, valid_days, seed
        As for :func:`hedgekit.stats.breaks.revalidate`.

    Raises
    ------
    ConfigError
        If neither a journal nor a plan file and prices are given, or the plan is a basket's.
    DataError
        If the prices cannot be used, or do not reach back to the plan's window.
    """
    told = _Told.of_session(journal, session) if os.fspath(journal) else _Told()
    if os.fspath(plan):
        told.take(PlanFile.load(plan), os.fspath(plan))
    if told.plan is None or not (os.fspath(prices) or told.prices is not None):
        msg = "nothing to revalidate: give a journal (-p journal J -p session S), or a plan file and prices (-p plan F -p prices P)"
        raise ConfigError(msg)
    if told.plan.others:
        msg = f"the plan has {1 + len(told.plan.others)} hedges: only a pair's is revalidated; refit a basket with hedgekit.stats.ratio"
        raise ConfigError(msg)
    symbols = [key.partition(":")[2] for key in told.keys]
    if os.fspath(prices) or told.prices is None:
        told.prices, told.name = load_closes(Path(prices), columns=symbols), told.name or Path(prices).name
    frame = told.prices.set_axis(symbols, axis=1)
    options: dict[str, Any] = {
        "level": level,
        "matters": matters,
        "least_effectiveness": least_effectiveness,
        "valid_days": valid_days,
        "seed": seed,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the libraries have to say stands in the fit's own warnings
        found = revalidate(told.plan, frame[symbols[0]], frame[symbols[1]], **options)
    file = PlanFile(
        instruments=told.keys,
        decision=found.decision,
        reasons=found.reasons,
        decided_at_ns=int(pd.DatetimeIndex(frame.index).as_unit("ns").asi8[-1]),
        data=data_digest(frame),
        plan=found.plan,
    )
    return Case(told.name, told.keys, frame, told.plan, told.origin, found, file, options, told.significance)


class _Told:
    """What journal and files say."""

    def __init__(self) -> None:
        self.name = self.origin = ""
        self.keys: tuple[str, ...] = ()
        self.plan: HedgePlan | None = None
        self.prices: pd.DataFrame | None = None
        self.significance = float(Params().significance)

    @classmethod
    def of_session(cls, journal: str | os.PathLike[str], session: str) -> _Told:
        told = cls()
        with Journal.open(journal, session, mode="read") as book:
            equity, plans, started = book.equity(), list(book.records(types=[PlanRevised])), book.started
        told.name, told.keys = session, tuple(instrument.key for instrument in started.instruments[:2])
        told.significance = Params.make(**started.params).significance
        told.prices = equity[["mid_primary", "mid_hedge"]]
        newest = plans[-1] if plans else None
        if isinstance(newest, PlanRevised):
            told.plan = newest.plan
            told.origin = f"newest of {count(len(plans), 'plan')} in session {session}" + (", from a file" if newest.source else "")
        return told

    def take(self, file: PlanFile, name: str) -> None:
        if self.keys and file.instruments != self.keys:
            msg = f"{name} is of {' and '.join(file.instruments)}; the session trades {' and '.join(self.keys)}"
            raise ConfigError(msg)
        if file.plan is None:
            msg = f"{name} retired the pair: there is no plan in force; fit a new one with hedgekit.stats.ratio"
            raise ConfigError(msg)
        self.keys, self.plan, self.origin = file.instruments, file.plan, f"plan file {Path(name).name}, {file.text()}"


def paths(c: Case) -> pd.DataFrame:
    """Return the ratio over time: rolling over the plan's window with its 95% interval, and expanding from the first price.

    Returns
    -------
    DataFrame
        Index UTC; columns ``rolling``, ``low``, ``high``, ``expanding``, dollars per dollar; NaN while there are too few.
    """
    moves = log_moves(c.prices)
    span = min(c.plan.n, len(moves))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = ratio.rolling(c.prices.iloc[:, 0], c.prices.iloc[:, 1], span=span, folds=0, tested=False)
    y, x = moves.iloc[:, 0], moves.iloc[:, 1]
    expanding = (y.expanding(LEAST).cov(x) / x.expanding(LEAST).var()).to_numpy()
    band = fit.intervals()
    frame = {"rolling": band["ratio"].to_numpy(), "low": band["low"].to_numpy(), "high": band["high"].to_numpy(), "expanding": expanding}
    return pd.DataFrame(frame, index=moves.index)


def log_moves(frame: pd.DataFrame) -> pd.DataFrame:
    """Return log returns, one row fewer."""
    logs = pd.DataFrame(np.log(frame.to_numpy(dtype=np.float64)), index=frame.index, columns=frame.columns)
    return logs.diff().iloc[1:]


def spread(frame: pd.DataFrame, h: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the log spread of the two columns at a ratio, shape (rows,)."""
    logs = np.log(frame.to_numpy(dtype=np.float64))
    return np.asarray(logs[:, 0] - h * logs[:, 1])
