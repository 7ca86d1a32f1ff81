"""A finished session as the report sees it: the journal's frames, evidence, verdict and figures, computed once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hedgekit.errors import ConfigError
from hedgekit.journal import Journal
from hedgekit.journal.performance import legs_named
from hedgekit.params import Params
from hedgekit.report.act import Incident, Parity, incidents_of, last_plan, parity_of
from hedgekit.report.naked import Uneven, ladder, uneven
from hedgekit.report.summary import Summary, figures
from hedgekit.stats import ratio
from hedgekit.stats.fit import RatioFit
from hedgekit.stats.reversion import engle_granger
from hedgekit.trials import count, studies
from hedgekit.types import (
    Command,
    Evidence,
    HedgePlan,
    Instrument,
    PlanRevised,
    Reason,
    Reconciled,
    Record,
    Reject,
    SessionEnded,
    SessionStarted,
)
from hedgekit.verdict import Verdict, assess

if TYPE_CHECKING:
    import os

    import pandas as pd

MIN_BARS = 30
"""Fewest bars of which a report can say anything."""


@dataclass(frozen=True, eq=False)
class Session:
    """One session's journal, read.

    Attributes
    ----------
    name : str
        The session.
    instruments : tuple of Instrument
        Leg order, primary first.
    params : Params
        The strategy's numbers at the start.
    changed : tuple of Command
        What changed some of them while it ran.
    market : dict of str
        What the tape was, as the session was told.
    version : str
        The hedgekit that wrote the journal.
    orders, fills, decisions, equity, trades, plans : DataFrame
        The journal's projections.
    refusals : list of ((code, message), orders)
        Rejections by the venue's word.
    uneven : list of Uneven
        Trades whose legs were uneven for a time (L4).
    ladder : dict of Reason to int
        How often each step of the ladder and of the breaker was taken (A18, A19).
    evidence : Evidence
        Engle-Granger over all bars and all hedges.
    fit : RatioFit
        One hedge ratio over all bars, of a basket that of its first hedge alone; for comparison only, it knows the future.
    verdict : Verdict
        The six metrics.
    summary : Summary
        The figures that the command line prints too.
    plan : HedgePlan
        The newest.
    given : tuple of PlanRevised
        Plans that came from a file, at the start or in flight.
    incidents : list of Incident
        What went wrong, and what a person did, with times.
    reconciled : int
        Reconciliations that agreed.
    parity : Parity
        What a replay of the journal gave (L1).
    study, trials : str, int
        The study in the trial ledger that chose this variant ("" for none), and how many it tried (1).
    """

    name: str
    instruments: tuple[Instrument, ...]
    params: Params
    changed: tuple[Command, ...]
    market: dict[str, str]
    version: str
    orders: pd.DataFrame
    fills: pd.DataFrame
    decisions: pd.DataFrame
    equity: pd.DataFrame
    trades: pd.DataFrame
    plans: pd.DataFrame
    refusals: list[tuple[tuple[str, str], int]]
    uneven: list[Uneven]
    ladder: dict[Reason, int]
    evidence: Evidence
    fit: RatioFit
    verdict: Verdict
    summary: Summary
    plan: HedgePlan
    given: tuple[PlanRevised, ...]
    incidents: list[Incident]
    reconciled: int
    parity: Parity
    study: str = ""
    trials: int = 1

    @property
    def primary(self) -> str:
        """Symbol of the primary leg."""
        return self.instruments[0].symbol

    @property
    def hedge(self) -> str:
        """Symbol of the hedge leg; of a basket the first."""
        return self.instruments[1].symbol

    @property
    def hedges(self) -> tuple[str, ...]:
        """Symbols of all hedges: several of a basket; an instrument that stands in is none."""
        return tuple(instrument.symbol for instrument in _legs(self.instruments, self.params)[1:])

    @property
    def bar_s(self) -> float:
        """Seconds of a bar."""
        return self.params.bar_s


def load(journal: str | os.PathLike[str], session: str, study: str = "") -> Session:
    """Read a session and assess it.

    Parameters
    ----------
    journal : path or URL
        The journal.
    session : str
        Which session of it.
    study : str
        The study of the trial ledger in which this variant was found; its trials are counted in the verdict.

    Raises
    ------
    JournalError
        If the journal or the session is not there.
    ConfigError
        If the session is too short to report on, or there is no such study.
    """
    with Journal.open(journal, session, mode="read") as reader:
        records: list[Record] = list(reader.records())
        frames = {name: getattr(reader, name)() for name in ("orders", "fills", "decisions", "equity", "trades", "plans")}
        digests = reader.digest(), reader.economic_digest()
    started = next((r for r in records if isinstance(r, SessionStarted)), None)
    equity = frames["equity"]
    if started is None or len(equity) < MIN_BARS or frames["plans"].empty:
        has = f"{len(equity)} bars and {len(frames['plans'])} hedge plans"
        msg = f"session {session!r} has {has}: a report needs {MIN_BARS} bars and a plan"
        raise ConfigError(msg)
    params = Params.make(**started.params)
    mids = equity["mid_primary"].to_numpy(), equity["mid_hedge"].to_numpy()
    legs = legs_named(len(_legs(started.instruments, params)))
    evidence = engle_granger(mids[0], equity[[f"mid_{name}" for name in legs[1:]]].to_numpy())  # as Backtest.verdict has it
    override = "; ".join(map(str, frames["plans"]["override"].dropna().unique())) or None
    alpha = params.significance
    tried = _tried(study)
    verdict = assess(equity, frames["trades"], frames["fills"], evidence=evidence, override=override, significance=alpha, trials=tried)
    refused = Counter((r.code, r.message) for r in records if isinstance(r, Reject))
    ended = next((r.reason for r in records if isinstance(r, SessionEnded)), None)
    symbols = started.instruments[0].symbol, started.instruments[1].symbol
    apart = uneven(records, started.instruments, params)
    return Session(
        name=session,
        instruments=started.instruments,
        params=params,
        changed=tuple(record for record in records if isinstance(record, Command) and record.changes),
        market=started.market,
        version=started.version,
        refusals=refused.most_common(),
        uneven=apart,
        ladder=ladder(records),
        evidence=evidence,
        fit=ratio.ols(*mids, folds=0, tested=False),
        verdict=verdict,
        summary=figures(
            frames, evidence, verdict, params, apart, session=session, symbols=symbols, ended=ended, records=len(records), digests=digests
        ),
        plan=last_plan(records).plan,
        given=tuple(record for record in records if isinstance(record, PlanRevised) and record.source),
        incidents=incidents_of(records),
        reconciled=sum(isinstance(r, Reconciled) and r.agrees for r in records),
        parity=parity_of(records),
        study=study,
        trials=tried,
        **frames,
    )


def _legs(instruments: tuple[Instrument, ...], params: Params) -> tuple[Instrument, ...]:
    """Return the legs that the plan weighs: the instrument that stands in for one is the last, and none of them."""
    return instruments if params.stand_in == "none" else instruments[:-1]


def _tried(study: str) -> int:
    if not study:
        return 1
    found = count(study)
    if not found:
        msg = f"the trial ledger knows no study {study!r}: {', '.join(studies().index) or 'it has none'}"
        raise ConfigError(msg)
    return found


def summarise(journal: str | os.PathLike[str], session: str) -> Summary:
    """Return a session's figures; ``print(summarise(...).text())`` is the command line's summary."""
    return load(journal, session).summary
