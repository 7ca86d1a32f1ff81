"""Driver 1: history through the same step as live, in one compiled pass.

The loop stands in for the venue by a named fill model (``exchange.FillModel``):
``next_quote`` lets an order match first on the first quote that comes after it
has reached the venue, buys at the ask and sells at the bid, at most the
displayed size, the rest on the quotes that follow. Latencies are those of the
sandbox, so a paper session on the same tape makes the same decisions (L1).

The pass (``loop.py``) stops at each bar on which a new hedge ratio is due, lets
Python estimate it from the bars so far, and goes on. A first pass notes fills alone and glides over rows
on which nothing can be decided (``glide.py``); the words, one decision for every bar, are told by a second pass when they are
asked for, and both must end in the same state.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.backtest import loop
from hedgekit.backtest.carry import carried
from hedgekit.backtest.lean import Curves, curves_of, passed
from hedgekit.backtest.passes import Pass
from hedgekit.errors import ConfigError, HedgekitError
from hedgekit.exchange.model import FillModel
from hedgekit.hedger import Unpacker, whole
from hedgekit.rules.state import OUT
from hedgekit.stats.revise import Reviser
from hedgekit.types import Cancelled, Decision, Fill, PlanRevised

if TYPE_CHECKING:
    import pandas as pd

    from hedgekit.backtest.carry import Carried
    from hedgekit.backtest.tables import Tables
    from hedgekit.data import Tape
    from hedgekit.params import Params
    from hedgekit.plugins.checks import Ratios, Scorer
    from hedgekit.types import HedgePlan
    from hedgekit.verdict import Verdict


@dataclass(frozen=True, eq=False)
class Backtest:
    """What a backtest did.

    Attributes
    ----------
    records : list of Fill, Cancelled, PlanRevised and Decision
        In the order in which they happened, as a journal would hold them.
    bar_ns : ndarray of int64, shape (bars,)
        Close of each bar, nanoseconds UTC.
    bar_mids : ndarray of float64, shape (bars, legs)
        Mid prices at each bar close.
    tape, params, session
        What was run.
    closes : frozenset of int
        Positions in ``records`` of the decisions that closed a bar.
    """

    records: list[Fill | Cancelled | PlanRevised | Decision]
    bar_ns: np.ndarray
    bar_mids: np.ndarray
    tape: Tape | None = None
    params: Params | None = None
    session: str = "backtest"
    closes: frozenset[int] = frozenset()

    @property
    def decisions(self) -> list[Decision]:
        """The decisions alone, in order."""
        return [record for record in self.records if isinstance(record, Decision)]

    @cached_property
    def curves(self) -> Curves:
        """Cumulative P&L at each bar, hedged and unhedged: what a sweep compares, without the words."""
        equity = self.tables.equity
        columns = (equity["hedged"], equity["unhedged"], equity["gross_primary"] + equity["gross_hedge"])
        hedged, unhedged, at_mids = (column.to_numpy(dtype=np.float64) for column in columns)
        return Curves(hedged, unhedged, at_mids, max((decision.trade for decision in self.decisions), default=0))

    @cached_property
    def tables(self) -> Tables:
        """Orders, fills, decisions, plans, equity, trades and exposure as DataFrames, made when first asked for."""
        if self.tape is None or self.params is None:
            msg = "this backtest does not know its tape and parameters; make it with hedgekit.run_backtest"
            raise ConfigError(msg)
        from hedgekit.backtest.tables import charged, story_of, tables_of  # noqa: PLC0415 - a sweep's workers need no tables

        told = tables_of(story_of(self.records, self.closes, self.tape, self.params, self.session))
        return told if self._carried is None else charged(told, self._carried, self.bar_ns, self.trades)

    @property
    def _carried(self) -> Carried | None:
        """What holding cost; nothing is known of it here."""
        return None

    @cached_property
    def trades(self) -> pd.DataFrame:
        """One row for each trade that had a fill: as ``tables.trades``, and without telling a decision for it."""
        return self.tables.trades

    def verdict(self, *, trials: int = 1, seed: int = 0, reps: int = 2_000) -> Verdict:
        """Return whether the hedge helped, with intervals, on the evidence of the whole sample (Engle-Granger on the bars' mids).

        Parameters
        ----------
        trials : int
            How many variants were tried before this one was shown.
        seed, reps : int
            Of the resampling: :func:`hedgekit.verdict.assess`.
        """
        from hedgekit.stats.reversion import engle_granger  # noqa: PLC0415 - a second to load, and most backtests ask for none
        from hedgekit.verdict import assess  # noqa: PLC0415 - as above

        tables = self.tables
        assert self.params is not None  # noqa: S101 - tables has checked it
        return assess(
            tables.equity,
            tables.trades,
            tables.fills,
            evidence=engle_granger(self.bar_mids[:, 0], self.bar_mids[:, 1:]),
            override=self.params.evidence_override,
            significance=self.params.significance,
            trials=trials,
            seed=seed,
            reps=reps,
        )


def run(  # noqa: PLR0913 - what is run, and a user's own part of it
    tape: Tape,
    params: Params,
    model: FillModel | None = None,
    *,
    session: str = "backtest",
    scores: Scorer | None = None,
    ratios: Ratios | None = None,
) -> Backtest:
    """Backtest a pair on a tape, with the decisions of a paper session on the same tape (L1).

    Parameters
    ----------
    tape : Tape
        Quotes, both legs in step; times in nanoseconds UTC.
    params : Params
        The strategy; the hedge ratio is estimated every ``refit_bars`` bars from past bars only.
    model : FillModel, optional
        How orders fill, and the latencies; the sandbox's own by default.
    session : str
        Prefix of the order ids; give a paper session's name to compare with it.
    scores : callable, optional
        For ``signal="user"``: from mids at bar closes, shape (bars, legs), to your own z of each bar, shape (bars,), NaN for no opinion; or
        to a pair of z and what one unit of it is worth as a fraction of the primary's value (A20; by default the log spread's sd).
        It is called again on parts of the history: a score that changes when the future is cut off is refused.
    ratios : callable, optional
        Your own hedge, asked where a ratio is due instead of the estimator: from mids so far to the ratio of each hedge, or a dict
        (:mod:`hedgekit.plugins`). It is asked again what it said before: a ratio that has changed is refused.

    Raises
    ------
    ConfigError
        For a fill model that the compiled loop does not know, or scores without ``signal="user"`` or the other way round.
    DataError
        If scores or ratios look ahead or have the wrong shape, or if too many orders wait on one leg (about 64).
    """
    filling = model or FillModel()
    work, plans = passed(tape, params, filling, None, scores, ratios)
    return _Run(work, plans, filling, params, session)


class _Run(Backtest):
    """A backtest whose money is known and whose words are told when asked for."""

    _work: Pass
    _plans: list[HedgePlan]
    _model: FillModel
    _numbers: Params

    def __init__(self, work: Pass, plans: list[HedgePlan], model: FillModel, params: Params, session: str) -> None:
        known = {"bar_ns": work.grid.close_ns[: work.bars], "bar_mids": work.mids, "tape": work.tape, "params": params, "session": session}
        for name, value in (known | {"_work": work, "_plans": plans, "_model": model, "_numbers": params}).items():
            object.__setattr__(self, name, value)

    @cached_property
    def curves(self) -> Curves:
        return curves_of(self._work)

    @cached_property
    def trades(self) -> pd.DataFrame:
        from hedgekit.backtest.trades import trades_of  # noqa: PLC0415 - pandas, for those who want frames

        return trades_of(self._work)

    @cached_property
    def _carried(self) -> Carried | None:
        return carried(self._work)

    @cached_property
    def _told(self) -> tuple[list[Fill | Cancelled | PlanRevised | Decision], frozenset[int]]:
        first, params = self._work, self._numbers
        said = Pass(first.tape, params, self._model, words=True, grid=first.grid, scores=first.scores)
        due, left, placed = Reviser(params), iter(self._plans), {}
        while said.go(due.next_fit) == loop.REVISE:
            due.passed()
            plan = next(left)
            placed[int(said.c["logged"])] = PlanRevised(ts_ns=said.close_ns, plan=plan)
            said.revise(plan)
        if said.ending != first.ending:
            msg = "the pass that tells the decisions ended in another state than the pass that counted the money; please report this tape"
            raise HedgekitError(msg)
        records, closes = _records(said, placed, self.session)
        return records, frozenset(closes)

    @property
    def records(self) -> list[Fill | Cancelled | PlanRevised | Decision]:
        return self._told[0]

    @property
    def closes(self) -> frozenset[int]:
        return self._told[1]


def _records(work: Pass, plans: dict[int, PlanRevised], session: str) -> tuple[list[Fill | Cancelled | PlanRevised | Decision], list[int]]:
    """Turn the compiled log into the words of a journal; say also where in it bars were closed."""
    unpack = Unpacker(session, work.tape.instruments)
    records: list[Fill | Cancelled | PlanRevised | Decision] = []
    closes: list[int] = []
    log = work.log[: int(work.c["logged"])]
    legs = len(work.tape.instruments)
    outs = work.said[: int(work.c["said"])]
    columns = (outs[name] for name in OUT.names or ())
    said = zip(*((column[:, :legs] if column.ndim > 1 else column).tolist() for column in columns), strict=True)
    bars = iter(outs["bar"].tolist())
    for index, what in enumerate(log["what"].tolist()):
        if index in plans:
            records.append(plans[index])
        if what == loop.DECIDED:
            if next(bars):
                closes.append(len(records))
            records.append(unpack.said(*next(said)))
            continue
        entry = log[index]
        if what == loop.FILLED:
            records.append(_fill(entry, unpack, len(records)))
        else:
            order_id = _order_id(entry, unpack)
            unpack.over(order_id)
            records.append(Cancelled(ts_ns=int(entry["ts_ns"]), order_id=order_id))
    return records, closes


def _fill(entry: np.void, unpack: Unpacker, number: int) -> Fill:
    instrument = unpack.instruments[int(entry["leg"])]
    order_id = _order_id(entry, unpack)
    qty, price = whole(float(entry["qty"]), instrument.lot), Decimal(repr(float(entry["price"])))
    unpack.filled(order_id, qty)
    return Fill(
        ts_ns=int(entry["ts_ns"]),
        order_id=order_id,
        fill_id=f"{unpack.session}-fill-{number}",
        instrument=instrument.key,
        venue_ns=int(entry["venue_ns"]),
        qty=qty,
        price=price,
        fee=instrument.fee(qty, price),
    )


def _order_id(entry: np.void, unpack: Unpacker) -> str:
    """Return the order that stood in that place of its leg's queue."""
    queue = [order_id for order_id, (leg, _) in unpack.alive.items() if leg == int(entry["leg"])]
    return queue[int(entry["place"])]
