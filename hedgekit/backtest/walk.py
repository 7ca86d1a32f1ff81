"""Out-of-sample tests of a strategy whose numbers are chosen again in each fold: walk forward, and cross-validation (CPCV).

The figure of the best combination on the bars it was chosen on says little (A21). Here every fold chooses on its training part alone,
hedge ratio and thresholds both, and is judged on bars that had no part in it.

- :func:`walk_forward` chooses on the past and trades what follows, as one would have done: one path through history.
- :func:`cross_validate` tests every group of bars several times, each time with another training part, and puts the tests together to
  many paths (combinatorial purged cross-validation, Lopez de Prado 2018, chapters 7 and 12). It asks how far luck of the one
  history goes; part of the training lies after its test, which no trader could have had, so it does not stand in for the walk forward.

Conventions of both
    A fold's parts are counted in closed bars. Each stretch of training and each tested block is a tape of its own: it starts
    flat, its windows reach no further back than its own bars, and what is open is closed before it ends (``walk_runs``). So no
    trade or window of the training part reaches into a test, whatever ``purge`` is; ``purge`` and ``embargo`` keep
    them apart by what prices that are near in time share anyway. A test's first window (and in a walk forward its
    first ratio) rests on the bars just before it, which were known then; nothing is traded on them.
    Closing at executable prices takes displayed sizes: what two bars of thin quotes cannot fill is valued at the last mid, so its exit
    is not paid for. With sizes that small, trade a smaller ``notional``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

from hedgekit.backtest.sweep import WAIT_S, combinations
from hedgekit.backtest.walk_fit import Fit, rule_of
from hedgekit.backtest.walk_folds import FIGURES, Done, Past, Pooled, Teacher, do_fold, figures, training_lead
from hedgekit.backtest.walk_result import WalkForward
from hedgekit.backtest.walk_runs import LEAVE_BARS, Bars, bars_of
from hedgekit.errors import ConfigError, DataError
from hedgekit.exchange.model import FillModel
from hedgekit.params import Params
from hedgekit.stats.inputs import whole_number
from hedgekit.stats.overfit import Fold, assemble, folds
from hedgekit.trials import Trial, count, record

if TYPE_CHECKING:
    import os

    from hedgekit.data import Array, Tape

LEAST = 20
"""Bars that must be left to trade on in training, and in each group."""
EMBARGO_FRAC = 0.01
"""Embargo as a part of all bars (Lopez de Prado 2018, section 7.4.2)."""
BAR_NUMBERS = ("bar_s", "bar_ticks", "bar_offset_s", "max_quote_age_s")
POOLED_NUMBERS = ("fit_bars", "refit_bars", "plan_valid_days")


def walk_forward(  # noqa: PLR0913 - what, on what, and how
    tape: Tape,
    grid: Mapping[str, Sequence[Any]],
    params: Mapping[str, Any] | None = None,
    *,
    train: int,
    test: int,
    anchored: bool = False,
    purge: int | None = None,
    by: str = "sharpe",
    thresholds: Literal["bertram", "always", "conventional"] | Fit | None = None,
    model: FillModel | None = None,
    study: str | None = None,
    ledger: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    progress: bool = True,
) -> WalkForward:
    """Choose on the past, trade what follows, step on; all parts of a choice are made again in each fold.

    Ratios roll as in a live session: every ``refit_bars`` bars from the ``fit_bars`` returns before, in a test too (there from
    bars before the refit, some of them tested already). The first ratio of a test is made on the bar before it.
    Against one plain backtest that has the same refits, a combination of its own (a grid of one) makes the same decisions
    in a test, but for two conventions: a test starts flat, where the backtest may hold a trade from before, and it opens nothing in
    its last two bars and closes there what is open.

    Parameters
    ----------
    tape : Tape
        Quotes of both legs.
    grid : mapping of str to sequence
        Names of :class:`~hedgekit.params.Params` and the values to choose from.
    params : mapping, optional
        The numbers that stay as they are.
    train, test : int
        Bars to choose on (with ``anchored`` in the first fold) and to trade on; the last test may be shorter. With a test of a whole
        number of ``refit_bars`` training parts that overlap share their ratios, which saves time.
    anchored : bool
        Choose on the whole past, not on its last ``train`` bars.
    purge : int, optional
        Bars left out between the two. By default twice the longest lookback: its window, and a trade, which a z-score
        forgets when the window has moved past its entry.
    by : {"sharpe", "sharpe_gain", "pnl"}
        The training figure that chooses: the larger, the first of equals. Sharpe ratio, what the hedge adds to it, or P&L.
        Figures are taken from the bar on which every combination could trade.
    thresholds : {"bertram", "always", "conventional"} or callable, optional
        Fit the levels on the training part and put them over each combination before they compete: Bertram's or Zeng & Lee's
        rules (:mod:`hedgekit.stats.thresholds`) on an Ornstein-Uhlenbeck fit of the training spread, with its costs; the stop
        keeps its distance. Their z is in stationary sd: use a lookback of many half-lives. A callable gets
        :class:`~hedgekit.backtest.walk_fit.Training` and Params, and returns numbers, or None for "do not trade".
    model : FillModel, optional
        As in :func:`hedgekit.backtest.run`.
    study, ledger
        As in :func:`hedgekit.backtest.sweep.sweep`.
    jobs : int, optional
        Threads, or what the joblib backend makes of it.
    progress : bool
        Show a progress bar if it takes longer than 2 s.

    Returns
    -------
    WalkForward

    Raises
    ------
    ConfigError
        If a name or value is wrong in any combination, a length leaves nothing to train or to test on, or the grid varies what
        bars are made of.
    DataError
        If the tape has no bars, or cannot be cut into runs.
    JournalError
        If the ledger cannot be written: an uncounted search is no result.

    References
    ----------
    Lopez de Prado 2018, "Advances in Financial Machine Learning", sections 7.4 (purging) and 12.2 (walk forward).
    """
    asked = _Asked(tape, grid, params, model, by, thresholds, BAR_NUMBERS)
    whole_number("test", test, LEAVE_BARS + 1)
    gap = _gap(asked, purge, 0)
    cuts = list(folds.walk_forward(len(asked.bars), train=train, test=test, purge=gap, anchored=anchored))
    left = len(cuts[0].train) - training_lead(cuts[0], asked.numbers)
    if left < LEAST:
        msg = (
            f"train={train}: {max(0, left)} bars are left after the first ratio and window "
            f"(fit_bars + 1, up to refit_bars - 1 more to meet the rhythm of refits, lookback); {LEAST} are needed: "
            f"write train={train + LEAST - left} or more, or shorten fit_bars"
        )
        raise ConfigError(msg)
    done = asked.run(cuts, Past(asked.bars), jobs, progress)
    hedged, unhedged = (np.concatenate([getattr(one.tested, name) for one in done])[None] for name in ("hedged", "unhedged"))
    how = {"driver": "walk_forward", "train": train, "test": test, "purge": gap, "anchored": anchored}
    return asked.result(done, (hedged, unhedged), how, study, ledger)


def cross_validate(  # noqa: PLR0913 - what, on what, and how
    tape: Tape,
    grid: Mapping[str, Sequence[Any]],
    params: Mapping[str, Any] | None = None,
    *,
    groups: int = 6,
    held_out: int = 2,
    purge: int | None = None,
    embargo: int | None = None,
    by: str = "sharpe",
    thresholds: Literal["bertram", "always", "conventional"] | Fit | None = None,
    model: FillModel | None = None,
    study: str | None = None,
    ledger: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    progress: bool = True,
) -> WalkForward:
    """Test every choice of groups of bars, each time chosen and fitted on the others, and put the tests together to whole paths.

    N = ``groups`` and k = ``held_out`` make C(N, k) folds and k C(N, k) / N paths through all bars.

    The hedge ratio
        One for each fold: least squares on the returns of all its training runs together. No return spans a hole, so the returns
        can be pooled; levels cannot, so the test for cointegration and the half-life of a time stop are those of the longest
        run. Training trades on the same ratio. The model of a split is fitted on its whole training part (Lopez de Prado 2018,
        sections 7.4 and 12.4): the runs nearest to the test would know it best, but what is near is what purging removes. Where
        the ratio moves, a pooled one is its mean over years before and after, and a walk forward is the better judge.

    Parameters
    ----------
    tape, grid, params, by, thresholds, model, study, ledger, jobs, progress
        As in :func:`walk_forward`. ``thresholds`` are fitted on the longest run. ``fit_bars``, ``refit_bars`` and
        ``plan_valid_days`` play no part and may not be varied.
    groups, held_out : int
        N and k: into how many groups the bars are cut, and how many are tested at a time.
    purge : int, optional
        Bars left out of training on both sides of a test; at least the longest lookback less one, on which a test warms up. By default
        twice the longest lookback.
    embargo : int, optional
        Bars left out after a test in addition; 1% of all by default.

    Returns
    -------
    WalkForward

    Raises
    ------
    ConfigError, DataError, JournalError
        As :func:`walk_forward`.

    References
    ----------
    Lopez de Prado 2018, "Advances in Financial Machine Learning", sections 7.4 (purging and embargo) and 12.4 (CPCV).
    """
    asked = _Asked(tape, grid, params, model, by, thresholds, (*BAR_NUMBERS, *POOLED_NUMBERS))
    n, longest = len(asked.bars), asked.lookback
    gap = _gap(asked, purge, longest - 1)
    after = -int(-EMBARGO_FRAC * n // 1) if embargo is None else embargo
    cuts = list(folds.splits(n, groups, held_out, purge=gap, embargo=after))
    least = longest + LEAVE_BARS + LEAST
    if n // groups < least:
        msg = (
            f"groups={groups}: {n // groups} bars in a group, {least} are needed with lookback={longest}: use fewer groups or more history"
        )
        raise ConfigError(msg)
    for fold in cuts:
        stretches = np.split(fold.train, np.flatnonzero(np.diff(fold.train) > 1) + 1)
        if max(map(len, stretches)) < least:
            msg = (
                f"groups={groups}, held_out={held_out}, purge={gap}, embargo={after}: fold {fold.number} has no stretch of {least} bars to "
                f"train on; use fewer groups, hold out fewer, or load more history"
            )
            raise ConfigError(msg)
    done = asked.run(cuts, Pooled(asked.bars, groups), jobs, progress)
    hedged, unhedged = (assemble(cuts, [getattr(one.tested, name) for one in done]) for name in ("hedged", "unhedged"))
    how = {"driver": "cross_validate", "groups": groups, "held_out": held_out, "purge": gap, "embargo": after}
    return asked.result(done, (hedged, unhedged), how, study, ledger)


class _Asked:
    """What both drivers are asked, checked before anything runs."""

    def __init__(  # noqa: PLR0913 - as the drivers take it
        self,
        tape: Tape,
        grid: Mapping[str, Sequence[Any]],
        params: Mapping[str, Any] | None,
        model: FillModel | None,
        by: str,
        thresholds: Literal["bertram", "always", "conventional"] | Fit | None,
        fixed: Sequence[str],
    ) -> None:
        self.fit, self.by = rule_of(thresholds), by
        self.rule = thresholds if isinstance(thresholds, str | None) else getattr(thresholds, "__qualname__", repr(thresholds))
        if by not in FIGURES:
            msg = f"by={by!r}: must be one of {', '.join(map(repr, FIGURES))}"
            raise ConfigError(msg)
        for name in fixed:
            if name in grid:
                why = "bars are what folds are cut in" if name in BAR_NUMBERS else "each fold has one ratio, from all of its training part"
                msg = f"grid: {name!r} cannot be chosen here: {why}; put one value into params"
                raise ConfigError(msg)
        twice = [name for name in ("entry", "target") if name in grid and isinstance(thresholds, str)]
        if twice:
            msg = f"grid: {twice[0]!r} is fitted by thresholds={thresholds!r}, so its values would make no difference; leave it out"
            raise ConfigError(msg)
        self.combinations = combinations(grid)
        self.numbers = [Params.make(**dict(params or {}) | values) for values in self.combinations]
        if any(one.signal == "user" for one in self.numbers):
            msg = "signal='user': scores given for the bars of a whole tape were made with all of it in sight; use a signal of the kit"
            raise ConfigError(msg)
        self.lookback = max(one.lookback for one in self.numbers)
        self.bars: Bars = bars_of(tape, self.numbers[0], model or FillModel())
        if not len(self.bars):
            msg = f"the tape closes no bar of bar_s={self.numbers[0].bar_s:g}: load more history, or allow older quotes (max_quote_age_s)"
            raise DataError(msg)

    def run(self, cuts: Sequence[Fold], teacher: Teacher, jobs: int | None, progress: bool) -> list[Done]:  # noqa: FBT001 - as the drivers take it
        """Run all folds, in order."""
        calls = (joblib.delayed(do_fold)(fold, teacher, self.bars, self.numbers, self.by, self.fit) for fold in cuts)
        working = joblib.Parallel(n_jobs=jobs, prefer="threads", return_as="generator")(calls)
        return list(tqdm(working, total=len(cuts), desc="folds", delay=WAIT_S, disable=not progress))

    def result(
        self,
        done: Sequence[Done],
        paths: tuple[Array, Array],
        how: dict[str, Any],
        study: str | None,
        ledger: str | os.PathLike[str] | None,
    ) -> WalkForward:
        """Count the trials and return what was found."""
        tape, hedged, unhedged = self.bars.tape, *paths
        name = study or "~".join(instrument.symbol for instrument in tape.instruments)
        how = {**how, "by": self.by, "thresholds": self.rule, "model": str(self.bars.model)}
        written = [Trial(one.structure, tape.digest, one.model_dump() | how, self._mean(done, i)) for i, one in enumerate(self.numbers)]
        every = [one.model_dump() for one in self.numbers]
        out = figures(hedged.mean(axis=0), unhedged.mean(axis=0), sum(one.tested.trades for one in done))
        written.append(Trial(f"{how['driver']} of {self.numbers[0].structure}", tape.digest, {"combinations": every} | how, out))
        record(name, written, where=ledger)
        tested = np.unique(np.concatenate([one.fold.test for one in done]))
        return WalkForward(
            folds=pd.DataFrame([self._row(one, shown="groups" in how) for one in done]).rename_axis("fold"),
            ts_ns=self.bars.ns[tested],
            pnl=hedged.mean(axis=0),
            pnl_unhedged=unhedged.mean(axis=0),
            paths=hedged,
            paths_unhedged=unhedged,
            by=self.by,
            combinations=len(self.numbers),
            trials=count(name, where=ledger),
            study=name,
        )

    def _mean(self, done: Sequence[Done], i: int) -> dict[str, float]:
        """Return a combination's training figure, mean of the folds that have one, and in how many it was chosen."""
        values = np.array([one.trained[i].get(self.by, np.nan) for one in done])
        known = values[~np.isnan(values)]
        return {f"in_sample_{self.by}": float(known.mean()) if len(known) else np.nan, "chosen": sum(one.chosen == i for one in done)}

    def _row(self, one: Done, *, shown: bool) -> dict[str, Any]:
        fold, ns = one.fold, self.bars.ns
        ends = {"train_from": fold.train[0], "train_to": fold.train[-1], "test_from": fold.test[0], "test_to": fold.test[-1]}
        tested = figures(one.tested.hedged, one.tested.unhedged, one.tested.trades)
        names = dict.fromkeys([*self.combinations[0], *(("entry", "target", "stop") if self.fit else ())])
        varied = {name: None if isinstance(getattr(self.numbers[0], name), str | None) else np.nan for name in names}
        before = np.nan if one.chosen is None else one.trained[one.chosen][self.by]
        return {
            **({"groups": fold.groups} if shown else {}),
            **{name: pd.Timestamp(int(ns[bar]), unit="ns", tz="UTC") for name, bar in ends.items()},
            "train_bars": len(fold.train),
            "test_bars": len(fold.test),
            "purged": fold.purged,
            **{name: missing if one.params is None else getattr(one.params, name) for name, missing in varied.items()},
            "ratio": one.ratios if len(one.ratios) > 1 else next(iter(one.ratios), np.nan),
            **{name: tested[name] for name in ("trades", "pnl", "pnl_unhedged")},
            "in_sample": before,
            "out_of_sample": tested[self.by],
            "degradation": before - tested[self.by],
            "says": one.says,
        }


def _gap(asked: _Asked, purge: int | None, least: int) -> int:
    if purge is None:
        return 2 * asked.lookback
    whole_number("purge", purge, 0)
    if purge < least:
        msg = (
            f"purge={purge}: a test warms up on the {least} bars before it (lookback={asked.lookback}), which may not train; write {least}"
        )
        raise ConfigError(msg)
    return purge
