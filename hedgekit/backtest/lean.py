"""A backtest's money without its words: what a sweep needs, from the compiled log of fills alone.

The same compiled pass as :func:`hedgekit.backtest.run`, so the same trades; a test holds the curves against the tables of
the full result. Decisions are not unpacked, and hedge plans, which do not depend on thresholds, are estimated once for all
combinations that share them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from hedgekit.backtest import loop
from hedgekit.backtest.booking import deal, legs_of
from hedgekit.backtest.carry import carried
from hedgekit.backtest.grid import grid_key, grid_of
from hedgekit.backtest.passes import Known, Pass
from hedgekit.compiled import making
from hedgekit.plugins.checks import scores_of
from hedgekit.stats.revise import Reviser
from hedgekit.step.records import pack_params

if TYPE_CHECKING:
    from hedgekit.backtest.grid import Grid
    from hedgekit.data import Array, Tape
    from hedgekit.exchange.model import FillModel
    from hedgekit.params import Params
    from hedgekit.plugins import Plugin
    from hedgekit.plugins.checks import Ratios, Scorer, Scores
    from hedgekit.types import HedgePlan

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False

Plans = dict[tuple[object, ...], "HedgePlan | Grid | Scores | Series"]
"""What combinations on one tape share: hedge plans and the whole series of them, the tape's bars, and a user's scores of them."""


@dataclass(frozen=True, eq=False, slots=True)
class Curves:
    """Cumulative P&L at each bar close, shape (bars,), money; trades opened.

    Attributes
    ----------
    hedged, unhedged : float64 arrays
        Net of spread, fees, funding and borrowing, at executable prices: all legs, and the primary alone.
    hedged_at_mids : float64 array
        All legs had they traded at mids, without fees and without the cost of holding: never to be shown alone.
    trades : int
    """

    hedged: Array
    unhedged: Array
    hedged_at_mids: Array
    trades: int


class Series(NamedTuple):
    """All plans of a tape, in order, as the step is told them."""

    plans: list[HedgePlan]
    known: Known
    next_fit: int


class Passed(NamedTuple):
    """A pass that is over, and the plans that it traded, in order."""

    work: Pass
    plans: list[HedgePlan]


def plan_key(params: Params, bars: int) -> tuple[object, ...]:
    """Return what a plan depends on besides the tape: the bars so far, window, and the numbers of its evidence and expiry."""
    geometry = (params.bar_s, params.bar_ticks, params.bar_offset_s, params.max_quote_age_s)
    return bars, params.fit_bars, params.plan_valid_days, params.significance, params.evidence_override, params.refit_bars, *geometry


def passed(  # noqa: PLR0913 - what is run, and a user's own part of it
    tape: Tape,
    params: Params,
    model: FillModel,
    shared: Plans | None = None,
    scores: Scorer | None = None,
    ratios: Ratios | None = None,
) -> Passed:
    """Run one strategy over a tape; ``shared`` is read and added to (one dict for one tape, one model and one user's functions)."""
    known = {} if shared is None else shared
    key = grid_key(params, model.ws_ns)
    if key not in known:
        known[key] = grid_of(tape, pack_params(params, tape.instruments), model.ws_ns)
    grid = cast("Grid", known[key])
    told = None
    if scores is not None:
        if ("scores", *key) not in known:
            known["scores", *key] = scores_of(scores, grid.mids)
        told = cast("Scores", known["scores", *key])
    work = Pass(tape, params, model, words=False, grid=grid, scores=told)
    every = ("series", *plan_key(params, 0))
    if every in known:  # an earlier combination has met them all: the pass need not stop at each
        series = cast("Series", known[every])
        work.go(series.next_fit, series.known)
        return Passed(work, series.plans)
    reviser, plans, at = Reviser(params, ratios), list["HedgePlan"](), list[int]()
    while work.go(reviser.next_fit) == loop.REVISE:
        at.append(work.bars)
        key = plan_key(params, work.bars)
        if key in known:
            reviser.passed()
        else:
            known[key] = reviser.revise(work.mids, work.close_ns)
        plans.append(cast("HedgePlan", known[key]))
        work.revise(plans[-1])
    if shared is not None:
        known[every] = Series(plans, Known(plans, at, grid, len(tape.instruments), params.significance), reviser.next_fit)
    else:
        grid.found.clear()  # nobody asks for these scores again
    return Passed(work, plans)


def curves(tape: Tape, params: Params, model: FillModel, plans: Plans, plugin: Plugin | None = None) -> Curves:
    """Run one combination; ``plans`` is read and added to (as ``shared`` of :func:`passed`)."""
    scores, ratios = (None, None) if plugin is None else (plugin.scores, plugin.ratios)
    return curves_of(passed(tape, params, model, plans, scores, ratios).work)


def curves_of(work: Pass) -> Curves:
    """Return the money of a pass that is over."""
    legs, n = legs_of(work.tape.instruments), work.bars
    hedged, unhedged, at_mids = np.empty(n), np.empty(n), np.empty(n)
    _money(work.log[: int(work.c["logged"])], legs, work.grid.close_ns[:n], work.grid.mids, hedged, unhedged, at_mids)
    if (extra := carried(work)) is not None:
        paid = extra.bars.sum(axis=0)
        hedged, unhedged = hedged - paid.sum(axis=1), unhedged - paid[:, 0]
    return Curves(hedged, unhedged, at_mids, int(work.s["trade"]))


@making
def _money(log, legs, close_ns, mids, hedged, unhedged, at_mids):  # noqa: ANN001, ANN202, PLR0913 - compiled
    """Walk along bars and fills: cash, and price units held, of each leg; at prices and at mids."""
    count = len(legs)
    cash, units, held = np.zeros((2, count)), np.zeros((2, count)), np.zeros(count)
    k = 0
    for bar in range(len(close_ns)):
        while k < len(log) and log[k].ts_ns <= close_ns[bar]:
            if log[k].what == loop.FILLED:
                leg = log[k].leg
                deal(legs[leg], cash, units, held, leg, log[k].qty, log[k].price, log[k].mid)
            k += 1
        whole, mids_only = 0.0, 0.0
        for leg in range(count):
            worth, at_mid = 0.0, 0.0
            if held[leg] != 0.0:
                worth, at_mid = units[0, leg] * mids[bar, leg], units[1, leg] * mids[bar, leg]
            whole += cash[0, leg] + worth
            mids_only += cash[1, leg] + at_mid
            if leg == 0:
                unhedged[bar] = whole
        hedged[bar], at_mids[bar] = whole, mids_only
