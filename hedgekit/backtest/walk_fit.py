"""What is fitted inside a fold: one ratio for a training part with holes, and thresholds from its spread.

Lopez de Prado (2018, sections 7.4 and 12.3): whatever a test uses must be fitted on the training part of its own split, and
nothing of the training part may know of the test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from hedgekit.errors import ConfigError, DataError
from hedgekit.params import Params
from hedgekit.stats.ratio import ols, plan_due
from hedgekit.stats.reversion import ou
from hedgekit.stats.thresholds import CycleRule, bertram, zeng_lee

if TYPE_CHECKING:
    from hedgekit.backtest.walk_runs import Run
    from hedgekit.data import Array
    from hedgekit.types import HedgePlan

RULES = ("bertram", "always", "conventional")
ENDLESS_NS = 2**62
LEAST_RETURNS = 30


@dataclass(frozen=True, eq=False, slots=True)
class Training:
    """What a rule may look at: the training part of one fold and nothing else.

    Attributes
    ----------
    mids : tuple of float64 arrays, each of shape (bars, legs)
        Mids at bar closes, one array for each run without a hole, oldest first.
    ratios : tuple of float
        Hedge ratio fitted on them, one for each hedge: in a walk forward the newest, in cross-validation that of the fold.
    half_cost : tuple of float
        For each leg what trading one unit of money costs: mean half-spread over these runs, and fees.
    """

    mids: tuple[Array, ...]
    ratios: tuple[float, ...]
    half_cost: tuple[float, ...]

    @property
    def spreads(self) -> tuple[Array, ...]:
        """The log spread of each run: ln primary less each hedge's ln price times its ratio."""
        return tuple(np.log(run) @ np.array([1.0, *(-ratio for ratio in self.ratios)]) for run in self.mids)

    def round_trip(self, params: Params) -> float:
        """Return what opening and closing costs, in log units of the spread, as A20 counts it: all legs and the slippage buffer."""
        sizes = (1.0, *map(abs, self.ratios))
        return sum(size * (2 * cost + params.slippage_buffer) for size, cost in zip(sizes, self.half_cost, strict=True))


Fit = Callable[[Training, Params], Mapping[str, Any] | None]
"""A rule: from the training part and a combination's numbers to the numbers that replace some of them; None for "do not trade"."""


def rule_of(thresholds: Literal["bertram", "always", "conventional"] | Fit | None) -> Fit | None:
    """Return the rule by its name, or the caller's own.

    Raises
    ------
    ConfigError
        If there is no such rule.
    """
    if thresholds is None or callable(thresholds):
        return thresholds
    if thresholds not in RULES:
        msg = f"thresholds={thresholds!r}: write one of {', '.join(map(repr, RULES))}, or a function of (Training, Params)"
        raise ConfigError(msg)
    return lambda training, params: _optimal(thresholds, training, params)


def _optimal(name: Literal["bertram", "always", "conventional"], training: Training, params: Params) -> dict[str, float] | None:
    """Return entry and target of an optimal rule on the longest run's spread (a fit must not span a hole); None if it is not tradable.

    The stop keeps its distance from the entry: these rules know none.
    """
    longest = max(training.spreads, key=len)
    if not np.ptp(longest) > 0:
        return None
    fitted = ou(longest).ou
    if fitted is None:
        return None
    cost = training.round_trip(params)
    found: CycleRule = bertram(fitted, cost) if name == "bertram" else zeng_lee(fitted, cost, rule=name)
    low, high, *_ = Params.range_of("entry")
    if not found.tradable or low is None or high is None or not low <= found.z_entry <= high:
        return None
    return {"entry": found.z_entry, "target": found.z_exit, "stop": found.z_entry + params.stop - params.entry}


def pooled_plan(runs: Sequence[Run], params: Params) -> HedgePlan:
    """Return one plan for a training part with holes.

    The ratio is least squares on the returns of all runs together, none of which spans a hole. Levels cannot be put together so:
    the test for cointegration and the half-life are those of the longest run. The plan does not expire: cross-validation has no "now".

    Raises
    ------
    DataError
        If there are fewer than 30 returns.
    """
    longest = max(runs, key=len)
    if len(longest) <= LEAST_RETURNS:
        msg = f"the longest training run has {len(longest)} bars, more than {LEAST_RETURNS} are needed to fit a ratio: use fewer groups"
        raise DataError(msg)
    whole = params.model_copy(update={"fit_bars": len(longest) - 1, "refit_bars": len(longest)})
    plan = plan_due(longest.mids, int(longest.ns[-1]), whole)
    ends = {"fitted_at_ns": max(int(run.ns[-1]) for run in runs), "valid_until_ns": ENDLESS_NS}
    logs = np.concatenate([np.diff(np.log(run.mids), axis=0) for run in runs])
    if not (np.ptp(logs, axis=0) > 0).all():  # a leg stood still in all of it: the plan says so, and opens nothing
        return msgspec.structs.replace(plan, **ends)
    spliced = np.exp(np.concatenate([np.zeros((1, logs.shape[1])), np.cumsum(logs, axis=0)]))
    fit = ols(spliced[:, 0], spliced[:, 1:], folds=0, tested=False)
    pooled = fit.to_plan(evidence=plan.evidence, override=plan.override, **ends)
    return msgspec.structs.replace(pooled, half_life=plan.half_life)


def training_of(runs: Sequence[Run], ratios: tuple[float, ...]) -> Training:
    """Return what a rule may look at."""
    half = [(run.tape.ask - run.tape.bid) / (run.tape.ask + run.tape.bid) for run in runs]
    mids = [run.tape.mid for run in runs]
    legs = runs[0].tape.instruments
    costs = tuple(
        float(np.nanmean(np.concatenate([rows[:, leg] for rows in half])))
        + float(one.fees.rate)
        + float(one.fees.per_unit / one.multiplier) / float(np.nanmean(np.concatenate([rows[:, leg] for rows in mids])))
        for leg, one in enumerate(legs)
    )
    return Training(tuple(run.mids for run in runs), ratios, costs)
