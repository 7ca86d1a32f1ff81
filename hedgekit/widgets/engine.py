"""A strategy on a tape, again and again with other numbers: the same compiled pass as a backtest and a paper session.

What does not depend on the number that was moved is kept: bars, hedge plans, scores. Decisions are not told in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hedgekit import FillModel
from hedgekit.backtest.lean import Curves, Plans, curves_of, passed
from hedgekit.backtest.trades import trades_of
from hedgekit.data import Tape
from hedgekit.errors import ConfigError, DataError
from hedgekit.rules.cost import unit_cost
from hedgekit.step.records import pack_plan
from hedgekit.types import NS

if TYPE_CHECKING:
    import pandas as pd

    from hedgekit.backtest.passes import Pass
    from hedgekit.data import Array
    from hedgekit.params import Params
    from hedgekit.types import HedgePlan


FORGET = 500
"""After so many runs what is known is forgotten: scores of 5,000 bars are 80 kB for each lookback that was looked at."""


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """One choice of numbers on the tape.

    Attributes
    ----------
    ms : float64 array, shape (bars,)
        Close of each bar, milliseconds UTC.
    z, sd : float64 arrays, shape (bars,)
        Score of each bar on the ratio that was in force, and what one unit of it is worth as a fraction of the primary's value; NaN
        before there is a plan and a full window.
    cost : float64 array, shape (bars,)
        What both legs cost there and back, with the slippage buffer, as a fraction of the notional (A20).
    plans : list of HedgePlan
        In order.
    ratios : float64 array, shape (bars, legs)
        Dollars of each leg for a dollar of primary after each bar; NaN where there is no plan yet, or prices and time decide.
    """

    work: Pass
    ms: Array
    z: Array
    sd: Array
    cost: Array
    plans: list[HedgePlan]
    ratios: Array

    @property
    def trades(self) -> pd.DataFrame:
        """One row for each trade: ``tables.trades`` of a backtest."""
        return trades_of(self.work)

    @property
    def curves(self) -> Curves:
        """Cumulative money at each bar."""
        return curves_of(self.work)


class Engine:
    """A tape, and what is known of it.

    Parameters
    ----------
    market : Tape, or a recipe that has one
        Quotes of both legs.

    Raises
    ------
    ConfigError
        If it is neither.
    """

    def __init__(self, market: Any) -> None:  # noqa: ANN401 - refused in words if it has no tape
        tape = market.tape() if hasattr(market, "tape") else market
        if not isinstance(tape, Tape):
            msg = f"{type(market).__name__} cannot be explored: give a Tape, or a market such as SyntheticMarket() or Market()"
            raise ConfigError(msg)
        self.tape, self.model = tape, FillModel()
        self._known: Plans = {}
        self._runs = 0

    def run(self, params: Params) -> Run:
        """Run one choice.

        Raises
        ------
        DataError
            If no bar closes on fresh quotes.
        """
        if self._runs % FORGET == 0:
            self._known = {}
        self._runs += 1
        work, plans = passed(self.tape, params, self.model, self._known)
        if not work.bars:
            raise DataError(self._no_bars(params))
        z, sd = _scores(work, params, plans)
        ratios = _ratios(work, params, plans)
        return Run(work, work.grid.close_ns[: work.bars] / 1e6, z, sd, self._cost(work, params, ratios), plans, ratios)

    def _no_bars(self, params: Params) -> str:
        gap = float(np.median(np.diff(self.tape.ts_ns))) / NS if len(self.tape) > 1 else 0.0
        offset = (float(self.tape.ts_ns[0]) / NS % gap + min(1.0, gap / 2)) % gap if gap else 0.0
        return (
            f"no bar closed on quotes younger than max_quote_age_s={params.max_quote_age_s:g}: with bar_s={params.bar_s:g} and "
            f"bar_offset_s={params.bar_offset_s:g} none fits rows {gap:g} s apart; write bar_s={gap:g}, bar_offset_s={offset:g}"
        )

    def _cost(self, work: Pass, params: Params, ratios: Array) -> Array:
        """Return both legs' cost at each bar, sized by the plan in force: the rule's own formula (A20) on arrays."""
        rows = work.grid.last[work.grid.fresh == 1][: work.bars]
        total = np.zeros(work.bars)
        for leg, instrument in enumerate(self.tape.instruments):
            bid, ask = self.tape.bid[rows[:, leg], leg], self.tape.ask[rows[:, leg], leg]
            multiplier = float(instrument.multiplier) / (0.5 * (bid + ask) if instrument.inverse else 1.0)
            each = unit_cost.py_func(bid, ask, multiplier, float(instrument.fees.rate), float(instrument.fees.per_unit))  # type: ignore[attr-defined] # the rule, before it was compiled
            total += (1.0 if leg == 0 else np.abs(ratios[:, leg])) * (2.0 * each + params.slippage_buffer)
        return total


def _stretches(work: Pass, params: Params, plans: list[HedgePlan]) -> list[tuple[int, int, Array]]:
    """Return from which bar up to which each plan's ratios score: the bar on which it was made still had the one before."""
    first = [params.fit_bars + 1 + k * params.refit_bars for k in range(len(plans))]
    ratios = [np.asarray(pack_plan(plan, len(work.tape.instruments), params.significance)["ratio"]) for plan in plans]
    return list(zip(first, [*first[1:], work.bars], ratios, strict=True))


def _scores(work: Pass, params: Params, plans: list[HedgePlan]) -> tuple[Array, Array]:
    """Return z and sd of every bar, each on the ratio then in force, to the same bits as the step's own."""
    z, sd = np.full(work.bars, np.nan), np.full(work.bars, np.nan)
    for first, end, ratio in _stretches(work, params, plans):
        z[first:end], sd[first:end] = work.grid.scores(int(work.p["signal"]), params.lookback, ratio, first, end)
    return z, sd


def _ratios(work: Pass, params: Params, plans: list[HedgePlan]) -> Array:
    """Return the dollars of each leg for a dollar of primary, shape (bars, legs); NaN where prices and time decide, or nothing yet does."""
    ratios = np.full((work.bars, len(work.tape.instruments)), np.nan)
    if params.structure == "delta" and params.delta_model != "beta":
        return np.ones_like(ratios) if params.delta_model == "linear" else ratios
    for first, end, ratio in _stretches(work, params, plans):
        ratios[first:end] = ratio[: ratios.shape[1]]
    return ratios
