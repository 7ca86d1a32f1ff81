"""Profit and stop corridors by Monte Carlo, with the stop shown as what it is: an insurance against a broken model.

Every rule trades the same seeded histories twice: once with the model intact, and once with a spread that
becomes a random walk part of the way. While the model holds a stop can only cost (it closes trades that would have come
back); what it saves is in the other column. Neither column alone says whether to have one (METHODS 4).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from hedgekit.data import Array
from hedgekit.errors import ConfigError
from hedgekit.stats.checks import above, at_least
from hedgekit.stats.ou import OU
from hedgekit.stats.thresholds.figures import FIGURES, MODELS, Sums, group_sums, jackknife
from hedgekit.stats.thresholds.histories import simulate
from hedgekit.stats.thresholds.rule import NO_REVERSION, Rule, cost_of, finite

LEAST_PATHS, LEAST_BARS = 50, 10
_FOREVER = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Rule):
    """The best rule of a corridor. ``cost`` is that of a round trip.

    Attributes
    ----------
    z_stop : float
        Stop in stationary sd, as ``Params.stop``; infinite for none.
    by : str
        The figure that was maximised.
    value, value_se : float
        That figure, and its standard error. The best of many is flattered by luck: simulate it again with another seed.
    """

    z_stop: float
    by: str
    value: float
    value_se: float


@dataclass(frozen=True, slots=True)
class Corridor:
    """What every rule of the grid did, model intact and model broken.

    Attributes
    ----------
    table : DataFrame
        Index (entry, target, stop, model), in stationary sd, model "intact" or "broken"; a stop of inf is no stop. Columns,
        each followed by its standard error ``<name>_se``; money in spread units, net of cost:

        ``pnl``, ``pnl_sd`` mean and sd over histories of the whole history's P&L; ``sharpe_history`` their ratio;
        ``pnl_per_bar``; ``sharpe_bar`` mean over sd of the P&L of a bar, marked to market (times sqrt(bars per year)
        for a year); ``trades`` in a history; ``trade_pnl``, ``trade_sd``, ``sharpe_trade`` of a trade;
        ``drawdown`` mean largest fall in a history; ``share_stopped`` of the trades; ``gap_loss`` mean loss beyond the stop of a
        stopped trade (a rule that looks once a bar leaves behind the stop: no stop caps a gap), NaN if none;
        ``gap_per_history``; ``held`` mean bars in a trade; ``share_timed_out``; ``share_unfinished`` at the history's end.
        Last, without a standard error, ``gap_worst``: the largest gap loss met.
    insurance : DataFrame
        Index (entry, target, stop), stops only; each rule against the same rule without a stop, on the same histories, with
        standard errors of the *difference*: ``premium`` P&L given up while the model holds; ``saved_pnl``,
        ``saved_drawdown`` when it breaks; ``extra_drawdown`` while it holds; ``sharpe_intact``, ``sharpe_broken`` changes of
        the Sharpe ratio of a bar; ``break_even`` probability of a break from which on the stop pays in mean P&L
        (NaN unless ``saved_pnl`` is above two standard errors: a stop may save drawdown and nothing in the mean).
    ou, cost, bars, break_bar, max_bars, paths, seed, wait_after_stop
        As given; ``break_bar`` is the first bar of the random walk.
    reason : str
        Empty, or why all figures are NaN.
    """

    table: pd.DataFrame
    insurance: pd.DataFrame
    ou: OU
    cost: float
    bars: int
    break_bar: int
    max_bars: int | None
    paths: int
    seed: int
    wait_after_stop: bool
    reason: str = ""

    def compare(self, entry: float, target: float, stop: float) -> pd.DataFrame:
        """Return one rule's figures with columns intact, intact_se, broken, broken_se.

        Raises
        ------
        ConfigError
            If the rule is not in the grid.
        """
        if (entry, target, stop, "intact") not in self.table.index:
            msg = f"entry={entry:g}, target={target:g}, stop={stop:g}: not in the grid; its rules are the index of .table"
            raise ConfigError(msg)
        rows = self.table.xs((entry, target, stop), level=["entry", "target", "stop"])
        figures = rows[[name for name in rows.columns if not name.endswith("_se")]].T
        errors = rows[[name for name in rows.columns if name.endswith("_se")]].T.rename(index=lambda name: name.removesuffix("_se"))
        parts = {model + end: frame[model] for model in MODELS for end, frame in (("", figures), ("_se", errors.reindex(figures.index)))}
        return pd.DataFrame(parts)

    def best(self, *, by: str = "sharpe_bar", break_probability: float = 0.5) -> Choice:
        """Return the rule with the highest figure, weighed over both models.

        Parameters
        ----------
        by : str
            A column of ``table`` with a standard error, larger is better (``drawdown`` and ``pnl_sd`` are minimised).
        break_probability : float
            Weight of the broken column, 0 to 1. Nobody knows it; look whether the choice changes with it.

        Returns
        -------
        Choice
            Not tradable, with the reason, unless the rule earns more than two standard errors above 0 under that weight.

        Raises
        ------
        ConfigError
            If there is no such figure, or the probability is not from 0 to 1.
        """
        if by not in FIGURES:
            msg = f"by={by!r}: write one of {', '.join(FIGURES)}"
            raise ConfigError(msg)
        if not 0 <= break_probability <= 1:
            msg = f"break_probability={break_probability:g}: must be from 0 to 1"
            raise ConfigError(msg)
        if self.reason:
            nan = math.nan
            return Choice(ou=self.ou, cost=self.cost, z_entry=nan, z_exit=nan, tradable=False, reason=self.reason,
                          z_stop=nan, by=by, value=nan, value_se=nan)  # fmt: skip
        value, error, pnl, pnl_se = (self._weighed(name, break_probability) for name in (by, f"{by}_se", "pnl", "pnl_se"))
        score = -value if by in ("drawdown", "pnl_sd") else value
        k = 0 if np.isnan(score).all() else int(np.nanargmax(score))
        entry, target, stop = (float(level) for level in self.table.index[2 * k][:3])  # two rows, one for each model
        earns = bool(pnl[k] > 2 * pnl_se[k])
        said = (
            f"{pnl[k]:.4g} +- {pnl_se[k]:.2g} spread units in {self.bars} bars net of cost, at a break probability of {break_probability:g}"
        )
        return Choice(
            ou=self.ou, cost=self.cost, z_entry=entry, z_exit=target, z_stop=stop, tradable=earns, by=by,
            reason=("earns " if earns else "does not earn: ") + said, value=float(value[k]), value_se=float(error[k]),
        )  # fmt: skip

    def _weighed(self, name: str, p: float) -> Array:
        """Return a figure of every rule over both models; for standard errors an upper bound, since the models share their shocks."""
        intact, broken = (self.table[name].xs(model, level="model").to_numpy(np.float64) for model in MODELS)
        return intact if p == 0 else broken if p == 1 else (1 - p) * intact + p * broken


def corridor(  # noqa: PLR0913 - a simulation is described by so many numbers
    ou: OU,
    *,
    cost: float,
    entries: Sequence[float] = (1.5, 2.0, 2.5),
    targets: Sequence[float] = (0.0, 0.5),
    stops: Sequence[float] = (3.0, 3.5, 4.0),
    bars: int = 1_000,
    max_bars: int | None = None,
    break_at: float = 0.5,
    wait_after_stop: bool = True,
    paths: int = 1_000,
    seed: int = 0,
) -> Corridor:
    r"""Simulate every corridor (entry, target, stop) of a grid on the fitted spread, intact and broken.

    Steps are exact: z' = z exp(-kappa) + sqrt(1 - exp(-2 kappa)) e, starting from the stationary law. In the broken
    histories kappa is 0 from ``break_at`` on: z' = z + sqrt(2 kappa) e, the same volatility with nothing to come back to, while the
    rule goes on trading the old mean and sd. Rules look once a bar, at its close, and a new trade
    opens at the earliest on the bar after the last one was closed, as the strategy's engine does.

    Parameters
    ----------
    ou : OU
        The fitted spread. It is taken as the truth: errors of the fit are not in the figures.
    cost : float
        Of a round trip, in spread units, 0 or more; half at each end.
    entries, targets, stops : sequences of float
        In stationary sd, as in ``Params``; every target below every entry, every entry below every stop. "No
        stop" (inf) is always added for comparison.
    bars : int
        Length of a history, at least 10.
    max_bars : int, optional
        Close a trade after so many bars (the third barrier of López de Prado). None: never.
    break_at : float
        Where in the history the model breaks, above 0 and below 1.
    wait_after_stop : bool
        After a stop, wait until |z| has been inside the entry before the next trade. False trades again at once
        when z comes back inside the stop, and near a stop that means again and again.
    paths : int
        Number of histories, at least 50.
    seed : int
        Same seed, same figures.

    Returns
    -------
    Corridor
        All NaN with a reason if kappa is 0.

    Raises
    ------
    ConfigError
        If levels are missing, out of order or given twice, or a number is out of range.

    Notes
    -----
    Lipton & López de Prado 2020 find the same corridors with heat potentials; Kaminski & Lo 2014 show that under a
    random walk a stop lowers the mean. A trade still open at the end is closed there and counted: leaving it
    out would hide the losses of the rules without a stop. Standard errors: jackknife over 50 groups of histories.
    """
    c = cost_of("cost", cost)
    rules = _grid(entries, targets, stops)
    for name, value, least in (
        ("bars", bars, LEAST_BARS),
        ("paths", paths, LEAST_PATHS),
        ("max_bars", _FOREVER if max_bars is None else max_bars, 1),
    ):
        at_least(name, value, least, "a whole number")
    if not 0 < break_at < 1:
        msg = f"break_at={break_at:g}: must be above 0 and below 1, the share of the history before the break"
        raise ConfigError(msg)
    break_bar = max(1, round(break_at * bars))
    sums: dict[str, Sums] = {}
    for model, at in zip(MODELS, (bars, break_bar), strict=True):
        shape = {"bars": bars, "break_bar": at, "longest": _FOREVER if max_bars is None else max_bars, "paths": paths, "seed": seed}
        rows = simulate(rules, kappa=ou.kappa, cost=c / ou.sd, wait=wait_after_stop, **shape)
        sums[model] = group_sums(rows if ou.reverts else rows * math.nan, bars)
    table, insurance = _table(rules, sums, ou.sd), _insurance(rules, sums, ou.sd)
    return Corridor(table, insurance, ou, c, bars, break_bar, max_bars, paths, seed, wait_after_stop, "" if ou.reverts else NO_REVERSION)


def _grid(entries: Sequence[float], targets: Sequence[float], stops: Sequence[float]) -> Array:
    """Return every rule, shape (rules, 3), each without a stop as well."""
    for name, levels in (("entries", entries), ("targets", targets), ("stops", stops)):
        if not len(levels) or len(set(levels)) < len(levels):
            msg = f"{name}={list(levels)}: give at least one level, each once"
            raise ConfigError(msg)
        for level in levels:
            if not (name == "stops" and level == math.inf):
                finite(name, level)
    above("entries", min(entries), 0, "sd")
    if not max(targets) < min(entries) <= max(entries) < min(stops):
        msg = (
            f"targets up to {max(targets):g}, entries {min(entries):g} to {max(entries):g}, stops from {min(stops):g}: "
            "every target must be below every entry, and every entry below every stop"
        )
        raise ConfigError(msg)
    with_none = sorted({*stops, math.inf})
    return np.array(list(itertools.product(sorted(entries), sorted(targets), with_none)), dtype=np.float64)


def _keys(rules: Array) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays(list(rules.T), names=["entry", "target", "stop"])


def _table(rules: Array, sums: dict[str, Sums], sd: float) -> pd.DataFrame:
    frames = {}
    for model in MODELS:
        columns: dict[str, Array] = {}
        for name, figure in FIGURES.items():
            scale = sd if figure.money else 1.0
            estimate = jackknife(sums[model], figure.of)
            columns |= {name: estimate.value * scale, f"{name}_se": estimate.error * scale}
        columns["gap_worst"] = sums[model].gap_worst * sd
        frames[model] = pd.DataFrame(columns, index=_keys(rules))
    joined = pd.concat(frames, names=["model"]).reorder_levels(["entry", "target", "stop", "model"])
    order = [(*key, model) for key in _keys(rules) for model in MODELS]
    return joined.reindex(pd.MultiIndex.from_tuples(order, names=joined.index.names))


_Change = tuple[str, Literal["intact", "broken"], str, int]
_CHANGES: tuple[_Change, ...] = (
    ("premium", "intact", "pnl", -1),
    ("extra_drawdown", "intact", "drawdown", 1),
    ("sharpe_intact", "intact", "sharpe_bar", 1),
    ("saved_pnl", "broken", "pnl", 1),
    ("saved_drawdown", "broken", "drawdown", -1),
    ("sharpe_broken", "broken", "sharpe_bar", 1),
)


def _insurance(rules: Array, sums: dict[str, Sums], sd: float) -> pd.DataFrame:
    stops = np.flatnonzero(np.isfinite(rules[:, 2])).astype(np.intp)
    bare = {(rule[0], rule[1]): k for k, rule in enumerate(rules) if math.isinf(rule[2])}
    without = np.array([bare[rules[k, 0], rules[k, 1]] for k in stops], dtype=np.intp)
    columns: dict[str, Array] = {}
    for name, model, figure, sign in _CHANGES:
        scale = sign * (sd if FIGURES[figure].money else 1.0)
        change = jackknife(sums[model], FIGURES[figure].of, stops, without)
        columns |= {name: change.value * scale, f"{name}_se": change.error * abs(scale)}
    premium, saved = np.maximum(columns["premium"], 0.0), columns["saved_pnl"]
    with np.errstate(invalid="ignore"):  # NaN compares as false: no answer stays none
        columns["break_even"] = np.where(saved > 2 * columns["saved_pnl_se"], premium / (premium + saved), math.nan)
    return pd.DataFrame(columns, index=_keys(rules[stops]))
