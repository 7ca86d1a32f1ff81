"""What would a bad day have done, with the hedge and without it? The article's opening risks as scenarios over any tape.

``stress(tape, params)`` runs the strategy on the tape as it is, then on the tape with each scenario in it, through the same
backtest. Unhedged is, as everywhere, the primary leg of the same trades, never a second run. A scenario is one bad event, placed
where it hurts; it says what that event costs, not how likely it is.

A scenario changes what comes after it as well: other prices, other trades. So the table tells two things apart: ``hit``, what the
trade that was held is worth at the close after the scenario, less the same trade in the baseline at that time, on which "did the
hedge help" rests; and the whole run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from hedgekit import metrics as m
from hedgekit.backtest import run
from hedgekit.backtest.sweep import WAIT_S
from hedgekit.data.ranges import check_whole
from hedgekit.errors import ConfigError, DataError
from hedgekit.stress.risks import FOUR_RISKS, Decorrelation, Gap, Hit, Momentum, Scenario, WideExit
from hedgekit.stress.spots import Base, Spot
from hedgekit.stress.tapes import decorrelate, gap, momentum, wide_exit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hedgekit.backtest import Backtest
    from hedgekit.data import Array, Tape
    from hedgekit.exchange import FillModel
    from hedgekit.params import Params

__all__ = [
    "FOUR_RISKS",
    "Base",
    "Decorrelation",
    "Gap",
    "Hit",
    "Momentum",
    "Scenario",
    "Spot",
    "Stress",
    "WideExit",
    "decorrelate",
    "gap",
    "momentum",
    "stress",
    "wide_exit",
]

CENT = 0.005
"""Money below this, in the quote currency, is no difference: sums of doubles."""


@dataclass(frozen=True, eq=False, slots=True)
class Stress:
    """What the scenarios did.

    Attributes
    ----------
    table : DataFrame
        The baseline, then one row for each scenario; money in the quote currency, net at executable prices. Columns: ``scenario``; ``at``
        (time of its first row, NaT for the baseline); ``trade, side`` it was placed on (0: none); ``touched`` (whether a trade
        was held when it began and, for spreads, traded in it); ``helped`` (whether the hedge made it cheaper; missing if not touched);
        ``hit_hedged, hit_unhedged`` (P&L of the trade held then, at the close after the scenario's end, open positions at mids, less
        that of the same trade in the baseline at that close); ``pnl_*`` (whole run) and ``change_*`` (from the baseline);
        ``drawdown_*`` (maximum); ``worst_trade_*`` (P&L of the worst trade, NaN without trades); ``says`` (one sentence).
    runs : tuple of Backtest
        In the order of the table, the baseline first.
    """

    table: pd.DataFrame
    runs: tuple[Backtest, ...]

    def text(self) -> str:
        """Return one sentence for each row."""
        return "\n".join(self.table["says"])

    def _repr_html_(self) -> str:
        return str(self.table.to_html(float_format="{:,.0f}".format))


def stress(  # noqa: PLR0913 - what, on what, and how
    tape: Tape,
    params: Params,
    scenarios: Sequence[Scenario] | None = None,
    *,
    model: FillModel | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Stress:
    """Backtest a strategy on a tape as it is and with each scenario in it, hedged and unhedged.

    Parameters
    ----------
    tape : Tape
        Quotes of primary and hedge.
    params : Params
        The strategy.
    scenarios : sequence of Scenario, optional
        By default :data:`FOUR_RISKS`: gap, momentum, spreads widening at the exit, correlation breakdown, on the largest trade.
    model : FillModel, optional
        As in :func:`hedgekit.backtest.run`.
    seed : int
        Of what a scenario draws (:class:`Decorrelation`); 0 or more.
    progress : bool
        Show a progress bar if it takes longer than 2 s.

    Returns
    -------
    Stress

    Raises
    ------
    ConfigError
        If there is no scenario, or one names a trade or a size that cannot be.
    DataError
        If the tape has fewer than two rows, or a scenario would give a price that an instrument cannot have.
    """
    chosen = FOUR_RISKS if scenarios is None else tuple(scenarios)
    if not chosen:
        msg = "scenarios is empty: give at least one, for example [Gap(sd=6)], or leave it out for the article's four risks"
        raise ConfigError(msg)
    check_whole("seed", seed, 0, 2**63 - 1)
    if len(tape) < 2:  # noqa: PLR2004 - something must be able to happen after something else
        msg = f"the tape has {len(tape)} rows: a scenario needs at least two"
        raise DataError(msg)
    base = Base(tape, params, run(tape, params, model))
    rows, runs = [_baseline(base.done)], [base.done]
    for scenario in tqdm(chosen, desc="scenarios", delay=WAIT_S, disable=not progress):
        tried = [(done := run(hit.tape, params, model), _row(scenario.name, hit, done, base.done)) for hit in scenario.hits(base, seed)]
        done, row = min(tried, key=lambda pair: (not pair[1]["touched"], pair[1]["hit_hedged"]))
        rows.append(row)
        runs.append(done)
    table = pd.DataFrame(rows).astype({"touched": "boolean", "helped": "boolean"})
    return Stress(table, tuple(runs))


def _baseline(done: Backtest) -> dict[str, Any]:
    figures = _figures(done)
    trades = len(done.trades)
    said = f"Baseline: {trades} trades, P&L {figures['pnl_hedged']:+,.0f} hedged, {figures['pnl_unhedged']:+,.0f} unhedged."
    nothing = {"touched": pd.NA, "helped": pd.NA, "hit_hedged": 0.0, "hit_unhedged": 0.0}
    same = {"change_hedged": 0.0, "change_unhedged": 0.0}
    return {"scenario": "baseline", "at": pd.NaT, "trade": 0, "side": 0, **nothing, **figures, **same, "says": said}


def _row(name: str, hit: Hit, done: Backtest, base: Backtest) -> dict[str, Any]:
    start, stop = int(hit.tape.ts_ns[hit.spot.row]), int(hit.tape.ts_ns[max(hit.stop - 1, hit.spot.row)])
    alive = _alive(base, start)
    touched = bool(len(alive)) and not (hit.by_trading and not _traded(done, alive, start, stop))
    before, after = _figures(base), _figures(done)
    bar = min(int(np.searchsorted(base.bar_ns, stop, side="right")), len(base.bar_ns) - 1)
    lost = _worth(done, alive, bar) - _worth(base, alive, bar) if touched else np.zeros(len(hit.tape.instruments))
    gained = {"hit_hedged": float(lost.sum()), "hit_unhedged": float(lost[0])}
    helped = _part_of_hedge(gained) > 0 if touched else pd.NA
    changed = {f"change_{kind}": after[f"pnl_{kind}"] - before[f"pnl_{kind}"] for kind in ("hedged", "unhedged")}
    at = pd.Timestamp(start, unit="ns", tz="UTC")
    placed = {"scenario": name, "at": at, "trade": hit.spot.trade, "side": hit.spot.side, "touched": touched, "helped": helped}
    return {**placed, **gained, **after, **changed, "says": _says(name, hit, gained, touched=touched)}


def _figures(done: Backtest) -> dict[str, float]:
    equity, trades = done.tables.equity, done.trades
    out: dict[str, float] = {}
    for what in ("pnl", "drawdown", "worst_trade"):
        for kind in ("hedged", "unhedged"):
            curve = m.column(equity, kind)
            if what == "pnl":
                out[f"pnl_{kind}"] = float(curve[-1]) if len(curve) else 0.0
            else:
                out[f"{what}_{kind}"] = m.max_drawdown(curve) if what == "drawdown" else float(trades[kind].min())
    return out


def _alive(done: Backtest, start: int) -> list[int]:
    """Return the trades that hold something just before a time: those with a fill before it that were not all sold by then."""
    trades, fills = done.trades, done.tables.fills
    at = pd.DatetimeIndex(fills["venue_ts"]).as_unit("ns").asi8
    spans = pd.DataFrame({"trade": fills["trade"], "ns": at}).groupby("trade")["ns"].agg(["min", "max"]).reindex(trades["trade"])
    still = trades["closed"].isna().to_numpy()
    held = (spans["min"] < start).to_numpy() & ((spans["max"] >= start).to_numpy() | still)
    return [int(number) for number in trades["trade"][held]]


def _traded(done: Backtest, alive: list[int], start: int, stop: int) -> bool:
    fills = done.tables.fills
    at = pd.DatetimeIndex(fills["venue_ts"]).as_unit("ns").asi8
    return bool((fills["trade"].isin(alive).to_numpy() & (at >= start) & (at <= stop)).any())


def _worth(done: Backtest, alive: list[int], bar: int) -> Array:
    """Return what trades have earned by a bar close, by leg: cash after fees, and what is held at its mids; shape (legs,)."""
    fills = done.tables.fills
    heard = pd.DatetimeIndex(fills["ts"]).as_unit("ns").asi8 <= done.bar_ns[bar]
    mine = fills[fills["trade"].isin(alive).to_numpy() & heard]
    qty, multiplier = m.column(mine, "qty"), m.column(mine, "multiplier")
    leg = mine["leg"].to_numpy(dtype=np.int64)
    money = qty * multiplier * (done.bar_mids[bar][leg] - m.column(mine, "price")) - m.column(mine, "fee")
    return np.array([money[leg == k].sum() for k in range(done.bar_mids.shape[1])])


def _part_of_hedge(gained: dict[str, float]) -> float:
    """Return the hedge's share of the change, money; zero if it is only rounding."""
    hedged, unhedged = gained["hit_hedged"], gained["hit_unhedged"]
    return hedged - unhedged if abs(hedged - unhedged) > CENT else 0.0


def _says(name: str, hit: Hit, gained: dict[str, float], *, touched: bool) -> str:
    told = f"{name.capitalize()}: {hit.what}"
    if not touched:
        nothing = "nothing that was held was traded then" if hit.by_trading else "nothing was held when it began"
        return f"{told}: {nothing}, so this scenario touched no position and says nothing about the hedge."
    hedged, unhedged = gained["hit_hedged"], gained["hit_unhedged"]
    by = _part_of_hedge(gained)
    verdict = "the hedge made no difference" if by == 0 else f"the hedge {'helped' if by > 0 else 'made it worse'} by {abs(by):,.0f}"
    return f"{told}: {unhedged:+,.0f} unhedged, {hedged:+,.0f} hedged at its end, against the baseline; {verdict}."
