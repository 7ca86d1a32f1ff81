"""A backtest's records as the same tables that a journal gives: one code projects both, so their figures can be compared."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit.backtest.carry import BORROW, FUNDING
from hedgekit.journal import frames, performance
from hedgekit.journal.codec import Entry
from hedgekit.journal.story import Mids, Story
from hedgekit.types import SessionStarted, Timer

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from hedgekit.backtest.carry import Carried
    from hedgekit.data import Tape
    from hedgekit.params import Params
    from hedgekit.types import Record


@dataclass(frozen=True, eq=False, slots=True)
class Tables:
    """What a backtest did, as DataFrames; times are UTC, money is in the quote currency.

    Attributes
    ----------
    orders, fills, decisions, plans : DataFrame
        As :mod:`hedgekit.journal.frames` describes them: one row for each.
    equity : DataFrame
        One row for each bar: mids, positions, ratio, z, delta, and the P&L hedged and unhedged, gross and net, by leg.
    trades : DataFrame
        One row for each trade that had a fill.
    exposure : DataFrame
        One row for each bar: value of primary and each hedge (signed), ``gross`` and ``net`` of all, ``delta`` (fraction of notional).
    """

    orders: pd.DataFrame
    fills: pd.DataFrame
    decisions: pd.DataFrame
    plans: pd.DataFrame
    equity: pd.DataFrame
    trades: pd.DataFrame
    exposure: pd.DataFrame


def story_of(records: Sequence[Record], closes: Collection[int], tape: Tape, params: Params, session: str) -> Story:
    """Return the records as a story: each bar's decision right after its timer, and the tape's mids as the quotes heard.

    ``closes`` are the positions in ``records`` of the decisions that closed a bar.
    """
    start = SessionStarted(
        ts_ns=int(tape.ts_ns[0]) if len(tape) else 0,
        session=session,
        instruments=tape.instruments,
        params=params.model_dump(),
        market={"description": tape.description},
        version="",
    )
    story, number, shut = Story(), 1, set(closes)
    entries = [Entry(1, 0, start)]
    for position, record in enumerate(records):
        if position in shut:
            number += 1
            entries.append(Entry(number, 0, Timer(ts_ns=record.ts_ns)))
        number += 1
        entries.append(Entry(number, 0, record))
    story.extend(entries)
    for leg, instrument in enumerate(tape.instruments):
        quoted = ~np.isnan(tape.bid[:, leg])
        mids = tape.mid[quoted, leg]
        story.mids[instrument.key] = Mids(array("q", tape.ts_ns[quoted].tolist()), array("d", mids.tolist()))
    return story


def tables_of(story: Story) -> Tables:
    """Return every table of a story."""
    equity = performance.equity(story)
    return Tables(
        orders=frames.orders(story),
        fills=frames.fills(story),
        decisions=frames.decisions(story),
        plans=frames.plans(story),
        equity=equity,
        trades=performance.trades(story),
        exposure=_exposure(equity, story),
    )


def charged(tables: Tables, extra: Carried, bar_ns: np.ndarray, trades: pd.DataFrame) -> Tables:
    """Return the tables with what holding cost: in ``equity`` the columns funding and borrow of primary and hedge, cumulative money paid.

    Like the fees they are part of the costs, so net is gross less cost as before. ``trades`` have them already.
    """
    paid = {
        f"{name}_{whose}": extra.bars[kind][:, legs].sum(axis=1)
        for kind, name in ((FUNDING, "funding"), (BORROW, "borrow"))
        for whose, legs in (("primary", slice(0, 1)), ("hedge", slice(1, None)))
    }
    bars = pd.DataFrame(paid, index=pd.DatetimeIndex(bar_ns, tz="UTC"))
    equity = tables.equity.join(bars.reindex(tables.equity.index, method="ffill").fillna(0.0))
    for whose, nets in (("primary", ["hedged", "unhedged"]), ("hedge", ["hedged"])):
        holding = equity[f"funding_{whose}"] + equity[f"borrow_{whose}"]
        equity[f"cost_{whose}"] += holding
        equity[nets] = equity[nets].sub(holding, axis=0)
    return replace(tables, equity=equity, trades=trades)


def _exposure(equity: pd.DataFrame, story: Story) -> pd.DataFrame:
    worth = {}
    for name, instrument in zip(performance.legs_named(len(story.instruments)), story.instruments, strict=True):
        price = 1.0 if instrument.inverse else equity[f"mid_{name}"]
        worth[name] = (equity[f"pos_{name}"] * price * float(instrument.multiplier)).where(equity[f"pos_{name}"] != 0, 0.0)
    out = pd.DataFrame(worth, index=equity.index)
    return out.assign(gross=out.abs().sum(axis=1), net=out.sum(axis=1), delta=equity["delta"])
