"""What a session's executions say about latency, slippage and fills, in the form in which a backtest takes it (A20, A22)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit.backtest import Backtest
from hedgekit.backtest import run as run_backtest
from hedgekit.errors import ConfigError, DataError
from hedgekit.exchange.model import FillModel
from hedgekit.params import Params
from hedgekit.stats.bootstrap import MIN_ROWS
from hedgekit.tca.estimates import Estimate, check_level
from hedgekit.tca.filling import Filling, at_once_share, filling
from hedgekit.tca.latency import Latency, latency
from hedgekit.tca.read import Executions, read
from hedgekit.tca.slippage import Buffer, buffer, slippage

if TYPE_CHECKING:
    from hedgekit.data import Tape
    from hedgekit.journal import Journal


LONG_S = 10.0
"""From such a wait on, slippage is the market's move more than the venue's doing."""

_REQUEST = (
    "The request's way is the acknowledgement less the stream's way: exact if the stream told of it first, else too short. "
    "The reply's way is not in a journal and is taken to be as long as the request's."
)
_CLOCKS = "One-way times compare this machine's clock with the venue's: an offset between them is in both, with opposite signs."
_CENSORED = (
    "their times are censored, not left out. That is right unless orders were cancelled because they looked hopeless, "
    "and it says nothing of times longer than the longest wait."
)
_DRIFT = "slippage is mostly what the market did meanwhile, which another tape would do otherwise; the venue's own part is small."


@dataclass(frozen=True, eq=False, slots=True)
class Calibration:
    """Figures of one session's executions, each with its interval and its number.

    Attributes
    ----------
    session : str
    level : float
        Confidence of every interval.
    latency : Latency
        ``.table``: quantiles of each way, milliseconds.
    slippage : DataFrame
        Against three prices, by leg and priority: :func:`hedgekit.tca.slippage.slippage`.
    filling : Filling
        ``.probability``, ``.completion`` and ``.orders``.
    slippage_buffer : Buffer
        See :meth:`buffer`.
    notes : tuple of str
        What these figures rest on, and what they cannot tell.
    """

    session: str
    level: float
    latency: Latency
    slippage: pd.DataFrame
    filling: Filling
    slippage_buffer: Buffer
    notes: tuple[str, ...]

    def table(self) -> pd.DataFrame:
        """Return the main figures, one row each.

        Returns
        -------
        DataFrame
            Index ``figure``; columns ``value``, ``low``, ``high`` (the interval), ``n``, ``unit`` and ``of`` (what n counts).
        """
        ways = self.latency.table
        rows = [(ways.loc[name, "what"], *ways.loc[name, ["median", "low", "high", "n"]], "ms", "messages") for name in ways.index]
        every = self.slippage[(self.slippage["role"] == "all") & (self.slippage["priority"] == "all")]
        rows += [
            (f"slippage against {row.against}", row.mean_bps, row.low, row.high, row.trades, "bps", "trades") for row in every.itertuples()
        ]
        first = self.filling.probability.iloc[0]
        for name, words in (("any", "filled at all"), ("full", "filled whole")):
            rows.append((f"{words} by the first quote", *first[[name, f"{name}_low", f"{name}_high", "n"]], "share", "orders"))
        rows.append(("part of an order filled by the first quote", first["fraction"], np.nan, np.nan, first["n"], "share", "orders"))
        rows.append(("part of the displayed size taken", first["participation"], np.nan, np.nan, first["n"], "share", "orders"))
        shown = self.filling.displayed_frac
        rows.append(("part of the displayed size that could be had", shown.value, shown.low, shown.high, shown.n, "share", "orders"))
        done = self.filling.completion.iloc[:2]
        rows += [(f"time to fill whole, {row.unit}", row.median, row.low, row.high, row.n, row.unit, "orders") for row in done.itertuples()]
        kept = self.slippage_buffer
        rows.append(("slippage of a round trip (A20)", kept.mean, kept.low, kept.high, kept.n, "fraction of notional", "trades"))
        frame = pd.DataFrame(rows, columns=["figure", "value", "low", "high", "n", "unit", "of"]).set_index("figure")
        return frame.astype({"value": "float64", "low": "float64", "high": "float64", "n": "int64"})

    def model(self) -> FillModel:
        """Return the fill model with the measured latencies: ``next_quote``, the only one that the compiled backtest knows.

        The reply's way back is not in a journal; it is taken to be as long as the request's. It only says when a
        backtest that is otherwise over stops.

        Raises
        ------
        DataError
            If the journal has no acknowledgement or no quote, or says that messages arrived before they were sent.
        """
        ws_ns, up_ns = self.latency.stream_ns, self.latency.request_ns
        if ws_ns is None or up_ns is None:
            what = "quote or fill" if ws_ns is None else "acknowledged order"
            msg = f"session {self.session!r} has no {what}: its latencies cannot be told; let it run until it has traded"
            raise DataError(msg)
        if min(ws_ns, up_ns) < 0:
            msg = (
                f"session {self.session!r}: one-way latencies of {ws_ns / 1e6:g} ms (venue to client) and {up_ns / 1e6:g} ms "
                "(client to venue) cannot be; set this machine's clock by NTP, or give run_backtest a FillModel of your own"
            )
            raise DataError(msg)
        return FillModel(ws_ns=ws_ns, up_ns=up_ns, down_ns=up_ns)

    def buffer(self) -> float:
        """Return the ``slippage_buffer`` (A20) that the data support: the upper end of the interval, 0 if even that is a gain.

        Raises
        ------
        DataError
            If fewer than 10 trades are closed.
        """
        kept = self.slippage_buffer
        if not np.isfinite(kept.value):
            msg = f"session {self.session!r} has {kept.n} closed trades; to bound slippage takes {MIN_ROWS}: keep the buffer that you have"
            raise DataError(msg)
        return kept.value

    def params(self, params: Params) -> Params:
        """Return the strategy with :meth:`buffer` as its ``slippage_buffer``.

        Raises
        ------
        ConfigError
            If the buffer is beyond what a strategy may have (0.1).
        """
        return Params.make(**params.model_dump() | {"slippage_buffer": self.buffer()})

    def displayed(self, tape: Tape) -> Tape:
        """Return the tape with its sizes scaled to the part of a displayed size that could be had, if that is less than all.

        The same tape if no order was held back by the size, or if all of it could be had.
        """
        frac = self.filling.displayed_frac.value
        if not frac < 1:
            return tape
        return replace(tape, bid_size=tape.bid_size * frac, ask_size=tape.ask_size * frac)

    def backtest(self, tape: Tape, params: Params, *, session: str = "backtest") -> Backtest:
        """Run the backtest again with all that was measured: latencies, slippage buffer and sizes.

        The same as ``run_backtest(c.displayed(tape), c.params(params), c.model())``. The buffer changes which trades are entered, not what
        they cost: fills are those of the tape.

        Parameters
        ----------
        tape, params
            As in :func:`hedgekit.backtest.run`.
        session : str
            Prefix of the order ids.

        Raises
        ------
        ConfigError, DataError
            As :meth:`model`, :meth:`buffer`, :meth:`params` and :func:`hedgekit.backtest.run`.
        """
        return run_backtest(self.displayed(tape), self.params(params), self.model(), session=session)


def calibrate(journal: Journal, *, level: float = 0.95, reps: int = 2_000, seed: int = 0) -> Calibration:
    """Fit latency, slippage and fill probability from a session's journal (A20, A22).

    Parameters
    ----------
    journal : Journal
        Of a session, ended or running.
    level : float
        Confidence of the intervals.
    reps, seed : int
        Of the resampling of trades.

    Returns
    -------
    Calibration
        Tables, and what a backtest takes: ``model()``, ``buffer()``, ``displayed(tape)``, or all in one ``backtest(tape, params)``.

    Raises
    ------
    ConfigError
        If ``level`` is not between 0.5 and 1, or ``reps`` is below 100.
    JournalError
        If the journal has no record.

    Notes
    -----
    Trades are taken to be independent of each other. Intervals of medians need no law; those of censored times need a
    reason for the cut that has nothing to do with how long the rest would have taken.

    References
    ----------
    Perold 1988 (implementation shortfall); Kaplan & Meier 1958; Wilson 1927; Lo, MacKinlay & Zhang 2002 (limit-order
    executions as censored times).
    """
    return fit(read(journal), level=level, reps=reps, seed=seed)


def fit(found: Executions, *, level: float = 0.95, reps: int = 2_000, seed: int = 0) -> Calibration:
    """Return the calibration of executions already read: :func:`calibrate`."""
    check_level(level)
    if reps < 100:  # noqa: PLR2004 - an interval's ends need some draws beyond them
        msg = f"reps={reps}: must be 100 or more"
        raise ConfigError(msg)
    measured = latency(found, level)
    filled = filling(found, measured, level)
    kept = buffer(found, level=level, reps=reps, seed=seed)
    table = slippage(found, level=level, reps=reps, seed=seed)
    return Calibration(found.session, level, measured, table, filled, kept, tuple(_notes(found, measured, filled, kept, level)))


# ---------------------------------------------------------------------- words


def _notes(found: Executions, measured: Latency, filled: Filling, kept: Buffer, level: float) -> list[str]:
    notes = [f"It rests on {len(found.fills)} fills of {len(found.orders)} orders in {len(found.trades)} trades.", _REQUEST, _CLOCKS]
    if measured.constant:
        notes.append(
            "Every latency of a kind is the same to the nanosecond. They are a simulated exchange's own parameters, not a measurement: "
            "nothing here tells how long a real venue takes, or how it varies."
        )
    wait_s = float(measured.table["median"]["to fill"]) / 1e3
    if wait_s > LONG_S:
        notes.append(f"Half of the first fills came {wait_s:,.0f} s or more after the decision: {_DRIFT}")
    if measured.without_ack:
        notes.append(f"Orders never acknowledged, and in no latency: {measured.without_ack}.")
    return notes + _notes_on_fills(filled, kept, level)


def _notes_on_fills(filled: Filling, kept: Buffer, level: float) -> list[str]:
    notes = []
    cut = int((filled.orders["at_venue"] & ~filled.orders["done"]).sum())
    if cut:
        notes.append(f"Orders cancelled, or at work at the end: {cut}; {_CENSORED}")
    for words, count in (
        ("Orders over, or watched no longer, before a first quote, and in no fill probability", filled.no_chance),
        ("Orders refused or never acknowledged, and in no fill probability and no time", filled.refused),
        ("Orders that filled before they should have reached the venue: for them the request was quicker", filled.early),
    ):
        if count:
            notes.append(f"{words}: {count}.")
    at_once: Estimate = at_once_share(filled.orders, level)
    if at_once.value > 0:
        notes.append(
            f"{at_once.value:.0%} of {at_once.n} orders took from the standing quote, before a new one came. "
            "The compiled backtest lets none do so (next_quote): its fills come later than these."
        )
    if kept.high <= 0:
        notes.append("The slippage buffer is 0 because even the upper end of its interval is a gain; a gain is no reason to expect one.")
    if kept.left_out:
        notes.append(f"Trades not closed, or with unknown orders, and without a say in the slippage buffer: {kept.left_out}.")
    return notes
